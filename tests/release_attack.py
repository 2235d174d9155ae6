"""What a visitor can work out from the files of public releases alone; written without the code that protects them.

A variable is a number that exists: a cell of a release, named by need, area, period, leg, outcome and block. What is
shown is known; sums over areas, periods, outcomes and blocks tie the variables. Areas nest as on any map.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array, vstack

CELL = ["level", "geoid", "grain", "period", "leg", "outcome", "block"]
STEPS = {"quarter": "year", "year": "whole"}


def cells_of(folder: Path) -> pd.DataFrame:
    """Every number that a release names, shown or not."""
    calls = pd.read_parquet(folder / "calls.parquet").assign(leg="", outcome="", block="")
    cells = pd.read_parquet(folder / "cells.parquet").assign(block="")
    hours = pd.read_parquet(folder / "hours.parquet").assign(grain="whole")
    hours["outcome"] = hours["outcome"].where(hours["leg"] != "", "")
    columns = ["need", *CELL, "n", "state"]
    return pd.concat([part[columns] for part in (calls, cells, hours)], ignore_index=True)


def sums(cells: pd.DataFrame, parents: Mapping[str, tuple[str, Mapping[str, str]]]) -> list[tuple[list[int], int]]:
    """(parts, total) of rows of one need: every sum that ties its cells. `parents` maps a level to the next and how."""
    at = {tuple(row): number for number, row in enumerate(cells[CELL].itertuples(index=False, name=None))}
    groups: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for key, number in at.items():
        for step, total in _totals(dict(zip(CELL, key, strict=True)), parents):
            groups.setdefault((step, tuple(total[name] for name in CELL)), []).append(number)
    return [(parts, at[total]) for (_, total), parts in groups.items() if total in at]


def _totals(
    one: dict[str, str], parents: Mapping[str, tuple[str, Mapping[str, str]]]
) -> list[tuple[str, dict[str, str]]]:
    out = []
    if one["outcome"]:
        out.append((f"outcome {one['leg']}", one | {"leg": "", "outcome": ""}))
    if one["block"]:
        out.append(("block", one | {"block": ""}))
    if one["grain"] in STEPS:
        for whole in _periods(one):
            out.append((f"period {one['grain']}", one | whole))
    if one["level"] in parents:
        level, inside = parents[one["level"]]
        out.append((f"area {one['level']}", one | {"level": level, "geoid": inside[one["geoid"]]}))
    return out


def _periods(one: dict[str, str]) -> list[dict[str, str]]:
    """The names that a year or a whole may have: `2024`, `2024Q1-2024Q3`, of which only those that exist count."""
    return [{"grain": STEPS[one["grain"]], "period": label} for label in LABELS.get((one["grain"], one["period"]), [])]


LABELS: dict[tuple[str, str], list[str]] = {}


def learn_periods(told: Sequence[Mapping[str, str]]) -> None:
    """Reads from release.json which periods are parts of which."""
    LABELS.clear()
    for one in told:
        for other in told:
            nested = one["start"] >= other["start"] and one["end"] <= other["end"]
            if STEPS.get(one["grain"]) == other["grain"] and nested:
                LABELS.setdefault((one["grain"], one["period"]), []).append(other["period"])


def subtracted(cells: pd.DataFrame, ties: Sequence[tuple[list[int], int]]) -> dict[int, int]:
    """Cells found by taking what is shown from what is shown, over and over."""
    known = {int(at): int(n) for at, n in cells["n"].dropna().items()}
    found: dict[int, int] = {}
    grew = True
    while grew:
        grew = False
        for parts, total in ties:
            missing = [cell for cell in (*parts, total) if cell not in known]
            if len(missing) == 1:
                cell = missing[0]
                seen = sum(known[part] for part in parts if part != cell)
                known[cell] = found[cell] = seen if cell == total else known[total] - seen
                grew = True
    return found


def intervals(cells: pd.DataFrame, ties: Sequence[tuple[list[int], int]], wanted: Sequence[int]) -> NDArray[np.float64]:
    """(wanted, 2) least and greatest value of cells by linear programme over everything that is known."""
    size = len(cells)
    rows = [
        csr_array((np.array([*np.ones(len(p)), -1.0]), (np.zeros(len(p) + 1, int), [*p, t])), shape=(1, size))
        for p, t in ties
    ]
    matrix = vstack(rows).tocsr()
    low = np.where(cells["state"] == "hidden", 1.0, 0.0)
    shown = cells["n"].notna().to_numpy()
    value = cells["n"].fillna(0).to_numpy(float)
    low, high = np.where(shown, value, low), np.where(shown, value, np.inf)
    out = []
    for cell in wanted:
        target = np.zeros(size)
        target[cell] = 1
        ends = []
        for sign in (1, -1):
            done = linprog(
                sign * target,
                A_eq=matrix,
                b_eq=np.zeros(len(ties)),
                bounds=np.column_stack([low, high]),
                method="highs",
            )
            ends.append(sign * done.fun if done.status == 0 else np.inf * -sign * -1)
        out.append(ends)
    return np.array(out, dtype=float).reshape(-1, 2)
