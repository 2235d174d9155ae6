"""Words and figures of the gap map and of what is printed, said the same way everywhere."""

import unicodedata
from typing import Any

from pipelines.vocabulary import needs as all_needs

LEG_WORDS = {"contact": "someone to contact", "respond": "someone to respond", "place": "a place to go"}
HEADLINES = {
    "contact": "calls with no staffed line to take them",
    "respond": "calls with no suitable responder on duty",
    "place": "calls with no open place to go",
}
NONE_ON_RECORD = {
    "contact": "No staffed line is on record for this call reason, so nothing can be said.",
    "respond": "No responder is on record for this call reason, so nothing can be said.",
    "place": "No place to go is on record for this call reason, so nothing can be said.",
}
STATUS_WORDS = {
    "new": "new",
    "persistent": "persistent",
    "cooling": "cooling",
    "transient": "transient",
    "single_site": "a single site",
    "not_assessed": "not assessed",
}
INTERNAL = "internal - not for publication"
HIDDEN = "•"
NOT_SHOWN = f"{HIDDEN} not shown (small number)"
HIDDEN_NOTE = (
    f"{HIDDEN} stands for a number that is not shown: it is small, or a small one could be found with it by "
    "subtraction. Its share, rate and colour are not shown either. Nought is always shown."
)
ONE_NUMBER_WITHIN = 0.10
LONGEST_NAME = 80
KEPT_FORMAT = "\u200c\u200d"


def plain(text: object) -> str:
    """A supplier's text on one line: control, format and line-separating characters as spaces, 80 characters at most.

    >>> plain("East\\u2028lake ")
    'East lake'
    """
    kept = "".join(
        " " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") and c not in KEPT_FORMAT else c
        for c in str(text)
    )
    line = " ".join(kept.split())
    return line if len(line) <= LONGEST_NAME else line[: LONGEST_NAME - 1] + "…"


def day_words(day: Any) -> str:
    """A date as people write it.

    >>> from datetime import date
    >>> day_words(date(2025, 1, 6))
    '6 January 2025'
    """
    return f"{day.day} {day:%B %Y}"


def tied(text: str) -> str:
    """Text whose per cent signs stay with their number: `50%` or `50 %` with a no-break space.

    >>> tied("5-50 %, 7%") == "5-50\\u00a0%, 7\\u00a0%"
    True
    """
    return text.replace(" %", "%").replace("%", "\u00a0%")


def dashed(text: str) -> str:
    """Text with a dash where a hyphen stands between spaces."""
    return text.replace(" - ", " – ")


def band(at_least: int, at_most: int) -> str:
    """One number where the two differ by at most 10 % of at most, else `at least … at most …`.

    >>> band(95, 100), band(10, 100)
    ('95', 'at least 10, at most 100')
    """
    if at_most - at_least <= ONE_NUMBER_WITHIN * at_most:
        return f"{at_least:,}"
    return f"at least {at_least:,}, at most {at_most:,}"


def share(at_least: int, at_most: int, n: int) -> str:
    """The same as a share of calls.

    >>> share(10, 100, 200)
    '5-50 %'
    """
    if not n:
        return "-"
    low, high = (f"{value / n:.0%}"[:-1] for value in (at_least, at_most))
    return f"{low} %" if low == high or at_most - at_least <= ONE_NUMBER_WITHIN * at_most else f"{low}-{high} %"


def chance(value: float) -> str:
    """A probability in two digits, never a bare 0 or 1.

    >>> chance(0.9999), chance(0.42)
    ('> 0.99', '= 0.42')
    """
    return "> 0.99" if value > 0.99 else "< 0.01" if value < 0.01 else f"= {value:.2f}"


def need_label(name: str) -> str:
    """The label of a call reason, or of the call reasons with legs that a coarser one rolls up.

    >>> need_label("behavioral_health")
    'Mental-health crisis and substance use'
    """
    known = all_needs()
    if name in known:
        return known[name].label
    labels = [need.label for need in known.values() if need.rollup == name and need.in_scope]
    first, *rest = labels or [name.replace("_", " ")]
    words = [first, *(label[:1].lower() + label[1:] for label in rest)]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def in_order(names: "set[str]") -> list[str]:
    """Call reasons, and those that roll some up, in the order of needs.toml."""
    order = list(dict.fromkeys([*all_needs(), *(need.rollup for need in all_needs().values())]))
    return sorted(names, key=lambda name: (order.index(name) if name in order else len(order), name))


def shown_under(need: str, names: "set[str]") -> str:
    """The call reason of a release under which a finer one is shown: itself, else the one it is rolled up to, or ''."""
    if need in names:
        return need
    known = all_needs().get(need)
    return known.rollup if known is not None and known.rollup in names else ""
