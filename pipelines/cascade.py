"""The `cascade` table: from community calls to those connected, where an agency records what was sent."""

from pathlib import Path

import pandas as pd

from geo.tables import CASCADE
from pipelines.city import City
from pipelines.classify import classify_dispositions
from pipelines.engine import connect, frame, quoted, scan
from pipelines.vocabulary import call_rules
from pipelines.vocabulary import needs as all_needs

ALONE = ("patrol", "ems")  # everybody else is a civilian or co-response
CONNECTED = ("advised_or_referred", "transported")


def cascade(city: City, work: Path, calls: Path, unmet: Path, responses: Path) -> pd.DataFrame:
    """`cascade` of every need in scope; no row where no response is on file."""
    db = connect(work)
    texts = frame(db, f"SELECT DISTINCT outcome FROM {scan(responses)} WHERE outcome IS NOT NULL ORDER BY 1")["outcome"]
    if frame(db, f"SELECT count(*) AS n FROM {scan(responses)}")["n"].iloc[0] == 0:
        return pd.DataFrame({name: pd.Series(dtype="object") for name in CASCADE.names})
    meant = classify_dispositions(list(texts), call_rules(city.slug))
    db.register("meant", meant[["disposition", "outcome_class"]])
    db.execute(_told(calls, unmet, responses))
    steps = frame(
        db,
        """
        SELECT need, count(*) AS community, count(*) FILTER (in_scope) AS in_scope,
               count(*) FILTER (in_scope AND is_available) AS listed_available,
               count(*) FILTER (in_scope AND is_recorded) AS recorded, count(*) FILTER (in_scope AND is_sent) AS sent,
               count(*) FILTER (in_scope AND is_arrived) AS arrived,
               count(*) FILTER (in_scope AND is_connected) AS connected
        FROM told GROUP BY need
        """,
    )
    long = steps.melt(id_vars="need", var_name="step", value_name="n_calls").assign(reason="")
    reasons = frame(
        db,
        """SELECT need, 'not_sent' AS step, reason, count(*) AS n_calls FROM told
           WHERE in_scope AND NOT is_sent AND reason <> '' GROUP BY ALL""",
    )
    table = pd.concat([long, reasons], ignore_index=True)
    return table.sort_values(list(CASCADE.key), ignore_index=True)[list(CASCADE.names)]


def _told(calls: Path, unmet: Path, responses: Path) -> str:
    """SQL of a row a resolved community call of a need in scope, with what was sent to it."""
    listed = ", ".join(quoted(name) for name, need in all_needs().items() if need.in_scope)
    civilian = f"responder NOT IN ({', '.join(map(quoted, ALONE))})"
    sent = f"{civilian} AND assigned_at IS NOT NULL"
    connected = ", ".join(map(quoted, CONNECTED))
    return f"""
        CREATE TEMP TABLE told AS
        WITH answered AS (
            SELECT call_id, bool_or({sent}) AS is_sent, bool_or({sent} AND arrived_at IS NOT NULL) AS is_arrived,
                   bool_or({sent} AND m.outcome_class IN ({connected})) AS is_connected,
                   coalesce(max(upper(trim(not_sent_reason))), '') AS reason
            FROM {scan(responses)} r LEFT JOIN meant m ON r.outcome = m.disposition GROUP BY 1)
        SELECT c.need, c.scope = 'in_scope' AS in_scope, coalesce(u.outcome = 'available', false) AS is_available,
               a.call_id IS NOT NULL AS is_recorded, coalesce(a.is_sent, false) AS is_sent,
               coalesce(a.is_arrived, false) AS is_arrived, coalesce(a.is_connected, false) AS is_connected,
               coalesce(a.reason, '') AS reason
        FROM {scan(calls)} c LEFT JOIN answered a USING (call_id)
        LEFT JOIN (SELECT call_id, outcome FROM {scan(unmet)} WHERE leg = 'respond') u USING (call_id)
        WHERE c.merged_into IS NULL AND c.origin = 'community' AND c.scope IN ('in_scope', 'police_or_ems')
          AND c.need IN ({listed})
    """
