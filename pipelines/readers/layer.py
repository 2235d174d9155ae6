"""A vector layer as plain values that can cross from the confined child: features, their shapes, what was found."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shapely import wkb as shapely_wkb
from shapely.errors import ShapelyError
from shapely.geometry.base import BaseGeometry

MAX_DEPTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One feature: its 1-based record number, attributes as read, shape as WKB (None where it was refused)."""

    line: int
    properties: Mapping[str, Any]
    wkb: bytes | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer: its reference system as text, its features, and (reason, line) of each thing worth saying."""

    crs: str
    features: tuple[Feature, ...]
    notes: tuple[tuple[str, int], ...] = field(default=())


def to_plain(layer: Layer) -> dict[str, Any]:
    """The layer as JSON values."""
    return {
        "crs": layer.crs,
        "features": [
            [f.line, dict(f.properties), None if f.wkb is None else f.wkb.hex(), f.reason] for f in layer.features
        ],
        "notes": [list(note) for note in layer.notes],
    }


def from_plain(plain: Mapping[str, Any]) -> Layer:
    """The layer that `to_plain` wrote."""
    features = tuple(
        Feature(
            line=int(line), properties=properties, wkb=None if shape is None else bytes.fromhex(shape), reason=reason
        )
        for line, properties, shape, reason in plain["features"]
    )
    return Layer(crs=plain["crs"], features=features, notes=tuple((str(a), int(b)) for a, b in plain["notes"]))


def safe_shape(data: bytes) -> BaseGeometry | None:
    """The shape of well-formed WKB, or None for bytes that promise more than they hold, nest too deep or fail."""
    try:
        if _walk(data, 0, 0) is None:
            return None
        return shapely_wkb.loads(data)
    except (struct.error, ShapelyError, ValueError, IndexError):
        return None


def _walk(data: bytes, at: int, depth: int) -> int | None:
    """Offset after the shape that starts at `at`, or None; counts are checked against the bytes that are left."""
    if depth > MAX_DEPTH or data[at] > 1:
        return None
    order = "<" if data[at] else ">"
    (kind,) = struct.unpack_from(order + "I", data, at + 1)
    at += 5
    if kind & 0x20000000:
        at += 4
    width = 16 + 8 * bool(kind & 0x80000000) + 8 * bool(kind & 0x40000000)
    base = kind & 0x0FFFFFFF
    width += (0, 8, 8, 16)[base // 1000] if base < 4000 else 0
    base %= 1000
    if base == 1:
        return at + width if at + width <= len(data) else None
    (n,) = struct.unpack_from(order + "I", data, at)
    at += 4
    if base == 2:
        return _skip(data, at, n * width)
    if base == 3:
        for _ in range(_bounded(n, data, at)):
            (points,) = struct.unpack_from(order + "I", data, at)
            after = _skip(data, at + 4, points * width)
            if after is None:
                return None
            at = after
        return at
    if base not in (4, 5, 6, 7):
        return None
    for _ in range(_bounded(n, data, at)):
        after = _walk(data, at, depth + 1)
        if after is None:
            return None
        at = after
    return at


def _skip(data: bytes, at: int, size: int) -> int | None:
    return at + size if at + size <= len(data) else None


def _bounded(n: int, data: bytes, at: int) -> int:
    """n, or an error where so many parts of at least 4 bytes cannot follow."""
    if n * 4 > len(data) - at:
        raise ValueError("more parts promised than bytes")
    return n


def note_lines(notes: Sequence[tuple[str, int]], reason: str) -> list[int]:
    """The record numbers that carry a reason."""
    return [line for code, line in notes if code == reason]
