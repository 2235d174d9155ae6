"""The parts of Explore: each builds one piece of the screen from what a view counts."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
from dash import html
from dash.development.base_component import Component
from numpy.typing import NDArray

from dashboard import charts, classes, controls
from dashboard import data as reader
from dashboard.charts import band, count, share
from dashboard.classes import Classes
from dashboard.data import FEW, Counts, Total
from dashboard.shell import Context
from dashboard.view import View, listed
from dashboard.words import say, say_or

FLAGS: Final = ("", "flagged", "possibly", "no", "too_few", "not_recorded")
LEAST_FOR_PCT: Final = 100
NO_P: Final = 255
RANK_ROLES: Final = ("analyst", "planner")


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a view counts and what is compared with it."""

    context: Context
    here: Counts
    before: View | None
    before_total: Total | None
    measured: pd.DataFrame | None
    ranked: pd.DataFrame | None
    classes: Classes
    hours: NDArray[np.int64] | None
    is_off: bool
    not_recorded: bool


def made(context: Context) -> Made:
    """Everything the parts are built from."""
    data, view = context.data, context.view
    here = reader.counts(data, view)
    measured, before = reader.measured(data, view), earlier(context)
    is_off = controls.is_off(view, data.allowed)
    compared = reader.counts(data, before) if before is not None and view.colour == "change" else None
    rate = None
    if measured is not None and "unmet_per_1k_low" in measured:
        rate = measured["unmet_per_1k_low"].to_numpy(np.float64)
    hours = reader.hours_of_week(data, replace(view, area=""))
    return Made(
        context=context,
        here=here,
        before=before,
        before_total=reader.city_total(data, before) if before is not None else None,
        measured=measured,
        ranked=reader.ranked(data, view) if context.user.role in RANK_ROLES else None,
        classes=classes.off(len(here.n)) if is_off else classes.classify(view.colour, here, compared, rate),
        hours=None if hours is None else _lacking(hours, here.outcomes),
        is_off=is_off,
        not_recorded=reader.is_not_recorded(data, view),
    )


def earlier(context: Context) -> View | None:
    """The view of the days before, as many; None where they are not all on file."""
    view, allowed = context.view, context.data.allowed
    start = view.start - (view.end - view.start)
    if not allowed.has_days or start < allowed.whole.start or view.variant != "default":
        return None
    return replace(view, start=start, end=view.start)


def lead(it: Made) -> str:
    """The sentence on top, with both ends."""
    view, total = it.context.view, it.here.total
    words = {"calls": say(f"calls.{view.need}"), "lack": say(f"lack.{view.leg}"), "n": count(total.n)}
    if it.not_recorded:
        return say(f"record.{view.leg}")
    if total.n == 0:
        return say("explore.lead_none", **words)
    if total.n is None or total.at_least is None or total.at_most is None:
        return say("explore.lead_hidden", **words)
    if not it.here.has_outcomes:
        return say("explore.lead_calls", **words)
    if total.at_least == total.at_most:
        return say("explore.lead_one", low=count(total.at_least), **words)
    return say("explore.lead", low=count(total.at_least), high=count(total.at_most), **words)


def denominators(it: Made) -> list[Component]:
    """Who is in the number on top and who is not, and what is not on the map."""
    view, total = it.context.view, it.here.total
    known = reader.community(it.context.data, view) if view.is_all_hours else None
    lines = []
    if known is not None and total.n is not None:
        out = [say(f"out.{name}", n=count(known[name])) for name in reader.SCOPES[1:] if known[name]]
        lines.append(
            say(
                "denominators",
                n=count(known["in_scope"]),
                all=count(sum(known.values())),
                out=", ".join(out) or say("out.nothing"),
            )
        )
        if known["in_scope"] != total.n:
            lines.append(say("denominators_only", n=count(total.n)))
    else:
        lines.append(say("denominators_only" if view.is_all_hours else "denominators_hours", n=count(total.n)))
    if it.here.elsewhere:
        out = [f"{count(n)} {say(f'elsewhere.{name}')}" for name, n in it.here.elsewhere.items()]
        lines.append(say("denominators_map", out=", ".join(out)))
    return [html.Span(line + " ") for line in lines]


