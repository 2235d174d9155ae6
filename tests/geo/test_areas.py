"""Each point in exactly one area, counts conserved between vintages, faults of a coverage named."""

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from shapely import Polygon, box
from shapely.affinity import rotate, translate

from geo.areas import area_of, coverage_faults, interpolate, union_check
from geo.errors import CrsError, InputError, TableError

CRS = "EPSG:32615"
NAN = float("nan")


def frame(shapes: dict[str, Polygon], *, crs: str | None = CRS) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"geoid": list(shapes)}, geometry=list(shapes.values()), crs=crs)


def grid(n: int, *, size: float = 100.0, prefix: str = "t") -> gpd.GeoDataFrame:
    step = size / n
    cells = {
        f"{prefix}{row}{column}": box(column * step, row * step, (column + 1) * step, (row + 1) * step)
        for row in range(n)
        for column in range(n)
    }
    return frame(cells)


def test_inside_edge_corner_outside_missing() -> None:
    x = [10, 50, 50, 100.0, 150, NAN]
    y = [10, 10, 50, 100.0, 50, 10]
    assert area_of(x, y, grid(2)).tolist() == ["t00", "t00", "t00", "t11", None, None]


def test_order_of_rows_does_not_matter() -> None:
    areas = grid(3)
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 7, (2, 200)) * (100 / 6)
    turned = areas.iloc[::-1].reset_index(drop=True)
    assert area_of(x, y, areas).tolist() == area_of(x, y, turned).tolist()


def test_overlap_counts_once_for_the_smallest_id() -> None:
    areas = frame({"b": box(0, 0, 60, 100), "a": box(40, 0, 100, 100)})
    assert area_of([50, 10, 90], [50, 50, 50], areas).tolist() == ["a", "b", "a"]


def test_tolerance_closes_slivers_only() -> None:
    areas = frame({"a": box(0, 0, 49.5, 100), "b": box(50.5, 0, 100, 100)})
    assert area_of([49.9, 50.0, 50.1, 110], [50] * 4, areas).tolist() == [None] * 4
    assert area_of([49.9, 50.0, 50.1, 110], [50] * 4, areas, tolerance_m=1).tolist() == ["a", "a", "b", None]


def test_other_id_column_and_numbers_as_text() -> None:
    areas = grid(2).rename(columns={"geoid": "beat"}).assign(beat=[4, 3, 2, 1])
    assert area_of([10, 50], [10, 50], areas, id_column="beat").tolist() == ["4", "1"]


def test_no_points_no_areas() -> None:
    assert area_of([], [], grid(2)).tolist() == []
    assert area_of([1.0], [1.0], grid(2).iloc[:0]).tolist() == [None]


def test_area_of_refuses() -> None:
    areas = grid(2)
    with pytest.raises(TableError, match="more than once"):
        area_of([1], [1], areas.assign(geoid="t"))
    with pytest.raises(TableError, match=r"\[1\] without"):
        area_of([1], [1], areas.assign(geoid=["a", "b", "c", None]))
    with pytest.raises(TableError, match=r"\[beat\]"):
        area_of([1], [1], areas, id_column="beat")
    with pytest.raises(InputError, match="equal length"):
        area_of([1, 2], [1], areas)
    with pytest.raises(CrsError, match="4326"):
        area_of([1], [1], areas.set_crs("EPSG:4326", allow_override=True))


coordinates = st.one_of(st.floats(-20, 120), st.integers(-2, 12).map(lambda k: k * 10.0))


