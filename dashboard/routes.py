"""Plain addresses beside the callbacks: shapes by release, layers, health. All go through the gate but health."""

import gzip
import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from dash import Dash
from flask import Flask, Response, request
from werkzeug.exceptions import Forbidden, NotFound

from dashboard import auth, guard
from dashboard import map as maps
from dashboard.data import Data
from dashboard.source import Shelf
from dashboard.view import LEGS
from dashboard.words import say, say_or

MOST_KEPT = 64


def register(app: Dash, shelf: Shelf, prefix: str) -> None:
    """Adds the routes to the app's server."""
    kept: OrderedDict[tuple[str, ...], bytes] = OrderedDict()
    server: Flask = app.server

    def compressed(key: tuple[str, ...], make: Callable[[], dict[str, Any]]) -> Response:
        if key not in kept:
            kept[key] = gzip.compress(json.dumps(make(), separators=(",", ":")).encode(), mtime=0)
            while len(kept) > MOST_KEPT:
                kept.popitem(last=False)
        packed = kept[key]
        takes = "gzip" in request.headers.get("Accept-Encoding", "")
        answer = Response(packed if takes else gzip.decompress(packed), mimetype="application/geo+json")
        if takes:
            answer.headers["Content-Encoding"] = "gzip"
        answer.headers["Vary"] = "Accept-Encoding, Cookie, Authorization"
        answer.headers["Cache-Control"] = "private, max-age=31536000, immutable"
        return answer

    def data_of(release_id: str) -> Data:
        found = shelf.by_id(release_id)
        if found is None:
            raise NotFound
        if not auth.may(found.release.policy, guard.user(), "explore"):
            raise Forbidden
        return found

    @server.get(f"{prefix}healthz")
    def healthz() -> Response:
        body = {"status": "ok", "release": shelf.current().release_id, "fault": shelf.fault}
        return Response(json.dumps(body), mimetype="application/json")

    @server.get(f"{prefix}r/<release_id>/areas/<level>.json")
    def areas(release_id: str, level: str) -> Response:
        data = data_of(release_id)
        if level not in data.shapes:
            raise NotFound
        shapes = data.shapes[level]

        def make() -> dict[str, Any]:
            table = data.release.table(f"areas_{level}", ["geometry"])
            return maps.shapes_json(shapes.geoids, shapes.names, table["geometry"].to_numpy())

        return compressed(("areas", release_id, level), make)

    @server.get(f"{prefix}r/<release_id>/layer/<name>.json")
    def layer(release_id: str, name: str) -> Response:
        data = data_of(release_id)
        kind, _, rest = name.partition("-")
        need, _, leg = rest.partition("-")
        if kind == "none":
            return compressed(("none",), lambda: {"type": "FeatureCollection", "features": []})
        if need not in data.allowed.needs or kind not in ("recurring", "services"):
            raise NotFound
        if kind == "recurring":
            return compressed((release_id, name), lambda: _recurring(data, need))
        if leg not in LEGS:
            raise NotFound
        return compressed((release_id, name), lambda: _services(data, need, leg))


def _members(need: str) -> list[str]:
    """A call reason and what is counted in it."""
    from pipelines.vocabulary import needs

    return [need, *(name for name, one in needs().items() if one.rollup == need)]


def _recurring(data: Data, need: str) -> dict[str, Any]:
    table = data.table("hotspots")
    if not len(table):
        return {"type": "FeatureCollection", "features": []}
    import shapely

    table = table[table["need"].isin(_members(need))].reset_index(drop=True)
    ids = table["hotspot_id"] if "hotspot_id" in table else table["number"]
    features = []
    for row, identity, shape in zip(
        table.itertuples(), ids, shapely.from_wkb(table["geometry"].to_numpy()), strict=True
    ):
        calls = getattr(row, "n_calls", None)
        said = say("map.recurring", status=say_or(f"status.{row.status}", str(row.status)))
        if calls is not None:
            said = say("map.recurring_n", status=say_or(f"status.{row.status}", str(row.status)), n=f"{calls:,}")
        features.append(
            {
                "type": "Feature",
                "properties": {"k": "recurring", "id": str(identity), "t": said},
                "geometry": json.loads(shapely.to_geojson(shape)),
            }
        )
    return {"type": "FeatureCollection", "features": features}


def _services(data: Data, need: str, leg: str) -> dict[str, Any]:
    table = data.table("services")
    if "lon" not in table:
        return {"type": "FeatureCollection", "features": []}
    table = table[table["need"].isin(_members(need)) & (table["leg"] == leg) & np.isfinite(table["lon"].astype(float))]
    columns = [table[name].to_numpy() for name in ("service_id", "name", "match")]
    points = table[["lon", "lat"]].to_numpy(np.float64)
    features = [
        {
            "type": "Feature",
            "properties": {"k": "service", "id": str(identity), "t": str(name), "s": str(match)},
            "geometry": {"type": "Point", "coordinates": [float(lon), float(lat)]},
        }
        for identity, name, match, (lon, lat) in zip(*columns, points, strict=True)
    ]
    return {"type": "FeatureCollection", "features": features}
