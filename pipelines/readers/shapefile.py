"""Zipped shapefiles of polygons, parsed here: every length is checked against the bytes that are there."""

import itertools
import struct
from pathlib import Path
from typing import Any

from shapely.geometry import MultiPolygon, Polygon

from geo.errors import FileRejected
from pipelines.readers.archive import read_members
from pipelines.readers.layer import Feature, Layer

_POLYGONS = (5, 15, 25)
_PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")
_CODE_PAGES = {0x03: "cp1252", 0x57: "cp1252", 0x58: "cp1252", 0x01: "cp437", 0x02: "cp850"}


def read_shapefile_zip(path: str | Path, *, layer: str | None = None, crs: str | None = None) -> Layer:
    """The polygons of the shapefile in a zip, with attributes as text; records marked as deleted are left out.

    Raises:
        FileRejected: those of `read_members`; FILE_CRS without a .prj or `crs`; FILE_TRUNCATED, FILE_CORRUPT,
            FILE_INCONSISTENT (shapes and records differ in number), FILE_FORMAT (no polygons).
    """
    name = Path(path).name
    stem, parts = read_members(path, stem=layer, suffixes=_PARTS)
    if ".dbf" not in parts:
        raise FileRejected(name, "FILE_INCOMPLETE", f".dbf missing beside [{stem}.shp]")
    system = _crs(parts.get(".prj"), crs, name)
    shapes = _shapes(parts[".shp"], name)
    notes: list[tuple[str, int]] = []
    rows = _records(parts[".dbf"], parts.get(".cpg"), notes, name)
    if len(shapes) != len(rows):
        message = f"{len(shapes)} shapes; {len(rows)} records: they cannot be paired"
        raise FileRejected(name, "FILE_INCONSISTENT", message)
    features = tuple(
        Feature(line=line, properties=row, wkb=shape.wkb if shape else None, reason="" if shape else "GEOM_MISSING")
        for line, (shape, row) in enumerate(zip(shapes, rows), start=1)
        if row is not None
    )
    return Layer(crs=system, features=features, notes=tuple(notes))


def _crs(prj: bytes | None, declared: str | None, path: str) -> str:
    if declared:
        return declared
    if prj is None:
        raise FileRejected(path, "FILE_CRS", ".prj missing: the reference system is not known; name it with `crs`")
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return str(CRS.from_wkt(prj.decode("utf-8", "replace").strip()).to_wkt())
    except CRSError:
        raise FileRejected(path, "FILE_CRS", "the .prj names no known reference system; name it with `crs`") from None


def _shapes(data: bytes, path: str) -> list[Polygon | MultiPolygon | None]:
    if len(data) < 100 or struct.unpack_from(">I", data, 0)[0] != 9994:
        raise FileRejected(path, "FILE_CORRUPT", "the .shp has no shapefile header")
    promised = struct.unpack_from(">I", data, 24)[0] * 2
    kind = struct.unpack_from("<I", data, 32)[0]
    if kind not in _POLYGONS:
        raise FileRejected(path, "FILE_FORMAT", f"expected polygons, got shapes of type [{kind}]")
    if promised > len(data):
        raise FileRejected(path, "FILE_TRUNCATED", f".shp holds {len(data)} bytes of {promised}; copy it again")
    out: list[Polygon | MultiPolygon | None] = []
    at = 100
    while at < promised:
        if at + 12 > promised:
            raise FileRejected(path, "FILE_CORRUPT", f"the .shp ends inside record [{len(out) + 1}]")
        size = struct.unpack_from(">I", data, at + 4)[0] * 2
        if size < 4 or at + 8 + size > promised:
            message = f"record {len(out) + 1} of the .shp says it is [{size}] bytes long, which it is not"
            raise FileRejected(path, "FILE_CORRUPT", message)
        out.append(_shape(data[at + 8 : at + 8 + size], len(out) + 1, path))
        at += 8 + size
    return out


