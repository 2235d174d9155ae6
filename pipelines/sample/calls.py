"""The events behind the sample city's calls: who called, from where, about what, when, and how it ended.

Types are drawn in spatial order by a golden-ratio sequence, so every need keeps a constant share of the community
calls of any neighbourhood: the only excesses are the planted ones.
"""

from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipelines.sample import places as spots
from pipelines.sample.frame import DAY, N_WEEKS, WINDOW_S, Floats, Ints, out_of_gap, to_utc
from pipelines.sample.places import BURST_SPOT, HOTSPOTS, Places
from pipelines.sample.types import NEEDS, CallType, call_types, weights

ORIGINS = ("community", "officer", "alarm", "agency", "scheduled", "unknown")
ORIGIN_SHARE = {
    "cad": (0.500, 0.448, 0.030, 0.013, 0.008, 0.001),
    "sheriff": (0.500, 0.440, 0.040, 0.020, 0.0, 0.0),
}
ROLES = ("subject", "household", "bystander", "professional", "unknown")
ROLE_SHARE = {
    "homelessness": (0.16, 0.02, 0.52, 0.14, 0.16), "mental_health": (0.22, 0.28, 0.24, 0.14, 0.12),
    "substance_use": (0.10, 0.18, 0.42, 0.14, 0.16), "youth_family": (0.30, 0.42, 0.10, 0.08, 0.10),
}  # fmt: skip
ROLE_OTHER = (0.24, 0.24, 0.28, 0.08, 0.16)
HOSPITAL_SHARE, DEFAULT_SHARE, LISTED_SHARE, SERVICE_SHARE = 0.0065, 0.0115, 0.0025, 0.0004
HOSPITAL_NEEDS = {"medical": 0.55, "mental_health": 0.33, "welfare_check": 0.05, "other_noncriminal": 0.07}
BURST_WEEK = 61
CLEAR_S = 4500


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Arrays of one entry an event, in order of receipt. Times are seconds of the wall clock and UTC.

    `origin`, `caller`, `type`, `initial`, `place` are numbers into ORIGINS, ROLES, the types and the places
    (`initial` -1 = blank, `address` is the place whose address is written); `agency` 0 city police, 1 sheriff.
    """

    local: Ints
    utc: Ints
    place: Ints
    address: Ints
    type: Ints
    initial: Ints
    origin: Ints
    caller: Ints
    agency: Ints
    planted: Ints

    def take(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> "Events":
        """The chosen events, in that order."""
        return Events(**{one.name: getattr(self, one.name)[index] for one in fields(self)})

    def __len__(self) -> int:
        return len(self.local)


def joined(parts: list[Events]) -> Events:
    """All events of several parts, unordered."""
    return Events(**{one.name: np.concatenate([getattr(p, one.name) for p in parts]) for one in fields(Events)})


@lru_cache(maxsize=1)
def catalogue() -> tuple[CallType, ...]:
    """All call types."""
    return call_types()


def type_needs() -> Ints:
    """The number of each type's need."""
    return np.array([NEEDS.index(one.need) for one in catalogue()], np.int64)


# --- planted --------------------------------------------------------------------------------------


def planted_events(places: Places, *, n_calls: int, seed: int) -> Events:
    """Everything that is planted, over the whole window: hotspots, burst, hospital, both sinks, own addresses."""
    rng = np.random.default_rng([seed, 4])
    parts = []
    for number, spot in enumerate((*HOTSPOTS, BURST_SPOT)):
        is_burst = number == len(HOTSPOTS)
        members = places.of(spots.BURST if is_burst else spots.HOTSPOT, number)
        n = round(spot.share * n_calls)
        local = _burst_times(n, spot.hours, rng) if is_burst else _spread_times(n, spot.hours, rng)
        parts.append(_community(members[np.arange(n) % len(members)], _types(spot.need, n, rng), local, number, rng))
    n = round(HOSPITAL_SHARE * n_calls)
    needs = rng.choice(list(HOSPITAL_NEEDS), n, p=list(HOSPITAL_NEEDS.values()))
    kinds = np.full(n, _transfer())
    for need in ("mental_health", "welfare_check", "other_noncriminal"):
        kinds[needs == need] = _types(need, int((needs == need).sum()), rng)
    hospital = _community(np.repeat(places.of(spots.HOSPITAL), n), kinds, _spread_times(n, (0, 24), rng), -1, rng)
    at = ROLES.index("professional")
    parts.append(replace(hospital, caller=np.where(rng.random(n) < 0.8, at, hospital.caller)))
    for kind, share in ((spots.DEFAULT, DEFAULT_SHARE), (spots.LISTED, LISTED_SHARE)):
        parts.append(_sink(places, kind, round(share * n_calls), rng))
    own = places.of(spots.SERVICE)
    n = max(len(own), round(SERVICE_SHARE * n_calls))
    where = own[np.arange(n) % len(own)]
    kinds = np.where(rng.random(n) < 0.6, _types("homelessness", n, rng), _types("mental_health", n, rng))
    parts.append(_community(where, kinds, _spread_times(n, (8, 22), rng), -1, rng))
    return joined(parts)


