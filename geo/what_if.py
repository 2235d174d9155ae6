"""What longer hours, a closed service or a new site would change, as bounds over past calls: reach, never effect.

Whether a call is reached is not whether it goes well: a team must be sent, be staffed and be accepted. Numbers are
calls on file; `a_year` turns them into rounded calls a year. Numbers of two services share calls: never add them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geo.access import travel_minutes
from geo.errors import InputError

WEEK = 168
STEP = 10

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Calls: at least `low`, at most `high`. `n_hidden` parts are in neither: `high` is then no upper end."""

    low: int
    high: int
    n_hidden: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Calls without a listed service now and then, each at least and at most."""

    now: Bounds
    then: Bounds


def hours(hour_of_week: ArrayLike, n_sure: ArrayLike, n_calls: ArrayLike, *, opened: NDArray[np.bool_]) -> Bounds:
    """Calls that one service would take if it were also open in the hours `opened`: n_sure at least, n_calls at most.

    Args:
        hour_of_week: rows, 0 (Monday 00:00) to 167, when the service is closed and the calls came.
        n_sure: rows, calls that it would take for sure.
        n_calls: rows, calls that it could take, unknown read as yes; no less than `n_sure`.
        opened: (168,), the hours of the week that are added.

    Raises:
        InputError: columns of other lengths or ranges.

    >>> hours([3, 30], [1, 2], [4, 8], opened=np.arange(168) < 24)
    Bounds(low=1, high=4, n_hidden=0)
    """
    hour, low, high = _gains(hour_of_week, n_sure, n_calls)
    if opened.shape != (WEEK,):
        raise InputError(f"Expected hours of the week of shape [(168,)], got [{opened.shape}].")
    kept = opened[hour]
    return Bounds(low=int(low[kept].sum()), high=int(high[kept].sum()))


def best_hours(
    service: ArrayLike, hour_of_week: ArrayLike, n_sure: ArrayLike, n_calls: ArrayLike, *, blocks: NDArray[np.bool_]
) -> tuple[Counts, Counts, Counts, Counts]:
    """Services and blocks of hours by what they would reach: service, block, at least, at most; best first.

    Sorted by at least, then at most; pairs that reach nothing are left out. Rows are never added over services.

    Args:
        service: rows, number of the service, 0 or more.
        hour_of_week, n_sure, n_calls: rows, as `hours`.
        blocks: blocks × 168, the hours of each.
    """
    hour, low, high = _gains(hour_of_week, n_sure, n_calls)
    who = np.asarray(service, np.int64)
    if who.shape != hour.shape or (who < 0).any():
        raise InputError(f"Expected a number of 0 or more for each of [{hour.size}] rows, got [{who.shape}].")
    if blocks.ndim != 2 or blocks.shape[1] != WEEK:
        raise InputError(f"Expected blocks × 168 hours, got [{blocks.shape}].")
    n = int(who.max()) + 1 if who.size else 0
    sums = []
    for values in (low, high):
        weeks = np.bincount(who * WEEK + hour, weights=values, minlength=n * WEEK).reshape(n, WEEK)
        sums.append(np.rint(weeks @ blocks.T.astype(float)).astype(np.int64))
    at, block = np.nonzero(sums[1] > 0)
    found_low, found_high = sums[0][at, block], sums[1][at, block]
    order = np.lexsort((block, at, -found_high, -found_low))
    return at[order], block[order], found_low[order], found_high[order]


def extended(now: Bounds, gained: Bounds) -> Change:
    """Calls without a listed service once `gained` of them would be taken.

    At least falls by all that could be taken, at most only by those that would be for sure.

    >>> extended(Bounds(low=50, high=80), Bounds(low=10, high=20)).then
    Bounds(low=30, high=70, n_hidden=0)
    """
    if gained.high > now.low:
        raise InputError(f"Expected to gain no more than the [{now.low}] calls without a service, got [{gained.high}].")
    return Change(now=now, then=Bounds(low=now.low - gained.high, high=now.high - gained.low, n_hidden=now.n_hidden))


def close(now: Bounds, *, n_calls: int, n_only: int) -> Change:
    """Calls without a listed service once a service closes: the `n_only` calls that only it would take for sure join.

    They are then without a sure one: at most rises by them; at least may stay, where others could take them.

    >>> close(Bounds(low=50, high=80), n_calls=100, n_only=15).then
    Bounds(low=50, high=95, n_hidden=0)
    """
    if not 0 <= n_only <= n_calls - now.high:
        raise InputError(f"Expected at most the [{n_calls - now.high}] calls listed as available, got [{n_only}].")
    return Change(now=now, then=Bounds(low=now.low, high=now.high + n_only, n_hidden=now.n_hidden))


def site(
    distance_m: ArrayLike, radius_m: ArrayLike, n_calls: ArrayLike, *, within_min: float, kmh: float, circuity: float
) -> Bounds:
    """Calls near enough to a new site, from counts of areas: those of areas wholly inside … those of areas touched.

    Args:
        distance_m: areas, metres from the site to the centre of the area, NaN where it has none (left out).
        radius_m: areas, metres from that centre to the farthest point of the area.
        n_calls: areas, calls that nothing was near enough for; -1 = hidden, left out and counted in `n_hidden`.
        within_min: how many minutes away a site may be.
        kmh: speed of whoever travels.
        circuity: metres of street a metre of straight line.

    >>> site([0, 3150, 9000], [100, 100, 100], [5, 7, 11], within_min=10, kmh=25, circuity=1.3)
    Bounds(low=5, high=12, n_hidden=0)
    """
    inside, touched = within(distance_m, radius_m, within_min=within_min, kmh=kmh, circuity=circuity)
    n = np.asarray(n_calls, np.int64)
    if n.shape != inside.shape or (n < -1).any():
        raise InputError(f"Expected a count, or -1 where hidden, for each of [{inside.size}] areas, got [{n.shape}].")
    shown = n >= 0
    return Bounds(
        low=int(n[inside & shown].sum()), high=int(n[touched & shown].sum()), n_hidden=int((touched & ~shown).sum())
    )


def within(
    distance_m: ArrayLike, radius_m: ArrayLike, *, within_min: float, kmh: float, circuity: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether every point, and whether some point, of each area may be within the minutes of a site; two × (areas,).

    A point of an area is at most `radius_m` farther from the site than its centre, and at most so much nearer.
    """
    distance, radius = np.asarray(distance_m, float), np.asarray(radius_m, float)
    if distance.shape != radius.shape or (radius < 0).any():
        raise InputError(f"Expected a radius of 0 or more for each distance, got [{distance.shape}], [{radius.shape}].")
    if not within_min > 0:
        raise InputError(f"Expected more than 0 minutes, got [{within_min}].")
    far = travel_minutes(distance + radius, kmh=kmh, circuity=circuity)
    near = travel_minutes(np.maximum(distance - radius, 0.0), kmh=kmh, circuity=circuity)
    return np.asarray(far <= within_min), np.asarray(near <= within_min)


