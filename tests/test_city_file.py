"""A city's TOML: what is right reads, what is wrong is named with its key path, and all of it at once."""

import json
import time
from pathlib import Path

import pytest

from geo.errors import ConfigError
from pipelines.city import load_city
from pipelines.city_file import city_slugs, read_city, settings_of

GOOD = """
schema = 1
slug = "testville"
name = "Testville"
timezone = "America/New_York"
crs = "EPSG:32616"
bbox = [-84.75, 39.00, -84.30, 39.30]
windows = [{ start = 2024-01-01, end = 2024-07-01 }, { start = 2025-01-01, end = 2025-07-01 }]
outages = [{ start = 2024-03-01, end = 2024-03-03, reason = "server down" }]
breaks = [{ date = 2024-05-01, note = "new codes" }]
services_as_of = 2025-07-01
directory_complete = ["place"]
caveats = ["made up"]

[tier_priority_raise]
"1" = 2

[places]
placeholders = [{ lon = -84.5, lat = 39.1, label = "default point" }]

[levels.tract]
role = "census"
base = true
path = "tracts.geojson"
format = "geojson"
id = "GEOID"
vintage = "2020"

[levels.beat]
role = "patrol"
path = "beats.zip"
format = "shapefile_zip"
id = "BEAT"
vintage = "2023"

[denominators.tract]
path = "acs.csv"
format = "csv"
id = "GEO_ID"
id_strip = "1400000US"
vintage = "2018-2022"
tract_vintage = "2020"
[denominators.tract.columns]
population = "B01003_001E"
population_moe = "B01003_001M"

[sources.calls.cad]
path = "calls.csv"
format = "csv"
time_format = "%Y-%m-%d %H:%M:%S"
date_range = [2010-01-01, 2026-11-01]
crs = "EPSG:4326"
origin = "column"
unused = ["narrative"]
[sources.calls.cad.columns]
call_id = "incident_number"
received_at = "create_datetime"
call_type = "call_type"
origin = "source"
x = "longitude"
y = "latitude"
[sources.calls.cad.values.origin]
"911" = "community"

[sources.services.list]
path = "services.csv"
format = "service_table"
kind_of_service = "day_centre"
[sources.services.list.columns]
name = "name"
x = "lon"
y = "lat"
"""


def write(folder: Path, text: str, name: str = "testville.toml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def faults_of(folder: Path, *changes: tuple[str, str]) -> list[str]:
    text = GOOD
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} must stand once"
        text = text.replace(old, new)
    with pytest.raises(ConfigError) as caught:
        read_city(write(folder, text))
    return list(caught.value.faults)


def test_a_good_file_reads_whole(tmp_path: Path) -> None:
    city = read_city(write(tmp_path, GOOD))
    assert (city.slug, city.n_days, city.base_level.name) == ("testville", 182 - 2 + 181, "tract")
    assert city.tier_priority_raise == (("1", 2),)
    assert city.placeholders[0].label == "default point"
    calls, services = city.sources
    assert (calls.id, calls.column("x"), calls.column("beat")) == ("calls.cad", ("longitude",), ())
    assert calls.values == (("origin", "911", "community"),)
    assert (services.id, services.kind_of_service) == ("services.list", "day_centre")
    assert city.denominators[0].id_prefix == "1400000US"
    assert city.denominators[0].tract_vintage == "2020"


def test_the_cities_of_the_project_read(subtests: pytest.Subtests) -> None:
    slugs = city_slugs()
    assert {"sample", "san_francisco", "fargo_nd", "montgomery_pa"} <= set(slugs)
    for slug in slugs:
        with subtests.test(slug):
            city = load_city(slug)
            assert city.slug == slug
            assert city.caveats


