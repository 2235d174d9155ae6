"""Excess scan, volume clusters, areal scan, the recurring rule and ids: hand-made cases, oracles, metamorphic tests."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from shapely.geometry import Point, box

from geo.errors import InputError
from geo.hotspots import (
    areal_scan,
    bernoulli_llr,
    carry_ids,
    excess,
    recurring,
    volume,
    weighted_dbscan,
)
from geo.places import recurrence, sinks
from geo.scan import _largest_null_llr as largest_null_llr
from geo.scan import _null_need, _observed_circles, _rings, canonical

City = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def small_city() -> City:
    """A grid of 21 × 21 places, 200 m apart, 10 calls each; 1 in 10 is a need call, but 6 in 10 at three neighbours."""
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(21) * 200.0, np.arange(21) * 200.0))
    n_all = np.full(x.size, 10)
    n_need = np.ones(x.size, dtype=int)
    hot = (y == 3000) & np.isin(x, [800, 1000, 1200])
    n_need[hot] = 6
    return x, y, n_need, n_all


def random_city(seed: int) -> City:
    """An irregular city with one hotspot of 200 m; no two distances equal."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, 3000, (2, 400))
    n_all = 1 + rng.poisson(12, 400)
    share = np.where(np.hypot(x - 900, y - 1500) <= 200, 0.5, 0.08)
    return x, y, rng.binomial(n_all, share), n_all


def direct_llr(c: int, n: int, total_c: int, total_n: int) -> float:
    """The likelihood ratio, term by term."""

    def part(k: float, share: float) -> float:
        return k * np.log(share) if k > 0 else 0.0

    p, q, r = c / n, (total_c - c) / (total_n - n), total_c / total_n
    if p <= q:
        return 0.0
    inside = part(c, p) + part(n - c, 1 - p)
    outside = part(total_c - c, q) + part(total_n - n - total_c + c, 1 - q)
    return inside + outside - part(total_c, r) - part(total_n - total_c, 1 - r)


# --- excess ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("c", "n"), [(18, 35), (12, 12), (400, 5000), (20, 400), (3, 400), (398, 399)])
def test_llr_is_the_formula(c: int, n: int) -> None:
    assert bernoulli_llr(c, n, 400, 6000) == pytest.approx(direct_llr(c, n, 400, 6000), abs=1e-9)


def test_the_planted_circle_of_a_small_city_is_found_alone() -> None:
    x, y, need, calls = small_city()
    found = excess(x, y, need, calls, n_sim=199, seed=1)
    assert len(found) == 1
    circle = found.iloc[0]
    # 200 m apart: 250 m around the middle one holds its four neighbours, 5 places, 3 of them hot
    assert (circle["x"], circle["y"], circle["radius_m"]) == (1000, 3000, 250)
    assert (circle["n_need"], circle["n_all"]) == (20, 50)
    assert circle["llr"] == pytest.approx(direct_llr(20, 50, 456, 4410), abs=1e-9)
    assert circle["relative_risk"] == pytest.approx((20 / 50) / (436 / 4360))
    assert circle["p_value"] == pytest.approx(1 / 200)
    members = list(circle["members"])
    assert circle["centre"] in members
    assert sorted(zip(x[members], y[members])) == [
        (800, 3000),
        (1000, 2800),
        (1000, 3000),
        (1000, 3200),
        (1200, 3000),
    ]


def test_nothing_is_found_where_the_share_is_the_same_everywhere() -> None:
    x, y, need, calls = small_city()
    assert excess(x, y, np.ones_like(need), calls, n_sim=19, seed=1).empty
    assert excess(x, y, np.zeros_like(need), calls, n_sim=19, seed=1).empty
    assert excess(x, y, calls, calls, n_sim=19, seed=1).empty
    assert excess([], [], [], [], n_sim=19, seed=1).empty


