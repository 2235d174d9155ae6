"""Planted cities of three seeds and three sizes, three releases each: nothing hidden is found, alone or together.

Without complements the same attack finds numbers in every one of them. `-rP` prints what each attack did.
"""

import time
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from pipelines.city import City
from pipelines.flow import run
from pipelines.policy import Policy, load_policy
from pipelines.release import build_release
from pipelines.release_design import Given
from pipelines.sample import write_sample
from pipelines.store import Store
from tests.release_attack import known
from tests.release_attack_lp import attack
from tests.release_attack_truth import counted
from tests.releases import short_policy, without_ledger
from tests.runs import write_city

DAYS = (date(2024, 2, 1), date(2024, 8, 1), None)
SIZES, SEEDS = (3_000, 8_000, 20_000), (1, 2, 3)
CASES = [
    pytest.param(size, seed, ladder, marks=[] if (size, seed, ladder) == (3_000, 1, "short") else pytest.mark.slow)
    for size in SIZES
    for seed in SEEDS
    for ladder in (("short", "whole") if seed == 1 else ("short",))
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(city, store) of a size and seed, each made once."""
    found: dict[tuple[int, int], tuple[City, Store]] = {}

    def make(size: int, seed: int) -> tuple[City, Store]:
        if (size, seed) not in found:
            root = tmp_path_factory.mktemp(f"{size}-{seed}")
            write_sample(root / "raw", n_calls=size, seed=seed)
            city = write_city(root / "sample.toml", n_sim="19")
            run(city, root / "raw", root / "store")
            found[size, seed] = city, Store(root / "store")
        return found[size, seed]

    return make


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("size", "seed", "ladder"), CASES)
def test_nothing_hidden_is_found_in_a_planted_city(made, size, seed, ladder, tmp_path):
    city, made_store = made(size, seed)
    store = without_ledger(made_store, tmp_path / "store")
    policy = short_policy(tmp_path, city) if ladder == "short" else load_policy("public", city=city)
    folders = released(city, store, policy, tmp_path / "out")
    calls = counted(store, known(folders).levels)
    for which in ([0], [1], [2], [0, 1], [0, 1, 2]):
        started = time.perf_counter()
        found = attack([folders[number] for number in which], calls)
        print(size, seed, ladder, which, replace(found, rests=()), f"{time.perf_counter() - started:.1f} s")
        assert found.is_nothing, found
    assert found.hidden >= 10
    assert found.attacked >= 10


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("size", "seed"), [case.values[:2] for case in CASES if case.values[2] == "short"])
@pytest.mark.slow
def test_without_complements_a_planted_city_is_found_out(made, size, seed, tmp_path, monkeypatch):
    city, made_store = made(size, seed)
    store = without_ledger(made_store, tmp_path / "store")
    monkeypatch.setattr("pipelines.release_build.Given", partial(Given, complements=False))
    folders = released(city, store, short_policy(tmp_path, city), tmp_path / "out")
    found = attack(folders, counted(store, known(folders).levels))
    print(
        size,
        seed,
        "without complements:",
        *map(len, (found.recovered, found.narrow, found.rests)),
        "of",
        found.attacked,
    )
    assert len(found.recovered) > 0


def released(city: City, store: Store, policy: Policy, root: Path) -> list[Path]:
    """Three releases, one after another."""
    return list(dict.fromkeys(build_release(replace(city, as_of=day), store, policy, root) for day in DAYS))
