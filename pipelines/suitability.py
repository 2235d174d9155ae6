"""The three tests of a service as arrays: S at each place, B for each kind of call, H in each quarter-hour.

Reads the `services` and `reach` tables; decides nothing that `services` has not settled.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geo.gap import NO, QUARTERS, UNKNOWN, YES
from geo.hours import unpack
from pipelines.city import Travel
from pipelines.engine import each

BY_OTHERS = ("bystander", "professional")
OWN_ADDRESS_M = 1.5
UNKNOWN_TIER = 3  # index after T0, T1, T2
ReachByService = Mapping[tuple[str, str], tuple[NDArray[np.int64], NDArray[np.float64]]]  # rows of places, minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The candidate services of one need and leg, in order of (service_id, access)."""

    rows: pd.DataFrame
    place_state: NDArray[np.int8]  # places × services, S without dates
    minutes: NDArray[np.float64]  # places × services, NaN where not in reach or not known
    takes: NDArray[np.int8]  # 4 tiers (T0, T1, T2, unknown) × 2 callers (self, others) × services, B
    settles: NDArray[np.bool_]  # 4 tiers × services, a yes of the service would settle B
    sure: NDArray[np.bool_]  # services × 672
    possible: NDArray[np.bool_]  # services × 672
    epochs: NDArray[np.datetime64]  # starts of the spans in which the same services operate, first is -inf
    operates: NDArray[np.bool_]  # epochs × services


def candidates(
    services: pd.DataFrame,
    places: pd.DataFrame,
    reach: ReachByService,
    *,
    need: str,
    leg: str,
    travel: Travel,
    travel_factor: float = 1.0,
    with_ed: bool = False,
) -> Candidates:
    """The candidates of a need and leg, with their tests.

    Not a candidate: by appointment, an emergency department (unless `with_ed`), and on the place leg a service
    without a location. `places` are those with a point, in the order of the rows of `place_state`.
    """
    rows = candidate_rows(services, need=need, leg=leg, with_ed=with_ed)
    minutes = _minutes(rows, len(places), reach)
    state = _place_state(rows, places, minutes * travel_factor, travel)
    sure, possible = _week_masks(rows)
    epochs, operates = _epochs(rows)
    return Candidates(
        rows=rows,
        place_state=state,
        minutes=minutes * travel_factor,
        takes=_takes(rows),
        settles=_settles(rows),
        sure=sure,
        possible=possible,
        epochs=epochs,
        operates=operates,
    )


def candidate_rows(services: pd.DataFrame, *, need: str, leg: str, with_ed: bool = False) -> pd.DataFrame:
    """The rows of `services` that may answer a need on a leg, in order of (service_id, access)."""
    chosen = (services["need"] == need) & (services["leg"] == leg) & (services["access"] != "appointment")
    if not with_ed:
        chosen &= ~services["is_emergency_department"].astype(bool)
    if leg == "place":
        chosen &= services["x"].notna()
    return services[chosen].sort_values(["service_id", "access"]).reset_index(drop=True)


def reach_by_service(reach: pd.DataFrame, places: pd.DataFrame) -> ReachByService:
    """The `reach` table as rows of `places` and minutes, for each service_id and access; other places are left out."""
    place = pd.Index(places["place_id"]).get_indexer(reach["place_id"])
    known = reach.assign(place=place)[place >= 0]
    return {
        (str(service), str(access)): (own["place"].to_numpy(np.int64), own["minutes"].to_numpy(float))
        for (service, access), own in known.groupby(["service_id", "access"], observed=True)
    }


def _minutes(rows: pd.DataFrame, n_places: int, reach: ReachByService) -> NDArray[np.float64]:
    """Travel minutes, places × services; NaN where `reach` has no row."""
    minutes = np.full((n_places, len(rows)), np.nan)
    for at, service in enumerate(each(rows[["service_id", "access"]])):
        place, known = reach.get((service.service_id, service.access), (slice(0), 0.0))
        minutes[place, at] = known
    return minutes


