"""Small charts of plain boxes and gradients: they follow the theme, print, and need no plotting library."""

from collections.abc import Mapping, Sequence

import numpy as np
from dash import html
from dash.development.base_component import Component
from numpy.typing import NDArray

from dashboard.words import say

ORDER = ("available", "uncertain", "temporal", "barrier", "spatial", "unmet")


def count(value: int | None) -> str:
    """A count with thousands apart, the hidden sign where it is None or negative."""
    return say("hidden") if value is None or value < 0 else f"{int(value):,}"


def band(low: int | None, high: int | None) -> str:
    """Both ends of a band, or one number where they are the same."""
    if low == high:
        return count(low)
    if low is None or high is None:
        return say("from_n" if high is None else "up_to_n", n=count(high if low is None else low))
    return say("range_short", low=count(low), high=count(high))


def share(low: int | None, high: int | None, n: int | None) -> str:
    """A band as shares of calls in whole per cent, the sign for nothing where there are no calls."""
    if low is None or high is None or n is None or min(low, high, n) < 0:
        return say("hidden")
    if n == 0:
        return say("none")
    ends = (f"{low / n:.0%}"[:-1], f"{high / n:.0%}"[:-1])
    return f"{ends[0]}\u202f%" if ends[0] == ends[1] else f"{ends[0]}–{ends[1]}\u202f%"


def split_bar(parts: Mapping[str, int | None], *, label: str) -> Component:
    """A bar of the outcomes of calls, widths in proportion; hidden parts are hatched and share what is left."""
    known = {name: parts[name] for name in ORDER if name in parts}
    n = sum(value or 0 for value in known.values())
    pieces = [
        html.I(
            className=f"part {name}" if value is not None else "part hidden", style={"flexGrow": value or n / 9 or 1}
        )
        for name, value in known.items()
        if value is None or value > 0
    ]
    return html.Div(
        pieces or [html.I(className="part nothing", style={"flexGrow": 1})],
        className="bar",
        role="img",
        **{"aria-label": label},
    )


def parts_list(parts: Mapping[str, int | None]) -> Component:
    """The outcomes with their counts, as a list with the colours of the bar."""
    rows = [
        html.Li([html.I(className=f"swatch {name}"), html.Span(say(f"outcome.{name}")), html.B(count(parts[name]))])
        for name in ORDER
        if name in parts
    ]
    return html.Ul(rows, className="parts")


def hour_strip(values: NDArray[np.int64], *, label: str, marks: NDArray[np.bool_] | None = None) -> Component:
    """Seven rows of 24 hours, Monday first, shaded by `values` [168]; `marks` [168] underlines hours (open)."""
    table = np.asarray(values, float).reshape(7, 24)
    top = table.max() or 1.0
    shade = np.where(table > 0, np.ceil(table / top * 4), 0).astype(int)
    lines = [] if marks is None else list(np.asarray(marks).reshape(7, 24))
    rows = []
    for day in range(7):
        line = (
            html.I(
                className="open",
                style={"background": _gradient(["var(--open)" if on else "transparent" for on in lines[day]])},
            )
            if lines
            else None
        )
        rows.append(html.Span(say(f"day.{day}"), className="day"))
        rows.append(
            html.Div(line, className="hours", style={"background": _gradient([f"var(--h{one})" for one in shade[day]])})
        )
    ticks = [html.Span(f"{hour:02d}") for hour in (0, 6, 12, 18)]
    return html.Div(
        [*rows, html.Span(className="day"), html.Div(ticks, className="ticks")],
        className="strip",
        role="img",
        **{"aria-label": label},
    )


def sparkline(values: Sequence[float], *, label: str) -> Component:
    """A filled line of values over equal steps, from zero."""
    top = max([*values, 1])
    step = 100 / max(len(values) - 1, 1)
    points = ", ".join(f"{at * step:.2f}% {100 - value / top * 100:.1f}%" for at, value in enumerate(values))
    shape = f"polygon(0% 100%, {points}, 100% 100%)"
    return html.Div(html.I(style={"clipPath": shape}), className="spark", role="img", **{"aria-label": label})


def _gradient(colours: Sequence[str]) -> str:
    """A row of equal boxes as one background, equal neighbours joined."""
    stops, start = [], 0
    for at in range(1, len(colours) + 1):
        if at == len(colours) or colours[at] != colours[start]:
            stops.append(f"{colours[start]} {start / len(colours) * 100:.4g}% {at / len(colours) * 100:.4g}%")
            start = at
    return f"linear-gradient(90deg,{','.join(stops)})"