@given(st.lists(st.tuples(coordinates, coordinates), max_size=40), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_each_point_counted_exactly_once(points: list[tuple[float, float]], n: int) -> None:
    x, y = np.array(points).reshape(-1, 2).T
    found = area_of(x, y, grid(n))
    inside = (x >= 0) & (x <= 100) & (y >= 0) & (y <= 100)
    assert [value is not None for value in found] == inside.tolist()
    again = area_of(np.r_[x, x], np.r_[y, y], grid(n))
    assert again.tolist() == [*found, *found]


def test_interpolate_by_area() -> None:
    source = frame({"s1": box(0, 0, 100, 50), "s2": box(0, 50, 100, 100)})
    target = frame({"left": box(0, 0, 25, 100), "right": box(25, 0, 100, 100)})
    out = interpolate([100.0, 40.0], source, target)
    np.testing.assert_allclose(out.values, [35, 105])
    assert out.outside == 0


def test_interpolate_by_population() -> None:
    source = frame({"s": box(0, 0, 100, 100), "empty": box(100, 0, 200, 100)})
    target = frame({"left": box(0, 0, 50, 100), "right": box(50, 0, 200, 100)})
    people = ([10.0, 60.0, 70.0], [50.0, 50.0, 50.0], [30.0, 60.0, 10.0])
    out = interpolate([1000.0, 8.0], source, target, weights=people)
    np.testing.assert_allclose(out.values, [300, 708])
    with pytest.raises(InputError, match="population"):
        interpolate([1.0, 1.0], source, target, weights=([1.0], [1.0], [-2.0]))


def test_interpolate_says_what_is_outside() -> None:
    source = frame({"s": box(0, 0, 100, 100), "far": box(500, 0, 600, 100)})
    target = frame({"t": box(0, 0, 75, 100)})
    out = interpolate([40.0, 7.0], source, target)
    np.testing.assert_allclose(out.values, [30])
    assert out.outside == pytest.approx(17)
    sliver = interpolate([40.0, 0.0], source, frame({"t": box(0, 0, 99.95, 100)}))
    assert sliver.values.item() == pytest.approx(40)
    assert sliver.outside == 0


def test_interpolate_keeps_missing_missing() -> None:
    source = frame({"s1": box(0, 0, 100, 50), "s2": box(0, 50, 100, 100)})
    target = frame({"low": box(0, 0, 100, 25), "mid": box(0, 25, 100, 75), "top": box(0, 75, 100, 100)})
    np.testing.assert_allclose(interpolate([8.0, NAN], source, target).values, [4, NAN, NAN])
    with pytest.raises(InputError, match="one value"):
        interpolate([1.0], source, target)


@given(arrays(np.float64, 9, elements=st.floats(0, 1e4)), st.floats(0, 90), st.floats(-60, 60), st.booleans())
@settings(max_examples=40, deadline=None)
def test_interpolation_conserves(values: np.ndarray, angle: float, shift: float, with_points: bool) -> None:
    source, target = grid(3), grid(4, prefix="n")
    target.geometry = [translate(rotate(shape, angle, origin=(50, 50)), shift) for shape in target.geometry]
    rng = np.random.default_rng(1)
    weights = (*rng.uniform(0, 100, (2, 200)), rng.uniform(0, 9, 200)) if with_points else None
    out = interpolate(values, source, target, weights=weights)
    assert out.values.sum() + out.outside == pytest.approx(values.sum(), rel=1e-9, abs=1e-6)
    assert (out.values >= 0).all()
    assert out.outside >= -1e-9


def test_a_level_onto_itself_is_unchanged() -> None:
    areas = grid(4)
    values = np.arange(16.0)
    np.testing.assert_allclose(interpolate(values, areas, areas).values, values, atol=1e-9)


def test_coverage_faults() -> None:
    bow = Polygon([(200, 0), (300, 100), (300, 0), (200, 100)])
    faults = coverage_faults(frame({"b": box(0, 0, 60, 100), "a": box(40, 0, 100, 100), "bow": bow}))
    assert [(o.first, o.second) for o in faults.overlaps] == [("a", "b")]
    assert faults.overlaps[0].area_m2 == pytest.approx(2000)
    assert faults.overlaps[0].share == pytest.approx(1 / 3)
    assert [name for name, _ in faults.invalid] == ["bow"]
    assert "Self-intersection" in faults.invalid[0][1]
    clean = coverage_faults(grid(5))
    assert clean.overlaps == ()
    assert clean.invalid == ()
    assert coverage_faults(frame({"e": Polygon()})).invalid == (("e", "empty shape"),)


def test_union_check() -> None:
    parents = frame({"west": box(0, 0, 50, 100), "east": box(50, 0, 100, 100)})
    exact = union_check(parents, grid(4))
    assert [check.parent for check in exact] == ["east", "west"]
    assert all(check.is_exact for check in exact)
    assert exact[1].children == ("t00", "t01", "t10", "t11", "t20", "t21", "t30", "t31")
    third = union_check(parents, grid(3))
    assert not any(check.is_exact for check in third)
    assert third[1].missing_share == pytest.approx(1 / 3)
    lost = union_check(parents, grid(4).query("geoid != 't00'"))
    assert [check.is_exact for check in lost] == [True, False]
    assert lost[1].missing_share == pytest.approx(1 / 8)
    grown = union_check(frame({"p": box(0, 0, 90, 100)}), grid(2))
    assert grown[0].excess_share == pytest.approx(1 / 9)
    with pytest.raises(InputError, match=r"\[p\]"):
        union_check(frame({"p": Polygon()}), grid(2))
