"""Releases are the only door: what people see is made from code that cannot reach a store, by its imports.

What is proved, for every module of `dashboard/` and for `pipelines/` brief*, kit*, maps, map_* and export* (those that
are there): followed over all imports, at the top of a module or inside a function, no path leads to a store, the query
engine, ingest, a reader or the code that makes releases. `pipelines.release` is the one module that is not followed
into its functions: `build_release` imports the builder when it is called, and the second test holds that this is the
only such import in it, that nothing at its top leads to a store, and that no room for viewers mentions `build_release`.
Words, too: these modules do not import duckdb or pyarrow, mention `read_parquet`, name a `.parquet` file, or import by
a name that is made up, but for modules of their own package (`f"{__name__}.…"`), which are held to the same. What a
test over imports cannot see is a name that is put together while the program runs.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOOR = "pipelines.release"
ROOMS = re.compile(r"dashboard(\..+)?|pipelines\.(brief|kit|map|export)\w*(\..+)?")
BARRED = re.compile(
    r"pipelines\.(store|engine|flow|run|stages|ingest\w*|intake|readers|classify|locate|merge|unmet|tabulate|detect"
    r"|compare|show|release_\w+)(\..+)?|duckdb(\..+)?|pyarrow(\..+)?|sqlite3|polars(\..+)?"
)
OPEN_WORDS = ("pipelines.release_words",)
SAID = (
    "read_parquet",
    "scan_parquet",
    "ParquetFile",
    "duckdb",
    "pyarrow",
    "import_module",
    "__import__",
    "build_release",
)


@cache
def sources() -> Mapping[str, str]:
    """The source of every module of the project, by its dotted name."""
    out = {}
    for room in ("geo", "pipelines", "dashboard"):
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            out[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text("utf-8")
    return out


def imports(name: str, source: str, known: Mapping[str, str], *, inside: bool = True) -> set[str]:
    """Modules that a module imports; without `inside` those only that are imported at its top, types left out."""
    tree = ast.parse(source)
    nodes = ast.walk(tree) if inside else _top(tree.body)
    package = name if any(one.startswith(f"{name}.") for one in known) else name.rpartition(".")[0]
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            found |= {base} | {whole for one in node.names if (whole := f"{base}.{one.name}") in known}
    return found


def _top(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Statements that run when a module is imported: functions are left out, and so is `if TYPE_CHECKING`."""
    for node in body:
        is_types = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        if is_types or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        yield node
        yield from _top([one for one in ast.iter_child_nodes(node) if isinstance(one, ast.stmt)])


def ways_out(name: str, known: Mapping[str, str]) -> list[str]:
    """Every barred module that a module reaches, with the way there, the door not followed into its functions."""
    found, seen = [], {name}
    queue: list[tuple[str, tuple[str, ...]]] = [(name, (name,))]
    while queue:
        here, way = queue.pop(0)
        for one in sorted(imports(here, known[here], known, inside=here != DOOR)):
            if BARRED.fullmatch(one) and one not in OPEN_WORDS:
                found.append(" > ".join([*way, one]))
            elif one in known and one not in seen:
                seen.add(one)
                queue.append((one, (*way, one)))
    return found


def words_in(source: str) -> list[str]:
    """Names and texts of a module that read data by another way; comments and first lines of functions are free."""
    tree = ast.parse(source)
    free = {
        id(body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and (body := node.body)
        and isinstance(body[0], ast.Expr)
    }
    own = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_own(node)]
    free |= {id(one) for one in own}
    uses = [one for one in ast.walk(tree) if isinstance(one, ast.Name) and one.id == "import_module"]
    if own and len(uses) == len(own):
        free |= {id(one) for one in ast.walk(tree) if isinstance(one, ast.alias) and one.name == "import_module"}
    found = []
    for node in ast.walk(tree):
        if id(node) in free:
            continue
        named = getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "name", None)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            named = node.value
        if isinstance(named, str) and (any(word in named for word in SAID) or re.search(r"\.parquet\b", named)):
            found.append(named)
    return found


