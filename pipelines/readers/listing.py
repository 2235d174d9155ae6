"""One service at one place as a directory lists it, before anything is concluded from it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A service at a location. Texts are as written; "" and None mean that the directory is silent.

    `line` is the record number of the service; `service` its id, `location` the id of the place. `words` are
    categories or taxonomy terms. `hours`, `intake`: 84 bytes as hex, None unknown; `hours_written` says that there was
    something to read. `zones`: service areas as GeoJSON or WKT; `zone_words` those written otherwise.
    """

    line: int
    service: str
    location: str = ""
    name: str = ""
    organization: str = ""
    address: str = ""
    words: tuple[str, ...] = ()
    access: tuple[str, ...] = ()
    tiers: tuple[int, ...] = ()
    x: str = ""
    y: str = ""
    is_virtual: bool = False
    is_confidential: bool = False
    is_active: bool = True
    by_appointment: bool = False
    hours: str | None = None
    intake: str | None = None
    hours_written: bool = False
    eligibility: tuple[str, ...] = ()
    capacity: float | None = None
    capacity_unit: str = ""
    available: float | None = None
    available_on: str = ""
    zones: tuple[str, ...] = ()
    zone_words: tuple[str, ...] = ()
    valid_from: str = ""
    valid_to: str = ""
    verified_on: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """What a directory holds: listings, refused services, repeats of whole records, and what else was seen."""

    rows_in: int
    listings: tuple[Listing, ...]
    refused: tuple[tuple[int, str, str], ...] = ()
    merged: int = 0
    notes: tuple[tuple[str, str, str], ...] = ()


_TUPLES = tuple(item.name for item in fields(Listing) if str(item.type).startswith("tuple"))


def to_plain(directory: Directory) -> dict[str, Any]:
    """The directory as JSON values."""
    return {**asdict(directory), "listings": [asdict(one) for one in directory.listings]}


def from_plain(plain: Mapping[str, Any]) -> Directory:
    """The directory that `to_plain` wrote."""
    listings = tuple(Listing(**{**one, **{name: tuple(one[name]) for name in _TUPLES}}) for one in plain["listings"])
    return Directory(
        rows_in=int(plain["rows_in"]),
        listings=listings,
        refused=tuple((int(a), str(b), str(c)) for a, b, c in plain["refused"]),
        merged=int(plain["merged"]),
        notes=tuple((str(a), str(b), str(c)) for a, b, c in plain["notes"]),
    )


def own_id(*parts: str) -> str:
    """An id for a service that has none: 12 hex of its words, the same in every delivery."""
    return hashlib.sha256("\x1f".join(" ".join(part.lower().split()) for part in parts).encode()).hexdigest()[:12]


def mended(text: str) -> str:
    """The text with doubly encoded UTF-8 undone, where undoing it can itself be undone; else as it is.

    >>> mended("835 Oâ€™Farrell St")
    '835 O’Farrell St'
    >>> mended("café Ã")
    'café Ã'
    """
    for _ in range(3):
        if not any(mark in text for mark in ("Ã", "â", "Â")):
            return text
        turned = _undone(text)
        if turned is None:
            return text
        text = turned
    return text


def _undone(text: str) -> str | None:
    for encoding in ("cp1252", "latin-1"):
        try:
            turned = text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        if turned.encode("utf-8").decode(encoding) == text and turned != text:
            return turned
    return None


def text(row: Mapping[str, Any], name: str) -> str:
    """A value as text in one spelling of blanks; missing is ""."""
    value = row.get(name)
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value == int(value):
        value = int(value)
    return mended(" ".join(str(value).split()))


def number(row: Mapping[str, Any], name: str) -> float | None:
    """A count of zero or more, or None."""
    try:
        value = float(text(row, name))
    except ValueError:
        return None
    return value if 0 <= value < 1e6 else None


def notes_of(found: Mapping[str, Sequence[str]], details: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
    """(reason, detail, name) of each thing seen, in the order of `details`."""
    return tuple((reason, details[reason], name) for reason in details for name in found.get(reason, ()))
