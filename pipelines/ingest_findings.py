"""What ingest says about a source: refused rows by reason, findings for the quality table, and when all is refused."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from geo.errors import FileRejected
from pipelines.engine import quoted
from pipelines.ingest_points import piled_up
from pipelines.ingest_recipe import SENSITIVE_COLUMNS, Recipe
from pipelines.ingest_sql import SHAPES, Fault
from pipelines.ingest_words import Unmapped

Finding = tuple[str, str, int, float | None, str, str | None]
NOT_BAD = "OUTSIDE_WINDOW"
_MEANING = {
    "ROW_WIDTH": "more or fewer fields than the header",
    "ROW_ENCODING": "bytes that are no text in the declared encoding",
    "ROW_CONTROL_CHAR": "a NUL byte inside a field",
    "ROW_UNCLOSED_QUOTE": "a quote that is never closed",
    "ROW_QUOTE": "text after a closing quote",
    "MISSING_KEY": "no key",
    "BAD_KEY_FORMAT": "a key in a spreadsheet's number format, or one with control characters",
    "BAD_DATETIME": "a time that is not in the declared format",
    "DATETIME_OUT_OF_RANGE": "a time outside the configured range",
    "NONEXISTENT_LOCAL_TIME": "a local time that the clock skipped in spring",
    "AMBIGUOUS_LOCAL_TIME": "a local time that the clock showed twice in autumn",
    "OUTSIDE_WINDOW": "a time outside the city's windows, or in a declared outage",
    "BAD_COORDINATE": "a coordinate that is no number",
    "COORD_SWAPPED": "longitude and latitude swapped",
    "COORD_OUT_OF_BOUNDS": "a point outside the city's bbox",
    "FIELD_TOO_LONG": "a text of more than 1,000 characters",
    "BAD_INTERVAL": "a shift that ends before it starts",
    "BAD_NUMBER": "a number that is none",
    "UNKNOWN_RESPONDER": "a responder that `values.responder` does not translate",
}


def refuse_rows(db: duckdb.DuckDBPyConnection, recipe: Recipe, faults: Sequence[Fault], row_faults: Path) -> None:
    """Fills table `refused`: source_line, rank, reason, column, redacted; once per line and reason.

    `redacted` is the shape of the value (digits 9, letters A), or only its length for columns that may hold an
    address or a person's words.
    """
    db.execute(
        f'CREATE TEMP TABLE refused AS SELECT source_line, 0 AS rank, reason, "column", what AS redacted '
        f"FROM read_parquet({quoted(row_faults)})"
    )
    for rank, fault in enumerate(faults, start=1):
        named = (
            f"CASE {' '.join(f'WHEN {quoted(n)} THEN {n}_t' for n in SHAPES[recipe.kind].names)} ".replace(
                "CASE WHEN", "CASE b WHEN", 1
            )
            + "WHEN 'x' THEN xt || ' ' || yt ELSE NULL END"
        )
        sensitive = ", ".join(quoted(name) for name in SENSITIVE_COLUMNS)
        db.execute(
            f"INSERT INTO refused SELECT source_line, {rank}, reason, b, CASE WHEN v IS NULL THEN 'blank' "
            f"WHEN b IN ({sensitive}) OR reason = 'FIELD_TOO_LONG' THEN length(v) || ' characters' ELSE shape(v) END "
            f"FROM (SELECT source_line, reason, b, {named} AS v FROM (SELECT text.*, t.{fault.alias} AS reason, "
            f"{fault.column} AS b FROM (SELECT source_line, {fault.alias} FROM typed WHERE {fault.alias} IS NOT NULL) "
            f"AS t JOIN text USING (source_line)))"
        )


def refuse_file(db: duckdb.DuckDBPyConnection, recipe: Recipe, n_rows: int) -> None:
    """Nothing, or a refusal of the whole file where too many rows are bad.

    Rows outside the windows are not bad. Raises FileRejected: BAD_DATETIME or DATETIME_OUT_OF_RANGE where that is the
    main reason (with what the times look like), else FILE_TOO_MANY_BAD_ROWS with the reasons and their counts.
    """
    if n_rows == 0:
        text = "expected rows, got a header and none [0 rows]; ask for the file again."
        raise FileRejected(recipe.shown, "FILE_EMPTY", text)
    counts: list[tuple[str, int]] = db.execute(
        f"SELECT reason, count(*) FROM (SELECT source_line, arg_min(reason, rank) AS reason FROM refused "
        f"WHERE reason <> '{NOT_BAD}' GROUP BY source_line) GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    n_bad = sum(n for _, n in counts)
    if n_bad <= recipe.max_bad_share * n_rows:
        return
    main = counts[0][0]
    listed = ", ".join(f"{reason} {n}" for reason, n in counts)
    start = f"expected at most {recipe.max_bad_share:.0%} bad rows, got [{n_bad} of {n_rows}: {listed}]"
    code = main if main in ("BAD_DATETIME", "DATETIME_OUT_OF_RANGE") else "FILE_TOO_MANY_BAD_ROWS"
    hint = f"; {_time_hints(db, recipe)}" if main == "BAD_DATETIME" else ""
    raise FileRejected(recipe.shown, code, f"{start}{hint}. Correct the configuration or ask for the file again.")


def findings(
    db: duckdb.DuckDBPyConnection,
    recipe: Recipe,
    n_rows: int,
    *,
    notes: Sequence[tuple[str, str, int, str]],
    unmapped: Sequence[Unmapped],
    points: Path | None,
) -> list[Finding]:
    """Rows for the quality table: reason, severity, n, share, one sentence, sample (line numbers)."""
    out: list[Finding] = [(reason, severity, n, None, detail, None) for reason, severity, n, detail in notes]
    out += _reasons(db, recipe, n_rows)
    counted = db.execute(_counts_query(recipe)).fetchone() or ()
    found = dict(zip((d[0] for d in db.description or ()), counted, strict=True))
    n_kept = int(found.pop("n_kept") or 0)
    out += [_counted(name, int(n), n_kept) for name, n in found.items() if n]
    if SHAPES[recipe.kind].has_point:
        out.append(_located(db, n_kept))
    for column in unmapped:
        out += _unmapped(column, n_rows)
    if points is not None:
        out += _pile_findings(db, points)
    return out


def _pile_findings(db: duckdb.DuckDBPyConnection, points: Path) -> list[Finding]:
    piles = piled_up(db, points)
    if not piles:
        return []
    n_all = db.execute(f"SELECT sum(n)::BIGINT FROM read_parquet({quoted(points)}) WHERE state = 'ok'").fetchone()
    n_located = int(n_all[0]) if n_all else 0
    n = sum(count for _, count in piles)
    listed = "; ".join(f"{where}: {count} of {n_located}" for where, count in piles)
    text = f"Many rows on few coordinates, as a default geocode or an institution gives: {listed}."
    return [("WARN_COORD_PILEUP", "warning", n, n / n_located, text, None)]


def _reasons(db: duckdb.DuckDBPyConnection, recipe: Recipe, n_rows: int) -> list[Finding]:
    rows = db.execute(
        'SELECT reason, count(*), string_agg(DISTINCT "column", \', \' ORDER BY "column"), '
        "array_to_string(list_slice(list_sort(list(source_line)), 1, 10), ', ') "
        "FROM refused GROUP BY reason ORDER BY reason"
    ).fetchall()
    out: list[Finding] = []
    for reason, n, columns, lines in rows:
        hint = f" ({_time_hints(db, recipe)})" if reason == "BAD_DATETIME" else ""
        where = "" if columns == "(row)" else f" in {columns}"
        detail = f"{n} row(s) in quarantine: {_MEANING.get(reason, reason)}{where}{hint}."
        severity = "info" if reason == NOT_BAD else "warning"
        out.append((reason, severity, int(n), n / n_rows, detail, f"lines {lines}"))
    return out


def _time_hints(db: duckdb.DuckDBPyConnection, recipe: Recipe) -> str:
    """What the unread times look like, with counts: blank, offset, 24:00, date only, AM/PM missing, other digits."""
    name = SHAPES[recipe.kind].required[0]
    ampm = f"WHEN NOT regexp_matches({name}_t, '(?i)[ap]\\.?m') THEN 'AM/PM is missing'" if _twelve(recipe) else ""
    rows = db.execute(
        f"SELECT hint, count(*) FROM (SELECT CASE WHEN {name}_t IS NULL THEN 'blank' "
        f"WHEN regexp_matches({name}_t, '\\p{{Nd}}') AND regexp_matches({name}_t, '[^\\x00-\\x7F]') "
        f"THEN 'digits of another script' "
        f"WHEN regexp_matches({name}_t, ':[0-9]{{2}}[.0-9]*\\s*(Z|[+-][0-9]{{2}}:?[0-9]{{2}})$') "
        f"THEN 'offset not expected' "
        f"WHEN regexp_matches({name}_t, '[T ]24:0?0') THEN '24:00:00' "
        f"WHEN regexp_full_match({name}_t, '[0-9/.-]+') AND {name}_t NOT LIKE '%:%' THEN 'a date without a time' "
        f"{ampm} ELSE 'other' END AS hint FROM text JOIN refused USING (source_line) "
        f"WHERE reason = 'BAD_DATETIME' AND \"column\" = '{name}') GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    listed = ", ".join(f"{hint}: {n}" for hint, n in rows)
    return f"expected {recipe.time_format}; {listed}"


def _twelve(recipe: Recipe) -> bool:
    return re.search("%[Ip]", str(recipe.time_format)) is not None


def _counts_query(recipe: Recipe) -> str:
    shape = SHAPES[recipe.kind]
    chosen = ["count(*) AS n_kept"]
    if shape.required:
        chosen.append("sum(k_ambiguous) AS AMBIGUOUS_LOCAL_TIME")
    if shape.optional:
        chosen += ["sum(k_later_unread) AS WARN_BAD_LATER_TIME", "sum(k_later_astray) AS WARN_TIME_ORDER"]
    if shape.has_point:
        chosen += [f"count(*) FILTER (state = '{state}') AS COORD_{state.upper()}" for state in ("missing", "zero")]
    if "duration" in recipe.columns:
        chosen.append("count(*) FILTER (duration_min IS NULL) AS WARN_NO_DURATION")
    return f"SELECT {', '.join(chosen)} FROM typed WHERE ok"


_COUNTED = {
    "AMBIGUOUS_LOCAL_TIME": ("info", "times that the clock showed twice in autumn; read as configured"),
    "WARN_BAD_LATER_TIME": ("warning", "later times not in the declared format; taken as missing"),
    "WARN_TIME_ORDER": ("warning", "later times before the first, or over 31 days after it; taken as missing"),
    "COORD_MISSING": ("warning", "kept rows without coordinates"),
    "COORD_ZERO": ("warning", "kept rows with coordinates 0, 0; taken as missing"),
    "WARN_NO_DURATION": ("info", "kept rows without a usable duration (blank, negative or no number)"),
}


def _counted(name: str, n: int, n_kept: int) -> Finding:
    severity, words = _COUNTED[name]
    return name, severity, n, n / n_kept if n_kept else None, f"{n} {words}.", None


def _located(db: duckdb.DuckDBPyConnection, n_kept: int) -> Finding:
    found: Any = db.execute("SELECT count(*) FROM typed WHERE ok AND state = 'ok'").fetchone()
    n = int(found[0])
    share = n / n_kept if n_kept else None
    text = f"{n} of {n_kept} kept rows have a point inside the city's bbox."
    return "LOCATED", "info", n, share, text, None


def _unmapped(column: Unmapped, n_rows: int) -> list[Finding]:
    out: list[Finding] = []
    name = column.column.upper()
    if column.n_rows:
        frequent = f": {column.shown}" if column.shown else ""
        text = f"{column.n_rows} row(s) whose {column.column} `values.{column.column}` does not translate{frequent}."
        out.append((f"UNMAPPED_{name}", "warning", column.n_rows, column.n_rows / n_rows, text, None))
    if column.n_blank:
        text = f"{column.n_blank} row(s) without {column.column}."
        out.append((f"BLANK_{name}", "info", column.n_blank, column.n_blank / n_rows, text, None))
    return out
