"""Which hidden cells of a two-way slice with totals are known exactly: the bridges of its row–column graph."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from geo.linked import Lattice, Linked, ancestors

_SEED = 20_240_216


def determined(linked: Linked, free: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(C,) true where a two-dimensional slice with its totals fixes a hidden cell exactly.

    A slice is a pair of sums, one in each of two dimensions, all else held; its rows and columns (totals among them)
    are vertices, its hidden cells edges, and an edge is fixed exactly if and only if it is a bridge. Tables without a
    product structure have no slices: all false. O(V + E) a slice. Reference: Gusfield (1988), SIAM J. Comput. 17(3).
    """
    known = np.zeros(len(free), dtype=bool)
    lattice = linked.lattice
    if lattice is None:
        return known
    for first, second in combinations(range(len(lattice.axes)), 2):
        for one in _sums(lattice, first):
            for two in _sums(lattice, second):
                known |= _slices(lattice, free, first, second, one, two)
    return known


def bridges(first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(m,) true for each edge (first, second) whose removal parts its component; parallel edges are no bridges.

    Each edge off a spanning forest puts a 64-bit mark on the path it closes; a tree edge without a mark is a bridge.
    """
    if not len(first):
        return np.zeros(0, dtype=bool)
    names, ends = np.unique(np.concatenate([first, second]), return_inverse=True)
    one, two = ends[: len(first)], ends[len(first) :]
    size = len(names)
    graph = csr_array((np.ones(len(one)), (one, two)), shape=(size + 1, size + 1))
    group = connected_components(graph, directed=False)[1][:size]
    roots = np.unique(group, return_index=True)[1]
    linked = csr_array(
        (np.ones(len(one) + len(roots)), (np.append(one, np.full(len(roots), size)), np.append(two, roots))),
        shape=(size + 1, size + 1),
    )
    order, parent = breadth_first_order(linked, size, directed=False)
    is_tree = np.zeros(len(one), dtype=bool)
    edge_above = np.full(size + 1, -1, dtype=np.intp)
    for down, up in ((one, two), (two, one)):
        matches = np.flatnonzero((parent[down] == up) & (edge_above[down] < 0))
        kept = matches[np.unique(down[matches], return_index=True)[1]]
        edge_above[down[kept]] = kept
        is_tree[kept] = True
    rng = np.random.default_rng(_SEED)
    mark = np.zeros(size + 1, dtype=np.uint64)
    marks = rng.integers(1, 2**63, size=int((~is_tree).sum()), dtype=np.uint64)
    np.bitwise_xor.at(mark, one[~is_tree], marks)
    np.bitwise_xor.at(mark, two[~is_tree], marks)
    _gather(mark, order, parent)
    answer = np.zeros(len(one), dtype=bool)
    below = np.flatnonzero(edge_above >= 0)
    answer[edge_above[below]] = mark[below] == 0
    return answer


def _gather(mark: NDArray[np.uint64], order: NDArray[np.int32], parent: NDArray[np.int32]) -> None:
    """Add each vertex's mark to its parent's, deepest first; ``mark`` is the caller's scratch."""
    depth = np.zeros(len(mark), dtype=np.intp)
    for vertex in order[1:]:
        depth[vertex] = depth[parent[vertex]] + 1
    reached = order[1:]
    for level in range(int(depth.max()), 1, -1):
        here = reached[depth[reached] == level]
        np.bitwise_xor.at(mark, parent[here], mark[here])


def _sums(lattice: Lattice, number: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """For each pair of levels one of which adds up to the next: (nodes, the sum each belongs to), totals included."""
    axis = lattice.axes[number]
    answer = []
    for low, high in np.argwhere(axis.finer):
        parts = np.flatnonzero(axis.node_level == low)
        wholes = np.flatnonzero(axis.node_level == high)
        answer.append((np.concatenate([parts, wholes]), np.concatenate([ancestors(axis, int(low), int(high)), wholes])))
    return answer


def _slices(
    lattice: Lattice,
    free: NDArray[np.bool_],
    first: int,
    second: int,
    one: tuple[NDArray[np.intp], NDArray[np.intp]],
    two: tuple[NDArray[np.intp], NDArray[np.intp]],
) -> NDArray[np.bool_]:
    """All slices of two given sums at once: their graphs do not touch, so that one search serves them all."""
    table = np.moveaxis(lattice.cell_of, (first, second), (0, 1))
    block = table[np.ix_(one[0], two[0])].reshape(len(one[0]), len(two[0]), -1)
    row, column, other = np.nonzero((block >= 0) & free[np.maximum(block, 0)])
    cells = block[row, column, other]
    complete = _complete(block)
    wide = [axis_nodes.max() + 1 for axis_nodes in (one[0], two[0])]
    rows = (other * wide[0] + one[0][row]) * wide[1] + two[1][column]
    columns = (other * wide[1] + two[0][column]) * wide[0] + one[1][row]
    known = np.zeros(len(free), dtype=bool)
    kept = complete[other]
    shift = rows.max(initial=0) + 1
    known[cells[kept]] = bridges(rows[kept], columns[kept] + shift)
    return known


def _complete(block: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(others,) slices all of whose cells exist; a slice with cells that are no variables proves nothing."""
    return np.asarray((block >= 0).all(axis=(0, 1)))
