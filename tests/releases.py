"""Policies and releases for tests: a short ladder, so that a release is built in seconds."""

import shutil
from pathlib import Path

import pandas as pd

from pipelines.city import City
from pipelines.policy import Policy, load_policy
from pipelines.resources import data_path
from pipelines.store import Store

SHORT = """ladder = [
  { level = "neighbourhood", period = "year", detail = "unmet", needs = "rollup" },
  { level = "city", period = "year", detail = "unmet", needs = "rollup" },
  { level = "city", period = "year", detail = "calls", needs = "rollup" },
]
"""


def short_policy(folder: Path, city: City, *, slug: str = "public", **changes: str) -> Policy:
    """A shipped policy with a ladder of three designs; each change replaces a line `key = …`."""
    lines = data_path("policies", f"{slug}.toml").read_text("utf-8").splitlines()
    start = lines.index("ladder = [")
    end = lines.index("]", start)
    lines[start : end + 1] = SHORT.splitlines()
    for key, value in changes.items():
        at = [n for n, line in enumerate(lines) if line.split("=")[0].strip() == key]
        assert at, key
        lines[at[0]] = f"{key} = {value}"
    path = folder / f"{slug}.toml"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return load_policy(path, city=city)


def san_francisco_policy(folder: Path, city: City, *, base: str) -> Policy:
    """The public policy of a city whose levels do not nest: `base` (tract or district) and the city, whole ladder."""
    text = data_path("policies", "public.toml").read_text("utf-8")
    start, end = text.index("levels = ["), text.index("# Small numbers.")
    levels = f'levels = [\n  {{ name = "{base}", within = "city", base = true }},\n  {{ name = "city" }},\n]\n\n'
    text = text[:start] + levels + text[end:]
    rungs = [line for line in text.splitlines() if '{ level = "neighbourhood", period' in line]
    for line in rungs:
        text = text.replace(line + "\n", "")
    text = text.replace('{ level = "tract", period', f'{{ level = "{base}", period')
    floor = "district" if base == "district" else "city"
    path = folder / f"public-{base}.toml"
    path.write_text(text.replace('homelessness = "neighbourhood"', f'homelessness = "{floor}"'), "utf-8")
    return load_policy(path, city=city)


def without_ledger(store: Store, target: Path) -> Store:
    """A copy of a store from which nothing was released yet."""
    return Store(Path(shutil.copytree(store.folder, target, ignore=shutil.ignore_patterns("ledger"))))


def bytes_of(folder: Path) -> bytes:
    """Every byte of a release, its Parquet values read too, since files are compressed."""
    out = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            out.append(path.name.encode() + path.read_bytes())
            if path.suffix == ".parquet":
                table = pd.read_parquet(path)
                out.append(table.drop(columns=["geometry", "hours"], errors="ignore").to_csv().encode())
    return b"\n".join(out)
