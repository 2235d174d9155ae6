"""Sinks, recurrence, concentration: hand-made cases, and the sink of the planted city."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from geo.errors import InputError
from geo.places import (
    concentration,
    longest_run,
    recurrence,
    repeat_places,
    share_interval,
    single_location_areas,
    sinks,
)

MONDAYS = np.datetime64("2024-01-01") + 7 * np.arange(52)


def calls_at(*days: float) -> np.ndarray:
    """Times, in days after Monday 2024-01-01 00:00."""
    return np.datetime64("2024-01-01T00:00:00") + (np.array(days) * 86_400).astype("timedelta64[s]")


# --- sinks ----------------------------------------------------------------------------------------


def ordinary(n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.arange(n) * 50.0, np.zeros(n), np.ones(n)


def test_a_sink_needs_both_the_share_and_ten_times_the_99th_percentile() -> None:
    x, y, one = ordinary()
    need = one.copy()
    need[7] = 10
    found = sinks(x, y, need, need * 2)
    assert np.flatnonzero(found["is_sink"]).tolist() == [7]
    assert found.loc[7, "share"] == pytest.approx(10 / 409)
    need[7] = 9  # 2 % of need calls, but under ten times the 99th percentile (1)
    assert not sinks(x, y, need, need * 2)["is_sink"].any()
    x, y, one = ordinary(4000)
    one[7] = 10  # ten times the 99th percentile, but 0.25 % of need calls
    assert not sinks(x, y, one, one)["is_sink"].any()


def test_of_few_points_with_need_calls_one_can_be_a_sink_and_none_must() -> None:
    x, y, one = ordinary(4000)
    need = np.where(np.arange(4000) < 12, 5.0, 0)
    need[3] = 60
    assert np.flatnonzero(sinks(x, y, need, one * 60)["is_sink"]).tolist() == [3]
    need[3] = 49  # points without need calls do not lower the bar
    assert not sinks(x, y, need, one * 60)["is_sink"].any()


def test_rows_within_a_metre_are_one_point_and_order_does_not_matter() -> None:
    x, y, need = ordinary()
    x, y = np.append(x, [7000.2, 6999.8]), np.append(y, [400.3, 399.9])
    need = np.append(need, [6.0, 6.0])
    found = sinks(x, y, need, need)
    assert np.flatnonzero(found["is_sink"]).tolist() == [400, 401]
    assert found.loc[400, "n_need"] == 12
    order = np.random.default_rng(3).permutation(len(x))
    shuffled = sinks(x[order], y[order], need[order], need[order])
    pd.testing.assert_frame_equal(shuffled, found.iloc[order].reset_index(drop=True))


def test_a_geocode_default_has_many_street_numbers_on_one_point() -> None:
    x, y, one = ordinary()
    calls, numbers = one.copy(), one.copy()
    calls[3], numbers[3] = 60, 51
    calls[4], numbers[4] = 60, 50  # an apartment block: 50 numbers are not more than 50
    calls[5], numbers[5] = 2, 51  # 0.4 % of calls
    found = sinks(x, y, one * 0, calls, numbers)
    assert np.flatnonzero(found["is_geocode_default"]).tolist() == [3]
    assert not found["is_sink"].any()
    assert not sinks(x, y, one * 0, calls)["is_geocode_default"].any()


def test_sinks_refuses_what_it_cannot_place() -> None:
    with pytest.raises(InputError, match="one length"):
        sinks([0, 1], [0], [1, 1], [1, 1])
    with pytest.raises(InputError, match="unlocated"):
        sinks([0, np.nan], [0, 1], [1, 1], [1, 1])
    assert sinks([], [], [], []).empty


@pytest.mark.oracle
def test_the_planted_sink_is_reported_and_nothing_else(oracle_dir: Path) -> None:
    events = pd.read_csv(oracle_dir / "planted_city" / "events.csv")
    by = events.groupby("addr").agg(x=("x", "first"), y=("y", "first"), k=("need", "sum"), n=("need", "size"))
    found = sinks(by["x"], by["y"], by["k"], by["n"])
    assert by.index[found["is_sink"]].tolist() == [6000]
    assert found.loc[found["is_sink"], "n_need"].tolist() == [220]


# --- recurrence -----------------------------------------------------------------------------------


def test_recurrence_of_a_hand_made_place() -> None:
    # weeks 0, 0, 1, 4, 45, 51: gaps 1, 6, 21, 287, 42 days; periods of 4 weeks 0, 1, 11, 12 of 13
    at = calls_at(0, 1, 7, 28, 315, 357)
    row = recurrence(["a"] * 6, at, [1, 1, 2, 1, 2, 1], weeks=MONDAYS).loc["a"]
    assert (row["n_calls"], row["n_calls_weeks"], row["n_places"], row["active_weeks"]) == (6, 6, 2, 5)
    assert row["weeks_share"] == pytest.approx(5 / 52)
    assert row["max_week_share"] == pytest.approx(2 / 6)
    assert row["persistence_share"] == pytest.approx(4 / 13)
    assert row["median_gap_days"] == pytest.approx(21)
    gaps = np.array([1, 6, 21, 287, 42])
    assert row["burstiness"] == pytest.approx((gaps.std() - gaps.mean()) / (gaps.std() + gaps.mean()))
    assert row["rate_ratio"] == pytest.approx((2 / 13) / (4 / 39))
    low, high = share_interval(2, 6, level=0.90)
    assert row["rate_ratio_low"] == pytest.approx(3 * low / (1 - low))
    assert row["rate_ratio_high"] == pytest.approx(3 * high / (1 - high))


def test_regular_calls_have_burstiness_minus_one_and_no_trend() -> None:
    row = recurrence([5] * 52, calls_at(*(7.0 * np.arange(52) + 2)), [1] * 52, weeks=MONDAYS).loc[5]
    assert row["burstiness"] == pytest.approx(-1)
    assert row["persistence_share"] == 1
    assert row["rate_ratio"] == pytest.approx(1)
    assert row["rate_ratio_low"] < 1 < row["rate_ratio_high"]


def test_a_place_that_fell_silent_is_cooling_and_a_new_one_has_no_upper_limit() -> None:
    at = np.concatenate([calls_at(*(7.0 * np.arange(20))), calls_at(*(7.0 * np.arange(40, 50)))])
    found = recurrence(["old"] * 20 + ["new"] * 10, at, np.ones(30), weeks=MONDAYS)
    assert found.loc["old", "rate_ratio"] == 0
    assert found.loc["old", "rate_ratio_high"] < 1
    assert np.isinf(found.loc["new", ["rate_ratio", "rate_ratio_high"]].astype(float)).all()
    assert found.loc["new", "rate_ratio_low"] > 1


def test_gaps_and_periods_stop_at_a_break_in_the_weeks() -> None:
    weeks = np.concatenate([MONDAYS[:4], MONDAYS[20:25]])  # 4 and 5 weeks: one full period each
    found = recurrence(["a"] * 4, calls_at(0, 2, 140, 143), [1] * 4, weeks=weeks).loc["a"]
    assert found["median_gap_days"] == pytest.approx(2.5)  # 2 and 3, not the 138 between the windows
    assert found["persistence_share"] == 1
    assert longest_run(weeks) == 5
    assert longest_run([]) == 0
    assert np.isnan(found["rate_ratio"])  # nine weeks hold no earlier time


def test_calls_outside_complete_weeks_count_once_and_nowhere_else() -> None:
    found = recurrence(["a", "a", "b"], calls_at(3, -1, 400), [1, 2, 3], weeks=MONDAYS)
    assert found["n_calls"].tolist() == [2, 1]
    assert found["n_calls_weeks"].tolist() == [1, 0]
    assert found["n_places"].tolist() == [1, 0]
    assert found["active_weeks"].tolist() == [1, 0]
    assert np.isnan(found.loc["b", "max_week_share"])
    assert np.isnan(found.loc["a", "burstiness"])


def test_sunday_night_belongs_to_the_week_before() -> None:
    at = np.array(["2024-01-07T23:59:59", "2024-01-08T00:00:00"], dtype="datetime64[s]")
    assert recurrence([1, 1], at, [1, 1], weeks=MONDAYS).loc[1, "active_weeks"] == 2
    assert recurrence([1, 1], at, [1, 1], weeks=MONDAYS[:1]).loc[1, "n_calls_weeks"] == 1


def test_recurrence_is_the_same_in_any_order() -> None:
    rng = np.random.default_rng(0)
    group, place, at = rng.integers(0, 9, 300), rng.integers(0, 20, 300), calls_at(*rng.uniform(0, 364, 300))
    order = rng.permutation(300)
    again = recurrence(group[order], at[order], place[order], weeks=MONDAYS[::-1])
    pd.testing.assert_frame_equal(recurrence(group, at, place, weeks=MONDAYS), again)


def test_recurrence_refuses_wrong_weeks_and_missing_times() -> None:
    with pytest.raises(InputError, match="Monday"):
        recurrence([1], calls_at(0), [1], weeks=[np.datetime64("2024-01-02")])
    with pytest.raises(InputError, match="empty"):
        recurrence([1], calls_at(0), [1], weeks=[])
    with pytest.raises(InputError, match="without"):
        recurrence([1], np.array(["NaT"], dtype="datetime64[s]"), [1], weeks=MONDAYS)
    with pytest.raises(InputError, match="one length"):
        recurrence([1, 2], calls_at(0), [1], weeks=MONDAYS)


# --- shares, repeats, concentration -------------------------------------------------------------------


def test_share_interval_is_clopper_pearson() -> None:
    low, high = share_interval([9, 0, 20, 0], [120, 20, 20, 0])
    assert binom.sf(8, 120, low[0]) == pytest.approx(0.025)  # P(9 or more) at the lower limit
    assert binom.cdf(9, 120, high[0]) == pytest.approx(0.025)
    np.testing.assert_allclose(low[1:], [0, 0.83157, 0], atol=2e-5)
    np.testing.assert_allclose(high[1:], [0.16843, 1, 1], atol=2e-5)
    with pytest.raises(InputError, match="0…n"):
        share_interval(3, 2)


def test_repeat_places_need_weeks_and_calls() -> None:
    assert repeat_places([8, 7, 8, 30], [12, 40, 11, 90]).tolist() == [True, False, False, True]


def test_concentration_of_known_distributions() -> None:
    even = concentration(np.full(100, 3))
    assert (even.n_top, even.n_places) == (5, 100)
    assert even.top_share == pytest.approx(0.05)
    assert even.gini == pytest.approx(0)
    one = concentration([0, 0, 1, 1, 1, 97])
    assert (one.n_top, one.n_places) == (1, 4)
    assert one.top_share == pytest.approx(0.97)
    assert one.gini == pytest.approx(0.72)  # mean absolute difference 2·3·96/16 = 36 over 2·25
    assert concentration(np.arange(1, 22)).n_top == 2  # 5 % of 21 is rounded up
    assert np.isnan(concentration([0, 0]).gini)
    with pytest.raises(InputError, match="0 or more"):
        concentration([-1, 2])


def test_single_location_areas() -> None:
    found = single_location_areas(["a", "a", "a", "b", "b", "c"], [1, 1, 2, 3, 4, 5], [3, 3, 5, 2, 2, 0])
    assert found.index.tolist() == ["a", "b"]
    assert found["busiest_share"].tolist() == pytest.approx([6 / 11, 0.5])
    assert found["is_single_location"].tolist() == [True, False]
    assert found["n_places"].tolist() == [2, 2]
