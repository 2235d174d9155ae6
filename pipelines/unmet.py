"""The `unmet` table: a call × leg → outcome, at the call's own place and quarter-hour.

Outcomes are computed once per distinct profile (where the same services are suitable, tier, caller, span of dates)
and read off per call; only calls that teams with a duty log may take are simulated one by one, in order of time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from geo import gap
from geo.gap import AVAILABLE, NO, OUTCOME_NAMES, QUARTERS, SPATIAL, UNCERTAIN, YES
from pipelines.city import City
from pipelines.engine import Advance, connect, scan
from pipelines.suitability import (
    BY_OTHERS,
    UNKNOWN_TIER,
    Candidates,
    ReachByService,
    candidates,
    reach_by_service,
    unknowns,
)
from pipelines.vocabulary import Need
from pipelines.vocabulary import needs as all_needs

LEGS = ("contact", "respond", "place")
VARIANTS = {
    "outcome": (1.0, False),
    "outcome_with_ed": (1.0, True),
    "outcome_near": (0.8, False),
    "outcome_far": (1.2, False),
}


def unmet(
    city: City,
    work: Path,
    calls: Path,
    places: pd.DataFrame,
    services: pd.DataFrame,
    reach: pd.DataFrame,
    duty: pd.DataFrame,
    advance: Advance | None = None,
) -> dict[str, object]:
    """`unmet`, a row per call in scope and leg, and `verification`, the services whose answers would move most."""
    located = places[places["x"].notna() & (places["place_kind"] != "placeholder")].reset_index(drop=True)
    asked = calls_in_scope(work, calls, located)
    by_service = reach_by_service(reach, located)
    supply = Supply(city=city, places=located, services=services, reach=by_service, duty=duty)
    columns: dict[str, list[NDArray[np.generic]]] = {"row": [], "leg": [], "is_recorded": []}
    columns |= {variant: [] for variant in VARIANTS}
    confirm: list[pd.DataFrame] = []
    for leg in LEGS:
        one = asked.for_leg(leg)
        if advance:
            advance(leg, sum(map(len, columns["row"])), len(asked.row) * len(LEGS))
        for variant, (factor, with_ed) in VARIANTS.items():
            if variant != "outcome" and not _differs(leg, variant):
                columns[variant].append(columns["outcome"][-1])
                continue
            judged = _judge(supply, one, leg, travel_factor=factor, with_ed=with_ed)
            columns[variant].append(judged.codes)
            if variant == "outcome":
                columns["is_recorded"].append(judged.is_recorded)
                confirm += _verification(judged, leg)
        columns["row"].append(one.row)
        columns["leg"].append(np.full(len(one.row), LEGS.index(leg), np.uint8))
    listed = pd.concat(confirm, ignore_index=True) if confirm else _NO_VERIFICATION
    return {"unmet": _as_table(asked, columns), "verification": listed}


def _differs(leg: str, variant: str) -> bool:
    """Whether a variant can differ from the default on a leg: only places have EDs, lines have no travel."""
    return leg == "place" or (leg == "respond" and variant != "outcome_with_ed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """What the outcomes are judged against."""

    city: City
    places: pd.DataFrame
    services: pd.DataFrame
    reach: ReachByService
    duty: pd.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Calls in scope, in order of (received_at, call_id), as arrays; `row` is the row among all of them."""

    row: NDArray[np.int64]
    call_id: pa.Array
    received_s: NDArray[np.int64]
    day: NDArray[np.datetime64]
    quarter: NDArray[np.int64]
    need: NDArray[np.object_]
    tier: NDArray[np.int64]  # 0-2, UNKNOWN_TIER
    by_others: NDArray[np.int64]  # 1 where a bystander or professional called
    place: NDArray[np.int64]  # row of the located places, -1 where the call cannot be placed

    def pick(self, chosen: NDArray[np.bool_]) -> "Asked":
        return Asked(
            row=self.row[chosen],
            call_id=self.call_id,
            received_s=self.received_s[chosen],
            day=self.day[chosen],
            quarter=self.quarter[chosen],
            need=self.need[chosen],
            tier=self.tier[chosen],
            by_others=self.by_others[chosen],
            place=self.place[chosen],
        )

    def for_leg(self, leg: str) -> "Asked":
        """The calls that have a leg: their need has it, and contact takes T0 only."""
        with_leg = [name for name, need in all_needs().items() if leg in need.legs]
        chosen = np.isin(self.need.astype(str), with_leg)
        return self.pick(chosen & (self.tier == 0) if leg == "contact" else chosen)


