"""Which cells of linked tables to hide so that no small count can be worked out from what is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geo.cell_audit import HIDDEN, SHOWN, WITHHELD, Audit, audit, needs
from geo.cell_lp import ball, cheapest, components, optimal, push
from geo.errors import InputError
from geo.linked import Linked
from geo.moves import Change, Field, Paths, both_ways, paths_of, reach

_NEAR, _FAR = 1, 6
_BALL = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """``states`` (C,) SHOWN, HIDDEN, WITHHELD; why each is not shown in ``primary``, ``complementary``, ``below`` (C,).

    ``audit`` the audit these states were held to (None where it was not asked for); ``infeasible`` rows of cells that
    nothing protects, with the table to drop or coarsen; empty where the release may go out.
    """

    states: NDArray[np.int8]
    primary: NDArray[np.bool_]
    complementary: NDArray[np.bool_]
    below: NDArray[np.bool_]
    audit: Audit
    infeasible: pd.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """One suppression in hand: ``hidden``, ``least`` and ``most`` (C,) grow, ``tables`` collects certificates.

    ``groups`` keeps the components of cells that may move, once they were asked for.
    """

    linked: Linked
    field: Field | None
    hidden: NDArray[np.bool_]
    fixed: NDArray[np.bool_]
    small: NDArray[np.bool_]
    low: NDArray[np.int64]
    cost: NDArray[np.float64]
    least: NDArray[np.float64]
    most: NDArray[np.float64]
    tables: list[Change]
    groups: list[NDArray[np.intp]]
    threshold: int


def suppress(
    linked: Linked,
    *,
    threshold: int = 11,
    zeros: Literal["shown", "hideable"] = "shown",
    flags: NDArray[np.bool_] | None = None,
    published: NDArray[np.bool_] | None = None,
    method: Literal["moves", "exact"] = "moves",
    cost: NDArray[np.float64] | None = None,
    complements: bool = True,
    rounds: int = 6,
) -> Suppression:
    """States of all cells, audited: what to show, what to hide, and what nothing protects. Unit: calls.

    Primary: 1 ≤ n < threshold; ``flags`` (C,), such as one address with most of a cell; and cells whose complement in
    a sum is 1 … threshold − 1. Parts of a small total are withheld, zeros among them, because their zeros would bound
    it. Complementary: for each primary the cheapest moves (4-cycles, hypercubes, then further apart and through the
    totals) that let it be 1 and let it be threshold − 1, cells already hidden being free; the cells so hidden in turn
    until all tables that share cells hold; then the audit, and its failures by linear programme. ``cost`` (C,) of
    hiding a cell (default: coarser tables 4 times dearer a step, and by its share of calls). Zeros elsewhere are
    shown and never hidden, or with ``zeros="hideable"`` hidden at three times the cost, as two-way peers do.
    ``method="exact"`` starts from the cheapest pattern by integer programme (≤ 200 cells). ``published`` (C,) cells
    already public, which stay so. ``complements=False`` stops after the primaries (to show that attacks then work).
    Deterministic.

    Raises InputError for arrays of the wrong shape and thresholds below 3.
    Reference: Cox (1995), JASA 90; Giessing and Repsilber (2002), hypercube method; Fischetti and Salazar (2001).
    """
    if threshold < 3:
        raise InputError(f"expected a threshold of at least 3, got [{threshold}]: 11 is the usual one")
    for name, given in (("flags", flags), ("published", published), ("cost", cost)):
        if given is not None and given.shape != linked.n.shape:
            raise InputError(f"expected {name} of {len(linked.n)} cells, got {given.shape}")
    already = np.zeros(len(linked.n), dtype=bool) if published is None else published & linked.offered
    small = (linked.n >= 1) & (linked.n < threshold)
    primary = _primary(linked, small, threshold, flags) & ~already
    below = _below(linked, small & linked.offered) & ~already
    work = _start(linked, primary | below, below, already, small, threshold, zeros, cost)
    if complements:
        if method == "exact":
            _from_exact(work, small)
        _protect(work)
    checked = _audited(work, below, zeros, quick=not complements)
    for _ in range(rounds if complements else 0):
        if checked.passed or not _repair(work, checked):
            break
        _protect(work)
        checked = _audited(work, below, zeros, quick=False)
    hidden = work.hidden & linked.offered
    return Suppression(
        states=_states(work, below),
        primary=primary,
        complementary=hidden & ~primary & ~below,
        below=below,
        audit=checked,
        infeasible=_advice(linked, checked),
    )


def first_pass(linked: Linked, *, threshold: int = 11, flags: NDArray[np.bool_] | None = None) -> NDArray[np.int8]:
    """(C,) states before any complement: what must be hidden or withheld whatever else is. Fast, and not safe.

    Its share of calls shown bounds that of ``suppress`` from above: a design that falls short here need not be tried.
    """
    small = (linked.n >= 1) & (linked.n < threshold)
    primary = _primary(linked, small, threshold, flags)
    below = _below(linked, small & linked.offered) | ~linked.offered
    return np.where(below, WITHHELD, np.where(primary, HIDDEN, SHOWN)).astype(np.int8)


def shares(linked: Linked, states: NDArray[np.int8]) -> pd.DataFrame:
    """Per offered table (levels joined by ×): cells, cells shown, calls, calls shown, share (NaN = no calls)."""
    frame = pd.DataFrame(
        {
            "table": linked.table,
            "cells": 1,
            "cells_shown": (states == SHOWN).astype(int),
            "calls": linked.n,
            "calls_shown": np.where(states == SHOWN, linked.n, 0),
        }
    )[linked.offered]
    total = frame.groupby("table", as_index=False).sum()
    named = [" × ".join(linked.tables[number]) for number in total["table"]]
    return total.assign(table=named, share=total["calls_shown"] / total["calls"].where(total["calls"] > 0))


def _primary(
    linked: Linked, small: NDArray[np.bool_], threshold: int, flags: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    flagged = small | complementary_small(linked, threshold=threshold)
    flagged = flagged if flags is None else flagged | (flags & (linked.n > 0))
    return flagged & linked.offered


def complementary_small(linked: Linked, *, threshold: int = 11) -> NDArray[np.bool_]:
    """(C,) true for cells n ≥ 1 that leave 1 … threshold − 1 of a total: total − n would be a small count."""
    system = linked.equations.tocoo()
    total = np.zeros(system.shape[0], dtype=np.int64)
    total[system.row[system.data < 0]] = linked.n[system.col[system.data < 0]]
    part = system.data > 0
    rest = total[system.row[part]] - linked.n[system.col[part]]
    flagged = np.zeros(len(linked.n), dtype=bool)
    flagged[system.col[part][(rest >= 1) & (rest < threshold)]] = True
    return flagged & (linked.n >= 1)


def _below(linked: Linked, small: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(C,) offered parts, parts of parts, … of small totals."""
    system = linked.equations
    parts, totals = (system > 0).astype(np.int64), (system < 0).astype(np.int64)
    inside = small.copy()
    while True:
        reached = inside | ((parts.T @ (totals @ inside.astype(np.int64))) > 0)
        if (reached == inside).all():
            break
        inside = reached
    of_total = (parts.T @ (totals @ inside.astype(np.int64))) > 0
    return np.asarray(of_total & linked.offered)