def test_circles_share_no_place_and_come_best_first() -> None:
    x, y, need, calls = random_city(4)
    found = excess(x, y, need, calls, n_sim=19, alpha=1.0, seed=1)
    assert len(found) > 3
    members = [row for circle in found["members"] for row in circle]
    assert len(members) == len(set(members))
    assert found["llr"].is_monotonic_decreasing
    assert found["p_value"].is_monotonic_increasing
    for circle in found.itertuples():
        inside = np.hypot(x - circle.x, y - circle.y) <= circle.radius_m
        assert sorted(np.flatnonzero(inside)) == list(circle.members)
        assert (need[inside].sum(), calls[inside].sum()) == (circle.n_need, circle.n_all)
        assert circle.n_need >= 12
        assert need[circle.centre] > 0


def test_the_p_value_counts_replicates_at_least_as_large() -> None:
    x, y, need, calls = random_city(4)
    one = excess(x, y, need, calls, n_sim=19, seed=5)
    assert one["p_value"].iloc[0] == pytest.approx(1 / 20)
    assert excess(x, y, need, calls, n_sim=19, alpha=0.04, seed=5).empty  # 1/20 is the least that 19 can show
    with_more = excess(x, y, need, calls, n_sim=199, alpha=1.0, seed=5)
    assert with_more["p_value"].iloc[-1] > 0.2


def test_each_replicate_is_scanned_as_the_data_are() -> None:
    """Largest null LLR by plain loops: centres with a need call of that replicate, 12 need calls or more."""
    x, y, need, calls = random_city(13)
    radii = np.array([75.0, 150.0, 250.0, 400.0])
    places, _ = canonical(np.column_stack([x, y]), calls)
    order = [int(np.flatnonzero((x == u) & (y == v))[0]) for u, v in places]
    n_all, total = calls[order], int(need.sum())
    rings = _rings(places, radii)
    drawn = _null_need(n_all, total, 6, np.random.default_rng(9))
    got = largest_null_llr(rings, n_all, total, min_calls=12, n_sim=6, rng=np.random.default_rng(9))
    inside = np.hypot(*(places[:, None, :] - places[None, :, :]).transpose(2, 0, 1))
    for b, label in enumerate(drawn.T):
        best = 0.0
        for centre in np.flatnonzero(label):
            for radius in radii:
                within = inside[centre] <= radius
                if label[within].sum() >= 12:
                    c, n = int(label[within].sum()), int(n_all[within].sum())
                    best = max(best, direct_llr(c, n, total, int(n_all.sum())))
        assert got[b] == pytest.approx(best, abs=1e-9)
        # the same labels taken as data give the same largest value: the p value compares like with like
        observed = _observed_circles(rings, label.astype(np.int64), n_all, min_calls=12)
        assert observed["llr"].max() == got[b]


def test_of_circles_with_the_same_places_the_smallest_is_named() -> None:
    x, y = np.arange(40) * 1000.0, np.zeros(40)
    need, calls = np.ones(40, dtype=int), np.full(40, 30)
    need[11] = 20
    found = excess(x, y, need, calls, n_sim=99, seed=1)
    assert found[["x", "radius_m"]].to_numpy().tolist() == [[11_000, 75]]
    assert found["members"].tolist() == [(11,)]


@pytest.mark.parametrize("degrees", [0, 17, 45, 61, 118])
def test_a_place_on_the_circle_is_inside_at_any_rotation(degrees: float) -> None:
    x, y = np.append(np.arange(40) * 1000.0, 11_400.0), np.zeros(41)
    need, calls = np.ones(41, dtype=int), np.full(41, 30)
    need[[11, 40]] = 10  # 20 within exactly 400 m, 10 alone
    turn = np.radians(degrees)
    found = excess(x * np.cos(turn), x * np.sin(turn) + y, need, calls, n_sim=99, seed=1)
    assert found["members"].tolist() == [(11, 40)]
    assert found["radius_m"].tolist() == [400]


def same_circles(a: pd.DataFrame, b: pd.DataFrame) -> None:
    exact = ["n_need", "n_all", "p_value"]
    pd.testing.assert_frame_equal(a[exact], b[exact])
    np.testing.assert_allclose(a[["llr", "relative_risk"]], b[["llr", "relative_risk"]], rtol=1e-12)


