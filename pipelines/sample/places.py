"""The places that call: addresses on a lattice, planted hotspots, sinks, institutions, a fringe outside the city.

Every place lies on whole metres of the working projection and keeps clear of borders and of the rings at which a
threshold is met, so that rounding can change no outcome.
"""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from pipelines.sample.frame import CENTRE, Floats, Ints, centre, to_feet, unproject
from pipelines.sample.geography import Land
from pipelines.sample.supply import SERVICES, position, zones_m

ORDINARY, HOTSPOT, BURST, HOSPITAL, DEFAULT, LISTED, SERVICE, OUTSIDE = range(8)
WALK_M = 30 * (4.8 * 1000 / 60) / 1.3
DRIVE_M = 20 * (25 * 1000 / 60) / 1.3
DEFAULT_AT = (-85.0, -430.0)
_CALLING = ("Emergency department", "Crisis receiving centre", "Emergency shelter", "Day centre")
_NAMES = (
    "ANCHOR", "BEACON", "CANNERY", "DEPOT", "ELM", "FERRY", "GULL", "HARBOR", "INLET", "JETTY", "KEEL", "LANTERN",
    "MILL", "NORTHERN", "ORCHARD", "PIER", "QUAY", "RIVER", "SAIL", "TANNERY", "UNION", "VINE", "WHARF", "YARROW",
    "ASPEN", "BIRCH", "CEDAR", "DUNE", "ECHO", "FOUNDRY", "GRANGE", "HERON", "IRON", "JUNIPER", "KILN", "LARCH",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A planted excess: need, middle (m east and north of the city's middle), radius, share of all rows, hours."""

    label: str
    need: str
    at: tuple[float, float]
    radius_m: float
    share: float
    hours: tuple[int, int]


HOTSPOTS = (
    Planted(label="H1", need="mental_health", at=(-3310, 2410), radius_m=95, share=0.0025, hours=(20, 4)),
    Planted(label="H2", need="substance_use", at=(690, -2590), radius_m=130, share=0.0027, hours=(17, 3)),
    Planted(label="H3", need="homelessness", at=(-890, 1490), radius_m=75, share=0.0022, hours=(20, 6)),
    Planted(label="H4", need="welfare_check", at=(3290, 3010), radius_m=190, share=0.0030, hours=(17, 23)),
    Planted(label="H5", need="youth_family", at=(-3190, -2590), radius_m=125, share=0.0024, hours=(16, 23)),
)
BURST_SPOT = Planted(
    label="B1", need="homelessness", at=(3190, -2390), radius_m=100, share=0.0017, hours=(8, 22)
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Arrays of one entry a place; `group` is the number of the hotspot or service a planted place belongs to."""

    x: Ints
    y: Ints
    lon: Floats
    lat: Floats
    east_ft: Floats
    north_ft: Floats
    kind: Ints
    group: Ints
    address: NDArray[np.object_]
    block: Ints
    community: Floats
    officer: Floats
    sheriff: Floats

    def of(self, kind: int, group: int = -1) -> Ints:
        """Numbers of the places of a kind (and of a group)."""
        found = (self.kind == kind) & ((group < 0) | (self.group == group))
        return np.flatnonzero(found)


def make_places(land: Land, *, n_places: int, seed: int) -> Places:
    """About `n_places` places, in spatial order (Morton), the same for the same seed and number."""
    rng = np.random.default_rng([seed, 3])
    planted = _planted_points()
    xy, kind, group = planted
    ordinary = _ordinary(land, n_places, xy[kind != LISTED], rng)
    fringe = _fringe(land, rng)
    x = np.concatenate([xy[:, 0], ordinary[:, 0], fringe[:, 0]]).astype(np.int64)
    y = np.concatenate([xy[:, 1], ordinary[:, 1], fringe[:, 1]]).astype(np.int64)
    kind = np.concatenate([kind, np.full(len(ordinary), ORDINARY), np.full(len(fringe), OUTSIDE)])
    group = np.concatenate([group, np.full(len(ordinary) + len(fringe), -1)])
    keep = (kind != HOTSPOT) & (kind != BURST) | _is_clear(land, x, y)
    order = np.argsort(_morton(x, y), kind="stable")
    order = order[keep[order]]
    return _finish(x[order], y[order], kind[order], group[order], rng)


def _finish(x: Ints, y: Ints, kind: Ints, group: Ints, rng: np.random.Generator) -> Places:
    lon, lat = unproject(x, y)
    listed = kind == LISTED
    lon[listed], lat[listed] = CENTRE
    east, north = to_feet(x, y)
    address, block = _addresses(x, y, kind, group, rng)
    skew = np.exp(rng.normal(0, 1.0, len(x)))
    ordinary = np.isin(kind, (ORDINARY, HOTSPOT, BURST))
    fringe = kind == OUTSIDE
    community = np.where(ordinary, skew, np.where(fringe, 0.4, 0.0))
    community = np.where(np.isin(kind, (HOTSPOT, BURST)), 1.2, community)
    officer = np.where(ordinary, np.exp(rng.normal(0, 1.2, len(x))), np.where(fringe, 0.3, 0.0))
    east_side = x > centre()[0] + 1500
    sheriff = np.where(kind == ORDINARY, community, 0.0) * np.where(east_side, 3.0, 1.0) + np.where(fringe, 4.0, 0.0)
    return Places(
        x=x, y=y, lon=lon, lat=lat, east_ft=east, north_ft=north, kind=kind, group=group, address=address,
        block=block, community=community / community.sum(), officer=officer / officer.sum(),
        sheriff=sheriff / sheriff.sum(),
    )  # fmt: skip


def _planted_points() -> tuple[Floats, Ints, Ints]:
    """Addresses of hotspots (60 m apart), the burst, sinks, hospital and the services that also call."""
    cx, cy = centre()
    rows: list[tuple[float, float, int, int]] = []
    for number, spot in enumerate((*HOTSPOTS, BURST_SPOT)):
        kind = HOTSPOT if number < len(HOTSPOTS) else BURST
        for i in range(-4, 5):
            for j in range(-4, 5):
                if np.hypot(i * 60, j * 60) <= spot.radius_m:
                    rows.append((cx + spot.at[0] + 60 * i, cy + spot.at[1] + 60 * j, kind, number))
    rows.append((cx + DEFAULT_AT[0], cy + DEFAULT_AT[1], DEFAULT, -1))
    rows.append((cx, cy, LISTED, -1))
    for number, service in enumerate(SERVICES):
        where = position(service)
        if where and service.kind in _CALLING:
            rows.append((*where, HOSPITAL if service.is_emergency_department else SERVICE, number))
    table = np.array(rows)
    return table[:, :2], table[:, 2].astype(np.int64), table[:, 3].astype(np.int64)


def _ordinary(land: Land, n_places: int, planted: Floats, rng: np.random.Generator) -> Floats:
    """Lattice points with more of them where more people live, clear of borders, rings and planted points."""
    area = land.outline.area
    step = min(60.0, float(np.sqrt(area / (n_places * 2.6))))
    x0, y0, x1, y1 = land.outline.bounds
    gx, gy = np.meshgrid(np.arange(x0, x1, step), np.arange(y0, y1, step))
    wobble = min(2, int(step // 20))
    points = np.column_stack([gx.ravel(), gy.ravel()]) + rng.integers(-wobble, wobble + 1, (gx.size, 2))
    points = np.round(points)
    tract = np.full(len(points), -1)
    for number, one in enumerate(land.tracts):
        tract[shapely.contains_xy(one.shape, points[:, 0], points[:, 1])] = number
    clear = (tract >= 0) & _is_clear(land, points[:, 0], points[:, 1])
    tree = shapely.STRtree(shapely.points(planted))
    near = tree.query(shapely.points(points), predicate="dwithin", distance=58)[0]
    clear[near] = False
    for service in SERVICES:
        if (where := position(service)) is not None:
            clear &= np.hypot(points[:, 0] - where[0], points[:, 1] - where[1]) > 75
    cx, cy = centre()
    for dx, dy in (DEFAULT_AT, (0.0, 0.0)):
        clear &= np.hypot(points[:, 0] - cx - dx, points[:, 1] - cy - dy) > 130
    points, tract = points[clear], tract[clear]
    people = np.array([land.population[one.id] for one in land.tracts], float)
    cells = np.bincount(tract, minlength=len(people))
    chance = ((people + 60) / np.maximum(cells, 1))[tract]
    n = min(n_places, len(points))
    return np.asarray(points[np.sort(rng.choice(len(points), n, replace=False, p=chance / chance.sum()))])


def _fringe(land: Land, rng: np.random.Generator) -> Floats:
    """Two dozen places outside every area, in and beyond the water."""
    ring = land.outline.buffer(1500).difference(land.outline.buffer(260))
    x0, y0, x1, y1 = ring.bounds
    tried = np.asarray(np.round(np.column_stack([rng.uniform(x0, x1, 600), rng.uniform(y0, y1, 600)])), np.float64)
    inside = shapely.contains_xy(ring, tried[:, 0], tried[:, 1]) & _is_clear(land, tried[:, 0], tried[:, 1])
    return np.asarray(tried[inside][:24])


def _is_clear(land: Land, x: Floats | Ints, y: Floats | Ints) -> NDArray[np.bool_]:
    """Whether points keep 6 m from every border and 3 m from every ring at which a threshold is met."""
    lines = shapely.union_all([land.edges(), *[zone.boundary for zone in zones_m(land).values()]])
    pieces = shapely.STRtree(_segments(lines))
    clear = np.ones(len(x), bool)
    clear[pieces.query(shapely.points(x, y), predicate="dwithin", distance=6.0)[0]] = False
    for service in SERVICES:
        where = position(service)
        if where is None or service.leg != "place":
            continue
        far = np.hypot(np.asarray(x) - where[0], np.asarray(y) - where[1])
        for ring in (WALK_M, DRIVE_M):
            clear &= np.abs(far - ring) > 3
    return clear


def _segments(lines: shapely.Geometry) -> NDArray[np.object_]:
    """All straight pieces of lines."""
    out = []
    for line in shapely.get_parts(lines):
        xy = shapely.get_coordinates(line)
        out.append(shapely.linestrings(np.stack([xy[:-1], xy[1:]], axis=1)))
    return np.concatenate(out)


def _morton(x: Ints, y: Ints) -> Ints:
    """Position along a Z curve, so that neighbours in order are neighbours on the ground."""
    a, b = (np.asarray(v - v.min(), np.int64) // 40 for v in (x, y))
    code = np.zeros(len(x), np.int64)
    for bit in range(12):
        code |= ((a >> bit) & 1) << (2 * bit) | ((b >> bit) & 1) << (2 * bit + 1)
    return code


def _addresses(x: Ints, y: Ints, kind: Ints, group: Ints, rng: np.random.Generator) -> tuple[NDArray[np.object_], Ints]:
    """An address text for every place and the number of its hundred-block."""
    cx, cy = centre()
    along = rng.random(len(x)) < 0.5
    style = rng.random(len(x))
    out = np.empty(len(x), object)
    blocks: dict[str, int] = {}
    block = np.zeros(len(x), np.int64)
    for n in range(len(x)):
        dx, dy = int(x[n] - cx), int(y[n] - cy)
        street = _street(dx, dy, bool(along[n]))
        reach = abs(dx) if along[n] else abs(dy)
        number = reach // 2 * 2 + (1 if (dy if along[n] else dx) % 2 else 0) + 2
        hundred = f"{number // 100 * 100} BLOCK {street}"
        block[n] = blocks.setdefault(hundred, len(blocks))
        if style[n] < 0.10 and kind[n] == ORDINARY:
            out[n] = hundred
        elif style[n] < 0.14 and kind[n] == ORDINARY:
            out[n] = f"{street} / {_street(dx, dy, not along[n])}"
        else:
            out[n] = f"{number} {street}"
        if kind[n] in (HOSPITAL, SERVICE):
            out[n] = SERVICES[group[n]].address
    return out, block


def _street(dx: int, dy: int, along: bool) -> str:
    lane = (dy if along else dx) // 120
    side = ("E" if dx >= 0 else "W") if along else ("N" if dy >= 0 else "S")
    name = _NAMES[lane % len(_NAMES)]
    kind = ("ST", "AVE", "RD")[(lane // len(_NAMES)) % 3]
    return f"{side} {name} {kind}"