def calls_in_scope(work: Path, calls: Path, located: pd.DataFrame) -> Asked:
    db = connect(work)
    db.register("located", located[["place_id"]].assign(place=np.arange(len(located))))
    table: Any = db.sql(
        f"""
        SELECT c.call_id, epoch(c.received_at)::BIGINT AS received_s, c.local_date, c.quarter_of_week, c.need,
               coalesce(c.tier, {UNKNOWN_TIER})::BIGINT AS tier,
               (c.caller_role IN {BY_OTHERS})::BIGINT AS by_others, coalesce(l.place, -1)::BIGINT AS place
        FROM {scan(calls)} c LEFT JOIN located l USING (place_id)
        WHERE c.merged_into IS NULL AND c.origin = 'community' AND c.scope = 'in_scope'
        ORDER BY c.received_at, c.call_id
        """
    ).to_arrow_table()
    values = {name: table[name].to_numpy() for name in table.column_names if name not in ("call_id", "need")}
    return Asked(
        row=np.arange(table.num_rows),
        call_id=table["call_id"].combine_chunks(),
        received_s=values["received_s"],
        day=values["local_date"].astype("datetime64[D]"),
        quarter=values["quarter_of_week"].astype(np.int64),
        need=table["need"].to_pandas().to_numpy(object),
        tier=values["tier"],
        by_others=values["by_others"],
        place=values["place"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The calls of one need on a leg, their candidates and profiles; `profile` is -1 where a call has no place."""

    need: Need
    at: NDArray[np.int64]  # rows of the leg's calls
    calls: Asked
    found: Candidates
    profile: NDArray[np.int64]
    s: NDArray[np.int8]
    b: NDArray[np.int8]
    settles: NDArray[np.bool_]

    @property
    def is_recorded(self) -> bool:
        return len(self.found.rows) > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Outcome codes of a leg's calls, and the groups they were judged in."""

    codes: NDArray[np.uint8]
    is_recorded: NDArray[np.bool_]
    groups: tuple[Group, ...]


def _judge(supply: Supply, asked: Asked, leg: str, *, travel_factor: float, with_ed: bool) -> Judged:
    groups = tuple(_groups(supply, asked, leg, travel_factor=travel_factor, with_ed=with_ed))
    codes = np.full(len(asked.row), UNCERTAIN, np.uint8)
    recorded = np.zeros(len(asked.row), bool)
    sent = _simulate(supply, asked, groups) if leg == "respond" else np.zeros(len(asked.row), np.int8)
    is_complete = leg in supply.city.directory_complete
    for group in groups:
        recorded[group.at] = group.is_recorded
        placed = group.at[group.profile >= 0]
        if not group.is_recorded:
            codes[placed] = SPATIAL if is_complete else UNCERTAIN
            continue
        by_profile = gap.unmet(group.s, group.b, group.found.sure, group.found.possible)
        of_call = by_profile[group.profile[group.profile >= 0], group.calls.quarter[group.profile >= 0]]
        might = (sent[placed] == 1) & (of_call != AVAILABLE)
        codes[placed] = np.where(sent[placed] == 2, AVAILABLE, np.where(might, UNCERTAIN, of_call))
    return Judged(codes=codes, is_recorded=recorded, groups=groups)


def _groups(supply: Supply, asked: Asked, leg: str, *, travel_factor: float, with_ed: bool) -> Iterator[Group]:
    for name, need in all_needs().items():
        at = np.flatnonzero(asked.need == name)
        if not len(at):
            continue
        found = candidates(
            supply.services,
            supply.places,
            supply.reach,
            need=name,
            leg=leg,
            travel=supply.city.travel,
            travel_factor=travel_factor,
            with_ed=with_ed,
        )
        calls = asked.pick(np.isin(np.arange(len(asked.row)), at))
        yield profiles(need, at, calls, found)


def profiles(need: Need, at: NDArray[np.int64], calls: Asked, found: Candidates) -> Group:
    """The distinct combinations of suitable services, tier, caller and dates among a need's calls."""
    placed = calls.place >= 0
    kind_of_place = _row_numbers(found.place_state, base=3)
    epoch = np.searchsorted(found.epochs, calls.day, side="right") - 1
    parts = (kind_of_place[calls.place[placed]], calls.tier[placed], calls.by_others[placed], epoch[placed])
    key = np.ravel_multi_index(parts, (len(kind_of_place) + 1, UNKNOWN_TIER + 1, 2, len(found.epochs)))
    _, first, of_call = np.unique(key, return_index=True, return_inverse=True)
    profile = np.full(len(calls.row), -1, np.int64)
    profile[placed] = of_call
    tier, others, span = (part[first] for part in parts[1:])
    state = found.place_state[calls.place[placed][first]]
    return Group(
        need=need,
        at=at,
        calls=calls,
        found=found,
        profile=profile,
        s=np.where(found.operates[span], state, NO).astype(np.int8),
        b=found.takes[tier, others],
        settles=found.settles[tier],
    )


def _row_numbers(table: NDArray[np.int8], *, base: int) -> NDArray[np.int64]:
    """For each row of a table of small numbers (0 to base - 1) a number that equal rows share, in their order."""
    number = np.zeros(len(table), np.int64)
    for column in table.T:
        if number.max(initial=0) >= np.iinfo(np.int64).max // base - base:
            number = np.unique(number, return_inverse=True)[1]
        number = number * base + column
    return np.asarray(np.unique(number, return_inverse=True)[1], dtype=np.int64)


def _simulate(supply: Supply, asked: Asked, groups: tuple[Group, ...]) -> NDArray[np.int8]:
    """What the teams with a duty log could do for each call of the leg, all needs together, in order of time."""
    logged = supply.services[supply.services["has_duty_log"].astype(bool)]
    teams = sorted(logged["service_id"].unique())
    takes = np.zeros((len(asked.row), len(teams)), bool)
    could = np.zeros_like(takes)
    minutes = np.full(takes.shape, np.nan)
    job_s = np.zeros(len(asked.row), np.int64)
    for group in groups:
        job_s[group.at] = group.need.job_min * 60
        placed = group.profile >= 0
        rows, profile = group.at[placed], group.profile[placed]
        for column, service in enumerate(group.found.rows["service_id"]):
            if service in teams and group.found.rows["has_duty_log"].iloc[column]:
                team = teams.index(service)
                s, b = group.s[profile, column], group.b[profile, column]
                takes[rows, team] |= (s == YES) & (b == YES)
                could[rows, team] |= (s != NO) & (b != NO)
                minutes[rows, team] = group.found.minutes[group.calls.place[placed], column]
    duty = tuple(duty_of(supply.duty, team) for team in teams)
    return gap.dispatch(asked.received_s, takes, could, minutes, job_s, duty)


def duty_of(duty: pd.DataFrame, team: str) -> gap.Duty:
    own = duty[duty["service_id"] == team]
    on, off = (own[name].dt.as_unit("s").astype("int64").to_numpy() for name in ("on_at", "off_at"))
    return gap.Duty(on=on, off=off, n_teams=own["n_teams"].to_numpy(np.int64))


def _verification(judged: Judged, leg: str) -> Iterator[pd.DataFrame]:
    """Per need, the services in the order in which a confirmation settles most uncertain calls."""
    for group in judged.groups:
        codes = judged.codes[group.at]
        n = len(codes)
        least, uncertain = int((codes >= SPATIAL).sum()), codes == UNCERTAIN
        held = uncertain & (group.profile >= 0)
        if not group.is_recorded or not held.any():
            continue
        cells = np.bincount(
            group.profile[held] * QUARTERS + group.calls.quarter[held], minlength=len(group.s) * QUARTERS
        ).reshape(len(group.s), QUARTERS)
        could = (group.s != NO) & (group.b != NO)
        found = gap.confirmations(cells, could, could & group.settles, group.found.possible)
        rows = group.found.rows.iloc[found.service]
        yield pd.DataFrame(
            {
                "leg": leg,
                "need": group.need.id,
                "rank": np.arange(1, len(rows) + 1),
                "service_id": rows["service_id"].to_numpy(),
                "name": rows["name"].to_numpy(),
                "access": rows["access"].to_numpy(),
                "unknowns": [unknowns(row) for _, row in rows.iterrows()],
                "n_moved": found.n_moved,
                "n_moved_if_no": found.n_moved_if_no,
                "n_settled_if_yes": found.settled_if_yes,
                "n_settled_if_no": found.settled_if_no,
                "share_least_if_no": (least + found.settled_if_no) / n,
                "share_most_if_yes": (least + int(uncertain.sum()) - found.settled_if_yes) / n,
            }
        )


_NO_VERIFICATION = pd.DataFrame(
    {
        name: pd.Series(dtype=kind)
        for name, kind in (
            ("leg", "str"), ("need", "str"), ("rank", "int64"), ("service_id", "str"), ("name", "str"),
            ("access", "str"), ("unknowns", "str"), ("n_moved", "int64"), ("n_moved_if_no", "int64"),
            ("n_settled_if_yes", "int64"), ("n_settled_if_no", "int64"), ("share_least_if_no", "float64"),
            ("share_most_if_yes", "float64"),
        )
    }
)  # fmt: skip


def _as_table(asked: Asked, columns: Mapping[str, list[NDArray[np.generic]]]) -> pa.Table:
    row = np.concatenate(columns["row"])
    order = np.argsort(row, kind="stable")
    names = {"leg": LEGS} | dict.fromkeys(VARIANTS, OUTCOME_NAMES)
    out = {"call_id": asked.call_id.take(pa.array(row[order]))}
    for name, words in names.items():
        codes = pa.array(np.concatenate(columns[name])[order].astype(np.int8))
        out[name] = pa.DictionaryArray.from_arrays(codes, pa.array(words)).cast(pa.string())
    out["is_recorded"] = pa.array(np.concatenate(columns["is_recorded"])[order])
    return pa.table(out)
