"""The `calls` table: rows joined to their type, disposition and place, then merged as corrections and duplicates.

Same number: the latest row wins, and two different calls under one number are refused. Same place, need and origin
within half an hour of the first: one event, as long as the place is no default geocode and the rows were not closed
as unfounded, cancelled or duplicate. Merged rows stay, with `merged_into`, so that the merging can be undone.
"""

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.city import City, Source
from pipelines.engine import connect, each, frame, quoted, scan, write
from pipelines.locate import place_id_sql
from pipelines.vocabulary import needs as all_needs

CONFLICT_HOURS = 24
NEVER_MERGED = ("administrative", "unmatched")
LONGEST_MIN = 24 * 60
CAP_MIN = 12 * 60


def calls(
    city: City,
    work: Path,
    raw_calls: tuple[Path, ...],
    call_types: Path,
    dispositions: Path,
    points: Path,
) -> dict[str, pd.DataFrame | Path]:
    """`calls`, with the rows that conflict (`quarantine_merge`) and what was merged (`quality_merge`)."""
    db = connect(work)
    _join_rows(db, city, raw_calls, call_types, dispositions, points)
    conflicts = _refuse_conflicts(db)
    corrections = _rank_versions(db)
    _merge_events(db, city)
    out = write(db, _calls_sql(), work / "calls.parquet")
    merged = frame(db, "SELECT source_id, count(*) AS n FROM events GROUP BY 1 ORDER BY 1")
    return {
        "calls": out,
        "quarantine_merge": conflicts,
        "quality_merge": _findings(city, conflicts, corrections, merged),
    }


def id_space(city: City, source: Source) -> str:
    """The agency whose numbers a source uses: its prefix, else (calls) its own id, else the first calls source's."""
    if source.prefix or source.kind == "calls":
        return source.prefix or source.short
    first = city.sources_of("calls")[0]
    return first.prefix or first.short


def call_id_sql(city: City, native: str, space: str) -> str:
    """SQL of a call_id: the agency's number, with the agency before it where the city has several."""
    spaces = {id_space(city, source) for source in city.sources_of("calls")}
    return native if len(spaces) == 1 else f"{quoted(space + ':')} || {native}"


def _join_rows(
    db: duckdb.DuckDBPyConnection,
    city: City,
    raw_calls: tuple[Path, ...],
    call_types: Path,
    dispositions: Path,
    points: Path,
) -> None:
    sources = city.sources_of("calls")
    ids = " ".join(
        f"WHEN {quoted(source.id)} THEN {call_id_sql(city, 'r.call_id', id_space(city, source))}" for source in sources
    )
    order = " ".join(f"WHEN {quoted(source.id)} THEN {n}" for n, source in enumerate(sources))
    raises = " ".join(f"WHEN {quoted(text)} THEN {tier}" for text, tier in city.tier_priority_raise)
    tier = f"greatest(t.tier, CASE r.priority {raises} END)" if raises else "t.tier"
    db.execute(f"""
        CREATE TEMP TABLE rows AS
        SELECT r.source_id, CASE r.source_id {order} END AS source_order, r.source_line,
               CASE r.source_id {ids} END AS call_id,
               r.received_at, r.received_local, r.call_type, r.call_type_initial, r.disposition, r.priority,
               coalesce(r.origin, CASE WHEN t.origin_hint = 'officer' THEN 'officer' ELSE 'community' END) AS origin,
               coalesce(r.caller_role, 'unknown') AS caller_role,
               t.need, list_distinct(list_concat(t.need_secondary, coalesce(d.need_secondary, []))) AS need_secondary,
               ({tier})::INTEGER AS tier, t.is_criminal, t.sensitive, t.rule,
               d.is_resolved, coalesce(d.no_one_found, false) AS no_one_found,
               p.place_id, coalesce(p.is_placeholder, false) AS is_placeholder,
               {_minutes("r.arrived_at", "r.cleared_at")} AS on_scene_min,
               coalesce({_minutes("r.dispatched_at", "r.cleared_at")}, {_capped("r.duration_min")}) AS committed_min,
               r.n_units::INTEGER AS n_units,
               hash(r.received_at, r.dispatched_at, r.arrived_at, r.cleared_at, r.call_type, r.call_type_initial,
                    r.disposition, r.priority, r.x, r.y, r.address) AS content
        FROM (SELECT *, {place_id_sql(city)} AS place FROM {scan(raw_calls)}) r
        LEFT JOIN {scan(call_types)} t
               ON r.call_type IS NOT DISTINCT FROM t.call_type
              AND r.call_type_initial IS NOT DISTINCT FROM t.call_type_initial
        LEFT JOIN {scan(dispositions)} d ON r.disposition IS NOT DISTINCT FROM d.disposition
        LEFT JOIN {scan(points)} p ON r.place = p.place_id
        """)


