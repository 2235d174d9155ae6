"""Fixtures shared by all tests: where real data and larger oracles live, or a skip that says why."""

import os
from pathlib import Path

import pytest

from pipelines.city import City, load_city
from pipelines.flow import run
from pipelines.resources import data_path
from pipelines.store import Store
from tests import runs


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real public data named by UNMET_REAL_DATA."""
    return _real_data()


@pytest.fixture(scope="session")
def oracle_dir() -> Path:
    """The folder of larger oracle inputs, the sibling `oracles` of UNMET_REAL_DATA."""
    folder = _real_data().parent / "oracles"
    if not folder.is_dir():
        pytest.skip(f"no oracles folder beside UNMET_REAL_DATA [{folder}]")
    return folder


@pytest.fixture(scope="session")
def sample_city() -> City:
    """The configuration of the committed sample city."""
    return load_city("sample")


@pytest.fixture(scope="session")
def sample_store(sample_city: City, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The sample city's store, made once a session from its committed raw files; read only."""
    folder = tmp_path_factory.mktemp("store") / "sample"
    run(sample_city, data_path("sample"), folder)
    return Store(folder)


@pytest.fixture(scope="session")
def small_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw files of a small sample city; copy before changing."""
    return runs.write_raw(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="session")
def small_city(tmp_path_factory: pytest.TempPathFactory) -> City:
    """The TOML of the small sample city."""
    return runs.write_city(tmp_path_factory.mktemp("city") / "sample.toml")


@pytest.fixture(scope="session")
def small_store(small_city: City, small_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small sample city's store; copy before changing."""
    folder = tmp_path_factory.mktemp("small") / "sample"
    run(small_city, small_raw, folder)
    return folder


def _real_data() -> Path:
    named = os.environ.get("UNMET_REAL_DATA")
    if not named:
        pytest.skip("UNMET_REAL_DATA is not set: real data is not at hand")
    folder = Path(named).expanduser().resolve()
    if not folder.is_dir():
        pytest.skip(f"UNMET_REAL_DATA is no folder [{folder}]")
    return folder
