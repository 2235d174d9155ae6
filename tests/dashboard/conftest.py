"""Fixtures of the dashboard's tests: releases of the sample city, apps that serve them, pages in Chromium."""

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from dashboard.app import create_app
from dashboard.data import Data
from dashboard.load import load
from dashboard.source import only
from pipelines.city import City
from pipelines.policy import load_policy
from pipelines.release import build_release, open_release
from pipelines.store import Store
from tests import chromium
from tests.chromium import SCREENS
from tests.releases import short_policy


@pytest.fixture(scope="session")
def internal_folder(sample_city: City, sample_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the sample city's internal release."""
    policy = load_policy("internal", city=sample_city)
    return build_release(sample_city, sample_store, policy, tmp_path_factory.mktemp("internal"))


@pytest.fixture(scope="session")
def public_folder(sample_city: City, sample_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a suppressed public release of the sample city, from a short ladder."""
    policy = short_policy(tmp_path_factory.mktemp("policy"), sample_city)
    return build_release(sample_city, sample_store, policy, tmp_path_factory.mktemp("public"))


@pytest.fixture(scope="session")
def data(internal_folder: Path) -> Data:
    """The internal release in memory."""
    return load(open_release(internal_folder))


@pytest.fixture(scope="session")
def public_data(public_folder: Path) -> Data:
    """The public release in memory."""
    return load(open_release(public_folder))


@pytest.fixture(scope="session")
def app(internal_folder: Path) -> Any:
    """The app over the internal release."""
    return create_app(only(internal_folder))


@pytest.fixture(scope="session")
def internal_url(app: Any) -> Iterator[str]:
    """Where the internal release is served."""
    yield from _served(app)


@pytest.fixture(scope="session")
def public_url(public_folder: Path) -> Iterator[str]:
    """Where the public release is served."""
    yield from _served(create_app(only(public_folder)))


def _served(app: Any) -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, app.server, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    yield from chromium.launched()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens an address at a size and in a scheme; afterwards checks that nothing left and nothing complained.

    `wait` is a selector that tells that the page is done (Explore: painted areas).
    """
    contexts: list[Any] = []
    asked: list[str] = []
    said: list[tuple[str, str]] = []

    def opened(url: str, screen: str = "desk", scheme: str = "light", *, wait: str = "body[data-painted]") -> Any:
        width, height = SCREENS[screen]
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("request", lambda r: asked.append(r.url))
        page.on("console", lambda m: said.append((m.type, m.text)))
        page.on("pageerror", lambda e: said.append(("error", str(e))))
        page.on("dialog", lambda d: said.append(("error", f"dialog {d.message}")))
        page.goto(url)
        page.wait_for_selector(wait)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [one for one in asked if not one.startswith(("http://127.0.0.1:", "data:", "blob:"))] == []
    assert [one for one in said if one[0] in ("error", "warning")] == []
