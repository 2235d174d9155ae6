"""The areas of one level from its layer: ids, shapes in the city's metres, and every fault of either."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely

from geo.areas import coverage_faults
from geo.crs import diagnose
from geo.errors import FileRejected
from pipelines.city import City, Level
from pipelines.findings import Books, near
from pipelines.readers.layer import Feature, Layer
from pipelines.readers.vector import read_layer
from pipelines.states import state_fault

if TYPE_CHECKING:
    import geopandas as gpd

OVERLAP_SHARE = 0.01
SLIVER_SHARE = 1e-4
FAR_M = 150_000.0
REPAIRED_SHARE = 1e-9


def level_areas(city: City, level: Level, path: Path, books: Books) -> "gpd.GeoDataFrame":
    """The areas of a level: geoid, name, area_km2, `raw` attributes, geometry in city.crs, in order of id.

    Raises:
        FileRejected: those of the readers; FILE_MISSING_COLUMN, FILE_EMPTY, COORD_SWAPPED, COORD_OUT_OF_BOUNDS,
            GEOID_FORMAT, GEOG_OVERLAP.
    """
    import geopandas as gpd

    source = f"areas.{level.name}"
    layer = read_layer(path, format=level.format, layer=level.layer, crs=level.crs)
    features = _chosen(layer, level, path.name, books, source)
    _notes(layer, level, features, books, source)
    kept = _with_id_and_shape(features, level, books, source)
    _require_here(kept, layer.crs, city, path.name)
    rows = _in_metres(kept, layer.crs, level, city, books, source)
    n_rows = len(rows)
    joined = _one_row_an_id(rows, books, source)
    books.counted(source, "areas", level.path, rows_in=len(features), rows_merged=n_rows - len(joined))
    if joined.empty:
        raise FileRejected(path.name, "FILE_EMPTY", "no area could be used; see the quarantine")
    if level.role == "census" and not city.is_synthetic:
        fault = state_fault(joined["geoid"], city.bbox)
        if fault:
            raise FileRejected(path.name, "GEOID_FORMAT", fault)
    frame = gpd.GeoDataFrame(joined, geometry="geometry", crs=city.crs)
    _require_apart(frame, path.name, books, source)
    return frame


def _chosen(layer: Layer, level: Level, path: str, books: Books, source: str) -> list[Feature]:
    names = list(dict.fromkeys(name for feature in layer.features for name in feature.properties))
    for name in (level.id, level.label, *(column for column, _ in level.where), *dict(level.columns).values()):
        if name and name not in names:
            message = f"expected the attribute [{name}] in the layer{near(name, names)}"
            raise FileRejected(path, "FILE_MISSING_COLUMN", message)
    fits = [f for f in layer.features if level.keeps(_text(f.properties.get(k)) for k, _ in level.where)]
    left = len(layer.features) - len(fits)
    books.found(source, "FILTERED", [""] * left, "features that the TOML's `where` leaves out", severity="info")
    return fits


def _notes(layer: Layer, level: Level, features: list[Feature], books: Books, source: str) -> None:
    details = {
        "GEOM_REPAIRED": ("rings that were not closed were closed", "warning"),
        "WARN_Z_DROPPED": ("heights were dropped", "info"),
        "WARN_ENCODING": ("text is not in the stated encoding; read as Windows-1252", "warning"),
    }
    ids = {f.line: _id(f, level) or f"feature {f.line}" for f in features}
    for reason, (detail, severity) in details.items():
        sample = [ids[line] for code, line in layer.notes if code == reason and line in ids]
        books.found(source, reason, sample, detail, severity=severity, out_of=len(features))


def _with_id_and_shape(features: list[Feature], level: Level, books: Books, source: str) -> list[Feature]:
    kept, nameless, shapeless = [], [], []
    for feature in features:
        if not _id(feature, level):
            books.refused(source, feature.line, "MISSING_KEY", level.id)
            nameless.append(f"feature {feature.line}")
        elif feature.wkb is None:
            books.refused(source, feature.line, feature.reason, "geometry")
            shapeless.append(_id(feature, level))
        else:
            kept.append(feature)
    books.found(source, "MISSING_KEY", nameless, f"areas without [{level.id}] are refused", out_of=len(features))
    books.found(source, "GEOM_CORRUPT", shapeless, "areas without a usable polygon are refused", out_of=len(features))
    return kept


def _id(feature: Feature, level: Level) -> str:
    text = _text(feature.properties.get(level.id))
    return level.id_prefix + text if text else ""


def _text(value: Any) -> str:
    """An attribute as text: whole floats without their point, missing as nothing."""
    if value is None or isinstance(value, Mapping | list) or value != value:
        return ""
    if isinstance(value, float) and value == int(value):
        value = int(value)
    return str(value).strip()


def _require_here(features: list[Feature], crs: str, city: City, path: str) -> None:
    """Refuses a layer of which nothing lies in the city's box while another reading fits, or nothing does."""
    if not features:
        return
    points = shapely.centroid(shapely.from_wkb([feature.wkb for feature in features]))
    found = diagnose(shapely.get_x(points), shapely.get_y(points), crs=crs, bbox=city.bbox)
    if found.hypothesis == "ok" or (found.hypothesis == "unknown" and found.share_inside > 0):
        return
    if "swap" in found.hypothesis:
        raise FileRejected(path, "COORD_SWAPPED", f"axes look swapped: {found.sentence}")
    bounds = np.abs(shapely.total_bounds(points))
    said = "values look projected" if bounds.max() > 360 else "the layer is elsewhere"
    raise FileRejected(path, "COORD_OUT_OF_BOUNDS", f"{said}: {found.sentence}")


