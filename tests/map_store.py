"""A small hand-made store for the tests of the gap map: twelve square areas, two neighbourhoods, two call reasons."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import shapely

from geo.tables import AREAS, GAPS, HOTSPOTS, QUALITY, SERVICES, check
from pipelines.city import City, load_city
from pipelines.store import Store, add_part, commit

X0, Y0, SIDE = 480_000.0, 4_764_000.0, 1_500.0
HOSTILE = (
    "<img src=x onerror=document.title='owned'>",
    "{{7*7}}",
    "${document.title='owned'}",
    "</script><script>document.title='owned'</script>",
    "line\u2028break\u2029\u202egnp",
    "`a\\u0062` & \"quotes\" 'x' {% include 'x' %}",
)
NAMES = (*HOSTILE, "Tract 7", "Tract 8", "Tract 9", "Tract 10", "Tract 11", "Tract 12")
NEEDS = {"mental_health": ("contact", "respond", "place"), "homelessness": ("respond", "place")}
TWO_YEARS = 735 / 365.25


def sample_city() -> City:
    """The sample city, with a hostile caveat."""
    return replace(load_city("sample"), caveats=("Synthetic. <b onclick=alert(1)>{{7*7}}</b> http://evil.invalid/x",))


def make_store(folder: Path) -> Store:
    """A store of the tables the map reads, each checked against its contract."""
    frames = {
        "areas": check(areas(), AREAS),
        "gaps": check(gaps(), GAPS),
        "hotspots": check(hotspots(), HOTSPOTS),
        "services": check(services(), SERVICES),
        "quality": check(quality(), QUALITY),
    }
    entries = {}
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        made = folder / f"{name}.parquet"
        frame.to_parquet(made)
        part = add_part(folder, made, table=name, fingerprint="made", stage="test")
        entries[name] = {field: getattr(part, field) for field in part.__dataclass_fields__}
    commit(folder, {"schema": "1.0", "tables": entries, "inputs": {}})
    return Store(folder)


def areas() -> pd.DataFrame:
    """Twelve squares in three rows of four, in two neighbourhoods (left and right)."""
    squares = [
        shapely.box(X0 + c * SIDE, Y0 + r * SIDE, X0 + (c + 1) * SIDE, Y0 + (r + 1) * SIDE)
        for r in range(3)
        for c in range(4)
    ]
    sides = [shapely.unary_union([s for at, s in enumerate(squares) if (at % 4 < 2) == left]) for left in (True, False)]
    rows = [_area("tract", f"990010{at:05d}", NAMES[at], square, at) for at, square in enumerate(squares)]
    rows += [_area("neighbourhood", f"N{at}", HOSTILE[at], side, at) for at, side in enumerate(sides)]
    return pd.DataFrame(rows)


def _area(level: str, geoid: str, name: str, shape: shapely.Geometry, at: int) -> dict[str, object]:
    return {
        "level": level,
        "geoid": geoid,
        "name": name,
        "vintage": "2020",
        "role": "census" if level == "tract" else "parent",
        "area_km2": shape.area / 1e6,
        "population": None if at == 3 else 1000.0 + 100 * at,
        "population_moe": 50.0,
        "households": 400.0,
        "denominator_vintage": "2018-2022",
        "rate_barred": None,
        "geometry": shapely.to_wkb(shape),
    }


def gaps() -> pd.DataFrame:
    """Every area, the remainders and the city for each need and leg; substance use has nothing on record."""
    rows = []
    for need, legs in {**NEEDS, "substance_use": ("respond",)}.items():
        for leg in legs:
            own = [_gap(need, leg, "tract", f"990010{at:05d}", *_parts(need, leg, at)) for at in range(12)]
            own += [_gap(need, leg, "tract", g, 1, 2, 3, 0, 0) for g in ("_outside", "_placeholder", "_unlocated")]
            sums = [int(pd.DataFrame(own)[f"n_{part}"].sum()) for part in PARTS]
            rows += [*own, _gap(need, leg, "city", "city", *sums)]
    table = pd.DataFrame(rows)
    other = table.assign(variant="with_ed", n_calls=999_999)
    return pd.concat([table, other], ignore_index=True)


PARTS = ("available", "uncertain", "spatial", "barrier", "temporal")


def _parts(need: str, leg: str, at: int) -> tuple[int, ...]:
    """Available, uncertain, spatial, barrier, temporal of an area; area 11 has too few calls."""
    if need == "substance_use":
        return (0, 100, 0, 0, 0)
    n = 10 if at == 11 else 200
    shift = 3 if leg == "place" else 0
    unmet = n * ((at + shift) % 11) // 10
    uncertain = min(n - unmet, 20)
    return (n - unmet - uncertain, uncertain, unmet // 2, unmet // 4, unmet - unmet // 2 - unmet // 4)


def _gap(need: str, leg: str, level: str, geoid: str, *parts: int) -> dict[str, object]:
    available, uncertain, spatial, barrier, temporal = parts
    n, least = sum(parts), spatial + barrier + temporal
    is_area = level == "tract" and not geoid.startswith("_")
    flag = "not_an_area"
    if is_area:
        flag = "flagged" if least / n > 0.6 else "possibly" if (least + uncertain) / n > 0.55 else "no"
        flag = "too_few" if n < 48 else flag
        flag = "not_recorded" if need == "substance_use" else flag
    rated = is_area and need != "homelessness" and geoid != "99001000003"
    return {
        "level": level, "geoid": geoid, "need": need, "leg": leg, "period": "whole", "variant": "default",
        "years": TWO_YEARS, "n_calls": n, "n_available": available, "n_uncertain": uncertain, "n_spatial": spatial,
        "n_barrier": barrier, "n_temporal": temporal, "n_at_least": least, "n_at_most": least + uncertain,
        "at_least_per_year": least / TWO_YEARS, "per_year_low": least / 2.2, "per_year_high": (least + uncertain) / 1.8,
        "not_recorded": need == "substance_use", "unmet_per_1k_low": 1.23 if rated else None,
        "unmet_per_1k_high": 4.56 if rated else None,
        "rate_reason": None if rated else "residents are not the people exposed",
        "p_over_standard": 0.93 if n >= 48 else None, "p_over_standard_most": 0.97 if n >= 48 else None, "flag": flag,
        "rank_low": 2.0 if is_area else None, "rank_high": 5.0 if is_area else None,
        "p_top_decile": 0.1 if is_area else None, "rank_km2_low": None, "rank_km2_high": None, "n_police_or_ems": 7,
        "n_no_one_found": 5, "n_institution": 4, "n_places": 60, "n_without_busiest": n - 3,
        "at_least_without_busiest": max(0, least - 2),
    }  # fmt: skip


def hotspots() -> pd.DataFrame:
    """Two recurring-call areas on one call reason, one that must not be drawn (transient), one by volume."""
    made = [
        ("h1", "excess", "mental_health", 1.5, 1.5, True, "persistent"),
        ("h2", "excess", "mental_health", 3.2, 0.6, True, "new"),
        ("h3", "excess", "homelessness", 2.5, 2.5, False, "transient"),
        ("h4", "volume", "mental_health", 0.5, 0.5, True, "persistent"),
    ]
    return pd.DataFrame([_spot(*one) for one in made])


def _spot(
    id_: str, product: str, need: str, across: float, up: float, is_recurring: bool, status: str
) -> dict[str, object]:
    x, y = X0 + across * SIDE, Y0 + up * SIDE
    return {
        "hotspot_id": id_, "product": product, "need": need, "x": x, "y": y, "radius_m": 300.0, "n_calls": 88,
        "n_all": 300, "n_places": 12, "relative_risk": 4.21, "llr": 40.0, "p_value": 0.001, "n_weeks": 61,
        "persistence_share": 0.92, "max_week_share": 0.05, "is_recurring": is_recurring, "status": status,
        "reason": None, "peak_start": 20, "peak_share": 0.46, "n_peak": 40, "respond_at_least": 21,
        "respond_at_most": 33, "place_at_least": 35, "place_at_most": 36,
        "geometry": shapely.to_wkb(shapely.Point(x, y).buffer(300.0)),
    }  # fmt: skip


def services() -> pd.DataFrame:
    """One service with a hostile name that nobody reviewed: the banner must say draft, the name must not appear."""
    return pd.DataFrame([{
        "service_id": "s1", "source_id": "d", "name": HOSTILE[3], "organization": HOSTILE[0], "kind": "crisis_line",
        "need": "mental_health", "match": "yes", "leg": "contact", "access": "line", "takes_t0": True,
        "takes_t1": False, "takes_t2": False, "person": "yes", "eligibility_state": "open",
        "is_emergency_department": False, "is_confidential": False, "hours": None, "intake": None,
        "capacity_state": "proven", "capacity": None, "capacity_unit": None, "has_duty_log": False,
        "zone_state": "none", "zone": None, "x": None, "y": None, "valid_from": None, "valid_to": None,
        "verified_on": None, "reviewed_by": None,
    }])  # fmt: skip


def quality() -> pd.DataFrame:
    """One finding that banners quote."""
    return pd.DataFrame([{
        "stage": "classify", "source_id": "rules", "reason": "DRAFT_RULES", "severity": "warning", "n_rows": 0,
        "share": None, "detail": "rules without a reviewer: <script>{{7*7}}</script>", "sample": None,
    }])  # fmt: skip
