"""The services stage: every directory's listings as rows per service, need, leg and access, and what is not known."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from geo.crs import to_metric
from geo.tables import SERVICES, check
from pipelines.city import City, Source
from pipelines.files import source_folder
from pipelines.findings import Books
from pipelines.matching import is_draft, kind_of, kinds, read_eligibility
from pipelines.readers.directory import read_directory, table_settings
from pipelines.readers.listing import Directory, Listing
from pipelines.supply_rows import FRESH_DAYS, day, is_stale, near_duplicates, places_of, rows_of, zone_of

FAR_M = 150_000.0
_FINDINGS = {
    "LOCATION_WITHHELD": ("info", "location withheld on purpose: listed and counted, never placed, never on a map"),
    "COORD_MISSING": ("warning", "no coordinates: listed, not mapped, no place to go by distance; said so"),
    "BAD_COORDINATE": ("warning", "coordinates are no place, or more than 150 km from the city: listed, not mapped"),
    "UNKNOWN_CATEGORY": ("warning", "kind of service not known from its words: listed, matched to no need"),
    "NO_MATCH": ("info", "kinds that suit no need here: listed, no row"),
    "INACTIVE_SERVICE": ("info", "the directory says they no longer operate: listed, no row"),
    "HOURS_UNKNOWN": ("warning", "hours not known: they widen the band and settle nothing"),
    "ELIGIBILITY_UNSETTLED": ("warning", "eligibility was read and could not be settled: unknown"),
    "ELIGIBILITY_NOT_ASSESSED": ("info", "no eligibility on record: taken as open to all, not assessed"),
    "ZONE_UNREAD": ("warning", "service area written in words that are not read"),
    "STALE_LISTING": ("warning", f"last verified more than {FRESH_DAYS} days before the list was taken"),
    "NEVER_VERIFIED": ("info", "no date of verification on record"),
    "BAD_DATE": ("warning", "a date that cannot be read was left out"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """`services` per contract SERVICES, and the books."""

    services: pd.DataFrame
    quality: pd.DataFrame
    counts: pd.DataFrame
    quarantine: pd.DataFrame


def services(city: City, root: str | Path, *, duty_ids: frozenset[str] = frozenset()) -> Supply:
    """All services of a city's directories, in order of the key.

    `duty_ids` are the service ids that keep a duty log. Whole repeats are merged, near repeats flagged; a listing
    without a usable place stays, without coordinates; a confidential one is never placed. `root` is the folder of
    raw data.

    Raises:
        FileRejected: a directory is refused.
    """
    books = Books(stage="services")
    folder = source_folder(city, Path(root))
    box = _box(city)
    rows: list[dict[str, Any]] = []
    taken: dict[str, str] = {}
    for source in city.sources_of("services"):
        directory = _read(city, source, folder)
        found = _Findings()
        rows += _source_rows(city, source, directory, duty_ids, box, taken, books, found)
        _write_books(source, directory, books, found)
    if is_draft() and city.sources_of("services"):
        books.found("*", "DRAFT_MATCHING", ["data/matching"], "draft matching – not for publication")
    return Supply(
        services=_frame(rows),
        quality=books.quality_frame(),
        counts=books.counts_frame(),
        quarantine=books.quarantine_frame(),
    )


class _Findings:
    """Names of services by reason, in order."""

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = {}
        self.near: list[str] = []
        self.rows_merged = 0

    def add(self, reason: str, name: str) -> None:
        self.names.setdefault(reason, []).append(name)


def _read(city: City, source: Source, folder: Path) -> Directory:
    table = None
    if source.format == "service_table":
        table = table_settings(
            source.columns,
            encoding=source.encoding,
            delimiter=source.delimiter,
            skip_lines=source.skip_lines,
            point_pattern=source.point_pattern,
        )
    on = source.valid_as_of or city.services_as_of
    return read_directory(folder / source.path, format=source.format, on=on, table=table)


def _source_rows(
    city: City,
    source: Source,
    directory: Directory,
    duty_ids: frozenset[str],
    box: BaseGeometry,
    taken: dict[str, str],
    books: Books,
    found: _Findings,
) -> list[dict[str, Any]]:
    named: dict[str, Listing] = {}
    for service_id, listing in _with_ids(source, directory.listings):
        if taken.setdefault(service_id, source.id) != source.id:
            books.refused(source.id, listing.line, "DUPLICATE_CONFLICT", "service_id")
            found.add("DUPLICATE_CONFLICT", service_id)
        else:
            named[service_id] = listing
    found.near = near_duplicates(named)
    mapped = {theirs: ours for column, theirs, ours in source.values if column == "kind"} or None
    kinds_of = [kind_of(one.words, one.name, stated=source.kind_of_service, mapped=mapped) for one in named.values()]
    paired = [(one, kinds()[kind_id or "other"]) for one, kind_id in zip(named.values(), kinds_of)]
    where = places_of(paired, source_crs=source.crs or "EPSG:4326", crs=city.crs, box=box, far_m=FAR_M)
    rows: list[dict[str, Any]] = []
    for service_id, (listing, kind), kind_id, at in zip(named, paired, kinds_of, where):
        _note(found, city, service_id, listing, kind_id, at.reason)
        if listing.is_active:
            rows += rows_of(
                listing,
                kind,
                at,
                service_id=service_id,
                source_id=source.id,
                has_duty_log=service_id in duty_ids and kind.leg == "respond",
                crs=city.crs,
                as_of=source.valid_as_of or city.services_as_of,
            )
    return rows


def _with_ids(source: Source, listings: Iterable[Listing]) -> list[tuple[str, Listing]]:
    """Each listing with its service_id: the prefix, the directory's id, and the place where there are several."""
    listed = list(listings)
    n_places: dict[str, int] = {}
    for one in listed:
        n_places[one.service] = n_places.get(one.service, 0) + 1
    prefix = f"{source.prefix}:" if source.prefix else ""
    return [
        (f"{prefix}{one.service}" + (f"@{one.location}" if n_places[one.service] > 1 else ""), one) for one in listed
    ]


