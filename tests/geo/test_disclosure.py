"""Suppression and audit held against full programmes over base cells, on random and hand-made tables."""

import time
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.bridges import bridges
from geo.cell_audit import propagate
from geo.cell_lp import intervals
from geo.disclosure import (
    HIDDEN,
    SHOWN,
    WITHHELD,
    Dimension,
    Linked,
    audit,
    cube,
    first_pass,
    margins,
    shares,
    suppress,
)
from geo.errors import InputError
from geo.suppression import complementary_small
from tests.bench_disclosure import linked as bench_linked
from tests.bench_disclosure import made_counts
from tests.geo.attacks import (
    count_from_rate,
    groups,
    members,
    open_intervals,
    subtract,
    windows,
)

AREA = Dimension(name="area", levels=("tract", "neighbourhood", "city"))
PERIOD = Dimension(name="period", levels=("quarter", "whole"))
OUTCOME = Dimension(name="outcome", levels=("outcome", "calls"))


def two_way(table: Sequence[Sequence[int]]) -> tuple[pd.DataFrame, Linked]:
    """A rows × columns table with both totals."""
    cells = np.array(table)
    row, column = np.indices(cells.shape).reshape(2, -1)
    counts = pd.DataFrame({"row": row, "column": column, "rows": "all", "columns": "all", "n": cells.ravel()})
    sides = [Dimension(name="r", levels=("row", "rows")), Dimension(name="c", levels=("column", "columns"))]
    return counts, cube(counts, sides)


def three_way(values: Sequence[int]) -> tuple[pd.DataFrame, Linked]:
    """4 tracts in 2 neighbourhoods × 2 quarters × 2 outcomes with all totals: 16 base cells, 84 in all."""
    tract, quarter, outcome = np.indices((4, 2, 2)).reshape(3, -1)
    counts = pd.DataFrame(
        {
            "tract": tract,
            "neighbourhood": tract // 2,
            "city": "all",
            "quarter": quarter,
            "whole": "all",
            "outcome": outcome,
            "calls": "all",
            "n": list(values),
        }
    )
    return counts, cube(counts, [AREA, PERIOD, OUTCOME])


def breaks_rule(linked: Linked, states: np.ndarray, ends: np.ndarray, threshold: int = 11) -> set[int]:
    """Cells that the rule of the release forbids to be so nearly known."""
    small = (linked.n >= 1) & (linked.n < threshold)
    wide = (states != SHOWN) & linked.offered & (linked.n >= threshold)
    low, high = ends.T
    bad = (small & ((low > 1 + 1e-6) | (high < threshold - 1 - 1e-6))) | (wide & (high - low < threshold - 2 - 1e-6))
    return set(np.flatnonzero(bad).tolist())


def test_cube_holds_every_margin_and_every_sum() -> None:
    counts, linked = three_way(range(16))
    assert len(linked.n) == (4 + 2 + 1) * 3 * 3
    inside = members(counts, linked.keys, ["area", "period", "outcome"])
    assert (inside @ counts["n"].to_numpy() == linked.n).all()
    assert (linked.equations @ linked.n == 0).all()
    free = linked.equations.shape[1] - np.linalg.matrix_rank(linked.equations.toarray().astype(float))
    assert free == 16


def test_cube_with_tables_on_different_rungs_and_needs_without_total() -> None:
    counts = pd.concat([three_way(range(16))[0].assign(need=need) for need in ("a", "b")])
    need = Dimension(name="need", levels=("need",))
    tables = [("tract", "whole", "calls", "need"), ("neighbourhood", "quarter", "outcome", "need")]
    linked = cube(
        counts, [AREA, PERIOD, OUTCOME, need], tables=tables, unseen=[("tract", "quarter", "outcome", "need")]
    )
    assert len(linked.n) == 2 * (4 + 8 + 16)
    assert linked.offered.sum() == 2 * (4 + 8)
    assert (linked.equations @ linked.n == 0).all()
    assert linked.equations.shape[0] == 2 * (4 + 8)
    assert len(margins([AREA, PERIOD])) == 6


