"""What the pipeline has to find, worked out call by call from the generator's own knowledge.

Plain Python, call × service, with no code of the pipeline: the three tests of a service (place, person, hours), team
A's turns in order of time, remainders uncertain. Run for the committed sample only; it is there to be disagreed with.
"""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import shapely

from pipelines.sample import dirt
from pipelines.sample import places as spots
from pipelines.sample.calls import ORIGINS, ROLES, Events, catalogue
from pipelines.sample.course import UNRESOLVED, Course
from pipelines.sample.dirt import Reported
from pipelines.sample.frame import DAY, Ints
from pipelines.sample.geography import Land
from pipelines.sample.places import Places
from pipelines.sample.supply import SERVICES, DutyLog, Service, mask, position, zones_m
from pipelines.sample.types import LEGS

NO, UNKNOWN, YES = 0, 1, 2
WALK_KMH, DRIVE_KMH, CIRCUITY = 4.8, 25.0, 1.3
WALK_MIN, DROP_OFF_MIN, RESPOND_MIN = 30.0, 20.0, 60.0
JOB_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call in scope, as the generator knows it."""

    call_id: str
    utc: int
    quarter: int
    need: str
    tier: int | None
    by_other: bool
    place: int
    is_placed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A service made ready: where it is, its zone, its quarter-hours."""

    service: Service
    access: str
    at: tuple[float, float] | None
    zone: shapely.Geometry | None
    hours: frozenset[int] | None
    intake: frozenset[int] | None


def calls_in_scope(
    reported: Reported, course: Course, places: Places, fault: Ints, ids: list[str]
) -> tuple[list[Call], Counter[str]]:
    """The calls that have legs, oldest first, and how many community calls were left out and why."""
    events, types = reported.events, catalogue()
    left: Counter[str] = Counter()
    out = []
    for n in range(len(events)):
        if fault[n] not in dirt.KEPT_FAULTS or reported.stands[n] != n:
            continue
        one = types[events.type[n]]
        if ORIGINS[events.origin[n]] != "community":
            left["origin"] += 1
        elif course.disposition[n] in UNRESOLVED:
            left["unresolved"] += 1
        elif one.is_criminal:
            left["criminal"] += 1
        elif one.need not in LEGS:
            left["other_need"] += 1
        elif one.tier == 3:
            left["police_or_ems"] += 1
        else:
            out.append(_call(n, events, places, int(fault[n]), ids[n]))
    out.sort(key=lambda call: (call.utc, call.call_id))
    left["in_scope"] = len(out)
    return out, left


