"""Reference systems: the right zone, the refusals, and the hypothesis that fits bad coordinates."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from geo.crs import diagnose, haversine_m, metric_crs, require_metric, to_metric
from geo.errors import CrsError, InputError

NEW_ORLEANS = (-90.14, 29.86, -89.62, 30.20)
SYDNEY = (150.9, -34.1, 151.4, -33.6)
# lon1, lat1, lon2, lat2, haversine m, UTM code, UTM m, Web Mercator m
PAIRS = {
    "New Orleans": (
        -90.0715,
        29.9511,
        -90.064,
        29.947,
        854.4008579023963,
        32615,
        855.3493560917403,
        987.174531526396,
    ),
    "Seattle": (
        -122.3321,
        47.6062,
        -122.3035,
        47.498,
        12221.261846592182,
        32610,
        12216.44683748742,
        18128.0014176464,
    ),
    "Anchorage": (
        -149.9003,
        61.2181,
        -149.75,
        61.18,
        9098.16266919225,
        32606,
        9127.680170391694,
        18906.0742421138,
    ),
    "same": (-75.1, 39.9, -75.1, 39.9, 0.0, 32618, 0.0, 0.0),
}


def points(bbox: tuple[float, float, float, float], n: int = 60) -> tuple[Any, Any]:
    rng = np.random.default_rng(4)
    return rng.uniform(bbox[0], bbox[2], n), rng.uniform(bbox[1], bbox[3], n)


def project(lon: Any, lat: Any, code: int) -> tuple[Any, Any]:
    x, y = Transformer.from_crs(4326, code, always_xy=True).transform(lon, lat)
    return np.asarray(x), np.asarray(y)


@pytest.mark.parametrize("city", PAIRS)
def test_distance_of_known_pairs(city: str) -> None:
    lon1, lat1, lon2, lat2, haversine, code, utm, _ = PAIRS[city]
    assert metric_crs([lon1, lon2], [lat1, lat2]) == code
    assert haversine_m(lon1, lat1, lon2, lat2) == pytest.approx(haversine, abs=0.01)
    x, y = to_metric([lon1, lon2], [lat1, lat2], source_crs="EPSG:4326", target_crs=code)
    assert np.hypot(*np.diff([x, y])).item() == pytest.approx(utm, abs=0.01)


@pytest.mark.oracle
def test_oracle_distance(oracle_dir: Path) -> None:
    expected = json.loads((oracle_dir / "distance" / "expected.json").read_text())
    feet = expected.pop("NOLA_epsg3452_usft")
    for case in expected.values():
        ends = case["lon1"], case["lat1"], case["lon2"], case["lat2"]
        assert haversine_m(*ends) == pytest.approx(case["haversine_m"], abs=0.01)
        assert metric_crs(ends[::2], ends[1::2]) == case["utm_epsg"]
        x, y = to_metric(ends[::2], ends[1::2], source_crs=4326, target_crs=case["utm_epsg"])
        assert np.hypot(*np.diff([x, y])).item() == pytest.approx(case["utm_m"], abs=0.01)
    from_feet = to_metric(feet["x_usft"], feet["y_usft"], source_crs="EPSG:3452", target_crs=32615)
    from_degrees = to_metric(feet["lon"], feet["lat"], source_crs=4326, target_crs=32615)
    np.testing.assert_allclose(from_feet, from_degrees, atol=0.01)


def test_us_survey_feet_are_not_international_feet() -> None:
    x, y = to_metric(3680431.581402399, 529909.5917900706, source_crs="EPSG:3452", target_crs=32615)
    true_x, true_y = to_metric(-90.0715, 29.9511, source_crs=4326, target_crs=32615)
    assert np.hypot(x - true_x, y - true_y).item() < 0.01
    wrong = to_metric(3680431.581402399 * 0.3048, 529909.5917900706 * 0.3048, source_crs=26982, target_crs=32615)
    assert np.hypot(wrong[0] - true_x, wrong[1] - true_y).item() > 1


def test_web_mercator_would_overstate() -> None:
    for lon1, lat1, lon2, lat2, _, _, utm, mercator in list(PAIRS.values())[:3]:
        x, y = project([lon1, lon2], [lat1, lat2], 3857)
        assert np.hypot(*np.diff([x, y])).item() == pytest.approx(mercator, abs=0.01)
        assert mercator > 1.15 * utm


@pytest.mark.parametrize(
    "crs", ["EPSG:3857", "EPSG:3395", "EPSG:4326", "EPSG:4269", "EPSG:3452", "EPSG:32662", "EPSG:999999"]
)
def test_unfit_working_systems_are_refused(crs: str) -> None:
    with pytest.raises(CrsError, match=r"\[.*\]"):
        require_metric(crs)
    with pytest.raises(CrsError):
        to_metric([1.0], [2.0], source_crs=4326, target_crs=crs)


@pytest.mark.parametrize("crs", [32615, "EPSG:26982", "EPSG:26931", "EPSG:5070"])
def test_metric_working_systems_pass(crs: object) -> None:
    assert require_metric(crs).is_projected


@pytest.mark.parametrize(
    ("lons", "lats"),
    [
        ([3_680_431.0], [529_909.0]),
        ([np.nan], [np.nan]),
        ([], []),
        ([-90.0, 0.0], [30.0, 0.0]),
        ([10.0], [86.0]),
        ([29.95], [-90.07 - 1]),
    ],
)
def test_no_zone_from_what_is_no_city(lons: list[float], lats: list[float]) -> None:
    with pytest.raises(CrsError):
        metric_crs(lons, lats)


def test_zones_at_the_edges() -> None:
    assert metric_crs([5.3], [60.4]) == 32632  # Bergen lies in the widened zone
    assert metric_crs([15.6], [78.2]) == 32633  # Longyearbyen
    assert metric_crs([151.2], [-33.9]) == 32756
    assert metric_crs([180.0], [0.0]) == 32660


@given(st.floats(-179.9, 179.9), st.floats(-79, 55))
@settings(deadline=None)
def test_zone_is_never_more_than_three_degrees_away(lon: float, lat: float) -> None:
    zone = metric_crs([lon], [lat]) % 100
    assert abs((zone * 6 - 183) - lon) <= 3.0 + 1e-9


def test_to_metric_keeps_missing_missing() -> None:
    x, y = to_metric([-90.07, np.nan, -90.07], [29.95, 29.95, np.inf], source_crs=4326, target_crs=32615)
    assert np.isfinite([x[0], y[0]]).all()
    assert np.isnan([x[1], y[1], x[2], y[2]]).all()


def test_columns_must_be_equally_long() -> None:
    with pytest.raises(InputError, match="equal length"):
        to_metric([1.0, 2.0], [1.0], source_crs=4326, target_crs=32615)


def test_diagnose_ok_and_junk_left_out() -> None:
    lon, lat = points(NEW_ORLEANS)
    lon[:10], lat[:10] = 0.0, 0.0
    lon[10] = np.nan
    found = diagnose(lon, lat, crs="EPSG:4326", bbox=NEW_ORLEANS)
    assert (found.hypothesis, found.share_inside, found.fits_crs) == ("ok", 1.0, "EPSG:4326")


def test_diagnose_in_degrees() -> None:
    lon, lat = points(NEW_ORLEANS)
    for hypothesis, x, y in [
        ("swapped", lat, lon),
        ("sign_lost", -lon, lat),
        ("scaled_1e6", lon * 1e6, lat * 1e6),
        ("unknown", lon + 40, lat),
    ]:
        found = diagnose(x, y, crs="EPSG:4326", bbox=NEW_ORLEANS)
        assert found.hypothesis == hypothesis
        assert found.share_inside == 0.0
        assert "100% of points fall outside" in found.sentence
    lon, lat = points(SYDNEY)
    assert diagnose(lon, -lat, crs="EPSG:4326", bbox=SYDNEY).hypothesis == "sign_lost"


def test_diagnose_projected_values_called_degrees() -> None:
    lon, lat = points(NEW_ORLEANS)
    feet = diagnose(*project(lon, lat, 3452), crs="EPSG:4326", bbox=NEW_ORLEANS)
    assert feet.hypothesis == "feet"
    metres = diagnose(*project(lon, lat, 32615), crs="EPSG:4326", bbox=NEW_ORLEANS)
    assert metres.hypothesis == "metres"
    assert "projected" in metres.sentence


def test_diagnose_units_of_a_projected_system() -> None:
    lon, lat = points(NEW_ORLEANS)
    x, y = project(lon, lat, 3452)
    metre_x, metre_y = project(lon, lat, 26982)
    assert diagnose(lon, lat, crs="EPSG:3452", bbox=NEW_ORLEANS).hypothesis == "degrees"
    assert diagnose(lat, lon, crs="EPSG:3452", bbox=NEW_ORLEANS).hypothesis == "degrees"
    assert diagnose(metre_x, metre_y, crs="EPSG:3452", bbox=NEW_ORLEANS).hypothesis == "metres"
    assert diagnose(x, y, crs="EPSG:26982", bbox=NEW_ORLEANS).hypothesis == "feet"
    assert diagnose(y, x, crs="EPSG:3452", bbox=NEW_ORLEANS).hypothesis == "swapped"
    assert diagnose(x, y, crs="EPSG:3452", bbox=NEW_ORLEANS).hypothesis == "ok"


def test_diagnose_half_outside_is_not_a_column_fault() -> None:
    lon, lat = points(NEW_ORLEANS)
    lon[:30], lat[:30] = lat[:30].copy(), lon[:30].copy()
    assert diagnose(lon, lat, crs="EPSG:4326", bbox=NEW_ORLEANS).hypothesis == "ok"
    lon[30], lat[30] = lat[30], lon[30]
    assert diagnose(lon, lat, crs="EPSG:4326", bbox=NEW_ORLEANS).hypothesis == "swapped"


def test_diagnose_refuses_what_it_cannot_judge() -> None:
    with pytest.raises(InputError, match="box"):
        diagnose([1.0], [1.0], crs="EPSG:4326", bbox=(29.8, -90.2, 30.2, -91.0))
    with pytest.raises(CrsError, match="999999"):
        diagnose([1.0], [1.0], crs="EPSG:999999", bbox=NEW_ORLEANS)
    assert diagnose([0.0, np.nan], [0.0, 1.0], crs="EPSG:4326", bbox=NEW_ORLEANS).hypothesis == "unknown"
