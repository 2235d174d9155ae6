"""The land of the sample city: block groups that nest in tracts that nest in neighbourhoods, beats that do not.

Block groups are Voronoi cells of jittered seeds inside a coast line with a river mouth and a bay; their shared edges
are roughened once, so every level is a valid coverage. Beats are drawn by themselves.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from shapely.geometry import LineString, MultiPoint, Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from pipelines.sample.frame import Floats, centre, project, unproject

COLUMNS, ROWS = 7, 4
WIDTH, HEIGHT = 11_200.0, 8_600.0
NEIGHBOURHOODS = (
    ("N1", "Northgate", ((0, 2), (0, 3), (1, 2), (1, 3))),
    ("N2", "Old Harbor", ((0, 0), (0, 1), (1, 0), (1, 1))),
    ("N3", "Mill District", ((2, 0), (3, 0), (2, 1), (3, 1))),
    ("N4", "Midtown", ((2, 2), (3, 2), (2, 3), (3, 3))),
    ("N5", "Eastlake", ((4, 2), (4, 3), (5, 2), (5, 3))),
    ("N6", "Ferry Point", ((4, 0), (4, 1), (5, 0), (5, 1))),
    ("N7", "Lakeshore", ((6, 0), (6, 1), (6, 2), (6, 3))),
)
NO_ZONE = "N7"
AIRPORT, PARK, QUARTERS = (6, 0), (3, 3), (1, 1)
COUNTY = "99001"


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """An area: id, name, polygon in working metres, and the id of the area it nests in."""

    id: str
    name: str
    shape: Polygon
    parent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Land:
    """All levels, and the residents of each tract."""

    block_groups: tuple[Area, ...]
    tracts: tuple[Area, ...]
    neighbourhoods: tuple[Area, ...]
    beats: tuple[Area, ...]
    outline: Polygon
    population: dict[str, int]

    def edges(self) -> BaseGeometry:
        """All borders of all levels, for keeping places off them."""
        areas = self.block_groups + self.beats
        return shapely.unary_union([area.shape.boundary for area in areas])


def make_land(*, seed: int) -> Land:
    """The levels of the city; the same for the same seed, whatever the number of calls."""
    rng = np.random.default_rng([seed, 1])
    outline = _outline()
    cells = [(column, row) for row in range(ROWS) for column in range(COLUMNS)]
    seeds, owner = _seeds(cells, outline, rng)
    pieces = _rough(_voronoi(seeds, outline), rng)
    blocks: dict[tuple[int, int], list[Polygon]] = {cell: [] for cell in cells}
    for piece, number in zip(pieces, owner, strict=True):
        blocks[cells[number]].append(piece)
    names = _tract_ids(cells)
    tracts, groups, population = [], [], {}
    for cell in cells:
        geoid, name = names[cell]
        parent = next(one[0] for one in NEIGHBOURHOODS if cell in one[2])
        tracts.append(Area(id=geoid, name=name, shape=_union(blocks[cell]), parent=parent))
        groups += [
            Area(id=f"{geoid}{n}", name=f"Block Group {n}", shape=shape, parent=geoid)
            for n, shape in enumerate(blocks[cell], 1)
        ]
        population[geoid] = _residents(cell, rng)
    hoods = [Area(id=i, name=n, shape=_union([t.shape for t in tracts if t.parent == i])) for i, n, _ in NEIGHBOURHOODS]
    city = _union([area.shape for area in tracts])
    return Land(
        block_groups=tuple(sorted(groups, key=lambda a: a.id)),
        tracts=tuple(sorted(tracts, key=lambda a: a.id)),
        neighbourhoods=tuple(hoods),
        beats=_beats(city, rng),
        outline=city,
        population=population,
    )


def _outline() -> Polygon:
    """A coast with a bay in the south and a river mouth in the north."""
    x, y = centre()
    w, h = WIDTH / 2, HEIGHT / 2
    coast = [
        (-w, -h * 0.86), (-w * 0.55, -h), (-w * 0.18, -h * 0.93), (-w * 0.09, -h * 0.66), (w * 0.02, -h * 0.63),
        (w * 0.07, -h * 0.95), (w * 0.5, -h * 0.97), (w * 0.96, -h * 0.8), (w, -h * 0.1), (w * 0.93, h * 0.55),
        (w * 0.97, h * 0.9), (w * 0.42, h), (w * 0.34, h * 0.96), (w * 0.315, h * 0.7), (w * 0.28, h * 0.7),
        (w * 0.27, h * 0.97), (-w * 0.3, h * 0.98), (-w * 0.9, h * 0.92), (-w * 0.98, h * 0.3), (-w * 0.94, -h * 0.3),
    ]  # fmt: skip
    return Polygon([(x + dx, y + dy) for dx, dy in coast])


def _seeds(cells: list[tuple[int, int]], outline: Polygon, rng: np.random.Generator) -> tuple[list[Point], list[int]]:
    """Two to four seeds around the middle of every tract's cell, and the cell each belongs to."""
    x0, y0 = centre()[0] - WIDTH / 2, centre()[1] - HEIGHT / 2
    step_x, step_y = WIDTH / COLUMNS, HEIGHT / ROWS
    seeds, owner = [], []
    inside = outline.buffer(-150)
    for number, (column, row) in enumerate(cells):
        middle = np.array([x0 + (column + 0.5) * step_x, y0 + (row + 0.5) * step_y])
        middle += rng.uniform(-0.12, 0.12, 2) * (step_x, step_y)
        n, turn = int(rng.integers(2, 5)), rng.uniform(0, np.pi)
        for k in range(n):
            angle = turn + 2 * np.pi * k / n
            away = np.array([step_x * np.cos(angle), step_y * np.sin(angle)])
            spot = middle + 0.24 * away
            point = Point(*np.round(spot, 1))
            if not inside.contains(point):
                point = shapely.line_interpolate_point(shapely.shortest_line(inside, point), 0)
            seeds.append(point)
            owner.append(number)
    return seeds, owner


