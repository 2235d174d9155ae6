"""Levels of areas and their denominators against a city's TOML: attributes, ids, and whether the two join."""

import dataclasses
from collections.abc import Mapping

from geo.errors import FileRejected
from pipelines.check_found import Found, Profile, compare_columns, confined, profile_of
from pipelines.city import Denominator, Level
from pipelines.city_section import hint, shown


def check_level(level: Level, found: Found, *, ids: dict[str, list[str]]) -> None:
    """Nothing: adds the faults, notes and profile of a level; its ids go into `ids`."""
    from pipelines.readers.vector import read_layer

    where = f"levels.{level.name}"
    path = found.path_of(where, level.path)
    if path is None:
        return
    try:
        layer = read_layer(path, format=level.format, layer=level.layer, crs=level.crs)
    except FileRejected as refusal:
        found.faults.append(f"{where}: {refusal}")
        return
    names = list(dict.fromkeys(name for feature in layer.features for name in feature.properties))
    asked = [("id", level.id), ("label", level.label), *((f"where.{a}", a) for a, _ in level.where)]
    asked += [(f"columns.{ours}", theirs) for ours, theirs in level.columns]
    lacking = [(key, name) for key, name in asked if name and name not in names]
    for key, name in lacking:
        found.fault(f"{where}.{key}", f"the layer has no attribute [{shown(name)}]{hint(name, names)}", "DATA_COLUMN")
    kept = [f for f in layer.features if level.keeps(str(f.properties.get(a)) for a, _ in level.where)]
    if not kept:
        found.fault(where, f"no feature is left of [{len(layer.features)}]; check where", "DATA_EMPTY")
    own = [level.id_prefix + _id_text(f.properties.get(level.id)) for f in kept]
    if level.id in names:
        ids[level.name] = own
    if level.id in names and len(set(own)) < len(own):
        found.note(f"{where}.id", f"{len(own) - len(set(own))} features share an id of another; they become one area")
    facts = (("features_in_file", len(layer.features)), ("crs", layer.crs[:60]), ("notes", len(layer.notes)))
    found.profiles.append(
        Profile(id=where, kind="areas", path=level.path, rows=len(kept), columns=tuple(names), facts=facts)
    )


def check_denominator(table: Denominator, found: Found, *, ids: Mapping[str, list[str]]) -> None:
    """Nothing: adds the faults, notes and profile of a census table; `ids` are those of the levels."""
    where = f"denominators.{table.level}"
    path = found.path_of(where, table.path)
    if path is None:
        return
    columns = [("id", (table.id,)), *((ours, (theirs,)) for ours, theirs in table.columns)]
    order = {
        "format": table.format, "encoding": "utf-8", "delimiter": ",", "skip_lines": 0, "windows": [], "box": None,
        "columns": {ours: list(theirs) for ours, theirs in columns}, "times": {}, "words": [], "key": "id",
        "type_column": None, "crs": None, "listed": "id",
    }  # fmt: skip
    try:
        answer = confined("profile_table", path, order)
    except FileRejected as refusal:
        found.faults.append(f"{where}: {refusal}")
        return
    compare_columns(where, answer["header"], columns, table.unused, found)
    theirs = {text.removeprefix(table.id_prefix).zfill(table.id_width) for text in answer.get("listed", ())}
    own = set(ids.get(table.level, ()))
    matched = len(own & theirs)
    if own and theirs and matched * 2 < len(own):
        found.fault(
            f"{where}.id",
            f"{matched} of {len(own)} areas of level {table.level} are found in the table, expected most; "
            "check id, id_strip, id_width and the vintage of the boundaries",
            "DATA_JOIN",
        )
    elif own and theirs and matched < len(own):
        found.note(where, f"{len(own) - matched} of {len(own)} areas have no row in the table")
    profile = profile_of(where, "denominators", table.path, answer)
    found.profiles.append(dataclasses.replace(profile, facts=(*profile.facts, ("areas_matched", matched))))


def _id_text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
