"""What a source file holds, measured without keeping a row: the functions that run in the confined child.

Answers are plain JSON values: shares, counts, times and an agency's short code words; never an address, a point or
an id of a call.
"""

import csv
import gzip
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from geo.errors import FileRejected
from pipelines.engine import connect, named, quoted, scan
from pipelines.readers.delimited import Dialect, read_text
from pipelines.readers.header import fold

TOP = 12
AREAS = 200_000
LONGEST_WORD = 40
_HEADER_BYTES = 1 << 20


def profile_table(
    path: str,
    out: str,
    *,
    format: str,
    encoding: str,
    delimiter: str,
    skip_lines: int,
    columns: Mapping[str, Sequence[str]],
    times: Mapping[str, str | None],
    words: Sequence[str],
    key: str | None,
    type_column: str | None,
    box: Sequence[float] | None,
    crs: str | None,
    windows: Sequence[Sequence[str]],
    listed: str | None = None,
) -> dict[str, Any]:
    """Header, rows, and per mapped column its blanks; times, types, words, repeated keys and the share in the box.

    `columns`: our name → the file's columns. Columns that the file lacks are left out of the measures; the caller
    names them. `times`: our name → strptime format, None where the file is typed. `windows`: [start, end) dates.
    `listed`: a column whose distinct values come back (ids of areas, which are public).

    Raises:
        FileRejected: as the run itself would refuse the file.
    """
    file, folder = Path(path), Path(out)
    dialect = Dialect(format=format, encoding=encoding, delimiter=delimiter, skip_lines=skip_lines)
    header = read_header(file, dialect)
    known = {fold(name) for name in header}
    have = {ours: theirs for ours, theirs in columns.items() if {fold(name) for name in theirs} <= known}
    wanted = list(dict.fromkeys(name for theirs in have.values() for name in theirs))
    if not wanted:
        wanted = list(dict.fromkeys(name for theirs in columns.values() for name in theirs))
    text = read_text(file, folder, wanted=wanted, unused=header, dialect=dialect)
    rows = text.n_records
    answer: dict[str, Any] = {"header": header, "rows": rows}
    db = connect(folder)
    db.execute(f"CREATE TEMP VIEW mapped AS SELECT {_select(have, wanted)} FROM {scan(text.rows)}")
    (answer["refused"],) = _row(db, f"SELECT count(DISTINCT source_line) FROM {scan(text.faults)}")
    answer["blank"] = {ours: _blank(db, ours, rows) for ours in have}
    answer["times"] = {ours: _times(db, ours, fmt) for ours, fmt in times.items() if ours in have}
    answer["words"] = {ours: _words(db, ours) for ours in words if ours in have}
    if key in have:
        (distinct,) = _row(db, f"SELECT count(DISTINCT {named(key)}) FROM mapped")
        (filled,) = _row(db, f"SELECT count({named(key)}) FROM mapped")
        answer["repeated"] = filled - distinct
    if type_column in have:
        (answer["n_types"],) = _row(db, f"SELECT count(DISTINCT {named(type_column)}) FROM mapped")
    if box and crs and {"x", "y"} <= set(have):
        answer["inside"] = _inside(db, box, crs)
    if listed in have:
        found = db.execute(
            f"SELECT DISTINCT {named(listed)} FROM mapped WHERE {named(listed)} IS NOT NULL LIMIT {AREAS}"
        )
        answer["listed"] = [str(value) for (value,) in found.fetchall()]
    main = next(iter(times), None)
    if windows and main in have:
        answer["days"] = _days(db, main, times[main], windows)
    return answer


def profile_json(path: str) -> dict[str, Any]:
    """Number of records and their keys, of a JSON list (plain or .gz).

    Raises:
        FileRejected: FILE_NOT_JSON and its kin, FILE_FORMAT for another shape.
    """
    from pipelines.readers.strict_json import parse_json

    document = parse_json(_bytes(Path(path), 512 << 20), path=Path(path).name)
    if not isinstance(document, list) or not all(isinstance(item, dict) for item in document):
        raise FileRejected(Path(path).name, "FILE_FORMAT", "expected a list of records, got another shape")
    keys = dict.fromkeys(key for item in document for key in item)
    return {"header": list(keys), "rows": len(document)}


