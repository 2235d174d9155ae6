"""Peers' suppression patterns and eight hand-made differencing attacks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from geo.cell_audit import HIDDEN, SHOWN, WITHHELD, audit
from geo.cell_lp import intervals, optimal
from geo.disclosure import Dimension, Linked, cube, suppress
from geo.linked import system
from tests.geo.attacks import program
from tests.geo.test_disclosure import two_way

CITY = [
    [31, 12, 54, 45, 69],
    [10, 33, 65, 36, 5],
    [44, 43, 48, 75, 39],
    [26, 1, 5, 43, 16],
    [12, 16, 16, 103, 9],
    [8, 29, 16, 51, 14],
    [13, 78, 137, 9, 20],
    [35, 14, 32, 11, 42],
]
TABLES = {
    "one_primary": [[25, 40, 31], [18, 5, 60], [90, 22, 14]],
    "two_in_row": [[25, 40, 31], [18, 5, 3], [90, 22, 14], [33, 20, 45]],
    "city_8x5": CITY,
}
COUNTS = {"one_primary": 4, "two_in_row": 6, "city_8x5": 12}
VALUES = {"one_primary": 88.004, "two_in_row": 115.007, "city_8x5": 133.013}
ZEROS = [[0, 40, 0, 12], [18, 4, 0, 55], [0, 22, 0, 14], [33, 0, 9, 45]]


def cheapest(linked: Linked, cost: np.ndarray, *, totals: bool = False) -> np.ndarray | None:
    """Cells of the cheapest pattern for the small cells, by inner cells alone unless ``totals``; attacker knows ≥ 0."""
    small = (linked.n >= 1) & (linked.n < 11) & (totals | (linked.table == 0))
    allowed = np.ones(len(linked.n), dtype=bool) if totals else (linked.table == 0) & (linked.n > 0)
    return optimal(linked, primary=small, allowed=allowed, low=np.zeros_like(linked.n), cost=cost)


def ends_of(linked: Linked, hidden: np.ndarray) -> np.ndarray:
    """Exact interval of every hidden cell where zeros may hide."""
    return intervals(linked, hidden, low=np.zeros_like(linked.n), cells=np.flatnonzero(hidden))


@pytest.mark.parametrize("name", TABLES)
def test_cheapest_patterns_cost_what_the_peer_says(name: str) -> None:
    _, linked = two_way(TABLES[name])
    small = (linked.n >= 1) & (linked.n < 11)
    for cost, expected in ((np.ones(len(linked.n)), COUNTS[name]), (linked.n + 0.001, VALUES[name])):
        hidden = cheapest(linked, cost)
        assert hidden is not None
        assert cost[hidden].sum() == pytest.approx(expected, abs=1e-9)
        low, high = ends_of(linked, hidden).T
        assert (low[small[hidden]] <= 1 + 1e-6).all()
        assert (high[small[hidden]] >= 10 - 1e-6).all()
        assert (high - low > 1e-6).all()


@pytest.mark.parametrize("name", TABLES)
def test_primaries_alone_are_all_recovered_and_protected_ones_are_not(name: str) -> None:
    _, linked = two_way(TABLES[name])
    small = (linked.n >= 1) & (linked.n < 11)
    assert (ends_of(linked, small) == linked.n[small][:, None]).all()
    for zeros, lower in (("shown", 1), ("hideable", 0)):
        for method in ("moves", "exact"):
            done = suppress(linked, zeros=zeros, method=method)
            assert done.audit.passed
            hidden = done.states != SHOWN
            low, high = intervals(linked, hidden, low=np.full_like(linked.n, lower), cells=np.flatnonzero(hidden)).T
            assert (low[small[hidden]] <= 1 + 1e-6).all()
            assert (high[small[hidden]] >= 10 - 1e-6).all()
            assert (high - low >= 9 - 1e-6).all()


def test_sparse_tables_are_infeasible_inside_and_fall_back_to_totals() -> None:
    _, linked = two_way(ZEROS)
    assert cheapest(linked, np.ones(len(linked.n))) is None
    is_total = linked.table != 0
    price = np.where(linked.n == 0, 3.0, 1.0)
    rows, columns = linked.keys["c_level"].eq("columns"), linked.keys["r_level"].eq("rows")
    cost = np.where(is_total, np.where(rows & columns, 1000.0, np.where(rows, 20.0, 50.0)), price)
    hidden = cheapest(linked, cost, totals=True)
    assert hidden is not None
    assert cost[hidden].sum() == 104
    small = ((linked.n >= 1) & (linked.n < 11))[hidden]
    low, high = ends_of(linked, hidden).T
    assert (low[small] <= 1 + 1e-6).all()
    assert (high[small] >= 10 - 1e-6).all()
    done = suppress(linked)
    assert done.audit.passed
    assert (done.states[is_total] != SHOWN).any()


def test_totals_may_be_hidden_where_that_is_cheaper() -> None:
    _, linked = two_way(TABLES["one_primary"])
    assert cheapest(linked, np.where(linked.table == 0, 1.0, 20.0), totals=True).sum() == 4


def linked_of(case: dict[str, Any]) -> tuple[Linked, np.ndarray]:
    """A case's base cells as unseen variables and its published views as shown totals over them."""
    names = list(case["true"])
    views = case["published_views"]
    n = np.array([*case["true"].values(), *(view["value"] for view in views)])
    rows = [np.full(len(view["cells"]) + 1, number) for number, view in enumerate(views)]
    columns = [np.array([*(names.index(c) for c in view["cells"]), len(names) + k]) for k, view in enumerate(views)]
    signs = [np.append(np.ones(len(view["cells"]), dtype=np.int64), -1) for view in views]
    equations = system(rows, columns, signs, shape=(len(views), len(n)))
    is_view = np.arange(len(n)) >= len(names)
    linked = Linked(
        keys=pd.DataFrame({"name": [*names, *(f"view {k}" for k in range(len(views)))]}),
        table=is_view.astype(np.intp),
        tables=(("base",), ("view",)),
        n=n,
        offered=is_view,
        equations=equations,
        by_cell=equations.tocsc(),
    )
    return linked, np.where(is_view, SHOWN, WITHHELD).astype(np.int8)


