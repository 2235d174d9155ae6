"""Suitable or not: unmet calls with their split and bounds, flags, rank uncertainty, what a confirmation would settle.

A call and a leg have exactly one outcome. Candidates answer three tests, each no, unknown or yes: S (match, zone,
threshold), B (takes this tier, caller and person), H (takes people in at that quarter-hour, capacity proven).
Method: docs/methods.md, Outcomes and Intervals, flags, ranks.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from geo.comparators import access_weighted as access_weighted
from geo.comparators import concentration_index as concentration_index
from geo.errors import InputError

NO, UNKNOWN, YES = np.int8(0), np.int8(1), np.int8(2)
QUARTERS = 672
AVAILABLE, UNCERTAIN, SPATIAL, BARRIER, TEMPORAL = range(5)
OUTCOME_NAMES = ("available", "uncertain", "spatial", "barrier", "temporal")
MIN_CALLS = 24
LEVEL = 0.90


def unmet(
    s: NDArray[np.int8],
    b: NDArray[np.int8],
    sure: NDArray[np.bool_],
    possible: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    """Outcome codes per profile and quarter-hour of the week.

    A profile is a distinct combination of place, tier, caller and date. *Available*: one service is yes on all
    tests. Else *uncertain*: one service has no "no". Else, reading unknown as yes: none passes S is *spatial*, none
    passes S and B is *barrier*, otherwise *temporal*. The tests hold for one service together.

    Args:
        s: profiles × services in {0 no, 1 unknown, 2 yes}.
        b: profiles × services, the same.
        sure: services × 672, H is yes.
        possible: services × 672, H is not no; holds wherever `sure` does.

    Returns:
        profiles × 672 codes, indices into `OUTCOME_NAMES`.

    Raises:
        InputError: shapes that do not fit, or a quarter-hour that is sure but not possible.

    >>> one = np.ones((1, 672), bool)
    >>> unmet(np.array([[2]], np.int8), np.array([[2]], np.int8), one, one)[0, 0]
    np.uint8(0)
    >>> unmet(np.array([[0]], np.int8), np.array([[2]], np.int8), one, one)[0, 0]
    np.uint8(2)
    """
    _check_tests(s, b, sure, possible)
    takes = (s == YES) & (b == YES)
    could = (s != NO) & (b != NO)
    is_sure = _any_service(takes, sure)
    is_possible = _any_service(could, possible)
    cause = np.full(len(s), TEMPORAL, np.uint8)
    cause[~could.any(axis=1)] = BARRIER
    cause[~(s != NO).any(axis=1)] = SPATIAL
    codes = np.repeat(cause[:, None], QUARTERS, axis=1)
    codes[is_possible] = UNCERTAIN
    codes[is_sure] = AVAILABLE
    return codes


def _any_service(pairs: NDArray[np.bool_], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether any service that a profile may use is on in a quarter-hour: a boolean product."""
    found: NDArray[np.bool_] = (pairs.astype(np.float32) @ mask.astype(np.float32)) > 0
    return found