@pytest.mark.parametrize("city", [small_city(), random_city(5)], ids=["grid", "irregular"])
def test_shift_rotation_and_scale_change_nothing(city: City) -> None:
    x, y, need, calls = city
    before = excess(x, y, need, calls, n_sim=99, alpha=0.9, seed=2)
    turn = np.radians(37)
    moved = {
        "shift": (x + 512_000.0, y - 4_300_000.0, 1.0),
        "rotate": (x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn), 1.0),
        "scale": (x * 3.5, y * 3.5, 3.5),
        "mirror": (-x, y, 1.0),
    }
    for name, (u, v, factor) in moved.items():
        radii = [r * factor for r in (75, 150, 250, 400)]
        after = excess(u, v, need, calls, radii_m=radii, n_sim=99, alpha=0.9, seed=2)
        if name == "shift" or city[0][1] != 200:  # ties on a grid are broken by x and y: labels may turn with it
            same_circles(before, after)
            assert before["members"].tolist() == after["members"].tolist()
        best = after.iloc[0]
        assert set(best["members"]) == set(before.iloc[0]["members"])
        assert best["radius_m"] == pytest.approx(before.iloc[0]["radius_m"] * factor)


@pytest.mark.parametrize("city", [small_city(), random_city(5)], ids=["grid", "irregular"])
def test_row_order_changes_nothing(city: City) -> None:
    x, y, need, calls = city
    before = excess(x, y, need, calls, n_sim=99, alpha=0.9, seed=2)
    order = np.random.default_rng(8).permutation(len(x))
    after = excess(x[order], y[order], need[order], calls[order], n_sim=99, alpha=0.9, seed=2)
    columns = ["x", "y", "radius_m", "n_need", "n_all", "relative_risk", "llr", "p_value"]
    pd.testing.assert_frame_equal(before[columns], after[columns])
    assert order[after["centre"]].tolist() == before["centre"].tolist()
    assert [sorted(order[list(m)]) for m in after["members"]] == [list(m) for m in before["members"]]


@pytest.mark.parametrize("city", [small_city(), random_city(5)], ids=["grid", "irregular"])
def test_splitting_rows_changes_nothing(city: City) -> None:
    x, y, need, calls = city
    before = excess(x, y, need, calls, n_sim=99, alpha=0.9, seed=2)
    part_need, part_calls = need // 3, need // 3 + (calls - need) // 2
    twice = [np.concatenate([v, v]) for v in (x, y)]
    after = excess(
        *twice,
        np.concatenate([need - part_need, part_need]),
        np.concatenate([calls - part_calls, part_calls]),
        n_sim=99,
        alpha=0.9,
        seed=2,
    )
    columns = ["centre", "x", "y", "radius_m", "n_need", "n_all", "relative_risk", "llr", "p_value"]
    pd.testing.assert_frame_equal(before[columns], after[columns])
    whole = [(*m, *(row + len(x) for row in m)) for m in before["members"]]
    assert after["members"].tolist() == whole


def test_inputs_are_left_alone_and_a_seed_fixes_the_result() -> None:
    city = random_city(7)
    copies = [v.copy() for v in city]
    first = excess(*city, n_sim=19, alpha=1, seed=3)
    pd.testing.assert_frame_equal(first, excess(*city, n_sim=19, alpha=1, seed=3))
    for value, copy in zip(city, copies):
        np.testing.assert_array_equal(value, copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_need": [2, 5]}, "exceed"),
        ({"n_need": [0.5, 1]}, "whole"),
        ({"n_all": [1, -1]}, "whole"),
        ({"n_all": [1]}, "one value a place"),
        ({"x": [0, np.nan]}, "coordinates"),
        ({"x": [0, 1, 2]}, "one length"),
        ({"radii_m": ()}, "radii_m"),
        ({"radii_m": (0, 100)}, "radii_m"),
        ({"n_sim": 0}, "n_sim"),
        ({"alpha": 0}, "alpha"),
    ],
)
def test_excess_says_what_is_wrong(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"x": [0, 1], "y": [0, 1], "n_need": [1, 1], "n_all": [2, 2], "n_sim": 9, "seed": 1}
    given |= change
    data = [given.pop(name) for name in ("x", "y", "n_need", "n_all")]
    with pytest.raises(InputError, match=message):
        excess(*data, **given)


