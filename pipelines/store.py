"""Immutable Parquet parts and one manifest: written beside, fsynced, renamed. DuckDB and pandas only read.

A store is a folder: `manifest.json`, `parts/`, `history/` (the last manifests) and `notes/` (kept across runs). What
a run has finished so far is in `unfinished.json`, which the next run takes up and readers never open, so that a
reader sees all of the old version or all of the new one.
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
MANIFEST, UNFINISHED = "manifest.json", "unfinished.json"


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

    def __init__(self, folder: Path, *, unfinished: bool = False) -> None:
        """`unfinished`: as a run left it that did not end, where there is one; for runs only."""
        self.folder = folder
        self.manifest: dict[str, Any] = (_unfinished(folder) if unfinished else None) or _published(folder)

    @property
    def tables(self) -> dict[str, Part]:
        return {name: Part(**entry) for name, entry in self.manifest["tables"].items()}

    def has(self, table: str) -> bool:
        return table in self.manifest["tables"]

    def path(self, table: str) -> Path:
        """The file of a table.

        Raises:
            StoreError: the table was not made yet, is behind what it is made from, or its file is gone.
        """
        entry = self.manifest["tables"].get(table)
        if entry is None:
            raise StoreError(f"{self.folder}: table [{table}] is not there yet; run `unmet run` for this city")
        if table in self.manifest.get("behind", ()):
            raise StoreError(
                f"{self.folder}: table [{table}] is older than what it is made from, because the last run stopped "
                "before it; run `unmet run` for this city without --until"
            )
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


def _published(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.exists():
        return {"schema": SCHEMA, "tables": {}, "inputs": {}}
    try:
        manifest: dict[str, Any] = json.loads(path.read_text("utf-8"))
        schema, _ = str(manifest["schema"]), manifest["tables"]
    except (ValueError, KeyError, TypeError) as broken:
        raise StoreError(
            f"{path}: expected a manifest as JSON, got [{broken}]; delete the store and run again"
        ) from broken
    if schema.split(".")[0] != SCHEMA.split(".")[0]:
        raise StoreError(
            f"{path}: expected store schema {SCHEMA}, got [{schema}]; "
            "delete the store folder and run again: stores are rebuilt, never migrated"
        )
    return manifest


def _unfinished(folder: Path) -> dict[str, Any] | None:
    """What a run left that did not end; None where there is none of this schema."""
    try:
        left: dict[str, Any] = json.loads((folder / UNFINISHED).read_text("utf-8"))
        return left if left["schema"] == SCHEMA else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


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


def keep_unfinished(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Remembers what a run has finished so far, for the next run; readers do not see it."""
    _replace(folder / UNFINISHED, _as_json(manifest))


def commit(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Replaces the manifest at once and keeps the last few; readers see the old one or the new one."""
    path = folder / MANIFEST
    if path.exists():
        history = folder / "history"
        history.mkdir(exist_ok=True)
        numbered = sorted(history.glob("manifest-*.json"))
        number = int(numbered[-1].stem.rsplit("-", 1)[1]) + 1 if numbered else 1
        _replace(history / f"manifest-{number:06d}.json", path.read_bytes())
        for old in numbered[: max(0, len(numbered) + 1 - KEPT_MANIFESTS)]:
            old.unlink()
    _replace(path, _as_json(manifest))
    (folder / UNFINISHED).unlink(missing_ok=True)


def publish(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether the manifest had to be replaced; one that says the same, but for when it was made, stays as it is."""
    if _said(manifest) == _said(_published(folder)):
        (folder / UNFINISHED).unlink(missing_ok=True)
        return False
    commit(folder, manifest)
    return True


def _said(manifest: Mapping[str, Any]) -> bytes:
    return _as_json({name: told for name, told in manifest.items() if name != "made_at"})


def sweep(folder: Path) -> int:
    """How many orphan files were removed: parts that neither a manifest, its history nor a run's remains name."""
    named: set[str] = set()
    for path in [folder / MANIFEST, folder / UNFINISHED, *(folder / "history").glob("manifest-*.json")]:
        if path.exists():
            named |= {entry["file"] for entry in json.loads(path.read_text("utf-8"))["tables"].values()}
    orphans = [path for path in (folder / "parts").glob("*.parquet") if path.name not in named]
    for path in [*orphans, *folder.glob("*.tmp"), *(folder / "history").glob("*.tmp")]:
        path.unlink()
    return len(orphans)


def _as_json(manifest: Mapping[str, Any]) -> bytes:
    return json.dumps(manifest, indent=1, sort_keys=True, default=str).encode()


def _replace(path: Path, content: bytes) -> None:
    """Writes beside, fsyncs, renames: the file at `path` is the old one or the new one, never half of it."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
