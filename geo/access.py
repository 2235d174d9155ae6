"""Who can reach what: decay, reach, floating catchments and rational agents, as sparse products."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from geo.errors import InputError

Floats = NDArray[np.float64]
Weights = Any  # a dense array or any scipy sparse matrix of places × services, weights from 0 to 1

STEP_BANDS = ((10.0, 1.0), (20.0, 0.68), (30.0, 0.22))
_TIE = 1e-9
_BLOCK = 20_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reach:
    """Services within reach of places, one entry a pair, sorted by place then service; arrays are read-only.

    `place_index` and `service_index` are row numbers of the inputs, `minutes` the travel time. A pair that is
    not listed is out of reach or unknown.
    """

    place_index: NDArray[np.int32]
    service_index: NDArray[np.int32]
    minutes: Floats
    n_places: int
    n_services: int

    def __post_init__(self) -> None:
        for part in (self.place_index, self.service_index, self.minutes):
            part.flags.writeable = False

    def matrix(self, weights: ArrayLike | None = None) -> Any:
        """Sparse places × services matrix of `weights` (one a pair; 1 by default), for the catchments below."""
        data = np.ones(self.minutes.size) if weights is None else np.asarray(weights, dtype=np.float64)
        if data.shape != self.minutes.shape:
            raise InputError(f"Expected one weight a pair [{self.minutes.size}], got [{data.shape}].")
        return csr_array((data, (self.place_index, self.service_index)), shape=(self.n_places, self.n_services))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Catchment:
    """Floating-catchment access: `access` a place, in units of supply per unit of demand.

    `site_ratio` is the supply of a service over the demand that reaches it; `unreached` services have none in
    reach: their ratio is 0 and they help nobody here.
    """

    access: Floats
    site_ratio: Floats
    unreached: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RationalAgents:
    """Cost of access a place (lower is better; NaN where nothing can be reached) and demand a service.

    `gap` is the demand-weighted excess over each place's own best cost, relative; 0 at equilibrium.
    """

    cost: Floats
    load: Floats
    gap: float


def step_decay(minutes: ArrayLike, *, bands: Sequence[tuple[float, float]] = STEP_BANDS) -> Floats:
    """Weight (0–1) of each travel time by bands (upper edge in minutes, weight); an edge belongs to the nearer band.

    0 beyond the last band and where the time is missing. Default: 1 to 10 min, .68 to 20, .22 to 30 (Luo
    & Qi 2009). A stated convention, no estimate of use. Raises InputError unless edges rise, weights
    fall.
    """
    time = _minutes(minutes)
    edges, weights = np.array([band[0] for band in bands]), np.array([band[1] for band in bands])
    if edges.size == 0 or (np.diff(edges) <= 0).any() or (np.diff(weights) > 0).any() or weights[-1] < 0:
        raise InputError(f"Expected bands with rising minutes and weights that do not rise, got [{list(bands)}].")
    return np.asarray(np.r_[weights, 0.0][np.searchsorted(edges, time, side="left")])


def gaussian_decay(minutes: ArrayLike, *, cap: float) -> Floats:
    """Weight (e^{−½(d/d0)²} − e^{−½})/(1 − e^{−½}) up to d0 = `cap` minutes, 0 beyond or missing (Dai 2010)."""
    if not cap > 0:
        raise InputError(f"Expected a cap above 0 minutes, got [{cap}].")
    time, floor = _minutes(minutes), np.exp(-0.5)
    inside = time <= cap
    bell = (np.exp(-0.5 * (np.where(inside, time, cap) / cap) ** 2) - floor) / (1 - floor)
    return np.asarray(np.where(inside, bell, 0.0), dtype=np.float64)


def travel_minutes(distance_m: ArrayLike, *, kmh: float, circuity: float = 1.3) -> Floats:
    """Minutes of travel over straight-line metres: distance·circuity ÷ speed. Missing stays missing.

    Customary speeds: 4.8 km/h on foot, 25 km/h driving in a city; circuity 1.3 metres of street a metre.
    """
    if not (kmh > 0 and circuity >= 1):
        raise InputError(f"Expected a speed above 0 km/h and a circuity of 1 or more, got [{kmh}], [{circuity}].")
    return np.asarray(_minutes(distance_m) * circuity * 60 / (kmh * 1000), dtype=np.float64)


def reach(
    place_x: ArrayLike,
    place_y: ArrayLike,
    service_x: ArrayLike,
    service_y: ArrayLike,
    *,
    widest_min: float,
    kmh: float,
    circuity: float = 1.3,
) -> Reach:
    """Pairs of place and service at most `widest_min` minutes apart (≤ passes), from projected metres.

    Straight line × circuity ÷ speed, found by a k-d tree: the full table is never made. A place or service
    without coordinates is in no pair. Raises InputError for settings that are not positive.
    """
    places, place_rows = _located(place_x, place_y)
    services, service_rows = _located(service_x, service_y)
    minute_m = kmh * 1000 / 60 / circuity if kmh > 0 and circuity >= 1 else float("nan")
    if not (widest_min > 0 and minute_m > 0):
        raise InputError(
            "Expected a threshold and speed above 0 and a circuity of 1 or more, got "
            f"[{widest_min} min, {kmh} km/h, {circuity}]."
        )
    parts = []
    if len(places) and len(services):
        tree, radius = cKDTree(services), widest_min * minute_m * (1 + _TIE)
        for start in range(0, len(places), _BLOCK):
            block = cKDTree(places[start : start + _BLOCK])
            found = block.sparse_distance_matrix(tree, radius, output_type="ndarray")
            parts.append((place_rows[start + found["i"]], service_rows[found["j"]], found["v"]))
    i, j, away = (np.concatenate(columns) for columns in zip(*parts)) if parts else (np.empty(0),) * 3
    minutes = np.minimum(travel_minutes(away, kmh=kmh, circuity=circuity), widest_min)
    return _reach(i, j, minutes, np.size(place_x), np.size(service_x))


def reach_from_matrix(minutes: ArrayLike, *, widest_min: float) -> Reach:
    """Pairs of a supplied places × services table of minutes that are at most `widest_min` (≤ passes).

    A missing or infinite time is no route. It need not be symmetric.
    """
    table = _minutes(minutes)
    if table.ndim != 2 or not widest_min > 0:
        raise InputError(f"Expected places × services minutes and a threshold above 0, got [{table.shape}].")
    i, j = np.nonzero(table <= widest_min)
    return _reach(i, j, table[i, j], *table.shape)


def two_step_fca(demand: ArrayLike, supply: ArrayLike, weights: Weights) -> Catchment:
    """Two-step floating catchment: R_j = S_j/Σ_k P_k·W_kj, A_i = Σ_j W_ij·R_j.

    Plain 2SFCA with weights of 0 and 1, E2SFCA with `step_decay`, Gaussian with `gaussian_decay`. ΣP·A is the
    supply with demand in reach. A place with nothing in reach has 0. `demand` (n_places,), `supply`
    (n_services,), `weights` dense or sparse. Reference: Luo & Qi 2009.
    """
    p, s, w = _checked(demand, supply, weights)
    ratio, unreached = _ratio(s, w.T @ p)
    return Catchment(access=w @ ratio, site_ratio=ratio, unreached=unreached)


def three_step_fca(demand: ArrayLike, supply: ArrayLike, weights: Weights) -> Catchment:
    """Three-step floating catchment: as two steps with G·W, G_ij = W_ij/Σ_j W_ij, so that near sites compete.

    Conserves supply as `two_step_fca` does. Reference: Wan, Zou & Sternberg 2012.
    """
    p, s, w = _checked(demand, supply, weights)
    total = w.sum(axis=1)
    chosen = w.multiply(w).multiply(np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)[:, None]).tocsr()
    return two_step_fca(p, s, chosen)


def m2sfca(demand: ArrayLike, supply: ArrayLike, weights: Weights) -> Catchment:
    """Modified two-step catchment: A_i = Σ_j S_j·W_ij²/Σ_k P_k·W_kj, which marks down poor placement.

    ΣP·A is at most the supply in reach: what is lost is the price of distance. Reference: Delamater 2013.
    """
    p, s, w = _checked(demand, supply, weights)
    ratio, unreached = _ratio(s, w.T @ p)
    return Catchment(access=w.multiply(w).tocsr() @ ratio, site_ratio=ratio, unreached=unreached)


def raam(
    demand: ArrayLike,
    supply: ArrayLike,
    minutes: ArrayLike,
    *,
    tau: float,
    rho: float | None = None,
    tolerance: float = 1e-4,
    max_sweeps: int = 2_000,
) -> RationalAgents:
    """Rational agent access cost: crowding (demand/supply)/ρ plus travel t/τ, each place at its cheapest services.

    Every place splits its demand so that no part of it would do better elsewhere (the user equilibrium, whose
    costs are unique), reached by giving one place after the other its exact best reply. ρ defaults to demand
    over supply, so 1 is the average crowding. `tau` = minutes worth one average crowding: 60 driving, 30 on
    foot. `minutes` (n_places, n_services), missing or infinite = no route. The default `tolerance` of the gap
    settles each cost to well within 1 %; 300 × 60 take a second, 300 × 500 a quarter of a minute.
    Raises InputError when `max_sweeps` do not reach it. Reference: Saxon & Snow 2020.
    """
    p, s = _amounts(demand, "demand"), _amounts(supply, "supply")
    table = _minutes(minutes)
    if table.shape != (p.size, s.size) or not tau > 0:
        raise InputError(f"Expected minutes [{p.size} × {s.size}] and tau above 0, got [{table.shape}], [{tau}].")
    travel = np.where(np.isnan(table) | (s == 0), np.inf, table) / tau
    served = np.isfinite(travel).any(axis=1)
    p = np.where(served, p, 0.0)
    if not (served.any() and p.sum() > 0):
        return RationalAgents(cost=np.where(served, travel.min(axis=1, initial=np.inf), np.nan), load=0 * s, gap=0.0)
    room = np.where(s > 0, s * (p.sum() / s.sum() if rho is None else rho), 1.0)
    split = np.zeros_like(travel)
    for _ in range(max_sweeps):
        load = split.sum(axis=0)
        for i in np.flatnonzero(p > 0):
            others = load - split[i]
            split[i] = _best_reply(p[i], others / room + travel[i], room)
            load = others + split[i]
        cost = split.sum(axis=0) / room + travel
        best = np.where(served, cost.min(axis=1), 0.0)
        excess = np.where(split > 0, cost - best[:, None], 0.0)
        gap = float((split * excess).sum() / (p[served] @ best[served]))
        if gap <= tolerance:
            return RationalAgents(cost=np.where(served, best, np.nan), load=split.sum(axis=0), gap=gap)
    raise InputError(f"Expected equilibrium within {max_sweeps} sweeps, got a gap of [{gap:.2g}]; allow more sweeps.")


def edge_unreliable(
    x: ArrayLike, y: ArrayLike, border: Any, *, reach_m: float, competing: bool = True
) -> NDArray[np.bool_]:
    """Whether access of each place may lean on what lies beyond the border (a shapely area, metres).

    Reach alone leans on services up to `reach_m` away. A catchment (`competing`) leans on their other
    callers too, up to twice as far: a service near the border counts too little demand. Where False,
    moving the border further out changes nothing. Places outside or without coordinates are True.
    """
    if not reach_m > 0:
        raise InputError(f"Expected a reach above 0 m, got [{reach_m}].")
    xy, rows = _located(x, y)
    points = shapely.points(xy)
    far = shapely.distance(points, shapely.boundary(border)) > reach_m * (2 if competing else 1)
    out = np.ones(np.size(x), dtype=np.bool_)
    out[rows] = ~(far & shapely.intersects(border, points))
    return out


def _best_reply(demand: float, cost: Floats, room: Floats) -> Floats:
    """Split of a place's demand that levels the cost of all services it uses (water filling)."""
    order = np.argsort(cost, kind="stable")
    order = order[: np.isfinite(cost).sum()]
    sorted_cost, sorted_room = cost[order], room[order]
    level = (demand + np.cumsum(sorted_room * sorted_cost)) / np.cumsum(sorted_room)
    used = int(np.flatnonzero(level > sorted_cost)[-1]) + 1
    out = np.zeros_like(cost)
    out[order[:used]] = np.maximum(level[used - 1] - sorted_cost[:used], 0.0) * sorted_room[:used]
    return out


