"""A run does what is needed and no more, says so, and gives the same result however it came about."""

import functools
import json
import os
import random
import re
import sys
from dataclasses import fields, replace
from pathlib import Path

import pandas as pd
import pytest

from geo.errors import ConfigError, FileRejected, StoreBusy, StoreError, UnmetError
from pipelines import code, resources, stages
from pipelines.city import City, load_city
from pipelines.flow import run
from pipelines.store import Store
from tests.runs import copied, forget_caches, hashes, rewrite_rows, write_city

READS = {
    "areas",
    "read calls.cad",
    "read calls.sheriff",
    "read incidents.rms",
    "read duty.team_a",
    "read responses.cad",
}
EARLY = READS | {"duty", "services", "call_types", "dispositions", "points"}
DERIVED = {"years": ("windows", "outages"), "n_days": ("windows", "outages"), "base_level": ("levels",)}


@pytest.fixture
def store(small_store, tmp_path):
    return copied(small_store, tmp_path / "store")


@pytest.fixture
def raw(small_raw, tmp_path):
    return copied(small_raw, tmp_path / "raw")


def manifest(folder: Path) -> bytes:
    return (folder / "manifest.json").read_bytes()


# --- nothing to do ---------------------------------------------------------------------------------


def test_a_second_run_makes_nothing_and_leaves_every_byte(small_city, small_raw, store):
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file() and path.name != ".lock"}
    report = run(small_city, small_raw, store)
    assert report.made == ()
    assert set(report.skipped) >= EARLY | {"unmet", "demand", "hotspots", "gaps", "quality"}
    after = {path: path.read_bytes() for path in store.rglob("*") if path.is_file() and path.name != ".lock"}
    assert before == after


def test_raw_files_that_were_moved_or_touched_are_the_same_files(small_city, raw, store):
    for path in raw.rglob("*"):
        os.utime(path)
    assert run(small_city, raw, store).made == ()


def test_a_caveat_re_runs_nothing_but_is_in_the_manifest(small_raw, store, tmp_path):
    city = write_city(tmp_path / "city.toml", caveats='["One week of March is missing."]')
    assert run(city, small_raw, store).made == ()
    assert Store(store).manifest["settings"]["caveats"] == ["One week of March is missing."]


# --- what a change re-runs ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "done", "kept"),
    [
        ({"walk_min": "8.0"}, {"reach", "unmet", "demand", "gaps"}, EARLY - {"services"} | {"calls", "places"}),
        ({"share": "0.3"}, {"gaps"}, EARLY | {"calls", "places", "reach", "unmet", "demand", "hotspots", "quality"}),
        ({"n_draws": "120"}, {"gaps"}, EARLY | {"calls", "places", "reach", "unmet", "demand", "hotspots", "quality"}),
        ({"n_sim": "49"}, {"hotspots"}, EARLY | {"calls", "places", "reach", "unmet", "demand", "gaps", "quality"}),
        ({"merge_minutes": "0.5"}, {"calls", "places", "unmet", "demand", "gaps", "quality"}, EARLY),
        ({"institution_radius_m": "400.0"}, {"places"}, EARLY | {"calls", "incidents"}),
    ],
)
def test_a_setting_re_runs_what_depends_on_it(small_raw, store, tmp_path, change, done, kept):
    report = run(write_city(tmp_path / "city.toml", **change), small_raw, store)
    assert done <= set(report.made)
    assert not kept & set(report.made)


def test_a_raw_file_re_runs_its_source_and_what_depends_on_it(small_city, raw, store):
    rewrite_rows(raw / "sheriff_calls.csv", lambda rows: rows[:-10])
    made = set(run(small_city, raw, store).made)
    assert {"read calls.sheriff", "points", "calls", "unmet", "demand", "gaps", "quality"} <= made
    assert not made & (READS - {"read calls.sheriff"} | {"duty", "services", "responses"})


def test_a_rule_re_runs_what_is_read_with_it_and_a_remark_stops_there(
    small_city, small_raw, store, tmp_path, monkeypatch
):
    data = copied(resources.data_root(), tmp_path / "data")
    monkeypatch.setattr(resources, "data_root", lambda: data)
    rules = data / "rules" / "need.toml"
    try:
        rules.write_text(rules.read_text("utf-8") + "\n# a remark\n", "utf-8")
        forget_caches()
        made = set(run(small_city, small_raw, store).made)
        assert {"call_types", "dispositions"} <= made
        assert not made & (READS | {"services", "points", "calls", "unmet", "demand", "gaps", "quality"})
        rules.write_text(rules.read_text("utf-8").replace('need = "welfare_check"', 'need = "homelessness"'), "utf-8")
        forget_caches()
        made = set(run(small_city, small_raw, store).made)
    finally:
        monkeypatch.undo()
        forget_caches()
    assert {"call_types", "calls", "unmet", "demand", "gaps"} <= made
    assert not made & (READS | {"duty", "services", "points"})


