"""What the gap map shows, as plain data: texts and numbers for its page, shapes in degrees for its layers.

Only `gaps`, `hotspots` and `areas` are read here; every sentence is made here, so that the page only lays out.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geo.gap import MIN_CALLS
from pipelines import show
from pipelines.city import City
from pipelines.store import Store
from pipelines.vocabulary import needs as all_needs

BREAKS = (0.0, 0.10, 0.25, 0.50, 0.75, 1.0)
TOO_FEW, NOT_ON_RECORD = -1, -2
DEFAULT = ("mental_health", "respond")
LEGS = ("respond", "place", "contact")
NONE_ON_RECORD = {
    "contact": "No staffed line is on record for this call reason, so nothing can be said.",
    "respond": "No responder is on record for this call reason, so nothing can be said.",
    "place": "No place to go is on record for this call reason, so nothing can be said.",
}
STATUS_WORDS = {
    "new": "new",
    "persistent": "persistent",
    "cooling": "cooling",
    "transient": "transient",
    "single_site": "a single site",
    "not_assessed": "not assessed",
}
TOLERANCE_M = 15.0
FINE_TOLERANCE_M = 0.5
DECIMALS = 5
LONGEST_NAME = 80
KEPT_FORMAT = "\u200c\u200d"


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


def map_data(city: City, opened: Store) -> MapData:
    """Everything the gap map shows: the whole study, the default variant, the base level."""
    areas = _of_level(opened, city.base_level.name)
    named_level = next((level.name for level in city.levels if level.role in ("parent", "planning")), None)
    named = _of_level(opened, named_level) if named_level else areas.iloc[:0]
    gaps = opened.read("gaps")
    gaps = gaps[(gaps["period"] == "whole") & (gaps["variant"] == "default")]
    spots = _recurring(opened)
    shapes, outlines = (_simplified(frame["geometry"], TOLERANCE_M) for frame in (areas, named))
    rings = shapely.simplify(np.array(spots["geometry"], dtype=object), FINE_TOLERANCE_M)
    told = {
        **_heading(city, opened),
        "default": list(_default(gaps)),
        "needs": _needs(gaps),
        "legs": [{"id": leg, "words": show.LEG_WORDS[leg], "headline": show.HEADLINES[leg]} for leg in LEGS],
        "areas": [_area(row) for row in areas.itertuples()],
        "named": [plain(name) for name in named["name"]],
        "cells": _cells(city, gaps, list(areas["geoid"])),
        "recurring": _spots(spots, areas, named),
        "at": {"areas": _centres(city, shapes), "named": _centres(city, outlines), "recurring": _middles(city, rings)},
    }
    return MapData(
        told=told,
        areas=_degrees(city, shapes),
        named=_degrees(city, outlines),
        recurring=_degrees(city, rings),
    )


def plain(text: object) -> str:
    """A supplier's text on one line: control, format and line-separating characters as spaces, 80 characters at most.

    >>> plain("East\\u2028lake ")
    'East lake'
    """
    kept = "".join(
        " " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") and c not in KEPT_FORMAT else c
        for c in str(text)
    )
    line = " ".join(kept.split())
    return line if len(line) <= LONGEST_NAME else line[: LONGEST_NAME - 1] + "…"


def _of_level(opened: Store, level: str) -> pd.DataFrame:
    areas = opened.read("areas")
    chosen = areas[areas["level"] == level].sort_values("geoid").reset_index(drop=True)
    return chosen.assign(geometry=shapely.from_wkb(chosen["geometry"]))


def _recurring(opened: Store) -> pd.DataFrame:
    """Recurring-call areas by excess, in the order of needs, busiest first."""
    spots = opened.read("hotspots")
    chosen = (spots["product"] == "excess") & spots["is_recurring"].eq(True) & (spots["status"] != "ended")
    order = {name: at for at, name in enumerate(all_needs())}
    found = spots[chosen].assign(order=spots["need"].map(order))
    found = found.sort_values(["order", "n_calls", "hotspot_id"], ascending=[True, False, True]).reset_index(drop=True)
    return found.assign(geometry=shapely.from_wkb(found["geometry"]))


def _heading(city: City, opened: Store) -> dict[str, Any]:
    source = city.standard.source or "no local standard"
    return {
        "city": plain(city.name),
        "period": "; ".join(
            f"{day_words(one.start)} – {day_words(one.end - pd.Timedelta(days=1))}" for one in city.windows
        ),
        "banners": [_dashed(text) for text in show.banners(city, opened)],
        "standard": _tied(f"{city.standard.share:.0%}") + f" ({plain(source)})",
        "services_as_of": day_words(city.services_as_of),
        "thresholds": [
            text[:1].upper() + text[1:].replace("<=", "≤").replace(" x ", " × ") for text in show.thresholds(city)
        ],
        "caveats": list(city.caveats),
        "notes": [show.NOT_ADDED, show.DISCLAIMER],
        "none": NONE_ON_RECORD,
    }


def day_words(day: Any) -> str:
    """A date as people write it.

    >>> day_words(pd.Timestamp("2025-01-06"))
    '6 January 2025'
    """
    return f"{day.day} {day:%B %Y}"


def _tied(text: str) -> str:
    """Text whose per cent signs stay with their number: `50%` or `50 %` with a no-break space.

    >>> _tied("5-50 %, 7%") == "5-50\\u00a0%, 7\\u00a0%"
    True
    """
    return text.replace(" %", "%").replace("%", "\u00a0%")


def _dashed(text: str) -> str:
    return text.replace(" - ", " – ")


def _needs(gaps: pd.DataFrame) -> list[dict[str, Any]]:
    """The call reasons that have a leg, in the order of needs.toml, each with its legs."""
    pairs = set(zip(gaps["need"], gaps["leg"], strict=True))
    return [
        {"id": name, "label": need.label, "legs": [leg for leg in LEGS if (name, leg) in pairs]}
        for name, need in all_needs().items()
        if any((name, leg) in pairs for leg in LEGS)
    ]


def _default(gaps: pd.DataFrame) -> tuple[str, str]:
    """Mental-health crisis × someone to respond, else the first pair that is there."""
    pairs = list(dict.fromkeys(zip(gaps["need"], gaps["leg"], strict=True)))
    return DEFAULT if DEFAULT in pairs or not pairs else pairs[0]


def _area(row: Any) -> dict[str, str]:
    residents = "not on record" if pd.isna(row.population) else f"{row.population:,.0f}"
    if not pd.isna(row.population) and not pd.isna(row.population_moe):
        residents += f" ± {row.population_moe:,.0f}"
    if isinstance(row.denominator_vintage, str):
        residents += f" ({row.denominator_vintage})"
    return {"id": plain(row.geoid), "name": plain(row.name), "residents": residents}


def _cells(city: City, gaps: pd.DataFrame, geoids: list[str]) -> dict[str, dict[str, Any]]:
    """Per `need|leg`: the city's sentences and one cell for each area, in the order of `geoids`."""
    base = gaps[gaps["level"] == city.base_level.name]
    whole = gaps[gaps["level"] == "city"]
    out = {}
    for (need, leg), rows in base.groupby(["need", "leg"]):
        total = whole[(whole["need"] == need) & (whole["leg"] == leg)]
        by_area = rows.set_index("geoid")
        off_map = rows[~rows["geoid"].isin(geoids)]
        out[f"{need}|{leg}"] = {
            "city": _city_cell(next(total.itertuples()), int(off_map["n_calls"].sum())),
            "areas": [_cell(row, len(geoids), city) for row in by_area.loc[geoids].itertuples()],
        }
    return out


