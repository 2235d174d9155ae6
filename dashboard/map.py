"""The map: the only module that knows Leaflet. Shapes come once by address; assets/unmet.js paints the classes."""

from typing import Any, Final

import dash_leaflet as dl
from dash import html
from dash.development.base_component import Component

from dashboard.shell import Context
from dashboard.view import STAYING, View
from dashboard.words import say

PANES: Final = {"recurring": 430, "services": 450}


def component(context: Context, *, identity: str = "map") -> Component:
    """A map of the view's areas with recurring-call areas and services; ids begin with `identity`."""
    (south, west), (north, east) = context.data.bounds
    pad_x, pad_y = (east - west) * 0.03, (north - south) * 0.03
    bounds = [[south - pad_y, west - pad_x], [north + pad_y, east + pad_x]]
    shapes = dl.GeoJSON(
        id=f"{identity}-areas",
        url=areas_url(context.prefix, context.data.release_id, context.view.level),
        style={"variable": "unmet_map.style"},
        onEachFeature={"variable": "unmet_map.each"},
    )
    layers = [
        shapes,
        dl.Pane(
            dl.GeoJSON(
                id=f"{identity}-recurring",
                url=layer_url(context.prefix, context.data.release_id, "recurring", context.view),
                style={"variable": "unmet_map.ring"},
                onEachFeature={"variable": "unmet_map.named"},
            ),
            name=f"{identity}-p-recurring",
            style={"zIndex": PANES["recurring"]},
        ),
        dl.Pane(
            dl.GeoJSON(
                id=f"{identity}-services",
                url=layer_url(context.prefix, context.data.release_id, "services", context.view),
                pointToLayer={"variable": "unmet_map.dot"},
                onEachFeature={"variable": "unmet_map.named"},
            ),
            name=f"{identity}-p-services",
            style={"zIndex": PANES["services"]},
        ),
        dl.ScaleControl(position="bottomright", imperial=True, metric=True),
    ]
    return html.Div(
        dl.Map(
            layers,
            id=identity,
            center=[(south + north) / 2, (west + east) / 2],
            zoom=11,
            bounds=bounds,
            zoomSnap=0.25,
            preferCanvas=True,
            attributionControl=False,
            scrollWheelZoom=False,
            className="leaflet",
        ),
        className="stage",
        role="region",
        **{"aria-label": say("map.label")},
    )


def areas_url(prefix: str, release_id: str, level: str) -> str:
    """The address of the shapes of a level, which never change under it."""
    return f"{prefix}r/{release_id}/areas/{level}.json"


def layer_url(prefix: str, release_id: str, layer: str, view: View) -> str:
    """The address of recurring-call areas or services for a view, or of an empty layer where it is off.

    Recurring-call areas of homelessness, which point at where people stay, show only when asked for.
    """
    is_shy = layer == "recurring" and view.need in STAYING and not view.fine
    if layer not in view.layers or is_shy:
        return f"{prefix}r/{release_id}/layer/none.json"
    leg = f"-{view.leg}" if layer == "services" else ""
    return f"{prefix}r/{release_id}/layer/{layer}-{view.need}{leg}.json"


def shapes_json(geoids: Any, names: Any, shapes: Any) -> dict[str, Any]:
    """A FeatureCollection of areas: `i` is the row of every array that paints them."""
    import json

    import shapely

    features = [
        {
            "type": "Feature",
            "id": at,
            "properties": {"i": at, "g": geoid, "n": name},
            "geometry": json.loads(shapely.to_geojson(shape)),
        }
        for at, (geoid, name, shape) in enumerate(zip(geoids, names, shapely.from_wkb(shapes), strict=True))
    ]
    return {"type": "FeatureCollection", "features": features}
