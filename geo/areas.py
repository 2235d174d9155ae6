"""Which area holds a point, counts carried between boundary vintages, and faults of a coverage."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from geo.crs import require_metric
from geo.errors import InputError, TableError

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

Floats = NDArray[np.float64]

SLIVER_SHARE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpolated:
    """Counts carried to other areas: `values` one a target row; `outside` is what no target holds."""

    values: Floats
    outside: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Two areas that share ground; `share` is the shared area over the area of the smaller one (0–1)."""

    first: str
    second: str
    area_m2: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageFaults:
    """What keeps a level from being a clean coverage: overlaps, and (id, reason) of invalid shapes."""

    overlaps: tuple[Overlap, ...]
    invalid: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnionCheck:
    """Whether a parent is the exact union of children, and by what share of its area it is not.

    `children` are the ids with most of their area inside. `missing_share` of the parent is in none of them,
    `excess_share` (over the parent's area) of them lies outside it.
    """

    parent: str
    children: tuple[str, ...]
    missing_share: float
    excess_share: float
    is_exact: bool


def area_of(
    x: ArrayLike, y: ArrayLike, areas: "GeoDataFrame", *, id_column: str = "geoid", tolerance_m: float = 0.0
) -> NDArray[np.object_]:
    """Id of the one area that holds each point, or None; shape (n,).

    A point on a shared edge, or where areas overlap, goes to the smallest id (as text), so the answer
    does not depend on the order of rows. A point outside all areas but within `tolerance_m` metres of one
    goes to the nearest (ties: smallest id): this closes slivers between levels, it is no geocoder. A
    missing coordinate gives None. Each distinct point is looked up once. Raises TableError for missing or
    repeated ids, InputError for columns of unequal length, CrsError for areas in degrees or feet.
    """
    east, north = _points(x, y)
    ids, shapes = _sorted(areas, id_column)
    out = np.full(east.size, None, dtype=object)
    usable = np.flatnonzero(np.isfinite(east) & np.isfinite(north))
    if usable.size == 0 or not ids:
        return out
    distinct, back = np.unique(np.column_stack([east[usable], north[usable]]), axis=0, return_inverse=True)
    rank = _rank_of(shapely.points(distinct), shapes, tolerance_m)
    names = np.array([*ids, None], dtype=object)
    out[usable] = names[rank[back.reshape(-1)]]
    return out


def interpolate(
    values: ArrayLike,
    source: "GeoDataFrame",
    target: "GeoDataFrame",
    *,
    weights: tuple[ArrayLike, ArrayLike, ArrayLike] | None = None,
) -> Interpolated:
    """Counts of `source` areas carried to `target` areas; sum(values) + outside = sum(input), always.

    Without weights a source's count is split by area, v_t = Σ_s v_s·|s∩t|/|s|. With `weights` (x, y,
    population) of points it is split by their population, each point counted in one source and one target
    area; a source without any population falls back to area. Where targets cover a source but for less
    than one part in a thousand the rest is an edge drawn differently and is shared out; anything larger
    is returned as `outside`. A missing source value makes every target that needs it (and `outside`)
    missing. For counts only: carry the numerator and denominator of a rate apart. Raises TableError,
    InputError, CrsError as `area_of`. Reference: Goodchild & Lam 1980.
    """
    counts = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if counts.shape != (len(source),):
        raise InputError(f"Expected one value a source area [{len(source)}], got [{counts.shape}].")
    source_shapes, target_shapes = _shapes(source), _shapes(target)
    shares = _area_shares(source_shapes, target_shapes)
    if weights is not None:
        by_points, has_points = _point_shares(weights, source_shapes, target_shapes)
        shares[has_points] = by_points[has_points]
    covered = shares.sum(axis=1)
    nearly = covered > 1 - 1e-3
    shares[nearly] /= covered[nearly, None]
    used = shares > 0
    carried = np.where(used, np.where(used, counts[:, None], 0.0) * shares, 0.0).sum(axis=0)
    left = np.where(nearly, 0.0, 1.0 - covered)
    outside = float(np.sum(counts[left > 0] * left[left > 0]))
    return Interpolated(values=carried, outside=outside)


