"""What a planner asks first, as data: the numbers behind `unmet show`. Printing is in `pipelines/screen.py`."""

from collections.abc import Iterable, Iterator
from typing import Any, cast

import pandas as pd

from pipelines.city import City
from pipelines.engine import connect, each, frame, scan
from pipelines.map_words import HEADLINES, INTERNAL, LEG_WORDS
from pipelines.store import Store
from pipelines.vocabulary import needs as all_needs

LEAST_YEARS = 0.5
DEFAULT_NEED = "mental_health"
NOT_ADDED = "Needs are counted apart and never added into one number."
DISCLAIMER = (
    "Police answered every call counted as police-answered; unmet describes services, not officers. A planning "
    "estimate: not a finding that any response was inadequate, unlawful or avoidable. Calls, not people; one person "
    "may be many calls; the subject may not want service."
)


def banners(city: City, opened: Store) -> list[str]:
    """The sentences that every view of a store carries."""
    told = [INTERNAL]
    if city.is_synthetic:
        told.append("synthetic: describes no real place, person or service")
    services = opened.read("services", ["reviewed_by"])
    if len(services) == 0 or services["reviewed_by"].isna().any() or (services["reviewed_by"] == "").any():
        told.append("draft matching - not for publication")
    quality = opened.read("quality")
    told += [row.detail for row in each(quality) if row.reason == "DRAFT_RULES"]
    if any(source.origin == "inferred" for source in city.sources_of("calls")):
        told.append("who started a call is inferred from its type: this agency records no source")
    return told


def heading(city: City) -> dict[str, Any]:
    """Which city, which days, how many years of them."""
    return {
        "city": city.name,
        "windows": [f"{one.start.isoformat()} to {one.end.isoformat()} (end excluded)" for one in city.windows],
        "years": round(city.years, 4),
        "services_as_of": city.services_as_of.isoformat(),
    }


def denominator(opened: Store) -> dict[str, int]:
    """Who is in the denominator: from community calls to those in scope, with the segments kept in it."""
    scopes = ("unresolved", "criminal", "other_need", "police_or_ems", "in_scope")
    counted = ", ".join(f"count(*) FILTER (by_community AND scope = '{name}') AS {name}" for name in scopes)
    segments = {
        "tier_unknown": "tier IS NULL",
        "no_one_found": "no_one_found",
        "at_institutions": "place_kind = 'institution'",
        "not_placed": "p.x IS NULL OR place_kind = 'placeholder'",
    }
    inside = ", ".join(
        f"count(*) FILTER (by_community AND scope = 'in_scope' AND ({rule})) AS {name}"
        for name, rule in segments.items()
    )
    row = frame(
        connect(opened.folder),
        f"""
        SELECT count(*) FILTER (by_community) AS community, count(*) FILTER (origin = 'officer') AS officer_initiated,
               count(*) FILTER (NOT by_community AND origin <> 'officer') AS other_origins, {counted}, {inside},
               count(*) FILTER (by_community AND scope = 'other_need' AND need = 'unmatched') AS unmatched_type
        FROM (SELECT *, origin = 'community' AS by_community FROM {scan(opened.path("calls"))}) c
        LEFT JOIN {scan(opened.path("places"))} p USING (place_id) WHERE merged_into IS NULL""",
    ).iloc[0]
    return {str(name): int(value) for name, value in row.items()}


