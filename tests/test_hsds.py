"""HSDS packages: 3.0 tables, 1.x tables, JSON lists; schedules, places, capacities; and the faults real ones have."""

import csv
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from geo.errors import FileRejected
from geo.hours import unpack
from pipelines.readers.directory import read_directory
from pipelines.readers.hsds import read_hsds
from pipelines.readers.listing import Directory, Listing, from_plain, mended, own_id, to_plain

ON = date(2025, 1, 6)
Rows = list[dict[str, Any]]


def package(folder: Path, **tables: Rows) -> Path:
    for name, rows in tables.items():
        columns = list(dict.fromkeys(key for row in rows for key in row))
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
    return folder


def one(directory: Directory) -> Listing:
    (listing,) = directory.listings
    return listing


def hours_of(listing: Listing) -> float | None:
    return None if listing.hours is None else float(unpack(bytes.fromhex(listing.hours)).sum()) / 4


def weekly(
    service: str, days: str = "MO,TU", opens: str = "09:00", closes: str = "17:00", **more: Any
) -> dict[str, Any]:
    return {"id": f"{service}{days}{more}", "service_id": service, "freq": "WEEKLY", "byday": days, "opens_at": opens,
            "closes_at": closes, **more}  # fmt: skip


def full(folder: Path) -> Path:
    return package(
        folder,
        services=[
            {
                "id": 1,
                "organization_id": 7,
                "name": "Crisis Center",
                "status": "active",
                "assured_date": "2024-11-18",
                "eligibility_description": "Anyone in crisis",
                "minimum_age": "18",
                "maximum_age": "",
            }
        ],
        organizations=[{"id": 7, "name": "Health Org"}],
        locations=[{"id": 3, "location_type": "physical", "latitude": "43.07", "longitude": "-87.2"}],
        service_at_location=[{"id": 9, "service_id": 1, "location_id": 3}],
        addresses=[{"id": 1, "location_id": 3, "address_1": "1 Main St"}],
        schedules=[
            weekly("1"),
            weekly("1", "SA", "10:00", "12:00", description="intake"),
            weekly("1", valid_to="2001-01-01"),
        ],
        taxonomies=[{"id": "k", "name": "Kind"}, {"id": "a", "name": "Access"}, {"id": "t", "name": "Tier"}],
        taxonomy_terms=[
            {"id": 1, "name": "Crisis receiving centre", "taxonomy_id": "k"},
            {"id": 2, "name": "Drop-off", "taxonomy_id": "a"},
            {"id": 3, "name": "T1", "taxonomy_id": "t"},
            {"id": 4, "name": "walk_in", "taxonomy_id": "a"},
        ],
        attributes=[{"id": n, "link_id": 1, "taxonomy_term_id": n, "link_entity": "service"} for n in (1, 2, 3, 4)],
        service_areas=[
            {"id": 1, "service_id": 1, "extent": '{"type": "Polygon", "coordinates": []}', "extent_type": "geojson"}
        ],
        units=[{"id": 5, "name": "Bed"}],
        service_capacities=[
            {
                "id": 1,
                "service_id": 1,
                "unit_id": 5,
                "available": 4,
                "maximum": 16,
                "updated": "2025-01-05T18:00:00.000Z",
            }
        ],
    )


def test_a_3_0_package_whole(tmp_path: Path) -> None:
    directory = read_directory(full(tmp_path), format="hsds_3", on=ON)
    listing = one(directory)
    assert (listing.service, listing.name, listing.organization) == ("1", "Crisis Center", "Health Org")
    assert (listing.x, listing.y, listing.address) == ("-87.2", "43.07", "1 Main St")
    assert listing.words == ("Crisis receiving centre",)
    assert listing.access == ("drop_off", "walk_in")
    assert listing.tiers == (1,)
    assert hours_of(listing) == 16
    assert listing.intake is not None
    assert unpack(bytes.fromhex(listing.intake)).sum() == 8
    assert listing.eligibility == ("Anyone in crisis", "minimum age 18")
    assert (listing.capacity, listing.capacity_unit, listing.available) == (16, "Bed", 4)
    assert listing.available_on.startswith("2025-01-05")
    assert len(listing.zones) == 1
    assert listing.verified_on == "2024-11-18"
    assert directory.rows_in == 1
    assert directory.notes == ()
    assert from_plain(to_plain(directory)) == directory


