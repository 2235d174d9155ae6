"""The frame around every page: banners, navigation, the page an address names, and what to say where none does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, dcc, html
from dash.development.base_component import Component

from dashboard import auth, guard
from dashboard.auth import User
from dashboard.data import Data
from dashboard.palette import PETROL
from dashboard.view import BadView, Parsed, View, parse, to_query
from dashboard.words import say

Log = Callable[[str, Mapping[str, Any], int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a page's layout is built from. `prefix` begins and ends with `/`."""

    data: Data
    user: User
    parsed: Parsed
    prefix: str = "/"

    @property
    def view(self) -> View:
        return self.parsed.view

    def href(self, path: str, view: View) -> str:
        """The address of a page with a view."""
        query = to_query(view, self.data.allowed)
        return self.prefix + path.lstrip("/") + (f"?{query}" if query else "")

    def may(self, view: str) -> bool:
        """Whether the user may open a view."""
        return auth.may(self.data.release.policy, self.user, view)


def frame() -> Component:
    """The app's layout: nothing of a release is in it."""
    return dmc.MantineProvider(
        [
            html.A(say("skip"), href="#main", className="skip"),
            dcc.Store(id="nav"),
            dcc.Store(id="query"),
            dcc.Store(id="picked", data=""),
            html.Div(html.P(say("loading"), className="loading", role="status"), id="shell-page"),
        ],
        theme={
            "primaryColor": "petrol",
            "colors": {"petrol": list(PETROL)},
            "primaryShade": {"light": 7, "dark": 4},
            "fontFamily": "var(--font)",
            "defaultRadius": "sm",
            "cursorType": "pointer",
            "headings": {"fontFamily": "var(--font)"},
        },
        defaultColorScheme="auto",
    )


def register(app: Dash, pages: tuple[ModuleType, ...], prefix: str) -> None:
    """Opens the page of an address when it changes; addresses are read and written by assets/unmet.js."""
    app.clientside_callback(ClientsideFunction("unmet", "start"), Output("nav", "data"), Input("shell-page", "id"))
    app.clientside_callback(
        ClientsideFunction("unmet", "write_link"),
        Output("shell-page", "className"),
        Input("query", "data"),
        Input("picked", "data"),
        prevent_initial_call=True,
    )

    @guard.on(
        app, "shell.page", Output("shell-page", "children"), [guard.Arg(id="nav", prop="data", check=guard.text(1200))]
    )
    def page(nav: str) -> Component:
        return opened(nav, pages, guard.pinned(), guard.user(), prefix)


def opened(nav: str, pages: tuple[ModuleType, ...], data: Data, user: User, prefix: str) -> Component:
    """The whole screen of an address: its page, or an error that says what to do."""
    path, _, query = nav.partition("?")
    found = find(path, pages, prefix)
    allowed = tuple(one for one in pages if auth.may(data.release.policy, user, one.VIEW))
    if found is None:
        return _framed(_error(say("error_page"), prefix), data, allowed, None, prefix, "")
    if found not in allowed:
        return _framed(_error(say("error_role"), prefix), data, allowed, found, prefix, "")
    try:
        parsed = parse(query, data.allowed)
    except BadView:
        return _framed(_error(say("error_view"), prefix), data, allowed, found, prefix, "")
    context = Context(data=data, user=user, parsed=parsed, prefix=prefix)
    try:
        body = found.layout(context)
    except BadView:
        body = _error(say("error_view"), prefix)
    return _framed(body, data, allowed, found, prefix, to_query(parsed.view, data.allowed))


def find(path: str, pages: tuple[ModuleType, ...], prefix: str) -> ModuleType | None:
    """The page of a path, None where there is none."""
    inner = "/" + path[len(prefix) :] if path.startswith(prefix) else path
    return next((one for one in pages if inner == one.PATH), None)


def notes(parsed: Parsed) -> Component | None:
    """What was changed to show a link on this release."""
    if not parsed.said:
        return None
    told = [say(key, value=_said_value(key, value)) for key, value in parsed.said]
    return html.Ul([html.Li(one) for one in told], className="notes", role="status")


def _said_value(key: str, value: str) -> str:
    from dashboard.controls import days_text
    from dashboard.words import say_or

    kinds = {"snap_need": "need.", "snap_leg": "leg.", "snap_level": "level."}
    if key == "snap_period":
        first, _, last = value.partition("/")
        return days_text(first, last)
    return say_or(kinds.get(key, "") + value, value)


def _framed(
    body: Component, data: Data, pages: tuple[ModuleType, ...], current: ModuleType | None, prefix: str, query: str
) -> Component:
    return html.Div(
        [
            _banners(data),
            _header(pages, current, prefix, query),
            html.Main(body, id="main", tabIndex="-1"),
            _footer(data),
        ],
        className="frame",
        key=data.release_id,
    )


def _banners(data: Data) -> Component:
    told = list(dict.fromkeys([*data.told["banners"], *data.told["caveats"]]))
    lines = [
        one.replace(" - ", " – ") for one in told if not (data.told["is_synthetic"] and one.startswith("synthetic:"))
    ]
    return html.Ul([html.Li(one) for one in lines], className="banners", **{"aria-label": "Notices"})


def _header(pages: tuple[ModuleType, ...], current: ModuleType | None, prefix: str, query: str) -> Component:
    links = []
    for one in pages:
        here: dict[str, Any] = {"aria-current": "page"} if one is current else {}
        links.append(
            html.A(
                say(one.TITLE),
                href=prefix + one.PATH.lstrip("/") + (f"?{query}" if query else ""),
                className="page-link",
                **{"data-nav": prefix + one.PATH.lstrip("/")},
                **here,
            )
        )
    return html.Header(
        [
            html.A([html.Span(className="mark"), say("app")], href=prefix, className="brand", **{"data-nav": prefix}),
            html.Nav(links, **{"aria-label": say("pages")}),
            html.Div(
                [
                    html.Button(
                        say("copy_link"),
                        className="quiet",
                        id="copy-link",
                        type="button",
                        **{"data-act": "copy", "data-done": say("copied")},
                    ),
                    html.Button(say("print"), className="quiet wide", type="button", **{"data-act": "print"}),
                    html.Button(
                        "◐",
                        className="quiet round",
                        type="button",
                        title=say("theme"),
                        **{"data-act": "theme", "aria-label": say("theme")},
                    ),
                ],
                className="tools",
            ),
        ],
        className="top",
    )


def _footer(data: Data) -> Component:
    told = data.told
    line = say("release_line", release_id=data.release_id, as_of=told["as_of"], services_as_of=told["services_as_of"])
    return html.Footer([html.P([html.B(told["city_name"]), " · ", line]), *(html.P(one) for one in told["notes"])])


def _error(text: str, prefix: str) -> Component:
    return html.Div(
        [html.H1(say("error_title")), html.P(text), html.P(html.A(say("error_home"), href=prefix))], className="problem"
    )
