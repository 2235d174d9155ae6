"""Releases one after another for the same audience: what is out stays, new quarters are a block of their own."""

from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import pandas as pd
import pytest

from geo.errors import UnmetError
from pipelines import release_build, release_ledger
from pipelines.release import build_release, open_release
from pipelines.release_counts import closed_quarters
from pipelines.release_design import choose
from pipelines.release_protect import Rung
from pipelines.release_tables import _over_blocks, spanning
from pipelines.store import Store
from tests.releases import short_policy, without_ledger


@pytest.fixture(scope="module")
def store(sample_store, tmp_path_factory) -> Store:
    return without_ledger(sample_store, tmp_path_factory.mktemp("later") / "sample")


@pytest.fixture(scope="module")
def policy(sample_city, tmp_path_factory):
    return short_policy(tmp_path_factory.mktemp("policy"), sample_city)


@pytest.fixture(scope="module")
def releases(sample_city, store, policy, tmp_path_factory):
    """As of three days: two years' quarters but the last three, the same day again, and all that are closed."""
    root = tmp_path_factory.mktemp("out")
    days = (date(2024, 2, 1), date(2024, 2, 2), sample_city.as_of)
    return [open_release(build_release(replace(sample_city, as_of=day), store, policy, root)) for day in days]


def test_the_same_quarters_again_are_the_same_release(releases):
    first, again, last = releases
    assert first.folder == again.folder
    assert last.folder != first.folder


def test_what_is_out_stays_as_it_is(releases):
    first, _, last = releases
    for name in ("calls", "cells", "hours"):
        then, now = first.table(name), last.table(name)
        both = then.merge(now, on=[column for column in then.columns if column not in ("n", "state")], how="left")
        assert len(both) == len(then) > 20
        assert both["state_x"].equals(both["state_y"])
        assert both["n_x"].equals(both["n_y"])


def test_new_quarters_are_a_block_of_their_own(releases):
    blocks = releases[-1].told["blocks"]
    assert [one["quarters"] for one in blocks] == [
        ["2023Q1", "2023Q2", "2023Q3", "2023Q4"],
        ["2024Q1", "2024Q2", "2024Q3"],
    ]
    assert all(one["meets"] for one in blocks)


def test_a_total_over_blocks_is_told_where_each_is_shown(releases, store, policy):
    calls = releases[-1].table("calls")
    whole = calls[(calls["grain"] == "whole") & (calls["period"] == "2023Q1-2024Q3")]
    parts = calls[(calls["grain"] == "whole") & calls["period"].isin(["2023Q1-2023Q4", "2024Q1-2024Q3"])]
    assert set(whole["state"]) == {"shown", "hidden"}
    for row in whole.itertuples():
        own = parts[parts["level"].eq(row.level) & parts["geoid"].eq(row.geoid) & parts["need"].eq(row.need)]
        if row.state == "shown":
            assert own["state"].eq("shown").all()
            assert row.n == own["n"].sum()
        else:
            assert not own["state"].eq("shown").all()
    counted = pd.concat([block.base for block in release_ledger.read(store)])
    assert whole.loc[whole["level"] == "city", "n"].sum() == counted["n"].sum()


def test_a_block_that_shows_too_little_waits(sample_city, sample_store, tmp_path, monkeypatch):
    store = without_ledger(sample_store, tmp_path / "sample")
    policy = short_policy(tmp_path, sample_city)
    first = open_release(build_release(replace(sample_city, as_of=date(2024, 8, 1)), store, policy, tmp_path / "out"))
    monkeypatch.setattr(release_build, "choose", lambda given, step: replace(choose(given, step=step), meets=False))
    later = open_release(build_release(sample_city, store, policy, tmp_path / "out"))
    assert len(first.told["blocks"]) == len(later.told["blocks"]) == 1
    assert any("2024Q3" in line and "later" in line for line in later.told["banners"])
    assert len(release_ledger.read(store)) == 1
    assert later.table("calls").equals(first.table("calls"))


def test_late_calls_are_told_and_not_counted(sample_city, store, policy, releases):
    blocks = release_ledger.read(store)
    base = blocks[0].base
    assert release_ledger.late(pd.concat([block.base for block in blocks]), blocks) == 0
    more = base.assign(n=base["n"].where(base.index != 0, base["n"] + 3))
    assert release_ledger.late(more, blocks[:1]) == 3


