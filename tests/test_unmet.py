"""Outcomes per call and leg at the level of the stage, on a small city where every answer is known."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
import shapely

from pipelines.call_types import call_types, dispositions
from pipelines.city import Travel
from pipelines.locate import points
from pipelines.merge import calls as calls_stage
from pipelines.places import places as places_stage
from pipelines.reach import reach as reach_stage
from pipelines.unmet import unmet as unmet_stage
from tests import build

NO_DUTY = pd.DataFrame(
    {
        "service_id": pd.Series(dtype="str"),
        "on_at": pd.Series(dtype="datetime64[us, UTC]"),
        "off_at": pd.Series(dtype="datetime64[us, UTC]"),
        "n_teams": pd.Series(dtype="int64"),
    }
)
NEEDS = {
    "WELFARE CHECK": "welfare_check",
    "HOMELESS COMPLAINT": "homelessness",
    "INTOXICATED PERSON": "substance_use",
    "MENTAL SUBJECT": "mental_health",
}
UNMET = ("spatial", "barrier", "temporal")


def scattered(n=200, seed=3):
    """Calls of several needs over the whole toy city and the whole week, some without a point."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        at = pd.Timestamp("2024-03-04") + pd.Timedelta(minutes=int(rng.integers(0, 14 * 24 * 60)))
        row = {
            "received_at": str(at),
            "call_type": rng.choice(list(NEEDS)),
            "caller_role": rng.choice(["subject", "bystander", "unknown"]),
            "x": build.X0 + float(rng.integers(-200, 2200)),
            "y": build.Y0 + float(rng.integers(-200, 2200)),
        }
        if rng.random() < 0.1:
            row |= {"x": None, "y": None}
        rows.append(row)
    return rows


@pytest.fixture
def judge(tmp_path):
    """Outcomes of raw rows under some services: a frame of unmet joined to calls."""

    def run(rows, *services, duty=NO_DUTY, **settings):
        city = build.city(**settings)
        raw = (build.raw_calls(rows, tmp_path / "raw.parquet"),)
        found = points(city, tmp_path, raw, (), build.areas())
        paths = {"points": found["points"], "atoms": found["atoms"]}
        paths["types"] = call_types(city, tmp_path, raw)["call_types"]
        paths["dispositions"] = dispositions(city, tmp_path, raw)
        for name, frame in paths.items():
            frame.to_parquet(tmp_path / f"{name}.parquet")
        made = calls_stage(
            city, tmp_path, raw, *(tmp_path / f"{n}.parquet" for n in ("types", "dispositions", "points"))
        )
        supply = build.services(*services)
        places = places_stage(city, tmp_path, made["calls"], found["points"], supply)
        reach = reach_stage(city, tmp_path, tmp_path, places, supply, found["atoms"])
        out = unmet_stage(city, tmp_path, made["calls"], places, supply, reach, duty)
        table = out["unmet"].to_pandas().merge(pd.read_parquet(made["calls"]), on="call_id")
        return table.merge(places[["place_id", "x", "place_kind"]], on="place_id", how="left"), out["verification"]

    return run


def team(**changes):
    base = {"service_id": "t1", "kind": "mobile_crisis", "need": "mental_health", "leg": "respond", "access": "team"}
    return build.service(**(base | {"zone_state": "everywhere"} | changes))


def outcome(table, leg):
    return table.loc[table["leg"] == leg, "outcome"].tolist()


def all_needs_services(**changes):
    """One place and one team for every need and leg, everywhere, all tiers, always open, proven."""
    rows = []
    for need in (*NEEDS.values(), "youth_family"):
        for number, x in enumerate(np.arange(-400, 2401, 400)):
            for row, y in enumerate(np.arange(-400, 2401, 400)):
                place = {
                    "service_id": f"p{number}-{row}",
                    "need": need,
                    "x": build.X0 + x + 0.4,
                    "y": build.Y0 + y + 0.4,
                }
                rows += [build.service(**(place | {"access": access} | changes)) for access in ("walk_in", "drop_off")]
        rows.append(team(need=need, **changes))
        rows.append(
            build.service(
                service_id="line", need=need, leg="contact", access="line", zone_state="everywhere", **changes
            )
        )
    return rows


