"""Tables of a release that is not suppressed: sums by day and longer periods for staff, and places where agreed.

Outside `internal` a sensitive call counts in areas over a year or longer and in nothing finer: tables by day or by hour
leave it out, all of them, so that none of them less another tells where it was.
"""

import pandas as pd

from pipelines.engine import connect, frame, named, quoted, scan
from pipelines.policy import Policy
from pipelines.release_spots import spot_tables
from pipelines.release_supply import supply_tables
from pipelines.release_tables import CALL, CELL, HOUR, MEASURE
from pipelines.store import Store

OUTCOMES = ("available", "uncertain", "spatial", "barrier", "temporal")
RATES = ["unmet_per_1k_low", "unmet_per_1k_high", "rate_reason"]
FLAGS = ["p_over_standard", "p_over_standard_most", "flag", "not_recorded"]
RANKS = ["rank_low", "rank_high", "p_top_decile", "rank_km2_low", "rank_km2_high"]
BEHIND = [
    "n_police_or_ems",
    "n_no_one_found",
    "n_institution",
    "n_places",
    "n_without_busiest",
    "at_least_without_busiest",
]
DAY_HOUR = ["level", "geoid", "need", "leg", "date", "hour", "outcome", "n"]


def staff_tables(opened: Store, policy: Policy) -> dict[str, pd.DataFrame]:
    """Every table of counts for staff, of every level the policy names; every cell is shown, zeros left out.

    calls, cells, hours, measures and ranks always; the others where the policy names their field.
    """
    levels = [level.name for level in policy.levels]
    gaps = opened.read("gaps")
    gaps = gaps[gaps["level"].isin(levels)].rename(columns={"n_at_least": "at_least", "n_at_most": "at_most"})
    gaps = gaps.assign(grain=gaps["period"].map(_grain), at_most_per_year=gaps["at_most"] / gaps["years"])
    key = ["level", "geoid", "need", "leg", "grain", "period", "variant"]
    more = [name for name in RATES if policy.field("rates")] + [name for name in FLAGS if policy.field("flags")]
    finest = finely_counted(policy)
    return {
        "calls": _calls(opened, levels, finest),
        "cells": pd.concat([_long(gaps, key), _days(opened, levels, finest)], ignore_index=True)[CELL],
        "hours": _hours(opened, levels, finest),
        "measures": gaps[[*MEASURE, *more, *BEHIND]].reset_index(drop=True),
        "ranks": gaps.loc[gaps["rank_low"].notna(), [*key, *RANKS]].reset_index(drop=True),
        **_named_tables(opened, policy, levels, finest),
    }


def finely_counted(policy: Policy) -> str:
    """SQL of the calls `c` that may be counted by day or by hour: outside `internal` none that is sensitive."""
    return "true" if policy.audience == "internal" else "c.sensitive = 'none'"


def _named_tables(opened: Store, policy: Policy, levels: list[str], finest: str) -> dict[str, pd.DataFrame]:
    """The tables whose field a policy may leave out, and then they are not made."""
    out: dict[str, pd.DataFrame] = {}
    if policy.field("hour_counts"):
        out["day_hours"] = _day_hours(opened, levels, finest)
    if policy.field("cascade"):
        out["cascade"] = opened.read("cascade")
    if policy.field("verification"):
        out["verification"] = _verification(opened)
    if policy.field("data_intake"):
        out |= {"denominators": opened.read("counts"), "type_changes": _type_changes(opened, policy)}
    if policy.field("service_reach"):
        out |= supply_tables(opened, levels, finest=finest)
    if policy.field("hotspot_counts"):
        out |= spot_tables(opened, policy, finest=finest)
    return out


def _day_hours(opened: Store, levels: list[str], finest: str) -> pd.DataFrame:
    """By local day and hour of the day, legs and outcomes."""
    columns = """c.need, u.leg, strftime(c.local_date, '%Y-%m-%d') AS date, (c.hour_of_week % 24)::INTEGER AS hour,
                 u.outcome"""
    return _by_level(opened, levels, columns, legs=True, where=finest)[DAY_HOUR]


def _type_changes(opened: Store, policy: Policy) -> pd.DataFrame:
    """Changes between call types that are common: a rare type may hold what a call taker wrote into the field."""
    table = opened.read("type_changes")
    first, last = (table.groupby(name)["n_calls"].transform("sum") for name in ("call_type_initial", "call_type"))
    return table[(first >= policy.threshold) & (last >= policy.threshold)].reset_index(drop=True)


