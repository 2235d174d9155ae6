"""What an attacker who sees every shown cell can conclude about the others, proved with tables or programmes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csc_array

from geo.bridges import determined
from geo.cell_lp import ball, components, push
from geo.errors import InputError
from geo.linked import Linked
from geo.moves import Change, Field, paths_of, reach

SHOWN, HIDDEN, WITHHELD = 0, 1, 2
_BALLS = (200, 1500)
_SLACK = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """``passed`` and, for each cell that fails, a row of ``failures`` (cell, n, low, high, how, reason, keys).

    ``low``, ``high`` (C,) span of values proved possible (they lie within the attacker's interval; equal to it where
    ``how`` says so); ``counts`` cells settled by each test; ``tables`` the certificates used.
    """

    passed: bool
    failures: pd.DataFrame
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    counts: dict[str, int]
    tables: tuple[Change, ...]


def audit(
    linked: Linked,
    states: NDArray[np.int8],
    *,
    threshold: int = 11,
    lower: int = 1,
    certificates: Sequence[Change] = (),
    quick: bool = False,
) -> Audit:
    """Whether every cell that is not shown stays open enough, given all that is shown. Unit: calls.

    ``states`` (C,) SHOWN, HIDDEN or WITHHELD. A hidden offered cell is known to be ≥ ``lower`` (1 where zeros are
    shown, 0 where a zero may hide too), any withheld or unseen cell to be ≥ 0. Rule: the attacker's interval of every
    small cell (1 ≤ n < threshold) contains [1, threshold − 1]; every other hidden offered cell has an interval at least
    threshold − 2 wide. Order: bridges in each 2-D slice and bounds by propagation (which show failure), certificates
    (which show safety; those given are checked, others searched for), linear programmes for the rest. With ``quick``
    nothing more is searched once the first two tests have failed a cell: ``passed`` is the same, failures are fewer.

    Raises InputError where a given certificate contradicts a shown cell or where states are of the wrong shape.
    Reference: Hundepool et al. (2012), Statistical Disclosure Control, ch. 4; Gusfield (1988) for the bridge test.
    """
    check_states(linked, states)
    free = states != SHOWN
    case = _case(linked, free, known(linked, states, lower=lower), certificates, threshold)
    watched = case.small | (free & linked.offered & (linked.n >= threshold))
    floor, ceiling = propagate(linked, free, low=case.low)
    bridge = determined(linked, free) & watched
    failed = {
        "shown": watched & ~free,
        "bridge": bridge,
        "bounds": watched & free & ~bridge & ~meets(floor, ceiling, small=case.small, threshold=threshold),
    }
    ended = failed["shown"] | failed["bridge"] | failed["bounds"]
    case.least[bridge] = case.most[bridge] = linked.n[bridge]
    tight = failed["bounds"]
    case.least[tight], case.most[tight] = floor[tight], ceiling[tight]
    tables = list(certificates)
    programmes, failed["programme"] = _settle(case, watched & ~ended & ~(quick & ended.any()), tables)
    span(linked, tables[len(certificates) :], free=free, low=case.low)
    bad = np.flatnonzero(ended | failed["programme"])
    return Audit(
        passed=len(bad) == 0,
        failures=_failures(case, bad, failed),
        low=case.least,
        high=case.most,
        counts={
            "watched": int(watched.sum()),
            "certificate": int((watched & ~ended).sum()) - programmes,
            "programme": programmes,
            **{f"failed_{name}": int(mask.sum()) for name, mask in failed.items()},
        },
        tables=tuple(tables),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One audit in hand; ``least`` and ``most`` (C,) are widened as tables are found."""

    linked: Linked
    free: NDArray[np.bool_]
    low: NDArray[np.int64]
    small: NDArray[np.bool_]
    least: NDArray[np.float64]
    most: NDArray[np.float64]
    threshold: int
    field: Field | None


