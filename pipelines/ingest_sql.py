"""The SQL that types a source's text: keys, times, numbers and coordinates, each with the reason it may be refused.

Only names of our own columns and checked settings are put into SQL; texts of the file stay values. Layers: view `text`
(trimmed text, one column per column of ours), times read by the one declared format, times in UTC, typed row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pipelines.engine import quoted
from pipelines.ingest_recipe import Recipe
from pipelines.ingest_words import Words
from pipelines.localtime import sql_of_local, sql_of_utc

LONGEST_FIELD = 1000
_LATEST_DAYS = 31
_MINUTES = {"seconds": "/ 60", "minutes": "", "hours": "* 60"}
_EXCEL = r"[+-]?[0-9]+\.0*|[+-]?[0-9](\.[0-9]+)?[eE]\+[0-9]+|[+-]?[0-9]\.[0-9]+[eE][0-9]+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a kind of source is made of: its key, times it must and may have, short texts, enumerated and free texts."""

    key: str
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    enumerated: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    has_point: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Every column of ours but the coordinates."""
        every = (self.key, *self.required, *self.optional, *self.words, *self.enumerated, *self.texts, *self.numbers)
        return tuple(dict.fromkeys(every))


SHAPES = {
    "calls": Shape(
        key="call_id",
        required=("received_at",),
        optional=("dispatched_at", "arrived_at", "cleared_at"),
        words=("call_type", "call_type_initial", "disposition", "priority", "beat"),
        enumerated=("origin", "caller_role"),
        texts=("address",),
        numbers=("duration", "n_units"),
        has_point=True,
    ),
    "incidents": Shape(
        key="incident_id",
        required=("reported_at",),
        words=("offence",),
        texts=("call_id", "address"),
        has_point=True,
    ),
    "duty": Shape(key="service_id", required=("on_at", "off_at"), numbers=("n_teams",)),
    "responses": Shape(
        key="call_id",
        optional=("assigned_at", "arrived_at", "cleared_at"),
        words=("outcome", "not_sent_reason"),
        enumerated=("responder",),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A reason column of the typed rows and the column of ours it blames, first the most basic."""

    alias: str
    sql: str
    column: str


def text_view(recipe: Recipe, rows: str) -> str:
    """`CREATE VIEW text`: source_line, `<name>_t` per column of ours (null where blank or not mapped), xt and yt."""
    place = {theirs: f"c{n}" for n, theirs in enumerate(recipe.wanted)}

    def joined(ours: str) -> str:
        parts = [f"tidy({place[theirs]})" for theirs in recipe.columns.get(ours, ())]
        if not parts:
            return "NULL::VARCHAR"
        return parts[0] if len(parts) == 1 else f"nullif(concat_ws(' ', {', '.join(parts)}), '')"

    chosen = [f"{joined(name)} AS {name}_t" for name in SHAPES[recipe.kind].names]
    xt, yt = joined("x"), joined("y")
    if recipe.point_pattern and "point" in recipe.columns:
        xt, yt = (_from_point(recipe.point_pattern, joined("point"), axis) for axis in "xy")
    return f"CREATE VIEW text AS SELECT source_line, {', '.join(chosen)}, {xt} AS xt, {yt} AS yt FROM {rows}"


def _from_point(pattern: str, text: str, axis: str) -> str:
    """SQL of one named group of a pattern; RE2, so linear in time whatever the pattern."""
    import re2

    groups = re2.compile(pattern).groupindex
    other = {"x": "lon", "y": "lat"}[axis]
    group = groups.get(axis, groups.get(other))
    return f"nullif(regexp_extract({text}, {quoted(pattern)}, {group}), '')"