@pytest.mark.oracle
def test_planted_city(oracle_dir: Path) -> None:
    folder = oracle_dir / "planted_city"
    events = pd.read_csv(folder / "events.csv")
    truth = json.loads((folder / "expected.json").read_text())["truth"]
    expected = pd.DataFrame(json.loads((folder / "expected_scan.json").read_text())["clusters"])
    places = events.groupby("addr").agg(x=("x", "first"), y=("y", "first"), k=("need", "sum"), n=("need", "size"))
    is_sink = sinks(places["x"], places["y"], places["k"], places["n"])["is_sink"].to_numpy()
    places = places[~is_sink]
    found = excess(places["x"], places["y"], places["k"], places["n"], n_sim=199, seed=1)

    assert found[["x", "y", "radius_m"]].to_numpy().tolist() == expected[["x", "y", "r"]].to_numpy().tolist()
    assert found["n_need"].tolist() == expected["need"].tolist()
    assert found["n_all"].tolist() == expected["all"].tolist()
    np.testing.assert_allclose(found["llr"], expected["llr"], atol=1e-6)
    np.testing.assert_allclose(found["relative_risk"], expected["rr"], rtol=1e-9)
    np.testing.assert_allclose(found["p_value"], expected["p"], atol=0.02)

    again = planted_recurrence(events, places.index.to_numpy(), found)
    assert again["active_weeks"].tolist() == expected["weeks"].tolist()
    np.testing.assert_allclose(again["max_week_share"], expected["mws"], rtol=1e-12)
    columns = (again[name] for name in ("active_weeks", "weeks_share", "max_week_share", "n_places"))
    rule = recurring(found["p_value"], *columns, n_complete_weeks=52)
    assert rule["is_recurring"].tolist() == expected["hotspot"].tolist()

    near = [nearest_truth(circle, truth) for circle in found.itertuples()]
    assert sorted(kind for _, kind in near) == ["burst", *["persistent"] * 5]
    assert len({number for number, _ in near}) == 6  # 5 of 5 and the burst, none twice, none false
    assert [kind for _, kind in near] == ["persistent" if r else "burst" for r in rule["is_recurring"]]
    assert rule["kind"].tolist().count("transient") == 1


def planted_recurrence(events: pd.DataFrame, addresses: np.ndarray, found: pd.DataFrame) -> pd.DataFrame:
    circle_of = {addresses[row]: k for k, circle in enumerate(found["members"]) for row in circle}
    inside = events[(events["need"] == 1) & events["addr"].isin(list(circle_of))]
    monday = np.datetime64("2024-01-01")
    at = (monday + 7 * inside["week"].to_numpy()).astype("datetime64[s]")
    return recurrence(inside["addr"].map(circle_of), at, inside["addr"], weeks=monday + 7 * np.arange(52))


def nearest_truth(circle: Any, truth: list[dict[str, Any]]) -> tuple[int, str]:
    away = [np.hypot(circle.x - t["x"], circle.y - t["y"]) for t in truth]
    best = int(np.argmin(away))
    assert away[best] <= 200
    return best, truth[best]["kind"]


# --- recurring ------------------------------------------------------------------------------------


def test_recurring_rule_at_its_edges() -> None:
    #        p     weeks share  fullest addresses
    cases = [
        (0.05, 8, 0.15, 0.25, 3, True, "recurring"),
        (0.06, 40, 0.80, 0.05, 9, False, "not significant"),
        (0.01, 7, 0.15, 0.25, 3, False, "transient"),
        (0.01, 8, 0.14, 0.25, 3, False, "transient"),
        (0.01, 8, 0.15, 0.26, 3, False, "transient"),
        (0.01, 8, 0.15, 0.25, 2, False, "single-address site"),
        (0.01, 7, 0.13, 0.70, 1, False, "transient"),
    ]
    data = list(zip(*cases))
    found = recurring(*data[:5], n_complete_weeks=53)
    assert found["is_recurring"].tolist() == list(data[5])
    assert found["kind"].tolist() == list(data[6])
    assert found["reason"].tolist()[0] == ""
    assert "one week" in found["reason"].tolist()[4]


