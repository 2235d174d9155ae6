"""Opening hours written as records: HSDS schedules and the two San Francisco directories, as spans or None."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

Spans = list[tuple[int, int, int]] | None
Records = Sequence[Mapping[str, Any]] | None

DAY_MIN = 1440
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_BYDAY = {"MO": 0, "TU": 1, "WE": 2, "TH": 3, "FR": 4, "SA": 5, "SU": 6}
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?")
_NOT_WEEKLY = ("bymonthday", "byweekno", "byyearday", "bymonth", "bysetpos", "count")


def clock(value: Any, *, closing: bool = False) -> int | None:
    """Minutes after midnight of `HH:MM[:SS]` or of an integer HHMM, or None where it is no time of day.

    24:00 is 1440. A closing at 23:59 means through midnight, as every directory that cannot write 24:00 does it.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        if value != int(value) or value < 0:
            return None
        hour, minute = divmod(int(value), 100)
    else:
        found = _CLOCK.fullmatch(str(value).strip())
        if found is None:
            return None
        hour, minute = int(found[1]), int(found[2])
    if minute > 59 or hour > 24 or (hour == 24 and minute):
        return None
    total = hour * 60 + minute
    return DAY_MIN if closing and total == DAY_MIN - 1 else total


def _span(day: int, opens: Any, closes: Any) -> tuple[int, int, int] | None:
    start, end = clock(opens), clock(closes, closing=True)
    if start is None or end is None or start in (end, DAY_MIN):
        return None
    return (day, start, end)


def _blank(value: Any) -> bool:
    return value is None or value != value or str(value).strip() == ""


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    return "" if _blank(value) else str(value).strip()


def in_force(record: Mapping[str, Any], on: date | None) -> bool:
    """Whether a schedule applies on a date: valid_from ≤ date ≤ valid_to (or until); unread dates apply."""
    if on is None:
        return True
    first = _day(_text(record, "valid_from"))
    last = _day(_text(record, "valid_to") or _text(record, "until"))
    return (first is None or first <= on) and (last is None or on <= last)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


def hsds_3_spans(records: Records, on: date | None = None) -> Spans:
    """Spans of HSDS 3.0 schedules (RFC 5545: freq, byday, opens_at, closes_at); None where any is not weekly.

    Monthly, every-other-week, counted or dated rules are not a standard week, so the whole is unknown.
    """
    rows = [record for record in records or () if in_force(record, on)]
    spans: list[tuple[int, int, int]] = []
    for row in rows:
        days = _rule_days(row)
        if days is None:
            return None
        for day in days:
            span = _span(day, row.get("opens_at"), row.get("closes_at"))
            if span is None:
                return None
            spans.append(span)
    return spans or None


def _rule_days(row: Mapping[str, Any]) -> list[int] | None:
    freq = _text(row, "freq").upper()
    if freq not in ("", "WEEKLY", "DAILY") or _text(row, "interval") not in ("", "1", "1.0"):
        return None
    if any(_text(row, name) for name in _NOT_WEEKLY):
        return None
    byday = [part.strip().upper() for part in _text(row, "byday").replace(";", ",").split(",") if part.strip()]
    if byday:
        days = [_BYDAY.get(part) for part in byday]
        return None if None in days else [day for day in days if day is not None]
    if freq == "DAILY":
        return list(range(7))
    start = _day(_text(row, "dtstart")) if freq == "WEEKLY" else None
    return None if start is None else [start.weekday()]


def hsds_1_spans(records: Records, on: date | None = None) -> Spans:
    """Spans of HSDS 1.x schedules, one row a weekday (its name, or 1-7 with 1 = Monday).

    A day without times is closed when another day has them; without any times, or half of one, it is unknown.
    """
    spans: list[tuple[int, int, int]] = []
    for row in records or ():
        if not in_force(row, on):
            continue
        day = _weekday(_text(row, "weekday"))
        if day is None:
            return None
        if _blank(row.get("opens_at")) and _blank(row.get("closes_at")):
            continue
        span = _span(day, row.get("opens_at"), row.get("closes_at"))
        if span is None:
            return None
        spans.append(span)
    return spans or None


def _weekday(text: str) -> int | None:
    word = text.lower().removesuffix(".0")
    if word in "1234567" and len(word) == 1:
        return int(word) - 1
    fits = [day for day, name in enumerate(WEEKDAYS) if len(word) >= 2 and name.startswith(word)]
    return fits[0] if len(fits) == 1 else None


def linksf_spans(hours: Mapping[str, Any] | None, on: date | None = None) -> Spans:
    """Spans of `{"0".."6": [[HHMM, HHMM]]}` with 0 = Sunday; unlisted days are closed, no day at all is unknown.

    The source writes 24 hours as [0, 2359], or as [0, 1200] on all seven days (midnight to midnight on a 12-hour
    clock). [0, 1200] alone on fewer days may be either, so it is unknown.
    """
    spans: list[tuple[int, int, int]] = []
    days = dict(hours or {})
    halves = [key for key, value in days.items() if value == [[0, 1200]]]
    if halves and len(halves) != 7:
        return None
    if halves:
        return [(day, 0, DAY_MIN) for day in range(7)]
    for key, pairs in days.items():
        if str(key) not in "0123456" or len(str(key)) != 1 or not isinstance(pairs, list):
            return None
        for pair in pairs:
            span = _span((int(key) + 6) % 7, *pair) if isinstance(pair, list) and len(pair) == 2 else None
            if span is None:
                return None
            spans.append(span)
    return spans or None


def sf_guide_spans(records: Records, on: date | None = None) -> Spans:
    """Spans of `{day, opens_at, closes_at}` with integer HHMM; a closing before the opening is after midnight."""
    spans: list[tuple[int, int, int]] = []
    for row in records or ():
        day = _weekday(_text(row, "day"))
        span = None if day is None else _span(day, row.get("opens_at"), row.get("closes_at"))
        if span is None:
            return None
        spans.append(span)
    return spans or None
