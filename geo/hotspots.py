"""Hotspots: where need calls are in excess (`excess`), where calls are many (`volume`), which recur.

`excess` answers a question of significance; `volume` makes no such claim, it draws where the calls are (it
would draw clusters in a city without any hotspot). Never show the two in one colour.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from shapely.geometry import MultiPoint
from shapely.geometry.base import BaseGeometry

from geo.areal import areal_scan
from geo.errors import InputError
from geo.scan import TOLERANCE, Circles, bernoulli_llr, canonical, circles, counts, excess, points

__all__ = [
    "Circles",
    "Volume",
    "areal_scan",
    "bernoulli_llr",
    "carry_ids",
    "circles",
    "excess",
    "recurring",
    "volume",
    "weighted_dbscan",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MIN_COMPLETE_WEEKS = 26


# --- volume ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """Clusters of many calls."""

    label: Ints  # per input row: 0 for the largest cluster and up, −1 outside all
    is_core: Bools  # per input row
    clusters: pd.DataFrame  # a row a cluster, index = label
    min_weight: int  # calls within eps that make a core place


def weighted_dbscan(
    x: ArrayLike, y: ArrayLike, weights: ArrayLike, *, eps_m: float, min_weight: int
) -> tuple[Ints, Bools]:
    """Cluster number per row (−1 none) and whether it is a core place, by DBSCAN on weighted places.

    A place is core if the calls within `eps_m` (closed, itself included) are at least `min_weight`. Rows of
    one point count as one place, so a weight w is the same as w repeated rows. Numbers run by calls in the
    cluster, most first. A border place within reach of two clusters goes to the one met first in the
    canonical order (`geo.scan`).
    Raises: InputError. Reference: Ester et al. 1996.
    """
    xy = points(x, y)
    calls = counts("weights", weights, len(xy))
    if not eps_m > 0 or min_weight < 1:
        raise InputError(f"eps_m must be > 0 and min_weight 1 or more, got [{eps_m}, {min_weight}]")
    places, place_of_row = canonical(xy, calls)
    weight = np.bincount(place_of_row, weights=calls, minlength=len(places)).astype(np.int64)
    label, core = _dbscan(places, weight, eps_m, min_weight)
    return label[place_of_row], core[place_of_row]


def _dbscan(places: Floats, weight: Ints, eps_m: float, min_weight: int) -> tuple[Ints, Bools]:
    core = np.zeros(len(places), dtype=bool)
    label = np.full(len(places), -1, dtype=np.int64)
    some = np.flatnonzero(weight > 0)  # a place without calls belongs nowhere
    if some.size == 0:
        return label, core
    from sklearn.cluster import DBSCAN

    fitted = DBSCAN(eps=eps_m * (1 + TOLERANCE), min_samples=int(min_weight)).fit(
        places[some], sample_weight=weight[some]
    )
    label[some] = fitted.labels_
    core[some[fitted.core_sample_indices_]] = True
    return _numbered_by_weight(label, weight), core


def _numbered_by_weight(label: Ints, weight: Ints) -> Ints:
    n = int(label.max(initial=-1)) + 1
    total = np.bincount(label[label >= 0], weights=weight[label >= 0], minlength=n)
    new = np.empty(n + 1, dtype=np.int64)
    new[np.argsort(-total, kind="stable")] = np.arange(n)
    new[-1] = -1
    return new[label]


def volume(
    x: ArrayLike,
    y: ArrayLike,
    weights: ArrayLike,
    *,
    eps_m: float = 150.0,
    min_weight: int | None = None,
    max_diameter_m: float = 600.0,
    min_eps_m: float = 50.0,
    clip: BaseGeometry | None = None,
) -> Volume:
    """Clusters of many calls with their footprints; no claim of significance.

    `weighted_dbscan` at `eps_m`; a cluster wider than `max_diameter_m` is clustered again by itself at half
    of eps, down to `min_eps_m`. One that falls apart into nothing, or is still too wide there, is kept
    whole: `is_wide`. `min_weight` defaults to max(12, 0.3 % of all calls, rounded up). Data: one row a
    place, projected metres, calls. `clusters`: `n_calls`, `n_places`, `x`, `y` (mean of places by calls),
    `diameter_m`, `eps_m` (at which it was found), `is_wide`, `geometry` (union of eps/2 discs around its
    places, simplified by eps/40, cut to `clip`), `members` (tuple of input rows). A cluster left with fewer calls than
    `min_weight`, its border places being another's, is none. Empty if nothing clusters.
    Raises: InputError. References: Ester et al. 1996; docs/methods.md.
    """
    xy = points(x, y)
    calls = counts("weights", weights, len(xy))
    if not 0 < min_eps_m <= eps_m:
        raise InputError(f"eps_m must be at least min_eps_m > 0, got [eps_m {eps_m}, min_eps_m {min_eps_m}]")
    default = max(12, int(np.ceil(round(0.003 * int(calls.sum()), 9))))
    need = default if min_weight is None else int(min_weight)
    if need < 1:
        raise InputError(f"min_weight must be 1 or more, got [{min_weight}]")
    places, place_of_row = canonical(xy, calls)
    weight = np.bincount(place_of_row, weights=calls, minlength=len(places)).astype(np.int64)
    widths = (max_diameter_m, min_eps_m)
    found = _clusters(np.arange(len(places)), places, weight, eps_m, need, widths)
    found = [part for part in found if weight[part[0]].sum() >= need]
    found.sort(key=lambda part: -int(weight[part[0]].sum()))
    label, is_core = np.full(len(places), -1, dtype=np.int64), np.zeros(len(places), dtype=bool)
    for k, (members, cores, _) in enumerate(found):
        label[members] = k
        is_core[cores] = True
    rows = [_cluster_row(members, eps, places, weight, max_diameter_m, clip) for members, _, eps in found]
    columns = ["n_calls", "n_places", "x", "y", "diameter_m", "eps_m", "is_wide", "geometry"]
    clusters = pd.DataFrame(rows, columns=columns)
    row_label = label[place_of_row]
    clusters["members"] = [tuple(np.flatnonzero(row_label == k).tolist()) for k in range(len(found))]
    return Volume(label=row_label, is_core=is_core[place_of_row], clusters=clusters, min_weight=need)


def _clusters(
    subset: Ints, places: Floats, weight: Ints, eps: float, need: int, widths: tuple[float, float]
) -> list[tuple[Ints, Ints, float]]:
    """Clusters among these places, the too wide ones at smaller eps: (members, core members, eps) of each."""
    widest, min_eps = widths
    label, core = _dbscan(places[subset], weight[subset], eps, need)
    finer = max(eps / 2, min_eps)
    found: list[tuple[Ints, Ints, float]] = []
    for k in range(int(label.max(initial=-1)) + 1):
        members = subset[label == k]
        parts: list[tuple[Ints, Ints, float]] = []
        if finer < eps and _diameter(places[members]) > widest:
            parts = _clusters(members, places, weight, finer, need, widths)
        found += parts or [(members, subset[(label == k) & core], eps)]
    return found


def _diameter(xy: Floats) -> float:
    """Largest distance between two of the points; by the corners of their hull."""
    from scipy.spatial.distance import pdist

    hull = MultiPoint(xy).convex_hull
    corners = np.asarray(hull.exterior.coords if hull.geom_type == "Polygon" else hull.coords)
    return float(pdist(corners).max(initial=0.0)) if len(corners) > 1 else 0.0


def _cluster_row(
    members: Ints, eps: float, places: Floats, weight: Ints, widest: float, clip: BaseGeometry | None
) -> dict[str, object]:
    xy, w = places[members], weight[members]
    shape = MultiPoint(xy).buffer(eps / 2).simplify(eps / 40)
    diameter = _diameter(xy)
    mean = np.average(xy, axis=0, weights=w)
    return {
        "n_calls": int(w.sum()),
        "n_places": len(members),
        "x": float(mean[0]),
        "y": float(mean[1]),
        "diameter_m": diameter,
        "eps_m": eps,
        "is_wide": diameter > widest,
        "geometry": shape if clip is None else shape.intersection(clip),
    }


# --- recurring or not -----------------------------------------------------------------------------


def recurring(
    p_value: ArrayLike,
    active_weeks: ArrayLike,
    weeks_share: ArrayLike,
    max_week_share: ArrayLike,
    n_addresses: ArrayLike,
    *,
    n_complete_weeks: int,
    alpha: float = 0.05,
    min_weeks: int = 8,
    min_share: float = 0.15,
    max_share: float = 0.25,
    min_addresses: int = 3,
) -> pd.DataFrame:
    """Per hotspot `is_recurring` (True, False or None), `kind` and `reason`.

    Recurring: p ≤ alpha and active weeks ≥ `min_weeks` and their share ≥ `min_share` and no week with more
    than `max_share` of the calls and ≥ `min_addresses` addresses with a need call. `kind`: *recurring*;
    *single-address site* (all but the addresses; never public); *transient* (significant only); *not
    significant*; *not assessable* with `is_recurring` None where fewer than 26 complete weeks in one window
    were seen. `reason` says what failed.
    Data: one value a hotspot, as `geo.places.recurrence` gives them for its need calls. Raises: InputError.
    """
    values = [
        np.atleast_1d(np.asarray(v, dtype=np.float64))
        for v in (p_value, active_weeks, weeks_share, max_week_share, n_addresses)
    ]
    if len({v.shape for v in values}) != 1 or values[0].ndim != 1:
        raise InputError(f"recurring needs lists of one length, got [{', '.join(str(v.shape) for v in values)}]")
    rules = (
        (values[0] <= alpha, f"p above {alpha:g}"),
        (values[1] >= min_weeks, f"active in fewer than {min_weeks} weeks"),
        (values[2] >= min_share, f"active in under {min_share:.0%} of weeks"),
        (values[3] <= max_share, f"one week has over {max_share:.0%} of calls"),
        (values[4] >= min_addresses, f"fewer than {min_addresses} addresses"),
    )
    rows: list[tuple[bool | None, str, str]] = []
    for i in range(len(values[0])):
        failed = [text for passed, text in rules if not passed[i]]
        if not rules[0][0][i]:
            rows.append((False, "not significant", "; ".join(failed)))
        elif n_complete_weeks < MIN_COMPLETE_WEEKS:
            rows.append((None, "not assessable", _too_short(n_complete_weeks)))
        elif failed == [rules[4][1]]:
            rows.append((False, "single-address site", failed[0]))
        else:
            rows.append((not failed, "transient" if failed else "recurring", "; ".join(failed)))
    return pd.DataFrame(rows, columns=["is_recurring", "kind", "reason"]).astype({"is_recurring": "boolean"})


def _too_short(n_complete_weeks: int) -> str:
    return f"{n_complete_weeks} complete weeks in one window; recurrence needs {MIN_COMPLETE_WEEKS}"


# --- ids from run to run --------------------------------------------------------------------------


def carry_ids(
    new_shapes: Sequence[BaseGeometry],
    old_shapes: Sequence[BaseGeometry],
    old_ids: Sequence[str],
    fresh_ids: Sequence[str],
    *,
    rate_ratio_high: ArrayLike | None = None,
    min_overlap: float = 0.5,
) -> pd.DataFrame:
    """`hotspot_id`, `status`, `new`, `old` (row or NA): a row per new shape in order, then those ended.

    A new shape takes the id of an old one where they overlap by ≥ `min_overlap` of the smaller; each id is
    carried once, largest overlap first (ties: larger shared area, then order). Others take their fresh id
    (made distinct from the old ones). `status`: *cooling* where the upper limit of the rate ratio (last 13
    weeks ÷ earlier) is below 1, else *persistent* if carried, else *new*; *ended* for an old id that none
    carries.
    Raises: InputError on lists of different lengths or ids given twice.
    """
    _check_ids(new_shapes, old_shapes, old_ids, fresh_ids)
    old_of_new = _matched(new_shapes, old_shapes, min_overlap)
    high = np.full(len(new_shapes), np.nan) if rate_ratio_high is None else np.asarray(rate_ratio_high, dtype=float)
    if high.shape != (len(new_shapes),):
        raise InputError(f"rate_ratio_high must have one value a new shape, got [{high.shape}]")
    used = set(old_ids)
    rows: list[tuple[str, str, int | None, int | None]] = []
    for i in range(len(new_shapes)):
        old = old_of_new.get(i)
        hotspot_id = old_ids[old] if old is not None else _unused(fresh_ids[i], used)
        used.add(hotspot_id)
        status = "cooling" if high[i] < 1 else ("persistent" if old is not None else "new")
        rows.append((hotspot_id, status, i, old))
    carried = set(old_of_new.values())
    rows += [(old_ids[j], "ended", None, j) for j in range(len(old_ids)) if j not in carried]
    frame = pd.DataFrame(rows, columns=["hotspot_id", "status", "new", "old"])
    return frame.astype({"new": "Int64", "old": "Int64"})


def _check_ids(new: Sequence[object], old: Sequence[object], old_ids: Sequence[str], fresh: Sequence[str]) -> None:
    if len(old) != len(old_ids) or len(new) != len(fresh):
        raise InputError(f"each shape needs one id, got [{len(new)} new: {len(fresh)}, {len(old)} old: {len(old_ids)}]")
    if len(set(old_ids)) != len(old_ids):
        raise InputError("old_ids holds an id twice; the last run's hotspots must have distinct ids")


def _matched(new: Sequence[BaseGeometry], old: Sequence[BaseGeometry], min_overlap: float) -> dict[int, int]:
    pairs = []
    for i, shape in enumerate(new):
        for j, before in enumerate(old):
            smaller = min(shape.area, before.area)
            shared = shape.intersection(before).area if shape.intersects(before) else 0.0
            if smaller > 0 and shared / smaller >= min_overlap:
                pairs.append((-shared / smaller, -shared, i, j))
    matched: dict[int, int] = {}
    for _, _, i, j in sorted(pairs):
        if i not in matched and j not in matched.values():
            matched[i] = j
    return matched


def _unused(wanted: str, used: set[str]) -> str:
    candidate, k = wanted, 1
    while candidate in used:
        k += 1
        candidate = hashlib.sha256(f"{wanted}#{k}".encode()).hexdigest()[: max(len(wanted), 16)]
    return candidate
