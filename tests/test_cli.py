"""The command line: what it prints, what it refuses, what it costs, and what it never prints."""

import json
import re
import resource
import subprocess
import sys
import unicodedata
from pathlib import Path

import pandas as pd
import pytest

from geo.crs import to_degrees
from geo.tables import TABLES
from pipelines import cli, store
from pipelines.printable import printable, printable_json
from pipelines.quality import _kinds
from pipelines.stages import stages
from tests.make_docs import DOCS, commands, pages
from tests.map_store import make_release
from tests.runs import copied, environment, rewrite_rows

HEAVY = ("duckdb", "pandas", "numpy", "geopandas", "sklearn", "folium", "scipy", "shapely", "pyarrow", "pyproj", "rich")
SHOWN = ("gaps", "hotspots", "rates", "quality", "verification")
COMMANDS = dict(commands())
POISON = "\x1b[31mred\x1b[0m \u202eright\u2066 [bold]x[/bold] \x9b5m \x07 :smile: \u2028end"


@pytest.fixture
def unmet(monkeypatch, capsys):
    """A function that calls the command in this process: exit code, standard output, standard error."""
    for name in ("UNMET_DATA", "UNMET_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "240")

    def called(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["unmet", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return called


@pytest.fixture
def stores(small_store, tmp_path) -> Path:
    """A folder of stores with a copy of the small sample city's."""
    copied(small_store, tmp_path / "stores" / "sample")
    return tmp_path / "stores"


# --- help and documents ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_every_argument_and_option_and_says_what_it_is(unmet, name):
    code, out, _ = unmet(*name.split()[1:], "--help")
    assert code == 0
    for one in COMMANDS[name].params:
        told = [one.metavar] if one.param_type_name == "argument" else one.opts
        assert all(word in out for word in told), told
        assert one.help, f"{name} {told}: no help"


def test_help_lists_every_command(unmet):
    code, out, _ = unmet("--help")
    assert code == 0
    assert all(re.search(rf"^  {name.split()[1]} ", out, re.MULTILINE) for name in COMMANDS)


@pytest.mark.parametrize("name", ["tables.md", "commands.md"])
def test_generated_pages_are_those_of_this_code(name):
    assert (DOCS / name).read_text("utf-8") == pages()[name], "run `make docs`"


def test_every_command_and_option_is_in_the_page_of_commands():
    page = (DOCS / "commands.md").read_text("utf-8")
    for name, command in COMMANDS.items():
        section = page.split(f"## {name}\n")[1].split("\n## ")[0]
        for one in command.params:
            assert all(word in section for word in one.opts if word.startswith("-"))


def test_every_stage_is_on_the_map_of_the_house_in_its_order(sample_city):
    page = (DOCS / "architecture.md").read_text("utf-8")
    names = dict.fromkeys("read …" if one.name.startswith("read ") else one.name for one in stages(sample_city))
    at = [page.index(f"| `{name}`") for name in names]
    assert at == sorted(at)


def test_help_imports_nothing_heavy_and_answers_within_half_a_second_of_work():
    code = (
        "import sys; sys.argv = ['unmet', '--help']\nfrom pipelines.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('heavy:', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert done.stdout.rstrip().endswith("heavy:"), done.stdout[-200:]
    assert min(spent) < 0.5


# --- exit codes ------------------------------------------------------------------------------------


def test_the_installed_command_ends_with_the_code_that_main_gives(tmp_path):
    command = [sys.executable, "-m", "pipelines.cli"]
    asked = {("tables", "gaps"): 0, ("status", "sample", "--store", str(tmp_path)): 1, ("status", "nowhere"): 2}
    for words, code in asked.items():
        done = subprocess.run([*command, *words], env=environment(), capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["tables"], 0, ""),
        (["status", "sample", "--store", "nowhere"], 1, "no store yet; run `unmet run sample`"),
        (["check", "fargo_nd", "--data-root", "nowhere"], 1, "expected a folder of raw files, got [nowhere]"),
        (["status", "sampel"], 2, "sample"),
        (["status", "nowhere.toml"], 2, "nowhere.toml"),
        (["tables", "gasp"], 2, "expected a table of calls, incidents"),
        (["run", "sample", "--unti", "calls"], 2, "--until"),
        (["run", "sample", "--store", "s", "--until", "gasp"], 2, "expected one of"),
        (["sample", "--out", "s", "--calls", "5"], 2, "1000"),
        (["fly"], 2, "fly"),
        ([], 2, ""),
    ],
)
def test_exit_codes_and_what_is_told(unmet, tmp_path, monkeypatch, words, code, told):
    monkeypatch.chdir(tmp_path)
    got, out, err = unmet(*words)
    assert got == code
    assert told in err
    assert (out == "") == (code != 0)


def test_a_run_that_fails_ends_with_1_and_what_was_finished_is_taken_up(unmet, small_city, small_raw, tmp_path):
    raw = copied(small_raw, tmp_path / "raw")
    (raw / "responses.csv.gz").rename(raw / "later")
    words = [
        "run",
        str(small_city.path),
        "--data-root",
        raw,
        "--store",
        tmp_path / "stores",
        "--until",
        "services",
        "-v",
    ]
    code, _, err = unmet(*words)
    assert code == 1
    assert "responses.csv.gz: FILE_MISSING" in err
    assert re.search(r"read calls\.cad +[\d,]+ rows", err)
    (raw / "later").rename(raw / "responses.csv.gz")
    code, _, err = unmet(*words)
    assert code == 0
    assert re.search(r"read calls\.cad +current", err)
    assert re.search(r"read responses\.cad +[\d,]+ rows", err)


def test_a_store_that_is_held_ends_with_75(unmet, small_city, small_raw, stores):
    with store.locked(stores / "sample"):
        code, _, err = unmet("run", small_city.path, "--data-root", small_raw, "--store", stores)
    assert code == 75
    assert "another run holds this store [process" in err


@pytest.mark.parametrize(
    ("option", "allowed"),
    [
        ("level", "tract, block_group, neighbourhood, beat"),
        ("need", "mental_health"),
        ("leg", "contact, respond, place"),
        ("period", "whole"),
        ("variant", "default, no_institutions, with_ed"),
        ("product", "excess, volume"),
    ],
)
def test_show_refuses_a_choice_with_those_allowed(unmet, stores, option, allowed):
    code, out, err = unmet("show", "gaps", "sample", "--store", stores, f"--{option}", "other")
    assert (code, out) == (2, "")
    assert err.startswith(f"{option}: expected one of ")
    assert allowed in err
    assert "got [other]" in err


def test_show_refuses_another_table(unmet, stores):
    code, _, err = unmet("show", "calls", "sample", "--store", stores)
    assert code == 2
    assert all(name in err for name in SHOWN)


def test_map_is_drawn_from_the_newest_release_and_logged(unmet, tmp_path):
    root = tmp_path / "releases"
    for name, year in (("old", 2025), ("new", 2026)):
        folder = make_release(root / "sample" / "internal" / name).folder
        told = json.loads((folder / "release.json").read_text("utf-8"))
        told |= {"release_id": name, "made_at": f"{year}-01-01T00:00:00+00:00"}
        (folder / "release.json").write_text(json.dumps(told), "utf-8")
    (root / "sample" / "internal" / ".half.tmp").mkdir()
    where = ["--releases", root, "--audit", tmp_path / "audit.jsonl", "--out", tmp_path / "map.html"]
    code, out, err = unmet("map", "sample", *where)
    assert (code, err) == (0, "")
    assert "policy internal, release new" in out
    assert "release new" in (tmp_path / "map.html").read_text("utf-8")
    (line,) = (tmp_path / "audit.jsonl").read_text("utf-8").splitlines()
    assert {name: json.loads(line)[name] for name in ("action", "release", "role", "purpose")} == {
        "action": "download", "release": "new", "role": "analyst", "purpose": "planning",
    }  # fmt: skip
    code, _, err = unmet("map", "sample", *where, "--release", root / "sample" / "internal" / "old", "-q")
    assert (code, err) == (0, "")
    assert "release old" in (tmp_path / "map.html").read_text("utf-8")


def test_map_says_what_to_run_and_what_a_policy_does_not_allow(unmet, tmp_path):
    root, out = tmp_path / "releases", tmp_path / "map.html"
    where = ["--releases", root, "--audit", tmp_path / "audit.jsonl", "--out", out]
    code, _, err = unmet("map", "sample", *where)
    assert code == 1
    assert "run `unmet release sample --policy internal` first" in err
    folder = make_release(root / "sample" / "internal" / "one").folder
    code, _, err = unmet("map", "sample", *where, "--purpose", "grant")
    assert code == 1
    assert "names no purpose [grant]" in err
    assert '"action":"refuse"' in (tmp_path / "audit.jsonl").read_text("utf-8")
    code, _, err = unmet("map", "fargo_nd", *where, "--release", folder)
    assert code == 1
    assert "expected one of fargo_nd, got one of [sample]" in err
    assert not out.exists()


# --- what is printed -------------------------------------------------------------------------------


def test_tables_prints_every_contract(unmet):
    _, out, _ = unmet("tables")
    for table in TABLES.values():
        assert f"{table.name}: a row is " in out
        section = out.split(f"\n{table.name}: a row is " if table.name != "calls" else "calls: a row is ", 1)[1]
        assert all(f" {name} " in section for name in table.names)
    code, out, _ = unmet("tables", "--json")
    assert code == 0
    assert [one["name"] for one in strict(out)] == list(TABLES)


def strict(text: str) -> object:
    """JSON without the words that are no JSON."""

    def refuse(word: str) -> None:
        raise AssertionError(f"not JSON: {word}")

    return json.loads(text, parse_constant=refuse)


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d[\d,]*", text))


@pytest.mark.parametrize("table", SHOWN)
def test_json_holds_what_is_printed(unmet, sample_store, table):
    where = ["sample", "--store", sample_store.folder.parent]
    _, printed, _ = unmet("show", table, *where)
    code, out, _ = unmet("show", table, *where, "--json")
    assert code == 0
    told = strict(out)
    assert isinstance(told, dict)
    assert "internal - not for publication" in told["banners"]
    assert all(words in printed for words in told["banners"])
    rows, column = {
        "gaps": ("city_totals", "n_calls"),
        "hotspots": ("rows", "n_calls"),
        "rates": ("rows", "n_calls"),
        "quality": ("counts", "rows_in"),
        "verification": ("rows", "n_moved"),
    }[table]
    counted = [one[column] for one in told[rows]]
    assert counted
    assert {f"{n:,}" for n in counted if n} <= numbers(printed)


def test_status_says_what_is_in_the_store(unmet, stores):
    code, out, _ = unmet("status", "sample", "--store", stores)
    assert code == 0
    assert all(re.search(rf"^ {name} +[\d,]+ ", out, re.MULTILINE) for name in ("calls", "unmet", "gaps", "hotspots"))
    _, out, _ = unmet("status", "sample", "--store", stores, "--json")
    assert strict(out) == json.loads((stores / "sample" / "manifest.json").read_text("utf-8"))


def test_quiet_prints_nothing(unmet, small_city, small_raw, stores):
    assert unmet("run", small_city.path, "--data-root", small_raw, "--store", stores, "-q") == (0, "", "")


def test_run_prints_how_the_rows_of_every_file_reconcile(unmet, small_city, small_raw, stores):
    code, _, err = unmet("run", small_city.path, "--data-root", small_raw, "--store", stores)
    assert code == 0
    for one in store.Store(stores / "sample").manifest["counts"]:
        names = ("rows_in", "rows_kept", "rows_quarantined", "rows_merged")
        assert re.search(rf"{one['source_id']} .* {' +'.join(f'{one[name]:,}' for name in names)} ", err)


# --- what is never printed -------------------------------------------------------------------------


def hidden(text: str) -> set[str]:
    return {one for one in text if one != "\n" and unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp")}


def poison(folder: Path) -> None:
    """Puts escapes, directions and markup into every text that data give to the tables that are shown."""
    opened = store.Store(folder)
    manifest = dict(opened.manifest)
    columns = {
        "areas": ["name"],
        "quality": ["detail", "sample", "source_id"],
        "quarantine": ["source_id", "column"],
        "verification": ["name", "unknowns"],
        "hotspots": ["reason"],
        "counts": ["path", "source_id"],
    }
    for table, names in columns.items():
        frame = opened.read(table)
        for name in names:
            frame[name] = POISON
        if table == "hotspots":
            frame["is_recurring"] = False
        made = folder / "made.parquet"
        frame.to_parquet(made)
        part = store.add_part(folder, made, table=table, fingerprint="f", stage="poison")
        manifest["tables"][table] = {name: getattr(part, name) for name in part.__slots__}
    manifest["counts"] = [{**one, "path": POISON, "source_id": POISON} for one in manifest["counts"]]
    manifest["versions"] = {POISON: POISON}
    store.commit(folder, manifest)


def test_text_of_the_data_reaches_the_terminal_as_letters_only(unmet, stores):
    poison(stores / "sample")
    where = ["sample", "--store", stores]
    for words in [*(["show", table] for table in SHOWN), ["status"]]:
        code, out, err = unmet(*words, *where)
        assert (code, err) == (0, "")
        assert hidden(out) == set(), words
        _, out, _ = unmet(*words, *where, "--json")
        assert hidden(out) == set(), words
    _, out, _ = unmet("show", "quality", *where)
    assert "[bold]x[/bold]" in out
    assert r"\x1b[31mred" in out
    assert ":smile:" in out
    assert "\\u202e" in out
    _, out, _ = unmet("show", "quality", *where, "--json")
    assert strict(out)["findings"][0]["detail"] == POISON


def test_text_of_a_city_file_and_of_a_header_reaches_the_terminal_as_letters_only(
    unmet, small_city, small_raw, stores, tmp_path
):
    text = small_city.path.read_text("utf-8")
    odd = tmp_path / "odd.toml"
    odd.write_text(text.replace("slug =", '"\\u001b[31mkey\\u202e" = 1\nslug =', 1), "utf-8")
    code, out, err = unmet("status", odd, "--store", stores)
    assert code == 2
    assert hidden(out + err) == set()
    raw = copied(small_raw, tmp_path / "raw")
    content = (raw / "sheriff_calls.csv").read_text("utf-8")
    (raw / "sheriff_calls.csv").write_text(content.replace("Call Created", "Call\x1b[31m \u202eCreated", 1), "utf-8")
    for words in (
        ["run", small_city.path, "--store", tmp_path / "new", "--until", "services"],
        ["check", small_city.path],
    ):
        code, out, err = unmet(*words, "--data-root", raw)
        assert code == 1
        assert "Call" in out + err
        assert hidden(out + err) == set(), words


def test_call_types_that_are_terminal_commands_go_through_as_letters(unmet, small_city, small_raw, stores, tmp_path):
    raw = copied(small_raw, tmp_path / "raw")

    def typed(rows: list[list[str]]) -> list[list[str]]:
        return [[*row[:6], POISON.replace("\u2028", ""), *row[7:]] if n % 3 == 0 else row for n, row in enumerate(rows)]

    rewrite_rows(raw / "cad_calls.csv.gz", typed)
    where = ["--store", stores]
    code, out, err = unmet("run", small_city.path, "--data-root", raw, *where, "-v")
    assert code == 0
    for table in SHOWN:
        code, more, _ = unmet("show", table, small_city.path, *where)
        assert code == 0
        out += more
    _, more, _ = unmet("check", small_city.path, "--data-root", raw)
    assert hidden(out + err + more) == set()


def test_no_place_and_no_point_of_a_call_is_printed(unmet, sample_store):
    """Placeholder addresses may be named with where they are: they are no one's."""
    places = sample_store.read("places")
    lon, lat = to_degrees(places["x"], places["y"], source_crs="EPSG:32616")
    places = places.assign(at=[f"{a:.4f}, {b:.4f}" for a, b in zip(lat, lon, strict=True)])
    allowed = set(places.loc[places["place_kind"] == "placeholder", "at"])
    ids = set(places["place_id"])
    metres = {f"{value:.0f}" for column in ("x", "y") for value in places[column].dropna()}
    for table in SHOWN:
        for more in ([], ["--json"]):
            _, out, _ = unmet("show", table, "sample", "--store", sample_store.folder.parent, *more)
            assert not ids & set(re.findall(r"[0-9a-f]{16}", out)), table
            assert set(re.findall(r"-?\d{1,3}\.\d{3,},\s*-?\d{1,3}\.\d{3,}", out)) <= allowed, table
            assert not metres & set(re.findall(r"\d{6,7}(?:\.\d+)?", out)), table
            assert not re.search(r'"(?:x|y|lat|lon|place_id|address|geometry)":', out), table


def test_an_unexplained_sink_is_counted_and_not_said_where(sample_city, sample_store):
    places = sample_store.read("places")
    busiest = places.loc[places["place_kind"] == "ordinary", "n_all"].idxmax()
    places.loc[busiest, ["place_kind", "kind_reason"]] = ["unexplained", "collects more of the calls than it can"]
    found = [row for row in _kinds(sample_city, places) if "unexplained" in row[6]]
    assert [row[4] for row in found] == [places.loc[busiest, "n_all"]]
    assert [row[7] for row in found] == [None]
    named = [row for row in _kinds(sample_city, places) if "placeholder" in row[6]]
    assert named
    assert all(row[7] for row in named)


# --- the escapes themselves ------------------------------------------------------------------------


def test_printable_spells_out_what_is_hidden_and_nothing_else():
    assert printable("Ñandú – 日本 \u200d \U0001f600") == "Ñandú – 日本 \u200d \U0001f600"
    assert printable("a\tb\nc") == r"a\tb\nc"
    assert printable("a\nb", lines=True) == "a\nb"
    assert hidden(printable(POISON)) == set()
    assert printable("\U000e0041") == r"\U000e0041"


def test_json_with_escapes_reads_as_it_would_have_read():
    value = {POISON: ["\U000e0041", "日本", "a\tb"]}
    text = printable_json(json.dumps(value, ensure_ascii=False))
    assert hidden(text) == set()
    assert json.loads(text) == value
    assert "日本" in text


def test_the_poison_is_what_it_should_be():
    assert len(hidden(POISON)) == 6
    assert pd.Series([POISON]).str.len().item() == len(POISON)
