"""True numbers of the cells of releases, counted anew from a store with pandas; no code of the releases takes part."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.store import Store
from pipelines.vocabulary import needs
from tests.release_attack import CAUSES, LEGS, Cell


def counted(store: Store, levels: Sequence[str]) -> pd.DataFrame:
    """One row a community call in scope: need, the levels, quarter, block, and the outcome of each leg."""
    calls = store.read(
        "calls", ["call_id", "need", "place_id", "local_date", "hour_of_week", "merged_into", "origin", "scope"]
    )
    calls = calls[calls["merged_into"].isna() & (calls["origin"] == "community") & (calls["scope"] == "in_scope")]
    legs = store.read("unmet", ["call_id", "leg", "outcome"])
    wide = legs.astype(str).pivot(index="call_id", columns="leg", values="outcome").reindex(columns=list(LEGS))
    table = calls.merge(wide.fillna("no_leg"), left_on="call_id", right_index=True)
    named = [level for level in levels if level != "city"]
    atoms = store.read("atoms", ["atom", *named])
    places = store.read("places", ["place_id", "atom"]).merge(atoms, on="atom", how="left")[["place_id", *named]]
    table = table.merge(places, on="place_id", how="left")
    for level in named:
        ids = table[level].astype(object)
        table[level] = ids.where(ids.notna() & ~ids.astype(str).str.startswith("_"), "_elsewhere")
    days = pd.to_datetime(table["local_date"])
    hour = table["hour_of_week"].astype(int)
    day = np.where(hour >= 120, "weekend", "weekday")
    return table.assign(
        city="city",
        need=table["need"].astype(str),
        rollup=table["need"].astype(str).map({name: need.rollup for name, need in needs().items()}),
        quarter=days.dt.year.astype(str) + "Q" + days.dt.quarter.astype(str),
        block=[f"{one} {at:02d}-{at + 8:02d}" for one, at in zip(day, hour % 24 // 8 * 8, strict=True)],
    )


def truth(calls: pd.DataFrame, cells: Sequence[Cell]) -> NDArray[np.int64]:
    """(V,) calls of each cell."""
    sums: dict[tuple[str, str, str, bool], dict[tuple[str, ...], int]] = {}
    out = []
    for need, level, geoid, quarters, leg, outcome, block in cells:
        kind = ("rollup" if need.startswith("rollup ") else "need", level, leg, bool(block))
        if kind not in sums:
            sums[kind] = _summed(calls, *kind)
        name = need.removeprefix("rollup ")
        outcomes = CAUSES if outcome == "unmet" else (outcome,)
        key = (name, geoid, block)
        out.append(sum(sums[kind].get((*key, quarter, one), 0) for quarter in quarters for one in outcomes))
    return np.array(out, dtype=np.int64)


def _summed(calls: pd.DataFrame, column: str, level: str, leg: str, by_block: bool) -> dict[tuple[str, ...], int]:
    block = calls["block"] if by_block else pd.Series("", index=calls.index)
    outcome = calls[leg] if leg else pd.Series("", index=calls.index)
    keys = [calls[column], calls[level], block, calls["quarter"], outcome]
    return {key: int(n) for key, n in calls.groupby(keys).size().items()}  # type: ignore[misc]
