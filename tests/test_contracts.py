"""The sample city's store: every table keeps its contract, and what is counted twice is counted the same."""

import numpy as np
import pandas as pd
import pytest

from geo.contract import check
from geo.tables import TABLES
from pipelines.stages import stages

LEGS = ("contact", "respond", "place")
OUTCOMES = ("available", "uncertain", "spatial", "barrier", "temporal")
KEY = ["need", "leg", "period", "variant"]
ADDITIVE = [
    "n_calls", *(f"n_{outcome}" for outcome in OUTCOMES), "n_at_least", "n_at_most", "n_police_or_ems",
    "n_no_one_found", "n_institution", "n_without_busiest", "at_least_without_busiest",
]  # fmt: skip


@pytest.fixture(scope="module")
def calls(sample_store):
    return sample_store.read("calls")


@pytest.fixture(scope="module")
def standing(calls):
    """Calls that stand for themselves."""
    return calls[calls["merged_into"].isna()]


@pytest.fixture(scope="module")
def gaps(sample_store):
    return sample_store.read("gaps")


@pytest.fixture(scope="module")
def demand(sample_store):
    return sample_store.read("demand")


# --- contracts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_the_store_keeps_its_contract(sample_store, name):
    frame = sample_store.read(name)
    table = TABLES[name]
    check(frame, table)
    assert len(frame), "a table without rows proves nothing"
    assert list(frame.columns[: len(table.names)]) == list(table.names) or table.extra or set(frame) == set(table.names)
    assert all(one.about or one.values or one.unit or one.name.endswith("id") or one.kind for one in table.columns)


@pytest.mark.parametrize("name", TABLES)
def test_whole_numbers_and_truths_are_stored_as_such(sample_store, name):
    """Whole numbers that may be missing may be floats in a frame; those that may not are integers."""
    frame = sample_store.read(name)
    for column in TABLES[name].columns:
        if column.kind == "int" and not column.nullable:
            assert pd.api.types.is_integer_dtype(frame[column.name]), column.name
        if column.kind == "bool" and not column.nullable:
            assert pd.api.types.is_bool_dtype(frame[column.name]), column.name
        if column.kind == "float":
            assert pd.api.types.is_numeric_dtype(frame[column.name]) or frame[column.name].isna().all(), column.name
            present = frame[column.name].dropna().astype(float)
            assert np.isfinite(present).all(), column.name


def test_the_stages_make_every_table_of_the_contract_and_the_store_holds_no_other(sample_city, sample_store):
    made = [table for stage in stages(sample_city) for table in stage.makes]
    assert len(made) == len(set(made))
    assert set(TABLES) <= set(made)
    assert set(sample_store.tables) == set(made)
    assert sample_store.verify() == []


def test_a_stage_finds_what_it_reads_among_what_was_made_before_it(sample_city):
    made: set[str] = set()
    for stage in stages(sample_city):
        for name in (*stage.reads, *stage.also):
            is_raw = name.startswith("raw_") and bool(sample_city.sources_of(name.removeprefix("raw_")))
            assert is_raw or name in made, f"{stage.name} reads {name}"
        made |= set(stage.makes)


def test_sources_are_those_of_the_city(sample_city, sample_store):
    ids = {source.id for source in sample_city.sources}
    for name in ("calls", "incidents", "services", "duty", "responses", "quarantine"):
        assert set(sample_store.read(name)["source_id"]) <= ids, name
    areas = {f"{kind}.{one.name}" for kind in ("areas", "denominators") for one in sample_city.levels}
    assert ids <= set(sample_store.read("counts")["source_id"]) <= ids | areas
    assert set(sample_store.read("quality")["source_id"]) <= ids | areas | {"*"}


def test_keys_of_one_table_are_found_in_the_other(sample_store, calls):
    standing_ids = set(calls.loc[calls["merged_into"].isna(), "call_id"])
    assert set(calls["merged_into"].dropna()) <= set(calls["call_id"])
    assert set(sample_store.read("unmet")["call_id"]) <= standing_ids
    places = sample_store.read("places")
    assert set(calls["place_id"].dropna()) <= set(places["place_id"])
    assert set(places["atom"]) <= set(sample_store.read("atoms")["atom"])
    services = set(sample_store.read("services")["service_id"])
    assert set(sample_store.read("reach")["service_id"]) <= services
    assert set(sample_store.read("verification")["service_id"]) <= services


