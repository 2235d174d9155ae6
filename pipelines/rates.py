"""The `rates` table: community calls of a need per area, with time, rates, intervals and empirical Bayes.

Calls of every tier count here, resolved ones only. Rates say where calls come from per resident; whether anything
suitable was there is `gaps`. Ranked on the smoothed rate, never on the raw one.
"""

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from geo.neighbours import Neighbours, contiguous
from geo.rates import dispersion, eb_spatial, posterior_interval, rate_interval, reliability
from geo.tables import RATES
from pipelines.city import City
from pipelines.compare import NO_RESIDENT_RATE, Period, periods
from pipelines.detect import complete_weeks
from pipelines.engine import connect, frame, named, quoted, scan
from pipelines.shapes import area_frame
from pipelines.vocabulary import needs as all_needs

PER = 1000.0


def rates(city: City, work: Path, calls: Path, places: Path, atoms: Path, areas: pd.DataFrame) -> pd.DataFrame:
    """`rates` of every level, need in scope and period, zero where nothing was counted."""
    db = connect(work)
    _located_calls(db, calls, places, atoms)
    spread = {need: _dispersion(db, city, need) for need, one in all_needs().items() if one.in_scope}
    found = []
    for level in city.levels:
        own = area_frame(areas, level.name)
        around = contiguous(own)
        for period in periods(city):
            counted = _counts(db, level.name, period)
            found += [_of_need(need, own, around, counted, period, phi) for need, phi in spread.items()]
    table = pd.concat(found, ignore_index=True)
    return table.sort_values(list(RATES.key)).reset_index(drop=True)[list(RATES.names)]


def _located_calls(db: duckdb.DuckDBPyConnection, calls: Path, places: Path, atoms: Path) -> None:
    db.execute(f"""CREATE TEMP TABLE located AS
        SELECT c.need, c.origin, c.local_date, c.committed_min, a.* EXCLUDE (atom)
        FROM {scan(calls)} c JOIN {scan(places)} p USING (place_id) JOIN {scan(atoms)} a ON a.atom = p.atom
        WHERE c.merged_into IS NULL AND c.scope IN ('in_scope', 'police_or_ems')
          AND c.origin IN ('community', 'officer')""")


def _dispersion(db: duckdb.DuckDBPyConnection, city: City, need: str) -> float:
    """Over-dispersion of the city's weekly counts over complete weeks; NaN where it cannot be told."""
    weekly = frame(
        db,
        f"""SELECT date_trunc('week', local_date)::DATE AS week, count(*) AS n FROM located
            WHERE need = {quoted(need)} AND origin = 'community' GROUP BY 1""",
    )
    counts = pd.Series(weekly["n"].to_numpy(float), index=pd.to_datetime(weekly["week"]))
    return dispersion(counts.reindex(pd.DatetimeIndex(complete_weeks(city))).fillna(0).to_numpy())


def _counts(db: duckdb.DuckDBPyConnection, level: str, period: Period) -> pd.DataFrame:
    return frame(
        db,
        f"""
        SELECT {named(level)} AS geoid, need,
               count(*) FILTER (origin = 'community') AS n_calls, count(*) FILTER (origin = 'officer') AS n_officer,
               sum(committed_min) FILTER (origin = 'community') / 60.0 AS committed_h,
               count(committed_min) FILTER (origin = 'community') AS n_timed
        FROM located WHERE local_date >= DATE {quoted(period.start)} AND local_date < DATE {quoted(period.end)}
        GROUP BY ALL
        """,
    )


def _of_need(
    need: str, own: pd.DataFrame, around: Neighbours, counted: pd.DataFrame, period: Period, phi: float
) -> pd.DataFrame:
    """Rows of one level, need and period; `own` holds the level's areas in the order of `around`."""
    rows = own[["level", "geoid", "area_km2", "population", "population_moe", "rate_barred"]].merge(
        counted[counted["need"] == need].drop(columns="need"), on="geoid", how="left"
    )
    rows[["n_calls", "n_officer", "n_timed"]] = rows[["n_calls", "n_officer", "n_timed"]].fillna(0).astype("int64")
    n = rows["n_calls"].to_numpy(float)
    reason = rows["rate_barred"].astype(object).where(rows["population"].notna(), "no resident count on record")
    reason = reason.where(reason.notna(), None)
    if need in NO_RESIDENT_RATE:
        reason = pd.Series(NO_RESIDENT_RATE[need], index=rows.index)
    out = rows[["level", "geoid", "population", "population_moe", "n_calls", "n_officer"]].assign(
        need=need,
        period=period.name,
        years=period.years,
        committed_h_per_year=np.where(rows["n_timed"] > 0, rows["committed_h"] / period.years, np.nan),
        time_known_share=np.where(n > 0, rows["n_timed"] / np.maximum(n, 1), np.nan),
        per_km2_per_year=n / rows["area_km2"].to_numpy(float) / period.years,
        reliability=reliability(rows["population"], rows["population_moe"]),
        rate_reason=reason,
        dispersion=phi,
    )
    return out.assign(**_rates(n, rows, out["rate_reason"].isna().to_numpy(), around, period, phi))


def _rates(n: Any, rows: pd.DataFrame, allowed: Any, around: Neighbours, period: Period, phi: float) -> dict[str, Any]:
    """Raw and smoothed rates per 1,000 residents per year; NaN where they are not allowed."""
    people = np.where(allowed, rows["population"].to_numpy(float), np.nan)
    moe = rows["population_moe"].to_numpy(float)
    raw = rate_interval(
        n,
        people,
        years=period.years,
        population_moe=moe if np.isfinite(moe).any() else None,
        phi=np.nan_to_num(phi, nan=1.0),
    )
    exposure = people * period.years
    smooth = eb_spatial(n, np.nan_to_num(exposure, nan=0.0), around)
    posterior = posterior_interval(n, np.nan_to_num(exposure, nan=0.0), smooth)
    eb = np.where(allowed, smooth.rate * PER, np.nan)
    return {
        "rate_per_1k": raw.value,
        "rate_low": raw.low,
        "rate_high": raw.high,
        "eb_per_1k": eb,
        "eb_low": np.where(allowed, posterior.low * PER, np.nan),
        "eb_high": np.where(allowed, posterior.high * PER, np.nan),
        "eb_is_mean": pd.Series(smooth.is_mean).astype("boolean").where(pd.Series(allowed)).to_numpy(object),
        "eb_rank": pd.Series(eb).rank(ascending=False, method="min").to_numpy(),
    }