def test_without_services_and_a_complete_directory_all_located_calls_are_spatial(judge):
    table, _ = judge(scattered(), directory_complete=("contact", "respond", "place"))
    located = table["x_y"].notna() if "x_y" in table else table["x"].notna()
    assert (table.loc[located, "outcome"] == "spatial").all()
    assert (table.loc[~located, "outcome"] == "uncertain").all()
    assert not table["is_recorded"].any()


def test_without_services_on_record_calls_are_uncertain(judge):
    table, listed = judge(scattered())
    assert set(table["outcome"]) == {"uncertain"}
    assert listed.empty


def test_services_that_never_open_leave_the_same_total_and_those_in_reach_temporal(judge):
    closed = all_needs_services(hours=build.NEVER, intake=build.NEVER)
    table, _ = judge(scattered(), *closed)
    located = table["x"].notna()
    assert (table.loc[located, "outcome"].isin(UNMET)).all()
    assert (table.loc[located, "outcome"] == "temporal").mean() > 0.9


def test_services_everywhere_always_open_and_proven_leave_only_the_remainders(judge):
    table, _ = judge(scattered(), *all_needs_services())
    located = table["x"].notna()
    assert (table.loc[located, "outcome"] == "available").all()
    assert (table.loc[~located, "outcome"] == "uncertain").all()


def test_every_call_and_leg_has_one_outcome(judge):
    table, _ = judge(scattered(), *all_needs_services()[:7])
    assert not table.duplicated(["call_id", "leg"]).any()
    from pipelines.vocabulary import needs

    for call_id, rows in table.groupby("call_id"):
        legs = set(needs()[rows["need"].iloc[0]].legs)
        if rows["tier"].iloc[0] != 0:
            legs -= {"contact"}
        assert set(rows["leg"]) == legs, call_id


def test_a_bystander_cannot_walk_anyone_in_but_an_officer_can_drop_off(judge):
    rows = [{"call_type": "HOMELESS COMPLAINT", "caller_role": role, "x": build.X0 + 100 * n} for n, role in enumerate(
        ["subject", "bystander", "professional", "unknown"])]  # fmt: skip
    walk, _ = judge(rows, build.service())
    assert outcome(walk, "place") == ["available", "barrier", "barrier", "available"]
    drop, _ = judge(rows, build.service(access="drop_off"))
    assert set(outcome(drop, "place")) == {"available"}


def test_the_threshold_includes_its_own_edge(judge):
    """30 min at 4.8 km/h with circuity 1.3 is 1,846.15 m; 1 m more is too far."""
    far = build.service(x=build.X0, y=build.Y0)
    rows = [{"call_type": "HOMELESS COMPLAINT", "x": build.X0 + d, "y": build.Y0} for d in (1846, 1847)]
    table, _ = judge(rows, far)
    assert outcome(table, "place") == ["available", "spatial"]
    exact = Travel(walk_kmh=6.0, circuity=1.0, walk_min=10.0)
    rows = [{"call_type": "HOMELESS COMPLAINT", "x": build.X0 + 1000, "y": build.Y0}]
    assert outcome(judge(rows, far, travel=exact)[0], "place") == ["available"]


def test_a_service_never_covers_calls_from_its_own_address(judge):
    rows = [{"call_type": "HOMELESS COMPLAINT", "x": build.X0 + 500, "y": build.Y0 + 700}]
    assert outcome(judge(rows, build.service())[0], "place") == ["spatial"]


def test_emergency_departments_count_only_in_their_variant(judge):
    rows = [{"call_type": "MENTAL SUBJECT"}]
    ed = build.service(kind="emergency_department", need="mental_health", is_emergency_department=True)
    other = build.service(service_id="s2", need="mental_health", x=build.X0 + 90_000)
    table, _ = judge(rows, ed, other)
    place = table[table["leg"] == "place"].iloc[0]
    assert (place["outcome"], place["outcome_with_ed"]) == ("spatial", "available")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"match": "review"}, "uncertain"),
        ({"hours": None, "intake": None}, "uncertain"),
        ({"intake": None}, "uncertain"),
        ({"capacity_state": "unproven"}, "uncertain"),
        ({"person": "unknown"}, "uncertain"),
        ({"person": "no"}, "barrier"),
        ({"access": "unknown"}, "uncertain"),
        ({"takes_t1": False}, "barrier"),
        ({"hours": build.NEVER, "intake": None}, "temporal"),
        ({"valid_from": date(2024, 3, 5)}, "spatial"),
        ({"valid_to": date(2024, 3, 4)}, "spatial"),
        ({"valid_from": date(2024, 3, 4), "valid_to": date(2024, 3, 5)}, "available"),
    ],
)
def test_what_widens_and_what_decides(judge, changes, expected):
    table, _ = judge([{"call_type": "HOMELESS COMPLAINT"}], build.service(**changes))
    assert outcome(table, "place") == [expected]


