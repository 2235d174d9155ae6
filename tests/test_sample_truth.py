"""The whole pipeline on the sample city, against the truth that the generator wrote down by other means."""

import json

import numpy as np
import pandas as pd
import pytest

from pipelines.resources import data_path

LEG_OUTCOMES = [
    (leg, outcome)
    for leg in ("contact", "respond", "place")
    for outcome in ("available", "uncertain", "spatial", "barrier", "temporal")
    if (leg, outcome) != ("contact", "barrier")
]


@pytest.fixture(scope="module")
def truth():
    return json.loads(data_path("sample_truth.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def stands(sample_store):
    calls = sample_store.read("calls")
    return calls[calls["merged_into"].isna()]


@pytest.fixture(scope="module")
def outcomes(sample_store, stands):
    return sample_store.read("unmet").merge(stands[["call_id", "need"]], on="call_id")


@pytest.mark.parametrize(("leg", "outcome"), LEG_OUTCOMES)
def test_outcomes_equal_those_judged_call_by_call(truth, outcomes, leg, outcome):
    """The generator judges each call against each service in plain Python; the pipeline must agree to the call."""
    told = truth["outcomes"][leg][outcome]
    found = outcomes[(outcomes["leg"] == leg) & (outcomes["outcome"] == outcome)]
    assert len(found) == told["n"] >= 50
    assert found["need"].value_counts().to_dict() == told["by_need"]
    assert told["example"] in set(found["call_id"])


def test_emergency_departments_change_the_variant_as_told(truth, outcomes):
    for leg, told in truth["outcomes_with_ed"].items():
        found = outcomes.loc[outcomes["leg"] == leg, "outcome_with_ed"].value_counts().to_dict()
        assert found == {name: one if isinstance(one, int) else one["n"] for name, one in told.items()}


def test_rows_of_every_file_reconcile_and_equal_the_truth(truth, sample_store):
    counts = sample_store.read("counts").set_index("source_id")
    parts = counts[["rows_kept", "rows_quarantined", "rows_merged"]].sum(axis=1)
    assert (counts["rows_in"] == parts).all()
    columns = ["rows_in", "rows_kept", "rows_quarantined", "rows_merged"]
    for source, told in truth["files"].items():
        assert counts.loc[source, columns].to_dict() == {name: told[name] for name in columns}, source


def test_refused_rows_have_the_planted_reasons(truth, sample_store):
    refused = sample_store.read("quarantine")
    for source, told in truth["files"].items():
        rows = refused[refused["source_id"] == source]
        assert rows.groupby("reason")["source_line"].nunique().to_dict() == told.get("reasons", {}), source


def test_scope_and_origin_equal_the_truth(truth, stands):
    community = stands[stands["origin"] == "community"]
    told = {name: n for name, n in truth["scope"].items() if name != "origin"}
    assert community["scope"].value_counts().to_dict() == told
    assert stands["origin"].value_counts().to_dict() == truth["origins"]


def recurring(sample_store):
    spots = sample_store.read("hotspots")
    return spots[(spots["product"] == "excess") & spots["is_recurring"].fillna(False).astype(bool)]


def test_all_five_planted_areas_recur_and_no_other(truth, sample_store):
    found = recurring(sample_store)
    assert len(found) == len(truth["hotspots"]) == 5
    for planted in truth["hotspots"]:
        own = found[found["need"] == planted["need"]]
        distance = np.hypot(own["x"] - planted["x"], own["y"] - planted["y"])
        assert (distance <= own["radius_m"] + planted["radius_m"]).sum() == 1


def test_the_burst_is_significant_but_transient(truth, sample_store):
    spots = sample_store.read("hotspots")
    burst = truth["burst"]
    near = spots[
        (spots["product"] == "excess")
        & (spots["need"] == burst["need"])
        & (np.hypot(spots["x"] - burst["x"], spots["y"] - burst["y"]) <= 400)
    ]
    assert near["status"].tolist() == ["transient"]
    assert near["p_value"].iloc[0] <= 0.05
    assert near["max_week_share"].iloc[0] > 0.25


def test_both_placeholder_addresses_are_named_and_no_other(truth, sample_store):
    places = sample_store.read("places")
    found = places[places["place_kind"] == "placeholder"]
    told = {(sink["x"], sink["y"]) for sink in truth["sinks"]}
    assert set(zip(found["x"].astype(int), found["y"].astype(int), strict=True)) == told
    assert places["place_kind"].ne("unexplained").all()
    quality = sample_store.read("quality")
    named = quality[quality["reason"].str.startswith("PLACEHOLDER")]
    assert len(named) == 2
    assert named["sample"].notna().all()


def test_the_hospital_is_an_institution_of_its_own(truth, sample_store):
    places = sample_store.read("places")
    hospital = truth["institution"]
    at = places[np.hypot(places["x"] - hospital["x"], places["y"] - hospital["y"]) <= 1]
    assert at["place_kind"].tolist() == ["institution"]
    assert "emergency department" in at["kind_reason"].iloc[0]


def test_areas_with_almost_no_residents_have_no_rate_and_keep_their_counts(sample_store):
    areas = sample_store.read("areas")
    barred = areas[(areas["level"] == "tract") & areas["rate_barred"].notna()]
    assert len(barred) >= 2
    gaps = sample_store.read("gaps")
    rows = gaps[(gaps["level"] == "tract") & gaps["geoid"].isin(barred["geoid"])]
    assert rows["unmet_per_1k_low"].isna().all()
    assert rows["rate_reason"].notna().all()
    assert rows["n_calls"].sum() > 0


def test_no_resident_rate_for_homelessness(sample_store):
    gaps = sample_store.read("gaps")
    rows = gaps[gaps["need"] == "homelessness"]
    assert rows["unmet_per_1k_low"].isna().all()
    ranked = rows[(rows["level"] == "tract") & rows["rank_low"].notna()]
    assert ranked["rank_km2_low"].notna().all()


def test_officer_activity_is_near_half_of_all_rows_and_in_no_outcome(sample_store, stands):
    share = (stands["origin"] == "officer").mean()
    assert 0.40 <= share <= 0.55
    judged = stands[stands["call_id"].isin(sample_store.read("unmet")["call_id"])]
    assert set(judged["origin"]) == {"community"}


def test_needs_peak_when_services_are_shut(outcomes, stands):
    """More calls are temporal at night than their share of the day."""
    hours = stands.set_index("call_id")["hour_of_week"] % 24
    temporal = outcomes.loc[(outcomes["leg"] == "respond") & (outcomes["outcome"] == "temporal"), "call_id"]
    night = hours.loc[temporal].isin([*range(18, 24), *range(7)]).mean()
    assert night > 13 / 24 + 0.1


def test_the_confidential_shelter_has_no_place_anywhere(sample_store):
    services = sample_store.read("services")
    hidden = services[services["is_confidential"]]
    assert len(hidden) > 0
    assert hidden[["x", "y"]].isna().all(axis=None)
    assert not set(hidden["service_id"]) & set(sample_store.read("reach")["service_id"])


def test_incidents_are_grouped_and_linked(sample_store):
    incidents = sample_store.read("incidents")
    assert (
        set(incidents["offence_group"]) == {"person", "property", "society", "other"}
        or len(set(incidents["offence_group"])) >= 3
    )
    assert incidents["is_linked"].mean() > 0.5
    calls = set(sample_store.read("calls", ["call_id"])["call_id"])
    assert set(incidents.loc[incidents["is_linked"], "call_id"]) <= calls


def test_responses_name_calls_that_exist(sample_store):
    responses = sample_store.read("responses")
    calls = set(sample_store.read("calls", ["call_id"])["call_id"])
    assert pd.Series(responses["call_id"].isin(calls)).mean() > 0.95


def test_the_cascade_only_narrows_and_names_why_nobody_was_sent(sample_store):
    table = sample_store.read("cascade")
    steps = table[table["reason"] == ""].pivot(index="need", columns="step", values="n_calls")
    for wider, narrower in (
        ("community", "in_scope"),
        ("in_scope", "recorded"),
        ("recorded", "sent"),
        ("sent", "arrived"),
    ):
        assert (steps[wider] >= steps[narrower]).all()
    assert (steps["arrived"] >= steps["connected"]).all()
    assert steps["sent"].sum() > 0
    reasons = table[table["step"] == "not_sent"]
    assert {"NO TEAM ON DUTY", "ALL TEAMS BUSY"} <= set(reasons["reason"])
    unsent = steps["recorded"] - steps["sent"]
    told = reasons.groupby("need")["n_calls"].sum().reindex(unsent.index).fillna(0)
    assert (told <= unsent).all()


def test_offences_of_every_level_sum_to_the_reports_on_file(sample_store):
    table = sample_store.read("offences")
    whole = table[table["period"] == "whole"]
    n = len(sample_store.read("incidents"))
    assert set(whole.groupby("level")["n_incidents"].sum()) == {n}
