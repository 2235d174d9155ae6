"""A city's source files: how each is written and which of its columns are what, checked."""

import codecs
import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache

from geo.errors import UnmetError
from pipelines.city import DIRECTORIES, SOURCE_KINDS, TABULAR, Source
from pipelines.city_columns import REQUIRED, TARGETS, TIMES, names_of
from pipelines.city_layers import read_path
from pipelines.city_place import read_crs, read_timezone
from pipelines.city_section import Section, hint, shown

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "latin-1", "windows-1252")
_PROBES = (datetime(2001, 2, 3, 4, 5), datetime(2023, 11, 30, 23, 59), datetime(2024, 2, 29, 12, 0))


def read_sources(section: Section) -> tuple[Source, ...]:
    """All sources by kind and name; at least one of calls."""
    out: list[Source] = []
    for kind, tables in section.named():
        if kind not in SOURCE_KINDS:
            section.fault(kind, f"unknown kind of source [{kind}]{hint(kind, SOURCE_KINDS)}", "CONFIG_KEY")
            continue
        out += [_source(kind, name, table) for name, table in tables.named()]
    if not any(source.kind == "calls" for source in out):
        section.fault("calls", "missing; expected at least one [sources.calls.NAME]", "CONFIG_MISSING")
    return tuple(out)


def _source(kind: str, name: str, section: Section) -> Source:
    formats = DIRECTORIES if kind == "services" else TABULAR
    format_ = section.text("format", choices=formats)
    has_columns = kind != "services" or format_ == "service_table"
    columns = _columns(section, kind) if has_columns else _no_columns(section, format_)
    source = Source(
        id=f"{kind}.{name}",
        kind=kind,
        path=read_path(section),
        format=format_,
        columns=columns,
        unused=section.texts("unused"),
        values=_values(section, kind, {ours for ours, _ in columns}),
        encoding=_encoding(section),
        delimiter=_delimiter(section),
        skip_lines=section.whole("skip_lines", 0, low=0, high=1000),
        time_format=_time_format(section),
        timezone=read_timezone(section, "timezone", required=False),
        ambiguous_time=section.text("ambiguous_time", "first", choices=("first", "second")),
        date_range=_date_range(section),
        crs=read_crs(section),
        origin=section.text("origin", "inferred", choices=("inferred", "column")),
        type_split=section.maybe("type_split", about="the text between category and type, as ':'"),
        duration_unit=section.text("duration_unit", "seconds", choices=("seconds", "minutes", "hours")),
        point_pattern=_pattern(section),
        max_bad_share=section.number("max_bad_share", 0.5, low=0, high=1),
        max_distinct_types=section.whole("max_distinct_types", 2000, low=1, high=1_000_000),
        kind_of_service=_kind_of_service(section, kind),
        prefix=_prefix(section),
        valid_as_of=section.day("valid_as_of", None),
    )
    _fit(section, source)
    section.done()
    return source


