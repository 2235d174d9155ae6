"""Tables of a protected release, from the states of its cells: no number but those that are shown."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from geo.gap import garwood_per_year
from pipelines.release_counts import BLOCKS, LEGS, NO_LEG, Span, period_labels
from pipelines.release_protect import Protected, Rung

CELL = ["level", "geoid", "need", "leg", "grain", "period", "variant", "outcome", "n", "state"]
CALL = ["level", "geoid", "need", "origin", "scope", "grain", "period", "n", "state"]
HOUR = ["level", "geoid", "need", "leg", "period", "block", "outcome", "n", "state"]
MEASURE = [
    "level", "geoid", "need", "leg", "grain", "period", "variant", "years", "n_calls", "at_least", "at_most",
    "at_least_per_year", "at_most_per_year", "per_year_low", "per_year_high",
]  # fmt: skip


def protected_tables(
    parts: Sequence[Protected], rung: Rung, quarters: Sequence[Span]
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """The tables calls, cells, hours and measures, and every cell with its count for the ledger."""
    full = pd.concat([part.cells() for part in parts], ignore_index=True)
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
            "state": full["state"],
            "origin": "community",
            "scope": "in_scope",
            "variant": "default",
        }
    )
    by_hour = full["hour_level"] == "block"
    whole = full["outcome_level"] == "all"
    twice = full["outcome_level"].str.endswith("_unmet") & (rung.detail == "causes") & full["outcome"].ne("unmet")
    order = ["need", "level", "geoid", "grain", "period", "leg", "block", "outcome"]

    def part(rows: "pd.Series[bool]", columns: Sequence[str]) -> pd.DataFrame:
        return told[rows].sort_values(order, kind="stable")[list(columns)].reset_index(drop=True)

    cells, calls = part(~by_hour & ~whole & ~twice, CELL), part(~by_hour & whole, CALL)
    tables = {
        "calls": calls,
        "cells": cells,
        "hours": part(by_hour, HOUR),
        "measures": measures(cells, calls, years_of(quarters)),
    }
    return tables, full


def years_of(quarters: Sequence[Span]) -> dict[str, float]:
    """Length in years of every period that a release may name, by its label."""
    names = [span.quarter for span in quarters]
    labels = period_labels(names)
    out: dict[str, float] = {}
    for span in quarters:
        for label in {span.quarter, labels[span.quarter], f"{names[0]}-{names[-1]}"}:
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


__all__ = ["BLOCKS", "CALL", "CELL", "HOUR", "MEASURE", "measures", "protected_tables", "why_hidden", "years_of"]