def test_cube_refuses_what_it_cannot_add_up() -> None:
    counts, _ = three_way(range(16))
    with pytest.raises(InputError, match="lack columns"):
        cube(counts.drop(columns="city"), [AREA])
    with pytest.raises(InputError, match="whole counts"):
        cube(counts.assign(n=0.5), [AREA])
    with pytest.raises(InputError, match="several of"):
        cube(counts.assign(neighbourhood=counts["quarter"]), [AREA])
    with pytest.raises(InputError, match="one level of each"):
        cube(counts, [AREA, PERIOD], tables=[("tract",)])
    with pytest.raises(InputError, match="distinct"):
        cube(counts, [AREA, AREA])


def test_bridges_are_the_cells_that_rows_and_columns_give_away() -> None:
    first, second = np.array([0, 0, 1, 1, 2, 3, 3]), np.array([10, 11, 10, 11, 11, 12, 13])
    assert bridges(first, second).tolist() == [False, False, False, False, True, True, True]
    assert bridges(first[:0], second[:0]).tolist() == []
    assert bridges(np.array([0, 0]), np.array([1, 1])).tolist() == [False, False]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 14), min_size=12, max_size=12), st.lists(st.booleans(), min_size=20, max_size=20))
def test_bridge_criterion_agrees_with_programmes(values: list[int], hide: list[bool]) -> None:
    """In a two-way table with totals a hidden cell is fixed by sums alone if and only if its edge is a bridge."""
    from geo.bridges import determined

    _, linked = two_way(np.array(values).reshape(3, 4) + 100)
    free = np.array(hide)
    slack = np.zeros(len(linked.n), dtype=np.int64)
    ends = intervals(linked, free, low=slack, cells=np.arange(len(linked.n)))
    fixed = free & (ends[:, 1] - ends[:, 0] < 1e-6)
    assert (determined(linked, free) == fixed).all()


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(0, 25), min_size=16, max_size=16),
    st.lists(st.integers(0, 9), min_size=63, max_size=63),
    st.sampled_from([0, 1]),
)
def test_audit_equals_full_programmes_over_base_cells(values: list[int], hide: list[int], lower: int) -> None:
    """Any hiding whatever, three linked dimensions: the audit fails just the cells that exact intervals fail."""
    counts, linked = three_way(values)
    states = np.where(np.array(hide) < 6, SHOWN, np.where(np.array(hide) < 9, HIDDEN, WITHHELD)).astype(np.int8)
    states[(linked.n == 0) & (states == HIDDEN) & bool(lower)] = SHOWN
    ends = open_intervals(members(counts, linked.keys, ["area", "period", "outcome"]), linked.n, states, lower=lower)
    result = audit(linked, states, lower=lower)
    assert set(result.failures["cell"]) == breaks_rule(linked, states, ends)
    assert result.passed == (not len(result.failures))
    floor, ceiling = propagate(linked, states != SHOWN, low=np.where(states == HIDDEN, lower, 0))
    assert (floor <= ends[:, 0] + 1e-6).all()
    assert (ceiling >= ends[:, 1] - 1e-6).all()
    holds = states != SHOWN
    proved = holds & np.isfinite(result.low) & ~np.isin(np.arange(len(holds)), result.failures["cell"])
    assert (result.low[proved] >= ends[proved, 0] - 1e-6).all()
    assert (result.high[proved] <= ends[proved, 1] + 1e-6).all()


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.lists(st.one_of(st.integers(0, 12), st.integers(0, 60)), min_size=16, max_size=16))
def test_suppressed_tables_withstand_full_programmes(values: list[int]) -> None:
    counts, linked = three_way(values)
    done = suppress(linked)
    assert done.audit.passed
    assert done.infeasible.empty
    assert not (done.states[(linked.n >= 1) & (linked.n < 11)] == SHOWN).any()
    assert (done.states[(linked.n == 0) & ~done.below] == SHOWN).all()
    inside = members(counts, linked.keys, ["area", "period", "outcome"])
    assert breaks_rule(linked, done.states, open_intervals(inside, linked.n, done.states, lower=1)) == set()
    assert subtract(inside, linked.n, done.states) == {} or not set(subtract(inside, linked.n, done.states)) & set(
        np.flatnonzero(linked.n > 0)
    )


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 40), min_size=16, max_size=16), st.integers(3, 20), st.integers(0, 15))
def test_raising_the_threshold_publishes_no_smaller_count(values: list[int], threshold: int, more: int) -> None:
    _, linked = three_way(values)
    low, high = suppress(linked, threshold=threshold), suppress(linked, threshold=threshold + more)
    assert not (low.primary & ~high.primary).any()
    assert not (low.below & ~high.below).any()
    shown = high.states == SHOWN
    assert linked.n[shown & (linked.n > 0)].min(initial=10_000) >= threshold + more
    assert high.audit.passed


