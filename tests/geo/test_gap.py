"""Outcomes, dispatch, flags, ranks and confirmations, on cases worked by hand and by properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geo.errors import InputError
from geo.gap import (
    AVAILABLE,
    BARRIER,
    QUARTERS,
    SPATIAL,
    TEMPORAL,
    UNCERTAIN,
    Duty,
    confirmations,
    dispatch,
    flags,
    garwood_per_year,
    rank_draws,
    unmet,
)

ON, OFF = np.ones(QUARTERS, bool), np.zeros(QUARTERS, bool)
YES, UNKNOWN, NO = 2, 1, 0


def one(s: int, b: int, sure: np.ndarray, possible: np.ndarray) -> int:
    return int(unmet(np.array([[s]], np.int8), np.array([[b]], np.int8), sure[None], possible[None])[0, 0])


@pytest.mark.parametrize(
    ("s", "b", "sure", "possible", "expected"),
    [
        (YES, YES, ON, ON, AVAILABLE),
        (YES, YES, OFF, ON, UNCERTAIN),
        (UNKNOWN, YES, ON, ON, UNCERTAIN),
        (YES, UNKNOWN, ON, ON, UNCERTAIN),
        (YES, YES, OFF, OFF, TEMPORAL),
        (UNKNOWN, UNKNOWN, OFF, OFF, TEMPORAL),
        (YES, NO, ON, ON, BARRIER),
        (NO, YES, ON, ON, SPATIAL),
        (NO, NO, OFF, OFF, SPATIAL),
    ],
)
def test_each_combination_of_answers_has_its_outcome(s, b, sure, possible, expected):
    assert one(s, b, sure, possible) == expected


def test_tests_hold_for_one_service_together_never_across_services():
    """Near but closed beside open but far: nothing was available; the near one decides the cause."""
    s, b = np.array([[YES, NO]], np.int8), np.array([[YES, YES]], np.int8)
    masks = np.array([OFF, ON])
    assert unmet(s, b, masks, masks)[0, 0] == TEMPORAL


def test_no_service_is_spatial_at_every_hour():
    empty = np.zeros((3, 0), np.int8)
    assert (unmet(empty, empty, np.zeros((0, QUARTERS), bool), np.zeros((0, QUARTERS), bool)) == SPATIAL).all()


def test_the_toy_gap_index_splits_into_spatial_and_temporal():
    """Three tracts, two services, 10 minutes, one year: 30 temporal, 50 spatial, 5 spatial (hard columns)."""
    minutes = np.array([[8.0, 25.0], [18.0, 40.0], [50.0, 50.0]])
    hours = np.zeros((2, 168), bool)
    for day in range(5):
        hours[0, day * 24 + 9 : day * 24 + 17] = True
    hours[1] = True
    masks = np.repeat(hours, 4, axis=1)
    state = np.where(minutes <= 10, YES, NO).astype(np.int8)
    codes = unmet(state, np.full_like(state, YES), masks, masks)
    calls = [(0, 10, 20), (0, 2, 30), (1, 10, 40), (1, 140, 10), (2, 100, 5)]
    counted = np.zeros((3, 5), int)
    for tract, hour, n in calls:
        counted[tract, codes[tract, hour * 4]] += n
    assert counted[:, SPATIAL].tolist() == [0, 50, 5]
    assert counted[:, TEMPORAL].tolist() == [30, 0, 0]
    assert counted[:, AVAILABLE].tolist() == [20, 0, 0]


@st.composite
def supplies(draw):
    profiles, services = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    state = arrays(np.int8, (profiles, services), elements=st.integers(0, 2))
    mask = arrays(np.bool_, (services, 7))
    s, b, possible = draw(state), draw(state), draw(mask)
    sure = draw(mask) & possible
    spread = lambda m: np.tile(m, (1, 96))  # noqa: E731
    return s, b, spread(sure), spread(possible)


def at_least(codes):
    return codes >= SPATIAL


def at_most(codes):
    return codes != AVAILABLE


@settings(deadline=None, max_examples=80)
@given(supplies(), st.data())
def test_one_more_service_or_more_hours_never_raises_unmet(supply, data):
    s, b, sure, possible = supply
    fewer = unmet(s[:, 1:], b[:, 1:], sure[1:], possible[1:])
    whole = unmet(*supply)
    assert (at_least(whole) <= at_least(fewer)).all()
    assert (at_most(whole) <= at_most(fewer)).all()
    longer = data.draw(arrays(np.bool_, (len(sure), QUARTERS // 96))).repeat(96, axis=1)
    more = unmet(s, b, sure | longer, possible | longer)
    assert (at_least(more) <= at_least(whole)).all()
    assert (at_most(more) <= at_most(whole)).all()


@settings(deadline=None, max_examples=80)
@given(supplies(), st.sampled_from([NO, YES]), st.data())
def test_turning_an_unknown_into_a_value_never_widens_the_band(supply, value, data):
    s, b, sure, possible = supply
    which = data.draw(st.sampled_from(["s", "b", "hours"]))
    before = unmet(s, b, sure, possible)
    if which == "hours":
        told = (possible, possible) if value == YES else (sure, sure)
        after = unmet(s, b, *told)
    else:
        told_s = np.where((s == UNKNOWN) & (which == "s"), value, s).astype(np.int8)
        told_b = np.where((b == UNKNOWN) & (which == "b"), value, b).astype(np.int8)
        after = unmet(told_s, told_b, sure, possible)
    assert (at_least(after) >= at_least(before)).all()
    assert (at_most(after) <= at_most(before)).all()


def test_wrong_shapes_and_impossible_hours_are_refused():
    s = np.zeros((1, 1), np.int8)
    with pytest.raises(InputError, match="profiles"):
        unmet(s, s, ON[None, :10], ON[None, :10])
    with pytest.raises(InputError, match="possible"):
        unmet(s, s, ON[None], OFF[None])


HOUR = 3600


def duty(*turns: tuple[int, int, int]) -> Duty:
    on, off, n = (np.array(column, np.int64) for column in zip(*turns, strict=True))
    return Duty(on=on, off=off, n_teams=n)


def sent(at, takes, minutes, teams, could=None):
    takes = np.array(takes, bool)
    return dispatch(
        np.array(at, np.int64),
        takes,
        takes if could is None else np.array(could, bool),
        np.array(minutes, float),
        np.full(len(at), HOUR, np.int64),
        teams,
    ).tolist()


def test_a_busy_team_takes_no_second_call_until_its_job_ends():
    team = duty((0, 10 * HOUR, 1))
    assert sent([0, 1800, HOUR], [[1], [1], [1]], [[5]] * 3, (team,)) == [2, 0, 2]


def test_two_teams_on_duty_take_two_calls_and_turns_are_half_open():
    team = duty((0, HOUR, 2))
    assert sent([0, 60, 120, HOUR], [[1]] * 4, [[5]] * 4, (team,)) == [2, 2, 0, 0]


def test_the_nearest_free_team_goes_and_ties_go_to_the_first():
    teams = (duty((0, HOUR, 1)), duty((0, HOUR, 1)))
    takes = [[1, 1], [1, 0], [0, 1]]
    assert sent([0, 10, 20], takes, [[9, 3], [9, 3], [9, 3]], teams) == [2, 2, 0]
    assert sent([0, 10, 20], takes, [[3, 3], [3, 3], [3, 3]], teams) == [2, 0, 2]


def test_a_call_of_unknown_suitability_occupies_nobody():
    team = duty((0, HOUR, 1))
    assert sent([0, 10], [[0], [1]], [[5], [5]], (team,), could=[[1], [1]]) == [1, 2]


def test_calls_out_of_order_are_refused():
    with pytest.raises(InputError, match="order"):
        sent([10, 0], [[1], [1]], [[5], [5]], (duty((0, HOUR, 1)),))


def test_garwood_limits_of_a_count_and_of_nothing():
    low, high = garwood_per_year(np.array([0.0, 10.0]), np.array([0.0, 10.0]), years=1.0)
    assert low == pytest.approx([0.0, 5.4254], abs=1e-3)
    assert high == pytest.approx([2.9957, 16.9622], abs=1e-3)


def test_flags_need_enough_calls_and_say_which_side_is_sure():
    told = flags(np.array([60, 60, 20, 23]), np.array([60, 90, 90, 23]), np.array([100, 100, 100, 23]), years=1.0)
    assert told.flag.tolist() == ["flagged", "flagged", "possibly", "too_few"]
    assert np.isnan(told.p_least[3])
    assert flags(np.array([60]), np.array([60]), np.array([100]), years=5.0).flag.tolist() == ["too_few"]


def test_ranks_of_far_apart_counts_are_sure_and_of_equal_counts_are_not():
    far = rank_draws(np.array([[1000.0], [100.0], [10.0]]), years=1.0, seed=1, n_draws=500)
    assert far.low.tolist() == far.high.tolist() == [1, 2, 3]
    same = rank_draws(np.full((10, 1), 50.0), years=1.0, seed=1, n_draws=4000)
    assert same.p_top_decile == pytest.approx(np.full(10, 0.1), abs=0.03)
    assert (same.low <= 2).all()
    assert (same.high >= 9).all()


def test_supply_uncertainty_widens_ranks():
    narrow = rank_draws(np.array([[1000.0, 1000.0], [800.0, 800.0]]), years=1.0, seed=1)
    wide = rank_draws(np.array([[1000.0, 1000.0], [800.0, 1500.0]]), years=1.0, seed=1)
    assert (narrow.low[0], narrow.high[0]) == (1, 1)
    assert (wide.low[0], wide.high[0]) == (1, 2)


def test_density_ranks_differ_from_counts():
    told = rank_draws(np.array([[500.0], [400.0]]), years=1.0, km2=np.array([10.0, 1.0]), seed=1)
    assert told.low.tolist() == [2, 1]


def test_confirmations_go_to_the_service_that_settles_most():
    """30 calls hang on A alone, 20 on A or B, 5 on B alone; B is open only in the first quarter-hour."""
    n = np.zeros((3, QUARTERS), int)
    n[0, 0], n[1, 0], n[2, 0] = 30, 20, 5
    could = np.array([[1, 0], [1, 1], [0, 1]], bool)
    possible = np.array([ON, np.arange(QUARTERS) == 0])
    told = confirmations(n, could, could, possible)
    assert told.service.tolist() == [0, 1]
    assert told.n_moved.tolist() == [50, 25]
    assert told.n_moved_if_no.tolist() == [30, 5]
    assert told.settled_if_yes.tolist() == [50, 55]
    assert told.settled_if_no.tolist() == [30, 55]


def test_a_service_whose_yes_settles_nothing_is_not_listed():
    n = np.zeros((1, QUARTERS), int)
    n[0, 0] = 9
    could = np.ones((1, 1), bool)
    assert confirmations(n, could, ~could, ON[None]).service.size == 0