# --- rows ------------------------------------------------------------------------------------------


def test_rows_in_are_kept_quarantined_or_merged_for_every_file(sample_store, calls):
    counts = sample_store.read("counts").set_index("source_id")
    parts = counts[["rows_kept", "rows_quarantined", "rows_merged"]]
    assert (counts["rows_in"] == parts.sum(axis=1)).all()
    assert (parts >= 0).all(axis=None)
    assert (counts["rows_in"] > 0).all()
    refused = sample_store.read("quarantine").groupby("source_id")["source_line"].nunique()
    of_calls = counts.index[counts["kind"] == "calls"]
    assert refused.reindex(of_calls, fill_value=0).tolist() == counts.loc[of_calls, "rows_quarantined"].tolist()
    kept = calls[calls["merged_into"].isna()].groupby("source_id").size()
    assert kept.reindex(of_calls).tolist() == counts.loc[of_calls, "rows_kept"].tolist()
    merged = calls[calls["merged_into"].notna()].groupby("source_id").size()
    assert merged.reindex(of_calls, fill_value=0).tolist() == counts.loc[of_calls, "rows_merged"].tolist()
    assert sample_store.manifest["counts"] == sample_store.read("counts").to_dict("records")


def test_rows_that_a_call_stands_for_add_up_to_all_rows(calls):
    assert calls.loc[calls["merged_into"].isna(), "n_rows"].sum() == len(calls)


# --- scope and demand ------------------------------------------------------------------------------


def test_scopes_add_up_to_the_community_calls(standing):
    community = standing[standing["origin"] == "community"]
    scopes = community["scope"].value_counts()
    assert set(scopes.index) == {"in_scope", "police_or_ems", "criminal", "other_need", "unresolved"}
    assert scopes.sum() == len(community)
    assert (community.loc[community["scope"] == "in_scope", "tier"].fillna(0) < 3).all()


def test_demand_adds_up_to_the_calls(standing, demand):
    assert demand["n_calls"].sum() == len(standing)
    assert demand["committed_min"].sum() == pytest.approx(standing["committed_min"].sum(), rel=1e-9)
    keys = ["need", "origin", "scope"]
    pd.testing.assert_series_equal(
        demand.groupby(keys)["n_calls"].sum(), standing.groupby(keys).size(), check_names=False, check_dtype=False
    )
    by_hour = standing.groupby(standing["received_at"].dt.floor("h")).size()
    pd.testing.assert_series_equal(
        demand.groupby("hour_at")["n_calls"].sum(),
        by_hour,
        check_names=False,
        check_dtype=False,
        check_index_type=False,
    )
    assert len(demand) <= len(standing)


def test_demand_adds_up_to_the_gaps_of_the_city(demand, gaps):
    city = gaps[(gaps["level"] == "city") & (gaps["period"] == "whole") & (gaps["variant"] == "default")]
    told = city.set_index(["need", "leg"])[[f"n_{outcome}" for outcome in OUTCOMES]]
    community = demand[(demand["origin"] == "community") & (demand["scope"] == "in_scope")]
    for leg in LEGS:
        counted = community[community[leg].notna()].groupby(["need", leg])["n_calls"].sum()
        for (need, of_leg), row in told.iterrows():
            if of_leg == leg:
                assert [counted.get((need, one), 0) for one in OUTCOMES] == row.tolist(), (need, leg)


def test_outcomes_are_of_calls_in_scope_and_every_such_call_has_two_or_three(sample_store, standing):
    unmet = sample_store.read("unmet")
    scoped = standing[(standing["scope"] == "in_scope") & (standing["origin"] == "community")]
    assert set(unmet["call_id"]) == set(scoped["call_id"])
    assert set(unmet.loc[unmet["leg"] == "respond", "call_id"]) == set(scoped["call_id"])
    lines = unmet.loc[unmet["leg"] == "contact", "call_id"]
    assert set(lines) <= set(scoped.loc[scoped["tier"].fillna(0) == 0, "call_id"])


