"""Where and when the sample city is: its working projection, its clock, its study window."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import Transformer

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CRS = "EPSG:32616"
FEET = "EPSG:2289"
CENTRE = (-87.200, 43.070)
N_DAYS = 735
N_WEEKS = 105
DAY = 86_400
WINDOW_START = np.datetime64("2023-01-02T00:00:00")
WINDOW_S = N_DAYS * DAY
_SUMMER = (("2023-03-12T02:00:00", "2023-11-05T02:00:00"), ("2024-03-10T02:00:00", "2024-11-03T02:00:00"))


@lru_cache(maxsize=8)
def _transformer(source: str, target: str) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)


def project(lon: ArrayLike, lat: ArrayLike) -> tuple[Floats, Floats]:
    """Easting and northing in the working projection (m) of degrees."""
    x, y = _transformer("EPSG:4326", CRS).transform(np.asarray(lon, float), np.asarray(lat, float))
    return np.asarray(x, float), np.asarray(y, float)


def unproject(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """Longitude and latitude of working coordinates (m), to six decimals (0.1 m)."""
    lon, lat = _transformer(CRS, "EPSG:4326").transform(np.asarray(x, float), np.asarray(y, float))
    return np.round(lon, 6), np.round(lat, 6)


def to_feet(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """State Plane US survey feet (EPSG:2289) of working coordinates, to 0.01 ft."""
    east, north = _transformer(CRS, FEET).transform(np.asarray(x, float), np.asarray(y, float))
    return np.round(east, 2), np.round(north, 2)


def centre() -> tuple[float, float]:
    """Working coordinates of the middle of the city, to the metre."""
    x, y = project(*CENTRE)
    return float(np.round(x)), float(np.round(y))


def _seconds(text: str) -> int:
    return int((np.datetime64(text) - WINDOW_START) / np.timedelta64(1, "s"))


def out_of_gap(local: Ints) -> Ints:
    """Wall times (s since the window's first midnight) with the hour that does not exist in March moved on."""
    moved = local.copy()
    for start, _ in _SUMMER:
        moved[(local >= _seconds(start)) & (local < _seconds(start) + 3600)] += 3600
    return moved


def gap_starts() -> tuple[int, ...]:
    """The seconds at which each of the two spring hours that do not exist begins."""
    return tuple(_seconds(start) for start, _ in _SUMMER)


def to_utc(local: Ints) -> Ints:
    """Seconds UTC since 2023-01-02T00:00Z of wall times; the doubled hour in November is read as the first."""
    summer = np.zeros(local.shape, bool)
    for start, end in _SUMMER:
        summer |= (local >= _seconds(start)) & (local < _seconds(end))
    return np.asarray(local + np.where(summer, 5, 6) * 3600)


def to_local(utc: Ints) -> Ints:
    """Wall time of seconds UTC, both counted from 2023-01-02 00:00 of their own clock."""
    summer = np.zeros(utc.shape, bool)
    for start, end in _SUMMER:
        summer |= (utc >= _seconds(start) + 6 * 3600) & (utc < _seconds(end) + 5 * 3600)
    return np.asarray(utc - np.where(summer, 5, 6) * 3600)
