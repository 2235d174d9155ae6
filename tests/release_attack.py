"""What a visitor can work out from the files of public releases alone; written without the code that protects them.

A variable is a number that exists: calls of a need, in an area, in a set of quarters, of a leg and outcome, in a block
of hours. What any release shows is known; sums over areas, quarters, outcomes and blocks tie the variables.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array

KEY = ["need", "level", "geoid", "quarters", "leg", "outcome", "block"]
CAUSES = ("spatial", "barrier", "temporal")
LEGS = ("respond", "place", "contact")
SMALL = 10

Cell = tuple[str, str, str, frozenset[str], str, str, str]  # as KEY
Tie = tuple[tuple[int, ...], int]  # parts, total
Range = tuple[tuple[int, ...], float, float]  # cells whose sum lies between


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """All that releases tell: V variables, their numbers (nan = not shown), bounds, sums and ranges of sums.

    ``named`` (V,) true for cells that a release names, ``withheld`` (V,) told as parts of a small total; ``blocks`` the
    sets of quarters that went out together. Where releases have one symbol for hidden it may be a zero.
    """

    cells: tuple[Cell, ...]
    n: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    named: NDArray[np.bool_]
    withheld: NDArray[np.bool_]
    ties: tuple[Tie, ...]
    ranges: tuple[Range, ...]
    blocks: tuple[frozenset[str], ...]
    levels: tuple[str, ...]
    inside: Mapping[str, Mapping[str, str]]

    @property
    def hidden(self) -> NDArray[np.bool_]:
        return self.named & np.isnan(self.n)

    @property
    def in_one_block(self) -> NDArray[np.bool_]:
        """(V,) cells that one block holds; the others are sums over blocks."""
        return np.array([any(cell[3] <= block for block in self.blocks) for cell in self.cells])


def known(folders: Sequence[Path]) -> Known:
    """What releases of one audience tell together, told by their files; raises AssertionError where they disagree."""
    told = [json.loads((folder / "release.json").read_text("utf-8")) for folder in folders]
    table = pd.concat([_cells(folder, one) for folder, one in zip(folders, told, strict=True)], ignore_index=True)
    shown = table.dropna(subset="n").groupby(KEY)["n"]
    assert (shown.min() == shown.max()).all(), "releases show two numbers of one cell"
    withheld = table["state"].to_numpy() == "withheld"
    never_zero = (table["state"].to_numpy() == "hidden") & withheld.any()
    table = table.assign(withheld=withheld, low=never_zero.astype(float))
    merged = table.groupby(KEY, sort=False)[["n", "low", "withheld"]].max()
    blocks = tuple(dict.fromkeys(frozenset(block["quarters"]) for one in told for block in one["blocks"]))
    cells: list[Cell] = list(merged.index)
    at = {cell: number for number, cell in enumerate(cells)}
    ties = _period_ties(cells, at)
    levels, inside = _geography(folders[-1], told[-1])
    by_area: dict[Cell, list[int]] = {}
    for cell, number in list(at.items()):
        for total in _larger(cell, at, levels, inside):
            by_area.setdefault((*total, _step(cell, total)), []).append(number)  # type: ignore[arg-type]
    ties += [(tuple(parts), at[total[:-1]]) for total, parts in by_area.items()]  # type: ignore[index]
    extra = len(cells) - len(merged)
    return Known(
        cells=tuple(cells),
        n=np.append(merged["n"].to_numpy(float), np.full(extra, np.nan)),
        low=np.append(merged["low"].to_numpy(float), np.zeros(extra)),
        high=np.full(len(cells), np.inf),
        named=np.arange(len(cells)) < len(merged),
        withheld=np.append(merged["withheld"].to_numpy(bool), np.zeros(extra, dtype=bool)),
        ties=tuple(ties),
        ranges=tuple(_share_ranges(table, told[-1], at)),
        blocks=blocks,
        levels=levels,
        inside=inside,
    )


def _cells(folder: Path, told: Mapping[str, Any]) -> pd.DataFrame:
    """Every number that one release names, shown or not; `quarters` is the set of published quarters it is of."""
    calls = pd.read_parquet(folder / "calls.parquet").assign(leg="", outcome="", block="")
    cells = pd.read_parquet(folder / "cells.parquet").assign(block="")
    hours = pd.read_parquet(folder / "hours.parquet").assign(grain="hours")
    hours["outcome"] = hours["outcome"].where(hours["leg"] != "", "")
    parts = [part for part in (calls, cells, hours) if len(part)]
    table = pd.concat(
        [part[["need", "level", "geoid", "grain", "period", "leg", "outcome", "block", "n", "state"]] for part in parts]
    )
    spans = {one["period"]: _quarters(one, told["blocks"]) for one in told["periods"]}
    rolled = {q: block["needs"] == "rollup" for block in told["blocks"] for q in block["quarters"]}
    quarters = table["period"].map(spans)
    is_rolled = [any(rolled[q] for q in own) for own in quarters]
    need = [f"rollup {need}" if roll else need for need, roll in zip(table["need"], is_rolled, strict=True)]
    return table.assign(quarters=quarters, need=need, n=table["n"].astype("Float64").astype(float))


def _quarters(period: Mapping[str, str], blocks: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """The published quarters inside the dates of a period."""
    every = {quarter for block in blocks for quarter in block["quarters"]}
    first, last = (_quarter_of(period[end]) for end in ("start", "end"))
    return frozenset(quarter for quarter in every if first <= quarter < last)


def _quarter_of(day: str) -> str:
    return f"{day[:4]}Q{(int(day[5:7]) + 2) // 3}"


def _geography(folder: Path, told: Mapping[str, Any]) -> tuple[tuple[str, ...], dict[str, dict[str, str]]]:
    """(levels from fine to coarse, level → area → the area of the next level it lies in), from the outlines told."""
    levels = tuple(told["levels"])
    inside: dict[str, dict[str, str]] = {}
    for fine, coarse in pairwise(levels):
        areas = pd.read_parquet(folder / f"areas_{fine}.parquet", columns=["geoid", "geometry"])
        if coarse == "city":
            inside[fine] = dict.fromkeys(areas["geoid"], "city") | {"_elsewhere": "city"}
            continue
        over = pd.read_parquet(folder / f"areas_{coarse}.parquet", columns=["geoid", "geometry"])
        points = shapely.point_on_surface(shapely.from_wkb(areas["geometry"].to_numpy()))
        tree = shapely.STRtree(shapely.from_wkb(over["geometry"].to_numpy()))
        child, parent = tree.query(points, predicate="within")
        ids = areas["geoid"].to_numpy()[child], over["geoid"].to_numpy()[parent]
        inside[fine] = dict(zip(*ids, strict=True)) | {"_elsewhere": "_elsewhere"}
    return levels, inside


def _period_ties(cells: list[Cell], at: dict[Cell, int]) -> list[Tie]:
    """Ties between periods; adds to `cells` the pieces of which all periods of a need and leg are made.

    A piece is a largest set of quarters that every period holds or lacks as a whole; pieces that no release names are
    variables. So every exact cover of a period by others and every difference of two follows from these ties.
    """
    sets: dict[tuple[str, str], set[frozenset[str]]] = {}
    for need, _, _, quarters, leg, _, _ in cells:
        sets.setdefault((need, leg), set()).add(quarters)
    pieces = {key: _pieces(own) for key, own in sets.items()}
    ties: list[Tie] = []
    for number, (need, level, geoid, quarters, leg, outcome, block) in enumerate(list(cells)):
        parts = [piece for piece in pieces[need, leg] if piece <= quarters]
        if parts == [quarters]:
            continue
        numbers = []
        for piece in parts:
            key = (need, level, geoid, piece, leg, outcome, block)
            if key not in at:
                at[key] = len(cells)
                cells.append(key)
            numbers.append(at[key])
        ties.append((tuple(numbers), number))
    return ties


def _pieces(sets: Iterable[frozenset[str]]) -> list[frozenset[str]]:
    own = sorted(sets, key=sorted)
    held: dict[tuple[bool, ...], set[str]] = {}
    for quarter in sorted(frozenset().union(*own)):
        held.setdefault(tuple(quarter in one for one in own), set()).add(quarter)
    return [frozenset(piece) for piece in held.values()]


def _larger(
    cell: Cell, at: Mapping[Cell, int], levels: Sequence[str], inside: Mapping[str, Mapping[str, str]]
) -> Iterator[Cell]:
    """The totals that a cell is a direct part of: of its outcomes, of its blocks, of its area."""
    need, level, geoid, quarters, leg, outcome, block = cell
    if outcome in CAUSES:
        yield from _if_told((need, level, geoid, quarters, leg, "unmet", block), at)
    split = outcome == "unmet" and any((need, level, geoid, quarters, leg, cause, block) in at for cause in CAUSES)
    if outcome and not split:
        yield from _if_told((need, level, geoid, quarters, "", "", block), at)
    if block:
        yield from _if_told((need, level, geoid, quarters, leg, outcome, ""), at)
    while level in inside:
        level, geoid = levels[levels.index(level) + 1], inside[level][geoid]
        total = (need, level, geoid, quarters, leg, outcome, block)
        if total in at:
            yield total
            return


def _if_told(total: Cell, at: Mapping[Cell, int]) -> Iterator[Cell]:
    if total in at:
        yield total


def _step(cell: Cell, total: Cell) -> str:
    """Which sum a part stands in: one for each leg, each finer level, and so on."""
    changed = [name for name, own, other in zip(KEY, cell, total, strict=True) if own != other]
    return " ".join([*changed, cell[1] if "level" in changed else "", cell[4] if "leg" in changed else ""])


def _share_ranges(table: pd.DataFrame, told: Mapping[str, Any], at: Mapping[Cell, int]) -> Iterator[Range]:
    """Shares told of tables: shown ÷ all, so that all lies between two numbers."""
    for block in told["blocks"]:
        shares = block.get("shown") or {}
        step = 0.5 * 10.0 ** -max((len(str(share).partition(".")[2]) for share in shares.values()), default=4)
        for name, share in shares.items():
            cells = _finest(table, block, name, told["levels"])
            seen = float(cells["n"].sum())
            if seen and share:
                numbers = tuple(at[key] for key in cells[KEY].itertuples(index=False, name=None))
                yield numbers, seen / (share + step), seen / (share - step)


def _finest(table: pd.DataFrame, block: Mapping[str, Any], name: str, levels: Sequence[str]) -> pd.DataFrame:
    """The cells of which a share is told: each need's own finest table of a block, calls without the leg left out."""
    own = table[table["quarters"].map(lambda quarters: quarters <= frozenset(block["quarters"]))]
    leg = name.split()[-1] if name.split()[-1] in LEGS else ""
    if name.startswith("hours"):
        own = own[own["block"] != ""]
    else:
        own = own[(own["block"] == "") & (own["grain"] == block["calls" if name == "calls" else "outcomes"][1])]
    own = own[own["leg"].isin(LEGS) if name == "outcomes" else own["leg"] == leg]
    own = own[own["outcome"] != "no_leg"].drop_duplicates(KEY)
    rank = own["level"].map({level: number for number, level in enumerate(levels)})
    own = own[rank == rank.groupby([own["need"], own["leg"]]).transform("min")]
    group = ["need", "level", "geoid", "quarters", "leg", "block"]
    has_causes = own["outcome"].isin(CAUSES).groupby([own[column] for column in group]).transform("any")
    return own[~(has_causes & (own["outcome"] == "unmet"))]