def check_case(case: dict[str, Any]) -> None:
    """Intervals by our programmes and by the attacker's own; disclosed and violating cells by the audit."""
    linked, states = linked_of(case)
    names = list(case["true"])
    published = [
        (np.isin(names, view["cells"]).astype(float), float(view["value"])) for view in case["published_views"]
    ]
    ends = intervals(linked, states != SHOWN, low=np.zeros_like(linked.n), cells=np.arange(len(names)))
    for name, expected in case["intervals"].items():
        at = names.index(name)
        assert ends[at] == pytest.approx(expected, abs=1e-6)
        assert program(published, [], np.eye(len(names))[at]) == pytest.approx(expected, abs=1e-6)
    hidden = list(case["intervals"])
    small = [name for name in hidden if 1 <= case["true"][name] <= 10]
    disclosed = [name for name in hidden if np.ptp(ends[names.index(name)]) < 1e-6]
    assert disclosed == case["disclosed"]
    seen = {name for view in case["published_views"] if len(view["cells"]) == 1 for name in view["cells"]}
    failed = set(audit(linked, states, lower=0).failures["cell"])
    told = [name for name in small if names.index(name) in failed]
    assert told == case["violates_1_10_rule"]
    assert seen <= set(names)


def test_a_sliver_and_a_narrow_interval() -> None:
    """Two of the hand cases, kept here so that the method is always run."""
    views = [(["in", "out"], 36), (["other"], 44), (["in", "other"], 74)]
    check_case(
        {
            "true": {"in": 30, "out": 6, "other": 44},
            "published_views": [{"cells": cells, "value": value} for cells, value in views],
            "intervals": {"out": [6.0, 6.0]},
            "disclosed": ["out"],
            "violates_1_10_rule": ["out"],
        }
    )
    counts, linked = two_way([[5, 30], [22, 7], [40, 51]])
    states = np.where((linked.table == 0) & (linked.n < 40), HIDDEN, SHOWN).astype(np.int8)
    result = audit(linked, states, lower=0)
    assert linked.n[result.failures["cell"]].tolist() == [7]
    assert result.failures[["low", "high"]].to_numpy().tolist() == [[2.0, 29.0]]
    assert len(counts) == 6


@pytest.mark.oracle
def test_differencing_attacks(oracle_dir: Path) -> None:
    cases = json.loads((oracle_dir / "differencing_attack" / "expected.json").read_text())
    assert len(cases) == 8
    for case in cases:
        check_case(case)


@pytest.mark.oracle
def test_tables_and_patterns_of_the_oracle(oracle_dir: Path) -> None:
    folder = oracle_dir / "suppression_small"
    for name, cells in {**TABLES, "zeros_block": ZEROS}.items():
        assert pd.read_csv(folder / f"{name}.csv", index_col=0).to_numpy().tolist() == cells
        expected = json.loads((folder / f"{name}_expected.json").read_text())
        _, linked = two_way(cells)
        inner = (linked.table == 0) & (linked.n >= 1) & (linked.n < 11)
        assert inner.sum() == expected["n_primary"] == expected["primary_only_exactly_recovered"]
        pattern = expected["optimal_count"].get("pattern")
        if pattern is None:
            assert cheapest(linked, np.ones(len(linked.n))) is None
            continue
        hidden = np.append(np.array([list(row) for row in pattern]).ravel() != ".", np.zeros(len(linked.n))).astype(
            bool
        )
        hidden = hidden[: len(linked.n)]
        ends = ends_of(linked, hidden)
        assert ends == pytest.approx(np.array(expected["audit_intervals"])[:, 3:], abs=1e-6)
    assert json.loads((folder / "bridge_check.json").read_text())["bridge_criterion_mismatches"] == 0


def test_dimensions_of_one_level_have_no_total() -> None:
    """Needs are never added: a small cell of one need asks nothing of another."""
    counts = pd.DataFrame({"need": ["a", "b"], "n": [5, 50]})
    done = suppress(cube(counts, [Dimension(name="need", levels=("need",))]))
    assert done.states.tolist() == [HIDDEN, SHOWN]
    assert done.audit.passed
