"""Service lists as tables and the two San Francisco guides."""

import gzip
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from geo.errors import FileRejected
from geo.hours import unpack
from pipelines.readers.directory import read_directory
from pipelines.readers.service_guides import read_linksf, read_sf_service_guide
from pipelines.readers.service_table import read_hours, read_service_table

ON = date(2025, 1, 6)
COLUMNS = {"name": ["name1", "name2"], "address": ["street"], "x": ["lon"], "y": ["lat"], "hours": ["hours"]}
HEADER = "name1,name2,street,lat,lon,hours"


def table(folder: Path, *lines: str, header: str = HEADER, encoding: str = "utf-8") -> Path:
    path = folder / "list.csv"
    path.write_bytes("\n".join([header, *lines, ""]).encode(encoding))
    return path


def open_hours(mask: str | None) -> float | None:
    return None if mask is None else float(unpack(bytes.fromhex(mask)).sum()) / 4


def test_a_table_by_its_columns(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        'Center,Adult  Services,1 Main St,39.1,-84.5,"Mon-Fri 9am-5pm"',
        'Center,Adult  Services,1 Main St,39.1,-84.5,"Mon-Fri 9am-5pm"',
        "Center,,2 Main St,,,call us",
        "too,few",
    )
    directory = read_directory(path, format="service_table", on=ON, table={"columns": COLUMNS})
    first, second = directory.listings
    assert (first.name, first.x, first.y, open_hours(first.hours)) == ("Center Adult Services", "-84.5", "39.1", 40)
    assert (second.hours, second.hours_written) == (None, True)
    assert first.service != second.service
    assert len(first.service) == 12
    assert (directory.rows_in, directory.merged, directory.refused) == (4, 1, ((4, "ROW_WIDTH", ""),))
    assert directory.notes[0][::2] == ("HOURS_UNREAD", "Center")


def test_ids_points_encodings_and_further_columns(tmp_path: Path) -> None:
    header = "ID;NAME;WHERE;ELIG;CAP;DATE;STATE"
    columns = {
        "service_id": ["ID"], "name": ["NAME"], "point": ["WHERE"], "eligibility": ["ELIG"], "capacity": ["CAP"],
        "verified_on": ["DATE"],
    }  # fmt: skip
    path = table(
        tmp_path, "7;Café;(39.1, -84.5);Adults;12;2024-02-01;OH", "7;Other;;;;;", header=header, encoding="cp1252"
    )
    directory = read_service_table(
        path, on=ON, columns=columns, encoding="cp1252", delimiter=";",
        point_pattern=r"\((?P<y>[-0-9.]+), (?P<x>[-0-9.]+)\)",
    )  # fmt: skip
    (one,) = directory.listings
    assert (one.service, one.name, one.x, one.y, one.capacity) == ("7", "Café", "-84.5", "39.1", 12)
    assert one.eligibility == ("Adults",)
    assert one.verified_on == "2024-02-01"
    assert directory.refused == ((2, "DUPLICATE_CONFLICT", "service_id"),)


def test_a_table_without_its_column_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(FileRejected, match=r"expected a column \[lat\]; did you mean \[late\]"):
        read_service_table(table(tmp_path, header="name1,name2,street,late,lon,hours"), on=ON, columns=COLUMNS)
    with pytest.raises(FileRejected, match="FILE_DUPLICATE_COLUMN"):
        read_service_table(table(tmp_path, header="name1,name1"), on=ON, columns={"name": ["name1"]})
    with pytest.raises(FileRejected, match="FILE_EMPTY"):
        read_service_table(table(tmp_path, header=""), on=ON, columns={"name": ["name1"]})


def test_hours_of_tables_are_osm_first_then_human() -> None:
    assert open_hours(read_hours("Mo-Fr 09:00-17:00; We off")) == 32
    assert open_hours(read_hours("M-F 8:00 AM - 4:30 PM")) == 42.5
    assert read_hours("by arrangement") is None


def facility(**more: Any) -> dict[str, Any]:
    service = {"name": "Shelter", "category": "housing", "notes": "", "openHours": {"1": [[1800, 2359]]}}
    return {
        "name": "House",
        "address": "1 Main St",
        "age": ["A"],
        "gender": "F",
        "location": {"latitude": 37.77, "longitude": -122.41},
        "services": [service | more],
    }


