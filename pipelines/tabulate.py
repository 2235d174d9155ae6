"""The `demand` table and the tables beside it: additive counts by atom, need, origin, scope, hour and outcome."""

from pathlib import Path

import pandas as pd

from pipelines.engine import connect, frame, scan, write


def demand(work: Path, calls: Path, places: Path, atoms: pd.DataFrame, unmet: Path) -> Path:
    """`demand`: how many calls of each kind, hour by hour, with the outcome of each leg; rows never exceed calls."""
    unlocated = _atom_without_place(atoms)
    db = connect(work)
    return write(
        db,
        f"""
        WITH legs AS (
            SELECT call_id, max(outcome) FILTER (leg = 'contact') AS contact,
                   max(outcome) FILTER (leg = 'respond') AS respond, max(outcome) FILTER (leg = 'place') AS place
            FROM {scan(unmet)} GROUP BY call_id)
        SELECT coalesce(p.atom, {unlocated})::BIGINT AS atom, c.need, c.origin, c.scope,
               date_trunc('hour', c.received_at) AS hour_at, l.contact, l.respond, l.place,
               count(*)::BIGINT AS n_calls, coalesce(sum(c.committed_min), 0)::DOUBLE AS committed_min
        FROM {scan(calls)} c
        LEFT JOIN legs l USING (call_id)
        LEFT JOIN {scan(places)} p ON c.place_id = p.place_id
        WHERE c.merged_into IS NULL GROUP BY ALL ORDER BY 5, 1, 2, 3, 4, 6, 7, 8
        """,
        work / "demand.parquet",
    )


def _atom_without_place(atoms: pd.DataFrame) -> int:
    """The atom that calls without any place belong to; `points` always makes one."""
    levels = [name for name in atoms.columns if name != "atom"]
    nowhere = atoms[(atoms[levels] == "_unlocated").all(axis=1)]
    return int(nowhere["atom"].iloc[0])


def type_changes(work: Path, calls: Path, call_types: Path) -> pd.DataFrame:
    """`type_changes`: how often an initial call type became which final one, with the need of each."""
    return frame(
        connect(work),
        f"""
        WITH alone AS (SELECT call_type, any_value(need) AS need FROM {scan(call_types)}
                       WHERE call_type_initial IS NULL OR call_type_initial = call_type GROUP BY 1)
        SELECT c.call_type_initial, c.call_type, coalesce(i.need, 'unmatched') AS need_initial,
               coalesce(f.need, 'unmatched') AS need, count(*)::BIGINT AS n_calls
        FROM {scan(calls)} c
        LEFT JOIN alone i ON c.call_type_initial = i.call_type
        LEFT JOIN alone f ON c.call_type = f.call_type
        WHERE c.merged_into IS NULL AND c.call_type_initial IS NOT NULL AND c.call_type IS NOT NULL
        GROUP BY ALL ORDER BY n_calls DESC, 1, 2
        """,
    )