def test_other_terms_are_refused(sample_city, store, policy, releases):
    with pytest.raises(UnmetError, match="one set of threshold"):
        release_ledger.check_terms(release_ledger.read(store), replace(policy, threshold=16))


def test_a_partner_is_told_what_the_public_is(sample_city, store, releases, tmp_path):
    policy = short_policy(tmp_path, sample_city, slug="partner")
    partner = open_release(build_release(sample_city, store, policy, tmp_path / "out"))
    public = releases[-1]
    for name in ("calls", "cells", "hours"):
        assert partner.table(name).equals(public.table(name))
    assert len(release_ledger.read(store)) == 2


def test_quarters_that_are_out_for_a_partner_wait_for_the_public(sample_city, store, policy, releases, tmp_path):
    early = replace(sample_city, as_of=date(2024, 6, 1))
    release = open_release(build_release(early, store, policy, tmp_path / "out"))
    assert [one["quarters"][-1] for one in release.told["blocks"]] == ["2023Q4"]
    assert not release.table("calls")["period"].str.contains("2024").any()


def test_unmet_beside_its_causes_is_summed_only_where_each_block_tells_it():
    cell = {"level": "city", "geoid": "city", "need": "a", "leg": "respond", "grain": "whole", "variant": "default"}
    told = [("available", 20), ("spatial", 30), ("temporal", 40), ("unmet", 70)]
    rows = [{**cell, "period": "2023Q1", "outcome": outcome, "n": n, "state": "shown"} for outcome, n in told]
    one = pd.DataFrame(rows).astype({"n": "Int64"})
    two = one[one["outcome"] != "unmet"].assign(period="2023Q2")
    rung = Rung(calls_level="city", calls_period="year", level="city", period="year", detail="causes", needs="each")
    blocks = [SimpleNamespace(quarters=(quarter,), rung=rung) for quarter in ("2023Q1", "2023Q2")]
    sums = pd.concat(_over_blocks([one, two], blocks)).set_index("outcome")["n"].to_dict()
    assert sums == {"available": 40, "spatial": 60, "temporal": 80}
    both = pd.concat(_over_blocks([one, one.assign(period="2023Q2")], blocks))
    assert both.loc[both["outcome"] == "unmet", "n"].tolist() == [140]


def test_a_sum_stops_where_one_block_lacks_the_table():
    cell = {"level": "city", "geoid": "city", "need": "a", "leg": "respond", "grain": "whole", "variant": "default"}
    told = [("available", 20), ("unmet", 30)]
    rows = [{**cell, "period": "2023Q1", "outcome": outcome, "n": n, "state": "shown"} for outcome, n in told]
    one = pd.DataFrame(rows).astype({"n": "Int64"})
    two = one.assign(period="2023Q2", n=one["n"] + 1).iloc[:1]
    (whole,) = spanning([one, two], [["2023Q1"], ["2023Q2"]])
    assert whole.set_index("outcome")["n"].to_dict() == {"available": 41, "unmet": 30}
    hidden = two.assign(n=pd.array([pd.NA], dtype="Int64"), state="hidden")
    (whole,) = spanning([one, hidden], [["2023Q1"], ["2023Q2"]])
    assert whole.set_index("outcome")["state"].to_dict() == {"available": "hidden", "unmet": "shown"}
    assert spanning([one, two.assign(leg="place")], [["2023Q1"], ["2023Q2"]]) == []


def test_quarters_older_than_what_is_out_are_not_added(sample_city, sample_store, policy, tmp_path, monkeypatch):
    store = without_ledger(sample_store, tmp_path / "sample")
    every = closed_quarters(sample_city, policy)
    monkeypatch.setattr(release_build, "closed_quarters", lambda city, policy: every[3:5])
    build_release(sample_city, store, policy, tmp_path / "out")
    monkeypatch.setattr(release_build, "closed_quarters", lambda city, policy: every[2:5])
    later = open_release(build_release(sample_city, store, policy, tmp_path / "out"))
    assert [one["quarters"] for one in later.told["blocks"]] == [["2023Q4", "2024Q1"]]
    assert any(line.startswith("2023Q3 are older") for line in later.told["banners"])
