"""The parts of the Quality page, and the plain tables that it shares with Methods and Analyst."""

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html
from dash.development.base_component import Component

from dashboard import controls
from dashboard import quality_facts as facts
from dashboard.charts import count
from dashboard.data import SCOPES, Data
from dashboard.quality_facts import File, Finding, Hidden
from dashboard.words import say, say_or

MOST_PAIRS = 10
PIECES = ("kept", "merged", "set_aside")


def panel(title: str, *children: Any) -> Component:
    """A section with a heading."""
    return html.Section([html.H2(title), *children], className="panel")


def dots(lines: Sequence[str]) -> Component:
    """A list with dots."""
    return html.Ul([html.Li(line) for line in lines], className="dots")


def note(text: str) -> Component:
    return html.P(text, className="soft small note")


def table(
    head: Sequence[str], rows: Sequence[Sequence[Any]], *, label: str, texts: int = 1, wide: bool = False
) -> Component:
    """A plain table: the first `texts` columns are words, the others numbers; it scrolls by itself where it is wide."""
    kinds = ["" if at < texts else "n" for at in range(len(head))]
    body = [
        html.Tr([
            html.Th(row[0], scope="row"),
            *(html.Td(cell, className=kind) for cell, kind in zip(row[1:], kinds[1:], strict=True)),
        ])
        for row in rows
    ]  # fmt: skip
    heads = [html.Th(text, scope="col", className=kind) for text, kind in zip(head, kinds, strict=True)]
    made = html.Table([html.Thead(html.Tr(heads)), html.Tbody(body)], className="facts", **{"aria-label": label})
    return html.Div(made, className="scroll wide" if wide else "scroll", tabIndex="0", role="region",
                    **{"aria-label": label})  # fmt: skip


def files(told: Sequence[File]) -> Component:
    """Every row of every file."""
    title = say("quality.files")
    if not told:
        return panel(title, note(say("quality.files_absent")))
    largest = max(one.rows_in for one in told) or 1
    rows = [
        [
            html.Span([html.B(say_or(f"quality.kind.{one.kind}", one.kind)), html.Small(f" {one.source}")]),
            _bar(one, largest),
            count(one.rows_in),
            count(one.kept),
            count(one.set_aside),
            count(one.merged),
            say("quality.adds_yes" if one.adds_up else "quality.adds_no"),
        ]
        for one in told
    ]
    head = [say(f"quality.{name}") for name in ("file", "rows_in", "kept", "set_aside", "merged", "adds")]
    return panel(title, note(say("quality.files_note")), _key(),
                 table([head[0], "", *head[1:]], rows, label=title, texts=2, wide=True))  # fmt: skip


def _bar(one: File, largest: int) -> Component:
    pieces = [html.I(className=f"q-{name}", style={"flexGrow": n}) for name in PIECES if (n := getattr(one, name))]
    told = say("quality.bar", kept=count(one.kept), set_aside=count(one.set_aside), merged=count(one.merged))
    return html.Div(
        html.Div(pieces, className="q-bar", style={"width": f"{max(one.rows_in / largest * 100, 0.8):.2f}%"}),
        role="img", className="q-lane", **{"aria-label": told},
    )  # fmt: skip


def _key() -> Component:
    return html.Ul(
        [html.Li([html.I(className=f"q-{name}"), say(f"quality.{name}")]) for name in PIECES], className="q-key"
    )


def origins(told: Mapping[str, int]) -> Component:
    """Who started the calls."""
    title = say("quality.origins")
    if not told:
        return panel(title, note(say("quality.origins_absent")))
    top, whole = max(told.values()) or 1, sum(told.values())
    rows = [
        [
            say_or(f"quality.origin.{name}", name),
            html.Div(html.Div(html.I(className="q-kept" if name == "community" else "q-merged", style={"flexGrow": 1}),
                              className="q-bar", style={"width": f"{n / top * 100:.2f}%"}), className="q-lane"),
            count(n),
        ]
        for name, n in told.items()
    ]  # fmt: skip
    text = say("quality.origins_note", community=count(told.get("community", 0)), all=count(whole))
    return panel(title, note(text), table([title, "", say("quality.calls")], rows, label=title, texts=2))


