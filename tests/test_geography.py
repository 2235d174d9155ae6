"""Areas and their residents: ids, shapes, counts, carrying over, and every refusal."""

import csv
import importlib
import json
import os
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely

from geo.errors import FileRejected
from pipelines.city import City, Denominator, Level, Window
from pipelines.geography import Geography, areas
from pipelines.readers.sandbox import Confined
from pipelines.states import state_fault, states_at

BOX = (-84.75, 39.00, -84.30, 39.30)
TRACTS = Level(
    name="tract", role="census", path="tracts.geojson", format="geojson", id="GEOID", vintage="2020", label="NAME"
)
TABLE = Denominator(
    level="tract",
    path="acs.csv",
    format="csv",
    id="GEOID",
    vintage="2018-2022",
    columns=(("population", "population"), ("population_moe", "population_moe")),
)


@pytest.fixture(autouse=True)
def in_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers run here, not in a child, to be quick; tests named `confined` keep the child."""
    if "confined" in request.node.name:
        return

    def here(function: str, kwargs: dict[str, Any], **_: Any) -> Confined:
        module, _, name = function.partition(":")
        value = getattr(importlib.import_module(module), name)(**json.loads(json.dumps(kwargs)))
        return Confined(value=json.loads(json.dumps(value)), walls=(), missing=())

    for module in ("directory", "table", "vector"):
        monkeypatch.setattr(f"pipelines.readers.{module}.run_confined", here)


def city(*levels: Level, tables: tuple[Denominator, ...] = (), bbox: tuple[float, ...] = BOX, **more: Any) -> City:
    settings: dict[str, Any] = {
        "slug": "testville",
        "name": "Testville",
        "is_synthetic": False,
        "timezone": "America/New_York",
        "crs": "EPSG:32616",
        "bbox": bbox,
        "windows": (Window(start=date(2024, 1, 1), end=date(2025, 1, 1)),),
        "services_as_of": date(2025, 1, 1),
        "levels": levels or (TRACTS,),
        "sources": (),
        "denominators": tables,
    }
    return City(**settings | more)


def square(column: int, row: int = 0, size: float = 0.05) -> list[list[list[float]]]:
    x, y = -84.70 + 0.05 * column, 39.08 + 0.05 * row
    return [[[x, y], [x + size, y], [x + size, y + size], [x, y + size], [x, y]]]


def layer(folder: Path, rows: dict[str, Any], name: str = "tracts.geojson") -> None:
    features = [
        {"type": "Feature", "properties": {"GEOID": key, "NAME": f"Tract {key}"}, "geometry": shape}
        for key, shape in rows.items()
    ]
    (folder / name).write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def polygon(column: int, row: int = 0, size: float = 0.05) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": square(column, row, size)}


def four(folder: Path) -> None:
    layer(folder, {f"3906100010{n}": polygon(n) for n in range(4)})


def table(folder: Path, *lines: str, header: str = "GEOID,population,population_moe") -> None:
    (folder / "acs.csv").write_text("\n".join([header, *lines]) + "\n")


def reasons(found: Geography) -> dict[str, int]:
    return dict(zip(found.quality["reason"], found.quality["n_rows"]))


def reconciles(found: Geography) -> bool:
    sums = found.counts[["rows_kept", "rows_quarantined", "rows_merged"]].sum(axis=1)
    return bool((sums == found.counts["rows_in"]).all())


def test_areas_are_in_metres_with_residents_by_id(tmp_path: Path) -> None:
    four(tmp_path)
    table(tmp_path, *[f"3906100010{n},{1000 * n},90" for n in range(4)])
    found = areas(city(tables=(TABLE,)), tmp_path)
    got = found.areas.set_index("geoid")
    assert got["population"].tolist() == [0, 1000, 2000, 3000]
    assert got["denominator_vintage"].unique().tolist() == ["2018-2022"]
    assert got["area_km2"].between(23, 25).all()
    assert got.loc["39061000101", "name"] == "Tract 39061000101"
    assert shapely.from_wkb(got["geometry"].iloc[0]).area == pytest.approx(got["area_km2"].iloc[0] * 1e6)
    assert got["rate_barred"].tolist() == ["rate withheld: fewer than 100 residents", None, None, None]
    assert reasons(found) == {"BAD_POPULATION": 1, "SMALL_DENOMINATOR": 1}
    assert reconciles(found)
    assert found.counts["rows_in"].tolist() == [4, 4]


def test_confined_readers_give_the_same(tmp_path: Path) -> None:
    four(tmp_path)
    table(tmp_path, *[f"3906100010{n},1000,90" for n in range(4)])
    assert areas(city(tables=(TABLE,)), tmp_path).areas["population"].tolist() == [1000] * 4


def test_ids_are_text_with_prefix_and_zeros_put_back(tmp_path: Path) -> None:
    layer(tmp_path, {f"00010{n}": polygon(n) for n in range(3)})
    table(tmp_path, *[f"606100010{n}.0,500,9" for n in range(3)])
    level = replace(TRACTS, id_prefix="06061", role="planning")
    found = areas(city(level, tables=(replace(TABLE, id_width=11),)), tmp_path)
    assert found.areas["geoid"].tolist() == ["06061000100", "06061000101", "06061000102"]
    assert found.areas["population"].tolist() == [500, 500, 500]
    assert reasons(found) == {"WARN_GEOID_PADDED": 3}


def test_where_keeps_and_names_what_it_leaves(tmp_path: Path) -> None:
    four(tmp_path)
    level = replace(TRACTS, where=(("NAME", "Tract 39061000102"),))
    found = areas(city(level), tmp_path)
    assert found.areas["geoid"].tolist() == ["39061000102"]
    assert reasons(found)["FILTERED"] == 3
    either = replace(TRACTS, where=(("NAME", "Tract 39061000102"), ("NAME", "Tract 39061000100")))
    assert areas(city(either), tmp_path).areas["geoid"].tolist() == ["39061000100", "39061000102"]
    with pytest.raises(FileRejected, match=r"expected the attribute \[NAMES\].*did you mean \[NAME\]"):
        areas(city(replace(TRACTS, label="NAMES")), tmp_path)


def test_faulty_rows_are_refused_and_repairs_are_measured(tmp_path: Path) -> None:
    bow = {
        "type": "Polygon",
        "coordinates": [[[-84.5, 39.1], [-84.4, 39.2], [-84.4, 39.1], [-84.5, 39.2], [-84.5, 39.1]]],
    }
    rows = {"39061000100": polygon(0), "": polygon(1), "39061000102": None, "39061000103": bow}
    rows["39061000104"] = {"type": "Polygon", "coordinates": [[[0, 10], [1, 10], [1, 11], [0, 10]]]}
    layer(tmp_path, rows)
    found = areas(city(), tmp_path)
    assert found.areas["geoid"].tolist() == ["39061000100", "39061000103"]
    assert found.quarantine[["source_line", "reason"]].to_numpy().tolist() == [
        [2, "MISSING_KEY"],
        [3, "GEOM_MISSING"],
        [5, "COORD_OUT_OF_BOUNDS"],
    ]
    assert reasons(found)["GEOM_INVALID"] == 1
    assert reconciles(found)


def test_parts_of_one_area_are_joined(tmp_path: Path) -> None:
    features = [
        {"type": "Feature", "properties": {"GEOID": "A", "NAME": "A"}, "geometry": polygon(column)} for column in (0, 2)
    ]
    (tmp_path / "tracts.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    found = areas(city(replace(TRACTS, role="planning")), tmp_path)
    assert len(found.areas) == 1
    assert found.areas["area_km2"].iloc[0] == pytest.approx(48, abs=2)
    assert found.counts["rows_merged"].tolist() == [1]


def test_overlap_is_refused_and_a_sliver_is_said(tmp_path: Path) -> None:
    layer(tmp_path, {"1": polygon(0), "2": polygon(1), "3": polygon(0, size=0.08)})
    with pytest.raises(FileRejected, match=r"GEOG_OVERLAP.*overlap area") as caught:
        areas(city(), tmp_path)
    assert "1 and 3" in str(caught.value)
    layer(tmp_path, {"1": polygon(0, size=0.0501), "2": polygon(1)})
    assert reasons(areas(city(), tmp_path))["GEOG_SLIVER"] == 1


def test_wrong_places_are_refused_with_what_fits(tmp_path: Path) -> None:
    swapped = {"type": "Polygon", "coordinates": [[[y, x] for x, y in square(0)[0]]]}
    layer(tmp_path, {"39061000100": swapped})
    with pytest.raises(FileRejected, match=r"COORD_SWAPPED.*axes look swapped"):
        areas(city(), tmp_path)
    layer(tmp_path, {"39061000100": {"type": "Polygon", "coordinates": [[[7e5, 4e6], [7.1e5, 4e6], [7e5, 4.1e6]]]}})
    with pytest.raises(FileRejected, match=r"COORD_OUT_OF_BOUNDS.*values look projected"):
        areas(city(), tmp_path)
    layer(tmp_path, {f"0603700010{n}": polygon(n) for n in range(3)})
    with pytest.raises(FileRejected, match=r"GEOID_FORMAT.*06037.*California.*39"):
        areas(city(), tmp_path)
    assert areas(city(is_synthetic=True), tmp_path).areas["geoid"].tolist()[0] == "06037000100"


def test_states_come_from_the_systems_in_use_there() -> None:
    assert states_at((-122.6, 37.6, -122.3, 37.9)) == {"06"}
    assert states_at((-97, 46.7, -96.6, 47)) == {"27", "38"}
    assert states_at((2.2, 48.8, 2.4, 48.9)) == frozenset()
    assert state_fault(["06075010100"], (-122.6, 37.6, -122.3, 37.9)) is None
    assert state_fault(["1", "2"], BOX) is None


@pytest.mark.parametrize(
    ("value", "people"),
    [
        ("-666666666", np.nan),
        ("(X)", np.nan),
        ("", np.nan),
        ("-", np.nan),
        ("4,000", np.nan),
        ("1e12", np.nan),
        ("7", 7),
    ],
)
def test_residents_that_are_no_number_are_never_used(tmp_path: Path, value: str, people: float) -> None:
    layer(tmp_path, {"39061000100": polygon(0)})
    table(tmp_path, f'39061000100,"{value}",9')
    found = areas(city(tables=(TABLE,)), tmp_path)
    np.testing.assert_equal(found.areas["population"].to_numpy(), [people])
    assert ("BAD_POPULATION" in reasons(found)) == np.isnan(people)
    assert str(found.areas["rate_barred"].iloc[0]).startswith("rate withheld")


def test_margins(tmp_path: Path) -> None:
    four(tmp_path)
    table(tmp_path, "39061000100,400,900", "39061000101,400,*****", "39061000102,400,-222222222", "39061000103,400,9")
    found = areas(city(tables=(TABLE,)), tmp_path)
    np.testing.assert_equal(found.areas["population_moe"].to_numpy(), [900, 0, np.nan, 9])
    assert reasons(found) == {"WARN_UNRELIABLE": 1}


def test_label_row_prefix_repeats_and_conflicts(tmp_path: Path) -> None:
    four(tmp_path)
    lines = ["Geography,Estimate!!Total,Margin of Error!!Total"]
    lines += [f"1400000US3906100010{n},500,9" for n in range(4)]
    lines += ["1400000US39061000101,500,9", "1400000US39061000101,501,9", ",1,1", "1,2"]
    table(tmp_path, *lines)
    found = areas(city(tables=(TABLE,)), tmp_path)
    assert found.areas["population"].tolist() == [500] * 4
    assert reasons(found) == {"WARN_LABEL_ROW": 1, "WARN_GEOID_PREFIX": 6}
    assert sorted(found.quarantine["reason"]) == ["DUPLICATE_CONFLICT", "MISSING_KEY", "ROW_WIDTH"]
    assert found.counts.iloc[1][["rows_in", "rows_kept", "rows_quarantined", "rows_merged"]].tolist() == [9, 4, 3, 2]


def test_a_table_of_other_boundaries_is_refused(tmp_path: Path) -> None:
    four(tmp_path)
    table(tmp_path, "39061000100,1,1", "39061000101,1,1", "39061026700,1,1", "39061026701,1,1")
    with pytest.raises(FileRejected, match=r"GEOG_VINTAGE: 2 of 4 not in the tract layer .39061026700"):
        areas(city(tables=(TABLE,)), tmp_path)
    with pytest.raises(FileRejected, match="GEOG_VINTAGE"):
        areas(city(tables=(replace(TABLE, tract_vintage="2010"),)), tmp_path)


def test_counts_are_summed_where_levels_nest_and_split_where_not(tmp_path: Path) -> None:
    four(tmp_path)
    two = {
        "type": "Polygon",
        "coordinates": [[[-84.7, 39.08], [-84.6, 39.08], [-84.6, 39.13], [-84.7, 39.13], [-84.7, 39.08]]],
    }
    layer(tmp_path, {"W": two}, "hoods.geojson")
    layer(tmp_path, {"H": polygon(0, size=0.025)}, "halves.geojson")
    table(tmp_path, *[f"3906100010{n},1000,30" for n in range(4)])
    hoods = replace(TRACTS, name="hood", role="parent", path="hoods.geojson", vintage="2023")
    halves = replace(hoods, name="half", path="halves.geojson")
    found = areas(city(replace(TRACTS, is_base=True), hoods, halves, tables=(TABLE,)), tmp_path)
    got = found.areas.set_index("geoid")
    assert got.loc["W", "population"] == 2000
    assert got.loc["W", "population_moe"] == pytest.approx(np.hypot(30, 30))
    assert got.loc["W", "denominator_vintage"] == "2018-2022"
    assert got.loc["H", "population"] == pytest.approx(250, rel=0.01)
    assert np.isnan(got.loc["H", "population_moe"])
    assert got.loc["H", "denominator_vintage"] == "2018-2022, carried over by area"


def test_group_quarters_bar_a_rate_and_the_layer_may_hold_its_own_counts(tmp_path: Path) -> None:
    rows = [
        {
            "type": "Feature",
            "properties": {"GEOID": f"3906100010{n}", "NAME": "", "pop": 900.0, "gq": gq},
            "geometry": polygon(n),
        }
        for n, gq in enumerate((0, 451, None))
    ]
    (tmp_path / "tracts.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": rows}))
    level = replace(TRACTS, columns=(("population", "pop"), ("group_quarters", "gq")), columns_vintage="2000")
    found = areas(city(level), tmp_path)
    assert found.areas["rate_barred"].tolist() == [
        None,
        "rate withheld: more than half of residents live in group quarters",
        None,
    ]
    assert found.areas["denominator_vintage"].tolist() == ["2000"] * 3


def test_no_counts_at_all_and_a_folder_of_the_city(tmp_path: Path) -> None:
    (tmp_path / "testville").mkdir()
    four(tmp_path / "testville")
    found = areas(city(), tmp_path)
    assert found.areas["rate_barred"].unique().tolist() == ["rate withheld: no estimate of residents"]
    assert found.areas["denominator_vintage"].isna().all()


def _rows() -> list[dict[str, str]]:
    named = os.environ.get("UNMET_REAL_DATA")
    index = Path(named).expanduser().resolve().parent / "bad-inputs" / "index.csv" if named else Path("none")
    if not index.is_file():
        return []
    with index.open(encoding="utf-8") as lines:
        kinds = ("tracts_geojson", "tracts_shp_zip", "census_csv")
        return [row for row in csv.DictReader(lines) if row["kind"] in kinds]


@pytest.mark.real
@pytest.mark.parametrize("row", _rows(), ids=lambda row: str(row["file"]))
def test_bad_inputs(row: dict[str, str], real_data: Path) -> None:
    root = real_data.parent / "bad-inputs"
    if row["kind"] == "census_csv":
        level = replace(TRACTS, path="geo/200_good_tracts.geojson")
        where = city(level, tables=(replace(TABLE, path=row["file"]),))
    else:
        format = "geojson" if row["kind"] == "tracts_geojson" else "shapefile_zip"
        columns = (("population", "population"),) if "223" in row["file"] else ()
        where = city(replace(TRACTS, path=row["file"], format=format, label="", columns=columns))
    if row["expected"] == "reject":
        with pytest.raises(FileRejected) as caught:
            areas(where, root)
        assert caught.value.code == row["reason_code"]
        return
    found = areas(where, root)
    counts = found.counts.iloc[-1] if row["kind"] == "census_csv" else found.counts.iloc[0]
    got = counts[["rows_in", "rows_kept", "rows_quarantined", "rows_merged"]].tolist()
    assert got == [int(row[name] or 0) for name in ("rows_in", "rows_kept", "rows_quarantined", "rows_deduplicated")]
    if row["expected"] == "quarantine":
        assert found.quarantine["reason"].unique().tolist() == [row["reason_code"]]
    elif row["rows_flagged"]:
        assert reasons(found)[row["reason_code"]] == int(row["rows_flagged"])
    population = found.areas["population"].dropna()
    assert (population >= 0).all()
    assert (population < 1e7).all()


@pytest.mark.real
def test_san_francisco_2010_tracts_take_the_2010_counts_and_2020_tracts_do_not(real_data: Path) -> None:
    tract = Level(
        name="tract",
        role="census",
        path="sf-tracts-2010-clipped.geojson",
        format="geojson",
        id="tractce10",
        vintage="2010",
        id_prefix="06075",
        is_base=True,
    )
    district = Level(
        name="district", role="patrol", path="police_districts.gpkg", format="gpkg", id="company", vintage="2015"
    )
    hoods = Level(
        name="neighbourhood",
        role="parent",
        path="sf-neighborhoods-analysis.json",
        format="geojson",
        id="nhood",
        vintage="2010",
    )
    svi = Denominator(
        level="tract",
        path="cdc_svi_2018_bay_area.csv",
        format="csv",
        id="FIPS",
        vintage="2014-2018",
        columns=(("population", "E_TOTPOP"), ("population_moe", "M_TOTPOP"), ("group_quarters", "E_GROUPQ")),
        id_width=11,
        missing=("-999",),
    )
    box = (-122.55, 37.69, -122.34, 37.84)
    here = city(tract, district, hoods, tables=(svi,), bbox=box, crs="EPSG:32610", slug="san_francisco")
    found = areas(here, real_data)
    sizes = found.areas.groupby("level").size().to_dict()
    assert sizes == {"tract": 195, "district": 10, "neighbourhood": 41}
    people = found.areas.groupby("level")["population"].sum()
    assert people["tract"] == pytest.approx(870_000, rel=0.01)
    assert people["district"] == pytest.approx(people["tract"], rel=0.03)
    assert reconciles(found)
    later = replace(tract, path="sf-tracts-2020-clipped.geojson", id="TRACTCE20", vintage="2020")
    with pytest.raises(FileRejected, match="GEOG_VINTAGE"):
        areas(city(later, tables=(svi,), bbox=box, crs="EPSG:32610", slug="san_francisco"), real_data)


@pytest.mark.real
@pytest.mark.parametrize(
    ("folder", "level", "box", "crs", "n"),
    [
        (
            "baltimore_md",
            Level(
                name="tract",
                role="census",
                path="baltimore_tracts.converted.gpkg.gz",
                format="gpkg",
                id="geoid",
                vintage="2020",
            ),
            (-76.72, 39.19, -76.52, 39.38),
            "EPSG:26918",
            199,
        ),
        (
            "fargo_nd",
            Level(
                name="zone",
                role="patrol",
                path="response_zones.zip",
                format="shapefile_zip",
                id="NAME",
                vintage="2015",
            ),
            (-97.1, 46.7, -96.6, 47.1),
            "EPSG:26914",
            16,
        ),
    ],
)
def test_real_levels(
    real_data: Path, folder: str, level: Level, box: tuple[float, float, float, float], crs: str, n: int
) -> None:
    found = areas(city(level, bbox=box, crs=crs, slug=folder), real_data)
    assert found.counts["rows_in"].tolist() == [n]
    assert reconciles(found)
    assert isinstance(found.areas, pd.DataFrame)
