"""Rates with intervals, margins of error and empirical Bayes, beside epitools, spdep, esda and the Census handbook."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from geo.errors import InputError
from geo.neighbours import Neighbours, from_pairs
from geo.rates import (
    difference_test,
    dispersion,
    eb_global,
    eb_spatial,
    fay_feuer,
    garwood,
    moe_product,
    moe_proportion,
    moe_ratio,
    moe_sum,
    posterior_interval,
    rate_interval,
    rate_ratio_exact,
    reliability,
)

NAN = float("nan")


def chain(n: int) -> Neighbours:
    i = np.arange(n - 1)
    return from_pairs(np.r_[i, i + 1], np.r_[i + 1, i], ids=range(n))


# --- counts -------------------------------------------------------------------------------------------------


def test_garwood_closed_forms_and_definition() -> None:
    np.testing.assert_allclose(garwood(0, 0.95).high, -np.log(0.025), rtol=1e-12)
    np.testing.assert_allclose(garwood(1, 0.95).low, -np.log(0.975), rtol=1e-12)
    np.testing.assert_allclose(garwood(1, 0.95).high, 5.571643390938, rtol=1e-10)
    assert garwood(0).low == 0
    counts = np.arange(1, 400)
    for level in (0.90, 0.95):
        found, tail = garwood(counts, level), (1 - level) / 2
        np.testing.assert_allclose(stats.poisson.sf(counts - 1, found.low), tail, rtol=1e-9)
        np.testing.assert_allclose(stats.poisson.cdf(counts, found.high), tail, rtol=1e-9)


@pytest.mark.oracle
def test_oracle_rate_ci(oracle_dir: Path) -> None:
    table = pd.read_csv(oracle_dir / "rate_ci" / "expected_poisson.csv")
    # The peer finds exact limits by root search to eps^¼ = 1.2e-4 of a call; ours are closed (test above).
    one_call, search = (1000 / table["pop"]).to_numpy(), np.finfo(np.float64).eps ** 0.25
    for level, name in [(0.95, "exact95"), (0.90, "exact90")]:
        found = rate_interval(table["cases"], table["pop"], years=1, level=level)
        np.testing.assert_allclose(found.value, table["rate_per_1000"], rtol=1e-6)
        assert (np.abs(found.low - table[f"{name}_lo"]) <= search * one_call).all()
        assert (np.abs(found.high - table[f"{name}_hi"]) <= search * one_call).all()
    expected = json.loads((oracle_dir / "rate_ci" / "expected.json").read_text())
    direct = expected["direct_standardised"]
    adjusted = fay_feuer(direct["counts"], direct["pop"], direct["std"])
    np.testing.assert_allclose(
        [adjusted.value, adjusted.low, adjusted.high], [direct["adjusted"], direct["lci"], direct["uci"]], rtol=1e-6
    )
    for case in expected["poisson_rate_ratio_exact"]:
        found_ratio = rate_ratio_exact(case["x1"], case["t1"], case["x2"], case["t2"])
        got = [found_ratio.ratio, found_ratio.low, found_ratio.high, found_ratio.p_value]
        np.testing.assert_allclose(got, [case["rr"], case["lo95"], case["hi95"], case["p"]], rtol=1e-6)


def test_rate_ratio_by_hand_and_at_the_edges() -> None:
    found = rate_ratio_exact(12, 1000, 5, 1000)
    got = [found.ratio, found.low, found.high, found.p_value]
    np.testing.assert_allclose(got, [2.4, 0.787045894172816, 8.69598111868027, 0.143463134765625], rtol=1e-6)
    none_below = rate_ratio_exact(4, 1, 0, 1)
    assert none_below.ratio == none_below.high == float("inf")
    assert 0 < none_below.low < 1
    none_above = rate_ratio_exact(0, 1, 4, 1)
    assert none_above.ratio == none_above.low == 0
    nothing = rate_ratio_exact(0, 1, 0, 1)
    assert np.isnan(nothing.ratio)
    assert (nothing.low, nothing.high, nothing.p_value) == (0.0, float("inf"), 1.0)
    with pytest.raises(InputError, match="whole counts"):
        rate_ratio_exact(1.5, 1, 1, 1)
    with pytest.raises(InputError, match="above 0"):
        rate_ratio_exact(1, 0, 1, 1)


def test_fay_feuer_strata_along_the_last_axis() -> None:
    counts, people, standard = [107, 141, 60], [230061, 329449, 114920], [63986.6, 186263.6, 157302.2]
    one = fay_feuer(counts, people, standard)
    two = fay_feuer([counts, [0, 0, 0]], [people, people], standard)
    assert two.value.shape == (2,)
    assert two.low[0] == one.low
    assert two.low[1] == 0
    assert two.high[1] > 0
    assert np.isnan(fay_feuer([1, 1], [0, 10], [1, 1]).high)


@pytest.mark.parametrize(
    ("calls", "pop", "moe", "years", "rate", "lo", "hi"),
    [
        (48, 3120, 412, 1, 15.384615384615385, 11.724520467495536, 20.18729816615713),
        (12, 640, 188, 2, 9.375, 5.363753210466549, 16.386030742148016),
        (301, 5210, 377, 1, 57.773512476007674, 51.277740008963534, 65.09215779072866),
    ],
)
def test_rate_with_population_error(
    calls: int, pop: int, moe: int, years: float, rate: float, lo: float, hi: float
) -> None:
    found = rate_interval(calls, pop, years=years, population_moe=moe)
    np.testing.assert_allclose([found.value, found.low, found.high], [rate, lo, hi], rtol=1e-9)


def test_rate_without_calls_or_residents() -> None:
    found = rate_interval([0, 0, 5, 5, NAN, 5, 0], [900, 900, 0, NAN, 900, 900, 100], years=2, population_moe=[100] * 7)
    np.testing.assert_allclose(found.value, [0, 0, NAN, NAN, NAN, 1000 * 5 / 1800, 0])
    assert found.low[0] == 0
    assert found.high[0] == pytest.approx(float(garwood(0).high) * 1000 / (800 * 2))
    assert np.isnan(found.high[6])  # the margin is as large as the population
    assert np.isnan(np.r_[found.low[2:5], found.high[2:5]]).all()
    unknown = rate_interval([5, 0], [900, 900], years=2, population_moe=[NAN, NAN])
    assert np.isfinite(unknown.value).all()
    assert np.isnan(np.r_[unknown.low, unknown.high]).all()


def test_over_dispersion_widens_and_1_does_nothing() -> None:
    plain = rate_interval([0, 9], [900, 900], years=1)
    for phi in (0.4, 1.0):
        same = rate_interval([0, 9], [900, 900], years=1, phi=phi)
        np.testing.assert_array_equal([same.low, same.high], [plain.low, plain.high])
    for moe in (None, [60.0, 60.0]):
        before = rate_interval([0, 9], [900, 900], years=1, population_moe=moe)
        after = rate_interval([0, 9], [900, 900], years=1, population_moe=moe, phi=2.5)
        assert (after.high > before.high).all()
        assert after.low[1] < before.low[1]
    cv = np.sqrt(2.5 / 9 + (60 / 1.645 / 900) ** 2)
    assert after.high[1] == pytest.approx(10 * np.exp(1.645 * cv))


def test_dispersion() -> None:
    assert dispersion([4, 4, 4]) == 0
    assert dispersion([2, 4, 6]) == pytest.approx(1.0)
    assert dispersion([7, 6], exposure=[7, 6]) == 0
    assert np.isnan(dispersion([5]))
    assert np.isnan(dispersion([0, 0, 0]))
    poisson = np.random.default_rng(3).poisson(40, 4000)
    assert dispersion(poisson) == pytest.approx(1, abs=0.08)


@given(st.integers(0, 500), st.floats(50, 1e5), st.floats(0.1, 9))
@settings(deadline=None)
def test_limits_hold_the_rate(calls: int, pop: float, years: float) -> None:
    for moe in (None, 0.3 * pop):
        found = rate_interval(calls, pop, years=years, population_moe=moe)
        assert found.low <= found.value <= found.high


def test_coverage_of_garwood() -> None:
    counts = np.random.default_rng(8).poisson(6.3, 20000)
    found = garwood(counts)
    inside = (found.low <= 6.3) & (found.high >= 6.3)
    assert inside.mean() >= 0.89


def test_rate_refuses() -> None:
    with pytest.raises(InputError, match="555555555"):
        rate_interval([1], [10], years=1, population_moe=[-555555555])
    with pytest.raises(InputError, match="years"):
        rate_interval([1], [10], years=0)
    with pytest.raises(InputError, match="level"):
        garwood([1], 1.2)


# --- margins of error ---------------------------------------------------------------------------------------


def test_moe_by_hand() -> None:
    total = moe_sum([135173, 24666, 150], [3860, 1000, 120])
    np.testing.assert_allclose(total, (159989, 3989.235515734813), rtol=1e-9)
    np.testing.assert_allclose(moe_sum([100, 0, 0, 0, 50], [40, 12, 12, 13, 30]), (150, 51.66236541235796), rtol=1e-9)
    np.testing.assert_allclose(moe_proportion(322, 49, 1036, 85), (0.3108108108108108, 0.03983389379016484), rtol=1e-9)
    np.testing.assert_allclose(moe_ratio(322, 49, 1036, 85), (0.3108108108108108, 0.05373387729144175), rtol=1e-9)
    np.testing.assert_allclose(moe_product(74506512, 228238, 0.824, 0.001), (61393365.888, 202288.98902721), rtol=1e-9)


def test_moe_proportion_falls_back_to_the_ratio() -> None:
    np.testing.assert_allclose(moe_proportion(95, 4, 100, 30), moe_ratio(95, 4, 100, 30))
    assert np.isnan(moe_proportion([1], [1], [0], [1])).all()
    assert np.isnan(moe_ratio([1], [1], [0], [1])).all()


def test_moe_sum_by_row_and_missing() -> None:
    value, moe = moe_sum(np.array([[3, 4], [0, 0], [1, NAN]]), np.array([[3, 4], [5, 12], [1, 1]]))
    np.testing.assert_allclose(value, [7, 0, NAN])
    np.testing.assert_allclose(moe[:2], [5, 12])
    assert moe_sum([], [])[1] == 0


@pytest.mark.oracle
def test_oracle_moe_acs(oracle_dir: Path) -> None:
    expected: dict[str, list[dict[str, Any]]] = json.loads((oracle_dir / "moe_acs" / "expected.json").read_text())
    pairs = {
        "proportion": (moe_proportion, "num", "den"),
        "ratio": (moe_ratio, "num", "den"),
        "product": (moe_product, "a", "b"),
    }
    for case in expected["sum"]:
        np.testing.assert_allclose(moe_sum(*np.array(case["in"], dtype=float).T), case["closed"], rtol=1e-9)
    for kind, (formula, first, second) in pairs.items():
        for case in expected[kind]:
            np.testing.assert_allclose(formula(*case[first], *case[second]), case["census_data_aggregator"], rtol=1e-9)
    for case in expected["rate_delta_log"]:
        found = rate_interval(case["C"], case["pop"], years=case["years"], population_moe=case["moe"])
        np.testing.assert_allclose(
            [found.value, found.low, found.high], [case["rate"], case["lo"], case["hi"]], rtol=1e-9
        )


def test_reliability_classes() -> None:
    estimate = [100, 100, 100, 0, NAN, -100]
    moe = [19.7, 65.7, 65.9, 12, 1, 10]
    assert reliability(estimate, moe).tolist() == ["high", "medium", "low", "low", "unknown", "high"]


def test_difference_test() -> None:
    z, differs = difference_test([100, 100, 5, 5, NAN], [30, 30, 0, 0, 1], [150, 120, 6, 5, 1], [30, 30, 0, 0, 1])
    np.testing.assert_allclose(z, [50 * 1.645 / np.hypot(30, 30), 20 * 1.645 / np.hypot(30, 30), np.inf, 0, NAN])
    assert differs.tolist() == [True, False, True, False, False]


# --- empirical Bayes ----------------------------------------------------------------------------------------


@pytest.mark.oracle
def test_oracle_eb_rates_auckland(oracle_dir: Path) -> None:
    folder = oracle_dir / "eb_rates_auckland"
    data, links = pd.read_csv(folder / "input.csv"), pd.read_csv(folder / "nb.csv")
    spdep, esda = pd.read_csv(folder / "expected.csv"), pd.read_csv(folder / "expected_esda.csv")
    facts = json.loads((folder / "expected.json").read_text())
    neighbours = from_pairs(links["i"], links["j"], ids=list(data["id"]))
    overall = eb_global(data["deaths"], data["pop"])
    np.testing.assert_allclose(overall.rate, spdep["eb_global_poisson"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(overall.rate, esda["esda_eb"], rtol=0, atol=1e-10)
    assert overall.mean[0] == pytest.approx(facts["m"], abs=1e-10)
    assert overall.variance[0] == pytest.approx(facts["a"], abs=1e-10)
    local = eb_spatial(data["deaths"], data["pop"], neighbours)
    np.testing.assert_allclose(local.rate, spdep["eb_local_geoda"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(local.rate, esda["esda_seb"], rtol=0, atol=1e-10)
    marshall = eb_spatial(data["deaths"], data["pop"], neighbours, variant="marshall")
    np.testing.assert_allclose(marshall.rate, spdep["eb_local"], rtol=0, atol=1e-10)
    assert int(marshall.is_mean.sum()) == facts["n_local_zero_variance"]


def test_eb_global_by_hand() -> None:
    # m = 30/300; rates .2, .1, 0 → s² = .02/3; a = s² − .1/100
    found = eb_global([20, 10, 0], [100, 100, 100])
    a = 0.02 / 3 - 0.001
    w = a / (a + 0.001)
    np.testing.assert_allclose(found.rate, [0.1 + 0.1 * w, 0.1, 0.1 - 0.1 * w])
    np.testing.assert_allclose(found.weight, w)


def test_eb_spatial_by_hand() -> None:
    # area 0 of a chain sees areas 0 and 1: m = 30/200, deviations ±.05, a = .0025 − .15/100
    found = eb_spatial([20, 10, 0], [100, 100, 100], chain(3))
    w = 0.001 / (0.001 + 0.0015)
    assert found.rate[0] == pytest.approx(0.15 + 0.05 * w)
    assert found.mean[1] == pytest.approx(0.1)
    # spdep's variant takes the neighbour's own local mean (.1) for area 1
    marshall = eb_spatial([20, 10, 0], [100, 100, 100], chain(3), variant="marshall")
    assert marshall.variance[0] == 0.0  # (.05² + 0²)/2 is below .15/100
    assert marshall.rate[0] == pytest.approx(0.15)


def test_eb_edges() -> None:
    count, people = [3, 0, 0, 0, 9, NAN, 40], [10, 0, 10, 10, 10, 10, 200]
    neighbours = from_pairs([0, 1, 2, 3, 2, 1, 5, 4], [1, 0, 3, 2, 1, 2, 4, 5], ids=range(7))
    found, overall = eb_spatial(count, people, neighbours), eb_global(count, people)
    assert np.isnan(found.rate[[1, 5]]).all()
    assert np.isnan(overall.rate[[1, 5]]).all()
    for alone in (0, 4, 6):  # no neighbour, or none with residents and a count
        assert found.rate[alone] == pytest.approx(overall.rate[alone])
    assert found.rate[2] == found.rate[3] == pytest.approx(52 / 240)
    assert found.is_mean[[2, 3]].all()
    assert np.isnan(eb_global([1.0], [0.0]).rate).all()


@given(st.integers(2, 40), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_eb_lies_between_raw_and_mean(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    people = rng.integers(1, 4000, n).astype(float)
    count = rng.poisson(people * rng.gamma(2, 0.01, n)).astype(float)
    raw = count / people
    for found in (
        eb_global(count, people),
        eb_spatial(count, people, chain(n)),
        eb_spatial(count, people, chain(n), variant="marshall"),
    ):
        assert (found.rate >= np.minimum(raw, found.mean) - 1e-12).all()
        assert (found.rate <= np.maximum(raw, found.mean) + 1e-12).all()
        order = rng.permutation(n)
    shuffled = eb_global(count[order], people[order])
    np.testing.assert_allclose(shuffled.rate, eb_global(count, people).rate[order], rtol=1e-9)


def test_posterior_mean_is_the_smoothed_rate() -> None:
    count, people = np.array([20.0, 10, 0, 7]), np.array([100.0, 100, 100, 0])
    smoothed = eb_global(count, people)
    found = posterior_interval(count, people, smoothed)
    prior_shape, prior_rate = smoothed.mean**2 / smoothed.variance, smoothed.mean / smoothed.variance
    np.testing.assert_allclose(((count + prior_shape) / (people + prior_rate))[:3], smoothed.rate[:3])
    assert ((found.low < smoothed.rate) & (smoothed.rate < found.high))[:3].all()
    assert np.isnan(found.low[3])
    equal = posterior_interval([5, 5], [10, 10], eb_global([5, 5], [10, 10]))
    assert np.isnan([equal.low, equal.high]).all()
    np.testing.assert_allclose(equal.value, 0.5)


def test_eb_refuses() -> None:
    with pytest.raises(InputError, match=r"\[3\]"):
        eb_spatial([1, 2], [1, 2], chain(3))
    with pytest.raises(InputError, match="spdep"):
        eb_spatial([1, 2], [1, 2], chain(2), variant="spdep")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="an area"):
        eb_global([1, 2], [1, 2, 3])
    with pytest.raises(InputError, match="0 or more"):
        eb_global([-1, 2], [1, 2])
