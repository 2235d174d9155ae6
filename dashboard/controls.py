"""The left rail and the sentences about it: what is chosen, in words, and the components that choose it."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, html
from dash.development.base_component import Component

from dashboard.guard import Arg, flag, text, texts
from dashboard.shell import Context
from dashboard.view import ALL_DAYS, LAYERS, STAYING, Allowed, Parsed, View, from_words, listed
from dashboard.words import say, say_or

OWN_DAYS = "own"


def rail(context: Context, *, with_map: bool = True) -> Component:
    """The controls of a view; those whose dimension the release lacks are not drawn (but stay in the page, hidden)."""
    view, allowed = context.view, context.data.allowed
    children = [
        _field(
            say("control.need"),
            dmc.Select(
                id="need",
                data=need_options(allowed),
                value=view.need,
                allowDeselect=False,
                checkIconPosition="right",
                **_named("control.need"),
            ),
        ),
        _field(
            say("control.leg"),
            dmc.SegmentedControl(
                id="leg", data=leg_options(allowed, view.need), value=view.leg, fullWidth=True, **_named("control.leg")
            ),
        ),
        _field(
            say("control.level"),
            dmc.Select(
                id="level",
                data=level_options(allowed),
                value=view.level,
                allowDeselect=False,
                **_named("control.level"),
            ),
        ),
        html.Div(
            dmc.Switch(id="fine", checked=view.fine, label=say("control.fine"), size="sm"),
            id="fine-box",
            hidden=not asks_fine(view, allowed),
        ),
        _period(view, allowed),
        _when(view, allowed),
    ]
    if with_map:
        children += [
            _field(
                say("control.colour"),
                dmc.Select(
                    id="colour",
                    data=_options("colour", allowed.colours),
                    value=view.colour,
                    allowDeselect=False,
                    **_named("control.colour"),
                ),
            ),
        ]
    children.append(
        html.Div(
            _field(
                say("control.variant"),
                dmc.Select(
                    id="variant",
                    data=_options("variant", allowed.variants),
                    value=view.variant,
                    allowDeselect=False,
                    **_named("control.variant"),
                ),
            ),
            hidden=len(allowed.variants) < 2,
        )
    )
    if with_map:
        layers = [name for name in LAYERS if context.data.has({"recurring": "hotspots", "services": "services"}[name])]
        boxes = [dmc.Checkbox(label=say(f"layer.{name}"), value=name, size="sm") for name in layers]
        children.append(
            _field(
                say("control.layers"), dmc.CheckboxGroup(dmc.Stack(boxes, gap=8), id="layers", value=list(view.layers))
            )
        )
    children.append(html.P(say("calls_not_people"), className="soft small"))
    body = html.Div(children, className="rail-body")
    return html.Details([html.Summary(say("control.filters")), body], id="rail", className="rail", open=True)


def register(app: Dash) -> None:
    """Closes the rail on narrow screens, and lets a chosen area go with its level; once for the whole app."""
    app.clientside_callback(ClientsideFunction("unmet", "rail"), Output("rail", "open"), Input("rail", "id"))
    app.clientside_callback(ClientsideFunction("unmet", "level"), Output("rail", "className"), Input("level", "value"))


def args() -> list[Arg]:
    """The values of the rail, in the order that `chosen` takes them."""
    plain = [Arg(id=name, prop="value", check=text(60)) for name in ("need", "leg", "level", "period")]
    return [
        *plain,
        Arg(id="dates", prop="value", check=texts(10, most=2)),
        Arg(id="days", prop="value", check=texts(1, most=7)),
        Arg(id="hour-from", prop="value", check=text(2)),
        Arg(id="hour-to", prop="value", check=text(2)),
        Arg(id="variant", prop="value", check=text(30)),
        Arg(id="colour", prop="value", check=text(30)),
        Arg(id="layers", prop="value", check=texts(20, most=len(LAYERS))),
        Arg(id="fine", prop="checked", check=flag),
    ]


def chosen(allowed: Allowed, values: Sequence[Any], *, area: str = "") -> Parsed:
    """The view of the rail's values (those of `args`, checked). Raises BadView for a value that no control offers."""
    need, leg, level, period, dates, days, first, last, variant, colour, layers, fine = values
    known = next((one for one in allowed.periods if one.key == period), None)
    told = {
        "need": need,
        "leg": leg,
        "level": level,
        "variant": variant,
        "show": colour,
        "fine": "1" if fine else "0",
        "layers": ",".join(layers) or "none",
        "area": area if area in allowed.areas.get(level, {}) else "",
    }
    if known is not None:
        told |= {"from": known.start.isoformat(), "to": known.end.isoformat()}
    elif len(dates) == 2 and all(dates):
        told |= {"from": dates[0], "to": _after(dates[1])}
    told["days"] = "".join(sorted(days)) if len(days) < len(ALL_DAYS) else ""
    if (first or "00", last or "24") != ("00", "24") and first != last:
        told["hours"] = f"{first or '00'}-{last or '24'}"
    return from_words(told, allowed)


def need_options(allowed: Allowed) -> list[dict[str, str]]:
    """Call reasons, mental-health crisis first."""
    return _options("need", allowed.needs)


def leg_options(allowed: Allowed, need: str) -> list[dict[str, str]]:
    """The legs of a call reason in short words."""
    return [{"value": leg, "label": say(f"short.{leg}")} for leg in allowed.legs[need]]


