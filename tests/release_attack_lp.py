"""How open each hidden number stays under everything that is told: tables of whole calls, and linear programmes.

A cell is open enough where two tables of whole calls that meet all that is told give it values far enough apart. Such
tables are searched for by many programmes at once; what they do not settle gets its own exact programmes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize
from scipy.sparse import csr_array, vstack
from scipy.sparse.csgraph import connected_components

from tests.release_attack import SMALL, Known, known, matrix, small_rests, subtracted, with_rule
from tests.release_attack_truth import truth

WIDE = 9
FULL = 500  # cells up to which every cell gets its programmes
SAMPLE = 12  # programmes for one larger system
_linprog: Any = optimize.linprog
_milp: Any = optimize.milp


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What an attack gives. Cells in words: hidden numbers found exactly (``recovered``), those whose interval breaks
    the rule (``narrow``), pairs of shown totals 1 to 10 calls apart (``rests``).

    Counts: ``cells`` told, ``hidden`` of them, ``attacked`` that are not zero, ``proved`` open by two tables of whole
    calls, ``unsettled`` neither proved nor programmed; ``programmes`` solved.
    """

    recovered: tuple[str, ...]
    narrow: tuple[str, ...]
    rests: tuple[tuple[str, str], ...]
    cells: int
    hidden: int
    attacked: int
    proved: int
    unsettled: int
    programmes: int

    @property
    def is_nothing(self) -> bool:
        return not (self.recovered or self.narrow or self.rests or self.unsettled)


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One component: ``cells`` (m,) variables x, from ``low`` to ``high`` (m,), so that ``sums @ x == right`` and
    ``lows <= ranges @ x <= highs``."""

    cells: NDArray[np.intp]
    sums: csr_array
    right: NDArray[np.float64]
    ranges: csr_array
    lows: NDArray[np.float64]
    highs: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def attack(
    folders: Sequence[Path], calls: pd.DataFrame, *, shares: bool = True, rule: bool = True, seed: int = 0
) -> Found:
    """Everything at once against one release or several that one reader can get.

    ``calls`` (`release_attack_truth.counted`) says what an answer is worth and whether the sums used are true.
    ``shares``: the shares of tables told in release.json are used too; ``rule``: what the rule says of small totals is.
    """
    told = with_rule(known(folders)) if rule else known(folders)
    told = told if shares else replace(told, ranges=())
    true = truth(calls, told.cells)
    shown = ~np.isnan(told.n)
    assert (told.n[shown] == true[shown]).all(), "a release shows a number that is not so"
    assert np.abs(matrix(told) @ true).max(initial=0) == 0, "the attack uses a sum that is not one"
    assert ((told.low <= true) & (true <= told.high)).all(), "a hidden number is outside of what is known of it"
    assert all(low <= true[list(cells)].sum() <= high for cells, low, high in told.ranges), "a share is not so"
    return _attacked(told, true, np.random.default_rng(seed))


def _attacked(told: Known, true: NDArray[np.int64], rng: np.random.Generator) -> Found:
    watched = told.hidden & (true > 0)
    small = watched & (true <= SMALL) & told.in_one_block
    least, most = true.astype(float), true.astype(float)
    exact = {cell for cell in subtracted(told) if true[cell] > 0}
    narrow: list[int] = []
    programmes = unsettled = 0
    for system in systems(told):
        mine = system.cells[watched[system.cells]]
        programmes += _sweep(system, mine, small, least, most, rng)
        left = [int(cell) for cell in mine if _lacks(cell, small, least, most)]
        step = max(1, -(-len(left) // SAMPLE)) if len(system.cells) > FULL else 1
        for cell in left[::step]:
            low, high = _interval(system, cell)
            programmes += 2
            if high - low < 1e-6:
                exact.add(cell)
            elif not _open(low, high, bool(small[cell])):
                narrow.append(cell)
        unsettled += len(left) - len(left[::step])
    return Found(
        recovered=names(told, sorted(exact)),
        narrow=names(told, narrow),
        rests=tuple((names(told, [one])[0], names(told, [other])[0]) for one, other in small_rests(told)),
        cells=int(told.named.sum()),
        hidden=int(told.hidden.sum()),
        attacked=int(watched.sum()),
        proved=sum(not _lacks(int(cell), small, least, most) for cell in np.flatnonzero(watched)),
        unsettled=unsettled,
        programmes=programmes,
    )


def _open(low: float, high: float, is_small: bool) -> bool:
    if is_small:
        return low <= 1 + 1e-6 and high >= SMALL - 1e-6
    return high - low >= WIDE - 1e-6


def _lacks(cell: int, small: NDArray[np.bool_], least: NDArray[np.float64], most: NDArray[np.float64]) -> bool:
    return not _open(float(least[cell]), float(most[cell]), bool(small[cell]))


def systems(told: Known) -> Iterator[System]:
    """The parts that share no unknown, smallest first."""
    unknown = np.flatnonzero(np.isnan(told.n))
    at = np.full(len(told.cells), -1)
    at[unknown] = np.arange(len(unknown))
    ties = matrix(told)
    right = -(ties @ np.nan_to_num(told.n))
    free = csr_array(ties[:, unknown])
    ranges, lows, highs = _ranges(told, at, len(unknown))
    both = vstack([abs(free), ranges]).tocsr()
    _, group = connected_components((both.T @ both), directed=False)
    order = np.bincount(group).argsort(kind="stable")
    for number in order:
        own = np.flatnonzero(group == number)
        sums, bands = csr_array(free[:, own]), csr_array(ranges[:, own])
        used, banded = np.diff(sums.indptr) > 0, np.diff(bands.indptr) > 0
        yield System(
            cells=unknown[own],
            sums=csr_array(sums[used]),
            right=right[used],
            ranges=csr_array(bands[banded]),
            lows=lows[banded],
            highs=highs[banded],
            low=told.low[unknown[own]],
            high=np.minimum(told.high[unknown[own]], max(1000.0, 2 * float(np.nanmax(told.n, initial=0)))),
        )


def _ranges(told: Known, at: NDArray[np.intp], size: int) -> tuple[csr_array, NDArray[np.float64], NDArray[np.float64]]:
    """Ranges of sums of unknowns."""
    rows, columns, ends = [], [], []
    for number, (cells, low, high) in enumerate(told.ranges):
        seen = float(np.nansum(told.n[list(cells)]))
        missing = [at[cell] for cell in cells if at[cell] >= 0]
        rows += [number] * len(missing)
        columns += missing
        ends.append((low - seen, high - seen))
    band = np.array(ends, dtype=float).reshape(-1, 2)
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(ends), size)), band[:, 0], band[:, 1]


def _sweep(
    system: System,
    mine: NDArray[np.intp],
    small: NDArray[np.bool_],
    least: NDArray[np.float64],
    most: NDArray[np.float64],
    rng: np.random.Generator,
) -> int:
    """Programmes solved; widens `least` and `most` by every table of whole calls that a random aim finds."""
    solved, idle = 0, 0
    where = {int(cell): number for number, cell in enumerate(system.cells)}
    while idle < 6:
        left = [int(cell) for cell in mine if _lacks(cell, small, least, most)]
        if not left:
            return solved
        aim = np.zeros(len(system.cells))
        for cell in left:
            wants_more = most[cell] < SMALL if small[cell] else rng.random() < 0.5
            wants_less = least[cell] > 1 if small[cell] else not wants_more
            pull = float(wants_less) - float(wants_more)
            aim[where[cell]] = pull * rng.exponential() * (rng.random() < 0.6) if pull else rng.normal() * 0.1
        table = _solved(system, aim)
        solved += 1
        idle += 1
        if table is not None:
            np.minimum.at(least, system.cells, table)
            np.maximum.at(most, system.cells, table)
            if sum(_lacks(cell, small, least, most) for cell in left) < len(left):
                idle = 0
    return solved


def _solved(system: System, aim: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """A table of whole calls that is best for an aim, or None where the programme's is not whole."""
    limits, right = _limits(system)
    done = _linprog(
        aim,
        A_eq=system.sums if len(system.right) else None,
        b_eq=system.right if len(system.right) else None,
        A_ub=limits,
        b_ub=right,
        bounds=np.column_stack([system.low, system.high]),
        method="highs",
    )
    if done.status != 0:
        raise AssertionError(f"what releases tell has no table: {done.message}")
    table = np.round(done.x)
    is_whole = np.abs(done.x - table).max() < 1e-6
    meets = not len(system.right) or np.abs(system.sums @ table - system.right).max() < 1e-6
    return table if is_whole and meets and (table >= system.low).all() and (table <= system.high).all() else None