def coverage_faults(
    areas: "GeoDataFrame", *, id_column: str = "geoid", min_share: float = SLIVER_SHARE
) -> CoverageFaults:
    """Overlapping pairs and invalid shapes of one level, in the order of their ids.

    A pair is named when the ground it shares exceeds `min_share` of the smaller area. Invalid and empty
    shapes are named with their reason and are repaired only to measure overlaps. Raises TableError,
    CrsError.
    """
    ids, shapes = _sorted(areas, id_column)
    bad = ~shapely.is_valid(shapes) | shapely.is_empty(shapes) | shapely.is_missing(shapes)
    reasons = [_reason(shape) for shape in shapes[bad]]
    invalid = tuple((ids[i], reason) for i, reason in zip(np.flatnonzero(bad), reasons))
    repaired = np.where(bad, shapely.make_valid(shapes), shapes)
    size = shapely.area(repaired)
    first, second = shapely.STRtree(repaired).query(repaired, predicate="intersects")
    keep = first < second
    first, second = first[keep], second[keep]
    shared = shapely.area(shapely.intersection(repaired[first], repaired[second]))
    smaller = np.minimum(size[first], size[second])
    share = np.divide(shared, smaller, out=np.zeros_like(shared), where=smaller > 0)
    overlaps = [
        Overlap(first=ids[a], second=ids[b], area_m2=float(m2), share=float(part))
        for a, b, m2, part in sorted(zip(first, second, shared, share), key=lambda row: (row[0], row[1]))
        if part > min_share
    ]
    return CoverageFaults(overlaps=tuple(overlaps), invalid=invalid)


def union_check(
    parents: "GeoDataFrame",
    children: "GeoDataFrame",
    *,
    id_column: str = "geoid",
    max_share: float = SLIVER_SHARE,
) -> tuple[UnionCheck, ...]:
    """Whether each parent is the exact union of the children that lie mostly in it, in order of parent id.

    Exact = the parts missing and in excess are each at most `max_share` of the parent's area. Only such
    levels nest, so that a sum over children is the parent's own. Raises TableError, CrsError.
    """
    parent_ids, parent_shapes = _sorted(parents, id_column)
    child_ids, child_shapes = _sorted(children, id_column)
    mostly = _area_shares(child_shapes, parent_shapes) > 0.5
    names = np.array(child_ids, dtype=object)
    return tuple(
        _one_union(parent, shape, list(names[inside]), child_shapes[inside], max_share)
        for parent, shape, inside in zip(parent_ids, parent_shapes, mostly.T)
    )


def _one_union(
    parent: str, shape: Any, children: list[str], child_shapes: NDArray[np.object_], max_share: float
) -> UnionCheck:
    shape, whole = shapely.make_valid(shape), shapely.union_all(shapely.make_valid(child_shapes))
    size = float(shapely.area(shape))
    if not size > 0:
        raise InputError(f"Expected a parent area with ground in it, got [{parent}] without; correct its shape.")
    missing = float(shapely.area(shapely.difference(shape, whole))) / size
    excess = float(shapely.area(shapely.difference(whole, shape))) / size
    return UnionCheck(
        parent=parent,
        children=tuple(children),
        missing_share=missing,
        excess_share=excess,
        is_exact=missing <= max_share and excess <= max_share,
    )