def cascade(it: Made) -> list[Component]:
    """From community calls to those connected, as far as this release and this agency tell."""
    data, view, total = it.context.data, it.context.view, it.here.total
    known = reader.community(data, view) if view.is_all_hours else None
    available = None if total.parts.get("available") is None else total.parts.get("available")
    upper = None if total.n is None or total.at_least is None else total.n - total.at_least
    steps = [
        (say("cascade.community"), count(sum(known.values())) if known else None),
        (say("cascade.in_scope"), count(known["in_scope"] if known else total.n)),
        (say("cascade.available"), None if not it.here.has_outcomes or it.not_recorded else band(available, upper)),
    ]
    sent = _sent(it)
    for name in ("sent", "arrived", "connected"):
        steps.append((say(f"cascade.{name}"), count(sent[name]) if isinstance(sent, dict) else None))
    items = [
        html.Li(
            [html.B(value if value is not None else say("none")), html.Span(label)], className="" if value else "absent"
        )
        for label, value in steps
        if value is not None or label == say("cascade.available")
    ]
    if isinstance(sent, str):
        items.append(
            html.Li(
                [
                    html.B(say("none")),
                    html.Span(" → ".join(say(f"cascade.{name}") for name in ("sent", "arrived", "connected"))),
                    html.Em(sent),
                ],
                className="absent",
            )
        )
    return [html.H2(say("cascade.title"), className="quiet-title"), html.Ol(items)]


def _sent(it: Made) -> dict[str, int] | str:
    """What was sent, or why that is not told."""
    data, view = it.context.data, it.context.view
    period = listed(view, data.allowed)
    if not data.has("cascade"):
        return say("cascade.not_here")
    table = data.table("cascade")
    rows = table[(table["need"] == view.need) & (table["reason"].fillna("") == "")]
    if "level" in rows:
        rows = rows[rows["level"] == "city"]
    told = {str(step): int(n) for step, n in zip(rows["step"], rows["n_calls"])}
    if not told.get("recorded"):
        return say("cascade.not_recorded")
    if period is None or period.grain != "whole" or not view.is_all_hours:
        return say("cascade.whole_only")
    return {name: told.get(name, 0) for name in ("sent", "arrived", "connected")}


def kpis(it: Made) -> list[Component]:
    """Four figures, each with its denominator; no per cent of change where either count is small."""
    return [_kpi_unmet(it), _kpi_flagged(it), _kpi_before(it), _kpi_when(it)]


def _kpi(title: str, value: str, below: str, *, lead_one: bool = False) -> Component:
    return html.Div(
        [html.Span(title, className="kpi-title"), html.B(value), html.Span(below, className="kpi-sub")],
        className="kpi lead" if lead_one else "kpi",
    )


def _kpi_unmet(it: Made) -> Component:
    total = it.here.total
    if it.not_recorded or not it.here.has_outcomes:
        return _kpi(say("kpi.unmet"), say("none"), say("legs.n", share=say("none"), n=count(total.n)), lead_one=True)
    return _kpi(
        say("kpi.unmet"),
        band(total.at_least, total.at_most),
        say("kpi.unmet_sub", share=share(total.at_least, total.at_most, total.n), n=count(total.n)),
        lead_one=True,
    )


def _kpi_flagged(it: Made) -> Component:
    levels = say_or(f"levels.{it.context.view.level}", it.context.view.level)
    title = say("kpi.flagged", levels=levels[:1].upper() + levels[1:])
    if it.measured is None or "flag" not in it.measured or it.is_off:
        return _kpi(title, say("none"), f"{say('kpi.not_ranked')}; {say('kpi.not_ranked_sub')}")
    flags = it.measured["flag"].value_counts()
    return _kpi(
        title,
        count(int(flags.get("flagged", 0))),
        say("kpi.flagged_sub", possibly=int(flags.get("possibly", 0)), few=int(flags.get("too_few", 0))),
    )


