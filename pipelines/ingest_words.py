"""Short texts of a source (types, dispositions, origins): each distinct one is tidied or translated once."""

from dataclasses import dataclass

import duckdb

from geo.errors import FileRejected
from geo.tables import CALLS, RESPONSES
from pipelines.engine import quoted
from pipelines.ingest_recipe import Recipe

MOST_VALUES = 10_000
_SHOWN_FROM = 5
ENUMERATED = {
    column.name: column.values
    for table, names in ((CALLS, ("origin", "caller_role")), (RESPONSES, ("responder",)))
    for column in table.columns
    if column.name in names
}
_BARE = {
    False: "CREATE MACRO bare(t) AS trim(t);",
    True: "CREATE MACRO bare(t) AS trim(t, chr(32) || chr(9) || chr(10) || chr(13));",
}
_MACROS = r"""
CREATE MACRO tidy(t) AS CASE WHEN strlen(bare(t)) <= 8
    THEN CASE WHEN upper(bare(t)) IN ('', 'NULL', '(NULL)', '<NULL>', 'NAN', '\N', 'N/A', '#N/A') THEN NULL
    ELSE bare(t) END ELSE bare(t) END;
CREATE MACRO one_line(t) AS nullif(trim(regexp_replace(regexp_replace(t, '\p{Cf}+', '', 'g'),
    '[\s\p{Z}\p{Cc}]+', ' ', 'g')), '');
CREATE MACRO shape(t) AS regexp_replace(regexp_replace(regexp_replace(left(t, 32), '[0-9]', '9', 'g'),
    '\p{L}', 'A', 'g'), '[^9A :/.,+#_-]', '?', 'g') || CASE WHEN length(t) > 32 THEN '...' ELSE '' END;
"""


def macros(*, odd: bool) -> str:
    """SQL functions: `tidy` (trimmed, null where blank), `one_line` (no control characters), `shape` (redacted)."""
    return _BARE[odd] + _MACROS


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """How a column is replaced: SQL of its value, and the join that this needs ('' for none)."""

    value: str
    join: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmapped:
    """Values of an enumerated column that nobody translated: rows, and the frequent ones with their counts."""

    column: str
    n_rows: int
    n_blank: int
    shown: str


def tidied(db: duckdb.DuckDBPyConnection, recipe: Recipe, column: str) -> Words:
    """A text column on one line, without doubled blanks and invisible characters; split where `type_split` says.

    `values` of the column, if any, then replace whole texts.

    Raises:
        FileRejected: FILE_TOO_MANY_TYPES where call_type has more distinct values than a code list has.
    """
    split = recipe.type_split if column in ("call_type", "call_type_initial") else None
    clean = f"one_line({column}_t)"
    if split:
        after = f"trim(substr({clean}, strpos({clean}, {quoted(split)}) + {len(split)}))"
        clean = (
            f"CASE WHEN contains({clean}, {quoted(split)}) THEN coalesce(nullif({after}, ''), {clean}) ELSE {clean} END"
        )
    db.execute(
        f"CREATE TEMP TABLE w_{column} AS SELECT {column}_t AS raw, {clean} AS clean "
        f"FROM (SELECT DISTINCT {column}_t FROM text WHERE {column}_t IS NOT NULL)"
    )
    for ours, theirs, target in recipe.values:
        if ours == column:
            same = f"lower(one_line(raw)) = lower(one_line({quoted(theirs)}))"
            db.execute(f"UPDATE w_{column} SET clean = ? WHERE {same}", [target])
    counted = db.execute(
        f"SELECT count(DISTINCT clean), count(*) FILTER (raw IS DISTINCT FROM clean) FROM w_{column}"
    ).fetchone()
    n, n_changed = counted or (0, 0)
    if column in ("call_type", "call_type_initial") and n > recipe.max_distinct_types:
        text = (
            f"expected at most {recipe.max_distinct_types} distinct values of {column}, got [{n}]; "
            "is a narrative mapped to it? Raise `max_distinct_types` if not."
        )
        raise FileRejected(recipe.shown, "FILE_TOO_MANY_TYPES", text)
    if not n_changed:
        return Words(value=f"{column}_t", join="")
    return Words(value=f"w_{column}.clean", join=f"LEFT JOIN w_{column} ON w_{column}.raw = s.{column}_t")


def translated(db: duckdb.DuckDBPyConnection, recipe: Recipe, column: str) -> tuple[Words, Unmapped]:
    """An enumerated column through the source's `values` (without regard to case and blanks), and what was left.

    Untranslated and blank values become `unknown`, or null where the table has no such value (responder).
    """
    known = {_folded(theirs): target for ours, theirs, target in recipe.values if ours == column}
    if not known:
        known = {_folded(value): value for value in ENUMERATED[column]}
    found = db.execute(
        f"SELECT {column}_t, count(*) FROM text GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_VALUES}"
    ).fetchall()
    counts = {raw: n for raw, n in found if raw is not None}
    targets = {raw: known[_folded(raw)] for raw in counts if _folded(raw) in known}
    db.execute(f"CREATE TEMP TABLE m_{column} (raw VARCHAR, ours VARCHAR)")
    if targets:
        db.executemany(f"INSERT INTO m_{column} VALUES (?, ?)", list(targets.items()))
    total = db.execute(f"SELECT count(*), count({column}_t) FROM text").fetchone() or (0, 0)
    left = {raw: n for raw, n in counts.items() if raw not in targets}
    frequent = [f"{_printable(raw)} ({n})" for raw, n in left.items() if n >= _SHOWN_FROM and len(raw) <= 40]
    default = "'unknown'" if "unknown" in ENUMERATED[column] else "NULL"
    words = Words(
        value=f"coalesce(m_{column}.ours, {default})",
        join=f"LEFT JOIN m_{column} ON m_{column}.raw = s.{column}_t",
    )
    n_unmapped = total[1] - sum(counts[raw] for raw in targets)
    return words, Unmapped(
        column=column, n_rows=n_unmapped, n_blank=total[0] - total[1], shown=", ".join(frequent[:10])
    )


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