def scope(told: Mapping[str, Mapping[str, int | None]], *, is_suppressed: bool) -> Component:
    """From community calls to those in scope, each call reason by itself."""
    title = say("quality.scope")
    outside = [] if is_suppressed else [name for name in SCOPES[1:] if any(one[name] for one in told.values())]
    rows = []
    for need, one in told.items():
        known = [value for value in one.values() if value is not None]
        first = [] if is_suppressed else [count(sum(known))]
        rows.append(
            [say(f"need.{need}"), *first, *(count(one[name]) for name in outside), html.B(count(one["in_scope"]))]
        )
    head = [say("quality.need"), *([] if is_suppressed else [say("quality.community")]),
            *(say(f"quality.{name}") for name in outside), say("quality.in_scope")]  # fmt: skip
    more = [note(say("quality.scope_absent"))] if is_suppressed else []
    return panel(title, note(say("quality.scope_note")), *more, table(head, rows, label=title))


def where(data: Data, found: tuple[Finding, ...]) -> Component:
    """How many calls have a point, and which have none or one that is not theirs."""
    title = say("quality.where")
    lines = [html.Li([html.Span(name_of(one)), html.B(count(one.n_rows)), html.Small(one.detail)])
             for one in facts.of(found, ("HIT_RATE", *facts.PLACES))]  # fmt: skip
    level = say_or(f"level.{data.allowed.base}", data.allowed.base).lower()
    rows = [
        [say(f"need.{need}"),
         ", ".join(f"{count(n)} {say(f'elsewhere.{name}')}" for name, n in told.items()) or say("quality.no_area_none")]
        for need, told in facts.elsewhere(data).items()
    ]  # fmt: skip
    head = [say("quality.need"), say("quality.no_area", level=level)]
    return panel(title, note(say("quality.where_note")), html.Ul(lines, className="q-list"),
                 table(head, rows, label=head[1], texts=2))  # fmt: skip


def types(data: Data, found: tuple[Finding, ...]) -> Component:
    """Call types that no rule knows, and those changed while a call was open."""
    unknown = facts.of(found, ("UNKNOWN_CALL_TYPE",))
    n = unknown[0].n_rows if unknown else 0
    key = "quality.unmatched_hidden" if n is None else "quality.unmatched" if n else "quality.unmatched_none"
    first = html.P(say(key, n=count(n)) if n else say(key))
    title, (changed, n_changed, n_all) = say("quality.types"), facts.changes(data)
    if not n_all:
        return panel(title, first, note(say("quality.changed_absent")))
    rows = [
        [
            row.call_type_initial,
            row.call_type,
            count(int(row.n_calls)),
            say_or(f"need.{row.need}", row.need.replace("_", " ")),
        ]
        for row in facts.rows_of(changed.head(MOST_PAIRS))
    ]
    rest = changed.iloc[MOST_PAIRS:]
    more = [note(say("quality.more", n=len(rest), calls=count(int(rest["n_calls"].sum()))))] if len(rest) else []
    head = [say(f"quality.{name}") for name in ("first_type", "last_type", "calls", "counted_as")]
    made = [[row[0], row[1], row[3], row[2]] for row in rows]
    return panel(title, first, html.P(say("quality.changed", n=count(n_changed), all=count(n_all))),
                 table([head[0], head[1], head[3], head[2]], made, label=title, texts=3), *more)  # fmt: skip


def breaks(data: Data) -> Component:
    """Dates across which counts cannot be compared, the days that are complete, and what has no service on record."""
    title, found = say("quality.breaks"), data.table("breaks")
    parts: list[Any] = [note(say("quality.breaks_note"))] if len(found) else [html.P(say("quality.breaks_none"))]
    if len(found):
        rows = [[str(row.date)[:10], str(row.note)] for row in facts.rows_of(found)]
        parts.append(table([say("quality.date"), say("quality.what")], rows, label=title, texts=2))
    windows = [controls.days_text(str(one["start"]), str(one["end"])) for one in data.told.get("windows", [])]
    if windows:
        parts.append(html.P(say("quality.windows", windows="; ".join(windows))))
    pairs = [
        f"{say_or('need.' + one['need'], one['need'])} ({say_or('leg.' + one['leg'], one['leg']).lower()})"
        for one in data.told.get("not_recorded", [])
    ]
    if pairs:
        parts.append(html.P(say("quality.not_recorded", pairs=", ".join(pairs))))
    return panel(title, *parts)


