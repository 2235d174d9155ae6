"""The columns of each raw file, as that agency would export them."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.sample import dirt
from pipelines.sample.calls import ORIGINS, ROLES, Events, catalogue
from pipelines.sample.course import CITY_WORDS, SHERIFF_WORDS, Course
from pipelines.sample.dirt import Rows, early_types
from pipelines.sample.frame import DAY, Ints, gap_starts, to_local
from pipelines.sample.places import Places
from pipelines.sample.text import padded, replaced, stamps, words

CAD = (
    "CALL_NO", "RECEIVED", "DISPATCHED", "ON_SCENE", "CLEARED", "INITIAL_TYPE", "FINAL_TYPE", "NATURE_CODE", "SOURCE",
    "CALLER", "PRI", "DISPO", "ADDRESS", "LONGITUDE", "LATITUDE", "UNITS",
)  # fmt: skip
SHERIFF = (
    "Incident Number", "Call Created", "Dispatched", "Arrived", "Closed", "Type", "How Received", "Priority",
    "Disposition", "Location", "X", "Y", "Unit", "Zone",
)  # fmt: skip
_BROKEN = ("13/45/2023 09:12:00 AM", "N/A", "2023", "00/00/0000 12:00:00 AM", "02/30/2024 11:15:00 PM", "see notes")
_OTHER_YEARS = ("01/01/1970 12:00:00 AM", "06/15/2099 08:30:00 AM")
_BROKEN_ISO = ("2023-13-45 09:12:00", "N/A", "2024-02-30 23:15:00")
_FAR = ((-74.006, 40.713), (-84.192, 39.759), (-87.9, 43.04), (12.5, 41.9))
_SOURCES = {
    "community": ("911", "NON-EMERG"), "officer": ("ONVIEW", "SELF-INIT"), "alarm": ("ALARM CO", "ALARM CO"),
    "agency": ("OTHER AGENCY", "OTHER AGENCY"), "scheduled": ("SCHEDULED", "SCHEDULED"), "unknown": ("?", "MDT-7"),
}  # fmt: skip
_HOW = {"community": "Phone", "officer": "Officer", "alarm": "Alarm", "agency": "Agency"}
_CALLER = {"subject": "SUBJECT", "household": "HOUSEHOLD", "bystander": "BYSTANDER", "professional": "PROFESSIONAL"}


def numbers(events: Events, first: int, agency: int) -> pa.Array:
    """Call numbers of events in order: `P23-0000001` by year and running number; the sheriff's begin `SO`."""
    day = np.datetime64("2023-01-02") + events.local // DAY
    year = day.astype("datetime64[Y]").astype(int) + 1970 - 2000
    prefix = words(year - 23, [f"{('P', 'SO')[agency]}{yy}-" for yy in (23, 24, 25)])
    return padded(prefix, first + np.arange(len(events)), 7)


def _degrees(values: NDArray[np.float64]) -> list[str]:
    return [f"{value:.6f}" for value in values]


class PlaceText:
    """Coordinates and addresses of all places as Arrow text, made once."""

    def __init__(self, places: Places) -> None:
        self.lon = pa.array(_degrees(places.lon))
        self.lat = pa.array(_degrees(places.lat))
        self.east = pa.array([f"{value:.2f}" for value in places.east_ft])
        self.north = pa.array([f"{value:.2f}" for value in places.north_ft])
        self.address = pa.array(list(places.address), pa.string())


def cad_columns(
    events: Events, course: Course, rows: Rows, number: pa.Array, text: PlaceText, rng: np.random.Generator
) -> dict[str, pa.Array]:
    """The city police's rows. `number` holds the call numbers of all events of that file, by event."""
    types = np.where(rows.is_early, early_types(events)[rows.event], events.type[rows.event])
    all_types = catalogue()
    row = events.take(rows.event)
    then = course.take(rows.event)
    alternate = (row.utc % 3 == 0).astype(np.int64)
    source = words(row.origin * 2 + alternate, [name for origin in ORIGINS for name in _SOURCES[origin]])
    lon, lat = text.lon.take(pa.array(row.place)), text.lat.take(pa.array(row.place))
    lon, lat = _broken_points(lon, lat, rows.fault, rng)
    final = np.where((row.utc % 331 == 0) & (row.initial == row.type) & ~rows.is_early, -1, types)
    names = [one.text for one in all_types]
    return {
        "CALL_NO": _no_key(number.take(pa.array(rows.event)), rows.fault),
        "RECEIVED": _received(row.local, rows.fault, "us"),
        "DISPATCHED": _later(then.dispatched, "us"),
        "ON_SCENE": _later(np.where(rows.is_early, -1, then.arrived), "us"),
        "CLEARED": _later(np.where(rows.is_early, -1, then.cleared), "us"),
        "INITIAL_TYPE": words(np.where(rows.is_early, types, row.initial), names),
        "FINAL_TYPE": words(final, names),
        "NATURE_CODE": words(types, [one.code for one in all_types]),
        "SOURCE": source,
        "CALLER": words(row.caller, [_CALLER.get(role) for role in ROLES]),
        "PRI": words(types, [one.priority for one in all_types]),
        "DISPO": words(np.where(rows.is_early, -1, then.disposition), CITY_WORDS),
        "ADDRESS": text.address.take(pa.array(row.address)),
        "LONGITUDE": lon,
        "LATITUDE": lat,
        "UNITS": pa.array(then.units),
    }


