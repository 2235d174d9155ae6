"""The linked tables of a protected release and the state of every cell in them, one system for each need.

Needs are never added, so each need (or roll-up) is a system of its own. Within one need all tables (levels, periods,
blocks of hours, the outcomes of every leg, and totals) are protected and audited together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geo.disclosure import HIDDEN, SHOWN, WITHHELD, Dimension, Linked, Suppression, cube, first_pass, suppress
from pipelines.policy import Policy, barred_needs
from pipelines.release_counts import LEGS, NO_LEG, chain
from pipelines.vocabulary import needs as all_needs

PERIODS = ("quarter", "year", "whole")
SUFFIX = {"causes": "", "unmet": "_unmet"}
STATES = {SHOWN: "shown", HIDDEN: "hidden", WITHHELD: "withheld"}
DIMENSIONS = ("area", "period", "hour", "outcome")
KEY = [name for dimension in DIMENSIONS for name in (dimension, f"{dimension}_level")]
TableKey = tuple[str, str, str, str]  # level, period, hours or block, outcome column


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """What a release offers: how fine calls and outcomes are, and whether hours are in it."""

    calls_level: str
    calls_period: str
    level: str
    period: str
    detail: str  # causes, unmet, or '' = no outcomes
    needs: str
    hours: str = ""  # level of the hour tables, '' = none
    hours_of: str = "outcomes"  # or calls

    @property
    def words(self) -> str:
        outcomes = f"outcomes ({self.detail}) by {self.level} and {self.period}" if self.detail else "no outcomes"
        hours = f"hours ({self.hours_of}) by {self.hours}" if self.hours else "no hours"
        return f"calls by {self.calls_level} and {self.calls_period}; {outcomes}; {hours}; needs {self.needs}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One need's system before it is protected; `flags` (C,) cells in which one address makes more than half."""

    need: str
    linked: Linked
    flags: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Protected:
    """One need's system with its states."""

    draft: Draft
    found: Suppression

    @property
    def passes(self) -> bool:
        return bool(self.found.audit.passed) and self.found.infeasible.empty

    def cells(self) -> pd.DataFrame:
        """Every cell: `KEY`, n, state, why (`primary`, `dominated`, `below`, `complementary`, '')."""
        found, draft = self.found, self.draft
        small = (draft.linked.n >= 1) & found.primary
        why = np.select(
            [found.below, found.primary & draft.flags, small, found.complementary],
            ["below", "dominated", "primary", "complementary"],
            default="",
        )
        states = [STATES[int(state)] for state in found.states]
        return draft.linked.keys[KEY].assign(need=draft.need, n=draft.linked.n, state=states, why=why)


def tables_of(policy: Policy, rung: Rung, need: str, legs: Sequence[str]) -> list[TableKey]:
    """The tables of one need under a rung; a need barred from a level starts at the next coarser one."""
    levels = [name for name in chain(policy) if need not in barred_needs(policy, name)]
    out: list[TableKey] = [
        (level, period, "hours", "all")
        for level in _from(levels, rung.calls_level, chain(policy))
        for period in PERIODS[PERIODS.index(rung.calls_period) :]
    ]
    if rung.detail:
        out += [
            (level, period, "hours", leg + SUFFIX[rung.detail])
            for leg in legs
            for level in _from(levels, rung.level, chain(policy))
            for period in PERIODS[PERIODS.index(rung.period) :]
        ]
    if rung.hours:
        with_legs = bool(rung.detail) and rung.hours_of == "outcomes"
        columns = ["all", *(f"{leg}_unmet" for leg in legs if with_legs)]
        out += [
            (level, "whole", "block", column)
            for level in _from(levels, rung.hours, chain(policy))
            for column in columns
        ]
        if with_legs and rung.detail == "causes":
            out += [
                (level, "whole", "hours", f"{leg}_unmet")
                for level in _from(levels, rung.hours, chain(policy))
                for leg in legs
            ]
    return list(dict.fromkeys(out))


def _from(allowed: Sequence[str], finest: str, order: Sequence[str]) -> list[str]:
    return [level for level in allowed if order.index(level) >= order.index(finest)]


def legs_of(need: str) -> tuple[str, ...]:
    """Legs of a need, or those that all needs of a roll-up have."""
    members = [one for name, one in all_needs().items() if one.in_scope and need in (name, one.rollup)]
    return tuple(leg for leg in LEGS if members and all(leg in one.legs for one in members))


def need_column(rung: Rung) -> str:
    """The column that says which system a count belongs to."""
    return "rollup" if rung.needs == "rollup" else "need"