def test_too_few_weeks_give_no_answer_but_a_reason() -> None:
    found = recurring([0.001, 0.5], [20, 20], [0.9, 0.9], [0.1, 0.1], [9, 9], n_complete_weeks=25)
    assert found["is_recurring"].isna().tolist() == [True, False]
    assert found["kind"].tolist() == ["not assessable", "not significant"]
    assert found["reason"][0] == "25 complete weeks in one window; recurrence needs 26"
    enough = recurring(0.001, 20, 0.9, 0.1, 9, n_complete_weeks=26)
    assert enough["is_recurring"].tolist() == [True]
    assert recurring([], [], [], [], [], n_complete_weeks=52).empty
    with pytest.raises(InputError, match="one length"):
        recurring([0.1], [1, 2], [1], [1], [1], n_complete_weeks=52)


# --- volume ---------------------------------------------------------------------------------------


def partition(label: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(label == k).tolist()) for k in set(label.tolist()) if k >= 0}


def test_dbscan_counts_the_place_itself_and_its_weight() -> None:
    x, y = np.array([0, 100, 200, 1000, 2000.0]), np.zeros(5)
    label, core = weighted_dbscan(x, y, [5, 5, 2, 12, 11], eps_m=100, min_weight=12)
    # the middle place has 12 within 100 m (closed); its neighbours are border; 12 alone is a core; 11 is not
    assert partition(label) == {frozenset({0, 1, 2}), frozenset({3})}
    assert core.tolist() == [False, True, False, True, False]
    assert label[4] == -1


def test_a_weight_is_the_same_as_repeated_rows_and_order_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    x, y, w = rng.uniform(0, 2000, 150), rng.uniform(0, 2000, 150), rng.integers(0, 5, 150)
    label, core = weighted_dbscan(x, y, w, eps_m=150, min_weight=12)
    assert len(partition(label)) > 1
    rows = rng.permutation(np.repeat(np.arange(150), w))
    again, core_again = weighted_dbscan(x[rows], y[rows], np.ones(len(rows)), eps_m=150, min_weight=12)
    np.testing.assert_array_equal(again, label[rows])
    np.testing.assert_array_equal(core_again, core[rows])
    turned, _ = weighted_dbscan(5 - y, x + 7, w, eps_m=150, min_weight=12)
    np.testing.assert_array_equal(turned, label)
    assert (label[w == 0] == -1).all()