def _check_tests(
    s: NDArray[np.int8], b: NDArray[np.int8], sure: NDArray[np.bool_], possible: NDArray[np.bool_]
) -> None:
    if s.shape != b.shape or sure.shape != possible.shape or sure.shape != (s.shape[1], QUARTERS):
        raise InputError(
            f"expected s and b of profiles × services, masks of services × {QUARTERS}; "
            f"got [{s.shape}, {b.shape}, {sure.shape}, {possible.shape}]"
        )
    if (sure & ~possible).any():
        raise InputError("a quarter-hour that is sure must also be possible; pass possible = possible | sure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """One team's time on duty: arrays of equal length, seconds since the epoch, and teams on duty."""

    on: NDArray[np.int64]
    off: NDArray[np.int64]
    n_teams: NDArray[np.int64]


def dispatch(
    received: NDArray[np.int64],
    takes: NDArray[np.bool_],
    could: NDArray[np.bool_],
    minutes: NDArray[np.float64],
    job_s: NDArray[np.int64],
    duty: tuple[Duty, ...],
) -> NDArray[np.int8]:
    """What teams with a duty log could do for each call: 2 a team took it, 1 one might have, 0 none.

    Calls must come in order (received_at, call_id). A call that passes S and B for sure takes the nearest team on
    duty and free (ties: the first column) and keeps it busy for `job_s` seconds from receipt. A call whose S or B is
    unknown occupies nobody: it might have been taken if such a team is on duty and free.

    Args:
        received: n seconds since the epoch, ascending.
        takes: n × teams, passes S and B.
        could: n × teams, has no "no" on S and B.
        minutes: n × teams travel minutes, NaN where the base is unknown.
        job_s: n seconds a job lasts.
        duty: one per team, in the order of the columns (service_id ascending).

    Raises:
        InputError: calls out of order.
    """
    if len(received) and (np.diff(received) < 0).any():
        raise InputError("expected calls in order of receipt; sort by (received_at, call_id)")
    result = np.zeros(len(received), np.int8)
    on_duty = np.column_stack([teams_on(received, one) for one in duty]) if duty else np.zeros((len(received), 0))
    distance = np.where(np.isnan(minutes), np.inf, minutes)
    busy: list[list[int]] = [[] for _ in duty]
    for call in np.flatnonzero(could.any(axis=1)):
        now = int(received[call])
        free = [team for team in range(len(duty)) if on_duty[call, team] > _busy(busy[team], now)]
        ready = [team for team in free if takes[call, team]]
        if ready:
            nearest = min(ready, key=lambda team: (distance[call, team], team))
            busy[nearest].append(now + int(job_s[call]))
            result[call] = 2
        elif any(could[call, team] for team in free):
            result[call] = 1
    return result


def teams_on(received: NDArray[np.int64], duty: Duty) -> NDArray[np.int64]:
    """Teams on duty at each instant; a turn is half-open [on, off)."""
    edges = np.concatenate([duty.on, duty.off])
    change = np.concatenate([duty.n_teams, -duty.n_teams])
    order = np.argsort(edges, kind="stable")
    level = np.concatenate([[0], np.cumsum(change[order])])
    return np.asarray(level[np.searchsorted(edges[order], received, side="right")], dtype=np.int64)


def _busy(ends: list[int], now: int) -> int:
    """Jobs still running; forgets those that ended."""
    ends[:] = [end for end in ends if end > now]
    return len(ends)


def garwood_per_year(
    at_least: NDArray[np.float64], at_most: NDArray[np.float64], *, years: float, level: float = LEVEL
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower limit of at least and upper limit of at most, per year (Garwood's exact Poisson limits).

    >>> low, high = garwood_per_year(np.array([0.0]), np.array([0.0]), years=2.0)
    >>> float(low[0]), round(float(high[0]), 3)
    (0.0, 1.498)
    """
    alpha = 1 - level
    low = np.where(at_least > 0, stats.chi2.ppf(alpha / 2, 2 * np.maximum(at_least, 1e-9)) / 2, 0.0)
    high = stats.chi2.ppf(1 - alpha / 2, 2 * at_most + 2) / 2
    return low / years, np.asarray(high / years, dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """P(share > standard) on at least and at most, and the flag of each area."""

    p_least: NDArray[np.float64]
    p_most: NDArray[np.float64]
    flag: NDArray[np.object_]


def flags(
    at_least: NDArray[np.int64],
    at_most: NDArray[np.int64],
    n: NDArray[np.int64],
    *,
    years: float,
    standard: float = 0.5,
    probability: float = 0.8,
) -> Flags:
    """Absolute flags: *flagged* where P(share unmet at least > standard) > .8, *possibly* if only at most does.

    Posterior of a share: Beta(½ + u, ½ + n - u). Needs n ≥ 24 observed and n / years ≥ 24, else *too_few*
    (probabilities are then NaN).

    >>> flags(np.array([90, 10, 5]), np.array([95, 90, 5]), np.array([100, 100, 10]), years=1.0).flag.tolist()
    ['flagged', 'possibly', 'too_few']
    """
    enough = (n >= MIN_CALLS) & (n / years >= MIN_CALLS)
    p_least, p_most = (
        np.where(enough, stats.beta.sf(standard, 0.5 + u, 0.5 + np.maximum(n - u, 0)), np.nan)
        for u in (at_least, at_most)
    )
    flag = np.where(p_least > probability, "flagged", np.where(p_most > probability, "possibly", "no"))
    return Flags(p_least=p_least, p_most=p_most, flag=np.where(enough, flag, "too_few").astype(object))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """90 % interval of each area's rank (1 = most) and the probability of being in the top tenth."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    p_top_decile: NDArray[np.float64]


def rank_draws(
    scenarios: NDArray[np.float64],
    *,
    years: float,
    km2: NDArray[np.float64] | None = None,
    n_draws: int = 2000,
    level: float = LEVEL,
    seed: int,
) -> Ranks:
    """Rank intervals on unmet calls per year, by draws over supply scenarios and the gamma posterior of counts.

    Each draw takes one scenario for the whole city (supply is uncertain together) and, area by area,
    u ~ Gamma(½ + u_scenario, 1/years); with `km2` the draw is divided by area. Top tenth: rank ≤ ceil(areas / 10).

    Args:
        scenarios: areas × scenarios unmet counts (at least + a share of uncertain, by travel factor).

    >>> r = rank_draws(np.array([[1000.0], [1.0]]), years=1.0, n_draws=200, seed=1)
    >>> r.low.tolist(), r.p_top_decile.tolist()
    ([1.0, 2.0], [1.0, 0.0])
    """
    n_areas, n_scenarios = scenarios.shape
    if n_areas == 0:
        empty = np.zeros(0)
        return Ranks(low=empty, high=empty, p_top_decile=empty)
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, n_scenarios, n_draws)
    drawn = rng.gamma(0.5 + scenarios[:, chosen], 1 / years)
    if km2 is not None:
        drawn = drawn / km2[:, None]
    ranks = (-drawn).argsort(axis=0).argsort(axis=0) + 1
    tail = (1 - level) / 2
    low, high = np.quantile(ranks, [tail, 1 - tail], axis=1, method="nearest")
    top = (ranks <= int(np.ceil(n_areas / 10))).mean(axis=1)
    return Ranks(low=low.astype(float), high=high.astype(float), p_top_decile=top)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmations:
    """Services in the order in which a confirmation settles most, with what each would move."""

    service: NDArray[np.int64]
    n_moved: NDArray[np.int64]
    n_moved_if_no: NDArray[np.int64]
    settled_if_yes: NDArray[np.int64]
    settled_if_no: NDArray[np.int64]


def confirmations(
    n_uncertain: NDArray[np.int64],
    could: NDArray[np.bool_],
    settles: NDArray[np.bool_],
    possible: NDArray[np.bool_],
) -> Confirmations:
    """The verification list: which services' answers would move most of the uncertain calls.

    Greedy: each next service is the one whose yes would make most of the still unsettled calls available.

    Args:
        n_uncertain: profiles × 672 uncertain calls.
        could: profiles × services, no "no" on S and B.
        settles: profiles × services, a yes of the service alone would make the call available.
        possible: services × 672, H is not no.
    """
    profile, quarter = np.nonzero(n_uncertain)
    weight = n_uncertain[profile, quarter]
    held = could[profile] & possible[:, quarter].T
    moved = held & settles[profile]
    alone = held & (held.sum(axis=1) == 1)[:, None]
    n_moved, n_alone = weight @ moved, weight @ alone
    order: list[int] = []
    yes: list[int] = []
    no: list[int] = []
    unsettled = np.ones(len(weight), bool)
    left = held.sum(axis=1)
    while True:
        gain = (weight * unsettled) @ moved
        gain[order] = -1
        best = int(gain.argmax()) if len(gain) else -1
        if best < 0 or gain[best] <= 0:
            break
        order.append(best)
        unsettled &= ~moved[:, best]
        left = left - held[:, best]
        yes.append(int(weight[~unsettled].sum()))
        no.append(int(weight[left == 0].sum()))
    picked = np.array(order, np.int64)
    return Confirmations(
        service=picked,
        n_moved=n_moved[picked].astype(np.int64),
        n_moved_if_no=n_alone[picked].astype(np.int64),
        settled_if_yes=np.array(yes, np.int64),
        settled_if_no=np.array(no, np.int64),
    )