def _is_own(call: ast.Call) -> bool:
    """Whether a call imports a module of its own package: `import_module(f"{__name__}.…")`."""
    if not (isinstance(call.func, ast.Name) and call.func.id == "import_module" and len(call.args) == 1):
        return False
    parts = call.args[0].values if isinstance(call.args[0], ast.JoinedStr) else []
    return (
        len(parts) > 1
        and isinstance(parts[0], ast.FormattedValue)
        and isinstance(parts[0].value, ast.Name)
        and parts[0].value.id == "__name__"
        and isinstance(parts[1], ast.Constant)
        and str(parts[1].value).startswith(".")
    )


def rooms(known: Mapping[str, str]) -> list[str]:
    return [name for name in known if ROOMS.fullmatch(name)]


def test_the_rooms_are_there() -> None:
    assert {"dashboard", "pipelines.maps", "pipelines.map_data", "pipelines.map_cells"} <= set(rooms(sources()))


@pytest.mark.parametrize("name", rooms(sources()))
def test_no_import_leads_from_what_people_see_to_a_store(name: str) -> None:
    assert ways_out(name, sources()) == []


@pytest.mark.parametrize("name", rooms(sources()))
def test_what_people_see_reads_no_table_by_itself(name: str) -> None:
    assert words_in(sources()[name]) == []


def test_the_door_leads_to_the_builder_only_when_a_release_is_built() -> None:
    known = sources()
    tree = ast.parse(known[DOOR])
    lazy = {
        node.name: {one.module for one in ast.walk(node) if isinstance(one, ast.ImportFrom)}
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }
    assert {name: found for name, found in lazy.items() if found} == {"build_release": {"pipelines.release_build"}}
    assert any(way.endswith("pipelines.store") for way in _through("pipelines.release_build", known))
    assert ways_out(DOOR, known) == []


def _through(name: str, known: Mapping[str, str]) -> list[str]:
    """Barred modules that a barred module imports itself."""
    return [one for one in imports(name, known[name], known) if BARRED.fullmatch(one)]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("from pipelines.store import Store", "pipelines.store"),
        ("import pipelines.engine", "pipelines.engine"),
        ("def f():\n    from pipelines import store", "pipelines.store"),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pipelines.store import Store",
            "pipelines.store",
        ),
        ("from pipelines.show import banners", "pipelines.show"),
        ("from pipelines.readers import hsds", "pipelines.readers"),
        ("from pipelines.release_build import build", "pipelines.release_build"),
        ("import duckdb", "duckdb"),
        ("from . import flow", "pipelines.flow"),
        ("from .helper import x", "pipelines.helper > pipelines.store"),
        ("import pipelines.helper as h", "pipelines.helper > pipelines.store"),
    ],
)
def test_a_module_that_reaches_a_store_is_found(source: str, told: str) -> None:
    known = {**sources(), "pipelines.brief_new": source, "pipelines.helper": "def f():\n    import pipelines.store"}
    assert "pipelines.brief_new" in rooms(known)
    assert any(told in way for way in ways_out("pipelines.brief_new", known))


@pytest.mark.parametrize(
    "source",
    [
        "import pandas as pd\nx = pd.read_parquet('a')",
        "open('store/sample/calls.parquet', 'rb')",
        "def f():\n    '''Free.'''\n    return f'{folder}/x.parquet'",
        "from pandas import read_parquet",
        "from pipelines.release import build_release",
        "import importlib\nimportlib.import_module('pipelines' + '.store')",
        "from importlib import import_module\nimport_module(f'{__name__}.a')\nimport_module(f'{x}.a')",
        "from importlib import import_module as m\nm(f'{__name__}.a')",
        "x = __import__('pipelines.st' + 'ore')",
    ],
)
def test_a_module_that_reads_by_itself_is_found(source: str) -> None:
    assert words_in(source)
    assert (
        words_in('"""Words on read_parquet and x.parquet are free."""\nfrom pipelines.release import open_release')
        == []
    )
