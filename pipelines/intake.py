"""The stages that open raw files, with their tables named: sources, areas, services, duty."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from pipelines.city import City, Source
from pipelines.engine import connect, scan, write
from pipelines.geography import areas as read_areas
from pipelines.ingest import ingest_source
from pipelines.supply import services as read_services

BOOKS = ("quality", "quarantine", "counts")


def raw(
    city: City, root: Path, work: Path, advance: Callable[[str, int, int], None] | None, source: Source
) -> dict[str, pd.DataFrame | Path]:
    """The typed rows of one source, what it refused, what was found, and its counts."""
    folder = work / f"raw-{source.table}"
    folder.mkdir(exist_ok=True)
    found = ingest_source(city, source, root, folder, progress=advance)
    name = source.table
    counts = pd.DataFrame(
        [
            {
                "source_id": source.id,
                "kind": source.kind,
                "path": source.path,
                "rows_in": found.rows_in,
                "rows_kept": found.rows_in - found.n_quarantined,
                "rows_quarantined": found.n_quarantined,
                "rows_merged": 0,
            }
        ]
    )
    return {
        f"raw_{name}": found.rows,
        f"quality_{name}": found.quality,
        f"quarantine_{name}": found.quarantine,
        f"counts_{name}": counts,
    }


def areas(city: City, root: Path) -> dict[str, pd.DataFrame]:
    """`areas` of every level, with their denominators."""
    found = read_areas(city, root)
    return {
        "areas": found.areas,
        "quality_areas": found.quality,
        "quarantine_areas": found.quarantine,
        "counts_areas": found.counts,
    }


def services(city: City, root: Path, duty: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """`services`, a row per service, need, leg and access; teams found in `duty` have a duty log."""
    found = read_services(city, root, duty_ids=frozenset(duty["service_id"]))
    return {
        "services": found.services,
        "quality_services": found.quality,
        "quarantine_services": found.quarantine,
        "counts_services": found.counts,
    }


def duty(city: City, work: Path, raw_duty: tuple[Path, ...]) -> pd.DataFrame | Path:
    """`duty`, the turns of all teams that keep a log."""
    if not raw_duty:
        times = {name: pd.Series(dtype="datetime64[us, UTC]") for name in ("on_at", "off_at")}
        counts = {name: pd.Series(dtype="int64") for name in ("n_teams", "source_line")}
        return pd.DataFrame(
            {"service_id": pd.Series(dtype="str"), **times, **counts, "source_id": pd.Series(dtype="str")}
        )
    query = f"""SELECT DISTINCT ON (service_id, on_at) service_id, on_at, off_at, n_teams, source_id, source_line
                FROM {scan(raw_duty)} ORDER BY service_id, on_at, source_line DESC"""
    return write(connect(work), query, work / "duty.parquet")
