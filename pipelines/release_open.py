"""What may be in a release beside counts: areas, services, data quality, breaks, recurring-call areas."""

from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from pipelines.city import City
from pipelines.engine import connect, each, frame, quoted, scan
from pipelines.policy import Policy
from pipelines.release_counts import BLOCKS
from pipelines.shapes import area_frame
from pipelines.store import Store

TOLERANCE_M = 15.0
DECIMALS = 5
FIELDS_OF_SERVICE = [
    "service_id", "name", "organization", "kind", "need", "match", "leg", "access", "takes_t0", "takes_t1", "takes_t2",
    "eligibility_state", "is_emergency_department", "hours", "capacity_state", "has_duty_log", "zone_state",
    "valid_from", "valid_to", "verified_on",
]  # fmt: skip


def areas_table(city: City, opened: Store, policy: Policy, level: str) -> pd.DataFrame:
    """The areas of one level with names and outlines (WKB, EPSG:4326), and residents where the policy lists them."""
    field = policy.field("area_shapes")
    areas = area_frame(opened.read("areas"), level)
    shapes = np.asarray(areas.geometry.to_numpy(), dtype=object)
    if field is not None and field.transform == "simplify" and len(shapes):
        shapes = np.asarray(shapely.coverage_simplify(shapes, TOLERANCE_M), dtype=object)
    columns = ["level", "geoid", "name", "vintage", "role", "area_km2"]
    if policy.field("area_people") is not None:
        columns += ["population", "population_moe", "households", "denominator_vintage", "rate_barred"]
    return pd.DataFrame(areas[columns]).assign(geometry=shapely.to_wkb(in_degrees(city, shapes)))


def as_geojson(table: pd.DataFrame) -> dict[str, Any]:
    """A table with WKB outlines as a GeoJSON FeatureCollection (EPSG:4326)."""
    names = [name for name in table.columns if name not in ("geometry", "hours")]
    plain = table[names].astype(object).where(table[names].notna(), None)
    shapes = shapely.from_wkb(table["geometry"].to_numpy())
    features = [
        {"type": "Feature", "properties": dict(zip(names, map(_plain, row), strict=True)), "geometry": _geometry(shape)}
        for row, shape in zip(plain.itertuples(index=False, name=None), shapes, strict=True)
    ]
    return {"type": "FeatureCollection", "features": features}


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _geometry(shape: shapely.Geometry) -> Any:
    import json

    return json.loads(shapely.to_geojson(shape))