def share_class(at_least: NDArray[np.int64], n: NDArray[np.int64]) -> NDArray[np.int64]:
    """The class of each share at least ÷ n in `BREAKS`: lower limit in, upper out, the last class closed.

    >>> share_class(np.array([0, 10, 50, 100]), np.array([100, 100, 100, 100])).tolist()
    [0, 1, 3, 4]
    """
    found = np.searchsorted(BREAKS, at_least / np.maximum(n, 1), side="right") - 1
    return np.clip(found, 0, len(BREAKS) - 2).astype(np.int64)


def _cell(row: Any, n_areas: int, city: City) -> dict[str, Any]:
    colour = int(share_class(np.array([row.n_at_least]), np.array([row.n_calls]))[0])
    if row.flag == "too_few":
        colour = TOO_FEW
    if row.not_recorded:
        colour = NOT_ON_RECORD
    rank = None
    if not pd.isna(row.rank_low):
        rank = _tied(f"{row.rank_low:.0f} to {row.rank_high:.0f} of {n_areas} (1 = most a year; 90 % interval)")
    return {
        **_counts(row),
        "class": colour,
        "flag": row.flag,
        "flag_words": _flag_words(row, city),
        "p": None if pd.isna(row.p_over_standard) else round(float(row.p_over_standard), 3),
        "rank": rank,
        "rate": _rate(row),
    }