def _kpi_before(it: Made) -> Component:
    was, now = it.before_total, it.here.total
    if it.before is None or was is None or not it.here.has_outcomes or it.not_recorded:
        return _kpi(say("kpi.before"), say("none"), say("kpi.before_none"))
    told = {
        "share": share(was.at_least, was.at_most, was.n),
        "n": count(was.n),
        "days": controls.days_text(it.before.start, it.before.end - timedelta(days=0)),
    }
    if min(was.at_least or 0, now.at_least or 0) >= LEAST_FOR_PCT:
        change = (now.at_least or 0) / (was.at_least or 1) - 1
        return _kpi(
            say("kpi.before"), band(was.at_least, was.at_most), say("kpi.before_pct", pct=f"{change:+.0%}", **told)
        )
    return _kpi(say("kpi.before"), band(was.at_least, was.at_most), say("kpi.before_sub", **told))


def _kpi_when(it: Made) -> Component:
    if it.hours is None or it.hours.sum() == 0:
        return _kpi(say("kpi.when"), say("none"), say("kpi.when_none"))
    blocks = it.hours.reshape(7, 3, 8)
    weekday, weekend = blocks[:5].sum(axis=(0, 2)), blocks[5:].sum(axis=(0, 2))
    both = np.concatenate([weekday, weekend])
    top = int(both.argmax())
    name = say(
        "kpi.hours", days=say("days.weekdays" if top < 3 else "days.weekend"), low=top % 3 * 8, high=top % 3 * 8 + 8
    )
    return _kpi(
        say("kpi.when"),
        name[:1].upper() + name[1:],
        say("kpi.when_sub", n=count(int(both[top])), all=count(int(both.sum()))),
    )


def legs(it: Made) -> list[Component]:
    """The legs side by side, judged alone: respond, place, contact."""
    view, allowed = it.context.view, it.context.data.allowed
    cards = []
    for leg in allowed.legs[view.need]:
        one = replace(view, leg=leg)
        total = reader.city_total(it.context.data, one)
        if reader.is_not_recorded(it.context.data, one):
            inner: list[Any] = [html.P(say(f"record.{leg}"), className="small")]
        elif not total.n and total.n is not None:
            inner = [html.P(say("legs.none"), className="small soft")]
        else:
            told = f"{band(total.at_least, total.at_most)} {say(f'lacking.{leg}')}"
            inner = [
                html.P([html.B(band(total.at_least, total.at_most)), " ", say(f"lacking.{leg}")], className="leg-line"),
                charts.split_bar(total.parts, label=told),
                charts.parts_list(total.parts),
                html.P(
                    say("legs.n", share=share(total.at_least, total.at_most, total.n), n=count(total.n)),
                    className="small soft",
                ),
            ]
        here: dict[str, Any] = {"aria-current": "true"} if leg == view.leg else {}
        head = html.H3(html.Button(say(f"leg.{leg}"), type="button", **{"data-act": "leg", "data-leg": leg}, **here))
        cards.append(html.Div([head, *inner], className="leg here" if here else "leg"))
    return [html.H2(say("legs.title")), html.Div(cards, className="leg-row")]


def when(it: Made) -> list[Component]:
    """The hours of the week of the calls without a listed service."""
    if it.hours is None:
        return _when_blocks(it)
    return [
        html.H2(say("when.title")),
        charts.hour_strip(it.hours, label=say("when.label")),
        html.P(say("when.note"), className="soft small"),
    ]


def _when_blocks(it: Made) -> list[Component]:
    """The same from the parts of the week that a suppressed release tells, for the city and all days."""
    view, table = it.context.view, it.context.data.table("hours")
    rows = table[(table["need"] == view.need) & (table["leg"] == view.leg)] if len(table) else table
    if not len(rows):
        return [html.H2(say("when.title")), html.P(say("kpi.when_none"), className="soft small")]
    lines = []
    for block, found in rows.groupby("block", sort=False):
        known = {str(name): (int(n) if state == "shown" else None)
                 for name, n, state in zip(found["outcome"], found["n"], found["state"])}  # fmt: skip
        total = {name: known.get(name) for name in it.here.outcomes}
        text = [html.Span(str(block), className="block"), html.B(count(total.get("unmet")))]
        lines.append(html.Li([*text, charts.split_bar(total, label=f"{block}: {count(total.get('unmet'))}")]))
    return [html.H2(say("when.title")), html.Ul(lines, className="blocks"),
            html.P(say("when.blocks"), className="soft small")]  # fmt: skip


