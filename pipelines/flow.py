"""The order of stages, what each reads, what to skip, and progress.

A stage is a plain function; the names of its parameters say what it reads: `city`, `root`, `work`, or tables (a Path
or a frame, as annotated; a tuple of Paths for raw sources). Its fingerprint covers the content of those tables, the
raw files, the settings it names, the rule files it names and the code it can reach; a stage whose fingerprint is in
the manifest is skipped. `tables` is a mapping of the tables that a stage names in `also`.

A run keeps what it has finished beside the manifest and replaces the manifest at its end, so that a reader never sees
new tables beside old ones, and a run that failed or was killed is taken up where it stopped.
"""

import errno
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

from geo.errors import ConfigError, StoreError, UnmetError
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

    After `until`, tables further on that are older than what they are made from are not shown to readers.

    Raises:
        UnmetError: a stage failed; the store is as it was, and the next run takes up what was finished.
        StoreBusy: another run holds the store.
        StoreError: the store cannot be written, for instance because the disk is full.
        ConfigError: no stage makes `until`.
    """
    from pipelines.stages import stages

    started = time.monotonic()
    every = stages(city)
    plan = _until(every, until)
    with _plain_errors(folder), store.locked(folder), _workspace(folder) as work:
        state = _State(city=city, root=root, folder=folder, work=work, progress=progress)
        made: list[str] = []
        skipped: list[str] = []
        for stage in plan:
            (skipped if state.bring(stage) else made).append(stage.name)
        state.finish(every[len(plan) :], has_made=bool(made))
        return RunReport(
            made=tuple(made), skipped=tuple(skipped), seconds=time.monotonic() - started, manifest=state.manifest
        )


def _until(plan: tuple[Stage, ...], table: str | None) -> tuple[Stage, ...]:
    if table is None:
        return plan
    last = [at for at, stage in enumerate(plan) if table in stage.makes]
    if not last:
        known = sorted({name for stage in plan for name in stage.makes if not name.startswith("raw_")})
        raise ConfigError("--until", [f"expected one of {', '.join(known)}; got [{table}]"])
    return plan[: last[0] + 1]


@contextmanager
def _plain_errors(folder: Path) -> Iterator[None]:
    """What the system refused, in words: which path, and what to do.

    Raises:
        StoreError: the disk is full, or a file or folder cannot be read or written.
    """
    try:
        yield
    except UnmetError:
        raise
    except Exception as error:
        if _is_full(error):
            raise StoreError(
                f"{folder}: expected room on the disk, got [{_free(folder)} free]; the store is as it was: "
                "free some space and run again, what was finished is taken up"
            ) from error
        if isinstance(error, OSError) and error.strerror:
            raise StoreError(
                f"{error.filename or folder}: expected to read and write it, got [{error.strerror}]; "
                "the store is as it was"
            ) from error
        raise


def _is_full(error: BaseException) -> bool:
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return full or "No space left on device" in str(error)


def _free(folder: Path) -> str:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return f"{shutil.disk_usage(there).free / 2**20:,.1f} MiB"


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
        self.store = store.Store(folder, unfinished=True)
        self.manifest: dict[str, Any] = {name: told for name, told in self.store.manifest.items() if name != "behind"}
        self.manifest["tables"] = dict(self.manifest["tables"])
        self.manifest["inputs"] = dict(self.manifest["inputs"])
        self.used: set[str] = set()
        self.store.manifest = self.manifest

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
        self._stamp()
        store.keep_unfinished(self.folder, self.manifest)
        self._tell_end(stage, started, skipped=False)
        return False

    def finish(self, left: tuple[Stage, ...], *, has_made: bool) -> None:
        """Publishes what was made, with what a run says of itself; removes what no manifest names.

        `left` are the stages that were not asked for. Where nothing differs, the manifest stays untouched.
        """
        from pipelines.summary import manifest_summary

        behind = self._behind(left)
        told = manifest_summary(self.city, self.store)
        if not has_made and "versions" in self.manifest:
            del told["versions"]  # they are those that made the parts
        self.manifest |= told
        if behind:
            self.manifest |= {"behind": behind, "counts": [] if "counts" in behind else told["counts"]}
        if not left:
            self._forget_what_no_stage_makes()
        self._stamp()
        store.publish(self.folder, self.manifest)
        store.sweep(self.folder)

    def _behind(self, left: tuple[Stage, ...]) -> list[str]:
        """Tables on file whose stage would make them anew, or whose inputs are such tables."""
        behind: set[str] = set()
        for stage in left:
            ready = all(self.store.has(table) and table not in behind for table in self._tables(stage))
            if not ready or not self._would_skip(stage):
                behind |= {table for table in stage.makes if self.store.has(table)}
        return sorted(behind)

    def _would_skip(self, stage: Stage) -> bool:
        try:
            return self._is_current(stage, self._fingerprint(stage))
        except UnmetError:
            return False

    def _forget_what_no_stage_makes(self) -> None:
        """Drops tables of sources, and marks of raw files, that the city no longer has."""
        from pipelines.stages import stages

        made = {table for stage in stages(self.city) for table in stage.makes}
        for name, known in (("tables", made), ("inputs", self.used)):
            kept = {key: told for key, told in self.manifest[name].items() if key in known}
            self.manifest[name] = kept

    def _stamp(self) -> None:
        self.manifest |= {"schema": store.SCHEMA, "city": self.city.slug, "made_at": clock.now().isoformat()}

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
            "raw": {self._name(path): self._hash_of(path) for path in self._raw(stage)},
            "settings": {name: _plain(getattr(self.city, name)) for name in stage.settings},
            "fixed": {name: _plain(value) for name, value in stage.fixed},
            "data": {name: _data_hash(name) for name in stage.data},
            "code": code_hash(inspect.unwrap(stage.run).__module__),
        }
        return hashlib.sha256(json.dumps(covered, sort_keys=True, default=str).encode()).hexdigest()[:32]

    def _raw(self, stage: Stage) -> list[Path]:
        return stage.raw(self.city, self.root) if stage.raw else []

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def _hash_of(self, path: Path) -> str:
        """SHA-256 of a raw file, remembered by its size and times of change."""
        seen = path.stat()
        mark = f"{seen.st_size}-{seen.st_mtime_ns}-{seen.st_ctime_ns}"
        name = self._name(path)
        self.used.add(name)
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
                arguments[name] = self._old(name.removeprefix("old_"))
            elif name not in arguments:
                arguments[name] = self._table_argument(name, parameter.annotation)
        return arguments

    def _old(self, table: str) -> pd.DataFrame | None:
        """A table of the run before, where it is still on file."""
        try:
            return self.store.read(table)
        except StoreError:
            return None

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
    """Hash of a file, or of the names and content of all TOML files of a folder, in `data/`."""
    path = data_path(*name.split("/"))
    files = sorted(path.rglob("*.toml")) if path.is_dir() else [path]
    told = {str(file.relative_to(path)): store.sha256_of(file) for file in files}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
