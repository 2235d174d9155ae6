"""From a listing to rows of `services`: what its kind, hours, zone, tiers, eligibility and capacity come to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import shapely
from shapely.errors import ShapelyError
from shapely.geometry.base import BaseGeometry

from geo.crs import to_metric
from pipelines.matching import Kind, read_eligibility
from pipelines.readers.listing import Listing

FRESH_DAYS = 180
_FITS = {
    "contact": ("line", "appointment"),
    "respond": ("team", "appointment"),
    "place": ("walk_in", "drop_off", "appointment", "unknown"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a listing is in the city's metres, or why it is nowhere: "", LOCATION_WITHHELD, COORD_MISSING,
    BAD_COORDINATE."""

    x: float | None
    y: float | None
    reason: str = ""


def day(text: str) -> date | None:
    """The date at the start of an ISO text, None where there is none."""
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


def is_stale(verified: date | None, as_of: date) -> bool:
    """Whether a listing was last verified more than 180 days before the list was taken."""
    return verified is not None and (as_of - verified).days > FRESH_DAYS


def places_of(
    listings: Sequence[tuple[Listing, Kind]], *, source_crs: str, crs: str, box: BaseGeometry, far_m: float
) -> list[Placed]:
    """Where each listing is; a confidential one is never placed, whatever the directory says.

    `box` is the city's box in metres; a point farther than `far_m` from it is a BAD_COORDINATE.
    """
    read = [_coordinates(listing, kind, source_crs) for listing, kind in listings]
    found = [at for at, one in enumerate(read) if isinstance(one, tuple)]
    out = [Placed(x=None, y=None, reason="" if isinstance(one, tuple) else one) for one in read]
    if not found:
        return out
    lon, lat = np.array([read[at] for at in found], dtype=float).T
    x, y = to_metric(lon, lat, source_crs=source_crs, target_crs=crs)
    is_finite = np.isfinite(x) & np.isfinite(y)
    points = shapely.points(np.where(is_finite, x, 0.0), np.where(is_finite, y, 0.0))
    is_near = is_finite & (shapely.distance(points, box) <= far_m)
    for at, east, north, near in zip(found, x, y, is_near):
        out[at] = Placed(x=float(east), y=float(north)) if near else Placed(x=None, y=None, reason="BAD_COORDINATE")
    return out


def _coordinates(listing: Listing, kind: Kind, source_crs: str) -> tuple[float, float] | str:
    """The coordinates as numbers, or why there are none."""
    if listing.is_confidential or kind.is_confidential:
        return "LOCATION_WITHHELD"
    if not (listing.x and listing.y) or listing.is_virtual:
        return "COORD_MISSING"
    try:
        lon, lat = float(listing.x), float(listing.y)
    except ValueError:
        return "BAD_COORDINATE"
    in_degrees = source_crs in ("EPSG:4326", "EPSG:4269")
    off = in_degrees and not (-180 <= lon <= 180 and -90 <= lat <= 90)
    return "BAD_COORDINATE" if off or (lon == 0 and lat == 0) or not np.isfinite([lon, lat]).all() else (lon, lat)


def access_of(listing: Listing, kind: Kind) -> tuple[str, ...]:
    """How people are taken in: as stated, by appointment where the listing says only that, else as the kind."""
    stated = tuple(one for one in listing.access if one in _FITS[kind.leg])
    if stated:
        return stated
    return ("appointment",) if listing.by_appointment else kind.access


def zone_of(listing: Listing, kind: Kind, *, crs: str) -> tuple[str, bytes | None, bool]:
    """(zone_state, WKB in metres or None, whether something written was not read).

    A team or line that states no area is unknown; a building that states none has none.
    """
    silent = "none" if kind.leg == "place" else "unknown"
    shapes = [_shape(written) for written in listing.zones]
    unread = [shape for shape in shapes if shape is None]
    good = [shape for shape in shapes if shape is not None]
    if "everywhere" in listing.zone_words:
        return "everywhere", None, False
    if not good or unread or listing.zone_words:
        return silent, None, bool(unread or listing.zone_words)
    whole = good[0] if len(good) == 1 else shapely.union_all(good)
    metric = shapely.transform(whole, lambda xy: _metres(xy, crs))
    return "polygon", bytes(shapely.to_wkb(metric)), False


