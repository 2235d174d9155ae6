"""What an attacker does with published numbers; written without the code under test, to be held against it."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linprog

Rows = Sequence[tuple[NDArray[np.float64], float]]


def program(published: Rows, floors: Rows, target: NDArray[np.float64]) -> tuple[float, float]:
    """Least and greatest target @ x over x ≥ 0 with row @ x = value for each published row, ≥ for each floor."""
    equal = np.array([row for row, _ in published]) if published else None
    right = np.array([value for _, value in published]) if published else None
    above = -np.array([row for row, _ in floors]) if floors else None
    least = -np.array([value for _, value in floors]) if floors else None
    ends = []
    for sign in (1, -1):
        found = linprog(sign * target, A_ub=above, b_ub=least, A_eq=equal, b_eq=right, bounds=(0, None), method="highs")
        ends.append(sign * np.inf * -1 if found.status == 3 else sign * found.fun)
    return float(ends[0]), float(ends[1])


def members(counts: pd.DataFrame, keys: pd.DataFrame, dimensions: Sequence[str]) -> NDArray[np.float64]:
    """(C, rows of counts) 1 where a base row belongs to a cell, from labels alone."""
    inside = np.ones((len(keys), len(counts)), dtype=bool)
    for name in dimensions:
        for level in keys[f"{name}_level"].unique():
            at = (keys[f"{name}_level"] == level).to_numpy()
            labels = keys.loc[at, name].to_numpy().astype(str)
            inside[at] &= labels[:, None] == counts[level].astype(str).to_numpy()[None, :]
    return inside.astype(float)


def open_intervals(
    inside: NDArray[np.float64], n: NDArray[np.int64], states: NDArray[np.int8], *, lower: int
) -> NDArray[np.float64]:
    """(C, 2) interval of every cell by full programmes over base rows: 0 shown, 1 hidden (≥ lower), 2 withheld."""
    published = [(inside[cell], float(n[cell])) for cell in np.flatnonzero(states == 0)]
    floors = [(inside[cell], float(lower)) for cell in np.flatnonzero(states == 1)] if lower else []
    return np.array(
        [
            (value, value) if state == 0 else program(published, floors, row)
            for row, value, state in zip(inside, n.astype(float), states, strict=True)
        ]
    )


def subtract(inside: NDArray[np.float64], n: NDArray[np.int64], states: NDArray[np.int8]) -> dict[int, int]:
    """Hidden cells recovered by taking visible parts from visible totals, over and over.

    Every cell that is a sum of disjoint others, one dimension apart, is tried as a total.
    """
    known = {int(cell): int(n[cell]) for cell in np.flatnonzero(states == 0)}
    rows = [frozenset(np.flatnonzero(row)) for row in inside]
    families = _families(rows)
    found: dict[int, int] = {}
    grew = True
    while grew:
        grew = False
        for total, parts in families:
            missing = [cell for cell in (total, *parts) if cell not in known]
            if len(missing) == 1:
                cell = missing[0]
                seen = sum(known[part] for part in parts if part != cell)
                known[cell] = found[cell] = seen if cell == total else known[total] - seen
                grew = True
    return found


def _families(rows: Sequence[frozenset[int]]) -> list[tuple[int, list[int]]]:
    families = []
    for total, whole in enumerate(rows):
        inner = [cell for cell, row in enumerate(rows) if row < whole]
        for size in sorted({len(rows[cell]) for cell in inner}):
            parts: list[int] = []
            covered: set[int] = set()
            for cell in inner:
                if len(rows[cell]) == size and not covered & rows[cell]:
                    parts.append(cell)
                    covered |= rows[cell]
            if covered == whole:
                families.append((total, parts))
    return families


def windows(published: Mapping[tuple[int, int], int]) -> dict[tuple[int, int], int]:
    """Every window [start, end) whose sum follows from published windows: prefix sums joined by union-find."""
    level: dict[int, tuple[int, int]] = {}

    def root(edge: int) -> tuple[int, int]:
        parent, offset = level.setdefault(edge, (edge, 0))
        if parent == edge:
            return edge, 0
        top, above = root(parent)
        level[edge] = (top, offset + above)
        return level[edge]

    for (start, end), total in published.items():
        (one, first), (two, second) = root(start), root(end)
        if one != two:
            level[two] = (one, total + first - second)
    edges = sorted(level)
    return {
        (start, end): root(end)[1] - root(start)[1]
        for start in edges
        for end in edges
        if start < end and root(start)[0] == root(end)[0]
    }


def groups(published: Mapping[frozenset[str], int]) -> dict[frozenset[str], int]:
    """What pairs of published multi-selections give: the difference of a set and any set inside it."""
    return {one - two: published[one] - published[two] for one in published for two in published if two < one}


def count_from_rate(rate: float, population: float, *, per: float, decimals: int) -> list[int]:
    """Whole counts that print as this rate: a list of one is a recovered count."""
    half = 0.5 * 10.0**-decimals
    low, high = (rate - half) * population / per, (rate + half) * population / per
    return [n for n in range(max(0, int(np.floor(low))), int(np.ceil(high)) + 1) if low <= n <= high]
