"""The hotspot scan in cities without a hotspot: false alarms at the rate it promises."""

import numpy as np
import pytest
from scipy.stats import binom

from geo.scan import _null_need
from pipelines.calibrate import Calibration, calibrate, describe, has_alarm, main, null_city

CITIES = range(7_000, 7_020)


def test_false_alarms_in_twenty_null_cities() -> None:
    alarms = sum(has_alarm(seed, n_sim=199) for seed in CITIES)
    bound = 5
    assert binom.sf(bound, len(CITIES), 0.05) < 0.001  # the chance to fail if the scan keeps its promise
    assert alarms <= bound


def test_a_null_city_is_skewed_without_hotspot_and_fixed_by_its_seed() -> None:
    city, again = null_city(5), null_city(5)
    np.testing.assert_array_equal(city.n_need, again.n_need)
    assert city.n_all.sum() == 40_000
    assert 3_000 <= len(city.x) <= 6_000
    busiest = np.sort(city.n_all)[-len(city.n_all) // 20 :].sum() / 40_000
    assert 0.2 < busiest < 0.5  # a twentieth of the places has far more than its part
    assert city.n_need.sum() / 40_000 == pytest.approx(0.15, abs=0.01)


def test_labels_are_dealt_as_the_hypergeometric_law_says() -> None:
    calls = np.array([1, 4, 15, 20])
    drawn = _null_need(calls, 10, 20_000, np.random.default_rng(1))
    assert (drawn.sum(axis=0) == 10).all()
    assert (drawn <= calls[:, None]).all()
    share = calls / 40
    np.testing.assert_allclose(drawn.mean(axis=1), 10 * share, atol=0.05)
    variance = 10 * share * (1 - share) * (30 / 39)
    np.testing.assert_allclose(drawn.var(axis=1), variance, rtol=0.04)
    covariance = -10 * share[2] * share[3] * (30 / 39)
    assert np.cov(drawn)[2, 3] == pytest.approx(covariance, rel=0.06)


def test_the_command_counts_and_judges(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cities", "4", "--sims", "19", "--seed", "7000"]) == 0
    assert "4 null cities" in capsys.readouterr().out
    result = calibrate(4, n_sim=19, seed=7_000, processes=1)
    assert result.n_alarms == sum(has_alarm(seed, n_sim=19) for seed in range(7_000, 7_004))
    with pytest.raises(SystemExit):
        main(["--cities", "0"])


def test_the_verdict_follows_the_lower_limit() -> None:
    good = Calibration(n_cities=400, n_sim=199, n_alarms=28, rate=0.07, low=0.047, high=0.1)
    bad = Calibration(n_cities=400, n_sim=199, n_alarms=34, rate=0.085, low=0.06, high=0.117)
    assert good.is_valid
    assert not bad.is_valid
    assert "not above" in describe(good)
    assert "ABOVE" in describe(bad)
