"""What more hours, a new site or one site fewer would reach: sums over past calls, always as at least and at most.

Reach, not effect: a call counts where a listed service would have been there for it. Nobody knows whether it would
have been sent, had hands free, or been accepted. Services share calls: gains of several are never added.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from geo.access import travel_minutes
from geo.errors import InputError

HIDDEN: Final = -1
HOURS: Final = 168
YEAR_D: Final = 365.25
BEYOND: Final = 0
PARTLY: Final = 1
WITHIN: Final = 2
_KM_PER_DEGREE: Final = 6371.0088 * np.pi / 180
_BLOCK: Final = 512

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Past calls whose answer changes, at least and at most; `n_left_out` areas are hidden and in neither number."""

    at_least: int
    at_most: int
    n_left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Site:
    """What a new site reaches. `where` is BEYOND, PARTLY or WITHIN per area (int8), `change` sums their calls."""

    change: Change
    where: NDArray[np.int8]


def what_if_hours(n_calls: ArrayLike, n_sure: ArrayLike, added: ArrayLike) -> Change:
    """Calls that one service would take in hours added to its week; hours in which it is open hold none.

    Args:
        n_calls: (168,) calls by hour of the week, Monday 0 first, that nothing open could take and this could.
        n_sure: (168,) those of them of which every answer is on file; at most `n_calls`.
        added: (168,) whether the hour is added.
    """
    most, sure = _weeks(n_calls, n_sure)
    chosen = _mask(added)
    if most.ndim != 1 or chosen.ndim != 1:
        raise InputError(f"Expected one week of {HOURS} hours, got [{most.shape}] and [{chosen.shape}].")
    return Change(at_least=int(sure[chosen].sum()), at_most=int(most[chosen].sum()))


def block_gains(n_calls: ArrayLike, n_sure: ArrayLike, blocks: ArrayLike) -> tuple[Ints, Ints]:
    """(at least, at most), each services × blocks: what each service would take in each block of hours.

    A call stands under each service that could take it, so rows are never added up; blocks of one service may be,
    where they do not overlap.

    Args:
        n_calls: services × 168, as for `what_if_hours`.
        n_sure: services × 168.
        blocks: blocks × 168, whether an hour is in the block.
    """
    most, sure = _weeks(n_calls, n_sure)
    chosen = _mask(blocks)
    if most.ndim != 2 or chosen.ndim != 2:
        raise InputError(f"Expected services × {HOURS} and blocks × {HOURS}, got [{most.shape}] and [{chosen.shape}].")
    return sure @ chosen.T.astype(np.int64), most @ chosen.T.astype(np.int64)


def what_if_close(n_only: int, n_available: int, *, shares_load: bool) -> Change:
    """Calls that would have had no listed service for sure, were one service closed.

    Without it the `n_only` calls that it alone could take are no longer available. Where it `shares_load` with others
    (duty logs: one team is busy because another is off) more may follow, at most all `n_available` calls.
    """
    if not 0 <= n_only <= n_available:
        raise InputError(f"Expected 0 ≤ n_only ≤ n_available, got [{n_only}] and [{n_available}].")
    return Change(at_least=int(n_only), at_most=int(n_available if shares_load else n_only))


def site_distances(shapes: NDArray[np.object_], lon: float, lat: float) -> tuple[Floats, Floats]:
    """(nearest, farthest) metres in a straight line from a point to each area, each of the length of `shapes`.

    `shapes` are polygons in degrees. A flat map about the point is used, true to .2 % at 50 km below 60° of latitude.
    """
    if not (np.isfinite(lon) and np.isfinite(lat) and -180 <= lon <= 180 and -89 <= lat <= 89):
        raise InputError(f"Expected a point in degrees, got [{lon}, {lat}].")
    flat = shapely.transform(np.asarray(shapes, dtype=object), lambda xy: local_metres(xy, lon, lat))
    here = shapely.Point(0.0, 0.0)
    nearest = np.asarray(shapely.distance(flat, here), dtype=np.float64)
    points, of = shapely.get_coordinates(flat, return_index=True)
    farthest = np.full(len(flat), np.nan)
    np.fmax.at(farthest, of, np.hypot(points[:, 0], points[:, 1]))
    return nearest, farthest


def local_metres(degrees: Floats, lon: float, lat: float) -> Floats:
    """n × 2 metres east and north of a point from n × 2 degrees (longitude, latitude)."""
    scale = np.array([np.cos(np.radians(lat)), 1.0]) * _KM_PER_DEGREE * 1000
    return np.asarray((np.asarray(degrees, dtype=np.float64) - [lon, lat]) * scale, dtype=np.float64)