def test_a_service_at_two_places_is_two_listings_each_with_its_hours(tmp_path: Path) -> None:
    package(
        tmp_path,
        services=[{"id": "s", "name": "S"}],
        locations=[{"id": "a", "latitude": "1", "longitude": "2"}, {"id": "b", "latitude": "3", "longitude": "4"}],
        service_at_location=[{"id": n, "service_id": "s", "location_id": n} for n in "ab"],
        schedules=[weekly("s"), {**weekly("", "SU", "10:00", "11:00"), "service_at_location_id": "b"}],
    )
    listings = read_hsds(tmp_path, on=ON).listings
    assert [(x.location, x.x, hours_of(x)) for x in listings] == [("a", "2", 16), ("b", "4", 1)]


def test_hours_that_are_no_week_are_unknown_and_said(tmp_path: Path) -> None:
    package(tmp_path, services=[{"id": "s", "name": "S"}], schedules=[weekly("s"), {**weekly("s"), "freq": "MONTHLY"}])
    directory = read_hsds(tmp_path, on=ON)
    assert one(directory).hours is None
    assert one(directory).hours_written
    assert [reason for reason, _, _ in directory.notes] == ["HOURS_UNREAD"]


def test_appointment_confidential_virtual_and_closed(tmp_path: Path) -> None:
    package(
        tmp_path,
        services=[
            {"id": "a", "name": "A", "application_process": "By appointment only"},
            {"id": "b", "name": "B", "application_process": "Walk-in or by appointment"},
            {"id": "c", "name": "C", "status": "defunct"},
            {"id": "d", "name": "D"},
            {"id": "e", "name": "E"},
        ],
        locations=[{"id": "v", "location_type": "virtual"}, {"id": "w", "description": "Location withheld"}],
        service_at_location=[{"service_id": "d", "location_id": "v"}, {"service_id": "e", "location_id": "w"}],
    )
    a, b, c, d, e = read_hsds(tmp_path, on=ON).listings
    assert [x.by_appointment for x in (a, b)] == [True, False]
    assert not c.is_active
    assert d.is_virtual
    assert e.is_confidential


def test_service_areas_in_words(tmp_path: Path) -> None:
    package(
        tmp_path,
        services=[{"id": n, "name": n} for n in "abc"],
        service_areas=[
            {"service_id": "a", "extent": "", "name": "Statewide", "extent_type": ""},
            {"service_id": "b", "extent": "Residents of MyCity", "extent_type": "geojson"},
            {"service_id": "c", "extent": "POLYGON ((0 0, 1 0, 1 1, 0 0))", "extent_type": "wkt"},
        ],
    )
    a, b, c = read_hsds(tmp_path, on=ON).listings
    assert a.zone_words == ("everywhere",)
    assert b.zone_words == ("Residents of MyCity",)
    assert len(c.zones) == 1


def test_repeats_conflicts_missing_keys_and_dangling_ones(tmp_path: Path) -> None:
    package(
        tmp_path,
        services=[
            {"id": "a", "name": "A", "organization_id": "gone"},
            {"id": "a", "name": "A", "organization_id": "gone"},
            {"id": "a", "name": "Other", "organization_id": "gone"},
            {"id": "", "name": "Nameless", "organization_id": ""},
        ],
        organizations=[{"id": "o", "name": "O"}],
        service_at_location=[{"service_id": "zzz", "location_id": "nowhere"}],
    )
    directory = read_hsds(tmp_path, on=ON)
    assert directory.rows_in == 4
    assert directory.merged == 1
    assert directory.refused == ((3, "DUPLICATE_CONFLICT", "id"), (4, "MISSING_KEY", "id"))
    assert len([1 for reason, _, _ in directory.notes if reason == "DANGLING_KEY"]) == 5


def test_version_1_tables_with_other_names(tmp_path: Path) -> None:
    package(
        tmp_path,
        services=[{"id": "s", "name": "S"}],
        locations=[{"id": "l", "name": "L", "latitude": "", "longitude": ""}],
        services_at_location=[{"id": "x", "service_id": "s", "location_id": "l"}],
        regular_schedules=[
            {"service_id": "", "location_id": "l", "weekday": "Monday", "opens_at": "9:00", "closes_at": "22:00"},
            {"service_id": "", "location_id": "l", "weekday": "Sunday", "opens_at": "", "closes_at": ""},
        ],
        eligibility=[{"id": 1, "service_id": "s", "eligibility": "adult"}],
        taxonomy=[{"id": "t", "name": "Shelter", "vocabulary": "AIRS"}],
        services_taxonomy=[{"id": 1, "service_id": "s", "taxonomy_id": "t"}],
    )
    listing = one(read_hsds(tmp_path, on=ON))
    assert hours_of(listing) == 13
    assert listing.eligibility == ("adult",)
    assert listing.words == ("Shelter",)


def service(**more: Any) -> dict[str, Any]:
    return {"id": "S1", "name": "Service", "status": "active", "organization": {"id": "O", "name": "Org"}, **more}


