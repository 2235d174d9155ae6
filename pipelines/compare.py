"""The `gaps` table: area × need × leg × period × variant, with intervals, rates, flags and ranks."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from geo import gap
from geo.tables import GAPS
from pipelines.city import City
from pipelines.engine import connect, frame, named, quoted, scan
from pipelines.locate import REMAINDERS
from pipelines.vocabulary import needs as all_needs

VARIANTS = {"default": "outcome", "with_ed": "outcome_with_ed", "no_institutions": "outcome"}
FULL_YEAR_DAYS = 360
BUSIEST = 0.01
NO_RESIDENT_RATE = {"homelessness": "residents are not the people exposed; see count and count per km2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A named span of local dates, with the years of it that are on file."""

    name: str
    start: date
    end: date
    years: float


def periods(city: City) -> tuple[Period, ...]:
    """The whole study, the last twelve months and the calendar years, the latter two only where they are on file."""
    first, last = city.windows[0].start, city.windows[-1].end
    spans = [("last_12_months", last - timedelta(days=365), last)]
    spans += [(str(year), date(year, 1, 1), date(year + 1, 1, 1)) for year in range(first.year, last.year + 1)]
    whole = Period(name="whole", start=first, end=last, years=city.years)
    found = [
        Period(name=name, start=start, end=end, years=days / 365.25)
        for name, start, end in spans
        if (days := _days_on_file(city, start, end)) >= FULL_YEAR_DAYS
    ]
    return (whole, *found)


def _days_on_file(city: City, start: date, end: date) -> int:
    inside = sum(max(0, (min(w.end, end) - max(w.start, start)).days) for w in city.windows)
    lost = sum(
        max(0, (min(o.end, w.end, end) - max(o.start, w.start, start)).days) for o in city.outages for w in city.windows
    )
    return inside - lost


def gaps(
    city: City, work: Path, calls: Path, places: Path, atoms: Path, areas: pd.DataFrame, unmet: Path
) -> pd.DataFrame:
    """`gaps`, a row for every area, remainder and the city, zero where nothing was counted."""
    db = connect(work)
    _prepare(db, calls, places, atoms, unmet)
    counted = [
        _with_inference(city, _counts(db, city, areas, period, variant), period)
        for period in periods(city)
        for variant in VARIANTS
    ]
    table = pd.concat(counted, ignore_index=True)
    return table.sort_values(list(GAPS.key)).reset_index(drop=True)[list(GAPS.names)]


def _prepare(db: duckdb.DuckDBPyConnection, calls: Path, places: Path, atoms: Path, unmet: Path) -> None:
    """Tables `legs` (a row a call in scope and leg, with its areas) and `others` (police or EMS must attend)."""
    located = f"""
        SELECT c.call_id, c.need, c.local_date, c.no_one_found, c.place_id, c.scope, 'city' AS city,
               p.place_kind = 'institution' AS at_institution,
               a.* EXCLUDE (atom)
        FROM {scan(calls)} c
        LEFT JOIN {scan(places)} p ON c.place_id = p.place_id
        LEFT JOIN {scan(atoms)} a ON a.atom = p.atom
        WHERE c.merged_into IS NULL AND c.origin = 'community'"""
    levels = [row[0] for row in db.execute(f"DESCRIBE SELECT * EXCLUDE (atom) FROM {scan(atoms)}").fetchall()]
    filled = ", ".join(f"coalesce({named(level)}, '_unlocated') AS {named(level)}" for level in levels)
    db.execute(f"""CREATE TEMP TABLE legs AS
        SELECT l.* REPLACE ({filled}), u.leg, u.outcome, u.outcome_with_ed, u.outcome_near, u.outcome_far, u.is_recorded
        FROM ({located} AND c.scope = 'in_scope') l JOIN {scan(unmet)} u USING (call_id)""")
    db.execute(f"""CREATE TEMP TABLE others AS
        SELECT l.* REPLACE ({filled}) FROM ({located} AND c.scope = 'police_or_ems') l""")


