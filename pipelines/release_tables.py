"""Tables of a protected release, from the blocks of its ledger: no number but those that are shown."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from geo.gap import garwood_per_year
from pipelines.release_counts import LEGS, NO_LEG, Span, period_labels, whole_label, year_label
from pipelines.release_ledger import Block

HIDDEN = "hidden"  # one symbol: a second one would tell parts of small totals from others
CELL = ["level", "geoid", "need", "leg", "grain", "period", "variant", "outcome", "n", "state"]
CALL = ["level", "geoid", "need", "origin", "scope", "grain", "period", "n", "state"]
HOUR = ["level", "geoid", "need", "leg", "period", "block", "outcome", "n", "state"]
MEASURE = [
    "level", "geoid", "need", "leg", "grain", "period", "variant", "years", "n_calls", "at_least", "at_most",
    "at_least_per_year", "at_most_per_year", "per_year_low", "per_year_high",
]  # fmt: skip


def block_tables(full: pd.DataFrame, detail: str) -> dict[str, pd.DataFrame]:
    """The tables calls, cells and hours of one block; ``full`` every cell with its count, as the ledger keeps it."""
    shown = full["state"] == "shown"
    told = pd.DataFrame(
        {
            "level": full["area_level"],
            "geoid": full["area"],
            "need": full["need"],
            "grain": full["period_level"],
            "period": full["period"],
            "block": full["hour"],
            "leg": full["outcome_level"].str.removesuffix("_unmet").where(full["outcome_level"] != "all", ""),
            "outcome": full["outcome"],
            "n": full["n"].astype("Int64").where(shown),
            "state": np.where(shown, "shown", HIDDEN),
            "origin": "community",
            "scope": "in_scope",
            "variant": "default",
        }
    )
    by_hour = full["hour_level"] == "block"
    whole = full["outcome_level"] == "all"
    twice = full["outcome_level"].str.endswith("_unmet") & (detail == "causes") & full["outcome"].ne("unmet")
    return {
        "calls": told.loc[~by_hour & whole, CALL],
        "cells": told.loc[~by_hour & ~whole & ~twice, CELL],
        "hours": told.loc[by_hour, HOUR],
    }


def protected_tables(blocks: Sequence[Block]) -> dict[str, pd.DataFrame]:
    """The tables calls, cells, hours and measures of all blocks, with the years and the whole that span several.

    A number over several blocks is the sum of theirs, told where each of them is shown and hidden else.
    """
    parts = [block_tables(block.cells, block.rung.detail) for block in blocks]
    alike = {
        "calls": len({block.rung.needs for block in blocks}) == 1,
        "cells": len({(block.rung.needs, block.rung.detail) for block in blocks}) == 1,
        "hours": len({(block.rung.needs, block.rung.hours, block.rung.hours_of) for block in blocks}) == 1,
    }
    order = ["need", "level", "geoid", "grain", "period", "leg", "block", "outcome"]
    tables = {}
    for name in ("calls", "cells", "hours"):
        own = [part[name] for part in parts]
        sums = _over_blocks(own, blocks) if len(blocks) > 1 and alike[name] else []
        table = pd.concat([*own, *sums], ignore_index=True)
        by = [column for column in order if column in table.columns]
        tables[name] = table.sort_values(by, kind="stable").reset_index(drop=True)
    spans = [span for block in blocks for span in block.spans]
    lengths = dict(years_of(spans))
    for block in blocks:
        lengths |= years_of(block.spans)
    return tables | {"measures": measures(tables["cells"], tables["calls"], lengths)}


def _over_blocks(parts: Sequence[pd.DataFrame], blocks: Sequence[Block]) -> list[pd.DataFrame]:
    """Sums of one table over blocks. Unmet calls beside their causes are a table of its own, which a block may lack."""
    quarters = [block.quarters for block in blocks]
    if "outcome" not in parts[0] or blocks[0].rung.detail != "causes":
        return spanning(parts, quarters)
    unmet = [part["outcome"].eq("unmet") for part in parts]
    return [
        *spanning([part[~rows] for part, rows in zip(parts, unmet, strict=True)], quarters),
        *spanning([part[rows] for part, rows in zip(parts, unmet, strict=True)], quarters),
    ]


def spanning(parts: Sequence[pd.DataFrame], quarters: Sequence[Sequence[str]]) -> list[pd.DataFrame]:
    """Sums of one table over blocks: for each calendar year in several of them, and for all of them."""
    every = [quarter for own in quarters for quarter in own]
    out = []
    for year in sorted({quarter[:4] for quarter in every}):
        inside = [[quarter for quarter in own if quarter[:4] == year] for own in quarters]
        labels = {at: year_label(year, own) for at, own in enumerate(inside) if own}
        if len(labels) > 1:
            name = year_label(year, [quarter for own in inside for quarter in own])
            out.append(_added([_period(parts[at], "year", label) for at, label in labels.items()], name))
    out.append(
        _added([_period(p, "whole", whole_label(q)) for p, q in zip(parts, quarters, strict=True)], whole_label(every))
    )
    return [table for table in out if len(table)]


def _period(table: pd.DataFrame, grain: str, label: str) -> pd.DataFrame:
    rows = table["period"] == label
    return table[rows & (table["grain"] == grain) if "grain" in table else rows]


def _added(parts: Sequence[pd.DataFrame], period: str) -> pd.DataFrame:
    """The sum of a table over blocks: who lacks a cell has none of it; where one lacks the table there is no sum."""
    table = [name for name in ("level", "need", "leg") if name in parts[0]]
    key = [name for name in parts[0].columns if name not in ("period", "n", "state")]
    rows = pd.concat(parts, ignore_index=True)
    held = pd.concat([part[table].drop_duplicates() for part in parts]).value_counts()
    rows = rows[(held.reindex(pd.MultiIndex.from_frame(rows[table])) == len(parts)).to_numpy()]
    sums = (
        rows.assign(open=rows["state"].eq("shown"))
        .groupby(key, as_index=False, dropna=False)
        .agg(n=("n", "sum"), open=("open", "all"))
    )
    told = sums.assign(
        period=period,
        n=sums["n"].astype("Int64").where(sums["open"]),
        state=np.where(sums["open"], "shown", HIDDEN),
    )
    return told[parts[0].columns]


def years_of(quarters: Sequence[Span]) -> dict[str, float]:
    """Length in years of every period of a set of quarters, by its label."""
    names = [span.quarter for span in quarters]
    labels = period_labels(names)
    out: dict[str, float] = {}
    for span in quarters:
        for label in {span.quarter, labels[span.quarter], whole_label(names)}:
            out[label] = out.get(label, 0.0) + span.days_on_file / 365.25
    return out


def measures(cells: pd.DataFrame, calls: pd.DataFrame, years: Mapping[str, float]) -> pd.DataFrame:
    """Bounds of what is unmet, in whole calls, only where every outcome of the leg is shown.

    `leg` is '' for all calls in scope, whose bounds do not apply. Limits are Garwood's, 90 %, per year.
    """
    key = ["level", "geoid", "need", "leg", "grain", "period", "variant"]
    of_leg = cells[cells["leg"].isin(LEGS) & cells["outcome"].ne(NO_LEG)]
    split = of_leg[of_leg["outcome"].isin(["spatial", "barrier", "temporal"])]
    has_causes = set(split[key].itertuples(index=False, name=None))
    told = np.array([row in has_causes for row in of_leg[key].itertuples(index=False, name=None)], dtype=bool)
    of_leg = of_leg[~(of_leg["outcome"].eq("unmet").to_numpy() & told)]
    unmet = of_leg["outcome"].isin(["spatial", "barrier", "temporal", "unmet"])
    n = of_leg["n"].fillna(0).astype("int64")
    parts = of_leg[key].assign(
        hidden=of_leg["state"].ne("shown"),
        n_calls=n,
        at_least=n.where(unmet, 0),
        at_most=n.where(unmet | of_leg["outcome"].eq("uncertain"), 0),
    )
    legs = parts.groupby(key, as_index=False).sum()
    legs = legs[legs["hidden"] == 0].drop(columns="hidden")
    whole = calls[calls["state"] == "shown"].assign(leg="", variant="default")
    whole = whole[[*key, "n"]].rename(columns={"n": "n_calls"})
    out = pd.concat([_per_year(legs, years), _per_year(whole, years)], ignore_index=True)
    return out.reindex(columns=MEASURE).astype(dict.fromkeys(MEASURE[8:], "Int64"))


def _per_year(table: pd.DataFrame, years: Mapping[str, float]) -> pd.DataFrame:
    length = table["period"].map(years).to_numpy(float)
    is_leg = "at_least" in table
    least = table["at_least" if is_leg else "n_calls"].to_numpy(np.int64)
    most = table["at_most" if is_leg else "n_calls"].to_numpy(np.int64)
    out = table.assign(years=np.round(length, 4))
    if len(table):
        low, high = garwood_per_year(least, most, years=1.0)
        out = out.assign(per_year_low=np.round(low / length), per_year_high=np.round(high / length))
        if is_leg:
            out = out.assign(at_least_per_year=np.round(least / length), at_most_per_year=np.round(most / length))
    return out


def why_hidden(full: pd.DataFrame) -> dict[str, int]:
    """How many cells are not shown, by reason, and how many are."""
    counted = full["why"].replace({"": "shown"}).value_counts()
    return {name: int(counted.get(name, 0)) for name in ("shown", "primary", "dominated", "below", "complementary")}
