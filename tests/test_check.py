"""`check_city`: data against configuration, all faults at once, and a profile that shows no call."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from pipelines.check import CheckReport, check_city
from pipelines.check_areas import check_level
from pipelines.check_found import Found
from pipelines.check_show import render
from pipelines.check_sources import check_source
from pipelines.city import load_city
from pipelines.city_file import read_city
from pipelines.resources import data_path

CITY = """
schema = 1
slug = "smallton"
name = "Smallton"
timezone = "America/Chicago"
crs = "EPSG:32616"
bbox = [-87.35, 42.95, -87.05, 43.20]
windows = [{ start = 2024-01-01, end = 2024-01-04 }]
services_as_of = 2024-01-04

[levels.tract]
role = "census"
base = true
path = "tracts.geojson"
format = "geojson"
id = "GEOID"
id_prefix = "99"
vintage = "2020"

[denominators.tract]
path = "acs.csv"
format = "csv"
id = "GEO_ID"
id_strip = "1400000US"
vintage = "2018-2022"
unused = ["NAME"]
[denominators.tract.columns]
population = "POP"

[sources.calls.cad]
path = "calls.csv"
format = "csv"
time_format = "%m/%d/%Y %I:%M %p"
crs = "EPSG:4326"
origin = "column"
unused = ["beat"]
[sources.calls.cad.columns]
call_id = "number"
received_at = ["day", "clock"]
call_type = "type"
origin = "source"
address = "address"
x = "lon"
y = "lat"
[sources.calls.cad.values.origin]
"911" = "community"
"ONVIEW" = "officer"

[sources.services.list]
path = "lists/services.csv"
format = "service_table"
kind_of_service = "day_centre"
[sources.services.list.columns]
service_id = "id"
name = "name"
x = "lon"
y = "lat"

