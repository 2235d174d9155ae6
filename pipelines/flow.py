"""The order of stages, what each reads, what to skip, and progress.

A stage is a plain function; the names of its parameters say what it reads: `city`, `root`, `work`, or tables (a Path
or a frame, as annotated; a tuple of Paths for raw sources). Its fingerprint covers the content of those tables, the
raw files, the settings it names, the rule files it names and the code it can reach; a stage whose fingerprint is in
the manifest is skipped. `tables` is a mapping of the tables that a stage names in `also`.
"""

import hashlib
import inspect
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from geo.errors import UnmetError
from pipelines import clock, store
from pipelines.city import City
from pipelines.code import code_hash
from pipelines.resources import data_path

Made = Mapping[str, Any]


class Progress(Protocol):
    """What a run tells while it works."""

    def begin(self, stage: str, total: int | None) -> None: ...
    def advance(self, step: str, done: int, total: int) -> None: ...
    def end(self, stage: str, rows: int, seconds: float, skipped: bool) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step: the tables it makes, the function, and what its fingerprint covers beside tables."""

    name: str
    makes: tuple[str, ...]
    run: Callable[..., Any]
    settings: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    raw: Callable[[City, Path], list[Path]] | None = None
    fixed: tuple[tuple[str, Any], ...] = ()
    optional: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the tables among its parameters."""
        given = {"city", "root", "work", "advance", "tables", *dict(self.fixed), *self.optional}
        return tuple(name for name in inspect.signature(self.run).parameters if name not in given)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What a run did, stage by stage."""

    made: tuple[str, ...]
    skipped: tuple[str, ...]
    seconds: float
    manifest: Mapping[str, Any]


def run(
    city: City,
    root: Path,
    folder: Path,
    *,
    until: str | None = None,
    progress: Progress | None = None,
) -> RunReport:
    """Brings the store of a city up to date, or up to the table `until`.

    Raises:
        UnmetError: a stage failed; tables finished before it are kept.
        StoreBusy: another run holds the store.
    """
    from pipelines.stages import stages

    started = time.monotonic()
    plan = _until(stages(city), until)
    with store.locked(folder), _workspace(folder) as work:
        state = _State(city=city, root=root, folder=folder, work=work, progress=progress)
        made: list[str] = []
        skipped: list[str] = []
        for stage in plan:
            (skipped if state.bring(stage) else made).append(stage.name)
        if made or "counts" not in state.manifest:
            state.finish()
        return RunReport(
            made=tuple(made), skipped=tuple(skipped), seconds=time.monotonic() - started, manifest=state.manifest
        )


def _until(plan: tuple[Stage, ...], table: str | None) -> tuple[Stage, ...]:
    if table is None:
        return plan
    last = [at for at, stage in enumerate(plan) if table in stage.makes]
    if not last:
        known = sorted({name for stage in plan for name in stage.makes if not name.startswith("raw_")})
        raise UnmetError(f"--until: expected one of {known}, got [{table}]")
    return plan[: last[0] + 1]


@contextmanager
def _workspace(folder: Path) -> Iterator[Path]:
    for left in folder.glob("work-*"):
        shutil.rmtree(left, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix="work-", dir=folder))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


class _State:
    """A run under way: the manifest as it grows."""

    def __init__(self, *, city: City, root: Path, folder: Path, work: Path, progress: Progress | None) -> None:
        self.city, self.root, self.folder, self.work, self.progress = city, root, folder, work, progress
        self.store = store.Store(folder)
        self.manifest: dict[str, Any] = dict(self.store.manifest)
        self.manifest["tables"] = dict(self.manifest["tables"])
        self.manifest["inputs"] = dict(self.manifest["inputs"])

    def bring(self, stage: Stage) -> bool:
        """True where the stage was current already."""
        started = time.monotonic()
        fingerprint = self._fingerprint(stage)
        if self._is_current(stage, fingerprint):
            self._tell_end(stage, started, skipped=True)
            return True
        if self.progress:
            self.progress.begin(stage.name, None)
        made = stage.run(**self._arguments(stage))
        named: Made = made if isinstance(made, Mapping) else {stage.makes[0]: made}
        missing = sorted(set(stage.makes) ^ set(named))
        if missing:
            raise UnmetError(f"stage {stage.name}: expected tables {stage.makes}, got {tuple(named)}")
        for table in stage.makes:
            self._keep(table, named[table], fingerprint, stage.name)
        self._commit()
        self._tell_end(stage, started, skipped=False)
        return False

    def finish(self) -> None:
        """Adds what a run says of itself, and removes what no manifest names."""
        from pipelines.summary import manifest_summary

        self.manifest |= manifest_summary(self.city, self.store)
        self._commit()
        store.sweep(self.folder)

    def _commit(self) -> None:
        self.manifest |= {"schema": store.SCHEMA, "city": self.city.slug, "made_at": clock.now().isoformat()}
        store.commit(self.folder, self.manifest)
        self.store = store.Store(self.folder)

    def _is_current(self, stage: Stage, fingerprint: str) -> bool:
        parts = self.store.tables
        return all(
            table in parts
            and parts[table].fingerprint == fingerprint
            and (self.folder / "parts" / parts[table].file).exists()
            for table in stage.makes
        )

    def _fingerprint(self, stage: Stage) -> str:
        covered = {
            "stage": stage.name,
            "tables": {table: self.store.tables[table].sha256 for table in self._tables(stage)},
            "raw": {str(path): self._hash_of(path) for path in (stage.raw(self.city, self.root) if stage.raw else [])},
            "settings": {name: _plain(getattr(self.city, name)) for name in stage.settings},
            "fixed": {name: _plain(value) for name, value in stage.fixed},
            "data": {name: _data_hash(name) for name in stage.data},
            "code": code_hash(inspect.unwrap(stage.run).__module__),
        }
        return hashlib.sha256(json.dumps(covered, sort_keys=True, default=str).encode()).hexdigest()[:32]

    def _hash_of(self, path: Path) -> str:
        """SHA-256 of a raw file, remembered by size and time of change."""
        seen = path.stat()
        mark = f"{seen.st_size}-{seen.st_mtime_ns}"
        name = str(path.relative_to(self.root)) if path.is_relative_to(self.root) else path.name
        known = self.manifest["inputs"].get(name)
        if known is None or known["mark"] != mark:
            known = {"sha256": store.sha256_of(path), "bytes": seen.st_size, "mark": mark}
            self.manifest["inputs"][name] = known
        return str(known["sha256"])

    def _tables(self, stage: Stage) -> list[str]:
        """Tables a stage reads, `raw_<kind>` spelled out into those of its sources."""
        return [table for name in stage.reads for table in self._spelled(name)] + list(stage.also)

    def _spelled(self, name: str) -> list[str]:
        if not name.startswith("raw_"):
            return [name]
        return [f"raw_{source.table}" for source in self.city.sources_of(name.removeprefix("raw_"))]

    def _arguments(self, stage: Stage) -> dict[str, Any]:
        special: dict[str, Any] = {"city": self.city, "root": self.root, "work": self.work}
        special["advance"] = self.progress.advance if self.progress else None
        special["tables"] = {table: self.store.path(table) for table in stage.also}
        arguments = dict(stage.fixed)
        for name, parameter in inspect.signature(stage.run).parameters.items():
            if name in special:
                arguments[name] = special[name]
            elif name in stage.optional:
                old = name.removeprefix("old_")
                arguments[name] = self.store.read(old) if self.store.has(old) else None
            elif name not in arguments:
                arguments[name] = self._table_argument(name, parameter.annotation)
        return arguments

    def _table_argument(self, name: str, annotation: object) -> Any:
        if name.startswith("raw_"):
            return tuple(self.store.path(table) for table in self._spelled(name))
        return self.store.path(name) if annotation is Path else self.store.read(name)

    def _keep(self, table: str, made: Any, fingerprint: str, stage: str) -> None:
        path = made if isinstance(made, Path) else _written(made, self.work / f"{table}.parquet")
        part = store.add_part(self.folder, path, table=table, fingerprint=fingerprint, stage=stage)
        self.manifest["tables"][table] = asdict(part)

    def _tell_end(self, stage: Stage, started: float, *, skipped: bool) -> None:
        if self.progress:
            rows = self.store.tables[stage.makes[0]].rows
            self.progress.end(stage.name, rows, time.monotonic() - started, skipped)


def _written(table: Any, path: Path) -> Path:
    """The Parquet file of a frame or an Arrow table."""
    if isinstance(table, pd.DataFrame):
        table.to_parquet(path, index=False, compression="zstd")
    else:
        import pyarrow.parquet as pq

        pq.write_table(table, path, compression="zstd")
    return path


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if hasattr(value, "__dataclass_fields__"):
        return asdict(value)  # type: ignore[call-overload]
    return value


def _data_hash(name: str) -> str:
    """Hash of a file or of all files of a folder in `data/`."""
    path = data_path(*name.split("/"))
    files = sorted(path.rglob("*.toml")) if path.is_dir() else [path]
    return hashlib.sha256(b"".join(file.name.encode() + file.read_bytes() for file in files)).hexdigest()
