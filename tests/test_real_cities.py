"""The three real cities from their raw files to gaps and recurring-call areas, each run once a session.

What is asserted of classification are shares, so that a better rule does not break a test; what is asserted of files,
windows and conservation is exact.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.city import City, load_city
from pipelines.cli import app
from pipelines.flow import run
from pipelines.store import Store

pytestmark = pytest.mark.real

SLUGS = ("san_francisco", "fargo_nd", "montgomery_pa")
SHOWN = ("gaps", "hotspots", "rates", "quality", "verification")
OUTCOMES = ("available", "uncertain", "spatial", "barrier", "temporal")
ROWS_IN = {
    "san_francisco": {
        "calls.police": 24_833, "areas.tract": 195, "areas.district": 10, "areas.neighbourhood": 41,
        "denominators.tract": 975, "services.linksf": 130, "services.service_guide": 241,
        "services.mental_health": 97, "services.substance_use": 116, "services.opioid_treatment": 23,
        "services.health_centers": 250, "services.hospitals": 56, "services.homeless_housing": 471,
    },
    "fargo_nd": {
        "calls.dispatch": 144_835, "areas.tract": 20, "areas.zone": 16, "areas.neighbourhood": 38,
        "services.mental_health": 16, "services.substance_use": 18, "services.opioid_treatment": 1,
        "services.health_centers": 6, "services.hospitals": 8, "services.homeless_housing": 35,
    },
    "montgomery_pa": {
        "calls.county": 99_492, "areas.tract": 210, "areas.municipality": 62,
        "services.mental_health": 203, "services.substance_use": 225, "services.opioid_treatment": 50,
        "services.health_centers": 124, "services.hospitals": 101, "services.homeless_housing": 413,
    },
}  # fmt: skip
REFUSED = {
    "san_francisco": {"OUTSIDE_WINDOW": 996},
    "fargo_nd": {},
    "montgomery_pa": {"OUTSIDE_WINDOW": 247, "COORD_OUT_OF_BOUNDS": 19},
}
RESPOND = {"mental_health", "substance_use", "welfare_check", "youth_family"}
NOT_RECORDED = {
    "san_francisco": {(need, "respond") for need in (*RESPOND, "homelessness")},
    "fargo_nd": {(need, "respond") for need in RESPOND} | {("welfare_check", "contact")},
    "montgomery_pa": set(),
}
LOCATED = {"san_francisco": (1.0, 1.0), "fargo_nd": (0.81, 0.84), "montgomery_pa": (0.985, 0.995)}
UNMATCHED = {"san_francisco": (0.05, 0.09), "fargo_nd": (0.10, 0.13), "montgomery_pa": (0.0, 0.001)}
DEFAULT_LONGITUDE = "-75.3879"  # of the default geocode of Montgomery County, which is to be named


@pytest.fixture(scope="module")
def stores(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store]:
    """A store for each city, made once."""
    root = tmp_path_factory.mktemp("cities")
    for slug in SLUGS:
        run(load_city(slug), real_data / slug, root / slug)
    return {slug: Store(root / slug) for slug in SLUGS}


@pytest.fixture(params=SLUGS)
def slug(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def city(slug: str) -> City:
    return load_city(slug)


@pytest.fixture
def store(slug: str, stores: dict[str, Store]) -> Store:
    return stores[slug]


def show(store: Store, table: str, *options: str) -> str:
    told = CliRunner().invoke(app, ["show", table, store.folder.name, "--store", str(store.folder.parent), *options])
    assert told.exit_code == 0, told.output
    return told.output


def shown(store: Store, table: str, *options: str) -> dict[str, Any]:
    found = json.loads(show(store, table, "--json", *options))
    assert isinstance(found, dict)
    return found


def test_every_file_reconciles(slug: str, store: Store) -> None:
    counts = store.read("counts").set_index("source_id")
    assert counts["rows_in"].to_dict() == ROWS_IN[slug]
    assert (counts["rows_in"] == counts[["rows_kept", "rows_quarantined", "rows_merged"]].sum(axis=1)).all()
    calls = store.read("calls", ["source_id", "merged_into"])
    kept = calls[calls["merged_into"].isna()].groupby("source_id").size()
    assert counts.loc[counts["kind"] == "calls", "rows_kept"].to_dict() == kept.to_dict()
    refused = store.read("quarantine").groupby("reason")["source_line"].nunique()
    assert refused.to_dict() == REFUSED[slug]


def test_each_service_of_a_directory_is_kept_or_merged_and_named(slug: str, store: Store) -> None:
    counts = store.read("counts").set_index("source_id")
    services = counts[counts["kind"] == "services"]
    assert (services["rows_quarantined"] == 0).all()
    listed = store.read("services", ["service_id", "source_id"]).groupby("source_id")["service_id"].nunique()
    quality = store.read("quality")
    unsuited = quality[quality["reason"] == "NO_MATCH"].set_index("source_id")["n_rows"]
    both = listed.reindex(services.index).fillna(0) + unsuited.reindex(services.index).fillna(0)
    assert both.astype(int).to_dict() == services["rows_kept"].to_dict()


def test_merging_is_small_and_hardly_touches_the_needs(slug: str, store: Store) -> None:
    calls = store.read("calls", ["need", "merged_into"])
    merged = calls["merged_into"].notna().groupby(calls["need"]).mean()
    needs = ["mental_health", "substance_use", "homelessness", "welfare_check", "youth_family"]
    assert merged.reindex(needs).fillna(0).max() < 0.05
    assert calls["merged_into"].notna().mean() < 0.08


def test_located_and_unmatched_shares(slug: str, store: Store) -> None:
    shares = store.read("quality").set_index("reason")["share"].astype(float)
    located, unmatched = 1 - shares["HIT_RATE"], shares["UNKNOWN_CALL_TYPE"]
    assert LOCATED[slug][0] <= located <= LOCATED[slug][1]
    assert UNMATCHED[slug][0] <= unmatched <= UNMATCHED[slug][1]


def test_areas_sum_to_the_city(store: Store) -> None:
    gaps = store.read("gaps")
    columns = ["n_calls", *[f"n_{one}" for one in OUTCOMES], "n_at_least", "n_at_most", "n_police_or_ems"]
    key = ["need", "leg", "period", "variant"]
    of_city = gaps[gaps["level"] == "city"].set_index(key)[columns].sort_index()
    levels = gaps.loc[gaps["level"] != "city", "level"].unique()
    assert len(levels) >= 2
    for level in levels:
        parts = gaps[gaps["level"] == level].groupby(key)[columns].sum().sort_index()
        pd.testing.assert_frame_equal(parts, of_city, check_dtype=False)
    assert (of_city[[f"n_{one}" for one in OUTCOMES]].sum(axis=1) == of_city["n_calls"]).all()
    assert (of_city["n_at_least"] + of_city["n_uncertain"] == of_city["n_at_most"]).all()


def test_the_denominator_adds_up(store: Store) -> None:
    n = shown(store, "gaps")["denominator"]
    scopes = ("in_scope", "police_or_ems", "criminal", "other_need", "unresolved")
    assert sum(n[name] for name in scopes) == n["community"]
    kept = store.read("calls", ["merged_into"])["merged_into"].isna().sum()
    assert n["community"] + n["officer_initiated"] + n["other_origins"] == kept
    demand = store.read("demand", ["origin", "scope", "n_calls"])
    here = demand[demand["origin"] == "community"].groupby("scope")["n_calls"].sum()
    assert {name: int(here.get(name, 0)) for name in scopes} == {name: n[name] for name in scopes}


def test_legs_without_anyone_on_record_are_said_and_uncertain(slug: str, store: Store) -> None:
    totals = shown(store, "gaps")["city_totals"]
    assert {(one["need"], one["leg"]) for one in totals if one["not_recorded"]} == NOT_RECORDED[slug]
    assert all(one["uncertain"] == one["n_calls"] for one in totals if one["not_recorded"])
    text = show(store, "gaps")
    assert ("no responder on record" in text) == bool(NOT_RECORDED[slug])


def test_services_without_hours_settle_nothing(slug: str, store: Store) -> None:
    services = store.read("services", ["source_id", "hours", "intake", "kind", "is_emergency_department"])
    federal = services[~services["source_id"].isin(["services.linksf", "services.service_guide"])]
    assert len(federal) > 0
    assert federal["hours"].isna().all()
    totals = {(one["need"], one["leg"]): one for one in shown(store, "gaps")["city_totals"]}
    if slug == "fargo_nd":
        for need in ("mental_health", "substance_use"):
            place = totals[need, "place"]
            assert (place["available"], place["at_most"]) == (0, place["n_calls"])


def test_hospitals_and_hidden_places(store: Store) -> None:
    services = store.read("services")
    hospitals = services[services["source_id"] == "services.hospitals"]
    departments = hospitals["kind"] == "emergency_department"
    assert (hospitals["is_emergency_department"] == departments).all()
    assert set(hospitals["kind"]) == {"emergency_department", "psychiatric_hospital"}
    hidden = services[services["is_confidential"] | (services["kind"] == "domestic_violence_shelter")]
    assert hidden[["x", "y"]].isna().all().all()


def test_nothing_shown_names_a_call_or_a_place(store: Store) -> None:
    told = " ".join(show(store, table, *more) for table in SHOWN for more in ((), ("--json",)))
    told += show(store, "hotspots", "--product", "volume", "--json")
    words = set(re.findall(r"[\w-]+", told))
    calls, places = store.read("calls", ["call_id"])["call_id"], store.read("places", ["place_id"])["place_id"]
    assert not words & set(calls)
    assert not words & set(places)
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d", told) is None
    assert set(re.findall(r"-\d{2,3}\.\d{3,}", told)) <= {DEFAULT_LONGITUDE}  # the longitudes of all three are negative
    assert not any(f'"{key}":' in told for key in ("x", "y", "lon", "lat", "call_id", "place_id"))


def test_san_francisco_shows_no_recurrence_and_no_year(stores: dict[str, Store]) -> None:
    store = stores["san_francisco"]
    spots = store.read("hotspots")
    assert len(spots) > 0
    assert spots["is_recurring"].isna().all()
    assert spots["reason"].str.contains("recurrence needs 26").all()
    assert set(spots["status"]) == {"not_assessed"}
    told = shown(store, "gaps")
    assert len(told["windows"]) == 3
    assert told["years"] == pytest.approx(71 / 365.25, abs=1e-3)
    assert all(one["per_year_low"] is None and one["per_year_high"] is None for one in told["city_totals"])
    assert "not said where less than half a year" in " ".join(show(store, "gaps").split())
    assert "WINDOW_TOO_SHORT" in set(store.read("quality")["reason"])


def test_fargo_names_its_breaks_and_reads_no_trend_across_them(stores: dict[str, Store]) -> None:
    store = stores["fargo_nd"]
    quality = store.read("quality")
    breaks = quality.loc[quality["reason"].str.startswith("BREAK"), "detail"]
    assert [text[:10] for text in breaks] == ["2011-03-06", "2012-01-13"]
    assert all("cannot be compared as a trend" in text for text in breaks)
    for table in ("hotspots", "quality"):
        assert "dispatch system converted" in show(store, table, "--json")
    spots = store.read("hotspots")
    assert (spots["is_recurring"] == True).any()  # noqa: E712
    told = show(store, "gaps")
    assert "unfounded, cancelled or duplicate: not recorded" in " ".join(told.split())


def test_fargo_has_no_rate_where_no_call_could_come_from(stores: dict[str, Store]) -> None:
    store = stores["fargo_nd"]
    demand, atoms = store.read("demand", ["atom", "n_calls"]), store.read("atoms", ["atom", "tract"])
    of_tract = demand.merge(atoms, on="atom").groupby("tract")["n_calls"].sum()
    tracts = store.read("areas", ["level", "geoid"]).query("level == 'tract'")["geoid"]
    assert len(tracts) == 20
    assert (of_tract.reindex(tracts).fillna(0) > 500).all()
    assert of_tract.get("_outside", 0) < 0.001 * of_tract.sum()


def test_fargo_sets_its_institutions_apart(stores: dict[str, Store]) -> None:
    places = stores["fargo_nd"].read("places", ["place_kind", "kind_reason", "n_calls"])
    institutions = places[places["place_kind"] == "institution"]
    assert len(institutions) >= 6
    assert 0.04 < institutions["n_calls"].sum() / places["n_calls"].sum() < 0.08
    assert {"hospital block downtown", "county jail block"} <= set(institutions["kind_reason"])


def test_montgomery_has_nothing_in_scope_and_says_so(stores: dict[str, Store]) -> None:
    store = stores["montgomery_pa"]
    n = shown(store, "gaps")["denominator"]
    calls = store.read("calls", ["call_type", "merged_into", "scope", "tier"])
    overdoses = calls[calls["call_type"].str.contains("OVERDOSE") & calls["merged_into"].isna()]
    assert n["in_scope"] == 0
    assert n["police_or_ems"] == len(overdoses) > 1000
    assert set(overdoses["scope"]) == {"police_or_ems"}
    assert "No call on file is in scope" in show(store, "gaps")
    spots = store.read("hotspots")
    assert set(spots["need"]) == {"substance_use"}
    assert np.isnan(spots["respond_at_least"].astype(float)).all()
    assert "Nothing to confirm" in show(store, "verification")


def test_the_conditions_of_reading_stand_on_every_table(city: City, store: Store) -> None:
    for table in SHOWN:
        told = " ".join(show(store, table).replace("│", " ").split())
        assert "internal - not for publication" in told
        assert "who started a call is inferred from its type" in told
        if table != "verification":
            assert city.caveats[0] in told
