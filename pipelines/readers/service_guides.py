"""Two community directories of San Francisco, Link-SF and the SF Service Guide, as listings."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from geo.errors import FileRejected
from geo.hours import pack, week_slots
from pipelines.readers.archive import gunzip
from pipelines.readers.listing import Directory, Listing, notes_of, own_id, text
from pipelines.readers.strict_json import load_json, parse_json

_AGES = {"C": "children", "Y": "youth", "A": "adults", "S": "seniors"}
_SEXES = {"F": "women", "M": "men"}
_BY_APPOINTMENT = re.compile(r"\bby appointment only\b|\bappointments? (required|only)\b")
_WITHHELD = re.compile(r"\bconfidential(ly)?[- ](location|located|address)\b|\blocation (is )?confidential\b")
_FLEEING = re.compile(
    r"\b(fleeing|escaping) (domestic |family )?(violence|abuse)\b|\bbattered (women|spouses|partners)\b"
)
_LODGING = re.compile(r"\b(shelter|safe ?house|housing|houses|house)\b")
_DETAILS = {
    "HOURS_UNREAD": "opening hours are not a standard week or not a time of day, so they are unknown",
    "WARN_UNVERIFIED": "the directory has not approved the organization of these services",
}


def read_linksf(path: str | Path, **_: Any) -> Directory:
    """The services of a Link-SF export (a list of facilities); hours of the service, else of the facility.

    The same service at the same facility under several categories is one listing with several words; the copies
    count as merged.
    """
    facilities = _rows(path)
    listings: dict[str, Listing] = {}
    unread: list[str] = []
    line = merged = 0
    for facility in facilities:
        for service in _list(facility, "services"):
            line += 1
            one = _linksf(line, facility, service)
            key = one.service
            if key in listings:
                merged += 1
                words = tuple(dict.fromkeys((*listings[key].words, *one.words)))
                listings[key] = _with_words(listings[key], words)
                continue
            listings[key] = one
            unread += [one.name] if one.hours_written and one.hours is None else []
    return Directory(
        rows_in=line,
        listings=tuple(listings.values()),
        merged=merged,
        notes=notes_of({"HOURS_UNREAD": unread}, _DETAILS),
    )


def _linksf(line: int, facility: dict[str, Any], service: dict[str, Any]) -> Listing:
    place = facility.get("location")
    where = place if isinstance(place, dict) else {}
    hours = service.get("openHours") or facility.get("hours") or {}
    slots = week_slots(hours, notation="linksf") if isinstance(hours, dict) else None
    name = text(service, "name")
    said = " ".join([name, text(service, "description"), text(service, "notes"), text(facility, "notes")]).lower()
    ages = [_AGES[code] for code in facility.get("age") or [] if code in _AGES]
    sex = _SEXES.get(text(facility, "gender"), "")
    return Listing(
        line=line,
        service=own_id(
            text(facility, "name"), text(facility, "address"), name, text(service, "description"), str(hours)
        ),
        name=name,
        organization=text(facility, "name"),
        address=text(facility, "address"),
        words=(text(service, "category"),),
        x=text(where, "longitude"),
        y=text(where, "latitude"),
        is_confidential=_is_withheld(said),
        by_appointment=_BY_APPOINTMENT.search(said) is not None,
        hours=None if slots is None else pack(slots).hex(),
        hours_written=bool(hours),
        eligibility=tuple(filter(None, (sex, *ages))),
        verified_on=text(service, "updatedAt")[:10],
    )


def read_sf_service_guide(path: str | Path, **_: Any) -> Directory:
    """The services of an SF Service Guide export (a list of resources, gzip or not); hours of the service itself."""
    listings: list[Listing] = []
    unread, unapproved = [], []
    line = merged = 0
    seen: set[str] = set()
    for resource in _rows(path):
        for service in _list(resource, "services"):
            line += 1
            key = text(service, "id") or own_id(text(resource, "name"), text(service, "name"))
            if key in seen:
                merged += 1
                continue
            seen.add(key)
            one = _sf_guide(line, key, resource, service)
            listings.append(one)
            unread += [one.name] if one.hours_written and one.hours is None else []
            unapproved += [one.name] if text(resource, "status") not in ("", "approved") else []
    found = {"HOURS_UNREAD": unread, "WARN_UNVERIFIED": unapproved}
    return Directory(rows_in=line, listings=tuple(listings), merged=merged, notes=notes_of(found, _DETAILS))


def _sf_guide(line: int, key: str, resource: dict[str, Any], service: dict[str, Any]) -> Listing:
    addresses = _list(resource, "addresses")
    where = addresses[0] if addresses else {}
    schedule = service.get("schedule")
    days = _list(schedule, "schedule_days") if isinstance(schedule, dict) else []
    slots = week_slots(days, notation="sf_service_guide") if days else None
    process = text(service, "application_process").lower()
    said = " ".join([text(service, "name"), text(service, "long_description")]).lower()
    groups = [text(one, "name") for one in _list(service, "eligibilities")]
    written = text(service, "eligibility")
    return Listing(
        line=line,
        service=key,
        name=text(service, "name"),
        organization=text(resource, "name"),
        address=text(where, "address_1"),
        words=tuple(text(one, "name") for one in _list(service, "categories")),
        x=text(where, "longitude"),
        y=text(where, "latitude"),
        is_confidential=_is_withheld(said),
        by_appointment=_BY_APPOINTMENT.search(process) is not None,
        hours=None if slots is None else pack(slots).hex(),
        hours_written=bool(days),
        eligibility=tuple(filter(None, (written, *groups))),
        verified_on=(text(service, "verified_at") or text(service, "certified_at"))[:10],
    )


def _is_withheld(said: str) -> bool:
    """Whether a place is not to be shown: it says so, or it lodges people who flee violence."""
    return bool(_WITHHELD.search(said) or (_FLEEING.search(said) and _LODGING.search(said)))


def _with_words(listing: Listing, words: tuple[str, ...]) -> Listing:
    from dataclasses import replace

    return replace(listing, words=words)


def _rows(path: str | Path) -> Iterable[dict[str, Any]]:
    path = Path(path)
    document = parse_json(gunzip(path), path=path.name) if path.suffix == ".gz" else load_json(path)
    if not isinstance(document, list) or not all(isinstance(one, dict) for one in document):
        raise FileRejected(path.name, "FILE_FORMAT", "expected a list of organizations with their services")
    return document


def _list(thing: Any, name: str) -> list[dict[str, Any]]:
    value = thing.get(name) if isinstance(thing, dict) else None
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