def _start(
    linked: Linked,
    hidden: NDArray[np.bool_],
    below: NDArray[np.bool_],
    already: NDArray[np.bool_],
    small: NDArray[np.bool_],
    threshold: int,
    zeros: str,
    cost: NDArray[np.float64] | None,
) -> _Work:
    hidden = hidden | ~linked.offered
    zero = (linked.n == 0) & linked.offered & ~below
    fixed = already | (zero if zeros == "shown" else np.zeros_like(zero))
    low = np.where(linked.offered & ~below, int(zeros == "shown"), 0).astype(np.int64)
    price = default_cost(linked) if cost is None else cost.astype(float)
    price = np.where(zero, 3 * price, price) if cost is None else price
    field = None
    if linked.lattice is not None:
        field = Field(
            linked=linked, lattice=linked.lattice, x=linked.n.copy(), low=low, hidden=hidden, fixed=fixed, cost=price
        )
    return _Work(
        linked=linked,
        field=field,
        hidden=hidden,
        fixed=fixed,
        small=small,
        low=low,
        cost=price,
        least=linked.n.astype(float),
        most=linked.n.astype(float),
        tables=[],
        groups=[],
        threshold=threshold,
    )


def default_cost(linked: Linked) -> NDArray[np.float64]:
    """(C,) cost of hiding: 4 to the number of steps a table is above the finest levels, times 1 + n / its mean n."""
    steps = np.zeros(len(linked.tables))
    if linked.lattice is not None:
        for number, axis in enumerate(linked.lattice.axes):
            rank = axis.finer.sum(axis=0)
            steps += np.array([rank[axis.levels.index(table[number])] for table in linked.tables])
    mean = np.array([_mean(linked.n[linked.table == number]) for number in range(len(linked.tables))])
    return np.asarray(4.0 ** steps[linked.table] * (1 + linked.n / mean[linked.table]))


def _mean(n: NDArray[np.int64]) -> float:
    return float(n[n > 0].mean()) if (n > 0).any() else 1.0


def _states(work: _Work, below: NDArray[np.bool_]) -> NDArray[np.int8]:
    states = np.where(work.hidden, HIDDEN, SHOWN)
    return np.where(below | ~work.linked.offered, WITHHELD, states).astype(np.int8)


