"""Additivity over any split of the rows, and conservation over areas and hours, on the sample city."""

import numpy as np
import pandas as pd
import pytest

from pipelines.call_types import call_types
from pipelines.locate import points
from pipelines.tabulate import demand
from pipelines.unmet import unmet

KEY = ["atom", "need", "origin", "scope", "hour_at", "contact", "respond", "place"]


@pytest.fixture(scope="module")
def without_log(sample_store):
    """The sample's services without the duty log: logged calls run once, city-wide, and are not additive."""
    services = sample_store.read("services")
    return services[~services["has_duty_log"]].assign(has_duty_log=False)


def parts(frame, seed, tmp_path, name):
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, 3, len(frame))
    paths = []
    for part in range(3):
        path = tmp_path / f"{name}-{part}.parquet"
        frame[chosen == part].to_parquet(path)
        paths.append(path)
    return paths


@pytest.mark.parametrize("seed", [1, 2])
def test_outcomes_and_demand_of_the_whole_are_the_sum_of_the_parts(
    sample_city, sample_store, without_log, seed, tmp_path
):
    read = sample_store.read
    places, reach, duty = read("places"), read("reach"), read("duty").iloc[:0]

    def work(path):
        made = unmet(sample_city, tmp_path, path, places, without_log, reach, duty)["unmet"]
        out = tmp_path / f"unmet-of-{path.stem}.parquet"
        made.to_pandas().to_parquet(out)
        table = demand(tmp_path, path, sample_store.path("places"), read("atoms"), out)
        return made.to_pandas(), pd.read_parquet(table)

    whole, whole_demand = work(sample_store.path("calls"))
    split = [work(path) for path in parts(read("calls"), seed, tmp_path, "calls")]
    joined = pd.concat([one for one, _ in split], ignore_index=True)
    columns = [name for name in whole.columns if name != "is_recorded"]
    order = ["call_id", "leg"]
    pd.testing.assert_frame_equal(
        joined[columns].sort_values(order, ignore_index=True), whole[columns].sort_values(order, ignore_index=True)
    )
    summed = pd.concat([one for _, one in split]).groupby(KEY, dropna=False)[["n_calls", "committed_min"]].sum()
    expected = whole_demand.groupby(KEY, dropna=False)[["n_calls", "committed_min"]].sum()
    pd.testing.assert_frame_equal(summed.sort_index(), expected.sort_index())


def test_types_and_places_of_the_whole_are_the_union_of_the_parts(sample_city, sample_store, tmp_path):
    raw = tuple(sample_store.path(f"raw_{source.table}") for source in sample_city.sources_of("calls"))
    areas = sample_store.read("areas")
    for make, name, key in (
        (
            lambda paths: call_types(sample_city, tmp_path, paths)["call_types"],
            "call_types",
            ["call_type", "call_type_initial"],
        ),
        (lambda paths: points(sample_city, tmp_path, paths, (), areas)["points"], "points", ["place_id"]),
    ):
        whole = make(raw)
        halves = [make((path,)) for path in raw]
        union = pd.concat(halves).drop_duplicates(key)
        assert len(union) == len(whole)
        same = ["need", "tier", "rule"] if name == "call_types" else ["x", "y"]
        merged = whole.merge(union, on=key, suffixes=("", "_part"))
        for column in same:
            pd.testing.assert_series_equal(merged[column], merged[f"{column}_part"], check_names=False)


def test_areas_and_remainders_of_every_level_sum_to_the_city(sample_store):
    gaps = sample_store.read("gaps")
    counts = [name for name in gaps.columns if name.startswith("n_") and name != "n_places"]
    keys = ["need", "leg", "period", "variant"]
    city = gaps[gaps["level"] == "city"].set_index(keys)[counts].sort_index()
    for level, rows in gaps[gaps["level"] != "city"].groupby("level"):
        summed = rows.groupby(keys)[counts].sum().sort_index()
        pd.testing.assert_frame_equal(summed, city, obj=level)


def test_outcomes_split_each_count_exactly(sample_store):
    gaps = sample_store.read("gaps")
    split = gaps[["n_available", "n_uncertain", "n_spatial", "n_barrier", "n_temporal"]].sum(axis=1)
    assert (split == gaps["n_calls"]).all()
    assert (gaps["n_at_least"] + gaps["n_uncertain"] == gaps["n_at_most"]).all()
    assert (gaps["per_year_low"] <= gaps["at_least_per_year"]).all()
    assert (gaps["per_year_high"] >= gaps["n_at_most"] / gaps["years"]).all()


def test_hours_sum_to_the_city_and_rows_never_exceed_calls(sample_store):
    table = sample_store.read("demand")
    calls = sample_store.read("calls")
    stands = calls[calls["merged_into"].isna()]
    assert table["n_calls"].sum() == len(stands)
    assert len(table) <= len(stands)
    gaps = sample_store.read("gaps")
    whole = gaps[(gaps["level"] == "city") & (gaps["period"] == "whole") & (gaps["variant"] == "default")]
    judged = table[(table["origin"] == "community") & (table["scope"] == "in_scope")]
    for leg, rows in whole.groupby("leg"):
        told = judged[judged[leg].notna()].groupby("need")["n_calls"].sum()
        expected = rows.set_index("need")["n_calls"]
        assert told.to_dict() == expected[expected > 0].to_dict()


def test_periods_lie_inside_the_whole(sample_store):
    gaps = sample_store.read("gaps")
    assert set(gaps["period"]) == {"whole", "last_12_months", "2023", "2024"}
    totals = gaps[(gaps["level"] == "city") & (gaps["variant"] == "default")].groupby("period")["n_calls"].sum()
    assert totals["2023"] + totals["2024"] <= totals["whole"]
    assert totals["last_12_months"] < totals["whole"]
