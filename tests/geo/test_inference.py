"""Monte Carlo p-values and adjusted p-values, beside R's p.adjust."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geo.errors import InputError
from geo.inference import fdr, monte_carlo_p

NAN = float("nan")


@pytest.mark.oracle
def test_oracle_fdr(oracle_dir: Path) -> None:
    table = pd.read_csv(oracle_dir / "fdr" / "expected.csv")
    for method, column in [("bh", "BH"), ("by", "BY"), ("holm", "holm"), ("bonferroni", "bonferroni")]:
        adjusted = fdr(table["p"], method=method)  # type: ignore[arg-type]
        np.testing.assert_allclose(adjusted, table[column], rtol=0, atol=1e-12)
    assert int((fdr(table["p"]) <= 0.05).sum()) == 11
    assert int((fdr(table["p"]) <= 0.10).sum()) == 18
    assert int((fdr(table["p"], method="by") <= 0.10).sum()) == 10


def test_fdr_by_hand() -> None:
    p = [0.01, 0.04, 0.03, 0.005]
    np.testing.assert_allclose(fdr(p), [0.02, 0.04, 0.04, 0.02])
    np.testing.assert_allclose(fdr(p, method="by"), np.array([0.02, 0.04, 0.04, 0.02]) * (25 / 12))
    np.testing.assert_allclose(fdr(p, method="holm"), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(fdr(p, method="bonferroni"), [0.04, 0.16, 0.12, 0.02])


def test_missing_p_is_not_a_test() -> None:
    adjusted = fdr([0.01, 0.02, NAN, 0.03, 0.2])
    np.testing.assert_allclose(adjusted, [0.04, 0.04, NAN, 0.04, 0.2], atol=1e-12)
    assert fdr([]).size == 0
    assert np.isnan(fdr([NAN, NAN])).all()


def test_fdr_refuses() -> None:
    with pytest.raises(InputError, match="0 to 1"):
        fdr([0.2, 1.2])
    with pytest.raises(InputError, match=r"\[sidak\]"):
        fdr([0.2], method="sidak")  # type: ignore[arg-type]


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1)))
@settings(deadline=None)
def test_adjusted_are_ordered_and_never_smaller(p: np.ndarray) -> None:
    order = np.argsort(p, kind="stable")
    for method in ("bh", "by", "holm", "bonferroni"):
        adjusted = fdr(p, method=method)
        assert (adjusted >= p - 1e-15).all()
        assert (adjusted <= 1).all()
        assert (np.diff(adjusted[order]) >= -1e-15).all()
        np.testing.assert_array_equal(fdr(p[::-1], method=method)[::-1], adjusted)


def test_monte_carlo_p_counts_ties_and_itself() -> None:
    assert monte_carlo_p(3.0, [1.0, 2.0, 3.0, 4.0]) == pytest.approx(3 / 5)
    assert monte_carlo_p(9.0, np.zeros(999)) == pytest.approx(0.001)
    np.testing.assert_allclose(monte_carlo_p([3.0, 0.0, NAN], [1.0, 2.0, 3.0, 4.0]), [0.6, 1.0, NAN])


def test_monte_carlo_p_one_null_each() -> None:
    simulated = np.array([[0.0, 5.0], [1.0, 6.0], [2.0, 7.0]])
    np.testing.assert_allclose(monte_carlo_p([2.0, 6.5], simulated), [0.5, 0.5])


@pytest.mark.parametrize("simulated", [[], [1.0, NAN], np.zeros((3, 4)), 1.0])
def test_monte_carlo_p_refuses(simulated: object) -> None:
    with pytest.raises(InputError):
        monte_carlo_p([1.0, 2.0], simulated)  # type: ignore[arg-type]


def test_monte_carlo_p_is_uniform_under_the_null() -> None:
    rng = np.random.default_rng(11)
    p = np.array([monte_carlo_p(x[0], x[1:]).item() for x in rng.normal(size=(2000, 20))])
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.015)
    assert p.mean() == pytest.approx(0.525, abs=0.02)
