"""HSDS directories (3.0, 1.x, JSON) as listings; tolerant of the faults that real packages have, and saying so."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from geo.hours import pack, week_slots
from pipelines.readers.hsds_tables import Row, Tables, read_tables
from pipelines.readers.listing import Directory, Listing, notes_of, number, text

ACCESS = {
    "walk in": "walk_in", "drop in": "walk_in", "drop off": "drop_off", "first responder drop off": "drop_off",
    "by appointment": "appointment", "appointment": "appointment", "appointment only": "appointment",
    "team": "team", "mobile": "team", "line": "line", "phone": "line", "telephone": "line", "unknown": "unknown",
}  # fmt: skip
_TIER = re.compile(r"(?:tier )?t?([012])")
_EVERYWHERE = re.compile(r"\b(nation ?wide|state ?wide|everywhere|all areas|no restrictions?|no limits?)\b")
_BY_APPOINTMENT = re.compile(r"\b(by|with an?) appointment( only)?\b|\bappointments? (only|required|necessary)\b")
_WALK_IN_TOO = re.compile(r"\bwalk[- ]?ins?\b|\bdrop[- ]?ins?\b|\bno appointment\b|\bor (by )?appointment\b")
_WITHHELD = re.compile(r"\bconfidential( |ly )?(location|located|address)\b|\blocation (is )?(confidential|withheld)\b")
_INACTIVE = ("inactive", "defunct", "temporarily closed", "closed")
_DETAILS = {
    "DANGLING_KEY": "records point to services, places or organizations that are not in the package",
    "HOURS_UNREAD": "opening hours are written in a way that is not a standard week, so they are unknown",
    "ROW_FAULTY": "records of side tables could not be read and were left out",
    "WARN_UNIT_MIXED": "several capacities of one service: their units differ, so none is used",
}


def read_hsds(path: str | Path, *, on: date) -> Directory:
    """The listings of an HSDS package, one a service and place; schedules as in force on a date.

    Raises:
        FileRejected: those of `read_tables`.
    """
    tables = read_tables(path)
    package = _Package(tables, on)
    services, refused, merged = _distinct(tables)
    listings = [one for line, row in services for one in package.listings(line, row)]
    rows_in = len(tables.lines) + len(tables.refused)
    found = package.found | {"ROW_FAULTY": list(tables.faulty)}
    return Directory(
        rows_in=rows_in,
        listings=tuple(listings),
        refused=(*tables.refused, *refused),
        merged=merged,
        notes=notes_of(found, _DETAILS),
    )


def _distinct(tables: Tables) -> tuple[list[tuple[int, Row]], list[tuple[int, str, str]], int]:
    seen: dict[str, Row] = {}
    kept, refused, merged = [], [], 0
    for line, row in zip(tables.lines, tables.rows["services"]):
        key = text(row, "id")
        if not key:
            refused.append((line, "MISSING_KEY", "id"))
        elif key not in seen:
            seen[key] = row
            kept.append((line, row))
        elif seen[key] == row:
            merged += 1
        else:
            refused.append((line, "DUPLICATE_CONFLICT", "id"))
    return kept, refused, merged


class _Package:
    """The tables of a package by their keys, and what was seen on the way."""

    def __init__(self, tables: Tables, on: date) -> None:
        self.on = on
        self.found: dict[str, list[str]] = {}
        self.organizations = tables.by("organizations", "id")
        self.locations = tables.by("locations", "id")
        self.links = tables.by("at", "service_id")
        self.addresses = tables.by("addresses", "location_id")
        self.areas = tables.by("areas", "service_id")
        self.capacities = tables.by("capacities", "service_id")
        self.units = tables.by("units", "id")
        self.eligibility = tables.by("eligibility", "service_id")
        self.schedules = {
            key: tables.by("schedules", f"{key}_id") for key in ("service", "location", "service_at_location")
        }
        self.terms = _terms(tables)
        self.attributes = tables.by("attributes", "link_id")
        for key, rows in tables.by("attributes", "service_id").items():
            self.attributes.setdefault(key, []).extend(rows)
        self._look_for_dangling(tables)

    def listings(self, line: int, service: Row) -> Iterable[Listing]:
        """One listing a place, or one without a place."""
        key = text(service, "id")
        links = [link for link in self.links.get(key, []) if text(link, "location_id") in self.locations]
        for link in links or [{}]:
            yield self._listing(line, service, link)

    def _listing(self, line: int, service: Row, link: Row) -> Listing:
        key, at = text(service, "id"), text(link, "location_id")
        place = self.locations[at][0] if at else {}
        said = self._said(key, at, text(link, "id"))
        hours, intake, written = self._hours(service, key, at, text(link, "id"))
        capacity, unit, available, updated = self._capacity(key)
        zones, zone_words = self._zones(key)
        process = f"{text(service, 'application_process')} {text(service, 'alert')}".lower()
        everything = " ".join([text(place, "name"), text(place, "description"), text(service, "name")]).lower()
        return Listing(
            line=line,
            service=key,
            location=at,
            name=text(service, "name"),
            organization=text((self.organizations.get(text(service, "organization_id")) or [{}])[0], "name"),
            address=text((self.addresses.get(at) or [{}])[0], "address_1") if at else "",
            words=tuple(said["words"]),
            access=tuple(dict.fromkeys(said["access"])),
            tiers=tuple(sorted({int(tier) for tier in said["tiers"]})),
            x=text(place, "longitude"),
            y=text(place, "latitude"),
            is_virtual=text(place, "location_type").lower() == "virtual",
            is_confidential=bool(said["confidential"]) or _WITHHELD.search(everything) is not None,
            is_active=text(service, "status").lower() not in _INACTIVE,
            by_appointment=_BY_APPOINTMENT.search(process) is not None and _WALK_IN_TOO.search(process) is None,
            hours=hours,
            intake=intake,
            hours_written=written,
            eligibility=self._eligibility(service, key),
            capacity=capacity,
            capacity_unit=unit,
            available=available,
            available_on=updated,
            zones=zones,
            zone_words=zone_words,
            valid_from=text(service, "valid_from"),
            valid_to=text(service, "valid_to"),
            verified_on=text(service, "assured_date"),
        )

    def _said(self, service: str, location: str, link: str) -> dict[str, list[str]]:
        """Attributes by what they are about: access, tiers, confidential, or the kind in words."""
        out: dict[str, list[str]] = {"words": [], "access": [], "tiers": [], "confidential": []}
        for key in filter(None, (service, location, link)):
            for row in self.attributes.get(key, []):
                term = text(row, "taxonomy_term_id") or text(row, "taxonomy_id")
                name, taxonomy = self.terms.get(term, ("", ""))
                plain = " ".join(name.lower().replace("_", " ").replace("-", " ").split())
                if plain == "confidential location":
                    out["confidential"].append(plain)
                elif taxonomy == "access":
                    out["access"].append(ACCESS.get(plain, "unknown"))
                elif taxonomy == "tier" and (found := _TIER.fullmatch(plain)):
                    out["tiers"].append(found[1])
                elif name and taxonomy not in ("access", "tier"):
                    out["words"].append(name)
        return out

    def _hours(self, service: Row, key: str, location: str, link: str) -> tuple[str | None, str | None, bool]:
        rows = self.schedules["service_at_location"].get(link, []) if link else []
        rows = rows or [r for r in self.schedules["service"].get(key, []) if text(r, "location_id") in ("", location)]
        rows = rows or (self.schedules["location"].get(location, []) if location else [])
        intake = [row for row in rows if "intake" in text(row, "description").lower()]
        hours = [row for row in rows if row not in intake]
        opening, taking = self._mask(hours), self._mask(intake)
        if (hours and opening is None) or (intake and taking is None):
            self._note("HOURS_UNREAD", text(service, "name"))
        return opening, taking, bool(rows)

    def _mask(self, rows: list[Row]) -> str | None:
        notation = "hsds_1" if any(text(row, "weekday") for row in rows) else "hsds_3"
        slots = week_slots(rows, notation=notation, on=self.on)
        return None if slots is None else pack(slots).hex()

    def _eligibility(self, service: Row, key: str) -> tuple[str, ...]:
        texts = [text(service, "eligibility_description"), text(service, "eligibility")]
        texts += [text(row, "eligibility") for row in self.eligibility.get(key, [])]
        low, high = number(service, "minimum_age"), number(service, "maximum_age")
        texts += [f"minimum age {low:.0f}"] if low else []
        texts += [f"maximum age {high:.0f}"] if high is not None and high < 100 else []
        return tuple(part for part in texts if part)

    def _capacity(self, key: str) -> tuple[float | None, str, float | None, str]:
        rows = self.capacities.get(key, [])
        if len(rows) > 1:
            self._note("WARN_UNIT_MIXED", key)
        if len(rows) != 1:
            return None, "", None, ""
        row = rows[0]
        unit = text((self.units.get(text(row, "unit_id")) or [{}])[0], "name") or text(row, "unit_name")
        return number(row, "maximum"), unit, number(row, "available"), text(row, "updated")

    def _zones(self, key: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        shapes, words = [], []
        for row in self.areas.get(key, []):
            extent = row.get("extent")
            written = json.dumps(extent) if isinstance(extent, dict) else text(row, "extent")
            if written.startswith("{") or re.match(r"(MULTI)?POLYGON\b", written.upper()):
                shapes.append(written)
            else:
                said = " ".join([written, text(row, "name"), text(row, "service_area"), text(row, "description")])
                words.append("everywhere" if _EVERYWHERE.search(said.lower()) else said.strip() or "unread")
        return tuple(shapes), tuple(words)

    def _look_for_dangling(self, tables: Tables) -> None:
        services = {text(row, "id") for row in tables.rows["services"]}
        checks: tuple[tuple[str, str, Mapping[str, Any] | set[str]], ...] = (
            ("services", "organization_id", self.organizations),
            ("at", "service_id", services),
            ("at", "location_id", self.locations),
            ("schedules", "service_id", services),
            ("areas", "service_id", services),
            ("capacities", "service_id", services),
        )
        for table, column, known in checks:
            for row in tables.rows[table]:
                value = text(row, column)
                if value and value not in known:
                    self._note("DANGLING_KEY", f"{table}.{column} {value[:40]}")

    def _note(self, reason: str, name: str) -> None:
        self.found.setdefault(reason, []).append(name)


def _terms(tables: Tables) -> dict[str, tuple[str, str]]:
    """(name, lower-case taxonomy) of each term by its id."""
    taxonomies = {text(row, "id"): text(row, "name") for row in tables.rows["taxonomies"]}
    out = {}
    for row in tables.rows["terms"]:
        taxonomy = taxonomies.get(text(row, "taxonomy_id")) or text(row, "taxonomy") or text(row, "vocabulary")
        out[text(row, "id")] = (text(row, "name"), taxonomy.lower())
    return out