def _ratio(supply: Floats, reaching: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    unreached = reaching <= 0
    return np.divide(supply, reaching, out=np.zeros_like(supply), where=~unreached), unreached


def _checked(demand: ArrayLike, supply: ArrayLike, weights: Weights) -> tuple[Floats, Floats, Any]:
    p, s = _amounts(demand, "demand"), _amounts(supply, "supply")
    w: Any = csr_array(weights, dtype=np.float64)
    if w.shape != (p.size, s.size):
        raise InputError(f"Expected weights of places × services [{p.size} × {s.size}], got [{w.shape}].")
    if not np.isfinite(w.data).all() or (w.data < 0).any():
        raise InputError("Expected weights of 0 or more without gaps, got others; use a decay function.")
    return p, s, w


def _amounts(values: ArrayLike, name: str) -> Floats:
    amounts = np.asarray(values, dtype=np.float64)
    if amounts.ndim != 1 or not np.isfinite(amounts).all() or (amounts < 0).any():
        raise InputError(f"Expected {name} of 0 or more without gaps in one column, got [{amounts.shape}].")
    return amounts


def _minutes(values: ArrayLike) -> Floats:
    numbers = np.asarray(values, dtype=np.float64)
    if (numbers < 0).any():
        raise InputError(f"Expected times and distances of 0 or more, got [{np.nanmin(numbers):g}].")
    return numbers


def _located(x: ArrayLike, y: ArrayLike) -> tuple[Floats, NDArray[np.intp]]:
    east, north = np.atleast_1d(np.asarray(x, dtype=np.float64)), np.atleast_1d(np.asarray(y, dtype=np.float64))
    if east.ndim != 1 or east.shape != north.shape:
        raise InputError(f"Expected two columns of equal length, got [{east.shape}] and [{north.shape}].")
    rows = np.flatnonzero(np.isfinite(east) & np.isfinite(north))
    return np.column_stack([east[rows], north[rows]]), rows


def _reach(i: ArrayLike, j: ArrayLike, minutes: Floats, n_places: int, n_services: int) -> Reach:
    place, service = np.asarray(i, dtype=np.int32), np.asarray(j, dtype=np.int32)
    order = np.lexsort((service, place))
    return Reach(
        place_index=place[order],
        service_index=service[order],
        minutes=minutes[order],
        n_places=int(n_places),
        n_services=int(n_services),
    )