def subtracted(told: Known) -> dict[int, int]:
    """Variables found by taking what is shown from what is shown, over and over."""
    numbers = {int(cell): int(n) for cell, n in enumerate(told.n) if not np.isnan(n)}
    of_cell: dict[int, list[int]] = {}
    for tie, (parts, total) in enumerate(told.ties):
        for cell in (*parts, total):
            of_cell.setdefault(cell, []).append(tie)
    found: dict[int, int] = {}
    todo = list(range(len(told.ties)))
    while todo:
        parts, total = told.ties[todo.pop()]
        missing = [cell for cell in (*parts, total) if cell not in numbers]
        if len(missing) == 1:
            cell = missing[0]
            seen = sum(numbers[part] for part in parts if part != cell)
            numbers[cell] = found[cell] = seen if cell == total else numbers[total] - seen
            todo += of_cell[cell]
    return found


def with_rule(told: Known) -> Known:
    """The same with what the rule of protection says, which anybody can read.

    Zeros are shown but where they are parts of a small total, and all parts of a small total are hidden. So a hidden
    total of which a part is shown is not small, and what is in no total that may be small is not zero. With a second
    symbol for parts of small totals, those are small, and a total with a hidden part that is none is not.
    """
    inside = told.in_one_block
    low = told.low.copy()
    is_open = told.named & (~np.isnan(told.n) | (~told.withheld & told.withheld.any()))
    for parts, total in told.ties:
        whole = told.hidden[total] and inside[total] and not told.withheld[total]
        if whole and len(parts) > 1 and is_open[list(parts)].any():
            low[total] = SMALL + 1
    may_be_zero = ~(told.hidden & inside)
    for parts, total in told.ties:
        if np.isnan(told.n[total]) and low[total] <= SMALL:
            may_be_zero[list(parts)] = True
    low = np.where(may_be_zero, low, np.maximum(low, 1))
    return replace(told, low=low, high=np.where(told.withheld & inside, SMALL, told.high))


