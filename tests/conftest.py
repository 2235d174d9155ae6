"""Fixtures shared by all tests: where real data and larger oracles live, or a skip that says why."""

import os
from pathlib import Path

import pytest


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


def _real_data() -> Path:
    named = os.environ.get("UNMET_REAL_DATA")
    if not named:
        pytest.skip("UNMET_REAL_DATA is not set: real data is not at hand")
    folder = Path(named).expanduser().resolve()
    if not folder.is_dir():
        pytest.skip(f"UNMET_REAL_DATA is no folder [{folder}]")
    return folder
