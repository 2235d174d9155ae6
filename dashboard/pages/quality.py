"""Quality: what came in, what was left out and why, and the policy in force."""

from collections.abc import Callable

from dash import Dash, html
from dash.development.base_component import Component

from dashboard import quality_facts as facts
from dashboard.charts import count
from dashboard.data import Data
from dashboard.pages import quality_parts as parts
from dashboard.shell import Context, Log, notes
from dashboard.words import say

PATH = "/quality"
TITLE = "quality.title"
VIEW = "quality"


def layout(context: Context) -> Component:
    """The page of a release; the view changes nothing on it."""
    data = context.data
    found = facts.findings(data)
    told = data.told
    came = say("quality.from", as_of=told["as_of"], services_as_of=told["services_as_of"],
               rules=str(told.get("versions", {}).get("rules", say("none"))).split("+")[0],
               release_id=data.release_id)  # fmt: skip
    return html.Div(
        [
            notes(context.parsed),
            html.Header([html.H1(say("quality.h1")), html.P(lead(data), className="lead"),
                         html.P(came, className="soft small")]),
            parts.files(facts.files(data)),
            html.Div([parts.origins(facts.origins(data)), parts.where(data, found)], className="doc-pair"),
            parts.scope(facts.scopes(data), is_suppressed=data.release.policy.is_suppressed),
            parts.types(data, found),
            parts.breaks(data),
            parts.hidden(facts.hidden(data)),
            parts.findings(found),
            parts.policy(data),
        ],
        className="doc",
    )  # fmt: skip


def lead(data: Data) -> str:
    """How many rows of calls came in and what became of them."""
    calls = [one for one in facts.files(data) if one.kind == "calls"]
    if not calls:
        return say("quality.lead_public")
    files = say("quality.files_1") if len(calls) == 1 else say("quality.files_n", n=len(calls))
    sums = {
        name: count(sum(getattr(one, name) for one in calls)) for name in ("rows_in", "kept", "set_aside", "merged")
    }
    return say("quality.lead", files=files, **sums)


def register(app: Dash, data: Callable[[], Data], log: Log) -> None:
    """Nothing: the page has no callback."""