def _counts(
    db: duckdb.DuckDBPyConnection, city: City, areas: pd.DataFrame, period: Period, variant: str
) -> pd.DataFrame:
    """Counts of every level for one period and variant, with rows for areas that have none."""
    outcome = VARIANTS[variant]
    inside = f"local_date >= DATE {quoted(period.start)} AND local_date < DATE {quoted(period.end)}"
    inside += " AND NOT coalesce(at_institution, false)" if variant == "no_institutions" else ""
    db.execute(f"""CREATE OR REPLACE TEMP TABLE busiest AS
        SELECT need, leg, place_id, true AS is_busiest FROM (
            SELECT need, leg, place_id, row_number() OVER (PARTITION BY need, leg ORDER BY count(*) DESC, place_id)
                   AS r,
                   count(*) OVER (PARTITION BY need, leg) AS n_places
            FROM legs WHERE {inside} AND place_id IS NOT NULL GROUP BY need, leg, place_id)
        WHERE r <= ceil({BUSIEST} * n_places)""")
    levels = ["city", *[level.name for level in city.levels]]
    found = pd.concat([_level_counts(db, level, outcome, inside) for level in levels], ignore_index=True)
    others = pd.concat([_level_others(db, level, inside) for level in levels], ignore_index=True)
    table = _every_row(city, areas).merge(found, on=["level", "geoid", "need", "leg"], how="left")
    table = table.merge(others, on=["level", "geoid", "need"], how="left")
    recorded = found.groupby(["need", "leg"])["is_recorded"].any()
    table["not_recorded"] = ~recorded.reindex(pd.MultiIndex.from_frame(table[["need", "leg"]])).eq(True).to_numpy()
    counts = [name for name in table.columns if name.startswith(("n_", "at_", "near_", "far_"))]
    table[counts] = table[counts].fillna(0).astype("int64")
    return table.assign(period=period.name, variant=variant, years=period.years).drop(columns="is_recorded")


def _level_counts(db: duckdb.DuckDBPyConnection, level: str, outcome: str, inside: str) -> pd.DataFrame:
    area = named(level)
    split = ", ".join(f"count(*) FILTER ({outcome} = {quoted(name)}) AS n_{name}" for name in gap.OUTCOME_NAMES)
    unmet = "IN ('spatial', 'barrier', 'temporal')"
    travel = ", ".join(
        f"count(*) FILTER (outcome_{way} {unmet}) AS {way}_least, "
        f"count(*) FILTER (outcome_{way} = 'uncertain') AS {way}_uncertain"
        for way in ("near", "far")
    )
    return frame(
        db,
        f"""
        SELECT {quoted(level)} AS level, * FROM (
            SELECT {area} AS geoid, need, leg, count(*) AS n_calls, {split}, {travel},
                   count(*) FILTER (no_one_found) AS n_no_one_found,
                   count(*) FILTER (at_institution) AS n_institution,
                   count(DISTINCT place_id) AS n_places,
                   count(*) FILTER (is_busiest IS NULL) AS n_without_busiest,
                   count(*) FILTER (is_busiest IS NULL AND {outcome} {unmet}) AS at_least_without_busiest,
                   bool_or(is_recorded) AS is_recorded
            FROM legs LEFT JOIN busiest USING (need, leg, place_id) WHERE {inside} GROUP BY {area}, need, leg)
        """,
    )


def _level_others(db: duckdb.DuckDBPyConnection, level: str, inside: str) -> pd.DataFrame:
    """Calls of each need that police or EMS must attend, whether or not any call of it is in scope."""
    return frame(
        db,
        f"""SELECT {quoted(level)} AS level, {named(level)} AS geoid, need, count(*) AS n_police_or_ems
            FROM others WHERE {inside} GROUP BY ALL""",
    )


def _every_row(city: City, areas: pd.DataFrame) -> pd.DataFrame:
    """Every area and remainder of every level and the city, times every need and its legs."""
    rows: list[tuple[Any, ...]] = [("city", "city", None, city_km2(city, areas), None)]
    for level in city.levels:
        own = areas[areas["level"] == level.name]
        rows += list(
            zip(
                [level.name] * len(own),
                own["geoid"],
                own["population"],
                own["area_km2"],
                own["rate_barred"],
                strict=True,
            )
        )
        rows += [(level.name, remainder, None, None, None) for remainder in REMAINDERS]
    frame_ = pd.DataFrame(rows, columns=["level", "geoid", "population", "area_km2", "rate_barred"])
    legs = [(name, leg) for name, need in all_needs().items() if need.in_scope for leg in need.legs]
    return frame_.merge(pd.DataFrame(legs, columns=["need", "leg"]), how="cross")


