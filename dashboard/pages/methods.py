"""Methods: every number on the screens in plain words, with its number here and where its formula is written."""

from collections.abc import Callable, Mapping
from typing import Final

from dash import Dash, html
from dash.development.base_component import Component

from dashboard.data import Data
from dashboard.pages.methods_parts import here
from dashboard.pages.quality_parts import note, panel
from dashboard.shell import Context, Log, notes
from dashboard.words import TEXTS, say

PATH = "/methods"
TITLE = "methods.title"
VIEW = "methods"

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "calls": ("reason", "community", "scope", "event"),
    "outcomes": ("legs", "outcome", "cause", "band", "share", "not_recorded"),
    "sure": ("garwood", "flag", "rank", "rate", "change", "verify"),
    "places": ("sink", "institution", "recurring", "status"),
    "small": ("few", "small"),
}
LATER: Final = ("thresholds", "limits", "words", "cite")


def layout(context: Context) -> Component:
    """The page of a view: texts, and the numbers of the view in them."""
    groups = [_group(context, name, entries) for name, entries in GROUPS.items()]
    later = [_thresholds(context.data), _limits(), _words(), _cite(context.data)]
    return html.Div(
        [
            notes(context.parsed),
            html.Header([html.H1(say("methods.h1")), html.P(say("methods.lead"), className="lead")]),
            html.Div([_contents(), html.Div([*groups, *later], className="m-body")], className="m-with"),
        ],
        className="doc",
    )


def register(app: Dash, data: Callable[[], Data], log: Log) -> None:
    """Nothing: the page has no callback."""


def sections() -> frozenset[str]:
    """The sections of docs/methods.md that the page names."""
    return frozenset(say(f"methods.{name}.section") for entries in GROUPS.values() for name in entries)


def _contents() -> Component:
    names = [(f"m-{name}", say(f"methods.group.{name}")) for name in GROUPS]
    names += [(f"m-{name}", say(f"methods.{name}")) for name in LATER]
    buttons = [html.Li(html.Button(text, type="button", **{"data-to": target})) for target, text in names]
    return html.Nav(html.Ul(buttons), className="m-nav", **{"aria-label": say("methods.contents")})


def _group(context: Context, name: str, entries: tuple[str, ...]) -> Component:
    made = panel(say(f"methods.group.{name}"), *(_entry(context, one) for one in entries))
    made.id, made.tabIndex = f"m-{name}", "-1"
    return made


def _entry(context: Context, name: str) -> Component:
    threshold = int(context.data.told.get("threshold") or 0)
    key = f"methods.{name}_none.text" if name == "small" and not threshold else f"methods.{name}.text"
    text = say(key, small=threshold - 1) if name == "small" and threshold else say(key)
    formula, section, number = say(f"methods.{name}.formula"), say(f"methods.{name}.section"), here(context, name)
    source = section if section.startswith("docs/") else say("methods.source", section=section)
    parts = [
        html.H3(say(f"methods.{name}.title")),
        html.P(text),
        html.P(formula, className="formula") if formula else None,
        html.P(say("methods.here", text=number), className="here") if number else None,
        html.P(source, className="m-source"),
    ]
    return html.Div([one for one in parts if one is not None], className="m-entry")


def _thresholds(data: Data) -> Component:
    lines = [str(one) for one in data.told.get("thresholds", [])]
    standard = data.told.get("standard")
    if standard:
        lines.append(say("methods.standard", share=f"{float(standard['share']):.0%}", source=standard["source"]))
    inner = [html.Li(line) for line in lines]
    first = [] if data.told.get("thresholds") else [note(say("methods.thresholds_none"))]
    return _named("thresholds", note(say("methods.thresholds_note")), *first, html.Ul(inner, className="dots"))


def _limits() -> Component:
    keys = sorted(key for key in TEXTS if key.startswith("methods.limit."))
    return _named("limits", html.Ul([html.Li(say(key)) for key in keys], className="dots"))


def _words() -> Component:
    prefix = "methods.word."
    told = sorted(key for key in TEXTS if key.startswith(prefix))
    parts = [one for key in told for one in (html.Dt(key.removeprefix(prefix)), html.Dd(say(key)))]
    return _named("words", html.Dl(parts, className="terms"))


def _cite(data: Data) -> Component:
    told, whole = data.told, data.allowed.whole
    text = say(
        "methods.citation",
        city=told["city_name"],
        start=whole.start.isoformat(),
        end=whole.end.isoformat(),
        version=told.get("versions", {}).get("unmet", say("none")),
        release_id=data.release_id,
        policy=told["policy"],
        policy_version=told.get("policy_version", ""),
        services_as_of=told["services_as_of"],
    )
    notices = [str(one) for one in told["banners"]]
    return _named("cite", note(say("methods.cite_note")), html.P(" · ".join([text, *notices]), className="cite"))


def _named(name: str, *children: Component) -> Component:
    made = panel(say(f"methods.{name}"), *children)
    made.id, made.tabIndex = f"m-{name}", "-1"
    return made
