"""What each listed service has to do with an area's calls: near enough for, closed for, the only sure one for.

The three tests are those of the outcomes (`pipelines.suitability`, `geo.gap`), with the settings that the store was
made with; the outcomes are read from the store. A service counts once for a call, by whichever access. Confidential
services are judged like others, so that the numbers agree with the outcomes, and left out of every table.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geo.gap import NO, YES
from pipelines.city import Travel
from pipelines.engine import connect, frame, scan
from pipelines.release_teams import Teams, teams_of
from pipelines.store import Store
from pipelines.suitability import candidates, reach_by_service
from pipelines.unmet import LEGS, Asked, Group, calls_in_scope, profiles
from pipelines.vocabulary import needs as all_needs

AREA_SERVICE = ["level", "geoid", "service_id", "need", "leg", "n_calls", "n_reached", "minutes_median"]
HOUR_GAIN = ["service_id", "need", "leg", "level", "geoid", "hour_of_week", "n_calls", "n_sure"]
ONLY_BY = ["service_id", "need", "leg", "level", "geoid", "n_calls"]
SUMS = ("n_calls", "n_sure")
MIN_PLACES = 3  # minutes from fewer places to several services would tell where those are
PARTS = {
    "calls": ["place", "need", "leg", "n_calls"],
    "reached": ["place", "need", "leg", "service_id", "minutes", "n_calls"],
    "gains": ["place", "need", "leg", "service_id", "hour_of_week", "n_calls", "n_sure"],
    "only": ["place", "need", "leg", "service_id", "n_calls"],
}
Areas = dict[str, NDArray[np.object_]]  # level → area of each place


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """The placed calls of one need on a leg, and services × calls what each answers; `service` are the services."""

    need: str
    leg: str
    service: NDArray[np.object_]
    starts: NDArray[np.intp]  # first candidate row of each service
    place: NDArray[np.int64]
    hour: NDArray[np.int64]
    near: NDArray[np.bool_]  # calls × candidate rows: S is not no
    could: NDArray[np.bool_]  # S and B are not no
    takes: NDArray[np.bool_]  # S and B are yes
    is_open: NDArray[np.bool_]  # not known to be closed at that hour; a team with a duty log is on duty
    is_ready: NDArray[np.bool_]  # known to be open, capacity proven; a team with a duty log is free
    proven: NDArray[np.bool_]  # candidate rows: capacity proven, or a duty log
    minutes: NDArray[np.float64]

    def any_access(self, rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Calls × services from calls × candidate rows."""
        found: NDArray[np.bool_] = np.logical_or.reduceat(rows, self.starts, axis=1)
        return found


def supply_tables(opened: Store, levels: Sequence[str], *, finest: str) -> dict[str, pd.DataFrame]:
    """area_services, hour_gains and only_by of the levels named; see docs/releases.md.

    `finest` is SQL of the calls `c` that may be counted by hour.
    """
    places = opened.read("places")
    places = places[places["x"].notna() & (places["place_kind"] != "placeholder")].reset_index(drop=True)
    asked = calls_in_scope(opened.folder, opened.path("calls"), places)
    by_hour = _may_be_counted(opened, asked, finest)
    found: dict[str, list[pd.DataFrame]] = {name: [] for name in PARTS}
    for leg in LEGS:
        own = asked.for_leg(leg)
        outcome = _outcomes(opened, own, leg)
        for listed, at in _listed(opened, places, own, leg):
            found["calls"].append(_counted(listed, {}))
            if len(listed.service):
                found["reached"].append(_reached(listed))
                found["gains"].append(_gains(listed, (outcome[at] == "temporal") & by_hour[own.row[at]]))
                found["only"].append(_only(listed, outcome[at] == "available"))
    areas = _areas(opened, places, levels)
    barred = opened.read("services", ["service_id", "is_confidential"]).query("is_confidential")["service_id"]
    calls, *by_service = (_joined(tables, PARTS[name]) for name, tables in found.items())
    reached, gains, only = (table[~table["service_id"].isin(barred)] for table in by_service)
    return {
        "area_services": _area_services(reached, calls, areas),
        "hour_gains": _summed(gains, areas, HOUR_GAIN),
        "only_by": _summed(only, areas, ONLY_BY),
    }


