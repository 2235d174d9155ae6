"""What a page shows, as one frozen `View`, to and from the query of its address. Whatever is not known is refused."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final
from urllib.parse import parse_qsl, urlencode

from geo.errors import UnmetError
from pipelines.vocabulary import needs as vocabulary

ALL_DAYS: Final = (0, 1, 2, 3, 4, 5, 6)
LEGS: Final = ("respond", "place", "contact")
VARIANTS: Final = ("default", "with_ed", "no_institutions")
COLOURS: Final = ("unmet", "share", "rate", "both", "change", "calls")
LAYERS: Final = ("recurring", "services")
LEVELS: Final = ("block_group", "tract", "beat", "neighbourhood", "grid", "city")
STAYING: Final = ("homelessness", "social")  # call reasons whose fine maps point at where people stay
KEYS: Final = (
    "need",
    "leg",
    "level",
    "from",
    "to",
    "days",
    "hours",
    "variant",
    "show",
    "layers",
    "area",
    "fine",
    "item",
    "other",
)
LONGEST_QUERY: Final = 800
MOST_YEARS: Final = 5
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_@:.,+~ -]{0,119}|_[a-z]{1,20}")
_DAYS = re.compile(r"[1-7]{1,7}")
_HOURS = re.compile(r"([01][0-9]|2[0-3])-([01][0-9]|2[0-4])")


class BadView(UnmetError):
    """An address or a value that asks for what no page shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A period that a release lists: its key in the tables, its grain, its days (`end` excluded)."""

    key: str
    grain: str
    start: date
    end: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What a release can show. Defaults are first: call reasons, legs of each, levels from fine to coarse.

    `coarse` are the levels at which calls related to homelessness are shown without asking; `areas` maps a level to
    its ids; `rollups` maps a call reason that is not in the release to the one that holds it.
    """

    needs: tuple[str, ...]
    legs: Mapping[str, tuple[str, ...]]
    levels: tuple[str, ...]
    base: str
    coarse: frozenset[str]
    periods: tuple[Period, ...]
    has_days: bool
    has_hours: bool
    variants: tuple[str, ...]
    colours: tuple[str, ...]
    areas: Mapping[str, Mapping[str, int]]

    @property
    def whole(self) -> Period:
        """The longest period of the release."""
        return next(one for one in self.periods if one.grain == "whole")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is shown. `end` is excluded; hours run from `hour_from` up to `hour_to`, over midnight where it is less.

    `area` is the chosen area of the level or "", `fine` whether homelessness may show below district level; `item`
    (a service, a recurring-call area, a plan) and `other` (what to compare with) belong to single pages, which check
    them against the release.
    """

    need: str
    leg: str
    level: str
    start: date
    end: date
    days: tuple[int, ...] = ALL_DAYS
    hour_from: int = 0
    hour_to: int = 24
    variant: str = "default"
    colour: str = "unmet"
    layers: tuple[str, ...] = LAYERS
    area: str = ""
    fine: bool = False
    item: str = ""
    other: str = ""

    @property
    def is_all_hours(self) -> bool:
        """Whether no day of the week and no hour is left out."""
        return self.days == ALL_DAYS and (self.hour_from, self.hour_to) == (0, 24)

    @property
    def hours(self) -> tuple[int, ...]:
        """The clock hours that are shown."""
        if self.hour_from < self.hour_to:
            return tuple(range(self.hour_from, self.hour_to))
        return tuple(hour for hour in range(24) if hour >= self.hour_from or hour < self.hour_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A view that the release can show, and what was changed to make it so: keys of the catalogue with values."""

    view: View
    said: tuple[tuple[str, str], ...]


def default(allowed: Allowed) -> View:
    """The view of an address without a query: mental-health crisis, somebody to respond, the base level, all days."""
    need = allowed.needs[0]
    whole = allowed.whole
    return View(
        need=need,
        leg=allowed.legs[need][0],
        level=allowed.base,
        start=whole.start,
        end=whole.end,
        colour=allowed.colours[0],
    )


