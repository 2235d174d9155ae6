"""The services of the sample city: facts from which the HSDS package is written and the truth is worked out."""

import uuid
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from pipelines.sample.frame import DAY, N_DAYS, Ints, centre, out_of_gap, to_utc
from pipelines.sample.geography import NO_ZONE, Land, lonlat, metres

_NAMESPACE = uuid.UUID("5d0c5f0e-6a0e-4b7c-9d55-3a1f6f5f9901")
TEAM_A = "Northshore Mobile Crisis Team"
ALL_WEEK, WEEKDAYS = "MO,TU,WE,TH,FR,SA,SU", "MO,TU,WE,TH,FR"
QUARTERS = 672
_DAYS = {name: number for number, name in enumerate(ALL_WEEK.split(","))}


def stable_id(*parts: str) -> str:
    """A UUID that is always the same for the same words."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(parts)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What is true of one service, and what of it the directory says.

    `hours` and `intake`: lines (days, opens, closes), None where the directory is silent. `at`: metres east and
    north of the middle of the city. `zone`: ids of neighbourhoods, () = no service area. `tiers`: (0, 1) where
    stated, else None. `match`: need -> yes or review. `person`: yes or unknown, for the needs it is matched to.
    """

    name: str
    organization: str
    kind: str
    leg: str
    access: tuple[str, ...]
    default_tiers: tuple[int, ...]
    match: dict[str, str]
    at: tuple[float, float] | None = None
    hours: tuple[tuple[str, str, str], ...] | None = None
    intake: tuple[tuple[str, str, str], ...] | None = None
    needs_intake: bool = False
    needs_availability: bool = False
    tiers: tuple[int, ...] | None = None
    zone: tuple[str, ...] = ()
    available: int | None = None
    maximum: int | None = None
    unit: str = ""
    eligibility: str = ""
    person: str = "yes"
    has_duty_log: bool = False
    is_emergency_department: bool = False
    is_confidential: bool = False
    by_appointment: bool = False
    address: str = ""
    assured: str = "2024-11-18"

    @property
    def id(self) -> str:
        return stable_id("service", self.name)

    @property
    def takes(self) -> tuple[int, ...]:
        return self.tiers if self.tiers is not None else self.default_tiers


T0, T01, T02 = (0,), (0, 1), (0, 1, 2)
_LATE = (("MO,TU,WE,TH,FR,SA,SU", "10:00", "02:00"),)
_DAY = ((ALL_WEEK, "08:00", "20:00"),)
_ALWAYS = ((ALL_WEEK, "00:00", "24:00"),)

