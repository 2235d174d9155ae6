"""A service list as one table: the columns that the city's TOML maps, nothing else."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from geo.hours import pack, week_slots
from pipelines.readers.listing import Directory, Listing, mended, notes_of, number, own_id
from pipelines.readers.table import csv_rows, position

_CONFIDENTIAL = ("yes", "true", "1", "y", "confidential")
_DETAILS = {"HOURS_UNREAD": "opening hours are written in a way that is not read whole, so they are unknown"}


def read_service_table(
    path: str | Path,
    *,
    on: date,
    columns: Mapping[str, Sequence[str]],
    encoding: str = "utf-8",
    delimiter: str = ",",
    skip_lines: int = 0,
    point_pattern: str | None = None,
) -> Directory:
    """One listing a row; `columns` maps our name to the file's, or to several joined by a blank.

    `point_pattern` (RE2, groups x and y) reads the column `point`. Rows that repeat another whole count as merged.
    A row without an id gets one made from its words.

    Raises:
        FileRejected: those of the table reader.
    """
    path = Path(path)
    header, rows, refused = csv_rows(path, encoding=encoding, delimiter=delimiter, skip_lines=skip_lines)
    at = {ours: [position(header, name, path.name) for name in theirs] for ours, theirs in columns.items()}
    seen: dict[tuple[str, ...], int] = {}
    listings: list[Listing] = []
    unread: list[str] = []
    merged = 0
    for line, values in rows:
        if tuple(values) in seen:
            merged += 1
            continue
        seen[tuple(values)] = line
        row = {ours: mended(" ".join(" ".join(values[i] for i in places).split())) for ours, places in at.items()}
        listing = _listing(line, row | _point(row.get("point", ""), point_pattern))
        unread += [listing.name] if listing.hours_written and listing.hours is None else []
        listings.append(listing)
    kept, conflicts = _one_an_id(listings)
    return Directory(
        rows_in=len(rows) + len(refused),
        listings=tuple(kept),
        refused=(*((line, reason, "") for line, reason, _ in refused), *conflicts),
        merged=merged,
        notes=notes_of({"HOURS_UNREAD": unread}, _DETAILS),
    )


def read_hours(written: str) -> str | None:
    """The mask of hours in OSM grammar or in the human notation, 84 bytes as hex, None where not read whole."""
    for notation in ("osm", "text"):
        slots = week_slots(written, notation=notation)
        if slots is not None:
            return pack(slots).hex()
    return None


def _point(written: str, pattern: str | None) -> dict[str, str]:
    import re2

    found = re2.search(pattern, written) if pattern and written else None
    return {"x": found.group("x") or "", "y": found.group("y") or ""} if found else {}


def _listing(line: int, row: Mapping[str, str]) -> Listing:
    hours, intake = row.get("hours", ""), row.get("intake", "")
    name = row.get("name", "")
    words = tuple(part.strip() for part in row.get("kind", "").split(";") if part.strip())
    return Listing(
        line=line,
        service=row.get("service_id") or own_id(name, row.get("address", ""), row.get("x", ""), row.get("y", "")),
        name=name,
        organization=row.get("organization", ""),
        address=row.get("address", ""),
        words=words,
        x=row.get("x", ""),
        y=row.get("y", ""),
        is_confidential=row.get("confidential", "").lower() in _CONFIDENTIAL,
        is_active=row.get("status", "").lower() not in ("inactive", "defunct", "closed"),
        by_appointment="appointment" in hours.lower(),
        hours=read_hours(hours) if hours else None,
        intake=read_hours(intake) if intake else None,
        hours_written=bool(hours),
        eligibility=(row["eligibility"],) if row.get("eligibility") else (),
        capacity=number(row, "capacity"),
        valid_from=row.get("valid_from", ""),
        valid_to=row.get("valid_to", ""),
        verified_on=row.get("verified_on", ""),
    )


def _one_an_id(listings: Sequence[Listing]) -> tuple[list[Listing], list[tuple[int, str, str]]]:
    """The first listing of each id; a different record of the same id is refused."""
    seen: set[str] = set()
    kept, refused = [], []
    for one in listings:
        if one.service in seen:
            refused.append((one.line, "DUPLICATE_CONFLICT", "service_id"))
        else:
            seen.add(one.service)
            kept.append(one)
    return kept, refused
