"""What a real export has that it should not: repeats, corrections, second reports, broken dates and coordinates."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipelines.sample import places as spots
from pipelines.sample.calls import ORIGINS, Events, _callers, _initial, _types, catalogue, joined, type_needs
from pipelines.sample.frame import DAY, WINDOW_S, Ints, to_utc
from pipelines.sample.places import Places
from pipelines.sample.types import IN_SCOPE_NEEDS, NEEDS

BASE = 60_000
REPEATS, CORRECTIONS, REPORTS, CHAINS = 84, 240, 390, 24
GOOD, HOUR_24, BAD_DATE, GAP, ZERO, BLANK, SWAPPED, FAR, SIGN, NO_KEY, DEGREES, YEAR = range(12)
FAULTS = {
    "cad": {HOUR_24: 9, BAD_DATE: 22, GAP: 4, ZERO: 48, BLANK: 66, SWAPPED: 21, FAR: 16, SIGN: 8, NO_KEY: 13, YEAR: 6},
    "sheriff": {BAD_DATE: 5, NO_KEY: 3, DEGREES: 4, ZERO: 8, BLANK: 12},
}
REASONS = {
    HOUR_24: "BAD_DATETIME", BAD_DATE: "BAD_DATETIME", GAP: "NONEXISTENT_LOCAL_TIME", SWAPPED: "COORD_SWAPPED",
    FAR: "COORD_OUT_OF_BOUNDS", SIGN: "COORD_OUT_OF_BOUNDS", DEGREES: "COORD_OUT_OF_BOUNDS", NO_KEY: "MISSING_KEY",
    YEAR: "DATETIME_OUT_OF_RANGE",
}  # fmt: skip
KEPT_FAULTS = (GOOD, ZERO, BLANK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """Events with second reports added: `stands` is the event each stands for, `is_base` those reported twice."""

    events: Events
    stands: Ints
    is_base: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of one file in file order: event, whether it is an early version, and its fault."""

    event: Ints
    is_early: NDArray[np.bool_]
    fault: Ints


def scaled(count: int, n: int) -> int:
    """A count meant for 60,000 rows at another size."""
    return round(count * n / BASE)


def n_extra(n: int) -> int:
    """Rows of a city police file that stand for no background event of their own."""
    return scaled(REPEATS, n) + scaled(CORRECTIONS, n) + scaled(REPORTS, n) + 2 * scaled(CHAINS, n)


def add_reports(events: Events, places: Places, n: int, rng: np.random.Generator) -> Reported:
    """Events with second reports 2 to 25 minutes after the first, and chains of 0, 20 and 40 minutes.

    The report at 40 minutes is an event of its own: the event it would join began more than half an hour before.
    """
    n_pairs, n_chains = scaled(REPORTS, n), scaled(CHAINS, n)
    needs = type_needs()[events.type]
    is_need = np.isin(needs, [NEEDS.index(need) for need in (*IN_SCOPE_NEEDS, "quality_of_life")])
    hour = events.local % DAY // 3600
    fit = is_need & (events.agency == 0) & (events.origin == 0) & (places.kind[events.place] == spots.ORDINARY)
    fit &= (hour >= 4) & (hour < 22) & (events.local < WINDOW_S - DAY) & (events.planted < 0)
    pool = np.flatnonzero(fit)
    bases = rng.choice(pool, min(len(pool), n_pairs + n_chains), replace=False)
    chains = bases[n_pairs:]
    after = rng.integers(120, 1500, len(bases))
    after[n_pairs:] = 1200
    second = _again(events, bases, after, rng)
    third = _again(events, chains, np.full(len(chains), 2400), rng)
    together = joined([events, second, third])
    own = np.arange(len(together))
    own[len(events) : len(events) + len(bases)] = bases
    is_base = np.zeros(len(together), bool)
    is_base[bases] = True
    is_base[len(events) :] = True
    order = np.argsort(together.utc, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return Reported(events=together.take(order), stands=rank[own[order]], is_base=is_base[order])


def _again(events: Events, bases: Ints, after: Ints, rng: np.random.Generator) -> Events:
    base = events.take(bases)
    types = base.type.copy()
    need = type_needs()[types]
    for number in np.unique(need):
        mine = np.flatnonzero(need == number)
        types[mine] = _types(NEEDS[number], len(mine), rng)
    local = base.local + after
    return replace(
        base, local=local, utc=to_utc(local), type=types, initial=_initial(types, rng), caller=_callers(types, rng)
    )


def rows_of(reported: Reported, agency: int, n: int, rng: np.random.Generator) -> Rows:
    """One agency's rows in file order; `n` is the size of the whole sample, which sets how many faults there are."""
    name = ("cad", "sheriff")[agency]
    events = reported.events
    own = np.flatnonzero(events.agency == agency)
    plain = own[~reported.is_base[own] & (events.planted[own] < 0)]
    counts = {fault: scaled(count, n) for fault, count in FAULTS[name].items()}
    n_correct, n_repeat = (scaled(CORRECTIONS, n), scaled(REPEATS, n)) if agency == 0 else (0, 0)
    is_community = events.origin[plain] == ORIGINS.index("community")
    is_legged = np.isin(type_needs()[events.type[plain]], [NEEDS.index(need) for need in IN_SCOPE_NEEDS])
    corrected = rng.choice(plain[is_community & is_legged], n_correct, replace=False)
    rest = rng.permutation(np.setdiff1d(plain, corrected))
    repeated, rest = rest[:n_repeat], rest[n_repeat:]
    fault = np.zeros(len(events), np.int64)
    for kind, count in counts.items():
        fault[rest[:count]] = kind
        rest = rest[count:]
    early = np.zeros(len(events), bool)
    early[corrected] = True
    event = np.concatenate([own, corrected, repeated])
    key = np.arange(len(own), dtype=float)
    at = np.zeros(len(events))
    at[own] = key
    key = np.concatenate(
        [
            key,
            at[corrected] + rng.integers(50, 400, n_correct) + 0.5,
            at[repeated] + rng.integers(1, 30, n_repeat) + 0.25,
        ]
    )
    is_early = np.concatenate([early[own], np.zeros(n_correct + n_repeat, bool)])
    order = np.argsort(key, kind="stable")
    return Rows(event=event[order], is_early=is_early[order], fault=fault[event[order]])


def early_types(events: Events) -> Ints:
    """The words before a correction: the first words where they differ, else `UNKNOWN TROUBLE`."""
    unknown = next(n for n, one in enumerate(catalogue()) if one.text == "UNKNOWN TROUBLE")
    return np.where((events.initial >= 0) & (events.initial != events.type), events.initial, unknown)
