"""Three releases of the sample city, one after another: nothing hidden is found in any of them, nor in all together.

The same attack finds numbers as soon as complements are left out, a withheld total is told, or a share gives it away.
"""

import json
import shutil
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from geo.gap import garwood_per_year
from pipelines import release_ledger
from pipelines.release import build_release
from pipelines.release_design import Given
from pipelines.release_tables import protected_tables
from pipelines.store import Store
from tests.release_attack import known
from tests.release_attack_lp import attack
from tests.release_attack_truth import counted
from tests.releases import short_policy, without_ledger

DAYS = (date(2024, 2, 1), date(2024, 8, 1), None)  # blocks: 2023, the first half of 2024, its third quarter
LEVELS = ("tract", "neighbourhood", "city")
ORDER = ["need", "level", "geoid", "grain", "period", "leg", "block", "outcome"]


@pytest.fixture(scope="module")
def store(sample_store, tmp_path_factory) -> Store:
    """A store of this module's own, since releases leave what they showed in its ledger."""
    return without_ledger(sample_store, tmp_path_factory.mktemp("attacked") / "sample")


@pytest.fixture(scope="module")
def policy(sample_city, tmp_path_factory):
    return short_policy(tmp_path_factory.mktemp("policy"), sample_city)


@pytest.fixture(scope="module")
def three(sample_city, store, policy, tmp_path_factory) -> list[Path]:
    root = tmp_path_factory.mktemp("out")
    return [build_release(replace(sample_city, as_of=day), store, policy, root) for day in DAYS]


@pytest.fixture(scope="module")
def calls(store) -> pd.DataFrame:
    return counted(store, LEVELS)


@pytest.mark.parametrize("which", [[0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2]], ids=str)
def test_nothing_hidden_is_found(three, calls, which):
    found = attack([three[number] for number in which], calls)
    print(found)
    assert found.is_nothing, found
    assert found.hidden > 50
    assert found.attacked > 50


def test_the_releases_are_of_one_two_and_three_blocks(three):
    told = known(three)
    assert [len(block) for block in told.blocks] == [4, 2, 1]
    spanning = [cell for cell, named in zip(told.cells, told.named, strict=True) if named and len(cell[3]) > 4]
    assert len(spanning) > 100
    assert len(told.ties) > 500


def test_releases_have_one_symbol_for_hidden_and_tell_no_share_of_it(three):
    """A second symbol would tell parts of small totals from others; a share of a hidden total gives that total."""
    told = known(three)
    assert not told.withheld.any()
    assert not told.ranges


def test_without_complements_the_same_attack_finds_hidden_numbers(
    sample_city, sample_store, policy, calls, tmp_path, monkeypatch
):
    bare = without_ledger(sample_store, tmp_path / "sample")
    monkeypatch.setattr("pipelines.release_build.Given", partial(Given, complements=False))
    city = replace(sample_city, as_of=DAYS[1])
    found = attack([build_release(city, bare, policy, tmp_path / "out")], calls)
    print(found)
    assert len(found.recovered) > 10
    assert not found.is_nothing


def test_a_withheld_total_over_blocks_that_is_told_is_found(three, store, calls, tmp_path):
    """Each total of which just one block hides its part gives that part away."""
    truth = {row[:-1]: int(row[-1]) for row in _ledger_cells(store).itertuples(index=False, name=None)}
    cells = pd.read_parquet(three[2] / "cells.parquet")
    key = ["level", "geoid", "need", "leg", "outcome"]
    whole = cells[(cells["grain"] == "whole") & (cells["leg"] == "respond")]
    blocks = whole[whole["period"].isin(["2023Q1-2023Q4", "2024Q1-2024Q2", "2024Q3"])]
    closed = blocks.assign(closed=blocks["state"] != "shown").groupby(key)["closed"].sum()
    withheld = whole[whole["period"].eq("2023Q1-2024Q3") & whole["state"].eq("hidden")]
    one = withheld[closed.reindex(pd.MultiIndex.from_frame(withheld[key])).eq(1).to_numpy()]
    n = [truth[row] for row in one[key].itertuples(index=False, name=None)]
    told = cells.copy()
    told.loc[one.index, "n"] = pd.array(n, dtype="Int64")
    told.loc[one.index, "state"] = "shown"
    folder = _copied(three[2], tmp_path / "told")
    told.to_parquet(folder / "cells.parquet")
    found = attack([folder], calls)
    assert len(one)
    assert len(found.recovered) >= len(one)


