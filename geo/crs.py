"""A projected reference system in metres for a city, and what is wrong with coordinates that miss it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS, Transformer
from pyproj.aoi import AreaOfInterest
from pyproj.database import query_crs_info
from pyproj.enums import PJType
from pyproj.exceptions import ProjError as _ProjError

from geo.errors import CrsError, InputError

Floats = NDArray[np.float64]
Hypothesis = Literal["ok", "swapped", "sign_lost", "feet", "metres", "degrees", "scaled_1e6", "unknown"]

EARTH_RADIUS_M = 6_371_008.8
US_SURVEY_FOOT_M = 1200 / 3937
WIDEST_CITY_DEGREES = 10.0
_SAMPLE = 2_000
_STRETCHED = ("popular visualisation", "mercator (variant", "mercator (1sp)", "mercator (2sp)", "cylindrical")


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What coordinates look like beside a city's box.

    `share_inside` is the share (0–1) of usable points inside the box as declared; a point that is missing or
    at exactly 0, 0 is not usable. `hypothesis` is the reading that puts most points inside (`ok` = as
    declared, `unknown` = none does). `fits_crs` is the reference system of that reading, or None.
    """

    share_inside: float
    hypothesis: Hypothesis
    sentence: str
    fits_crs: str | None = None


def metric_crs(lons: ArrayLike, lats: ArrayLike) -> int:
    """EPSG code of the WGS 84 / UTM zone at the middle of the extent of the given points.

    `lons`, `lats`: decimal degrees, missing values ignored. Zones are six degrees wide from 180° W; the wider
    zones of Norway and Svalbard are kept. Raises CrsError when nothing is usable, when values are no degrees,
    when the extent is wider than 10° (no city is) or beyond UTM (84° N, 80° S).
    Reference: EPSG guidance note 7-2, Transverse Mercator zoned grid.
    """
    lon, lat = _pair(lons, lats)
    usable = np.isfinite(lon) & np.isfinite(lat)
    if not usable.any():
        raise CrsError("Expected degrees to choose a reference system from, got no usable point [0]; check columns.")
    west, east, south, north = _extent(lon[usable], lat[usable])
    if west < -180 or east > 180 or south < -90 or north > 90:
        raise CrsError(
            "Expected degrees (longitude -180–180, latitude -90–90), got values "
            f"from [{min(west, south):.6g}] to [{max(east, north):.6g}]; name their reference system."
        )
    if east - west > WIDEST_CITY_DEGREES or north - south > WIDEST_CITY_DEGREES:
        raise CrsError(
            f"Expected the extent of one city, got [{east - west:.1f}° by {north - south:.1f}°]; "
            "take out points at 0, 0 and points of other cities first."
        )
    middle_lon, middle_lat = (west + east) / 2, (south + north) / 2
    if not -80 <= middle_lat <= 84:
        raise CrsError(f"Expected a latitude between -80 and 84, got [{middle_lat:.1f}]; UTM ends there.")
    return (32600 if middle_lat >= 0 else 32700) + _utm_zone(middle_lon, middle_lat)


def require_metric(crs: object) -> CRS:
    """The given reference system as a CRS, if distances in it are metres on the ground.

    Raises CrsError for an unknown system, for degrees, for feet, and for any Mercator or plate carrée
    (EPSG:3857 overstates distance by 15 % in New Orleans and 107 % in Anchorage). Transverse and oblique
    Mercator are fine.
    """
    known = _known(crs)
    if not known.is_projected:
        raise CrsError(f"Expected a projected reference system in metres, got [{_name(known)}]; use metric_crs().")
    if _is_stretched(known):
        raise CrsError(f"Expected a reference system true to distance, got [{_name(known)}]; use metric_crs().")
    factors = {axis.unit_conversion_factor for axis in known.axis_info}
    if factors != {1.0}:
        raise CrsError(f"Expected metres, got another unit in [{_name(known)}]; carry it over with to_metric().")
    return known


