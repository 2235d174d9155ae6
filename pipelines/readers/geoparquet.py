"""GeoParquet read with pyarrow, column by column, in the confined child."""

import json
from pathlib import Path
from typing import Any

from geo.errors import FileRejected
from pipelines.readers.geopackage import PLAIN_NAME
from pipelines.readers.layer import Feature, Layer, safe_shape

MAX_ROWS = 1_000_000


def read_geoparquet(path: str | Path, *, layer: str | None = None, crs: str | None = None) -> Layer:
    """The features of a GeoParquet file with WKB shapes.

    Raises:
        FileRejected: FILE_FORMAT, FILE_SCHEMA (a primary_column that is no plain column), FILE_CRS, FILE_CORRUPT.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = Path(path).name
    try:
        file = pq.ParquetFile(path)
        meta = json.loads((file.schema_arrow.metadata or {}).get(b"geo", b"null"))
    except (pa.ArrowException, OSError, ValueError):
        raise FileRejected(name, "FILE_CORRUPT", "the Parquet file is damaged or is none; copy it again") from None
    if not isinstance(meta, dict):
        raise FileRejected(name, "FILE_FORMAT", "expected GeoParquet, got Parquet without the key `geo`")
    column = str(meta.get("primary_column", ""))
    schema = file.schema_arrow
    plain = PLAIN_NAME.fullmatch(column) and column in schema.names and pa.types.is_binary(schema.field(column).type)
    if not plain or file.metadata.num_rows > MAX_ROWS:
        raise FileRejected(name, "FILE_SCHEMA", f"primary_column [{ascii(column)[:60]}] is no plain column of WKB")
    system = crs or _crs((meta.get("columns") or {}).get(column), name)
    others = [field.name for field in schema if field.name != column and not pa.types.is_nested(field.type)]
    try:
        rows = file.read(columns=[column, *others]).to_pylist()
    except (pa.ArrowException, OSError):
        raise FileRejected(name, "FILE_CORRUPT", "the Parquet file is damaged; copy it again") from None
    return Layer(crs=system, features=tuple(_feature(n, row, column) for n, row in enumerate(rows, start=1)))


def _crs(column: Any, path: str) -> str:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    stated = column.get("crs", "EPSG:4326") if isinstance(column, dict) else None
    if stated == "EPSG:4326":
        return "EPSG:4326"
    if not isinstance(stated, dict):
        raise FileRejected(path, "FILE_CRS", "the stated crs is null or no PROJJSON; name it with `crs`")
    try:
        return str(CRS.from_json_dict(stated).to_wkt())
    except (CRSError, TypeError, AttributeError, ValueError, KeyError):
        raise FileRejected(path, "FILE_CRS", "the stated crs is broken; name it with `crs`") from None


def _feature(line: int, row: dict[str, Any], column: str) -> Feature:
    data = row.pop(column)
    properties = {key: value if isinstance(value, str | int | float) else None for key, value in row.items()}
    shape = safe_shape(data) if isinstance(data, bytes) else None
    if shape is None or shape.is_empty:
        return Feature(line=line, properties=properties, wkb=None, reason="GEOM_CORRUPT")
    return Feature(line=line, properties=properties, wkb=shape.wkb)
