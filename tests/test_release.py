"""Releases: what is in them, what is not, who is refused, and that they never change."""

import hashlib
import json
from dataclasses import replace
from datetime import date

import pandas as pd
import pytest
import shapely

from geo.errors import UnmetError
from pipelines import release_ledger
from pipelines.audit import verify
from pipelines.policy import load_policy, policy_hash, release_tables
from pipelines.release import ReleaseError, build_release, newest_in, open_release
from pipelines.store import Store
from tests.releases import bytes_of, short_policy


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("releases")


@pytest.fixture(scope="module")
def public(sample_city, sample_store, root):
    policy = short_policy(root, sample_city)
    folder = build_release(
        sample_city, sample_store, policy, root / "out", audit_path=root / "audit.jsonl", who="tester"
    )
    return open_release(folder)


@pytest.fixture(scope="module")
def internal(sample_city, sample_store, root):
    policy = load_policy("internal", city=sample_city)
    return open_release(build_release(sample_city, sample_store, policy, root / "out"))


@pytest.fixture(scope="module")
def conference(sample_city, sample_store, root):
    policy = load_policy("case_conference", city=sample_city)
    return open_release(build_release(sample_city, sample_store, policy, root / "out"))


def _tree(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


# --- public ---------------------------------------------------------------------------------------


def test_a_public_release_says_what_it_is(public, sample_city, sample_store):
    told = public.told
    assert told["schema"] == "1.0"
    assert told["city"] == "sample"
    assert told["policy"] == "public"
    assert public.folder.parts[-3:] == ("sample", "public", public.release_id)
    assert told["is_synthetic"]
    assert told["expires"] == "never"
    assert told["retention_days"] == 730
    assert [(one["grain"], one["period"]) for one in told["periods"]] == [
        ("year", "2023"), ("year", "2024Q1-2024Q3"), ("whole", "2023Q1-2024Q3"),
    ]  # fmt: skip
    assert [one["quarters"][0] for one in told["blocks"]] == ["2023Q1"]
    assert len(told["waivers"]) == 3
    assert told["threshold"] == 11
    design = told["design"]
    assert design["meets"]
    assert "shown" not in design
    (block,) = release_ledger.read(sample_store)
    assert min(block.shown[name] for name in ("calls", "outcomes")) >= 0.8
    assert set(public.table("cells")["state"]) == {"shown", "hidden"}
    assert design["cells"]["primary"] > 0
    assert design["cells"]["complementary"] > 0


def test_a_public_release_holds_only_what_its_policy_names(public):
    names = {path.name for path in public.folder.iterdir()}
    tables = {name.removesuffix(".parquet") for name in names if name.endswith(".parquet")}
    assert tables == set(public.tables)
    assert {name.partition("_")[0] for name in tables} <= release_tables(public.policy)
    assert not {"places", "place_hours", "reach", "masked", "ranks"} & tables
    columns = {column for name in tables for column in public.table(name).columns}
    barred = {
        "x",
        "y",
        "lon",
        "lat",
        "place_id",
        "call_id",
        "address",
        "zone",
        "n_places",
        "hotspot_id",
        "sample",
        "detail",
    }
    assert not columns & barred
    assert not public.table("services")["service_id"].isin(["Harbor Light Safe House"]).any()
    assert "Harbor Light" not in bytes_of(public.folder).decode("utf-8", "ignore")


def test_numbers_stand_only_in_shown_cells_and_none_is_small(public):
    for name in ("calls", "cells", "hours"):
        table = public.table(name)
        assert table["n"].notna().eq(table["state"] == "shown").all()
        assert not table["n"].dropna().between(1, 10).any()
    cells = public.table("cells")
    assert set(cells["grain"]) <= {"quarter", "year", "whole"}
    hidden = cells[cells["state"] != "shown"]
    assert len(hidden)


def test_measures_are_those_of_shown_cells_only(public):
    measures, cells = public.table("measures"), public.table("cells")
    key = ["level", "geoid", "need", "leg", "grain", "period"]
    of_leg = cells[cells["outcome"] != "no_leg"]
    closed = set(of_leg.loc[of_leg["state"] != "shown", key].itertuples(index=False, name=None))
    told = measures[measures["leg"] != ""]
    assert len(told)
    assert not closed & set(told[key].itertuples(index=False, name=None))
    row = told.iloc[0]
    own = of_leg[(of_leg[key] == row[key]).all(axis=1)].set_index("outcome")["n"]
    assert row["n_calls"] == own.sum()
    assert row["at_least"] == own["unmet"]
    assert row["at_most"] == own["unmet"] + own["uncertain"]
    assert row["per_year_low"] <= row["at_least_per_year"] <= row["at_most_per_year"] <= row["per_year_high"]


def test_public_outlines_of_recurring_calls_are_squares_without_counts(public, sample_store):
    spots = public.table("hotspots")
    assert list(spots.columns) == ["number", "need", "class", "status", "peak_block", "geometry"]
    assert not set(spots["need"]) & set(public.policy.never_points)
    exact = sample_store.read("hotspots")
    assert len(spots) < (exact["product"] == "excess").sum()
    for shape in shapely.from_wkb(spots["geometry"].to_numpy()):
        assert shape.area > 0


def test_areas_come_as_parquet_and_as_geojson_in_degrees(public):
    areas = public.table("areas_tract")
    assert len(areas) == 28
    west, south, east, north = shapely.total_bounds(shapely.from_wkb(areas["geometry"].to_numpy()))
    assert -87.35 < west < east < -87.05
    assert 42.95 < south < north < 43.2
    told = json.loads((public.folder / "areas_tract.geojson").read_text("utf-8"))
    assert {one["properties"]["geoid"] for one in told["features"]} == set(areas["geoid"])


def test_no_planted_text_is_in_any_byte_of_a_public_release(public, sample_store):
    """Call numbers, place ids and addresses of the store: none is in the release."""
    calls = sample_store.read("calls", ["call_id", "place_id", "call_type"])
    text = bytes_of(public.folder)
    planted = [*calls["call_id"].iloc[::50], *calls["place_id"].dropna().iloc[::50]]
    assert len(planted) > 500
    assert not [one for one in planted if len(one) > 6 and one.encode() in text]


# --- same again, and immutable --------------------------------------------------------------------


def test_building_twice_gives_the_same_folder_untouched(public, sample_city, sample_store, root):
    before = _tree(public.folder)
    again = build_release(sample_city, sample_store, public.policy, root / "out")
    assert again == public.folder
    assert _tree(again) == before


@pytest.mark.slow
def test_building_elsewhere_gives_the_same_tables(public, sample_city, sample_store, tmp_path):
    again = build_release(sample_city, sample_store, public.policy, tmp_path)
    assert again.name == public.folder.name
    ours, theirs = _tree(public.folder), _tree(again)
    assert {n: h for n, h in ours.items() if n != "release.json"} == {
        n: h for n, h in theirs.items() if n != "release.json"
    }


def test_a_release_is_logged(public, root):
    report = verify(root / "audit.jsonl")
    assert report.is_whole
    assert report.n_lines == 1
    line = json.loads((root / "audit.jsonl").read_text("utf-8").splitlines()[0])
    assert line["action"] == "release"
    assert line["who"] == "tester"
    assert line["release"] == public.release_id


def test_the_ledger_holds_the_counts_and_the_release_does_not(public, sample_store):
    (folder,) = (sample_store.folder / "ledger" / "public").iterdir()
    full = pd.read_parquet(folder / "cells.parquet")
    assert full["n"].between(1, 10).any()
    assert len(full) >= len(public.table("cells"))


# --- staff ----------------------------------------------------------------------------------------


def test_internal_cells_add_up_to_the_store(internal, sample_store):
    cells, gaps = internal.table("cells"), sample_store.read("gaps")
    gaps = gaps[(gaps["level"] == "city") & (gaps["variant"] == "default") & (gaps["period"] == "whole")]
    own = cells[(cells["level"] == "city") & (cells["variant"] == "default")]
    for grain in ("whole", "day"):
        n = own[own["grain"] == grain].groupby(["need", "leg"])["n"].sum()
        expected = gaps.set_index(["need", "leg"])["n_calls"]
        assert n.reindex(expected.index, fill_value=0).tolist() == expected.tolist()
    assert internal.told["banners"] == ["internal - not for publication"]
    assert not {"places", "reach", "place_hours"} & set(internal.tables)
    assert not internal.table("services")["name"].eq("Harbor Light Safe House").any()


def test_case_conference_has_places_but_no_sensitive_call(conference, sample_store):
    places = conference.table("places")
    assert len(places)
    assert not set(places["need"]) & set(conference.policy.never_points)
    calls = sample_store.read("calls")
    calls = calls[calls["merged_into"].isna() & (calls["origin"] == "community") & (calls["scope"] == "in_scope")]
    open_calls = calls[(calls["sensitive"] == "none") & ~calls["need"].isin(conference.policy.never_points)]
    expected = open_calls.groupby(["place_id", "need"]).size()
    got = places.set_index(["place_id", "need"])["n_calls"]
    assert (expected.reindex(got.index) == got).all()
    services = sample_store.read("services").query("is_confidential")["service_id"]
    assert not conference.table("reach")["service_id"].isin(services).any()


@pytest.mark.slow
def test_a_partner_sees_its_own_record_marked(sample_city, sample_store, root, public):
    policy = short_policy(root, sample_city, slug="partner")
    release = open_release(build_release(sample_city, sample_store, policy, root / "out"))
    services = release.table("services")
    assert set(services.loc[services["is_own"], "organization"]) == {"Northshore Behavioral Health"}
    assert "lon" not in services
    assert not release.table("cells")["n"].dropna().between(1, 10).any()


# --- refused --------------------------------------------------------------------------------------


def test_a_table_that_is_not_named_is_refused(public):
    with pytest.raises(ReleaseError, match=r"got \[places\]"):
        public.table("places")
    with pytest.raises(ReleaseError, match="does not release"):
        public.table("../../calls")


def test_gates_are_said_all_at_once(sample_city, sample_store, public, tmp_path):
    real = replace(sample_city, is_synthetic=False)
    with pytest.raises(UnmetError) as refused:
        build_release(real, sample_store, public.policy, tmp_path)
    for part in ("sign_off.counsel", "partners_previewed", "data/rules", "data/matching", "expires"):
        assert part in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_an_expired_policy_builds_and_opens_nothing(sample_city, sample_store, public, tmp_path):
    policy = replace(public.policy, expires=date(2020, 1, 1))
    with pytest.raises(UnmetError, match="POLICY_EXPIRED"):
        build_release(sample_city, sample_store, policy, tmp_path)
    folder = tmp_path / public.release_id
    folder.mkdir()
    dated = (
        public.folder.joinpath("policy.toml").read_text("utf-8").replace('expires = "never"', "expires = 2199-12-31")
    )
    (folder / "policy.toml").write_text(dated, "utf-8")
    told = json.loads((public.folder / "release.json").read_text("utf-8"))
    told["policy_hash"] = policy_hash(load_policy(folder / "policy.toml"))
    (folder / "release.json").write_text(json.dumps(told), "utf-8")
    assert open_release(folder, today=date(2199, 12, 31)).release_id == public.release_id
    with pytest.raises(ReleaseError, match="POLICY_EXPIRED"):
        open_release(folder, today=date(2200, 1, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "2.0"}, "newer version"),
        ({"policy_hash": "0" * 64}, "expected the policy"),
        ({"tables": {"places": {"file": "places.parquet", "rows": 1}}}, r"got \[places\]"),
    ],
)
def test_a_release_that_is_not_as_it_was_made_is_not_opened(public, tmp_path, change, message):
    folder = tmp_path / public.release_id
    folder.mkdir()
    told = json.loads((public.folder / "release.json").read_text("utf-8"))
    (folder / "release.json").write_text(json.dumps(told | change), "utf-8")
    (folder / "policy.toml").write_bytes((public.folder / "policy.toml").read_bytes())
    with pytest.raises(ReleaseError, match=message):
        open_release(folder)


def test_the_newest_release_is_never_one_that_is_still_being_written(tmp_path):
    assert newest_in(tmp_path) is None
    for name, told in (("b", '{"made_at": "2025-01-01"}'), ("a", '{"made_at": "2025-02-01"}'), ("z", "broken"),
                       (".c.tmp", '{"made_at": "2025-03-01"}')):  # fmt: skip
        (tmp_path / name).mkdir()
        (tmp_path / name / "release.json").write_text(told, "utf-8")
    assert newest_in(tmp_path) == tmp_path / "a"


def test_a_folder_without_a_release_is_refused(tmp_path):
    with pytest.raises(ReleaseError, match="unmet release"):
        open_release(tmp_path)


def test_a_broken_ledger_stops_the_next_release(sample_city, sample_store, root, public, tmp_path):
    from tests.runs import copied

    store = Store(copied(sample_store.folder, tmp_path / "sample"))
    entry = next((store.folder / "ledger" / "public").iterdir())
    (entry / "cells.parquet").unlink()
    policy = short_policy(tmp_path, sample_city, version='"1.0.1"')
    with pytest.raises(UnmetError, match="restore the folder"):
        build_release(sample_city, store, policy, tmp_path / "out")