def gaps(
    city: City,
    opened: Store,
    *,
    level: str | None = None,
    need: str | None = None,
    leg: str | None = None,
    period: str = "whole",
    variant: str = "default",
) -> dict[str, Any]:
    """Everything that `unmet show gaps` prints."""
    table = opened.read("gaps")
    table = table[(table["period"] == period) & (table["variant"] == variant)]
    table = table[(table["need"] == need) if need else slice(None)]
    table = table[(table["leg"] == leg) if leg else slice(None)]
    shown = level or city.base_level.name
    listed = need or DEFAULT_NEED
    here = table[(table["level"] == shown) & table["flag"].isin(["flagged", "possibly"])]
    flagged = here[here["need"] == listed]
    flagged = flagged.assign(order=flagged["flag"].eq("flagged").astype(int))
    flagged = flagged.sort_values(["need", "leg", "order", "p_over_standard"], ascending=[True, True, False, False])
    names = opened.read("areas", ["level", "geoid", "name"])
    return {
        **heading(city),
        "banners": banners(city, opened),
        "period": period,
        "variant": variant,
        "level": shown,
        "denominator": denominator(opened),
        "has_dispositions": any("disposition" in dict(one.columns) for one in city.sources_of("calls")),
        "city_totals": [_total(row) for row in each(_in_order(table[table["level"] == "city"]))],
        "areas": [_area(row) for row in each(flagged.merge(names, on=["level", "geoid"], how="left"))],
        "areas_need": listed,
        "areas_elsewhere": [
            {"need": key[0], "leg": key[1], "flagged": int(n["flagged"]), "possibly": int(n["possibly"])}
            for key, n in _flag_counts(here[here["need"] != listed])
        ],
        "standard": {"share": city.standard.share, "source": city.standard.source or "no local standard"},
        "thresholds": thresholds(city),
        "cascade": cascade(opened),
        "caveats": list(city.caveats),
        "notes": [NOT_ADDED, DISCLAIMER],
    }


def cascade(opened: Store) -> list[dict[str, Any]]:
    """Observed beside potential: per need, calls in scope to those connected, and why nobody was sent; or nothing."""
    table = opened.read("cascade")
    told = []
    for need in (name for name in all_needs() if (table["need"] == name).any()):
        rows = table[table["need"] == need]
        steps = rows[rows["reason"] == ""].set_index("step")["n_calls"]
        reasons = rows[rows["step"] == "not_sent"].sort_values("n_calls", ascending=False)
        told.append(
            {
                "need": need,
                "label": all_needs()[need].label,
                **{str(step): int(n) for step, n in steps.items()},
                "not_sent": [{"reason": row.reason, "n_calls": int(row.n_calls)} for row in each(reasons)],
            }
        )
    return told