def _may_be_counted(opened: Store, asked: Asked, finest: str) -> NDArray[np.bool_]:
    """Whether each call may be counted by hour."""
    query = f"SELECT c.call_id FROM {scan(opened.path('calls'))} c WHERE c.merged_into IS NULL AND {finest}"
    may = frame(connect(opened.folder), query)["call_id"]
    return np.asarray(pd.Index(asked.call_id.to_pandas()).isin(may), dtype=bool)


def _outcomes(opened: Store, own: Asked, leg: str) -> NDArray[np.object_]:
    """The store's outcome of each call on a leg."""
    query = f"SELECT call_id, outcome FROM {scan(opened.path('unmet'))} WHERE leg = '{leg}'"
    table = frame(connect(opened.folder), query).set_index("call_id")["outcome"]
    return table.reindex(own.call_id.to_pandas().iloc[own.row]).to_numpy(object)


def _areas(opened: Store, places: pd.DataFrame, levels: Sequence[str]) -> Areas:
    """The area of each place on each level."""
    atoms = opened.read("atoms").set_index("atom").reindex(places["atom"]).assign(city="city")
    return {level: atoms[level].fillna("_unlocated").to_numpy(object) for level in levels}


def _listed(opened: Store, places: pd.DataFrame, own: Asked, leg: str) -> list[tuple[Listed, NDArray[np.int64]]]:
    """Each need's placed calls on a leg with what its services answer, and their rows among the leg's calls."""
    services, travel = opened.read("services"), Travel(**opened.manifest["settings"]["travel"])
    reach = reach_by_service(opened.read("reach"), places)
    groups = []
    for name, need in all_needs().items():
        is_own = own.need == name
        if is_own.any():
            tests = candidates(services, places, reach, need=name, leg=leg, travel=travel)
            groups.append(profiles(need, np.flatnonzero(is_own), own.pick(is_own), tests))
    teams = teams_of(own, groups, services, opened.read("duty")) if leg == "respond" else Teams.none(len(own.row))
    return [_answers(group, leg, teams) for group in groups]


def _answers(group: Group, leg: str, teams: Teams) -> tuple[Listed, NDArray[np.int64]]:
    placed = group.profile >= 0
    at, profile = group.at[placed], group.profile[placed]
    calls, rows = group.calls, group.found.rows
    s, b = group.s[profile], group.b[profile]
    is_open, is_ready = (mask[:, calls.quarter[placed]].T.copy() for mask in (group.found.possible, group.found.sure))
    has_log = rows["has_duty_log"].to_numpy(bool)
    for column in np.flatnonzero(has_log):
        is_open[:, column] = teams.on_duty(rows["service_id"].iloc[column], at)
        is_ready[:, column] = teams.ready(rows["service_id"].iloc[column], at)
    service, starts = np.unique(rows["service_id"].to_numpy(object).astype(str), return_index=True)
    listed = Listed(
        need=group.need.id,
        leg=leg,
        service=service.astype(object),
        starts=starts,
        place=calls.place[placed],
        hour=calls.quarter[placed] // 4,
        near=s != NO,
        could=(s != NO) & (b != NO),
        takes=(s == YES) & (b == YES),
        is_open=is_open,
        is_ready=is_ready,
        proven=rows["capacity_state"].eq("proven").to_numpy(bool) | has_log,
        minutes=group.found.minutes[calls.place[placed]],
    )
    return listed, at


def _reached(listed: Listed) -> pd.DataFrame:
    """Calls by place and service within its threshold, with the minutes of the nearest access."""
    known = listed.near & ~np.isnan(listed.minutes)
    nearest = np.minimum.reduceat(np.where(known, listed.minutes, np.inf), listed.starts, axis=1)
    call, service = np.nonzero(listed.any_access(listed.near))
    minutes = np.where(np.isinf(nearest[call, service]), np.nan, nearest[call, service])
    return _counted(listed, {"service_id": listed.service[service], "minutes": minutes}, call)


