"""A release read into arrays, once: `load`. Only `data.py`, `source.py` and tests use it."""

from collections.abc import Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dashboard.data import CAUSES, PLAIN, REMAINDERS, SCOPES, Data
from dashboard.tables import EPOCH, Counts2, Days, Shapes, days_of, listed_of, shapes_of
from dashboard.view import LEGS, VARIANTS, Allowed, Period
from pipelines.policy_words import DISTRICT_ROLES
from pipelines.release import Release
from pipelines.vocabulary import needs as vocabulary

KEYS = ("level", "geoid", "need", "leg", "grain", "period", "variant", "outcome", "origin", "scope", "state", "date")


def load(release: Release) -> Data:
    """A release as arrays; takes a second or two, answers then take milliseconds."""
    levels = tuple(str(name) for name in release.told["levels"])
    drawn = tuple(name for name in levels if f"areas_{name}" in release.tables)
    shapes = {name: shapes_of(_without_geometry(release, f"areas_{name}"), name) for name in drawn}
    rows_of = {level: {**(dict(shapes[level].index) if level in shapes else {"city": 0})} for level in levels}
    for index in rows_of.values():
        index.update({name: len(index) + at for at, name in enumerate(REMAINDERS)})
    n_areas = {level: len(index) for level, index in rows_of.items()}
    periods = _periods(release.told)
    cells = _placed(release, "cells", rows_of)
    outcomes = CAUSES if "spatial" in set(cells["outcome"].unique()) else PLAIN
    days = _day_tables(release, cells, rows_of, n_areas, outcomes)
    calls = _placed(release, "calls", rows_of)
    long = cells[cells["grain"] != "day"].assign(period=lambda t: t["period"].astype(str))
    measures, ranks = (_placed(release, name, rows_of) for name in ("measures", "ranks"))
    return Data(
        release=release,
        allowed=_allowed(release, cells, shapes, periods, drawn, bool(days), outcomes),
        shapes=MappingProxyType(shapes),
        outcomes=outcomes,
        days=days,
        call_days=_call_days(calls, n_areas) if days else {},
        cells=listed_of(
            long, ["level", "need", "leg", "period", "variant"], n_areas=n_areas, outcomes=[*outcomes, "no_leg"]
        ),
        calls=_call_periods(calls, n_areas),
        measures=measures,
        measure_rows=_groups(measures, ["level", "need", "leg", "period", "variant"]),
        ranks=ranks,
        rank_rows=_groups(ranks, ["level", "need", "leg", "period", "variant"]),
        bounds=_bounds(release, drawn),
    )


def _without_geometry(release: Release, name: str) -> pd.DataFrame:
    columns = [one for one in release.columns(name) if one != "geometry"]
    return release.table(name, columns)


def _placed(release: Release, name: str, rows_of: Mapping[str, Mapping[str, int]]) -> pd.DataFrame:
    """A table with `at`, the row of its area in the arrays of its level; rows of no level of the release dropped."""
    if name not in release.tables:
        return pd.DataFrame(
            columns=[
                "level",
                "geoid",
                "need",
                "leg",
                "grain",
                "period",
                "variant",
                "outcome",
                "n",
                "state",
                "at",
                "origin",
                "scope",
            ]
        )
    table = release.table(name)
    texts = [column for column in KEYS if column in table]
    table = table.assign(**{column: table[column].astype("category") for column in texts})
    parts = [
        rows.assign(at=rows["geoid"].map(rows_of[str(level)]))
        for level, rows in table.groupby("level")
        if level in rows_of
    ]
    out = pd.concat(parts, ignore_index=True) if parts else table.assign(at=pd.Series(dtype="float"))
    out = out[out["at"].notna()].reset_index(drop=True)
    return out.assign(at=out["at"].astype(np.int64))


def _day_number(days: pd.Series) -> NDArray[np.int64]:
    texts, codes = np.unique(days.to_numpy(dtype="U10"), return_inverse=True)
    return np.array([date.fromisoformat(str(text)).toordinal() - EPOCH for text in texts], np.int64)[codes]


def _day_tables(
    release: Release,
    cells: pd.DataFrame,
    rows_of: Mapping[str, Mapping[str, int]],
    n_areas: Mapping[str, int],
    outcomes: tuple[str, ...],
) -> dict[tuple[str, str, str], Days]:
    if "day_hours" in release.tables:
        rows = _placed(release, "day_hours", rows_of).rename(columns={"date": "period"})
    else:
        rows = cells[cells["grain"] == "day"].assign(hour=0)
    if not len(rows):
        return {}
    code = {name: at for at, name in enumerate(outcomes)}
    rows = rows[["level", "need", "leg", "hour", "at", "n"]].assign(
        day=_day_number(rows["period"]), out=rows["outcome"].map(code).to_numpy()
    )
    return {
        (str(key[0]), str(key[1]), str(key[2])): days_of(found, n_areas=n_areas[str(key[0])], n_outcomes=len(outcomes))
        for key, found in rows.groupby(["level", "need", "leg"], sort=False)
    }