def _in_metres(features: list[Feature], crs: str, level: Level, city: City, books: Books, source: str) -> pd.DataFrame:
    import geopandas as gpd
    from pyproj import CRS

    raw = shapely.from_wkb([feature.wkb for feature in features])
    shapes, change = _repaired(raw)
    metric = np.asarray(gpd.GeoSeries(list(shapes), crs=crs).to_crs(city.crs).array, dtype=object)
    box = _box(city)
    is_wide = np.zeros(len(shapes), bool)
    if CRS.from_user_input(crs).is_geographic and len(shapes):
        bounds = shapely.bounds(shapes)
        is_wide = bounds[:, 2] - bounds[:, 0] > 180
    far = is_wide | ~(shapely.distance(metric, box) <= FAR_M)
    empty = ~(shapely.area(shapes) > 0)
    rows, repaired = [], []
    for feature, shape, gone, out, part in zip(features, metric, empty, far, change):
        name = _id(feature, level)
        if gone or out:
            books.refused(source, feature.line, "GEOM_EMPTY" if gone else "COORD_OUT_OF_BOUNDS", "geometry")
            continue
        if part is not None:
            repaired.append(f"{name} ({part:+.2%} of its area)")
        label = _text(feature.properties.get(level.label)) if level.label else ""
        rows.append({"geoid": name, "name": label or name, "raw": dict(feature.properties), "geometry": shape})
    books.found(source, "GEOM_INVALID", repaired, "invalid shapes were made valid", out_of=len(features))
    outside = [_id(f, level) for f, gone, out in zip(features, empty, far) if out and not gone]
    detail = f"areas over the antimeridian or more than {FAR_M / 1000:.0f} km from the city are refused"
    books.found(source, "COORD_OUT_OF_BOUNDS", outside, detail, out_of=len(features))
    return pd.DataFrame(rows, columns=["geoid", "name", "raw", "geometry"])


def _repaired(shapes: Any) -> tuple[Any, list[float | None]]:
    """Valid polygons, and the change of area where a shape was not valid (None where it was)."""
    bad = ~shapely.is_valid(shapes)
    out = np.array(shapes, dtype=object)
    change: list[float | None] = [None] * len(out)
    for at in np.flatnonzero(bad):
        valid = shapely.make_valid(out[at])
        parts = [part for part in shapely.get_parts([valid], return_index=False) if part.geom_type.endswith("Polygon")]
        joined = shapely.union_all(parts) if parts else shapely.Polygon()
        before = abs(shapely.area(out[at]))
        change[at] = (shapely.area(joined) - before) / before if before > 0 else 0.0
        out[at] = joined
    return out, change


def _box(city: City) -> Any:
    import geopandas as gpd

    corners = shapely.segmentize(shapely.box(*city.bbox), 0.01)
    return gpd.GeoSeries([corners], crs="EPSG:4326").to_crs(city.crs).iloc[0]


def _one_row_an_id(rows: pd.DataFrame, books: Books, source: str) -> pd.DataFrame:
    """Several records of one id are one area in several parts: joined, and said."""
    repeated = rows["geoid"].duplicated(keep=False)
    if repeated.any():
        names = sorted(set(rows.loc[repeated, "geoid"]))
        books.found(source, "MERGED_PARTS", names, "areas written as several records were joined", severity="info")
    out = [
        {**parts.iloc[0].to_dict(), "geometry": shapely.union_all(list(parts["geometry"]))}
        for _, parts in rows[repeated].groupby("geoid", sort=True)
    ]
    joined = pd.concat([rows[~repeated], pd.DataFrame(out, columns=rows.columns)]) if out else rows
    joined = joined.sort_values("geoid", ignore_index=True)
    return joined.assign(area_km2=shapely.area(joined["geometry"].to_numpy(dtype=object)) / 1e6)


def _require_apart(frame: "gpd.GeoDataFrame", path: str, books: Books, source: str) -> None:
    overlaps = coverage_faults(frame, min_share=SLIVER_SHARE).overlaps
    large = [one for one in overlaps if one.share > OVERLAP_SHARE]
    if large:
        worst = max(large, key=lambda one: one.share)
        message = (
            f"{len(large)} pairs of areas overlap; {worst.first} and {worst.second} share an overlap area of "
            f"{worst.area_m2 / 1e6:.3f} km2 ({worst.share:.0%} of the smaller): a call would count twice"
        )
        raise FileRejected(path, "GEOG_OVERLAP", message)
    detail = f"areas overlap by at most {OVERLAP_SHARE:.0%}; a point in both belongs to the lower id"
    sample = [f"{one.first} and {one.second} ({one.area_m2:.0f} m2)" for one in overlaps]
    books.found(source, "GEOG_SLIVER", sample, detail, severity="info")
