"""Comparators beside hand cases, moveq-core and inequality."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geo.access import step_decay
from geo.comparators import access_weighted, concentration_index, disparity, gini, shrink_hours, z_index
from geo.errors import InputError

NAN = float("nan")
MINUTES = [[8.0, 25.0], [18.0, 40.0], [50.0, 50.0]]
TOY_Y, TOY_W, TOY_RANK = [0.0, 0.0, 1.0, 2.0, 5.0], [10.0, 20.0, 30.0, 20.0, 20.0], [1.0, 2.0, 2.0, 3.0, 4.0]


def toy_calls() -> np.ndarray:
    calls = np.zeros((3, 168))
    calls[0, 10], calls[0, 2] = 20, 30
    calls[1, 10], calls[1, 140] = 40, 10
    calls[2, 100] = 5
    return calls


def toy_hours() -> np.ndarray:
    """Monday to Friday 9–17, and always."""
    hours = np.zeros((2, 168))
    for day in range(5):
        hours[0, day * 24 + 9 : day * 24 + 17] = 1
    hours[1] = 1
    return hours


# --- access-weighted calls ----------------------------------------------------------------------------------


def test_soft_unmet_of_the_toy_city() -> None:
    found = access_weighted(toy_calls(), step_decay(MINUTES), toy_hours(), years=1, combine="independent")
    np.testing.assert_allclose(found.unmet, [23.4, 22.8, 5.0], rtol=1e-12)
    np.testing.assert_allclose(found.calls, [50, 50, 5])
    np.testing.assert_allclose(found.unmet / found.calls, [0.468, 0.456, 1.0], rtol=1e-12)


@pytest.mark.oracle
def test_oracle_gap_index_toy(oracle_dir: Path) -> None:
    toy = json.loads((oracle_dir / "gap_index_toy" / "expected.json").read_text())
    weights = step_decay(toy["D_minutes"])
    found = access_weighted(toy_calls(), weights, toy_hours(), years=1, combine="independent")
    population = np.array(toy["pop"], dtype=float)
    rate = np.divide(1000 * found.unmet, population, out=np.full(3, NAN), where=population > 0)
    for i, row in enumerate(toy["expected"]):
        assert found.calls[i] == pytest.approx(row["demand_per_year"], rel=1e-12)
        assert found.unmet[i] == pytest.approx(row["unmet_prob_per_year"], rel=1e-12)
        assert found.unmet[i] / found.calls[i] == pytest.approx(row["share_unmet"], rel=1e-12)
        if row["unmet_per_1000"] is None:
            assert np.isnan(rate[i])
        else:
            assert rate[i] == pytest.approx(row["unmet_per_1000"], rel=1e-12)


def test_best_counts_one_service_independent_all() -> None:
    calls, open_always = [[100.0]], [[1.0], [1.0]]
    weights = [[0.68, 0.22]]
    best = access_weighted(calls, weights, open_always, years=2)
    independent = access_weighted(calls, weights, open_always, years=2, combine="independent")
    np.testing.assert_allclose(best.unmet, [50 * 0.32])
    np.testing.assert_allclose(independent.unmet, [50 * 0.32 * 0.78])
    half = access_weighted(calls, weights, open_always, years=2, eligibility=[0.5, 1])
    np.testing.assert_allclose(half.reach, [[0.34]])


def test_no_service_no_reach() -> None:
    found = access_weighted([[3.0, 1.0]], np.zeros((1, 0)), np.zeros((0, 2)), years=1)
    np.testing.assert_allclose(found.unmet, [4.0])
    assert (found.reach == 0).all()


@given(
    arrays(np.float64, (3, 4), elements=st.floats(0, 50)),
    arrays(np.float64, (3, 2), elements=st.floats(0, 1)),
    arrays(np.float64, (2, 4), elements=st.floats(0, 1)),
)
@settings(deadline=None)
def test_more_hours_or_services_never_raise_it(calls: np.ndarray, weights: np.ndarray, hours: np.ndarray) -> None:
    best = access_weighted(calls, weights, hours, years=1)
    independent = access_weighted(calls, weights, hours, years=1, combine="independent")
    assert (independent.unmet <= best.unmet + 1e-9).all()
    assert (best.unmet <= best.calls + 1e-9).all()
    longer = access_weighted(calls, weights, np.minimum(hours + 0.3, 1), years=1)
    fewer = access_weighted(calls, weights[:, :1], hours[:1], years=1)
    assert (longer.unmet <= best.unmet + 1e-9).all()
    assert (best.unmet <= fewer.unmet + 1e-9).all()


def test_access_weighted_refuses() -> None:
    with pytest.raises(InputError, match="places × hours"):
        access_weighted([[1.0]], [[1.0]], [[1.0, 1.0]], years=1)
    with pytest.raises(InputError, match="0–1"):
        access_weighted([[1.0]], [[1.2]], [[1.0]], years=1)
    with pytest.raises(InputError, match="0–1"):
        access_weighted([[1.0]], [[NAN]], [[1.0]], years=1)
    with pytest.raises(InputError, match="max"):
        access_weighted([[1.0]], [[1.0]], [[1.0]], years=1, combine="max")  # type: ignore[arg-type]


def test_shrink_hours() -> None:
    calls = np.array([[10.0, 0.0], [0.0, 0.0], [20.0, 30.0]])
    found = shrink_hours(calls)
    np.testing.assert_allclose(found.sum(axis=1), calls.sum(axis=1))
    np.testing.assert_allclose(found[0], 10 * np.array([10 + 25, 25]) / 60)
    np.testing.assert_allclose(shrink_hours(calls, kappa=0), calls)
    with pytest.raises(InputError, match="with calls"):
        shrink_hours(np.zeros((2, 3)))


# --- z-index ------------------------------------------------------------------------------------------------


def test_z_index_by_hand() -> None:
    demand, access = [1.0, 2.0, 3.0, 4.0, 100.0], [5.0, 4.0, 3.0, 2.0, 1.0]
    unit = 1 / 1.4826
    np.testing.assert_allclose(z_index(demand, access), [-4 * unit, -2 * unit, 0, 2 * unit, 3 + 2 * unit])


def test_z_index_ranks_where_most_are_equal() -> None:
    found = z_index([0, 0, 0, 0, 9.0], [1.0, 2, 3, 4, 5])
    ranks = [-0.2533471, -0.2533471, -0.2533471, -0.2533471, 1.2815516]  # normal scores of .4 and .9
    np.testing.assert_allclose(found + np.array([-2, -1, 0, 1, 2]) / 1.4826, ranks, rtol=1e-6)


def test_z_index_missing_stays_missing() -> None:
    found = z_index([1, 2, 3, NAN], [3, NAN, 1, 2])
    assert np.isnan(found).tolist() == [False, True, False, True]
    assert np.isnan(z_index([NAN], [1])).all()
    with pytest.raises(InputError, match="equal length"):
        z_index([1, 2], [1])


# --- concentration ------------------------------------------------------------------------------------------


def test_concentration_of_the_toy() -> None:
    assert concentration_index(TOY_Y, TOY_RANK, TOY_W) == pytest.approx(0.511764705882353, abs=1e-12)
    assert gini(TOY_Y, TOY_W) == pytest.approx(0.5470588235294117, abs=1e-12)


@pytest.mark.oracle
def test_oracle_concentration_index(oracle_dir: Path) -> None:
    folder = oracle_dir / "concentration_index"
    data, expected = pd.read_csv(folder / "input.csv"), json.loads((folder / "expected.json").read_text())
    found = concentration_index(data["y"], data["rank_var"], data["pop"])
    assert found == pytest.approx(expected["CI_moveq_higher_is_advantaged"], abs=1e-10)
    assert gini(data["y"], data["pop"]) == pytest.approx(expected["gini_weighted_moveq"], abs=1e-10)
    assert gini(data["y"]) == pytest.approx(expected["gini_unweighted_inequality"], abs=1e-10)
    assert (round(found, 6), round(gini(data["y"], data["pop"]), 6)) == (0.170005, 0.293560)


def test_erreygers_form_does_not_mind_the_complement() -> None:
    share, rank = np.array([0.1, 0.3, 0.2, 0.9]), np.arange(4.0)
    met = concentration_index(share, rank, bounds=(0, 1))
    unmet = concentration_index(1 - share, rank, bounds=(0, 1))
    assert met == pytest.approx(-unmet)
    assert met == pytest.approx(4 * share.mean() * concentration_index(share, rank))


@given(arrays(np.float64, st.integers(2, 20), elements=st.floats(0, 100, allow_subnormal=False)), st.integers(0, 99))
@settings(deadline=None)
def test_concentration_bounds_sign_and_repeats(values: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rank, weights = rng.integers(0, 5, values.size).astype(float), rng.integers(1, 5, values.size)
    found = concentration_index(values, rank, weights)
    if values.sum() == 0:
        assert np.isnan(found)
        return
    assert -1 - 1e-12 <= found <= 1 + 1e-12
    assert concentration_index(values, -rank, weights) == pytest.approx(-found, abs=1e-9)
    repeated = concentration_index(np.repeat(values, weights), np.repeat(rank, weights))
    assert repeated == pytest.approx(found, abs=1e-9)
    assert gini(values, weights) >= abs(found) - 1e-9


def test_concentration_edges() -> None:
    assert np.isnan(concentration_index([0, 0], [1, 2]))
    assert np.isnan(concentration_index([], []))
    assert concentration_index([1, NAN, 3], [1, 2, 3]) == concentration_index([1, 3], [1, 3])
    with pytest.raises(InputError, match="0 or more"):
        concentration_index([-1, 2], [1, 2])
    with pytest.raises(InputError, match="bounds"):
        concentration_index([1, 2], [1, 2], bounds=(0, 1))
    with pytest.raises(InputError, match="equal length"):
        concentration_index([1, 2], [1])


# --- disparity ----------------------------------------------------------------------------------------------


def test_disparity_by_hand() -> None:
    found = disparity([0.2, 0.6, NAN], [10, 30, 9], [30, 10, 9], seed=1)
    assert found.group_mean == pytest.approx(0.5)
    assert found.reference_mean == pytest.approx(0.3)
    assert found.ratio == found.low == found.high == pytest.approx(5 / 3)
    assert found.n_left_out == 1


def test_disparity_widens_with_error_and_is_reproducible() -> None:
    gap, group, other = [0.2, 0.6, 0.4], [10.0, 30, 20], [30.0, 10, 20]
    unsure = disparity(gap, group, other, seed=1, group_moe=[9, 20, 9], reference_moe=10)
    assert unsure == disparity(gap, group, other, seed=1, group_moe=[9, 20, 9], reference_moe=10)
    assert unsure.low < unsure.ratio < unsure.high
    draws = np.clip(np.random.default_rng(2).normal(gap, 0.1, (500, 3)), 0, 1)
    both = disparity(gap, group, other, seed=1, group_moe=[9, 20, 9], reference_moe=10, gap_draws=draws)
    assert both.high - both.low > unsure.high - unsure.low


def test_disparity_covers_the_truth() -> None:
    rng, hits = np.random.default_rng(4), 0
    gap, group, other = rng.uniform(0.1, 0.9, 12), rng.uniform(80, 200, 12), rng.uniform(80, 200, 12)
    truth = (group @ gap / group.sum()) / (other @ gap / other.sum())
    for i in range(200):
        seen = rng.normal([group, other], 12)
        found = disparity(gap, *seen, seed=i, group_moe=12 * 1.645, reference_moe=12 * 1.645, n_draws=400)
        hits += found.low <= truth <= found.high
    assert 0.84 <= hits / 200 <= 0.96


def test_disparity_edges() -> None:
    none = disparity([0.0, 0.0], [1, 2], [2, 1], seed=1)
    assert none.group_mean == none.reference_mean == 0
    assert np.isnan([none.ratio, none.low, none.high]).all()
    with pytest.raises(InputError, match=r"\[0\]"):
        disparity([0.5], [0], [1], seed=1)
    with pytest.raises(InputError, match="equally many"):
        disparity([0.5], [1, 2], [1], seed=1)
    with pytest.raises(InputError, match="draws"):
        disparity([0.5], [1], [1], seed=1, gap_draws=[[0.5, 0.5]])
