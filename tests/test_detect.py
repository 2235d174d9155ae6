"""A recurring-call area is called cooling only by weeks that may be compared: those after the last declared break."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.city import Break, City
from pipelines.detect import comparable_weeks, complete_weeks, hotspots
from tests.build import X0, Y0, city

N_SITES = 40
HOT = (0, 1, 2)
CONVERSION = Break(date=date(2024, 7, 1), note="dispatch system converted")


def test_weeks_before_the_last_break_are_not_compared() -> None:
    toytown = city(breaks=(Break(date=date(2024, 3, 1), note="a"), CONVERSION))
    weeks = complete_weeks(toytown)
    after = comparable_weeks(toytown, weeks)
    assert len(weeks) == 52
    assert (after[0], len(after)) == (np.datetime64("2024-07-01"), 26)
    assert comparable_weeks(city(), weeks) is weeks


@pytest.mark.parametrize(("breaks", "status"), [((), "cooling"), ((CONVERSION,), "new")])
def test_a_fall_at_a_break_is_not_cooling(tmp_path: Path, breaks: tuple[Break, ...], status: str) -> None:
    spot = _hot_spot(city(breaks=breaks), tmp_path, per_week=lambda week: 5 if week < 26 else 1)
    assert spot["is_recurring"]
    assert spot["status"] == status


def test_a_fall_after_the_break_is_still_cooling(tmp_path: Path) -> None:
    spot = _hot_spot(city(breaks=(CONVERSION,)), tmp_path, per_week=lambda week: 5 if week < 39 else 1)
    assert spot["status"] == "cooling"


def test_a_break_within_the_last_13_weeks_leaves_it_open(tmp_path: Path) -> None:
    late = Break(date=date(2024, 11, 1), note="new codes")
    spot = _hot_spot(city(breaks=(late,)), tmp_path, per_week=lambda week: 5 if week < 39 else 1)
    assert spot["status"] == "new"


def _hot_spot(toytown: City, folder: Path, *, per_week: Callable[[int], int]) -> pd.Series:
    """The one area of excess where 3 of 40 places make `per_week(week)` welfare checks and all make the same others."""
    rows = []
    for week, monday in enumerate(complete_weeks(toytown)):
        rows += [(f"P{site:02d}", "traffic", "other_need", monday) for site in range(N_SITES)]
        rows += [(f"P{HOT[n % 3]:02d}", "welfare_check", "in_scope", monday) for n in range(per_week(week))]
        rows += [(f"P{3 + week % 37:02d}", "welfare_check", "in_scope", monday)]
    calls = pd.DataFrame(rows, columns=["place_id", "need", "scope", "local_date"])
    calls["local_date"] = calls["local_date"].astype("datetime64[s]").dt.date
    calls["call_id"] = [f"C{n:05d}" for n in range(len(calls))]
    calls["received_at"] = pd.to_datetime(calls["local_date"], utc=True)
    calls = calls.assign(merged_into=pd.Series(dtype=object), origin="community", is_resolved=None, hour_of_week=0)
    calls.to_parquet(folder / "calls.parquet")
    unmet = pd.DataFrame({"call_id": [], "leg": [], "outcome": []}, dtype=str)
    unmet.to_parquet(folder / "unmet.parquet")
    sites = pd.DataFrame({
        "place_id": [f"P{n:02d}" for n in range(N_SITES)],
        "x": [X0 + 20.0 * n if n in HOT else X0 + 1000.0 + 700.0 * n for n in range(N_SITES)],
        "y": Y0,
        "place_kind": "ordinary",
    })  # fmt: skip
    found = hotspots(toytown, folder, folder / "calls.parquet", sites, folder / "unmet.parquet", None)
    (spot,) = [row for _, row in found[found["product"] == "excess"].iterrows()]
    return spot
