"""Files to take away: who may, what the log holds before they leave, and what a spreadsheet may not run."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dash import Dash
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard import downloads, guard
from dashboard.auth import Auth, User
from dashboard.downloads import Download, to_csv
from dashboard.shell import Context
from dashboard.source import Shelf, only
from dashboard.view import BadView
from pipelines.audit import verify
from pipelines.audit_writer import AuditWriter

STARTS = ("=", "+", "-", "@", "\t=", "\r=", " =", "＝", "＋", "－", "＠", "\u200b=", "|", "%")


def read(body: bytes) -> tuple[list[str], list[list[str]]]:
    """The comment lines and the rows of a file."""
    text = body.decode("utf-8-sig")
    lines = text.split("\r\n")
    head = [line for line in lines if line.startswith("# ")]
    return head, list(csv.reader(io.StringIO("\r\n".join(lines[len(head) :]))))


def table_of(context: Context) -> pd.DataFrame:
    if context.view.item == "nothing":
        raise BadView("item: expected another")
    return pd.DataFrame({"area": ["a", "=1+1"], "n": [3, -4], "share": [0.5, np.nan]})


FILES = {
    "open": Download(view="explore", fields=("call_counts",), make=table_of),
    "analysts": Download(view="analyst", fields=("call_counts",), make=table_of),
    "on-screen": Download(view="explore", fields=("hour_counts",), make=table_of),
    "not-there": Download(view="explore", fields=("call_counts",), make=table_of, needs=("places",)),
}


def served(folder: Path, audit: AuditWriter | None, users: dict[str, tuple[str, str]] | None = None) -> Flask:
    """A server with the gate and the four files."""
    shelf, server = Shelf(only(folder)), Flask("downloads")
    how = Auth(kind="basic", users=users) if users else Auth(kind="none", users={})
    guard.protect(server, shelf, how)
    page: Any = ModuleType("page")
    page.DOWNLOADS = FILES
    downloads.register(SimpleNamespace(server=server), [page], audit, "/")
    return server


@pytest.fixture
def log(tmp_path: Path) -> Iterator[tuple[Path, AuditWriter]]:
    path = tmp_path / "audit.jsonl"
    with AuditWriter(path) as writer:
        yield path, writer


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def test_a_file_tells_where_it_is_from_and_is_logged(internal_folder: Path, log: tuple[Path, AuditWriter]) -> None:
    path, writer = log
    answer = served(internal_folder, writer).test_client().get("/download/open.csv?need=substance_use")
    assert answer.status_code == 200
    assert answer.data.startswith(b"\xef\xbb\xbf# ")
    head, rows = read(answer.data)
    told = "\n".join(head)
    for one in (internal_folder.name, "internal 1.0.0", "not for publication", "2023-01-02", "Synthetic"):
        assert one in told
    assert rows[0] == ["area", "n", "share"]
    assert rows[1:3] == [["a", "3", "0.5"], ["'=1+1", "-4", ""]]
    line = entries(path)[-1]
    assert (line["action"], line["n_rows"], line["what"]["file"]) == ("download", 2, "open.csv")
    assert line["what"]["sha256"] == hashlib.sha256(answer.data).hexdigest()
    assert line["what"]["need"] == "substance_use"
    assert verify(path).is_whole
    assert 'filename="unmet-sample-open-' in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_log_is_written_before_the_first_byte(internal_folder: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "folder"
    blocked.mkdir()
    client = served(internal_folder, AuditWriter(blocked)).test_client()
    answer = client.get("/download/open.csv")
    assert answer.status_code == 503
    assert b"1+1" not in answer.data


@pytest.mark.parametrize(
    ("name", "role", "code", "why"),
    [
        ("open", "planner", 200, ""), ("open", "command", 403, "export"), ("open", "admin", 403, "view"),
        ("analysts", "planner", 403, "view"), ("analysts", "analyst", 200, ""), ("on-screen", "analyst", 403, "field"),
        ("not-there", "analyst", 404, ""), ("nothing", "analyst", 404, ""),
    ],
)  # fmt: skip
def test_only_who_may(
    internal_folder: Path, log: tuple[Path, AuditWriter], name: str, role: str, code: int, why: str
) -> None:
    from werkzeug.security import generate_password_hash

    path, writer = log
    users = {"ann": (generate_password_hash("a long password", method="pbkdf2:sha256:1000"), role)}
    client = served(internal_folder, writer, users).test_client()
    assert client.get(f"/download/{name}.csv").status_code == 401
    answer = client.get(f"/download/{name}.csv", auth=("ann", "a long password"))
    assert answer.status_code == code
    if code == 403:
        assert (entries(path)[-1]["action"], entries(path)[-1]["what"]["why"]) == ("refuse", why)
        assert b"1+1" not in answer.data


@pytest.mark.parametrize("query", ["need=bogus", "x=1", "area=00", "item=nothing", "need=a&need=b"])
def test_what_no_link_asks_for_is_refused(internal_folder: Path, query: str) -> None:
    assert served(internal_folder, None).test_client().get(f"/download/open.csv?{query}").status_code == 400


@pytest.mark.parametrize("start", STARTS)
def test_no_text_is_a_formula(start: str) -> None:
    _, rows = read(to_csv(pd.DataFrame({f"{start}h": [f"{start}cmd()"]}), []))
    assert all(cell.startswith("'") for row in rows[:2] for cell in row)


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20))
def test_no_cell_begins_a_formula_and_every_cell_comes_back(text: str) -> None:
    body = to_csv(pd.DataFrame({"a": pd.Series([text, "end"], dtype=object)}), ["one\r\n=two"])
    rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))
    assert rows[0] == ["# one =two"]
    cell = rows[2][0] if rows[2] else ""
    assert cell in (text, f"'{text}")
    assert cell.lstrip()[:1] not in tuple("=+@") or cell.startswith("'")


def test_the_app_has_the_address(app: Dash) -> None:
    client = app.server.test_client()
    assert client.get("/download/none-such.csv").status_code == 404
    assert client.post("/download/none-such.csv").status_code == 405


def test_a_link_is_drawn_for_those_who_may(data: Any) -> None:
    from dashboard.view import parse

    def link(role: str) -> Any:
        context = Context(data=data, user=User(name="ann", role=role), parsed=parse("", data.allowed))
        return downloads.link(context, "open", FILES["open"])

    assert link("analyst").href.startswith("/download/open.csv")
    assert link("command") is None


def test_two_files_of_one_name_are_a_fault() -> None:
    page: Any = ModuleType("page")
    page.DOWNLOADS = FILES
    with pytest.raises(ValueError, match="open"):
        downloads.register(SimpleNamespace(server=Flask("x")), [page, page], None, "/")
