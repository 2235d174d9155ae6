"""Vector files: what is read, what is refused and with which code, and that nothing else is opened."""

import csv
import gzip
import json
import socket
import sqlite3
import struct
import zipfile
from pathlib import Path

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.errors import FileRejected
from pipelines.readers.archive import gunzip, read_members
from pipelines.readers.layer import safe_shape
from pipelines.readers.shapefile import read_shapefile_zip
from pipelines.readers.vector import FORMATS, read_layer, read_plain

SQUARE = [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]
KINDS = {
    "tracts_geojson": "geojson",
    "kml": "geojson",
    "vrt": "geojson",
    "tracts_shp_zip": "shapefile_zip",
    "tracts_gpkg": "gpkg",
    "tracts_geoparquet": "geoparquet",
}
LATER = {"GEOG_OVERLAP", "MISSING_KEY", "COORD_SWAPPED", "COORD_OUT_OF_BOUNDS", "GEOID_FORMAT"}


def collection(*shapes: object, **more: object) -> str:
    features = [{"type": "Feature", "properties": {"id": n}, "geometry": s} for n, s in enumerate(shapes, 1)]
    return json.dumps({"type": "FeatureCollection", "features": features} | more)


def polygon(rings: object) -> dict[str, object]:
    return {"type": "Polygon", "coordinates": rings}


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def code_of(path: Path, format: str, **more: str) -> str:
    with pytest.raises(FileRejected) as caught:
        FORMATS[format](path, **more)
    return caught.value.code


def test_geojson_closes_rings_drops_z_and_keeps_unreadable_shapes_apart(tmp_path: Path) -> None:
    text = collection(
        polygon([[[0, 0], [1, 0], [1, 1], [0, 1]]]),
        polygon([[[0, 0, 9], [1, 0, 9], [1, 1, 9], [0, 0, 9]]]),
        None,
        {"type": "Point", "coordinates": [0, 0]},
        polygon([[[0, 0], [1, "x"], [1, 1], [0, 0]]]),
        {"type": "MultiPolygon", "coordinates": [SQUARE, SQUARE]},
    )
    layer = read_layer(write(tmp_path, "a.geojson", text), format="geojson")
    assert [feature.reason for feature in layer.features] == ["", "", "GEOM_MISSING", "GEOM_TYPE", "GEOM_CORRUPT", ""]
    assert layer.notes == (("GEOM_REPAIRED", 1), ("WARN_Z_DROPPED", 2))
    assert shapely.from_wkb(layer.features[0].wkb).area == 1
    assert layer.crs == "EPSG:4326"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"type": "FeatureCollection", "features": [', "FILE_NOT_JSON"),
        ("", "FILE_NOT_JSON"),
        ('{"type": "FeatureCollection", "type": "FeatureCollection", "features": []}', "FILE_DUPLICATE_KEY"),
        ('{"type": "Topology"}', "FILE_FORMAT"),
        ("<OGRVRTDataSource/>", "FILE_FORMAT"),
        ('<?xml version="1.0"?><!DOCTYPE x []><kml/>', "XML_DTD"),
        ('{"a": ' + "1" * 5000 + "}", "FILE_NOT_JSON"),
        ('{"a": NaN}', "FILE_NOT_JSON"),
        ("[" * 100_000, "FILE_NOT_JSON"),
        (collection(crs={"type": "link", "properties": {"href": "http://127.0.0.1:1/"}}), "FILE_REMOTE_REF"),
        (collection(crs={"type": "name", "properties": {"name": "somewhere"}}), "FILE_CRS"),
    ],
)
def test_geojson_refusals(tmp_path: Path, text: str, code: str) -> None:
    assert code_of(write(tmp_path, "a.geojson", text), "geojson") == code


def test_old_geojson_may_name_its_system(tmp_path: Path) -> None:
    named = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::2263"}}
    path = write(tmp_path, "a.geojson", collection(polygon(SQUARE), crs=named))
    assert FORMATS["geojson"](path).crs == "EPSG:2263"
    assert FORMATS["geojson"](path, crs="EPSG:26918").crs == "EPSG:26918"


def test_not_utf8_and_missing(tmp_path: Path) -> None:
    assert code_of(write(tmp_path, "a.geojson", b'{"a": "\xe9"}'), "geojson") == "FILE_ENCODING"
    with pytest.raises(FileRejected, match="FILE_MISSING"):
        read_layer(tmp_path / "none.geojson", format="geojson")
    with pytest.raises(FileRejected, match="not offered"):
        read_layer(tmp_path, format="kml")