def _transfer() -> int:
    return next(n for n, one in enumerate(catalogue()) if one.text == "MEDICAL TRANSFER")


def _sink(places: Places, kind: int, n: int, rng: np.random.Generator) -> Events:
    """Community and officer calls whose point is a default; the address written is that of some ordinary place."""
    events, _ = _drawn(places, n - n // 2, "cad", "community", 0, N_WEEKS, rng)
    other, _ = _drawn(places, n // 2, "cad", "officer", 0, N_WEEKS, rng)
    both = joined([events, other])
    return replace(both, place=np.repeat(places.of(kind), len(both)), address=both.place)


def _types(need: str, n: int, rng: np.random.Generator) -> Ints:
    """City police types of one need, by their weights."""
    chance = weights(catalogue(), agency="cad", origin="community") * (type_needs() == NEEDS.index(need))
    chance[[one.is_criminal for one in catalogue()]] = 0
    return rng.choice(len(chance), n, p=chance / chance.sum())


def _spread_times(n: int, hours: tuple[int, int], rng: np.random.Generator) -> Ints:
    """Wall times over all days, 80 % of them within the hours (which may run past midnight)."""
    start, end = hours
    length = (end - start) % 24 or 24
    within = rng.random(n) < 0.8
    hour = np.where(within, start + rng.random(n) * length, rng.random(n) * 24)
    seconds = rng.integers(0, WINDOW_S // DAY, n) * DAY + ((hour % 24) * 3600).astype(np.int64)
    return out_of_gap(np.minimum(seconds, WINDOW_S - 1))


def _burst_times(n: int, hours: tuple[int, int], rng: np.random.Generator) -> Ints:
    """Nine tenths within 18 days, the rest spread."""
    local = _spread_times(n, hours, rng)
    inside = np.arange(n) < round(0.9 * n)
    day = BURST_WEEK * 7 + rng.integers(0, 18, n)
    return out_of_gap(np.where(inside, day * DAY + local % DAY, local))


def _community(places: Ints, types: Ints, local: Ints, number: int, rng: np.random.Generator) -> Events:
    n = len(local)
    return Events(
        local=local, utc=to_utc(local), place=places, address=places, type=types, initial=_initial(types, rng),
        origin=np.zeros(n, np.int64), caller=_callers(types, rng), agency=np.zeros(n, np.int64),
        planted=np.full(n, number),
    )  # fmt: skip


# --- background -----------------------------------------------------------------------------------


def background(places: Places, n: int, agency: str, weeks: tuple[int, int], rng: np.random.Generator) -> Events:
    """`n` unplanted events of one agency in weeks [a, b), all origins."""
    cuts = np.round(np.cumsum(ORIGIN_SHARE[agency]) * n).astype(int)
    counts = np.diff([0, *cuts[:-1], n])
    parts = [
        _drawn(places, int(count), agency, origin, *weeks, rng)[0]
        for origin, count in zip(ORIGINS, counts, strict=True)
        if count
    ]
    return joined(parts)


def _drawn(
    places: Places, n: int, agency: str, origin: str, first: int, last: int, rng: np.random.Generator
) -> tuple[Events, Ints]:
    chance = places.officer if origin in ("officer", "scheduled", "agency") else places.community
    if agency == "sheriff" and origin != "officer":
        chance = places.sheriff
    counts = rng.multinomial(n, chance)
    place = np.repeat(np.arange(len(counts)), counts)
    like = "officer" if origin == "unknown" else origin
    steps = np.cumsum(weights(catalogue(), agency=agency, origin=like))
    golden = (rng.random() + np.arange(n) * 0.6180339887498949) % 1.0
    types = np.minimum(np.searchsorted(steps, golden * steps[-1], side="right"), len(steps) - 1)
    local = _times(types, origin, first, last, rng)
    is_city = agency == "cad"
    callers = _callers(types, rng) if origin == "community" and is_city else np.full(n, ROLES.index("unknown"))
    events = Events(
        local=local, utc=to_utc(local), place=place, address=place, type=types,
        initial=_initial(types, rng) if is_city else np.full(n, -1), origin=np.full(n, ORIGINS.index(origin)),
        caller=callers, agency=np.full(n, int(not is_city)), planted=np.full(n, -1),
    )  # fmt: skip
    return events, types


def _times(types: Ints, origin: str, first: int, last: int, rng: np.random.Generator) -> Ints:
    """Wall times in weeks [first, last): a mild season over weeks, an hour of the week by need."""
    n = len(types)
    week = np.arange(first, last)
    season = 1 + 0.12 * np.sin((week - 14) * 2 * np.pi / 52.18)
    chosen = rng.choice(week, n, p=season / season.sum())
    need = type_needs()[types]
    hour = np.zeros(n, np.int64)
    for number in np.unique(need):
        mine = np.flatnonzero(need == number)
        steps = np.cumsum(profile(NEEDS[number], origin))
        hour[mine] = np.searchsorted(steps, rng.random(len(mine)) * steps[-1], side="right")
    local = chosen * 7 * DAY + np.minimum(hour, 167) * 3600 + rng.integers(0, 3600, n)
    return out_of_gap(local)


@lru_cache(maxsize=64)
def profile(need: str, origin: str) -> Floats:
    """Relative weight of the 168 hours of the week, Monday 00:00 first."""
    hour, day = np.arange(168) % 24, np.arange(168) // 24
    if origin in ("officer", "scheduled", "agency"):
        shape = 0.7 + 0.5 * _hump(hour, 10, 4) + 0.7 * _hump(hour, 22, 3)
        return shape * np.where(day >= 5, 0.9, 1.0)
    night = {
        "mental_health": 0.35 + 1.5 * _hump(hour, 20, 4.5),
        "substance_use": (0.2 + 2.2 * _hump(hour, 23, 3.5)) * np.where(day >= 4, 1.7, 1.0),
        "homelessness": 0.35 + 0.5 * _hump(hour, 9, 2.5) + 1.4 * _hump(hour, 22, 4),
        "welfare_check": 0.3 + 0.8 * _hump(hour, 10, 3) + 1.0 * _hump(hour, 19, 3.5),
        "youth_family": 0.25 + 1.6 * _hump(hour, 18.5, 3.5),
        "quality_of_life": (0.3 + 1.8 * _hump(hour, 22.5, 3)) * np.where(day >= 4, 1.5, 1.0),
        "traffic": 0.25 + 1.0 * _hump(hour, 8, 2) + 1.4 * _hump(hour, 16.5, 2.5),
        "alarm": 0.6 + 0.8 * _hump(hour, 6, 3) + 0.5 * _hump(hour, 20, 3),
    }
    return night.get(need, 0.4 + 1.0 * _hump(hour, 15, 5))


def _hump(hour: NDArray[np.integer], middle: float, width: float) -> Floats:
    away = np.minimum((hour - middle) % 24, (middle - hour) % 24)
    return np.asarray(np.exp(-0.5 * (away / width) ** 2))


def _callers(types: Ints, rng: np.random.Generator) -> Ints:
    """Who called, by need."""
    need = type_needs()[types]
    out = np.zeros(len(types), np.int64)
    for number in np.unique(need):
        mine = np.flatnonzero(need == number)
        out[mine] = rng.choice(len(ROLES), len(mine), p=ROLE_SHARE.get(NEEDS[number], ROLE_OTHER))
    return out


def _initial(types: Ints, rng: np.random.Generator) -> Ints:
    """The first words: those of the final type, now and then other words, seldom blank."""
    out = types.copy()
    known = {one.text: n for n, one in enumerate(catalogue()) if one.agency == "cad"}
    draw = rng.random(len(types))
    for number in np.unique(types):
        other = [known[text] for text in catalogue()[number].initial if text in known]
        if other:
            mine = np.flatnonzero((types == number) & (draw < 0.28))
            out[mine] = rng.choice(other, len(mine))
    out[draw > 0.995] = -1
    return out


# --- clearing -------------------------------------------------------------------------------------


def spaced(events: Events, *, rng: np.random.Generator) -> Events:
    """The events, with the later of two of one need at one place within 75 minutes moved on by hours.

    What stays closer than half an hour is then a planted second report, and nothing else.
    """
    need = type_needs()[events.type]
    local = events.local.copy()
    for _ in range(40):
        utc = to_utc(local)
        order = np.lexsort((utc, need, events.place))
        same = (np.diff(events.place[order]) == 0) & (np.diff(need[order]) == 0) & (np.diff(utc[order]) <= CLEAR_S)
        late = order[1:][same]
        if not len(late):
            break
        moved = local[late] + rng.integers(5000, 40_000, len(late))
        local[late] = np.where(moved < WINDOW_S, moved, local[late] - rng.integers(5000, 90_000, len(late)))
        local = out_of_gap(local)
    return replace(events, local=local, utc=to_utc(local))