def _case(
    linked: Linked, free: NDArray[np.bool_], low: NDArray[np.int64], tables: Sequence[Change], threshold: int
) -> _Case:
    if (low > linked.n).any():
        raise InputError("expected zeros to be shown or withheld, got some hidden ones: hide zeros with lower=0 only")
    least, most = span(linked, tables, free=free, low=low)
    field = None
    if linked.lattice is not None:
        field = Field(
            linked=linked,
            lattice=linked.lattice,
            x=linked.n.copy(),
            low=low,
            hidden=free.copy(),
            fixed=~free,
            cost=np.ones(len(free)),
        )
    small = (linked.n >= 1) & (linked.n < threshold)
    return _Case(
        linked=linked, free=free, low=low, small=small, least=least, most=most, threshold=threshold, field=field
    )


def check_states(linked: Linked, states: NDArray[np.int8]) -> None:
    """Raises InputError unless states are one of three codes for each cell and unseen cells are not shown."""
    if states.shape != linked.n.shape or not np.isin(states, (SHOWN, HIDDEN, WITHHELD)).all():
        raise InputError(f"expected a state 0, 1 or 2 for each of [{len(linked.n)}] cells, got shape {states.shape}")
    if (states[~linked.offered] == SHOWN).any():
        raise InputError("expected cells that are not offered to be withheld, got some shown: offer their table")


def known(linked: Linked, states: NDArray[np.int8], *, lower: int) -> NDArray[np.int64]:
    """(C,) what an attacker knows each cell to be at least before any arithmetic."""
    return np.where(linked.offered & (states == HIDDEN), lower, 0).astype(np.int64)