def _counts(row: Any) -> dict[str, Any]:
    """Integers that add up to the calls in scope, and how they are said."""
    return {
        "n": int(row.n_calls),
        "least": int(row.n_at_least),
        "most": int(row.n_at_most),
        "parts": [int(row.n_available), int(row.n_uncertain), int(row.n_at_least)],
        "split": [int(row.n_spatial), int(row.n_barrier), int(row.n_temporal)],
        "band": show.band(int(row.n_at_least), int(row.n_at_most)),
        "share": _tied(show.share(int(row.n_at_least), int(row.n_at_most), int(row.n_calls)).replace("-", "–")),
        "recorded": not row.not_recorded,
    }


def _flag_words(row: Any, city: City) -> str:
    over = _tied(f"share unmet > {city.standard.share:.0%}")
    if row.flag == "flagged":
        return f"Flagged: P({over}) {_p(row.p_over_standard)} on at least"
    if row.flag == "possibly":
        return (
            f"Possibly flagged: P({over}) {_p(row.p_over_standard)} on at least, "
            f"{_p(row.p_over_standard_most)} on at most"
        )
    if row.flag == "no":
        return f"Not flagged: P({over}) {_p(row.p_over_standard_most)} on at most"
    if row.flag == "too_few":
        return f"Too few calls to judge (fewer than {MIN_CALLS} a year)"
    return "Not judged: no service on record"


def _p(value: float) -> str:
    """A probability in two digits, never a bare 0 or 1.

    >>> _p(0.9999), _p(0.42)
    ('> 0.99', '= 0.42')
    """
    return "> 0.99" if value > 0.99 else "< 0.01" if value < 0.01 else f"= {value:.2f}"


def _rate(row: Any) -> str:
    if pd.isna(row.unmet_per_1k_low) or pd.isna(row.unmet_per_1k_high):
        reason = row.rate_reason if isinstance(row.rate_reason, str) else "no reason on record"
        return f"none given: {plain(reason)}"
    low, high = f"{row.unmet_per_1k_low:.1f}", f"{row.unmet_per_1k_high:.1f}"
    said = low if low == high else f"at least {low}, at most {high}"
    return f"{said} calls per 1,000 residents a year"


def _city_cell(row: Any, n_off_map: int) -> dict[str, Any]:
    said = [
        "Community calls only; unfounded, cancelled and duplicate calls are out.",
        f"{row.n_calls:,} in scope on this leg, from {row.n_places:,} places: "
        f"no one found on {row.n_no_one_found:,}, at institutions {row.n_institution:,}, "
        f"not placed in an area of the map {n_off_map:,} (in the city's count all the same).",
        f"A further {row.n_police_or_ems:,} calls for this reason need police or EMS and are not counted.",
    ]
    if not row.not_recorded:
        said.append(
            f"Without the busiest 1 % of places: {row.n_without_busiest:,} calls, "
            f"at least {row.at_least_without_busiest:,}."
        )
    yearly = f"At least {row.per_year_low:,.0f}, at most {row.per_year_high:,.0f} a year (90 % limits)."
    return {**_counts(row), "yearly": yearly, "denominator": " ".join(said)}


