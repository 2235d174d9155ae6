"""Which areas are neighbours: contiguity, distance or k nearest, as one frozen sparse structure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from geo.errors import InputError, TableError

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

_TIE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Neighbours:
    """Who is a neighbour of whom.

    `ids` name the rows, in the order of the frame or points they came from. `matrix` is n × n of ones: row i
    holds the neighbours of i, never i itself; its arrays are read-only. It need not be symmetric (k nearest).
    """

    ids: tuple[str, ...]
    matrix: Any

    def __post_init__(self) -> None:
        n = len(self.ids)
        if self.matrix.shape != (n, n):
            raise InputError(f"Expected one row and column an id [{n}], got [{self.matrix.shape}].")
        if len(set(self.ids)) != n:
            raise TableError("neighbours", [f"expected ids once each, got [{n - len(set(self.ids))}] repeated"])
        if self.matrix.diagonal().any():
            raise InputError("Expected no area to be its own neighbour, got some on the diagonal; leave them out.")
        for part in (self.matrix.data, self.matrix.indices, self.matrix.indptr):
            part.flags.writeable = False

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of neighbours of each row, shape (n,)."""
        return np.asarray(np.diff(self.matrix.indptr), dtype=np.int64)

    @property
    def islands(self) -> tuple[str, ...]:
        """Ids without any neighbour."""
        return tuple(self.ids[i] for i in np.flatnonzero(self.counts == 0))

    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column of every link, sorted by row and column; two arrays of shape (n_links,)."""
        rows = np.repeat(np.arange(len(self.ids)), self.counts)
        return rows.astype(np.int64), np.asarray(self.matrix.indices, dtype=np.int64)


def from_pairs(rows: ArrayLike, columns: ArrayLike, *, ids: Sequence[object]) -> Neighbours:
    """Neighbours from the row numbers of linked pairs, as given (a link both ways is two pairs).

    Repeated pairs and pairs of a row with itself count once and not at all. Raises InputError when a number
    names no row.
    """
    i, j = np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64)
    n = len(ids)
    if i.shape != j.shape or i.ndim != 1 or (i.size and (min(i.min(), j.min()) < 0 or max(i.max(), j.max()) >= n)):
        raise InputError(f"Expected pairs of row numbers below [{n}], got shapes [{i.shape}], [{j.shape}].")
    apart = i != j
    links = np.unique(np.column_stack([i[apart], j[apart]]), axis=0)
    matrix = csr_array((np.ones(len(links)), (links[:, 0], links[:, 1])), shape=(n, n))
    matrix.sort_indices()
    return Neighbours(ids=tuple(str(value) for value in ids), matrix=matrix)


def contiguous(areas: "GeoDataFrame", *, id_column: str = "geoid", queen: bool = True) -> Neighbours:
    """Neighbours that touch: at a point or along an edge (queen), or along an edge only (rook).

    Symmetric. Overlapping shapes count as touching. Raises TableError for missing or repeated ids.
    """
    if id_column not in areas.columns:
        raise TableError("areas", [f"expected a column of ids, got no [{id_column}]; name it with id_column"])
    shapes = np.asarray(areas.geometry.array, dtype=object)
    i, j = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    if not queen:
        above = i < j
        i, j = i[above], j[above]
        shared = shapely.intersection(shapes[i], shapes[j])
        along = (shapely.length(shared) > 0) | (shapely.area(shared) > 0)
        i, j = np.r_[i[along], j[along]], np.r_[j[along], i[along]]
    return from_pairs(i, j, ids=list(areas[id_column]))


def within(x: ArrayLike, y: ArrayLike, d: float, *, ids: Sequence[object] | None = None) -> Neighbours:
    """Neighbours at a distance of at most `d` metres (≤ passes), in projected coordinates; symmetric.

    Points at one spot are neighbours. `ids` default to row numbers. Raises InputError for missing coordinates
    or a negative distance.
    """
    xy = _points(x, y)
    if not d >= 0:
        raise InputError(f"Expected a distance of zero or more metres, got [{d}].")
    pairs = cKDTree(xy).query_pairs(d * (1 + _TIE), output_type="ndarray") if len(xy) else np.empty((0, 2), np.intp)
    both = np.r_[pairs, pairs[:, ::-1]]
    return from_pairs(both[:, 0], both[:, 1], ids=_names(ids, len(xy)))


def nearest(x: ArrayLike, y: ArrayLike, k: int, *, ids: Sequence[object] | None = None) -> Neighbours:
    """The `k` nearest other points of each, in projected coordinates; not symmetric.

    Equal distances are settled by row number, so the answer is the same every time. `ids` default to row
    numbers. Raises InputError for missing coordinates or unless 1 ≤ k < n.
    """
    xy = _points(x, y)
    n = len(xy)
    if not 1 <= k < n:
        raise InputError(f"Expected 1 ≤ k < number of points [{n}], got [{k}].")
    tree = cKDTree(xy)
    furthest = np.asarray(tree.query(xy, k=[k + 1])[0]).reshape(-1)
    candidates = tree.query_ball_point(xy, furthest * (1 + _TIE) + _TIE)
    columns = np.empty((n, k), dtype=np.int64)
    for i, found in enumerate(candidates):
        others = np.sort(np.array([j for j in found if j != i], dtype=np.int64))
        away = np.hypot(*(xy[others] - xy[i]).T)
        columns[i] = others[np.argsort(np.round(away, 6), kind="stable")[:k]]
    return from_pairs(np.repeat(np.arange(n), k), columns.ravel(), ids=_names(ids, n))


def _names(ids: Sequence[object] | None, n: int) -> Sequence[object]:
    if ids is None:
        return range(n)
    if len(ids) != n:
        raise InputError(f"Expected an id a point [{n}], got [{len(ids)}].")
    return ids


def _points(x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    east, north = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if east.ndim != 1 or east.shape != north.shape or not (np.isfinite(east).all() and np.isfinite(north).all()):
        raise InputError(
            f"Expected two equally long columns of metres without gaps, got [{east.shape}] and [{north.shape}]."
        )
    return np.column_stack([east, north])
