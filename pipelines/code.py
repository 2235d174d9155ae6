"""What code a module can reach inside this project, as a hash: a changed formula re-runs the stages that use it."""

import ast
import hashlib
import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

ROOMS = ("geo", "pipelines")
_CALLED_BY_NAME = re.compile(r"((?:geo|pipelines)(?:\.\w+)+):\w+")


@lru_cache(maxsize=256)
def code_hash(module: str) -> str:
    """Hash of the sources of a module of this project and of all that it imports from it, however deep."""
    sources = {name: _path(name).read_bytes() for name in sorted(_closure(module))}
    return hashlib.sha256(b"\0".join(name.encode() + b"\0" + text for name, text in sources.items())).hexdigest()


def _closure(module: str) -> set[str]:
    seen: set[str] = set()
    left = [module]
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            left += imports_of(name) - seen
    return seen


@lru_cache(maxsize=256)
def imports_of(module: str) -> frozenset[str]:
    """Modules of this project that a module reaches.

    They are those it imports, at its top or inside its functions, those it names as `module:function` to have them
    run in a confined child, and the packages that these are in.
    """
    found = set()
    for node in ast.walk(ast.parse(_path(module).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {named[1] for named in [_CALLED_BY_NAME.fullmatch(node.value)] if named}
    own = {name for name in found if name.split(".")[0] in ROOMS and _is_module(name)}
    return frozenset(own | {package for name in own for package in _packages(name)})


def _packages(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


@lru_cache(maxsize=1024)
def _is_module(name: str) -> bool:
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        return False
    return spec is not None and spec.origin is not None


def _path(module: str) -> Path:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    return Path(spec.origin)