# (what is replaced, by what, what the fault must hold)
FAULTS: list[tuple[str, str, tuple[str, ...]]] = [
    # keys
    ('received_at = "create_datetime"', 'recieved_at = "create_datetime"',
     ("sources.calls.cad.columns.recieved_at: unknown key; did you mean received_at?", "CONFIG_KEY")),
    ('name = "Testville"', 'nmae = "Testville"', ("nmae: unknown key; did you mean name?",)),
    ('name = "Testville"', "", ("name: missing",)),
    ("[sources.services.list]\n", "[sources.servces.list]\n", ("sources.servces", "did you mean services?")),
    ("schema = 1", "schema = 2", ("schema: expected a whole number from 1 to 1, got [2]",)),
    ('slug = "testville"', 'slug = "Test Ville"', ("slug:", "[Test Ville]")),
    # where and when
    ('"America/New_York"', '"Eastern Time (US)"',
     ("timezone:", "[Eastern Time (US)]", "did you mean America/New_York?", "CONFIG_TIMEZONE")),
    ('"America/New_York"', '"America/New_Yrok"', ("did you mean America/New_York?",)),
    ('"America/New_York"', '"EST"', ("timezone:", "[EST]")),
    ('"America/New_York"', '"../../etc/passwd"', ("timezone:", "CONFIG_TIMEZONE")),
    ('crs = "EPSG:32616"', 'crs = "EPSG:999999"', ("crs:", "[EPSG:999999]", "CONFIG_CRS")),
    ('crs = "EPSG:32616"', 'crs = "EPSG:4269"', ("crs:", "EPSG:32616 would do here", "CONFIG_CRS")),
    ('crs = "EPSG:32616"', 'crs = "EPSG:3857"', ("crs:", "EPSG:32616 would do here", "CONFIG_CRS")),
    ('crs = "EPSG:32616"', 'crs = "EPSG:3735"', ("crs:", "metres", "CONFIG_CRS")),
    ('crs = "EPSG:32616"', 'crs = "EPSG:32610"', ("crs:", "made for the place of bbox", "CONFIG_CRS")),
    ('crs = "EPSG:32616"', 'crs = "/etc/passwd"', ("crs:", "CONFIG_CRS")),
    ("[-84.75, 39.00, -84.30, 39.30]", "[39.00, -84.75, 39.30, -84.30]", ("bbox:", "latitude comes second")),
    ("[-84.75, 39.00, -84.30, 39.30]", "[-84.30, 39.00, -84.75, 39.30]", ("bbox:", "west < east")),
    ("[-84.75, 39.00, -84.30, 39.30]", "[-94.75, 39.00, -84.30, 39.30]", ("bbox:", "one city")),
    ("[-84.75, 39.00, -84.30, 39.30]", "[-84.75, 39.00, -84.30]", ("bbox:", "[west, south, east, north]")),
    ("end = 2024-07-01", "end = 2025-02-01", ("windows[1]:", "starts on or after the end of the one before")),
    ("end = 2024-07-01", "end = 2023-07-01", ("windows[0]:", "start before end")),
    ("end = 2024-07-01", 'end = "2024-07-01"', ("windows[0].end:", "without quotes")),
    ("end = 2024-07-01", "end = 2024-07-01T00:00:00", ("windows[0].end:", "without a time")),
    ("start = 2024-03-01, end = 2024-03-03", "start = 2024-08-01, end = 2024-08-03",
     ("outages[0]:", "inside one window")),
    ("date = 2024-05-01", "date = 2020-05-01", ("breaks[0].date:",)),
    ("lon = -84.5, lat = 39.1", "lon = 39.1, lat = -84.5", ("places.placeholders[0]:", "lon before lat?")),
    ('["place"]', '["plce"]', ("directory_complete[0]:", "did you mean place?")),
    ('"1" = 2', '"1" = 4', ("tier_priority_raise.1:", "0 to 3")),
    # levels and denominators
    ('role = "patrol"', 'role = "patrl"', ("levels.beat.role:", "did you mean patrol?")),
    ("base = true\n", "", ("levels:", "base = true in one level", "[none]")),
    ('role = "patrol"', 'role = "patrol"\nbase = true', ("levels:", "[tract, beat]")),
    ("[levels.beat]", "[levels.city]", ("levels.city:", "one of ours")),
    ('format = "shapefile_zip"', 'format = "kml"', ("levels.beat.format:", "[kml]")),
    ('tract_vintage = "2020"', 'tract_vintage = "2010"',
     ("denominators.tract.tract_vintage:", "(2020)", "[2010]", "CONFIG_VINTAGE")),
    ('population = "B01003_001E"', 'poplation = "B01003_001E"', ("denominators.tract.columns", "population")),
    ('population_moe = "B01003_001M"', 'population_moe = "B01003_001E"',
     ("denominators.tract.columns.population_moe:", "used twice", "CONFIG_MAPPING")),
    ('vintage = "2018-2022"', 'vintage = "recent"', ("denominators.tract.vintage:", "[recent]")),
    # sources
    ('y = "latitude"', 'y = "longitude"',
     ("sources.calls.cad.columns.y:", "used twice", "for x", "[longitude]", "CONFIG_MAPPING")),
    ('y = "latitude"\n', "", ("sources.calls.cad.columns.y: missing",)),
    ('call_type = "call_type"\n', "", ("sources.calls.cad.columns.call_type: missing", "CONFIG_MISSING")),
    ('crs = "EPSG:4326"\n', "", ("sources.calls.cad.crs: missing",)),
    ('["narrative"]', '["latitude"]', ("sources.calls.cad.unused[0]:", "mapped and declared unused")),
    ('"911" = "community"', '"911" = "comunity"', ("sources.calls.cad.values.origin.911:", "did you mean community?")),
    ("[sources.calls.cad.values.origin]", "[sources.calls.cad.values.caller_role]",
     ("sources.calls.cad.values.caller_role:", "mapped in columns")),
    ('origin = "column"', 'origin = "inferred"', ("sources.calls.cad.origin:",)),
    ('origin = "source"\n', "", ("sources.calls.cad.columns.origin: missing",)),
    ('time_format = "%Y-%m-%d %H:%M:%S"', "", ("sources.calls.cad.time_format: missing",)),
    ('"%Y-%m-%d %H:%M:%S"', '"%Y-%m-%d %I:%M:%S"', ("sources.calls.cad.time_format:", "read back")),
    ('"%Y-%m-%d %H:%M:%S"', '"%Y-%q-%d"', ("sources.calls.cad.time_format:",)),
    ('"%Y-%m-%d %H:%M:%S"', '"YYYY-MM-DD"', ("sources.calls.cad.time_format:", "[YYYY-MM-DD]")),
    ('"%Y-%m-%d %H:%M:%S"', '"%Y-%m-%d"', ("sources.calls.cad.time_format:", "an hour", "[%Y-%m-%d]")),
    ('crs = "EPSG:4326"', 'crs = "EPSG:4326"\nambiguous_time = "both"', ("ambiguous_time:", "[both]")),
    ("[2010-01-01, 2026-11-01]", "[2026-11-01, 2010-01-01]", ("sources.calls.cad.date_range:", "earlier date first")),
    ('crs = "EPSG:4326"', 'crs = "EPSG:4326"\nencoding = "utf-9"', ("sources.calls.cad.encoding:", "utf-8")),
    ('crs = "EPSG:4326"', 'crs = "EPSG:4326"\ndelimiter = ", "', ("sources.calls.cad.delimiter:",)),
    ('crs = "EPSG:4326"', 'crs = "EPSG:4326"\nmax_bad_share = 50', ("sources.calls.cad.max_bad_share:", "0 to 1")),
    ('crs = "EPSG:4326"', 'crs = "EPSG:4326"\ntimezone = "Nowhere/Land"',
     ("sources.calls.cad.timezone:", "CONFIG_TIMEZONE")),
    ('kind_of_service = "day_centre"', 'kind_of_service = "day_center"',
     ("sources.services.list.kind_of_service:", "did you mean day_centre?")),
    ('format = "service_table"', 'format = "hsds_3"', ("sources.services.list.columns:", "names its own")),
    # travel and standard
    ("[places]", "[travel]\nwalk_kmh = 48\n[places]", ("travel.walk_kmh:", "[48]")),
    ("[places]", "[standard]\nshare = 1.5\n[places]", ("standard.share:", "[1.5]")),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "parts"), FAULTS, ids=[f"{n:02d}-{f[2][0][:40]}" for n, f in enumerate(FAULTS)])
