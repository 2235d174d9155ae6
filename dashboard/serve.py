"""Serving: gunicorn with the app loaded and warmed before it forks, or a development server; never open by accident."""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from dashboard.app import create_app
from dashboard.auth import LOOPBACK, Auth, from_environment
from dashboard.source import Source
from geo.errors import ConfigError
from pipelines.audit_writer import AuditWriter

GRACEFUL_S = 20


def run(
    sources: Mapping[str, Source],
    *,
    host: str = "127.0.0.1",
    port: int = 8050,
    workers: int = 2,
    threads: int = 4,
    audit: Path | None = None,
    is_development: bool = False,
    behind_https: bool = False,
) -> None:
    """Serves until it is told to stop; one city at `/`, several at `/CITY/`. Stops gracefully on SIGTERM and SIGINT.

    Raises:
        ConfigError: a host beyond loopback without sign-in, or sign-in that is not set up.
        ReleaseError: a source without a release that may be opened.
    """
    how = from_environment()
    refuse_open(host, how)
    writer = AuditWriter(audit) if audit is not None else None
    server = build(sources, how=how, audit=writer, behind_https=behind_https)
    if is_development:
        server.run(host=host, port=port, debug=False, use_reloader=False, threaded=True)
        return
    _gunicorn(
        server, writer, bind=f"[{host}]:{port}" if ":" in host else f"{host}:{port}", workers=workers, threads=threads
    )


def build(
    sources: Mapping[str, Source], *, how: Auth, audit: AuditWriter | None = None, behind_https: bool = False
) -> Flask:
    """The warmed WSGI server of one city at `/`, or of several at `/CITY/`."""
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    if len(sources) == 1:
        app = create_app(next(iter(sources.values())), how=how, audit=audit, is_https=behind_https)
        return warmed(app.server, "/")
    mounted: dict[str, Any] = {}
    for city, source in sources.items():
        made = create_app(source, how=how, audit=audit, prefix=f"/{city}/", is_https=behind_https)
        mounted[f"/{city}"] = _whole_path(warmed(made.server, f"/{city}/"))
    front = Flask("unmet-front")
    front.wsgi_app = DispatcherMiddleware(front.wsgi_app, mounted)  # type: ignore[method-assign]
    return front


def warmed(server: Flask, prefix: str) -> Flask:
    """The server after its first answers, so that no two threads set it up at once."""
    with server.test_client() as client:
        for path in ("", "_dash-layout", "_dash-dependencies"):
            client.get(f"{prefix}{path}", environ_base={"REMOTE_ADDR": "127.0.0.1"})
    return server


def refuse_open(host: str, how: Auth) -> None:
    """Raises ConfigError where a host beyond loopback would be served without sign-in."""
    if how.kind == "none" and not is_loopback(host):
        raise ConfigError(
            "host",
            [f"expected {', '.join(LOOPBACK)} without sign-in, got [{host}]; set UNMET_AUTH to basic or proxy first"],
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _whole_path(server: Flask) -> Any:
    """The server under a mount that gives it back the whole path, since its routes hold their prefix."""

    def application(environ: dict[str, Any], start: Any) -> Any:
        environ["PATH_INFO"] = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        environ["SCRIPT_NAME"] = ""
        return server(environ, start)

    return application


def _gunicorn(server: Flask, writer: AuditWriter | None, *, bind: str, workers: int, threads: int) -> None:
    from gunicorn.app.base import BaseApplication

    class Server(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            told = {
                "bind": bind,
                "workers": workers,
                "threads": threads,
                "worker_class": "gthread",
                "preload_app": True,
                "graceful_timeout": GRACEFUL_S,
                "timeout": 60,
                "keepalive": 5,
                "limit_request_line": 4094,
                "limit_request_fields": 60,
                "limit_request_field_size": 8190,
                "loglevel": "warning",
                "proc_name": "unmet",
                "worker_exit": _closing(writer),
                "server_software": "unmet",
            }
            for key, value in told.items():
                if key in self.cfg.settings:
                    self.cfg.set(key, value)

        def load(self) -> Flask:
            return server

    os.environ.pop("GUNICORN_CMD_ARGS", None)
    Server().run()


def _closing(writer: AuditWriter | None) -> Any:
    def worker_exit(_server: Any, _worker: Any) -> None:
        if writer is not None:
            writer.close()

    return worker_exit
