"""Small cities and raw tables made by hand, for tests of the stages."""

from datetime import date
from pathlib import Path

import geopandas as gpd
import pandas as pd
import shapely

from pipelines.city import City, Level, Source, Window

CRS = "EPSG:32616"
X0, Y0 = 480_000.0, 4_770_000.0

RAW_COLUMNS = {
    "source_id": "object", "source_line": "int64", "call_id": "object", "received_at": "datetime64[us, UTC]",
    "received_local": "datetime64[us]", "dispatched_at": "datetime64[us, UTC]", "arrived_at": "datetime64[us, UTC]",
    "cleared_at": "datetime64[us, UTC]", "duration_min": "float64", "call_type": "object",
    "call_type_initial": "object", "origin": "object", "caller_role": "object", "priority": "object",
    "disposition": "object", "address": "object", "beat_text": "object", "x": "float64", "y": "float64",
    "n_units": "Int64",
}  # fmt: skip


def city(**changes) -> City:
    """A city of four square tracts of 1 km and one calls source `cad`, in UTC."""
    settings = {
        "slug": "toytown",
        "name": "Toytown (synthetic)",
        "is_synthetic": True,
        "timezone": "UTC",
        "crs": CRS,
        "bbox": (-87.35, 42.95, -87.05, 43.20),
        "windows": (Window(start=date(2024, 1, 1), end=date(2024, 12, 30)),),
        "services_as_of": date(2024, 12, 30),
        "levels": (
            Level(
                name="tract",
                role="census",
                path="t.geojson",
                format="geojson",
                id="geoid",
                vintage="2020",
                is_base=True,
            ),
            Level(name="half", role="parent", path="h.geojson", format="geojson", id="geoid", vintage="2020"),
        ),
        "sources": (Source(id="cad", kind="calls", path="cad.csv", format="csv", origin="column"),),
        "n_sim": 199,
        "n_draws": 200,
        "seed": 7,
    }
    return City(**(settings | changes))


def raw_calls(rows: list[dict], path: Path) -> Path:
    """A Parquet file as ingest writes it; each row gives what matters, the rest has defaults."""
    full = []
    for line, row in enumerate(rows, start=1):
        told = {
            "source_id": "cad",
            "source_line": line,
            "call_id": f"C{line:05d}",
            "received_at": "2024-03-04 12:00:00",
            "call_type": "WELFARE CHECK",
            "origin": "community",
            "caller_role": "unknown",
            "address": "100 MAIN ST",
            "x": X0 + 500,
            "y": Y0 + 500,
        }
        told |= row
        told["received_at"] = pd.Timestamp(told["received_at"], tz="UTC")
        told["received_local"] = told["received_at"].tz_localize(None)
        for name in ("dispatched_at", "arrived_at", "cleared_at"):
            if name in told:
                told[name] = pd.Timestamp(told[name], tz="UTC")
        full.append(told)
    frame = pd.DataFrame(full).reindex(columns=list(RAW_COLUMNS)).astype(RAW_COLUMNS)
    frame.to_parquet(path)
    return path


def areas() -> pd.DataFrame:
    """Four tracts T1-T4 (south-west, south-east, north-west, north-east) and two halves S and N."""
    rows = []
    for n, (column, row) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)], start=1):
        box = shapely.box(X0 + column * 1000, Y0 + row * 1000, X0 + (column + 1) * 1000, Y0 + (row + 1) * 1000)
        rows.append(("tract", f"T{n}", box, 1000.0))
    for name, row in (("S", 0), ("N", 1)):
        rows.append(("half", name, shapely.box(X0, Y0 + row * 1000, X0 + 2000, Y0 + (row + 1) * 1000), 2000.0))
    frame = pd.DataFrame(rows, columns=["level", "geoid", "geometry", "population"])
    frame["area_km2"] = gpd.GeoSeries(frame["geometry"]).area / 1e6
    return frame.assign(
        name=frame["geoid"],
        vintage="2020",
        role=frame["level"].map({"tract": "census", "half": "parent"}),
        population_moe=100.0,
        households=400.0,
        denominator_vintage="2018-2022",
        rate_barred=None,
        geometry=shapely.to_wkb(frame["geometry"].to_numpy()),
    )


ALWAYS = bytes([255] * 84)
NEVER = bytes(84)


def service(**changes) -> dict:
    """A proven, open, walk-in row of `services` in the middle of tract T1."""
    told = {
        "service_id": "s1", "source_id": "dir", "name": "Service", "organization": None, "kind": "day_centre",
        "need": "homelessness", "match": "yes", "leg": "place", "access": "walk_in", "takes_t0": True, "takes_t1": True,
        "takes_t2": True, "person": "yes", "eligibility_state": "open", "is_emergency_department": False,
        "is_confidential": False, "hours": ALWAYS, "intake": ALWAYS, "capacity_state": "proven", "capacity": None,
        "capacity_unit": None, "has_duty_log": False, "zone_state": "none", "zone": None, "x": X0 + 500.0,
        "y": Y0 + 700.0, "valid_from": None, "valid_to": None, "verified_on": None, "reviewed_by": "reviewer",
    }  # fmt: skip
    return told | changes


def services(*rows: dict) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(service()))
