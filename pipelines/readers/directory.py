"""Service directories of every offered format, opened in a confined child."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from geo.errors import FileRejected
from pipelines.readers.hsds import read_hsds
from pipelines.readers.listing import Directory, from_plain, to_plain
from pipelines.readers.sandbox import run_confined
from pipelines.readers.service_guides import read_linksf, read_sf_service_guide
from pipelines.readers.service_table import read_service_table

FORMATS: dict[str, Callable[..., Directory]] = {
    "hsds_3": read_hsds,
    "hsds_1": read_hsds,
    "service_table": read_service_table,
    "linksf": read_linksf,
    "sf_service_guide": read_sf_service_guide,
}
WALL_S = 180.0
MEMORY_MB = 3000


def read_directory(path: str | Path, *, format: str, on: date, table: Mapping[str, Any] | None = None) -> Directory:
    """The listings of a supplier's directory, read in a child process without network and with limits.

    `on` is the date at which schedules are in force; `table` holds the settings of `read_service_table`.

    Raises:
        FileRejected: with the code of the reader, or of the child's limits.
    """
    path = Path(path).resolve()
    if format not in FORMATS:
        raise FileRejected(path.name, "FILE_FORMAT", f"format [{format}] is not offered; expected {tuple(FORMATS)}")
    if not path.exists():
        raise FileRejected(path.name, "FILE_MISSING", "expected a directory of services, got nothing; check the path")
    with tempfile.TemporaryDirectory(prefix="unmet-") as folder:
        done = run_confined(
            "pipelines.readers.directory:read_plain",
            {"path": str(path), "format": format, "on": on.isoformat(), "table": dict(table or {})},
            path=path,
            out=folder,
            wall_s=WALL_S,
            memory_mb=MEMORY_MB,
        )
    return from_plain(done.value)


def read_plain(path: str, format: str, on: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """The directory as JSON values; the function that runs in the child."""
    return to_plain(FORMATS[format](path, on=date.fromisoformat(on), **table))


def table_settings(
    columns: Sequence[tuple[str, Sequence[str]]],
    *,
    encoding: str,
    delimiter: str,
    skip_lines: int,
    point_pattern: str | None,
) -> dict[str, Any]:
    """The settings of `read_service_table` as JSON values."""
    return {
        "columns": {ours: list(theirs) for ours, theirs in columns},
        "encoding": encoding,
        "delimiter": delimiter,
        "skip_lines": skip_lines,
        "point_pattern": point_pattern,
    }