def to_degrees(x: ArrayLike, y: ArrayLike, *, source_crs: object) -> tuple[Floats, Floats]:
    """Longitude and latitude (EPSG:4326) of projected coordinates; for export and print only.

    Raises CrsError for an unknown system.
    """
    transformer = Transformer.from_crs(_known(source_crs), CRS.from_epsg(4326), always_xy=True)
    lon, lat = transformer.transform(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
    return np.asarray(lon), np.asarray(lat)


def to_metric(x: ArrayLike, y: ArrayLike, *, source_crs: object, target_crs: object) -> tuple[Floats, Floats]:
    """Easting and northing in metres of points given in another reference system.

    `x` is always longitude or easting, `y` latitude or northing, in the units of `source_crs` (degrees,
    metres, international or US survey feet). Missing, and points the projection cannot reach, come back NaN.
    Raises CrsError when `target_crs` is not fit to measure in.
    """
    require_metric(target_crs)
    easting, northing = _pair(x, y)
    return _project(easting, northing, source_crs, target_crs)


def haversine_m(lon1: ArrayLike, lat1: ArrayLike, lon2: ArrayLike, lat2: ArrayLike) -> Floats:
    """Great-circle distance in metres between points in degrees, on a sphere of radius 6,371,008.8 m.

    2R·asin√(sin²(Δφ/2) + cosφ₁·cosφ₂·sin²(Δλ/2)); NaN where a coordinate is missing; arguments broadcast.
    Up to 0.6 % from the ellipsoid: measure in a projected system where you can.
    """
    lam1, phi1, lam2, phi2 = (np.radians(np.asarray(value, dtype=np.float64)) for value in (lon1, lat1, lon2, lat2))
    half = np.sin((phi2 - phi1) / 2) ** 2 + np.cos(phi1) * np.cos(phi2) * np.sin((lam2 - lam1) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))), dtype=np.float64)


def diagnose(x: ArrayLike, y: ArrayLike, *, crs: str, bbox: tuple[float, float, float, float]) -> Diagnosis:
    """The reading of a coordinate column pair that fits a city's box.

    `bbox` is (west, south, east, north) in degrees. While at least half of the usable points are inside as
    declared the answer is `ok`. Otherwise axes swapped, a lost sign, degrees × 1e6, plain degrees, feet for
    metres (and the reverse), and every projected system in use at the box are tried; the first that puts more
    than half inside is returned. Nothing is corrected here. Raises CrsError for an unknown `crs`, InputError
    for a box that is none.
    """
    west, south, east, north = bbox
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise InputError(f"Expected a box (west, south, east, north) in degrees, got [{bbox}]; check its order.")
    declared = _known(crs)
    east_or_lon, north_or_lat = _usable(*_pair(x, y))
    if east_or_lon.size == 0:
        return Diagnosis(share_inside=0.0, hypothesis="unknown", sentence="No usable coordinates: all missing or 0, 0.")
    as_declared = _share_inside(east_or_lon, north_or_lat, declared, bbox)
    if as_declared >= 0.5:
        sentence = f"{as_declared:.0%} of points fall inside the city's box."
        return Diagnosis(share_inside=as_declared, hypothesis="ok", sentence=sentence, fits_crs=_name(declared))
    for hypothesis, other, reading, advice in _readings(declared, bbox):
        a, b = reading(east_or_lon, north_or_lat)
        share = _share_inside(a, b, other, bbox)
        if share > 0.5:
            sentence = (
                f"{1 - as_declared:.0%} of points fall outside the city's box as {_name(declared)}; "
                f"{advice}, {share:.0%} fall inside."
            )
            return Diagnosis(share_inside=as_declared, hypothesis=hypothesis, sentence=sentence, fits_crs=_name(other))
    sentence = (
        f"{1 - as_declared:.0%} of points fall outside the city's box as {_name(declared)}, and no reading "
        "tried fits: check the reference system and the box."
    )
    return Diagnosis(share_inside=as_declared, hypothesis="unknown", sentence=sentence)


_Reading = Callable[[Floats, Floats], tuple[Floats, Floats]]


def _readings(
    declared: CRS, bbox: tuple[float, float, float, float]
) -> Iterator[tuple[Hypothesis, CRS, _Reading, str]]:
    degrees = _known("EPSG:4326")
    yield "swapped", declared, lambda a, b: (b, a), "with the axes swapped"
    yield "sign_lost", declared, lambda a, b: (-np.abs(a), b), "with the sign of longitude restored"
    yield "sign_lost", declared, lambda a, b: (a, -np.abs(b)), "with the sign of latitude restored"
    yield "sign_lost", declared, lambda a, b: (-np.abs(a), -np.abs(b)), "with both signs restored"
    yield (
        "scaled_1e6",
        degrees,
        lambda a, b: (a / 1e6, b / 1e6),
        "the values look like degrees × 1,000,000: read so",
    )
    if declared.is_projected:
        yield "degrees", degrees, lambda a, b: (a, b), "the values look like degrees: read so"
        yield "degrees", degrees, lambda a, b: (b, a), "the values look like degrees, latitude first: read so"
        in_feet = declared.axis_info[0].unit_conversion_factor != 1.0
        if in_feet:
            k = 1 / declared.axis_info[0].unit_conversion_factor
            yield "metres", declared, lambda a, b: (a * k, b * k), "the values look like metres: read so"
        else:
            f = US_SURVEY_FOOT_M
            yield (
                "feet",
                declared,
                lambda a, b: (a * f, b * f),
                "the values look like US survey feet: read so",
            )
    for other in _projected_at(bbox):
        unit: Hypothesis = "metres" if other.axis_info[0].unit_conversion_factor == 1.0 else "feet"
        yield unit, other, lambda a, b: (a, b), f"the values look projected, in {unit}: as {_name(other)}"


