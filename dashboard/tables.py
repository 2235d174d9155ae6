"""A release's tables as arrays that answer fast: by day and hour, or by listed period. Used by `data.py` alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

HIDDEN = -1
EPOCH = date(1970, 1, 1).toordinal()

Counts2 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """The areas of a level in the order of every array: ids, names, km², residents (NaN unknown), why no rate, role."""

    level: str
    geoids: tuple[str, ...]
    names: tuple[str, ...]
    index: Mapping[str, int]
    area_km2: NDArray[np.float64]
    population: NDArray[np.float64]
    population_moe: NDArray[np.float64]
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Counts of one (level, call reason, leg) sorted by day: `starts[d]` is the first row of day `d` since `first`."""

    first: int
    starts: NDArray[np.int64]
    hour: NDArray[np.int16]
    slot: NDArray[np.int32]
    n: NDArray[np.int64]
    n_slots: int
    n_outcomes: int


def days_of(rows: pd.DataFrame, *, n_areas: int, n_outcomes: int) -> Days:
    """`Days` of rows with day (int since 1970), hour, at (row of the area), out (index of the outcome) and n."""
    rows = rows.sort_values("day", kind="stable")
    day = rows["day"].to_numpy(np.int64)
    first = int(day[0]) if len(day) else 0
    last = int(day[-1]) if len(day) else -1
    return Days(
        first=first,
        starts=np.searchsorted(day, np.arange(first, last + 2)).astype(np.int64),
        hour=rows["hour"].to_numpy(np.int16),
        slot=(rows["at"].to_numpy(np.int64) * n_outcomes + rows["out"].to_numpy(np.int64)).astype(np.int32),
        n=rows["n"].to_numpy(np.int64),
        n_slots=n_areas * n_outcomes,
        n_outcomes=n_outcomes,
    )


def window(days: Days, start: date, end: date) -> slice:
    """The rows of the days from `start` up to `end`, which is excluded."""
    last = len(days.starts) - 1
    a, b = (min(max(one.toordinal() - EPOCH - days.first, 0), last) for one in (start, end))
    return slice(int(days.starts[a]), int(days.starts[b]))


def sum_days(days: Days, start: date, end: date, mask: NDArray[np.bool_] | None) -> Counts2:
    """Counts (areas × outcomes) of the days; `mask` [7 days × 24 hours] leaves hours out."""
    rows = window(days, start, end)
    slot, n = days.slot[rows], days.n[rows]
    if mask is not None:
        kept = mask.ravel()[hour_of_week(days, rows)]
        slot, n = slot[kept], n[kept]
    return np.bincount(slot, weights=n, minlength=days.n_slots).astype(np.int64).reshape(-1, days.n_outcomes)


def hour_of_week(days: Days, rows: slice) -> NDArray[np.int64]:
    """0 (Monday 00:00) to 167 of each row."""
    day = np.searchsorted(days.starts, np.arange(rows.start, rows.stop), side="right") - 1 + days.first
    return ((day + 3) % 7) * 24 + days.hour[rows]  # 1970-01-01 was a Thursday


def sum_hours(days: Days, start: date, end: date, at: int | None) -> Counts2:
    """Counts (168 hours of the week × outcomes) of the days, of the area in row `at` or of all."""
    rows = window(days, start, end)
    hour, out, n = hour_of_week(days, rows), days.slot[rows] % days.n_outcomes, days.n[rows]
    if at is not None:
        here = days.slot[rows] // days.n_outcomes == at
        hour, out, n = hour[here], out[here], n[here]
    sums = np.bincount(hour * days.n_outcomes + out, weights=n, minlength=168 * days.n_outcomes)
    return sums.astype(np.int64).reshape(168, days.n_outcomes)


def sum_weeks(days: Days, start: date, end: date, at: int | None) -> tuple[list[date], Counts2]:
    """Mondays of the whole weeks inside the days, and counts (weeks × outcomes) of an area or of all."""
    monday = start.toordinal() + (-start.weekday()) % 7
    n_weeks = max((end.toordinal() - monday) // 7, 0)
    rows = window(days, date.fromordinal(monday), date.fromordinal(monday + 7 * n_weeks))
    day = np.searchsorted(days.starts, np.arange(rows.start, rows.stop), side="right") - 1 + days.first
    week, slot, n = (day + EPOCH - monday) // 7, days.slot[rows], days.n[rows]
    if at is not None:
        here = slot // days.n_outcomes == at
        week, slot, n = week[here], slot[here], n[here]
    k = days.n_outcomes
    sums = np.bincount(week * k + slot % k, weights=n, minlength=n_weeks * k)[: n_weeks * k]
    return [date.fromordinal(monday + 7 * at_week) for at_week in range(n_weeks)], sums.astype(np.int64).reshape(-1, k)


def listed_of(
    rows: pd.DataFrame, keys: Sequence[str], *, n_areas: Mapping[str, int], outcomes: Sequence[str]
) -> dict[Any, Counts2]:
    """Counts (areas × outcomes) by the values of `keys` (level first); HIDDEN where the state is not `shown`."""
    at = {name: i for i, name in enumerate(outcomes)}
    out: dict[Any, Counts2] = {}
    rows = rows[rows["outcome"].isin(at)]
    n = rows["n"].astype("Int64").fillna(HIDDEN).to_numpy(np.int64)
    n = np.where(rows["state"].eq("shown"), n, HIDDEN)
    where, which = rows["at"].to_numpy(np.int64), rows["outcome"].map(at).to_numpy(np.int64)
    groups: dict[Any, Any] = rows.groupby(list(keys), sort=False, observed=True).indices
    for key, found in groups.items():
        table = np.zeros((n_areas[key[0]], len(outcomes)), np.int64)
        table[where[found], which[found]] = n[found]
        out[key] = table
    return out


def shapes_of(table: pd.DataFrame, level: str) -> Shapes:
    """The areas of a release's `areas_<level>`."""

    def number(name: str) -> NDArray[np.float64]:
        if name not in table:
            return np.full(len(table), np.nan)
        return pd.to_numeric(table[name], errors="coerce").to_numpy(np.float64)

    geoids = tuple(map(str, table["geoid"]))
    return Shapes(
        level=level,
        geoids=geoids,
        names=tuple(map(str, table["name"])),
        index={geoid: at for at, geoid in enumerate(geoids)},
        area_km2=number("area_km2"),
        population=number("population"),
        population_moe=number("population_moe"),
        role=str(table["role"].iloc[0]) if len(table) and "role" in table else "",
    )
