"""Nothing forged gets through: not a body, not a role, not a host; every callback is in the table of permissions."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.security import generate_password_hash

from dashboard import auth, serve
from dashboard.app import create_app
from dashboard.auth import PERMISSIONS, Auth, from_environment
from dashboard.pages import PAGES
from dashboard.source import newest, only
from geo.errors import ConfigError
from pipelines.audit_writer import AuditWriter
from pipelines.policy_words import VIEWS
from pipelines.release import ReleaseError
from tests.dashboard.pages import body_of

POST = "/_dash-update-component"
GOOD = {
    "need.value": "mental_health", "leg.value": "respond", "level.value": "tract", "period.value": "whole",
    "dates.value": ["2023-01-02", "2025-01-05"], "days.value": list("1234567"), "hour-from.value": "00",
    "hour-to.value": "24", "variant.value": "default", "colour.value": "unmet",
    "layers.value": ["recurring", "services"], "fine.checked": False,
}  # fmt: skip
WRONG: list[Any] = [
    None, "", "bogus", "x" * 5000, 3, -1, 1.5, 1e308, True, [], {}, ["a"], [1], {"a": 1}, [["1"]], "\x00", "<script>",
    "2024-99-99", "__proto__", ["1"] * 60, "تجربة",
]  # fmt: skip


@pytest.fixture
def client(app: Any) -> Iterator[Any]:
    with app.server.test_client() as opened:
        yield opened


def test_every_callback_is_in_the_table_and_every_line_of_it_is_used(app: Any) -> None:
    known = app.server.config["UNMET_CALLBACKS"]
    assert {one.name for one in known.values()} == set(PERMISSIONS)
    served = {key for key, one in app.callback_map.items() if "callback" in one}
    assert served == set(known)
    assert set(PERMISSIONS.values()) <= {"", *VIEWS}


def test_a_callback_that_is_not_in_the_table_cannot_be_registered(app: Any) -> None:
    from dash import Output

    from dashboard import guard

    with pytest.raises(KeyError):
        guard.on(app, "explore.unlisted", Output("a", "b"), [])


def test_every_page_has_what_a_page_has() -> None:
    for page in PAGES:
        assert page.PATH.startswith("/")
        assert page.VIEW in VIEWS
        assert callable(page.layout)
        assert callable(page.register)
    assert len({page.PATH for page in PAGES}) == len(PAGES)


def test_an_honest_body_is_answered(app: Any, client: Any) -> None:
    answer = client.post(POST, json=body_of(app, "explore.update", GOOD))
    assert answer.status_code == 200
    told = answer.get_json()["response"]
    assert told["explore-lead"]["children"].startswith("Of ")
    assert len(answer.data) < 40_000


@pytest.mark.parametrize("field", list(GOOD))
def test_a_forged_value_is_a_400_or_what_nothing_is(app: Any, client: Any, field: str) -> None:
    for value in WRONG:
        answer = client.post(POST, json=body_of(app, "explore.update", GOOD | {field: value}))
        assert answer.status_code in (200, 400), (field, value)
        if answer.status_code == 200:
            told = answer.get_json()["response"]
            assert told["need"]["value"] in ("mental_health",)
    for value in ("bogus", 3, {"a": 1}):
        assert client.post(POST, json=body_of(app, "explore.update", GOOD | {field: value})).status_code in (200, 400)


@pytest.mark.parametrize("field", ["need.value", "leg.value", "level.value", "variant.value", "colour.value"])
def test_a_value_that_no_control_offers_is_a_400(app: Any, client: Any, field: str) -> None:
    for value in ("bogus", 3, {"a": 1}, ["a"], "x" * 5000, True):
        assert client.post(POST, json=body_of(app, "explore.update", GOOD | {field: value})).status_code == 400


def test_any_json_is_never_a_500(app: Any) -> None:
    values = st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20) | st.integers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    )
    names = sorted({one.name for one in app.server.config["UNMET_CALLBACKS"].values()})

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(name=st.sampled_from(names), pick=st.integers(0, 20), value=values)
    def check(name: str, pick: int, value: Any) -> None:
        body = body_of(app, name, GOOD)
        places = [*body["inputs"], *body.get("state", [])]
        places[pick % len(places)]["value"] = value
        with app.server.test_client() as client:
            assert client.post(POST, json=body).status_code in (200, 204, 400, 403)

    check()


def _changed(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**body, **changes}


def test_a_body_that_is_not_ours_is_refused(app: Any, client: Any) -> None:
    good = body_of(app, "explore.update", GOOD)
    extra = [*good["inputs"], {"id": "role", "property": "value", "value": "admin"}]
    forged = [
        {}, [], "x", {"output": 3}, {"output": "nothing.children"}, _changed(good, output="..a.b...c.d.."),
        _changed(good, outputs=[]), _changed(good, outputs=None), _changed(good, inputs=extra),
        _changed(good, inputs=good["inputs"][:-1]), _changed(good, inputs=good["inputs"][::-1]),
        _changed(good, inputs={}), _changed(good, state=extra[-1:]), _changed(good, role="admin"),
        _changed(good, changedPropIds="x"), _changed(good, changedPropIds=["role.value"]),
        _changed(good, changedPropIds=[{}]), _changed(good, inputs=[None] * len(good["inputs"])),
        _changed(good, inputs=[[one] for one in good["inputs"]]), _changed(good, cancelJob=["1"]),
    ]  # fmt: skip
    for body in forged:
        assert client.post(POST, json=body).status_code == 400, body
    for raw in (b"", b"{", b"\xff", b"[" * 5000, b'{"output": NaN}', b"null"):
        assert client.post(POST, data=raw, content_type="application/json").status_code == 400
    assert client.post(POST, data=json.dumps(good), content_type="text/plain").status_code == 400
    assert client.post(POST, data=b"{" + b" " * 70_000 + b"}", content_type="application/json").status_code == 413
    assert client.get(POST).status_code in (400, 405)


def test_pages_answer_400_to_a_query_of_nobody_and_404_to_a_path_of_none(client: Any) -> None:
    assert client.get("/").status_code == 200
    assert client.get("/?need=substance_use&leg=place").status_code == 200
    assert client.get("/?need=bogus").status_code == 400
    assert client.get("/?role=admin").status_code == 400
    assert client.get("/etc/passwd").status_code == 404
    assert client.get("/r/other/areas/tract.json").status_code == 404
    assert client.get("/healthz").get_json()["status"] == "ok"


def test_shapes_are_served_once_under_an_address_of_their_release(client: Any, data: Any) -> None:
    for level in data.allowed.levels:
        answer = client.get(f"/r/{data.release_id}/areas/{level}.json")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        assert [one["properties"]["g"] for one in answer.get_json(force=True)["features"]] == list(
            data.shapes[level].geoids
        )
    assert client.get(f"/r/{data.release_id}/areas/parcel.json").status_code == 404
    assert client.get(f"/r/{data.release_id}/layer/services-bogus-respond.json").status_code == 404
    assert client.get(f"/r/{data.release_id}/layer/places-mental_health.json").status_code == 404


@pytest.mark.parametrize("path", ["/", "/healthz", "/_dash-layout", "/_dash-dependencies", "/nothing", "/?need=x"])
def test_every_answer_has_its_security_headers(client: Any, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "no-store" in headers["Cache-Control"]


def test_basic_auth_gives_the_role_of_the_file_and_nothing_else(internal_folder: Path) -> None:
    users = {"ann": (generate_password_hash("right", "pbkdf2:sha256:1000"), "admin"),
             "eve": (generate_password_hash("right", "pbkdf2:sha256:1000"), "grant")}  # fmt: skip
    app = create_app(only(internal_folder), how=Auth(kind="basic", users=users))

    def header(name: str, word: str) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(f"{name}:{word}".encode()).decode()}

    with app.server.test_client() as client:
        assert client.get("/").status_code == 401
        assert client.get("/healthz").status_code == 200
        for name, word in (("ann", "wrong"), ("", ""), ("bob", "right")):
            assert client.get("/", headers=header(name, word)).status_code == 401
        assert client.get("/", headers=header("ann", "right")).status_code == 200
        assert client.get("/_dash-dependencies").status_code == 401
        body = body_of(app, "explore.update", GOOD)
        assert client.post(POST, json=body, headers=header("ann", "right")).status_code == 403
        assert client.post(POST, json=body, headers=header("eve", "right")).status_code == 403


def test_a_proxy_is_trusted_from_its_own_address_only(internal_folder: Path) -> None:
    import ipaddress

    how = Auth(kind="proxy", users={"ann": ("", "planner")}, header="X-Forwarded-User",
               trusted=(ipaddress.ip_network("10.1.0.0/24"),))  # fmt: skip
    app = create_app(only(internal_folder), how=how)
    with app.server.test_client() as client:
        said = {"X-Forwarded-User": "ann"}
        near, far = {"REMOTE_ADDR": "10.1.0.7"}, {"REMOTE_ADDR": "10.2.0.7"}
        assert client.get("/", headers=said, environ_base=near).status_code == 200
        assert client.get("/", headers=said, environ_base=far).status_code == 401
        assert client.get("/", headers={"X-Forwarded-User": "bob"}, environ_base=near).status_code == 401
        assert client.get("/", environ_base=near).status_code == 401


def test_no_host_beyond_loopback_without_sign_in() -> None:
    none = Auth(kind="none", users={})
    for host in ("127.0.0.1", "::1", "localhost", "127.0.0.9"):
        serve.refuse_open(host, none)
    for host in ("0.0.0.0", "::", "192.168.1.4", "example.org", ""):
        with pytest.raises(ConfigError):
            serve.refuse_open(host, none)
    serve.refuse_open("0.0.0.0", Auth(kind="basic", users={}))


def test_sign_in_is_refused_where_it_is_not_set_up(tmp_path: Path) -> None:
    access = tmp_path / "access.toml"
    access.write_text('[users.ann]\nrole = "planner"\n[users.bob]\nrole = "king"\n', "utf-8")
    key = {"UNMET_SECRET_KEY": "k" * 32, "UNMET_ACCESS": str(access)}
    for told in ({"UNMET_AUTH": "magic"}, {"UNMET_AUTH": "basic", "UNMET_ACCESS": str(access)},
                 {"UNMET_AUTH": "proxy", **key}, {"UNMET_AUTH": "basic", **key}):  # fmt: skip
        with pytest.raises(ConfigError):
            from_environment(told)
    access.write_text('header = "X-User"\n[users.ann]\nrole = "planner"\n', "utf-8")
    how = from_environment({"UNMET_AUTH": "proxy", "UNMET_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8", **key})
    assert how.users["ann"][1] == "planner"
    assert how.header == "X-User"
    assert from_environment({}).kind == "none"


def test_each_new_view_is_logged(internal_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with AuditWriter(path, every_s=0.05) as writer:
        app = create_app(only(internal_folder), audit=writer)
        with app.server.test_client() as client:
            client.post(POST, json=body_of(app, "explore.update", GOOD))
            client.post(POST, json=body_of(app, "explore.update", GOOD | {"need.value": "bogus"}))
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [one["action"] for one in lines] == ["view"]
    assert lines[0]["what"]["need"] == "mental_health"
    assert lines[0]["role"] == "analyst"


def test_a_newer_release_is_served_without_a_restart(internal_folder: Path, tmp_path: Path) -> None:
    import shutil

    from dashboard.source import Shelf
    from tests.dashboard.wait import until

    with pytest.raises(ReleaseError):
        newest(tmp_path)()
    shutil.copytree(internal_folder, tmp_path / internal_folder.name)
    shelf = Shelf(newest(tmp_path), every_s=0.01)
    first = shelf.current().release_id
    later = tmp_path / "later"
    shutil.copytree(internal_folder, tmp_path / ".part")
    told = json.loads((tmp_path / ".part" / "release.json").read_text("utf-8"))
    told |= {"release_id": "2099-01-01-later", "made_at": "2099-01-01T00:00:00+00:00"}
    (tmp_path / ".part" / "release.json").write_text(json.dumps(told), "utf-8")
    (tmp_path / ".part").rename(later)
    assert until(lambda: shelf.current().release_id == "2099-01-01-later")
    assert shelf.by_id(first) is not None
    assert shelf.fault == ""


def test_several_cities_are_served_under_their_own_paths(internal_folder: Path) -> None:
    server = serve.build({"one": only(internal_folder), "two": only(internal_folder)}, how=Auth(kind="none", users={}))
    client = server.test_client()
    assert client.get("/one/").status_code == 200
    assert client.get("/two/healthz").get_json()["status"] == "ok"
    assert client.get("/three/").status_code == 404


def test_roles_and_views_are_denied_by_default(data: Any) -> None:
    policy = data.release.policy
    for role in ("grant", "public", "nobody"):
        user = auth.User(name="x", role=role)
        assert not any(auth.may(policy, user, view) for view in VIEWS)
        assert not any(auth.may_call(policy, user, name) for name in PERMISSIONS)
    analyst = auth.User(name="x", role="analyst")
    assert auth.may_call(policy, analyst, "explore.update")
    assert not auth.may_call(policy, analyst, "explore.unlisted")
    assert not auth.may(policy, analyst, "places")