def level_options(allowed: Allowed) -> list[dict[str, str]]:
    """The levels of areas, fine to coarse."""
    return _options("level", allowed.levels)


def asks_fine(view: View, allowed: Allowed) -> bool:
    """Whether the view is of homelessness below district level, which shows only when asked for."""
    return view.need in STAYING and view.level not in allowed.coarse and bool(allowed.coarse)


def is_off(view: View, allowed: Allowed) -> bool:
    """Whether the map and the table of a view stay empty for that reason."""
    return asks_fine(view, allowed) and not view.fine


def sentence(context: Context, view: View) -> str:
    """What the view shows, in one sentence."""
    allowed = context.data.allowed
    parts = [
        say(f"need.{view.need}"),
        say(f"leg.{view.leg}"),
        say("by_level", level=say_or(f"levels.{view.level}", view.level)),
        days_text(view.start, view.end),
        when_text(view),
    ]
    if view.variant != "default":
        parts.append(say(f"variant.{view.variant}"))
    period = listed(view, allowed)
    if period is not None and period.grain in ("whole", "last_12_months"):
        parts[3] = f"{say(f'grain.{period.grain}')} ({parts[3]})"
    return " · ".join(parts)


def days_text(first: date | str, end: date | str) -> str:
    """Days in words, from the first to the last; `end` is excluded."""
    start = date.fromisoformat(first) if isinstance(first, str) else first
    last = (date.fromisoformat(end) if isinstance(end, str) else end) - timedelta(days=1)
    months = [one.strftime("%b") for one in (start, last)]
    left = f"{start.day} {months[0]}" + (f" {start.year}" if start.year != last.year else "")
    return f"{left} – {last.day} {months[1]} {last.year}"


def when_text(view: View) -> str:
    """Days of the week and hours in words."""
    named = {ALL_DAYS: "days.all", (0, 1, 2, 3, 4): "days.weekdays", (5, 6): "days.weekend"}
    days = say(named[view.days]) if view.days in named else ", ".join(say(f"day.{day}") for day in view.days)
    if (view.hour_from, view.hour_to) == (0, 24):
        return f"{days}, {say('hours.all')}"
    return f"{days}, {view.hour_from:02d}:00–{view.hour_to:02d}:00"


def _period(view: View, allowed: Allowed) -> Component:
    known = listed(view, allowed)
    options = [
        {"value": one.key, "label": _period_name(one.key, one.grain, one.start, one.end)} for one in allowed.periods
    ]
    if allowed.has_days:
        options.append({"value": OWN_DAYS, "label": say("control.own_days")})
    dates = [view.start.isoformat(), (view.end - timedelta(days=1)).isoformat()]
    picker = dmc.DatePickerInput(
        id="dates",
        type="range",
        value=dates,
        valueFormat="D MMM YYYY",
        minDate=allowed.whole.start.isoformat(),
        maxDate=(allowed.whole.end - timedelta(days=1)).isoformat(),
        allowSingleDateInRange=True,
        size="sm",
        **_named("control.dates"),
    )
    return html.Div(
        [
            _field(
                say("control.period"),
                dmc.Select(
                    id="period",
                    data=options,
                    value=known.key if known else OWN_DAYS,
                    allowDeselect=False,
                    **_named("control.period"),
                ),
            ),
            html.Div(picker, id="dates-box", hidden=known is not None),
        ]
    )


def _when(view: View, allowed: Allowed) -> Component:
    chips = [dmc.Chip(say(f"day.{day}"), value=str(day + 1), size="xs", radius="sm") for day in ALL_DAYS]
    hours = [f"{hour:02d}" for hour in range(25)]
    return html.Div(
        [
            html.Div(
                _field(
                    say("control.days"),
                    html.Div(
                        dmc.ChipGroup(chips, id="days", multiple=True, value=[str(day + 1) for day in view.days]),
                        className="chips",
                        role="group",
                        **{"aria-label": say("control.days")},
                    ),
                ),
                hidden=not allowed.has_days,
            ),
            html.Div(
                _field(
                    say("control.hours"),
                    html.Div(
                        [
                            dmc.Select(
                                id="hour-from",
                                data=[{"value": one, "label": f"{one}:00"} for one in hours[:24]],
                                value=f"{view.hour_from:02d}",
                                allowDeselect=False,
                                **_named("control.hour_from"),
                            ),
                            html.Span("–", className="soft"),
                            dmc.Select(
                                id="hour-to",
                                data=[{"value": one, "label": f"{one}:00"} for one in hours],
                                value=f"{view.hour_to:02d}",
                                allowDeselect=False,
                                **_named("control.hour_to"),
                            ),
                        ],
                        className="pair",
                    ),
                ),
                hidden=not allowed.has_hours,
            ),
        ],
        className="stack",
    )


def _period_name(key: str, grain: str, start: date, end: date) -> str:
    return say(f"grain.{grain}") if grain in ("whole", "last_12_months") else key.replace("-", " – ")


def _options(kind: str, names: Sequence[str]) -> list[dict[str, str]]:
    return [{"value": name, "label": say_or(f"{kind}.{name}", name)} for name in names]


def _named(key: str) -> dict[str, Any]:
    return {"aria-label": say(key)}


def _field(label: str, component: Component) -> Component:
    return html.Div([html.Div(label, className="label"), component], className="field")


def _after(day: str) -> str:
    """The day after one in ISO form; anything else as it is, for the parser to refuse."""
    try:
        return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        return day or "-"
