"""Small-radius Bernoulli scan (`excess`): circles of places where need calls are a larger share of all calls.

Each circle is judged against the *largest* statistic of the whole map in every replicate, so its p value is
family-wise over all circles of the map.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

from geo.errors import InputError
from geo.inference import monte_carlo_p

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RADII_M = (75.0, 150.0, 250.0, 400.0)
TOLERANCE = 1e-9  # relative: a place exactly on the circle is inside, whatever the rotation of the map
_BATCH_CELLS = 4_000_000  # largest circles × replicates held at once


# --- checks and the canonical order ---------------------------------------------------------------


def points(x: ArrayLike, y: ArrayLike) -> Floats:
    """Coordinates as an (n, 2) array of finite numbers, projected metres.

    Raises: InputError on unequal lengths or a missing coordinate.
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if xs.ndim != 1 or xs.shape != ys.shape:
        raise InputError(f"x and y must be two lists of one length, got [{xs.shape}, {ys.shape}]")
    if not (np.isfinite(xs).all() and np.isfinite(ys).all()):
        raise InputError(
            f"every place needs coordinates, got [{int((~np.isfinite(xs + ys)).sum())} without]; "
            "leave unlocated calls out and report them"
        )
    return np.column_stack([xs, ys])


def counts(name: str, values: ArrayLike, n: int) -> Ints:
    """Whole, non-negative counts of length n.

    Raises: InputError on another length, a negative, missing or fractional value.
    """
    given = np.asarray(values, dtype=np.float64)
    if given.shape != (n,):
        raise InputError(f"{name} must have one value a place ({n}), got [{given.shape}]")
    if not np.isfinite(given).all() or (given < 0).any() or (given != np.floor(given)).any():
        raise InputError(f"{name} must be whole numbers of calls, 0 or more; check the counts given")
    return given.astype(np.int64)


def canonical(xy: Floats, weight: Ints) -> tuple[Floats, Ints]:
    """Distinct points in an order that no shuffle, shift or rotation changes, and the point of each row.

    Equal coordinates are one point. Points are ordered by distance from the weighted mean (rounded to 1e-7
    of the spread, so that rounding errors of a rotation do not reorder them), then by weight, x and y.
    Returns: (m, 2) coordinates, (n,) index of each input row into them.
    """
    distinct, row_of = np.unique(xy, axis=0, return_inverse=True)
    total = np.bincount(row_of.ravel(), weights=weight, minlength=len(distinct))
    if len(distinct) == 0:
        return distinct, row_of.ravel().astype(np.int64)
    mean = np.average(distinct, axis=0, weights=total if total.sum() > 0 else None)
    distance = np.hypot(*(distinct - mean).T)
    spread = float(distance.max())
    rank = np.rint(distance / spread * 1e7) if spread > 0 else distance
    order = np.lexsort((distinct[:, 1], distinct[:, 0], total, rank))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return distinct[order], place[row_of.ravel()]


# --- Bernoulli scan -------------------------------------------------------------------------------


def bernoulli_llr(c: ArrayLike, n: ArrayLike, total_c: int, total_n: int) -> Floats:
    """Log likelihood ratio of a zone with c of total_c need calls among n of total_n calls; 0 if no excess.

    LLR = c ln(c/n) + (n−c) ln(1−c/n) + (C−c) ln((C−c)/(N−n)) + (N−n−C+c) ln(1−(C−c)/(N−n))
    − C ln(C/N) − (N−C) ln(1−C/N) if c/n > (C−c)/(N−n), with 0 ln 0 = 0. Unit: nats. Kulldorff 1997.
    """
    inside, size = np.asarray(c, dtype=np.int64), np.asarray(n, dtype=np.int64)
    return _llr_from(_k_log_k(total_n), inside, size, total_c, total_n)


def _k_log_k(total: int) -> Floats:
    k = np.arange(total + 1, dtype=np.float64)
    return k * np.log(np.maximum(k, 1.0))


def _llr_from(table: Floats, c: Ints, n: Ints, total_c: int, total_n: int) -> Floats:
    value = table[c] + table[n - c] - table[n]
    value = value + table[total_c - c] + table[total_n - n - total_c + c] - table[total_n - n]
    value = value - (table[total_c] + table[total_n - total_c] - table[total_n])
    higher = c * total_n > n * total_c  # c/n > C/N, the same as c/n > (C−c)/(N−n)
    return np.where(higher, np.maximum(value, 0.0), 0.0)