def _ledger_cells(store) -> pd.DataFrame:
    """Counts over all blocks of every cell of outcomes: level, geoid, need, leg, outcome, n."""
    full = pd.concat([block.cells for block in release_ledger.read(store)])
    full = full[(full["period_level"] == "whole") & (full["hour_level"] == "hours") & (full["outcome_level"] != "all")]
    full = full.assign(leg=full["outcome_level"].str.removesuffix("_unmet"))
    return full.groupby(["area_level", "area", "need", "leg", "outcome"])["n"].sum().reset_index()


def test_a_share_of_a_hidden_total_is_found(three, calls, tmp_path):
    """A city with one hidden outcome: calls of the leg = shown ÷ share, and the hidden one is what is left."""
    folder = _copied(three[0], tmp_path / "told")
    told = json.loads((folder / "release.json").read_text("utf-8"))
    cells = pd.read_parquet(folder / "cells.parquet")
    leg = cells[(cells["leg"] == "contact") & (cells["grain"] == "year") & (cells["outcome"] != "no_leg")]
    seen = leg[leg["level"] == "neighbourhood"]["n"].sum()
    every = calls[calls["quarter"].str.startswith("2023") & (calls["rollup"] == "behavioral_health")]
    told["blocks"][0]["shown"] = {"contact": round(seen / int((every["contact"] != "no_leg").sum()), 4)}
    (folder / "release.json").write_text(json.dumps(told), "utf-8")
    found = attack([folder], calls)
    assert any("city city" in cell and cell.endswith("contact uncertain") for cell in found.recovered), found


def _copied(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target))


def test_what_is_out_stays_out(three):
    """A cell that an earlier release shows has the same number in every later one, and one that it hides is hidden."""
    parts = [known([folder]) for folder in three]
    for early, late in ((0, 1), (1, 2), (0, 2)):
        then, now = (dict(zip(parts[at].cells, parts[at].n, strict=True)) for at in (early, late))
        both = [cell for cell in then if cell in now]
        assert len(both) > 200
        assert np.array_equal([then[cell] for cell in both], [now[cell] for cell in both], equal_nan=True)


def test_every_number_in_measures_is_made_of_shown_cells(three):
    """rate × population, share × total, rounded numbers per year: all follow from shown cells, so they add nothing."""
    for folder in three:
        measures, cells, calls = (
            pd.read_parquet(folder / f"{name}.parquet") for name in ("measures", "cells", "calls")
        )
        key = ["level", "geoid", "need", "leg", "grain", "period"]
        of_leg = cells[cells["outcome"] != "no_leg"]
        shown = of_leg.groupby(key).filter(lambda own: own["n"].notna().all()).set_index([*key, "outcome"])["n"]
        wide = shown.unstack("outcome").fillna(0).astype(int)
        told = measures[measures["leg"] != ""].set_index(key)
        assert set(told.index) == set(wide.index)
        wide = wide.loc[told.index]
        assert (told["n_calls"] == wide.sum(axis=1)).all()
        assert (told["at_least"] == wide["unmet"]).all()
        assert (told["at_most"] == wide["unmet"] + wide["uncertain"]).all()
        whole = measures[measures["leg"] == ""].set_index(key[:3] + key[4:])["n_calls"]
        expected = calls.dropna(subset="n").set_index(key[:3] + key[4:])["n"]
        assert whole.sort_index().equals(expected.sort_index().rename("n_calls"))
        years = {(one["grain"], one["period"]): one["years"] for one in _told(folder)["periods"]}
        length = np.array([years[one] for one in measures[["grain", "period"]].itertuples(index=False, name=None)])
        least = measures["at_least"].fillna(measures["n_calls"]).to_numpy(int)
        most = measures["at_most"].fillna(measures["n_calls"]).to_numpy(int)
        low, high = garwood_per_year(least, most, years=1.0)
        for name, per_year in (("per_year_low", low / length), ("per_year_high", high / length)):
            assert np.abs(measures[name].to_numpy(float) - per_year).max() < 1.5


