"""The `incidents` table: police reports beside calls, in four offence groups, linked where the call number allows."""

import tomllib
from pathlib import Path

import pandas as pd
import re2

from pipelines.city import City
from pipelines.engine import connect, frame, quoted, scan, write
from pipelines.locate import place_id_sql
from pipelines.merge import call_id_sql, id_space
from pipelines.resources import data_path


def offence_groups(offences: "pd.Series[str]") -> pd.DataFrame:
    """Distinct offence texts with their group: person, property, society, other."""
    with data_path("offences.toml").open("rb") as stream:
        groups = tomllib.load(stream)["groups"]
    rules = [(one["group"], re2.compile(one["pattern"])) for one in groups]
    found = [next((group for group, rule in rules if rule.search(text.upper())), "other") for text in offences]
    return pd.DataFrame({"offence": offences.to_numpy(), "offence_group": found})


def incidents(city: City, work: Path, raw_incidents: tuple[Path, ...], calls: Path) -> Path | pd.DataFrame:
    """`incidents`; a number given twice keeps its last row."""
    if not raw_incidents:
        return _NONE
    db = connect(work)
    distinct = frame(db, f"SELECT DISTINCT offence FROM {scan(raw_incidents)} WHERE offence IS NOT NULL ORDER BY 1")
    db.register("grouped", offence_groups(distinct["offence"]))
    ids = " ".join(
        f"WHEN {quoted(source.id)} THEN {call_id_sql(city, 'call_id', id_space(city, source))}"
        for source in city.sources_of("incidents")
    )
    return write(
        db,
        f"""
        WITH numbered AS (
            SELECT *, CASE source_id {ids} END AS linked, {place_id_sql(city)} AS place_id,
                   row_number() OVER (PARTITION BY source_id, incident_id ORDER BY source_line DESC) AS age
            FROM {scan(raw_incidents)})
        SELECT i.incident_id, i.linked AS call_id, c.call_id IS NOT NULL AS is_linked, i.reported_at,
               coalesce(i.offence, '') AS offence, coalesce(g.offence_group, 'other') AS offence_group,
               i.place_id, i.source_id, i.source_line
        FROM numbered i
        LEFT JOIN grouped g ON i.offence = g.offence
        LEFT JOIN (SELECT DISTINCT call_id FROM {scan(calls)}) c ON i.linked = c.call_id
        WHERE age = 1 ORDER BY i.reported_at, i.incident_id
        """,
        work / "incidents.parquet",
    )


def responses(city: City, work: Path, raw_responses: tuple[Path, ...]) -> Path | pd.DataFrame:
    """`responses`, with the call numbers in the form that `calls` uses."""
    if not raw_responses:
        return _NO_RESPONSES
    ids = " ".join(
        f"WHEN {quoted(source.id)} THEN {call_id_sql(city, 'call_id', id_space(city, source))}"
        for source in city.sources_of("responses")
    )
    return write(
        connect(work),
        f"""SELECT * REPLACE (CASE source_id {ids} END AS call_id) FROM {scan(raw_responses)}
            ORDER BY call_id, responder, source_line""",
        work / "responses.parquet",
    )


def _empty(columns: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})


_TIME = "datetime64[us, UTC]"
_NONE = _empty(
    dict.fromkeys(("incident_id", "call_id", "offence", "offence_group", "place_id", "source_id"), "str")
    | {"is_linked": "bool", "reported_at": _TIME, "source_line": "int64"}
)
_NO_RESPONSES = _empty(
    dict.fromkeys(("call_id", "responder", "outcome", "not_sent_reason", "source_id"), "str")
    | dict.fromkeys(("assigned_at", "arrived_at", "cleared_at"), _TIME)
    | {"source_line": "int64"}
)
