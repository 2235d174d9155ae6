"""Small tables – census counts, service lists – as text, read in the confined child."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geo.errors import FileRejected
from pipelines.readers.records import records
from pipelines.readers.sandbox import run_confined

MAX_ROWS = 2_000_000
WALL_S = 120.0
MEMORY_MB = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A table of text: names, (1-based record number, values), and (record number, reason, about) of refused rows."""

    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    refused: tuple[tuple[int, str, str], ...] = ()

    def column(self, name: str) -> int:
        """The position of a column."""
        return self.header.index(name)


def read_table(
    path: str | Path,
    *,
    format: str = "csv",
    columns: Sequence[str] | None = None,
    encoding: str = "utf-8",
    delimiter: str = ",",
    skip_lines: int = 0,
) -> Text:
    """The table of a supplier's file, values as text, `columns` only where given; read in a confined child.

    Raises:
        FileRejected: FILE_MISSING, FILE_EMPTY, FILE_ENCODING, FILE_DUPLICATE_COLUMN, FILE_MISSING_COLUMN, and those of
            the record reader and the child.
    """
    path = Path(path).resolve()
    if not path.is_file():
        raise FileRejected(path.name, "FILE_MISSING", "expected a file, got none; check the path in the city's TOML")
    kwargs = {
        "path": str(path),
        "format": format,
        "columns": None if columns is None else list(columns),
        "encoding": encoding,
        "delimiter": delimiter,
        "skip_lines": skip_lines,
    }
    with tempfile.TemporaryDirectory(prefix="unmet-") as folder:
        plain = run_confined(
            "pipelines.readers.table:read_plain", kwargs, path=path, out=folder, wall_s=WALL_S, memory_mb=MEMORY_MB
        ).value
    return Text(
        header=tuple(plain["header"]),
        rows=tuple((line, tuple(values)) for line, values in plain["rows"]),
        refused=tuple((line, reason, about) for line, reason, about in plain["refused"]),
    )


def read_plain(
    path: str, format: str, columns: list[str] | None, encoding: str, delimiter: str, skip_lines: int
) -> dict[str, Any]:
    """The table as JSON values; the function that runs in the child."""
    if format == "parquet":
        header, rows, refused = _parquet(Path(path))
    else:
        header, rows, refused = csv_rows(Path(path), encoding=encoding, delimiter=delimiter, skip_lines=skip_lines)
    if columns is not None:
        at = [position(header, name, Path(path).name) for name in columns]
        header, rows = columns, [(line, [values[i] for i in at]) for line, values in rows]
    return {"header": header, "rows": rows, "refused": refused}


def position(header: Sequence[str], name: str, path: str) -> int:
    """Where a column stands.

    Raises:
        FileRejected: FILE_MISSING_COLUMN with the nearest names.
    """
    from pipelines.findings import near

    if name not in header:
        raise FileRejected(path, "FILE_MISSING_COLUMN", f"expected a column [{name}]{near(name, header)}")
    return list(header).index(name)


Rows = list[tuple[int, list[str]]]
Refused = list[tuple[int, str, str]]


def csv_rows(
    path: Path, *, encoding: str = "utf-8", delimiter: str = ",", skip_lines: int = 0
) -> tuple[list[str], Rows, Refused]:
    """Header, rows and refused rows of a delimited file; rows of another width than the header are refused."""
    shown = path.name
    recoded = _as_utf8(path, encoding)
    header: list[str] | None = None
    rows: Rows = []
    refused: Refused = []
    number = 0
    for record in records(recoded, delimiter=delimiter, shown=shown, skip_lines=skip_lines):
        if header is None:
            header = _header(record.fields, record.reason, shown)
            continue
        number += 1
        if number > MAX_ROWS:
            raise FileRejected(shown, "FILE_TOO_LARGE", f"expected at most {MAX_ROWS} rows")
        if record.reason:
            refused.append((number, record.reason, record.about))
        elif len(record.fields) != len(header):
            refused.append((number, "ROW_WIDTH", f"{len(record.fields)} fields, expected {len(header)}"))
        else:
            rows.append((number, record.fields))
    if header is None:
        raise FileRejected(shown, "FILE_EMPTY", "expected a header and rows, got nothing")
    return header, rows, refused


def _header(fields: list[str], reason: str, path: str) -> list[str]:
    if reason:
        raise FileRejected(path, "FILE_NO_HEADER", f"the first line cannot be read [{reason}]; save the file as UTF-8")
    names = [name.strip() for name in fields]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise FileRejected(path, "FILE_DUPLICATE_COLUMN", f"column named twice [{', '.join(twice)[:80]}]; keep one")
    return names


def _as_utf8(path: Path, encoding: str) -> Path:
    """The file itself where it is UTF-8, else a copy recoded in the child's own folder."""
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig"):
        return path
    try:
        text = path.read_bytes().decode(encoding)
    except UnicodeDecodeError as error:
        message = f"expected {encoding}, got another byte at offset [{error.start}]"
        raise FileRejected(path.name, "FILE_ENCODING", message) from None
    handle, name = tempfile.mkstemp(dir=os.environ.get("TMPDIR"))
    with os.fdopen(handle, "wb") as stream:
        stream.write(text.encode())
    return Path(name)


def _parquet(path: Path) -> tuple[list[str], Rows, Refused]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError):
        raise FileRejected(path.name, "FILE_CORRUPT", "the Parquet file is damaged; copy it again") from None
    columns = [[("" if value is None else str(value)) for value in column.to_pylist()] for column in table.columns]
    return list(table.column_names), [(n, list(row)) for n, row in enumerate(zip(*columns), start=1)], []