def legend(it: Made) -> list[Component]:
    """What the colours mean and how many areas are in each class."""
    view, made_of = it.context.view, it.classes
    title = html.Span(say(f"colour.{view.colour if it.here.has_outcomes else 'calls'}"), className="legend-title")
    if it.is_off:
        return [title, html.Span(say("legend.homelessness"), className="soft")]
    if made_of.palette == "both":
        cells = [
            html.I(html.Span(str(made_of.sizes[at])), className=f"c-both-{at}", title=made_of.labels[at])
            for at in (6, 7, 8, 3, 4, 5, 0, 1, 2)
        ]
        scale: Component = html.Div(
            [
                html.Span(say("legend.less_access"), className="axis-y"),
                html.Div(cells, className="nine"),
                html.Span(say("legend.more_calls"), className="axis-x"),
            ],
            className="bivariate",
        )
    else:
        scale = html.Ul(
            [
                html.Li([html.I(className=f"c-{made_of.palette}-{at}"), html.Span(label), html.Em(str(size))])
                for at, (label, size) in enumerate(zip(made_of.labels, made_of.sizes))
            ],
            className="classes",
        )
    keys = [
        ("few", say("legend.few"), made_of.n_few),
        ("hidden", say("legend.hidden"), made_of.n_hidden),
        ("none", say("legend.none"), made_of.n_none),
    ]
    marks = [
        html.Li([html.I(className=f"key {name}"), html.Span(text), html.Em(str(n))]) for name, text, n in keys if n
    ]
    if "recurring" in view.layers and it.context.data.has("hotspots"):
        marks.append(html.Li([html.I(className="key ring"), html.Span(say("legend.recurring"))]))
    if "services" in view.layers and "lon" in it.context.data.columns("services"):
        marks.append(html.Li([html.I(className="key dot"), html.Span(say("legend.service"))]))
    return [title, scale, html.Ul(marks, className="keys")]


def table_head(it: Made) -> list[Component]:
    """The name of the table and how it is sorted."""
    view = it.context.view
    levels = say_or(f"levels.{view.level}", view.level)
    text = say("explore.off") if it.is_off else say("table.ranked" if it.ranked is not None else "table.not_ranked")
    return [html.H2(say("table.count", n=len(it.here.n), levels=levels)), html.P(text, className="soft small")]


def columns(it: Made) -> list[dict[str, Any]]:
    """The columns of the table that this view has."""
    number: dict[str, Any] = {
        "type": "rightAligned",
        "valueFormatter": {"function": "unmetCount(params.value)"},
        "width": 60,
        "suppressSizeToFit": True,
        "sortingOrder": ["desc", "asc"],
    }
    out: list[dict[str, Any]] = [
        {"field": "name", "headerName": say("table.area"), "minWidth": 118, "flex": 1},
        {"field": "n", "headerName": say("table.calls"), **number},
    ]
    if it.here.has_outcomes:
        out += [
            {"field": "lo", "headerName": say("table.low"), "sort": "desc", **number, "width": 84},
            {"field": "hi", "headerName": say("table.high"), **number, "width": 72},
            {
                "field": "sh",
                "headerName": say("table.share"),
                **number,
                "valueFormatter": {"function": "unmetShare(params.data)"},
            },
        ]
    if it.measured is not None and "flag" in it.measured:
        out.append(
            {
                "field": "f",
                "headerName": say("table.flag"),
                "width": 104,
                "suppressSizeToFit": True,
                "valueFormatter": {"function": "unmetFlag(params.data)"},
                "cellClassRules": {"flagged": "params.data.f == 1", "possibly": "params.data.f == 2"},
            }
        )
    if it.ranked is not None:
        out.append(
            {
                "field": "rl",
                "headerName": say("table.rank"),
                "width": 58,
                "suppressSizeToFit": True,
                "type": "rightAligned",
                "valueFormatter": {"function": "unmetRank(params.data)"},
            }
        )
    return out