def _minutes(start: str, end: str) -> str:
    """SQL of a duration in minutes: negative or over a day is missing, over twelve hours is capped."""
    return _capped(f"epoch({end} - {start}) / 60.0")


def _capped(minutes: str) -> str:
    return f"CASE WHEN {minutes} BETWEEN 0 AND {LONGEST_MIN} THEN least({minutes}, {CAP_MIN}) END"


def _refuse_conflicts(db: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Rows of numbers reused for a different call (another day and another place); they leave `rows`."""
    db.execute(f"""
        CREATE TEMP TABLE repeated AS
        SELECT call_id, count(*) AS n_rows, count(DISTINCT content) AS n_versions,
               epoch(max(received_at) - min(received_at)) > {CONFLICT_HOURS * 3600}
               AND count(DISTINCT coalesce(place_id, '')) > 1 AS is_conflict
        FROM rows SEMI JOIN (SELECT call_id FROM rows GROUP BY call_id HAVING count(*) > 1) USING (call_id)
        GROUP BY call_id
        """)
    refused = frame(
        db,
        """
        SELECT source_id, source_line, 'DUPLICATE_CONFLICT' AS reason, 'call_id' AS "column",
               'number reused on another day at another place' AS redacted
        FROM rows WHERE call_id IN (SELECT call_id FROM repeated WHERE is_conflict) ORDER BY 1, 2
        """,
    )
    db.execute("DELETE FROM rows WHERE call_id IN (SELECT call_id FROM repeated WHERE is_conflict)")
    return refused


def _rank_versions(db: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """How many rows a later row of the same number replaced, per source, exact repeats apart."""
    db.execute("""
        CREATE TEMP TABLE superseded AS
        SELECT source_id, source_line, call_id, n_versions = 1 AS is_exact FROM (
            SELECT r.source_id, r.source_line, r.call_id, n_versions,
                   row_number() OVER (PARTITION BY r.call_id ORDER BY source_order DESC, source_line DESC) AS age
            FROM rows r JOIN repeated USING (call_id) WHERE NOT is_conflict) WHERE age > 1
        """)
    return frame(
        db, "SELECT source_id, is_exact, count(*) AS n FROM superseded GROUP BY ALL ORDER BY source_id, is_exact"
    )


def _merge_events(db: duckdb.DuckDBPyConnection, city: City) -> None:
    """Table `events`: call_id → the call it is merged into, by place, need, origin and time."""
    db.execute(f"""
        CREATE TEMP TABLE near AS
        SELECT * FROM (
            SELECT call_id, source_id, received_at, place_id, need, origin,
                   epoch(received_at - lag(received_at) OVER same) / 60.0 AS since_last,
                   epoch(lead(received_at) OVER same - received_at) / 60.0 AS until_next
            FROM rows ANTI JOIN superseded USING (source_id, source_line)
            WHERE place_id IS NOT NULL AND NOT is_placeholder AND is_resolved IS DISTINCT FROM false
              AND need NOT IN ({", ".join(map(quoted, NEVER_MERGED))})
            WINDOW same AS (PARTITION BY place_id, need, origin ORDER BY received_at, call_id))
        WHERE since_last <= {city.merge_minutes} OR until_next <= {city.merge_minutes}
        """)
    near = frame(db, "SELECT * FROM near ORDER BY place_id, need, origin, received_at, call_id")
    merged = near.assign(merged_into=first_of_event(near, minutes=city.merge_minutes))
    merged = merged.loc[merged["merged_into"] != merged["call_id"], ["call_id", "source_id", "merged_into"]]
    db.register("merged_frame", merged)
    db.execute("""CREATE TEMP TABLE events AS
        SELECT call_id::VARCHAR AS call_id, source_id::VARCHAR AS source_id, merged_into::VARCHAR AS merged_into
        FROM merged_frame""")


def first_of_event(near: pd.DataFrame, *, minutes: float) -> NDArray[np.object_]:
    """The call_id of the first call of each call's event; an event ends `minutes` after its first call.

    `near` is sorted by place_id, need, origin, received_at, call_id.
    """
    ids = near["call_id"].to_numpy(object)
    if not len(ids):
        return ids
    seconds = near["received_at"].astype("int64").to_numpy()
    unit = {"ns": 1_000_000_000, "us": 1_000_000, "ms": 1_000, "s": 1}[near["received_at"].dt.unit]
    same = near[["place_id", "need", "origin"]].eq(near[["place_id", "need", "origin"]].shift()).all(axis=1).to_numpy()
    first = np.empty(len(ids), object)
    start = seconds[0]
    for row in range(len(ids)):
        if row and same[row] and seconds[row] - start <= minutes * 60 * unit:
            first[row] = first[row - 1]
        else:
            first[row], start = ids[row], seconds[row]
    return first


def _calls_sql() -> str:
    """SQL of the finished table, all rows, oldest first."""
    legged = ", ".join(quoted(name) for name, need in all_needs().items() if need.in_scope)
    return f"""
    WITH kept AS (
        SELECT call_id, coalesce(e.merged_into, call_id) AS stands, count(*) AS n
        FROM rows LEFT JOIN events e USING (call_id) GROUP BY ALL),
    stood AS (SELECT stands AS call_id, sum(n)::INTEGER AS n_rows FROM kept GROUP BY 1)
    SELECT r.call_id, r.source_id, r.source_line,
           CASE WHEN s.source_line IS NOT NULL THEN r.call_id ELSE e.merged_into END AS merged_into,
           CASE WHEN s.source_line IS NULL AND e.merged_into IS NULL THEN n.n_rows ELSE 1 END::INTEGER AS n_rows,
           r.received_at,
           ((isodow(received_local) - 1) * 24 + hour(received_local))::INTEGER AS hour_of_week,
           ((isodow(received_local) - 1) * 96 + hour(received_local) * 4
             + minute(received_local) // 15)::INTEGER AS quarter_of_week,
           r.received_local::DATE AS local_date,
           r.call_type, r.call_type_initial, r.disposition, r.priority, r.origin, r.caller_role, r.need,
           r.need_secondary, r.tier, r.is_criminal, r.is_resolved, r.no_one_found, r.sensitive, r.rule,
           CASE WHEN r.is_resolved = false THEN 'unresolved'
                WHEN r.is_criminal THEN 'criminal'
                WHEN r.need NOT IN ({legged}) THEN 'other_need'
                WHEN r.tier = 3 THEN 'police_or_ems'
                ELSE 'in_scope' END AS scope,
           r.place_id, r.on_scene_min::DOUBLE AS on_scene_min, r.committed_min::DOUBLE AS committed_min, r.n_units
    FROM rows r
    LEFT JOIN superseded s USING (source_id, source_line)
    LEFT JOIN events e ON r.call_id = e.call_id
    LEFT JOIN stood n ON r.call_id = n.call_id
    ORDER BY r.received_at, r.call_id, r.source_line
    """


def _findings(city: City, conflicts: pd.DataFrame, corrections: pd.DataFrame, merged: pd.DataFrame) -> pd.DataFrame:
    found = [
        ("DUPLICATE_CONFLICT", "warning", source, n, "numbers reused for a different call; all their rows are refused")
        for source, n in conflicts.groupby("source_id").size().items()
    ]
    for row in each(corrections):
        reason, words = (
            ("DUPLICATE_EXACT", "rows delivered twice, byte for byte")
            if row.is_exact
            else ("CORRECTED", "rows replaced by a later row of the same number")
        )
        found.append((reason, "info", row.source_id, row.n, words))
    words = f"calls of one place, need and origin within {city.merge_minutes:g} min of the first: one event"
    found += [("MERGED_EVENT", "info", row.source_id, row.n, words) for row in each(merged)]
    return pd.DataFrame(
        [
            {
                "stage": "merge",
                "source_id": source,
                "reason": reason,
                "severity": severity,
                "n_rows": int(n),
                "share": None,
                "detail": detail,
                "sample": None,
            }
            for reason, severity, source, n, detail in found
        ],
        columns=["stage", "source_id", "reason", "severity", "n_rows", "share", "detail", "sample"],
    )