def typed_query(
    recipe: Recipe, words: Mapping[str, Words], points: str | None, *, odd: bool
) -> tuple[str, list[Fault]]:
    """The query of typed rows with a reason column per fault (`r0`, `r1`, …) and counters (`k_*`), and those faults.

    `words` replaces columns; `points` is SQL of the judged pairs of coordinates; `odd` says that free text may hold
    control characters.
    """
    shape = SHAPES[recipe.kind]
    faults = _faults(recipe, shape, with_points=points is not None)
    columns = [
        "s.source_line",
        *_key(recipe, shape),
        *_times(shape),
        *_texts(shape, words, odd),
        *_numbers(recipe, shape),
        *(_coordinates(points) if shape.has_point else ()),
        *_counters(shape),
        *(f"{fault.sql} AS {fault.alias}" for fault in faults),
    ]
    joins = [word.join for word in words.values() if word.join]
    if points is not None:
        joins.append(f"LEFT JOIN {points} AS p ON p.xt = s.xt AND p.yt = s.yt")
    query = f"SELECT {', '.join(columns)} FROM ({_zoned(recipe, shape)}) AS s {' '.join(joins)}"
    return query, faults


def _zoned(recipe: Recipe, shape: Shape) -> str:
    """Rows with `l_` (as written), `u_` (UTC), `g_` (in a gap), `f_` (in a fold) per time, `local_` of the first."""
    times = (*shape.required, *shape.optional)
    if not times:
        return "SELECT * FROM text"
    read = f"try_strptime({{0}}_t, {quoted(recipe.time_format)})"
    parsed = ", ".join(f"{read.format(n)} AS q_{n}" for n in times if n in recipe.columns)
    has_offset = "%z" in str(recipe.time_format)
    chosen = []
    for name in times:
        if name not in recipe.columns:
            chosen.append(f"NULL::TIMESTAMP AS l_{name}")
        elif has_offset:
            chosen.append(f"make_timestamp(epoch_us(q_{name})) AS l_{name}")
        else:
            chosen.append(f"CASE WHEN isfinite(q_{name}) THEN q_{name} END AS l_{name}")
    inner = f"SELECT *, {', '.join(chosen)} FROM (SELECT *{', ' + parsed if parsed else ''} FROM text)"
    return _ordered(recipe, shape, f"SELECT *, {', '.join(_instants(recipe, times, has_offset))} FROM ({inner})")


def _instants(recipe: Recipe, times: Sequence[str], has_offset: bool) -> list[str]:
    out = []
    first = recipe.start - timedelta(days=2)
    last = recipe.end + timedelta(days=_LATEST_DAYS + 2)
    for name in times:
        if has_offset:
            out.append(f"l_{name} AS u1_{name}, l_{name} AS u2_{name}, false AS g_{name}, false AS f_{name}")
            continue
        pass_ = "second" if recipe.ambiguous == "second" else "first"
        span = {"zone": recipe.source_zone, "start": first, "end": last}
        u1, gap, fold = sql_of_local(f"l_{name}", ambiguous=pass_, **span)  # type: ignore[arg-type]
        u2, _, _ = sql_of_local(f"l_{name}", ambiguous="second", **span)  # type: ignore[arg-type]
        out.append(f"{u1} AS u1_{name}, {u2} AS u2_{name}, {gap} AS g_{name}, {fold} AS f_{name}")
    return out


def _ordered(recipe: Recipe, shape: Shape, rows: str) -> str:
    """Each later time in a fold takes the pass that keeps the order of the call's times."""
    times = (*shape.required, *shape.optional)
    base = times[0]
    has_offset = "%z" in str(recipe.time_format)
    if not shape.required or (recipe.source_zone == recipe.zone and not has_offset):
        local = f"l_{base}"
    else:
        first, last = recipe.start - timedelta(days=2), recipe.end + timedelta(days=2)
        local = sql_of_utc(f"u1_{base}", zone=recipe.zone, start=first, end=last)
    later = [f"CASE WHEN f_{n} AND u1_{n} < u1_{base} THEN u2_{n} ELSE u1_{n} END AS u_{n}" for n in times[1:]]
    chosen = ", ".join(["*", f"u1_{base} AS u_{base}", f"{local} AS local_{base}", *later])
    return f"SELECT {chosen} FROM ({rows})"


def _key(recipe: Recipe, shape: Shape) -> list[str]:
    prefix = f"{quoted(recipe.prefix + ':')} || " if recipe.prefix and recipe.kind == "duty" else ""
    if shape.key not in recipe.columns:
        return [f"{quoted(recipe.source_id + ':')} || s.source_line AS {shape.key}"]
    return [f"{prefix}s.{shape.key}_t AS {shape.key}"]