def _told(folder: Path) -> dict:
    return json.loads((folder / "release.json").read_text("utf-8"))


def test_tables_are_the_same_whatever_the_hidden_numbers_are(three, store):
    """Order of rows, rows that are there, measures, totals: nothing but shown numbers and states decides them."""
    blocks = release_ledger.read(store)
    rng = np.random.default_rng(5)
    told, other = protected_tables(blocks), protected_tables([_otherwise(block, rng) for block in blocks])
    for name, table in told.items():
        pd.testing.assert_frame_equal(table, other[name])
        written = pd.read_parquet(three[2] / f"{name}.parquet")
        assert len(written) == len(table) > 100
        by = [column for column in ORDER if column in table]
        if name != "measures":
            assert written[by].equals(written[by].sort_values(by).reset_index(drop=True))


def _otherwise(block, rng):
    closed = block.cells["state"] != "shown"
    n = block.cells["n"].mask(closed, pd.Series(rng.integers(0, 10_000, len(closed)), index=closed.index))
    return replace(block, cells=block.cells.assign(n=n))


def test_no_number_lies_under_an_empty_cell_of_a_file(three):
    """Neither the values under the empty cells of a file nor its least and greatest number tell a small one."""
    for folder in three:
        for name in ("calls", "cells", "hours"):
            file = pq.ParquetFile(folder / f"{name}.parquet")
            at = file.schema_arrow.names.index("n")
            for group in range(file.num_row_groups):
                told = file.metadata.row_group(group).column(at).statistics
                assert told is None or told.min == 0 or told.min > 10
            column = file.read(["n"]).column("n").combine_chunks()
            below = np.frombuffer(column.buffers()[1], dtype=np.int64)[: len(column)]
            empty = column.is_null().to_numpy(zero_copy_only=False)
            assert empty.any()
            assert len(np.unique(below[empty])) == 1


def test_outlines_say_nothing_of_calls(three, store):
    """Areas stand in the order of the map, with people and no calls; recurring-call areas by need and place."""
    known_columns = {
        "level", "geoid", "name", "vintage", "role", "area_km2", "population", "population_moe", "households",
        "denominator_vintage", "rate_barred",
    }  # fmt: skip
    areas = store.read("areas")
    for level in ("tract", "neighbourhood"):
        told = json.loads((three[2] / f"areas_{level}.geojson").read_text("utf-8"))["features"]
        assert [one["properties"]["geoid"] for one in told] == areas.loc[areas["level"] == level, "geoid"].tolist()
        assert set(told[0]["properties"]) <= known_columns
    spots = json.loads((three[2] / "hotspots.geojson").read_text("utf-8"))["features"]
    assert all(set(one["properties"]) == {"number", "need", "class", "status", "peak_block"} for one in spots)
    needs = [one["properties"]["need"] for one in spots]
    assert needs == sorted(needs)


def test_a_partner_who_reads_the_public_releases_too_finds_nothing(sample_city, store, three, calls, tmp_path):
    partner = build_release(sample_city, store, short_policy(tmp_path, sample_city, slug="partner"), tmp_path / "out")
    assert attack([partner], calls).is_nothing
    found = attack([partner, *three], calls)
    assert found.is_nothing, (len(found.recovered), len(found.narrow), len(found.rests))
