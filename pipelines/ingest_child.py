"""The child's side of ingest: one supplier's file to typed Parquet, quarantine and findings, beneath one folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from geo.errors import TableError
from pipelines.engine import quoted
from pipelines.ingest_findings import findings, refuse_file, refuse_rows
from pipelines.ingest_points import write_points
from pipelines.ingest_recipe import Recipe, from_json
from pipelines.ingest_sql import SHAPES, text_view, typed_query
from pipelines.ingest_words import Unmapped, Words, macros, tidied, translated
from pipelines.readers.delimited import Dialect, Text, connect, read_text
from pipelines.readers.sandbox import report

STEPS = 5


def type_source(path: str, out: str, recipe: Mapping[str, Any], memory_mb: int) -> dict[str, Any]:
    """Counts and findings of one source; writes `rows.parquet` and `quarantine.parquet` to `out`.

    Runs in `run_confined`. Raises FileRejected for a file that is refused whole.
    """
    made, folder = from_json(recipe), Path(out)
    report("reading", 0, STEPS)
    dialect = Dialect(format=made.format, encoding=made.encoding, delimiter=made.delimiter, skip_lines=made.skip_lines)
    text = read_text(Path(path), folder, wanted=made.wanted, unused=made.unused, dialect=dialect, shown=made.shown)
    with connect(folder, memory_mb=memory_mb) as db:
        return _typed(db, made, text, folder)


def _typed(db: duckdb.DuckDBPyConnection, recipe: Recipe, text: Text, out: Path) -> dict[str, Any]:
    db.execute(macros(odd=text.odd))
    db.execute(text_view(recipe, f"read_parquet({quoted(text.rows)})"))
    report("placing", 1, STEPS)
    has_points = SHAPES[recipe.kind].has_point and bool({"x", "point"} & set(recipe.columns))
    points = write_points(db, recipe, out) if has_points else None
    report("reading words", 2, STEPS)
    words, unmapped = _words(db, recipe)
    report("typing", 3, STEPS)
    query, faults = typed_query(recipe, words, f"read_parquet({quoted(points)})" if points else None, odd=text.odd)
    ok = " AND ".join(f"{fault.alias} IS NULL" for fault in faults)
    typed = out / "typed.parquet"
    db.execute(f"COPY ({query}) TO {quoted(typed)} (FORMAT parquet, COMPRESSION snappy)")
    db.execute(f"CREATE VIEW typed AS SELECT *, {ok} AS ok FROM read_parquet({quoted(typed)})")
    refuse_rows(db, recipe, faults, text.faults)
    refuse_file(db, recipe, text.n_records)
    report("writing", 4, STEPS)
    n_kept, n_refused = _write(db, recipe, out)
    if n_kept + n_refused != text.n_records:
        fault = f"rows in [{text.n_records}] are not kept [{n_kept}] + quarantined [{n_refused}]"
        raise TableError(recipe.source_id, [fault])
    found = findings(db, recipe, text.n_records, notes=text.notes, unmapped=unmapped, points=points)
    for part in (text.rows, text.faults, typed, points):
        if part is not None:
            part.unlink()
    report("done", STEPS, STEPS)
    return {
        "rows_in": text.n_records,
        "n_kept": n_kept,
        "n_quarantined": n_refused,
        "sha256": text.sha256,
        "findings": [list(finding) for finding in found],
    }


def _words(db: duckdb.DuckDBPyConnection, recipe: Recipe) -> tuple[dict[str, Words], list[Unmapped]]:
    shape = SHAPES[recipe.kind]
    words = {name: tidied(db, recipe, name) for name in shape.words if name in recipe.columns}
    left = []
    for name in shape.enumerated:
        if name == "origin" and recipe.origin != "column":
            words[name] = Words(value="NULL::VARCHAR", join="")
        elif name in recipe.columns:
            words[name], unmapped = translated(db, recipe, name)
            left.append(unmapped)
        else:
            words[name] = Words(value="'unknown'", join="")
    return words, left


def _write(db: duckdb.DuckDBPyConnection, recipe: Recipe, out: Path) -> tuple[int, int]:
    """Rows kept and rows refused (distinct lines), once both files are written."""
    source = f"{quoted(recipe.source_id)} AS source_id"
    inner = [row[0] for row in db.execute("DESCRIBE typed").fetchall()]
    dropped = [name for name in inner if name in ("state", "ok") or name.startswith("k_") or _is_reason(name)]
    db.execute(
        f"COPY (SELECT {source}, * EXCLUDE ({', '.join(dropped)}) FROM typed WHERE ok ORDER BY source_line) "
        f"TO {quoted(out / 'rows.parquet')} (FORMAT parquet, COMPRESSION zstd)"
    )
    db.execute(
        f'COPY (SELECT {source}, source_line, reason, any_value("column" ORDER BY rank) AS "column", '
        f"any_value(redacted ORDER BY rank) AS redacted FROM refused GROUP BY source_line, reason "
        f"ORDER BY source_line, min(rank)) TO {quoted(out / 'quarantine.parquet')} (FORMAT parquet, COMPRESSION zstd)"
    )
    kept: Any = db.execute(f"SELECT count(*) FROM read_parquet({quoted(out / 'rows.parquet')})").fetchone()
    refused: Any = db.execute("SELECT count(DISTINCT source_line) FROM refused").fetchone()
    return int(kept[0]), int(refused[0])


def _is_reason(name: str) -> bool:
    return name[0] == "r" and name[1:].isdigit()