def _voronoi(seeds: list[Point], outline: Polygon) -> list[Polygon]:
    """The part of the outline nearest to each seed, in the order of the seeds."""
    cells = shapely.voronoi_polygons(MultiPoint(seeds), extend_to=outline.buffer(2000))
    shapes = list(cells.geoms)
    tree = shapely.STRtree(shapes)
    found = {int(a): shapes[int(b)] for a, b in tree.query(seeds, predicate="within").T}
    parts = []
    for number, seed in enumerate(seeds):
        clipped = found[number].intersection(outline)
        parts.append(max(_polygons(clipped), key=lambda one: (one.contains(seed), one.area)))
    return parts


def _rough(parts: list[Polygon], rng: np.random.Generator) -> list[Polygon]:
    """The same cells with every edge bent a little; neighbours share each bent edge."""
    arcs = shapely.line_merge(shapely.unary_union([part.boundary for part in parts]))
    lines = sorted(_lines(arcs), key=lambda line: line.coords[0] + line.coords[-1])
    bent = [LineString(_bend(np.asarray(line.coords), rng)) for line in lines]
    rings = _polygons(shapely.polygonize(bent))
    out = []
    for part in parts:
        out.append(max(rings, key=lambda ring: ring.intersection(part).area))
    if len({shapely.to_wkb(one) for one in out}) != len(parts):
        raise RuntimeError("expected one cell a seed after bending the edges; choose another seed")
    return out


def _bend(line: Floats, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Midpoint displacement down to pieces of about 160 m, at most 5 % of a piece's length sideways."""
    done = [tuple(line[0])]
    for start, end in pairwise(line):
        points = [np.asarray(start), np.asarray(end)]
        while np.hypot(*(points[1] - points[0])) > 160:
            nxt = [points[0]]
            for a, b in pairwise(points):
                along = b - a
                side = np.array([-along[1], along[0]]) * rng.uniform(-0.05, 0.05)
                nxt += [(a + b) / 2 + side, b]
            points = nxt
        done += [tuple(point) for point in points[1:]]
    return done


def _tract_ids(cells: list[tuple[int, int]]) -> dict[tuple[int, int], tuple[str, str]]:
    out, number = {}, 0
    for cell in cells:
        if cell in (AIRPORT, PARK):
            code = "980100" if cell == AIRPORT else "980200"
            out[cell] = (COUNTY + code, f"Census Tract {int(code) // 100}")
            continue
        number += 1
        out[cell] = (f"{COUNTY}{number:04d}00", f"Census Tract {number}")
    return out


def _residents(cell: tuple[int, int], rng: np.random.Generator) -> int:
    drawn = int(rng.integers(2400, 5600))
    return {AIRPORT: 12, PARK: 0}.get(cell, drawn)


def _beats(city: Polygon, rng: np.random.Generator) -> tuple[Area, ...]:
    """Six beats that reach 120 m into the water and follow no tract."""
    x, y = centre()
    reach = box(*city.buffer(120).bounds)
    spots = [(-3900, 1500), (-3300, -2300), (-300, 2300), (200, -1500), (3500, 2000), (3300, -1900)]
    seeds = [Point(x + dx + rng.uniform(-300, 300), y + dy + rng.uniform(-300, 300)) for dx, dy in spots]
    shore = max(_polygons(city.buffer(120, quad_segs=2).simplify(40)), key=lambda one: one.area)
    shapes = _voronoi(seeds, reach)
    return tuple(
        Area(id=f"{n}{side}", name=f"Beat {n}{side}", shape=_largest(shape.intersection(shore)))
        for n, side, shape in zip((1, 1, 2, 2, 3, 3), "ABABAB", shapes, strict=True)
    )


def lonlat(shape: Polygon) -> Polygon:
    """A polygon in degrees to six decimals; shared vertices stay shared."""
    return shapely.transform(shape, lambda xy: np.column_stack(unproject(xy[:, 0], xy[:, 1])))


def metres(shape: BaseGeometry) -> BaseGeometry:
    """A geometry in degrees as working metres, vertex by vertex."""
    return shapely.transform(shape, lambda xy: np.column_stack(project(xy[:, 0], xy[:, 1])))


def _union(shapes: list[Polygon]) -> Polygon:
    joined = shapely.coverage_union_all(shapes)
    return _largest(joined)


def _largest(shape: BaseGeometry) -> Polygon:
    parts = _polygons(shape)
    if len(parts) != 1:
        raise RuntimeError(f"expected one piece, got [{len(parts)}]; choose another seed")
    return parts[0]


def _polygons(shape: BaseGeometry) -> list[Polygon]:
    return [one for one in shapely.get_parts(shape) if one.geom_type == "Polygon" and one.area > 1]


def _lines(shape: BaseGeometry) -> list[LineString]:
    return [one for one in shapely.get_parts(shape) if one.geom_type == "LineString"]