def _shape(record: bytes, line: int, path: str) -> Polygon | MultiPolygon | None:
    kind = struct.unpack_from("<I", record, 0)[0]
    if kind == 0:
        return None
    corrupt = FileRejected(path, "FILE_CORRUPT", f"record {line} of the .shp does not hold what it promises")
    if kind not in _POLYGONS or len(record) < 44:
        raise corrupt
    n_parts, n_points = struct.unpack_from("<II", record, 36)
    if 44 + 4 * n_parts + 16 * n_points > len(record) or n_parts > n_points:
        raise corrupt
    starts = [*struct.unpack_from(f"<{n_parts}I", record, 44), n_points]
    flat = struct.unpack_from(f"<{2 * n_points}d", record, 44 + 4 * n_parts)
    points = list(zip(flat[0::2], flat[1::2]))
    if any(first >= last for first, last in itertools.pairwise(starts)) or any(value != value for value in flat):
        raise corrupt
    rings = [points[first:last] for first, last in itertools.pairwise(starts)]
    return _assembled([ring for ring in rings if len(ring) >= 4])


def _assembled(rings: list[list[tuple[float, float]]]) -> Polygon | MultiPolygon | None:
    """Clockwise rings are outer rings, the others are holes of the smallest outer ring that holds them."""
    if not rings:
        return None
    outers = [Polygon(ring) for ring in rings if _turn(ring) < 0]
    inner = [ring for ring in rings if _turn(ring) >= 0]
    if not outers:
        outers, inner = [Polygon(ring) for ring in inner], []
    holes: list[list[list[tuple[float, float]]]] = [[] for _ in outers]
    lone = []
    for ring in inner:
        inside = Polygon(ring).representative_point()
        around = [at for at, outer in enumerate(outers) if outer.buffer(0).contains(inside)]
        if around:
            holes[min(around, key=lambda at: outers[at].area)].append(ring)
        else:
            lone.append(Polygon(ring))
    polygons = [Polygon(outer.exterior.coords, own) for outer, own in zip(outers, holes)] + lone
    return polygons[0] if len(polygons) == 1 else MultiPolygon(polygons)


def _turn(ring: list[tuple[float, float]]) -> float:
    x0, y0 = ring[0]
    return sum((x - x0) * (v - y0) - (u - x0) * (y - y0) for (x, y), (u, v) in itertools.pairwise(ring))


def _records(data: bytes, cpg: bytes | None, notes: list[tuple[str, int]], path: str) -> list[dict[str, Any] | None]:
    if len(data) < 33:
        raise FileRejected(path, "FILE_TRUNCATED", "the .dbf is shorter than its header")
    n, head, size = struct.unpack_from("<IHH", data, 4)
    fields = []
    at, offset = 32, 1
    while at + 32 <= min(head, len(data)) and data[at] != 0x0D:
        name = data[at : at + 11].split(b"\0")[0].decode("ascii", "replace")
        fields.append((name, chr(data[at + 11]), offset, data[at + 16], data[at + 17]))
        offset += data[at + 16]
        at += 32
    if not fields or offset > size or head + n * size > len(data):
        raise FileRejected(path, "FILE_TRUNCATED", f"the .dbf does not hold the {n} records it promises")
    encoding = _encoding(cpg, data[29])
    out: list[dict[str, Any] | None] = []
    for number in range(n):
        record = data[head + number * size : head + (number + 1) * size]
        if record[:1] == b"*":
            out.append(None)
            continue
        row = {}
        for name, kind, start, width, decimals in fields:
            text, is_sure = _decoded(record[start : start + width], encoding)
            if not is_sure and ("WARN_ENCODING", number + 1) not in notes:
                notes.append(("WARN_ENCODING", number + 1))
            row[name] = _value(text, kind, decimals)
        out.append(row)
    return out


def _encoding(cpg: bytes | None, driver: int) -> str:
    stated = (cpg or b"").decode("ascii", "replace").strip().strip("\0").lower()
    if stated.isdigit():
        stated = {"65001": "utf-8", "88591": "iso-8859-1"}.get(stated, f"cp{stated}")
    try:
        return "".encode(stated).decode() or stated if stated else _CODE_PAGES.get(driver, "utf-8")
    except LookupError:
        return _CODE_PAGES.get(driver, "utf-8")


def _decoded(data: bytes, encoding: str) -> tuple[str, bool]:
    """The text, and whether the stated encoding could read it; else Windows-1252, which is said."""
    try:
        return data.decode(encoding), True
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace"), False


def _value(text: str, kind: str, decimals: int) -> str | None:
    text = text.strip().strip("\0").strip()
    if not text or (kind in "NF" and set(text) == {"*"}):
        return None
    if kind in "NF" and (decimals or "e" in text.lower()):
        try:
            number = float(text)
        except ValueError:
            return text
        return str(int(number)) if number == int(number) else repr(number)
    return text