def _note(found: _Findings, city: City, service_id: str, listing: Listing, kind_id: str | None, reason: str) -> None:
    kind = kinds()[kind_id or "other"]
    if reason:
        found.add(reason, service_id)
    if kind_id is None:
        found.add("UNKNOWN_CATEGORY", f"{service_id}: {'; '.join(listing.words)[:40] or 'no category'}")
    if not listing.is_active:
        found.add("INACTIVE_SERVICE", service_id)
    elif not kind.match:
        found.add("NO_MATCH", service_id)
    else:
        _note_unknowns(found, city, service_id, listing, kind_id or "other")
    verified = day(listing.verified_on)
    if is_stale(verified, city.services_as_of):
        found.add("STALE_LISTING", service_id)
    elif not listing.verified_on:
        found.add("NEVER_VERIFIED", service_id)
    if any(text and day(text) is None for text in (listing.valid_from, listing.valid_to, listing.verified_on)):
        found.add("BAD_DATE", service_id)


def _note_unknowns(found: _Findings, city: City, service_id: str, listing: Listing, kind_id: str) -> None:
    if listing.hours is None:
        found.add("HOURS_UNKNOWN", service_id)
    state = read_eligibility(listing.eligibility).state
    if state in ("unsettled", "not_assessed"):
        found.add(f"ELIGIBILITY_{state.upper()}", service_id)
    if zone_of(listing, kinds()[kind_id], crs=city.crs)[2]:
        found.add("ZONE_UNREAD", service_id)


def _write_books(source: Source, directory: Directory, books: Books, found: _Findings) -> None:
    n = directory.rows_in
    for line, reason, column in directory.refused:
        books.refused(source.id, line, reason, column)
    for reason, (severity, detail) in _FINDINGS.items():
        books.found(source.id, reason, found.names.get(reason, ()), detail, severity=severity, out_of=n or None)
    conflicts = [
        *found.names.get("DUPLICATE_CONFLICT", ()),
        *(f"record {a}" for a, b, _ in directory.refused if "DUP" in b),
    ]
    detail = "one id for different services: the later ones are refused; name a `prefix` where two sources share ids"
    books.found(source.id, "DUPLICATE_CONFLICT", conflicts, detail, out_of=n)
    detail = "the same service but for case, blanks or its id: both kept, please check"
    books.found(source.id, "WARN_NEAR_DUPLICATE", found.near, detail, out_of=n)
    for reason in dict.fromkeys(reason for reason, _, _ in directory.notes):
        names = [name for other, _, name in directory.notes if other == reason]
        detail = next(detail for other, detail, _ in directory.notes if other == reason)
        books.found(source.id, reason, names, detail)
    books.counted(source.id, "services", source.path, rows_in=n, rows_merged=directory.merged)


def _box(city: City) -> BaseGeometry:
    corners = shapely.segmentize(shapely.box(*city.bbox), 0.01)
    xy = shapely.get_coordinates(corners)
    x, y = to_metric(xy[:, 0], xy[:, 1], source_crs="EPSG:4326", target_crs=city.crs)
    return shapely.Polygon(list(zip(x, y)))


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    dtypes = {"text": "object", "bool": "bool", "float": "float64", "bytes": "object", "date": "object"}
    frame = pd.DataFrame(rows, columns=list(SERVICES.names))
    frame = frame.astype({column.name: dtypes[column.kind] for column in SERVICES.columns})
    frame = frame.sort_values(list(SERVICES.key), ignore_index=True)
    objects = [column.name for column in SERVICES.columns if dtypes[column.kind] == "object"]
    frame[objects] = frame[objects].where(frame[objects].notna(), None)
    return check(frame, SERVICES)
