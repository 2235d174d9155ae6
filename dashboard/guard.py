"""Callbacks that trust nothing: each listed, each value checked, each request compared with what was registered."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from dash import Dash, Input, Output, State
from flask import Flask, g, request
from werkzeug.exceptions import BadRequest, Forbidden, RequestEntityTooLarge, Unauthorized

from dashboard import auth
from dashboard.auth import PERMISSIONS, Auth, User
from dashboard.data import Data
from dashboard.source import Shelf
from dashboard.view import BadView
from pipelines.audit import AuditError
from pipelines.audit_writer import AuditWriter

LARGEST_BODY: Final = 64 * 1024
KEYS: Final = {"output", "outputs", "inputs", "state", "changedPropIds", "parsedChangedPropsIds"}
Check = Callable[[Any], Any]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Arg:
    """A value that a callback takes: component, property, and the check that returns it or raises BadRequest."""

    id: str
    prop: str
    check: Check


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A registered callback as a request must name it."""

    name: str
    outputs: Any
    inputs: tuple[tuple[str, str], ...]
    state: tuple[tuple[str, str], ...]


def on(
    app: Dash,
    name: str,
    outputs: Output | Sequence[Output],
    inputs: Sequence[Arg],
    state: Sequence[Arg] = (),
    *,
    first: bool = False,
) -> Callable[[F], F]:
    """Registers a callback under a name of `auth.PERMISSIONS`; its values are checked first, and a bad one is a 400.

    `first`: whether it also runs when its components appear. Ids are plain texts, never patterns.

    Raises:
        KeyError: the name is not in the table of permissions.
    """
    if name not in PERMISSIONS:
        raise KeyError(f"{name}: expected a callback that auth.PERMISSIONS lists, got another")

    def register(body: F) -> F:
        def checked(*values: Any) -> Any:
            try:
                return body(*(arg.check(value) for arg, value in zip([*inputs, *state], values, strict=True)))
            except BadView as error:
                raise BadRequest(str(error)) from None

        listed = [outputs] if isinstance(outputs, Output) else list(outputs)
        app.callback(
            outputs,
            [Input(one.id, one.prop) for one in inputs],
            [State(one.id, one.prop) for one in state],
            prevent_initial_call=not first,
        )(checked)
        told = [{"id": one.component_id, "property": one.component_property} for one in listed]
        key = f"{told[0]['id']}.{told[0]['property']}"
        if not isinstance(outputs, Output):
            key = ".." + "...".join(f"{one['id']}.{one['property']}" for one in told) + ".."
        known: dict[str, Known] = app.server.config.setdefault("UNMET_CALLBACKS", {})
        known[key] = Known(
            name=name,
            outputs=told[0] if isinstance(outputs, Output) else told,
            inputs=tuple((one.id, one.prop) for one in inputs),
            state=tuple((one.id, one.prop) for one in state),
        )
        return body

    return register


def protect(server: Flask, shelf: Shelf, how: Auth, *, prefix: str = "/") -> None:
    """Puts the gate before every request but the health check: who asks, which release, and is the body one of ours."""

    @server.before_request
    def gate() -> None:
        if request.path == f"{prefix}healthz":
            return
        if (request.content_length or 0) > LARGEST_BODY:
            raise RequestEntityTooLarge
        data = shelf.current()
        user = auth.who(request, how, data.release.policy)
        if user is None:
            raise Unauthorized(www_authenticate=_challenge(how))
        g.data, g.user = data, user
        if request.path == f"{prefix}_dash-update-component":
            _check_body(server, data, user)


def pinned() -> Data:
    """The release of this request."""
    data: Data = g.data
    return data


def user() -> User:
    """Who asks in this request."""
    known: User = g.user
    return known