def _columns(section: Section, kind: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Our name → the file's column or columns; a column stands alone for one of ours only."""
    inner = section.section("columns")
    known = names_of(kind)
    inner.asked.update(known)
    out: dict[str, tuple[str, ...]] = {}
    for name in inner.table:
        if name not in known:
            continue
        theirs = _theirs(inner, name)
        first = next((ours for ours, other in out.items() if theirs and other == theirs), None)
        if first:
            inner.fault(name, f"column used twice, here and for {first} [{shown(' + '.join(theirs))}]; "
                        "each of ours needs a column of its own", "CONFIG_MAPPING")  # fmt: skip
        elif theirs:
            out[name] = theirs
    inner.done()
    for name in REQUIRED[kind]:
        if name not in inner.table:
            inner.fault(name, f"missing; a file of {kind} needs it", "CONFIG_MISSING")
    return tuple(out.items())


def _theirs(inner: Section, name: str) -> tuple[str, ...]:
    value = inner.table[name]
    if not isinstance(value, list):
        return tuple(filter(None, [inner.text(name, about="a column of the file, or a list of them")]))
    good = tuple(v for v in value if isinstance(v, str) and v.strip())
    if len(good) != len(value) or not good:
        inner.wrong(name, "a column of the file, or a list of them", value)
    elif len(set(good)) != len(good):
        inner.fault(name, f"column used twice in one list [{shown(', '.join(good))}]", "CONFIG_MAPPING")
    return good


def _no_columns(section: Section, format_: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if section.has("columns"):
        section.fault("columns", f"expected no columns: a directory of format [{format_}] names its own", "CONFIG_KEY")
    return ()


def _values(section: Section, kind: str, mapped: set[str]) -> tuple[tuple[str, str, str], ...]:
    """(our column, the file's value, our value), each aimed at an allowed value."""
    inner = section.section("values")
    out = []
    for ours, table in inner.named():
        if ours not in mapped:
            inner.fault(
                ours, f"expected a column that is mapped in columns{hint(ours, sorted(mapped))}", "CONFIG_MAPPING"
            )
        targets = service_kinds() if kind == "services" and ours == "kind" else TARGETS.get(ours, ())
        for theirs in table.table:
            target = table.text(theirs, choices=targets) if targets else table.text(theirs)
            if target:
                out.append((ours, theirs, target))
    return tuple(out)


def _encoding(section: Section) -> str:
    name = section.text("encoding", "utf-8")
    try:
        codecs.lookup(name)
    except LookupError:
        section.fault("encoding", f"expected one of {', '.join(ENCODINGS)}, got [{shown(name)}]{hint(name, ENCODINGS)}")
    return name


def _delimiter(section: Section) -> str:
    if not section.has("delimiter"):
        return ","
    value = section.table["delimiter"]
    if not isinstance(value, str) or len(value) != 1 or value in "\"'\n\r" or value.isalnum():
        section.wrong("delimiter", 'one character such as "," ";" "|" or "\\t"', value)
        return ","
    return value


def _time_format(section: Section) -> str | None:
    """A strptime format that reads back what it writes, to the minute."""
    text = section.maybe("time_format", about="a format such as %Y-%m-%d %H:%M:%S")
    if not text:
        return None
    do = "write it with %Y %m %d %H %M %S, or %I with %p for a twelve-hour clock"
    if not any(code in text for code in ("%H", "%I", "%X", "%c")):
        section.wrong("time_format", "an hour in the format, since a date alone cannot say when", text, do)
        return None
    try:
        reads = all(datetime.strptime(p.strftime(text), text).replace(tzinfo=None, second=0) == p for p in _PROBES)
    except (ValueError, re.error):
        reads = False
    if not reads:
        section.wrong("time_format", "a format that can be read back, such as %m/%d/%Y %I:%M:%S %p", text, do)
        return None
    return text


def _date_range(section: Section) -> tuple[date, date] | None:
    if not section.has("date_range"):
        return None
    value = section.items("date_range", expected="[first day, first day after]")
    days = [section.as_day(f"date_range[{at}]", v) for at, v in enumerate(value)]
    if len(days) != 2:
        section.wrong("date_range", "[first day, first day after]", value)
    elif days[0] and days[1]:
        if days[0] < days[1]:
            return days[0], days[1]
        section.wrong("date_range", "the earlier date first", f"{days[0]}, {days[1]}")
    return None


def _pattern(section: Section) -> str | None:
    """A pattern with the named groups x and y, compiled by RE2, which cannot run away on any text."""
    import re2

    text = section.maybe("point_pattern", about="a pattern with groups (?P<y>…) and (?P<x>…)")
    if text is None:
        return None
    options = re2.Options()
    options.log_errors = False
    try:
        groups = set(re2.compile(text, options).groupindex)
    except re2.error as error:
        section.fault("point_pattern", f"expected a pattern that RE2 can run in linear time, got [{shown(text)}]: "
                      f"{shown(_words(error))}", "CONFIG_PATTERN")  # fmt: skip
        return None
    if not {"x", "y"} <= groups:
        section.fault("point_pattern", "expected the groups (?P<x>…) for longitude and (?P<y>…) for latitude, "
                      f"got [{', '.join(sorted(groups)) or 'none'}]", "CONFIG_PATTERN")  # fmt: skip
        return None
    return text


def _words(error: Exception) -> str:
    first = error.args[0] if error.args else ""
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)


def _kind_of_service(section: Section, kind: str) -> str | None:
    if not section.has("kind_of_service"):
        return None
    if kind != "services":
        section.fault("kind_of_service", f"expected only under sources.services, got it under [{kind}]", "CONFIG_KEY")
        return None
    return section.text("kind_of_service", choices=service_kinds())


@cache
def service_kinds() -> tuple[str, ...]:
    """The kinds of service of `data/matching/kinds.toml`; () where that table is not installed."""
    import tomllib

    from pipelines.resources import data_path

    try:
        path = data_path("matching", "kinds.toml")
    except UnmetError:
        return ()
    return tuple(str(kind["id"]) for kind in tomllib.loads(path.read_text("utf-8"))["kinds"])


def _prefix(section: Section) -> str:
    text = section.text("prefix", "", about="a short word put before the file's ids")
    if text and not re.fullmatch(r"[A-Za-z0-9_-]{1,20}", text):
        section.wrong("prefix", "up to 20 letters, digits, - or _", text)
    return text


def _fit(section: Section, source: Source) -> None:
    """Faults of keys that only together make no sense."""
    written = section.table.get("columns")
    mapped = set(written) & set(names_of(source.kind)) if isinstance(written, Mapping) else set()
    if ("x" in mapped) != ("y" in mapped):
        missing = "y" if "x" in mapped else "x"
        section.fault(
            f"columns.{missing}", "missing; expected x (longitude or easting) and y together", "CONFIG_MISSING"
        )
    if "point" in mapped and mapped & {"x", "y"}:
        section.fault("columns.point", "expected either point or x and y, got both", "CONFIG_MAPPING")
    if ("point" in mapped) != bool(section.table.get("point_pattern")):
        lacking = "point_pattern" if "point" in mapped else "columns.point"
        section.fault(lacking, "missing; expected columns.point and point_pattern together", "CONFIG_MISSING")
    if mapped & {"x", "y", "point"} and source.kind != "services" and not section.table.get("crs"):
        section.fault("crs", "missing; expected the system of the coordinates, as EPSG:4326", "CONFIG_MISSING")
    if mapped & set(TIMES) and not section.has("time_format"):
        section.fault(
            "time_format", "missing; expected how the file writes times, as %Y-%m-%d %H:%M:%S", "CONFIG_MISSING"
        )
    if source.kind == "calls":
        _fit_origin(section, source, mapped)
    alone = {theirs[0] for _, theirs in source.columns if len(theirs) == 1}
    used = {column for _, theirs in source.columns for column in theirs}
    for at, column in enumerate(source.unused):
        if column in alone | used:
            section.fault(f"unused[{at}]", f"column is mapped and declared unused [{shown(column)}]", "CONFIG_MAPPING")


def _fit_origin(section: Section, source: Source, mapped: set[str]) -> None:
    if source.origin == "column" and "origin" not in mapped:
        section.fault("columns.origin", 'missing; origin = "column" needs the column that says who started the call; '
                      'or write origin = "inferred"', "CONFIG_MISSING")  # fmt: skip
    elif source.origin == "inferred" and "origin" in mapped:
        section.fault("origin", 'expected origin = "column", because columns.origin is mapped, got [inferred]')