def city_km2(city: City, areas: pd.DataFrame) -> float:
    """Square kilometres of the base level."""
    return float(areas.loc[areas["level"] == city.base_level.name, "area_km2"].sum())


def _with_inference(city: City, table: pd.DataFrame, period: Period) -> pd.DataFrame:
    out = table.copy()
    out["n_at_least"] = out["n_spatial"] + out["n_barrier"] + out["n_temporal"]
    out["n_at_most"] = out["n_at_least"] + out["n_uncertain"]
    least, most = out["n_at_least"].to_numpy(), out["n_at_most"].to_numpy()
    out["at_least_per_year"] = least / period.years
    out["per_year_low"], out["per_year_high"] = gap.garwood_per_year(least, most, years=period.years)
    _add_rates(out, period)
    _add_flags(city, out, period)
    return _add_ranks(city, out, period)


def _add_rates(out: pd.DataFrame, period: Period) -> None:
    """Unmet calls per 1,000 residents per year, or null and the reason."""
    is_area = ~out["geoid"].isin((*REMAINDERS, "city")).to_numpy()
    reason = pd.Series(None, index=out.index, dtype=object)
    reason[out["population"].isna()] = "no resident count on record"
    reason[out["rate_barred"].notna()] = out["rate_barred"]
    for need, words in NO_RESIDENT_RATE.items():
        reason[out["need"] == need] = words
    reason[~is_area] = "not an area"
    allowed = reason.isna().to_numpy()
    thousand_years = out["population"].astype(float).where(allowed) / 1000 * period.years
    out["unmet_per_1k_low"] = out["n_at_least"] / thousand_years
    out["unmet_per_1k_high"] = out["n_at_most"] / thousand_years
    out["rate_reason"] = reason


def _add_flags(city: City, out: pd.DataFrame, period: Period) -> None:
    found = gap.flags(
        out["n_at_least"].to_numpy(),
        out["n_at_most"].to_numpy(),
        out["n_calls"].to_numpy(),
        years=period.years,
        standard=city.standard.share,
    )
    out["p_over_standard"], out["p_over_standard_most"] = found.p_least, found.p_most
    flag = np.where(out["not_recorded"], "not_recorded", found.flag)
    out["flag"] = np.where(out["geoid"].isin((*REMAINDERS, "city")), "not_an_area", flag)


def _add_ranks(city: City, table: pd.DataFrame, period: Period) -> pd.DataFrame:
    """Rank intervals within each level, need and leg of the default variant."""
    columns = ["rank_low", "rank_high", "p_top_decile", "rank_km2_low", "rank_km2_high"]
    out = table.assign(**dict.fromkeys(columns, np.nan))
    is_ranked = (out["variant"] == "default") & ~out["geoid"].isin((*REMAINDERS, "city")) & ~out["not_recorded"]
    for _, rows in _groups(out[is_ranked]):
        scenarios = np.column_stack(list(_scenarios(rows)))
        found = gap.rank_draws(scenarios, years=period.years, n_draws=city.n_draws, seed=city.seed)
        out.loc[rows.index, columns[:3]] = np.column_stack([found.low, found.high, found.p_top_decile])
        if rows["need"].iloc[0] in NO_RESIDENT_RATE:
            dense = gap.rank_draws(
                scenarios,
                years=period.years,
                km2=rows["area_km2"].to_numpy(float),
                n_draws=city.n_draws,
                seed=city.seed,
            )
            out.loc[rows.index, columns[3:]] = np.column_stack([dense.low, dense.high])
    return out


def _groups(rows: pd.DataFrame) -> Iterator[tuple[object, pd.DataFrame]]:
    yield from rows.sort_values("geoid").groupby(["level", "need", "leg"], sort=True)


def _scenarios(rows: pd.DataFrame) -> Iterator[np.ndarray]:
    """The nine supply scenarios: travel -20 / 0 / +20 % × unknowns open / half / closed."""
    for least, uncertain in (
        ("near_least", "near_uncertain"),
        ("n_at_least", "n_uncertain"),
        ("far_least", "far_uncertain"),
    ):
        for share in (0.0, 0.5, 1.0):
            yield rows[least].to_numpy(float) + share * rows[uncertain].to_numpy(float)
