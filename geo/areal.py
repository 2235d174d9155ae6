"""Poisson scan (`areal_scan`): neighbouring areas with more calls than their population predicts."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from geo.errors import InputError
from geo.inference import monte_carlo_p
from geo.scan import check_settings, counts, points

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EARTH_RADIUS_KM = 6371.0088
_TOLERANCE = 1e-9  # relative: areas at one distance enter together
_BATCH = 128


def poisson_llr(c: ArrayLike, expected: ArrayLike, total_c: int) -> Floats:
    """Log likelihood ratio of a zone with c calls where E of total_c were expected; 0 unless c > E.

    LLR = c ln(c/E) + (C−c) ln((C−c)/(C−E)), 0 ln 0 = 0. Unit: nats. Kulldorff 1997.
    """
    inside, e = np.broadcast_arrays(np.asarray(c, dtype=np.float64), np.asarray(expected, dtype=np.float64))
    value = np.zeros(inside.shape)
    high = inside > e
    k, e = inside[high], e[high]
    rest = total_c - k
    value[high] = k * np.log(k / e) + rest * np.log(np.maximum(rest, 1.0) / (total_c - e))
    return value


def areal_scan(
    x: ArrayLike,
    y: ArrayLike,
    n_calls: ArrayLike,
    population: ArrayLike,
    *,
    max_share: float = 0.10,
    min_calls: int = 2,
    lonlat: bool = False,
    n_sim: int = 999,
    alpha: float = 0.05,
    seed: int,
) -> pd.DataFrame:
    """Neighbouring areas with more calls than their population predicts: zones sharing no area, best first.

    Zones grow around each area's centre, nearest areas first (areas at one distance enter together), while
    they hold at most `max_share` of the population and at least `min_calls` calls. Scored by `poisson_llr`
    with E = C · population ÷ total. p: C calls are dealt over areas in proportion to population `n_sim`
    times and p = (1 + replicates whose largest LLR over all zones ≥ the zone's) / (1 + n_sim): family-wise
    over the map.

    Data: one row an area; x, y metres, or degrees (longitude, latitude) with `lonlat` (great-circle
    distances); `population` may be any expected weight (indirect standardisation). An area without
    population joins zones free.
    Returns: a row a zone with p ≤ alpha, columns `centre` (row), `radius` (metres, or km with `lonlat`),
    `n_calls`, `population`, `expected`, `relative_risk` (inside ÷ outside), `llr`, `p_value`, `members`
    (tuple of rows, nearest first). Raises: InputError. Reference: Kulldorff 1997,
    doi:10.1080/03610929708831995.
    """
    xy = points(x, y)
    calls = counts("n_calls", n_calls, len(xy))
    weight = _checked_population(population, len(xy))
    if not 0 < max_share <= 1:
        raise InputError(f"max_share must lie in (0, 1], got [{max_share}]; 0.10 within a city, 0.50 at most")
    check_settings(n_sim, alpha)
    total_c, total_w = int(calls.sum()), float(weight.sum())
    if total_c < min_calls:
        return _zones_frame([])
    zones = [_zones_around(i, xy, weight, max_share * total_w, lonlat=lonlat) for i in range(len(xy))]
    expected = [total_c * np.cumsum(weight[order])[ends] / total_w for order, ends, _ in zones]
    rng = np.random.default_rng(seed)
    largest = np.zeros(n_sim)
    for start in range(0, n_sim, _BATCH):
        size = min(_BATCH, n_sim - start)
        drawn = rng.multinomial(total_c, weight / total_w, size=size)
        for (order, ends, _), e in zip(zones, expected):
            llr = _scored(np.cumsum(drawn[:, order], axis=1)[:, ends], e, total_c, min_calls)
            np.maximum(largest[start : start + size], llr.max(axis=1, initial=0.0), out=largest[start : start + size])
    rows = []
    for i, ((order, ends, reach), e) in enumerate(zip(zones, expected)):
        inside = np.cumsum(calls[order])[ends]
        llr = _scored(inside, e, total_c, min_calls)
        rows += [
            (
                -float(llr[k]),
                int(ends[k]),
                i,
                float(reach[k]),
                int(inside[k]),
                float(e[k]),
                order[: ends[k] + 1],
            )
            for k in np.flatnonzero(llr > 0)
        ]
    rows.sort(key=lambda row: row[:3])
    return _without_overlap(rows, largest, weight, total_c, alpha)


def _checked_population(population: ArrayLike, n: int) -> Floats:
    weight = np.asarray(population, dtype=np.float64)
    if weight.shape != (n,) or not np.isfinite(weight).all() or (weight < 0).any() or weight.sum() <= 0:
        raise InputError(f"population must be {n} numbers, none missing or negative, not all 0, got [{weight.shape}]")
    return weight


def _distances(xy: Floats, i: int, *, lonlat: bool) -> Floats:
    if not lonlat:
        flat: Floats = np.hypot(*(xy - xy[i]).T)
        return flat
    lon, lat = np.radians(xy.T)
    half = np.sin((lat - lat[i]) / 2) ** 2 + np.cos(lat) * np.cos(lat[i]) * np.sin((lon - lon[i]) / 2) ** 2
    arc: Floats = 2.0 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1)))
    return arc


def _zones_around(i: int, xy: Floats, weight: Floats, limit: float, *, lonlat: bool) -> tuple[Ints, Ints, Floats]:
    """Areas by distance from area i, the positions at which a zone may end, and the distance there."""
    distance = _distances(xy, i, lonlat=lonlat)
    order = np.argsort(distance, kind="stable")
    sorted_d = distance[order]
    step = _TOLERANCE * max(float(sorted_d[-1]), np.finfo(float).tiny)
    last_of_tie = np.append(np.diff(sorted_d) > step, True)
    within = np.cumsum(weight[order]) <= limit * (1 + _TOLERANCE)
    ends = np.flatnonzero(last_of_tie & within)
    return order, ends, sorted_d[ends]


def _scored(inside: Ints, expected: Floats, total_c: int, min_calls: int) -> Floats:
    return np.where(inside >= min_calls, poisson_llr(inside, expected, total_c), 0.0)


def _without_overlap(rows: list[Any], largest: Floats, weight: Floats, total_c: int, alpha: float) -> pd.DataFrame:
    taken = np.zeros(len(weight), dtype=bool)
    kept: list[dict[str, Any]] = []
    for minus_llr, _, centre, reach, c, e, members in rows:
        if taken[members].any():
            continue
        p = float(monte_carlo_p(-minus_llr, largest))
        if p > alpha:
            break  # p never falls as the LLR falls
        taken[members] = True
        outside = (total_c - c) / (total_c - e) if total_c > e else 0.0
        kept.append(
            {
                "centre": centre,
                "radius": reach,
                "n_calls": c,
                "population": float(weight[members].sum()),
                "expected": e,
                "relative_risk": (c / e) / outside if outside > 0 and e > 0 else float("inf"),
                "llr": -minus_llr,
                "p_value": p,
                "members": tuple(members.tolist()),
            }
        )
    return _zones_frame(kept)


def _zones_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    kinds = {"centre": "int64", "radius": "float64", "n_calls": "int64", "population": "float64"}
    kinds |= {"expected": "float64", "relative_risk": "float64", "llr": "float64", "p_value": "float64"}
    return pd.DataFrame(rows, columns=[*kinds, "members"]).astype({**kinds, "members": "object"})