SERVICES: tuple[Service, ...] = (
    Service(
        name="Sample City Crisis Line", organization="Lakeside Listening Center", kind="Crisis line", leg="contact",
        access=("line",), default_tiers=T0, hours=_DAY, zone=("N1", "N2", "N3", "N4"), tiers=(0,),
        match={"mental_health": "yes", "substance_use": "review", "welfare_check": "review", "youth_family": "review"},
    ),
    Service(
        name="Community Information and Referral", organization="Shoreline Helping Partners",
        kind="Information and referral line", leg="contact", access=("line",), default_tiers=T0, zone=("N5",),
        match={"substance_use": "review", "welfare_check": "review", "youth_family": "review"}, assured="2022-05-02",
    ),
    Service(
        name=TEAM_A, organization="Northshore Behavioral Health", kind="Mobile crisis team", leg="respond",
        access=("team",), default_tiers=T01, at=(-1990, 310), hours=((ALL_WEEK, "08:00", "22:00"),),
        zone=("N1", "N2", "N3", "N4"), tiers=(0, 1), has_duty_log=True, maximum=2, unit="Team",
        match={"mental_health": "yes", "substance_use": "review", "welfare_check": "review", "youth_family": "review"},
        address="410 W QUAY ST",
    ),
    Service(
        name="Eastside Co-Response Unit", organization="Sample City Police and Health Partnership",
        kind="Co-response team", leg="respond", access=("team",), default_tiers=T02, at=(2870, 410), hours=_LATE,
        zone=("N3", "N5", "N6"), tiers=(0, 1, 2), address="2200 E COMMERCE AVE",
        match={
            "mental_health": "yes", "substance_use": "yes", "homelessness": "review",
            "welfare_check": "review", "youth_family": "review",
        },
    ),
    Service(
        name="Lantern Street Outreach", organization="Lantern House", kind="Street outreach team", leg="respond",
        access=("team",), default_tiers=T01, at=(-210, -2590), hours=((WEEKDAYS, "09:00", "17:00"),),
        zone=("N2", "N3"), address="77 S LANTERN ST",
        match={
            "homelessness": "yes", "mental_health": "review", "substance_use": "review", "welfare_check": "review",
        },
    ),
    Service(
        name="Harborview Crisis Receiving Center", organization="Northshore Behavioral Health",
        kind="Crisis receiving centre", leg="place", access=("walk_in", "drop_off"), default_tiers=T02,
        at=(-3310, 620), hours=_ALWAYS, intake=_ALWAYS, needs_intake=True, available=4, maximum=16, unit="Chair",
        eligibility="Anyone in crisis", match={"mental_health": "yes", "substance_use": "review"},
        address="900 W HARBORVIEW DR",
    ),
    Service(
        name="Mill Street Sobering Center", organization="Mill District Recovery", kind="Sobering centre", leg="place",
        access=("drop_off",), default_tiers=T02, at=(310, -1190), hours=((ALL_WEEK, "18:00", "08:00"),), tiers=(1,),
        eligibility="T1 only, adults", person="unknown", match={"substance_use": "yes"}, maximum=12, unit="Bed",
        address="120 E MILL ST",
    ),
    Service(
        name="Mill District Withdrawal Management", organization="Mill District Recovery", kind="Withdrawal management",
        leg="place", access=("drop_off",), default_tiers=T02, at=(-1830, -2210), hours=_ALWAYS,
        intake=((WEEKDAYS, "08:00", "20:00"), ("SA,SU", "10:00", "16:00")), needs_intake=True, needs_availability=True,
        available=3, maximum=10, unit="Bed", match={"substance_use": "yes"}, address="640 W TANNERY RD",
    ),
    Service(
        name="Eastlake Behavioral Health Urgent Care", organization="Eastlake Clinics",
        kind="Behavioral-health urgent care", leg="place", access=("walk_in",), default_tiers=T02, at=(3910, 1790),
        hours=((ALL_WEEK, "10:00", "22:00"),), tiers=(0, 1), match={"mental_health": "yes", "substance_use": "review"},
        address="3100 E LAKE AVE",
    ),
    Service(
        name="Open Table Drop-In", organization="Open Table Ministries", kind="Day centre", leg="place",
        access=("walk_in",), default_tiers=T02, at=(1390, -690), hours=((ALL_WEEK, "08:00", "16:00"),),
        eligibility="Open to all", match={"homelessness": "yes"}, address="815 E CANNERY ST",
    ),
    Service(
        name="Old Harbor Day Center", organization="Lantern House", kind="Day centre", leg="place",
        access=("walk_in",), default_tiers=T02, at=(-3980, -1890), match={"homelessness": "yes"},
        address="31 W WHARF ST", assured="2021-09-14",
    ),
    Service(
        name="Midtown Emergency Shelter", organization="Lantern House", kind="Emergency shelter", leg="place",
        access=("walk_in",), default_tiers=T02, at=(190, 910), hours=_ALWAYS,
        intake=((ALL_WEEK, "17:00", "21:00"),), needs_intake=True, needs_availability=True, maximum=64, unit="Bed",
        eligibility="People experiencing homelessness", match={"homelessness": "yes"}, address="220 N MIDTOWN AVE",
    ),
    Service(
        name="Harbor Light Safe House", organization="Harbor Light", kind="Domestic violence shelter", leg="place",
        access=("unknown",), default_tiers=T02, hours=_ALWAYS, needs_intake=True, needs_availability=True,
        is_confidential=True, match={"homelessness": "review"}, eligibility="Survivors of domestic violence",
        person="unknown",
    ),
    Service(
        name="Point Exchange Harm Reduction", organization="Point Exchange", kind="Harm reduction site", leg="place",
        access=("walk_in",), default_tiers=T02, at=(1510, 1610), match={"substance_use": "review"},
        address="1400 N POINT ST", assured="2022-02-20",
    ),
    Service(
        name="Housing Access Point", organization="Shoreline Helping Partners", kind="Housing navigation", leg="place",
        access=("walk_in",), default_tiers=T02, at=(2310, -2190), hours=((WEEKDAYS, "09:00", "16:30"),),
        match={"homelessness": "review"}, address="1900 S FERRY RD",
    ),
    Service(
        name="Sample General Hospital Emergency Department", organization="Sample General Hospital",
        kind="Emergency department", leg="place", access=("walk_in", "drop_off"), default_tiers=T02, at=(-620, 2310),
        hours=_ALWAYS, is_emergency_department=True, match={"mental_health": "yes", "substance_use": "yes"},
        address="1 HOSPITAL DR",
    ),
    Service(
        name="Midtown Outpatient Mental Health", organization="Eastlake Clinics", kind="Outpatient mental health",
        leg="place", access=("appointment",), default_tiers=T02, at=(990, 2520),
        hours=((WEEKDAYS, "09:00", "17:00"),), match={"mental_health": "review"}, by_appointment=True,
        address="450 N ORCHARD AVE",
    ),
    Service(
        name="Eastlake Opioid Treatment Program", organization="Eastlake Clinics", kind="Opioid treatment program",
        leg="place", access=("appointment",), default_tiers=T02, at=(4210, -390),
        hours=(("MO,TU,WE,TH,FR,SA", "05:30", "11:00"),), match={"substance_use": "review"}, by_appointment=True,
        address="3600 E DEPOT RD",
    ),
    Service(
        name="Ferry Point Health Center", organization="Ferry Point Health", kind="Health centre", leg="place",
        access=("appointment",), default_tiers=T02, at=(2510, -3110), hours=((WEEKDAYS, "08:00", "18:00"),), match={},
        by_appointment=True, address="2050 S FERRY RD",
    ),
    Service(
        name="Northgate Senior Helpdesk", organization="Shoreline Helping Partners",
        kind="Aging and adult protective services", leg="contact", access=("line",), default_tiers=T0,
        hours=((WEEKDAYS, "08:00", "17:00"),), zone=("N1",), match={"welfare_check": "review"},
    ),
    Service(
        name="Open Table Food Pantry", organization="Open Table Ministries", kind="Other", leg="place",
        access=("walk_in",), default_tiers=T02, at=(1390, -690), hours=(("TU,TH", "12:00", "15:00"),), match={},
        address="815 E CANNERY ST",
    ),
)  # fmt: skip