def what_if_site(
    nearest_m: ArrayLike,
    farthest_m: ArrayLike,
    n_least: ArrayLike,
    n_most: ArrayLike,
    *,
    kmh: float,
    within_min: float,
    circuity: float = 1.3,
) -> Site:
    """Calls that a new site would have in reach, if it took everybody at the hours counted.

    Calls are known by area only: at least those of areas that lie whole within reach, at most those of areas that
    reach touches. Minutes: straight line × circuity ÷ speed; ≤ `within_min` passes.

    Args:
        nearest_m: (areas,) metres to the nearest point of each area.
        farthest_m: (areas,) metres to its farthest point.
        n_least: (areas,) calls that nothing on record could reach, at least; -1 hidden, which is left out.
        n_most: (areas,) the same at most; where calls are not told by cause, all that were not taken.
        kmh: speed of whoever travels.
        within_min: threshold in minutes.
    """
    near, far = (np.asarray(one, dtype=np.float64) for one in (nearest_m, farthest_m))
    least, most = (np.asarray(one, dtype=np.int64) for one in (n_least, n_most))
    if not (near.shape == far.shape == least.shape == most.shape and near.ndim == 1):
        raise InputError(f"Expected four arrays of one length, got {[one.shape for one in (near, far, least, most)]}.")
    if not within_min > 0 or (far < near).any():
        raise InputError(f"Expected a threshold above 0 and farthest ≥ nearest, got [{within_min}].")
    touched = travel_minutes(near, kmh=kmh, circuity=circuity) <= within_min
    whole = touched & (travel_minutes(far, kmh=kmh, circuity=circuity) <= within_min)
    hidden = (least < 0) | (most < 0)
    if (least > most)[~hidden].any():
        raise InputError("Expected calls at least to be at most those at most, got more; swap the arrays.")
    change = Change(
        at_least=int(least[whole & ~hidden].sum()),
        at_most=int(most[touched & ~hidden].sum()),
        n_left_out=int((hidden & touched).sum()),
    )
    return Site(change=change, where=np.where(whole, WITHIN, np.where(touched, PARTLY, BEYOND)).astype(np.int8))


def site_reach(
    lon: ArrayLike, lat: ArrayLike, n_calls: ArrayLike, *, kmh: float, within_min: float, circuity: float = 1.3
) -> Ints:
    """Calls of the areas whose centre is within reach of each centre, in the order of the areas; for ranking sites.

    Args:
        lon, lat: (areas,) centres in degrees.
        n_calls: (areas,) calls; -1 hidden, which counts as none.
        kmh, within_min, circuity: as for `what_if_site`.
    """
    at = np.column_stack([np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)])
    n = np.maximum(np.asarray(n_calls, dtype=np.int64), 0)
    if len(n) != len(at) or not within_min > 0:
        raise InputError(f"Expected calls for each centre and a threshold above 0, got [{len(n)}] for [{len(at)}].")
    out = np.zeros(len(at), np.int64)
    if not len(at):
        return out
    middle = at.mean(axis=0)
    flat = local_metres(at, float(middle[0]), float(middle[1]))
    for start in range(0, len(at), _BLOCK):
        away = np.hypot(*(flat[start : start + _BLOCK, None] - flat[None]).transpose(2, 0, 1))
        inside = travel_minutes(away, kmh=kmh, circuity=circuity) <= within_min
        out[start : start + _BLOCK] = inside @ n
    return out


def after(at_least: int, at_most: int, change: Change, *, more: bool = False) -> tuple[int, int]:
    """Unmet calls (at least, at most) with a change: fewer by what is reached, or with `more` by what is lost.

    Fewer: at least less all that may be reached, at most less what is reached for sure. More: whether a call that
    lost its service is unmet or uncertain is not known, so at least stays, and at most rises by the most.
    """
    if not 0 <= at_least <= at_most:
        raise InputError(f"Expected 0 ≤ at least ≤ at most, got [{at_least}] and [{at_most}].")
    if more:
        return at_least, at_most + change.at_most
    return max(at_least - change.at_most, 0), max(at_most - change.at_least, 0)


def per_year(n: int, days: int, *, up: bool, step: int = 10) -> int:
    """Calls a year in whole steps: rounded up for at most, down for at least, so that a bound stays one."""
    if n < 0 or days < 1 or step < 1:
        raise InputError(f"Expected calls ≥ 0 over at least a day and a step ≥ 1, got [{n}], [{days}], [{step}].")
    steps = n * YEAR_D / days / step
    return int((np.ceil(steps - 1e-9) if up else np.floor(steps + 1e-9)) * step)


def _weeks(n_calls: ArrayLike, n_sure: ArrayLike) -> tuple[Ints, Ints]:
    most, sure = np.asarray(n_calls, dtype=np.int64), np.asarray(n_sure, dtype=np.int64)
    if most.shape != sure.shape or most.shape[-1:] != (HOURS,):
        raise InputError(f"Expected {HOURS} hours of calls twice, got [{most.shape}] and [{sure.shape}].")
    if (sure < 0).any() or (sure > most).any():
        raise InputError("Expected 0 ≤ n_sure ≤ n_calls in every hour, got others.")
    return most, sure


def _mask(hours: ArrayLike) -> Mask:
    chosen = np.asarray(hours)
    if chosen.dtype != np.bool_ or chosen.shape[-1:] != (HOURS,):
        raise InputError(f"Expected {HOURS} booleans, Monday first, got [{chosen.dtype} {chosen.shape}].")
    return chosen