def _rank_of(points: NDArray[np.object_], shapes: NDArray[np.object_], tolerance_m: float) -> NDArray[np.intp]:
    """Row of the first shape that holds each point, or len(shapes) for none (which indexes a final None)."""
    rank = np.full(points.size, len(shapes), dtype=np.intp)
    shape_at, point_at = shapely.STRtree(points).query(shapes, predicate="intersects")
    np.minimum.at(rank, point_at, shape_at)
    homeless = np.flatnonzero(rank == len(shapes))
    if tolerance_m > 0 and homeless.size:
        point_at, shape_at = shapely.STRtree(shapes).query_nearest(
            points[homeless], max_distance=tolerance_m, all_matches=True
        )
        np.minimum.at(rank, homeless[point_at], shape_at)
    return rank


def _area_shares(source: NDArray[np.object_], target: NDArray[np.object_]) -> Floats:
    """Share of each source's area in each target, shape (n_source, n_target); slivers are nothing."""
    shares = np.zeros((source.size, target.size))
    s, t = shapely.STRtree(target).query(source, predicate="intersects")
    source, target = shapely.make_valid(source), shapely.make_valid(target)
    size = shapely.area(source)
    part = shapely.area(shapely.intersection(source[s], target[t]))
    shares[s, t] = np.divide(part, size[s], out=np.zeros_like(part), where=size[s] > 0)
    shares[shares < SLIVER_SHARE] = 0.0
    return _at_most_whole(shares)


def _point_shares(
    weights: tuple[ArrayLike, ArrayLike, ArrayLike], source: NDArray[np.object_], target: NDArray[np.object_]
) -> tuple[Floats, NDArray[np.bool_]]:
    x, y = _points(weights[0], weights[1])
    weight = np.atleast_1d(np.asarray(weights[2], dtype=np.float64))
    if weight.shape != x.shape or not np.isfinite(weight).all() or (weight < 0).any():
        raise InputError(f"Expected a population of zero or more a point [{x.size}], got [{weight.shape}].")
    points = shapely.points(np.column_stack([x, y]))
    sums = np.zeros((source.size + 1, target.size + 1))
    np.add.at(sums, (_rank_of(points, source, 0.0), _rank_of(points, target, 0.0)), weight)
    total = sums[:-1].sum(axis=1)
    has_points = total > 0
    shares = np.divide(sums[:-1, :-1], total[:, None], out=np.zeros_like(sums[:-1, :-1]), where=has_points[:, None])
    return shares, has_points


def _at_most_whole(shares: Floats) -> Floats:
    """Overlapping targets must not multiply a count: rows that exceed 1 are scaled back."""
    total = shares.sum(axis=1, keepdims=True)
    return np.asarray(shares / np.maximum(total, 1.0), dtype=np.float64)


def _sorted(areas: "GeoDataFrame", id_column: str) -> tuple[list[str], NDArray[np.object_]]:
    if id_column not in areas.columns:
        raise TableError("areas", [f"expected a column of ids, got no [{id_column}]; name it with id_column"])
    column = areas[id_column]
    ids = [str(value) for value in column]
    repeated = sorted({value for value in ids if ids.count(value) > 1}) if len(set(ids)) < len(ids) else []
    faults = [f"expected one row an id, got [{value}] more than once" for value in repeated]
    if column.isna().any():
        faults.append(f"expected an id in every row, got [{int(column.isna().sum())}] without")
    if faults:
        raise TableError("areas", faults)
    order = sorted(range(len(ids)), key=ids.__getitem__)
    return [ids[i] for i in order], _shapes(areas)[order]


def _shapes(areas: "GeoDataFrame") -> NDArray[np.object_]:
    if areas.crs is not None:
        require_metric(areas.crs)
    return np.asarray(areas.geometry.array, dtype=object)


def _reason(shape: Any) -> str:
    if shape is None:
        return "no shape"
    return "empty shape" if shapely.is_empty(shape) else str(shapely.is_valid_reason(shape))


def _points(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    east = np.atleast_1d(np.asarray(x, dtype=np.float64))
    north = np.atleast_1d(np.asarray(y, dtype=np.float64))
    if east.ndim != 1 or east.shape != north.shape:
        raise InputError(f"Expected two columns of equal length, got [{east.shape}] and [{north.shape}].")
    return east, north
