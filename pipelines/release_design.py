"""The ladder: which tables a protected release holds. The finest design that passes the gate and still shows enough.

Two cheap tests come first and prove that a design cannot do: what small cells and their parts hide whatever else is
hidden, and the number of cells, beyond which a design is not tried (by size and not by the clock, so that the same
store gives the same release). Then the needs are protected one by one, smallest first, until the share cannot be met.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from geo.disclosure import SHOWN
from pipelines.policy import Policy
from pipelines.policy_model import Design
from pipelines.release_counts import LEGS, chain
from pipelines.release_protect import (
    PERIODS,
    Draft,
    Protected,
    Rung,
    ceiling,
    drafts,
    flagged,
    protect,
    shown_calls,
)

MOST_CELLS = 360_000
MOST_HIDDEN = 20_000  # of them not shown before any complement is chosen

Step = Callable[[str], None]
Totals = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The rung taken, its needs' systems, the share of calls that each table still shows, and what was tried."""

    rung: Rung
    parts: tuple[Protected, ...]
    shown: dict[str, float]
    meets: bool
    tried: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What every design is judged on; `counts` and `busy` have all coarser columns."""

    counts: pd.DataFrame
    busy: pd.DataFrame
    policy: Policy
    complements: bool = True


def choose(given: Given, *, step: Step | None = None) -> Choice | None:
    """The design taken, or None where no design passes the gate.

    First the finest design of outcomes, with calls as coarse as they are; then hours; then the finest calls beside
    them, since more tables never let more be shown. Where no design shows the policy's share in each table (calls,
    outcomes of all legs, hours), the one that passes and shows most (`meets` false).
    """
    tried: list[str] = []
    policy = given.policy
    designs = policy.ladder
    outcomes = [_rung(one) for one in designs if one.detail != "calls"]
    calls_only = [_rung(one) for one in designs if one.detail == "calls"]
    best = (
        _first(given, outcomes, tried, step)
        or _first(given, calls_only, tried, step)
        or _most(given, [*outcomes, *calls_only], tried, step)
    )
    if best is None:
        return None
    best = _with_hours(given, best, tried, step)
    if best.meets and best.rung.detail:
        best = _first(given, _finer_calls(policy, designs, best.rung), tried, step) or best
    return replace(best, tried=tuple(dict.fromkeys(tried)))


def _rung(design: Design) -> Rung:
    detail = "" if design.detail == "calls" else design.detail
    return Rung(
        calls_level=design.level,
        calls_period=design.period,
        level=design.level if detail else "",
        period=design.period if detail else "",
        detail=detail,
        needs=design.needs,
    )


def _finer_calls(policy: Policy, designs: Sequence[Design], taken: Rung) -> Iterator[Rung]:
    """The taken outcomes beside every finer design of calls that the ladder names, from fine to coarse."""
    levels = chain(policy)
    for level, period in dict.fromkeys((one.level, one.period) for one in designs):
        is_finer = levels.index(level) <= levels.index(taken.level) and PERIODS.index(period) <= PERIODS.index(
            taken.period
        )
        if is_finer and (level, period) != (taken.level, taken.period):
            yield replace(taken, calls_level=level, calls_period=period)


def _first(given: Given, rungs: Iterable[Rung], tried: list[str], step: Step | None) -> Choice | None:
    return next((one for rung in rungs if (one := _judged(given, rung, tried, step)) and one.meets), None)


def _most(given: Given, rungs: Sequence[Rung], tried: list[str], step: Step | None) -> Choice | None:
    """Of the designs that pass, the one whose least share is largest."""
    best: Choice | None = None
    for rung in reversed(rungs):
        choice = _judged(given, rung, tried, step, least=min(judged(best.shown).values()) if best else 0.0)
        if choice is not None and (
            best is None or min(judged(choice.shown).values()) > min(judged(best.shown).values())
        ):
            best = choice
    return best


def _with_hours(given: Given, best: Choice, tried: list[str], step: Step | None) -> Choice:
    """The same design with hours: of outcomes in the city, else of calls by the level below it, else in the city.

    Outcomes by block and by a finer level are not tried: nearly every cell is small, and the audit takes minutes.
    """
    if given.policy.field("hours") is None:
        return best
    least = None if best.meets else 0.0
    fine, top = chain(given.policy)[-2:][0], chain(given.policy)[-1]
    for what, level in dict.fromkeys(
        [("outcomes" if best.rung.detail else "calls", top), ("calls", fine), ("calls", top)]
    ):
        rung = replace(best.rung, hours=level, hours_of=what)
        choice = _judged(given, rung, tried, step, least=least)
        if choice is not None and (choice.meets or not best.meets):
            return choice
    return best


def _judged(
    given: Given, rung: Rung, tried: list[str], step: Step | None, *, least: float | None = None
) -> Choice | None:
    """Whether a rung passes the gate and shows `least` (default the policy's) of the calls of each table."""
    if step:
        step(rung.words)
    need = given.policy.min_shown_share if least is None else least
    made = drafts(given.counts, given.policy, rung)
    for flags in (False, True):
        made = [flagged(draft, given.busy, rung) for draft in made] if flags else made
        bounds = [ceiling(draft, given.policy) for draft in made]
        upper = [shown_calls(draft, states, rung) for draft, states in zip(made, bounds, strict=True)]
        if _least(upper) < need:
            tried.append(f"{rung.words}: small cells alone leave {_told(upper, need)}")
            return None
    size = sum(len(draft.linked.n) for draft in made)
    hidden = sum(int((states[draft.linked.offered] != SHOWN).sum()) for draft, states in zip(made, bounds, strict=True))
    if size > MOST_CELLS or hidden > MOST_HIDDEN:
        tried.append(f"{rung.words}: {size:,} cells, {hidden:,} small ones: too large to be audited")
        return None
    return _protected(given, rung, made, upper, tried, need)


def _protected(
    given: Given, rung: Rung, made: Sequence[Draft], upper: list[dict[str, tuple[int, int]]], tried: list[str],
    least: float,
) -> Choice | None:  # fmt: skip
    parts: list[Protected] = []
    for at, draft in enumerate(made):
        part = protect(draft, given.policy, complements=given.complements)
        if given.complements and not part.passes:
            tried.append(f"{rung.words}: the audit does not pass for {draft.need}")
            return None
        parts.append(part)
        upper[at] = shown_calls(draft, part.found.states, rung)
        if _least(upper) < least:
            tried.append(f"{rung.words}: after {at + 1} of {len(made)} needs at most {_told(upper, least)}")
            return None
    shares = _shares(upper)
    tried.append(f"{rung.words}: passes, shows {min(judged(shares).values()):.1%}")
    meets = min(judged(shares).values()) >= given.policy.min_shown_share
    return Choice(rung=rung, parts=tuple(parts), shown=shares, meets=meets, tried=())


def _told(upper: Sequence[Totals], least: float) -> str:
    return ", ".join(f"{name} {share:.1%}" for name, share in judged(_shares(upper)).items() if share < least)


def _shares(told: Sequence[Totals]) -> dict[str, float]:
    """The share of calls shown in each table: `calls`, `outcomes` (all legs together), `hours`, and in each leg."""
    counted: dict[str, list[int]] = {}
    for one in told:
        for name, (shown, total) in one.items():
            for key in (name, "outcomes") if name in LEGS else (name,):
                sums = counted.setdefault(key, [0, 0])
                sums[0] += shown
                sums[1] += total
    return {name: shown / total if total else 1.0 for name, (shown, total) in counted.items()}


def judged(shares: Mapping[str, float]) -> dict[str, float]:
    """The shares that decide: those of tables, not of single legs."""
    return {name: share for name, share in shares.items() if name in ("calls", "outcomes", "hours")}


def _least(told: Sequence[Totals]) -> float:
    return min(judged(_shares(told)).values(), default=1.0)
