"""The only reader of releases: one release as arrays, and the answers to a `View` from them. No statistics here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dashboard.tables import (
    HIDDEN,
    Counts2,
    Days,
    Shapes,
    sum_days,
    sum_hours,
    sum_weeks,
)
from dashboard.view import Allowed, View, listed
from pipelines.release import Release

CAUSES: Final = ("available", "uncertain", "spatial", "barrier", "temporal")
PLAIN: Final = ("available", "uncertain", "unmet")
REMAINDERS: Final = ("_outside", "_placeholder", "_unlocated", "_elsewhere")
SCOPES: Final = ("in_scope", "police_or_ems", "other_need", "criminal", "unresolved")
FEW: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Counts of calls on one leg by area of a level; -1 = hidden by the policy.

    `parts` is areas × `outcomes`; `n`, `at_least`, `at_most` are per area. `elsewhere` are the calls of no area of
    the level. `total` is the city: n, at least, at most and its parts, None where hidden. `has_outcomes` is False
    where the release only tells numbers of calls at this level.
    """

    outcomes: tuple[str, ...]
    parts: Counts2
    n: NDArray[np.int64]
    at_least: NDArray[np.int64]
    at_most: NDArray[np.int64]
    elsewhere: Mapping[str, int]
    total: "Total"
    has_outcomes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Counts of one area or of the city; None where hidden."""

    n: int | None
    at_least: int | None
    at_most: int | None
    parts: Mapping[str, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """A release in memory. `source` tells `days` (any days), or `listed` (the periods of the release)."""

    release: Release
    allowed: Allowed
    shapes: Mapping[str, Shapes]
    outcomes: tuple[str, ...]
    days: Mapping[tuple[str, str, str], Days]
    call_days: Mapping[tuple[str, str], Days]
    cells: Mapping[Any, Counts2]
    calls: Mapping[Any, Counts2]
    measures: pd.DataFrame
    measure_rows: Mapping[Any, NDArray[np.int64]]
    ranks: pd.DataFrame
    rank_rows: Mapping[Any, NDArray[np.int64]]
    bounds: tuple[tuple[float, float], tuple[float, float]]

    @property
    def release_id(self) -> str:
        return self.release.release_id

    @property
    def told(self) -> Mapping[str, Any]:
        """release.json."""
        return self.release.told

    def has(self, table: str) -> bool:
        """Whether the release holds a table."""
        return table in self.release.tables

    def table(self, name: str) -> pd.DataFrame:
        """A small table of the release, or an empty frame where it has none."""
        return self.release.table(name) if self.has(name) else pd.DataFrame()

    def columns(self, name: str) -> tuple[str, ...]:
        """The columns of a table of the release, none where it has no such table."""
        return self.release.columns(name) if self.has(name) else ()

    def name_of(self, level: str, geoid: str) -> str:
        """The name of an area, or its id."""
        shapes = self.shapes.get(level)
        return shapes.names[shapes.index[geoid]] if shapes is not None and geoid in shapes.index else geoid


def counts(data: Data, view: View) -> Counts:
    """What a view counts, by area and for the city."""
    raw, outcomes, has_outcomes = _by_area(data, view, view.level)
    n_drawn = len(data.shapes[view.level].geoids)
    n, low, high = _bands(raw, outcomes)
    elsewhere = {name: int(n[n_drawn + at]) for at, name in enumerate(REMAINDERS) if n[n_drawn + at] > 0}
    return Counts(
        outcomes=outcomes,
        parts=raw[:n_drawn],
        n=n[:n_drawn],
        at_least=low[:n_drawn],
        at_most=high[:n_drawn],
        elsewhere=elsewhere,
        total=city_total(data, view),
        has_outcomes=has_outcomes,
    )


def city_total(data: Data, view: View) -> Total:
    """The whole city on the view's leg, with what no area of the level holds."""
    level = "city" if ("city", view.need, view.leg) in data.days or "city" in data.told["levels"] else view.level
    raw, outcomes, _ = _by_area(data, view, level)
    shown = raw[:1] if level == "city" else raw
    if (shown == HIDDEN).any():
        return total_of(np.where((shown == HIDDEN).any(axis=0), HIDDEN, shown.sum(axis=0)), outcomes)
    return total_of(shown.sum(axis=0), outcomes)


def total_of(row: NDArray[np.int64], outcomes: tuple[str, ...]) -> Total:
    """One row of `parts` in words: hidden where one of what it is summed from is hidden."""
    n, low, high = (int(one[0]) for one in _bands(row.reshape(1, -1), outcomes))
    return Total(
        n=None if n < 0 else n,
        at_least=None if low < 0 else low,
        at_most=None if high < 0 else high,
        parts={name: None if value < 0 else int(value) for name, value in zip(outcomes, row)},
    )


def hours_of_week(data: Data, view: View) -> Counts2 | None:
    """Counts (168 hours × outcomes) of a view's days in its area or the city; None where the release has no hours."""
    if not data.allowed.has_hours:
        return None
    level, at = (view.level, data.shapes[view.level].index[view.area]) if view.area else ("city", None)
    found = data.days.get((level, view.need, view.leg))
    return None if found is None else sum_hours(found, view.start, view.end, at)


