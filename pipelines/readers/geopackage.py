"""GeoPackages read with sqlite3 alone: ordinary tables with ordinary names only, in a child with limits."""

import re
import sqlite3
import time
from pathlib import Path
from typing import Any

from geo.errors import FileRejected
from pipelines.readers.archive import gunzip
from pipelines.readers.layer import Feature, Layer, safe_shape

PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_. \-]{0,127}")
LONGEST_S = 10.0
_MAGIC = b"SQLite format 3\0"
_ENVELOPES = (0, 32, 48, 48, 64)


def read_geopackage(path: str | Path, *, layer: str | None = None, crs: str | None = None) -> Layer:
    """The features of one layer of a .gpkg or .gpkg.gz; the only layer where `layer` is not given.

    Raises:
        FileRejected: FILE_FORMAT, FILE_SCHEMA (a view, a virtual table, an odd layer or column name, several
            layers), FILE_CRS, FILE_CORRUPT, FILE_TIME_LIMIT.
    """
    path = Path(path)
    data = gunzip(path) if path.suffix.lower() == ".gz" else path.read_bytes()
    if data[:16] != _MAGIC:
        raise FileRejected(path.name, "FILE_FORMAT", "expected a GeoPackage, got other content")
    database = sqlite3.connect(":memory:")
    try:
        database.deserialize(data)
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA query_only = ON")
        deadline = time.monotonic() + LONGEST_S
        database.set_progress_handler(lambda: int(time.monotonic() > deadline), 10_000)
        return _read(database, layer, crs, path.name)
    except sqlite3.OperationalError as error:
        if "interrupted" in str(error):
            raise FileRejected(path.name, "FILE_TIME_LIMIT", f"a table did not end in {LONGEST_S:g} s") from None
        raise FileRejected(path.name, "FILE_CORRUPT", "the GeoPackage's tables cannot be read") from None
    except sqlite3.DatabaseError:
        raise FileRejected(path.name, "FILE_CORRUPT", "the GeoPackage is damaged; copy it again") from None
    finally:
        database.close()


def _read(database: sqlite3.Connection, layer: str | None, crs: str | None, path: str) -> Layer:
    table = _table(database, layer, path)
    row = database.execute(
        "SELECT column_name, srs_id FROM gpkg_geometry_columns WHERE table_name = ?", (table,)
    ).fetchone()
    columns = [str(c[1]) for c in database.execute(f'PRAGMA table_info("{table}")')]
    if row is None or str(row[0]) not in columns:
        raise FileRejected(path, "FILE_SCHEMA", f"layer [{table}] has no geometry column")
    shape_column, system = str(row[0]), int(row[1])
    odd = [name for name in columns if '"' in name or not name.isprintable()]
    if odd:
        raise FileRejected(path, "FILE_SCHEMA", f"column name [{ascii(odd[0])[:60]}] of layer [{table}] is refused")
    others = [name for name in columns if name != shape_column]
    chosen = ", ".join(f'"{name}"' for name in [shape_column, *others])
    order = "rowid" if others else shape_column
    features = tuple(
        _feature(line, record, others)
        for line, record in enumerate(database.execute(f'SELECT {chosen} FROM "{table}" ORDER BY {order}'), start=1)
    )
    return Layer(crs=crs or _crs(database, system, path), features=features)


def _table(database: sqlite3.Connection, layer: str | None, path: str) -> str:
    names = [
        str(row[0]) for row in database.execute("SELECT table_name FROM gpkg_contents WHERE data_type = 'features'")
    ]
    for name in names:
        if PLAIN_NAME.fullmatch(name) is None:
            raise FileRejected(path, "FILE_SCHEMA", f"the layer name [{ascii(name)[:60]}] is refused")
    chosen = [name for name in names if layer is None or name == layer]
    if len(chosen) != 1:
        raise FileRejected(path, "FILE_SCHEMA", f"expected one layer, got [{'; '.join(names)[:200]}]; name it")
    kind = database.execute("SELECT type, sql FROM sqlite_master WHERE name = ?", (chosen[0],)).fetchone()
    if kind is None or kind[0] != "table" or "virtual" in str(kind[1]).lower()[:20]:
        said = "a view" if kind and kind[0] == "view" else "a virtual table or nothing"
        raise FileRejected(path, "FILE_SCHEMA", f"layer [{chosen[0]}] is {said}, expected a table; export it as one")
    return chosen[0]


def _crs(database: sqlite3.Connection, system: int, path: str) -> str:
    row = database.execute(
        "SELECT organization, organization_coordsys_id, definition FROM gpkg_spatial_ref_sys WHERE srs_id = ?",
        (system,),
    ).fetchone()
    if row is not None and str(row[0]).upper() == "EPSG":
        return f"EPSG:{int(row[1])}"
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return str(CRS.from_wkt(str(row[2])).to_wkt())
    except (CRSError, TypeError):
        raise FileRejected(
            path, "FILE_CRS", f"system [{system}] of the layer is not known; name it with `crs`"
        ) from None


def _feature(line: int, record: tuple[Any, ...], names: list[str]) -> Feature:
    properties = {
        name: value for name, value in zip(names, record[1:]) if value is None or isinstance(value, str | int | float)
    }
    blob = record[0]
    if blob is None:
        return Feature(line=line, properties=properties, wkb=None, reason="GEOM_MISSING")
    shape = safe_shape(_wkb(blob)) if isinstance(blob, bytes) else None
    if shape is None:
        return Feature(line=line, properties=properties, wkb=None, reason="GEOM_CORRUPT")
    return Feature(line=line, properties=properties, wkb=shape.wkb)


def _wkb(blob: bytes) -> bytes:
    """The WKB behind a GeoPackage header, or nothing where there is no such header."""
    if len(blob) < 8 or blob[:2] != b"GP":
        return b""
    envelope = (blob[3] >> 1) & 0b111
    return blob[8 + _ENVELOPES[envelope] :] if envelope < len(_ENVELOPES) else b""