def test_a_source_that_is_gone_leaves_the_manifest(small_raw, store, tmp_path):
    city = load_city(write_city(tmp_path / "city.toml").path)
    less = replace(city, sources=tuple(one for one in city.sources if one.kind != "responses"))
    run(less, small_raw, store)
    told = Store(store).manifest
    assert not [name for name in told["tables"] if name.endswith("responses_cad")]
    assert "responses.csv.gz" not in told["inputs"]


# --- what a fingerprint covers ---------------------------------------------------------------------


def test_a_stage_reads_no_setting_and_no_data_file_that_its_fingerprint_leaves_out(
    small_city, small_raw, small_store, tmp_path, monkeypatch
):
    """A fresh run, watched; its parts are those of the first run too, byte for byte."""
    seen: dict[str, set[str]] = {}
    opened: dict[str, set[str]] = {}
    now: list[str] = []

    class Watched(City):
        def __getattribute__(self, name):
            if now and not name.startswith("_"):
                seen[now[-1]].update(DERIVED.get(name, (name,)))
            return super().__getattribute__(name)

    root = str(resources.data_root())

    def hear(event, args):
        if now and event == "open" and isinstance(args[0], str) and args[0].startswith(root):
            opened[now[-1]].add(os.path.relpath(args[0], root))

    sys.addaudithook(hear)

    def watch(stage):
        @functools.wraps(stage.run)
        def told(**given):
            forget_caches()
            if "city" in given:
                given["city"] = Watched(**{one.name: getattr(given["city"], one.name) for one in fields(City)})
            seen[stage.name], opened[stage.name] = set(), set()
            now.append(stage.name)
            try:
                return stage.run(**given)
            finally:
                now.clear()

        return replace(stage, run=told)

    true_stages = stages.stages
    monkeypatch.setattr(stages, "stages", lambda city: tuple(watch(one) for one in true_stages(city)))
    run(small_city, small_raw, tmp_path / "store")
    declared = {one.name: one for one in true_stages(small_city)}
    assert set(seen) == set(declared)
    methods = {"sources_of", "path"}  # `path` names the TOML in messages; `sources_of` reads `sources`
    undeclared = {name: read - set(declared[name].settings) - methods for name, read in seen.items()}
    assert {name: read for name, read in undeclared.items() if read} == {}
    unread = {
        name: {
            path for path in paths if not any(path == one or path.startswith(f"{one}/") for one in declared[name].data)
        }
        for name, paths in opened.items()
    }
    assert {name: paths for name, paths in unread.items() if paths} == {}
    assert hashes(tmp_path / "store") == hashes(small_store)


def test_the_code_of_confined_children_is_covered():
    reached = code._closure("pipelines.intake")
    assert {"pipelines.ingest_child", "pipelines.readers.confine", "pipelines.readers", "geo.hours"} <= reached
    named = re.compile(r'"((?:pipelines|geo)[\w.]*):\w+"')
    sources = [path.read_text("utf-8") for path in Path(code._path("pipelines")).parent.rglob("*.py")]
    children = {one for text in sources for one in named.findall(text)}
    assert len(children) >= 3
    every = set().union(*(code._closure(f"pipelines.{name}") for name in ("intake", "reach")))
    assert children <= every


def test_code_that_changes_changes_its_hash_and_that_of_who_imports_it(tmp_path, monkeypatch):
    (tmp_path / "pipelines").mkdir()
    for name, text in {"one": "from pipelines import two\n", "two": "A = 1\n", "three": "B = 1\n"}.items():
        (tmp_path / "pipelines" / f"{name}.py").write_text(text)
    monkeypatch.setattr(code, "_path", lambda name: tmp_path / f"{name.replace('.', '/')}.py")
    monkeypatch.setattr(code, "_is_module", lambda name: code._path(name).exists())

    def now() -> dict[str, str]:
        code.code_hash.cache_clear()
        code.imports_of.cache_clear()
        return {name: code.code_hash(f"pipelines.{name}") for name in ("one", "two", "three")}

    (tmp_path / "pipelines.py").write_text("")
    try:
        before = now()
        (tmp_path / "pipelines" / "two.py").write_text("A = 2\n")
        after = now()
    finally:
        code.code_hash.cache_clear()
        code.imports_of.cache_clear()
    assert {name for name in before if before[name] != after[name]} == {"one", "two"}


# --- part of a run ---------------------------------------------------------------------------------


def test_until_stops_after_a_table_and_shows_no_table_older_than_what_it_is_made_from(small_raw, store, tmp_path):
    city = write_city(tmp_path / "city.toml", merge_minutes="0.5")
    old = hashes(store)
    report = run(city, small_raw, store, until="calls")
    assert report.made == ("calls",)
    opened = Store(store)
    assert opened.read("calls")["call_id"].notna().all()
    assert opened.read("services")["service_id"].notna().all()
    assert hashes(store)["gaps"] == old["gaps"]
    for table in ("gaps", "unmet", "quality", "counts"):
        with pytest.raises(StoreError, match="older than what it is made from"):
            opened.path(table)
    assert opened.manifest["counts"] == []
    run(city, small_raw, store)
    assert "behind" not in Store(store).manifest
    assert Store(store).read("gaps")["n_calls"].sum() > 0


