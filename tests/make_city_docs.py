"""Writes docs/cities.md from the real cities' stores: counts, shares and city totals only, measured and dated.

Run by hand: `UNMET_REAL_DATA=DIR python -m tests.make_city_docs [STORES]`. Without a folder of stores the cities are
run into a temporary one, which takes about two minutes.
"""

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from pipelines import clock, map_words, show
from pipelines.city import City, load_city
from pipelines.flow import run
from pipelines.store import Store
from pipelines.vocabulary import needs

SLUGS = ("san_francisco", "fargo_nd", "montgomery_pa")
TARGET = Path(__file__).parents[1] / "docs" / "cities.md"
TIERS = ("T0", "T1", "T2", "T3", "unknown")
SILENT = {
    "contact": "no one to contact on record",
    "respond": "no responder on record",
    "place": "no place to go on record",
}
HEAD = """# Three real cities

What the shipped configurations make of public files, measured on {today} with `unmet run CITY`. Counts, shares and city
totals only. The files are old and partial, the call rules and the matching are drafts that nobody has reviewed, and
every service list is younger or older than the calls it is laid over. Read this page as a test of the software on what
its users have; it says nothing of how these cities serve anybody today. `python -m tests.make_city_docs` wrote it.

Terms: *community calls* are all events but officer-initiated ones; *in scope* are those not closed as unfounded, not
criminal, of one of five reasons, and without need of police or EMS by their type (T0 a line can close it, T1 a civilian
team, T2 an officer beside a clinician; T3 is *police or EMS must attend*). *At least* counts unknowns as taking people,
*at most* as not; legs are judged apart, reasons are counted apart, and neither is ever added up.
"""


def main(stores: Path | None) -> None:
    """Nothing: runs the cities where no stores are given, and writes the page."""
    data = Path(os.environ["UNMET_REAL_DATA"])
    with tempfile.TemporaryDirectory() as spare:
        folder = stores or Path(spare)
        parts = [HEAD.format(today=clock.now().date().isoformat())]
        for slug in SLUGS:
            city = load_city(slug)
            if stores is None:
                run(city, data / slug, folder / slug)
            parts.append("\n".join(section(city, Store(folder / slug))))
    TARGET.write_text("\n".join(parts).rstrip() + "\n", "utf-8")


def section(city: City, store: Store) -> Iterator[str]:
    """The lines of one city."""
    told = show.gaps(city, store)
    spans = ", ".join(f"{one.start.isoformat()} to {one.end.isoformat()}" for one in city.windows)
    yield f"## {city.name}\n"
    yield f"Windows (end excluded): {spans}; {city.years:.2f} years on file. Services as of {city.services_as_of}.\n"
    yield "### Rows: in = kept + quarantined + merged\n"
    counts = store.read("counts")
    names = ["rows_in", "rows_kept", "rows_quarantined", "rows_merged"]
    rows = ([one["path"], *(f"{one[name]:,}" for name in names)] for one in counts.to_dict("records"))
    yield from table(["file", "rows in", "kept", "quarantined", "merged"], rows)
    refused = store.read("quarantine").groupby("reason")["source_line"].nunique()
    yield "Quarantined: " + ("; ".join(f"{name} {n:,}" for name, n in refused.items()) or "none") + ".\n"
    yield "### Calls\n"
    yield from table(["what", "calls", "share of community calls"], _calls(told, store))
    yield "### Calls by reason and tier\n"
    yield from table(["reason", *TIERS], _tiers(store))
    yield "### Unmet, at least and at most\n"
    yield from _unmet(told)
    yield "### Recurring-call areas\n"
    yield _recurring(store)
    yield "### What the data cannot say\n"
    yield from (f"* {one}" for one in city.caveats)
    yield ""


def table(head: list[str], rows: Iterable[list[str]]) -> Iterator[str]:
    """A Markdown table: the first column left, the others right."""
    yield "| " + " | ".join(head) + " |"
    yield "|---" + "|---:" * (len(head) - 1) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def _calls(told: dict[str, Any], store: Store) -> Iterator[list[str]]:
    n = told["denominator"]
    all_ = max(1, n["community"])
    quality = store.read("quality").set_index("reason")
    unlocated, unmatched = (int(quality["n_rows"][one]) for one in ("HIT_RATE", "UNKNOWN_CALL_TYPE"))
    unrecorded = None if told["has_dispositions"] else "not recorded"
    lines = [
        ("community calls", n["community"]),
        ("located at a point of their own", n["community"] - unlocated),
        ("type matched by no rule", unmatched),
        ("in scope", n["in_scope"]),
        ("in scope, no one found", unrecorded or n["no_one_found"]),
        ("in scope, at institutions", n["at_institutions"]),
        ("in scope, not placed on the map", n["not_placed"]),
        ("police or EMS must attend", n["police_or_ems"]),
        ("offences", n["criminal"]),
        ("other reasons", n["other_need"]),
        ("unfounded, cancelled or duplicate", unrecorded or n["unresolved"]),
    ]
    for what, count in lines:
        told_as = [count, ""] if isinstance(count, str) else [f"{count:,}", f"{count / all_:.1%}"]
        yield [what, *told_as]
    yield ["officer-initiated, beside them", f"{n['officer_initiated']:,}", ""]


def _tiers(store: Store) -> Iterator[list[str]]:
    calls = store.read("calls", ["need", "tier", "origin", "scope", "merged_into"])
    mine = calls["merged_into"].isna() & calls["origin"].eq("community")
    calls = calls[mine & calls["scope"].isin(["in_scope", "police_or_ems"])]
    tier = calls["tier"].map(lambda one: "unknown" if pd.isna(one) else f"T{int(one)}")
    counts = pd.crosstab(calls["need"], tier)
    for name, need in needs().items():
        if need.in_scope:
            yield [need.label, *(f"{int(counts.get(one, pd.Series(dtype=int)).get(name, 0)):,}" for one in TIERS)]


def _unmet(told: dict[str, Any]) -> Iterator[str]:
    rows, silent = [], []
    for one in told["city_totals"]:
        if not one["n_calls"]:
            continue
        if one["not_recorded"]:
            silent.append(f"{one['label']}: {SILENT[one['leg']]}, {one['n_calls']:,} calls, all uncertain.")
            continue
        numbers = (
            one[name] for name in ("n_calls", "available", "spatial", "barrier", "temporal", "at_least", "at_most")
        )
        share = map_words.share(one["at_least"], one["at_most"], one["n_calls"])
        rows.append([one["label"], one["leg_words"], *(f"{n:,}" for n in numbers), share])
    head = ["reason", "leg", "in scope", "available", "spatial", "barrier", "temporal", "at least", "at most", "share"]
    if rows:
        yield from table(head, rows)
    if not rows and not silent:
        yield "No call on file is in scope: nothing can be said of unmet calls."
    yield from (f"* {one}" for one in silent)
    yield ""


def _recurring(store: Store) -> str:
    spots = store.read("hotspots")
    spots = spots[(spots["product"] == "excess") & (spots["status"] != "ended")]
    if spots["is_recurring"].isna().all():
        return f"{len(spots)} areas of excess; recurrence not assessed: {'; '.join(sorted(set(spots['reason'])))}.\n"
    again = spots[spots["is_recurring"].eq(True).fillna(False).astype(bool)]
    by_need = again.groupby("need").size()
    listed = ", ".join(f"{needs()[str(name)].label.lower()} {n}" for name, n in by_need.items())
    return f"{len(again)} recurring of {len(spots)} areas of excess: {listed}. p is family-wise within one reason.\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