def _place_state(
    rows: pd.DataFrame, places: pd.DataFrame, minutes: NDArray[np.float64], travel: Travel
) -> NDArray[np.int8]:
    """S at each place: match, zone, threshold, never at the call's own address."""
    state = np.full((len(places), len(rows)), NO)
    limits = {"walk_in": travel.walk_min, "drop_off": travel.drop_off_min, "unknown": travel.drop_off_min}
    xy = places[["x", "y"]].to_numpy(float)
    for at, service in enumerate(each(rows)):
        best = UNKNOWN if service.match == "review" else YES
        column = np.full(len(places), best)
        if service.access in limits:
            column[~(minutes[:, at] <= limits[service.access])] = NO
            if service.access == "unknown":
                column = np.minimum(column, UNKNOWN)
        elif service.access == "team" and pd.notna(service.x):
            column[~(minutes[:, at] <= travel.respond_min)] = NO
        if service.zone_state == "polygon":
            column[~_in_zone(service.zone, xy)] = NO
        elif service.zone_state == "unknown":
            column = np.minimum(column, UNKNOWN)
        if pd.notna(service.x):
            column[np.hypot(xy[:, 0] - service.x, xy[:, 1] - service.y) <= OWN_ADDRESS_M] = NO
        state[:, at] = column
    return state


def _in_zone(zone: bytes, xy: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each point is in a zone or on its edge."""
    shape = shapely.from_wkb(zone)
    shapely.prepare(shape)
    inside: NDArray[np.bool_] = shapely.intersects_xy(shape, xy[:, 0], xy[:, 1])
    return inside


def _tiers_taken(rows: pd.DataFrame) -> NDArray[np.bool_]:
    return np.array([rows[f"takes_t{tier}"].to_numpy(bool) for tier in range(3)])


def _settles(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether the tier leaves nothing open that no answer of the service could settle."""
    taken = _tiers_taken(rows)
    return np.vstack([np.ones_like(taken), taken.all(axis=0)])


def _takes(rows: pd.DataFrame) -> NDArray[np.int8]:
    """B by tier, caller and service: takes this tier, this caller, this person."""
    taken = _tiers_taken(rows)
    unknown = np.where(taken.all(axis=0), YES, UNKNOWN)
    tiers = np.vstack([np.where(taken, YES, NO), unknown]).astype(np.int8)
    person = rows["person"].map({"yes": YES, "unknown": UNKNOWN, "no": NO}).to_numpy(np.int8)
    alone = np.minimum(tiers, person)
    by_others = np.where((rows["access"] == "walk_in").to_numpy(), NO, alone)
    return np.stack([alone, by_others], axis=1).astype(np.int8)


def _week_masks(rows: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """H: sure (hours and intake known to be open, capacity proven) and possible (unknown read as open)."""
    sure = np.zeros((len(rows), QUARTERS), bool)
    possible = np.ones((len(rows), QUARTERS), bool)
    for at, service in enumerate(each(rows)):
        known = [unpack(mask) for mask in (service.hours, service.intake) if isinstance(mask, bytes)]
        for mask in known:
            possible[at] &= mask
        if len(known) == 2 and service.capacity_state == "proven":
            sure[at] = possible[at]
        if service.has_duty_log:
            sure[at] = possible[at] = False
    return sure, possible


def _epochs(rows: pd.DataFrame) -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
    """The spans of dates between changes of what is in operation, and which services operate in each."""
    first = np.datetime64("0001-01-01", "D")
    starts = [first]
    starts += [np.datetime64(day, "D") for day in {*rows["valid_from"].dropna(), *rows["valid_to"].dropna()}]
    epochs = np.unique(np.array(starts, "datetime64[D]"))
    begin = _days(rows["valid_from"], first)
    end = _days(rows["valid_to"], np.datetime64("9999-12-31", "D"))
    return epochs, (begin[None, :] <= epochs[:, None]) & (epochs[:, None] < end[None, :])


def _days(column: "pd.Series[date]", missing: np.datetime64) -> NDArray[np.datetime64]:
    return np.array([missing if pd.isna(day) else np.datetime64(day, "D") for day in column], "datetime64[D]")


def unknowns(service: "pd.Series[Any]") -> str:
    """Which answers about a service are missing, in words."""
    missing = []
    if service["match"] == "review":
        missing.append("whether it suits this need")
    if service["access"] == "unknown":
        missing.append("how people are taken in")
    if service["zone_state"] == "unknown":
        missing.append("area served")
    if service["person"] == "unknown":
        missing.append("eligibility")
    if not isinstance(service["hours"], bytes):
        missing.append("hours")
    elif not isinstance(service["intake"], bytes):
        missing.append("intake hours")
    if service["capacity_state"] == "unproven":
        missing.append("duty log" if service["access"] == "team" else "availability")
    return ", ".join(missing) or "none"
