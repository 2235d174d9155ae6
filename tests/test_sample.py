"""The sample city: same seed, same bytes; what is planted is there; the truth counts what is in the files."""

import csv
import gzip
import io
import json
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely

from pipelines.classify import read_type
from pipelines.resources import data_path
from pipelines.sample import write_sample
from pipelines.sample.calls import catalogue
from pipelines.sample.frame import project, to_local, to_utc
from pipelines.sample.geography import NO_ZONE, make_land
from pipelines.sample.package import TABLES
from pipelines.sample.supply import SERVICES, duty_log, mask, zones_m
from pipelines.sample.truth import WALK_KMH, WALK_MIN, Call, outcomes
from pipelines.sample.types import IN_SCOPE_NEEDS
from pipelines.vocabulary import call_rules
from pipelines.vocabulary import needs as all_needs

SEED = 20250106
HOURS_24 = "24:00:00"


@pytest.fixture(scope="module")
def folder() -> Path:
    return data_path("sample")


@pytest.fixture(scope="module")
def truth() -> dict:
    return json.loads(data_path("sample_truth.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def cad(folder) -> pd.DataFrame:
    frame = pd.read_csv(folder / "cad_calls.csv.gz", dtype=str, encoding="utf-8-sig", keep_default_na=False)
    stamps = pd.to_datetime(frame["RECEIVED"], format="%m/%d/%Y %I:%M:%S %p", errors="coerce")
    x = pd.to_numeric(frame["LONGITUDE"], errors="coerce")
    y = pd.to_numeric(frame["LATITUDE"], errors="coerce")
    inside = x.between(-87.35, -87.05) & y.between(42.95, 43.20)
    east, north = project(x.where(inside, -87.2), y.where(inside, 43.07))
    frame["at"], frame["x"], frame["y"] = stamps, np.where(inside, east, np.nan), np.where(inside, north, np.nan)
    words = {one.text: one for one in catalogue()}
    final = frame["FINAL_TYPE"].where(frame["FINAL_TYPE"] != "", frame["INITIAL_TYPE"])
    frame["need"] = final.map(lambda text: words[text].need)
    frame["is_crime"] = final.map(lambda text: words[text].is_criminal)
    return frame


def contents(root: Path) -> dict[str, bytes]:
    """Every file's content; what is compressed, unpacked, so that only what is written counts."""
    out = {}
    for path in sorted(one for one in root.rglob("*") if one.is_file()):
        name, data = str(path.relative_to(root)), path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        if path.suffix == ".zip":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                data = b"".join(archive.read(one) for one in archive.namelist())
        out[name] = data
    return out


# --- bytes ----------------------------------------------------------------------------------------


def test_same_seed_same_bytes_and_another_seed_others(tmp_path):
    first = write_sample(tmp_path / "a" / "s", n_calls=3000, seed=5)
    write_sample(tmp_path / "b" / "s", n_calls=3000, seed=5)
    write_sample(tmp_path / "c" / "s", n_calls=3000, seed=6)
    one, two, three = ([p.read_bytes() for p in sorted((tmp_path / k).rglob("*")) if p.is_file()] for k in "abc")
    assert one == two
    assert one != three
    assert first.n_rows == 3000


def test_the_committed_files_are_those_of_the_default_seed(tmp_path, folder, truth):
    report = write_sample(tmp_path / "sample")
    assert report.truth == truth
    assert contents(tmp_path / "sample") == contents(folder)


def test_raw_files_are_small(folder):
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 4_000_000


def test_large_samples_come_in_parts_with_exact_rows_and_unique_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.sample.write.CHUNK", 1500)
    monkeypatch.setattr("pipelines.sample.write.TRUTH_UP_TO", 1000)
    seen: list[int] = []
    report = write_sample(tmp_path / "s", n_calls=5000, seed=1, progress=seen.append)
    rows = pd.read_csv(tmp_path / "s" / "cad_calls.csv.gz", dtype=str, encoding="utf-8-sig")
    assert report.n_rows == 5000
    assert report.truth is None
    assert seen[-1] == 5000
    assert len(seen) == 4
    numbers = rows["CALL_NO"].dropna()
    assert numbers.nunique() > 0.98 * len(rows)
    clean = pd.to_datetime(rows["RECEIVED"], format="%m/%d/%Y %I:%M:%S %p", errors="coerce")
    assert pd.Timestamp("2024-12-20") < clean[clean < "2026"].max() < pd.Timestamp("2025-01-06")


def test_too_few_calls_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"at least 1000 calls, got \[10\]"):
        write_sample(tmp_path / "s", n_calls=10)


# --- call files -----------------------------------------------------------------------------------


def test_forms_of_the_field(folder, cad):
    raw = gzip.decompress((folder / "cad_calls.csv.gz").read_bytes())
    assert raw.startswith(b"\xef\xbb\xbfCALL_NO,RECEIVED,")
    sheriff = pd.read_csv(folder / "sheriff_calls.csv", dtype=str, keep_default_na=False)
    assert len(cad) + len(sheriff) == 60_000
    assert list(sheriff.columns)[:3] == ["Incident Number", "Call Created", "Dispatched"]
    east = pd.to_numeric(sheriff["X"], errors="coerce")
    assert east.between(2_600_000, 2_800_000).mean() > 0.98
    types = set(cad["FINAL_TYPE"]) | set(sheriff["Type"])
    assert 140 <= len(types) <= 180
    assert {
        "<script>alert(1)</script>",
        "{{7*7}}",
        'DISTURBANCE, "OTHER"',
        "NON-DRUG RELATED MED",
        "SUPPLEMENTAL",
    } <= types


def test_officer_activity_is_near_half(cad):
    assert 0.40 < cad["SOURCE"].isin(["ONVIEW", "SELF-INIT"]).mean() < 0.50


def test_every_dirty_row_is_counted_in_the_truth(folder, cad, truth):
    told = truth["files"]["calls.cad"]
    far_off = cad["x"].isna() & ~cad["LONGITUDE"].isin(["", "0"])
    swapped = cad["LATITUDE"].str.startswith("-")
    gap = cad["at"].dt.strftime("%Y-%m-%d %H").isin(["2023-03-12 02", "2024-03-10 02"])
    assert (cad["CALL_NO"] == "").sum() == told["reasons"]["MISSING_KEY"]
    years = cad["at"].dt.year
    assert cad["at"].isna().sum() == told["reasons"]["BAD_DATETIME"]
    assert gap.sum() == told["reasons"]["NONEXISTENT_LOCAL_TIME"]
    assert ((years < 2023) | (years > 2025)).sum() == told["reasons"]["DATETIME_OUT_OF_RANGE"]
    assert cad["RECEIVED"].str.contains(HOURS_24).sum() > 0
    assert swapped.sum() == told["reasons"]["COORD_SWAPPED"]
    assert (far_off & ~swapped).sum() == told["reasons"]["COORD_OUT_OF_BOUNDS"]
    assert (cad["LONGITUDE"] == "0").sum() == told["coordinates_zero"]
    assert (cad["LONGITUDE"] == "").sum() == told["coordinates_missing"]
    repeats = cad[cad["CALL_NO"] != ""].groupby("CALL_NO").size()
    assert (repeats - 1).sum() == told["rows_repeated"] + told["rows_corrected"]
    raw = cad[["CALL_NO", "RECEIVED", "CLEARED", "FINAL_TYPE", "DISPO", "LONGITUDE"]]
    assert raw[raw["CALL_NO"] != ""].duplicated().sum() == told["rows_repeated"]
    for name, one in truth["files"].items():
        assert one["rows_in"] == one["rows_kept"] + one["rows_quarantined"] + one["rows_merged"], name
    sheriff = pd.read_csv(folder / "sheriff_calls.csv", dtype=str, keep_default_na=False)
    assert (sheriff["Incident Number"] == "").sum() == truth["files"]["calls.sheriff"]["reasons"]["MISSING_KEY"]
    degrees = pd.to_numeric(sheriff["X"], errors="coerce") < 0
    assert degrees.sum() == truth["files"]["calls.sheriff"]["reasons"]["COORD_OUT_OF_BOUNDS"]


def test_a_correction_comes_later_with_other_words(cad):
    again = cad[(cad["CALL_NO"] != "") & cad["CALL_NO"].duplicated(keep=False)]
    changed = again.groupby("CALL_NO").filter(lambda rows: rows["FINAL_TYPE"].nunique() > 1)
    first, last = changed.groupby("CALL_NO").head(1), changed.groupby("CALL_NO").tail(1)
    assert changed["CALL_NO"].nunique() == 240
    assert (first["DISPO"] == "").all()
    assert (first.index.to_numpy() < last.sort_values("CALL_NO").index.to_numpy()).all()


def test_second_reports_can_be_found_and_nothing_else_looks_like_one(cad, truth):
    """One event of 30 min per place, need and source, read off the raw rows the slow way."""
    unsolved = cad["DISPO"].isin(["UNFOUNDED", "CANCELLED", "DUPLICATE CALL"])
    rows = cad[cad["x"].notna() & cad["at"].notna() & (cad["CALL_NO"] != "")].drop_duplicates("CALL_NO", keep="last")
    rows = rows[~unsolved[rows.index] & ~rows["need"].isin(["administrative", "unmatched"])]
    rows = rows.assign(who=rows["SOURCE"].replace({"NON-EMERG": "911", "SELF-INIT": "ONVIEW", "MDT-7": "?"}))
    n = 0
    for _, one in rows.sort_values("at").groupby([rows["x"].round(), rows["y"].round(), "need", "who"]):
        start = None
        for at in one["at"]:
            if start is not None and (at - start) <= pd.Timedelta(minutes=30):
                n += 1
            else:
                start = at
    assert n == truth["files"]["calls.cad"]["second_reports"]


# --- planted --------------------------------------------------------------------------------------


def in_circle(cad: pd.DataFrame, spot: dict) -> pd.DataFrame:
    inside = np.hypot(cad["x"] - spot["x"], cad["y"] - spot["y"]) <= spot["radius_m"]
    who = cad["SOURCE"].isin(["911", "NON-EMERG"])
    good = ~cad["DISPO"].isin(["UNFOUNDED", "CANCELLED", "DUPLICATE CALL"])
    return cad[inside & who & good & (cad["need"] == spot["need"]) & ~cad["is_crime"]].drop_duplicates("CALL_NO")


def test_five_hotspots_recur_and_the_burst_does_not(cad, truth):
    assert len(truth["hotspots"]) == 5
    assert {spot["need"] for spot in truth["hotspots"]} == set(IN_SCOPE_NEEDS)
    community = cad[cad["SOURCE"].isin(["911", "NON-EMERG"])]
    for spot in [*truth["hotspots"], truth["burst"]]:
        calls = in_circle(cad, spot)
        weeks = calls["at"].dt.strftime("%G-%V").value_counts()
        share_here = (
            len(calls) / (np.hypot(community["x"] - spot["x"], community["y"] - spot["y"]) <= spot["radius_m"]).sum()
        )
        share_city = (community["need"] == spot["need"]).mean()
        assert len(calls) == pytest.approx(spot["n_need"], abs=8)
        assert share_here > 4 * share_city
        assert calls.groupby(["x", "y"]).ngroups >= 3
        is_burst = spot is truth["burst"]
        assert (weeks.max() / weeks.sum() > 0.25) == is_burst
        assert is_burst or len(weeks) >= 40


def test_elsewhere_every_need_has_a_constant_share(cad):
    """Chi-square of need by kilometre cell is no larger than labels dealt at random would give."""
    rows = cad[cad["SOURCE"].isin(["911", "NON-EMERG"]) & cad["x"].notna()]
    busy = rows.groupby([rows["x"].round(), rows["y"].round()])["need"].transform("size") > 100
    cell = (rows["x"] // 1000).astype(int).astype(str) + "/" + (rows["y"] // 1000).astype(int).astype(str)
    planted = np.zeros(len(rows), bool)
    for spot in json.loads(data_path("sample_truth.json").read_text("utf-8"))["hotspots"]:
        planted |= (np.hypot(rows["x"] - spot["x"], rows["y"] - spot["y"]) < 250).to_numpy()
    keep = ~busy.to_numpy() & ~planted
    counts = pd.crosstab(cell[keep], rows["need"][keep])[list(IN_SCOPE_NEEDS)]
    counts = counts[counts.sum(axis=1) > 100]
    expected = np.outer(counts.sum(axis=1), counts.sum()) / counts.to_numpy().sum()
    chi2 = ((counts - expected) ** 2 / expected).to_numpy().sum()
    assert len(counts) > 40
    assert chi2 < 1.4 * (len(counts) - 1) * (counts.shape[1] - 1)


def test_sinks_and_institution(cad, truth):
    listed, unlisted = truth["sinks"]
    assert (listed["label"], unlisted["label"]) == ("listed", "unlisted")
    rows = cad[(cad["x"] - unlisted["x"]).abs().lt(1) & (cad["y"] - unlisted["y"]).abs().lt(1)]
    numbers = rows["ADDRESS"].str.extract(r"^(\d+)")[0].dropna().nunique()
    assert len(rows) / 60_000 > 0.005
    assert numbers > 50
    default = cad[(cad["LONGITUDE"] == "-87.200000") & (cad["LATITUDE"] == "43.070000")]
    assert len(default) == pytest.approx(listed["n_calls"], abs=5)
    assert truth["institution"]["n_calls"] > 300


def test_needs_peak_when_services_are_shut(cad):
    hour = cad["at"].dt.hour
    late = (hour >= 18) | (hour < 4)
    for need in ("mental_health", "substance_use", "homelessness"):
        assert late[(cad["need"] == need) & cad["at"].notna()].mean() > 0.5


# --- outcomes -------------------------------------------------------------------------------------


def test_every_leg_has_every_outcome(truth, cad):
    assert truth["scope"]["in_scope"] >= 12_000
    numbers = set(cad["CALL_NO"])
    for leg, cells in truth["outcomes"].items():
        expected = {"available", "uncertain", "spatial", "temporal"} | (set() if leg == "contact" else {"barrier"})
        assert set(cells) == expected
        for outcome, cell in cells.items():
            assert cell["n"] >= 50, (leg, outcome)
            assert sum(cell["by_need"].values()) == cell["n"]
            assert cell["example"].removeprefix("cad:") in numbers or cell["example"].startswith("sheriff:")
    legged = {need: all_needs()[need].legs for need in IN_SCOPE_NEEDS}
    for leg in ("respond", "place"):
        total = sum(cell["n"] for cell in truth["outcomes"][leg].values())
        asked = sum(
            n
            for cell in truth["outcomes"]["respond"].values()
            for need, n in cell["by_need"].items()
            if leg in legged[need]
        )
        assert total == asked


class Spot:
    """Places with one entry, for outcomes of a single call."""

    def __init__(self, x: float, y: float) -> None:
        self.x, self.y = np.array([x]), np.array([y])


def outcome(leg: str, need: str, tier: int, at: tuple[float, float], quarter: int, *, by_other: bool = False) -> str:
    """The outcome of one call at metres from the middle of the city, with team A never on duty."""
    cx, cy = (float(round(float(v))) for v in project(-87.2, 43.07))
    log = duty_log(seed=SEED)
    call = Call(call_id="x", utc=-1, quarter=quarter, need=need, tier=tier, by_other=by_other, place=0, is_placed=True)
    found = outcomes([call], Spot(cx + at[0], cy + at[1]), make_land(seed=SEED), log)  # type: ignore[arg-type]
    return str(found[leg][0])


def test_truth_by_hand():
    """Cases one can see on the map: a drop-in by day and by night, a bystander, a place out of everything."""
    drop_in = (1390 + 300.0, -690.0)
    assert outcome("place", "homelessness", 1, drop_in, 12 * 4) == "available"
    assert outcome("place", "homelessness", 1, drop_in, 3 * 4) == "temporal"
    assert outcome("place", "homelessness", 1, drop_in, 12 * 4, by_other=True) == "barrier"
    assert outcome("place", "homelessness", 1, (1390.0, -690.0), 12 * 4) != "available"
    assert outcome("place", "homelessness", 1, (-5200.0, 3000.0), 12 * 4) == "spatial"
    assert outcome("place", "mental_health", 2, (-3000.0, 500.0), 0) == "available"
    assert outcome("respond", "mental_health", 2, (-3300.0, 2400.0), 0) == "barrier"
    assert outcome("respond", "mental_health", 1, (-3300.0, 2400.0), 0) == "temporal"
    assert outcome("respond", "mental_health", 1, (5200.0, 1000.0), 20 * 4) == "spatial"
    assert outcome("respond", "mental_health", 2, (3000.0, 2400.0), 20 * 4) == "uncertain"
    assert outcome("contact", "mental_health", 0, (-3300.0, 2400.0), 10 * 4) == "available"
    assert outcome("contact", "mental_health", 0, (-3300.0, 2400.0), 22 * 4) == "temporal"


def test_threshold_and_masks():
    reach_m = WALK_MIN * WALK_KMH * 1000 / 60 / 1.3
    assert reach_m == pytest.approx(1846.15, abs=0.01)
    late = mask((("SU", "22:00", "02:00"),))
    assert late is not None
    assert late.sum() == 16
    assert late[:8].all()
    assert late[-8:].all()
    assert mask(None) is None


def test_clock_knows_daylight_saving():
    day = 86_400
    noon = np.array([70 * day + 43_200, 68 * day + 43_200])
    assert (to_utc(noon) - noon).tolist() == [5 * 3600, 6 * 3600]
    assert (to_local(to_utc(noon)) == noon).all()


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", [pytest.param(t, id=t.text) for t in catalogue()])
def test_rules_read_every_type_as_it_is_meant(one):
    reading = read_type(one.text, call_rules("sample"))
    assert (reading.need, reading.is_criminal) == (one.need, one.is_criminal)
    if one.need in IN_SCOPE_NEEDS:
        assert reading.tier == one.tier


# --- supply ---------------------------------------------------------------------------------------


def package(folder: Path) -> dict[str, list[dict[str, str]]]:
    description = json.loads((folder / "hsds" / "datapackage.json").read_text("utf-8"))
    out = {}
    for resource in description["resources"]:
        with (folder / "hsds" / resource["path"]).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows, resource["name"]
        assert list(rows[0]) == [field["name"] for field in resource["schema"]["fields"]]
        out[resource["name"]] = rows
    return out


def test_package_holds_together(folder):
    tables = package(folder)
    description = json.loads((folder / "hsds" / "datapackage.json").read_text("utf-8"))
    ids = {name: {row["id"] for row in rows} for name, rows in tables.items()}
    assert set(tables) == set(TABLES)
    for resource in description["resources"]:
        rows = tables[resource["name"]]
        assert len(ids[resource["name"]]) == len(rows)
        for key in resource["schema"].get("foreignKeys", ()):
            for row in rows:
                value = row[key["fields"]]
                assert value == "" or value in ids[key["reference"]["resource"]], (resource["name"], key)
        for field in resource["schema"]["fields"]:
            if field["constraints"]["required"]:
                assert all(row[field["name"]] for row in rows), (resource["name"], field["name"])
    assert {row["link_id"] for row in tables["attribute"]} <= ids["service"]


def test_supply_has_every_kind_that_is_needed(folder):
    tables = package(folder)
    services = {row["id"]: row for row in tables["service"]}
    assert 18 <= len(services) <= 24
    scheduled = {row["service_id"] for row in tables["schedule"]}
    assert sum(key not in scheduled for key in services) >= 2
    intake = {row["service_id"] for row in tables["schedule"] if row["description"] == "intake"}
    assert len(intake) == 3
    proven = {row["service_id"] for row in tables["service_capacity"] if row["available"]}
    shelter = next(key for key, row in services.items() if "Emergency Shelter" in row["name"])
    assert shelter not in proven
    assert len(proven) == 2
    term = next(row["id"] for row in tables["taxonomy_term"] if row["name"] == "Confidential location")
    hidden = [row["link_id"] for row in tables["attribute"] if row["taxonomy_term_id"] == term]
    places = {row["service_id"]: row["location_id"] for row in tables["service_at_location"]}
    location = {row["id"]: row for row in tables["location"]}
    assert len(hidden) == 1
    assert location[places[hidden[0]]]["latitude"] == ""
    with (folder / "team_a_duty.csv").open(encoding="utf-8") as file:
        turns = list(csv.DictReader(file))
    assert {row["SERVICE_ID"] for row in turns} == {one.id for one in SERVICES if one.has_duty_log}
    assert len({row["ON_DUTY"] for row in turns}) == len(turns)
    assert all(row["ON_DUTY"] < row["OFF_DUTY"] for row in turns)


def test_one_neighbourhood_is_in_no_zone_of_a_team_or_line():
    land = make_land(seed=SEED)
    inside = next(area.shape for area in land.neighbourhoods if area.id == NO_ZONE)
    assert all(not zone.intersects(inside) for zone in zones_m(land).values())
    assert len(zones_m(land)) == 6


# --- areas ----------------------------------------------------------------------------------------


def shapes(folder: Path, name: str) -> dict[str, shapely.Geometry]:
    features = json.loads((folder / "areas" / name).read_text("utf-8"))["features"]
    key = "ID" if name.startswith("neighbour") else "GEOID"
    return {one["properties"][key]: shapely.from_geojson(json.dumps(one["geometry"])) for one in features}


def test_levels_are_valid_coverages_that_nest(folder):
    tracts, groups, hoods = (shapes(folder, f"{name}.geojson") for name in ("tracts", "block_groups", "neighbourhoods"))
    assert len(tracts) == 28
    assert len(hoods) == 7
    assert all(key.startswith("99001") for key in tracts)
    for level in (tracts, groups, hoods):
        assert shapely.coverage_is_valid(list(level.values()))
    for key, shape in tracts.items():
        own = [group for name, group in groups.items() if name[:11] == key]
        assert 2 <= len(own) <= 4
        assert shapely.coverage_union_all(own).symmetric_difference(shape).area < 1e-12
    for shape in hoods.values():
        own = [one for one in tracts.values() if shape.covers(one.representative_point())]
        assert shapely.coverage_union_all(own).symmetric_difference(shape).area < 1e-12
    assert sum(len([t for t in tracts.values() if h.covers(t.representative_point())]) for h in hoods.values()) == 28


def test_beats_are_feet_and_follow_no_tract(folder):
    import pyogrio

    frame = pyogrio.read_dataframe(f"/vsizip/{folder / 'areas' / 'beats.zip'}/beats.shp")
    assert len(frame) == 6
    assert frame.crs.to_epsg() == 2289
    tracts = list(shapes(folder, "tracts.geojson").values())
    beats = list(frame.to_crs(4326).geometry)
    split = sum(sum(beat.intersection(tract).area > 0.05 * tract.area for beat in beats) > 1 for tract in tracts)
    assert split >= 10


def test_census_table_has_labels_margins_and_empty_tracts(folder, truth):
    with (folder / "census" / "acs_tracts.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["GEO_ID"] == "Geography"
    people = {row["GEO_ID"].removeprefix("1400000US"): int(row["B01003_001E"]) for row in rows[1:]}
    assert people.keys() == shapes(folder, "tracts.geojson").keys()
    assert sorted(people.values())[:2] == [0, 12]
    assert truth["tracts"]["few_residents"] == {key: n for key, n in people.items() if n < 100}
    assert all(int(row["B01003_001M"]) > 0 for row in rows[1:])
    crowded = [row for row in rows[1:] if int(row["B26001_001E"]) > 0.5 * max(1, int(row["B01003_001E"]))]
    assert len(crowded) == 1


# --- linked files ---------------------------------------------------------------------------------


def test_reports_and_responses_point_at_calls(folder, cad):
    reports = pd.read_csv(folder / "incidents.csv.gz", dtype=str, keep_default_na=False)
    sent = pd.read_csv(folder / "responses.csv.gz", dtype=str, keep_default_na=False)
    numbers = set(cad["CALL_NO"])
    linked = reports["CALL_NO"].isin(numbers) & (reports["CALL_NO"] != "")
    assert 0.8 < linked.mean() < 0.95
    assert reports["REPORT_NO"].is_unique
    assert sent["CALL_NO"].isin(numbers).all()
    assert Counter(sent["RESPONDER"]).keys() == {"PATROL", "MOBILE CRISIS", "CO-RESPONSE", "EMS"}
    assert ((sent["NOT_SENT_REASON"] == "") | (sent["ASSIGNED"] == "")).all()
    assert (sent["NOT_SENT_REASON"] != "").sum() > 200