def profile_package(path: str) -> dict[str, Any]:
    """Rows of each CSV of a directory package, and references that lead nowhere, by `table.column`."""
    tables = {file.stem: _records(file) for file in sorted(Path(path).glob("*.csv"))}
    ids = {name: {row.get("id", "") for row in rows} for name, rows in tables.items()}
    dangling: dict[str, int] = {}
    for name, rows in tables.items():
        for column in rows[0] if rows else ():
            target = _target(column, ids)
            if target is None or target == name:
                continue
            n = sum(1 for row in rows if row[column] and row[column] not in ids[target])
            if n:
                dangling[f"{name}.{column}"] = n
    return {"tables": {name: len(rows) for name, rows in tables.items()}, "dangling": dangling}


def _target(column: str, ids: Mapping[str, set[str]]) -> str | None:
    """The table that a column `x_id` refers to, under any of the plurals the packages use."""
    if not column.endswith("_id"):
        return None
    stem = column.removesuffix("_id")
    plurals = (stem, f"{stem}s", f"{stem}es", stem[:-1] + "ies" if stem.endswith("y") else stem)
    return next((name for name in plurals if name in ids), None)


def _records(file: Path) -> list[dict[str, str]]:
    text = _decoded(file.read_bytes(), "utf-8-sig", file.name)
    reader = csv.DictReader(io.StringIO(text, newline=""))
    return [{str(k).strip(): (v or "").strip() for k, v in row.items() if isinstance(v, str)} for row in reader]


def read_header(path: Path, dialect: Dialect) -> list[str]:
    """The file's column names as written.

    Raises:
        FileRejected: FILE_NO_HEADER, FILE_ENCODING, FILE_ARCHIVE, FILE_CORRUPT.
    """
    if dialect.format == "parquet":
        return _parquet_names(path)
    text = _decoded(_bytes(path, _HEADER_BYTES, whole=False), dialect.encoding, path.name, whole=False)
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=dialect.delimiter)
    try:
        for _ in range(dialect.skip_lines):
            next(rows, None)
        header = next((row for row in rows if any(name.strip() for name in row)), [])
    except csv.Error as error:
        raise FileRejected(path.name, "FILE_NO_HEADER", f"its first line cannot be read [{error}]") from None
    if not header:
        raise FileRejected(path.name, "FILE_NO_HEADER", "expected column names, got no line; is skip_lines right?")
    return header


def _parquet_names(path: Path) -> list[str]:
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    try:
        return [str(name) for name in pq.read_schema(path).names]
    except (ArrowException, OSError):
        raise FileRejected(path.name, "FILE_CORRUPT", "its parquet footer cannot be read; ask for it again") from None


def _bytes(path: Path, limit: int, *, whole: bool = True) -> bytes:
    if path.suffix == ".gz":
        from pipelines.readers.archive import gunzip

        if whole:
            return gunzip(path, limit=limit)
        try:
            with gzip.open(path) as stream:
                return stream.read(limit)
        except (OSError, EOFError):
            raise FileRejected(path.name, "FILE_ARCHIVE", "not a gzip file, or truncated; copy it again") from None
    with path.open("rb") as plain:
        return plain.read(limit)


def _decoded(data: bytes, encoding: str, name: str, *, whole: bool = True) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        if not whole and error.start >= len(data) - 4:
            return data[: error.start].decode(encoding)
        message = f"expected {encoding}, got another byte at offset [{error.start}]; set encoding or convert the file"
        raise FileRejected(name, "FILE_ENCODING", message) from None


def _select(columns: Mapping[str, Sequence[str]], wanted: Sequence[str]) -> str:
    """Our columns over c0, c1, …: trimmed, blank as null, several joined by one space."""
    parts = []
    for ours, theirs in columns.items():
        texts = [f"nullif(trim(c{wanted.index(name)}), '')" for name in theirs]
        joined = texts[0] if len(texts) == 1 else f"nullif(concat_ws(' ', {', '.join(texts)}), '')"
        parts.append(f"{joined} AS {named(ours)}")
    return ", ".join(parts)


def _row(db: Any, query: str) -> tuple[Any, ...]:
    found: tuple[Any, ...] = db.execute(query).fetchone()
    return found