def hidden(blocks: Sequence[Hidden]) -> Component:
    """What a suppressed release hides, block by block."""
    title = say("quality.hidden")
    if not blocks:
        return panel(title, html.P(say("quality.hidden_none")))
    return panel(title, note(say("quality.hidden_note")), *(_block(one) for one in blocks))


def _block(one: Hidden) -> Component:
    ends = {"first": one.quarters[0], "last": one.quarters[-1]}
    name = say("quality.block" if len(one.quarters) > 1 else "quality.block_one", **ends)
    cells = [html.Li([html.Span(say(f"quality.state.{state}")), html.B(count(n))]) for state, n in one.cells.items()]
    shown = [
        html.Li([html.Span(say_or(f"quality.shown.{key}", key)), html.B(f"{share:.0%}")])
        for key, share in one.shown.items()
    ]
    shares = [html.Div([html.H4(say("quality.share")), html.Ul(shown, className="q-list")])] if shown else []
    tried = [html.Details([html.Summary(say("quality.tried")), dots(one.tried)])] if one.tried else []
    total = say("quality.cells", shown=count(one.cells.get("shown", 0)), all=count(sum(one.cells.values())))
    return html.Div(
        [
            html.H3(name),
            html.P([html.Span(say("quality.design") + ": ", className="soft"), one.design]),
            html.P(total),
            html.Div([html.Ul(cells, className="q-list"), *shares], className="q-two"),
            *tried,
        ],
        className="q-block",
    )  # fmt: skip


def findings(found: Sequence[Finding]) -> Component:
    """All findings, warnings open and notes folded."""
    title = say("quality.findings")
    if not found:
        return panel(title, html.P(say("quality.none_found")))
    groups = [[one for one in found if one.is_warning], [one for one in found if not one.is_warning]]
    told = say("quality.findings_note", warnings=len(groups[0]), infos=len(groups[1]))
    made = [
        html.Details(
            [html.Summary(f"{say(key)} ({len(group)})"), table(_finding_head(), [_finding(one) for one in group],
                                                               label=say(key), texts=2, wide=True)],
            open=group is groups[0],
        )
        for key, group in zip(("quality.warnings", "quality.infos"), groups, strict=True)
        if group
    ]  # fmt: skip
    return panel(title, note(told), *made)


def _finding_head() -> list[str]:
    return [say("quality.found"), say("quality.detail"), say("quality.rows")]


def _finding(one: Finding) -> list[Any]:
    source = say("quality.all_sources") if one.source == "*" else one.source
    where = f" {say_or(f'quality.stage.{one.stage}', one.stage)} · {source}"
    return [html.Span([name_of(one), html.Small(where)]), one.detail or say("none"), count(one.n_rows)]


def name_of(one: Finding) -> str:
    """A finding in words."""
    return say_or(f"quality.reason.{one.reason}", one.reason.replace("_", " ").capitalize())


def policy(data: Data) -> Component:
    """The policy in plain words, its parts folded but the first."""
    (title, first), *rest = facts.policy_text(data)
    made = [
        html.Details([html.Summary(say_or(f"quality.head.{name}", name.capitalize())),
                      dots(lines)])
        for name, lines in rest
    ]  # fmt: skip
    waivers = [str(one) for one in data.told.get("waivers", [])]
    if waivers:
        made.append(html.Details([html.Summary(say("quality.waivers")),
                                  dots(waivers)]))  # fmt: skip
    return panel(say("quality.policy"), note(say("quality.policy_note")), html.H3(title),
                 *(html.P(line, className="small") for line in first), html.Div(made, className="folds"))  # fmt: skip