def _audited(work: _Work, below: NDArray[np.bool_], zeros: str, *, quick: bool) -> Audit:
    return audit(
        work.linked,
        _states(work, below),
        threshold=work.threshold,
        lower=int(zeros == "shown"),
        certificates=tuple(work.tables),
        quick=quick,
    )


def _from_exact(work: _Work, small: NDArray[np.bool_]) -> None:
    found = optimal(
        work.linked,
        primary=small & work.hidden,
        allowed=(work.linked.n > 0) & ~work.fixed | work.hidden,
        low=work.low,
        cost=work.cost,
        threshold=work.threshold,
    )
    if found is not None:
        work.hidden[found] = True


def _protect(work: _Work) -> None:
    """Hide what is needed until every cell that must stay open does, coarse tables first, then small counts first."""
    tried = np.zeros(len(work.hidden), dtype=bool)
    while True:
        watched = work.hidden & (work.small | (work.linked.offered & (work.linked.n >= work.threshold)))
        todo = np.flatnonzero(watched & ~tried)
        if not len(todo):
            return
        depth = default_cost(work.linked)[todo] if work.field is None else work.field.cost[todo]
        order = todo[np.lexsort((todo, work.linked.n[todo], -np.round(np.log2(1 + depth)), ~work.small[todo]))]
        for cell in order:
            tried[cell] = True
            _open(work, int(cell))


def _open(work: _Work, cell: int) -> None:
    """Certificates for one cell, hiding the cheapest cells that give them."""
    if not _left(work, cell):
        return
    if work.field is not None:
        paths = paths_of(work.field, cell)
        for spend, breadth in ((False, _NEAR), (True, _NEAR), (False, 2), (True, _FAR)):
            if spend:
                _spend_both(work, cell, paths, breadth)
            for way, need in _left(work, cell):
                change, _ = reach(work.field, paths, way=way, need=need, spend=spend, breadth=breadth)
                if change is not None:
                    _accept(work, change)
                    if not work.small[cell]:
                        break
            if not _left(work, cell):
                return
    for way, need in _left(work, cell):
        _by_programme(work, cell, way, need)
        if not _left(work, cell):
            return


def _left(work: _Work, cell: int) -> list[tuple[int, int]]:
    least, most, small = float(work.least[cell]), float(work.most[cell]), bool(work.small[cell])
    if not small and most - least >= work.threshold - 2:
        return []
    return needs(int(work.linked.n[cell]), small, least, most, work.threshold)


def _spend_both(work: _Work, cell: int, paths: Paths, breadth: int) -> None:
    ends = dict(_left(work, cell))
    if work.field is None or not work.small[cell] or len(ends) < 2:
        return
    found = both_ways(work.field, paths, down=ends[-1], up=ends[1], breadth=breadth)
    if found is not None:
        _accept(work, found[0])
        _accept(work, found[1])


def _accept(work: _Work, change: Change) -> None:
    value = work.linked.n[change.cells] + change.delta
    work.hidden[change.cells] = True
    work.least[change.cells] = np.minimum(work.least[change.cells], value)
    work.most[change.cells] = np.maximum(work.most[change.cells], value)
    work.tables.append(change)


def _by_programme(work: _Work, cell: int, way: int, need: int) -> bool:
    """Whether cells that may be hidden let a cell move far enough; hides those of the cheapest flow."""
    near = ball(work.linked, work.hidden, cell, most=_BALL)
    tried = push(work.linked, near, cell, low=work.low, way=way, enough=need)
    if tried.change is not None and tried.amount >= need - 1e-6:
        _accept(work, tried.change)
        return True
    if not work.groups:
        may = work.hidden | (~work.fixed & ((work.linked.n > 0) | (work.low == 0)))
        work.groups.append(components(work.linked, may))
    group = work.groups[0]
    price = np.where(work.hidden, 0.0, work.cost)
    cells = cheapest(
        work.linked, np.flatnonzero(group == group[cell]), cell, low=work.low, cost=price, way=way, need=need
    )
    if cells is None:
        return False
    work.hidden[cells] = True
    flow = push(work.linked, np.union1d(cells, [cell]), cell, low=work.low, way=way, enough=need)
    if flow.change is not None and flow.amount >= need - 1e-6:
        _accept(work, flow.change)
    return True


def _repair(work: _Work, checked: Audit) -> bool:
    """Whether anything more was hidden for the cells that failed the audit."""
    before = int(work.hidden.sum())
    for cell in checked.failures["cell"]:
        for way, need in _left(work, int(cell)):
            _by_programme(work, int(cell), way, need)
    return int(work.hidden.sum()) > before


def _advice(linked: Linked, checked: Audit) -> pd.DataFrame:
    """The cells that fail, each with the table it stands in as the one to drop or coarsen."""
    tables: Sequence[str] = [" × ".join(linked.tables[number]) for number in linked.table[checked.failures["cell"]]]
    named = pd.Series(tables, dtype=str)
    return checked.failures.assign(table=named, advice="drop or coarsen " + named)