def position(service: Service) -> tuple[float, float] | None:
    """Working coordinates (whole metres) of a service or a team's base, None where it is nowhere or withheld."""
    if service.at is None:
        return None
    x, y = centre()
    return x + service.at[0], y + service.at[1]


def zones(land: Land) -> dict[str, Polygon]:
    """Service areas in degrees by service id: unions of neighbourhoods, drawn coarsely a little inside the border."""
    shapes = {area.id: area.shape for area in land.neighbourhoods}
    other = shapes[NO_ZONE].buffer(15)
    out = {}
    for service in SERVICES:
        if service.zone:
            joined = shapely.coverage_union_all([shapes[one] for one in service.zone])
            drawn = joined.simplify(60).difference(other)
            largest = max(shapely.get_parts(drawn), key=lambda one: one.area)
            out[service.id] = lonlat(Polygon(largest.exterior))
    return out


def zones_m(land: Land) -> dict[str, BaseGeometry]:
    """The same areas in working metres, vertex by vertex from the degrees that are written."""
    return {key: metres(shape) for key, shape in zones(land).items()}


def mask(lines: tuple[tuple[str, str, str], ...] | None) -> NDArray[np.bool_] | None:
    """The 672 quarter-hours of the week of opening lines; past midnight runs on; None stays None."""
    if lines is None:
        return None
    out = np.zeros(QUARTERS, bool)
    for days, opens, closes in lines:
        start, end = _quarter(opens), _quarter(closes)
        end += 96 if end <= start else 0
        for day in days.split(","):
            out[np.arange(_DAYS[day] * 96 + start, _DAYS[day] * 96 + end) % QUARTERS] = True
    return out


def _quarter(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * 4 + int(minute) // 15


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyLog:
    """Team A's turns: seconds UTC on and off (off exclusive), and teams on that turn."""

    on: Ints
    off: Ints
    on_local: Ints
    off_local: Ints
    n_teams: Ints


def duty_log(*, seed: int) -> DutyLog:
    """Two turns a day with real gaps: sick days, holidays, late starts, weeks without an evening turn."""
    rng = np.random.default_rng([seed, 2])
    days = np.arange(N_DAYS)
    day_turn = np.column_stack([days * DAY + 8 * 3600, days * DAY + 15 * 3600])
    late_turn = np.column_stack([days * DAY + 14 * 3600, days * DAY + 22 * 3600])
    keep_day = (days % 7 < 5) | (rng.random(N_DAYS) < 0.45)
    keep_late = rng.random(N_DAYS) < np.where(days % 7 < 5, 0.86, 0.5)
    for start in rng.choice(100, 4, replace=False) * 7:
        keep_late[start : start + 7] = False
    keep_day &= rng.random(N_DAYS) > 0.05
    turns = np.concatenate([day_turn[keep_day], late_turn[keep_late]])
    teams = np.where(rng.random(len(turns)) < 0.12, 2, 1)
    late = rng.integers(0, 4, len(turns)) * 300
    early = rng.integers(0, 5, len(turns)) * 300
    turns = np.column_stack([turns[:, 0] + late, turns[:, 1] - early])
    turns, teams = turns[np.argsort(turns[:, 0], kind="stable")], teams[np.argsort(turns[:, 0], kind="stable")]
    on, off = out_of_gap(turns[:, 0]), out_of_gap(turns[:, 1])
    return DutyLog(on=to_utc(on), off=to_utc(off), on_local=on, off_local=off, n_teams=teams)