def _limits(system: System) -> tuple[csr_array | None, NDArray[np.float64] | None]:
    if not len(system.lows):
        return None, None
    return csr_array(vstack([system.ranges, -system.ranges])), np.concatenate([system.highs, -system.lows])


def _interval(system: System, cell: int) -> tuple[float, float]:
    """Least and greatest number of a cell over all tables of whole calls (of broken ones where that takes long)."""
    aim = np.zeros(len(system.cells))
    aim[np.flatnonzero(system.cells == cell)] = 1.0
    rules = [optimize.LinearConstraint(system.sums, system.right, system.right)] if len(system.right) else []
    if len(system.lows):
        rules.append(optimize.LinearConstraint(system.ranges, system.lows, system.highs))
    ends = []
    for sign in (1.0, -1.0):
        done = _milp(
            sign * aim,
            constraints=rules,
            integrality=np.ones(len(aim)),
            bounds=optimize.Bounds(system.low, system.high),
            options={"time_limit": 20.0},
        )
        bound = done.mip_dual_bound if done.status == 1 else done.fun
        assert bound is not None, done.message
        ends.append(sign * float(bound))
    return ends[0], ends[1]


def names(told: Known, cells: Sequence[int]) -> tuple[str, ...]:
    """Cells in words."""
    return tuple(
        " ".join(part if isinstance(part, str) else "+".join(sorted(part)) for part in told.cells[cell]).strip()
        for cell in cells
    )
