"""What the child process needs to know to type one source: a city and a source boiled down, to and from JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date, timedelta
from typing import Any

from geo.errors import ConfigError
from pipelines.city import City, Source

SENSITIVE_COLUMNS = ("address", "point", "call_type", "call_type_initial", "offence", "disposition", "outcome")
_WIDE = (date(1990, 1, 1), date(2100, 1, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One source, ready to be typed: how it is written, what is what, where and when it may be."""

    source_id: str
    kind: str
    shown: str
    format: str
    encoding: str
    delimiter: str
    skip_lines: int
    columns: dict[str, tuple[str, ...]]
    unused: tuple[str, ...]
    values: tuple[tuple[str, str, str], ...]
    time_format: str | None
    zone: str
    source_zone: str
    ambiguous: str
    crs: str
    source_crs: str | None
    bbox: tuple[float, float, float, float]
    start: date
    end: date
    windows: tuple[tuple[date, date], ...]
    outages: tuple[tuple[date, date], ...]
    origin: str
    type_split: str | None
    duration_unit: str
    point_pattern: str | None
    max_bad_share: float
    max_distinct_types: int
    prefix: str

    @property
    def wanted(self) -> tuple[str, ...]:
        """The file's columns that are read, each once."""
        return tuple(dict.fromkeys(theirs for group in self.columns.values() for theirs in group))


def recipe_of(city: City, source: Source) -> Recipe:
    """The recipe of a source.

    Times must lie in `date_range`, else from a day before the first window to a day after the last; duty and
    responses without a `date_range` may lie anywhere from 1990 to 2099.

    Raises:
        ConfigError: for coordinates without a reference system, times without a format or without an hour.
    """
    columns = {ours: theirs for ours, theirs in source.columns if theirs}
    faults = _faults(source, columns)
    if faults:
        raise ConfigError(str(city.path or city.slug), faults)
    is_dated = source.kind in ("calls", "incidents")
    around = (
        min(window.start for window in city.windows) - timedelta(days=1),
        max(window.end for window in city.windows) + timedelta(days=1),
    )
    start, end = source.date_range or (around if is_dated else _WIDE)
    return Recipe(
        source_id=source.id,
        kind=source.kind,
        shown=source.path,
        format=source.format,
        encoding=source.encoding,
        delimiter=source.delimiter,
        skip_lines=source.skip_lines,
        columns=columns,
        unused=source.unused,
        values=source.values,
        time_format=source.time_format,
        zone=city.timezone,
        source_zone=source.timezone or city.timezone,
        ambiguous=source.ambiguous_time,
        crs=city.crs,
        source_crs=source.crs,
        bbox=city.bbox,
        start=start,
        end=end,
        windows=tuple((window.start, window.end) for window in city.windows) if is_dated else (),
        outages=tuple((outage.start, outage.end) for outage in city.outages) if is_dated else (),
        origin=source.origin,
        type_split=source.type_split,
        duration_unit=source.duration_unit,
        point_pattern=source.point_pattern,
        max_bad_share=source.max_bad_share,
        max_distinct_types=source.max_distinct_types,
        prefix=source.prefix,
    )


def to_json(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain JSON values; dates as ISO text."""
    plain: dict[str, Any] = _plain(asdict(recipe))
    return plain


def from_json(plain: Mapping[str, Any]) -> Recipe:
    """The recipe that `to_json` wrote."""
    values = {field.name: _tupled(plain[field.name]) for field in fields(Recipe)}
    values["columns"] = {ours: tuple(theirs) for ours, theirs in plain["columns"].items()}
    for name in ("start", "end"):
        values[name] = date.fromisoformat(plain[name])
    for name in ("windows", "outages"):
        values[name] = tuple((date.fromisoformat(a), date.fromisoformat(b)) for a, b in plain[name])
    return Recipe(**values)


def _faults(source: Source, columns: Mapping[str, tuple[str, ...]]) -> list[str]:
    where = f"sources.{source.id}"
    faults = []
    if {"x", "y", "point"} & set(columns) and not source.crs:
        faults.append(f"{where}.crs: missing; expected the system of the coordinates, as EPSG:4326")
    is_timed = any(name.endswith("_at") for name in columns)
    if is_timed and not source.time_format:
        faults.append(f"{where}.time_format: missing; expected how the file writes times, as %Y-%m-%d %H:%M:%S")
    elif is_timed and not any(code in str(source.time_format) for code in ("%H", "%I", "%X", "%c")):
        faults.append(
            f"{where}.time_format: expected an hour in it, got [{source.time_format}]; dates alone cannot say when"
        )
    return faults


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def _tupled(value: Any) -> Any:
    return tuple(_tupled(item) for item in value) if isinstance(value, list) else value
