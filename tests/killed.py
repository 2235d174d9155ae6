"""Runs of a city that are killed at random: `python -m tests.killed CITY.toml RAW OLD STORE N SEED`.

OLD is a store made with other settings. STORE starts as a copy of it, and again whenever a run came to its end.
After every kill, what a reader sees must be OLD, whole, or the finished new version, whole. Prints one JSON line:
kills, ends, and faults.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from pipelines.city import City, load_city
from pipelines.flow import run
from pipelines.stages import stages
from pipelines.store import Store
from tests.runs import hashes

LONGEST_S = 5.0


def main(toml: str, root: str, old: str, target: str, n: int, seed: int) -> dict[str, object]:
    """Kills `n` runs and says what was found."""
    city, raw, before, store = load_city(toml), Path(root), Path(old), Path(target)
    stages(city)
    draw = random.Random(seed)
    published = (before / "manifest.json").read_bytes()
    fresh(before, store)
    kills = ends = 0
    faults: list[str] = []
    while kills < n:
        if killed(city, raw, store, draw.uniform(0.02, LONGEST_S)):
            kills += 1
            faults += seen_by_a_reader(store, published)
        else:
            ends += 1
            faults += (
                [] if (store / "manifest.json").read_bytes() != published else ["a run ended and published nothing"]
            )
            fresh(before, store)
    run(city, raw, store)
    left = [path.name for path in store.iterdir() if path.name.startswith("work-") or path.suffix == ".tmp"]
    faults += [f"left behind: {name}" for name in [*left, *children_in(store)]]
    return {"kills": kills, "ends": ends, "faults": faults, "hashes": hashes(store)}


def fresh(before: Path, store: Path) -> None:
    """The store as it was before any run."""
    shutil.rmtree(store, ignore_errors=True)
    shutil.copytree(before, store)


def killed(city: City, raw: Path, store: Path, seconds: float) -> bool:
    """Whether a run had to be killed after `seconds`; false where it had come to its end."""
    child = os.fork()
    if child == 0:
        try:
            run(city, raw, store)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def seen_by_a_reader(store: Path, published: bytes) -> list[str]:
    """Faults of what is published: parts that differ from the manifest, or a manifest of no finished run."""
    faults = Store(store).verify()
    now = json.loads((store / "manifest.json").read_bytes())
    is_old = (store / "manifest.json").read_bytes() == published
    if not is_old and now["settings"]["merge_minutes"] == json.loads(published)["settings"]["merge_minutes"]:
        faults.append("the manifest is neither the old one nor that of a finished run")
    return faults


def children_in(store: Path) -> list[str]:
    """Processes that still work inside the store."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            inside = entry.readlink().is_relative_to(store)
        except OSError:
            continue
        if inside:
            found.append(f"process {entry.parent.name}")
    return found


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:5], int(sys.argv[5]), int(sys.argv[6]))))
