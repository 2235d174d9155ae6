"""SAFETY 3.4 against the files of public releases of the sample city: nothing hidden is found, nothing too narrow."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.release import build_release, open_release
from pipelines.release_counts import base_counts, busy_places, closed_quarters, with_levels
from pipelines.release_design import Given, choose
from pipelines.release_tables import protected_tables
from pipelines.store import Store
from tests.release_attack import CELL, cells_of, intervals, learn_periods, subtracted, sums
from tests.releases import short_policy
from tests.runs import copied

FIRST = date(2024, 8, 1)  # a month after the second quarter: one quarter less than today's release


@pytest.fixture(scope="module")
def store(sample_store, tmp_path_factory) -> Store:
    """A store of this module's own, since releases leave what they showed in its ledger."""
    folder = copied(sample_store.folder, tmp_path_factory.mktemp("attacked") / "sample")
    for left in (folder / "ledger").glob("*/*/*"):
        left.unlink()
    for left in [*(folder / "ledger").glob("*/*"), *(folder / "ledger").glob("*")]:
        left.rmdir()
    return Store(folder)


@pytest.fixture(scope="module")
def policy(sample_city, tmp_path_factory):
    return short_policy(tmp_path_factory.mktemp("policy"), sample_city)


@pytest.fixture(scope="module")
def one(sample_city, store, policy, tmp_path_factory):
    """A first release."""
    root = tmp_path_factory.mktemp("out")
    return open_release(build_release(replace(sample_city, as_of=FIRST), store, policy, root))


@pytest.fixture(scope="module")
def two(sample_city, store, policy, one, tmp_path_factory):
    """An earlier release and the next one, a quarter later."""
    return one, open_release(build_release(sample_city, store, policy, tmp_path_factory.mktemp("later")))


@pytest.fixture(scope="module")
def parents(store):
    """Which area lies in which: any map says it."""
    atoms = store.read("atoms")[["tract", "neighbourhood"]].dropna().drop_duplicates()
    inside = dict(zip(atoms["tract"], atoms["neighbourhood"], strict=True)) | {"_elsewhere": "_elsewhere"}
    top = dict.fromkeys(inside.values(), "city")
    return {"tract": ("neighbourhood", inside), "neighbourhood": ("city", top)}


def _truth(store, release, cells):
    """(rows,) true numbers, from the ledger."""
    full = pd.read_parquet(store.folder / "ledger" / "public" / release.release_id / "cells.parquet")
    known = {}
    for row in full.itertuples():
        whole = row.outcome_level == "all"
        leg = "" if whole else row.outcome_level.removesuffix("_unmet")
        block = row.hour if row.hour_level == "block" else ""
        known[
            row.need, row.area_level, row.area, row.period_level, row.period, leg, "" if whole else row.outcome, block
        ] = row.n
    return np.array([known[key] for key in cells[["need", *CELL]].itertuples(index=False, name=None)])


def _too_narrow(spans, truth):
    small = (truth >= 1) & (truth <= 10)
    low, high = spans[:, 0] - 1e-6, spans[:, 1] + 1e-6
    return np.where(small, (low > 1) | (high < 10), (truth > 10) & (high - low < 9))