def parse(query: str, allowed: Allowed) -> Parsed:
    """The view of a query (with or without `?`), snapped outward where the release is coarser than the link.

    Raises:
        BadView: a key, value or number of them that no link of ours has.
    """
    if len(query) > LONGEST_QUERY:
        raise BadView(f"query: expected at most {LONGEST_QUERY} characters, got [{len(query)}]")
    try:
        pairs = parse_qsl(
            query.removeprefix("?"),
            keep_blank_values=True,
            strict_parsing=bool(query.strip("?")),
            max_num_fields=len(KEYS),
        )
    except ValueError:
        raise BadView("query: expected key=value pairs, got something else") from None
    told = dict(pairs)
    if len(told) != len(pairs) or not set(told) <= set(KEYS):
        raise BadView(f"query: expected each of {', '.join(KEYS)} at most once, got another key or one twice")
    return from_words(told, allowed)


def from_words(told: Mapping[str, str], allowed: Allowed) -> Parsed:
    """The view of a mapping of `KEYS` to texts; absent and empty ones are the defaults. Raises BadView as `parse`."""
    said: list[tuple[str, str]] = []
    start = default(allowed)
    need = _need(told.get("need") or start.need, allowed, said)
    leg = _leg(told.get("leg") or allowed.legs[need][0], need, allowed, said)
    level = _level(told.get("level") or _usual_level(need, allowed), allowed, said)
    first, end = _dates(told.get("from", ""), told.get("to", ""), allowed, said)
    days, hours = _when(told.get("days", ""), told.get("hours", ""), allowed, said)
    view = View(
        need=need,
        leg=leg,
        level=level,
        start=first,
        end=end,
        days=days,
        hour_from=hours[0],
        hour_to=hours[1],
        variant=_one_of("variant", told.get("variant") or "default", VARIANTS),
        colour=_one_of("show", told.get("show") or allowed.colours[0], COLOURS),
        layers=_layers(told.get("layers")),
        fine=_one_of("fine", told.get("fine") or "0", ("0", "1")) == "1",
        item=_id("item", told.get("item", "")),
        other=_id("other", told.get("other", "")),
    )
    return Parsed(view=_fitting(view, _id("area", told.get("area", "")), allowed, said), said=tuple(said))


def to_query(view: View, allowed: Allowed) -> str:
    """The query of a view without what is the default anyway; `parse` gives the same view back."""
    usual = default(allowed)
    told = {
        "need": "" if view.need == usual.need else view.need,
        "leg": "" if view.leg == allowed.legs[view.need][0] else view.leg,
        "level": "" if view.level == _usual_level(view.need, allowed) else view.level,
        "from": "" if view.start == usual.start else view.start.isoformat(),
        "to": "" if view.end == usual.end else view.end.isoformat(),
        "days": "" if view.days == ALL_DAYS else "".join(str(day + 1) for day in view.days),
        "hours": "" if (view.hour_from, view.hour_to) == (0, 24) else f"{view.hour_from:02d}-{view.hour_to:02d}",
        "variant": "" if view.variant == "default" else view.variant,
        "show": "" if view.colour == usual.colour else view.colour,
        "layers": "" if view.layers == LAYERS else ",".join(view.layers) or "none",
        "area": view.area,
        "fine": "1" if view.fine else "",
        "item": view.item,
        "other": view.other,
    }
    return urlencode({key: value for key, value in told.items() if value})


def listed(view: View, allowed: Allowed) -> Period | None:
    """The listed period that a view shows, or None where its days are its own."""
    same = [one for one in allowed.periods if (one.start, one.end) == (view.start, view.end)]
    return next(iter(same), None)


def _usual_level(need: str, allowed: Allowed) -> str:
    """The base level; for homelessness the finest that is at least a district."""
    if need == "homelessness" and allowed.base not in allowed.coarse:
        return next((level for level in allowed.levels if level in allowed.coarse), allowed.levels[-1])
    return allowed.base


def _need(said: str, allowed: Allowed, notes: list[tuple[str, str]]) -> str:
    if said in allowed.needs:
        return said
    known = vocabulary().get(said)
    if known is not None and known.in_scope and known.rollup in allowed.needs:
        notes.append(("snap_need", known.rollup))
        return known.rollup
    members = [name for name, need in vocabulary().items() if need.rollup == said and name in allowed.needs]
    if members:
        notes.append(("snap_need", members[0]))
        return members[0]
    raise BadView("need: expected a call reason that this release counts, got another")


