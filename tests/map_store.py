"""A small hand-made release for tests of the gap map: twelve squares, two neighbourhoods, three call reasons."""

import json
import shutil
from pathlib import Path

import geopandas as gpd
import pandas as pd
import shapely

from pipelines.policy import load_policy, policy_hash
from pipelines.release import Release, open_release
from pipelines.resources import data_path
from pipelines.show import DISCLAIMER, NOT_ADDED

CRS = "EPSG:32616"
X0, Y0, SIDE = 480_000.0, 4_764_000.0, 1_500.0
BBOX = (-87.35, 42.95, -87.05, 43.20)
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
CAVEAT = "Synthetic. <b onclick=alert(1)>{{7*7}}</b> http://evil.invalid/x"
KEY = ["level", "geoid", "need", "leg", "grain", "period", "variant"]
COUNTS = ["n_calls", "at_least", "at_most", "at_least_per_year", "per_year_low", "per_year_high"]
HIDDEN_AREA = "N1"


def make_release(folder: Path) -> Release:
    """An internal release of the tables that the map reads, with texts that try to break out of the page."""
    wide = gaps()
    rename = {"n_at_least": "at_least", "n_at_most": "at_most"}
    measures = wide.rename(columns=rename).assign(grain="whole")
    more = ["unmet_per_1k_low", "unmet_per_1k_high", "rate_reason", "p_over_standard", "p_over_standard_most", "flag"]
    frames = {
        "measures": measures[[*KEY, "years", *COUNTS, *more, "not_recorded"]],
        "cells": long(wide.assign(grain="whole")).query("n > 0"),
        "ranks": measures.loc[measures["rank_low"].notna(), [*KEY, "rank_low", "rank_high"]],
        "hotspots": hotspots().query("product == 'excess'"),
        **{f"areas_{level}": rows.reset_index(drop=True) for level, rows in areas().groupby("level")},
        "services": services(),
        "breaks": pd.DataFrame({"date": ["2024-01-01"], "note": [HOSTILE[1]]}),
    }
    told = {
        "period_grain": "day",
        "levels": ["tract", "neighbourhood", "city"],
        "periods": [{"grain": "whole", "period": "whole", "start": "2023-01-02", "end": "2025-01-06"}],
        "banners": ["internal - not for publication"],
        "waivers": [],
        "threshold": 0,
    }
    return _written(folder, "internal", frames, told)


def make_public(folder: Path) -> Release:
    """A public release: one design by neighbourhood, a rolled-up call reason, N1 hidden on place, no flags."""
    rows = [_row("behavioral_health", leg, area, n) for leg in ("respond", "place") for area, n in PUBLIC.items()]
    wide = pd.DataFrame(rows)
    cells = long(wide.rename(columns={"n_spatial": "n_unmet"}), ("available", "uncertain", "unmet"))
    small = (cells["geoid"] == HIDDEN_AREA) & (cells["leg"] == "place") & cells["outcome"].isin(["uncertain", "unmet"])
    cells = cells.assign(state="shown").assign(n=cells["n"].astype("Int64"))
    cells.loc[small, "state"] = "hidden"
    cells.loc[small, "n"] = pd.NA
    counted = wide[~((wide["geoid"] == HIDDEN_AREA) & (wide["leg"] == "place"))]
    levels = {level: rows.reset_index(drop=True) for level, rows in areas().groupby("level")}
    spot = shapely.box(X0 + 3 * SIDE, Y0, X0 + 3 * SIDE + 500, Y0 + 500)
    frames = {
        "measures": counted[[*KEY, "years", *COUNTS]],
        "cells": cells,
        "hotspots": pd.DataFrame(
            [("welfare_check 1", "welfare_check", "recurring", "new", "16-24", spot),
             ("substance_use 1", "substance_use", "recurring", "new", "08-16", spot)],
            columns=["number", "need", "class", "status", "peak_block", "geometry"],
        ).assign(geometry=lambda rows: degrees(rows["geometry"])),
        **{f"areas_{level}": rows for level, rows in levels.items()},
        "services": services(),
        "breaks": pd.DataFrame({"date": [], "note": []}),
    }  # fmt: skip
    told = {
        "period_grain": "quarter",
        "levels": ["tract", "neighbourhood", "city"],
        "periods": [
            {"grain": "whole", "period": "2023Q1-2024Q3", "start": "2023-01-01", "end": "2024-10-01", "years": 1.7467}
        ],
        "banners": [],
        "waivers": ["No counsel has read this policy: the city is synthetic and nobody real is in the data."],
        "threshold": 11,
    }
    return _written(folder, "public", frames, told)


PUBLIC = {"N0": (300, 60, 40), "N1": (90, 7, 9), "city": (390, 67, 49)}


def _row(need: str, leg: str, geoid: str, parts: tuple[int, int, int]) -> dict[str, object]:
    available, uncertain, unmet = parts
    return {
        "level": "city" if geoid == "city" else "neighbourhood", "geoid": geoid, "need": need, "leg": leg,
        "grain": "whole", "period": "2023Q1-2024Q3", "variant": "default", "years": 1.7467,
        "n_available": available, "n_uncertain": uncertain, "n_spatial": unmet, "n_calls": sum(parts),
        "at_least": unmet, "at_most": unmet + uncertain, "at_least_per_year": round(unmet / 1.7467),
        "per_year_low": 20, "per_year_high": 80,
    }  # fmt: skip


