"""A city's levels of areas and their denominators, checked."""

import re

from pipelines.city import ROLES, TABULAR, VECTOR, Denominator, Level
from pipelines.city_columns import AREA_NAMES
from pipelines.city_place import read_crs
from pipelines.city_refuse import path_fault
from pipelines.city_section import Section, hint, shown

_YEARS = re.compile(r"(19|20)\d\d(-(19|20)\d\d)?")
_DENOMINATOR = re.compile(r"[a-z][a-z0-9_]{0,39}")


def read_path(section: Section, key: str = "path") -> str:
    """A path that stays below the data folder."""
    text = section.text(key, about="a path relative to the data folder")
    found = path_fault(text) if text else None
    if found:
        section.faults.append(f"{section.path(key)}: {found}")
    return text


def read_levels(section: Section) -> tuple[Level, ...]:
    """The levels, exactly one of them the base."""
    levels = tuple(_level(name, table) for name, table in section.named())
    if not levels:
        section.fault("", "missing; expected at least one [levels.NAME] with role, path, format, id and vintage",
                      "CONFIG_MISSING")  # fmt: skip
        return ()
    marked = [level.name for level in levels if level.is_base]
    if len(marked) != 1:
        got, names = ", ".join(marked) or "none", ", ".join(level.name for level in levels)
        section.fault("", f"expected base = true in one level (the others are built from it), got [{got}] of {names}")
    return levels


def _level(name: str, section: Section) -> Level:
    if name in ("city", "grid"):
        section.fault("", f"expected another name, got [{name}]; it is one of ours", "CONFIG_KEY")
    columns = read_denominator_columns(section)
    columns_vintage = section.text("columns_vintage", "", about="the year of the counts")
    if columns and not columns_vintage:
        section.fault("columns_vintage", "missing; expected the year of the counts in the layer, as 2000",
                      "CONFIG_MISSING")  # fmt: skip
    level = Level(
        name=name,
        role=section.text("role", choices=ROLES),
        path=read_path(section),
        format=section.text("format", choices=VECTOR),
        id=section.text("id", about="the attribute that holds the area's id"),
        vintage=section.text("vintage", about="the year of the boundaries"),
        label=section.text("label", ""),
        layer=section.maybe("layer"),
        crs=read_crs(section),
        id_prefix=section.text("id_prefix", ""),
        where=section.pairs("where", value_about="the attribute's value as text"),
        is_base=section.flag("base", False),
        columns=columns,
        columns_vintage=columns_vintage,
    )
    section.done()
    return level


def read_denominators(section: Section, levels: tuple[Level, ...]) -> tuple[Denominator, ...]:
    """Census tables, each for a level that exists and, where it says so, of the same boundaries."""
    by_name = {level.name: level for level in levels}
    out = []
    for name, table in section.named():
        level = by_name.get(name)
        found = _denominator(name, table)
        if level is None:
            section.fault(name, f"expected the name of a level, got [{name}]{hint(name, by_name)}")
        elif level.columns:
            table.fault("", f"expected one source of denominators, got this and [levels.{name}.columns]; keep one")
        elif found.tract_vintage and found.tract_vintage != level.vintage:
            table.fault(
                "tract_vintage",
                f"expected boundaries of [levels.{name}] ({level.vintage}), got [{found.tract_vintage}]; "
                "use a table of the same boundaries, or leave this one out and say so in caveats",
                "CONFIG_VINTAGE",
            )
        out.append(found)
    return tuple(out)


def _denominator(level: str, section: Section) -> Denominator:
    columns = read_denominator_columns(section)
    if not columns:
        section.fault("columns", 'missing; expected at least population = "the file\'s column"', "CONFIG_MISSING")
    vintage = section.text("vintage", about="the years of the estimates, as 2018-2022")
    if vintage and not _YEARS.fullmatch(vintage):
        section.wrong("vintage", "the years of the estimates, as 2018-2022 or 2020", vintage)
    denominator = Denominator(
        level=level,
        path=read_path(section),
        format=section.text("format", choices=TABULAR),
        id=section.text("id", about="the column that holds the area's id"),
        vintage=vintage,
        columns=columns,
        id_width=section.whole("id_width", 0, low=0, high=20),
        id_prefix=section.text("id_strip", ""),
        missing=section.texts("missing"),
        unused=section.texts("unused"),
        tract_vintage=section.text("tract_vintage", "", about="the vintage of the boundaries"),
    )
    section.done()
    return denominator


def read_denominator_columns(section: Section) -> tuple[tuple[str, str], ...]:
    """Our name → the file's column: population first of all, and each margin of error beside its estimate."""
    inner = section.section("columns")
    out: dict[str, str] = {}
    for name in inner.table:
        column = inner.text(name, about="the name of a column of the file")
        stem = name.removesuffix("_moe")
        if not _DENOMINATOR.fullmatch(name) or name in AREA_NAMES:
            inner.fault(shown(name), "expected a name of ours such as population or poverty_moe", "CONFIG_KEY")
        elif stem != name and stem not in inner.table:
            inner.fault(name, f"expected {stem} beside its margin of error{hint(stem, inner.table)}", "CONFIG_MAPPING")
        elif column and column in out.values():
            first = next(ours for ours, theirs in out.items() if theirs == column)
            inner.fault(name, f"column used twice, here and for {first} [{shown(column)}]", "CONFIG_MAPPING")
        else:
            out[name] = column
    if inner.table and "population" not in inner.table:
        near = hint("population", inner.table) if len(inner.table) else ""
        inner.fault("population", f"missing; expected the column of residents{near}", "CONFIG_MISSING")
    return tuple(out.items())
