"""Files that point at calls: police reports, what was sent, team A's duty log."""

import numpy as np
import pyarrow as pa

from pipelines.sample import dirt
from pipelines.sample.calls import ORIGINS, Events, catalogue, type_needs
from pipelines.sample.course import UNRESOLVED, Course
from pipelines.sample.dirt import Rows
from pipelines.sample.files import PlaceText
from pipelines.sample.frame import WINDOW_S, Ints, to_local
from pipelines.sample.supply import DutyLog
from pipelines.sample.text import TableFile, padded, replaced, stamps, words
from pipelines.sample.types import IN_SCOPE_NEEDS, NEEDS

INCIDENTS = ("REPORT_NO", "CALL_NO", "REPORTED", "OFFENSE", "ADDRESS", "LONGITUDE", "LATITUDE")
RESPONSES = ("CALL_NO", "RESPONDER", "ASSIGNED", "ARRIVED", "CLEARED", "OUTCOME", "NOT_SENT_REASON")
DUTY = ("SERVICE_ID", "ON_DUTY", "OFF_DUTY", "TEAMS")
BAD_REPORTS, STRAY_REPORTS = 5, 14
_OFFENCES = {
    "THEFT": "LARCENY - ALL OTHER", "SHOPLIFTING": "LARCENY - SHOPLIFTING", "BURGLARY": "BURGLARY/BREAKING & ENTERING",
    "ASSAULT": "ASSAULT - AGGRAVATED", "DOMESTIC BATTERY": "ASSAULT - SIMPLE, DOMESTIC", "ROBBERY": "ROBBERY",
    "VANDALISM": "DESTRUCTION/DAMAGE/VANDALISM", "TRESPASSING": "TRESPASS OF REAL PROPERTY",
    "SHOTS FIRED": "WEAPON LAW VIOLATION", "WEAPON COMPLAINT": "WEAPON LAW VIOLATION", "FRAUD": "FRAUD - SWINDLE",
    "THREATS": "INTIMIDATION", "HARASSMENT": "INTIMIDATION", "STOLEN VEHICLE": "MOTOR VEHICLE THEFT",
    "NARCOTICS SALE": "DRUG/NARCOTIC VIOLATION", "DRUG POSSESSION *DRUG FREE ZONE*": "DRUG/NARCOTIC VIOLATION",
    "DUI": "DRIVING UNDER THE INFLUENCE", "PUBLIC INTOXICATION": "DRUNKENNESS", "FIGHT": "ASSAULT - SIMPLE",
    "LIQUOR LAW VIOLATION": "LIQUOR LAW VIOLATION", "INDECENT EXPOSURE": "SEX OFFENSE - INDECENT EXPOSURE",
}  # fmt: skip
_OTHER = "DISORDERLY CONDUCT"
_REASONS = ("NO TEAM ON DUTY", "ALL TEAMS BUSY", "OUTSIDE SERVICE AREA", "SCENE NOT SAFE", "NOT REQUESTED")
_ENDS = ("ADVISED", "REFERRED", "TRANSPORTED VOLUNTARILY", "DECLINED SERVICE", "GONE ON ARRIVAL")
_RESPONDERS = ("PATROL", "MOBILE CRISIS", "CO-RESPONSE", "EMS")


def write_incidents(
    out: TableFile,
    events: Events,
    course: Course,
    rows: Rows,
    number: pa.Array,
    text: PlaceText,
    rng: np.random.Generator,
    n: int,
) -> int:
    """Appends the reports of some calls; returns how many rows were refused for a broken stamp."""
    is_crime = np.array([one.is_criminal for one in catalogue()])[events.type]
    good = np.zeros(len(events), bool)
    good[rows.event[rows.fault == dirt.GOOD]] = True
    chance = np.where(is_crime, 0.6, 0.004) * np.where(np.isin(course.disposition, UNRESOLVED), 0.0, 1.0)
    at = np.flatnonzero(good & (events.agency == 0) & (rng.random(len(events)) < chance))
    names = [_OFFENCES.get(one.text, _OTHER) for one in catalogue()]
    after = rng.integers(600, 90_000, len(at))
    reported = np.minimum(to_local(events.utc[at] + after), WINDOW_S - 1)
    link = number.take(pa.array(at))
    blank = rng.random(len(at)) < 0.12
    link = replaced(link, blank, [None] * int(blank.sum()))
    stray = np.zeros(len(at), bool)
    stray[rng.choice(len(at), min(len(at), dirt.scaled(STRAY_REPORTS, n)), replace=False)] = True
    link = replaced(link, stray, [f"P22-{k:07d}" for k in range(int(stray.sum()))])
    bad = np.zeros(len(at), bool)
    bad[rng.choice(len(at), min(len(at), dirt.scaled(BAD_REPORTS, n)), replace=False)] = True
    stamp = replaced(stamps(reported, "us"), bad, ["PENDING"] * int(bad.sum()))
    place = pa.array(events.place[at])
    out.write(
        {
            "REPORT_NO": padded(pa.array(["R-"] * len(at), pa.string()), out.n_rows + 1 + np.arange(len(at)), 7),
            "CALL_NO": link,
            "REPORTED": stamp,
            "OFFENSE": words(events.type[at], names),
            "ADDRESS": text.address.take(pa.array(events.address[at])),
            "LONGITUDE": text.lon.take(place),
            "LATITUDE": text.lat.take(place),
        }
    )
    return int(bad.sum())


