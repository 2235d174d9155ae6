"""Releases for staff: hours of days and of recurring-call areas, what came in, whom a service could have taken."""

import numpy as np
import pandas as pd
import pytest

from pipelines.policy import load_policy, release_tables
from pipelines.policy_words import FIELDS
from pipelines.release import ReleaseError, build_release, open_release
from pipelines.release_staff import staff_tables
from pipelines.vocabulary import needs
from tests.supply_oracle import judged

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


def test_a_service_that_becomes_confidential_leaves_every_list_and_changes_no_other_row(
    internal, sample_store, monkeypatch
):
    services, read = sample_store.read("services"), type(sample_store).read
    first = sample_store.read("verification")["service_id"].iloc[0]
    told = services.assign(is_confidential=services["is_confidential"] | services["service_id"].eq(first))

    def hidden(self, table, columns=None):
        return told[columns or list(told)] if table == "services" else read(self, table, columns)

    monkeypatch.setattr(type(sample_store), "read", hidden)
    tables = staff_tables(sample_store, internal.policy)
    for name in ("verification", "area_services", "hour_gains"):
        own = internal.table(name)
        kept = own[own["service_id"] != first].reset_index(drop=True)
        assert 0 < len(kept) < len(own)
        pd.testing.assert_frame_equal(tables[name], kept)


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


@pytest.mark.parametrize(("name", "source"), [("cascade", "cascade"), ("denominators", "counts")])
def test_tables_of_the_store_are_passed_on(internal, sample_store, name, source):
    expected = sample_store.read(source)
    assert len(expected)
    pd.testing.assert_frame_equal(internal.table(name), expected)


def test_changes_between_rare_call_types_are_left_out(internal, sample_store):
    told, every = internal.table("type_changes"), sample_store.read("type_changes")
    assert 0 < len(told) < len(every)
    assert len(told.merge(every)) == len(told)
    for name in ("call_type_initial", "call_type"):
        common = every.groupby(name)["n_calls"].sum() >= 11
        assert common[told[name].unique()].all()


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


# --- services and calls ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def answers(sample_store, legs):
    """Oracle: a row a placed call, leg and service, with the call's outcome, areas and hour."""
    table = judged(sample_store, job_min={name: need.job_min for name, need in needs().items()})
    return table.merge(legs.drop(columns="service_id", errors="ignore"), on=["call_id", "leg"], validate="many_to_one")


def _rolled(rows, levels, keys, **sums):
    parts = [
        rows.assign(level=level, geoid=rows[level]).groupby(["level", "geoid", *keys]).agg(**sums) for level in levels
    ]
    return pd.concat(parts).sort_index()


def _same(table, expected):
    got = table.set_index(expected.index.names).sort_index()[list(expected.columns)]
    pd.testing.assert_frame_equal(got, expected, check_dtype=False, check_index_type=False)


def test_the_oracle_agrees_with_the_outcomes(answers):
    by_call = answers.groupby(["call_id", "leg"]).agg(
        near=("near", "any"), sure=("sure", "any"), closed=("closed", "any"), outcome=("outcome", "first")
    )
    assert by_call["sure"].eq(by_call["outcome"] == "available").all()
    assert by_call["near"].ne(by_call["outcome"] == "spatial").all()
    assert by_call.loc[by_call["outcome"] == "temporal", "closed"].mean() > 0.9


@pytest.mark.parametrize("slug", ["internal", "conference"])
def test_services_of_areas_against_the_oracle(slug, request, answers, legs):
    release = request.getfixturevalue(slug)
    levels, table = release.told["levels"], release.table("area_services")
    assert list(table.columns) == [
        "level", "geoid", "service_id", "need", "leg", "n_calls", "n_reached", "minutes_median",
    ]  # fmt: skip
    near = answers[answers["near"]]
    keys = ["service_id", "need", "leg"]
    _same(table, _rolled(near, levels, keys, n_reached=("call_id", "size")))
    placed = legs[legs["x"].notna() & (legs["place_kind"] != "placeholder")]
    n_calls = _rolled(placed, levels, ["need", "leg"], n_calls=("call_id", "size"))["n_calls"]
    told = table.set_index(["level", "geoid", "need", "leg"])["n_calls"]
    assert told.eq(n_calls.reindex(told.index)).all()
    assert (table["n_reached"].between(1, table["n_calls"])).all()
    known = near[near["minutes"].notna()]
    whole = _rolled(known, levels, keys, median=("minutes", "median"), places=("place_id", "nunique"))
    expected = whole["median"].round().where(whole["places"] >= 3)
    got = table.set_index(expected.index.names)["minutes_median"]
    assert got.notna().any()
    assert got[~got.index.isin(expected.index)].isna().all()
    pd.testing.assert_series_equal(got.reindex(expected.index), expected, check_names=False)


def test_minutes_tell_no_place(internal):
    minutes = internal.table("area_services")["minutes_median"].dropna()
    assert (minutes == minutes.round()).all()


