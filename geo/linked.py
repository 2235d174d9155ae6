"""Linked tables: every cell a release may publish, and every sum that ties one cell to others."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array, csr_array

from geo.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """One dimension of a cube: its levels are columns of the counts, the finest first.

    ``nest`` lists the pairs (finer, coarser); without it every level nests in the next. Several parents of one level
    are allowed: tract and beat over their intersections, or the outcomes of two legs under the same calls.
    """

    name: str
    levels: tuple[str, ...]
    nest: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A dimension made concrete. A *node* is a (level, label); an *atom* has exactly one node on every level.

    ``atom_nodes`` (atoms, levels) node of each atom on each level; ``node_level`` (nodes,); ``labels`` (nodes,);
    ``finer`` (levels, levels) true where the row level is strictly finer than the column level.
    """

    name: str
    levels: tuple[str, ...]
    labels: tuple[str, ...]
    node_level: NDArray[np.intp]
    atom_nodes: NDArray[np.intp]
    finer: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """Where each cell sits: ``cell_of`` (nodes of axis 1, …, nodes of axis k) cell number or −1; ``nodes`` (C, k)."""

    axes: tuple[Axis, ...]
    cell_of: NDArray[np.intp]
    nodes: NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """C cells and E equations between them; what an attacker knows of a release is this system and the shown cells.

    ``keys`` (C rows) the label of each dimension and its level in ``<dimension>_level``; ``table`` (C,) number in
    ``tables``; ``n`` (C,) counts; ``offered`` (C,) true where the release may publish the cell, false where it is a
    variable only; ``equations`` (E, C): +1 on parts, −1 on their total, so that ``equations @ n == 0``;
    ``by_cell`` the same by column; ``lattice`` the product structure, or None where tables were stacked.
    """

    keys: pd.DataFrame
    table: NDArray[np.intp]
    tables: tuple[tuple[str, ...], ...]
    n: NDArray[np.int64]
    offered: NDArray[np.bool_]
    equations: csr_array
    by_cell: csc_array
    lattice: Lattice | None = None


def margins(dimensions: Sequence[Dimension]) -> list[tuple[str, ...]]:
    """Every combination of levels, one of each dimension: the tables of a cube with all its totals."""
    return list(product(*(dimension.levels for dimension in dimensions)))


def cube(
    counts: pd.DataFrame,
    dimensions: Sequence[Dimension],
    *,
    tables: Sequence[Sequence[str]] | None = None,
    unseen: Sequence[Sequence[str]] = (),
    value: str = "n",
) -> Linked:
    """Linked tables of long-form counts: every cell of every table, zeros included, and the sums between tables.

    ``counts`` holds one column per level of every dimension and ``value`` (whole calls ≥ 0); rows of equal labels are
    added and absent combinations are 0. A table names one level of each dimension, in order; without ``tables`` all
    margins are offered. ``unseen`` tables are variables which are never published. Cells finer than any named table
    are no variables: that loses nothing where all tables meet in one coarser table that is published too (families
    that are products of levels); otherwise name the finer table in ``unseen``. A dimension without a constant level
    has no total (needs are never added).

    Raises InputError for absent columns, negative or broken counts and levels that do not nest.
    Reference: Fischetti and Salazar (2001), Management Science 47(7), linked tables as one system My = b.
    """
    offered_tables = [tuple(t) for t in (margins(dimensions) if tables is None else tables)]
    every = offered_tables + [tuple(t) for t in unseen if tuple(t) not in set(offered_tables)]
    _check(counts, dimensions, every, value)
    axes, codes = zip(*(_axis(counts, dimension) for dimension in dimensions), strict=True)
    values = _node_values(counts[value].to_numpy(np.int64), axes, codes)
    lattice, table = _lay_out(axes, every)
    nodes = lattice.nodes
    equations = _equations(lattice, every)
    return Linked(
        keys=_keys(axes, nodes),
        table=table,
        tables=tuple(every),
        n=values[tuple(nodes.T)],
        offered=table < len(offered_tables),
        equations=equations,
        by_cell=equations.tocsc(),
        lattice=lattice,
    )