def test_each_fault_names_its_key(tmp_path: Path, old: str, new: str, parts: tuple[str, ...]) -> None:
    faults = faults_of(tmp_path, (old, new))
    assert any(all(part in fault for part in parts) for fault in faults), faults


# The faulty configurations of the catalogue, each as the same fault in a file of ours.
CATALOGUE: dict[str, tuple[tuple[str, str], tuple[str, ...]]] = {
    "162_unknown_tz": (
        ('"America/New_York"', '"Eastern Time (US)"'),
        ("CONFIG_TIMEZONE", "timezone", "Eastern Time (US)"),
    ),
    "163_unknown_crs": (('crs = "EPSG:32616"', 'crs = "EPSG:999999"'), ("CONFIG_CRS", "crs", "EPSG:999999")),
    "165_redos_patterns": (
        ('crs = "EPSG:4326"', "crs = \"EPSG:4326\"\npoint_pattern = '(WELFARE\\s*)+CHECK$'"),
        ("CONFIG_PATTERN", "point_pattern"),
    ),
    "169_column_mapped_twice": (('x = "longitude"', 'x = "latitude"'), ("CONFIG_MAPPING", "latitude", "used twice")),
    "170_secret_in_config": (
        ('name = "Testville"', 'name = "Testville"\nsecret_key = "hunter2"\ndatabase_password = "hunter2"'),
        ("CONFIG_SECRET", "secret_key"),
    ),
    "171_remote_path": (
        ('path = "calls.csv"', 'path = "http://127.0.0.1:18999/calls.csv"'),
        ("CONFIG_REMOTE_PATH", "sources.calls"),
    ),
}


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_catalogue_of_bad_configurations(tmp_path: Path, name: str) -> None:
    change, parts = CATALOGUE[name]
    faults = faults_of(tmp_path, change)
    assert any(all(part in fault for part in parts) for fault in faults), faults
    assert "hunter2" not in "\n".join(faults)


