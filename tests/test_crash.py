"""Runs that are killed and disks that are full: the store is the old one or the new one, and the next run mends all."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from geo.errors import StoreError
from pipelines.city import City
from pipelines.flow import run
from pipelines.store import Store
from tests.runs import copied, environment, hashes, rewrite_rows, write_city


@pytest.fixture(scope="module")
def changed(small_store, small_raw, tmp_path_factory) -> tuple[City, Path, dict[str, str]]:
    """A city and raw files that re-run nearly all of the small store, and the parts of a run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("changed")
    raw = copied(small_raw, folder / "raw")
    rewrite_rows(raw / "cad_calls.csv.gz", lambda rows: rows[:-50])
    city = write_city(folder / "city.toml", merge_minutes="10.0", walk_min="12.0")
    run(city, raw, copied(small_store, folder / "store"))
    return city, raw, hashes(folder / "store")


def kill_runs(small_store: Path, changed: tuple[City, Path, dict[str, str]], target: Path, n: int) -> None:
    """Kills `n` runs over the small store; the end equals that of a run nothing disturbs."""
    city, raw, expected = changed
    order = [str(city.path), str(raw), str(small_store), str(target), str(n), "5"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.killed", *order], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert told["faults"] == []
    assert told["kills"] == n
    assert told["hashes"] == expected


def test_a_run_killed_at_random_leaves_the_old_version_and_the_next_completes(small_store, changed, tmp_path):
    kill_runs(small_store, changed, tmp_path / "store", 12)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_kills(small_store, changed, tmp_path):
    kill_runs(small_store, changed, tmp_path / "store", 200)


@pytest.fixture
def small_disk(tmp_path):
    """A function that makes a file system of so many KiB; taken down afterwards."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mounted(kib: int, *, again: bool = False) -> Path:
        options = f"size={kib}k" + (",remount" if again else "")
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("a small file system cannot be mounted here")
        return folder

    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    yield mounted
    subprocess.run(["umount", str(folder)], capture_output=True, check=False)


@pytest.mark.parametrize("room_kib", [16, 640])
def test_a_full_disk_is_named_and_the_store_stays_as_it_was(small_store, changed, small_disk, room_kib):
    """With little room the reader of the first file meets the end of the disk, with more a later stage."""
    city, raw, expected = changed
    used = sum(-(-path.stat().st_size // 4096) * 4 for path in small_store.rglob("*") if path.is_file())
    store = copied(small_store, small_disk(65_536) / "sample")
    small_disk(used + room_kib, again=True)
    before = (store / "manifest.json").read_bytes()
    with pytest.raises(StoreError, match=rf"{store}.*expected room on the disk, got \[.* MiB free\]"):
        run(city, raw, store)
    assert (store / "manifest.json").read_bytes() == before
    assert Store(store).verify() == []
    assert not list(store.glob("work-*"))
    small_disk(65_536, again=True)
    run(city, raw, store)
    assert hashes(store) == expected