def weeks(data: Data, view: View) -> tuple[list[date], Counts2] | None:
    """Mondays and counts (weeks × outcomes) of a view's days, all hours, in its area or the city; None without days."""
    level, at = (view.level, data.shapes[view.level].index[view.area]) if view.area else ("city", None)
    found = data.days.get((level, view.need, view.leg))
    return None if found is None else sum_weeks(found, view.start, view.end, at)


def community(data: Data, view: View) -> dict[str, int] | None:
    """Community calls of the call reason in the city by scope, all hours of the days; None where it is not told."""
    found = data.call_days.get(("city", view.need))
    if found is not None:
        sums = sum_days(found, view.start, view.end, None).sum(axis=0)
        return {name: int(value) for name, value in zip(SCOPES, sums)}
    period = listed(view, data.allowed)
    table = data.calls.get(("city", view.need, period.key)) if period is not None else None
    if table is None or (table[0] == HIDDEN).any() or data.release.policy.is_suppressed:
        return None  # a suppressed release counts calls in scope only
    return {name: int(value) for name, value in zip(SCOPES, table[0])}


def measured(data: Data, view: View) -> pd.DataFrame | None:
    """The rows of `measures` of a view in the order of its areas (NaN where absent); None where not precomputed."""
    return _precomputed(data, view, data.measures, data.measure_rows)


def ranked(data: Data, view: View) -> pd.DataFrame | None:
    """The rows of `ranks` of a view in the order of its areas; None where not ranked for this selection."""
    return _precomputed(data, view, data.ranks, data.rank_rows)


def _precomputed(
    data: Data, view: View, table: pd.DataFrame, rows: Mapping[Any, NDArray[np.int64]]
) -> pd.DataFrame | None:
    period = listed(view, data.allowed)
    if period is None or not view.is_all_hours:
        return None
    found = rows.get((view.level, view.need, view.leg, period.key, view.variant))
    if found is None:
        return None
    n = len(data.shapes[view.level].geoids)
    return table.iloc[found].set_index("at").reindex(range(n))


def is_not_recorded(data: Data, view: View) -> bool:
    """Whether no service of the leg is on record for the call reason: nothing is known of its calls then."""
    if "not_recorded" not in data.measures:
        return False
    found = data.measure_rows.get(("city", view.need, view.leg, data.allowed.whole.key, "default"))
    return found is not None and bool(data.measures["not_recorded"].iloc[found].any())


def hour_mask(view: View) -> NDArray[np.bool_] | None:
    """Which of 7 days × 24 hours a view shows; None where all."""
    if view.is_all_hours:
        return None
    mask = np.zeros((7, 24), np.bool_)
    mask[np.ix_(view.days, view.hours)] = True
    return mask


def _by_area(data: Data, view: View, level: str) -> tuple[Counts2, tuple[str, ...], bool]:
    """Counts by area and remainder, the names of the columns, and whether outcomes are told."""
    period = listed(view, data.allowed)
    if period is not None and view.is_all_hours:
        found = data.cells.get((level, view.need, view.leg, period.key, view.variant))
        if found is not None:
            return found[:, : len(data.outcomes)], data.outcomes, True
    table = data.days.get((level, view.need, view.leg))
    if table is not None and view.variant == "default":
        return sum_days(table, view.start, view.end, hour_mask(view)), data.outcomes, True
    only = _only_calls(data, view, level)
    if only is not None:
        return only[:, :1], ("calls",), False
    n_areas = len(data.shapes[level].geoids) if level in data.shapes else 1
    if not data.allowed.has_days:
        return np.full((n_areas + len(REMAINDERS), 1), HIDDEN, np.int64), ("calls",), False
    return np.zeros((n_areas + len(REMAINDERS), len(data.outcomes)), np.int64), data.outcomes, True


def _only_calls(data: Data, view: View, level: str) -> Counts2 | None:
    """Community calls by area where the release tells no outcomes there: of the period, or added from its quarters."""
    period = listed(view, data.allowed)
    if period is None:
        return None
    found = data.calls.get((level, view.need, period.key))
    if found is not None:
        return found
    inside = [one for one in data.allowed.periods if view.start <= one.start and one.end <= view.end]
    for grain in ("year", "quarter"):
        steps = [data.calls.get((level, view.need, one.key)) for one in inside if one.grain == grain]
        known = [one for one in steps if one is not None]
        if steps and len(known) == len(steps):
            stack = np.stack(known)
            return np.where((stack == HIDDEN).any(axis=0), HIDDEN, stack.sum(axis=0))
    return None


def _bands(raw: Counts2, outcomes: tuple[str, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Calls, at least and at most of each row; HIDDEN where a part of it is."""

    def added(names: set[str]) -> NDArray[np.int64]:
        some = raw[:, [at for at, name in enumerate(outcomes) if name in names]]
        return np.where((some == HIDDEN).any(axis=1), HIDDEN, some.sum(axis=1))

    sure = {"spatial", "barrier", "temporal", "unmet"}
    return added(set(outcomes)), added(sure), added(sure | {"uncertain"})