def shp(*rings: list[tuple[float, float]]) -> bytes:
    points = [point for ring in rings for point in ring]
    starts = [sum(len(r) for r in rings[:n]) for n in range(len(rings))]
    body = struct.pack("<I4dII", 5, 0, 0, 1, 1, len(rings), len(points)) + struct.pack(f"<{len(rings)}I", *starts)
    body += b"".join(struct.pack("<2d", *point) for point in points)
    record = struct.pack(">II", 1, len(body) // 2) + body
    size = (100 + len(record)) // 2
    return struct.pack(">7I", 9994, 0, 0, 0, 0, 0, size) + struct.pack("<II8d", 1000, 5, *[0] * 8) + record


def dbf(*names: bytes) -> bytes:
    field = b"NAME".ljust(11, b"\0") + b"C" + b"\0" * 4 + bytes([10, 0]) + b"\0" * 14
    head = struct.pack("<B3BIHH20x", 3, 24, 1, 1, len(names), 65, 11) + field + b"\r"
    return head + b"".join(b" " + name.ljust(10) for name in names)


def zipped(folder: Path, members: dict[str, bytes], name: str = "a.zip") -> Path:
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return folder / name


OUTER = [(0.0, 0.0), (0.0, 4.0), (4.0, 4.0), (4.0, 0.0), (0.0, 0.0)]
HOLE = [(1.0, 1.0), (2.0, 1.0), (2.0, 2.0), (1.0, 2.0), (1.0, 1.0)]
ISLAND = [(9.0, 9.0), (9.0, 10.0), (10.0, 10.0), (10.0, 9.0), (9.0, 9.0)]


def test_shapefile_holes_islands_and_words(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"x/A.SHP": shp(OUTER, HOLE, ISLAND), "x/A.DBF": dbf(b"caf\xe9"), "x/A.CPG": b"UTF-8"})
    layer = read_shapefile_zip(path, crs="EPSG:2263")
    assert shapely.from_wkb(layer.features[0].wkb).area == 16 - 1 + 1
    assert layer.features[0].properties == {"NAME": "café"}
    assert layer.notes == (("WARN_ENCODING", 1),)
    assert code_of(path, "shapefile_zip") == "FILE_CRS"


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"a.shp": shp(OUTER)[:-8], "a.dbf": dbf(b"x")}, "FILE_TRUNCATED"),
        ({"a.shp": shp(OUTER), "a.dbf": dbf(b"x", b"y")}, "FILE_INCONSISTENT"),
        ({"a.shp": shp(OUTER), "a.dbf": dbf(b"x")[:-4]}, "FILE_TRUNCATED"),
        ({"a.shp": shp(OUTER)}, "FILE_INCOMPLETE"),
        ({"a.shp": b"nothing", "a.dbf": dbf(b"x")}, "FILE_CORRUPT"),
        ({"a.shp": shp(OUTER), "b.shp": shp(OUTER)}, "ARCHIVE_AMBIGUOUS"),
        ({"a.txt": b""}, "FILE_FORMAT"),
        ({"../a.shp": shp(OUTER)}, "ARCHIVE_UNSAFE_NAME"),
        ({"a.shp": b"\0" * (5 << 20)}, "ARCHIVE_EXPANSION"),
        ({"a.shp": shp(OUTER), "b.zip": b"PK"}, "ARCHIVE_NESTED"),
        ({"a.shp": shp(OUTER), "A.SHP": shp(OUTER)}, "ARCHIVE_DUPLICATE_MEMBER"),
        ({f"{n}.txt": b"" for n in range(201)}, "ARCHIVE_EXPANSION"),
    ],
)
def test_zip_refusals(tmp_path: Path, members: dict[str, bytes], code: str) -> None:
    assert code_of(zipped(tmp_path, members), "shapefile_zip", crs="EPSG:2263") == code


def test_not_a_zip_and_a_bomb(tmp_path: Path) -> None:
    assert code_of(write(tmp_path, "a.zip", b"PK\3\4"), "shapefile_zip") == "FILE_ARCHIVE"
    with pytest.raises(FileRejected, match="ARCHIVE_EXPANSION"):
        gunzip(write(tmp_path, "a.gz", gzip.compress(b"\0" * (8 << 20))))
    with pytest.raises(FileRejected, match="FILE_ARCHIVE"):
        gunzip(write(tmp_path, "b.gz", b"\x1f\x8bx"))
    chosen = zipped(tmp_path, {"a.shp": b"1", "b.shp": b"2", "b.dbf": b"3"}, "two.zip")
    assert read_members(chosen, stem="b", suffixes=(".shp", ".dbf")) == ("b", {".shp": b"2", ".dbf": b"3"})


def geopackage(path: Path, *, table: str = "tracts", as_view: bool = False, blob: bytes | None = None) -> Path:
    header = b"GP\0\1" + struct.pack("<i", 4326)
    shape = header + shapely.box(0, 0, 1, 1).wkb if blob is None else blob
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE gpkg_contents (table_name, data_type, srs_id)")
        db.execute("CREATE TABLE gpkg_geometry_columns (table_name, column_name, srs_id)")
        db.execute("CREATE TABLE gpkg_spatial_ref_sys (srs_id, organization, organization_coordsys_id, definition)")
        db.execute("INSERT INTO gpkg_spatial_ref_sys VALUES (4326, 'EPSG', 4326, '')")
        db.execute("INSERT INTO gpkg_contents VALUES (?, 'features', 4326)", (table,))
        db.execute("INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', 4326)", (table,))
        db.execute('CREATE TABLE "kept" (fid INTEGER PRIMARY KEY, geom BLOB, id TEXT)')
        db.execute('INSERT INTO "kept" VALUES (1, ?, ?)', (shape, "01"))
        quoted = table.replace('"', '""')
        db.execute(
            f'CREATE VIEW "{quoted}" AS SELECT * FROM kept' if as_view else f'ALTER TABLE kept RENAME TO "{quoted}"'
        )
    db.close()
    return path


