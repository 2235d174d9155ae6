"""What-ifs by hand, against loops, and what must hold whatever the numbers: bounds, monotone, never below zero."""

import ast
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo import what_if
from geo.crs import haversine_m
from geo.errors import InputError
from geo.what_if import (
    Change,
    after,
    block_gains,
    local_metres,
    per_year,
    site_distances,
    site_reach,
    what_if_close,
    what_if_hours,
    what_if_site,
)


def week(**at: int) -> Any:
    out = np.zeros(168, np.int64)
    for hour, n in at.items():
        out[int(hour.removeprefix("h"))] = n
    return out


def hours(*which: int) -> Any:
    out = np.zeros(168, np.bool_)
    out[list(which)] = True
    return out


def test_only_the_added_hours_count() -> None:
    calls, sure = week(h0=5, h1=3, h167=2), week(h0=4, h167=2)
    assert what_if_hours(calls, sure, hours(0)) == Change(at_least=4, at_most=5)
    assert what_if_hours(calls, sure, hours(0, 1, 167)) == Change(at_least=6, at_most=10)
    assert what_if_hours(calls, sure, hours()) == Change(at_least=0, at_most=0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_more_hours_never_reach_fewer_and_blocks_are_the_sums_of_their_hours(seed: int) -> None:
    rng = np.random.default_rng(seed)
    calls = rng.integers(0, 9, (4, 168))
    sure = rng.integers(0, calls + 1)
    some = rng.random(168) < rng.random()
    more = some | (rng.random(168) < 0.2)
    few, many = (what_if_hours(calls[0], sure[0], one) for one in (some, more))
    assert few.at_least <= many.at_least
    assert few.at_most <= many.at_most
    assert few.at_least <= few.at_most
    low, high = block_gains(calls, sure, np.stack([some, more]))
    expected = [what_if_hours(calls[at], sure[at], one) for at in range(4) for one in (some, more)]
    assert low.ravel().tolist() == [one.at_least for one in expected]
    assert high.ravel().tolist() == [one.at_most for one in expected]


def test_closing_takes_what_it_alone_could_take() -> None:
    assert what_if_close(12, 80, shares_load=False) == Change(at_least=12, at_most=12)
    assert what_if_close(12, 80, shares_load=True) == Change(at_least=12, at_most=80)
    assert what_if_close(0, 0, shares_load=True) == Change(at_least=0, at_most=0)
    with pytest.raises(InputError):
        what_if_close(81, 80, shares_load=False)


def test_a_site_takes_whole_areas_at_least_and_touched_ones_at_most() -> None:
    # 6 km/h, no detours, 10 minutes: 1,000 m, and the edge passes
    found = what_if_site([0, 400, 1000, 1001], [1000, 1001, 3000, 4000], [5, 7, 11, 13], [6, 8, 12, 14],
                         kmh=6, within_min=10, circuity=1)  # fmt: skip
    assert found.where.tolist() == [2, 1, 1, 0]
    assert found.change == Change(at_least=5, at_most=6 + 8 + 12)


def test_hidden_areas_are_left_out_and_counted_where_they_are_in_reach() -> None:
    found = what_if_site([0, 0, 9000], [10, 10, 9001], [-1, 3, -1], [-1, 4, -1], kmh=6, within_min=10, circuity=1)
    assert found.change == Change(at_least=3, at_most=4, n_left_out=1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_wider_or_faster_reach_never_takes_fewer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    near = rng.random(30) * 5000
    far, least = near + rng.random(30) * 2000, rng.integers(0, 50, 30)
    most = least + rng.integers(0, 9, 30)
    slow = what_if_site(near, far, least, most, kmh=5, within_min=20).change
    for settings_ in ({"kmh": 6.0, "within_min": 20.0}, {"kmh": 5.0, "within_min": 25.0}):
        wide = what_if_site(near, far, least, most, **settings_).change
        assert slow.at_least <= wide.at_least
        assert slow.at_most <= wide.at_most
    assert slow.at_least <= slow.at_most


@pytest.mark.parametrize(("lon", "lat"), [(-122.4, 37.77), (0.0, 0.0), (24.9, 60.2)])
def test_distances_are_those_on_the_globe(lon: float, lat: float) -> None:
    rng = np.random.default_rng(4)
    middles = np.column_stack([lon + rng.uniform(-0.2, 0.2, 20), lat + rng.uniform(-0.15, 0.15, 20)])
    boxes = shapely.box(middles[:, 0] - 0.01, middles[:, 1] - 0.01, middles[:, 0] + 0.01, middles[:, 1] + 0.01)
    nearest, farthest = site_distances(boxes, lon, lat)
    for at, one in enumerate(boxes):
        corners = shapely.get_coordinates(one)
        true = haversine_m(np.full(len(corners), lon), np.full(len(corners), lat), corners[:, 0], corners[:, 1])
        assert farthest[at] == pytest.approx(true.max(), rel=3e-3)
        west, south, east, north = one.bounds
        nx, ny = np.clip(lon, west, east), np.clip(lat, south, north)
        close = float(np.asarray(haversine_m([lon], [lat], [nx], [ny]))[0])
        assert nearest[at] == pytest.approx(close, rel=3e-3, abs=1.0)


def test_a_point_inside_an_area_is_at_no_distance_of_it() -> None:
    nearest, farthest = site_distances(np.array([shapely.box(-1, -1, 1, 1)], dtype=object), 0.0, 0.0)
    assert nearest[0] == 0
    assert farthest[0] == pytest.approx(math.hypot(1, 1) * 111_195, rel=1e-3)


def test_the_ranking_of_sites_is_a_loop_over_pairs() -> None:
    rng = np.random.default_rng(2)
    lon, lat, n = -87 + rng.random(700) * 0.3, 43 + rng.random(700) * 0.2, rng.integers(-1, 40, 700)
    found = site_reach(lon, lat, n, kmh=25, within_min=5, circuity=1.3)
    flat = local_metres(np.column_stack([lon, lat]), float(lon.mean()), float(lat.mean()))
    for at in (0, 511, 512, 699):
        away = np.hypot(flat[:, 0] - flat[at, 0], flat[:, 1] - flat[at, 1])
        assert found[at] == np.maximum(n, 0)[away * 1.3 / (25_000 / 60) <= 5].sum()
    assert len(site_reach([], [], [], kmh=25, within_min=5)) == 0


def test_unmet_calls_after_a_change_stay_bounds() -> None:
    assert after(100, 150, Change(at_least=20, at_most=30)) == (70, 130)
    assert after(10, 150, Change(at_least=20, at_most=30)) == (0, 130)
    assert after(100, 150, Change(at_least=20, at_most=30), more=True) == (100, 180)
    with pytest.raises(InputError):
        after(10, 5, Change(at_least=0, at_most=0))


def test_calls_a_year_are_rounded_so_that_a_bound_stays_one() -> None:
    assert per_year(200, 731, up=True) == 100
    assert per_year(200, 731, up=False) == 90
    assert per_year(1, 731, up=True) == 10
    assert per_year(1, 731, up=False) == 0
    assert per_year(0, 731, up=True) == 0
    assert per_year(40, 1461, up=True) == per_year(40, 1461, up=False) == 10


@pytest.mark.parametrize(
    "act",
    [
        lambda: what_if_hours(np.ones(24), np.zeros(24), hours()),
        lambda: what_if_hours(week(h0=1), week(h0=2), hours(0)),
        lambda: what_if_hours(week(h0=1), week(h0=1), np.ones(168, np.int64)),
        lambda: what_if_hours(np.ones((2, 168)), np.ones((2, 168)), hours(0)),
        lambda: block_gains(week(h0=1), week(h0=1), hours(0)),
        lambda: what_if_site([0], [1, 2], [1], [1], kmh=5, within_min=5),
        lambda: what_if_site([2], [1], [1], [1], kmh=5, within_min=5),
        lambda: what_if_site([0], [1], [2], [1], kmh=5, within_min=5),
        lambda: what_if_site([0], [1], [1], [1], kmh=0, within_min=5),
        lambda: what_if_site([0], [1], [1], [1], kmh=5, within_min=0),
        lambda: site_distances(np.array([shapely.Point(0, 0)]), float("nan"), 0),
        lambda: site_reach([0], [0], [1, 2], kmh=5, within_min=5),
        lambda: per_year(-1, 10, up=True),
    ],
)
def test_what_cannot_be_is_refused(act: Any) -> None:
    with pytest.raises(InputError):
        act()


def test_it_reads_nothing_but_what_it_is_given() -> None:
    tree = ast.parse(Path(str(what_if.__file__)).read_text("utf-8"))
    named = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    named |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert named == {"dataclasses", "typing", "numpy", "shapely", "numpy.typing", "geo.access", "geo.errors"}
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert called.isdisjoint({"open", "eval", "exec", "__import__"})