def _call(n: int, events: Events, places: Places, fault: int, call_id: str) -> Call:
    one = catalogue()[events.type[n]]
    is_default = places.kind[events.place[n]] in (spots.DEFAULT, spots.LISTED)
    return Call(
        call_id=call_id,
        utc=int(events.utc[n]),
        quarter=int(events.local[n] // 900 % 672),
        need=one.need,
        tier=one.tier,
        by_other=ROLES[events.caller[n]] in ("bystander", "professional"),
        place=int(events.place[n]),
        is_placed=fault == dirt.GOOD and not is_default,
    )


def outcomes(
    calls: list[Call], places: Places, land: Land, log: DutyLog, *, with_ed: bool = False
) -> dict[str, list[str | None]]:
    """Outcome of every call by leg, None where the call has no such leg."""
    facts = _facts(land, with_ed)
    turns = list(zip(log.on.tolist(), log.off.tolist(), log.n_teams.tolist(), strict=True))
    busy: list[int] = []
    out: dict[str, list[str | None]] = {"contact": [], "respond": [], "place": []}
    for call in calls:
        for leg, column in out.items():
            if leg not in LEGS[call.need] or (leg == "contact" and call.tier != 0):
                column.append(None)
            elif not call.is_placed:
                column.append("uncertain")
            else:
                column.append(_outcome(call, leg, facts, places, turns, busy))
    return out


def _facts(land: Land, with_ed: bool) -> list[Facts]:
    zone = zones_m(land)
    out = []
    for service in SERVICES:
        if service.by_appointment or (service.is_emergency_department and not with_ed):
            continue
        if service.is_confidential:
            continue
        hours = mask(service.hours)
        intake = mask(service.intake) if service.needs_intake else hours
        for access in service.access:
            out.append(
                Facts(
                    service=service,
                    access=access,
                    at=position(service),
                    zone=zone.get(service.id),
                    hours=None if hours is None else frozenset(np.flatnonzero(hours).tolist()),
                    intake=None if intake is None else frozenset(np.flatnonzero(intake).tolist()),
                )
            )
    return out


def _outcome(
    call: Call,
    leg: str,
    facts: list[Facts],
    places: Places,
    turns: list[tuple[int, int, int]],
    busy: list[int],
) -> str:
    """Exactly one of five; a logged team that takes the call is busy for an hour from receipt."""
    x, y = float(places.x[call.place]), float(places.y[call.place])
    tests = []
    for one in facts:
        if one.service.leg != leg or call.need not in one.service.match:
            continue
        s, b = _reaches(one, call, x, y), _takes(one, call)
        h = _open(one, call, turns, busy)
        if one.service.has_duty_log and s == YES and b == YES and h == YES:
            busy.append(call.utc + JOB_S)
        tests.append((s, b, h))
    if any(test == (YES, YES, YES) for test in tests):
        return "available"
    if any(NO not in test for test in tests):
        return "uncertain"
    if all(s == NO for s, _, _ in tests):
        return "spatial"
    if all(s == NO or b == NO for s, b, _ in tests):
        return "barrier"
    return "temporal"


def _reaches(one: Facts, call: Call, x: float, y: float) -> int:
    """Match, zone, threshold, and not the call's own address."""
    state = UNKNOWN if one.service.match[call.need] == "review" else YES
    if one.zone is not None and not one.zone.covers(shapely.Point(x, y)):
        return NO
    if one.service.leg == "contact":
        return state
    if one.at is None:
        return NO
    away = math.hypot(x - one.at[0], y - one.at[1])
    if away < 1:
        return NO
    speed, limit = {
        "walk_in": (WALK_KMH, WALK_MIN),
        "drop_off": (DRIVE_KMH, DROP_OFF_MIN),
        "team": (DRIVE_KMH, RESPOND_MIN),
    }[one.access]
    minutes = away * CIRCUITY / (speed * 1000 / 60)
    return state if minutes <= limit else NO


def _takes(one: Facts, call: Call) -> int:
    """Tier, caller, person."""
    taken = one.service.takes
    if call.tier is None:
        state = YES if set(taken) == {0, 1, 2} else UNKNOWN
    else:
        state = YES if call.tier in taken else NO
    if one.access == "walk_in" and call.by_other:
        return NO
    return min(state, UNKNOWN if one.service.person == "unknown" else YES)


def _open(one: Facts, call: Call, turns: list[tuple[int, int, int]], busy: list[int]) -> int:
    """Whether it takes people in at that quarter-hour, capacity proven."""
    if one.service.has_duty_log:
        on_duty = sum(n for on, off, n in turns if on <= call.utc < off)
        busy[:] = [end for end in busy if end > call.utc]
        return YES if on_duty > len(busy) else NO
    if one.hours is None or one.intake is None:
        return UNKNOWN
    if call.quarter not in one.hours or call.quarter not in one.intake:
        return NO
    if one.service.needs_availability and one.service.available is None:
        return UNKNOWN
    return UNKNOWN if one.access == "team" else YES


def table(calls: list[Call], found: dict[str, list[str | None]]) -> dict[str, dict[str, dict[str, object]]]:
    """Per leg and outcome: how many calls, one of them by number; needs apart."""
    out: dict[str, dict[str, dict[str, object]]] = {}
    for leg, column in found.items():
        for call, outcome in zip(calls, column, strict=True):
            if outcome is None:
                continue
            cell = out.setdefault(leg, {}).setdefault(outcome, {"n": 0, "example": call.call_id, "by_need": {}})
            cell["n"] = int(str(cell["n"])) + 1
            by_need = cell["by_need"]
            assert isinstance(by_need, dict)
            by_need[call.need] = by_need.get(call.need, 0) + 1
    return out


def week_share(local: Ints) -> float:
    """Share of calls in their busiest week."""
    weeks = np.bincount(local // (7 * DAY))
    return round(float(weeks.max() / weeks.sum()), 4)