def _flag_counts(rows: pd.DataFrame) -> Iterator[tuple[tuple[str, str], dict[str, int]]]:
    """How many areas are flagged and possibly flagged, per need and leg."""
    for key, flags in rows.groupby(["need", "leg"])["flag"]:
        need, leg = cast("tuple[str, str]", key)
        yield (need, leg), {name: int((flags == name).sum()) for name in ("flagged", "possibly")}


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Needs in the order of needs.toml (mental-health crisis first), legs respond, place, contact."""
    needs = {name: at for at, name in enumerate(all_needs())}
    legs = {"respond": 0, "place": 1, "contact": 2}
    return table.assign(n=table["need"].map(needs), g=table["leg"].map(legs)).sort_values(["n", "g"])


def _total(row: Any) -> dict[str, Any]:
    return {
        "need": row.need,
        "label": all_needs()[row.need].label,
        "leg": row.leg,
        "leg_words": LEG_WORDS[row.leg],
        "headline": HEADLINES[row.leg],
        "not_recorded": bool(row.not_recorded and row.n_calls),
        "n_calls": int(row.n_calls),
        "available": int(row.n_available),
        "uncertain": int(row.n_uncertain),
        "spatial": int(row.n_spatial),
        "barrier": int(row.n_barrier),
        "temporal": int(row.n_temporal),
        "at_least": int(row.n_at_least),
        "at_most": int(row.n_at_most),
        "years": round(float(row.years), 4),
        "per_year_low": round(float(row.per_year_low), 1) if row.years >= LEAST_YEARS else None,
        "per_year_high": round(float(row.per_year_high), 1) if row.years >= LEAST_YEARS else None,
        "n_police_or_ems": int(row.n_police_or_ems),
        "n_no_one_found": int(row.n_no_one_found),
        "n_institution": int(row.n_institution),
        "n_places": int(row.n_places),
        "n_without_busiest": int(row.n_without_busiest),
        "at_least_without_busiest": int(row.at_least_without_busiest),
    }


def _area(row: Any) -> dict[str, Any]:
    return {
        "geoid": row.geoid,
        "name": row.name if isinstance(row.name, str) else row.geoid,
        "need": row.need,
        "leg": row.leg,
        "flag": row.flag,
        "n_calls": int(row.n_calls),
        "at_least": int(row.n_at_least),
        "at_most": int(row.n_at_most),
        "p_over_standard": round(float(row.p_over_standard), 3),
        "p_over_standard_most": round(float(row.p_over_standard_most), 3),
        "rank_low": _number(row.rank_low),
        "rank_high": _number(row.rank_high),
        "p_top_decile": _number(row.p_top_decile),
    }


def _number(value: float) -> float | None:
    return None if pd.isna(value) else round(float(value), 3)


def thresholds(city: City) -> list[str]:
    """Who travels how far, in words."""
    travel = city.travel
    way = "supplied travel times" if travel.matrix else f"straight line x {travel.circuity:g}"
    return [
        f"someone to respond: zone and staffed hours; drive from base <= {travel.respond_min:g} min "
        f"at {travel.drive_kmh:g} km/h, {way}",
        f"a place to go: walk <= {travel.walk_min:g} min at {travel.walk_kmh:g} km/h, or first-responder drop-off "
        f"<= {travel.drop_off_min:g} min at {travel.drive_kmh:g} km/h, {way}",
        "someone to contact: zone and staffed hours of a line; calls a line can close (T0)",
        "emergency departments are the fallback being measured and do not count (variant: with_ed)",
        "care by appointment does not count",
    ]


def hotspots(city: City, opened: Store, *, need: str | None = None, product: str = "excess") -> dict[str, Any]:
    """Everything that `unmet show hotspots` prints: areas, never addresses."""
    table = opened.read("hotspots")
    table = table[(table["product"] == product) & (table["status"] != "ended")]
    table = table[(table["need"] == need) if need else slice(None)]
    where = _names_at(city, opened, table)
    order = {name: at for at, name in enumerate(all_needs())}
    table = table.assign(where=where, order=table["need"].map(order)).sort_values(
        ["order", "is_recurring", "n_calls"], ascending=[True, False, False]
    )
    places = opened.read("places", ["place_kind", "n_calls"])
    nothing = opened.read("gaps", ["level", "need", "leg", "not_recorded"]).query("level == 'city' and not_recorded")
    return {
        **heading(city),
        "banners": banners(city, opened),
        "product": product,
        "rows": [_hotspot(row) for row in each(table)],
        "not_recorded": nothing[["need", "leg"]].drop_duplicates().to_dict("records"),
        "left_out": {
            kind: int((places["place_kind"] == kind).sum()) for kind in ("placeholder", "institution", "unexplained")
        },
        "findings": _findings(opened, ("PLACEHOLDER", "UNEXPLAINED", "WINDOW_TOO_SHORT", "BREAK", "SINGLE_LOCATION")),
        "caveats": list(city.caveats),
        "notes": [
            "p is family-wise within one call reason.",
            "new, persistent: against the run before this one, not a date when such calls began. cooling: fewer calls "
            "a week in the last 13 weeks than before them, read only after the last break.",
            "An area high on every kind of call is not in excess; see --product volume.",
            DISCLAIMER,
        ],
    }


def _names_at(city: City, opened: Store, table: pd.DataFrame) -> list[str]:
    """The named area (parent or planning level, else the base level) that holds each centre."""
    from geo.areas import area_of
    from pipelines.shapes import area_frame

    named = next((level for level in city.levels if level.role in ("parent", "planning")), city.base_level)
    areas = area_frame(opened.read("areas"), named.name)
    ids = area_of(table["x"].to_numpy(float), table["y"].to_numpy(float), areas)
    names = areas.set_index("geoid")["name"]
    return ["outside the city's areas" if one is None else str(names.get(one, one)) for one in ids]


def _hotspot(row: Any) -> dict[str, Any]:
    told = {
        "hotspot_id": row.hotspot_id,
        "need": row.need,
        "label": all_needs()[row.need].label,
        "where": row.where,
        "radius_m": _number(row.radius_m),
        "n_calls": int(row.n_calls),
        "n_places": int(row.n_places),
        "relative_risk": _number(row.relative_risk),
        "p_value": _number(row.p_value),
        "n_weeks": int(row.n_weeks),
        "persistence_share": _number(row.persistence_share),
        "max_week_share": _number(row.max_week_share),
        "is_recurring": None if pd.isna(row.is_recurring) else bool(row.is_recurring),
        "status": row.status,
        "reason": row.reason if isinstance(row.reason, str) else None,
        "peak_start": int(row.peak_start),
        "peak_share": _number(row.peak_share),
        "n_peak": int(row.n_peak),
    }
    for name in ("respond_at_least", "respond_at_most", "place_at_least", "place_at_most"):
        value = getattr(row, name)
        told[name] = None if pd.isna(value) else int(value)
    return told


def _findings(opened: Store, starts: tuple[str, ...]) -> list[dict[str, Any]]:
    quality = opened.read("quality")
    rows = quality[quality["reason"].str.startswith(starts)]
    rows = rows.assign(sample=rows["sample"].astype(object).where(rows["sample"].notna(), None))
    return [{"reason": r.reason, "detail": r.detail, "sample": r.sample, "n_rows": int(r.n_rows)} for r in each(rows)]


def quality(city: City, opened: Store) -> dict[str, Any]:
    """Everything that `unmet show quality` prints: what came in, what was refused and why, what to know."""
    found = opened.read("quality")
    quarantine = opened.read("quarantine")
    refused = quarantine.groupby(["source_id", "reason", "column"], dropna=False)["source_line"].nunique()
    by_reason = cast("Iterable[tuple[tuple[str, str, str], int]]", refused.items())
    return {
        **heading(city),
        "banners": banners(city, opened),
        "counts": opened.read("counts").to_dict("records"),
        "quarantine": [
            {"source_id": key[0], "reason": key[1], "column": key[2], "n_rows": int(n)} for key, n in by_reason
        ],
        "findings": [
            {name: (None if pd.isna(value) else value) for name, value in row.items()}
            for row in found.to_dict("records")
        ],
        "caveats": list(city.caveats),
    }


def rates(
    city: City, opened: Store, *, level: str | None = None, need: str | None = None, period: str = "whole"
) -> dict[str, Any]:
    """Where calls of one need come from: counts, hours, rates with intervals, ranked on the smoothed rate."""
    shown, chosen = level or city.base_level.name, need or DEFAULT_NEED
    table = opened.read("rates")
    table = table[(table["level"] == shown) & (table["need"] == chosen) & (table["period"] == period)]
    names = opened.read("areas", ["level", "geoid", "name"])
    table = table.merge(names, on=["level", "geoid"], how="left")
    table = table.sort_values(["eb_rank", "per_km2_per_year"], ascending=[True, False], na_position="last")
    columns = ["geoid", "name", "n_calls", "n_officer", "committed_h_per_year", "per_km2_per_year", "population"]
    columns += [
        "population_moe",
        "reliability",
        "rate_per_1k",
        "rate_low",
        "rate_high",
        "eb_per_1k",
        "eb_low",
        "eb_high",
    ]
    columns += ["eb_is_mean", "eb_rank", "rate_reason"]
    rows = [
        {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in table[columns].to_dict("records")
    ]
    return {
        **heading(city),
        "banners": banners(city, opened),
        "level": shown,
        "need": chosen,
        "label": all_needs()[chosen].label,
        "period": period,
        "dispersion": None if table.empty else _number(table["dispersion"].iloc[0]),
        "rows": rows,
        "notes": [
            "Community calls of every tier; officer-initiated activity stands beside them and is never added.",
            "Rates per 1,000 residents per year, 90 % intervals with the error of the resident count; ranked on the "
            "smoothed rate (spatial empirical Bayes), never on the raw one.",
            "Calls are demand on police, not how common a need is: who calls, and whom they call, differs by place.",
        ],
        "caveats": list(city.caveats),
    }


def verification(city: City, opened: Store, *, need: str | None = None, leg: str | None = None) -> dict[str, Any]:
    """The list for the partners who know: whose answers would move most calls."""
    table = opened.read("verification")
    table = table[(table["need"] == need) if need else slice(None)]
    table = table[(table["leg"] == leg) if leg else slice(None)]
    return {**heading(city), "banners": banners(city, opened), "rows": table.to_dict("records")}