def _call_days(calls: pd.DataFrame, n_areas: Mapping[str, int]) -> dict[tuple[str, str], Days]:
    rows = calls[(calls["grain"] == "day") & (calls["origin"] == "community") & calls["scope"].isin(SCOPES)]
    code = {name: at for at, name in enumerate(SCOPES)}
    rows = rows[["level", "need", "at", "n"]].assign(
        day=_day_number(rows["period"]), out=rows["scope"].map(code).to_numpy(), hour=0
    )
    return {
        (str(key[0]), str(key[1])): days_of(found, n_areas=n_areas[str(key[0])], n_outcomes=len(SCOPES))
        for key, found in rows.groupby(["level", "need"], sort=False)
    }


def _call_periods(calls: pd.DataFrame, n_areas: Mapping[str, int]) -> dict[Any, Counts2]:
    """Community calls (areas × scopes) by level, call reason and listed period."""
    rows = calls[(calls["grain"] != "day") & (calls["origin"] == "community")]
    rows = rows.assign(outcome=rows["scope"])
    return listed_of(rows, ["level", "need", "period"], n_areas=n_areas, outcomes=SCOPES)


def _groups(table: pd.DataFrame, keys: list[str]) -> dict[Any, NDArray[np.int64]]:
    if not len(table):
        return {}
    found: dict[Any, Any] = table.groupby(keys, sort=False).indices
    return found


def _periods(told: Mapping[str, Any]) -> tuple[Period, ...]:
    """The periods that a release lists, with their days; those that it names without days are worked out from it."""
    first = next(one for one in told["periods"] if one["grain"] == "whole")
    start, end = date.fromisoformat(first["start"]), date.fromisoformat(first["end"])
    out = []
    for one in told["periods"]:
        span = (start, end)
        if "start" in one:
            span = (date.fromisoformat(one["start"]), date.fromisoformat(one["end"]))
        elif one["grain"] == "last_12_months":
            span = (max(end - timedelta(days=365), start), end)
        elif one["grain"] == "year":
            year = int(one["period"])
            span = (max(date(year, 1, 1), start), min(date(year + 1, 1, 1), end))
        out.append(
            Period(key=str(one.get("period", one["grain"])), grain=str(one["grain"]), start=span[0], end=span[1])
        )
    return tuple(out)


def _allowed(
    release: Release,
    cells: pd.DataFrame,
    shapes: Mapping[str, Shapes],
    periods: tuple[Period, ...],
    drawn: tuple[str, ...],
    has_days: bool,
    outcomes: tuple[str, ...],
) -> Allowed:
    known = list(vocabulary())
    rollups = [need.rollup for need in vocabulary().values()]
    order = {name: at for at, name in enumerate([*dict.fromkeys([*known, *rollups])])}
    needs = tuple(sorted(map(str, release.told["needs"]), key=lambda name: (order.get(name, 99), name)))
    pairs = set(cells[["need", "leg"]].drop_duplicates().itertuples(index=False, name=None))
    legs = {need: tuple(leg for leg in LEGS if (need, leg) in pairs) or LEGS[:1] for need in needs}
    variants = set(cells["variant"].unique())
    with_outcomes = set(cells["level"].unique())
    base = release.policy.base_level
    finest = drawn.index(base) if base in drawn else 0
    is_public = release.policy.is_suppressed
    colours = ("unmet", "share", "both", *(() if is_public else ("rate", "change")), "calls")
    return Allowed(
        needs=needs,
        legs=legs,
        levels=drawn,
        base=next((level for level in drawn[finest:] if level in with_outcomes), drawn[finest]),
        coarse=frozenset(level for level in drawn if shapes[level].role in DISTRICT_ROLES),
        periods=periods,
        has_days=has_days,
        has_hours="day_hours" in release.tables,
        variants=tuple(one for one in VARIANTS if one in variants) or ("default",),
        colours=colours,
        areas={level: dict(shapes[level].index) for level in drawn},
    )


def _bounds(release: Release, drawn: tuple[str, ...]) -> tuple[tuple[float, float], tuple[float, float]]:
    """((south, west), (north, east)) of the areas in degrees."""
    import shapely

    table = release.table(f"areas_{drawn[-1]}", ["geometry"])
    west, south, east, north = shapely.total_bounds(shapely.from_wkb(table["geometry"].to_numpy()))
    return (float(south), float(west)), (float(north), float(east))
