"""What longer hours, a closed service and a new site would change: bounds that hold for calls one by one."""

import numpy as np
import pytest
from pyproj import Geod

from geo import what_if
from geo.access import travel_minutes
from geo.errors import InputError
from geo.what_if import Bounds

EVENING = np.arange(168) % 24 >= 18
HOURS = ([18, 19, 42, 9], [2, 0, 1, 5], [3, 4, 1, 9])


def test_hours_sum_the_chosen_hours_only() -> None:
    assert what_if.hours(*HOURS, opened=EVENING) == Bounds(low=3, high=8)
    assert what_if.hours(*HOURS, opened=np.zeros(168, bool)) == Bounds(low=0, high=0)


@pytest.mark.parametrize(
    "rows", [([168], [0], [1]), ([-1], [0], [1]), ([1], [2], [1]), ([1], [-1], [1]), ([1, 2], [1], [1])]
)
def test_hours_refuse_what_no_table_holds(rows: tuple[list[int], list[int], list[int]]) -> None:
    with pytest.raises(InputError):
        what_if.hours(*rows, opened=EVENING)


def test_best_hours_rank_by_at_least_and_agree_with_hours() -> None:
    rng = np.random.default_rng(7)
    n = 400
    service, hour, sure = rng.integers(0, 4, n), rng.integers(0, 168, n), rng.integers(0, 3, n)
    calls = sure + rng.integers(0, 3, n)
    blocks = np.stack([EVENING, ~EVENING, np.arange(168) >= 120])
    who, block, low, high = what_if.best_hours(service, hour, sure, calls, blocks=blocks)
    assert len(who) == 12
    assert list(low) == sorted(low, reverse=True)
    for s, b, at_least, at_most in zip(who, block, low, high, strict=True):
        own = service == s
        expected = what_if.hours(hour[own], sure[own], calls[own], opened=blocks[b])
        assert (at_least, at_most) == (expected.low, expected.high)


def test_best_hours_leave_out_what_reaches_nothing() -> None:
    who, block, _, _ = what_if.best_hours([2], [20], [0], [1], blocks=np.stack([EVENING, ~EVENING]))
    assert (list(who), list(block)) == ([2], [0])
    assert [len(one) for one in what_if.best_hours([], [], [], [], blocks=EVENING[None])] == [0, 0, 0, 0]


def test_bounds_of_change_hold_for_calls_one_by_one() -> None:
    """Each call: unmet for sure, uncertain or available; some sure ones could be taken, some of these for sure."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        unmet, uncertain, could = rng.random(60) < 0.5, rng.random(60) < 0.4, rng.random(60) < 0.5
        sure = could & (rng.random(60) < 0.5)
        now = Bounds(low=int(unmet.sum()), high=int((unmet | uncertain).sum()))
        gained = Bounds(low=int((unmet & sure).sum()), high=int((unmet & could).sum()))
        change = what_if.extended(now, gained)
        assert change.then.low == int((unmet & ~could).sum())
        assert change.then.high == int(((unmet & ~sure) | (uncertain & ~unmet)).sum())
        assert 0 <= change.then.low <= change.then.high


def test_nothing_gains_more_than_is_lacking() -> None:
    with pytest.raises(InputError, match="no more than"):
        what_if.extended(Bounds(low=5, high=9), Bounds(low=0, high=6))
    with pytest.raises(InputError, match="available"):
        what_if.close(Bounds(low=5, high=9), n_calls=12, n_only=4)


def test_closing_raises_at_most_only() -> None:
    assert what_if.close(Bounds(low=5, high=9), n_calls=12, n_only=3).then == Bounds(low=5, high=12)


def test_site_bounds_hold_for_points_of_the_areas() -> None:
    rng = np.random.default_rng(11)
    settings = {"within_min": 12.0, "kmh": 25.0, "circuity": 1.3}
    for _ in range(30):
        centre, radius = rng.uniform(-6000, 6000, (9, 2)), rng.uniform(50, 1800, 9)
        n = rng.integers(0, 12, 9)
        angle = [rng.uniform(0, 2 * np.pi, k) for k in n]
        away = [r * np.sqrt(rng.random(k)) for r, k in zip(radius, n, strict=True)]
        minutes = [
            travel_minutes(np.hypot(c[0] + d * np.cos(a), c[1] + d * np.sin(a)), kmh=25.0, circuity=1.3)
            for c, d, a in zip(centre, away, angle, strict=True)
        ]
        truth = sum(int((one <= 12.0).sum()) for one in minutes)
        found = what_if.site(np.hypot(*centre.T), radius, n, **settings)
        assert found.low <= truth <= found.high


def test_hidden_areas_are_left_out_and_counted() -> None:
    settings = {"within_min": 10.0, "kmh": 25.0, "circuity": 1.3}
    found = what_if.site([0, 100, 90_000, np.nan], [10, 10, 10, 10], [4, -1, -1, 3], **settings)
    assert found == Bounds(low=4, high=4, n_hidden=1)


def test_best_sites_are_the_best_of_all_centres() -> None:
    x, y, radius, n = [0, 1000, 50_000, 50_500], [0, 0, 0, 0], [200, 200, 200, 200], [3, 4, 20, 0]
    rows, found = what_if.best_sites(x, y, radius, n, most=2, within_min=10.0, kmh=25.0, circuity=1.3)
    assert list(rows) == [2, 3]
    assert found[0] == Bounds(low=20, high=20)
    assert list(what_if.best_sites(x, y, radius, [0] * 4, within_min=10.0, kmh=25.0, circuity=1.3)[0]) == []


@pytest.mark.parametrize(
    ("low", "high", "years", "expected"),
    [
        (0, 0, 2.0, (0, 0)),
        (20, 20, 1.0, (20, 20)),
        (19, 21, 1.0, (10, 30)),
        (61, 63, 2.1, (20, 30)),
        (1, 1, 1.0, (0, 10)),
    ],
)
def test_calls_a_year_are_rounded_outward(low: int, high: int, years: float, expected: tuple[int, int]) -> None:
    found = what_if.a_year(Bounds(low=low, high=high), years=years)
    assert (found.low, found.high) == expected
    assert found.low <= low / years
    assert found.high >= high / years - 1e-6


@pytest.mark.parametrize(("lon", "lat"), [(-122.4, 37.8), (-87.2, 43.1), (174.8, -36.9)])
def test_metres_agree_with_the_geodesic(lon: float, lat: float) -> None:
    for d_lon, d_lat in ((0.05, 0.0), (0.0, 0.05), (-0.04, 0.03)):
        east, north = what_if.in_metres(lon + d_lon, lat + d_lat, lon0=lon, lat0=lat)
        _, _, away = Geod(ellps="WGS84").inv(lon, lat, lon + d_lon, lat + d_lat)
        assert float(np.hypot(east, north)) == pytest.approx(away, rel=1e-3)


def test_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(InputError):
        what_if.a_year(Bounds(low=1, high=2), years=0)
    with pytest.raises(InputError):
        what_if.site([1.0], [1.0], [1], within_min=0, kmh=25, circuity=1.3)
    with pytest.raises(InputError):
        what_if.site([1.0], [-1.0], [1], within_min=5, kmh=25, circuity=1.3)
    with pytest.raises(InputError):
        what_if.site([1.0], [1.0], [-2], within_min=5, kmh=25, circuity=1.3)
    with pytest.raises(InputError):
        what_if.in_metres(0, 0, lon0=0, lat0=91)
