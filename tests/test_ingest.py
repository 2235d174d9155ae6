"""Ingest: typed rows, a reason for every refused row, counts that reconcile, nothing stored that nobody asked for."""

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from geo.errors import ConfigError, FileRejected
from pipelines.city import City, Outage, Source, Window
from pipelines.ingest import find, ingest_source
from pipelines.ingest_child import type_source
from pipelines.ingest_recipe import from_json, recipe_of, to_json

CITY = City(
    slug="sample",
    name="Sample City (synthetic)",
    is_synthetic=True,
    timezone="America/Chicago",
    crs="EPSG:32616",
    bbox=(-87.35, 42.95, -87.05, 43.20),
    windows=(Window(start=date(2024, 1, 1), end=date(2025, 1, 1)),),
    services_as_of=date(2025, 1, 1),
    levels=(),
    sources=(),
    outages=(Outage(start=date(2024, 7, 1), end=date(2024, 7, 3), reason="server moved"),),
)
COLUMNS = {
    "call_id": ("NO",),
    "received_at": ("RECEIVED",),
    "cleared_at": ("CLEARED",),
    "call_type": ("TYPE",),
    "origin": ("SOURCE",),
    "address": ("ADDRESS",),
    "x": ("LON",),
    "y": ("LAT",),
}
CALLS = Source(
    id="calls.cad",
    kind="calls",
    path="calls.csv",
    format="csv",
    columns=tuple(COLUMNS.items()),
    unused=("NOTES",),
    values=(("origin", "911", "community"), ("origin", "ON VIEW", "officer")),
    time_format="%m/%d/%Y %I:%M:%S %p",
    crs="EPSG:4326",
    origin="column",
)
HEAD = "NO,RECEIVED,CLEARED,TYPE,SOURCE,ADDRESS,LON,LAT,NOTES"
GOOD = "A1,03/04/2024 08:15:00 AM,03/04/2024 08:45:00 AM,WELFARE CHECK,911,12 ELM ST,-87.2,43.07,a private story"


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What one in-process run left: counts, rows and quarantine as frames, findings by reason."""

    done: dict[str, Any]
    rows: pd.DataFrame
    quarantine: pd.DataFrame
    found: dict[str, list[Any]]

    @property
    def reasons(self) -> list[tuple[int, str, str]]:
        chosen = self.quarantine[["source_line", "reason", "column"]]
        return [tuple(row) for row in chosen.itertuples(index=False)]


def _typed(tmp_path: Path, lines: list[str], *, city: City = CITY, head: str = HEAD, **settings: Any) -> Typed:
    path = tmp_path / "calls.csv"
    path.write_text("\n".join([head, *lines, ""]), encoding="utf-8", newline="")
    return run(tmp_path, path, city, replace(CALLS, **{"max_bad_share": 1.0, **settings}))


def run(tmp_path: Path, path: Path, city: City, source: Source) -> Typed:
    """A source typed in this process; the counts must reconcile."""
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    done = type_source(str(path), str(out), to_json(recipe_of(city, source)), 500)
    rows, quarantine = pd.read_parquet(out / "rows.parquet"), pd.read_parquet(out / "quarantine.parquet")
    assert done["rows_in"] == done["n_kept"] + done["n_quarantined"]
    assert len(rows) == done["n_kept"]
    assert quarantine["source_line"].nunique() == done["n_quarantined"]
    return Typed(done=done, rows=rows, quarantine=quarantine, found={found[0]: found for found in done["findings"]})


def _line(**change: str) -> str:
    names = HEAD.split(",")
    return ",".join({**dict(zip(names, GOOD.split(","), strict=True)), **change}[name] for name in names)


def test_a_good_row_is_typed(tmp_path: Path) -> None:
    rows = _typed(tmp_path, [GOOD]).rows
    row = rows.iloc[0]
    assert row["source_id"] == "calls.cad"
    assert (row["source_line"], row["call_id"], row["call_type"]) == (1, "A1", "WELFARE CHECK")
    assert row["received_at"] == pd.Timestamp("2024-03-04 14:15", tz="UTC")
    assert row["received_local"] == pd.Timestamp("2024-03-04 08:15")
    assert row["cleared_at"] == pd.Timestamp("2024-03-04 14:45", tz="UTC")
    assert (row["origin"], row["caller_role"], row["address"]) == ("community", "unknown", "12 ELM ST")
    assert (row["x"], row["y"]) == (483717.0, 4768608.0)
    assert rows[["dispatched_at", "duration_min", "n_units", "beat_text", "disposition"]].isna().all(axis=None)


def test_columns_that_nobody_asked_for_are_stored_nowhere(tmp_path: Path) -> None:
    _typed(tmp_path, [GOOD, _line(NO="", NOTES="another story")])
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or b"story" not in path.read_bytes()
    assert sorted(p.name for p in (tmp_path / "out").iterdir() if p.is_file()) == [
        "quarantine.parquet",
        "rows.parquet",
    ]


@pytest.mark.parametrize(
    ("change", "reason", "column"),
    [
        ({"NO": ""}, "MISSING_KEY", "call_id"),
        ({"NO": " NULL "}, "MISSING_KEY", "call_id"),
        ({"NO": "240000001.0"}, "BAD_KEY_FORMAT", "call_id"),
        ({"NO": "2.40000002E8"}, "BAD_KEY_FORMAT", "call_id"),
        ({"NO": "2.4E+08"}, "BAD_KEY_FORMAT", "call_id"),
        ({"RECEIVED": ""}, "BAD_DATETIME", "received_at"),
        ({"RECEIVED": "03/04/2024 08:15:00"}, "BAD_DATETIME", "received_at"),
        ({"RECEIVED": "03/04/2024"}, "BAD_DATETIME", "received_at"),
        ({"RECEIVED": "03/04/2024 13:15:00 PM"}, "BAD_DATETIME", "received_at"),
        ({"RECEIVED": "13/04/2024 08:15:00 AM"}, "BAD_DATETIME", "received_at"),
        ({"RECEIVED": "02/30/2024 08:15:00 AM"}, "BAD_DATETIME", "received_at"),
        ({"RECEIVED": "03/04/2024 08:15:00 AM-06:00"}, "BAD_DATETIME", "received_at"),
        ({"RECEIVED": "٠٣/04/2024 08:15:00 AM"}, "BAD_DATETIME", "received_at"),
        ({"RECEIVED": "infinity"}, "BAD_DATETIME", "received_at"),
        ({"RECEIVED": "epoch"}, "DATETIME_OUT_OF_RANGE", "received_at"),
        ({"RECEIVED": "03/04/0001 08:15:00 AM"}, "DATETIME_OUT_OF_RANGE", "received_at"),
        ({"RECEIVED": "03/04/9999 08:15:00 AM"}, "DATETIME_OUT_OF_RANGE", "received_at"),
        ({"RECEIVED": "12/30/2023 11:59:59 PM"}, "DATETIME_OUT_OF_RANGE", "received_at"),
        ({"RECEIVED": "01/02/2025 12:00:00 AM"}, "DATETIME_OUT_OF_RANGE", "received_at"),
        ({"RECEIVED": "12/31/2023 11:59:59 PM"}, "OUTSIDE_WINDOW", "received_at"),
        ({"RECEIVED": "07/02/2024 08:15:00 AM"}, "OUTSIDE_WINDOW", "received_at"),
        ({"RECEIVED": "03/10/2024 02:30:00 AM"}, "NONEXISTENT_LOCAL_TIME", "received_at"),
        ({"LON": "west"}, "BAD_COORDINATE", "x"),
        ({"LON": "1_0"}, "BAD_COORDINATE", "x"),
        ({"LON": "nan2"}, "BAD_COORDINATE", "x"),
        ({"LON": "43.07", "LAT": "-87.2"}, "COORD_SWAPPED", "x"),
        ({"LON": "-74.0"}, "COORD_OUT_OF_BOUNDS", "x"),
        ({"LON": "-181", "LAT": "91"}, "COORD_OUT_OF_BOUNDS", "x"),
        ({"ADDRESS": "é" * 1001}, "FIELD_TOO_LONG", "address"),
    ],
)
def test_each_faulty_row_has_its_reason(tmp_path: Path, change: dict[str, str], reason: str, column: str) -> None:
    got = _typed(tmp_path, [GOOD, _line(**change), GOOD])
    assert got.reasons == [(2, reason, column)]
    assert got.rows["source_line"].tolist() == [1, 3]
    shown = str(got.quarantine["redacted"].iloc[0])
    assert not any(len(value) > 3 and value.strip() in shown for value in change.values())
    assert got.found[reason][2] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"NO": "0012"},
        {"NO": "12E345"},
        {"NO": "-3409245"},
        {"CLEARED": ""},
        {"TYPE": ""},
        {"RECEIVED": "3/4/2024 8:15:00 AM"},
        {"RECEIVED": "12/31/2024 11:59:59 PM", "CLEARED": "01/01/2025 01:00:00 AM"},
        {"LON": "-8.72e1"},
        {"ADDRESS": "é" * 1000},
    ],
)
def test_odd_but_legal_rows_are_kept_as_they_are(tmp_path: Path, change: dict[str, str]) -> None:
    got = _typed(tmp_path, [_line(**change)])
    assert got.reasons == []
    assert got.rows["call_id"].iloc[0] == change.get("NO", "A1")


def test_the_quarantine_shows_shapes_and_lengths_only(tmp_path: Path) -> None:
    got = _typed(tmp_path, [_line(RECEIVED="04.03.2024 8 Uhr"), _line(NO="7.0"), _line(ADDRESS="x" * 2000), "A1,b"])
    assert got.quarantine["redacted"].tolist() == [
        "99.99.9999 9 AAA",
        "9.9",
        "2000 characters",
        "2 fields, 9 expected, line 5",
    ]


def test_a_row_with_two_faults_is_counted_once(tmp_path: Path) -> None:
    got = _typed(tmp_path, [GOOD, _line(NO="", RECEIVED="soon", LON="1")])
    assert [reason for _, reason, _ in got.reasons] == ["MISSING_KEY", "BAD_DATETIME", "COORD_OUT_OF_BOUNDS"]
    assert got.done["n_quarantined"] == 1


def test_missing_and_zero_coordinates_are_kept_and_said(tmp_path: Path) -> None:
    got = _typed(tmp_path, [GOOD, _line(LON="", LAT=""), _line(LON="0", LAT="0.000"), _line(LAT="")])
    assert got.rows["x"].isna().tolist() == [False, True, True, True]
    assert (got.found["COORD_MISSING"][2], got.found["COORD_ZERO"][2]) == (2, 1)
    assert got.found["LOCATED"][2:4] == [1, 0.25]


def test_autumn_hour_is_read_as_the_first_pass_and_keeps_the_order(tmp_path: Path) -> None:
    line = _line(RECEIVED="11/03/2024 01:50:00 AM", CLEARED="11/03/2024 01:10:00 AM")
    got = _typed(tmp_path, [line])
    assert got.rows["received_at"].iloc[0] == pd.Timestamp("2024-11-03 06:50", tz="UTC")
    assert got.rows["cleared_at"].iloc[0] == pd.Timestamp("2024-11-03 07:10", tz="UTC")
    assert got.found["AMBIGUOUS_LOCAL_TIME"][2] == 1
    second = _typed(tmp_path, [line], ambiguous_time="second")
    assert second.rows["received_at"].iloc[0] == pd.Timestamp("2024-11-03 07:50", tz="UTC")
    refused = _typed(tmp_path, [GOOD, line], ambiguous_time="quarantine")
    assert refused.reasons == [(2, "AMBIGUOUS_LOCAL_TIME", "received_at")]


def test_later_times_that_cannot_be_are_missing_and_said(tmp_path: Path) -> None:
    got = _typed(
        tmp_path,
        [
            _line(CLEARED="soon"),
            _line(CLEARED="03/04/2024 08:00:00 AM"),
            _line(CLEARED="06/04/2024 08:00:00 AM"),
            _line(CLEARED="01/01/9999 08:00:00 AM"),
        ],
    )
    assert got.rows["cleared_at"].isna().all()
    assert (got.found["WARN_BAD_LATER_TIME"][2], got.found["WARN_TIME_ORDER"][2]) == (2, 2)


def test_origins_are_translated_and_the_rest_is_unknown(tmp_path: Path) -> None:
    sources = ["911", "on  view", "TELEPATHY", "TELEPATHY", "TELEPATHY", "TELEPATHY", "TELEPATHY", "J. DOE", ""]
    got = _typed(tmp_path, [_line(SOURCE=source) for source in sources])
    assert got.rows["origin"].tolist() == ["community", "officer", *["unknown"] * 7]
    finding = got.found["UNMAPPED_ORIGIN"]
    assert finding[2] == 6
    assert "TELEPATHY (5)" in finding[4]
    assert "DOE" not in finding[4]
    assert got.found["BLANK_ORIGIN"][2] == 1
    assert _typed(tmp_path, [GOOD], origin="inferred").rows["origin"].isna().all()


def test_types_lose_invisible_characters_and_line_ends(tmp_path: Path) -> None:
    types = [" WELFARE  CHECK ", "WELFARE CHECK\u200b", "WELFARE\u00a0CHECK", '"WELFARE\nCHECK"', "\u202eWELFARE CHECK"]
    got = _typed(tmp_path, [_line(TYPE=text) for text in types])
    assert set(got.rows["call_type"]) == {"WELFARE CHECK"}


def test_type_split_and_the_cap_on_types(tmp_path: Path) -> None:
    got = _typed(tmp_path, [_line(TYPE="EMS: OVERDOSE"), _line(TYPE="OTHER"), _line(TYPE="EMS:")], type_split=":")
    assert got.rows["call_type"].tolist() == ["OVERDOSE", "OTHER", "EMS:"]
    with pytest.raises(FileRejected, match=r"FILE_TOO_MANY_TYPES.*got \[4\]"):
        _typed(tmp_path, [_line(TYPE=f"story {n}") for n in range(4)], max_distinct_types=3)


def test_feet_are_projected_and_degrees_in_their_place_are_refused(tmp_path: Path) -> None:
    feet = _line(LON="2716533.0", LAT="402541.8")
    got = _typed(tmp_path, [feet], crs="EPSG:2289")
    assert abs(got.rows["x"].iloc[0] - 483717) <= 1
    assert abs(got.rows["y"].iloc[0] - 4768608) <= 1
    with pytest.raises(FileRejected, match=r"COORD_OUT_OF_BOUNDS.*look like degrees; config says EPSG:2289"):
        _typed(tmp_path, [GOOD], crs="EPSG:2289")
    with pytest.raises(FileRejected, match=r"COORD_OUT_OF_BOUNDS.*sign of longitude"):
        _typed(tmp_path, [_line(LON="87.2")])
    with pytest.raises(FileRejected, match="COORD_SWAPPED"):
        _typed(tmp_path, [_line(LON="43.07", LAT="-87.2")])


def test_a_source_in_another_zone_and_one_with_offsets(tmp_path: Path) -> None:
    eastern = _typed(tmp_path, [GOOD], timezone="America/New_York").rows.iloc[0]
    assert eastern["received_at"] == pd.Timestamp("2024-03-04 13:15", tz="UTC")
    assert eastern["received_local"] == pd.Timestamp("2024-03-04 07:15")
    line = _line(RECEIVED="2024-03-04 08:15:00-0500", CLEARED="2024-03-04 08:45:00-0500")
    offset = _typed(tmp_path, [line], time_format="%Y-%m-%d %H:%M:%S%z").rows.iloc[0]
    assert offset["received_at"] == pd.Timestamp("2024-03-04 13:15", tz="UTC")
    assert offset["received_local"] == pd.Timestamp("2024-03-04 07:15")


def test_joined_columns_durations_numbers_and_a_point_in_a_cell(tmp_path: Path) -> None:
    head = "NO,DAY,HOUR,TYPE,WHERE,SECONDS,UNITS"
    lines = [
        'A1,08/10/2024 12:00:00 AM,6:10:00 AM,X,"1 ELM ST\nTOWN\n(43.07, -87.2)",90,2',
        'A2,08/10/2024 12:00:00 AM,6:10:00 PM,X,"TOWN",-5,many',
        "A3,08/10/2024 12:00:00 AM,,X,,0:01:30,",
    ]
    columns = {
        "call_id": ("NO",),
        "received_at": ("DAY", "HOUR"),
        "call_type": ("TYPE",),
        "point": ("WHERE",),
        "duration": ("SECONDS",),
        "n_units": ("UNITS",),
    }
    got = _typed(
        tmp_path,
        lines,
        head=head,
        columns=tuple(columns.items()),
        origin="inferred",
        time_format="%m/%d/%Y 12:00:00 AM %I:%M:%S %p",
        point_pattern=r"\((?P<y>-?[0-9.]+), (?P<x>-?[0-9.]+)\)",
    )
    assert got.reasons == [(3, "BAD_DATETIME", "received_at")]
    assert got.rows["received_local"].tolist() == [
        pd.Timestamp("2024-08-10 06:10"),
        pd.Timestamp("2024-08-10 18:10"),
    ]
    assert got.rows["x"].iloc[0] == 483717
    assert got.rows["duration_min"].iloc[0] == 1.5
    assert got.rows[["x", "duration_min", "n_units"]].iloc[1].isna().all()
    assert got.rows["n_units"].iloc[0] == 2


def test_a_pile_of_rows_on_one_point_is_named(tmp_path: Path) -> None:
    spread = [_line(LON=f"{-87.2 + n / 1000:.3f}") for n in range(1, 9)]
    got = _typed(tmp_path, [GOOD] * 12 + spread)
    assert "43.07,-87.2: 12 of 20" in got.found["WARN_COORD_PILEUP"][4]
    assert "WARN_COORD_PILEUP" not in _typed(tmp_path, [GOOD] * 9 + spread).found


@pytest.mark.parametrize(
    ("lines", "code", "named"),
    [
        ([_line(RECEIVED="03/04/2024 08:15:00")] * 3, "BAD_DATETIME", "AM/PM is missing: 3"),
        ([_line(NO="")] * 2 + [GOOD], "FILE_TOO_MANY_BAD_ROWS", "MISSING_KEY 2"),
        ([_line(RECEIVED="03/04/1999 08:15:00 AM")] * 2, "DATETIME_OUT_OF_RANGE", "2 of 2"),
        ([], "FILE_EMPTY", "0 rows"),
    ],
)
def test_a_file_of_mostly_bad_rows_is_refused(tmp_path: Path, lines: list[str], code: str, named: str) -> None:
    with pytest.raises(FileRejected) as caught:
        _typed(tmp_path, lines, max_bad_share=0.5)
    assert caught.value.code == code
    assert named in str(caught.value)


def test_rows_outside_the_windows_are_not_bad_rows(tmp_path: Path) -> None:
    span = (date(2020, 1, 1), date(2025, 1, 1))
    old = [_line(RECEIVED="03/04/2021 08:15:00 AM")] * 9
    got = _typed(tmp_path, [*old, GOOD], max_bad_share=0.1, date_range=span)
    assert got.done["n_kept"] == 1
    assert {reason for _, reason, _ in got.reasons} == {"OUTSIDE_WINDOW"}


def test_incidents_duty_and_responses(tmp_path: Path) -> None:
    format_ = "%Y-%m-%d %H:%M:%S"

    def typed(kind: str, text: str, columns: dict[str, str], **settings: Any) -> Typed:
        path = tmp_path / f"{kind}.csv"
        path.write_text(text)
        source = Source(id=f"{kind}.a", kind=kind, path=path.name, format="csv", time_format=format_, max_bad_share=1,
                        columns=tuple((ours, (theirs,)) for ours, theirs in columns.items()), **settings)  # fmt: skip
        return run(tmp_path, path, CITY, source)

    incidents = typed(
        "incidents",
        "R,C,T,O,X,Y\nR1,A1,2024-03-04 08:15:00,BURGLARY,-87.2,43.07\nR2,,2024-03-04 09:00:00,THEFT,,\n",
        {"incident_id": "R", "call_id": "C", "reported_at": "T", "offence": "O", "x": "X", "y": "Y"},
        crs="EPSG:4326",
    )
    assert incidents.rows["call_id"].tolist()[0] == "A1"
    assert incidents.rows["call_id"].isna().tolist() == [False, True]
    assert incidents.rows["reported_at"].iloc[0] == pd.Timestamp("2024-03-04 14:15", tz="UTC")

    shifts = "S,A,B,N\nteam,2022-03-04 08:00:00,2022-03-04 16:00:00,2\nteam,2024-11-03 00:00:00,2024-11-03 01:30:00,\n"
    shifts += "team,2024-03-04 16:00:00,2024-03-04 08:00:00,1\nteam,2024-03-05 08:00:00,,1\n"
    shifts += "team,2024-03-06 08:00:00,2024-03-06 09:00:00,x\n"
    duty = typed("duty", shifts, {"service_id": "S", "on_at": "A", "off_at": "B", "n_teams": "N"}, prefix="dir")
    assert duty.rows["n_teams"].tolist() == [2, 1]
    assert set(duty.rows["service_id"]) == {"dir:team"}
    assert duty.reasons == [(3, "BAD_INTERVAL", "off_at"), (4, "BAD_DATETIME", "off_at"), (5, "BAD_NUMBER", "n_teams")]

    sent = "C,R,A,O\nA1,PATROL,2024-03-04 08:20:00,Report\nA1,DRONE,2024-03-04 08:20:00,\n,PATROL,,\nA2,PATROL,,\n"
    responses = typed(
        "responses",
        sent,
        {"call_id": "C", "responder": "R", "assigned_at": "A", "outcome": "O"},
        values=(("responder", "patrol", "patrol"),),
    )
    assert responses.reasons == [(2, "UNKNOWN_RESPONDER", "responder"), (3, "MISSING_KEY", "call_id")]
    assert responses.rows["responder"].tolist() == ["patrol", "patrol"]
    assert responses.rows["assigned_at"].isna().tolist() == [False, True]


def test_through_the_child_with_contracts_and_the_same_bytes_twice(tmp_path: Path) -> None:
    root = tmp_path / "data"
    (root / "sample").mkdir(parents=True)
    lines = [GOOD, _line(NO=""), _line(NO="A2", TYPE="=1+1")]
    (root / "sample" / "calls.csv").write_text("\n".join([HEAD, *lines, ""]))
    steps: list[str] = []
    got = ingest_source(CITY, CALLS, root, tmp_path, progress=lambda step, done, total: steps.append(step))
    assert (got.rows_in, got.n_quarantined) == (3, 1)
    assert got.rows == tmp_path / "calls.cad.parquet"
    assert got.quarantine["redacted"].tolist() == ["blank"]
    assert set(got.quality["stage"]) == {"ingest"}
    assert steps[-1] == "done"
    first = got.rows.read_bytes()
    assert ingest_source(CITY, CALLS, root, tmp_path).rows.read_bytes() == first
    assert not list(tmp_path.glob("*.work"))
    (root / "sample" / "calls.csv").write_text("")
    with pytest.raises(FileRejected, match=r"^calls\.csv: FILE_EMPTY"):
        ingest_source(CITY, CALLS, root, tmp_path)


def test_paths_and_settings_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "outside.csv").write_text("x")
    root = tmp_path / "data"
    root.mkdir()
    with pytest.raises(FileRejected, match="FILE_PATH"):
        find(CITY, "../outside.csv", root)
    with pytest.raises(FileRejected, match="FILE_MISSING"):
        find(CITY, "none.csv", root)
    with pytest.raises(ConfigError, match="calls, incidents, duty, responses"):
        ingest_source(CITY, replace(CALLS, kind="services"), root, tmp_path)
    for change, named in (
        ({"crs": None}, "crs"),
        ({"time_format": None}, "time_format"),
        ({"time_format": "%Y"}, "hour"),
    ):
        with pytest.raises(ConfigError, match=named):
            recipe_of(CITY, replace(CALLS, **change))


def test_a_recipe_survives_json() -> None:
    recipe = recipe_of(CITY, replace(CALLS, date_range=(date(2024, 1, 1), date(2024, 2, 1))))
    assert from_json(to_json(recipe)) == recipe
