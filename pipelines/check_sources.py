"""Source files against their part of a city's TOML: columns, times, points, words, days."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from geo.errors import FileRejected
from pipelines.check_found import Found, Profile, compare_columns, confined, profile_of
from pipelines.city import City, Source
from pipelines.city_columns import TARGETS, TIMES
from pipelines.city_section import hint, shown
from pipelines.readers.header import fold

PACKAGES = ("hsds_3", "hsds_1")
_MAIN_TABLES = (("organization", "organizations"), ("service", "services"), ("location", "locations"))
_NOT_MEASURED = ("address", "eligibility")
_WORDS = ("origin", "caller_role", "responder", "priority", "disposition", "kind")


def check_source(city: City, source: Source, found: Found) -> None:
    """Nothing: adds the faults, notes and profile of a source."""
    where = f"sources.{source.id}"
    path = found.path_of(where, source.path, is_folder=source.format in PACKAGES)
    if path is None:
        return
    try:
        if source.format in PACKAGES:
            _package(where, source, path, found)
        elif source.kind == "services" and source.format != "service_table":
            answer = confined("profile_json", path, {})
            found.profiles.append(profile_of(source.id, source.kind, source.path, answer))
        else:
            answer = confined("profile_table", path, _order(city, source))
            compare_columns(where, answer["header"], source.columns, source.unused, found)
            _measures(where, city, source, answer, found)
            found.profiles.append(profile_of(source.id, source.kind, source.path, answer))
    except FileRejected as refusal:
        found.faults.append(f"{where}: {refusal}")


def _order(city: City, source: Source) -> dict[str, Any]:
    mapped = dict(source.columns)
    times = [name for name in TIMES if name in mapped]
    key = {"calls": "call_id", "incidents": "incident_id", "services": "service_id"}.get(source.kind)
    kept = _days_on_file(city) if source.kind == "calls" else []
    return {
        "format": "parquet" if source.format == "parquet" else "csv",
        "encoding": source.encoding,
        "delimiter": source.delimiter,
        "skip_lines": source.skip_lines,
        "columns": {ours: list(theirs) for ours, theirs in source.columns if ours not in _NOT_MEASURED},
        "times": dict.fromkeys(times, source.time_format),
        "words": [
            name for name in ("origin", "caller_role", "responder", "priority", "disposition", "kind") if name in mapped
        ],
        "key": key,
        "type_column": "call_type" if source.kind == "calls" else None,
        "box": list(city.bbox),
        "crs": source.crs or "EPSG:4326",
        "windows": kept,
    }


def _days_on_file(city: City) -> list[list[str]]:
    """The windows less the outages, as [start, end) texts."""
    out: list[list[date]] = []
    for window in city.windows:
        start = window.start
        for outage in sorted(city.outages, key=lambda o: o.start):
            if window.start <= outage.start and outage.end <= window.end:
                out += [[start, outage.start]] if start < outage.start else []
                start = outage.end
        out += [[start, window.end]] if start < window.end else []
    return [[str(start), str(end)] for start, end in out]


def _measures(where: str, city: City, source: Source, answer: Mapping[str, Any], found: Found) -> None:
    """Faults and notes from what was measured."""
    rows = answer["rows"]
    if not rows:
        found.fault(where, "the file has no rows", "DATA_EMPTY")
        return
    if answer["refused"]:
        found.note(where, f"{answer['refused']:,} of {rows:,} rows cannot be read as records and would be refused")
    for ours, seen in answer["times"].items():
        if seen["unread_share"] > source.max_bad_share:
            found.fault(
                f"{where}.time_format",
                f"{ours} cannot be read as [{source.time_format}] in {seen['unread_share']:.0%} of "
                "rows; compare the format with the file",
                "DATA_TIME",
            )
        elif seen["unread"]:
            found.note(where, f"{seen['unread']:,} values of {ours} cannot be read as a time")
    inside = answer.get("inside")
    if inside and source.kind != "services" and inside["located"] and inside["share"] < 1 - source.max_bad_share:
        found.fault(
            f"{where}.crs",
            f"{inside['share']:.0%} of points lie inside bbox, expected most; check crs [{source.crs}], "
            "x and y, and bbox",
            "DATA_POINTS",
        )
    if answer.get("n_types", 0) > source.max_distinct_types:
        found.fault(
            f"{where}.columns.call_type",
            f"{answer['n_types']:,} distinct call types, expected at most "
            f"{source.max_distinct_types:,}; is it the right column?",
            "DATA_TYPES",
        )
    _unmapped(where, source, answer["words"], found)
    if answer.get("repeated"):
        found.note(where, f"{answer['repeated']:,} row(s) repeat the id of an earlier row")
    if "days" in answer:
        _day_notes(where, answer["days"], found)


def _unmapped(where: str, source: Source, words: Mapping[str, Sequence[Sequence[Any]]], found: Found) -> None:
    """Values that no `values` table translates; without one the file must use our own words."""
    for ours in [name for name in words if name in TARGETS or any(name == mapped for mapped, _, _ in source.values)]:
        table = {fold(theirs) for name, theirs, _ in source.values if name == ours}
        known = table or set(TARGETS.get(ours, ()))
        seen = [str(word) for word, _ in words.get(ours, ())]
        lacking = [word for word in seen if fold(word) not in known]
        if seen and len(lacking) == len(seen):
            found.fault(
                f"{where}.values.{ours}",
                f"none of the file's common values is mapped, got [{shown(', '.join(lacking))}]; map them",
                "DATA_VALUES",
            )
        elif lacking:
            found.note(f"{where}.values.{ours}", f"not mapped, so unknown [{shown(', '.join(lacking))}]")


def _day_notes(where: str, days: Mapping[str, Any], found: Found) -> None:
    if days["outside"]:
        found.note(where, f"{days['outside']:,} rows lie outside the windows, or in outages, and go to quarantine")
    if days["n_empty"]:
        listed = ", ".join(days["empty"][:5])
        found.note(where, f"{days['n_empty']} days inside the windows have no row [{listed}]; declare outages")
    if days["n_thin"] > days["n_empty"]:
        listed = ", ".join(days["thin"][:5])
        found.note(where, f"{days['n_thin']} days have under a tenth of the median day [{listed}]")


def _package(where: str, source: Source, path: Path, found: Found) -> None:
    answer = confined("profile_package", path, {})
    tables: dict[str, int] = answer["tables"]
    for names in _MAIN_TABLES:
        if not any(name in tables for name in names):
            near = hint(names[0], tables)
            found.fault(f"{where}.path", f"the package has no {names[0]}.csv{near}", "DATA_PACKAGE")
    for column, n in sorted(answer["dangling"].items()):
        found.note(where, f"{n:,} values of {column} refer to nothing")
    rows = next((tables[name] for name in _MAIN_TABLES[1] if name in tables), None)
    facts = tuple((f"{name}.csv", n) for name, n in tables.items())
    found.profiles.append(Profile(id=source.id, kind=source.kind, path=source.path, rows=rows, facts=facts))
