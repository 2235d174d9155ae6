"""The directory of services as an HSDS 3.0 tabular package (with the capacity and unit tables of 3.1)."""

import csv
import json
from pathlib import Path

import shapely

from pipelines.sample.frame import unproject
from pipelines.sample.geography import Land
from pipelines.sample.supply import SERVICES, Service, position, stable_id, zones

KIND, ACCESS, TIER, LOCATION = "Kind of service", "Access", "Tier", "Location"
CONFIDENTIAL = "Confidential location"
_ACCESS_TERMS = {
    "walk_in": "walk_in", "drop_off": "drop_off", "appointment": "by appointment", "team": "team", "line": "line",
}  # fmt: skip
_REQUIRED = {"id", "name", "organization_id", "service_id", "location_id", "link_id", "taxonomy_term_id", "unit_id"}
_KEYS = {
    "organization_id": "organization", "service_id": "service", "location_id": "location", "unit_id": "unit",
    "taxonomy_term_id": "taxonomy_term", "taxonomy_id": "taxonomy",
}  # fmt: skip
_NUMBERS = {"latitude", "longitude", "minimum_age", "maximum_age", "interval", "available", "maximum"}
_OPTIONAL_KEYS = {"schedule.location_id", "location.organization_id"}
Row = dict[str, object]

TABLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "organization": ("organizations.csv", ("id", "name", "alternate_name", "description", "email", "website")),
    "service": (
        "services.csv",
        (
            "id", "organization_id", "name", "alternate_name", "description", "url", "status", "application_process",
            "fees_description", "eligibility_description", "minimum_age", "maximum_age", "assured_date",
            "last_modified",
        ),
    ),
    "location": (
        "locations.csv",
        ("id", "location_type", "organization_id", "name", "description", "latitude", "longitude"),
    ),
    "service_at_location": ("service_at_location.csv", ("id", "service_id", "location_id", "description")),
    "address": (
        "addresses.csv",
        ("id", "location_id", "address_1", "city", "state_province", "postal_code", "country", "address_type"),
    ),
    "phone": ("phones.csv", ("id", "service_id", "number", "type", "description")),
    "schedule": (
        "schedules.csv",
        (
            "id", "service_id", "location_id", "freq", "interval", "byday", "description", "opens_at", "closes_at",
            "notes",
        ),
    ),
    "service_area": ("service_areas.csv", ("id", "service_id", "name", "description", "extent", "extent_type")),
    "unit": ("units.csv", ("id", "name", "scheme", "identifier")),
    "service_capacity": (
        "service_capacities.csv",
        ("id", "service_id", "unit_id", "available", "maximum", "description", "updated"),
    ),
    "taxonomy": ("taxonomies.csv", ("id", "name", "description", "version")),
    "taxonomy_term": ("taxonomy_terms.csv", ("id", "code", "name", "description", "taxonomy", "taxonomy_id")),
    "attribute": ("attributes.csv", ("id", "link_id", "taxonomy_term_id", "link_type", "link_entity", "value")),
}  # fmt: skip


def package(land: Land) -> dict[str, list[Row]]:
    """All tables of the package, by resource name."""
    tables: dict[str, list[Row]] = {name: [] for name in TABLES}
    _organizations(tables)
    terms = _terms(tables)
    extents = zones(land)
    for service in SERVICES:
        _service(tables, service)
        _location(tables, service)
        _schedules(tables, service)
        _capacity(tables, service)
        for term in _terms_of(service):
            _attribute(tables, service, terms[term])
        if service.id in extents:
            tables["service_area"].append(
                {
                    "id": stable_id("area", service.name), "service_id": service.id, "name": f"Area of {service.name}",
                    "description": "Synthetic", "extent_type": "geojson",
                    "extent": shapely.to_geojson(extents[service.id]),
                }
            )  # fmt: skip
    return tables


def _organizations(tables: dict[str, list[Row]]) -> None:
    for name in sorted({service.organization for service in SERVICES}):
        row: Row = {"id": stable_id("organization", name), "name": name, "description": "Synthetic organization"}
        tables["organization"].append(row)


def _service(tables: dict[str, list[Row]], service: Service) -> None:
    tables["service"].append(
        {
            "id": service.id, "organization_id": stable_id("organization", service.organization), "name": service.name,
            "description": "Synthetic service", "status": "active", "assured_date": service.assured,
            "application_process": "By appointment" if service.by_appointment else "",
            "eligibility_description": service.eligibility, "last_modified": f"{service.assured}T09:00:00.000Z",
        }
    )  # fmt: skip
    tables["phone"].append(
        {
            "id": stable_id("phone", service.name), "service_id": service.id, "type": "voice",
            "number": f"555-01{len(tables['phone']):02d}", "description": "Synthetic number",
        }
    )  # fmt: skip


