"""Several releases, or several geographies, seen by one attacker: their tables stacked into one linked system."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geo.cell_audit import HIDDEN, SHOWN, WITHHELD, Audit, audit, check_states
from geo.errors import InputError
from geo.linked import Dimension, Linked, system

_SEED = 20_240_307


def overlay(counts: pd.DataFrame, *, name: str, levels: Sequence[str]) -> tuple[pd.DataFrame, Dimension]:
    """Counts with a column ``<name>_piece`` and the dimension in which it nests in every one of ``levels``.

    For geographies that overlap (tract and beat): a piece is one combination of them. List tables of pieces under
    ``unseen`` of ``cube``: variables that nobody publishes, and that must not be derivable either.
    """
    piece = f"{name}_piece"
    label = counts[list(levels)].astype(str).agg(" ∩ ".join, axis=1)
    nest = tuple((piece, level) for level in levels)
    return counts.assign(**{piece: label}), Dimension(name=name, levels=(piece, *levels), nest=nest)


def joint_audit(
    releases: Sequence[tuple[Linked, NDArray[np.int8]]],
    *,
    revised: bool = False,
    threshold: int = 11,
    lower: int = 1,
) -> Audit:
    """The audit of everything shown in all ``releases`` (linked tables with their states), oldest first.

    Rule and result as in ``audit``, over the cells of ``stack``.
    Reference: Fischetti and Salazar 2001, stacked constraints.
    """
    linked, states = stack(releases, revised=revised)
    return audit(linked, states, threshold=threshold, lower=lower)


def stack(
    releases: Sequence[tuple[Linked, NDArray[np.int8]]], *, revised: bool = False
) -> tuple[Linked, NDArray[np.int8]]:
    """One linked system of all releases (oldest first) and what is known of each cell in any of them.

    Cells of equal keys and equal counts are one cell, shown if any release shows it. Where a count changed between
    releases (``revised``), both versions stay and a variable is added: late calls where it rose, withdrawn calls
    where it fell; it is ≥ 0, never offered, and audited as every small count is. Keeps the product structure, and
    with it fast certificates, where one release holds all cells of the others; otherwise programmes decide.

    Raises InputError where counts differ and ``revised`` is false, and for releases of different dimensions.
    """
    if not releases:
        raise InputError("expected at least one release, got none")
    for linked, states in releases:
        check_states(linked, states)
        if list(linked.keys.columns) != list(releases[0][0].keys.columns):
            raise InputError(
                f"expected releases of the same dimensions, got {list(linked.keys.columns)} beside "
                f"{list(releases[0][0].keys.columns)}: stack only tables of one cube"
            )
    cells = _versions(releases, revised=revised)
    first = cells.groupby("version", sort=True).first()
    first["offered"] = cells.groupby("version", sort=True)["offered"].any()
    numbers = [part["version"].to_numpy(np.intp) for _, part in cells.groupby("release", sort=True)]
    known = _known(releases, numbers, len(first))
    joined = _equations(releases, numbers, len(first))
    base = _holder(releases, numbers, len(first), joined)
    if base is not None:
        whole = releases[base][0]
        offered = first["offered"].to_numpy(bool)[numbers[base]]
        return replace(whole, offered=offered), known[numbers[base]]
    return _stacked(first, known, joined)


def _versions(releases: Sequence[tuple[Linked, NDArray[np.int8]]], *, revised: bool) -> pd.DataFrame:
    """One row per release and cell, oldest first; ``cell`` numbers equal keys, ``version`` equal keys and counts."""
    frames = [
        linked.keys.assign(
            n=linked.n,
            offered=linked.offered,
            release=number,
            named=[" × ".join(linked.tables[table]) for table in linked.table],
        )
        for number, (linked, _) in enumerate(releases)
    ]
    keys = list(releases[0][0].keys.columns)
    rows = pd.concat(frames, ignore_index=True)
    rows["cell"] = rows.groupby(keys, sort=False).ngroup()
    rows["version"] = rows.groupby(["cell", "n"], sort=False).ngroup()
    changed = int((rows.groupby("cell")["version"].nunique() > 1).sum())
    if changed and not revised:
        raise InputError(
            f"expected the same counts in all releases, got [{changed}] cells that changed: publish closed periods "
            "only, or pass revised=True to audit what the changes give away"
        )
    return rows


def _known(
    releases: Sequence[tuple[Linked, NDArray[np.int8]]], numbers: Sequence[NDArray[np.intp]], size: int
) -> NDArray[np.int8]:
    rank = np.zeros(size, dtype=np.int8)
    value = np.zeros(3, dtype=np.int8)
    value[[WITHHELD, HIDDEN, SHOWN]] = (0, 1, 2)
    for (_, states), number in zip(releases, numbers, strict=True):
        np.maximum.at(rank, number, value[states])
    return np.array([WITHHELD, HIDDEN, SHOWN], dtype=np.int8)[rank]


def _equations(
    releases: Sequence[tuple[Linked, NDArray[np.int8]]], numbers: Sequence[NDArray[np.intp]], size: int
) -> tuple[list[NDArray[np.intp]], list[NDArray[np.intp]], list[NDArray[np.int64]], int]:
    """Rows, columns, signs and number of the distinct equations of all releases."""
    weights = np.random.default_rng(_SEED).integers(1, 2**40, size=(size, 2))
    seen: set[tuple[int, int]] = set()
    rows, columns, signs, total = [], [], [], 0
    for (linked, _), number in zip(releases, numbers, strict=True):
        marks = linked.equations @ weights[number]
        fresh = []
        for index, mark in enumerate(map(tuple, marks.tolist())):
            if mark not in seen:
                seen.add(mark)
                fresh.append(index)
        part = linked.equations[np.array(fresh, dtype=np.intp)].tocoo()
        rows.append(part.row.astype(np.intp) + total)
        columns.append(number[part.col])
        signs.append(part.data.astype(np.int64))
        total += len(fresh)
    return rows, columns, signs, total


def _holder(
    releases: Sequence[tuple[Linked, NDArray[np.int8]]],
    numbers: Sequence[NDArray[np.intp]],
    size: int,
    joined: tuple[list[NDArray[np.intp]], list[NDArray[np.intp]], list[NDArray[np.int64]], int],
) -> int | None:
    """The release whose tables already are all cells and all equations, if there is one."""
    for index, (linked, _) in enumerate(releases):
        if len(linked.n) == size and linked.equations.shape[0] == joined[3]:
            return index
    return None


def _stacked(
    first: pd.DataFrame,
    known: NDArray[np.int8],
    joined: tuple[list[NDArray[np.intp]], list[NDArray[np.intp]], list[NDArray[np.int64]], int],
) -> tuple[Linked, NDArray[np.int8]]:
    rows, columns, signs, total = joined
    keys = [column for column in first.columns if column not in ("n", "offered", "release", "named", "cell")]
    older = first.reset_index().sort_values(["cell", "release", "version"], kind="stable")
    again = (older["cell"].to_numpy()[1:] == older["cell"].to_numpy()[:-1]).nonzero()[0]
    old, new = older["version"].to_numpy(np.intp)[again], older["version"].to_numpy(np.intp)[again + 1]
    n = first["n"].to_numpy(np.int64)
    rose = n[new] > n[old]
    less, more = np.where(rose, old, new), np.where(rose, new, old)
    late = len(first) + np.arange(len(old))
    line = total + np.arange(len(old))
    one = np.ones(len(old), dtype=np.int64)
    extra = first.iloc[new].assign(n=n[more] - n[less], offered=False, named=np.where(rose, "late", "withdrawn"))
    cells = pd.concat([first, extra], ignore_index=True)
    table, names = pd.factorize(cells["named"])
    equations = system(
        [*rows, line, line, line],
        [*columns, less, late, more],
        [*signs, one, one, -one],
        shape=(total + len(old), len(cells)),
    )
    linked = Linked(
        keys=cells[keys],
        table=np.asarray(table, dtype=np.intp),
        tables=tuple(tuple(str(name).split(" × ")) for name in names),
        n=cells["n"].to_numpy(np.int64),
        offered=cells["offered"].to_numpy(bool),
        equations=equations,
        by_cell=equations.tocsc(),
    )
    return linked, np.concatenate([known, np.full(len(old), WITHHELD, dtype=np.int8)])