def strip(length: int, step: float, weight: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.arange(length) * step, np.zeros(length), np.full(length, weight)


def test_volume_draws_a_footprint_around_its_places() -> None:
    found = volume([0, 100, 5000], [0, 0, 0], [30, 10, 3])
    assert found.min_weight == 12
    assert found.label.tolist() == [0, 0, -1]
    row = found.clusters.loc[0]
    assert (row["n_calls"], row["n_places"], row["x"], row["diameter_m"]) == (40, 2, 25, 100)
    assert row["members"] == (0, 1)
    discs = Point(0, 0).buffer(75).union(Point(100, 0).buffer(75))
    assert row["geometry"].symmetric_difference(discs).area < 0.04 * discs.area
    half = volume([0, 100, 5000], [0, 0, 0], [30, 10, 3], clip=box(50, -500, 500, 500)).clusters.loc[0]
    assert half["geometry"].area == pytest.approx(row["geometry"].area / 2, rel=0.02)
    assert volume([0], [0], [100_000]).min_weight == 300
    assert volume([0], [0], [4001]).min_weight == 13
    assert volume([0, 9], [0, 9], [1, 2]).clusters.empty
    assert volume([], [], []).clusters.empty


def test_a_wide_cluster_is_split_at_smaller_eps_down_to_the_least() -> None:
    # two dense blobs of 40 m, 720 m apart, joined by a chain of single places every 100 m
    x = np.concatenate([[0, 20, 40], 720 + np.array([0, 20, 40.0]), np.arange(140, 700, 100)])
    weights = np.concatenate([[20] * 6, [6] * 6])
    found = volume(x, np.zeros(len(x)), weights, min_weight=12)
    assert partition(found.label) == {frozenset({0, 1, 2}), frozenset({3, 4, 5})}
    assert found.clusters["eps_m"].tolist() == [75, 75]
    assert not found.clusters["is_wide"].any()
    whole = volume(x, np.zeros(len(x)), weights, min_weight=12, max_diameter_m=900)
    assert len(whole.clusters) == 1
    assert whole.clusters["eps_m"].tolist() == [150]


def test_a_cluster_that_cannot_be_split_is_kept_and_named_wide() -> None:
    dense = volume(*strip(30, 40, 20), min_weight=12)  # too wide at 50 m too
    assert dense.clusters["is_wide"].tolist() == [True]
    assert dense.clusters["eps_m"].tolist() == [50]
    thin = volume(*strip(10, 120, 5), min_weight=12)  # nothing left at 75 m
    assert thin.clusters["is_wide"].tolist() == [True]
    assert thin.clusters["eps_m"].tolist() == [150]


def test_every_cluster_holds_its_least_weight_and_labels_are_by_size() -> None:
    rng = np.random.default_rng(34)
    x, y, w = rng.uniform(0, 4000, 600), rng.uniform(0, 4000, 600), rng.integers(0, 4, 600)
    label, _ = weighted_dbscan(x, y, w, eps_m=150, min_weight=12)
    assert 0 < np.bincount(label[label >= 0], weights=w[label >= 0]).min() < 12  # a core robbed of its border
    found = volume(x, y, w)
    assert len(found.clusters) > 3
    assert (found.clusters["n_calls"] >= found.min_weight).all()
    assert found.clusters["n_calls"].is_monotonic_decreasing
    for k, row in found.clusters.iterrows():
        assert w[found.label == k].sum() == row["n_calls"]
        assert all(row["geometry"].covers(Point(x[i], y[i])) for i in row["members"])
    with pytest.raises(InputError, match="min_eps_m"):
        volume(x, y, w, eps_m=40)
    with pytest.raises(InputError, match="min_weight"):
        volume(x, y, w, min_weight=0)


@pytest.mark.oracle
@pytest.mark.parametrize("eps_km", [3, 5, 8])
@pytest.mark.parametrize("min_weight", [10, 20])
def test_dbscan_weighted_oracle(oracle_dir: Path, eps_km: int, min_weight: int) -> None:
    folder = oracle_dir / "dbscan_weighted"
    given, expected = pd.read_csv(folder / "input.csv"), pd.read_csv(folder / "expected.csv")
    key = f"eps{eps_km}_mp{min_weight}"
    x, y, w = given["x_km"].to_numpy() * 1000, given["y_km"].to_numpy() * 1000, given["w"].to_numpy()
    label, core = weighted_dbscan(x, y, w, eps_m=eps_km * 1000, min_weight=min_weight)
    assert partition(label) == partition(expected[key].to_numpy())
    assert core.tolist() == expected[f"{key}_core"].astype(bool).tolist()
    peer = pd.read_csv(folder / "expected_R.csv")[key].to_numpy() - 1
    assert partition(label) == partition(peer)
    rows = np.repeat(np.arange(len(w)), w)
    repeated, _ = weighted_dbscan(x[rows], y[rows], np.ones(len(rows)), eps_m=eps_km * 1000, min_weight=min_weight)
    np.testing.assert_array_equal(repeated, label[rows])


# --- areal scan -----------------------------------------------------------------------------------


def test_areal_scan_finds_the_raised_corner_of_a_grid() -> None:
    x, y = (axis.ravel() * 1000.0 for axis in np.meshgrid(np.arange(8), np.arange(8)))
    population = np.full(64, 1000)
    calls = np.full(64, 10)
    hot = (x <= 1000) & (y <= 1000)
    calls[hot] = 25
    found = areal_scan(x, y, calls, population, n_sim=199, seed=1)
    assert set(found.iloc[0]["members"]) == set(np.flatnonzero(hot))
    total, e = 700, 700 * 4 / 64
    llr = 100 * np.log(100 / e) + 600 * np.log(600 / (total - e))
    assert found.iloc[0]["llr"] == pytest.approx(llr)
    assert found.iloc[0]["expected"] == pytest.approx(e)
    assert found.iloc[0]["p_value"] == pytest.approx(1 / 200)
    assert found.iloc[0]["population"] <= 0.10 * population.sum()
    assert areal_scan(x, y, np.full(64, 10), population, n_sim=19, seed=1).empty
    with pytest.raises(InputError, match="population"):
        areal_scan(x, y, calls, population * 0, seed=1)
    with pytest.raises(InputError, match="max_share"):
        areal_scan(x, y, calls, population, max_share=0, seed=1)


def test_areas_at_one_distance_enter_together() -> None:
    x, y = np.append(np.arange(20) * 1000.0, 5000.0), np.zeros(21)  # areas 5 and 20 lie on one point
    calls, population = np.full(21, 10), np.full(21, 1000)
    calls[5] = 40
    best = areal_scan(x, y, calls, population, n_sim=99, seed=1).iloc[0]
    assert set(best["members"]) == {5, 20}
    assert (best["n_calls"], best["radius"]) == (50, 0)


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("file", "lonlat", "share", "llr", "n_areas", "n_calls"),
    [
        ("expected_planar.json", False, "0.5", 14.083511, 28, 100),
        ("expected_planar.json", False, "0.1", 11.577255, 26, 85),
        ("expected_longlat.json", True, "0.5", 14.780276, 31, 106),
    ],
)
def test_kulldorff_new_york(
    oracle_dir: Path, file: str, lonlat: bool, share: str, llr: float, n_areas: int, n_calls: int
) -> None:
    folder = oracle_dir / "kulldorff_ny"
    given = pd.read_csv(folder / "input.csv")
    expected = json.loads((folder / file).read_text())["result"][f"ubpop_{share}"]
    columns = (given[name] for name in ("longitude", "latitude", "cases", "pop"))
    found = areal_scan(*columns, max_share=float(share), lonlat=lonlat, n_sim=999, alpha=1.0, seed=1)
    best = found.iloc[0]
    assert best["llr"] == pytest.approx(llr, abs=1e-6)
    assert (len(best["members"]), best["n_calls"]) == (n_areas, n_calls)
    assert len(found) >= 40
    for zone, peer in zip(found.itertuples(), expected):
        assert set(zone.members) == set(np.atleast_1d(peer["ids"]).tolist())
        assert zone.llr == pytest.approx(peer["llr"], abs=1e-6)
        assert zone.p_value == pytest.approx(peer["p_mc"], abs=0.05)  # two Monte Carlo values, B = 999 each