def long(wide: pd.DataFrame, outcomes: tuple[str, ...] = ()) -> pd.DataFrame:
    """One row an outcome, all of them shown."""
    chosen = outcomes or PARTS
    named = wide[[*KEY, *(f"n_{name}" for name in chosen)]].rename(columns={f"n_{name}": name for name in chosen})
    return named.melt(id_vars=KEY, var_name="outcome", value_name="n").assign(state="shown")


def degrees(shapes: "pd.Series[shapely.Geometry]") -> list[bytes]:
    """Shapes in metres as WKB in degrees, to five decimals."""
    turned = gpd.GeoSeries(list(shapes), crs=CRS).to_crs("EPSG:4326").to_numpy()
    return list(shapely.to_wkb(shapely.transform(turned, lambda xy: xy.round(5))))


def _written(folder: Path, slug: str, frames: dict[str, pd.DataFrame], told: dict[str, object]) -> Release:
    """The folder as a release under a shipped policy, opened."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        frame.reset_index(drop=True).to_parquet(folder / f"{name}.parquet", index=False)
    path = data_path("policies", f"{slug}.toml")
    shutil.copyfile(path, folder / "policy.toml")
    policy = load_policy(path)
    common = {
        "schema": "1.0",
        "release_id": f"{slug}-handmade",
        "city": "sample",
        "city_name": "Sample City (synthetic)",
        "policy": slug,
        "policy_version": policy.version,
        "policy_hash": policy_hash(policy),
        "services_as_of": "2025-01-06",
        "is_synthetic": True,
        "made_at": "2026-01-01T00:00:00+00:00",
        "standard": {"share": 0.5, "source": ""},
        "thresholds": ["a place to go: walk <= 30 min"],
        "caveats": [
            "synthetic: describes no real place, person or service",
            "draft matching - not for publication",
            "rules without a reviewer: <script>{{7*7}}</script> - not for publication",
            CAVEAT,
        ],
        "notes": [NOT_ADDED, DISCLAIMER],
        "tables": {name: {"file": f"{name}.parquet", "rows": len(frame)} for name, frame in frames.items()},
    }
    (folder / "release.json").write_text(json.dumps(common | told), "utf-8")
    return open_release(folder)


def areas() -> pd.DataFrame:
    """Twelve squares in three rows of four, in two neighbourhoods (left and right), outlines in degrees."""
    squares = [
        shapely.box(X0 + c * SIDE, Y0 + r * SIDE, X0 + (c + 1) * SIDE, Y0 + (r + 1) * SIDE)
        for r in range(3)
        for c in range(4)
    ]
    sides = [shapely.unary_union([s for at, s in enumerate(squares) if (at % 4 < 2) == left]) for left in (True, False)]
    rows = [_area("tract", f"990010{at:05d}", NAMES[at], square, at) for at, square in enumerate(squares)]
    rows += [_area("neighbourhood", f"N{at}", HOSTILE[at], side, at) for at, side in enumerate(sides)]
    return pd.DataFrame(rows).assign(geometry=lambda made: degrees(made["geometry"]))


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
        "geometry": shape,
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
    return pd.DataFrame([_spot(*one) for one in made]).assign(geometry=lambda rows: degrees(rows["geometry"]))


def _spot(
    id_: str, product: str, need: str, across: float, up: float, is_recurring: bool, status: str
) -> dict[str, object]:
    x, y = X0 + across * SIDE, Y0 + up * SIDE
    return {
        "hotspot_id": id_, "product": product, "need": need, "n_calls": 88,
        "n_all": 300, "n_places": 12, "relative_risk": 4.21, "llr": 40.0, "p_value": 0.001, "n_weeks": 61,
        "persistence_share": 0.92, "max_week_share": 0.05, "is_recurring": is_recurring, "status": status,
        "reason": None, "peak_start": 20, "peak_share": 0.46, "n_peak": 40, "respond_at_least": 21,
        "respond_at_most": 33, "place_at_least": 35, "place_at_most": 36,
        "geometry": shapely.Point(x, y).buffer(300.0),
    }  # fmt: skip


def services() -> pd.DataFrame:
    """One service with a hostile name, which must not appear."""
    return pd.DataFrame([{
        "service_id": "s1", "source_id": "d", "name": HOSTILE[3], "organization": HOSTILE[0], "kind": "crisis_line",
        "need": "mental_health", "match": "yes", "leg": "contact", "access": "line", "takes_t0": True,
        "takes_t1": False, "takes_t2": False, "person": "yes", "eligibility_state": "open",
        "is_emergency_department": False, "is_confidential": False, "hours": None, "intake": None,
        "capacity_state": "proven", "capacity": None, "capacity_unit": None, "has_duty_log": False,
        "zone_state": "none", "zone": None, "x": None, "y": None, "valid_from": None, "valid_to": None,
        "verified_on": None, "reviewed_by": None,
    }])  # fmt: skip