def span(
    linked: Linked, tables: Sequence[Change], *, free: NDArray[np.bool_], low: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(C,), (C,) least and greatest value of each cell over given tables and the truth, after checking each table.

    Raises InputError unless each table changes free cells only, meets every equation and stays at or above ``low``.
    """
    least, most = linked.n.astype(float), linked.n.astype(float)
    if not tables:
        return least, most
    cells = np.concatenate([table.cells for table in tables])
    delta = np.concatenate([table.delta for table in tables])
    start = np.concatenate([[0], np.cumsum([len(table.cells) for table in tables])])
    stacked = csc_array((delta, cells, start), shape=(len(linked.n), len(tables)))
    if not free[cells].all() or (linked.n[cells] + delta < low[cells]).any():
        raise InputError("a certificate changes a shown cell or falls below what is known: search again")
    if np.abs((linked.equations @ stacked).data).max(initial=0) != 0:
        raise InputError("a certificate breaks a published sum: search again")
    np.minimum.at(least, cells, linked.n[cells] + delta)
    np.maximum.at(most, cells, linked.n[cells] + delta)
    return least, most


def propagate(
    linked: Linked, free: NDArray[np.bool_], *, low: NDArray[np.int64], rounds: int = 12
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(C,), (C,) bounds no table can leave, by passing bounds through each equation ``rounds`` times. Unit: calls."""
    floor = np.where(free, low, linked.n).astype(float)
    ceiling = np.where(free, np.inf, linked.n)
    system = linked.equations.tocoo()
    row, column = system.row.astype(np.intp), system.col.astype(np.intp)
    is_part = system.data > 0
    size = int(linked.equations.shape[0])
    for _ in range(rounds):
        before = floor.copy(), ceiling.copy()
        lower = _rest(np.where(is_part, floor[column], -ceiling[column]), row, size)
        upper = _rest(np.where(is_part, ceiling[column], -floor[column]), row, size)
        np.maximum.at(floor, column, np.where(is_part, -upper, lower))
        np.minimum.at(ceiling, column, np.where(is_part, -lower, upper))
        if np.array_equal(before[0], floor) and np.array_equal(before[1], ceiling):
            break
    return floor, ceiling


def _rest(value: NDArray[np.float64], row: NDArray[np.intp], size: int) -> NDArray[np.float64]:
    """For each entry the sum of the other entries of its row, infinite where one of them is (all of one sign)."""
    endless = np.isinf(value)
    edge = np.inf if (value == np.inf).any() else -np.inf
    finite = np.where(endless, 0.0, value)
    total = np.bincount(row, finite, minlength=size)[row] - finite
    others = np.bincount(row, endless, minlength=size)[row] - endless
    return np.where(others > 0, edge, total)


def meets(
    low: NDArray[np.float64], high: NDArray[np.float64], *, small: NDArray[np.bool_], threshold: int
) -> NDArray[np.bool_]:
    """True where an interval is open enough: around [1, threshold − 1] where small, else threshold − 2 wide."""
    primary = (low <= 1 + _SLACK) & (high >= threshold - 1 - _SLACK)
    return np.where(small, primary, high - low >= threshold - 2 - _SLACK)


def needs(n: int, small: bool, least: float, most: float, threshold: int) -> list[tuple[int, int]]:
    """(way, calls from the truth) still to be shown possible; for a cell that is not small either one is enough."""
    if small:
        ends = [(1, threshold - 1 - n, most < threshold - 1), (-1, n - 1, least > 1)]
        return [(way, need) for way, need, is_open in ends if is_open and need > 0]
    ends = [(1, int(least) + threshold - 2 - n, True), (-1, n - int(most) + threshold - 2, True)]
    return [(way, need) for way, need, _ in ends if need > 0]


def _settle(case: _Case, todo: NDArray[np.bool_], tables: list[Change]) -> tuple[int, NDArray[np.bool_]]:
    """How many cells took a programme and which of them fail; adds to ``tables``, which the caller owns."""
    refused = np.zeros(len(todo), dtype=bool)
    programmes = 0
    group: NDArray[np.intp] | None = None
    for cell in np.flatnonzero(todo):
        if not _holds(case, cell):
            for change in _searched(case, int(cell)):
                _widen(case, change)
                tables.append(change)
        if _holds(case, cell):
            continue
        group = components(case.linked, case.free) if group is None else group
        _programme(case, np.flatnonzero(group == group[cell]), int(cell))
        programmes += 1
        refused[cell] = not _holds(case, cell)
    return programmes, refused


def _holds(case: _Case, cell: np.intp) -> bool:
    one = slice(int(cell), int(cell) + 1)
    return bool(meets(case.least[one], case.most[one], small=case.small[one], threshold=case.threshold)[0])


def _widen(case: _Case, change: Change) -> None:
    value = case.linked.n[change.cells] + change.delta
    case.least[change.cells] = np.minimum(case.least[change.cells], value)
    case.most[change.cells] = np.maximum(case.most[change.cells], value)


def _searched(case: _Case, cell: int) -> list[Change]:
    """Certificates by moves where the tables are a product, then by small programmes around the cell."""
    found: list[Change] = []
    small, bottom, top = bool(case.small[cell]), float(case.least[cell]), float(case.most[cell])
    for way, need in needs(int(case.linked.n[cell]), small, bottom, top, case.threshold):
        change = None
        if case.field is not None:
            change = reach(case.field, paths_of(case.field, cell), way=way, need=need, spend=False, breadth=2)[0]
        for size in _BALLS if change is None else ():
            near = ball(case.linked, case.free, cell, most=size)
            tried = push(case.linked, near, cell, low=case.low, way=way, enough=need)
            if tried.change is not None and tried.amount >= need - _SLACK:
                change = tried.change
                break
        if change is not None:
            found.append(change)
            if not small:
                break
    return found


def _programme(case: _Case, part: NDArray[np.intp], cell: int) -> None:
    """Set the exact interval of a cell. A programme that is not solved proves nothing and leaves the cell as it is."""
    value = float(case.linked.n[cell])
    down = push(case.linked, part, cell, low=case.low, way=-1).amount
    up = push(case.linked, part, cell, low=case.low, way=1).amount
    case.least[cell] = min(case.least[cell], value - (0.0 if np.isnan(down) else down))
    case.most[cell] = max(case.most[cell], value + (0.0 if np.isnan(up) else up))


def _failures(case: _Case, bad: NDArray[np.intp], failed: dict[str, NDArray[np.bool_]]) -> pd.DataFrame:
    how = [next(name for name, mask in failed.items() if mask[cell]) for cell in bad]
    primary, other = f"interval must contain [1, {case.threshold - 1}]", f"interval must span {case.threshold - 2}"
    facts = pd.DataFrame(
        {
            "cell": bad,
            "n": case.linked.n[bad],
            "low": case.least[bad],
            "high": case.most[bad],
            "how": pd.Series(how, dtype=str),
            "reason": np.where(case.small[bad], primary, other),
        }
    )
    return pd.concat([facts, case.linked.keys.iloc[bad].reset_index(drop=True)], axis=1)