def _location(tables: dict[str, list[Row]], service: Service) -> None:
    """A physical place, a team's base, or a virtual or withheld place without coordinates."""
    where = position(service)
    key = stable_id("location", service.address or service.name)
    link: Row = {"id": stable_id("at", service.name), "service_id": service.id, "location_id": key}
    tables["service_at_location"].append(link)
    if any(row["id"] == key for row in tables["location"]):
        return
    row: Row = {
        "id": key, "organization_id": stable_id("organization", service.organization), "name": service.name,
        "location_type": "virtual" if "line" in service.access else "physical",
        "description": "Location withheld" if service.is_confidential else "",
    }  # fmt: skip
    if where:
        lon, lat = unproject(*where)
        row |= {"latitude": f"{float(lat):.6f}", "longitude": f"{float(lon):.6f}"}
        tables["address"].append(
            {
                "id": stable_id("address", service.address), "location_id": key, "address_1": service.address,
                "city": "Sample City", "state_province": "ZZ", "postal_code": "00000", "country": "US",
                "address_type": "physical",
            }
        )  # fmt: skip
    tables["location"].append(row)


def _schedules(tables: dict[str, list[Row]], service: Service) -> None:
    for label, lines in (("", service.hours), ("intake", service.intake)):
        for days, opens, closes in lines or ():
            tables["schedule"].append(
                {
                    "id": stable_id("schedule", service.name, label, days), "service_id": service.id,
                    "freq": "WEEKLY", "interval": 1, "byday": days, "description": label, "opens_at": opens,
                    "closes_at": "23:59" if closes == "24:00" else closes,
                }
            )  # fmt: skip


def _capacity(tables: dict[str, list[Row]], service: Service) -> None:
    if not service.unit:
        return
    unit = stable_id("unit", service.unit)
    if all(row["id"] != unit for row in tables["unit"]):
        tables["unit"].append({"id": unit, "name": service.unit})
    if service.available is not None:
        tables["service_capacity"].append(
            {
                "id": stable_id("capacity", service.name), "service_id": service.id, "unit_id": unit,
                "available": service.available, "maximum": service.maximum, "updated": "2025-01-05T18:00:00.000Z",
                "description": f"{service.unit}s available",
            }
        )  # fmt: skip
    elif service.maximum is not None:
        tables["service_capacity"].append(
            {
                "id": stable_id("capacity", service.name), "service_id": service.id, "unit_id": unit,
                "maximum": service.maximum, "description": f"{service.unit}s in all; availability not reported",
            }
        )  # fmt: skip


def _terms(tables: dict[str, list[Row]]) -> dict[tuple[str, str], str]:
    """The taxonomies and their terms; returns term ids by (taxonomy, name)."""
    names = {
        KIND: sorted({service.kind for service in SERVICES}),
        ACCESS: list(_ACCESS_TERMS.values()),
        TIER: ["T0", "T1", "T2"],
        LOCATION: [CONFIDENTIAL],
    }
    codes = {label: code for code, label in _ACCESS_TERMS.items()}
    out = {}
    for taxonomy, terms in names.items():
        key = stable_id("taxonomy", taxonomy)
        tables["taxonomy"].append({"id": key, "name": taxonomy, "description": "Synthetic", "version": "1"})
        for name in terms:
            out[taxonomy, name] = stable_id("term", taxonomy, name)
            tables["taxonomy_term"].append(
                {
                    "id": out[taxonomy, name], "code": codes.get(name, name), "name": name, "description": name,
                    "taxonomy": taxonomy, "taxonomy_id": key,
                }
            )  # fmt: skip
    return out


def _terms_of(service: Service) -> list[tuple[str, str]]:
    terms = [(KIND, service.kind)]
    terms += [(ACCESS, _ACCESS_TERMS[access]) for access in service.access if access in _ACCESS_TERMS]
    terms += [(TIER, f"T{tier}") for tier in service.tiers or ()]
    return terms + ([(LOCATION, CONFIDENTIAL)] if service.is_confidential else [])


def _attribute(tables: dict[str, list[Row]], service: Service, term: str) -> None:
    tables["attribute"].append(
        {
            "id": stable_id("attribute", service.name, term), "link_id": service.id, "taxonomy_term_id": term,
            "link_type": "taxonomy", "link_entity": "service",
        }
    )  # fmt: skip


def write_package(land: Land, folder: Path) -> None:
    """Writes datapackage.json and one CSV a table."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in package(land).items():
        path, columns = TABLES[name]
        with (folder / path).open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    description = {
        "name": "sample_city_services",
        "title": "Services of the synthetic sample city (HSDS 3.0 tabular)",
        "profile": "tabular-data-package",
        "resources": [_resource(name, path, columns) for name, (path, columns) in TABLES.items()],
    }
    text = json.dumps(description, indent=1, ensure_ascii=False) + "\n"
    (folder / "datapackage.json").write_text(text, encoding="utf-8")


def _resource(name: str, path: str, columns: tuple[str, ...]) -> Row:
    keys = [
        {"fields": column, "reference": {"resource": _KEYS[column], "fields": "id"}}
        for column in columns
        if column in _KEYS
    ]
    fields = [
        {
            "name": column,
            "type": "number" if column in _NUMBERS else "string",
            "constraints": {
                "required": column in _REQUIRED and f"{name}.{column}" not in _OPTIONAL_KEYS,
                "unique": column == "id",
            },
        }
        for column in columns
    ]
    schema: Row = {"primaryKey": "id", "fields": fields}
    if keys:
        schema["foreignKeys"] = keys
    return {"name": name, "path": path, "profile": "tabular-data-resource", "format": "csv", "schema": schema}
