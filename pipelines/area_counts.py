"""Residents and other counts of areas: census tables joined by id, and carried to levels that have none."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geo.areas import SLIVER_SHARE, interpolate, union_check
from geo.errors import FileRejected
from geo.rates import moe_sum
from pipelines.city import Denominator, Level
from pipelines.findings import Books
from pipelines.readers.table import Text, read_table

if TYPE_CHECKING:
    import geopandas as gpd

SENTINELS = frozenset(
    (
        *("-999999999", "-888888888", "-666666666", "-555555555", "-333333333", "-222222222"),
        *("(X)", "X", "N", "-", "**", "***", "*****", "null", "NULL", "NA"),
    )
)
CONTROLLED = frozenset(("-555555555", "*****"))
MOST_RESIDENTS = 10_000_000
MIN_COVERAGE = 0.8
MIN_RESIDENTS = 100
MOST_GROUP_QUARTERS = 0.5
_GEO_ID = re.compile(r"\d{3}[0-9A-Z]{4}US")
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?|\d{1,3}(,\d{3})+")


def from_table(table: Denominator, level: Level, geoids: Sequence[str], path: Path, books: Books) -> pd.DataFrame:
    """The table's columns for each of `geoids`, in their order; missing where it has no row or no number.

    Raises:
        FileRejected: those of `read_table`; GEOG_VINTAGE where a fifth of the areas has no row.
    """
    source = f"denominators.{level.name}"
    wanted = [table.id, *dict.fromkeys(theirs for _, theirs in table.columns)]
    text = read_table(path, format=table.format, columns=wanted)
    for line, reason, _ in text.refused:
        books.refused(source, line, reason, table.id)
    rows, merged = _by_id(text, table, books, source)
    books.counted(source, "denominators", table.path, rows_in=len(text.rows) + len(text.refused), rows_merged=merged)
    _require_same_boundaries(rows, geoids, level, path.name, books, source)
    at = {theirs: text.column(theirs) for _, theirs in table.columns}
    blank = ("",) * len(text.header)
    values = {ours: [rows.get(geoid, blank)[at[theirs]] for geoid in geoids] for ours, theirs in table.columns}
    return _numbers(values, geoids, frozenset(table.missing), books, source, known=[g in rows for g in geoids])


def from_layer(level: Level, areas: "gpd.GeoDataFrame", books: Books) -> pd.DataFrame:
    """The counts that the layer itself carries, in the order of `areas`."""
    source = f"denominators.{level.name}"
    values = {ours: [_plain(raw.get(theirs)) for raw in areas["raw"]] for ours, theirs in level.columns}
    return _numbers(values, list(areas["geoid"]), frozenset(), books, source, known=[True] * len(areas))


def _plain(value: Any) -> str:
    return "" if value is None else str(int(value)) if isinstance(value, float) and value == int(value) else str(value)


def _by_id(text: Text, table: Denominator, books: Books, source: str) -> tuple[dict[str, tuple[str, ...]], int]:
    """Rows by id, and how many lines stand for nothing of their own: label rows and exact repeats."""
    rows: dict[str, tuple[str, ...]] = {}
    labels, prefixed, padded, merged = [], [], [], 0
    for line, values in text.rows:
        raw = values[0].strip()
        if not any(c.isdigit() for c in raw) and not any(_NUMBER.fullmatch(v.strip()) for v in values[1:]):
            labels.append(line)
            merged += 1
            continue
        geoid, had_prefix, was_padded = _geoid(raw, table)
        prefixed += [line] if had_prefix and not table.id_prefix else []
        padded += [geoid] if was_padded else []
        if not geoid:
            books.refused(source, line, "MISSING_KEY", table.id)
        elif geoid not in rows:
            rows[geoid] = values
        elif rows[geoid][1:] == values[1:]:
            merged += 1
        else:
            books.refused(source, line, "DUPLICATE_CONFLICT", table.id, raw)
    n = len(text.rows)
    books.found(source, "WARN_LABEL_ROW", labels, "a second header row of labels was left out", severity="info")
    books.found(
        source, "WARN_GEOID_PREFIX", prefixed, "ids carry a GEO_ID prefix, taken off", severity="info", out_of=n
    )
    detail = f"ids lost leading zeros, padded to {table.id_width} digits"
    books.found(source, "WARN_GEOID_PADDED", padded, detail, severity="info", out_of=n)
    return rows, merged


def _geoid(raw: str, table: Denominator) -> tuple[str, bool, bool]:
    """The id, whether a GEO_ID prefix came off, and whether zeros were put back."""
    text = raw.removesuffix(".0")
    stripped = text.removeprefix(table.id_prefix) if table.id_prefix else text
    had_prefix = _GEO_ID.match(stripped) is not None
    if had_prefix:
        stripped = _GEO_ID.sub("", stripped, count=1)
    padded = stripped.zfill(table.id_width) if stripped.isdigit() else stripped
    return padded, had_prefix, padded != stripped


def _require_same_boundaries(
    rows: Mapping[str, object], geoids: Sequence[str], level: Level, path: str, books: Books, source: str
) -> None:
    have = set(geoids)
    lacking = sorted(have - rows.keys())
    near = {geoid[:5] for geoid in have}
    strange = [geoid for geoid in rows if geoid not in have and geoid[:5] in near]
    n_near = sum(geoid[:5] in near for geoid in rows)
    if len(lacking) > (1 - MIN_COVERAGE) * len(have):
        listed = ", ".join(sorted(strange)[-5:]) or ", ".join(sorted(rows)[:3])
        message = (
            f"{len(strange)} of {n_near} not in the {level.name} layer [{listed}], and {len(lacking)} of {len(have)} "
            f"areas have no row: table and layer ({level.vintage}) are of different boundaries, or the ids are "
            "written differently (id_width, id_strip)"
        )
        raise FileRejected(path, "GEOG_VINTAGE", message)
    detail = "areas without a row in the table: no rate is given there"
    books.found(source, "DENOMINATOR_MISSING", lacking, detail, out_of=len(have))


def _numbers(
    values: Mapping[str, Sequence[str]],
    geoids: Sequence[str],
    missing: frozenset[str],
    books: Books,
    source: str,
    *,
    known: Sequence[bool],
) -> pd.DataFrame:
    frame = pd.DataFrame(
        {ours: [_number(text, missing, ours.endswith("_moe")) for text in column] for ours, column in values.items()},
        dtype="float64",
    )
    n = len(geoids)
    residents = frame["population"] if "population" in frame else pd.Series(np.nan, index=frame.index)
    odd = (residents > MOST_RESIDENTS).to_numpy()
    residents = residents.mask(odd)
    bad = [geoid for geoid, value, is_known in zip(geoids, residents, known) if is_known and not value > 0]
    detail = "no estimate, no number, zero or not plausible: never used as residents"
    books.found(source, "BAD_POPULATION", bad, detail, out_of=n)
    if "population_moe" in frame:
        loose = [g for g, value, moe in zip(geoids, residents, frame["population_moe"]) if moe > value > 0]
        detail = "margin of error larger than the estimate"
        books.found(source, "WARN_UNRELIABLE", loose, detail, out_of=n)
    return frame.assign(population=residents)


def _number(text: str, missing: frozenset[str], is_moe: bool) -> float:
    """A count of zero or more, or NaN; the margin of a controlled estimate is 0. "4,000" in a column is no number."""
    plain = text.strip()
    if is_moe and plain in CONTROLLED:
        return 0.0
    if plain in missing or plain in SENTINELS or not _NUMBER.fullmatch(plain) or "," in plain:
        return math.nan
    value = float(plain)
    return value if 0 <= value < math.inf and plain.removesuffix(".0") not in missing else math.nan


def carried(
    level: Level,
    areas: "gpd.GeoDataFrame",
    base: "gpd.GeoDataFrame",
    columns: Sequence[str],
    vintage: str,
    books: Books,
) -> tuple[pd.DataFrame, str]:
    """Counts of `base` for the areas of another level, and their vintage in words.

    Sums of base areas where every area of the level is an exact union of them, with the margin of a sum; else split
    by area, without margins.
    """
    estimates = [name for name in columns if not name.endswith("_moe")]
    unions = union_check(areas, base, max_share=max(SLIVER_SHARE, 1e-3)) if len(areas) <= len(base) else ()
    if unions and all(one.is_exact and one.children for one in unions):
        children = {one.parent: list(one.children) for one in unions}
        return _sums(areas, base.set_index("geoid"), children, estimates, columns), vintage
    values = {}
    outside = 0.0
    for name in estimates:
        found = interpolate(base[name].to_numpy(float), base[["geometry"]], areas[["geometry"]])
        values[name] = found.values
        outside = found.outside if name == "population" else outside
    source = f"denominators.{level.name}"
    detail = (
        f"{level.name} has no counts of its own and its areas are no unions of base areas: carried over by area"
        + (f"; {outside:,.0f} residents are in none of its areas" if outside >= 1 else "")
    )
    books.found(source, "DENOMINATOR_INTERPOLATED", areas["geoid"], detail, severity="info")
    return pd.DataFrame(values), f"{vintage}, carried over by area"


def _sums(
    areas: "gpd.GeoDataFrame",
    base: pd.DataFrame,
    children: Mapping[str, list[str]],
    estimates: Sequence[str],
    columns: Sequence[str],
) -> pd.DataFrame:
    out: dict[str, list[float]] = {name: [] for name in columns}
    for geoid in areas["geoid"]:
        rows = base.loc[children[geoid]]
        for name in estimates:
            estimate = rows[name].to_numpy(float)
            margin = f"{name}_moe"
            if margin not in columns:
                out[name].append(float(estimate.sum()))
                continue
            moes = rows[margin].to_numpy(float)
            total, moe = moe_sum(estimate, np.nan_to_num(moes))
            out[name].append(float(total))
            out[margin].append(float(moe) if np.isfinite(moes).all() else math.nan)
    return pd.DataFrame(out)


def rate_barred(areas: pd.DataFrame) -> list[str | None]:
    """Why no per-resident rate is given, one an area; None where one may be."""
    quarters = areas["group_quarters"] if "group_quarters" in areas else pd.Series(np.nan, index=areas.index)
    return [_barred(float(people), float(grouped)) for people, grouped in zip(areas["population"], quarters)]


def _barred(people: float, grouped: float) -> str | None:
    if math.isnan(people):
        return "rate withheld: no estimate of residents"
    if people < MIN_RESIDENTS:
        return f"rate withheld: fewer than {MIN_RESIDENTS} residents"
    if grouped > MOST_GROUP_QUARTERS * people:
        return "rate withheld: more than half of residents live in group quarters"
    return None