def in_degrees(city: City, shapes: NDArray[np.object_]) -> NDArray[np.object_]:
    """Shapes in longitude and latitude, to five decimals (about a metre)."""
    from pyproj import Transformer

    turn = Transformer.from_crs(city.crs, "EPSG:4326", always_xy=True)

    def to_degrees(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.round(np.column_stack(turn.transform(xy[:, 0], xy[:, 1])), DECIMALS)

    return np.asarray(shapely.transform(shapes, to_degrees), dtype=object)


def services_table(city: City, opened: Store, policy: Policy) -> pd.DataFrame:
    """The directory without confidential services; with coordinates for staff only, the partner's own rows marked."""
    table = opened.read("services")
    table = table[~table["is_confidential"]].reset_index(drop=True)
    out = table[FIELDS_OF_SERVICE]
    if policy.audience == "partner":
        return out.assign(is_own=table["organization"].isin(policy.own_organizations))
    if policy.audience == "public":
        return out
    points = np.asarray(shapely.points(table["x"].to_numpy(float), table["y"].to_numpy(float)), dtype=object)
    known = table["x"].notna().to_numpy()
    degrees = np.full((len(table), 2), np.nan)
    if known.any():
        degrees[known] = shapely.get_coordinates(in_degrees(city, points[known]))
    return out.assign(lon=degrees[:, 0], lat=degrees[:, 1])


def quality_table(opened: Store, policy: Policy) -> pd.DataFrame:
    """Findings about the data. Without samples; outside the agency without sentences and without small numbers."""
    table = opened.read("quality")[["stage", "source_id", "reason", "severity", "n_rows", "detail"]]
    if policy.audience in ("internal", "case_conference"):
        return table
    small = table["n_rows"].between(1, policy.threshold - 1)
    return table.assign(n_rows=table["n_rows"].astype("Int64").mask(small)).drop(columns="detail")


def breaks_table(city: City) -> pd.DataFrame:
    """Dates across which counts cannot be compared."""
    rows = [(one.date.isoformat(), one.note) for one in city.breaks]
    return pd.DataFrame(rows, columns=["date", "note"], dtype=object)


def hotspots_table(city: City, opened: Store, policy: Policy) -> pd.DataFrame:
    """Recurring-call areas: outlines with class, need, status and peak block; counts where an internal one lists them.

    Counts hold sensitive calls, which other audiences are told by tract and year at most.

    Snapped outlines are whole squares of a coarse grid, and only of areas which hold enough addresses and calls that
    are not sensitive, and enough residents; numbered anew, so that no id says where its centre was.
    """
    found = opened.read("hotspots")
    found = found[is_running(found)].reset_index(drop=True)
    field = policy.field("hotspot_shapes")
    if field is not None and field.transform == "snap":
        return _snapped(city, opened, policy, found)
    columns = ["hotspot_id", "product", "need", "status", "is_recurring", "reason", "peak_start"]
    if policy.field("hotspot_counts") is not None and policy.audience == "internal":
        columns += ["n_calls", "n_places", "n_weeks", "relative_risk", "p_value", "persistence_share", "peak_share"]
        columns += ["n_peak", "respond_at_least", "respond_at_most", "place_at_least", "place_at_most"]
    found = found[is_for_staff(found, policy)].reset_index(drop=True)
    shapes = np.asarray(shapely.from_wkb(found["geometry"].to_numpy()), dtype=object)
    return found[columns].assign(geometry=shapely.to_wkb(in_degrees(city, shapes)) if len(found) else [])


def is_running(found: pd.DataFrame) -> "pd.Series[bool]":
    """Which rows of the store's hotspots are recurring-call areas that have not ended."""
    return found["product"].eq("excess") & found["status"].ne("ended")


def is_for_staff(found: pd.DataFrame, policy: Policy) -> "pd.Series[bool]":
    """Which of them a release for staff holds: outside `internal` none of a need that is never a point."""
    barred = policy.never_points if policy.audience != "internal" else ()
    return is_running(found) & ~found["need"].isin(barred)


def _snapped(city: City, opened: Store, policy: Policy, found: pd.DataFrame) -> pd.DataFrame:
    rule = policy.hotspots
    keep = found["is_recurring"].fillna(False).astype(bool) & ~found["need"].isin(policy.never_points)
    found = found[keep & found["status"].isin(["new", "persistent", "cooling"])].reset_index(drop=True)
    rows = []
    if len(found):
        calls = _insensitive(opened, policy)
        base = area_frame(opened.read("areas"), city.base_level.name)
    for row in each(found):
        exact = shapely.from_wkb(row.geometry)
        own = calls[calls["need"] == row.need]
        inside = own[shapely.contains_xy(exact, own["x"].to_numpy(), own["y"].to_numpy())]
        snapped = squares(exact, rule.snap_m)
        enough = inside["place_id"].nunique() >= rule.min_addresses and int(inside["n"].sum()) >= rule.min_calls
        if enough and residents(snapped, base) >= rule.min_residents:
            block = [one.split()[1] for one in BLOCKS[:3]][((int(row.peak_start) + 4) % 24) // 8]
            rows.append((row.need, "recurring", row.status, block, snapped))
    rows.sort(key=lambda row: (row[0], row[4].bounds))
    shapes = np.array([row[4] for row in rows], dtype=object)
    table = pd.DataFrame([row[:4] for row in rows], columns=["need", "class", "status", "peak_block"], dtype=object)
    table.insert(0, "number", [f"{need} {at}" for at, need in enumerate(table["need"], start=1)])
    return table.assign(geometry=shapely.to_wkb(in_degrees(city, shapes)) if len(rows) else [])


def _insensitive(opened: Store, policy: Policy) -> pd.DataFrame:
    """Calls that are not sensitive, by place and need, at ordinary places."""
    barred = ", ".join(quoted(name) for name in policy.never_points) or "''"
    return frame(
        connect(opened.folder),
        f"""SELECT c.place_id, c.need, p.x, p.y, count(*)::BIGINT AS n FROM {scan(opened.path("calls"))} c
            JOIN {scan(opened.path("places"))} p USING (place_id)
            WHERE merged_into IS NULL AND origin = 'community' AND scope IN ('in_scope', 'police_or_ems')
              AND sensitive = 'none' AND place_kind = 'ordinary' AND p.x IS NOT NULL AND need NOT IN ({barred})
            GROUP BY ALL ORDER BY ALL""",
    )


def squares(shape: shapely.Geometry, size: float) -> shapely.Geometry:
    """The squares of a grid of `size` metres from the origin of the projection that a shape touches, as one shape."""
    west, south, east, north = (np.floor(value / size) for value in shape.bounds)
    columns, rows = np.meshgrid(np.arange(west, east + 1), np.arange(south, north + 1))
    x, y = columns.ravel() * size, rows.ravel() * size
    boxes = shapely.box(x, y, x + size, y + size)
    return shapely.union_all(boxes[shapely.area(shapely.intersection(boxes, shape)) > 0])


def residents(shape: shapely.Geometry, areas: pd.DataFrame) -> float:
    """Residents inside a shape, by the share of each area's surface that it covers; unknown residents count as none."""
    outlines = np.asarray(areas["geometry"].to_numpy(), dtype=object)
    share = shapely.area(shapely.intersection(outlines, shape)) / shapely.area(outlines)
    return float(np.nansum(share * areas["population"].fillna(0).to_numpy(float)))
