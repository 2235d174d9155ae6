"""Vector files of every offered format, opened in a confined child; GDAL is not used at all."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from geo.errors import FileRejected
from pipelines.readers.geojson import read_geojson
from pipelines.readers.geopackage import read_geopackage
from pipelines.readers.geoparquet import read_geoparquet
from pipelines.readers.layer import Layer, from_plain, to_plain
from pipelines.readers.sandbox import run_confined
from pipelines.readers.shapefile import read_shapefile_zip

FORMATS: dict[str, Callable[..., Layer]] = {
    "geojson": read_geojson,
    "gpkg": read_geopackage,
    "shapefile_zip": read_shapefile_zip,
    "geoparquet": read_geoparquet,
}
WALL_S = 120.0
MEMORY_MB = 3000


def read_layer(path: str | Path, *, format: str, layer: str | None = None, crs: str | None = None) -> Layer:
    """The layer of a supplier's file, read in a child process without network and with limits.

    `crs` is used in place of what the file says of itself.

    Raises:
        FileRejected: with the code of the reader, or of the child's limits.
    """
    path = Path(path).resolve()
    if format not in FORMATS:
        raise FileRejected(path.name, "FILE_FORMAT", f"format [{format}] is not offered; expected {tuple(FORMATS)}")
    if not path.is_file():
        raise FileRejected(path.name, "FILE_MISSING", "expected a file, got none; check the path in the city's TOML")
    with tempfile.TemporaryDirectory(prefix="unmet-") as folder:
        done = run_confined(
            "pipelines.readers.vector:read_plain",
            {"path": str(path), "format": format, "layer": layer, "crs": crs},
            path=path,
            out=folder,
            wall_s=WALL_S,
            memory_mb=MEMORY_MB,
        )
    return from_plain(done.value)


def read_plain(path: str, format: str, layer: str | None, crs: str | None) -> dict[str, Any]:
    """The layer as JSON values; the function that runs in the child."""
    return to_plain(FORMATS[format](path, layer=layer, crs=crs))