def test_until_refuses_a_table_that_is_not_made(small_city, small_raw, tmp_path):
    with pytest.raises(ConfigError, match=r"expected one of .*gaps.*got \[gasp\]"):
        run(small_city, small_raw, tmp_path / "store", until="gasp")


# --- what fails ------------------------------------------------------------------------------------


def test_a_failing_stage_leaves_the_store_as_it_was_and_the_next_run_takes_up_what_was_finished(
    small_raw, store, tmp_path, monkeypatch
):
    city = write_city(tmp_path / "city.toml", merge_minutes="0.5")
    before = manifest(store)
    true_gaps = stages.gaps

    @functools.wraps(true_gaps)
    def broken(**given):
        raise UnmetError("expected gaps, got [none]; try again")

    monkeypatch.setattr(stages, "gaps", broken)
    with pytest.raises(UnmetError, match="expected gaps"):
        run(city, small_raw, store)
    assert manifest(store) == before
    assert Store(store).verify() == []
    assert not list(store.glob("work-*"))
    monkeypatch.setattr(stages, "gaps", true_gaps)
    made = set(run(city, small_raw, store).made)
    assert "gaps" in made
    assert not made & {"calls", "unmet", "demand", "hotspots"}
    assert not (store / "unfinished.json").exists()


def test_a_file_that_is_missing_is_named(small_city, raw, store):
    (raw / "incidents.csv.gz").unlink()
    with pytest.raises(FileRejected, match=r"incidents\.csv\.gz: FILE_MISSING"):
        run(small_city, raw, store)


def test_a_part_that_is_gone_is_made_again(small_city, small_raw, store):
    opened = Store(store)
    opened.path("demand").unlink()
    opened.path("hotspots").unlink()
    assert set(run(small_city, small_raw, store).made) == {"demand", "hotspots"}
    assert Store(store).verify() == []


def test_remains_that_cannot_be_read_are_left_aside(small_city, small_raw, store):
    (store / "unfinished.json").write_text("{")
    assert run(small_city, small_raw, store).made == ()
    assert not (store / "unfinished.json").exists()


def test_a_store_that_cannot_be_made_is_named(small_city, small_raw, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file.*\[Not a directory\]"):
        run(small_city, small_raw, tmp_path / "file" / "sample")


def test_two_runs_at_once(small_raw, store, tmp_path):
    told = []

    class Second:
        def begin(self, stage, total):
            with pytest.raises(StoreBusy, match=f"process {os.getpid()} since"):
                run(city, small_raw, store)
            told.append(stage)

        def advance(self, step, done, total): ...

        def end(self, stage, rows, seconds, skipped): ...

    city = write_city(tmp_path / "city.toml", share="0.3")
    run(city, small_raw, store, progress=Second())
    assert "gaps" in told


# --- the same result, however it came about --------------------------------------------------------


def content(folder: Path, table: str) -> pd.DataFrame:
    """A table without line numbers, as text, in an order of its own."""
    frame = Store(folder).read(table).drop(columns="source_line", errors="ignore").astype(str)
    return frame.sort_values(list(frame.columns)).reset_index(drop=True)


def test_rows_in_another_order_give_the_same_calls(small_city, small_store, raw, store):
    """Rows of one number keep their order: a later row is a correction."""

    def shuffled(rows: list[list[str]]) -> list[list[str]]:
        places = list(range(len(rows)))
        random.Random(3).shuffle(places)
        by_number: dict[str, list[int]] = {}
        for at in sorted(places):
            by_number.setdefault(rows[at][0], []).append(at)
        return [rows[by_number[rows[at][0]].pop(0)] for at in places]

    rewrite_rows(raw / "cad_calls.csv.gz", shuffled)
    made = run(small_city, raw, store).made
    assert "calls" in made
    for table in ("calls", "unmet", "places", "demand", "gaps"):
        pd.testing.assert_frame_equal(content(store, table), content(small_store, table))


def test_a_change_and_back_gives_the_same_parts(small_city, small_raw, small_store, store, tmp_path):
    run(write_city(tmp_path / "city.toml", walk_min="8.0", share="0.3"), small_raw, store)
    assert hashes(store) != hashes(small_store)
    run(small_city, small_raw, store)
    same = {name: one for name, one in hashes(store).items() if name != "hotspots"}  # knows of the run before
    assert same == {name: one for name, one in hashes(small_store).items() if name != "hotspots"}


def test_the_manifest_says_what_a_reader_needs_to_repeat_the_run(small_store):
    told = json.loads(manifest(small_store))
    assert told["city"] == "sample"
    assert told["is_synthetic"] is True
    assert told["seed"] == told["settings"]["seed"] == 20250106
    assert {"unmet", "rules", "duckdb", "pandas"} <= set(told["versions"])
    assert set(told["inputs"]) >= {"cad_calls.csv.gz", "areas/tracts.geojson", "hsds/services.csv"}
    assert all(re.fullmatch("[0-9a-f]{64}", one["sha256"]) for one in told["inputs"].values())
    assert {one["source_id"] for one in told["counts"]} >= {"calls.cad", "calls.sheriff", "incidents.rms"}
