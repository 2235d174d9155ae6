"""Explore: where and when calls had no listed service, for one call reason and one leg at a time."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from dashboard import controls, guard
from dashboard import map as maps
from dashboard.data import Data
from dashboard.guard import Arg
from dashboard.pages import explore_parts as parts
from dashboard.shell import Context, Log, notes
from dashboard.view import Parsed, parse, to_query
from dashboard.words import say

PATH = "/"
TITLE = "explore.title"
VIEW = "explore"

OUTPUTS = {
    "explore-lead": "children",
    "explore-sentence": "children",
    "explore-denominators": "children",
    "explore-cascade": "children",
    "explore-legs": "children",
    "explore-kpis": "children",
    "explore-legend": "children",
    "explore-table-head": "children",
    "explore-when": "children",
    "explore-notes": "children",
    "explore-counts": "data",
    "explore-grid": "columnDefs",
}
RAIL = {"leg": "value", "need": "value", "level": "value", "colour": "value", "variant": "value"}


def layout(context: Context) -> Component:
    """The page of a view, everything of it filled in, so that the first screen needs no callback."""
    filled = pieces(context)

    def box(name: str, **more: Any) -> Component:
        return html.Div(filled[name], id=name, **more)

    content = html.Div(
        [
            box("explore-notes"),
            html.H1(filled["explore-lead"], id="explore-lead"),
            html.P(filled["explore-sentence"], id="explore-sentence", className="shows", **{"aria-live": "polite"}),
            box("explore-denominators", className="soft small"),
            box("explore-cascade", className="cascade"),
            box("explore-kpis", className="kpis"),
            html.Div([_map(context, filled), _table(context, filled)], className="map-and-table"),
            html.Div(
                [
                    box("explore-legs", className="panel"),
                    box("explore-when", className="panel"),
                    html.Section(
                        parts.area_panel(context), id="explore-area", className="panel", **{"aria-live": "polite"}
                    ),
                ],
                className="below",
            ),
        ],
        className="content",
    )
    stores = [
        dcc.Store(id="explore-counts", data=filled["explore-counts"]),
        dcc.Store(id="explore-link", data=to_query(replace(context.view, area=""), context.data.allowed)),
    ]
    return html.Div([controls.rail(context), content, *stores], className="with-rail")


def register(app: Dash, data: Callable[[], Data], log: Log) -> None:
    """The callbacks of the page: a changed filter, a chosen area; painting and links are done in the browser."""
    outputs = [Output(name, prop) for name, prop in OUTPUTS.items()]
    outputs += [
        Output("explore-link", "data"),
        Output("map-areas", "url"),
        Output("map-recurring", "url"),
        Output("map-services", "url"),
        Output("leg", "data"),
        Output("fine-box", "hidden"),
        Output("dates-box", "hidden"),
        *(Output(name, prop) for name, prop in RAIL.items()),
    ]

    @guard.on(app, "explore.update", outputs, controls.args())
    def update(*values: Any) -> list[Any]:
        parsed = controls.chosen(data().allowed, values)
        context = _context(data(), parsed)
        filled = pieces(context)
        told = data()
        log(VIEW, parts.logged(context), len(told.shapes[context.view.level].geoids))
        view, prefix = context.view, context.prefix
        return [
            *(filled[name] for name in OUTPUTS),
            to_query(view, told.allowed),
            maps.areas_url(prefix, told.release_id, view.level),
            *(maps.layer_url(prefix, told.release_id, layer, view) for layer in ("recurring", "services")),
            controls.leg_options(told.allowed, view.need),
            not controls.asks_fine(view, told.allowed),
            values[3] != controls.OWN_DAYS,
            view.leg,
            view.need,
            view.level,
            view.colour,
            view.variant,
        ]

    @guard.on(
        app,
        "explore.area",
        Output("explore-area", "children"),
        [
            Arg(id="picked", prop="data", check=guard.text(120)),
            Arg(id="explore-link", prop="data", check=guard.text(800)),
        ],
    )
    def area(picked: str, link: str) -> list[Component]:
        allowed = data().allowed
        view = parse(link, allowed).view
        if not picked or picked not in allowed.areas[view.level]:
            return parts.area_panel(_context(data(), Parsed(view=view, said=())))
        parsed = parse(f"{link}&area={picked}" if link else f"area={picked}", allowed)
        context = _context(data(), parsed)
        log(VIEW, parts.logged(context), 1)
        return parts.area_panel(context)

    app.clientside_callback(
        ClientsideFunction("unmet", "paint"),
        Output("explore-grid", "rowData"),
        Input("explore-counts", "data"),
        Input("map-areas", "url"),
    )
    app.clientside_callback(
        ClientsideFunction("unmet", "from_grid"),
        Output("picked", "data"),
        Input("explore-grid", "selectedRows"),
        Input("explore-find", "value"),
        State("picked", "data"),
    )
    app.clientside_callback(
        ClientsideFunction("unmet", "choose"),
        Output("explore-grid", "className"),
        Input("picked", "data"),
        Input("explore-grid", "rowData"),
    )
    app.clientside_callback(
        ClientsideFunction("unmet", "options"), Output("explore-find", "data"), Input("map-areas", "url")
    )
    app.clientside_callback(ClientsideFunction("unmet", "same"), Output("query", "data"), Input("explore-link", "data"))


def pieces(context: Context) -> Mapping[str, Any]:
    """Everything on the page that depends on the view, by component."""
    made = parts.made(context)
    return {
        "explore-notes": notes(context.parsed),
        "explore-lead": parts.lead(made),
        "explore-sentence": controls.sentence(context, context.view),
        "explore-denominators": parts.denominators(made),
        "explore-cascade": parts.cascade(made),
        "explore-kpis": parts.kpis(made),
        "explore-legs": parts.legs(made),
        "explore-when": parts.when(made),
        "explore-legend": parts.legend(made),
        "explore-table-head": parts.table_head(made),
        "explore-counts": parts.payload(made),
        "explore-grid": parts.columns(made),
    }


def _context(data: Data, parsed: Parsed) -> Context:
    from flask import request

    prefix = request.path.removesuffix("_dash-update-component")
    return Context(data=data, user=guard.user(), parsed=parsed, prefix=prefix)


def _map(context: Context, filled: Mapping[str, Any]) -> Component:
    return html.Div(
        [maps.component(context), html.Div(filled["explore-legend"], id="explore-legend", className="legend")],
        className="map-side",
    )


def _table(context: Context, filled: Mapping[str, Any]) -> Component:
    grid = dag.AgGrid(
        id="explore-grid",
        columnDefs=filled["explore-grid"],
        rowData=[],
        getRowId="params.data.g",
        columnSize=None,
        defaultColDef={"sortable": True, "resizable": True, "suppressHeaderMenuButton": True},
        dashGridOptions={
            "rowSelection": {"mode": "singleRow", "checkboxes": False, "enableClickSelection": True},
            "theme": {"function": "unmetTheme(themeQuartz)"},
            "localeText": {"noRowsToShow": say("table.empty")},
            "headerHeight": 34,
            "rowHeight": 32,
            "animateRows": False,
            "suppressCellFocus": False,
            "ensureDomOrder": True,
            "alwaysMultiSort": False,
            "suppressScrollOnNewData": True,
        },
        className="grid",
        style={"height": "100%", "width": "100%"},
    )
    find = dmc.Select(
        id="explore-find",
        data=[],
        searchable=True,
        clearable=True,
        placeholder=say("table.find"),
        limit=30,
        size="sm",
        nothingFoundMessage=say("table.nothing"),
        **{"aria-label": say("table.find")},
    )
    return html.Section(
        [
            html.Div([html.Div(filled["explore-table-head"], id="explore-table-head"), find], className="table-head"),
            html.Div(grid, className="grid-box", role="group", **{"aria-label": say("table.label")}),
        ],
        className="table-side",
    )