def _check(
    counts: pd.DataFrame, dimensions: Sequence[Dimension], tables: Sequence[tuple[str, ...]], value: str
) -> None:
    wanted = [value, *(level for dimension in dimensions for level in dimension.levels)]
    absent = [column for column in wanted if column not in counts.columns]
    if absent:
        raise InputError(f"counts lack columns {absent}: give one column per level and the count")
    if len(set(wanted)) != len(wanted):
        raise InputError(f"expected distinct level names over all dimensions, got {wanted}: rename them")
    numbers = counts[value].to_numpy(float)
    if not (np.isfinite(numbers).all() and (numbers >= 0).all() and (numbers == np.round(numbers)).all()):
        raise InputError(f"expected whole counts ≥ 0 in [{value}]: give calls, not rates, and fill gaps with 0")
    levels = [dimension.levels for dimension in dimensions]
    wrong = [t for t in tables if len(t) != len(levels) or any(x not in of for x, of in zip(t, levels, strict=False))]
    if wrong or not tables:
        raise InputError(f"expected one level of each dimension in order, got {wrong}: choose from {levels}")


def _axis(counts: pd.DataFrame, dimension: Dimension) -> tuple[Axis, NDArray[np.intp]]:
    levels = list(dimension.levels)
    text = counts[levels].astype(str)
    atoms = text.drop_duplicates().sort_values(levels[::-1]).reset_index(drop=True)
    code = atoms.assign(_code=np.arange(len(atoms)))
    codes = text.merge(code, on=levels, how="left")["_code"].to_numpy(np.intp)
    labels: list[str] = []
    node_level: list[int] = []
    columns = []
    for number, level in enumerate(levels):
        order, unique = pd.factorize(atoms[level])
        columns.append(np.asarray(order, dtype=np.intp) + len(labels))
        labels.extend(str(label) for label in unique)
        node_level.extend([number] * len(unique))
    nest = dimension.nest if dimension.nest is not None else tuple(pairwise(levels))
    axis = Axis(
        name=dimension.name,
        levels=dimension.levels,
        labels=tuple(labels),
        node_level=np.array(node_level, dtype=np.intp),
        atom_nodes=np.column_stack(columns),
        finer=_closure(levels, nest),
    )
    for low, high in np.argwhere(axis.finer):
        ancestors(axis, int(low), int(high))
    return axis, codes


def _closure(levels: Sequence[str], nest: Sequence[tuple[str, str]]) -> NDArray[np.bool_]:
    finer = np.zeros((len(levels), len(levels)), dtype=bool)
    for low, high in nest:
        finer[levels.index(low), levels.index(high)] = True
    for _ in levels:
        finer |= (finer.astype(int) @ finer.astype(int)) > 0
    return finer


def ancestors(axis: Axis, low: int, high: int) -> NDArray[np.intp]:
    """For each node of level ``low`` (in node order) its node of level ``high``. Raises InputError if not nested."""
    pairs = np.unique(axis.atom_nodes[:, [low, high]], axis=0)
    if len(np.unique(pairs[:, 0])) != len(pairs):
        twice = pairs[:-1][pairs[:-1, 0] == pairs[1:, 0]][0]
        raise InputError(
            f"{axis.name}: {axis.levels[low]} [{axis.labels[twice[0]]}] lies in several of {axis.levels[high]}: "
            "nest them, or make their intersections the finest level"
        )
    return np.asarray(pairs[:, 1], dtype=np.intp)


def _node_values(n: NDArray[np.int64], axes: Sequence[Axis], codes: Sequence[NDArray[np.intp]]) -> NDArray[np.int64]:
    values = np.zeros([len(axis.atom_nodes) for axis in axes])
    np.add.at(values, tuple(codes), n)
    for number, axis in enumerate(axes):
        member = np.zeros((len(axis.labels), len(axis.atom_nodes)))
        member[axis.atom_nodes, np.arange(len(axis.atom_nodes))[:, None]] = 1
        values = np.moveaxis(np.tensordot(member, values, axes=(1, number)), 0, number)
    return np.rint(values).astype(np.int64)


