"""Merging: corrections, exact repeats, conflicts, events; everything is counted and nothing is lost."""

import pandas as pd
import pytest

from geo.crs import to_degrees
from pipelines.call_types import call_types, dispositions
from pipelines.city import KnownPoint, Source
from pipelines.locate import points
from pipelines.merge import call_id_sql, calls, id_space
from tests import build


@pytest.fixture
def merged(tmp_path):
    def make(rows, **settings):
        city = build.city(**settings)
        raw = (build.raw_calls(rows, tmp_path / "raw.parquet"),)
        found = points(city, tmp_path, raw, (), build.areas())
        paths = {"points": found["points"], "types": call_types(city, tmp_path, raw)["call_types"]}
        paths["dispositions"] = dispositions(city, tmp_path, raw)
        for name, frame in paths.items():
            frame.to_parquet(tmp_path / f"{name}.parquet")
        made = calls(city, tmp_path, raw, *(tmp_path / f"{n}.parquet" for n in ("types", "dispositions", "points")))
        return pd.read_parquet(made["calls"]), made["quarantine_merge"], made["quality_merge"]

    return make


def stands(table):
    return table[table["merged_into"].isna()]


def test_the_latest_row_of_a_number_wins(merged):
    rows = [
        {"call_id": "A", "call_type": "WELFARE CHECK"},
        {"call_id": "A", "call_type": "SUICIDAL PERSON"},
    ]
    table, refused, found = merged(rows)
    assert stands(table)["need"].tolist() == ["mental_health"]
    assert stands(table)["n_rows"].tolist() == [2]
    assert len(table) == 2
    assert refused.empty
    assert found["reason"].tolist() == ["CORRECTED"]


def test_exact_repeats_are_merged_and_named(merged):
    table, _, found = merged([{"call_id": "A"}, {"call_id": "A"}])
    assert len(stands(table)) == 1
    assert found["reason"].tolist() == ["DUPLICATE_EXACT"]


def test_a_number_reused_for_another_day_and_place_is_refused_whole(merged):
    rows = [{"call_id": "A"}, {"call_id": "A", "received_at": "2024-06-01", "x": build.X0 + 1500}, {"call_id": "B"}]
    table, refused, _ = merged(rows)
    assert table["call_id"].tolist() == ["B"]
    assert refused["source_line"].tolist() == [1, 2]
    assert set(refused["reason"]) == {"DUPLICATE_CONFLICT"}


def test_an_event_ends_half_an_hour_after_its_first_call(merged):
    minutes = [0, 20, 30, 31, 61, 62]
    rows = [{"received_at": f"2024-03-04 {12 + m // 60:02d}:{m % 60:02d}:00"} for m in minutes]
    table, _, _ = merged(rows)
    assert stands(table)["call_id"].tolist() == ["C00001", "C00004", "C00006"]
    assert stands(table)["n_rows"].tolist() == [3, 2, 1]


@pytest.mark.parametrize(
    "other",
    [
        {"x": build.X0 + 560},
        {"call_type": "SUICIDAL PERSON"},
        {"origin": "officer"},
        {"disposition": "UNFOUNDED"},
        {"received_at": "2024-03-04 12:31:00"},
    ],
)
def test_another_place_need_origin_resolution_or_time_is_another_event(merged, other):
    table, _, _ = merged([{}, {"received_at": "2024-03-04 12:10:00"} | other])
    assert len(stands(table)) == 2


def test_merging_can_be_switched_off(merged):
    table, _, _ = merged([{}, {"received_at": "2024-03-04 12:10:00"}], merge_minutes=-1.0)
    assert len(stands(table)) == 2


def test_no_event_is_merged_at_a_placeholder_address(merged):
    rows = [{"address": f"{n} ANY ST", "received_at": f"2024-03-04 12:{n:02d}:00"} for n in range(5)]
    lon, lat = to_degrees([build.X0 + 500], [build.Y0 + 500], source_crs=build.CRS)
    table, _, _ = merged(rows, placeholders=(KnownPoint(lon=lon[0], lat=lat[0], label="default"),))
    assert len(stands(table)) == 5


def test_order_of_rows_changes_nothing_but_the_latest_version(merged):
    rows = [{"call_id": f"K{n}", "received_at": f"2024-03-04 12:{n:02d}:00"} for n in range(0, 60, 7)]
    one, _, _ = merged(rows)
    two, _, _ = merged(rows[::-1])
    columns = ["call_id", "merged_into", "n_rows", "received_at"]
    pd.testing.assert_frame_equal(one[columns].reset_index(drop=True), two[columns].reset_index(drop=True))


def test_durations_beyond_reason_are_missing_and_long_ones_capped(merged):
    start = {"dispatched_at": "2024-03-04 12:00:00", "arrived_at": "2024-03-04 12:10:00"}
    ends = ["2024-03-04 11:00:00", "2024-03-04 12:40:00", "2024-03-05 06:00:00", "2024-03-07 00:00:00"]
    rows = [start | {"cleared_at": end, "x": build.X0 + 100 * n} for n, end in enumerate(ends)]
    table, _, _ = merged(rows)
    assert table.sort_values("source_line")["committed_min"].fillna(-1).tolist() == [-1, 40, 720, -1]
    assert table.sort_values("source_line")["on_scene_min"].fillna(-1).tolist() == [-1, 30, 720, -1]


def test_scope_follows_need_tier_offence_and_resolution(merged):
    types = ["WELFARE CHECK", "OVERDOSE", "THEFT", "NOISE COMPLAINT", "SUICIDAL PERSON"]
    rows = [{"call_type": text, "x": build.X0 + 100 * n} for n, text in enumerate(types)]
    rows.append({"x": build.X0 + 900, "disposition": "UNFOUNDED"})
    table, _, _ = merged(rows)
    expected = ["in_scope", "police_or_ems", "criminal", "other_need", "in_scope", "unresolved"]
    assert table.sort_values("source_line")["scope"].tolist() == expected


def test_two_agencies_with_the_same_numbers_stay_apart():
    two = build.city(
        sources=(
            Source(id="cad", kind="calls", path="a", format="csv"),
            Source(id="so", kind="calls", path="b", format="csv"),
            Source(id="rms", kind="incidents", path="c", format="csv"),
        )
    )
    _, so, rms = two.sources
    assert call_id_sql(two, "call_id", id_space(two, so)) == "'so:' || call_id"
    assert id_space(two, rms) == "cad"
    assert call_id_sql(build.city(), "call_id", "cad") == "call_id"