def test_linksf_joins_the_copies_of_one_service(tmp_path: Path) -> None:
    path = tmp_path / "linksf.json"
    copy = facility()
    copy["services"][0]["category"] = "food"
    path.write_text(json.dumps([facility(), copy, facility(name="Showers", openHours={})]))
    directory = read_linksf(path)
    first, second = directory.listings
    assert first.words == ("housing", "food")
    assert first.eligibility == ("women", "adults")
    assert (first.x, first.organization, open_hours(first.hours)) == ("-122.41", "House", 6)
    assert second.hours is None
    assert (directory.rows_in, directory.merged) == (3, 1)


@pytest.mark.parametrize(
    ("description", "hides"),
    [
        ("Shelter for battered women and their children", True),
        ("An emergency shelter for those fleeing violence", True),
        ("The location is confidential", True),
        ("Emergency and longer-term women's shelter", False),
        ("Classes for battered women", False),
    ],
)
def test_a_place_that_lodges_people_who_flee_is_withheld(tmp_path: Path, description: str, hides: bool) -> None:
    path = tmp_path / "linksf.json"
    path.write_text(json.dumps([facility(name="A", description=description)]))
    (one,) = read_linksf(path).listings
    assert one.is_confidential is hides


def test_sf_guide_reads_days_and_says_what_it_did_not(tmp_path: Path) -> None:
    day = {"day": "Friday", "opens_at": 1700, "closes_at": 700}
    resource = {
        "name": "Org",
        "status": "approved",
        "addresses": [{"address_1": "1 Main St", "latitude": "37.7", "longitude": "-122.4"}],
        "services": [
            {"id": 1, "name": "A", "schedule": {"schedule_days": [day]}, "categories": [{"name": "Temporary Shelter"}],
             "eligibilities": [{"name": "Women"}], "eligibility": "Adults"},
            {"id": 2, "name": "B", "schedule": {"schedule_days": [{**day, "opens_at": 15300}]}},
            {"id": 1, "name": "A again"},
        ],
    }  # fmt: skip
    path = tmp_path / "guide.json.gz"
    path.write_bytes(gzip.compress(json.dumps([resource]).encode()))
    directory = read_sf_service_guide(path)
    a, b = directory.listings
    assert (open_hours(a.hours), a.words, a.eligibility) == (14, ("Temporary Shelter",), ("Adults", "Women"))
    assert (b.hours, b.hours_written) == (None, True)
    assert [note[0] for note in directory.notes] == ["HOURS_UNREAD"]
    assert directory.merged == 1
    path.write_bytes(gzip.compress(b'{"a": 1}'))
    with pytest.raises(FileRejected, match="FILE_FORMAT"):
        read_sf_service_guide(path)


@pytest.mark.real
def test_the_san_francisco_guides(real_data: Path) -> None:
    linksf = read_directory(real_data / "san_francisco" / "linksf.json", format="linksf", on=ON)
    guide_path = real_data / "san_francisco" / "sfserviceguide_resources.extracted.json.gz"
    guide = read_directory(guide_path, format="sf_service_guide", on=ON)
    assert (linksf.rows_in, guide.rows_in) == (130, 241)
    assert len(linksf.listings) + linksf.merged == 130
    assert len(guide.listings) + guide.merged == 241
    assert sum(x.hours is not None for x in linksf.listings) > 80
    assert sum(x.hours is not None for x in guide.listings) > 80
    shelters = [x for x in linksf.listings if "omestic violence" in x.name]
    assert [open_hours(x.hours) for x in shelters] == [168]


@pytest.mark.real
@pytest.mark.parametrize("city", ["baltimore_md", "fargo_nd", "montgomery_pa", "san_francisco"])
def test_federal_lists_reconcile_and_their_letters_are_mended(real_data: Path, city: str) -> None:
    columns = {"name": ["ID"], "address": ["ADDRESS"], "x": ["Longitude"], "y": ["Latitude"]}
    path = real_data / city / "services" / "homeless_housing.csv"
    directory = read_service_table(path, on=ON, columns=columns)
    kept = directory.rows_in - directory.merged - len({line for line, _, _ in directory.refused})
    assert len(directory.listings) == kept
    assert not any("Ã" in x.address for x in directory.listings)
