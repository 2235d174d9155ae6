"""Releases for staff: hours of days and of recurring-call areas, what came in, whom a service could have taken."""

import numpy as np
import pandas as pd
import pytest

from pipelines.policy import load_policy, release_tables
from pipelines.policy_words import FIELDS
from pipelines.release import ReleaseError, build_release, open_release
from pipelines.release_staff import staff_tables

UNMET = ("spatial", "barrier", "temporal")
STAFF_ONLY = {
    "day_hours", "cascade", "verification", "denominators", "type_changes", "area_services", "hotspot_hours",
    "hour_gains", "only_by",
}  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("releases")


@pytest.fixture(scope="module")
def internal(sample_city, sample_store, root):
    return open_release(build_release(sample_city, sample_store, load_policy("internal", city=sample_city), root))


@pytest.fixture(scope="module")
def conference(sample_city, sample_store, root):
    return open_release(
        build_release(sample_city, sample_store, load_policy("case_conference", city=sample_city), root)
    )


@pytest.fixture(scope="module")
def legs(sample_store):
    """A row a call in scope and leg with its outcome, place and areas."""
    calls = sample_store.read("calls")
    calls = calls[calls["merged_into"].isna()]
    table = sample_store.read("unmet").merge(calls, on="call_id", validate="many_to_one")
    places = sample_store.read("places")[["place_id", "x", "y", "place_kind", "atom"]]
    table = table.merge(places, on="place_id", how="left").merge(sample_store.read("atoms"), on="atom", how="left")
    return table.assign(city="city")


# --- who may have them ----------------------------------------------------------------------------


@pytest.mark.parametrize("slug", ["public", "partner"])
def test_none_of_them_may_be_in_a_release_for_others(slug):
    assert not STAFF_ONLY & release_tables(load_policy(slug))
    for field in FIELDS.values():
        if STAFF_ONLY & set(field.tables):
            assert not {"public", "partner"} & set(field.audiences)


def test_a_field_that_a_policy_does_not_name_is_not_made(internal, sample_store, tmp_path):
    lines = (internal.folder / "policy.toml").read_text("utf-8").splitlines()
    path = tmp_path / "internal.toml"
    fields = ("hour_counts", "cascade", "verification", "data_intake", "service_reach", "hotspot_counts")
    path.write_text("\n".join(line for line in lines if not any(f'"{name}"' in line for name in fields)), "utf-8")
    assert not STAFF_ONLY & set(staff_tables(sample_store, load_policy(path)))


def test_no_table_names_a_confidential_service(internal, conference, sample_store):
    barred = set(sample_store.read("services").query("is_confidential")["service_id"])
    assert barred
    for release in (internal, conference):
        for name in release.tables:
            table = release.table(name)
            if "service_id" in table:
                assert not barred & set(table["service_id"]), name


def test_a_confidential_service_leaves_the_verification_list(internal, sample_store, monkeypatch):
    services, read = sample_store.read("services"), type(sample_store).read
    first = sample_store.read("verification")["service_id"].iloc[0]
    told = services.assign(is_confidential=services["is_confidential"] | services["service_id"].eq(first))

    def hidden(self, table, columns=None):
        return told[columns or list(told)] if table == "services" else read(self, table, columns)

    monkeypatch.setattr(type(sample_store), "read", hidden)
    tables = staff_tables(sample_store, internal.policy)
    for name in ("verification",):
        assert not tables[name]["service_id"].eq(first).any()
        assert len(tables[name]) < len(internal.table(name))


# --- hours ----------------------------------------------------------------------------------------


def test_hours_of_days_add_up_to_the_days_and_to_the_hours_of_the_week(internal):
    table = internal.table("day_hours")
    assert list(table.columns) == ["level", "geoid", "need", "leg", "date", "hour", "outcome", "n"]
    assert table["hour"].between(0, 23).all()
    assert not table.duplicated(list(table.columns[:-1])).any()
    key = ["level", "geoid", "need", "leg", "outcome"]
    cells = internal.table("cells").query("grain == 'day'").rename(columns={"period": "date"})
    pd.testing.assert_series_equal(
        table.groupby([*key, "date"])["n"].sum(), cells.groupby([*key, "date"])["n"].sum(), check_dtype=False
    )
    weekday = pd.to_datetime(table["date"]).dt.day_of_week * 24 + table["hour"]
    by_hour = table.assign(block=weekday.map("h{:03d}".format)).groupby([*key, "block"])["n"].sum()
    pd.testing.assert_series_equal(by_hour, internal.table("hours").groupby([*key, "block"])["n"].sum())
    at_level = table.groupby(["level", "need", "leg", "outcome"])["n"].sum().unstack("level")
    assert set(at_level.columns) == {"block_group", "tract", "neighbourhood", "beat", "city"}
    assert at_level.eq(at_level["city"], axis=0).all(axis=None)