[sources.services.package]
path = "hsds"
format = "hsds_3"
"""

CALLS = """number,day,clock,type,source,address,lon,lat,beat
A1,01/01/2024,01:30 AM,WELFARE CHECK,911,100 SECRET ST,-87.2000,43.0700,1
A2,01/01/2024,02:30 PM,SUICIDAL PERSON,911,200 SECRET ST,-87.2100,43.0710,1
A3,01/02/2024,12:00 PM,TRAFFIC STOP,onview,300 SECRET ST,-87.2200,43.0720,2
A3,01/02/2024,12:05 PM,TRAFFIC STOP,ONVIEW,300 SECRET ST,0,0,2
A4,01/09/2024,12:05 PM,ALARM,TEST,400 SECRET ST,,,2
"""


def square(name: str, west: float) -> dict[str, object]:
    ring = [[west, 43.0], [west + 0.1, 43.0], [west + 0.1, 43.1], [west, 43.1], [west, 43.0]]
    return {
        "type": "Feature",
        "properties": {"GEOID": name, "NAME": name},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The data folder of a small city whose files fit its TOML."""
    root = tmp_path / "smallton"
    for name in ("lists", "hsds"):
        (root / name).mkdir(parents=True)
    features = [square("001", -87.3), square("002", -87.2)]
    (root / "tracts.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    (root / "acs.csv").write_text("GEO_ID,NAME,POP\n1400000US99001,a,100\n1400000US99002,b,200\n")
    (root / "calls.csv").write_text(CALLS)
    (root / "lists/services.csv").write_text("id,name,lon,lat\ns1,Day place,-87.2,43.05\n")
    (root / "hsds/organizations.csv").write_text("id,name\no1,Org\n")
    (root / "hsds/services.csv").write_text("id,organization_id,name\nv1,o1,Drop-in\nv2,o9,Lost\n")
    (root / "hsds/locations.csv").write_text("id,organization_id\nl1,o1\n")
    (root / "hsds/service_at_location.csv").write_text("id,service_id,location_id\n1,v1,l1\n2,v8,l7\n")
    return root


def run(tmp_path: Path, text: str = CITY) -> CheckReport:
    path = tmp_path / "smallton.toml"
    path.write_text(text)
    return check_city(read_city(path), tmp_path)


def test_files_that_fit_have_a_profile_notes_and_no_fault(tmp_path: Path, folder: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    path = tmp_path / "smallton.toml"
    path.write_text(CITY)
    report = check_city(read_city(path), tmp_path, progress=lambda *step: steps.append(step))
    assert report.faults == ()
    assert report.ok
    assert [step[1:] for step in steps] == [(n, 5) for n in range(5)]
    _profiles_are_right(report)
    _notes_are_right("\n".join(report.notes))
    _no_call_is_shown(report)


def _profiles_are_right(report: CheckReport) -> None:
    calls = next(p for p in report.profiles if p.id == "calls.cad")
    facts = dict(calls.facts)
    assert calls.rows == 5
    assert (facts["received_at first"], facts["received_at last"]) == ("2024-01-01 01:30:00", "2024-01-09 12:05:00")
    assert (facts["call types"], facts["repeated ids"]) == (4, 1)
    assert (facts["located"], facts["inside_share"]) == (3, 1.0)
    assert facts["origin values"] == [["911", 2], ["ONVIEW", 1], ["TEST", 1], ["onview", 1]]
    assert dict(calls.blank_share)["x"] == 0.2
    tract = next(p for p in report.profiles if p.id == "levels.tract")
    assert (tract.rows, dict(tract.facts)["features_in_file"]) == (2, 2)
    joined = next(p for p in report.profiles if p.id == "denominators.tract")
    assert dict(joined.facts)["areas_matched"] == 2


def _notes_are_right(notes: str) -> None:
    assert "sources.calls.cad: 1 rows lie outside the windows" in notes
    assert "1 days inside the windows have no row [2024-01-03]" in notes
    assert "sources.calls.cad.values.origin: not mapped, so unknown [TEST]" in notes
    assert "1 row(s) repeat the id" in notes
    assert "sources.services.package: 1 values of services.organization_id refer to nothing" in notes
    assert "1 values of service_at_location.service_id refer to nothing" in notes
    assert "1 values of service_at_location.location_id refer to nothing" in notes


def _no_call_is_shown(report: CheckReport) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    render(report, console)
    said = json.dumps(report.as_json()) + console.export_text()
    assert "calls.cad" in said
    for secret in ("SECRET ST", "-87.2", "43.07", "A1", "SUICIDAL"):
        assert secret not in said


def test_all_faults_of_the_data_come_at_once(tmp_path: Path, folder: Path) -> None:
    (folder / "calls.csv").write_text(
        "number,day,clock,kind,source,address,lon,lat,unit\n"
        "A1,2024-01-01,01:30,WELFARE CHECK,PHONE,1 A ST,-97.2,43.07,1\n"
        "A2,2024-01-01,02:30,WELFARE CHECK,PHONE,1 A ST,-97.2,43.07,1\n"
    )
    (folder / "acs.csv").write_text("GEO_ID,NAME,POP\n1400000US88001,a,100\n")
    (folder / "lists/services.csv").rename(folder / "lists/services_2024.csv")
    (folder / "hsds/organizations.csv").unlink()
    report = run(tmp_path, CITY.replace('id = "GEOID"', 'id = "GEOID"\nlabel = "NAMES"'))
    expected = [
        ("sources.calls.cad.columns.call_type:", "no column [type]", "DATA_COLUMN"),
        ("sources.calls.cad:", "column [kind] is neither used nor declared unused", "DATA_COLUMN"),
        ("sources.calls.cad:", "column [unit] is neither used nor declared unused", "DATA_COLUMN"),
        ("sources.calls.cad.time_format:", "100%", "DATA_TIME"),
        ("sources.calls.cad.crs:", "0% of points lie inside bbox", "DATA_POINTS"),
        ("sources.calls.cad.values.origin:", "[PHONE]", "DATA_VALUES"),
        ("sources.services.list.path:", "[services.csv] in lists; did you mean services_2024.csv?", "DATA_MISSING"),
        ("sources.services.package.path:", "organization.csv", "DATA_PACKAGE"),
        ("levels.tract.label:", "[NAMES]; did you mean NAME?", "DATA_COLUMN"),
        ("denominators.tract.id:", "0 of 2 areas", "DATA_JOIN"),
    ]
    for start, *parts in expected:
        hits = [f for f in report.faults if f.startswith(start) and all(part in f for part in parts)]
        assert len(hits) == 1, (start, parts, report.faults)
    assert len(report.faults) == len(expected)
    assert "declared unused" in report.faults[1]
    assert any("no column of the file is named [beat]" in note for note in report.notes)


@pytest.mark.parametrize(("data", "said"), [
    (b"", "FILE_NO_HEADER"),
    (CALLS.splitlines()[0].encode() + b"\n", "DATA_EMPTY"),
    (CALLS.encode("utf-16"), "FILE_ENCODING"),
    (b"\x00\x01\x02" * 2000, "FILE_"),
    (CALLS.replace(",", ";").encode(), "FILE_DELIMITER"),
    (b"Report of calls\n\n" + CALLS.encode(), "skip_lines"),
])  # fmt: skip
def test_a_file_that_cannot_be_read_is_one_fault(tmp_path: Path, folder: Path, data: bytes, said: str) -> None:
    (folder / "calls.csv").write_bytes(data)
    path = tmp_path / "smallton.toml"
    path.write_text(CITY)
    city = read_city(path)
    found = Found(folder=folder)
    check_source(city, city.sources[0], found)
    (fault,) = found.faults
    assert fault.startswith("sources.calls.cad")
    assert said in fault


def test_a_layer_that_cannot_be_read_is_one_fault(tmp_path: Path, folder: Path) -> None:
    (folder / "tracts.geojson").write_text("{")
    path = tmp_path / "smallton.toml"
    path.write_text(CITY)
    found = Found(folder=folder)
    check_level(read_city(path).levels[0], found, ids={})
    (fault,) = found.faults
    assert "FILE_NOT_JSON" in fault


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path, folder: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text(CALLS)
    (folder / "calls.csv").unlink()
    (folder / "calls.csv").symlink_to(outside)
    found = Found(folder=folder)
    assert found.path_of("sources.calls.cad", "calls.csv") is None
    assert "leads out of the data folder" in found.faults[0]


def test_an_absent_folder_is_one_fault(tmp_path: Path) -> None:
    path = tmp_path / "smallton.toml"
    path.write_text(CITY)
    report = check_city(read_city(path), tmp_path / "nowhere")
    assert len(report.faults) == 1
    assert "--data-root" in report.faults[0]


def test_the_sample_city_has_no_faults() -> None:
    report = check_city(load_city("sample"), data_path("sample"))
    assert report.faults == ()
    assert {profile.kind for profile in report.profiles} >= {"calls", "incidents", "services", "areas", "denominators"}
