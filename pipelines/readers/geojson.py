"""GeoJSON read with json and shapely, never with GDAL, which would open what the content says."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shapely.geometry import MultiPolygon, Polygon

from geo.errors import FileRejected
from pipelines.readers.layer import Feature, Layer
from pipelines.readers.strict_json import load_json

_WGS84 = ("OGC:1.3:CRS84", "OGC::CRS84", "OGC:CRS84", "EPSG::4326", "EPSG:4326")


class _Unusable(ValueError):
    """A shape that cannot be read; the text is its reason code."""


def read_geojson(path: str | Path, *, layer: str | None = None, crs: str | None = None) -> Layer:
    """The features of a FeatureCollection of polygons; Z and M are dropped, an open ring is closed, both noted.

    The reference system is that of a `crs` member by name, else `crs`, else WGS 84 as RFC 7946 says. A shape that
    is missing or corrupt stays as a feature without one, with its reason.

    Raises:
        FileRejected: FILE_NOT_JSON, FILE_DUPLICATE_KEY, FILE_FORMAT, FILE_REMOTE_REF, FILE_CRS.
    """
    path = Path(path)
    document = load_json(path, what="GeoJSON")
    rows = _features(document, path.name)
    notes: list[tuple[str, int]] = []
    features = [_feature(row, line, notes) for line, row in enumerate(rows, start=1)]
    return Layer(crs=_crs(document, path.name, crs), features=tuple(features), notes=tuple(notes))


def _features(document: Any, path: str) -> list[Any]:
    kind = document.get("type") if isinstance(document, dict) else None
    if kind == "Topology":
        raise FileRejected(path, "FILE_FORMAT", "expected GeoJSON, got TopoJSON; convert it to GeoJSON")
    if kind == "Feature":
        return [document]
    if kind != "FeatureCollection" or not isinstance(document.get("features"), list):
        raise FileRejected(path, "FILE_FORMAT", "not GeoJSON: expected a FeatureCollection with a list of features")
    return list(document["features"])


def _crs(document: Mapping[str, Any], path: str, declared: str | None) -> str:
    member = document.get("crs")
    if not member:
        return declared or "EPSG:4326"
    if not isinstance(member, dict) or member.get("type") == "link":
        message = "a crs link to another file is never followed; remove the crs member or name the system"
        raise FileRejected(path, "FILE_REMOTE_REF", message)
    properties = member.get("properties")
    name = str(properties.get("name", "")) if isinstance(properties, dict) else ""
    plain = name.replace("urn:ogc:def:crs:", "")
    if plain in _WGS84:
        return declared or "EPSG:4326"
    authority, _, code = plain.replace("::", ":").partition(":")
    if authority == "EPSG" and code.isdigit():
        return declared or f"EPSG:{code}"
    raise FileRejected(path, "FILE_CRS", f"expected a crs by EPSG name, got [{name[:60]}]")


def _feature(row: Any, line: int, notes: list[tuple[str, int]]) -> Feature:
    properties = row.get("properties") if isinstance(row, dict) else None
    attributes = {str(k): v for k, v in properties.items()} if isinstance(properties, dict) else {}
    geometry = row.get("geometry") if isinstance(row, dict) else None
    try:
        shape = _shape(geometry, line, notes)
    except _Unusable as reason:
        return Feature(line=line, properties=attributes, wkb=None, reason=str(reason))
    return Feature(line=line, properties=attributes, wkb=shape.wkb)


def _shape(geometry: Any, line: int, notes: list[tuple[str, int]]) -> Polygon | MultiPolygon:
    if not isinstance(geometry, dict):
        raise _Unusable("GEOM_MISSING")
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind == "Polygon":
        return _polygon(coordinates, line, notes)
    if kind == "MultiPolygon":
        if not isinstance(coordinates, list) or not coordinates:
            raise _Unusable("GEOM_EMPTY")
        return MultiPolygon([_polygon(part, line, notes) for part in coordinates])
    raise _Unusable("GEOM_TYPE")


def _polygon(rings: Any, line: int, notes: list[tuple[str, int]]) -> Polygon:
    if not isinstance(rings, list) or not rings or not rings[0]:
        raise _Unusable("GEOM_EMPTY")
    outer, *holes = [_ring(ring, line, notes) for ring in rings]
    return Polygon(outer, holes)


def _ring(ring: Any, line: int, notes: list[tuple[str, int]]) -> list[tuple[float, float]]:
    if not isinstance(ring, list):
        raise _Unusable("GEOM_CORRUPT")
    points = [_point(position) for position in ring]
    if any(len(position) > 2 for position in ring):
        _note(notes, "WARN_Z_DROPPED", line)
    if points and points[0] != points[-1]:
        points.append(points[0])
        _note(notes, "GEOM_REPAIRED", line)
    if len(points) < 4:
        raise _Unusable("GEOM_CORRUPT")
    return points


def _point(position: Any) -> tuple[float, float]:
    if not isinstance(position, list) or len(position) < 2:
        raise _Unusable("GEOM_CORRUPT")
    x, y = position[0], position[1]
    if isinstance(x, bool) or isinstance(y, bool) or not isinstance(x, int | float) or not isinstance(y, int | float):
        raise _Unusable("GEOM_CORRUPT")
    if not (math.isfinite(x) and math.isfinite(y)):
        raise _Unusable("GEOM_CORRUPT")
    return float(x), float(y)


def _note(notes: list[tuple[str, int]], reason: str, line: int) -> None:
    if (reason, line) not in notes:
        notes.append((reason, line))
