"""Stage 1, ingest: a supplier's file of calls, incidents, duty or responses becomes typed rows and a quarantine.

The file is opened in a confined child only. Nothing is merged or classified here, and nothing is guessed: a row with
a fault stands in quarantine under its reason, a file that cannot be read as declared is refused with what to do.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from geo.errors import ConfigError, FileRejected
from geo.tables import QUALITY, QUARANTINE, check
from pipelines.city import City, Source
from pipelines.files import source_folder
from pipelines.ingest_recipe import recipe_of, to_json
from pipelines.ingest_sql import SHAPES
from pipelines.readers.sandbox import Progress, run_confined


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """One source after ingest; rows_in = rows of the Parquet `rows` + `n_quarantined` (distinct lines), always."""

    source_id: str
    rows: Path
    rows_in: int
    quarantine: pd.DataFrame
    quality: pd.DataFrame
    n_quarantined: int
    sha256: str


def ingest_source(
    city: City,
    source: Source,
    root: Path,
    out: Path,
    *,
    progress: Progress | None = None,
    wall_s: float = 3600.0,
    memory_mb: int = 6144,
) -> Ingested:
    """Typed rows of one source, what was refused and what was found; the rows are at `out/<source id>.parquet`.

    Paths are relative to `root/<slug>` where that folder exists, else to `root`. Times become UTC (`*_at`) and, for
    calls, `received_local` in the city's zone; coordinates become metres in the city's system. `progress` gets
    (step, done, total). `memory_mb` bounds the child's address space; DuckDB takes a fifth of it and spills to `out`.

    Raises:
        FileRejected: the file is refused whole.
        ConfigError: the source cannot be read as configured.
    """
    if source.kind not in SHAPES:
        fault = f"sources.{source.id}: expected one of {', '.join(SHAPES)}, got [{source.kind}]"
        raise ConfigError(str(city.path or city.slug), [fault])
    path = find(city, source.path, root)
    work = out / f"{source.id}.work"
    shutil.rmtree(work, ignore_errors=True)
    try:
        confined = run_confined(
            "pipelines.ingest_child:type_source",
            {
                "path": str(path),
                "out": str(work.resolve()),
                "recipe": to_json(recipe_of(city, source)),
                "memory_mb": memory_mb // 5,
            },
            path=path,
            out=work,
            wall_s=wall_s,
            memory_mb=memory_mb,
            progress=progress,
        )
        done = confined.value
        rows = out / f"{source.id}.parquet"
        os.replace(work / "rows.parquet", rows)
        quarantine = pd.read_parquet(work / "quarantine.parquet")
    except FileRejected as refusal:
        raise _named(refusal, path, source.path) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    findings = [*done["findings"], *_walls(confined.missing)]
    return Ingested(
        source_id=source.id,
        rows=rows,
        rows_in=done["rows_in"],
        quarantine=check(quarantine, QUARANTINE),
        quality=check(_quality(source.id, findings), QUALITY),
        n_quarantined=done["n_quarantined"],
        sha256=done["sha256"],
    )


def find(city: City, path: str, root: Path) -> Path:
    """The file that a path of the city's TOML means.

    Raises:
        FileRejected: FILE_MISSING, or FILE_PATH for a path that leaves the data root.
    """
    base = source_folder(city, root)
    base = base.resolve()
    found = (base / path).resolve()
    if not found.is_relative_to(base):
        raise FileRejected(path, "FILE_PATH", "expected a file beneath the data root; correct `path`.")
    if not found.is_file():
        raise FileRejected(path, "FILE_MISSING", "expected a file beneath the data root, got none; see --data-root.")
    return found


def _named(refusal: FileRejected, path: Path, shown: str) -> FileRejected:
    """The refusal with the path as the TOML writes it."""
    text = str(refusal).removeprefix(f"{refusal.path}: {refusal.code}: ")
    if refusal.path != str(path):
        return refusal
    named = FileRejected(shown, refusal.code, text)
    for note in getattr(refusal, "__notes__", []):
        named.add_note(note)
    return named


def _walls(missing: tuple[str, ...]) -> list[list[object]]:
    if not missing:
        return []
    text = f"This machine could not confine the reader fully: {', '.join(missing)}."
    return [["READER_NOT_CONFINED", "warning", 0, None, text, None]]


def _quality(source_id: str, findings: list[list[object]]) -> pd.DataFrame:
    columns = ["reason", "severity", "n_rows", "share", "detail", "sample"]
    frame = pd.DataFrame(findings, columns=columns)
    frame.insert(0, "stage", "ingest")
    frame.insert(1, "source_id", source_id)
    text = dict.fromkeys(("stage", "source_id", "reason", "severity", "detail", "sample"), "str")
    return frame.astype({**text, "n_rows": "int64", "share": "float64"})
