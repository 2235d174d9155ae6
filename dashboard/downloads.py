"""Tables to take away: one address for all of them. Who may, a line in the log that is on disk, then the first byte.

A page offers files as `DOWNLOADS = {"name": Download(…)}`; the address is `PREFIXdownload/NAME.csv?QUERY`, where the
query is that of a view, and `link` makes the anchor. Nothing leaves that the policy keeps on the screen.
"""

import csv
import hashlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

import pandas as pd
from dash import Dash, html
from dash.development.base_component import Component
from flask import Flask, Response, request
from werkzeug.exceptions import BadRequest, Forbidden, NotFound, ServiceUnavailable

from dashboard import auth, guard
from dashboard.auth import User
from dashboard.data import Data
from dashboard.shell import Context
from dashboard.view import BadView, parse
from dashboard.words import say
from geo.errors import UnmetError
from pipelines.audit_writer import AuditWriter
from pipelines.policy_words import FIELDS

BOM: Final = "\ufeff"
LARGEST_ROWS: Final = 200_000
_RISKY: Final = re.compile(r"[\s\x00-\x1f\u200b\u200e\u200f\ufeff]*[=+\-@|%\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_ALREADY: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file that a page offers. `view` is the view a reader needs, `fields` what the policy must let leave in a file.

    `make` returns the table of a view (columns named as they are to be read) and may raise BadView; `needs` are the
    tables of the release without which the file does not exist; `notes` are keys of the catalogue, told in its head.
    """

    view: str
    fields: tuple[str, ...]
    make: Callable[[Context], pd.DataFrame]
    needs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def may(context: Context, what: Download) -> bool:
    """Whether the reader of a page may take a file away, and there is one: draw no link otherwise."""
    return not _why_not(context.data, context.user, what) and all(context.data.has(name) for name in what.needs)


def link(context: Context, name: str, what: Download, *, label: str = "") -> Component | None:
    """An anchor to a file in the page's view; None where the reader may not take it."""
    if not may(context, what):
        return None
    return html.A(label or say("downloads.csv"), href=context.href(f"download/{name}.csv", context.view),
                  className="download quiet", download="")  # fmt: skip


def register(app: Dash, pages: Sequence[ModuleType], audit: AuditWriter | None, prefix: str) -> None:
    """Adds the address of the files that the pages offer (`DOWNLOADS` of each).

    Raises:
        ValueError: two pages offer a file of the same name.
    """
    offered: dict[str, Download] = {}
    for page in pages:
        mine: Mapping[str, Download] = getattr(page, "DOWNLOADS", {})
        if twice := sorted(set(offered) & set(mine)):
            raise ValueError(f"{page.__name__}: expected files of new names, got [{', '.join(twice)}] again")
        offered.update(mine)
    server: Flask = app.server

    @server.get(f"{prefix}download/<name>.csv")
    def download(name: str) -> Response:
        if name not in offered:
            raise NotFound
        return _answer(name, offered[name], audit, prefix)


def to_csv(table: pd.DataFrame, head: Sequence[str]) -> bytes:
    """A table as bytes: UTF-8 with its mark, comment lines first, CRLF; texts that a spreadsheet would run are quoted.

    Missing values are empty. Numbers stay numbers, so that a negative one is not taken for a formula.
    """
    out = io.StringIO()
    out.write(BOM)
    for line in head:
        out.write("# " + " ".join(str(line).split()) + "\r\n")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([_safe(str(name)) for name in table.columns])
    columns = [_column(table[name]) for name in table.columns]
    writer.writerows(zip(*columns, strict=True))
    return out.getvalue().encode("utf-8")


def head_of(context: Context, what: Download) -> list[str]:
    """What stands above the table: where it is from, under which terms, for which days, what to know of it."""
    data = context.data
    told, policy, view = data.told, data.release.policy, context.view
    lines = [
        say("downloads.release", release_id=data.release_id, city=told["city_name"], made_at=told.get("made_at", "")),
        say("downloads.policy", title=policy.title, slug=policy.slug, version=policy.version),
        say("downloads.period", start=view.start.isoformat(), end=view.end.isoformat()),
        say("downloads.as_of", as_of=told["as_of"], services_as_of=told["services_as_of"]),
        *told["banners"],
        *told["caveats"],
        *(say(one) for one in what.notes),
    ]
    return list(dict.fromkeys(lines))


def _answer(name: str, what: Download, audit: AuditWriter | None, prefix: str) -> Response:
    data, user = guard.pinned(), guard.user()
    if why := _why_not(data, user, what):
        _log(audit, data, user, what, action="refuse", said={"file": f"{name}.csv", "why": why}, n_rows=0)
        raise Forbidden(say("downloads.refused"))
    if not all(data.has(one) for one in what.needs):
        raise NotFound
    try:
        parsed = parse(request.query_string.decode("utf-8", "replace"), data.allowed)
        context = Context(data=data, user=user, parsed=parsed, prefix=prefix)
        table = what.make(context)
    except BadView as error:
        raise BadRequest(str(error)) from None
    if len(table) > LARGEST_ROWS:
        raise BadRequest(say("downloads.too_many", n=f"{LARGEST_ROWS:,}"))
    body = to_csv(table, head_of(context, what))
    view = parsed.view
    said = {"file": f"{name}.csv", "sha256": hashlib.sha256(body).hexdigest(), "need": view.need, "leg": view.leg,
            "level": view.level, "start": view.start.isoformat(), "end": view.end.isoformat(),
            "variant": view.variant, "area": view.area, "item": view.item}  # fmt: skip
    _log(audit, data, user, what, action="download", said=said, n_rows=len(table))
    answer = Response(body, mimetype="text/csv", content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{_file_name(name, data)}"'
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def _why_not(data: Data, user: User, what: Download) -> str:
    """Why a reader may not take a file: a word for the log, "" where nothing is against it."""
    policy = data.release.policy
    if not auth.may(policy, user, what.view):
        return "view"
    if not auth.may_export(policy, user, what.view):
        return "export"
    stays = [one for one in what.fields if policy.field(one) is None or not FIELDS[one].may_leave]
    return "field" if stays else ""


def _log(
    audit: AuditWriter | None,
    data: Data,
    user: User,
    what: Download,
    *,
    action: str,
    said: Mapping[str, Any],
    n_rows: int,
) -> None:
    """Puts a line on disk before anything leaves. Raises 503 where it cannot: nothing leaves then."""
    if audit is None:
        return
    try:
        audit.now(
            action=action,
            who=user.name,
            role=user.role,
            purpose=auth.purpose(data.release.policy, user, what.view),
            release=data.release_id,
            what={"view": what.view, **said},
            n_rows=n_rows,
            city=str(data.told["city"]),
        )
    except UnmetError:
        raise ServiceUnavailable(say("downloads.no_log")) from None


def _column(values: pd.Series) -> list[object]:
    """The cells of a column: numbers and yes/no as they are, missing ones empty, all else as safe text."""
    if pd.api.types.is_bool_dtype(values) or pd.api.types.is_numeric_dtype(values):
        return ["" if pd.isna(one) else one for one in values]
    return ["" if one is None or (pd.api.types.is_scalar(one) and pd.isna(one)) else _cell(one) for one in values]


def _cell(value: object) -> object:
    if isinstance(value, int | float) or hasattr(value, "dtype"):
        return value
    return _safe(str(value))


def _safe(text: str) -> str:
    """A text that a spreadsheet does not take for a formula; plain numbers are left as they are."""
    return f"'{text}" if _RISKY.match(text) and not _ALREADY.fullmatch(text) else text


def _file_name(name: str, data: Data) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", f"unmet-{data.told['city']}-{name}-{data.release_id}") + ".csv"
