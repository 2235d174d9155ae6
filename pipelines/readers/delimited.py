"""CSV, CSV.gz and Parquet as text: the wanted columns in one Parquet, with the record number of every row.

Runs inside the child of `sandbox.py`. A clean CSV is read by DuckDB; a file in which the bytes or DuckDB report any
trouble is read by the exact parser of `records.py`, so that each fault costs its own record. Nothing is typed here.
"""

import base64
import binascii
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from geo.errors import FileRejected
from pipelines.engine import named, quoted
from pipelines.readers.bytescan import Scan, scan
from pipelines.readers.header import Header, match, printable, refuse_misread
from pipelines.readers.records import Record, records

ROW = "(row)"
_BATCH = 50_000
_LOOK_FOR_HEADER = 60
_WARNED = {
    "WARN_LINE_ENDS": "Line ends of several kinds, or lone carriage returns; every record was still read.",
    "WARN_BOM": "The file starts with a byte order mark; it was dropped.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a file is written."""

    format: str = "csv"
    encoding: str = "utf-8"
    delimiter: str = ","
    skip_lines: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """The text of a file: `rows` has `source_line` and c0, c1, … in the order of the wanted columns.

    `faults`: (source_line, reason, column, what) of refused records. `notes`: (reason, severity, n, detail). `odd` says
    that a value may hold control, quote-protected or non-ASCII characters.
    """

    rows: Path
    n_records: int
    faults: Path
    notes: tuple[tuple[str, str, int, str], ...]
    sha256: str
    odd: bool


def connect(out: Path, *, reads: Sequence[Path] = (), memory_mb: int = 1200) -> duckdb.DuckDBPyConnection:
    """A DuckDB that may open `reads` and what is beneath `out`, and nothing else; its settings are locked."""
    db = duckdb.connect(":memory:")
    db.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false; SET threads = 2")
    db.execute(f"SET memory_limit = '{memory_mb}MB'; SET temp_directory = {quoted(out / 'spill')}")
    db.execute("SET autoinstall_known_extensions = false; SET autoload_known_extensions = false")
    db.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
    db.execute(f"SET allowed_directories = [{quoted(str(out) + '/')}]")
    db.execute(f"SET allowed_paths = [{', '.join(quoted(path) for path in reads)}]")
    db.execute("SET enable_external_access = false; SET lock_configuration = true")
    return db


def read_text(
    path: Path,
    out: Path,
    *,
    wanted: Sequence[str],
    unused: Sequence[str] = (),
    dialect: Dialect | None = None,
    shown: str = "",
) -> Text:
    """The wanted columns of a file as text, and the records that had to be refused.

    `wanted` are the file's own column names. `source_line` is the 1-based number of the record after the header; blank
    lines are no records. Raises FileRejected for a file that cannot be read as declared (codes in `bad-inputs`).
    """
    dialect = dialect or Dialect()
    shown = shown or path.name
    if dialect.format == "parquet":
        return _read_parquet(path, out, wanted, unused, shown)
    found = scan(path, out, shown=shown, encoding=dialect.encoding)
    header, start, is_simple = _header(found, dialect, wanted, unused, shown)
    notes = _notes(found, header)
    text = None
    if is_simple and not (found.has_nul or found.bad_utf8 or found.mixes_line_ends):
        text = _read_fast(found, out, dialect, header)
    if text is None:
        text = _read_exactly(found, out, dialect, header, start, shown)
    n_records, cut = text
    if cut:
        notes.append(("WARN_TRUNCATED", "warning", 1, "The last record is cut off; the delivery may be incomplete."))
    if found.plain != path:
        found.plain.unlink()
    return Text(
        rows=out / "text.parquet",
        n_records=n_records,
        faults=out / "faults.parquet",
        notes=tuple(notes),
        sha256=found.sha256,
        odd=not found.is_printable_ascii or found.n_quotes > 0,
    )


def _header(
    found: Scan, dialect: Dialect, wanted: Sequence[str], unused: Sequence[str], shown: str
) -> tuple[Header, int, bool]:
    """The header, the physical line it starts on, and whether it is that line alone, with no quotes before it."""
    rows = records(found.plain, delimiter=dialect.delimiter, shown=shown, skip_lines=dialect.skip_lines)
    first = list(islice(rows, _LOOK_FOR_HEADER))
    refuse_misread([(r.line, r.fields) for r in first], delimiter=dialect.delimiter, wanted=wanted, shown=shown)
    head = first[0]
    if head.reason:
        text = f"expected a header, got a line with a fault [{head.reason}]; see line {head.line}."
        raise FileRejected(shown, "FILE_NO_HEADER", text)
    is_simple = head.line == 1 and not any("\n" in name or "\r" in name for name in head.fields)
    return match(head.fields, wanted=wanted, unused=unused, shown=shown), head.line, is_simple


def _notes(found: Scan, header: Header) -> list[tuple[str, str, int, str]]:
    notes: list[tuple[str, str, int, str]] = []
    if found.mixes_line_ends:
        notes.append(("WARN_LINE_ENDS", "info", 1, _WARNED["WARN_LINE_ENDS"]))
    if found.has_bom:
        notes.append(("WARN_BOM", "info", 1, _WARNED["WARN_BOM"]))
    return notes + _column_notes(header)


def _column_notes(header: Header) -> list[tuple[str, str, int, str]]:
    notes = []
    if header.loose:
        text = f"Column names read without regard to case and blanks: {', '.join(header.loose)}."
        notes.append(("WARN_HEADER_NORMALISED", "info", len(header.loose), text))
    if header.unmapped:
        listed = "; ".join(header.unmapped[:20])
        text = f"Columns neither used nor declared unused, ignored and not stored: {listed}."
        notes.append(("WARN_UNMAPPED_COLUMN", "warning", len(header.unmapped), text))
    return notes


def _read_fast(found: Scan, out: Path, dialect: Dialect, header: Header) -> tuple[int, bool] | None:
    """Number of records, or None where DuckDB reports a fault or counts other records than there are lines.

    DuckDB drops an unclosed record at the end of a file without a word, so a file whose cells hold line ends is never
    trusted to it.
    """
    every = ", ".join(f"'f{at}': 'VARCHAR'" for at in range(header.width))
    source = (
        f"read_csv({quoted(found.plain)}, auto_detect = false, header = false, skip = 1, strict_mode = true, "
        f"delim = {quoted(dialect.delimiter)}, quote = '\"', escape = '\"', parallel = false, columns = {{{every}}})"
    )
    chosen = ", ".join(f"f{at} AS c{n}" for n, at in enumerate(header.positions.values()))
    target = out / "text.parquet"
    with connect(out, reads=[found.plain]) as db:
        try:
            db.execute(
                f"COPY (SELECT row_number() OVER () AS source_line, {chosen} FROM {source}) "
                f"TO {quoted(target)} (FORMAT parquet, COMPRESSION snappy)"
            )
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error:
            return None
        n = _count(db, target)
        if n != found.n_lines - 1:
            return None
        empty = "SELECT 0 AS source_line, '' AS reason, '' AS \"column\", '' AS what LIMIT 0"
        db.execute(f"COPY ({empty}) TO {quoted(out / 'faults.parquet')} (FORMAT parquet)")
    return n, False


def _read_exactly(found: Scan, out: Path, dialect: Dialect, header: Header, start: int, shown: str) -> tuple[int, bool]:
    """Number of records, and whether the last one is cut off; good rows and faults are written in batches."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    places = tuple(header.positions.values())
    fields = [pa.field("source_line", pa.int64()), *(pa.field(f"c{n}", pa.string()) for n in range(len(places)))]
    what = [pa.field("source_line", pa.int64()), *(pa.field(n, pa.string()) for n in ("reason", "column", "what"))]
    rows = records(found.plain, delimiter=dialect.delimiter, shown=shown, skip_lines=start - 1)
    n, cut = 0, False
    next(rows)
    with (
        pq.ParquetWriter(out / "text.parquet", pa.schema(fields), compression="snappy") as good_rows,
        pq.ParquetWriter(out / "faults.parquet", pa.schema(what), compression="snappy") as bad_rows,
    ):
        while batch := list(islice(rows, _BATCH)):
            good, bad, cut = _sort_out(batch, n, header.width, places)
            n += len(batch)
            for writer, schema, found_rows in ((good_rows, fields, good), (bad_rows, what, bad)):
                if found_rows:
                    columns = [pa.array(c, f.type) for c, f in zip(zip(*found_rows, strict=True), schema, strict=True)]
                    writer.write_table(pa.Table.from_arrays(columns, schema=pa.schema(schema)))
    return n, cut


def _sort_out(
    batch: Sequence[Record], before: int, width: int, places: Sequence[int]
) -> tuple[list[tuple[Any, ...]], list[tuple[int, str, str, str]], bool]:
    """Good rows, faults, and whether the batch ends in a record that the end of the file cut off."""
    good: list[tuple[Any, ...]] = []
    bad: list[tuple[int, str, str, str]] = []
    for number, record in enumerate(batch, start=before + 1):
        if record.reason:
            bad.append((number, record.reason, ROW, record.about))
        elif len(record.fields) != width:
            about = f"{len(record.fields)} fields, {width} expected, line {record.line}"
            bad.append((number, "ROW_WIDTH", ROW, about))
        else:
            good.append((number, *(record.fields[at] or None for at in places)))
    is_bad = bool(bad) and bad[-1][0] == before + len(batch)
    return good, bad, is_bad and batch[-1].at_end


def _read_parquet(path: Path, out: Path, wanted: Sequence[str], unused: Sequence[str], shown: str) -> Text:
    with connect(out, reads=[path]) as db:
        columns, header = _parquet_header(db, path, wanted, unused, shown)
        names = [columns[at] for at in header.positions.values()]
        chosen = ", ".join(f"nullif({named(name)}, '') AS c{n}" for n, name in enumerate(names))
        target = out / "text.parquet"
        try:
            db.execute(
                f"COPY (SELECT file_row_number + 1 AS source_line, {chosen} "
                f"FROM read_parquet({quoted(path)}, file_row_number = true)) "
                f"TO {quoted(target)} (FORMAT parquet, COMPRESSION snappy)"
            )
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            text = f"its pages cannot be read [{type(error).__name__}]; write the Parquet file again."
            raise FileRejected(shown, "FILE_CORRUPT", text) from None
        empty = "SELECT 0 AS source_line, '' AS reason, '' AS \"column\", '' AS what LIMIT 0"
        db.execute(f"COPY ({empty}) TO {quoted(out / 'faults.parquet')} (FORMAT parquet)")
        n = _count(db, target)
    return Text(
        rows=target,
        n_records=n,
        faults=out / "faults.parquet",
        notes=tuple(_column_notes(header)),
        sha256=_sha256(path),
        odd=True,
    )


def _parquet_header(
    db: duckdb.DuckDBPyConnection, path: Path, wanted: Sequence[str], unused: Sequence[str], shown: str
) -> tuple[list[str], Header]:
    """Column names and the header, once the footer is sound and every wanted column is text."""
    if path.stat().st_size == 0:
        raise FileRejected(shown, "FILE_EMPTY", "expected rows, got [0 bytes]; ask for the file again.")
    with path.open("rb") as handle:
        start = handle.read(4)
        handle.seek(max(0, path.stat().st_size - 4), os.SEEK_SET)
        end = handle.read(4)
    if start != b"PAR1":
        raise FileRejected(shown, "FILE_FORMAT", "expected Parquet, got other bytes; check `format`.")
    if end != b"PAR1":
        raise FileRejected(shown, "FILE_CORRUPT", "its parquet footer is missing: the file is cut off; ask again.")
    try:
        kinds = db.execute(
            f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet({quoted(path)}))"
        ).fetchall()
        extras = db.execute(f"SELECT key, value FROM parquet_kv_metadata({quoted(path)})").fetchall()
    except duckdb.Error as error:
        text = f"its parquet footer cannot be read [{type(error).__name__}]; write the file again."
        raise FileRejected(shown, "FILE_CORRUPT", text) from None
    if any(_holds_code(bytes(value)) for _, value in extras):
        text = "expected plain columns, got a pickled Python type [arrow.py_extension_type]; write plain columns."
        raise FileRejected(shown, "FILE_SCHEMA", text)
    header = match([name for name, _ in kinds], wanted=wanted, unused=unused, shown=shown)
    wrong = [f"{printable(kinds[at][0])} {_arrow_name(kinds[at][1])}" for at in header.positions.values()
             if kinds[at][1] != "VARCHAR"]  # fmt: skip
    if wrong:
        text = f"expected text columns, so that ids and numbers arrive as written, got [{'; '.join(wrong)}]."
        raise FileRejected(shown, "FILE_SCHEMA", text + " Write them as text.")
    return [name for name, _ in kinds], header


def _arrow_name(kind: str) -> str:
    return {"BIGINT": "int64", "INTEGER": "int32"}.get(kind, kind.lower()[:40])


def _holds_code(value: bytes) -> bool:
    with suppress(binascii.Error, ValueError):
        value += base64.b64decode(value, validate=True)
    return b"py_extension_type" in value


def _count(db: duckdb.DuckDBPyConnection, path: Path) -> int:
    found = db.execute(f"SELECT count(*) FROM read_parquet({quoted(path)})").fetchone()
    return int(found[0]) if found else 0


def _sha256(path: Path) -> str:
    import hashlib

    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def refused(path: Path) -> Iterator[tuple[int, str, str, str]]:
    """The faults that `read_text` wrote: (source_line, reason, column, what)."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches():
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
