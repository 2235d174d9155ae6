"""The counts that a protected release is made of: community calls in scope by area, quarter, block of hours, outcome.

One row is a cell of the finest cross-classification; every number a release may show is a sum of such rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce

import pandas as pd

from pipelines import clock
from pipelines.city import City
from pipelines.engine import connect, frame, named, quoted, scan
from pipelines.policy import Policy
from pipelines.store import Store
from pipelines.vocabulary import needs as all_needs

LEGS = ("respond", "place", "contact")
ELSEWHERE = "_elsewhere"
NO_LEG = "no_leg"
BLOCKS = ("weekday 00-08", "weekday 08-16", "weekday 16-24", "weekend 00-08", "weekend 08-16", "weekend 16-24")
UNMET = ("spatial", "barrier", "temporal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A closed quarter that may be published, and how much of it is on file."""

    quarter: str
    start: date
    end: date
    days_on_file: int


def as_of(city: City) -> date:
    """The day a release is made: the city's own (a synthetic one lives in its data), else today."""
    if city.as_of is not None:
        return city.as_of
    return city.windows[-1].end if city.is_synthetic else clock.now().date()


def closed_quarters(city: City, policy: Policy) -> tuple[Span, ...]:
    """Calendar quarters with days on file that ended at least the policy's delay ago."""
    last = as_of(city) - timedelta(days=policy.delay_days)
    out = []
    for year in range(city.windows[0].start.year, city.windows[-1].end.year + 1):
        for number in range(4):
            start = date(year, 3 * number + 1, 1)
            end = date(year + number // 3, (3 * number + 4 - 1) % 12 + 1, 1)
            days = sum(max(0, (min(w.end, end) - max(w.start, start)).days) for w in city.windows)
            if days and end <= last:
                out.append(Span(quarter=f"{year}Q{number + 1}", start=start, end=end, days_on_file=days))
    return tuple(out)


def year_label(year: str, quarters: list[str]) -> str:
    """`2024` where all four quarters are there, else which of them are.

    >>> year_label("2024", ["2024Q1", "2024Q2", "2024Q3"])
    '2024Q1-2024Q3'
    """
    return year if len(quarters) == 4 else whole_label(quarters)


def whole_label(quarters: Sequence[str]) -> str:
    """The name of a span of quarters: its first and its last, or the one there is.

    >>> whole_label(["2024Q2", "2023Q1"])
    '2023Q1-2024Q2'
    """
    first, last = min(quarters), max(quarters)
    return first if first == last else f"{first}-{last}"


def chain(policy: Policy) -> tuple[str, ...]:
    """The levels that nest, from the base up to the city."""
    inside = {level.name: level.within for level in policy.levels}
    names, name = [], policy.base_level
    while name:
        names.append(name)
        name = inside.get(name, "")
    return tuple(names)


def base_counts(opened: Store, policy: Policy, quarters: tuple[Span, ...]) -> pd.DataFrame:
    """Counts `n` by need, the levels of the chain, quarter, block and the outcome of each leg.

    Places outside all areas, placeholders and unplaced calls are one area `_elsewhere` of every level but the city.
    A leg that a call does not have is `no_leg`.
    """
    rows = _rows(opened, policy, quarters).drop(columns="place_id")
    rows = pd.concat([rows, _nothing(opened, policy, rows)], ignore_index=True)
    keys = [name for name in rows.columns if name != "n"]
    return rows.groupby(keys)["n"].sum().reset_index()


def _nothing(opened: Store, policy: Policy, rows: pd.DataFrame) -> pd.DataFrame:
    """A row of no calls for every area and need, so that areas without calls are told as zero and not left out."""
    levels = [name for name in chain(policy) if name != "city"]
    atoms = opened.read("atoms", levels)
    atoms = atoms.where(atoms.notna() & ~atoms.apply(lambda ids: ids.astype(str).str.startswith("_")), ELSEWHERE)
    other = [name for name in rows.columns if name not in (*levels, "n")]
    first = rows.drop_duplicates("need")[other]
    return first.merge(atoms.drop_duplicates(), how="cross").assign(n=0)[rows.columns]


def busy_places(opened: Store, policy: Policy, quarters: tuple[Span, ...], *, threshold: int) -> pd.DataFrame:
    """The same counts by `place_id`, of places with so many calls of a need that one could be most of a large cell."""
    rows = _rows(opened, policy, quarters)
    own = rows.groupby(["need", "place_id"])["n"].transform("sum")
    return rows[rows["place_id"].ne("") & (own * 2 > threshold)].reset_index(drop=True)


def _rows(opened: Store, policy: Policy, quarters: tuple[Span, ...]) -> pd.DataFrame:
    levels = [name for name in chain(policy) if name != "city"]
    filled = ", ".join(
        f"CASE WHEN a.{named(name)} IS NULL OR left(a.{named(name)}, 1) = '_' THEN {quoted(ELSEWHERE)} "
        f"ELSE a.{named(name)} END AS {named(name)}"
        for name in levels
    )
    outcomes = ", ".join(
        f"coalesce(max(outcome) FILTER (leg = {quoted(leg)}), {quoted(NO_LEG)}) AS {leg}" for leg in LEGS
    )
    listed = ", ".join(quoted(span.quarter) for span in quarters) or "''"
    table = frame(
        connect(opened.folder),
        f"""
        WITH legs AS (SELECT call_id, {outcomes} FROM {scan(opened.path("unmet"))} GROUP BY 1)
        SELECT c.need, {filled + "," if filled else ""} 'city' AS city, coalesce(c.place_id, '') AS place_id,
               year(local_date)::VARCHAR || 'Q' || quarter(local_date)::VARCHAR AS quarter,
               CASE WHEN hour_of_week >= 120 THEN 3 ELSE 0 END + (hour_of_week % 24) // 8 AS block,
               {", ".join(LEGS)}, count(*)::BIGINT AS n
        FROM {scan(opened.path("calls"))} c JOIN legs USING (call_id)
        LEFT JOIN {scan(opened.path("places"))} p ON c.place_id = p.place_id
        LEFT JOIN {scan(opened.path("atoms"))} a ON a.atom = p.atom
        WHERE c.merged_into IS NULL AND c.origin = 'community' AND c.scope = 'in_scope'
        GROUP BY ALL HAVING quarter IN ({listed}) ORDER BY ALL
        """,
    )
    return table.assign(block=[BLOCKS[int(at)] for at in table["block"]])


def with_levels(base: pd.DataFrame) -> pd.DataFrame:
    """The same counts with the coarser columns of each dimension: year, whole, all hours, outcomes in three."""
    quarters = sorted(base["quarter"].unique())
    out = base.assign(
        year=base["quarter"].map(period_labels(quarters)),
        whole=whole_label(quarters) if quarters else "",
        hours="all",
        all="all",
        outcomes=reduce(lambda left, leg: left + "|" + base[leg], LEGS[1:], base[LEGS[0]]),
        rollup=base["need"].map({name: need.rollup for name, need in all_needs().items()}),
    )
    for leg in LEGS:
        out[f"{leg}_unmet"] = base[leg].where(~base[leg].isin(UNMET), "unmet")
    return out


def period_labels(quarters: Sequence[str]) -> dict[str, str]:
    """The name of the year that each quarter is in, which says so where some of its quarters are not there."""
    years: dict[str, list[str]] = {}
    for quarter in sorted(quarters):
        years.setdefault(quarter[:4], []).append(quarter)
    return {quarter: year_label(year, own) for year, own in years.items() for quarter in own}