def test_zones_of_teams(judge):
    half = shapely.to_wkb(shapely.box(build.X0, build.Y0, build.X0 + 1000, build.Y0 + 2000))
    rows = [{"call_type": "MENTAL SUBJECT", "x": build.X0 + x} for x in (500, 1500)]
    table, _ = judge(rows, team(zone_state="polygon", zone=half))
    assert outcome(table, "respond") == ["available", "spatial"]
    assert outcome(judge(rows, team(zone_state="unknown"))[0], "respond") == ["uncertain", "uncertain"]


def logged(*turns):
    on, off = zip(*turns, strict=True)
    return pd.DataFrame(
        {
            "service_id": "t1",
            "on_at": pd.to_datetime(list(on), utc=True),
            "off_at": pd.to_datetime(list(off), utc=True),
            "n_teams": 1,
        }
    )


def test_one_logged_team_is_shared_by_all_needs(judge):
    """At 12:00 the team goes to the first call for an hour; a call of another need at 12:30 finds it busy."""
    rows = [
        {"call_type": "MENTAL SUBJECT"},
        {"call_type": "HOMELESS COMPLAINT", "received_at": "2024-03-04 12:30:00"},
        {"call_type": "HOMELESS COMPLAINT", "received_at": "2024-03-04 13:00:00", "x": build.X0 + 900},
        {"call_type": "MENTAL SUBJECT", "received_at": "2024-03-04 23:00:00"},
    ]
    both = [team(need=need, has_duty_log=True) for need in ("mental_health", "homelessness")]
    table, _ = judge(rows, *both, duty=logged(("2024-03-04 08:00", "2024-03-04 20:00")))
    told = table[table["leg"] == "respond"].sort_values("call_id")["outcome"].tolist()
    assert told == ["available", "temporal", "available", "temporal"]


def test_an_unproven_team_in_its_hours_makes_a_busy_answer_uncertain(judge):
    rows = [{"call_type": "MENTAL SUBJECT"}, {"call_type": "MENTAL SUBJECT", "received_at": "2024-03-04 12:40:00"}]
    other = team(service_id="t2", capacity_state="unproven")
    duty = logged(("2024-03-04 08:00", "2024-03-04 20:00"))
    table, _ = judge(rows, team(has_duty_log=True), other, duty=duty)
    assert outcome(table, "respond") == ["available", "uncertain"]


def test_the_verification_list_names_what_to_ask(judge):
    table, listed = judge([{"call_type": "HOMELESS COMPLAINT"}] * 3, build.service(hours=None, intake=None))
    place = listed[listed["leg"] == "place"]
    assert place["unknowns"].tolist() == ["hours"]
    n = len(table[table["leg"] == "place"])
    assert place["n_moved"].tolist() == [n]
    assert place["share_most_if_yes"].tolist() == [0.0]
    assert place["share_least_if_no"].tolist() == [1.0]


def test_slower_travel_never_lowers_unmet(judge):
    table, _ = judge(scattered(), *all_needs_services()[:9])
    placed = table[table["leg"] == "place"]
    for near, far in (("outcome_near", "outcome"), ("outcome", "outcome_far")):
        assert (placed[near].isin(UNMET) <= placed[far].isin(UNMET)).all()


def test_rows_in_another_order_give_the_same_outcomes(judge):
    rows = [row | {"call_id": f"K{n:04d}"} for n, row in enumerate(scattered(120))]
    services = all_needs_services()[:9]
    one, _ = judge(rows, *services)
    two, _ = judge(rows[::-1], *services[::-1])
    key = ["call_id", "leg", "outcome"]
    pd.testing.assert_frame_equal(
        one[key].sort_values(key, ignore_index=True), two[key].sort_values(key, ignore_index=True)
    )
