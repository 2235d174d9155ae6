"""How a call went: dispatched, arrived, cleared, units, disposition."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.sample.calls import ORIGINS, Events, catalogue, type_needs
from pipelines.sample.frame import Ints
from pipelines.sample.types import NEEDS

CITY_WORDS = (
    "REPORT TAKEN", "NO REPORT", "ADVISED", "ASSISTED", "GONE ON ARRIVAL", "UNABLE TO LOCATE", "UNFOUNDED", "CANCELLED",
    "DUPLICATE CALL", "ARREST", "CITATION ISSUED", "TRANSPORTED TO HOSPITAL", "EMERGENCY DETENTION",
    "REFERRED TO SERVICES", "WARNING GIVEN", "TRANSPORTED TO DETOX", None,
)  # fmt: skip
SHERIFF_WORDS = (
    "Report", "No Report", "Advised", "Assisted", "Gone on Arrival", "Unable to Locate", "Unfounded", "Cancelled",
    "Duplicate", "Arrest", "Citation", "Transported - Hospital", "Emergency Detention", "Referred", "Warning",
    "Transported - Detox", None,
)  # fmt: skip
UNRESOLVED = (6, 7, 8)
_NOT_SEEN = (7, 8)
_CHANCE = {
    "need": (8, 24, 19, 13, 6, 3, 2.4, 1.8, 1.3, 1.5, 0.5, 7, 2, 6, 1, 0.5, 3),
    "criminal": (46, 12, 6, 2, 6, 4, 4, 2, 1, 9, 4, 1, 0, 0, 2, 0, 1),
    "alarm": (2, 44, 1, 2, 0, 0, 38, 12, 0, 0, 0, 0, 0, 0, 0, 0, 1),
    "other": (10, 40, 12, 8, 8, 4, 4, 3, 2, 1, 3, 1, 0, 0, 3, 0, 1),
    "officer": (6, 46, 5, 4, 1, 0, 0.5, 0.5, 0, 3, 12, 0, 0, 0, 20, 0, 2),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Seconds UTC (-1 = missing) of the three later stamps, units, and a number into the disposition words."""

    dispatched: Ints
    arrived: Ints
    cleared: Ints
    units: Ints
    disposition: Ints

    def take(self, index: NDArray[np.integer]) -> "Course":
        """The chosen events' course."""
        return Course(
            dispatched=self.dispatched[index],
            arrived=self.arrived[index],
            cleared=self.cleared[index],
            units=self.units[index],
            disposition=self.disposition[index],
        )


def run_course(events: Events, is_base: NDArray[np.bool_], rng: np.random.Generator) -> Course:
    """The course of every event; those in `is_base` (reported more than once) always count as resolved."""
    n = len(events)
    disposition = _dispositions(events, rng)
    again = is_base & np.isin(disposition, UNRESOLVED)
    disposition[again] = 1
    priority = np.array([int(one.priority) for one in catalogue()])[events.type]
    is_own = events.origin == ORIGINS.index("officer")
    wait = np.where(is_own, 0, rng.exponential(60 + 130 * priority, n)).astype(np.int64)
    ride = np.where(is_own, 0, 60 + rng.gamma(2.5, 60 + 35 * priority, n)).astype(np.int64)
    need = type_needs()[events.type]
    scene = np.array([{"mental_health": 44, "substance_use": 34, "youth_family": 38}.get(name, 20) for name in NEEDS])
    stay = (rng.gamma(1.8, 1.0, n) / 1.8 * scene[need] * 60).astype(np.int64) + 45
    dispatched = events.utc + wait
    arrived = dispatched + ride
    cleared = arrived + stay
    unseen = np.isin(disposition, _NOT_SEEN)
    lost = rng.random(n) < 0.02
    return Course(
        dispatched=np.where(unseen & (rng.random(n) < 0.5), -1, dispatched),
        arrived=np.where(unseen | lost, -1, arrived),
        cleared=np.where(unseen, dispatched + 90, cleared),
        units=1 + rng.binomial(2, np.where(priority <= 2, 0.45, 0.15)),
        disposition=disposition,
    )


def _dispositions(events: Events, rng: np.random.Generator) -> Ints:
    need = np.array(NEEDS)[type_needs()[events.type]]
    is_crime = np.array([one.is_criminal for one in catalogue()])[events.type]
    group = np.full(len(events), "other", "U8")
    group[np.isin(need, ("mental_health", "substance_use", "homelessness", "welfare_check", "youth_family"))] = "need"
    group[is_crime] = "criminal"
    group[need == "alarm"] = "alarm"
    group[events.origin == ORIGINS.index("officer")] = "officer"
    out = np.zeros(len(events), np.int64)
    for name, chance in _CHANCE.items():
        mine = np.flatnonzero(group == name)
        weight = np.array(chance) / sum(chance)
        out[mine] = rng.choice(len(chance), len(mine), p=weight)
    return out
