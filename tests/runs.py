"""A small sample city that tests may run, change and break: its raw files, its TOML, and stores made from them."""

import csv
import functools
import gzip
import io
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from pipelines.city import City, load_city
from pipelines.resources import data_path
from pipelines.sample import write_sample
from pipelines.store import Store

N_CALLS = 2000


def write_raw(folder: Path) -> Path:
    """The raw files of a sample city of a few calls."""
    write_sample(folder, n_calls=N_CALLS, seed=11)
    return folder


def write_city(path: Path, **changes: str) -> City:
    """The sample's TOML with few simulations; each change replaces the line of a key, or adds it at the top."""
    lines = data_path("cities", "sample.toml").read_text("utf-8").splitlines()
    for key, value in ({"n_sim": "39", "n_draws": "100"} | changes).items():
        at = [n for n, line in enumerate(lines) if line.split("=")[0].strip() == key]
        assert len(at) <= 1, f"{key} is there {len(at)} times"
        lines[slice(at[0], at[0] + 1) if at else slice(0, 0)] = [f"{key} = {value}"]
    text = "\n".join(lines) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return load_city(path)


def rewrite_rows(path: Path, change: Callable[[list[list[str]]], list[list[str]]]) -> None:
    """Replaces the rows under a CSV's header, plain or gzipped, byte order mark kept."""
    packed = path.suffix == ".gz"
    text = (gzip.decompress(path.read_bytes()) if packed else path.read_bytes()).decode("utf-8")
    head, *rows = csv.reader(io.StringIO(text, newline=""))
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows([head, *change(rows)])
    content = out.getvalue().encode("utf-8")
    path.write_bytes(gzip.compress(content, mtime=0) if packed else content)


def copied(folder: Path, target: Path) -> Path:
    """A copy of a store or of raw files, with their times of change."""
    return Path(shutil.copytree(folder, target))


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each table of a store."""
    return {name: part.sha256 for name, part in Store(folder).tables.items()}


def forget_caches() -> None:
    """Empties what the pipelines remember of rule and matching files."""
    for name, module in list(sys.modules.items()):
        if name.startswith("pipelines.") and name != "pipelines.code":
            for value in list(vars(module).values()):
                if isinstance(value, functools._lru_cache_wrapper):
                    value.cache_clear()


def environment() -> dict[str, str]:
    """What a child process of a test gets: the sources of this checkout first."""
    here = str(Path(__file__).resolve().parent.parent)
    return {"PATH": os.environ["PATH"], "PYTHONPATH": here, "LC_ALL": "C.UTF-8", "HOME": os.environ.get("HOME", "/")}
