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
from pipelines.engine import Advance, connect, frame, named, quoted, scan
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
    city: City,
    work: Path,
    calls: Path,
    places: Path,
    atoms: Path,
    areas: pd.DataFrame,
    unmet: Path,
    advance: Advance | None = None,
) -> pd.DataFrame:
    """`gaps`, a row for every area, remainder and the city, zero where nothing was counted."""
    db = connect(work)
    _prepare(db, calls, places, unmet)
    counted: list[pd.DataFrame] = []
    spans = periods(city)
    for period in spans:
        _count_places(db, period)
        for variant in VARIANTS:
            if advance:
                advance(f"{period.name}, {variant}", len(counted), len(spans) * len(VARIANTS))
            counts = _counts(db, city, areas, atoms, period, variant)
            counted.append(_with_inference(city, counts, period))
    table = pd.concat(counted, ignore_index=True)
    return table.sort_values(list(GAPS.key)).reset_index(drop=True)[list(GAPS.names)]


def _prepare(db: duckdb.DuckDBPyConnection, calls: Path, places: Path, unmet: Path) -> None:
    """Tables `legs` (a row a call in scope and leg, with its atom) and `others` (police or EMS must attend)."""
    located = f"""
        SELECT c.call_id, c.need, c.local_date, c.no_one_found, c.place_id, p.atom,
               coalesce(p.place_kind = 'institution', false) AS at_institution
        FROM {scan(calls)} c LEFT JOIN {scan(places)} p ON c.place_id = p.place_id
        WHERE c.merged_into IS NULL AND c.origin = 'community'"""
    db.execute(f"""CREATE TEMP TABLE legs AS
        SELECT l.* EXCLUDE (call_id), u.* EXCLUDE (call_id)
        FROM ({located} AND c.scope = 'in_scope') l JOIN {scan(unmet)} u USING (call_id)""")
    db.execute(f"CREATE TEMP TABLE others AS {located} AND c.scope = 'police_or_ems'")


def _count_places(db: duckdb.DuckDBPyConnection, period: Period) -> None:
    """Tables `at_places` and `others_at` of a period: the counts of each place, of which all else is a sum."""
    inside = f"local_date >= DATE {quoted(period.start)} AND local_date < DATE {quoted(period.end)}"
    counters = [
        f"count(*) FILTER ({outcome} = {quoted(name)}) AS {outcome}_{name}"
        for outcome in dict.fromkeys(VARIANTS.values())
        for name in gap.OUTCOME_NAMES
    ]
    for way in ("near", "far"):
        counters.append(f"count(*) FILTER (outcome_{way} IN ('spatial', 'barrier', 'temporal')) AS {way}_least")
        counters.append(f"count(*) FILTER (outcome_{way} = 'uncertain') AS {way}_uncertain")
    db.execute(f"""CREATE OR REPLACE TEMP TABLE at_places AS
        SELECT need, leg, place_id, any_value(atom) AS atom, bool_or(at_institution) AS at_institution,
               bool_or(is_recorded) AS is_recorded, count(*) AS n_calls, {", ".join(counters)},
               count(*) FILTER (no_one_found) AS n_no_one_found
        FROM legs WHERE {inside} GROUP BY need, leg, place_id""")
    db.execute(f"""CREATE OR REPLACE TEMP TABLE others_at AS
        SELECT need, atom, at_institution, count(*) AS n FROM others WHERE {inside} GROUP BY ALL""")