def _times(shape: Shape) -> list[str]:
    out = [f"s.u_{name}::TIMESTAMPTZ AS {name}" for name in shape.required]
    if shape.key == "call_id" and shape.required:
        out.append(f"s.local_{shape.required[0]} AS received_local")
    return out + [
        f"CASE WHEN {_usable(shape, name)} THEN s.u_{name} END::TIMESTAMPTZ AS {name}" for name in shape.optional
    ]


def _readable(name: str) -> str:
    return (
        f"coalesce(s.u_{name} IS NOT NULL AND s.u_{name} < TIMESTAMP '2200-01-01' AND year(s.u_{name}) >= 1990, false)"
    )


def _usable(shape: Shape, name: str) -> str:
    base = shape.required[0] if shape.required else None
    after = f" AND s.u_{name} >= s.u_{base} AND s.u_{name} < s.u_{base} + INTERVAL {_LATEST_DAYS} DAY" if base else ""
    return f"{_readable(name)}{after}"


def _texts(shape: Shape, words: Mapping[str, Words], odd: bool) -> list[str]:
    out = [
        f"{words[name].value if name in words else f's.{name}_t'} AS {'beat_text' if name == 'beat' else name}"
        for name in (*shape.words, *shape.enumerated)
    ]
    return out + [f"{f'one_line(s.{name}_t)' if odd else f's.{name}_t'} AS {name}" for name in shape.texts]


def _numbers(recipe: Recipe, shape: Shape) -> list[str]:
    out = []
    if "duration" in shape.numbers:
        out.append(f"CASE WHEN {_duration(recipe)} >= 0 THEN {_duration(recipe)} END AS duration_min")
    for name in ("n_units", "n_teams"):
        if name in shape.numbers:
            default = 1 if name == "n_teams" else "NULL"
            out.append(f"coalesce(CASE WHEN {_whole(name)} >= 0 THEN {_whole(name)} END, {default})::INTEGER AS {name}")
    return out


def _duration(recipe: Recipe) -> str:
    """Minutes of a number in the declared unit, or of H:MM:SS."""
    plain = f"try_cast(s.duration_t AS DOUBLE) {_MINUTES[recipe.duration_unit]}"
    clock = " + ".join(f"try_cast(split_part(s.duration_t, ':', {n}) AS DOUBLE) * {m}" for n, m in
                       ((1, "60"), (2, "1"), (3, "(1 / 60)")))  # fmt: skip
    number = f"CASE WHEN s.duration_t LIKE '%:%:%' THEN {clock} ELSE {plain} END"
    return f"(CASE WHEN isfinite({number}) THEN {number} END)"


def _whole(name: str) -> str:
    return f"try_cast(try_cast(s.{name}_t AS DOUBLE) AS INTEGER)"


def _coordinates(points: str | None) -> list[str]:
    if points is None:
        return ["NULL::DOUBLE AS x", "NULL::DOUBLE AS y", "'missing' AS state"]
    return ["p.x AS x", "p.y AS y", "coalesce(p.state, 'missing') AS state"]


def _counters(shape: Shape) -> list[str]:
    """Per row: times in a fold, later times unread or against the order, unread durations and numbers."""
    out = []
    if shape.required:
        out.append(f"coalesce(s.f_{shape.required[0]}, false)::UTINYINT AS k_ambiguous")
    unread = [f"(s.{n}_t IS NOT NULL AND NOT {_readable(n)})::UTINYINT" for n in shape.optional]
    astray = [f"(s.{n}_t IS NOT NULL AND {_readable(n)} AND NOT coalesce({_usable(shape, n)}, false))::UTINYINT"
              for n in shape.optional]  # fmt: skip
    if shape.optional:
        out += [f"{' + '.join(unread)} AS k_later_unread", f"{' + '.join(astray)} AS k_later_astray"]
    return out


