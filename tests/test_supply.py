"""The services stage: kinds, tiers, persons, hours, zones, capacity; what is withheld, unknown, repeated or far."""

import csv
import importlib
import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from geo.hours import pack, unpack
from geo.tables import SERVICES
from pipelines.city import City, Source, Window
from pipelines.matching import clauses, is_draft, kind_of, kinds, read_eligibility, terms
from pipelines.readers.listing import Listing
from pipelines.readers.sandbox import Confined
from pipelines.supply import Supply, services
from pipelines.supply_rows import Placed, access_of, capacity_state, rows_of, zone_of
from pipelines.vocabulary import needs

AS_OF = date(2025, 1, 6)
COLUMNS = tuple(
    (name, (column,))
    for name, column in {
        "service_id": "service_id", "organization": "organization_name", "name": "service_name", "kind": "category",
        "y": "latitude", "x": "longitude", "address": "address", "hours": "schedule",
    }.items()
)  # fmt: skip
KINDS = (("mental_health", "outpatient_mental_health"), ("shelter", "shelter"), ("food", "other"),
         ("detox", "withdrawal_management"), ("domestic_violence_shelter", "domestic_violence_shelter"))  # fmt: skip
HEADER = "service_id,organization_name,service_name,category,latitude,longitude,address,schedule"
ALWAYS = pack(np.ones(672, bool)).hex()
SQUARE = '{"type": "Polygon", "coordinates": [[[-84.6, 39.1], [-84.5, 39.1], [-84.5, 39.2], [-84.6, 39.1]]]}'


