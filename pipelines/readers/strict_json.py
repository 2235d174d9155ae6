"""Supplier JSON read strictly: UTF-8, no repeated key, no endless number, no NaN, no markup in disguise."""

import json
from pathlib import Path
from typing import Any

from geo.errors import FileRejected

LARGEST = 512 << 20
LONGEST_NUMBER = 40


def load_json(path: str | Path, *, what: str = "JSON") -> Any:
    """The parsed document of a file of at most 512 MiB.

    Raises:
        FileRejected: FILE_ENCODING, FILE_FORMAT (markup, another format), XML_DTD, FILE_NOT_JSON (cut off, a number
            too long, too deep), FILE_DUPLICATE_KEY, FILE_TOO_LARGE.
    """
    path = Path(path)
    data = path.read_bytes()
    if len(data) > LARGEST:
        raise FileRejected(path.name, "FILE_TOO_LARGE", f"expected at most {LARGEST >> 20} MiB, got [{len(data)}]")
    return parse_json(data, path=path.name, what=what)


def parse_json(data: bytes, *, path: str, what: str = "JSON") -> Any:
    """As `load_json`, of bytes that are already in memory."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"expected UTF-8 text, got another byte at offset [{error.start}]; save the file as UTF-8"
        raise FileRejected(path, "FILE_ENCODING", message) from None
    _refuse_markup(text, path, what)
    repeated: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, value in items:
            if key in out:
                repeated.append(key)
            out[key] = value
        return out

    def number(digits: str) -> int:
        if len(digits) > LONGEST_NUMBER:
            raise FileRejected(path, "FILE_NOT_JSON", f"number too long [{len(digits)} digits]; expected at most 40")
        return int(digits)

    def constant(word: str) -> float:
        raise FileRejected(path, "FILE_NOT_JSON", f"expected numbers, got [{word}], which JSON does not have")

    try:
        document = json.loads(text, object_pairs_hook=pairs, parse_int=number, parse_constant=constant)
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        said = "unexpected end of the file" if cut else f"{error.msg.lower()} at line {error.lineno}"
        raise FileRejected(path, "FILE_NOT_JSON", f"{said}; was the file copied whole?") from None
    except RecursionError:
        raise FileRejected(path, "FILE_NOT_JSON", "nested too deep; expected a plain document") from None
    if repeated:
        names = ", ".join(dict.fromkeys(name[:40] for name in repeated[:5]))
        raise FileRejected(path, "FILE_DUPLICATE_KEY", f"duplicate key [{names}]; which value holds is not known")
    return document


def _refuse_markup(text: str, path: str, what: str) -> None:
    start = text.lstrip()[:4000]
    if not start:
        raise FileRejected(path, "FILE_NOT_JSON", f"expected {what}, got an empty file (unexpected end)")
    if start[0] == "<":
        if "<!doctype" in start.lower() or "<!entity" in start.lower():
            raise FileRejected(path, "XML_DTD", "a DOCTYPE with entities is never read; supply GeoJSON or CSV")
        tag = start[1:41].split(">")[0].split()[0] if len(start) > 1 else ""
        raise FileRejected(path, "FILE_FORMAT", f"not {what}: the content is markup [<{tag}>]; vrt and KML are refused")
    if start[0] not in "{[":
        raise FileRejected(path, "FILE_NOT_JSON", f"expected {what}, got text that starts otherwise")
