"""What the gap map shows, as plain data: texts and numbers for its page, shapes in degrees for its layers.

All of it comes from a release; every sentence is made here, so that the page only lays out. A number that the release
does not show is None here and one symbol on the page, and so is everything that could be reckoned from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import shapely

from geo.errors import UnmetError
from pipelines import map_shapes as shapes
from pipelines.map_cells import BREAKS, CAUSES, LEGS, Numbers, cells_of, numbers_of
from pipelines.map_shapes import DECIMALS
from pipelines.map_spots import recurring, told_spots
from pipelines.map_words import (
    HEADLINES,
    HIDDEN_NOTE,
    INTERNAL,
    LEG_WORDS,
    NONE_ON_RECORD,
    NOT_SHOWN,
    dashed,
    day_words,
    in_order,
    need_label,
    plain,
    tied,
)
from pipelines.release import Release

DEFAULTS = (("mental_health", "respond"), ("behavioral_health", "respond"))

__all__ = ["BREAKS", "DECIMALS", "MapData", "map_data"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapData:
    """The page's data (fit for JSON) and the shapes of its three layers, in degrees (longitude, latitude)."""

    told: dict[str, Any]
    areas: tuple[shapely.Geometry, ...]
    named: tuple[shapely.Geometry, ...]
    recurring: tuple[shapely.Geometry, ...]

    @property
    def bounds(self) -> list[list[float]]:
        """South-west and north-east corner as [latitude, longitude]."""
        west, south, east, north = shapely.total_bounds(np.array(self.areas, dtype=object)).tolist()
        return [[south, west], [north, east]]


def map_data(release: Release) -> MapData:
    """Everything the gap map shows: the whole period, the default variant, one level of areas.

    Raises:
        UnmetError: the release has no outlines of areas, or counts calls without what became of them.
    """
    numbers = numbers_of(release)
    level = _level(release, numbers)
    areas = shapes.areas_of(release, level)
    named_level = shapes.named_level(release)
    named = shapes.areas_of(release, named_level) if named_level else areas.iloc[:0]
    pairs = set(zip(numbers.cells.index.get_level_values("need"), numbers.cells.index.get_level_values("leg")))
    needs = in_order({need for need, _ in pairs})
    spots = recurring(release, set(needs))
    drawn, outlines = (shapes.simplified(release, frame["geometry"]) for frame in (areas, named))
    rings = shapes.rings_of(spots["geometry"])
    told = {
        **_heading(release, numbers, level, named_level),
        "default": list(next((pair for pair in DEFAULTS if pair in pairs), sorted(pairs)[0])),
        "needs": [
            {"id": need, "label": need_label(need), "legs": [leg for leg in LEGS if (need, leg) in pairs]}
            for need in needs
        ],
        "legs": [
            {"id": leg, "words": LEG_WORDS[leg], "headline": HEADLINES[leg]}
            for leg in LEGS
            if any(leg == one for _, one in pairs)
        ],
        "areas": [_area(row) for row in areas.to_dict("records")],
        "named": [plain(name) for name in named["name"]],
        "cells": cells_of(release, numbers, pairs, level, list(areas["geoid"])),
        "recurring": told_spots(spots, named if len(named) else areas),
        "at": {
            "areas": shapes.centres(drawn),
            "named": shapes.centres(outlines),
            "recurring": shapes.middles(rings),
        },
    }
    return MapData(told=told, areas=drawn, named=outlines, recurring=rings)


def _level(release: Release, numbers: Numbers) -> str:
    """The level whose areas are drawn: the base level of the policy, or the next coarser one with numbers.

    Where there are numbers for the city only, the coarsest level with outlines; its areas are drawn as not shown.

    Raises:
        UnmetError: the release has no outlines.
    """
    levels = shapes.levels_of(release)
    if not levels:
        raise UnmetError(f"{release.release_id}: expected outlines of areas, got none; list area_shapes in the policy")
    base = release.policy.base_level
    order = levels[levels.index(base) :] if base in levels else levels
    counted = set(numbers.cells.index.get_level_values("level"))
    return next((level for level in order if level in counted), order[-1])


def _heading(release: Release, numbers: Numbers, level: str, named: str) -> dict[str, Any]:
    told = release.told
    standard = told.get("standard", {})
    source = plain(standard.get("source") or "no local standard")
    is_staff = not numbers.is_suppressed
    banners = list(dict.fromkeys([*([INTERNAL] if is_staff else []), *told["banners"]]))
    said = [text for text in told["caveats"] if _is_banner(text)]
    columns = set(numbers.measures.columns)
    return {
        "city": plain(told["city_name"]),
        "period": _period(told, numbers.period),
        "policy": plain(told["policy"]),
        "policy_version": plain(told["policy_version"]),
        "release": plain(told["release_id"]),
        "banners": [dashed(text) for text in [*banners, *said]],
        "standard": tied(f"{standard['share']:.0%}") + f" ({source})" if "share" in standard else "",
        "services_as_of": day_words(date.fromisoformat(str(told["services_as_of"])[:10])),
        "services": _services(release),
        "thresholds": [
            text[:1].upper() + text[1:].replace("<=", "≤").replace(" x ", " × ") for text in told.get("thresholds", [])
        ],
        "breaks": _breaks(release),
        "caveats": [dashed(text) for text in told["caveats"] if text not in said] + list(told.get("waivers", [])),
        "notes": [*told["notes"], *([] if is_staff else [HIDDEN_NOTE])],
        "none": NONE_ON_RECORD,
        "hidden": NOT_SHOWN,
        "level": {"areas": level.replace("_", " "), "named": named.replace("_", " ")},
        "has": {
            "flags": "flag" in columns,
            "hidden": numbers.is_suppressed,
            "causes": any(name in numbers.cells for name in CAUSES),
            "named": bool(named) and named != level,
        },
    }


def _is_banner(text: str) -> bool:
    """Whether a caveat is one of those that stand at the head of the page: what it is not fit for, and synthetic."""
    return "not for publication" in text or text.startswith("synthetic") or "is inferred" in text


def _period(told: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    """The days that are counted, first and last."""
    spans = told.get("windows") or [whole]
    days = [(date.fromisoformat(one["start"]), date.fromisoformat(one["end"]) - timedelta(days=1)) for one in spans]
    return "; ".join(f"{day_words(first)} – {day_words(last)}" for first, last in days)


def _services(release: Release) -> str:
    if "services" not in release.tables:
        return ""
    n = release.table("services", ["service_id"])["service_id"].nunique()
    return f"{n:,} services are listed in this release; confidential ones are in no release."


def _breaks(release: Release) -> list[str]:
    if "breaks" not in release.tables:
        return []
    rows = release.table("breaks").to_dict("records")
    return [f"Counts before and after {row['date']} cannot be compared: {plain(row['note'])}" for row in rows]


def _area(row: Mapping[Any, Any]) -> dict[str, str]:
    population, moe = row.get("population"), row.get("population_moe")
    residents = "not on record" if pd.isna(population) else f"{population:,.0f}"
    if not pd.isna(population) and not pd.isna(moe):
        residents += f" ± {moe:,.0f}"
    if isinstance(row.get("denominator_vintage"), str):
        residents += f" ({row['denominator_vintage']})"
    told = {"id": plain(row["geoid"]), "name": plain(row["name"])}
    return told | ({"residents": residents} if "population" in row else {})