def _level_nodes(axis: Axis, level: int) -> NDArray[np.intp]:
    return np.flatnonzero(axis.node_level == level).astype(np.intp)


def _grid(axes: Sequence[Axis], table: tuple[str, ...]) -> list[NDArray[np.intp]]:
    per_axis = [_level_nodes(axis, axis.levels.index(level)) for axis, level in zip(axes, table, strict=True)]
    return [part.ravel() for part in np.meshgrid(*per_axis, indexing="ij")]


def _lay_out(axes: tuple[Axis, ...], tables: Sequence[tuple[str, ...]]) -> tuple[Lattice, NDArray[np.intp]]:
    grids = [np.column_stack(_grid(axes, table)) for table in tables]
    nodes = np.concatenate(grids)
    cell_of = np.full([len(axis.labels) for axis in axes], -1, dtype=np.intp)
    cell_of[tuple(nodes.T)] = np.arange(len(nodes))
    table = np.repeat(np.arange(len(tables)), [len(grid) for grid in grids]).astype(np.intp)
    return Lattice(axes=axes, cell_of=cell_of, nodes=nodes), table


def _keys(axes: Sequence[Axis], nodes: NDArray[np.intp]) -> pd.DataFrame:
    columns: dict[str, NDArray[np.object_]] = {}
    for number, axis in enumerate(axes):
        columns[axis.name] = np.array(axis.labels, dtype=object)[nodes[:, number]]
        columns[f"{axis.name}_level"] = np.array(axis.levels, dtype=object)[axis.node_level[nodes[:, number]]]
    return pd.DataFrame(columns)


def _equations(lattice: Lattice, tables: Sequence[tuple[str, ...]]) -> csr_array:
    """One row for each cell of a table and each closest finer table whose cells add up to it."""
    axes = lattice.axes
    numbers = [tuple(a.levels.index(x) for a, x in zip(axes, t, strict=True)) for t in tables]
    rows: list[NDArray[np.intp]] = []
    columns: list[NDArray[np.intp]] = []
    signs: list[NDArray[np.int64]] = []
    total = 0
    for parent in numbers:
        below = [part for part in numbers if _is_finer(axes, part, parent)]
        closest = [part for part in below if not any(_is_finer(axes, part, other) for other in below)]
        for part in closest:
            row, column, sign, count = _sum_rows(lattice, part, parent)
            rows.append(row + total)
            columns.append(column)
            signs.append(sign)
            total += count
    return system(rows, columns, signs, shape=(total, len(lattice.nodes)))


def system(
    rows: Sequence[NDArray[np.intp]],
    columns: Sequence[NDArray[np.intp]],
    signs: Sequence[NDArray[np.int64]],
    *,
    shape: tuple[int, int],
) -> csr_array:
    """Sparse equations (E, C) of lists of row numbers, cell numbers and signs; empty lists give no entries."""
    empty = np.zeros(0, dtype=np.intp)
    place = (np.concatenate([empty, *rows]), np.concatenate([empty, *columns]))
    values = np.concatenate([np.zeros(0, dtype=np.int64), *signs])
    return coo_array((values, place), shape=shape).tocsr()


def _is_finer(axes: Sequence[Axis], part: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    steps = list(zip(axes, part, whole, strict=True))
    return part != whole and all(low == high or bool(axis.finer[low, high]) for axis, low, high in steps)


def _sum_rows(
    lattice: Lattice, part: tuple[int, ...], whole: tuple[int, ...]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int64], int]:
    own = [_level_nodes(axis, level) for axis, level in zip(lattice.axes, part, strict=True)]
    up = [
        nodes if low == high else ancestors(axis, low, high)
        for axis, nodes, low, high in zip(lattice.axes, own, part, whole, strict=True)
    ]
    children = lattice.cell_of[np.ix_(*own)].ravel()
    parents = lattice.cell_of[np.ix_(*up)].ravel()
    unique, row = np.unique(parents, return_inverse=True)
    rows = np.concatenate([row, np.arange(len(unique))]).astype(np.intp)
    signs = np.concatenate([np.ones(len(children)), -np.ones(len(unique))]).astype(np.int64)
    return rows, np.concatenate([children, unique]), signs, len(unique)
