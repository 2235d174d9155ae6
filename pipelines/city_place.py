"""Where and when a city is: zone, reference system, box, windows, breaks and known points, checked."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from zoneinfo import available_timezones

from geo.errors import UnmetError
from pipelines.city import Break, KnownPoint, Outage, Window
from pipelines.city_section import Section, hint, shown

WIDEST_BOX_DEGREES = 5.0
_ZONE_WORDS = {
    "eastern": "America/New_York",
    "central": "America/Chicago",
    "mountain": "America/Denver",
    "pacific": "America/Los_Angeles",
    "alaska": "America/Anchorage",
    "hawaii": "Pacific/Honolulu",
    "arizona": "America/Phoenix",
}


def read_timezone(section: Section, key: str, *, required: bool) -> str | None:
    """An IANA zone by name; a fixed offset such as EST is no zone, because clocks there do change."""
    if not required and not section.has(key):
        return None
    name = section.text(key, about="an IANA time zone such as America/New_York")
    zones = available_timezones()
    if not name or name == "UTC" or ("/" in name and not name.startswith("Etc/") and name in zones):
        return name or None
    words = name.casefold()
    meant = next((zone for word, zone in _ZONE_WORDS.items() if word in words), "")
    near = f"; did you mean {meant}?" if meant else hint(name, sorted(zone for zone in zones if "/" in zone))
    section.fault(
        key, f"expected an IANA time zone such as America/New_York, got [{shown(name)}]{near}", "CONFIG_TIMEZONE"
    )
    return None


def read_box(section: Section) -> tuple[float, float, float, float] | None:
    """West, south, east, north in degrees: ordered, on the globe and no wider than a city can be."""
    expected = "[west, south, east, north] in degrees"
    value = section.items("bbox", expected=expected)
    if not value:
        if "bbox" in section.table:
            section.wrong("bbox", expected, section.table["bbox"])
        return None
    numbers = [float(v) for v in value if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(value) != 4 or len(numbers) != 4:
        section.wrong("bbox", expected, value)
        return None
    west, south, east, north = numbers
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        swapped = -180 <= south < north <= 180 and -90 <= west < east <= 90
        do = "latitude and longitude look swapped" if swapped else "check the order and the signs"
        section.wrong("bbox", expected + ", west < east and south < north", value, do)
        return None
    if east - west > WIDEST_BOX_DEGREES or north - south > WIDEST_BOX_DEGREES:
        section.wrong("bbox", f"a box of one city, at most {WIDEST_BOX_DEGREES:g}° wide and high", value)
        return None
    return west, south, east, north


def read_city_crs(section: Section, box: tuple[float, float, float, float] | None) -> str:
    """The working system: known, projected, in metres and true to distance, and made for this part of the world."""
    from pyproj import CRS

    from geo.crs import require_metric

    text = section.text("crs", about="a code such as EPSG:32616")
    code = _code(section, "crs", text)
    if not code:
        return text
    try:
        require_metric(code)
    except UnmetError as error:
        section.fault("crs", f"{_first(error)}{_suggest(box)}", "CONFIG_CRS")
        return text
    area = CRS.from_user_input(code).area_of_use
    if box and area and not _overlaps(box, area.bounds):
        if _overlaps((box[1], box[0], box[3], box[2]), area.bounds):
            section.wrong("bbox", "[west, south, east, north] in degrees", list(box), "latitude comes second")
            return text
        section.fault(
            "crs",
            f"expected a system made for the place of bbox, got [{code}], made for [{shown(area.name)}]{_suggest(box)}",
            "CONFIG_CRS",
        )
    return text


def read_crs(section: Section, key: str = "crs") -> str | None:
    """A known system of any unit, or None where the key is absent."""
    if not section.has(key):
        return None
    text = section.text(key, about="a code such as EPSG:4326")
    return _code(section, key, text) or None


def read_windows(section: Section) -> tuple[Window, ...]:
    """Half-open date ranges, in order and disjoint."""
    out = []
    for row in section.rows("windows"):
        start, end = _range(row)
        row.done()
        if start and end:
            out.append(Window(start=start, end=end))
    for at, (before, after) in enumerate(pairwise(out), start=1):
        if after.start < before.end:
            section.wrong(
                f"windows[{at}]",
                f"a window that starts on or after the end of the one before ({before.end})",
                str(after.start),
                "put the windows in order and join those that touch on the same dates",
            )
    if not section.has("windows") or section.table["windows"] == []:
        section.fault("windows", "missing; expected at least one { start, end } in which every call is on file",
                      "CONFIG_MISSING")  # fmt: skip
    return tuple(out)


def read_outages(section: Section, windows: Sequence[Window]) -> tuple[Outage, ...]:
    """Missing dates, each inside one window and apart from the others."""
    out: list[Outage] = []
    for at, row in enumerate(section.rows("outages")):
        start, end = _range(row)
        reason = row.text("reason", about="why the dates are missing")
        row.done()
        if not (start and end):
            continue
        if windows and not any(w.start <= start and end <= w.end for w in windows):
            section.wrong(f"outages[{at}]", "dates inside one window", f"{start} to {end}")
        elif any(start < other.end and other.start < end for other in out):
            section.wrong(f"outages[{at}]", "dates apart from the other outages", f"{start} to {end}")
        else:
            out.append(Outage(start=start, end=end, reason=reason))
    return tuple(out)


def read_breaks(section: Section, windows: Sequence[Window]) -> tuple[Break, ...]:
    """Dates across which counts cannot be compared, within the span of the windows."""
    out = []
    for at, row in enumerate(section.rows("breaks")):
        day = row.day("date")
        note = row.text("note", about="why counts cannot be compared across it")
        row.done()
        if day and windows and not windows[0].start <= day <= windows[-1].end:
            section.wrong(f"breaks[{at}].date", f"a date from {windows[0].start} to {windows[-1].end}", str(day))
        elif day:
            out.append(Break(date=day, note=note))
    return tuple(out)


def read_points(section: Section, key: str, box: tuple[float, float, float, float] | None) -> tuple[KnownPoint, ...]:
    """Known points inside the box, with a label."""
    out = []
    for row in section.rows(key):
        lon = row.number("lon", low=-180, high=180, unit="degrees")
        lat = row.number("lat", low=-90, high=90, unit="degrees")
        label = row.text("label", about="what is there")
        row.done()
        if box and not (box[0] <= lon <= box[2] and box[1] <= lat <= box[3]):
            row.fault("", f"expected a point inside bbox, got [{lon}, {lat}]; lon before lat?")
        else:
            out.append(KnownPoint(lon=lon, lat=lat, label=label))
    return tuple(out)


def _range(row: Section) -> tuple[date | None, date | None]:
    start, end = row.day("start"), row.day("end")
    if start and end and start >= end:
        row.fault("", f"expected start before end (end is the first day after), got [{start} to {end}]")
        return None, None
    return start, end


def _code(section: Section, key: str, text: str) -> str:
    """The code as pyproj knows it, or "" after a fault."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    authority, _, number = text.partition(":")
    if not text:
        return ""
    if authority.upper() not in ("EPSG", "ESRI", "OGC") or not number.isalnum():
        section.fault(key, f"expected a code such as EPSG:4326, got [{shown(text)}]", "CONFIG_CRS")
        return ""
    try:
        CRS.from_user_input(text)
    except CRSError:
        section.fault(key, f"expected a reference system that exists, got [{shown(text)}]; "
                      "look the code up at your state's or city's GIS office", "CONFIG_CRS")  # fmt: skip
        return ""
    return text


def _suggest(box: tuple[float, float, float, float] | None) -> str:
    from geo.crs import metric_crs

    if box is None or not -80 <= (box[1] + box[3]) / 2 <= 84:
        return ""
    return f"; EPSG:{metric_crs([box[0], box[2]], [box[1], box[3]])} would do here"


def _first(error: Exception) -> str:
    sentence = str(error).split(";")[0].rstrip(".")
    return sentence[:1].lower() + sentence[1:]


def _overlaps(a: Sequence[float], b: Sequence[float]) -> bool:
    across = b[0] > b[2]
    wide = across or (a[0] <= b[2] and b[0] <= a[2])
    return wide and a[1] <= b[3] and b[1] <= a[3]
