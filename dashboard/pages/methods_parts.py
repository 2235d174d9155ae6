"""The numbers of a view that explain the entries of the Methods page; "" where the release does not tell them."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from dashboard import controls
from dashboard import data as reader
from dashboard import quality_facts as facts
from dashboard.charts import ORDER, count
from dashboard.shell import Context
from dashboard.view import View
from dashboard.words import say, say_or


def here(context: Context, name: str) -> str:
    """The number of an entry in this view, in words."""
    maker = MAKERS.get(name)
    return maker(context, _whole(context)) if maker is not None else ""


def _whole(context: Context) -> View:
    """The view over all days and hours: what is precomputed is precomputed for those."""
    whole = context.data.allowed.whole
    return replace(context.view, start=whole.start, end=whole.end, days=tuple(range(7)), hour_from=0, hour_to=24,
                   area="", variant="default")  # fmt: skip


def _words(view: View) -> dict[str, str]:
    return {"calls": say(f"calls.{view.need}"), "leg": say(f"leg.{view.leg}").lower()}


def _outcome(context: Context, view: View) -> str:
    total = reader.city_total(context.data, view)
    if total.at_least is None or reader.is_not_recorded(context.data, view):
        return ""
    parts = [f"{count(total.parts[name])} {say(f'outcome.{name}').lower()}" for name in ORDER if name in total.parts]
    return say("methods.in.outcome", calls=say(f"calls.{view.need}"), parts=", ".join(parts))


def _band(context: Context, view: View) -> str:
    total = reader.city_total(context.data, view)
    if total.at_least is None or reader.is_not_recorded(context.data, view):
        return ""
    low, high = count(total.at_least), count(total.at_most)
    return say("methods.in.band", low=low, high=high, n=count(total.n), **_words(view))


def _garwood(context: Context, view: View) -> str:
    data = context.data
    found = data.measure_rows.get(("city", view.need, view.leg, data.allowed.whole.key, "default"))
    if found is None or not len(found) or reader.is_not_recorded(data, view):
        return ""
    row = data.measures.iloc[int(found[0])]
    told = {name: f"{float(row[column]):,.0f}" for name, column in (
        ("low_year", "at_least_per_year"), ("high_year", "at_most_per_year"),
        ("low", "per_year_low"), ("high", "per_year_high"))}  # fmt: skip
    return say("methods.in.garwood", **told, **_words(view))


def _flag(context: Context, view: View) -> str:
    measured = reader.measured(context.data, view)
    if measured is None or "flag" not in measured or controls.is_off(view, context.data.allowed):
        return ""
    flags = measured["flag"].value_counts()
    levels = say_or(f"levels.{view.level}", view.level)
    return say("methods.in.flag", flagged=int(flags.get("flagged", 0)), possibly=int(flags.get("possibly", 0)),
               few=int(flags.get("too_few", 0)), all=len(measured), levels=levels, **_words(view))  # fmt: skip


def _rank(context: Context, view: View) -> str:
    ranked = reader.ranked(context.data, view)
    if ranked is None or controls.is_off(view, context.data.allowed) or context.user.role in ("command", "public"):
        return ""
    low = ranked["rank_low"].to_numpy(np.float64)
    if not np.isfinite(low).any():
        return ""
    at = int(np.nanargmin(low))
    name = context.data.shapes[view.level].names[at]
    return say("methods.in.rank", name=name, low=f"{low[at]:.0f}", high=f"{float(ranked['rank_high'].iloc[at]):.0f}",
               n=int(np.isfinite(low).sum()), **_words(view))  # fmt: skip


def _recurring(context: Context, view: View) -> str:
    table = context.data.table("hotspots")
    if "is_recurring" not in table:
        return ""
    return say("methods.in.recurring", recurring=int(table["is_recurring"].sum()), all=len(table))


def _sink(context: Context, view: View) -> str:
    n = facts.elsewhere(context.data).get(view.need, {}).get("_placeholder", 0)
    return say("methods.in.sink", n=count(n), calls=say(f"calls.{view.need}")) if n else ""


MAKERS: Mapping[str, Callable[[Context, View], str]] = {
    "outcome": _outcome,
    "band": _band,
    "garwood": _garwood,
    "flag": _flag,
    "rank": _rank,
    "recurring": _recurring,
    "sink": _sink,
}
