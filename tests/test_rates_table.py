"""The `rates` table of the sample city: intervals hold the rate, smoothing stays between raw and mean."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def rates(sample_store):
    return sample_store.read("rates")


def test_every_area_need_and_period_has_one_row(rates, sample_store, sample_city):
    areas = sample_store.read("areas")
    n = rates.groupby(["level", "need", "period"])["geoid"].nunique()
    for level, rows in areas.groupby("level"):
        assert set(n.loc[level]) == {len(rows)}


def test_intervals_hold_the_rate_and_show_the_error_of_both_counts(rates):
    told = rates[rates["rate_per_1k"].notna() & (rates["n_calls"] > 0)]
    assert len(told) > 100
    assert ((told["rate_low"] < told["rate_per_1k"]) & (told["rate_per_1k"] < told["rate_high"]))[
        told["rate_low"].notna()
    ].all()
    expected = told["n_calls"] / told["population"] / told["years"] * 1000
    np.testing.assert_allclose(told["rate_per_1k"], expected)


def test_no_rate_comes_without_residents_and_every_missing_one_has_a_reason(rates):
    none = rates[rates["rate_per_1k"].isna()]
    assert none["rate_reason"].notna().all()
    assert none["eb_per_1k"].isna().all()
    assert none["n_calls"].sum() > 0
    assert rates.loc[rates["rate_per_1k"].notna(), "population"].ge(100).all()


def test_smoothed_rates_spread_less_than_raw_ones_and_keep_the_mean(rates):
    tract = rates[(rates["level"] == "tract") & (rates["period"] == "whole") & (rates["need"] == "mental_health")]
    tract = tract[tract["rate_per_1k"].notna()]
    assert tract["eb_per_1k"].std() < tract["rate_per_1k"].std()
    assert tract["rate_per_1k"].min() <= tract["eb_per_1k"].min()
    assert tract["eb_per_1k"].max() <= tract["rate_per_1k"].max()


def test_ranks_follow_the_smoothed_rate(rates):
    for _, rows in rates.dropna(subset=["eb_per_1k"]).groupby(["level", "need", "period"]):
        best = rows.sort_values("eb_rank").iloc[0]
        assert best["eb_per_1k"] == rows["eb_per_1k"].max()


def test_counts_agree_with_gaps_plus_what_police_or_ems_must_attend(rates, sample_store):
    gaps = sample_store.read("gaps")
    rows = gaps[(gaps["leg"] == "respond") & (gaps["variant"] == "default")]
    both = rates.merge(rows, on=["level", "geoid", "need", "period"], suffixes=("", "_gaps"))
    assert len(both) == len(rates)
    assert (both["n_calls"] == both["n_calls_gaps"] + both["n_police_or_ems"]).all()