def _blank(db: Any, ours: str, rows: int) -> float:
    (n,) = _row(db, f"SELECT count(*) - count({named(ours)}) FROM mapped")
    return float(n / rows) if rows else 0.0


def _time(ours: str, fmt: str | None) -> str:
    if fmt is None:
        return f"try_cast({named(ours)} AS TIMESTAMP)"
    return f"try_strptime({named(ours)}, {quoted(fmt)})::TIMESTAMP"


def _times(db: Any, ours: str, fmt: str | None) -> dict[str, Any]:
    seen = f"SELECT {_time(ours, fmt)} AS t, {named(ours)} AS v FROM mapped"
    first, last, read, filled = _row(db, f"SELECT min(t), max(t), count(t), count(v) FROM ({seen})")
    return {
        "first": None if first is None else first.isoformat(" "),
        "last": None if last is None else last.isoformat(" "),
        "unread": int(filled - read),
        "unread_share": (filled - read) / filled if filled else 0.0,
    }


def _words(db: Any, ours: str) -> list[list[Any]]:
    """The commonest values; a long or rare text is no code word and is not shown."""
    rows = db.execute(
        f"SELECT {named(ours)}, count(*) AS n FROM mapped WHERE {named(ours)} IS NOT NULL AND "
        f"length({named(ours)}) <= {LONGEST_WORD} GROUP BY 1 ORDER BY n DESC, 1 LIMIT {TOP}"
    ).fetchall()
    return [[str(word), int(n)] for word, n in rows]


def _inside(db: Any, box: Sequence[float], crs: str) -> dict[str, Any]:
    """Rows with a point, and the share of them inside the box; 0, 0 counts as no point."""
    import numpy as np
    from pyproj import Transformer

    points = db.execute(
        "SELECT x, y, count(*) AS n FROM (SELECT try_cast(x AS DOUBLE) AS x, try_cast(y AS DOUBLE) AS y FROM mapped) "
        "WHERE isfinite(x) AND isfinite(y) AND NOT (x = 0 AND y = 0) GROUP BY ALL"
    ).fetchnumpy()
    x, y, n = (np.asarray(points[name], dtype=np.float64) for name in ("x", "y", "n"))
    lon, lat = (x, y) if crs == "EPSG:4326" else Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    inside = (lon >= box[0]) & (lon <= box[2]) & (lat >= box[1]) & (lat <= box[3])
    total = float(n.sum())
    return {"located": int(total), "share": float(n[inside].sum() / total) if total else 0.0, "points": len(n)}


def _days(db: Any, ours: str, fmt: str | None, windows: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Rows outside the windows, and days inside them with no row or under a tenth of the median day."""
    days = ", ".join(f"(DATE {quoted(a)}, DATE {quoted(b)})" for a, b in windows)
    db.execute(f"""
        CREATE TEMP TABLE per_day AS
        WITH spans(a, b) AS (VALUES {days}),
             all_days AS (SELECT unnest(range(a, b, INTERVAL 1 DAY))::DATE AS day FROM spans),
             seen AS (SELECT ({_time(ours, fmt)})::DATE AS day, count(*) AS n FROM mapped GROUP BY 1)
        SELECT coalesce(d.day, s.day) AS day, d.day IS NOT NULL AS is_inside, coalesce(s.n, 0) AS n
        FROM all_days d FULL JOIN seen s ON d.day = s.day
        """)
    (outside,) = _row(db, "SELECT coalesce(sum(n), 0) FROM per_day WHERE NOT is_inside AND day IS NOT NULL")
    (median,) = _row(db, "SELECT median(n) FROM per_day WHERE is_inside")
    thin = db.execute(
        f"SELECT day FROM per_day WHERE is_inside AND n < {float(median or 0) / 10} ORDER BY 1"
    ).fetchall()
    empty = db.execute("SELECT day FROM per_day WHERE is_inside AND n = 0 ORDER BY 1").fetchall()
    return {
        "outside": int(outside),
        "empty": [str(day) for (day,) in empty][:TOP],
        "n_empty": len(empty),
        "n_thin": len(thin),
        "thin": [str(day) for (day,) in thin][:TOP],
    }
