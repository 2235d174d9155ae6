"""Opening and intake hours of every notation as the 672 quarter-hours of the week; unknown stays unknown.

A week starts Monday 00:00 local wall time. Each notation has a reader that returns *spans* — (day 0-6, opening
minute, closing minute) — or None where any part was not read. A span that closes at or before it opens runs past
midnight; Sunday runs into Monday. Nothing is guessed: hours that are seasonal, monthly or half-read are unknown.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo.errors import InputError
from geo.hours_records import Spans, hsds_1_spans, hsds_3_spans, linksf_spans, sf_guide_spans
from geo.hours_text import text_spans

DAY = 1440
WEEK = 7 * DAY
QUARTERS = 672
N_BYTES = QUARTERS // 8

Mask = NDArray[np.bool_]
Hours = str | Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


def week_slots(hours: Hours, *, notation: str, on: date | None = None, week_of: date | None = None) -> Mask | None:
    """Which of the 672 quarter-hours of the week are open, shape (672,), or None where the hours are unknown.

    A quarter-hour counts as open when it is open for all of its 15 minutes, so that hours never grow by rounding.

    Args:
        hours: text or records, as the notation writes them.
        notation: one of `NOTATIONS`.
        on: records whose validity excludes this date are left out.
        week_of: OSM only – the week that holds this date, instead of a week that must be like every other.

    Raises:
        InputError: the notation is not one of `NOTATIONS`.

    >>> int(week_slots("Mo-Fr 09:00-17:00", notation="osm").sum())
    160
    >>> week_slots("M-F 9 to 5ish", notation="text") is None
    True
    """
    minutes = week_minutes(hours, notation=notation, on=on, week_of=week_of)
    if minutes is None:
        return None
    return np.asarray(minutes.reshape(QUARTERS, 15).all(axis=1))


def week_minutes(hours: Hours, *, notation: str, on: date | None = None, week_of: date | None = None) -> Mask | None:
    """Which of the 10,080 minutes of the week are open, shape (10080,), or None where the hours are unknown.

    Arguments and errors as `week_slots`.
    """
    if notation not in NOTATIONS:
        raise InputError(f"notation: expected one of {tuple(NOTATIONS)}, got [{notation}]")
    if notation == "osm":
        return _osm_minutes(hours, week_of=week_of) if isinstance(hours, str) else None
    spans = NOTATIONS[notation](hours, on)
    return None if spans is None else minutes_of(spans)


def minutes_of(spans: Sequence[tuple[int, int, int]]) -> Mask:
    """The minutes of the week that the spans (day, opening minute, closing minute) cover, shape (10080,)."""
    minutes = np.zeros(WEEK, dtype=np.bool_)
    for day, opens, closes in spans:
        start = day * DAY + opens
        end = day * DAY + (closes if closes > opens else closes + DAY)
        minutes[np.arange(start, end) % WEEK] = True
    return minutes


def hour_overlap(minutes: Mask) -> NDArray[np.float64]:
    """Share of each of the 168 hours of the week that is open, o(h) = minutes open ÷ 60, shape (168,).

    Overlap, not a sample at half past: Mo-Fr 08:30-17:00 is 42.5 hours, not 45.

    Args:
        minutes: from `week_minutes`, shape (10080,); or a mask of quarter-hours, shape (672,).
    """
    if minutes.shape not in ((WEEK,), (QUARTERS,)):
        raise InputError(f"minutes: expected shape ({WEEK},) or ({QUARTERS},), got [{minutes.shape}]")
    return np.asarray(minutes.reshape(168, -1).mean(axis=1), dtype=np.float64)


def pack(mask: Mask) -> bytes:
    """The mask of 672 quarter-hours as 84 bytes, most significant bit first.

    >>> pack(np.ones(672, dtype=bool)) == b"\\xff" * 84
    True
    """
    if mask.shape != (QUARTERS,) or mask.dtype != np.bool_:
        raise InputError(f"mask: expected {QUARTERS} booleans, got [{mask.dtype} {mask.shape}]")
    return np.packbits(mask).tobytes()


def unpack(packed: bytes) -> Mask:
    """The mask of 672 quarter-hours that `pack` wrote, shape (672,)."""
    if len(packed) != N_BYTES:
        raise InputError(f"packed: expected {N_BYTES} bytes, got [{len(packed)}]")
    return np.unpackbits(np.frombuffer(packed, dtype=np.uint8)).astype(np.bool_)


def _osm_minutes(text: str, *, week_of: date | None) -> Mask | None:
    """OpenStreetMap grammar; None where it is refused, says `unknown`, or differs from week to week.

    Comments ("by appointment") do not close a span; whether care is by appointment is the matching's question.
    Holidays stand outside the standard week.
    """
    from opening_hours import OpeningHours, validate

    if not validate(text):
        return None
    parsed = OpeningHours(text)
    if week_of is not None:
        return _osm_week(parsed, week_of - timedelta(days=week_of.weekday()))
    first = _osm_week(parsed, _REFERENCE)
    for week in range(1, 53):
        if first is None:
            return None
        other = _osm_week(parsed, _REFERENCE + timedelta(weeks=week))
        if other is None or not np.array_equal(first, other):
            return None
    return first


_REFERENCE = date(2025, 12, 29)


def _osm_week(parsed: Any, monday: date) -> Mask | None:
    start = datetime(monday.year, monday.month, monday.day)
    minutes = np.zeros(WEEK, dtype=np.bool_)
    for opens, closes, state, _ in parsed.intervals(start, start + timedelta(days=7)):
        if str(state) == "unknown":
            return None
        if str(state) == "open":
            last = WEEK if closes is None else round((closes - start).total_seconds() / 60)
            minutes[round((opens - start).total_seconds() / 60) : last] = True
    return minutes


def _never(hours: Any, on: date | None) -> Spans:
    return None


NOTATIONS: dict[str, Callable[[Any, date | None], Spans]] = {
    "osm": _never,
    "text": lambda hours, on: text_spans(hours) if isinstance(hours, str) else None,
    "hsds_3": hsds_3_spans,
    "hsds_1": hsds_1_spans,
    "linksf": linksf_spans,
    "sf_service_guide": sf_guide_spans,
}