def _verification(opened: Store) -> pd.DataFrame:
    """The store's list without confidential services; ranks stay those of the store."""
    services = opened.read("services", ["service_id", "is_confidential"])
    barred = services.loc[services["is_confidential"].astype(bool), "service_id"]
    table = opened.read("verification")
    return table[~table["service_id"].isin(barred)].reset_index(drop=True)


def _grain(period: str) -> str:
    return period if period in ("whole", "last_12_months") else "year"


def _long(gaps: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    wide = gaps[[*key, *(f"n_{name}" for name in OUTCOMES)]].rename(columns={f"n_{name}": name for name in OUTCOMES})
    long = wide.melt(id_vars=key, var_name="outcome", value_name="n")
    return long[long["n"] > 0].assign(state="shown")


def _days(opened: Store, levels: list[str], finest: str) -> pd.DataFrame:
    return _by_level(
        opened,
        levels,
        "c.need, u.leg, 'day' AS grain, strftime(c.local_date, '%Y-%m-%d') AS period, 'default' AS variant, u.outcome",
        legs=True,
        where=finest,
    )


def _hours(opened: Store, levels: list[str], finest: str) -> pd.DataFrame:
    """By hour of the week (`h000` = Monday 00:00-01:00) over all days on file."""
    columns = "c.need, u.leg, 'whole' AS period, printf('h%03d', hour_of_week) AS block, u.outcome"
    return _by_level(opened, levels, columns, legs=True, where=finest)[HOUR]


def _calls(opened: Store, levels: list[str], finest: str) -> pd.DataFrame:
    told = [
        _by_level(opened, levels, f"c.need, c.origin, c.scope, {grain}", legs=False, where=where)
        for grain, where in (
            ("'day' AS grain, strftime(c.local_date, '%Y-%m-%d') AS period", finest),
            ("'year' AS grain, year(c.local_date)::VARCHAR AS period", "true"),
            ("'whole' AS grain, 'whole' AS period", "true"),
        )
    ]
    return pd.concat(told, ignore_index=True)[CALL]


def _by_level(opened: Store, levels: list[str], columns: str, *, legs: bool, where: str) -> pd.DataFrame:
    """Counts of calls (or of calls on each leg in scope) by level, area and the columns named."""
    unmet = f"JOIN {scan(opened.path('unmet'))} u USING (call_id)" if legs else ""
    parts = []
    db = connect(opened.folder)
    for level in levels:
        area = "'city'" if level == "city" else f"coalesce(a.{named(level)}, '_unlocated')"
        parts.append(
            frame(
                db,
                f"""SELECT {quoted(level)} AS level, {area} AS geoid, {columns}, count(*)::BIGINT AS n, 'shown' AS state
                    FROM {scan(opened.path("calls"))} c {unmet}
                    LEFT JOIN {scan(opened.path("places"))} p ON c.place_id = p.place_id
                    LEFT JOIN {scan(opened.path("atoms"))} a ON a.atom = p.atom
                    WHERE c.merged_into IS NULL AND {where} GROUP BY ALL ORDER BY ALL""",
            )
        )
    return pd.concat(parts, ignore_index=True)


def place_tables(opened: Store, policy: Policy) -> dict[str, pd.DataFrame]:
    """places, place_hours and reach for staff named in an agreement; never a sensitive call or a need barred there."""
    barred = ", ".join(quoted(name) for name in policy.never_points) or "''"
    calls = f"""(SELECT c.* FROM {scan(opened.path("calls"))} c
        WHERE merged_into IS NULL AND origin = 'community' AND scope = 'in_scope' AND sensitive = 'none'
          AND need NOT IN ({barred}))"""
    db = connect(opened.folder)
    places = frame(
        db,
        f"""SELECT p.place_id, p.x, p.y, c.need, count(*)::BIGINT AS n_calls,
                   count(DISTINCT date_trunc('week', c.local_date))::BIGINT AS n_weeks
            FROM {calls} c JOIN {scan(opened.path("places"))} p USING (place_id)
            WHERE p.place_kind = 'ordinary' AND p.x IS NOT NULL GROUP BY ALL ORDER BY ALL""",
    )
    db.register("kept", places[["place_id"]].drop_duplicates())
    hours = frame(
        db,
        f"""SELECT place_id, need, hour_of_week, count(*)::BIGINT AS n FROM {calls} c JOIN kept USING (place_id)
            GROUP BY ALL ORDER BY ALL""",
    )
    reach = frame(
        db,
        f"""SELECT r.* FROM {scan(opened.path("reach"))} r JOIN kept USING (place_id)
            WHERE service_id IN (SELECT service_id FROM {scan(opened.path("services"))} WHERE NOT is_confidential)
            ORDER BY ALL""",
    )
    return {"places": places, "place_hours": hours, "reach": reach}
