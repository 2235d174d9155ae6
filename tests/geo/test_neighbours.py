"""Neighbours by contiguity, distance and k nearest."""

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from shapely import box

from geo.errors import InputError, TableError
from geo.neighbours import Neighbours, contiguous, from_pairs, nearest, within


def checkerboard(n: int, *, island: bool = False) -> gpd.GeoDataFrame:
    cells = [box(c, r, c + 1, r + 1) for r in range(n) for c in range(n)]
    if island:
        cells.append(box(50, 50, 51, 51))
    return gpd.GeoDataFrame({"geoid": [f"a{i}" for i in range(len(cells))]}, geometry=cells, crs="EPSG:32615")


def of(neighbours: Neighbours, row: int) -> list[int]:
    rows, columns = neighbours.pairs()
    return [int(column) for column in columns[rows == row]]


def test_queen_and_rook() -> None:
    queen, rook = contiguous(checkerboard(3)), contiguous(checkerboard(3), queen=False)
    assert of(queen, 4) == [0, 1, 2, 3, 5, 6, 7, 8]
    assert of(rook, 4) == [1, 3, 5, 7]
    assert queen.counts.tolist() == [3, 5, 3, 5, 8, 5, 3, 5, 3]
    assert rook.counts.sum() == 2 * 12
    for neighbours in (queen, rook):
        assert (neighbours.matrix != neighbours.matrix.T).nnz == 0


def test_islands_and_ids() -> None:
    neighbours = contiguous(checkerboard(2, island=True))
    assert neighbours.islands == ("a4",)
    assert neighbours.ids == ("a0", "a1", "a2", "a3", "a4")


def test_within_includes_the_distance_itself() -> None:
    x, y = [0.0, 30.0, 30.1, 0.0], [0.0, 40.0, 40.0, 0.0]
    neighbours = within(x, y, 50, ids=["p", "q", "r", "s"])
    assert of(neighbours, 0) == [1, 3]
    assert of(neighbours, 1) == [0, 2, 3]
    assert within([], [], 5).ids == ()


def test_nearest_settles_ties_by_row() -> None:
    x, y = [0.0, 1.0, -1.0, 0.0, 0.0, 9.0], [0.0, 0.0, 0.0, 1.0, -1.0, 9.0]
    assert of(nearest(x, y, 2), 0) == [1, 2]
    assert nearest(x, y, 3).counts.tolist() == [3] * 6
    assert nearest([5.0] * 4, [5.0] * 4, 2).counts.tolist() == [2] * 4


@given(st.integers(2, 25), st.integers(1, 6), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_nearest_against_all_distances(n: int, k: int, seed: int) -> None:
    k = min(k, n - 1)
    x, y = np.random.default_rng(seed).integers(0, 6, (2, n)) * 10.0
    away = np.hypot(x[:, None] - x, y[:, None] - y) + np.diag(np.full(n, np.inf))
    found = nearest(x, y, k)
    for i in range(n):
        assert of(found, i) == sorted(np.argsort(away[i], kind="stable")[:k].tolist())
    near = within(x, y, 20)
    assert near.counts.tolist() == (away <= 20).sum(axis=1).tolist()


def test_from_pairs_drops_self_and_repeats() -> None:
    neighbours = from_pairs([0, 0, 1, 2], [1, 1, 1, 0], ids=["p", "q", "r"])
    assert [of(neighbours, i) for i in range(3)] == [[1], [], [0]]


def test_frozen() -> None:
    neighbours = within([0.0, 1.0], [0.0, 0.0], 5)
    with pytest.raises(ValueError, match="read-only"):
        neighbours.matrix.data[0] = 7
    with pytest.raises(AttributeError):
        neighbours.ids = ()  # type: ignore[misc]


def test_refusals() -> None:
    with pytest.raises(InputError, match="row numbers"):
        from_pairs([0], [3], ids=["p", "q"])
    with pytest.raises(InputError, match="k <"):
        nearest([0.0, 1.0], [0.0, 0.0], 2)
    with pytest.raises(InputError, match="without gaps"):
        within([0.0, np.nan], [0.0, 0.0], 2)
    with pytest.raises(InputError, match="zero or more"):
        within([0.0], [0.0], -1)
    with pytest.raises(InputError, match="an id a point"):
        within([0.0], [0.0], 1, ids=["p", "q"])
    with pytest.raises(TableError, match="repeated"):
        from_pairs([0], [1], ids=["p", "p"])
    with pytest.raises(TableError, match="beat"):
        contiguous(checkerboard(2), id_column="beat")
    with pytest.raises(InputError, match="diagonal"):
        Neighbours(ids=("p",), matrix=csr_array([[1.0]]))
    with pytest.raises(InputError, match="row and column"):
        Neighbours(ids=("p", "q"), matrix=csr_array([[0.0]]))