def test_a_source_in_feet_with_other_headers_is_accepted(tmp_path: Path) -> None:
    text = GOOD.replace('crs = "EPSG:4326"', 'crs = "EPSG:3735"').replace("%Y-%m-%d %H:%M:%S", "%m/%d/%Y %I:%M:%S %p")
    text = text.replace('x = "longitude"', 'x = "X"').replace('y = "latitude"', 'y = "Y"')
    calls = read_city(write(tmp_path, text)).sources[0]
    assert (calls.crs, calls.column("x"), calls.column("y")) == ("EPSG:3735", ("X",), ("Y",))


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    changes = (
        ('"America/New_York"', '"Eastern Time (US)"'),
        ('crs = "EPSG:32616"', 'crs = "EPSG:999999"'),
        ('y = "latitude"', 'y = "longitude"'),
        ('path = "tracts.geojson"', 'path = "/vsicurl/http://127.0.0.1:9/t.geojson"'),
        ('name = "Testville"', 'name = "Testville"\nsecret_key = "hunter2"'),
        ("end = 2024-07-01", "end = 2025-02-01"),
    )
    faults = faults_of(tmp_path, *changes)
    codes = ("CONFIG_TIMEZONE", "CONFIG_CRS", "CONFIG_MAPPING", "CONFIG_REMOTE_PATH", "CONFIG_SECRET", "CONFIG_VALUE")
    assert [sum(code in fault for fault in faults) for code in codes] == [1] * 6
    assert len(faults) == 6


@pytest.mark.parametrize("path", [
    "http://127.0.0.1:18999/calls.csv", "HTTPS://x/y.csv", "s3://bucket/calls.csv", "file:///etc/passwd",
    "//host/share/c.csv",
    "/vsicurl/http://127.0.0.1:18999/t.geojson", "/VSIZIP/calls.zip",
])  # fmt: skip
def test_remote_paths_are_refused(tmp_path: Path, path: str) -> None:
    (fault,) = faults_of(tmp_path, ('path = "calls.csv"', f'path = "{path}"'))
    assert fault.startswith("sources.calls.cad.path:")
    assert "CONFIG_REMOTE_PATH" in fault


@pytest.mark.parametrize("path", [
    "/etc/passwd", "../calls.csv", "a/../../b.csv", "~/calls.csv", "C:calls.csv",
    "a\\\\b.csv", "*.csv", "a?.csv", "c\\u0000.csv",
])  # fmt: skip
def test_paths_that_leave_the_folder_are_refused(tmp_path: Path, path: str) -> None:
    (fault,) = faults_of(tmp_path, ('path = "calls.csv"', f'path = "{path}"'))
    assert fault.startswith("sources.calls.cad.path:")
    assert "CONFIG_PATH" in fault or "CONFIG_REMOTE_PATH" in fault


@pytest.mark.parametrize("line", [
    'secret_key = "hunter2"', 'database_password = "hunter2"', 'api_key = "hunter2"', 'feed_token = "hunter2"',
    'home = "postgres://me:hunter2@db/x"', 'deep = { more = { client_secret = "hunter2" } }',
])  # fmt: skip
def test_a_secret_is_refused_and_not_echoed(tmp_path: Path, line: str) -> None:
    faults = faults_of(tmp_path, ('name = "Testville"', f'name = "Testville"\n{line}'))
    assert any("CONFIG_SECRET" in fault for fault in faults)
    assert "hunter2" not in "\n".join(faults)


def test_an_agency_word_that_sounds_like_a_secret_is_fine(tmp_path: Path) -> None:
    text = GOOD.replace('"911" = "community"', '"911" = "community"\n"PASSWORD RESET" = "agency"')
    assert len(read_city(write(tmp_path, text)).sources[0].values) == 2


POINT = 'point = "Block_Location"'


@pytest.mark.parametrize(("pattern", "said"), [
    (r"(?P<y>-?\\d+\\.\\d+), (?P<x>-?\\d+\\.\\d+)(?=\\))", "linear time"),
    (r"(a)\\1", "linear time"),
    (r"(?P<y>\\d+", "linear time"),
    (r"^(A+)+$", "(?P<x>…)"),
])  # fmt: skip
def test_a_pattern_that_re2_cannot_run_is_refused(tmp_path: Path, pattern: str, said: str) -> None:
    changes = (
        ('x = "longitude"\n', POINT + "\n"),
        ('y = "latitude"\n', ""),
        ('crs = "EPSG:4326"', f'crs = "EPSG:4326"\npoint_pattern = "{pattern}"'),
    )
    (fault,) = faults_of(tmp_path, *changes)
    assert fault.startswith("sources.calls.cad.point_pattern:")
    assert "CONFIG_PATTERN" in fault
    assert said in fault