def test_hours_that_a_service_lacks_against_the_oracle(internal, conference, answers):
    keys = ["service_id", "need", "leg", "hour_of_week"]
    gains = answers[(answers["outcome"] == "temporal") & answers["closed"]]
    sums = {"n_calls": ("call_id", "size"), "n_sure": ("closed_sure", "sum")}
    _same(internal.table("hour_gains"), _rolled(gains, internal.told["levels"], keys, **sums))
    open_calls = gains[gains["sensitive"] == "none"]
    assert 0 < len(open_calls) < len(gains)
    _same(conference.table("hour_gains"), _rolled(open_calls, conference.told["levels"], keys, **sums))
    table = internal.table("hour_gains")
    assert (table["n_sure"] <= table["n_calls"]).all()
    assert table["n_sure"].gt(0).any()


def test_no_gain_is_more_than_the_temporal_calls_of_its_hour(internal):
    key = ["level", "geoid", "need", "leg"]
    hours = internal.table("hours").query("outcome == 'temporal'")
    temporal = hours.assign(hour_of_week=hours["block"].str[1:].astype(int)).set_index([*key, "hour_of_week"])["n"]
    table = internal.table("hour_gains").set_index([*key, "hour_of_week"])["n_calls"]
    assert (table <= temporal.reindex(table.index)).all()


@pytest.mark.parametrize("slug", ["internal", "conference"])
def test_the_only_sure_service_against_the_oracle(slug, request, answers):
    release = request.getfixturevalue(slug)
    table, levels = release.table("only_by"), release.told["levels"]
    sure = answers[answers["sure"]]
    alone = sure[~sure.duplicated(["call_id", "leg"], keep=False)]
    assert 0 < len(alone) < len(sure)
    _same(table, _rolled(alone, levels, ["service_id", "need", "leg"], n_calls=("call_id", "size")))
    cells = release.table("cells")
    cells = cells[(cells["outcome"] == "available") & (cells["variant"] == "default") & (cells["grain"] == "whole")]
    key = ["level", "geoid", "need", "leg"]
    n = table.groupby(key)["n_calls"].sum()
    assert (n <= cells.set_index(key)["n"].reindex(n.index)).all()


@pytest.mark.parametrize("name", ["area_services", "hour_gains", "only_by"])
def test_every_level_adds_up_to_the_city(internal, name):
    table = internal.table(name)
    keys = [key for key in ("service_id", "need", "leg", "hour_of_week") if key in table]
    column = "n_reached" if name == "area_services" else "n_calls"
    sums = table.pivot_table(index=keys, columns="level", values=column, aggfunc="sum")
    assert set(sums.columns) == set(internal.told["levels"])
    assert sums.notna().all(axis=None)
    assert sums.eq(sums["city"], axis=0).all(axis=None)


def test_several_teams_with_a_log_are_each_asked(sample_store, monkeypatch):
    """Three copies of the logged team on short turns: which of them could take a call, against plain Python."""
    services, duty, read = sample_store.read("services"), sample_store.read("duty"), type(sample_store).read
    logged = services[services["has_duty_log"]]
    rng = np.random.default_rng(4)
    names = [f"t{number}" for number in range(3)]
    more = pd.concat([logged.assign(service_id=name, x=logged["x"] + 900 * at) for at, name in enumerate(names)])
    turns = pd.concat([duty[rng.random(len(duty)) < 0.7].assign(service_id=name) for name in names])
    reach = sample_store.read("reach")
    own = reach[reach["service_id"].isin(logged["service_id"])]
    reach = pd.concat([own.assign(service_id=name, minutes=own["minutes"] + at) for at, name in enumerate(names)])
    told = {"services": more, "duty": turns, "reach": reach}

    def changed(self, table, columns=None):
        return told[table][columns or list(told[table])] if table in told else read(self, table, columns)

    monkeypatch.setattr(type(sample_store), "read", changed)
    expected = judged(sample_store, job_min={name: need.job_min for name, need in needs().items()})
    sure = expected[expected["sure"]]
    assert {1, 2, 3} <= set(sure.groupby("call_id").size())
    ready = _ready(sample_store)
    assert ready == set(sure[["call_id", "service_id"]].itertuples(index=False, name=None))


def _ready(store):
    """(call_id, service_id) of teams that could take a call, as the release asks them."""
    from pipelines import release_supply

    seen = set()
    answers = release_supply._answers

    def spied(group, leg, teams):
        if leg == "respond":
            names = np.array(teams.names, dtype=object)
            ids = group.calls.call_id.to_pandas().iloc[group.calls.row].to_numpy(object)
            for at, call_id in zip(group.at, ids, strict=True):
                seen.update((call_id, name) for name in names[teams.could_take[at]])
        return answers(group, leg, teams)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(release_supply, "_answers", spied)
        release_supply.supply_tables(store, ["city"], finest="true")
    return seen


def test_without_services_the_tables_are_empty_and_typed(sample_store, monkeypatch):
    from pipelines.release_supply import AREA_SERVICE, HOUR_GAIN, ONLY_BY, supply_tables

    read = type(sample_store).read

    def none(self, table, columns=None):
        own = read(self, table, columns)
        return own.iloc[:0] if table in ("services", "reach", "duty") else own

    monkeypatch.setattr(type(sample_store), "read", none)
    tables = supply_tables(sample_store, ["tract", "city"], finest="true")
    columns = {"area_services": AREA_SERVICE, "hour_gains": HOUR_GAIN, "only_by": ONLY_BY}
    for name, table in tables.items():
        assert list(table.columns) == columns[name]
        assert table.empty
        assert table["n_calls"].dtype == "int64"
