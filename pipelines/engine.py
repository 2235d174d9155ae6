"""DuckDB in memory as a reader and writer of Parquet: one way to open it, one way to write with it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

Advance = Callable[[str, int, int], None]  # a step's name, how much is done, of how much


def connect(work: Path) -> duckdb.DuckDBPyConnection:
    """A connection in UTC that spills to `work` and never reaches the network."""
    db = duckdb.connect(":memory:")
    db.execute("SET TimeZone = 'UTC'")
    db.execute("SET autoinstall_known_extensions = false; SET autoload_known_extensions = false")
    db.execute("SET enable_progress_bar = false")
    db.execute(f"SET temp_directory = {quoted(work / 'spill')}")
    return db


def quoted(value: object) -> str:
    """A text literal of SQL."""
    return "'" + str(value).replace("'", "''") + "'"


def named(column: str) -> str:
    """A quoted identifier of SQL."""
    return '"' + column.replace('"', '""') + '"'


def scan(paths: Path | Sequence[Path]) -> str:
    """A `read_parquet(...)` over one or several parts, by column name."""
    listed = [paths] if isinstance(paths, Path) else list(paths)
    return f"read_parquet([{', '.join(quoted(path) for path in listed)}], union_by_name = true)"


def write(db: duckdb.DuckDBPyConnection, query: str, target: Path) -> Path:
    """The Parquet file that a query was written to (zstd)."""
    db.execute(f"COPY ({query}) TO {quoted(target)} (FORMAT parquet, COMPRESSION zstd)")
    return target


def frame(db: duckdb.DuckDBPyConnection, query: str) -> pd.DataFrame:
    """A small result as a frame."""
    result: pd.DataFrame = db.execute(query).df()
    return result


def each(table: pd.DataFrame) -> Iterator[Any]:
    """The rows of a small frame, one by one, by attribute."""
    return iter(table.itertuples())