def test_a_pattern_that_would_run_away_elsewhere_is_linear_here(tmp_path: Path) -> None:
    import re2

    text = GOOD.replace('x = "longitude"\n', POINT + "\n").replace('y = "latitude"\n', "")
    pattern = r"^(A+)+$(?P<y>)(?P<x>)"
    city = read_city(
        write(tmp_path, text.replace('crs = "EPSG:4326"', f'crs = "EPSG:4326"\npoint_pattern = "{pattern}"'))
    )
    compiled = re2.compile(city.sources[0].point_pattern)
    started = time.perf_counter()
    assert compiled.search("A" * 5000 + "b") is None
    assert time.perf_counter() - started < 0.05


@pytest.mark.parametrize("name", ["testville.yaml", "testville.YML", "x.json"])
def test_other_formats_are_refused_with_a_hint(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"configuration is TOML.*sample\.toml"):
        read_city(write(tmp_path, "city: testville\n", name))


def test_an_unknown_slug_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"\[fargo\]; did you mean fargo_nd\?"):
        load_city("fargo")
    with pytest.raises(ConfigError, match="expected a city's TOML file"):
        load_city("no/such/city.toml")


@pytest.mark.parametrize(("data", "said"), [
    (b"slug = ", "expected TOML"),
    (b"name = 'caf\xe9'", "expected UTF-8"),
    (b"x = " + b"[" * 20_000, "CONFIG_SYNTAX"),
    (b"#" * 1_000_001, "at most"),
])  # fmt: skip
def test_a_file_that_is_no_toml_is_one_fault(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "testville.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=said) as caught:
        read_city(path)
    assert len(caught.value.faults) == 1


def test_a_composed_key_may_use_the_time_column(tmp_path: Path) -> None:
    text = GOOD.replace('call_id = "incident_number"', 'call_id = ["create_datetime", "incident_number"]')
    assert read_city(write(tmp_path, text)).sources[0].column("call_id") == ("create_datetime", "incident_number")


def test_settings_are_json_and_change_only_where_the_file_changed(tmp_path: Path) -> None:
    before = settings_of(read_city(write(tmp_path, GOOD)))
    text = GOOD.replace('label = "default point"', 'label = "city hall"').replace('caveats = ["made up"]', "seed = 7")
    after = settings_of(read_city(write(tmp_path, text, "other.toml")))
    assert json.loads(json.dumps(before)) == before
    assert {name for name in before if before[name] != after[name]} == {"places", "random", "words"}
    assert before["windows"]["windows"][0] == {"start": "2024-01-01", "end": "2024-07-01"}  # type: ignore[index]


@pytest.mark.parametrize("value", ["true", "[]", "{}", "1.5", "inf", "2024-01-01", '""', "[[1]]", '"\\u001b[31m"'])
@pytest.mark.parametrize("key", ["schema", "slug", "timezone", "crs", "bbox", "windows", "outages", "breaks", "seed",
                                 "caveats", "services_as_of", "directory_complete", "levels", "sources", "places",
                                 "denominators", "travel", "standard", "tier_priority_raise", "n_sim"])  # fmt: skip
def test_any_value_anywhere_is_a_fault_or_fine_never_a_crash(tmp_path: Path, key: str, value: str) -> None:
    path = write(tmp_path, f"{key} = {value}\n")
    with pytest.raises(ConfigError) as caught:
        read_city(path)
    assert "\x1b" not in str(caught.value)


def test_every_key_and_column_is_in_the_reference() -> None:
    from dataclasses import fields

    from pipelines.city import City, Denominator, Level, Source, Standard, Travel
    from pipelines.city_columns import REQUIRED, names_of

    text = (Path(__file__).parents[1] / "docs" / "city-file.md").read_text("utf-8")
    other_names = {"id_prefix": "id_strip", "is_base": "base", "level": "LEVEL"}
    kinds = (City, Level, Denominator, Source, Travel, Standard)
    names = {other_names.get(f.name, f.name) for kind in kinds for f in fields(kind)}
    names |= {column for kind in REQUIRED for column in names_of(kind)}
    assert sorted(name for name in names if not any(f"{mark}{name}" in text for mark in "`.[")) == []
