"""San Francisco by tract and by district, three releases each: nothing hidden is found, alone or together.

Its three windows lie in three quarters, so that the releases are of one, two and three blocks, years apart.
"""

import time
from dataclasses import replace
from datetime import date
from functools import partial

import pytest

from pipelines.city import City, load_city
from pipelines.flow import run
from pipelines.release import build_release
from pipelines.release_design import Given
from pipelines.store import Store
from tests.release_attack import known
from tests.release_attack_lp import attack
from tests.release_attack_truth import counted
from tests.releases import san_francisco_policy, without_ledger

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(1800)]
DAYS = (date(2016, 9, 1), date(2019, 6, 1), date(2020, 3, 1))


@pytest.fixture(scope="module")
def city() -> City:
    """San Francisco under the terms of a planted city: nobody has signed a policy for it, and nothing is published."""
    return replace(load_city("san_francisco"), is_synthetic=True)


@pytest.fixture(scope="module")
def made(real_data, tmp_path_factory) -> Store:
    folder = tmp_path_factory.mktemp("city") / "store"
    run(load_city("san_francisco"), real_data / "san_francisco", folder)
    return Store(folder)


@pytest.mark.parametrize("base", ["tract", "district"])
def test_nothing_hidden_is_found_in_san_francisco(city, made, base, tmp_path):
    store = without_ledger(made, tmp_path / "store")
    policy = san_francisco_policy(tmp_path, city, base=base)
    folders = [build_release(replace(city, as_of=day), store, policy, tmp_path / "out") for day in DAYS]
    told = known(folders)
    calls = counted(store, told.levels)
    assert len(told.blocks) > 1
    for which in ([0], [1], [2], [0, 1], [0, 1, 2]):
        started = time.perf_counter()
        found = attack([folders[number] for number in which], calls)
        print(base, which, replace(found, rests=()), f"{time.perf_counter() - started:.1f} s")
        assert found.is_nothing, found
    assert found.hidden > 50
    assert found.attacked > 50


@pytest.mark.parametrize("base", ["tract", "district"])
def test_without_complements_san_francisco_is_found_out(city, made, base, tmp_path, monkeypatch):
    store = without_ledger(made, tmp_path / "store")
    policy = san_francisco_policy(tmp_path, city, base=base)
    monkeypatch.setattr("pipelines.release_build.Given", partial(Given, complements=False))
    folders = [build_release(replace(city, as_of=day), store, policy, tmp_path / "out") for day in DAYS]
    found = attack(folders, counted(store, known(folders).levels))
    print(base, "without complements:", *map(len, (found.recovered, found.narrow, found.rests)), "of", found.attacked)
    assert len(found.recovered) > 10