@lru_cache(maxsize=32)
def _projected_at(bbox: tuple[float, float, float, float]) -> tuple[CRS, ...]:
    """Projected EPSG systems in metres or feet whose area of use holds the box, smallest first."""
    area = AreaOfInterest(*bbox)
    found = query_crs_info("EPSG", PJType.PROJECTED_CRS, area_of_interest=area, contains=True)

    def extent(info: object) -> float:
        use = getattr(info, "area_of_use", None)
        return float("inf") if use is None else ((use.east - use.west) % 360 or 360) * (use.north - use.south)

    ordered = sorted(found, key=lambda info: (extent(info), int(info.code)))
    west, south, east, north = bbox
    zones = dict.fromkeys(metric_crs([lon], [(south + north) / 2]) for lon in (west, east))
    known = (_known(f"EPSG:{code}") for code in [*zones, *(info.code for info in ordered[:80])])
    return tuple(crs for crs in known if not _is_stretched(crs) and _reaches_degrees(crs))


def _reaches_degrees(crs: CRS) -> bool:
    try:
        _transformer(crs.to_wkt(), _known("EPSG:4326").to_wkt())
    except _ProjError:
        return False
    return True


def _share_inside(x: Floats, y: Floats, crs: CRS, bbox: tuple[float, float, float, float]) -> float:
    west, south, east, north = bbox
    lon, lat = _project(x, y, crs, "EPSG:4326")
    with np.errstate(invalid="ignore"):
        inside = (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
    return float(inside.mean())


def _usable(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    keep = np.isfinite(x) & np.isfinite(y) & ~((x == 0) & (y == 0))
    x, y = x[keep], y[keep]
    step = -(-x.size // _SAMPLE) if x.size else 1
    return x[::step], y[::step]


def _project(x: Floats, y: Floats, source: object, target: object) -> tuple[Floats, Floats]:
    transformer = _transformer(_known(source).to_wkt(), _known(target).to_wkt())
    missing = ~(np.isfinite(x) & np.isfinite(y))
    out_x, out_y = transformer.transform(np.where(missing, 0.0, x), np.where(missing, 0.0, y))
    out_x, out_y = np.array(out_x, dtype=np.float64), np.array(out_y, dtype=np.float64)
    bad = missing | ~np.isfinite(out_x) | ~np.isfinite(out_y)
    out_x[bad] = np.nan
    out_y[bad] = np.nan
    return out_x, out_y


@lru_cache(maxsize=256)
def _transformer(source: str, target: str) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)


def _known(crs: object) -> CRS:
    try:
        return CRS.from_user_input(crs)
    except _ProjError as error:
        raise CrsError(f"Expected a reference system such as EPSG:4326, got [{crs}]; correct its code.") from error


def _name(crs: CRS) -> str:
    authority = crs.to_authority(min_confidence=90)
    return ":".join(authority) if authority else crs.name


def _is_stretched(crs: CRS) -> bool:
    operation = crs.coordinate_operation
    method = operation.method_name.lower() if operation is not None else ""
    return "transverse" not in method and "oblique" not in method and any(word in method for word in _STRETCHED)


def _extent(lon: Floats, lat: Floats) -> tuple[float, float, float, float]:
    return float(lon.min()), float(lon.max()), float(lat.min()), float(lat.max())


def _utm_zone(lon: float, lat: float) -> int:
    if 56 <= lat < 64 and 3 <= lon < 12:
        return 32
    if 72 <= lat <= 84 and 0 <= lon < 42:
        return 31 + 2 * int(np.searchsorted([9.0, 21.0, 33.0], lon, side="right"))
    return min(int((lon + 180) // 6) + 1, 60)


def _pair(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    first = np.atleast_1d(np.asarray(x, dtype=np.float64))
    second = np.atleast_1d(np.asarray(y, dtype=np.float64))
    if first.ndim != 1 or first.shape != second.shape:
        raise InputError(f"Expected two columns of equal length, got [{first.shape}] and [{second.shape}].")
    return first, second
