"""Reach: straight line by access, and a supplied matrix of base areas to services."""

import pandas as pd
import pytest

from geo.errors import FileRejected
from pipelines.city import Travel
from pipelines.reach import WIDEST, reach
from tests import build


def places():
    xs = [100.0, 500.0, 1500.0, 1500.0]
    return pd.DataFrame(
        {
            "place_id": ["a", "b", "c", "hidden"],
            "x": [build.X0 + x for x in xs[:3]] + [None],
            "y": [build.Y0 + 700.0] * 3 + [None],
            "place_kind": "ordinary",
            "atom": [0, 0, 1, 2],
        }
    )


ATOMS = pd.DataFrame({"atom": [0, 1, 2], "tract": ["T1", "T2", "_unlocated"], "half": ["S", "S", "_unlocated"]})


def test_minutes_follow_speed_and_circuity_for_whoever_travels(tmp_path):
    services = build.services(build.service(), build.service(access="drop_off"))
    table = reach(build.city(), tmp_path, tmp_path, places(), services, ATOMS).set_index(["place_id", "access"])
    assert table.loc[("c", "walk_in"), "minutes"] == pytest.approx(1000 * 1.3 / (4800 / 60))
    assert table.loc[("c", "drop_off"), "minutes"] == pytest.approx(1000 * 1.3 / (25000 / 60))
    assert "hidden" not in table.index.get_level_values(0)


def test_reach_goes_as_far_as_the_faster_scenario_looks(tmp_path):
    limit_m = 30 * WIDEST * 80 / 1.3
    services = build.services(
        build.service(x=build.X0 + 500 - limit_m + 1), build.service(service_id="s2", x=build.X0 + 500 - limit_m - 1)
    )
    found = reach(build.city(), tmp_path, tmp_path, places(), services, ATOMS)
    assert set(found.loc[found["place_id"] == "b", "service_id"]) == {"s1"}


def matrix_city(tmp_path, text):
    (tmp_path / "minutes.csv").write_text(text, encoding="utf-8")
    return build.city(travel=Travel(matrix="minutes.csv"))


def test_a_supplied_matrix_replaces_distance(tmp_path):
    text = "geoid,service_id,access,minutes\nT1,s1,walk_in,12.5\nT2,s1,walk_in,90\nT1,other,walk_in,1\n"
    city = matrix_city(tmp_path, text)
    found = reach(city, tmp_path, tmp_path / "work", places(), build.services(build.service()), ATOMS)
    assert found["place_id"].tolist() == ["a", "b"]
    assert found["minutes"].tolist() == [12.5, 12.5]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("geoid,service_id,minutes\nT1,s1,5\n", "access"),
        ("geoid,service_id,access,minutes\nT1,s1,walk_in,soon\n", "no number"),
        ("geoid,service_id,access,minutes\nT1,s1,walk_in,-1\n", "no number"),
        ("geoid,service_id,access,minutes\nT1,s1,swim,5\n", "swim"),
        ("geoid,service_id,access,minutes\nT1,s1,walk_in,5\nT1,s1,walk_in,6\n", "twice"),
    ],
)
def test_a_faulty_matrix_is_refused_with_what_is_wrong(tmp_path, text, says):
    city = matrix_city(tmp_path, text)
    with pytest.raises(FileRejected, match=says):
        reach(city, tmp_path, tmp_path / "work", places(), build.services(build.service()), ATOMS)
