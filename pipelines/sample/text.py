"""Arrow columns of text: stamps in an agency's format, words by number, and files written piece by piece."""

import gzip
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.sample.frame import DAY, N_DAYS, WINDOW_START, Ints


@lru_cache(maxsize=4)
def _days(style: str) -> pa.Array:
    days = WINDOW_START.astype("datetime64[D]") + np.arange(N_DAYS + 3)
    parts = [str(day).split("-") for day in days]
    return pa.array([f"{m}/{d}/{y}" if style == "us" else f"{y}-{m}-{d}" for y, m, d in parts])


@lru_cache(maxsize=4)
def _clock(style: str) -> pa.Array:
    out = []
    for second in range(DAY):
        hour, minute, rest = second // 3600, second // 60 % 60, second % 60
        if style == "us":
            half = "AM" if hour < 12 else "PM"
            out.append(f"{(hour - 1) % 12 + 1:02d}:{minute:02d}:{rest:02d} {half}")
        else:
            out.append(f"{hour:02d}:{minute:02d}:{rest:02d}")
    return pa.array(out)


def stamps(local: Ints, style: str) -> pa.Array:
    """Wall times as text (`us`: 01/02/2023 03:04:05 PM, `iso`: 2023-01-02 15:04:05); negative is null."""
    known = np.maximum(local, 0)
    days = _days(style).take(pa.array(known // DAY))
    clock = _clock(style).take(pa.array(known % DAY))
    text = pc.binary_join_element_wise(days, clock, " ")
    return pc.if_else(pa.array(local >= 0), text, pa.scalar(None, pa.string()))


def words(numbers: Ints, names: Sequence[str | None]) -> pa.Array:
    """Text by number; a negative number is null."""
    index = pa.array(numbers, mask=numbers < 0)
    return pa.array(list(names), pa.string()).take(index)


def padded(prefix: pa.Array, numbers: Ints, width: int) -> pa.Array:
    """A prefix followed by a number with leading zeros."""
    digits = pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), width, "0")
    return pc.binary_join_element_wise(prefix, digits, "")


def replaced(column: pa.Array, where: NDArray[np.bool_], values: Sequence[str | None]) -> pa.Array:
    """The column with the values put in, in order, where the mask holds."""
    if not where.any():
        return column
    return pc.replace_with_mask(column, pa.array(where), pa.array(list(values), pa.string()))


def _quoted(column: pa.Array) -> pa.Array:
    """The column with quotes around what holds a comma, a quote or a line end."""
    odd = pc.match_substring_regex(column, '[,"\\r\\n]')
    if not pc.any(odd).as_py():
        return column
    doubled = pc.replace_substring(column, '"', '""')
    return pc.if_else(odd, pc.binary_join_element_wise('"', doubled, '"', ""), column)


class TableFile:
    """A CSV that grows by Arrow tables; `.gz` by its name, same bytes for the same rows whenever it is written."""

    def __init__(self, path: Path, columns: Sequence[str], *, has_bom: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._raw: IO[bytes] = path.open("wb")
        self._out: IO[bytes] | gzip.GzipFile = self._raw
        if path.suffix == ".gz":
            self._out = gzip.GzipFile(filename="", mode="wb", fileobj=self._raw, mtime=0, compresslevel=6)
        self.columns = tuple(columns)
        self.n_rows = 0
        self._out.write((b"\xef\xbb\xbf" if has_bom else b"") + ",".join(self.columns).encode() + b"\n")

    def write(self, columns: dict[str, pa.Array]) -> None:
        """Appends rows; columns in the order of the header."""
        table = [_quoted(pc.cast(columns[name], pa.string())) for name in self.columns]
        table[-1] = pc.binary_join_element_wise(pc.fill_null(table[-1], ""), "\n", "")
        lines = pc.binary_join_element_wise(*table, ",", null_handling="replace", null_replacement="")
        if len(lines):
            ends = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset : lines.offset + len(lines) + 1]
            self._out.write(memoryview(lines.buffers()[2])[ends[0] : ends[-1]])
        self.n_rows += len(lines)

    def close(self) -> None:
        """Ends the file."""
        if self._out is not self._raw:
            self._out.close()
        self._raw.close()