def write_responses(
    out: TableFile, events: Events, course: Course, rows: Rows, number: pa.Array, rng: np.random.Generator
) -> None:
    """Appends who was sent to a quarter of the need calls, and why the mobile team was not."""
    need = type_needs()[events.type]
    tier = np.array([-1 if one.tier is None else one.tier for one in catalogue()])[events.type]
    fit = np.isin(need, [NEEDS.index(one) for one in IN_SCOPE_NEEDS]) & (events.agency == 0)
    fit &= (events.origin == ORIGINS.index("community")) & ~np.isin(course.disposition, UNRESOLVED)
    good = np.zeros(len(events), bool)
    good[rows.event[rows.fault == dirt.GOOD]] = True
    at = np.flatnonzero(fit & good & (rng.random(len(events)) < 0.22))
    team = at[np.isin(need[at], [NEEDS.index("mental_health"), NEEDS.index("substance_use")]) & (tier[at] < 3)]
    team = team[rng.random(len(team)) < 0.75]
    ems = at[(tier[at] == 3) | (rng.random(len(at)) < 0.02)]
    both = team[rng.random(len(team)) < 0.08]
    who = np.repeat([0, 1, 2, 3], [len(at), len(team), len(both), len(ems)])
    event = np.concatenate([at, team, both, ems])
    order = np.lexsort((who, event))
    who, event = who[order], event[order]
    sent = (who != 1) | (rng.random(len(event)) < 0.38)
    assigned = np.where(sent, events.utc[event] + rng.integers(30, 900, len(event)), -1)
    arrived = np.where(sent & (rng.random(len(event)) < 0.94), assigned + rng.integers(240, 2400, len(event)), -1)
    cleared = np.where(sent, np.maximum(assigned, arrived) + rng.integers(600, 5400, len(event)), -1)
    reason = np.where(sent, -1, _reasons(tier[event], rng))
    end = np.where(sent & (arrived >= 0), rng.choice(len(_ENDS), len(event), p=[0.42, 0.2, 0.12, 0.14, 0.12]), -1)
    out.write(
        {
            "CALL_NO": number.take(pa.array(event)),
            "RESPONDER": words(who, _RESPONDERS),
            "ASSIGNED": _stamp(assigned),
            "ARRIVED": _stamp(arrived),
            "CLEARED": _stamp(cleared),
            "OUTCOME": words(end, _ENDS),
            "NOT_SENT_REASON": words(reason, _REASONS),
        }
    )


def _reasons(tier: Ints, rng: np.random.Generator) -> Ints:
    drawn = rng.choice(len(_REASONS), len(tier), p=[0.36, 0.16, 0.22, 0.04, 0.22])
    return np.where(tier >= 2, 3, drawn)


def _stamp(utc: Ints) -> pa.Array:
    return stamps(np.where(utc >= 0, to_local(utc), -1), "us")


def write_duty(out: TableFile, log: DutyLog, service_id: str) -> None:
    """Writes team A's turns."""
    out.write(
        {
            "SERVICE_ID": pa.array([service_id] * len(log.on), pa.string()),
            "ON_DUTY": stamps(log.on_local, "iso"),
            "OFF_DUTY": stamps(log.off_local, "iso"),
            "TEAMS": pa.array(log.n_teams),
        }
    )