def _counts(
    db: duckdb.DuckDBPyConnection, city: City, areas: pd.DataFrame, atoms: Path, period: Period, variant: str
) -> pd.DataFrame:
    """Counts of every level for one period and variant, with rows for areas that have none."""
    chosen = "WHERE NOT at_institution" if variant == "no_institutions" else ""
    _count_atoms(db, VARIANTS[variant], chosen)
    levels = ["city", *[level.name for level in city.levels]]
    found = pd.concat([_level_counts(db, atoms, level) for level in levels], ignore_index=True)
    others = pd.concat([_level_others(db, atoms, level, chosen) for level in levels], ignore_index=True)
    table = _every_row(city, areas).merge(found, on=["level", "geoid", "need", "leg"], how="left")
    table = table.merge(others, on=["level", "geoid", "need"], how="left")
    recorded = found.groupby(["need", "leg"])["is_recorded"].any()
    table["not_recorded"] = recorded.reindex(pd.MultiIndex.from_frame(table[["need", "leg"]])).eq(False).to_numpy()
    counts = [name for name in table.columns if name.startswith(("n_", "at_", "near_", "far_"))]
    table[counts] = table[counts].fillna(0).astype("int64")
    return table.assign(period=period.name, variant=variant, years=period.years).drop(columns="is_recorded")


def _count_atoms(db: duckdb.DuckDBPyConnection, outcome: str, chosen: str) -> None:
    """Table `at_atoms`: counts of each atom, need and leg. A place is in one atom, so distinct places add up."""
    sums = [f"sum({outcome}_{name})::BIGINT AS n_{name}" for name in gap.OUTCOME_NAMES]
    sums += [
        f"sum({name})::BIGINT AS {name}" for name in ("near_least", "near_uncertain", "far_least", "far_uncertain")
    ]
    least = f"{outcome}_spatial + {outcome}_barrier + {outcome}_temporal"
    db.execute(f"""CREATE OR REPLACE TEMP TABLE at_atoms AS
        WITH ranked AS (
            SELECT *, place_id IS NOT NULL AND rank_ <= ceil({BUSIEST} * count(place_id) OVER (PARTITION BY need, leg))
                      AS is_busiest
            FROM (SELECT *, row_number() OVER (PARTITION BY need, leg, place_id IS NULL
                                               ORDER BY n_calls DESC, place_id) AS rank_ FROM at_places {chosen}))
        SELECT atom, need, leg, sum(n_calls)::BIGINT AS n_calls, {", ".join(sums)},
               sum(n_no_one_found)::BIGINT AS n_no_one_found,
               coalesce(sum(n_calls) FILTER (at_institution), 0)::BIGINT AS n_institution,
               count(place_id) AS n_places,
               coalesce(sum(n_calls) FILTER (NOT is_busiest), 0)::BIGINT AS n_without_busiest,
               coalesce(sum({least}) FILTER (NOT is_busiest), 0)::BIGINT AS at_least_without_busiest,
               bool_or(is_recorded) AS is_recorded
        FROM ranked GROUP BY atom, need, leg""")


def _level_counts(db: duckdb.DuckDBPyConnection, atoms: Path, level: str) -> pd.DataFrame:
    return frame(
        db,
        f"""
        SELECT {quoted(level)} AS level, {_area(level)} AS geoid, t.need, t.leg, bool_or(t.is_recorded) AS is_recorded,
               sum(COLUMNS(t.* EXCLUDE (atom, need, leg, is_recorded)))::BIGINT
        FROM at_atoms t LEFT JOIN {scan(atoms)} a USING (atom) GROUP BY ALL
        """,
    )


def _level_others(db: duckdb.DuckDBPyConnection, atoms: Path, level: str, chosen: str) -> pd.DataFrame:
    """Calls of each need that police or EMS must attend, whether or not any call of it is in scope."""
    return frame(
        db,
        f"""
        SELECT {quoted(level)} AS level, {_area(level)} AS geoid, o.need, sum(o.n)::BIGINT AS n_police_or_ems
        FROM (SELECT * FROM others_at {chosen}) o LEFT JOIN {scan(atoms)} a USING (atom) GROUP BY ALL
        """,
    )


def _area(level: str) -> str:
    """SQL of the area of an atom `a` at a level."""
    return "'city'" if level == "city" else f"coalesce(a.{named(level)}, '_unlocated')"


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