def _rings(xy: Floats, radii: Floats) -> list[csr_matrix]:
    """For each radius the 0/1 matrix centre × place of the ring between it and the radius before."""
    m = len(xy)
    tree = cKDTree(xy)
    pairs = tree.query_pairs(float(radii[-1]) * (1 + TOLERANCE), output_type="ndarray")
    distance = np.hypot(*(xy[pairs[:, 0]] - xy[pairs[:, 1]]).T)
    ring = np.searchsorted(radii * (1 + TOLERANCE), distance, side="left")
    own = np.arange(m)
    rings = []
    for k in range(len(radii)):
        a, b = pairs[ring == k].T
        row = np.concatenate([a, b, own]) if k == 0 else np.concatenate([a, b])
        col = np.concatenate([b, a, own]) if k == 0 else np.concatenate([b, a])
        rings.append(csr_matrix((np.ones(len(row), dtype=np.int32), (row, col)), shape=(m, m)))
    return rings


def _side_by_side(xy: Floats, band_m: float) -> Ints:
    """An order of points in which near ones mostly stand near each other in memory: by bands of y, then x."""
    return np.lexsort((xy[:, 0], np.floor(xy[:, 1] / band_m))).astype(np.int64)


def _null_need(n_all: Ints, n_need: int, n_sim: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Need calls per place (m, n_sim) when n_need labels fall on the calls at random, without replacement.

    Each column is one multivariate hypergeometric draw, made by drawing the labelled calls themselves.
    """
    place_of_call = np.repeat(np.arange(len(n_all)), n_all)
    drawn = np.empty((len(n_all), n_sim), dtype=np.int32)
    for b in range(n_sim):
        labelled = rng.choice(len(place_of_call), size=n_need, replace=False, shuffle=False)
        drawn[:, b] = np.bincount(place_of_call[labelled], minlength=len(n_all))
    return drawn


def _largest_null_llr(
    rings: Sequence[csr_matrix],
    n_all: Ints,
    total_c: int,
    *,
    min_calls: int,
    n_sim: int,
    rng: np.random.Generator,
    order: Ints | None = None,
) -> Floats:
    """Largest LLR of each replicate over the circles that the scan would look at in that replicate.

    Row k of `rings` is place `order[k]` (k itself by default); labels are dealt in the order of `n_all`. Only circles
    that can still be the largest of some replicate are scored: `_fewest_for` says how many need calls that takes.
    """
    total_n, m = int(n_all.sum()), len(n_all)
    at: Ints = np.arange(m, dtype=np.int64) if order is None else order
    table = _k_log_k(total_n)
    sizes: Ints = np.cumsum([ring @ n_all[at] for ring in rings], axis=0)
    # Circles with fewer than min_calls calls of any kind can never hold min_calls need calls.
    centres = np.flatnonzero(sizes[-1] >= min_calls)
    inner = sizes[:, centres]
    # A circle holds no more need calls than calls, so their sums fit the small type if the sizes do.
    small = np.int16 if inner.max(initial=0) < np.iinfo(np.int16).max else np.int32
    kept = [ring[centres].astype(small) for ring in rings]
    largest = np.zeros(n_sim)
    batch = max(1, min(64, _BATCH_CELLS // max(m, 1)))
    for start in range(0, n_sim, batch):
        drawn: NDArray[Any] = _null_need(n_all, total_c, min(batch, n_sim - start), rng).astype(small)[at]
        is_centre = drawn[centres] > 0
        need: NDArray[Any] = np.zeros((len(centres), drawn.shape[1]), dtype=small)
        here = largest[start : start + drawn.shape[1]]
        for size, ring in zip(inner, kept):
            need = need + ring @ drawn
            fewest = np.maximum(min_calls, _fewest_for(here.min(), size, table, total_c, total_n))
            row, col = np.nonzero((need >= fewest[:, None]) & is_centre)
            llr = _llr_from(table, need[row, col].astype(np.int64), size[row], total_c, total_n)
            np.maximum.at(here, col, llr)
    return largest


def _fewest_for(llr: float, size: Ints, table: Floats, total_c: int, total_n: int) -> NDArray[np.int32]:
    """For each circle of `size` calls the fewest need calls with an LLR of at least `llr`; more than fit if none has.

    The LLR rises with the need calls wherever they are in excess, so halving finds the number. A millionth of a nat
    is allowed for rounding, which can only let through a circle too many.
    """
    sizes, back = np.unique(size, return_inverse=True)
    most = np.minimum(sizes, total_c)
    low = np.maximum(sizes * total_c // total_n, sizes - (total_n - total_c))  # not in excess, or the fewest possible
    high = most + 1
    while (high - low > 1).any():
        middle = (low + high) // 2
        reached = _llr_from(table, np.minimum(middle, most), sizes, total_c, total_n) >= llr - 1e-6
        open_ = high - low > 1
        high = np.where(open_ & reached, middle, high)
        low = np.where(open_ & ~reached, middle, low)
    return high[back].astype(np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circles:
    """Which places lie in which circle: what `excess` of several needs on the same places has in common."""

    places: Floats  # (m, 2), in the canonical order
    place_of_row: Ints
    calls: Ints  # of any kind, per place
    radii: Floats
    order: Ints  # place of each row of the rings
    rings: tuple[csr_matrix, ...]


def circles(x: ArrayLike, y: ArrayLike, n_all: ArrayLike, *, radii_m: Sequence[float] = RADII_M) -> Circles:
    """The circles of `excess` around all places, to be made once for several needs; data as there."""
    xy = points(x, y)
    calls = counts("n_all", n_all, len(xy))
    radii = _checked_radii(radii_m)
    places, place_of_row = canonical(xy, calls)
    order = _side_by_side(places, float(radii[-1]))
    return Circles(
        places=places,
        place_of_row=place_of_row,
        calls=_summed(calls, place_of_row, len(places)),
        radii=radii,
        order=order,
        rings=tuple(_rings(places[order], radii)),
    )


def excess(
    x: ArrayLike,
    y: ArrayLike,
    n_need: ArrayLike,
    n_all: ArrayLike,
    *,
    radii_m: Sequence[float] = RADII_M,
    min_calls: int = 12,
    n_sim: int = 999,
    alpha: float = 0.05,
    seed: int,
    prepared: Circles | None = None,
) -> pd.DataFrame:
    """Circles where need calls are a larger share of all calls than elsewhere; no shared places, best first.

    Circles are centred on every place with a need call, with each radius (closed: a place on the line is
    inside). Those with at least `min_calls` need calls are scored by `bernoulli_llr`. p: need labels are
    dealt again over all calls `n_sim` times and p = (1 + replicates whose largest LLR over all circles ≥
    the circle's) / (1 + n_sim); in each replicate the centres are the places with a need call *in that
    replicate*, as in the data. Circles with p ≤ alpha are taken in order of LLR, each leaving out all later
    ones that share a place with it; ties go to the smaller radius, then to the centre with more need calls,
    then to the canonical order.

    Settings: radii_m metres; min_calls need calls; alpha family-wise level within this map (one need);
    prepared = `circles` of the same x, y, n_all and radii, where several needs are scanned.
    Data: one row a place; rows with equal coordinates count as one place. Projected metres. Placeholders,
    institutions and sinks must be left out beforehand (`geo.places.sinks`).
    Returns: a row a circle, columns `centre` (input row of the centre), `x`, `y`, `radius_m`, `n_need`,
    `n_all`, `relative_risk` (share inside ÷ share outside; inf if no need call is outside), `llr` (nats),
    `p_value`, `members` (tuple of input rows). No row if nothing is in excess. It cannot see a place high
    on every kind of call.
    Raises: InputError. Reference: Kulldorff 1997, doi:10.1080/03610929708831995.
    """
    xy = points(x, y)
    need, calls = counts("n_need", n_need, len(xy)), counts("n_all", n_all, len(xy))
    if (need > calls).any():
        raise InputError(f"n_need must not exceed n_all, got [{int((need > calls).sum())} places where it does]")
    radii = _checked_radii(radii_m)
    check_settings(n_sim, alpha)
    total_c, total_n = int(need.sum()), int(calls.sum())
    if total_c < min_calls or total_c == total_n:
        return _circles_frame([])
    own = circles(x, y, n_all, radii_m=radii_m) if prepared is None else prepared
    if len(own.place_of_row) != len(xy) or int(own.calls.sum()) != total_n or not np.array_equal(own.radii, radii):
        raise InputError("prepared circles are of other places, calls or radii; make them of the same x, y and n_all")
    need_at = _summed(need, own.place_of_row, len(own.places))
    found = _observed_circles(own.rings, need_at, own.calls, min_calls=min_calls, order=own.order)
    if found.empty:
        return _circles_frame([])
    largest = _largest_null_llr(
        own.rings,
        own.calls,
        total_c,
        min_calls=min_calls,
        n_sim=n_sim,
        rng=np.random.default_rng(seed),
        order=own.order,
    )
    found["p_value"] = monte_carlo_p(found["llr"], largest)
    return _without_overlap(found[found["p_value"] <= alpha], own.places, radii, own.place_of_row, total_c, total_n)


def _checked_radii(radii_m: Sequence[float]) -> Floats:
    radii = np.unique(np.asarray(radii_m, dtype=np.float64))
    if radii.size == 0 or not np.isfinite(radii).all() or radii[0] <= 0:
        raise InputError(f"radii_m must be positive numbers of metres, got [{list(radii_m)}]")
    return radii


def check_settings(n_sim: int, alpha: float) -> None:
    if n_sim < 1:
        raise InputError(f"n_sim must be 1 or more, got [{n_sim}]; 999 in runs, 199 in tests")
    if not 0 < alpha <= 1:
        raise InputError(f"alpha must lie in (0, 1], got [{alpha}]")


def _summed(values: Ints, group: Ints, n_groups: int) -> Ints:
    out = np.zeros(n_groups, dtype=np.int64)
    np.add.at(out, group, values)
    return out


def _observed_circles(
    rings: Sequence[csr_matrix], need: Ints, calls: Ints, *, min_calls: int, order: Ints | None = None
) -> pd.DataFrame:
    """Circles around places with a need call that hold enough need calls and an excess, best first.

    Row k of `rings` is place `order[k]` (k itself by default).
    """
    total_c, total_n = int(need.sum()), int(calls.sum())
    at: Ints = np.arange(len(need), dtype=np.int64) if order is None else order
    inside, size = np.empty((2, len(rings), len(need)), dtype=np.int64)
    inside[:, at] = np.cumsum([ring @ need[at] for ring in rings], axis=0)
    size[:, at] = np.cumsum([ring @ calls[at] for ring in rings], axis=0)
    radius, centre = np.nonzero((inside >= min_calls) & (need > 0))
    llr = bernoulli_llr(inside[radius, centre], size[radius, centre], total_c, total_n)
    frame = pd.DataFrame(
        {
            "place": centre,
            "radius": radius,
            "n_need": inside[radius, centre],
            "n_all": size[radius, centre],
            "llr": llr,
        }
    )
    order = np.lexsort((centre, -need[centre], radius, -llr))
    return frame.iloc[order][llr[order] > 0].reset_index(drop=True)


def _without_overlap(
    found: pd.DataFrame, places: Floats, radii: Floats, place_of_row: Ints, total_c: int, total_n: int
) -> pd.DataFrame:
    tree = cKDTree(places)
    taken = np.zeros(len(places), dtype=bool)
    by_place = np.argsort(place_of_row, kind="stable")
    edge = np.searchsorted(place_of_row[by_place], np.arange(len(places) + 1))
    rows: list[dict[str, Any]] = []
    for at, ring, c, n, llr, p in zip(*(found[name].tolist() for name in found.columns)):
        radius = float(radii[ring])
        inside = np.asarray(tree.query_ball_point(places[at], radius * (1 + TOLERANCE)), dtype=np.int64)
        if taken[inside].any():
            continue
        taken[inside] = True
        members = np.sort(np.concatenate([by_place[edge[p] : edge[p + 1]] for p in inside]))
        outside = (total_c - c) / (total_n - n)
        rows.append(
            {
                "centre": int(by_place[edge[at]]),
                "x": places[at, 0],
                "y": places[at, 1],
                "radius_m": radius,
                "n_need": c,
                "n_all": n,
                "relative_risk": (c / n) / outside if outside > 0 else float("inf"),
                "llr": llr,
                "p_value": p,
                "members": tuple(members.tolist()),
            }
        )
    return _circles_frame(rows)


def _circles_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    kinds = {"centre": "int64", "x": "float64", "y": "float64", "radius_m": "float64", "n_need": "int64"}
    kinds |= {
        "n_all": "int64",
        "relative_risk": "float64",
        "llr": "float64",
        "p_value": "float64",
        "members": "object",
    }
    return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)
