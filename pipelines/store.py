"""Immutable Parquet parts and one manifest: written beside, fsynced, renamed. DuckDB and pandas only read.

A store is a folder: `manifest.json`, `parts/`, `history/` (the last manifests) and `notes/` (kept across runs).
"""

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from geo.errors import StoreBusy, StoreError
from pipelines import clock

SCHEMA = "1.0"
KEPT_MANIFESTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One immutable file of a table."""

    table: str
    file: str
    rows: int
    sha256: str
    fingerprint: str
    stage: str


class Store:
    """One city's store, opened once: a reader uses only the parts that its manifest names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest: dict[str, Any] = self._read()

    def _read(self) -> dict[str, Any]:
        path = self.folder / "manifest.json"
        if not path.exists():
            return {"schema": SCHEMA, "tables": {}, "inputs": {}}
        try:
            manifest: dict[str, Any] = json.loads(path.read_text("utf-8"))
        except json.JSONDecodeError as broken:
            raise StoreError(f"{path}: not readable as JSON [{broken}]; delete the store and run again") from broken
        if str(manifest.get("schema", "")).split(".")[0] != SCHEMA.split(".")[0]:
            raise StoreError(
                f"{path}: expected store schema {SCHEMA}, got [{manifest.get('schema')}]; "
                "delete the store folder and run again: stores are rebuilt, never migrated"
            )
        return manifest

    @property
    def tables(self) -> dict[str, Part]:
        return {name: Part(**entry) for name, entry in self.manifest["tables"].items()}

    def has(self, table: str) -> bool:
        return table in self.manifest["tables"]

    def path(self, table: str) -> Path:
        """The file of a table.

        Raises:
            StoreError: the table was not made yet, or its file is gone.
        """
        entry = self.manifest["tables"].get(table)
        if entry is None:
            raise StoreError(f"{self.folder}: table [{table}] is not there yet; run `unmet run` for this city")
        path = self.folder / "parts" / str(entry["file"])
        if not path.exists():
            raise StoreError(f"{path}: the part is gone; run `unmet run` again, it will be rebuilt")
        return path

    def read(self, table: str, columns: list[str] | None = None) -> pd.DataFrame:
        """A table as a frame."""
        return pd.read_parquet(self.path(table), columns=columns)

    def verify(self) -> list[str]:
        """Faults found by reading every part again and comparing its SHA-256; empty when whole."""
        faults = []
        for name, part in self.tables.items():
            path = self.folder / "parts" / part.file
            if not path.exists():
                faults.append(f"{name}: part is gone [{part.file}]")
            elif sha256_of(path) != part.sha256:
                faults.append(f"{name}: part differs from the manifest [{part.file}]")
        return faults


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the store for one run; a dead run's lock frees itself.

    Raises:
        StoreBusy: another run holds it; says which process and since when.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    with path.open("a+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as busy:
            if busy.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            stream.seek(0)
            raise StoreBusy(
                f"{folder}: another run holds this store [{stream.read().strip() or 'unknown'}]; wait for it"
            ) from busy
        stream.truncate(0)
        stream.write(f"process {os.getpid()} since {clock.now().isoformat(timespec='seconds')}")
        stream.flush()
        yield


def add_part(folder: Path, made: Path, *, table: str, fingerprint: str, stage: str) -> Part:
    """The part that a finished file became: named by its content, fsynced, renamed into place."""
    import pyarrow.parquet as pq

    digest = sha256_of(made)
    parts = folder / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    target = parts / f"{table}-{digest[:16]}.parquet"
    with made.open("rb") as stream:
        os.fsync(stream.fileno())
    os.replace(made, target)
    _sync_folder(parts)
    rows = int(pq.read_metadata(target).num_rows)
    return Part(table=table, file=target.name, rows=rows, sha256=digest, fingerprint=fingerprint, stage=stage)


def commit(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Replaces the manifest at once and keeps the last few; readers see the old one or the new one."""
    path = folder / "manifest.json"
    if path.exists():
        history = folder / "history"
        history.mkdir(exist_ok=True)
        numbered = sorted(history.glob("manifest-*.json"))
        number = int(numbered[-1].stem.rsplit("-", 1)[1]) + 1 if numbered else 1
        (history / f"manifest-{number:06d}.json").write_bytes(path.read_bytes())
        for old in numbered[: max(0, len(numbered) + 1 - KEPT_MANIFESTS)]:
            old.unlink()
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as stream:
        json.dump(manifest, stream, indent=1, sort_keys=True, default=str)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)
    _sync_folder(folder)


def sweep(folder: Path) -> int:
    """How many orphan files were removed: parts that neither the manifest nor its history names."""
    named: set[str] = set()
    for path in [folder / "manifest.json", *(folder / "history").glob("manifest-*.json")]:
        if path.exists():
            named |= {entry["file"] for entry in json.loads(path.read_text("utf-8"))["tables"].values()}
    orphans = [path for path in (folder / "parts").glob("*.parquet") if path.name not in named]
    for path in orphans:
        path.unlink()
    return len(orphans)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
