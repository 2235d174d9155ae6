"""Masks of points: each address moved once, for ever, by a ring of equal chance per area, hidden among households."""

import hmac
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from geo.errors import InputError

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Masked:
    """``x``, ``y`` (n,) masked metres, NaN where no mask is safe and the point must be aggregated;

    ``k`` (n,) households no farther from the masked point than the address is (0 where NaN).
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    k: NDArray[np.intp]


def donut(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    households: NDArray[np.float64],
    place_ids: Sequence[str],
    key: bytes,
    r_min: NDArray[np.float64] | float,
    r_max: NDArray[np.float64] | float,
    k_min: int = 20,
    within: Sequence[Any] | None = None,
    tries: int = 200,
) -> Masked:
    """Masked points (n,) with the number of households among which each hides. Projected metres.

    θ = 2πu, r = √(r_min² + v (r_max² − r_min²)): equal chance per area of the ring. u and v come from
    HMAC-SHA-256(key, place id and try), so that an address has one mask however often it is asked for, as long as
    households, polygons and settings stay (averages of masks give nothing away). The first try with k ≥ ``k_min`` and
    inside ``within`` (one polygon for each point: its published area, land only) is taken; after ``tries`` the point
    is NaN: aggregate it. ``households`` (h, 2); k counts those within the displacement of the masked point.

    Raises InputError for keys under 32 bytes, ids given to two different points, broken radii or shapes.
    Reference: Hampton et al. (2010), Am. J. Epidemiol. 172(9); Allshouse et al. (2010), Geospatial Health 5(1).
    """
    low = np.broadcast_to(np.asarray(r_min, dtype=float), x.shape)
    high = np.broadcast_to(np.asarray(r_max, dtype=float), x.shape)
    _check(x, y, low, high, households, place_ids, key, within)
    tree = KDTree(households)
    masked = np.full((len(x), 2), np.nan)
    k = np.zeros(len(x), dtype=np.intp)
    for point in range(len(x)):
        for attempt in range(tries):
            u, v = _draws(key, place_ids[point], attempt)
            r = math.sqrt(low[point] ** 2 + v * (high[point] ** 2 - low[point] ** 2))
            at = (x[point] + r * math.cos(2 * math.pi * u), y[point] + r * math.sin(2 * math.pi * u))
            hidden_among = hidden_in(tree, at, distance=r)
            if hidden_among >= k_min and (within is None or _inside(within[point], at)):
                masked[point], k[point] = at, hidden_among
                break
    return Masked(x=masked[:, 0], y=masked[:, 1], k=k)


def hidden_in(households: KDTree, at: tuple[float, float], *, distance: float) -> int:
    """k: households at most ``distance`` metres (to the millimetre) from a masked point, the true one among them."""
    return int(households.query_ball_point(at, distance + 1e-3, return_length=True))


def radii(
    density: NDArray[np.float64], *, k_min: int = 20, uneven: bool = False, ratio: float = 4.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n,), (n,) inner and outer radius in metres for households per square metre ``density`` (n,).

    k_min = π r_min² density; three times that area where households are ``uneven``; r_max = ``ratio`` r_min. Infinite
    where density is 0. Raises InputError for negative density. Reference: Allshouse et al. (2010).
    """
    if (density < 0).any():
        raise InputError("expected households per square metre ≥ 0, got negative ones")
    with np.errstate(divide="ignore"):
        inner = np.sqrt(k_min * (3 if uneven else 1) / (np.pi * density))
    return inner, ratio * inner


def _draws(key: bytes, place_id: str, attempt: int) -> tuple[float, float]:
    digest = hmac.digest(key, f"{place_id}\x1f{attempt}".encode(), "sha256")
    first, second = int.from_bytes(digest[:8], "big") >> 11, int.from_bytes(digest[8:16], "big") >> 11
    return first / 2**53, second / 2**53


def _inside(polygon: Any, at: tuple[float, float]) -> bool:
    from shapely import contains_xy

    return bool(contains_xy(polygon, *at))


def _check(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    households: NDArray[np.float64],
    place_ids: Sequence[str],
    key: bytes,
    within: Sequence[Any] | None,
) -> None:
    if len(key) < _KEY_BYTES:
        raise InputError(f"expected a key of at least {_KEY_BYTES} bytes, got [{len(key)}]: make one at random")
    if not (x.shape == y.shape == (len(place_ids),)) or (within is not None and len(within) != len(x)):
        raise InputError(f"expected x, y, ids and polygons of one length, got [{x.shape}, {y.shape}, {len(place_ids)}]")
    if households.ndim != 2 or households.shape[1] != 2 or not len(households):
        raise InputError(f"expected households as rows of x and y, got shape [{households.shape}]")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and np.isfinite(households).all()):
        raise InputError("expected finite metres, got some that are not: drop points without coordinates")
    if not (np.isfinite(high).all() and (low > 0).all() and (high > low).all()):
        raise InputError("expected 0 < r_min < r_max, all finite: aggregate where the density of households is 0")
    found: dict[str, tuple[float, float]] = {}
    for place, at in zip(place_ids, zip(x.tolist(), y.tolist(), strict=True), strict=True):
        if found.setdefault(place, at) != at:
            raise InputError("expected one position for each place id, got several: an address has one mask for ever")