def test_without_complements_the_attack_succeeds() -> None:
    """The mutation check: primaries alone are recovered exactly, protected ones are not."""
    counts, linked = three_way([25, 40, 31, 33, 18, 5, 60, 44, 90, 22, 14, 35, 41, 52, 63, 29])
    inside = members(counts, linked.keys, ["area", "period", "outcome"])
    bare, done = suppress(linked, complements=False), suppress(linked)
    assert linked.n[bare.primary].tolist() == [40, 18, 5, 44]
    assert subtract(inside, linked.n, bare.states) == {
        int(cell): int(linked.n[cell]) for cell in np.flatnonzero(bare.primary)
    }
    assert not bare.audit.passed
    assert set(bare.audit.failures["how"]) == {"bridge"}
    assert bare.infeasible["advice"].str.startswith("drop or coarsen tract × quarter × outcome").all()
    assert subtract(inside, linked.n, done.states) == {}
    assert done.audit.passed
    assert done.complementary.sum() == 4


def test_a_cell_that_leaves_a_small_rest_is_hidden_with_it() -> None:
    _, linked = two_way([[40, 3, 3], [50, 60, 70], [30, 20, 90]])
    flagged = complementary_small(linked)
    at = linked.keys["r"].eq("0") & linked.keys["c"].eq("0")
    assert flagged[at].all()
    assert suppress(linked).primary[at].all()


def test_parts_of_a_small_total_are_withheld_with_their_zeros() -> None:
    """Were the zeros beside them shown, three parts of a total would say that it is at least three."""
    _, linked = two_way([[2, 2, 2, 0], [50, 60, 70, 80], [30, 20, 90, 40]])
    done = suppress(linked)
    zero = linked.keys["r"].eq("0") & linked.keys["c"].eq("3")
    assert done.states[zero] == [WITHHELD]
    assert done.audit.passed


def test_flags_hide_and_published_cells_stay_public() -> None:
    _, linked = two_way([[40, 30, 31], [50, 60, 70], [33, 20, 90]])
    flags = np.zeros(len(linked.n), dtype=bool)
    flags[4] = True
    done = suppress(linked, flags=flags)
    assert done.states[4] == HIDDEN
    assert done.audit.passed
    assert done.complementary.sum() == 3
    _, sparse = two_way([[40, 30, 31], [50, 5, 70], [33, 20, 90]])
    public = np.ones(len(sparse.n), dtype=bool)
    public[4] = False
    stuck = suppress(sparse, published=public)
    assert not stuck.audit.passed
    assert stuck.infeasible["cell"].tolist() == [4]
    assert suppress(sparse, published=public & (sparse.table > 0)).audit.passed


def test_bad_settings_are_refused() -> None:
    _, linked = two_way([[1, 2], [3, 4]])
    with pytest.raises(InputError, match="at least 3"):
        suppress(linked, threshold=2)
    with pytest.raises(InputError, match="flags"):
        suppress(linked, flags=np.zeros(2, dtype=bool))
    with pytest.raises(InputError, match="state 0, 1 or 2"):
        audit(linked, np.full(len(linked.n), 3, dtype=np.int8))
    with pytest.raises(InputError, match="zeros"):
        audit(two_way([[0, 40], [50, 60]])[1], np.full(9, HIDDEN, dtype=np.int8))


