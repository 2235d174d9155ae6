"""Tables of a release that is not suppressed: sums by day and longer periods for staff, and places where agreed."""

import pandas as pd

from pipelines.engine import connect, frame, named, quoted, scan
from pipelines.policy import Policy
from pipelines.release_tables import CALL, CELL, HOUR, MEASURE
from pipelines.store import Store

OUTCOMES = ("available", "uncertain", "spatial", "barrier", "temporal")
RATES = ["unmet_per_1k_low", "unmet_per_1k_high", "rate_reason"]
FLAGS = ["p_over_standard", "p_over_standard_most", "flag", "not_recorded"]
RANKS = ["rank_low", "rank_high", "p_top_decile", "rank_km2_low", "rank_km2_high"]


def staff_tables(opened: Store, policy: Policy) -> dict[str, pd.DataFrame]:
    """calls, cells, hours, measures and ranks of every level the policy names; every cell is shown, zeros left out."""
    levels = [level.name for level in policy.levels]
    gaps = opened.read("gaps")
    gaps = gaps[gaps["level"].isin(levels)].rename(columns={"n_at_least": "at_least", "n_at_most": "at_most"})
    gaps = gaps.assign(grain=gaps["period"].map(_grain), at_most_per_year=gaps["at_most"] / gaps["years"])
    key = ["level", "geoid", "need", "leg", "grain", "period", "variant"]
    more = [name for name in RATES if policy.field("rates")] + [name for name in FLAGS if policy.field("flags")]
    return {
        "calls": _calls(opened, levels),
        "cells": pd.concat([_long(gaps, key), _days(opened, levels)], ignore_index=True)[CELL],
        "hours": _hours(opened, levels),
        "measures": gaps[[*MEASURE, *more]].reset_index(drop=True),
        "ranks": gaps.loc[gaps["rank_low"].notna(), [*key, *RANKS]].reset_index(drop=True),
    }


def _grain(period: str) -> str:
    return period if period in ("whole", "last_12_months") else "year"


def _long(gaps: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    wide = gaps[[*key, *(f"n_{name}" for name in OUTCOMES)]].rename(columns={f"n_{name}": name for name in OUTCOMES})
    long = wide.melt(id_vars=key, var_name="outcome", value_name="n")
    return long[long["n"] > 0].assign(state="shown")


def _days(opened: Store, levels: list[str]) -> pd.DataFrame:
    return _by_level(
        opened,
        levels,
        "c.need, u.leg, 'day' AS grain, strftime(c.local_date, '%Y-%m-%d') AS period, 'default' AS variant, u.outcome",
        legs=True,
    )


def _hours(opened: Store, levels: list[str]) -> pd.DataFrame:
    """By hour of the week (`h000` = Monday 00:00-01:00) over all days on file."""
    columns = "c.need, u.leg, 'whole' AS period, printf('h%03d', hour_of_week) AS block, u.outcome"
    return _by_level(opened, levels, columns, legs=True)[HOUR]


def _calls(opened: Store, levels: list[str]) -> pd.DataFrame:
    told = [
        _by_level(opened, levels, f"c.need, c.origin, c.scope, {grain}", legs=False)
        for grain in (
            "'day' AS grain, strftime(c.local_date, '%Y-%m-%d') AS period",
            "'year' AS grain, year(c.local_date)::VARCHAR AS period",
            "'whole' AS grain, 'whole' AS period",
        )
    ]
    return pd.concat(told, ignore_index=True)[CALL]


def _by_level(opened: Store, levels: list[str], columns: str, *, legs: bool) -> pd.DataFrame:
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
                    WHERE c.merged_into IS NULL GROUP BY ALL ORDER BY ALL""",
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