def drafts(counts: pd.DataFrame, policy: Policy, rung: Rung) -> list[Draft]:
    """Each need's system under a rung, smallest first and without flags; `counts` has all coarser columns."""
    column = need_column(rung)
    out = []
    for need in sorted(counts[column].unique()):
        own = counts[counts[column] == need]
        legs = tuple(leg for leg in legs_of(need) if (own[leg] != NO_LEG).any())
        linked = _system(own, policy, tables_of(policy, rung, need, legs))
        out.append(Draft(need=need, linked=linked, flags=np.zeros(len(linked.n), dtype=bool)))
    return sorted(out, key=lambda draft: (len(draft.linked.n), draft.need))


def flagged(draft: Draft, busy: pd.DataFrame, rung: Rung) -> Draft:
    """The same system with the cells flagged in which one address makes more than half of the calls."""
    return replace(draft, flags=_dominated(draft.linked, busy[busy[need_column(rung)] == draft.need]))


def _system(counts: pd.DataFrame, policy: Policy, tables: Sequence[TableKey]) -> Linked:
    columns = list(dict.fromkeys(key[3] for key in tables if key[3] != "all"))
    nest = [pair for column in columns for pair in (("outcomes", column), (column, "all"))]
    nest += [(leg, f"{leg}_unmet") for leg in LEGS if {leg, f"{leg}_unmet"} <= set(columns)]
    outcome = Dimension(name="outcome", levels=("outcomes", *columns, "all"), nest=tuple(nest))
    has_hours = any(key[2] == "block" for key in tables)
    dimensions = [
        Dimension(name="area", levels=chain(policy)),
        Dimension(name="period", levels=PERIODS),
        Dimension(name="hour", levels=("block", "hours") if has_hours else ("hours",)),
        outcome if columns else Dimension(name="outcome", levels=("all",)),
    ]
    wanted = [column for dimension in dimensions for column in dimension.levels]
    summed = counts.groupby(wanted)["n"].sum().reset_index()
    return cube(summed, dimensions, tables=tables)


def _dominated(linked: Linked, busy: pd.DataFrame) -> NDArray[np.bool_]:
    """(C,) cells in which one address makes more than half of the calls (METHODS 8.2)."""
    flags = np.zeros(len(linked.n), dtype=bool)
    if busy.empty:
        return flags
    for number, key in enumerate(linked.tables):
        own = linked.table == number
        by_place = busy.groupby([*key, "place_id"])["n"].sum()
        most = by_place.groupby(level=list(range(len(key)))).max()
        labels = pd.MultiIndex.from_frame(linked.keys.loc[own, list(DIMENSIONS)])
        flags[own] = most.reindex(labels).fillna(0).to_numpy() * 2 > linked.n[own]
    return flags & (linked.n > 0)


def ceiling(draft: Draft, policy: Policy) -> NDArray[np.int8]:
    """(C,) states before any complement: no protection can show more."""
    return first_pass(draft.linked, threshold=policy.threshold, flags=draft.flags)


def protect(draft: Draft, policy: Policy, *, complements: bool = True) -> Protected:
    """A need's system, suppressed and audited."""
    found = suppress(draft.linked, threshold=policy.threshold, flags=draft.flags, complements=complements)
    return Protected(draft=draft, found=found)


def shown_calls(draft: Draft, states: NDArray[np.int8], rung: Rung) -> dict[str, tuple[int, int]]:
    """(calls shown, calls) in the finest table of calls, of each leg's outcomes, and of hours; `no_leg` left out."""
    told: dict[str, tuple[int, int]] = {}
    has_leg = draft.linked.keys["outcome"].to_numpy() != NO_LEG
    for name, keys in _measured(draft, rung).items():
        inside = np.isin(draft.linked.table, keys) & has_leg
        n = draft.linked.n[inside]
        told[name] = (int(n[states[inside] == SHOWN].sum()), int(n.sum()))
    return told


def _measured(draft: Draft, rung: Rung) -> dict[str, list[int]]:
    """Numbers of the tables by which a rung is judged: for a barred need its own finest level."""
    out: dict[str, list[int]] = {}
    for number, key in enumerate(draft.linked.tables):
        _, period, hours, column = key
        name = "hours" if hours == "block" and column == "all" else ""
        if hours == "hours" and column == "all" and period == rung.calls_period:
            name = "calls"
        if hours == "hours" and column != "all" and period == rung.period and rung.detail:
            name = column.removesuffix("_unmet") if column.endswith("_unmet") == (rung.detail == "unmet") else ""
        if hours == "block" and column != "all":
            name = f"hours {column.removesuffix('_unmet')}"
        if name:
            out.setdefault(name, []).append(number)
    return {name: numbers[:1] for name, numbers in out.items()}