def sheriff_columns(
    events: Events, course: Course, rows: Rows, number: pa.Array, text: PlaceText, rng: np.random.Generator
) -> dict[str, pa.Array]:
    """The sheriff's rows: other headers, ISO stamps, State Plane feet, no caller, no first words."""
    row, then = events.take(rows.event), course.take(rows.event)
    east, north = text.east.take(pa.array(row.place)), text.north.take(pa.array(row.place))
    east, north = _broken_points(east, north, rows.fault, rng)
    at = pa.array(row.place[rows.fault == dirt.DEGREES])
    east = replaced(east, rows.fault == dirt.DEGREES, text.lon.take(at).to_pylist())
    north = replaced(north, rows.fault == dirt.DEGREES, text.lat.take(at).to_pylist())
    return {
        "Incident Number": _no_key(number.take(pa.array(rows.event)), rows.fault),
        "Call Created": _received(row.local, rows.fault, "iso"),
        "Dispatched": _later(then.dispatched, "iso"),
        "Arrived": _later(then.arrived, "iso"),
        "Closed": _later(then.cleared, "iso"),
        "Type": words(row.type, [one.text for one in catalogue()]),
        "How Received": words(row.origin, [_HOW.get(origin, "Phone") for origin in ORIGINS]),
        "Priority": words(row.type, [one.priority for one in catalogue()]),
        "Disposition": words(then.disposition, SHERIFF_WORDS),
        "Location": text.address.take(pa.array(row.address)),
        "X": east,
        "Y": north,
        "Unit": words(row.utc % 9, [f"S{n}" for n in range(21, 30)]),
        "Zone": words(row.utc % 3, ["NORTH", "CENTRAL", "SOUTH"]),
    }


def _later(utc: Ints, style: str) -> pa.Array:
    return stamps(np.where(utc >= 0, to_local(utc), -1), style)


def _no_key(number: pa.Array, fault: Ints) -> pa.Array:
    where = fault == dirt.NO_KEY
    return replaced(number, where, [None] * int(where.sum()))


def _received(local: Ints, fault: Ints, style: str) -> pa.Array:
    """Stamps of receipt with the broken ones put in."""
    column = stamps(local, style)
    broken = _BROKEN if style == "us" else _BROKEN_ISO
    where = fault == dirt.BAD_DATE
    column = replaced(column, where, [broken[n % len(broken)] for n in range(int(where.sum()))])
    where = fault == dirt.YEAR
    column = replaced(column, where, [_OTHER_YEARS[n % 2] for n in range(int(where.sum()))])
    where = fault == dirt.HOUR_24
    days = stamps(local[where], "us").to_pylist()
    column = replaced(column, where, [f"{text[:10]} 24:00:00" for text in days])
    where = fault == dirt.GAP
    gaps = np.array([gap_starts()[n % 2] + 600 + 420 * n % 2400 for n in range(int(where.sum()))], np.int64)
    return replaced(column, where, stamps(gaps, "us").to_pylist())


def _broken_points(x: pa.Array, y: pa.Array, fault: Ints, rng: np.random.Generator) -> tuple[pa.Array, pa.Array]:
    """Coordinates with zeros, blanks, swaps, far places and a lost sign put in."""
    at = np.flatnonzero(fault == dirt.ZERO)
    x, y = (replaced(column, fault == dirt.ZERO, ["0"] * len(at)) for column in (x, y))
    x, y = (replaced(c, fault == dirt.BLANK, [None] * int((fault == dirt.BLANK).sum())) for c in (x, y))
    where = fault == dirt.SWAPPED
    old_x, old_y = (column.filter(pa.array(where)).to_pylist() for column in (x, y))
    x, y = replaced(x, where, old_y), replaced(y, where, old_x)
    where = fault == dirt.FAR
    far = [_FAR[int(n)] for n in rng.integers(0, len(_FAR), int(where.sum()))]
    x = replaced(x, where, [f"{lon:.6f}" for lon, _ in far])
    y = replaced(y, where, [f"{lat:.6f}" for _, lat in far])
    where = fault == dirt.SIGN
    return replaced(x, where, [text.lstrip("-") for text in x.filter(pa.array(where)).to_pylist()]), y