def _gains(listed: Listed, chosen: NDArray[np.bool_]) -> pd.DataFrame:
    """Of the calls chosen those that a service which is closed then could take, and would for sure were it open."""
    closed = listed.could & ~listed.is_open & chosen[:, None]
    call, service = np.nonzero(listed.any_access(closed))
    is_sure = listed.any_access(closed & listed.takes & listed.proven)[call, service]
    columns = {"service_id": listed.service[service], "hour_of_week": listed.hour[call], "n_sure": is_sure}
    return _counted(listed, columns, call)


def _only(listed: Listed, chosen: NDArray[np.bool_]) -> pd.DataFrame:
    """Of the calls chosen those for which exactly one service is yes on all tests."""
    is_sure = listed.any_access(listed.takes & listed.is_ready) & chosen[:, None]
    call, service = np.nonzero(is_sure & (is_sure.sum(axis=1) == 1)[:, None])
    return _counted(listed, {"service_id": listed.service[service]}, call)


def _counted(
    listed: Listed, columns: dict[str, NDArray[np.generic]], call: NDArray[np.intp] | None = None
) -> pd.DataFrame:
    """Calls (`n_calls`, and `n_sure` of them) by place, need, leg and the other columns."""
    place = listed.place if call is None else listed.place[call]
    table = pd.DataFrame({"place": place, "need": listed.need, "leg": listed.leg, **columns}).assign(n_calls=1)
    sums = [name for name in SUMS if name in table]
    keys = [name for name in table if name not in sums]
    return table.groupby(keys, as_index=False, dropna=False, observed=True)[sums].sum()


def _joined(tables: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    full = [table for table in tables if len(table)]
    return pd.concat(full, ignore_index=True) if full else pd.DataFrame(columns=list(columns))


def _by_area(table: pd.DataFrame, areas: Areas) -> pd.DataFrame:
    """The same rows for each level, with the area of their place."""
    place = table["place"].to_numpy(np.int64)
    return pd.concat([table.assign(level=level, geoid=area[place]) for level, area in areas.items()], ignore_index=True)


def _summed(table: pd.DataFrame, areas: Areas, columns: Sequence[str]) -> pd.DataFrame:
    """Sums by the columns, those that are numbers of calls left aside."""
    by_area = _by_area(table, areas)
    keys = [name for name in columns if name not in SUMS]
    sums = [name for name in columns if name in SUMS]
    out = by_area.groupby(keys, as_index=False, observed=True)[sums].sum().astype(dict.fromkeys(sums, "int64"))
    return pd.DataFrame(out[list(columns)])


def _area_services(reached: pd.DataFrame, calls: pd.DataFrame, areas: Areas) -> pd.DataFrame:
    rows = _by_area(reached.rename(columns={"n_calls": "n_reached"}), areas)
    key = ["level", "geoid", "service_id", "need", "leg"]
    out = rows.groupby(key, as_index=False)["n_reached"].sum().merge(_medians(rows, key), on=key, how="left")
    whole = _summed(calls, areas, ["level", "geoid", "need", "leg", "n_calls"])
    out = out.merge(whole, on=["level", "geoid", "need", "leg"], how="left", validate="many_to_one")
    kinds = {"n_calls": "int64", "n_reached": "int64", "minutes_median": "float64"}
    return pd.DataFrame(out[AREA_SERVICE].astype(kinds))


def _medians(rows: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """The median of the minutes over calls in whole minutes, by `key`; only where known from at least 3 places."""
    known = rows[rows["minutes"].notna()].sort_values([*key, "minutes"], kind="stable")
    group = known.groupby(key).ngroup().to_numpy()
    n, minutes = known["n_reached"].to_numpy(np.int64), known["minutes"].to_numpy(float)
    first = np.flatnonzero(np.diff(group, prepend=-1))
    upto = np.cumsum(n)
    before = upto[first] - n[first]
    total = np.add.reduceat(n, first) if len(first) else n
    low, high = (minutes[np.searchsorted(upto, before + at, side="right")] for at in ((total - 1) // 2, total // 2))
    places = known.drop_duplicates([*key, "place"]).groupby(key).size().to_numpy()
    out: pd.DataFrame = known.iloc[first][key].assign(minutes_median=np.round((low + high) / 2))
    return out.loc[places >= MIN_PLACES]
