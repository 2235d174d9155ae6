"""Local time and UTC agree with zoneinfo on every daylight-saving day, in NumPy and in SQL."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.errors import InputError
from pipelines.localtime import pieces, sql_of_local, sql_of_utc, to_local, to_utc, transitions

START, END = date(2010, 1, 1), date(2031, 1, 1)
ZONES = (
    "America/Chicago",
    "America/New_York",
    "America/Los_Angeles",
    "America/St_Johns",
    "America/Phoenix",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Europe/London",
    "Africa/Casablanca",
    "Pacific/Apia",
)
CHANGES = {zone: transitions(zone, START, END) for zone in ZONES}


def _truth(local: datetime, zone: str, fold: int = 0) -> tuple[datetime | None, bool]:
    """UTC (None in a gap) and whether the time is shown twice, one value at a time by the standard library."""
    aware = local.replace(tzinfo=ZoneInfo(zone), fold=fold)
    utc = aware.astimezone(UTC)
    exists = utc.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local
    twice = aware.utcoffset() != local.replace(tzinfo=ZoneInfo(zone), fold=1 - fold).utcoffset()
    return (utc.replace(tzinfo=None) if exists else None), exists and twice


def test_chicago_2024_by_hand() -> None:
    got = transitions("America/Chicago", date(2024, 1, 1), date(2025, 1, 1))
    assert got["at"].tolist() == [
        pd.Timestamp("2024-03-10 08:00", tz="UTC"),
        pd.Timestamp("2024-11-03 07:00", tz="UTC"),
    ]
    assert got["offset_before_s"].tolist() == [-21600, -18000]
    assert got["offset_after_s"].tolist() == [-18000, -21600]
    local = np.array(
        ["2024-03-10T01:59:59", "2024-03-10T02:30", "2024-03-10T03:00", "2024-11-03T01:30", "NaT"],
        dtype="datetime64[s]",
    )
    utc, gap, fold = to_utc(local, zone="America/Chicago")
    assert gap.tolist() == [False, True, False, False, False]
    assert fold.tolist() == [False, False, False, True, False]
    expected = ["2024-03-10T07:59:59", "NaT", "2024-03-10T08:00", "2024-11-03T06:30", "NaT"]
    np.testing.assert_array_equal(utc, np.array(expected, dtype="datetime64[us]"))
    second, _, _ = to_utc(local[3:4], zone="America/Chicago", ambiguous="second")
    assert second[0] == np.datetime64("2024-11-03T07:30", "us")


def test_pieces_of_a_year() -> None:
    got = pieces("America/Chicago", date(2024, 1, 1), date(2025, 1, 1))
    assert got["kind"].tolist() == ["plain", "gap", "plain", "fold", "plain"]
    assert got["local_from"].iloc[1:].astype(str).tolist() == [
        "2024-03-10 02:00:00",
        "2024-03-10 03:00:00",
        "2024-11-03 01:00:00",
        "2024-11-03 02:00:00",
    ]
    assert got["offset_s"].isna().tolist() == [False, True, False, False, False]


@pytest.mark.parametrize("zone", ZONES)
def test_every_quarter_hour_around_every_change(zone: str) -> None:
    minutes = [timedelta(minutes=15 * k, seconds=s) for k in range(-20, 21) for s in (-1, 0, 1)]
    days = [at.to_pydatetime().replace(tzinfo=None) for at in CHANGES[zone]["at"]]
    shown = [day + timedelta(hours=h) + m for day in days for h in (-10, -6, 0, 2, 9, 12) for m in minutes]
    shown = shown or [datetime(2024, 6, 1)]
    local = np.array(shown, dtype="datetime64[us]")
    utc, gap, fold = to_utc(local, zone=zone)
    truth = [_truth(value, zone) for value in shown]
    np.testing.assert_array_equal(utc, np.array([value for value, _ in truth], dtype="datetime64[us]"))
    assert gap.tolist() == [value is None for value, _ in truth]
    assert fold.tolist() == [twice for _, twice in truth]
    np.testing.assert_array_equal(to_local(utc[~gap], zone=zone), local[~gap])


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.lists(st.datetimes(datetime(2010, 1, 2), datetime(2030, 12, 30)), min_size=1, max_size=20),
    st.sampled_from(["first", "second"]),
    st.data(),
)
def test_sql_and_numpy_and_zoneinfo_agree(
    zone: str, values: list[datetime], ambiguous: str, data: st.DataObject
) -> None:
    if len(CHANGES[zone]):
        at = data.draw(st.sampled_from(CHANGES[zone]["at"].tolist())).to_pydatetime().replace(tzinfo=None)
        shift = data.draw(st.integers(-36 * 3600, 36 * 3600))
        values = [*values, at + timedelta(seconds=shift)]
    local = np.array(values, dtype="datetime64[us]")
    utc, gap, fold = to_utc(local, zone=zone, ambiguous=ambiguous)
    truth = [_truth(value, zone, fold=int(ambiguous == "second")) for value in values]
    assert [None if np.isnat(v) else v.item() for v in utc] == [value for value, _ in truth]
    as_utc, in_gap, in_fold = sql_of_local("t", zone=zone, start=START, end=END, ambiguous=ambiguous)
    back = sql_of_utc("u", zone=zone, start=START, end=END)
    query = (
        f"SELECT u, g, f, {back} FROM (SELECT {as_utc} AS u, {in_gap} AS g, {in_fold} AS f, i FROM "
        "(SELECT unnest(?::TIMESTAMP[]) AS t, generate_subscripts(?::TIMESTAMP[], 1) AS i)) ORDER BY i"
    )
    rows = duckdb.execute(query, [values, values]).fetchall()
    assert [row[:3] for row in rows] == [
        (value, value is None, twice) for value, twice in zip(*_columns(truth), strict=True)
    ]
    assert [row[3] for row in rows] == [None if is_gap else value for value, is_gap in zip(values, gap)]
    assert fold.tolist() == [twice for _, twice in truth]


def _columns(truth: list[tuple[datetime | None, bool]]) -> tuple[list[datetime | None], list[bool]]:
    return [value for value, _ in truth], [twice for _, twice in truth]


def test_a_name_that_is_no_zone_is_refused() -> None:
    with pytest.raises(InputError, match=r"got \[America/Chicgo\]"):
        transitions("America/Chicgo", START, END)
    with pytest.raises(InputError):
        transitions("../etc/passwd", START, END)