def test_outside_internal_no_sensitive_call_is_counted_by_day_or_hour(conference, legs):
    open_legs = legs[legs["sensitive"] == "none"]
    assert 0 < len(open_legs) < len(legs)
    for name, rows in (("day_hours", slice(None)), ("hours", slice(None)), ("cells", "day"), ("calls", "day")):
        table = conference.table(name)
        table = table[(table["level"] == "city")]
        table = table[table["grain"] == rows] if isinstance(rows, str) else table
        if name == "calls":
            table = table[(table["scope"] == "in_scope") & (table["origin"] == "community")]
            assert table["n"].sum() == open_legs["call_id"].nunique()
        else:
            assert table["n"].sum() == len(open_legs)
    cells = conference.table("cells")
    whole = cells[(cells["level"] == "city") & (cells["grain"] == "whole") & (cells["variant"] == "default")]
    assert whole["n"].sum() == len(legs)


def test_hours_of_recurring_call_areas_add_up_to_their_calls(internal, legs):
    spots, table = internal.table("hotspots").set_index("hotspot_id"), internal.table("hotspot_hours")
    assert not table.duplicated(["hotspot_id", "hour_of_week"]).any()
    assert table.groupby("hotspot_id")["n_calls"].sum().to_dict() == spots["n_calls"].to_dict()
    for hotspot_id, own in table.groupby("hotspot_id"):
        spot = spots.loc[hotspot_id]
        peak = own[(own["hour_of_week"] - spot["peak_start"]) % 24 < 8]
        for leg in ("respond", "place"):
            n = peak[f"n_{leg}_unmet_at_least"]
            if np.isnan(spot[f"{leg}_at_least"]):
                assert own[f"n_{leg}_unmet_at_least"].isna().all()
            else:
                assert n.sum() == spot[f"{leg}_at_least"]


def test_in_a_case_conference_only_open_calls_of_needs_that_may_be_shown(conference, internal, sample_store):
    table, spots = conference.table("hotspot_hours"), conference.table("hotspots")
    assert set(table["hotspot_id"]) <= set(spots["hotspot_id"])
    told = internal.table("hotspots").set_index("hotspot_id")["need"]
    assert not set(table["hotspot_id"].map(told)) & set(conference.policy.never_points)
    both = internal.table("hotspot_hours").merge(table, on=["hotspot_id", "hour_of_week"], suffixes=("", "_open"))
    assert len(both) == len(table)
    assert (both["n_calls_open"] <= both["n_calls"]).all()
    calls = sample_store.read("calls").query("need == 'youth_family' and scope == 'in_scope'")
    assert calls["sensitive"].ne("none").all()
    assert not table["hotspot_id"].map(told).eq("youth_family").any()


# --- taken over from the store --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "source"), [("cascade", "cascade"), ("denominators", "counts"), ("type_changes", "type_changes")]
)
def test_tables_of_the_store_are_passed_on(internal, sample_store, name, source):
    expected = sample_store.read(source)
    assert len(expected)
    pd.testing.assert_frame_equal(internal.table(name), expected)


def test_the_verification_list_is_that_of_the_store(internal, sample_store):
    pd.testing.assert_frame_equal(internal.table("verification"), sample_store.read("verification"))


def test_a_planted_table_is_refused_where_a_policy_does_not_name_it(internal, tmp_path):
    import json
    import shutil

    from pipelines.policy import policy_hash

    folder = tmp_path / internal.release_id
    shutil.copytree(internal.folder, folder)
    text = (folder / "policy.toml").read_text("utf-8")
    kept = [line for line in text.splitlines() if '"hour_counts"' not in line]
    (folder / "policy.toml").write_text("\n".join(kept) + "\n", "utf-8")
    told = json.loads((folder / "release.json").read_text("utf-8"))
    told["policy_hash"] = policy_hash(load_policy(folder / "policy.toml"))
    (folder / "release.json").write_text(json.dumps(told), "utf-8")
    with pytest.raises(ReleaseError, match=r"got \[day_hours\]"):
        open_release(folder)