def _spots(spots: pd.DataFrame, areas: pd.DataFrame, named: pd.DataFrame) -> list[dict[str, Any]]:
    """The recurring-call areas, numbered within their call reason, with where they lie and their facts."""
    inside = named if len(named) else areas
    tree = shapely.STRtree(inside["geometry"].tolist())
    number: dict[str, int] = {}
    told = []
    for row in spots.itertuples():
        need = str(row.need)
        number[need] = number.get(need, 0) + 1
        hit = tree.query(shapely.Point(row.x, row.y), predicate="intersects")
        where = plain(inside["name"].iloc[int(min(hit))]) if len(hit) else "outside the city's areas"
        told.append({"need": need, "label": str(number[need]), "where": where, "facts": _spot_facts(row)})
    return told


def _spot_facts(row: Any) -> list[list[str]]:
    """Pairs of label and text: class, status, weeks, busiest hours, counts."""
    facts = [["Class", "recurring: more calls for this reason than all calls there would lead one to expect"]]
    facts.append(["Status", STATUS_WORDS.get(row.status, row.status)])
    facts.append(["Calls", f"{row.n_calls:,} from {row.n_places:,} places"])
    if not pd.isna(row.relative_risk):
        facts.append(
            [
                "Against the rest of the city",
                f"{row.relative_risk:.1f} times the share of calls that are for this reason",
            ]
        )
    if not pd.isna(row.p_value):
        facts.append(["P, family-wise within this call reason", f"{row.p_value:.3f}"])
    weeks = f"calls in {row.n_weeks:,} weeks"
    if not pd.isna(row.persistence_share):
        weeks += _tied(f"; {row.persistence_share:.0%} of 4-week periods")
    facts.append(["Weeks", weeks])
    if not pd.isna(row.peak_start):
        start = int(row.peak_start)
        hours = f"{start:02d}:00–{(start + 8) % 24:02d}:00"
        if not pd.isna(row.peak_share):
            hours += _tied(f", {row.peak_share:.0%} of its calls")
        facts.append(["Busiest hours", hours])
    return facts + _peak_facts(row)


def _peak_facts(row: Any) -> list[list[str]]:
    """What the legs could have done in the busiest hours."""
    if pd.isna(row.n_peak):
        return []
    facts = [["In scope in those hours", f"{int(row.n_peak):,} calls"]]
    for leg, label in (("respond", "No suitable responder on duty"), ("place", "No open place to go")):
        least, most = getattr(row, f"{leg}_at_least"), getattr(row, f"{leg}_at_most")
        if not pd.isna(least) and not pd.isna(most):
            facts.append([label, show.band(int(least), int(most))])
    return facts


def _simplified(shapes: Iterable[shapely.Geometry], tolerance_m: float) -> NDArray[np.object_]:
    """Shapes of one level, simplified together so that shared borders stay shared (metres)."""
    found = np.array(list(shapes), dtype=object)
    return np.asarray(shapely.coverage_simplify(found, tolerance_m), dtype=object) if len(found) else found


def _degrees(city: City, shapes: NDArray[np.object_]) -> tuple[shapely.Geometry, ...]:
    """Shapes in longitude and latitude, rounded to 5 decimals (about a metre)."""
    from pyproj import Transformer

    turn = Transformer.from_crs(city.crs, "EPSG:4326", always_xy=True)

    def to_degrees(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.round(np.column_stack(turn.transform(xy[:, 0], xy[:, 1])), DECIMALS)

    return tuple(shapely.transform(shape, to_degrees) for shape in shapes)


def _centres(city: City, shapes: NDArray[np.object_]) -> list[list[float]]:
    """[latitude, longitude] of the centre of the largest circle inside each shape."""
    points = [shapely.get_point(shapely.maximum_inscribed_circle(shape, 5.0), 0) for shape in shapes]
    return _places(city, points)


def _middles(city: City, shapes: NDArray[np.object_]) -> list[list[float]]:
    """[latitude, longitude] of the middle of the box around each shape; its number stands beside that box."""
    return _places(city, [shapely.box(*shape.bounds).centroid for shape in shapes])


def _places(city: City, points: list[shapely.Geometry]) -> list[list[float]]:
    return [[point.y, point.x] for point in _degrees(city, np.array(points, dtype=object))]
