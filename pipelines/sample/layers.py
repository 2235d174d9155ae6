"""Area files: GeoJSON of tracts, block groups and neighbourhoods, a zipped shapefile of beats, a census table."""

import json
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import shapely

from pipelines.sample.frame import FEET, to_feet
from pipelines.sample.geography import QUARTERS, Area, Land, lonlat

ACS = (
    ("B01003_001", "Estimate!!Total"),
    ("B11001_001", "Estimate!!Total:"),
    ("B26001_001", "Estimate!!Total:"),
    ("B17001_002", "Estimate!!Total:!!Income in the past 12 months below poverty level:"),
    ("B08201_002", "Estimate!!Total:!!No vehicle available"),
)
ACS_HEADER = ("GEO_ID", "NAME", *[f"{code}{kind}" for code, _ in ACS for kind in "EM"])
_WHEN = (2023, 1, 1, 0, 0, 0)


def write_layers(land: Land, folder: Path) -> None:
    """Writes all area files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _geojson(land.tracts, folder / "tracts.geojson", lambda a: {"GEOID": a.id, "NAME": a.name, "COUNTYFP": "001"})
    _geojson(land.block_groups, folder / "block_groups.geojson", lambda a: {"GEOID": a.id, "TRACT": a.parent})
    _geojson(land.neighbourhoods, folder / "neighbourhoods.geojson", lambda a: {"ID": a.id, "NAME": a.name})
    _shapefile(land.beats, folder / "beats.zip")


def _geojson(areas: Sequence[Area], path: Path, properties: Callable[[Area], dict[str, str]]) -> None:
    lines = []
    for area in areas:
        ring = [[float(x), float(y)] for x, y in shapely.get_coordinates(lonlat(area.shape))]
        feature = {
            "type": "Feature",
            "properties": properties(area),
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
        lines.append(json.dumps(feature, separators=(",", ":")))
    path.write_text('{"type":"FeatureCollection","features":[\n' + ",\n".join(lines) + "\n]}\n", encoding="utf-8")


def _shapefile(areas: Sequence[Area], path: Path) -> None:
    """A shapefile in State Plane feet; dates inside the zip are fixed so that the bytes are."""
    import pyogrio

    shapes = [shapely.transform(a.shape, lambda xy: np.column_stack(to_feet(xy[:, 0], xy[:, 1]))) for a in areas]
    with tempfile.TemporaryDirectory() as scratch:
        pyogrio.raw.write(
            Path(scratch) / "beats.shp",
            geometry=shapely.to_wkb(np.array(shapes, object)),
            field_data=[np.array([a.id for a in areas], object), np.array([a.name for a in areas], object)],
            fields=np.array(["BEAT", "NAME"], object),
            geometry_type="Polygon",
            crs=FEET,
            driver="ESRI Shapefile",
            layer_options={"DBF_DATE_LAST_UPDATE": "2023-01-01", "ENCODING": "UTF-8"},
        )
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in ("beats.shp", "beats.shx", "beats.dbf", "beats.prj", "beats.cpg"):
                info = zipfile.ZipInfo(name, date_time=_WHEN)
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, (Path(scratch) / name).read_bytes())


def acs_rows(land: Land, *, seed: int) -> list[tuple[str, ...]]:
    """Estimates and 90 % margins of error by tract, in the order of `ACS_HEADER`."""
    rng = np.random.default_rng([seed, 6])
    middle = _middle_of(land)
    rows = []
    for area in land.tracts:
        people = land.population[area.id]
        in_quarters = area.id == middle
        quarters = round(people * 0.62) if in_quarters else int(people * rng.uniform(0, 0.03))
        households = round((people - quarters) / rng.uniform(2.1, 2.7))
        poverty = round(people * rng.beta(2.2, 10))
        carless = round(households * rng.beta(1.6, 12))
        values: list[str] = [f"1400000US{area.id}", f"{area.name}; Sample County; State 99 (synthetic)"]
        for estimate, base in ((people, 4.2), (households, 2.6), (quarters, 2.0), (poverty, 5.5), (carless, 3.6)):
            values += [str(estimate), _margin(estimate, base, rng)]
        if people == 0:
            values[6:8] = ["-666666666", "-222222222"]
        rows.append(tuple(values))
    return rows


def _margin(estimate: int, base: float, rng: np.random.Generator) -> str:
    """A 90 % margin as a survey gives it: about the square root; 12 for an estimate of zero."""
    if estimate == 0:
        return "12"
    return str(max(5, round(base * rng.uniform(1.2, 2.0) * np.sqrt(estimate))))


def _middle_of(land: Land) -> str:
    """The tract of the residential college, where most residents live in group quarters."""
    column, row = QUARTERS
    hood = next(area for area in land.neighbourhoods if area.id == "N2")
    inside = [area for area in land.tracts if area.parent == hood.id]
    x, y = (np.array([getattr(a.shape.centroid, axis) for a in inside]) for axis in ("x", "y"))
    score = (x if column else -x) + (y if row else -y)
    return inside[int(np.argmax(score))].id


def write_acs(land: Land, path: Path, *, seed: int) -> None:
    """Writes the census table in the form of data.census.gov: codes, then a row of labels, then areas."""
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = ["Geography", "Geographic Area Name"]
    for _, label in ACS:
        labels += [label, label.replace("Estimate!!", "Margin of Error!!")]
    lines = [",".join(ACS_HEADER), ",".join(f'"{label}"' for label in labels)]
    for row in acs_rows(land, seed=seed):
        lines.append(",".join([row[0], f'"{row[1]}"', *row[2:]]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