def best_sites(
    x: ArrayLike, y: ArrayLike, radius_m: ArrayLike, n_calls: ArrayLike, *, within_min: float, kmh: float,
    circuity: float, most: int = 10,
) -> tuple[Counts, list[Bounds]]:  # fmt: skip
    """The centres of areas that are best as a site, best first: rows of the areas, and what each would be near.

    Sorted by at least, then at most; those near no call are left out. Each is judged alone: never add them.
    Centres in metres; the rest as `site`.
    """
    east, north = np.asarray(x, float), np.asarray(y, float)
    found = [
        site(np.hypot(east - a, north - b), radius_m, n_calls, within_min=within_min, kmh=kmh, circuity=circuity)
        for a, b in zip(east, north, strict=True)
    ]
    order = sorted(
        (at for at, one in enumerate(found) if one.high), key=lambda at: (-found[at].low, -found[at].high, at)
    )
    return np.asarray(order[:most], np.int64), [found[at] for at in order[:most]]


def a_year(calls: Bounds, *, years: float, step: int = STEP) -> Bounds:
    """Calls a year, rounded away from certainty: at least down, at most up, to `step` calls.

    >>> a_year(Bounds(low=79, high=81), years=2)
    Bounds(low=30, high=50, n_hidden=0)
    """
    if not (years > 0 and step > 0):
        raise InputError(f"Expected years and a step above 0, got [{years}], [{step}].")
    low, high = (np.round(value / years / step, 9) for value in (calls.low, calls.high))
    return Bounds(low=int(np.floor(low)) * step, high=int(np.ceil(high)) * step, n_hidden=calls.n_hidden)


def in_metres(lon: ArrayLike, lat: ArrayLike, *, lon0: float, lat0: float) -> tuple[Floats, Floats]:
    """Metres east and north of a point of the ellipsoid WGS 84, good to a thousandth within 50 km below 60° north.

    >>> [round(float(v)) for v in in_metres(0.01, 45.01, lon0=0.0, lat0=45.0)]
    [788, 1111]
    """
    if not (-180 <= lon0 <= 180 and -85 <= lat0 <= 85):
        raise InputError(f"Expected a longitude and a latitude, got [{lon0}], [{lat0}].")
    a, e2, phi = 6378137.0, 0.00669437999014, np.radians(lat0)
    w = 1 - e2 * np.sin(phi) ** 2
    east = np.radians(np.asarray(lon, float) - lon0) * a / np.sqrt(w) * np.cos(phi)
    north = np.radians(np.asarray(lat, float) - lat0) * a * (1 - e2) / w**1.5
    return np.asarray(east, np.float64), np.asarray(north, np.float64)


def _gains(hour_of_week: ArrayLike, n_sure: ArrayLike, n_calls: ArrayLike) -> tuple[Counts, Counts, Counts]:
    hour, low, high = (np.asarray(one, np.int64) for one in (hour_of_week, n_sure, n_calls))
    if not hour.shape == low.shape == high.shape or hour.ndim != 1:
        raise InputError(f"Expected three columns of equal length, got [{hour.shape}], [{low.shape}], [{high.shape}].")
    if ((hour < 0) | (hour >= WEEK) | (low < 0) | (low > high)).any():
        raise InputError("Expected hours of the week of 0 to 167 and 0 <= n_sure <= n_calls, got others.")
    return hour, low, high