def payload(it: Made) -> dict[str, Any]:
    """The arrays of the map and of the table, packed: at 2,300 areas about 40 KB."""
    view, n = it.context.view, len(it.here.n)
    out: dict[str, Any] = {
        "palette": it.classes.palette,
        "level": view.level,
        "off": it.is_off,
        "codes": packed(it.classes.codes),
        "n": packed(it.here.n + 1),
        "has": it.here.has_outcomes,
        "flags": [say(f"flag.{name}") if name else "" for name in FLAGS],
        "hidden": say("hidden"),
        "words": [say("table.calls"), say(f"lacking.{view.leg}"), say("legend.few")],
        "few": FEW,
    }
    if it.here.has_outcomes:
        out |= {"lo": packed(it.here.at_least + 1), "hi": packed(it.here.at_most + 1)}
    if it.measured is not None and "flag" in it.measured:
        code = it.measured["flag"].map({name: at for at, name in enumerate(FLAGS)}).fillna(0).to_numpy(np.uint8)
        sure = it.measured["p_over_standard"].to_numpy(np.float64)
        most = it.measured["p_over_standard_most"].to_numpy(np.float64)
        chosen = np.where(code == FLAGS.index("possibly"), most, sure)
        out |= {
            "f": packed(code),
            "p": packed(np.where(np.isfinite(chosen), np.floor(np.nan_to_num(chosen) * 100), NO_P)),
        }
    if it.ranked is not None:
        out |= {
            name: packed(np.nan_to_num(it.ranked[column].to_numpy(np.float64)))
            for name, column in (("rl", "rank_low"), ("rh", "rank_high"))
            if n
        }
    return out


def packed(values: NDArray[Any]) -> dict[str, str]:
    """An array of small whole numbers as base64 of little-endian bytes, in the smallest of 1, 2 or 4 bytes each."""
    top = int(values.max(initial=0))
    kind = "u1" if top < 256 else "u2" if top < 65_536 else "u4"
    return {"t": kind, "d": base64.b64encode(values.astype(f"<{kind}").tobytes()).decode("ascii")}


def area_panel(context: Context) -> list[Component]:
    """The chosen area: its band, its parts, its hours, and the way to its own page."""
    view, data = context.view, context.data
    if not view.area or controls.is_off(view, data.allowed):
        return [html.P(say("area.none"), className="soft")]
    here = reader.counts(data, view)
    total = reader.total_of(here.parts[data.shapes[view.level].index[view.area]], here.outcomes)
    title = html.H2(data.name_of(view.level, view.area))
    told = f"{band(total.at_least, total.at_most)} {say(f'lacking.{view.leg}')}"
    if not here.has_outcomes:
        return [title, html.P(say("calls_n", n=count(total.parts["calls"])))]
    hours = reader.hours_of_week(data, view)
    body = [
        title,
        html.P(
            [
                html.B(band(total.at_least, total.at_most)),
                " ",
                say(f"lacking.{view.leg}"),
                ", ",
                say("legs.n", share=share(total.at_least, total.at_most, total.n), n=count(total.n)),
            ],
            className="leg-line",
        ),
        charts.split_bar(total.parts, label=told),
        charts.parts_list(total.parts),
    ]
    if hours is not None:
        body += [html.H3(say("area.hours")), charts.hour_strip(_lacking(hours, here.outcomes), label=say("area.hours"))]
    from dashboard import pages

    detail = next((page for page in pages.PAGES if page.VIEW == "detail"), None)
    if detail is not None and context.may("detail"):
        body.append(
            html.P(
                html.A(
                    say("area.open"),
                    href=context.href(detail.PATH, view),
                    className="go",
                    **{"data-nav": context.prefix + detail.PATH.lstrip("/")},
                )
            )
        )
    return body


def logged(context: Context) -> Mapping[str, Any]:
    """A view as ids and settings for the audit log."""
    view = context.view
    return {
        "need": view.need,
        "leg": view.leg,
        "level": view.level,
        "start": view.start.isoformat(),
        "end": view.end.isoformat(),
        "days": "".join(str(day + 1) for day in view.days),
        "hours": f"{view.hour_from:02d}-{view.hour_to:02d}",
        "variant": view.variant,
        "colour": view.colour,
        "area": view.area,
    }


def _lacking(hours: NDArray[np.int64], outcomes: tuple[str, ...]) -> NDArray[np.int64]:
    """At-least counts of the 168 hours."""
    kept = [at for at, name in enumerate(outcomes) if name in ("spatial", "barrier", "temporal", "unmet")]
    summed: NDArray[np.int64] = hours[:, kept].sum(axis=1)
    return summed
