"""Shapes of the gap map from a release: areas by level, simplified, and where their names and numbers stand."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from pipelines.release import Release

DECIMALS = 5
TOLERANCE_M = 15.0
FINE_TOLERANCE_M = 0.5
METRES_A_DEGREE = 111_320.0


def levels_of(release: Release) -> list[str]:
    """The levels of the release that have outlines, from fine to coarse."""
    return [name for name in release.told["levels"] if f"areas_{name}" in release.tables]


def areas_of(release: Release, level: str) -> pd.DataFrame:
    """The areas of a level, by geoid, their outlines as shapes in degrees."""
    areas = release.table(f"areas_{level}").sort_values("geoid").reset_index(drop=True)
    return areas.assign(geometry=shapely.from_wkb(areas["geometry"].to_numpy()))


def named_level(release: Release) -> str:
    """The level whose names stand on the map: the finest of role parent or planning; '' where there is none."""
    for level in levels_of(release):
        if release.table(f"areas_{level}", ["role"])["role"].isin(["parent", "planning"]).any():
            return level
    return ""


def simplified(release: Release, shapes: Iterable[shapely.Geometry]) -> tuple[shapely.Geometry, ...]:
    """Shapes of one level in degrees, simplified together unless the policy had it done already."""
    found = np.array(list(shapes), dtype=object)
    field = release.policy.field("area_shapes")
    if not len(found) or (field is not None and field.transform == "simplify"):
        return tuple(found)
    turn = _scale(found)
    return _rounded(shapely.coverage_simplify(_metres(found, turn), TOLERANCE_M), turn)


def rings_of(shapes: Iterable[shapely.Geometry]) -> tuple[shapely.Geometry, ...]:
    """Outlines of recurring-call areas in degrees, with fewer corners and the same look."""
    found = np.array(list(shapes), dtype=object)
    if not len(found):
        return ()
    turn = _scale(found)
    return _rounded(shapely.simplify(_metres(found, turn), FINE_TOLERANCE_M), turn)


def centres(shapes: Iterable[shapely.Geometry]) -> list[list[float]]:
    """[latitude, longitude] of the centre of the largest circle inside each shape."""
    found = np.array(list(shapes), dtype=object)
    if not len(found):
        return []
    turn = _scale(found)
    circles = shapely.maximum_inscribed_circle(_metres(found, turn), 5.0)
    return _places(_rounded(shapely.get_point(circles, 0), turn))


def middles(shapes: Iterable[shapely.Geometry]) -> list[list[float]]:
    """[latitude, longitude] of the middle of the box around each shape; its number stands beside that box."""
    boxes = np.array([shapely.box(*shape.bounds).centroid for shape in shapes], dtype=object)
    return _places(shapely.transform(boxes, lambda xy: np.round(xy, DECIMALS))) if len(boxes) else []


def _places(points: Iterable[shapely.Geometry]) -> list[list[float]]:
    return [[float(point.y), float(point.x)] for point in points]


def _scale(shapes: NDArray[np.object_]) -> NDArray[np.float64]:
    """Metres in a degree of longitude and of latitude, in the middle of the shapes."""
    _, south, _, north = shapely.total_bounds(shapes)
    return np.array([METRES_A_DEGREE * np.cos(np.radians((south + north) / 2)), METRES_A_DEGREE])


def _metres(shapes: NDArray[np.object_], turn: NDArray[np.float64]) -> NDArray[np.object_]:
    return np.asarray(shapely.transform(shapes, lambda xy: xy * turn), dtype=object)


def _rounded(shapes: NDArray[np.object_], turn: NDArray[np.float64]) -> tuple[shapely.Geometry, ...]:
    return tuple(shapely.transform(shapes, lambda xy: np.round(xy / turn, DECIMALS)))