# --- gaps ------------------------------------------------------------------------------------------


def test_areas_and_remainders_of_every_level_add_up_to_the_city(sample_city, gaps):
    city = gaps[gaps["level"] == "city"].set_index(KEY)[ADDITIVE].sort_index()
    assert len(city) == len(city.index.unique())
    for level in sample_city.levels:
        here = gaps[gaps["level"] == level.name].groupby(KEY)[ADDITIVE].sum().sort_index()
        pd.testing.assert_frame_equal(here, city, check_dtype=False, obj=level.name)


def test_finer_areas_add_up_to_coarser_ones(gaps):
    """A block group's id begins with its tract's."""
    areas = gaps[~gaps["geoid"].str.startswith("_")]
    tracts = areas[areas["level"] == "tract"].set_index(["geoid", *KEY])["n_at_least"]
    groups = areas[areas["level"] == "block_group"]
    summed = groups.assign(geoid=groups["geoid"].str[:11]).groupby(["geoid", *KEY])["n_at_least"].sum()
    pd.testing.assert_series_equal(
        summed.sort_index(), tracts.reindex(summed.index).sort_index(), check_names=False, check_dtype=False
    )


def test_the_split_of_every_row_adds_up(gaps):
    split = gaps[[f"n_{outcome}" for outcome in OUTCOMES]].sum(axis=1)
    assert (split == gaps["n_calls"]).all()
    assert (gaps["n_at_least"] == gaps[["n_spatial", "n_barrier", "n_temporal"]].sum(axis=1)).all()
    assert (gaps["n_at_most"] == gaps["n_at_least"] + gaps["n_uncertain"]).all()
    assert (gaps["per_year_low"] <= gaps["at_least_per_year"] + 1e-9).all()
    assert (gaps["at_least_per_year"] <= gaps["per_year_high"] + 1e-9).all()


def test_variants_move_in_the_one_direction_they_can(gaps):
    wide = gaps.pivot(index=["level", "geoid", "need", "leg", "period"], columns="variant", values="n_at_least")
    assert (wide["with_ed"] <= wide["default"]).all()
    assert (wide["no_institutions"] <= wide["default"]).all()


def test_periods_hold_the_calls_of_their_days(sample_city, standing, gaps):
    """Every call in scope has the leg `respond`; a year is told where the window holds enough of it."""
    city = gaps[(gaps["level"] == "city") & (gaps["variant"] == "default") & (gaps["leg"] == "respond")]
    scoped = standing[(standing["scope"] == "in_scope") & (standing["origin"] == "community")]
    day = pd.to_datetime(scoped["local_date"])
    told = city.groupby("period")["n_calls"].sum()
    years = [name for name in told.index if name.isdigit()]
    assert {"whole", "last_12_months", "2023", "2024"} <= set(told.index)
    assert told["whole"] == len(scoped)
    assert [told[name] for name in years] == [(day.dt.year == int(name)).sum() for name in years]
    last = pd.Timestamp(sample_city.windows[-1].end)
    assert told["last_12_months"] == (day >= last - pd.Timedelta(days=365)).sum()
    length = city.groupby("period")["years"].first()
    assert length["whole"] == pytest.approx(sample_city.years)
    assert sum(length[name] for name in years) <= length["whole"]


# --- hours and places ------------------------------------------------------------------------------


def test_hours_are_those_of_the_citys_clock(sample_city, standing):
    local = standing["received_at"].dt.tz_convert(sample_city.timezone)
    assert (standing["hour_of_week"] == local.dt.day_of_week * 24 + local.dt.hour).all()
    assert (standing["quarter_of_week"] // 4 == standing["hour_of_week"]).all()
    assert (pd.to_datetime(standing["local_date"]).dt.date == local.dt.date).all()
    assert standing.groupby("hour_of_week").size().sum() == len(standing)


def test_places_add_up_to_the_calls_that_have_one(sample_store, standing):
    places = sample_store.read("places").set_index("place_id")
    placed = standing[standing["place_id"].notna()].groupby("place_id")
    assert (places["n_all"] == placed.size().reindex(places.index, fill_value=0)).all()
    assert places["n_calls"].sum() == (standing["place_id"].notna() & (standing["origin"] == "community")).sum()