# --- ids from run to run --------------------------------------------------------------------------


def test_ids_carry_over_where_half_of_the_smaller_overlaps() -> None:
    old = [box(0, 0, 10, 10), box(100, 0, 110, 10), box(200, 0, 210, 10)]
    new = [box(5, 0, 15, 10), box(105.1, 0, 115.1, 10), box(201, 1, 203, 3)]
    found = carry_ids(new, old, ["a", "b", "c"], ["x", "y", "z"], rate_ratio_high=[np.nan, 0.8, 0.99])
    assert found["hotspot_id"].tolist() == ["a", "y", "c", "b"]
    assert found["status"].tolist() == ["persistent", "cooling", "cooling", "ended"]
    assert found["old"].astype("object").where(found["old"].notna(), None).tolist() == [0, None, 2, 1]
    assert found["new"].isna().tolist() == [False, False, False, True]


def test_an_id_is_carried_once_and_fresh_ids_stay_distinct() -> None:
    old = [box(0, 0, 10, 10)]
    found = carry_ids([box(0, 0, 4, 10), box(3, 0, 10, 10)], old, ["a"], ["a", "b"])
    assert found["hotspot_id"].tolist()[1] == "a"  # both lie wholly inside: the larger shared area wins
    assert found["status"].tolist() == ["new", "persistent"]
    assert found["hotspot_id"].nunique() == 2
    first = carry_ids(old, [], [], ["a"], rate_ratio_high=[1.2])
    assert first["status"].tolist() == ["new"]
    assert carry_ids([], old, ["a"], [])["status"].tolist() == ["ended"]
    with pytest.raises(InputError, match="one id"):
        carry_ids(old, [], [], [])
    with pytest.raises(InputError, match="twice"):
        carry_ids([], old * 2, ["a", "a"], [])
    with pytest.raises(InputError, match="rate_ratio_high"):
        carry_ids(old, [], [], ["a"], rate_ratio_high=[1, 2])