def test_json_lists_pages_and_organizations(tmp_path: Path) -> None:
    place = {"id": "L", "location_type": "physical", "latitude": 39.1, "longitude": "-84.6",
             "addresses": [{"address_1": "1 Main St"}]}  # fmt: skip
    link = {"id": "SL", "location": place, "schedules": [weekly("")]}
    term = {"id": "t", "name": "Sobering centre", "taxonomy_detail": {"name": "Kind"}}
    whole = service(
        service_at_locations=[link],
        attributes=[{"taxonomy_term": term}],
        service_areas=[{"extent": {"type": "Polygon", "coordinates": []}}],
        capacities=[{"available": 2, "maximum": 3, "unit": {"name": "Bed"}}],
    )
    path = tmp_path / "a.json"
    for document in ({"contents": [whole], "total_items": 1, "total_pages": 1}, [whole], whole):
        path.write_text(json.dumps(document))
        listing = one(read_hsds(path, on=ON))
        assert (listing.x, listing.y, listing.address, listing.organization) == ("-84.6", "39.1", "1 Main St", "Org")
        assert listing.words == ("Sobering centre",)
        assert hours_of(listing) == 16
        assert (listing.available, listing.capacity_unit) == (2, "Bed")
        assert listing.zones == ('{"type": "Polygon", "coordinates": []}',)
    organization = {"id": "O2", "name": "Org 2", "services": [service()]}
    path.write_text(json.dumps([organization]))
    assert one(read_hsds(path, on=ON)).organization == "Org 2"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (json.dumps({"total_items": 500, "total_pages": 5, "contents": [service()]}), "FILE_INCOMPLETE", "1 of 500"),
        ('{"id": "a", "id": "b"}', "FILE_NOT_JSON", "duplicate key"),
        ('{"id": ' + "1" * 5000 + "}", "FILE_NOT_JSON", "number too long"),
        ('{"what": 1}', "FILE_FORMAT", "list of HSDS services"),
        ("<html>", "FILE_FORMAT", "markup"),
    ],
)
def test_json_refusals(tmp_path: Path, text: str, code: str, words: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(FileRejected, match=words) as caught:
        read_hsds(path, on=ON)
    assert caught.value.code == code


def test_a_folder_without_services_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileRejected, match=r"services\.csv"):
        read_directory(tmp_path, format="hsds_3", on=ON)
    with pytest.raises(FileRejected, match="FILE_MISSING"):
        read_directory(tmp_path / "none", format="hsds_3", on=ON)
    with pytest.raises(FileRejected, match="not offered"):
        read_directory(tmp_path, format="airs", on=ON)


def test_text_is_mended_only_where_that_can_be_undone() -> None:
    for good in ("Café", "O’Farrell", "Ñandú", "Ã", "â"):
        assert mended(good) == good
        assert mended(good.encode().decode("cp1252")) == good if good.isascii() else True
    assert mended("CafÃ©") == "Café"
    assert mended("Oâ€™Farrell") == "O’Farrell"
    assert own_id("A  b", "c") == own_id("a B", "C")
    assert own_id("a", "bc") != own_id("ab", "c")


@pytest.mark.real
@pytest.mark.parametrize(
    ("folder", "n_services", "n_with_hours"),
    [
        ("ilao_hsds_legacy_datapackage", 429, 401),
        ("sample-HSDS-datapackage-v1.x/simple", 13, 0),
        ("sample-HSDS-datapackage-v1.x/all_resources", 13, 1),
        ("spec-3.0/examples/csv", 1, 0),
    ],
)
def test_real_packages(real_data: Path, folder: str, n_services: int, n_with_hours: int) -> None:
    format = "hsds_3" if "3.0" in folder else "hsds_1"
    directory = read_directory(real_data / "hsds" / folder, format=format, on=ON)
    kept = directory.rows_in - len(directory.refused) - directory.merged
    assert directory.rows_in == n_services
    assert len({x.service for x in directory.listings}) == kept
    assert sum(x.hours is not None for x in directory.listings) >= n_with_hours


@pytest.mark.real
@pytest.mark.parametrize("name", ["service_full.json", "organization_full.json"])
def test_the_specification_s_own_examples(real_data: Path, name: str) -> None:
    path = real_data / "hsds" / "spec-3.0" / "examples" / name
    directory = read_directory(path, format="hsds_3", on=ON)
    assert directory.rows_in == len({x.service for x in directory.listings}) >= 1


@pytest.mark.real
def test_a_page_of_the_specification_is_not_a_directory(real_data: Path) -> None:
    path = real_data / "hsds" / "spec-3.0" / "examples" / "service_list.json"
    with pytest.raises(FileRejected, match="1 of 10"):
        read_directory(path, format="hsds_3", on=ON)
