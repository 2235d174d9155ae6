"""Local wall time and UTC of one IANA zone, by the table of its transitions: whole columns, never row by row.

A zone's local time is a line cut in pieces: `plain` pieces with one offset, `gap` pieces that no clock ever showed
(spring), and `fold` pieces shown twice (autumn). `transitions` and `pieces` are small tables; `to_utc` and `to_local`
convert NumPy columns, and `sql_of_local` and `sql_of_utc` give the same as SQL over a naive TIMESTAMP column.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geo.errors import InputError

Instants = NDArray[np.datetime64]
Flags = NDArray[np.bool_]
_STEP_S = 12 * 3600
_Row = tuple[int, int, int]


def transitions(zone: str, start: date, end: date) -> pd.DataFrame:
    """The instants in [start, end) at which the zone's offset changes: `at` (UTC), `offset_before_s`, `offset_after_s`.

    Offsets are seconds east of UTC. `start` and `end` are UTC dates. A zone that never changes gives no row.

    Raises:
        InputError: for a name that is no IANA zone.
    """
    rows = _transitions(zone, start, end)
    return pd.DataFrame(
        {
            "at": pd.to_datetime([row[0] for row in rows], unit="s", utc=True),
            "offset_before_s": np.array([row[1] for row in rows], dtype=np.int64),
            "offset_after_s": np.array([row[2] for row in rows], dtype=np.int64),
        }
    )


def pieces(zone: str, start: date, end: date) -> pd.DataFrame:
    """The pieces of local time in time order: `local_from` (naive), `kind`, `offset_s`, `offset_later_s`.

    A piece runs to the next one's `local_from`; the first has no beginning (NaT). `offset_s` is null in a gap;
    in a fold it is the offset of the first pass, `offset_later_s` that of the second.
    """
    rows = _pieces(zone, start, end)
    return pd.DataFrame(
        {
            "local_from": np.array([row[0] if row[0] is not None else "NaT" for row in rows], "datetime64[s]"),
            "kind": [row[1] for row in rows],
            "offset_s": pd.array([row[2] for row in rows], dtype="Int64"),
            "offset_later_s": pd.array([row[3] for row in rows], dtype="Int64"),
        }
    )


def to_utc(local: Instants, *, zone: str, ambiguous: str = "first") -> tuple[Instants, Flags, Flags]:
    """UTC of naive local times, and which of them lie in a gap (NaT there) and which in a fold.

    `local`: datetime64, any unit; NaT stays NaT. utc = local − offset. `ambiguous`: `first` or `second` pass.
    """
    at = np.asarray(local).astype("datetime64[us]")
    utc = np.full(at.shape, np.datetime64("NaT"), dtype="datetime64[us]")
    gap, fold = np.zeros(at.shape, dtype=np.bool_), np.zeros(at.shape, dtype=np.bool_)
    known = ~np.isnat(at)
    if not known.any():
        return utc, gap, fold
    rows = _pieces(zone, *_around(at[known]))
    starts = np.array([row[0] for row in rows[1:]], dtype="datetime64[s]").astype("datetime64[us]")
    found = np.searchsorted(starts, at, side="right")
    gap = known & np.array([row[1] == "gap" for row in rows])[found]
    fold = known & np.array([row[1] == "fold" for row in rows])[found]
    column = 2 if ambiguous == "first" else 3
    offsets = np.array([row[column] or 0 for row in rows], dtype="timedelta64[s]")[found]
    fits = known & ~gap
    utc[fits] = at[fits] - offsets[fits]
    return utc, gap, fold


def to_local(utc: Instants, *, zone: str) -> Instants:
    """Naive local time of UTC instants (datetime64, any unit); NaT stays NaT. local = utc + offset."""
    at = np.asarray(utc).astype("datetime64[us]")
    known = ~np.isnat(at)
    if not known.any():
        return at
    start, end = _around(at[known])
    rows = _transitions(zone, start, end)
    starts = np.array([row[0] for row in rows], dtype="datetime64[s]").astype("datetime64[us]")
    offsets = np.array(_offsets(rows, zone, start), dtype="timedelta64[s]")
    return np.asarray(at + offsets[np.searchsorted(starts, at, side="right")])


def sql_of_local(column: str, *, zone: str, start: date, end: date, ambiguous: str = "first") -> tuple[str, str, str]:
    """SQL for the UTC (naive TIMESTAMP) of a local column, for whether it is in a gap, and in a fold.

    `column` is SQL that this project wrote, never text of a file. Valid for local times in [start, end).
    """
    rows = _pieces(zone, start - timedelta(days=2), end + timedelta(days=2))
    starts = [row[0] for row in rows[1:] if row[0] is not None]
    offsets = [row[2] if ambiguous == "first" else row[3] for row in rows]
    offset = _tree(column, starts, lambda i: _null_or(offsets[i]))
    gap = _tree(column, starts, lambda i: str(rows[i][1] == "gap"))
    fold = _tree(column, starts, lambda i: str(rows[i][1] == "fold"))
    return f"({column} - to_seconds({offset}))", gap, fold


def sql_of_utc(column: str, *, zone: str, start: date, end: date) -> str:
    """SQL for the local time (naive TIMESTAMP) of a UTC column held as naive TIMESTAMP, valid in [start, end)."""
    first, last = start - timedelta(days=2), end + timedelta(days=2)
    rows = _transitions(zone, first, last)
    offsets = _offsets(rows, zone, first)
    offset = _tree(column, [row[0] for row in rows], lambda i: str(offsets[i]))
    return f"({column} + to_seconds({offset}))"


def _tree(column: str, starts: Sequence[int], leaf: Callable[[int], str], first: int = 0) -> str:
    """A balanced CASE: leaf(i) for the piece whose start is the last one at or before the column."""
    if len({leaf(first + i) for i in range(len(starts) + 1)}) == 1:
        return leaf(first)
    middle = len(starts) // 2
    cut = datetime.fromtimestamp(starts[middle], UTC).strftime("%Y-%m-%d %H:%M:%S")
    left = _tree(column, starts[:middle], leaf, first)
    right = _tree(column, starts[middle + 1 :], leaf, first + middle + 1)
    return f"CASE WHEN {column} < TIMESTAMP '{cut}' THEN {left} ELSE {right} END"


def _null_or(value: int | None) -> str:
    return "NULL" if value is None else str(value)


@lru_cache(maxsize=64)
def _transitions(zone: str, start: date, end: date) -> tuple[_Row, ...]:
    """(second of UTC, offset before, offset after), found by halving every half day whose ends differ."""
    rows: list[_Row] = []
    low, last = _second(start), _second(end)
    before = _offset(zone, low)
    while low < last:
        high = min(low + _STEP_S, last)
        after = _offset(zone, high)
        if after != before:
            left, right = low, high
            while right - left > 1:
                middle = (left + right) // 2
                left, right = (middle, right) if _offset(zone, middle) == before else (left, middle)
            rows.append((right, before, after))
        low, before = high, after
    return tuple(rows)


@lru_cache(maxsize=64)
def _pieces(zone: str, start: date, end: date) -> tuple[tuple[int | None, str, int | None, int | None], ...]:
    """(second of local time, kind, offset, later offset); the first piece begins at None."""
    rows = _transitions(zone, start, end)
    first = _offsets(rows, zone, start)[0]
    out: list[tuple[int | None, str, int | None, int | None]] = [(None, "plain", first, first)]
    for at, before, after in rows:
        if after > before:
            out += [(at + before, "gap", None, None), (at + after, "plain", after, after)]
        else:
            out += [(at + after, "fold", before, after), (at + before, "plain", after, after)]
    return tuple(out)


def _offsets(rows: Sequence[_Row], zone: str, start: date) -> list[int]:
    return [rows[0][1] if rows else _offset(zone, _second(start)), *(row[2] for row in rows)]


def _offset(zone: str, second: int) -> int:
    offset = datetime.fromtimestamp(second, _zone(zone)).utcoffset()
    return 0 if offset is None else round(offset.total_seconds())


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(f"Expected an IANA zone such as America/Chicago, got [{name}]; correct the name.") from error


def _second(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _around(at: Instants) -> tuple[date, date]:
    """Whole years around the values, so that the tables are found once."""
    low, high = (int(value.astype("datetime64[Y]").astype(np.int64)) + 1970 for value in (at.min(), at.max()))
    return date(max(low - 1, 1900), 1, 1), date(min(high + 2, 2200), 1, 1)
