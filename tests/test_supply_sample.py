"""The sample city's directory, read back, says of every service what the sample says is true of it."""

import numpy as np
import pandas as pd
import pytest

from geo.hours import unpack
from pipelines.city import load_city
from pipelines.resources import data_path
from pipelines.sample.supply import SERVICES, Service, mask, position
from pipelines.supply import services


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    logged = frozenset(one.id for one in SERVICES if one.has_duty_log)
    return services(load_city("sample"), data_path("sample"), duty_ids=logged).services


@pytest.mark.parametrize("truth", SERVICES, ids=lambda one: one.name)
def test_a_service_reads_back_as_it_is(truth: Service, table: pd.DataFrame) -> None:
    rows = table[table["service_id"] == truth.id]
    expected = {(need, access, match) for need, match in truth.match.items() for access in truth.access}
    assert set(zip(rows["need"], rows["access"], rows["match"])) == expected
    hours = mask(truth.hours)
    intake = mask(truth.intake) if truth.intake or truth.needs_intake else hours
    for row in rows.itertuples():
        assert tuple(tier for tier in range(3) if getattr(row, f"takes_t{tier}")) == truth.takes
        assert (row.leg, row.person) == (truth.leg, truth.person)
        assert (row.is_emergency_department, row.is_confidential) == (
            truth.is_emergency_department,
            truth.is_confidential,
        )
        for got, want in ((row.hours, hours), (row.intake, intake)):
            assert (got is None) == (want is None)
            assert want is None or (unpack(got) == want).all()
        silent = "none" if truth.leg == "place" else "unknown"
        assert row.zone_state == ("polygon" if truth.zone else silent)
        where = position(truth)
        assert pd.isna(row.x) == (where is None)
        assert where is None or np.hypot(where[0] - row.x, where[1] - row.y) < 0.5


def test_one_match_is_under_review_and_one_place_hides(table: pd.DataFrame) -> None:
    assert (table["match"] == "review").any()
    hidden = table[table["is_confidential"].astype(bool)]
    assert len(hidden)
    assert hidden[["x", "y"]].isna().all(axis=None)
