"""Decay, reach and floating catchments, beside PySAL access and closed forms."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from shapely import box

from geo.access import (
    edge_unreliable,
    gaussian_decay,
    m2sfca,
    raam,
    reach,
    reach_from_matrix,
    step_decay,
    three_step_fca,
    travel_minutes,
    two_step_fca,
)
from geo.errors import InputError

NAN = float("nan")


def city(seed: int, *, places: int = 40, services: int = 7) -> tuple[Any, Any, Any, Any]:
    """Demand, supply and weights of a random small city; some places and services may be out of reach."""
    rng = np.random.default_rng(seed)
    home, site = rng.uniform(0, 12_000, (places, 2)), rng.uniform(0, 12_000, (services, 2))
    minutes = travel_minutes(np.hypot(*(home[:, None] - site).transpose(2, 0, 1)), kmh=25)
    return rng.integers(0, 900, places).astype(float), rng.integers(1, 9, services).astype(float), minutes, home


# --- decay and travel ---------------------------------------------------------------------------------------


def test_step_decay_edges_belong_to_the_nearer_band() -> None:
    minutes = [0, 10, 10.01, 20, 29.9, 30, 30.0001, NAN, np.inf]
    np.testing.assert_array_equal(step_decay(minutes), [1, 1, 0.68, 0.68, 0.22, 0.22, 0, 0, 0])
    np.testing.assert_array_equal(step_decay([5, 15], bands=[(15, 1)]), [1, 1])


def test_gaussian_decay() -> None:
    found = gaussian_decay([0, 10, 20, 20.1, NAN], cap=20)
    half = (np.exp(-0.125) - np.exp(-0.5)) / (1 - np.exp(-0.5))
    np.testing.assert_allclose(found, [1, half, 0, 0, 0], atol=1e-15)


def test_travel_minutes() -> None:
    np.testing.assert_allclose(travel_minutes([0.0, 800.0, NAN], kmh=4.8, circuity=1.0), np.array([0, 10, NAN]))
    assert travel_minutes(25_000 / 1.3, kmh=25) == pytest.approx(60)


def test_decay_refuses() -> None:
    with pytest.raises(InputError, match="rising"):
        step_decay([1], bands=[(20, 1), (10, 0.5)])
    with pytest.raises(InputError, match="rising"):
        step_decay([1], bands=[])
    with pytest.raises(InputError, match="0 or more"):
        step_decay([-1])
    with pytest.raises(InputError, match="cap"):
        gaussian_decay([1], cap=0)
    with pytest.raises(InputError, match="circuity"):
        travel_minutes([1], kmh=5, circuity=0.5)


# --- reach --------------------------------------------------------------------------------------------------


def test_reach_passes_at_the_threshold() -> None:
    # 4.8 km/h and circuity 1.25: 30 min are 1,920 m
    found = reach([0, 0, 5000, NAN], [0, 1, 0, 0], [1920, 0, NAN], [0, 0, 0], widest_min=30, kmh=4.8, circuity=1.25)
    assert found.place_index.tolist() == [0, 0, 1]
    assert found.service_index.tolist() == [0, 1, 1]
    np.testing.assert_allclose(found.minutes, [30, 0, 1.25 / 80])
    assert (found.minutes <= 30).all()
    assert (found.n_places, found.n_services) == (4, 3)


@given(st.integers(0, 300), st.integers(0, 30), st.integers(0, 9), st.floats(1, 40))
@settings(max_examples=40, deadline=None)
def test_reach_equals_the_full_table(seed: int, places: int, services: int, widest: float) -> None:
    rng = np.random.default_rng(seed)
    (px, py), (sx, sy) = rng.integers(0, 40, (2, places)) * 100.0, rng.integers(0, 40, (2, services)) * 100.0
    full = travel_minutes(np.hypot(px[:, None] - sx, py[:, None] - sy), kmh=4.8)
    found = reach(px, py, sx, sy, widest_min=widest, kmh=4.8)
    supplied = reach_from_matrix(full, widest_min=widest)
    assert found.place_index.tolist() == supplied.place_index.tolist()
    assert found.service_index.tolist() == supplied.service_index.tolist()
    np.testing.assert_allclose(found.minutes, supplied.minutes, rtol=1e-12)


def test_reach_in_blocks_of_places(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    home, site = rng.uniform(0, 9000, (2, 101)), rng.uniform(0, 9000, (2, 8))
    whole = reach(*home, *site, widest_min=20, kmh=25)
    monkeypatch.setattr("geo.access._BLOCK", 10)
    blocks = reach(*home, *site, widest_min=20, kmh=25)
    assert whole.place_index.size > 50
    np.testing.assert_array_equal(blocks.place_index, whole.place_index)
    np.testing.assert_array_equal(blocks.service_index, whole.service_index)


def test_a_far_service_never_lowers_reach() -> None:
    rng = np.random.default_rng(6)
    home, site = rng.uniform(0, 9000, (2, 60)), rng.uniform(0, 9000, (2, 6))
    before = reach(*home, *site, widest_min=20, kmh=25).matrix().toarray()
    for far in ([1e6, 1e6], [4500, 4500]):
        after = reach(*home, *np.column_stack([site, far]), widest_min=20, kmh=25).matrix().toarray()
        np.testing.assert_array_equal(after[:, :6], before)


def test_reach_matrix_and_frozen() -> None:
    found = reach_from_matrix([[5.0, NAN], [np.inf, 25.0]], widest_min=30)
    np.testing.assert_allclose(found.matrix(step_decay(found.minutes)).toarray(), np.diag([1.0, 0.22]))
    with pytest.raises(ValueError, match="read-only"):
        found.minutes[0] = 1.0
    with pytest.raises(InputError, match="one weight a pair"):
        found.matrix([1.0])


def test_reach_refuses() -> None:
    with pytest.raises(InputError, match="threshold"):
        reach([0], [0], [0], [0], widest_min=0, kmh=5)
    with pytest.raises(InputError, match="speed"):
        reach([0], [0], [0], [0], widest_min=5, kmh=0)
    with pytest.raises(InputError, match="equal length"):
        reach([0, 1], [0], [0], [0], widest_min=5, kmh=5)
    with pytest.raises(InputError, match="minutes"):
        reach_from_matrix([1.0], widest_min=5)


# --- catchments ---------------------------------------------------------------------------------------------


def test_catchments_by_hand() -> None:
    w = np.array([[1.0, 0.0], [0.5, 1.0], [0.0, 0.0]])
    demand, supply = [10, 20, 5], [4, 6]
    plain = two_step_fca(demand, supply, w)
    np.testing.assert_allclose(plain.site_ratio, [4 / 20, 6 / 20])
    np.testing.assert_allclose(plain.access, [0.2, 0.1 + 0.3, 0])
    modified = m2sfca(demand, supply, w)
    np.testing.assert_allclose(modified.access, [0.2, 0.05 + 0.3, 0])
    three = three_step_fca(demand, supply, w)  # G·W = 1, 0 | 1/6, 2/3
    ratio = np.array([4 / (10 + 20 / 6), 6 / (20 * 2 / 3)])
    np.testing.assert_allclose(three.access, [ratio[0], ratio[0] / 6 + ratio[1] * 2 / 3, 0])
    for found in (plain, modified, three):
        assert not found.unreached.any()


def test_service_nobody_reaches() -> None:
    found = two_step_fca([10, 0], [4, 6], [[1, 0], [0, 1]])
    assert found.unreached.tolist() == [False, True]
    np.testing.assert_allclose(found.site_ratio, [0.4, 0])
    np.testing.assert_allclose(found.access, [0.4, 0])


@given(st.integers(0, 2000))
@settings(max_examples=50, deadline=None)
def test_supply_is_conserved(seed: int) -> None:
    demand, supply, minutes, _ = city(seed)
    w = step_decay(minutes)
    for formula in (two_step_fca, three_step_fca):
        found = formula(demand, supply, w)
        assert demand @ found.access == pytest.approx(supply[~found.unreached].sum(), rel=1e-9)
        sparse = formula(demand, supply, csr_array(w))
        np.testing.assert_array_equal(sparse.access, found.access)
    modified = m2sfca(demand, supply, w)
    assert demand @ modified.access <= supply[~modified.unreached].sum() + 1e-9


@given(st.integers(0, 2000), st.integers(0, 6))
@settings(max_examples=40, deadline=None)
def test_one_service_or_two_halves(seed: int, chosen: int) -> None:
    demand, supply, minutes, _ = city(seed)
    halves = np.r_[supply, supply[chosen] / 2]
    halves[chosen] /= 2
    doubled = np.column_stack([minutes, minutes[:, chosen]])
    for decay in (step_decay, lambda m: gaussian_decay(m, cap=30), lambda m: (m <= 20).astype(float)):
        whole, split = two_step_fca(demand, supply, decay(minutes)), two_step_fca(demand, halves, decay(doubled))
        np.testing.assert_allclose(split.access, whole.access, rtol=1e-12, atol=1e-15)


def test_border_shift_leaves_the_inside_alone() -> None:
    rng = np.random.default_rng(9)
    home, site = rng.uniform(0, 40_000, (2, 900)), rng.uniform(0, 40_000, (2, 60))
    demand, supply, cap = rng.integers(1, 90, 900).astype(float), rng.integers(1, 9, 60).astype(float), 10.0
    reach_m = cap * 25_000 / 60 / 1.3

    def access(border: Any) -> tuple[Any, Any]:
        inside = (home > border.bounds[0]).all(axis=0) & (home < border.bounds[2]).all(axis=0)
        local = (site > border.bounds[0]).all(axis=0) & (site < border.bounds[2]).all(axis=0)
        pairs = reach(*home[:, inside], *site[:, local], widest_min=cap, kmh=25)
        weights = pairs.matrix(gaussian_decay(pairs.minutes, cap=cap))
        out = np.full(900, NAN)
        out[inside] = two_step_fca(demand[inside], supply[local], weights).access
        return out, edge_unreliable(home[0], home[1], border, reach_m=reach_m)

    small, unreliable = access(box(6_000, 6_000, 34_000, 34_000))
    large, _ = access(box(0, 0, 40_000, 40_000))
    sure = ~unreliable
    assert sure.sum() > 50
    np.testing.assert_allclose(small[sure], large[sure], rtol=1e-12)
    # between one and two reaches inside, competing callers beyond the border do matter
    border = box(6_000, 6_000, 34_000, 34_000)
    between = unreliable & ~edge_unreliable(home[0], home[1], border, reach_m=reach_m, competing=False)
    assert (np.abs(small[between] - large[between]) > 1e-6).any()


def test_edge_unreliable_distances() -> None:
    border = box(0, 0, 1000, 1000)
    x, y = [500, 150, 50, -5, NAN], [500] * 5
    assert edge_unreliable(x, y, border, reach_m=100).tolist() == [False, True, True, True, True]
    assert edge_unreliable(x, y, border, reach_m=100, competing=False).tolist() == [False, False, True, True, True]
    with pytest.raises(InputError, match="reach"):
        edge_unreliable(x, y, border, reach_m=0)


def test_catchments_refuse() -> None:
    with pytest.raises(InputError, match="2 × 1"):
        two_step_fca([1, 2], [1], [[1.0]])
    with pytest.raises(InputError, match="decay"):
        two_step_fca([1], [1], [[NAN]])
    with pytest.raises(InputError, match="demand"):
        two_step_fca([-1], [1], [[1.0]])
    with pytest.raises(InputError, match="supply"):
        m2sfca([1], [NAN], [[1.0]])


# --- rational agents ----------------------------------------------------------------------------------------


def test_raam_by_hand() -> None:
    # room is 50 each: x1/50 = x2/50 + .5, so x1 − x2 = 25
    found = raam([100], [1, 1], [[0, 30]], tau=60)
    np.testing.assert_allclose(found.load, [62.5, 37.5])
    np.testing.assert_allclose(found.cost, [1.25])
    alone = raam([100, 7], [1, 1], np.array([[0, 90], [NAN, np.inf]]), tau=60)
    np.testing.assert_allclose(alone.load, [87.5, 12.5])
    assert np.isnan(alone.cost[1])


def test_raam_is_an_equilibrium_and_order_free() -> None:
    demand, supply, minutes, _ = city(3)
    found = raam(demand, supply, minutes, tau=30, tolerance=1e-9)
    assert found.gap <= 1e-9
    assert found.load.sum() == pytest.approx(demand.sum())
    crowding = found.load / (supply * demand.sum() / supply.sum())
    np.testing.assert_allclose(found.cost, (crowding + minutes / 30).min(axis=1), rtol=1e-9)
    order = np.random.default_rng(1).permutation(len(demand))
    turned = raam(demand[order], supply, minutes[order], tau=30, tolerance=1e-9)
    np.testing.assert_allclose(turned.cost, found.cost[order], rtol=1e-6)
    coarse = raam(demand, supply, minutes, tau=30)
    np.testing.assert_allclose(coarse.cost, found.cost, rtol=5e-3)
    more = raam(demand, supply * 2, minutes, tau=30, tolerance=1e-9, rho=demand.sum() / supply.sum())
    assert (more.cost <= found.cost + 1e-9).all()


def test_raam_edges() -> None:
    closed = raam([10, 10], [0, 2], [[1, 5], [5, 1]], tau=30)
    np.testing.assert_allclose(closed.load, [0, 20])
    nobody = raam([0, 0], [1], np.array([[3], [NAN]]), tau=30)
    np.testing.assert_allclose(nobody.cost, np.array([0.1, NAN]))
    with pytest.raises(InputError, match="tau"):
        raam([1], [1], [[1]], tau=0)
    demand, supply, minutes, _ = city(3)
    with pytest.raises(InputError, match="1 sweeps"):
        raam(demand, supply, minutes, tau=30, max_sweeps=1)


@pytest.mark.oracle
def test_oracle_fca_sf_stores(oracle_dir: Path) -> None:
    folder = oracle_dir / "fca_sf_stores"
    demand, supply = pd.read_csv(folder / "demand.csv"), pd.read_csv(folder / "supply.csv")
    expected = pd.read_csv(folder / "expected.csv")
    costs = pd.read_csv(folder / "cost_minutes.csv")
    table = costs.pivot(index="origin", columns="dest", values="minutes").loc[demand["id"], supply["id"]]
    minutes = table.to_numpy(dtype=np.float64)
    people, stores = demand["demand"].to_numpy(dtype=np.float64), supply["supply"].to_numpy(dtype=np.float64)
    plain = (minutes <= 15).astype(float)
    steps, bell = step_decay(minutes), gaussian_decay(minutes, cap=20)
    conserved = {
        "cf_2sfca": two_step_fca(people, stores, plain),
        "cf_e2sfca_step": two_step_fca(people, stores, steps),
        "cf_3sfca_step": three_step_fca(people, stores, steps),
        "cf_e2sfca_gauss_dai": two_step_fca(people, stores, bell),
    }
    for column, found in conserved.items():
        np.testing.assert_allclose(found.access, expected[column], rtol=1e-12, atol=0)
        assert people @ found.access == pytest.approx(46.0, rel=1e-12)
    for column, peer in [("2sfca", "2sfca"), ("e2sfca_step", "e2sfca"), ("3sfca_step", "3sfca")]:
        access = conserved[f"cf_{column}"].access
        np.testing.assert_allclose(access, expected[f"access_pkg_{peer}_supply"], rtol=1e-12, atol=0)
    modified = m2sfca(people, stores, steps)
    np.testing.assert_allclose(modified.access, expected["cf_m2sfca_step"], rtol=1e-12, atol=0)
    assert people @ modified.access == pytest.approx(36.041556153524354, rel=1e-12)
    # The peer stops after 150 moves, short of equilibrium in three places; ours is the equilibrium itself.
    agents = raam(people, stores, minutes, tau=15, tolerance=1e-9)
    off = np.abs(agents.cost / expected["access_pkg_raam_supply"].to_numpy() - 1)
    assert agents.gap <= 1e-9
    assert agents.cost.mean() == pytest.approx(1.2847840668514077, rel=0.01)
    assert off.mean() < 0.004
    assert int((off > 0.01).sum()) <= 3
    assert off.max() < 0.016