def small_rests(told: Known) -> list[tuple[int, int]]:
    """(larger, smaller) shown cells, one inside the other by area, period, outcome and block, 1 to 10 calls apart."""
    shown = {cell: int(n) for cell, n in zip(told.cells, told.n, strict=True) if not np.isnan(n)}
    at = {cell: number for number, cell in enumerate(told.cells)}
    periods: dict[str, set[frozenset[str]]] = {}
    for cell in shown:
        periods.setdefault(cell[0], set()).add(cell[3])
    out = []
    for cell, n in shown.items():
        for other in _around(cell, told, periods[cell[0]]):
            if other in shown and 1 <= shown[other] - n <= SMALL:
                out.append((at[other], at[cell]))
    return out


def _around(cell: Cell, told: Known, periods: Iterable[frozenset[str]]) -> Iterator[Cell]:
    need, level, geoid, quarters, leg, outcome, block = cell
    areas = [(level, geoid)]
    while level in told.inside:
        level, geoid = told.levels[told.levels.index(level) + 1], told.inside[level][geoid]
        areas.append((level, geoid))
    outcomes = dict.fromkeys([(leg, outcome), (leg, "unmet" if outcome in CAUSES else outcome), ("", "")])
    for period in periods:
        if quarters <= period:
            for area in areas:
                for group in outcomes:
                    for hours in dict.fromkeys([block, ""]):
                        yield (need, *area, period, *group, hours)


def matrix(told: Known) -> csr_array:
    """(ties, V): +1 on parts, −1 on their total."""
    rows = np.repeat(np.arange(len(told.ties)), [len(parts) + 1 for parts, _ in told.ties])
    columns = np.array([cell for parts, total in told.ties for cell in (*parts, total)], dtype=int)
    signs = np.array([sign for parts, _ in told.ties for sign in (*[1.0] * len(parts), -1.0)])
    return csr_array((signs, (rows, columns)), shape=(len(told.ties), len(told.cells)))