def _metres(xy: Any, crs: str) -> Any:
    return np.column_stack(to_metric(xy[:, 0], xy[:, 1], source_crs="EPSG:4326", target_crs=crs))


def _shape(written: str) -> BaseGeometry | None:
    """The polygon of GeoJSON or WKT text in degrees, or None."""
    try:
        if written.startswith("{"):
            plain = json.loads(written)
            geometry = plain.get("geometry", plain) if isinstance(plain, dict) else None
            shape = shapely.from_geojson(json.dumps(geometry))
        else:
            shape = shapely.from_wkt(written)
    except (ShapelyError, ValueError, RecursionError):
        return None
    shape = shape if shape.is_valid else shapely.make_valid(shape)
    west, south, east, north = shape.bounds if not shape.is_empty else (999.0,) * 4
    if not shape.geom_type.endswith("Polygon") or west < -180 or east > 180 or south < -90 or north > 90:
        return None
    return shapely.force_2d(shape)


def capacity_state(listing: Listing, kind: Kind, *, has_duty_log: bool, as_of: date) -> str:
    """proven where nothing has to be proven; else by beds free and reported lately, or by a duty log."""
    if "duty_log" in kind.requires:
        return "proven" if has_duty_log else "unproven"
    if "availability" in kind.requires:
        free = listing.available is not None and listing.available > 0
        return "proven" if free and not is_stale(day(listing.available_on), as_of) else "unproven"
    return "proven"


def rows_of(
    listing: Listing,
    kind: Kind,
    where: Placed,
    *,
    service_id: str,
    source_id: str,
    has_duty_log: bool,
    crs: str,
    as_of: date,
) -> list[dict[str, Any]]:
    """The rows of one listing, one a need and access of its kind; none for a kind that suits no need."""
    read = read_eligibility(listing.eligibility)
    tiers = _tiers(listing.tiers, read.tiers, kind.tiers)
    zone_state, zone, _ = zone_of(listing, kind, crs=crs)
    hours = None if listing.hours is None else bytes.fromhex(listing.hours)
    intake = None if listing.intake is None else bytes.fromhex(listing.intake)
    common: dict[str, Any] = {
        "service_id": service_id,
        "source_id": source_id,
        "name": listing.name or service_id,
        "organization": listing.organization or None,
        "kind": kind.id,
        "leg": kind.leg,
        **{f"takes_t{tier}": tier in tiers for tier in range(3)},
        "eligibility_state": read.state,
        "is_emergency_department": kind.is_emergency_department,
        "is_confidential": where.reason == "LOCATION_WITHHELD",
        "hours": hours,
        "intake": intake if intake is not None or "intake" in kind.requires else hours,
        "capacity_state": capacity_state(listing, kind, has_duty_log=has_duty_log, as_of=as_of),
        "capacity": listing.capacity if listing.capacity is not None else listing.available,
        "capacity_unit": listing.capacity_unit or None,
        "has_duty_log": has_duty_log,
        "zone_state": zone_state,
        "zone": zone,
        "x": where.x,
        "y": where.y,
        "valid_from": day(listing.valid_from),
        "valid_to": day(listing.valid_to),
        "verified_on": day(listing.verified_on),
        "reviewed_by": kind.reviewed_by or None,
    }
    return [
        common | {"need": need, "match": match, "access": access, "person": read.person(need)}
        for need, match in kind.match.items()
        for access in access_of(listing, kind)
    ]


def _tiers(stated: Sequence[int], read: Sequence[int] | None, default: Sequence[int]) -> set[int]:
    """Tiers as stated, narrowed by what the eligibility text names; else of the kind."""
    taken = set(stated) or set(read or default)
    return (taken & set(read)) or set(read) if read else taken


def near_duplicates(named: Mapping[str, Listing]) -> list[str]:
    """Pairs "B ~ A" of services whose name, organization and place are the same but for case and blanks."""
    seen: dict[tuple[str, ...], str] = {}
    out = []
    for service_id, one in named.items():
        key = tuple(" ".join(part.lower().split()) for part in (one.name, one.organization, one.address, one.x, one.y))
        first = seen.setdefault(key, service_id)
        if first != service_id and one.name:
            out.append(f"{service_id} ~ {first}")
    return out
