"""Moves: integer changes of hidden cells that leave every sum and every shown cell as they are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from geo.linked import Axis, Lattice, Linked

_OWN, _PARTNERS, _STEPS = 4, 24, 12
_LARGEST = 10_000_000  # cells of all moves of one combination, beyond which weaker partners are left out
_BLOCKED = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """The state of a search. ``x`` (C,) is the table in hand and is always put back to the counts after a search;

    ``low`` (C,) what the attacker knows a cell to be at least, once it is hidden; ``hidden`` (C,); ``fixed`` (C,)
    cells that are shown for good; ``cost`` (C,) of hiding a cell.
    """

    linked: Linked
    lattice: Lattice
    x: NDArray[np.int64]
    low: NDArray[np.int64]
    hidden: NDArray[np.bool_]
    fixed: NDArray[np.bool_]
    cost: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A certificate: another table that meets every published number. Cells (m,) and what to add to each (m,)."""

    cells: NDArray[np.intp]
    delta: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The moves of one cell, made when first asked for: ``order`` of combinations of partner groups, near first."""

    ladders: list[list[tuple[NDArray[np.intp], NDArray[np.int64]]]]
    order: list[tuple[int, ...]]
    made: dict[tuple[int, ...], tuple[NDArray[np.intp], NDArray[np.int64]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """M candidate moves of up to S cells: ``cells`` (M, S), ``sign`` (M, S; 0 = unused), ``room`` (M,), ``cost`` (M,).

    ``room`` is the largest step that leaves every falling cell at or above what is known of it.
    """

    cells: NDArray[np.intp]
    sign: NDArray[np.int64]
    room: NDArray[np.int64]
    cost: NDArray[np.float64]


def reach(field: Field, paths: Paths, *, way: int, need: int, spend: bool, breadth: int) -> tuple[Change | None, float]:
    """A certificate that moves the cell of ``paths`` by ``need`` calls up (``way`` +1) or down (−1), and its cost.

    Each move is a product over dimensions of (own atom − partner atom): a 4-cycle in two dimensions, a hypercube in
    more, with the totals above it where partners lie further apart. Moves are added up until the need is met. Without
    ``spend`` only hidden cells move. None where no sum of moves suffices; the field is left as it was.
    Reference: Repsilber (1994), hypercube method; Giessing and Repsilber (2002).
    """
    whole = _single(field, paths, way, need, breadth) if spend else None
    if whole is not None:
        return whole
    touched: list[NDArray[np.intp]] = []
    paid, left = 0.0, need
    newly: list[NDArray[np.intp]] = []
    for _ in range(_STEPS):
        step = _best(field, paths, way, left, spend, breadth)
        if step is None:
            break
        cells, sign, size, cost = step
        field.x[cells] += way * size * sign
        touched.append(cells)
        shown = cells[~field.hidden[cells]]
        field.hidden[shown] = True
        newly.append(shown)
        paid += cost
        left -= size
        if left <= 0:
            break
    change = _change(field, touched) if left <= 0 else None
    for cells in touched:
        field.x[cells] = field.linked.n[cells]
    for shown in newly:
        field.hidden[shown] = False
    return change, paid


def both_ways(field: Field, paths: Paths, *, down: int, up: int, breadth: int) -> tuple[Change, Change, float] | None:
    """The cheapest single move that has room for ``down`` and for ``up``: its two tables, and the cost of hiding it."""
    best: tuple[float, NDArray[np.intp], NDArray[np.int64]] | None = None
    for cells, sign in _shapes(field, paths, breadth):
        rise, fall = batch(field, cells, sign, way=1), batch(field, cells, sign, way=-1)
        price = np.where((rise.room >= up) & (fall.room >= down), rise.cost, np.inf)
        at = int(np.argmin(price))
        if np.isfinite(price[at]) and (best is None or price[at] < best[0]):
            used = rise.sign[at] != 0
            best = (float(price[at]), rise.cells[at][used], rise.sign[at][used])
        if best is not None:
            break
    if best is None:
        return None
    cost, moved, signs = best
    return Change(cells=moved, delta=-down * signs), Change(cells=moved, delta=up * signs), cost


def batch(field: Field, cells: NDArray[np.intp], sign: NDArray[np.int64], *, way: int) -> Batch:
    """Moves (M, S) judged in direction ``way`` as things stand: their room and the cost of hiding what they change."""
    used = sign != 0
    shown = used & ~field.hidden[cells]
    slack = np.where(sign * way < 0, field.x[cells] - field.low[cells], np.iinfo(np.int64).max)
    room = np.where((shown & field.fixed[cells]).any(axis=1), _BLOCKED, slack.min(axis=1))
    return Batch(cells=cells, sign=sign, room=room, cost=np.where(shown, field.cost[cells], 0.0).sum(axis=1))


def _product(
    field: Field, groups: Sequence[tuple[NDArray[np.intp], NDArray[np.int64]]]
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """(M, S) cells and signs of all products of one vector of each axis; signs are 0 where there is no cell."""
    axes = len(groups)
    flat: NDArray[np.intp] = np.zeros((1,) * (2 * axes), dtype=np.intp)
    sign: NDArray[np.int64] = np.ones((1,) * (2 * axes), dtype=np.int64)
    stride = 1
    for number in range(axes - 1, -1, -1):
        nodes, signs = groups[number]
        shape = [1] * (2 * axes)
        shape[number], shape[axes + number] = nodes.shape
        flat = flat + nodes.reshape(shape) * stride
        sign = sign * signs.reshape(shape)
        stride *= field.lattice.cell_of.shape[number]
    moves = int(np.prod(flat.shape[:axes]))
    cells = field.lattice.cell_of.ravel()[flat].reshape(moves, -1)
    sign = np.where(cells >= 0, sign.reshape(moves, -1), 0)
    kept = (sign != 0).any(axis=0)
    return np.maximum(cells, 0)[:, kept], sign[:, kept]


def _single(field: Field, paths: Paths, way: int, need: int, breadth: int) -> tuple[Change, float] | None:
    for cells, sign in _shapes(field, paths, breadth):
        tried = batch(field, cells, sign, way=way)
        price = np.where(tried.room >= need, tried.cost, np.inf)
        at = int(np.argmin(price))
        if np.isfinite(price[at]):
            used = tried.sign[at] != 0
            change = Change(cells=tried.cells[at][used], delta=way * need * tried.sign[at][used])
            return change, float(price[at])
    return None


def _best(
    field: Field, paths: Paths, way: int, left: int, spend: bool, breadth: int
) -> tuple[NDArray[np.intp], NDArray[np.int64], int, float] | None:
    """The move with most room among free ones; where none is free and ``spend``, the cheapest for each unit moved."""
    for cells, sign in _shapes(field, paths, breadth):
        tried = batch(field, cells, sign, way=way)
        size = np.minimum(tried.room, left)
        merit = np.where(size > 0, size / (1e-9 + tried.cost) if spend else size * (tried.cost == 0), 0)
        at = int(np.argmax(merit))
        if merit[at] > 0:
            used = tried.sign[at] != 0
            return tried.cells[at][used], tried.sign[at][used], int(size[at]), float(tried.cost[at])
    return None


def _change(field: Field, touched: Sequence[NDArray[np.intp]]) -> Change:
    cells = np.unique(np.concatenate(touched))
    delta = field.x[cells] - field.linked.n[cells]
    kept = delta != 0
    return Change(cells=cells[kept], delta=delta[kept])


def paths_of(field: Field, cell: int) -> Paths:
    """The moves of a cell; which partners are tried where there are many depends on the counts as they stand."""
    nodes = field.lattice.nodes[cell]
    ladders = [
        [_vectors(axis, *step) for step in _partners(field, nodes, number, axis)]
        for number, axis in enumerate(field.lattice.axes)
    ]
    order = sorted(product(*(range(len(ladder)) for ladder in ladders)), key=lambda combo: (sum(combo), combo))
    return Paths(ladders=ladders, order=order, made={})


def _shapes(field: Field, paths: Paths, breadth: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.int64]]]:
    """Moves (M, S) of each combination of partner groups, near before far, at most ``breadth`` steps apart in all."""
    for combo in paths.order:
        if sum(combo) > breadth:
            return
        if combo not in paths.made:
            groups = [ladder[step] for ladder, step in zip(paths.ladders, combo, strict=True)]
            paths.made[combo] = _product(field, _fewer(groups))
        yield paths.made[combo]


def _fewer(
    groups: Sequence[tuple[NDArray[np.intp], NDArray[np.int64]]],
) -> list[tuple[NDArray[np.intp], NDArray[np.int64]]]:
    """The same vectors of each axis, the last ones left out until the product is within bounds."""
    keep = [len(signs) for _, signs in groups]
    width = prod(signs.shape[1] for _, signs in groups)
    while prod(keep) * width > _LARGEST and max(keep) > 1:
        longest = keep.index(max(keep))
        keep[longest] = (keep[longest] + 1) // 2
    return [(nodes[:most], signs[:most]) for (nodes, signs), most in zip(groups, keep, strict=True)]


def _partners(
    field: Field, nodes: NDArray[np.intp], number: int, axis: Axis
) -> list[tuple[NDArray[np.intp], NDArray[np.intp] | None]]:
    """Own atoms with partner atoms under the closest common parent, then farther, then alone up to the top."""
    node = int(nodes[number])
    level = int(axis.node_level[node])
    inside = axis.atom_nodes[:, level] == node
    own = _strongest(field, nodes, number, axis, np.flatnonzero(inside), 0, _OWN)
    ladder: list[tuple[NDArray[np.intp], NDArray[np.intp] | None]] = []
    taken = inside.copy()
    for parent in np.argsort(axis.finer.sum(axis=0), kind="stable"):
        if not axis.finer[level, parent]:
            continue
        under = (axis.atom_nodes[:, parent] == axis.atom_nodes[own[0], parent]) & ~taken
        if under.any():
            ladder.append((own, _strongest(field, nodes, number, axis, np.flatnonzero(under), level, _PARTNERS)))
            taken |= under
    ladder.append((own, None))
    return ladder


def _strongest(
    field: Field,
    nodes: NDArray[np.intp],
    number: int,
    axis: Axis,
    atoms: NDArray[np.intp],
    level: int,
    most: int,
) -> NDArray[np.intp]:
    """At most ``most`` atoms: those whose cell beside the one in hand has most calls, in a fixed order."""
    if len(atoms) <= most:
        return atoms
    index: list[NDArray[np.intp] | int] = [int(node) for node in nodes]
    index[number] = axis.atom_nodes[atoms, level]
    cells = field.lattice.cell_of[tuple(index)]
    strength = np.where(cells >= 0, field.x[cells] + 1_000_000 * field.hidden[cells] * (field.x[cells] > 0), 0)
    return atoms[np.argsort(-strength, kind="stable")[:most]]


def _vectors(
    axis: Axis, own: NDArray[np.intp], partner: NDArray[np.intp] | None
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """(m, s) nodes and signs of every own atom less every partner atom; nodes above both cancel and are cut away."""
    if partner is None:
        return axis.atom_nodes[own], np.ones((len(own), axis.atom_nodes.shape[1]), dtype=np.int64)
    first = np.repeat(axis.atom_nodes[own], len(partner), axis=0)
    second = np.tile(axis.atom_nodes[partner], (len(own), 1))
    differs = first != second
    kept = differs.any(axis=0)
    nodes = np.concatenate([first[:, kept], second[:, kept]], axis=1)
    sign = np.concatenate([differs[:, kept], -differs[:, kept].astype(np.int64)], axis=1).astype(np.int64)
    return nodes, sign
