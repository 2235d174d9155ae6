"""Whether both ways say the same: counts of every cell of `gaps`, and the strongest circle of each need."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.store import Store

KEY = ["level", "geoid", "need", "leg", "period", "variant"]
SAME = {
    "n_calls": "n_calls",
    "n_available": "n_available",
    "n_uncertain": "n_uncertain",
    "n_spatial": "n_spatial",
    "n_barrier": "n_barrier",
    "n_temporal": "n_temporal",
    "no_one_found": "n_no_one_found",
    "at_institution": "n_institution",
    "n_places": "n_places",
    "is_rest": "n_without_busiest",
}


def gaps(store: Path, plain: Path) -> dict[str, object]:
    """How many cells (area × need × leg × period × variant) agree in every count, and the totals of the city."""
    ours = Store(store).read("gaps").set_index(KEY)
    theirs = pd.read_parquet(plain / "gaps.parquet").set_index(KEY)
    theirs = theirs[list(SAME)].rename(columns=SAME).add_suffix("_plain")
    both = ours[list(SAME.values())].join(theirs.reindex(ours.index).fillna(0).astype("int64"))
    apart = np.abs(np.column_stack([both[name] - both[f"{name}_plain"] for name in SAME.values()]))
    return {
        "cells": len(ours),
        "n_counts": len(SAME),
        "cells_equal": int((apart == 0).all(axis=1).sum()),
        "cells_only_plain": len(theirs.index.difference(ours.index)),
        "largest_difference": int(apart.max(initial=0)),
        "city": _city_totals(ours, both).to_dict("records"),
    }


def _city_totals(ours: pd.DataFrame, both: pd.DataFrame) -> pd.DataFrame:
    at = (ours.index.get_level_values("level") == "city") & (ours.index.get_level_values("period") == "whole")
    at &= ours.index.get_level_values("variant") == "default"
    told = both[at].reset_index()[["need", "leg"]]
    for ending in ("", "_plain"):
        least = sum(both.loc[at, f"n_{cause}{ending}"].to_numpy() for cause in ("spatial", "barrier", "temporal"))
        told[f"calls{ending}"] = both.loc[at, f"n_calls{ending}"].to_numpy()
        told[f"at_least{ending}"] = least
        told[f"at_most{ending}"] = least + both.loc[at, f"n_uncertain{ending}"].to_numpy()
    return told


def circles(store: Path, plain: Path) -> list[dict[str, object]]:
    """Per need the strongest circle of both ways: its statistic and its calls."""
    ours = Store(store).read("hotspots")
    best = ours[ours["product"] == "excess"].sort_values("llr", ascending=False).drop_duplicates("need")
    theirs = pd.read_parquet(plain / "excess.parquet")
    both = best[["need", "llr", "n_calls", "p_value"]].merge(theirs, on="need", how="outer", suffixes=("", "_plain"))
    both["is_equal"] = np.isclose(both["llr"], both["llr_plain"]) & (both["n_calls"] == both["n_calls_plain"])
    return both.to_dict("records")