def _attacked(cells, truth, ties, *, at_most):
    """Rows of hidden cells that subtraction finds, and of those whose interval is too narrow; zeros do not count."""
    found = [cell for cell in subtracted(cells, ties) if truth[cell] > 0]
    wanted = [cell for cell in np.flatnonzero(cells["n"].isna()) if truth[cell] > 0]
    step = max(1, len(wanted) // at_most)
    wanted = wanted[::step]
    return found, np.array(wanted)[
        _too_narrow(intervals(cells, ties, wanted), truth[wanted])
    ].tolist() if wanted else []


@pytest.mark.parametrize("at_most", [40, pytest.param(100_000, marks=pytest.mark.slow)])
def test_nothing_hidden_is_found_in_one_release(one, store, parents, at_most):
    release = one
    learn_periods(release.told["periods"])
    cells = cells_of(release.folder)
    truth = _truth(store, release, cells)
    tried = 0
    for need in cells["need"].unique():
        own = (cells["need"] == need).to_numpy()
        mine = cells[own].reset_index(drop=True)
        ties = sums(mine, parents)
        tried += int(mine["n"].isna().sum())
        assert len(ties) > 50
        assert _attacked(mine, truth[own], ties, at_most=at_most) == ([], []), need
    assert tried > 50


@pytest.mark.slow
def test_nothing_hidden_is_found_in_an_earlier_release_beside_a_later_one(two, store, parents):
    early, late = two
    learn_periods([*early.told["periods"], *late.told["periods"]])
    parts = [cells_of(one.folder).assign(truth=_truth(store, one, cells_of(one.folder))) for one in two]
    cells = pd.concat(parts, ignore_index=True)
    truth_of = cells.groupby(["need", *CELL])["truth"]
    assert (truth_of.min() == truth_of.max()).all(), "what is out was counted anew"
    cells = cells.sort_values("n", na_position="last", kind="stable").drop_duplicates(["need", *CELL])
    for need in cells["need"].unique():
        mine = cells[cells["need"] == need].reset_index(drop=True)
        mine, more = _with_new_quarter(mine)
        assert more
        truth = mine["truth"].to_numpy()
        assert _attacked(mine, truth, [*sums(mine, parents), *more], at_most=40) == ([], []), need


def _with_new_quarter(mine):
    """The new quarter of every cell as a further variable: the later year or whole is the earlier one and it."""
    names = {
        "whole": ("2023Q1-2024Q2", "2023Q1-2024Q3"),
        "year": ("2024Q1-2024Q2", "2024Q1-2024Q3"),
    }
    at = {tuple(row): n for n, row in enumerate(mine[CELL].itertuples(index=False, name=None))}
    rows, more = [], []
    for (level, geoid, grain, period, leg, outcome, block), number in list(at.items()):
        if grain not in names or period != names[grain][0]:
            continue
        later = at.get((level, geoid, grain, names[grain][1], leg, outcome, block))
        if later is None:
            continue
        quarter = (level, geoid, "quarter", "2024Q3", leg, outcome, block)
        if quarter not in at:
            at[quarter] = len(mine) + len(rows)
            n = mine["truth"].iloc[later] - mine["truth"].iloc[number]
            rows.append((*quarter, None, "withheld", n))
        more.append(([number, at[quarter]], later))
    extra = pd.DataFrame(rows, columns=[*CELL, "n", "state", "truth"])
    return pd.concat([mine, extra.astype({"n": "Int64"})], ignore_index=True), more


def test_without_complements_the_same_attack_finds_hidden_numbers(sample_city, store, policy, parents, tmp_path):
    city = replace(sample_city, as_of=FIRST)
    quarters = closed_quarters(city, policy)
    given = Given(
        counts=with_levels(base_counts(city, store, policy, quarters)),
        busy=with_levels(busy_places(store, policy, quarters, threshold=policy.threshold)),
        policy=policy,
        complements=False,
    )
    choice = choose(given)
    assert choice is not None
    tables, _full = protected_tables(choice.parts, choice.rung, quarters)
    for name in ("calls", "cells", "hours"):
        tables[name].to_parquet(tmp_path / f"{name}.parquet")
    cells = cells_of(tmp_path)
    exact = sum(
        len(subtracted(mine.reset_index(drop=True), sums(mine.reset_index(drop=True), parents)))
        for _, mine in cells.groupby("need")
    )
    assert exact > 10


def test_no_measure_gives_a_hidden_number_back(one):
    """rate x population and share x total: every number in measures is of a cell whose outcomes are all shown."""
    measures, cells = one.table("measures"), one.table("cells")
    key = ["level", "geoid", "need", "leg", "grain", "period"]
    told = measures[measures["leg"] != ""].merge(cells[cells["outcome"] != "no_leg"], on=key)
    assert len(told)
    assert (told["state"] == "shown").all()


@pytest.mark.slow
def test_what_is_out_stays_out(two):
    """A cell that the earlier release shows has the same number where the later one names it."""
    early, late = (cells_of(Path(one.folder)) for one in two)
    both = early.dropna(subset="n").merge(late, on=["need", *CELL], suffixes=("", "_later"))
    assert len(both) > 20
    assert (both["n"] == both["n_later"]).all()