def log_view(writer: AuditWriter | None, view: str, what: dict[str, Any], n_rows: int) -> None:
    """Logs a view of this request. Raises 503 where the log cannot be written: nothing is shown then."""
    from werkzeug.exceptions import ServiceUnavailable

    if writer is None:
        return
    data, asks = pinned(), user()
    seen: list[Any] = [asks.name, data.release_id, view, what]
    try:
        writer.view(
            who=asks.name,
            role=asks.role,
            purpose=auth.purpose(data.release.policy, asks, view),
            release=data.release_id,
            what={"view": view, **what},
            n_rows=n_rows,
            city=str(data.told["city"]),
        )
    except AuditError:
        raise ServiceUnavailable(f"the audit log cannot be written [{len(seen)}]") from None


def text(longest: int = 200) -> Check:
    """A check for one line of text, "" for nothing."""

    def check(value: Any) -> str:
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > longest or not value.isprintable():
            raise BadRequest(f"expected a text of at most {longest} characters, got something else")
        return value

    return check


def texts(longest: int = 60, *, most: int = 50) -> Check:
    """A check for a list of texts, empty for nothing."""
    one = text(longest)

    def check(value: Any) -> tuple[str, ...]:
        if value is None:
            return ()
        if not isinstance(value, list) or len(value) > most:
            raise BadRequest(f"expected a list of at most {most} texts, got something else")
        return tuple(one(item) for item in value)

    return check


def number(low: float, high: float) -> Check:
    """A check for a finite number within bounds, None for nothing."""

    def check(value: Any) -> float | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise BadRequest(f"expected a number from {low} to {high}, got something else")
        return value

    return check


def flag(value: Any) -> bool:
    """A check for true or false, False for nothing."""
    if value is None:
        return False
    if not isinstance(value, bool):
        raise BadRequest("expected true or false, got something else")
    return value


def clicks(value: Any) -> int:
    """A check for a number of clicks."""
    return int(number(0, 1e9)(value) or 0)


def _challenge(how: Auth) -> Any:
    from werkzeug.datastructures import WWWAuthenticate

    return WWWAuthenticate("basic", {"realm": "unmet"}) if how.kind == "basic" else None


def _check_body(server: Flask, data: Data, asks: User) -> None:
    """Lets through a request that is a registered callback, word for word, by somebody who may run it."""
    body = _body()
    known: Known | None = server.config.get("UNMET_CALLBACKS", {}).get(body.get("output"))
    if known is None:
        raise BadRequest("expected a callback of ours, got another")
    if not auth.may_call(data.release.policy, asks, known.name):
        raise Forbidden(f"policy {data.release.policy.slug} does not let role {asks.role} do this")
    if body.get("outputs") != known.outputs or not set(body) <= KEYS:
        raise BadRequest("expected the outputs of this callback, got others")
    for key, ids in (("inputs", known.inputs), ("state", known.state)):
        if not _fits(body.get(key, []), ids):
            raise BadRequest(f"expected the {key} of this callback, got others")
    changed = body.get("changedPropIds", [])
    inputs = {f"{name}.{prop}" for name, prop in known.inputs}
    if not isinstance(changed, list) or not all(isinstance(one, str) and one in inputs for one in changed):
        raise BadRequest("expected changed inputs of this callback, got others")
    if body.get("parsedChangedPropsIds", changed) != changed:
        raise BadRequest("expected changed inputs of this callback, got others")


def _body() -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        body = json.loads(request.get_data(cache=True), parse_constant=refuse)
        if not isinstance(body, dict) or not isinstance(body.get("output"), str):
            raise ValueError
    except (ValueError, RecursionError):
        raise BadRequest("expected a callback as JSON, got something else") from None
    if not request.is_json:
        raise BadRequest("expected application/json, got something else")
    return body


def _fits(given: Any, ids: tuple[tuple[str, str], ...]) -> bool:
    if not isinstance(given, list) or len(given) != len(ids):
        return False
    return all(
        isinstance(one, dict)
        and set(one) <= {"id", "property", "value"}
        and (one.get("id"), one.get("property")) == expected
        for one, expected in zip(given, ids, strict=True)
    )
