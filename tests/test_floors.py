"""The house's rules, read from the imports: floors, rooms in order, no circle, geo opens nothing."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ("geo", "pipelines", "dashboard")
DOOR = "pipelines.cli_serve"
GEO_MAY_NOT = {
    "os", "io", "pathlib", "shutil", "tempfile", "subprocess", "socket", "urllib", "http", "requests", "logging",
    "time", "duckdb", "pyogrio", "fiona", "matplotlib", "folium", "plotly", "tomllib", "json", "csv",
    "sqlite3", "pickle", "pyarrow", "rich", "typer", "random",
}  # fmt: skip
FILE_CALLS = {
    "open",
    "read_csv",
    "read_parquet",
    "read_file",
    "to_csv",
    "to_parquet",
    "to_file",
    "read_text",
    "write_text",
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for floor in FLOORS:
        for path in sorted((ROOT / floor).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            yield name, ast.parse(path.read_text("utf-8"))


TREES = dict(modules())


def imported(tree: ast.AST, *, at_import_time: bool = False) -> set[str]:
    """Modules named by a tree's imports; `at_import_time` leaves out those inside functions."""
    found: set[str] = set()
    skipped: set[ast.AST] = set()
    if at_import_time:
        for node in ast.walk(tree):
            guarded = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            if guarded or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                skipped |= set(ast.walk(node))
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in TREES else node.module for name in names}
    return found


def test_there_are_modules_to_check():
    assert len(TREES) > 40


@pytest.mark.parametrize("name", TREES)
def test_imports_run_downward_only(name):
    floor = FLOORS.index(name.split(".")[0])
    for other in imported(TREES[name]):
        above = other.split(".")[0] in FLOORS and FLOORS.index(other.split(".")[0]) > floor
        assert not above or name == DOOR, f"{name} imports {other} from a floor above"


@pytest.mark.parametrize("name", [name for name in TREES if name.startswith("geo")])
def test_geo_opens_no_file_clock_network_plot_or_config(name):
    barred = {other for other in imported(TREES[name]) if other.split(".")[0] in GEO_MAY_NOT}
    assert not barred
    called = {
        node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)
    }
    assert not called & FILE_CALLS


def test_no_import_circle():
    graph = {
        name: {other for other in imported(tree, at_import_time=True) if other in TREES and other != name}
        for name, tree in TREES.items()
    }
    done: set[str] = set()

    def walk(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"circle: {' -> '.join((*path, name))}"
        if name not in done:
            for other in sorted(graph[name]):
                walk(other, (*path, name))
            done.add(name)

    for name in graph:
        walk(name, ())


@pytest.mark.parametrize("name", [name for name in TREES if name.startswith("dashboard")])
def test_dashboard_reads_releases_only(name):
    barred = ("pipelines.store", "pipelines.flow", "pipelines.ingest", "pipelines.unmet", "pipelines.merge")
    assert not {other for other in imported(TREES[name]) if other.startswith(barred)}


@pytest.mark.parametrize("name", TREES)
def test_only_one_module_knows_folium_and_one_the_clock(name):
    used = imported(TREES[name])
    if name != "pipelines.maps":
        assert not {other for other in used if other.split(".")[0] in ("folium", "branca")}
    if name != "pipelines.clock":
        source = ast.unparse(TREES[name])
        assert "datetime.now(" not in source
        assert "date.today(" not in source


@pytest.mark.parametrize("name", TREES)
def test_nothing_unpickles_what_comes_from_outside(name):
    assert not {
        other for other in imported(TREES[name]) if other.split(".")[0] in ("pickle", "joblib", "dill", "shelve")
    }
