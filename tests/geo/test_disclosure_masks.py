"""Masks of points: radius, households, one mask for ever, inside the published area."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import KDTree

from geo.errors import InputError
from geo.masks import donut, hidden_in, radii

KEY = b"a key of thirty-two bytes, no less"


def crowd(n: int, *, seed: int, width: float = 4000.0) -> np.ndarray:
    """Households at random in a square."""
    return np.random.default_rng(seed).uniform(0, width, (n, 2))


def masks(points: np.ndarray, households: np.ndarray, *, key: bytes = KEY, k_min: int = 1):
    """Masks of 100 to 400 m for points named by their number."""
    names = [f"place {number}" for number in range(len(points))]
    return donut(
        points[:, 0], points[:, 1], households=households, place_ids=names, key=key, r_min=100, r_max=400, k_min=k_min
    )


def test_displacement_is_uniform_by_area() -> None:
    """Mean 2/3 (400³ − 100³) / (400² − 100²) = 280 m, median 291.5 m; a uniform radius would give 250 m."""
    points = crowd(4000, seed=1)
    done = masks(points, points)
    r = np.hypot(done.x - points[:, 0], done.y - points[:, 1])
    assert r.min() >= 100
    assert r.max() <= 400
    assert r.mean() == pytest.approx(280.0, abs=4 * 82 / np.sqrt(4000))
    assert np.median(r) == pytest.approx(291.5, abs=7)
    assert abs(r.mean() - 250) > 20
    angle = np.arctan2(done.y - points[:, 1], done.x - points[:, 0])
    assert np.abs(np.mean(np.exp(1j * angle))) < 0.05


def test_actual_households_hide_each_point_or_none_is_given() -> None:
    households = crowd(900, seed=2)
    points = households[:200]
    done = masks(points, households, k_min=20)
    given = np.isfinite(done.x)
    assert given.sum() > 0
    for point, x, y, k in zip(points[given], done.x[given], done.y[given], done.k[given], strict=True):
        distance = np.hypot(households[:, 0] - x, households[:, 1] - y)
        assert k == (distance <= np.hypot(*(point - (x, y))) + 1e-3).sum()
        assert k >= 20
    lonely = masks(np.array([[90_000.0, 0.0]]), households, k_min=20)
    assert np.isnan(lonely.x).all()
    assert lonely.k.tolist() == [0]


def test_an_address_has_one_mask_for_ever_so_that_averages_give_nothing() -> None:
    points = crowd(60, seed=3)
    often = np.array([np.column_stack([(m := masks(points, points)).x, m.y]) for _ in range(30)])
    assert (often == often[0]).all()
    single = np.hypot(*(often[0] - points).T).mean()
    averaged = np.hypot(*(often.mean(axis=0) - points).T).mean()
    assert averaged == pytest.approx(single)
    new_keys = [bytes([number]) * 32 for number in range(30)]
    leaky = np.array([np.column_stack([(m := masks(points, points, key=key)).x, m.y]) for key in new_keys])
    assert np.hypot(*(leaky.mean(axis=0) - points).T).mean() == pytest.approx(47, abs=8)
    alone = masks(points[5:6], points)
    assert alone.x[0] != often[0][5, 0]
    same = donut(
        points[5:6, 0],
        points[5:6, 1],
        households=points,
        place_ids=["place 5"],
        key=KEY,
        r_min=100,
        r_max=400,
        k_min=1,
    )
    assert (same.x[0], same.y[0]) == tuple(often[0][5])


def test_linkage_finds_no_more_than_one_in_k() -> None:
    """The nearest household to a mask is the true one no more often than chance among k allows."""
    households = crowd(6000, seed=4)
    points = households[:400]
    done = masks(points, households, k_min=20)
    given = np.isfinite(done.x)
    _, nearest = KDTree(households).query(np.column_stack([done.x, done.y])[given])
    assert (nearest == np.flatnonzero(given)).mean() <= 1 / 20


def test_masks_stay_in_their_area() -> None:
    from shapely import box

    households = crowd(3000, seed=5)
    points = households[(households < 1900).all(axis=1)][:100]
    area = box(0, 0, 2000, 2000)
    done = donut(
        points[:, 0],
        points[:, 1],
        households=households,
        place_ids=[str(number) for number in range(len(points))],
        key=KEY,
        r_min=100,
        r_max=400,
        within=[area] * len(points),
    )
    given = np.isfinite(done.x)
    assert given.mean() > 0.9
    assert (done.x[given] < 2000).all()
    assert (done.y[given] < 2000).all()
    free = donut(
        points[:, 0],
        points[:, 1],
        households=households,
        place_ids=[str(number) for number in range(len(points))],
        key=KEY,
        r_min=100,
        r_max=400,
    )
    assert ((free.x > 2000) | (free.y > 2000) | (free.x < 0) | (free.y < 0)).any()


def test_radii_hold_enough_households() -> None:
    inner, outer = radii(np.array([20 / (np.pi * 100**2), 0.0]))
    assert inner[0] == pytest.approx(100)
    assert outer[0] == pytest.approx(400)
    assert np.isinf(inner[1])
    assert radii(np.array([0.001]), uneven=True)[0] == pytest.approx(np.sqrt(3) * radii(np.array([0.001]))[0])


def test_bad_input_is_refused() -> None:
    points = crowd(3, seed=6)
    with pytest.raises(InputError, match="32 bytes"):
        masks(points, points, key=b"short")
    with pytest.raises(InputError, match="several"):
        donut(points[:, 0], points[:, 1], households=points, place_ids=["a", "a", "b"], key=KEY, r_min=100, r_max=400)
    with pytest.raises(InputError, match="r_min"):
        donut(points[:, 0], points[:, 1], households=points, place_ids=["a", "b", "c"], key=KEY, r_min=400, r_max=100)
    with pytest.raises(InputError, match="finite"):
        masks(np.full((1, 2), np.nan), points)
    with pytest.raises(InputError, match="≥ 0"):
        radii(np.array([-1.0]))


@pytest.mark.oracle
def test_geomask_oracle(oracle_dir: Path) -> None:
    """The oracle's points moved by our ring, and its own masks counted by our k over the households it lists."""
    expected = json.loads((oracle_dir / "geomask" / "expected.json").read_text())
    listed = pd.read_csv(oracle_dir / "geomask" / "k_check.csv")
    points = np.tile(listed[["ox", "oy"]].to_numpy(), (60, 1))
    done = masks(points, points)
    r = np.hypot(done.x - points[:, 0], done.y - points[:, 1])
    assert r.mean() == pytest.approx(expected["mean_displacement_area_uniform"], abs=6)
    assert np.median(r) == pytest.approx(expected["median"], abs=10)
    assert listed["actual_k"].median() == expected["k_median"]
    assert (listed["actual_k"] < 20).sum() == expected["n_below_20"]
    households = KDTree(listed[["ox", "oy"]].drop_duplicates().to_numpy())
    for row in listed.itertuples():
        moved = float(np.hypot(row.mx - row.ox, row.my - row.oy))
        assert 1 <= hidden_in(households, (row.mx, row.my), distance=moved) <= row.actual_k
