"""Coordinates of a source: each distinct pair of texts is read, judged against the city's box and projected once."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from geo.crs import diagnose, to_metric
from geo.errors import FileRejected
from pipelines.engine import quoted
from pipelines.ingest_recipe import Recipe

BATCH = 200_000
MOST_OUTSIDE = 0.5
PILE_SHARE, PILE_ROWS = 0.05, 10
_SAMPLE = 20_000
_NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?"
Floats = NDArray[np.float64]


def write_points(db: duckdb.DuckDBPyConnection, recipe: Recipe, out: Path) -> Path:
    """A Parquet of distinct (xt, yt): n rows, lon, lat, projected x, y to the metre, and `state`.

    `state`: ok, zero (0, 0), BAD_COORDINATE (no number), COORD_SWAPPED (inside the box with the axes exchanged), or
    COORD_OUT_OF_BOUNDS. `db` holds a view `text` with columns xt, yt.

    Raises:
        FileRejected: more than half of the rows with coordinates lie outside; the message says which reading fits.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    pairs = out / "pairs.parquet"
    a, b = (f"CASE WHEN regexp_full_match({t}, '{_NUMBER}') THEN try_cast({t} AS DOUBLE) END" for t in ("xt", "yt"))
    db.execute(
        f"COPY (SELECT xt, yt, count(*) AS n, {a} AS a, {b} AS b FROM text "
        f"WHERE xt IS NOT NULL AND yt IS NOT NULL GROUP BY xt, yt ORDER BY xt, yt) TO {quoted(pairs)} (FORMAT parquet)"
    )
    fields = [("xt", pa.string()), ("yt", pa.string()), ("n", pa.int64()), *((c, pa.float64()) for c in _FLOATS)]
    schema = pa.schema([*fields, ("state", pa.string())])
    target = out / "points.parquet"
    with pq.ParquetWriter(target, schema, compression="snappy") as writer:
        for texts, n, x_as_is, y_as_is in _pairs(pairs):
            lon, lat, x, y, state = _judged(x_as_is, y_as_is, recipe)
            arrays = [
                *texts,
                n,
                *(pa.array(v, from_pandas=True) for v in (x_as_is, y_as_is, lon, lat, x, y)),
                pa.array(state),
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    pairs.unlink()
    _refuse_elsewhere(db, recipe, target)
    return target


_FLOATS = ("a", "b", "lon", "lat", "x", "y")


def piled_up(db: duckdb.DuckDBPyConnection, points: Path) -> list[tuple[str, int]]:
    """Coordinates that hold at least 5 % and at least ten of the located rows, as written, with their rows."""
    found = db.execute(
        f"WITH p AS (SELECT printf('%.5g', 0) AS _, round(lat, 5) AS lat, round(lon, 5) AS lon, x, y, n "
        f"FROM read_parquet({quoted(points)}) WHERE state = 'ok') "
        f"SELECT any_value(lat)::VARCHAR || ',' || any_value(lon)::VARCHAR, sum(n)::BIGINT AS n FROM p GROUP BY x, y "
        f"HAVING sum(n) >= {PILE_ROWS} AND sum(n) >= {PILE_SHARE} * (SELECT sum(n) FROM p) ORDER BY n DESC, 1 LIMIT 20"
    ).fetchall()
    return [(str(where), int(n)) for where, n in found]


def _pairs(path: Path) -> Iterator[tuple[list[object], object, Floats, Floats]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=BATCH):
            xt, yt, n, a, b = batch.columns
            yield [xt, yt], n, *(column.to_numpy(zero_copy_only=False).astype(np.float64) for column in (a, b))


def _judged(a: Floats, b: Floats, recipe: Recipe) -> tuple[Floats, Floats, Floats, Floats, NDArray[np.str_]]:
    """Degrees, metres and state of coordinates as the file has them (a = x, b = y)."""
    lon, lat = _degrees(a, b, recipe.source_crs)
    swapped = _inside(*_degrees(b, a, recipe.source_crs), recipe.bbox)
    inside = _inside(lon, lat, recipe.bbox)
    unread = ~(np.isfinite(a) & np.isfinite(b))
    state = np.select(
        [unread, (a == 0) & (b == 0), inside, swapped],
        ["BAD_COORDINATE", "zero", "ok", "COORD_SWAPPED"],
        "COORD_OUT_OF_BOUNDS",
    )
    fits = state == "ok"
    x, y = np.full(a.shape, np.nan), np.full(a.shape, np.nan)
    if fits.any():
        x[fits], y[fits] = to_metric(a[fits], b[fits], source_crs=recipe.source_crs, target_crs=recipe.crs)
    return lon, lat, np.round(x), np.round(y), state


def _degrees(x: Floats, y: Floats, crs: str | None) -> tuple[Floats, Floats]:
    from pyproj import CRS, Transformer

    source = CRS.from_user_input(crs)
    if source == CRS.from_epsg(4326):
        return x, y
    to_degrees = Transformer.from_crs(source, "EPSG:4326", always_xy=True)
    known = np.isfinite(x) & np.isfinite(y)
    lon, lat = to_degrees.transform(np.where(known, x, 0.0), np.where(known, y, 0.0))
    known &= np.isfinite(lon) & np.isfinite(lat)
    return np.where(known, lon, np.nan), np.where(known, lat, np.nan)


def _inside(lon: Floats, lat: Floats, bbox: tuple[float, float, float, float]) -> NDArray[np.bool_]:
    west, south, east, north = bbox
    with np.errstate(invalid="ignore"):
        inside: NDArray[np.bool_] = (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
    return inside


def _refuse_elsewhere(db: duckdb.DuckDBPyConnection, recipe: Recipe, points: Path) -> None:
    rows = f"read_parquet({quoted(points)})"
    counts = db.execute(
        f"SELECT coalesce(sum(n), 0)::BIGINT, coalesce(sum(n) FILTER (state IN ('COORD_SWAPPED', "
        f"'COORD_OUT_OF_BOUNDS')), 0)::BIGINT FROM {rows} WHERE state NOT IN ('zero', 'BAD_COORDINATE')"
    ).fetchone()
    n, n_out = counts or (0, 0)
    if n_out <= MOST_OUTSIDE * n:
        return
    sample = db.execute(f"SELECT a, b FROM {rows} WHERE a IS NOT NULL AND b IS NOT NULL LIMIT {_SAMPLE}").fetchnumpy()
    found = diagnose(
        np.ma.filled(sample["a"], np.nan),
        np.ma.filled(sample["b"], np.nan),
        crs=str(recipe.source_crs),
        bbox=recipe.bbox,
    )
    words = {
        "sign_lost": "the sign of longitude (or latitude) is lost",
        "swapped": "longitude and latitude are swapped",
        "degrees": "the values look like degrees",
        "feet": "the values look like feet",
        "metres": "the values look like metres",
        "scaled_1e6": "the values look like degrees × 1,000,000",
    }
    code = "COORD_SWAPPED" if found.hypothesis == "swapped" else "COORD_OUT_OF_BOUNDS"
    likely = words.get(found.hypothesis, "no reading tried fits")
    text = (
        f"expected rows inside the city's bbox, got [{n_out} of {n}] outside: {likely}; config says "
        f"{recipe.source_crs}. {found.sentence} Correct `crs` or the columns x and y."
    )
    raise FileRejected(recipe.shown, code, text)
