"""HSDS packages of any version as one set of tables: folders of CSV (3.0, 1.x) and lists of JSON."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geo.errors import FileRejected
from pipelines.readers.listing import text
from pipelines.readers.strict_json import load_json
from pipelines.readers.table import csv_rows

Row = dict[str, Any]

NAMES = {
    "services": ("services", "service"),
    "organizations": ("organizations", "organization"),
    "locations": ("locations", "location"),
    "at": ("service_at_location", "services_at_location", "service_at_locations"),
    "addresses": ("addresses", "physical_addresses", "address"),
    "schedules": ("schedules", "regular_schedules", "schedule"),
    "areas": ("service_areas", "service_area"),
    "capacities": ("service_capacities", "service_capacity"),
    "units": ("units", "unit"),
    "taxonomies": ("taxonomies",),
    "terms": ("taxonomy_terms", "taxonomy_term", "taxonomy"),
    "attributes": ("attributes", "attribute", "services_taxonomy", "service_taxonomy"),
    "eligibility": ("eligibility", "eligibilities"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables of a package by our name; `lines` numbers the services, `refused` are faulty records of them."""

    rows: Mapping[str, list[Row]]
    lines: tuple[int, ...]
    refused: tuple[tuple[int, str, str], ...]
    faulty: tuple[str, ...]

    def by(self, table: str, key: str) -> dict[str, list[Row]]:
        """The rows of a table by the text of one of their columns, blank keys left out."""
        out: dict[str, list[Row]] = {}
        for row in self.rows.get(table, []):
            value = text(row, key)
            if value:
                out.setdefault(value, []).append(row)
        return out


def read_tables(path: str | Path) -> Tables:
    """The tables of a folder with CSV files, or of a JSON list of services.

    Raises:
        FileRejected: FILE_MISSING, FILE_FORMAT, FILE_INCOMPLETE (a page of several), FILE_NOT_JSON, and those of the
            readers.
    """
    path = Path(path)
    if path.is_dir():
        return _of_folder(path)
    document = _json(path)
    return _of_services(_services(document, path.name))


def _of_folder(path: Path) -> Tables:
    files = {file.stem.lower(): file for file in sorted(path.glob("*.csv")) if file.is_file() and not file.is_symlink()}
    if not any(name in files for name in NAMES["services"]):
        raise FileRejected(path.name, "FILE_MISSING", "expected services.csv in the package, got none")
    rows: dict[str, list[Row]] = {}
    lines: list[int] = []
    refused: list[tuple[int, str, str]] = []
    faulty: list[str] = []
    for ours, names in NAMES.items():
        rows[ours] = []
        for file in (files[name] for name in names if name in files):
            header, records, bad = csv_rows(file)
            rows[ours] += [dict(zip(header, values)) for _, values in records]
            if ours == "services":
                lines += [line for line, _ in records]
                refused += [(line, reason, "id") for line, reason, _ in bad]
            else:
                faulty += [f"{file.name} record {line}" for line, _, _ in bad]
    rows["at"] = _spelled_out(rows["at"])
    return Tables(rows=rows, lines=tuple(lines), refused=tuple(refused), faulty=tuple(faulty))


def _spelled_out(links: list[Row]) -> list[Row]:
    """One row a service where a legacy package lists several ids in one cell."""
    return [
        {**link, "service_id": key.strip()} for link in links for key in (text(link, "service_id").split(",") or [""])
    ]


def _json(path: Path) -> Any:
    try:
        return load_json(path, what="HSDS JSON")
    except FileRejected as refusal:
        if refusal.code == "FILE_DUPLICATE_KEY":
            said = re.sub(r"^.*?: .*?: ", "", str(refusal))
            raise FileRejected(refusal.path, "FILE_NOT_JSON", said) from None
        raise


def _services(document: Any, path: str) -> list[Row]:
    if isinstance(document, dict) and isinstance(document.get("contents"), list):
        contents = document["contents"]
        pages, total = document.get("total_pages"), document.get("total_items")
        short = isinstance(total, int) and total > len(contents)
        if short or (isinstance(pages, int) and pages > 1):
            message = (
                f"page {document.get('page_number', '?')} holds {len(contents)} of {total} services; join all pages"
            )
            raise FileRejected(path, "FILE_INCOMPLETE", message)
        document = contents
    if isinstance(document, dict) and "name" in document and "id" in document:
        document = [document]
    if not isinstance(document, list) or not all(isinstance(one, dict) for one in document):
        raise FileRejected(path, "FILE_FORMAT", "expected a list of HSDS services or a page with `contents`")
    if any("services" in one and "service_at_locations" not in one for one in document):
        return [dict(s, organization=one) for one in document for s in one.get("services") or [] if isinstance(s, dict)]
    return document


def _of_services(services: list[Row]) -> Tables:
    rows: dict[str, list[Row]] = {name: [] for name in NAMES}
    for service in services:
        plain = {k: v for k, v in service.items() if not isinstance(v, dict | list)}
        organization = service.get("organization")
        if isinstance(organization, dict):
            rows["organizations"].append(organization)
            plain["organization_id"] = organization.get("id")
        rows["services"].append(plain)
        key = plain.get("id")
        for link in _parts(service, "service_at_locations"):
            _link(rows, link, key)
        rows["schedules"] += [{**part, "service_id": key} for part in _parts(service, "schedules")]
        rows["areas"] += [{**part, "service_id": key} for part in _parts(service, "service_areas")]
        for part in _parts(service, "capacities", "service_capacities"):
            unit = part.get("unit")
            rows["capacities"].append(
                {**part, "service_id": key, "unit_name": unit.get("name") if isinstance(unit, dict) else ""}
            )
        _attributes(rows, service, key)
    lines = tuple(range(1, len(services) + 1))
    return Tables(rows=rows, lines=lines, refused=(), faulty=())


def _link(rows: dict[str, list[Row]], link: Row, service: Any) -> None:
    location = link.get("location")
    place = location if isinstance(location, dict) else {}
    rows["at"].append(
        {"id": link.get("id"), "service_id": service, "location_id": place.get("id", link.get("location_id"))}
    )
    rows["locations"] += [place] if place else []
    rows["addresses"] += [{**part, "location_id": place.get("id")} for part in _parts(place, "addresses")]
    rows["schedules"] += [{**part, "service_at_location_id": link.get("id")} for part in _parts(link, "schedules")]
    rows["schedules"] += [{**part, "location_id": place.get("id")} for part in _parts(place, "schedules")]
    _attributes(rows, place, place.get("id"))


def _attributes(rows: dict[str, list[Row]], thing: Row, key: Any) -> None:
    for part in _parts(thing, "attributes"):
        term = part.get("taxonomy_term")
        if isinstance(term, dict):
            detail = term.get("taxonomy_detail")
            taxonomy = detail.get("name") if isinstance(detail, dict) else term.get("taxonomy")
            rows["terms"].append({"id": term.get("id"), "name": term.get("name"), "taxonomy": taxonomy})
            rows["attributes"].append({"link_id": key, "taxonomy_term_id": term.get("id"), "value": part.get("value")})


def _parts(thing: Mapping[str, Any], *names: str) -> Iterator[Row]:
    for name in names:
        value = thing.get(name)
        yield from (one for one in value if isinstance(one, dict)) if isinstance(value, list) else ()
