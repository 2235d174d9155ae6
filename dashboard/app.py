"""The app over a source of releases: `create_app`. Nothing is global; every request pins one release at its start."""

from pathlib import Path
from types import ModuleType
from typing import Any

from dash import Dash
from flask import Flask, Response, request
from flask_talisman import Talisman
from werkzeug.exceptions import HTTPException

from dashboard import controls, guard, pages, palette, routes, shell
from dashboard.auth import Auth
from dashboard.source import Shelf, Source
from dashboard.view import BadView, parse
from dashboard.words import say
from pipelines.audit_writer import AuditWriter

ASSETS = Path(__file__).parent / "assets"
INDEX = """<!DOCTYPE html>
<html lang="en"><head>{%metas%}<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{%title%}</title>{%favicon%}{%css%}<style>PALETTE</style></head>
<body>{%app_entry%}<footer hidden>{%config%}{%scripts%}{%renderer%}</footer></body></html>"""
INNER = ("_dash-", "_reload-hash", "_favicon", "assets/", "r/", "healthz")


def create_app(
    source: Source,
    *,
    how: Auth | None = None,
    audit: AuditWriter | None = None,
    prefix: str = "/",
    is_https: bool = False,
) -> Dash:
    """The app that serves the newest release of a source, under `prefix` (which begins and ends with `/`).

    `how` people sign in (nobody on loopback); `audit` takes a line a view; `is_https` where a proxy ends TLS before it.

    Raises:
        ReleaseError: the source has no release that may be opened.
    """
    shelf = Shelf(source)
    how = how or Auth(kind="none", users={})
    server = Flask("unmet")
    server.config.update(MAX_CONTENT_LENGTH=guard.LARGEST_BODY, SESSION_COOKIE_SECURE=is_https)
    app = Dash(
        "unmet",
        server=server,
        assets_folder=str(ASSETS),
        url_base_pathname=prefix,
        title=say("app"),
        update_title="",
        suppress_callback_exceptions=True,
        serve_locally=True,
        enable_mcp=False,
        compress=False,
    )
    app.enable_dev_tools(debug=False)
    app.layout = shell.frame
    app.index_string = INDEX.replace("PALETTE", palette.css())
    there = _pages(shelf)
    _gate_pages(server, shelf, there, prefix)
    guard.protect(server, shelf, how, prefix=prefix)
    shell.register(app, there, prefix)

    def log(view: str, what: Any, n_rows: int) -> None:
        guard.log_view(audit, view, dict(what), n_rows)

    controls.register(app)
    for page in there:
        page.register(app, guard.pinned, log)
    routes.register(app, shelf, prefix)
    _headers(app, is_https=is_https)
    server.register_error_handler(HTTPException, _plain_error)
    return app


def _pages(shelf: Shelf) -> tuple[ModuleType, ...]:
    """The pages that some role of the policy may open; the others' callbacks do not exist in this process."""
    policy = shelf.current().release.policy
    named = {view for role in policy.roles for view in role.views}
    return tuple(page for page in pages.PAGES if page.VIEW in named)


def _gate_pages(server: Flask, shelf: Shelf, there: tuple[ModuleType, ...], prefix: str) -> None:
    """404 for a path that is no page, 400 for a query that no link of ours has."""

    @server.before_request
    def known_page() -> Response | None:
        inner = request.path.removeprefix(prefix)
        if request.method not in ("GET", "HEAD") or inner.startswith(INNER):
            return None
        if shell.find(request.path, there, prefix) is None:
            return _page_error(404, say("error_page"), prefix)
        try:
            parse(request.query_string.decode("utf-8", "replace"), shelf.current().allowed)
        except BadView:
            return _page_error(400, say("error_view"), prefix)
        return None


def _page_error(code: int, text: str, prefix: str) -> Response:
    from markupsafe import escape

    body = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(say('app'))}</title>"
        f"<h1>{escape(say('error_title'))}</h1><p>{escape(text)}</p><p><a href='{escape(prefix)}'>"
        f"{escape(say('error_home'))}</a></p></html>"
    )
    return Response(body, status=code, mimetype="text/html")


def _plain_error(error: HTTPException) -> Response:
    answer = Response(f"{error.code} {error.name}\n", status=error.code, mimetype="text/plain")
    for name, value in error.get_headers():
        if name.lower() == "www-authenticate":
            answer.headers[name] = value
    return answer


def _headers(app: Dash, *, is_https: bool) -> None:
    """Security headers on every answer; scripts only from here, by hash where inline; nothing is kept by caches."""
    Talisman(
        app.server,
        force_https=is_https,
        strict_transport_security=is_https,
        session_cookie_secure=is_https,
        session_cookie_http_only=True,
        frame_options="DENY",
        referrer_policy="same-origin",
        permissions_policy={"geolocation": "()", "camera": "()", "microphone": "()", "browsing-topics": "()"},
        content_security_policy={
            "default-src": "'self'",
            "script-src": ["'self'", *app.csp_hashes()],
            "style-src": "'self' 'unsafe-inline'",
            "img-src": "'self' data: blob:",
            "font-src": "'self' data:",
            "connect-src": "'self'",
            "worker-src": "blob:",
            "object-src": "'none'",
            "base-uri": "'none'",
            "form-action": "'self'",
            "frame-ancestors": "'none'",
        },
    )

    server: Flask = app.server

    @server.after_request
    def no_store(answer: Response) -> Response:
        if "Cache-Control" not in answer.headers or "_dash-component-suites" not in request.path:
            answer.headers.setdefault("Cache-Control", "no-store")
        answer.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        return answer