@pytest.fixture(autouse=True)
def in_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers run here, not in a child, to be quick; tests named `confined` keep the child."""
    if "confined" in request.node.name:
        return

    def here(function: str, kwargs: dict[str, Any], **_: Any) -> Confined:
        module, _, name = function.partition(":")
        value = getattr(importlib.import_module(module), name)(**json.loads(json.dumps(kwargs)))
        return Confined(value=json.loads(json.dumps(value)), walls=(), missing=())

    for module in ("directory", "table", "vector"):
        monkeypatch.setattr(f"pipelines.readers.{module}.run_confined", here)


def source(path: str = "services.csv", **more: Any) -> Source:
    values = tuple(("kind", theirs, ours) for theirs, ours in KINDS)
    settings: dict[str, Any] = {
        "id": "services.list", "kind": "services", "path": path, "format": "service_table", "columns": COLUMNS,
        "values": values,
    }  # fmt: skip
    return Source(**settings | more)


def city(*sources: Source, **more: Any) -> City:
    settings: dict[str, Any] = {
        "slug": "testville",
        "name": "Testville",
        "is_synthetic": False,
        "timezone": "America/New_York",
        "crs": "EPSG:32616",
        "bbox": (-84.75, 39.00, -84.30, 39.30),
        "windows": (Window(start=date(2024, 1, 1), end=date(2025, 1, 1)),),
        "services_as_of": AS_OF,
        "levels": (),
        "sources": sources or (source(),),
    }
    return City(**settings | more)


def listed(folder: Path, *lines: str, name: str = "services.csv") -> None:
    (folder / name).write_text("\n".join([HEADER, *lines, ""]))


def reasons(found: Supply) -> dict[str, int]:
    return {
        r: n
        for r, n, s in zip(found.quality["reason"], found.quality["n_rows"], found.quality["source_id"])
        if s != "*"
    }


def rows(listing: Listing, kind: str, *, has_duty_log: bool = False) -> list[dict[str, Any]]:
    return rows_of(
        listing,
        kinds()[kind],
        Placed(x=1.0, y=2.0),
        service_id="s",
        source_id="d",
        has_duty_log=has_duty_log,
        crs="EPSG:32616",
        as_of=AS_OF,
    )


def test_the_matching_tables_hold_together() -> None:
    listed_kinds = "crisis_line information_line nurse_line mobile_crisis co_response community_response outreach_team "
    listed_kinds += (
        "community_paramedicine crisis_receiving behavioral_urgent_care sobering_centre withdrawal_management "
    )
    listed_kinds += "day_centre shelter domestic_violence_shelter harm_reduction outpatient_mental_health "
    listed_kinds += "outpatient_substance_use opioid_treatment psychiatric_hospital health_centre housing_navigation "
    listed_kinds += "youth_services aging_services emergency_department other homeless_housing"
    assert set(kinds()) == set(listed_kinds.split())
    default = {"contact": {(0,)}, "respond": {(0, 1), (0, 1, 2)}, "place": {(0, 1, 2)}}
    assert all(kind.tiers in default[kind.leg] for kind in kinds().values())
    assert [kind.id for kind in kinds().values() if kind.tiers == (0, 1, 2) and kind.leg == "respond"] == [
        "co_response"
    ]
    assert {kind.id for kind in kinds().values() if "availability" in kind.requires} == {
        "shelter", "withdrawal_management", "domestic_violence_shelter", "homeless_housing",
    }  # fmt: skip
    assert all(term.kind in kinds() for term in terms())
    known = set(needs())
    assert all(set(clause.implied_by) | set(clause.no_for) <= known for clause in clauses())
    assert all(set(kind.access) != {"unknown"} for kind in kinds().values() if kind.leg != "place")
    assert is_draft()


@pytest.mark.parametrize(
    ("words", "name", "kind"),
    [
        (["Mobile crisis team"], "x", "mobile_crisis"),
        (["crisis_receiving"], "x", "crisis_receiving"),
        ([], "24-Hour Crisis Line", "crisis_line"),
        ([], "988 Suicide & Crisis Lifeline", "crisis_line"),
        (["Domestic Violence Hotlines"], "Help line", "crisis_line"),
        (["Temporary Shelter"], "House", "shelter"),
        (["housing"], "Emergency family shelter", "shelter"),
        (["Emergency shelter"], "Domestic violence emergency shelter", "domestic_violence_shelter"),
        (["housing"], "Confidential location", "domestic_violence_shelter"),
        (["Help Find Housing"], "Navigation", "housing_navigation"),
        (["GENERAL ACUTE CARE"], "Hospital", "emergency_department"),
        (["PSYCHIATRIC"], "Hospital", "psychiatric_hospital"),
        (["LONG TERM CARE"], "Hospital", "other"),
        (["Mental Health Urgent Care"], "Clinic", "behavioral_urgent_care"),
        (["medical"], "Clinic", "health_centre"),
        (["food"], "Hot meal", "other"),
        (["Domestic Violence Hotlines"], "Report Child Abuse", "youth_services"),
        (["Domestic Violence Hotlines"], "Report Adult Abuse", "aging_services"),
        (["Seniors"], "Aging and Adult Disability Resource Center", "aging_services"),
        (["Seniors", "Housing"], "Senior Housing", "other"),
        (["Senior Centers"], "Senior Centers and Residence", "other"),
        ([], "Animal shelter", None),
        (["crypto"], "Coins", None),
        ([], "Environmental help", None),
    ],
)
def test_words_lead_to_kinds(words: list[str], name: str, kind: str | None) -> None:
    assert kind_of(words, name) == kind


def test_a_stated_kind_rules_but_never_shows_a_place_that_hides() -> None:
    assert kind_of([], "Anything", stated="opioid_treatment") == "opioid_treatment"
    assert kind_of([], "Battered women's shelter", stated="shelter") == "domestic_violence_shelter"
    assert kind_of(["MH"], "x", mapped={"mental_health": "outpatient_mental_health"}) is None
    assert (
        kind_of(["mental_health"], "x", mapped={"mental_health": "outpatient_mental_health"})
        == "outpatient_mental_health"
    )


@pytest.mark.parametrize(
    ("text", "state", "need", "person", "tiers"),
    [
        ("", "not_assessed", "mental_health", "yes", None),
        ("Open to all", "open", "mental_health", "yes", None),
        ("Anyone in crisis", "open", "mental_health", "yes", None),
        ("No restrictions.", "open", "homelessness", "yes", None),
        ("Adults 18+", "settled", "mental_health", "unknown", None),
        ("Adults 18+", "settled", "youth_family", "no", None),
        ("Women and their children", "settled", "homelessness", "unknown", None),
        ("People experiencing homelessness", "settled", "homelessness", "yes", None),
        ("People experiencing homelessness", "settled", "mental_health", "unknown", None),
        ("Must be intoxicated", "settled", "substance_use", "yes", None),
        ("T1 only, adults", "settled", "substance_use", "unknown", (1,)),
        ("T0-T1", "settled", "mental_health", "yes", (0, 1)),
        ("Survivors of domestic violence", "settled", "homelessness", "unknown", None),
        ("Must complete the intake interview", "unsettled", "mental_health", "unknown", None),
        ("Adults; must complete the intake interview", "unsettled", "youth_family", "no", None),
        ("Open to all, except Tuesdays", "unsettled", "mental_health", "unknown", None),
    ],
)
def test_eligibility(text: str, state: str, need: str, person: str, tiers: tuple[int, ...] | None) -> None:
    read = read_eligibility([text] if text else [])
    assert (read.state, read.person(need), read.tiers) == (state, person, tiers)


def test_rows_are_one_a_need_and_access() -> None:
    listing = Listing(line=1, service="s", access=("walk_in", "drop_off"), hours=ALWAYS, tiers=(0, 1))
    got = rows(listing, "crisis_receiving")
    assert [(r["need"], r["access"], r["match"]) for r in got] == [
        ("mental_health", "walk_in", "yes"),
        ("mental_health", "drop_off", "yes"),
        ("substance_use", "walk_in", "review"),
        ("substance_use", "drop_off", "review"),
    ]
    assert [got[0][f"takes_t{tier}"] for tier in range(3)] == [True, True, False]
    assert rows(Listing(line=1, service="s"), "other") == []


def test_intake_is_opening_hours_but_where_intake_must_be_known() -> None:
    listing = Listing(line=1, service="s", hours=ALWAYS)
    assert rows(listing, "day_centre")[0]["intake"] == bytes.fromhex(ALWAYS)
    for kind in ("shelter", "crisis_receiving", "withdrawal_management"):
        assert rows(listing, kind)[0]["intake"] is None
    own = Listing(line=1, service="s", hours=ALWAYS, intake=pack(np.zeros(672, bool)).hex())
    assert unpack(rows(own, "shelter")[0]["intake"]).sum() == 0
    assert rows(Listing(line=1, service="s"), "day_centre")[0]["hours"] is None


def test_access_is_as_stated_then_by_appointment_then_of_the_kind() -> None:
    kind = kinds()["shelter"]
    assert access_of(Listing(line=1, service="s"), kind) == ("unknown",)
    assert access_of(Listing(line=1, service="s", by_appointment=True), kind) == ("appointment",)
    assert access_of(Listing(line=1, service="s", access=("walk_in",), by_appointment=True), kind) == ("walk_in",)
    assert access_of(Listing(line=1, service="s", access=("walk_in",)), kinds()["crisis_line"]) == ("line",)


@pytest.mark.parametrize(
    ("kind", "available", "updated", "log", "state"),
    [
        ("shelter", 4, "2025-01-05", False, "proven"),
        ("shelter", 4, "2024-01-05", False, "unproven"),
        ("shelter", 0, "2025-01-05", False, "unproven"),
        ("shelter", None, "", False, "unproven"),
        ("crisis_receiving", None, "", False, "proven"),
        ("mobile_crisis", None, "", True, "proven"),
        ("mobile_crisis", 2, "2025-01-05", False, "unproven"),
        ("crisis_line", None, "", False, "proven"),
    ],
)
def test_capacity(kind: str, available: float | None, updated: str, log: bool, state: str) -> None:
    listing = Listing(line=1, service="s", available=available, available_on=updated)
    assert capacity_state(listing, kinds()[kind], has_duty_log=log, as_of=AS_OF) == state


def test_zones() -> None:
    team, place = kinds()["mobile_crisis"], kinds()["day_centre"]
    crs = "EPSG:32616"
    blank = Listing(line=1, service="s")
    assert zone_of(blank, team, crs=crs) == ("unknown", None, False)
    assert zone_of(blank, place, crs=crs) == ("none", None, False)
    everywhere = Listing(line=1, service="s", zone_words=("everywhere",))
    assert zone_of(everywhere, team, crs=crs) == ("everywhere", None, False)
    words = Listing(line=1, service="s", zone_words=("the east side",))
    assert zone_of(words, team, crs=crs) == ("unknown", None, True)
    assert zone_of(words, place, crs=crs) == ("none", None, True)
    state, zone, unread = zone_of(Listing(line=1, service="s", zones=(SQUARE,)), team, crs=crs)
    assert (state, unread) == ("polygon", False)
    assert shapely.from_wkb(zone).area == pytest.approx(8640 * 11100 / 2, rel=0.01)
    for bad in ("{", "POLYGON ((", '{"type": "Point", "coordinates": [0, 0]}', SQUARE.replace("39.1", "91")):
        assert zone_of(Listing(line=1, service="s", zones=(bad,)), team, crs=crs) == ("unknown", None, True)


def test_listings_become_services_with_every_fault_said(tmp_path: Path) -> None:
    listed(
        tmp_path,
        "S1,Org,Clinic,mental_health,39.1,-84.5,1 Main St,Mo-Fr 09:00-17:00",
        "S2,Org,House,shelter,,,2 Main St,",
        "S3,Org,Safe,domestic_violence_shelter,39.1,-84.5,3 Main St,24/7",
        "S4,Org,Far,shelter,39.1,84.5,4 Main St,",
        "S5,Org,Odd,shelter,north,-84.5,5 Main St,",
        "S6,Org,Null,shelter,0,0,6 Main St,",
        "S7,Org,What,crypto,39.1,-84.5,7 Main St,",
        "S8,ORG ,clinic,mental_health,39.1,-84.5,1 Main St,Mo-Fr 09:00-17:00",
        "S1,Org,Clinic,mental_health,39.1,-84.5,1 Main St,Mo-Fr 09:00-17:00",
        "S1,Org,Another,mental_health,39.1,-84.5,1 Main St,Mo-Fr 09:00-17:00",
    )
    found = services(city(), tmp_path)
    got = found.services.set_index("service_id")
    assert set(got.index) == {"S1", "S2", "S3", "S4", "S5", "S6", "S8"}
    assert got["x"].notna().groupby(level=0).first().to_dict() == {
        "S1": True, "S2": False, "S3": False, "S4": False, "S5": False, "S6": False, "S8": True,
    }  # fmt: skip
    assert got["is_confidential"].tolist() == [key == "S3" for key in got.index]
    assert 715_000 < got.loc["S1", "x"] < 717_000
    assert reasons(found) == {
        "LOCATION_WITHHELD": 1, "COORD_MISSING": 1, "BAD_COORDINATE": 3, "UNKNOWN_CATEGORY": 1, "NO_MATCH": 1,
        "HOURS_UNKNOWN": 4, "ELIGIBILITY_NOT_ASSESSED": 7, "NEVER_VERIFIED": 8, "DUPLICATE_CONFLICT": 1,
        "WARN_NEAR_DUPLICATE": 1,
    }  # fmt: skip
    sample = found.quality.set_index("reason")["sample"]
    assert sample["WARN_NEAR_DUPLICATE"] == "S8 ~ S1"
    assert sample["UNKNOWN_CATEGORY"] == "S7: crypto"
    assert found.counts.iloc[0][["rows_in", "rows_kept", "rows_quarantined", "rows_merged"]].tolist() == [10, 8, 1, 1]
    assert "DRAFT_MATCHING" in set(found.quality["reason"])


def test_confined_readers_give_the_same(tmp_path: Path) -> None:
    listed(tmp_path, "S1,Org,Clinic,mental_health,39.1,-84.5,1 Main St,Mo-Fr 09:00-17:00")
    assert services(city(), tmp_path).services["service_id"].tolist() == ["S1"]


def test_duty_logs_prefixes_and_two_sources_of_one_id(tmp_path: Path) -> None:
    listed(tmp_path, "T1,Org,Team,team,39.1,-84.5,1 Main St,24/7", name="a.csv")
    listed(tmp_path, "T1,Org,Team,team,39.1,-84.5,1 Main St,24/7", name="b.csv")
    values = (("kind", "team", "mobile_crisis"),)
    a, b = (source(f"{n}.csv", id=f"services.{n}", values=values) for n in "ab")
    found = services(city(a, b), tmp_path, duty_ids=frozenset({"T1"}))
    assert set(found.services["capacity_state"]) == {"proven"}
    assert found.services["has_duty_log"].all()
    assert found.counts["rows_kept"].tolist() == [1, 0]
    both = services(city(a, source("b.csv", id="services.b", values=values, prefix="b")), tmp_path)
    assert set(both.services["service_id"]) == {"T1", "b:T1"}
    assert set(both.services["capacity_state"]) == {"unproven"}


def test_no_directory_is_an_empty_table_of_the_contract() -> None:
    found = services(city(sources=()), Path())
    assert found.services.empty
    assert tuple(found.services.columns) == SERVICES.names
    assert found.quality.empty


def test_dates_and_staleness(tmp_path: Path) -> None:
    listed(tmp_path, "S1,2020-01-01,Clinic,mental_health,39.1,-84.5,soon,24/7")
    columns = (*COLUMNS[:1], *COLUMNS[2:6], ("verified_on", ("organization_name",)), ("valid_to", ("address",)))
    found = services(city(source(columns=columns)), tmp_path)
    assert found.services["verified_on"].tolist() == [date(2020, 1, 1)]
    assert found.services["valid_to"].tolist() == [None]
    assert {"STALE_LISTING", "BAD_DATE"} <= set(reasons(found))


def _rows() -> list[dict[str, str]]:
    named = os.environ.get("UNMET_REAL_DATA")
    index = Path(named).expanduser().resolve().parent / "bad-inputs" / "index.csv" if named else Path("none")
    if not index.is_file():
        return []
    with index.open(encoding="utf-8") as lines:
        return [row for row in csv.DictReader(lines) if row["kind"] in ("services_csv", "services_hsds_json")]


@pytest.mark.real
@pytest.mark.parametrize("row", _rows(), ids=lambda row: str(row["file"]))
def test_bad_inputs(row: dict[str, str], real_data: Path) -> None:
    from geo.errors import FileRejected

    path = row["file"]
    one = source(path) if path.endswith("csv") else source(path, format="hsds_3", columns=(), values=())
    where = city(one)
    if row["expected"] == "reject":
        with pytest.raises(FileRejected) as caught:
            services(where, real_data.parent / "bad-inputs")
        assert caught.value.code == row["reason_code"]
        words = row["message_must_name"].split(" or ")
        assert any(word in str(caught.value) for word in words)
        return
    found = services(where, real_data.parent / "bad-inputs")
    counts = found.counts.iloc[0][["rows_in", "rows_kept", "rows_quarantined", "rows_merged"]].tolist()
    assert counts == [int(row[name] or 0) for name in ("rows_in", "rows_kept", "rows_quarantined", "rows_deduplicated")]
    assert reasons(found)[row["reason_code"]] == int(row["rows_flagged"])
    sample = found.quality.set_index("reason")["sample"][row["reason_code"]]
    for word in row["message_must_name"].split("(")[0].split(";"):
        assert word.strip() in sample
    unplaced = found.services["x"].isna() & found.services["y"].isna()
    withheld = found.services["is_confidential"].astype(bool)
    assert unplaced[withheld].all()
