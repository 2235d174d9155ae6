"""What linear programmes say of hidden cells: exact intervals, single tables, and the cheapest cells to hide."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from geo.errors import InputError
from geo.linked import Linked
from geo.moves import Change

_WHOLE = 1e-6
_MOST = 200
_block: Any = sparse.block_array
_linprog: Any = optimize.linprog
_milp: Any = optimize.milp


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """How far a cell can move within a set of cells: ``amount`` (inf = without end, nan = not solved), ``change``.

    ``change`` is the table that shows it, in whole calls, or None where the solver's table is not whole.
    """

    amount: float
    change: Change | None


def intervals(
    linked: Linked, free: NDArray[np.bool_], *, low: NDArray[np.int64], cells: NDArray[np.intp]
) -> NDArray[np.float64]:
    """(m, 2) least and greatest value of each of ``cells`` (m,) over all tables that meet the published cells.

    ``free`` (C,) true where the attacker does not see the cell, ``low`` (C,) what is known of it at least. Full linear
    programmes over the free cells linked to each: exact, and slow beyond some hundred cells. Unit: calls.
    """
    group = components(linked, free)
    answer = np.empty((len(cells), 2))
    for row, cell in enumerate(cells):
        value = float(linked.n[cell])
        if not free[cell]:
            answer[row] = value
            continue
        part = np.flatnonzero(group == group[cell])
        for side, way in enumerate((-1, 1)):
            answer[row, side] = value + way * push(linked, part, int(cell), low=low, way=way).amount
    return answer


def components(linked: Linked, free: NDArray[np.bool_]) -> NDArray[np.intp]:
    """(C,) number of the component of free cells linked by equations; −1 for cells that are not free."""
    number = np.full(len(free), -1, dtype=np.intp)
    part = linked.by_cell[:, np.flatnonzero(free)]
    if part.shape[1]:
        pattern = abs(part)
        graph = _block([[None, pattern], [pattern.T, None]], format="csr")
        number[free] = connected_components(graph, directed=False)[1][part.shape[0] :]
    return number


def ball(linked: Linked, free: NDArray[np.bool_], cell: int, *, most: int) -> NDArray[np.intp]:
    """At most about ``most`` free cells around a cell: those sharing equations with it, then with them, and so on."""
    inside = np.zeros(len(free), dtype=bool)
    inside[cell] = True
    edge = np.array([cell], dtype=np.intp)
    while len(edge) and inside.sum() < most:
        rows = np.unique(linked.by_cell[:, edge].indices)
        near = np.unique(linked.equations[rows].indices)
        edge = near.astype(np.intp)[free[near] & ~inside[near]][: most - int(inside.sum())]
        inside[edge] = True
    return np.flatnonzero(inside)


def push(
    linked: Linked,
    part: NDArray[np.intp],
    cell: int,
    *,
    low: NDArray[np.int64],
    way: int,
    enough: float = np.inf,
) -> Push:
    """How far ``cell`` moves in direction ``way`` when only the cells of ``part`` move (at most ``enough``)."""
    system = _touched(linked, part)
    at = int(np.flatnonzero(part == cell)[0])
    aim = np.zeros(len(part))
    aim[at] = -way
    bounds = np.column_stack([(low - linked.n)[part].astype(float), np.full(len(part), np.inf)])
    if np.isfinite(enough):
        bounds[at, (way + 1) // 2] = min(way * enough, np.inf) if way > 0 else max(-enough, bounds[at, 0])
    found = _linprog(aim, A_eq=system, b_eq=np.zeros(system.shape[0]), bounds=bounds, method="highs")
    if found.status == 3:
        return Push(amount=np.inf, change=None)
    if found.x is None:
        return Push(amount=np.nan, change=None)
    return Push(amount=float(way * found.x[at]), change=_whole(part, found.x))


def cheapest(
    linked: Linked,
    part: NDArray[np.intp],
    cell: int,
    *,
    low: NDArray[np.int64],
    cost: NDArray[np.float64],
    way: int,
    need: int,
) -> NDArray[np.intp] | None:
    """Cells that move in the cheapest flow through ``part`` that moves ``cell`` by ``need``; None where none does.

    The cost of a cell is charged for each call moved, a linear stand-in for hiding it (Fischetti and Salazar 2001).
    """
    system = _touched(linked, part)
    at = int(np.flatnonzero(part == cell)[0])
    size = len(part)
    price = np.concatenate([cost[part], cost[part]]) + 1e-6
    upper = np.concatenate([np.full(size, np.inf), (linked.n - low)[part].astype(float)])
    bounds = np.column_stack([np.zeros(2 * size), np.maximum(upper, 0)])
    other = size + at if way > 0 else at
    bounds[other] = 0
    bounds[at if way > 0 else size + at] = need
    both = _block([[system, -system]], format="csr")
    found = _linprog(price, A_eq=both, b_eq=np.zeros(both.shape[0]), bounds=bounds, method="highs")
    if found.x is None or found.status != 0:
        return None
    moved = np.abs(found.x[:size] - found.x[size:]) > _WHOLE
    return np.asarray(part[moved], dtype=np.intp)


def optimal(
    linked: Linked,
    *,
    primary: NDArray[np.bool_],
    allowed: NDArray[np.bool_],
    low: NDArray[np.int64],
    cost: NDArray[np.float64],
    threshold: int = 11,
) -> NDArray[np.bool_] | None:
    """The cheapest cells (C,) to hide so that every primary may be 1 and may be threshold − 1; None where none will do.

    Mixed integer programme: y = 1 where hidden; for each primary and direction a flow z with M z = 0,
    −(n − low) y ≤ z ≤ U y and z at the primary equal to the need. For at most 200 cells that may be hidden.
    Raises InputError for larger tables. Reference: Fischetti and Salazar-González (1999), Mathematical Programming 84.
    """
    part = np.flatnonzero(allowed | primary)
    if len(part) > _MOST:
        raise InputError(f"expected at most {_MOST} cells to choose from, got [{len(part)}]: use the heuristic")
    at = np.flatnonzero(primary[part])
    wanted = [(int(i), int(need)) for i in at for need in (threshold - 1 - linked.n[part[i]], 1 - linked.n[part[i]])]
    if not wanted:
        return primary.copy()
    size, flows = len(part), len(wanted)
    reach = float(linked.n.max() + threshold)
    system, eye = _touched(linked, part), sparse.eye_array(size, format="csr")
    slack = sparse.diags_array((linked.n - low)[part].astype(float), format="csr")
    each = sparse.eye_array(flows, format="csr")
    ones = np.ones((flows, 1))
    matrix = _block(
        [
            [None, sparse.kron(each, system)],
            [sparse.kron(ones, -reach * eye), sparse.eye_array(size * flows)],
            [sparse.kron(ones, slack), sparse.eye_array(size * flows)],
        ],
        format="csr",
    )
    balanced, each_cell = np.zeros(system.shape[0] * flows), np.zeros(size * flows)
    bottom = np.concatenate([primary[part].astype(float), np.full(size * flows, -reach)])
    top = np.concatenate([np.ones(size), np.full(size * flows, reach)])
    for index, (cell, need) in enumerate(wanted):
        bottom[size * (index + 1) + cell] = top[size * (index + 1) + cell] = need
    found = _milp(
        np.concatenate([cost[part], each_cell]),
        integrality=np.concatenate([np.ones(size), each_cell]),
        bounds=optimize.Bounds(bottom, top),
        constraints=optimize.LinearConstraint(
            matrix,
            np.concatenate([balanced, each_cell - np.inf, each_cell]),
            np.concatenate([balanced, each_cell, each_cell + np.inf]),
        ),
    )
    if found.x is None:
        return None
    hidden = np.zeros(len(primary), dtype=bool)
    hidden[part[found.x[:size] > 0.5]] = True
    return hidden


def _touched(linked: Linked, part: NDArray[np.intp]) -> csr_array:
    system = linked.by_cell[:, part].tocsr()
    return system[np.diff(system.indptr) > 0]


def _whole(part: NDArray[np.intp], x: NDArray[np.float64]) -> Change | None:
    rounded = np.rint(x)
    if np.abs(x - rounded).max(initial=0) > _WHOLE:
        return None
    moved = rounded != 0
    return Change(cells=part[moved], delta=rounded[moved].astype(np.int64))
