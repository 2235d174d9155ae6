"""The areas stage: every level's areas with their residents, from layers and census tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from geo.errors import FileRejected
from geo.tables import AREAS, check
from pipelines.area_counts import carried, from_layer, from_table, rate_barred
from pipelines.area_shapes import level_areas
from pipelines.city import City, Level
from pipelines.files import source_folder
from pipelines.findings import Books

if TYPE_CHECKING:
    import geopandas as gpd


@dataclass(frozen=True, slots=True, kw_only=True)
class Geography:
    """Areas of all levels per contract AREAS (counts asked for as further columns), and the books."""

    areas: pd.DataFrame
    quality: pd.DataFrame
    counts: pd.DataFrame
    quarantine: pd.DataFrame


def areas(city: City, root: str | Path) -> Geography:
    """All levels of a city, in the order of its TOML, each in order of id; shapes as WKB in city.crs.

    A level takes its counts from its own table or layer; else from the base level (or the first that has counts), as
    sums where its areas are unions of base areas, else by area. `root` is the folder of raw data.

    Raises:
        FileRejected: a layer or table is refused; see `level_areas` and `from_table`.
    """
    books = Books(stage="areas")
    folder = source_folder(city, Path(root))
    shapes = {level.name: level_areas(city, level, folder / level.path, books) for level in city.levels}
    own = {level.name: _own_counts(city, level, shapes[level.name], folder, books) for level in city.levels}
    giver = _giver(city, own)
    frames = []
    for level in city.levels:
        frame, found = shapes[level.name], own[level.name]
        if found is None and giver is not None:
            columns, vintage = own[giver] or (pd.DataFrame(), "")
            names = [str(name) for name in columns.columns]
            base = shapes[giver].assign(**{name: columns[name].to_numpy() for name in names})
            found = carried(level, frame, base, names, vintage, books)
        frames.append(_finished(level, frame, found, books))
    table = pd.concat(frames, ignore_index=True)
    return Geography(
        areas=check(table, AREAS),
        quality=books.quality_frame(),
        counts=books.counts_frame(),
        quarantine=books.quarantine_frame(),
    )


def _own_counts(
    city: City, level: Level, shapes: "gpd.GeoDataFrame", folder: Path, books: Books
) -> tuple[pd.DataFrame, str] | None:
    """A level's own counts and their vintage, or None."""
    for table in city.denominators:
        if table.level == level.name:
            if table.tract_vintage and table.tract_vintage != level.vintage:
                message = (
                    f"expected boundaries of {level.vintage}, got a table of [{table.tract_vintage}]; use the layer or "
                    "the table of the other vintage"
                )
                raise FileRejected(Path(table.path).name, "GEOG_VINTAGE", message)
            return from_table(table, level, list(shapes["geoid"]), folder / table.path, books), table.vintage
    if level.columns:
        return from_layer(level, shapes, books), level.columns_vintage or level.vintage
    return None


def _giver(city: City, own: dict[str, tuple[pd.DataFrame, str] | None]) -> str | None:
    if not city.levels:
        return None
    names = [city.base_level.name, *(level.name for level in city.levels)]
    return next((name for name in names if own[name] is not None), None)


def _finished(
    level: Level, shapes: "gpd.GeoDataFrame", counts: tuple[pd.DataFrame, str] | None, books: Books
) -> pd.DataFrame:
    columns, vintage = counts if counts is not None else (pd.DataFrame(index=shapes.index), None)
    values = {str(name): columns[name].to_numpy(float) for name in columns.columns}
    frame = pd.DataFrame(
        {
            "level": level.name,
            "geoid": shapes["geoid"].to_numpy(),
            "name": shapes["name"].to_numpy(),
            "vintage": level.vintage,
            "role": level.role,
            "area_km2": shapes["area_km2"].to_numpy(),
            **dict.fromkeys(("population", "population_moe", "households"), np.nan),
            **values,
            "denominator_vintage": vintage,
            "geometry": list(shapes.geometry.to_wkb()),
        }
    )
    barred = rate_barred(frame)
    small = [geoid for geoid, why in zip(frame["geoid"], barred) if why is not None]
    detail = "rate withheld: no estimate, fewer than 100 residents, or mostly group quarters; counts are kept"
    books.found(f"denominators.{level.name}", "SMALL_DENOMINATOR", small, detail, severity="info", out_of=len(frame))
    return frame.assign(rate_barred=pd.Series(barred, dtype="object"))