def _leg(said: str, need: str, allowed: Allowed, notes: list[tuple[str, str]]) -> str:
    if _one_of("leg", said, LEGS) in allowed.legs[need]:
        return said
    notes.append(("snap_leg", allowed.legs[need][0]))
    return allowed.legs[need][0]


def _level(said: str, allowed: Allowed, notes: list[tuple[str, str]]) -> str:
    if said in allowed.levels:
        return said
    known = _one_of("level", said, LEVELS)
    here = [level for level in allowed.levels if level in LEVELS[LEVELS.index(known) :]]
    notes.append(("snap_level", here[0] if here else allowed.levels[-1]))
    return notes[-1][1]


def _dates(first: str, last: str, allowed: Allowed, notes: list[tuple[str, str]]) -> tuple[date, date]:
    whole = allowed.whole
    start, end = (_date("from", first) or whole.start), (_date("to", last) or whole.end)
    if start >= end or (end - start).days > MOST_YEARS * 366:
        raise BadView(f"from, to: expected days in order, at most {MOST_YEARS} years apart, got others")
    if allowed.has_days:
        inside = (max(start, whole.start), min(end, whole.end))
        if inside[0] >= inside[1]:
            inside = (whole.start, whole.end)
    else:
        around = [one for one in allowed.periods if one.start <= start and end <= one.end]
        best = min(around, key=lambda one: one.end - one.start, default=whole)
        inside = (best.start, best.end)
    if inside != (start, end):
        notes.append(("snap_period", f"{inside[0].isoformat()}/{inside[1].isoformat()}"))
    return inside


def _when(
    days: str, hours: str, allowed: Allowed, notes: list[tuple[str, str]]
) -> tuple[tuple[int, ...], tuple[int, int]]:
    if days and (not _DAYS.fullmatch(days) or "".join(sorted(set(days))) != days):
        raise BadView("days: expected numbers of days in order, 1 = Monday, got something else")
    clock = _HOURS.fullmatch(hours) if hours else None
    if hours and (clock is None or clock[1] == clock[2]):
        raise BadView("hours: expected two clock hours as 08-20, got something else")
    chosen = tuple(int(day) - 1 for day in days) or ALL_DAYS
    span = (int(clock[1]), int(clock[2])) if clock else (0, 24)
    if (chosen != ALL_DAYS and not allowed.has_days) or (span != (0, 24) and not allowed.has_hours):
        notes.append(("snap_hours", ""))
    return (chosen if allowed.has_days else ALL_DAYS), (span if allowed.has_hours else (0, 24))


def _fitting(view: View, area: str, allowed: Allowed, notes: list[tuple[str, str]]) -> View:
    """The view with an area of its level, and with a variant and a colour that exist for its days and hours."""
    if area and area not in allowed.areas[view.level]:
        if not any(key == "snap_level" for key, _ in notes):
            raise BadView("area: expected an area of this level, got another")
        area = ""
    is_listed = listed(view, allowed) is not None and view.is_all_hours
    if view.variant not in allowed.variants or (view.variant != "default" and not is_listed):
        notes.append(("snap_variant", ""))
        view = replace(view, variant="default")
    if view.colour not in allowed.colours:
        notes.append(("snap_colour", ""))
        view = replace(view, colour=allowed.colours[0])
    return replace(view, area=area)


def _layers(said: str | None) -> tuple[str, ...]:
    if said is None or said == "":
        return LAYERS
    names = () if said == "none" else tuple(said.split(","))
    if len(set(names)) != len(names) or not set(names) <= set(LAYERS):
        raise BadView(f"layers: expected some of {', '.join(LAYERS)}, or none, got others")
    return tuple(name for name in LAYERS if name in names)


def _date(key: str, said: str) -> date | None:
    if not said:
        return None
    try:
        if len(said) != 10:
            raise ValueError
        return date.fromisoformat(said)
    except ValueError:
        raise BadView(f"{key}: expected a day as 2025-01-31, got something else") from None


def _one_of(key: str, said: str, words: tuple[str, ...]) -> str:
    if said not in words:
        raise BadView(f"{key}: expected one of {', '.join(words)}, got another")
    return said


def _id(key: str, said: str) -> str:
    if said and not _ID.fullmatch(said):
        raise BadView(f"{key}: expected an id, got something else")
    return said