def _faults(recipe: Recipe, shape: Shape, *, with_points: bool) -> list[Fault]:
    found = [(_key_fault(recipe, shape), quoted(shape.key))]
    found += [(_time_fault(recipe, name, is_first=n == 0), quoted(name)) for n, name in enumerate(shape.required)]
    if "off_at" in shape.required:
        found.append(("CASE WHEN s.u_off_at <= s.u_on_at THEN 'BAD_INTERVAL' END", "'off_at'"))
    if "n_teams" in shape.numbers:
        found.append((f"CASE WHEN s.n_teams_t IS NOT NULL AND coalesce({_whole('n_teams')}, -1) < 0 "
                      "THEN 'BAD_NUMBER' END", "'n_teams'"))  # fmt: skip
    if "responder" in shape.enumerated:
        found.append(("CASE WHEN m_responder.ours IS NULL THEN 'UNKNOWN_RESPONDER' END", "'responder'"))
    if with_points:
        blamed = "'point'" if "point" in recipe.columns else "'x'"
        found.append(("CASE WHEN p.state NOT IN ('ok', 'zero') THEN p.state END", blamed))
    found.append(_long_fault(shape))
    if recipe.windows:
        found.append((_window_fault(recipe, shape.required[0]), quoted(shape.required[0])))
    return [Fault(alias=f"r{n}", sql=sql, column=column) for n, (sql, column) in enumerate(found)]


def _key_fault(recipe: Recipe, shape: Shape) -> str:
    if shape.key not in recipe.columns:
        return "NULL::VARCHAR"
    key = f"s.{shape.key}_t"
    bad = f"regexp_full_match({key}, '{_EXCEL}') OR regexp_matches({key}, '[\\p{{C}}]') OR length({key}) > 200"
    return f"CASE WHEN {key} IS NULL THEN 'MISSING_KEY' WHEN {bad} THEN 'BAD_KEY_FORMAT' END"


def _time_fault(recipe: Recipe, name: str, *, is_first: bool) -> str:
    local = f"s.local_{name}" if is_first else f"s.l_{name}"
    fold = f"WHEN s.f_{name} THEN 'AMBIGUOUS_LOCAL_TIME'" if recipe.ambiguous == "quarantine" else ""
    outside = (
        f"coalesce({local}, s.l_{name}) < TIMESTAMP '{recipe.start} 00:00:00' "
        f"OR coalesce({local}, s.l_{name}) >= TIMESTAMP '{recipe.end} 00:00:00'"
    )
    return (
        f"CASE WHEN s.l_{name} IS NULL THEN 'BAD_DATETIME' WHEN {outside} THEN 'DATETIME_OUT_OF_RANGE' "
        f"WHEN s.g_{name} THEN 'NONEXISTENT_LOCAL_TIME' {fold} END"
    )


def _long_fault(shape: Shape) -> tuple[str, str]:
    names = (*shape.words, *shape.enumerated, *shape.texts)
    long = {name: f"strlen(s.{name}_t) > {LONGEST_FIELD} AND length(s.{name}_t) > {LONGEST_FIELD}" for name in names}
    if not names:
        return "NULL::VARCHAR", "''"
    blamed = " ".join(f"WHEN length({name}_t) > {LONGEST_FIELD} THEN '{name}'" for name in names)
    return f"CASE WHEN {' OR '.join(long.values())} THEN 'FIELD_TOO_LONG' END", f"CASE {blamed} ELSE '{shape.key}' END"


def _window_fault(recipe: Recipe, name: str) -> str:
    def within(spans: Sequence[tuple[object, object]]) -> str:
        return " OR ".join(
            f"(s.local_{name} >= TIMESTAMP '{a} 00:00:00' AND s.local_{name} < TIMESTAMP '{b} 00:00:00')"
            for a, b in spans
        )

    missing = f" OR ({within(recipe.outages)})" if recipe.outages else ""
    inside = f"s.local_{name} >= TIMESTAMP '{recipe.start}' AND s.local_{name} < TIMESTAMP '{recipe.end}'"
    return f"CASE WHEN {inside} AND (NOT ({within(recipe.windows)}){missing}) THEN 'OUTSIDE_WINDOW' END"
