"""Earlier releases, late calls and overlapping geographies, each seen by one attacker together."""

import numpy as np
import pandas as pd
import pytest

from geo.disclosure import HIDDEN, SHOWN, Dimension, audit, cube, joint_audit, overlay, stack, suppress
from geo.errors import InputError
from tests.geo.test_disclosure import AREA, OUTCOME, PERIOD, three_way, two_way

FULL = [25, 40, 31, 33, 18, 5, 60, 44, 90, 22, 14, 35, 41, 52, 63, 29]


def test_two_safe_releases_of_one_table_may_be_unsafe_together() -> None:
    """Each hides the small cell in its own way; what one hides the other shows."""
    _, linked = two_way([[25, 40, 31], [18, 5, 60], [90, 22, 14]])
    ways = []
    for hidden in ([(1, 1), (1, 0), (0, 1), (0, 0)], [(1, 1), (1, 2), (2, 1), (2, 2)]):
        states = np.full(len(linked.n), SHOWN, dtype=np.int8)
        for row, column in hidden:
            states[3 * row + column] = HIDDEN
        ways.append(states)
    for states in ways:
        assert not (set(audit(linked, states).failures["cell"]) & {4})
    both = joint_audit([(linked, states) for states in ways])
    assert both.failures["cell"].tolist() == [4]
    assert both.failures["how"].tolist() == ["bridge"]


def test_the_same_release_twice_says_no_more() -> None:
    _, linked = three_way(FULL)
    done = suppress(linked)
    whole, states = stack([(linked, done.states), (linked, done.states)])
    assert whole.lattice is not None
    assert (states == done.states).all()
    assert joint_audit([(linked, done.states)] * 2).passed


def test_a_coarser_release_beside_a_finer_one_keeps_the_structure() -> None:
    counts, fine = three_way(FULL)
    coarse = cube(counts, [AREA, PERIOD, OUTCOME], tables=[("neighbourhood", "quarter", "calls")])
    seen = np.zeros(len(coarse.n), dtype=np.int8)
    whole, states = stack([(coarse, seen), (fine, suppress(fine).states)])
    assert whole.lattice is not None
    assert len(whole.n) == len(fine.n)
    done = suppress(whole, published=states == SHOWN)
    assert (done.states[states == SHOWN] == SHOWN).all()


def test_late_calls_are_told_apart_by_two_releases() -> None:
    """38 calls and then 41 of one closed quarter: three came late, and everybody can tell."""
    before, before_table = two_way([[38, 50], [60, 70]])
    after, after_table = two_way([[41, 50], [60, 70]])
    assert before["n"].sum() + 3 == after["n"].sum()
    all_shown = [(table, np.zeros(len(table.n), dtype=np.int8)) for table in (before_table, after_table)]
    with pytest.raises(InputError, match="revised=True"):
        joint_audit(all_shown)
    told = joint_audit(all_shown, revised=True)
    assert told.failures["n"].tolist() == [3, 3, 3, 3]
    assert told.failures["low"].tolist() == told.failures["high"].tolist() == [3, 3, 3, 3]
    linked, _ = stack(all_shown, revised=True)
    assert (linked.equations @ linked.n == 0).all()
    grown = two_way([[58, 50], [60, 70]])[1]
    assert joint_audit([all_shown[0], (grown, all_shown[0][1])], revised=True).passed


def test_withdrawn_calls_are_told_apart_too() -> None:
    tables = [two_way([[n, 50], [60, 70]])[1] for n in (41, 38)]
    told = joint_audit([(table, np.zeros(len(table.n), dtype=np.int8)) for table in tables], revised=True)
    assert set(told.failures["n"]) == {3}
    linked, _ = stack([(table, np.zeros(len(table.n), dtype=np.int8)) for table in tables], revised=True)
    assert ("withdrawn",) in linked.tables


def test_overlapping_geographies_give_slivers_away() -> None:
    counts = pd.DataFrame(
        {"tract": ["1", "1", "2"], "beat": ["A", "B", "A"], "n": [30, 6, 44]},
    )
    pieces, area = overlay(counts, name="area", levels=["tract", "beat"])
    linked = cube(pieces, [area], tables=[("tract",), ("beat",)], unseen=[("area_piece",)])
    shown = np.where(linked.offered, SHOWN, 2).astype(np.int8)
    told = audit(linked, shown)
    assert 6 in told.failures["n"].tolist()
    assert told.failures.query("n == 6 and area_level == 'area_piece'")[["low", "high"]].to_numpy().tolist() == [[6, 6]]
    done = suppress(linked)
    assert done.audit.passed
    assert (done.states != SHOWN).sum() > (~linked.offered).sum()


def test_an_hour_table_beside_an_outcome_table_under_the_same_calls() -> None:
    """Two legs' outcomes add up to the same calls: they are protected together."""
    rng = np.random.default_rng(4)
    respond, place, tract = np.indices((3, 3, 5)).reshape(3, -1)
    counts = pd.DataFrame({"respond": respond, "place": place + 10, "calls": "calls", "tract": tract, "city": "all"})
    counts["n"] = rng.poisson(4, len(counts)) * (counts["respond"] != 2)
    legs = Dimension(
        name="outcome", levels=("respond", "place", "calls"), nest=(("respond", "calls"), ("place", "calls"))
    )
    area = Dimension(name="area", levels=("tract", "city"))
    linked = cube(counts, [area, legs])
    done = suppress(linked)
    assert done.audit.passed
    small = (linked.n >= 1) & (linked.n < 11)
    assert (done.states[small] != SHOWN).all()


def test_stack_refuses_what_is_not_of_one_kind() -> None:
    _, first = two_way([[1, 2], [3, 4]])
    _, second = three_way(FULL)
    with pytest.raises(InputError, match="same dimensions"):
        stack([(linked, np.zeros(len(linked.n), dtype=np.int8)) for linked in (first, second)])
    with pytest.raises(InputError, match="at least one"):
        stack([])