def test_geopackage_tables_only(tmp_path: Path) -> None:
    good = geopackage(tmp_path / "good.gpkg")
    packed = write(tmp_path, "good.gpkg.gz", gzip.compress(good.read_bytes()))
    for path in (good, packed):
        layer = read_layer(path, format="gpkg")
        assert [dict(f.properties) for f in layer.features] == [{"fid": 1, "id": "01"}]
        assert layer.crs == "EPSG:4326"
    assert code_of(geopackage(tmp_path / "view.gpkg", as_view=True), "gpkg") == "FILE_SCHEMA"
    assert code_of(geopackage(tmp_path / "odd.gpkg", table='a"; DROP'), "gpkg") == "FILE_SCHEMA"
    assert code_of(good, "gpkg", layer="other") == "FILE_SCHEMA"
    assert code_of(write(tmp_path, "no.gpkg", b"<OGRVRT/>"), "gpkg") == "FILE_FORMAT"
    assert code_of(write(tmp_path, "cut.gpkg", good.read_bytes()[:5000]), "gpkg") == "FILE_CORRUPT"
    broken = read_plain(str(geopackage(tmp_path / "broken.gpkg", blob=b"GP\0\1")), "gpkg", None, None)
    assert broken["features"][0][3] == "GEOM_CORRUPT"


def test_wkb_that_promises_too_much_is_refused_before_it_is_parsed() -> None:
    assert safe_shape(struct.pack("<BII", 1, 3, 2**31)) is None
    assert safe_shape(struct.pack("<BII", 1, 2, 2**31)) is None
    nested = struct.pack("<BII", 1, 7, 1) * 5000
    assert safe_shape(nested) is None
    assert safe_shape(b"") is None
    good = shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(2, 2, 3, 3)])
    assert safe_shape(good.wkb) == good


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_shape_or_none(data: bytes) -> None:
    for bytes_ in (data, shapely.box(0, 0, 1, 1).wkb[:40] + data):
        shape = safe_shape(bytes_)
        assert shape is None or shape.geom_type


def _rows() -> list[dict[str, str]]:
    from os import environ

    named = environ.get("UNMET_REAL_DATA")
    index = Path(named).expanduser().resolve().parent / "bad-inputs" / "index.csv" if named else Path("none")
    if not index.is_file():
        return []
    with index.open(encoding="utf-8") as lines:
        return [row for row in csv.DictReader(lines) if row["kind"] in KINDS]


@pytest.mark.real
@pytest.mark.parametrize("row", _rows(), ids=lambda row: str(row["file"]))
def test_bad_inputs(row: dict[str, str], real_data: Path) -> None:
    path = real_data.parent / "bad-inputs" / row["file"]
    format = KINDS[row["kind"]]
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 18999))
        listener.listen()
        listener.settimeout(0.01)
        if row["expected"] == "reject" and row["reason_code"] not in LATER:
            with pytest.raises(FileRejected) as caught:
                read_layer(path, format=format)
            assert caught.value.code == row["reason_code"]
            named = [word.strip().lower() for word in row["message_must_name"].replace(" or ", "/").split(";")]
            assert all(any(part.strip() in str(caught.value).lower() for part in w.split("/")) for w in named)
        else:
            layer = read_layer(path, format=format)
            assert len(layer.features) == int(row["rows_in"] or 6)
            if row["reason_code"] == "GEOM_CORRUPT":
                assert sum(f.wkb is None for f in layer.features) == int(row["rows_quarantined"])
            elif row["rows_flagged"] and row["reason_code"] in ("GEOM_REPAIRED", "WARN_Z_DROPPED", "WARN_ENCODING"):
                assert [code for code, _ in layer.notes] == [row["reason_code"]] * int(row["rows_flagged"])
        with pytest.raises(TimeoutError):
            listener.accept()
    assert not any(Path("/tmp").glob("*WORKED")), "an archive wrote outside"


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "format", "n"),
    [
        ("san_francisco/sf-tracts-2010-clipped.geojson", "geojson", 195),
        ("san_francisco/police_districts.gpkg", "gpkg", 10),
        ("baltimore_md/baltimore_tracts.converted.gpkg.gz", "gpkg", 199),
        ("fargo_nd/response_zones.zip", "shapefile_zip", 16),
    ],
)
def test_real_layers(real_data: Path, name: str, format: str, n: int) -> None:
    layer = read_layer(real_data / name, format=format)
    assert sum(feature.wkb is not None for feature in layer.features) == n
