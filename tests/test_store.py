"""The store: parts are immutable, the manifest is replaced at once, a second run waits, faults are found."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest

from geo.errors import StoreBusy, StoreError
from pipelines import store


def part(folder, table="calls", value=1):
    path = folder / "made.parquet"
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({"a": [value]}).to_parquet(path)
    return store.add_part(folder, path, table=table, fingerprint="f", stage=table)


def manifest(*parts):
    entries = {one.table: {name: getattr(one, name) for name in one.__slots__} for one in parts}
    return {"schema": store.SCHEMA, "tables": entries, "inputs": {}}


def test_a_committed_table_is_read_back_and_verified(tmp_path):
    store.commit(tmp_path, manifest(part(tmp_path)))
    opened = store.Store(tmp_path)
    assert opened.read("calls")["a"].tolist() == [1]
    assert opened.verify() == []


def test_a_flipped_bit_and_a_lost_part_are_found(tmp_path):
    first, second = part(tmp_path), part(tmp_path, "places", 2)
    store.commit(tmp_path, manifest(first, second))
    path = tmp_path / "parts" / first.file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    (tmp_path / "parts" / second.file).unlink()
    assert len(store.Store(tmp_path).verify()) == 2
    with pytest.raises(StoreError, match="gone"):
        store.Store(tmp_path).path("places")


def test_sweep_removes_only_what_no_manifest_names(tmp_path):
    old = part(tmp_path)
    store.commit(tmp_path, manifest(old))
    new = part(tmp_path, value=2)
    store.commit(tmp_path, manifest(new))
    part(tmp_path, "stray", 3)
    assert store.sweep(tmp_path) == 1
    assert {path.name for path in (tmp_path / "parts").iterdir()} == {old.file, new.file}


def test_history_keeps_a_few_manifests(tmp_path):
    for value in range(6):
        store.commit(tmp_path, manifest(part(tmp_path, value=value)))
    assert len(list((tmp_path / "history").iterdir())) == store.KEPT_MANIFESTS


def test_another_schema_and_a_broken_manifest_are_refused_with_what_to_do(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"schema": "9.0", "tables": {}}))
    with pytest.raises(StoreError, match=r"9\.0"):
        store.Store(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match="JSON"):
        store.Store(tmp_path)


def test_a_second_run_is_told_who_holds_the_store(tmp_path):
    with store.locked(tmp_path), pytest.raises(StoreBusy, match=str(os.getpid())), store.locked(tmp_path):
        pass
    with store.locked(tmp_path):
        pass


def test_the_lock_of_a_dead_process_is_free(tmp_path):
    code = "import os; from pathlib import Path; from pipelines.store import locked\n"
    code += f"with locked(Path({str(tmp_path)!r})): os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    with store.locked(tmp_path):
        pass


def test_a_kill_between_part_and_manifest_leaves_the_old_version(tmp_path):
    store.commit(tmp_path, manifest(part(tmp_path)))
    code = (
        "import os, pandas as pd; from pathlib import Path; from pipelines import store\n"
        f"folder = Path({str(tmp_path)!r}); made = folder / 'made.parquet'\n"
        "pd.DataFrame({'a': [2]}).to_parquet(made)\n"
        "store.add_part(folder, made, table='calls', fingerprint='g', stage='calls'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    opened = store.Store(tmp_path)
    assert opened.read("calls")["a"].tolist() == [1]
    assert opened.verify() == []