def test_a_false_certificate_is_refused() -> None:
    from geo.moves import Change

    _, linked = two_way([[40, 30], [50, 60]])
    states = np.zeros(len(linked.n), dtype=np.int8)
    states[:4] = HIDDEN
    cells = np.array([0, 1], dtype=np.intp)
    with pytest.raises(InputError, match="published sum"):
        audit(linked, states, certificates=[Change(cells=cells, delta=np.array([1, 1]))])
    with pytest.raises(InputError, match="shown cell"):
        audit(linked, states, certificates=[Change(cells=cells + 3, delta=np.array([1, -1]))])


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("tracts", "quarters"), [(6, 4), (12, 8), (18, 4)])
def test_certificates_are_sound_on_made_cities(seed: int, tracts: int, quarters: int) -> None:
    """Three seeds and sizes of up to some 500 cells: full programmes recover nothing and narrow nothing too far."""
    linked = bench_linked(
        made_counts(tracts, 1, quarters, mean=30, seed=seed, outcomes=tracts < 12), outcomes=tracts < 12
    )
    assert len(linked.n) <= 500
    done = suppress(linked)
    assert done.audit.passed
    free = done.states != SHOWN
    low = np.where(done.states == HIDDEN, 1, 0)
    ends = np.tile(linked.n[:, None].astype(float), 2)
    watched = np.flatnonzero(free & (linked.n > 0))
    ends[watched] = intervals(linked, free, low=low, cells=watched)
    assert breaks_rule(linked, done.states, ends) == set()
    assert (ends[watched, 1] - ends[watched, 0] > 1).all()


def test_suppression_is_deterministic() -> None:
    linked = bench_linked(made_counts(12, 2, 8, mean=30, seed=5, outcomes=True), outcomes=True)
    assert (suppress(linked).states == suppress(linked).states).all()


def test_attack_helpers_find_what_is_there_to_find() -> None:
    assert windows({(0, 4): 65, (1, 5): 91, (4, 5): 31})[(0, 1)] == 5
    assert (0, 1) not in windows({(0, 4): 65, (1, 5): 91})
    assert groups({frozenset("abc"): 69, frozenset("ab"): 65})[frozenset("c")] == 4
    assert count_from_rate(4.1, 2170, per=1000, decimals=1) == [9]
    assert len(count_from_rate(4.0, 50_000, per=1000, decimals=0)) > 9


@pytest.mark.slow
def test_the_whole_city_is_protected_and_audited_in_ten_minutes() -> None:
    """300 tracts × 10 needs × 8 quarters with all margins: nothing fails, most calls stay shown."""
    linked = bench_linked(made_counts(300, 10, 8, mean=40, seed=1, outcomes=False), outcomes=False)
    start = time.process_time()
    done = suppress(linked)
    assert time.process_time() - start < 600
    assert done.audit.passed
    assert done.audit.counts["certificate"] > 10_000
    fine = linked.table == 0
    assert linked.n[fine & (done.states == SHOWN)].sum() / linked.n[fine].sum() > 0.8


def test_sparse_cities_are_protected_too() -> None:
    """Mostly zeros and ones: much is withheld, nothing shown gives a small count away."""
    linked = bench_linked(made_counts(12, 2, 4, mean=2, seed=3, outcomes=True), outcomes=True)
    done = suppress(linked)
    assert done.audit.passed
    assert (linked.n[done.states == SHOWN] == 0).mean() > 0.5


def test_the_first_pass_bounds_what_can_be_shown() -> None:
    linked = bench_linked(made_counts(12, 2, 4, mean=40, seed=3, outcomes=False), outcomes=False)
    bound, done = shares(linked, first_pass(linked)), shares(linked, suppress(linked).states)
    assert bound["table"].tolist()[0] == "need × tract × quarter"
    assert (done["share"] <= bound["share"]).all()
    assert (done["calls"] == linked.n.sum() / len(linked.tables)).all()
    assert done["cells"].sum() == len(linked.n)
    assert (first_pass(linked) == suppress(linked, complements=False).states).all()


def test_a_quick_audit_passes_and_fails_alike() -> None:
    linked = bench_linked(made_counts(6, 1, 4, mean=30, seed=3, outcomes=False), outcomes=False)
    for states in (first_pass(linked), suppress(linked).states):
        slow, quick = audit(linked, states), audit(linked, states, quick=True)
        assert slow.passed == quick.passed
        assert set(quick.failures["cell"]) <= set(slow.failures["cell"])
