"""The exact record parser: slower than DuckDB, used where a file has faults, so that each fault costs one record.

Fields are RFC 4180: a field may stand in double quotes, a doubled quote is a quote, blanks around a quoted field
are dropped, a quote inside an unquoted field is a character. A quote that is never closed costs its own line only:
reading goes on with the next line.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from geo.errors import FileRejected

LONGEST_LINE = 4 << 20
_MOST_LINES, _MOST_BYTES = 200, 256 << 10
_BOM = b"\xef\xbb\xbf"


class Record(NamedTuple):
    """A record: the physical line it starts on, its fields, or the reason it has none and a word on it."""

    line: int
    fields: list[str]
    reason: str = ""
    about: str = ""
    at_end: bool = False


def records(path: Path, *, delimiter: str, shown: str, skip_lines: int = 0) -> Iterator[Record]:
    """Records of a UTF-8 file in order, without blank lines; faulty ones carry a reason of `bad-inputs`.

    Reasons: ROW_ENCODING, ROW_CONTROL_CHAR (a NUL), ROW_UNCLOSED_QUOTE, ROW_QUOTE (text after a closing quote).
    `at_end` marks the last record of a file that does not end in a line end.
    """
    grammar = _grammar(delimiter)
    plain = delimiter.encode()
    lines = _Lines(deque(), enumerate(_physical_lines(path, shown), start=1))
    for _ in range(skip_lines):
        lines.take()
    while (taken := lines.take()) is not None:
        number, raw = taken
        body = _without_end(raw)
        if not body:
            continue
        at_end = len(body) == len(raw)
        if b'"' not in body and b"\0" not in body:
            try:
                yield Record(number, body.decode().split(delimiter), at_end=at_end)
            except UnicodeDecodeError as error:
                yield _undecodable(number, body, error, plain, at_end)
        else:
            yield _quoted_record(number, raw, lines, grammar, plain)


def _quoted_record(number: int, raw: bytes, lines: "_Lines", grammar: "_Grammar", delimiter: bytes) -> Record:
    """The record that starts with this line, taking further lines while a quote stays open."""
    parts = [(number, raw)]
    text = raw
    while True:
        body = _without_end(text)
        at_end = len(body) == len(text)
        if b"\0" in body:
            where = body[: body.index(b"\0")].count(delimiter) + 1
            lines.give_back(parts[1:])
            return Record(number, [], "ROW_CONTROL_CHAR", f"NUL in field {where}", at_end)
        try:
            fields, state = _split(body.decode(), grammar)
        except UnicodeDecodeError as error:
            lines.give_back(parts[1:])
            return _undecodable(number, _without_end(raw), error, delimiter, at_end)
        if state == "done":
            return Record(number, fields, at_end=at_end)
        grown = state == "open" and _take_to_quote(parts, lines)
        if not grown:
            reason = "ROW_QUOTE" if state == "bad" and len(parts) == 1 else "ROW_UNCLOSED_QUOTE"
            about = f"quote in field {len(fields) + 1} of line {number}"
            lines.give_back(parts[1:])
            return Record(number, [], reason, about, len(_without_end(raw)) == len(raw))
        text = b"".join(part for _, part in parts)


def _take_to_quote(parts: list[tuple[int, bytes]], lines: "_Lines") -> bool:
    """Whether lines up to the next one with a quote were added; False at the end of the file or of patience."""
    size = sum(len(part) for _, part in parts)
    while len(parts) < _MOST_LINES and size < _MOST_BYTES:
        taken = lines.take()
        if taken is None:
            return False
        parts.append(taken)
        size += len(taken[1])
        if b'"' in taken[1]:
            return True
    return False


def _undecodable(number: int, body: bytes, error: UnicodeDecodeError, delimiter: bytes, at_end: bool) -> Record:
    field = body[: error.start].count(delimiter) + 1
    return Record(number, [], "ROW_ENCODING", f"no UTF-8 in field {field} of line {number}", at_end)


@dataclass(frozen=True, slots=True)
class _Grammar:
    field: re.Pattern[str]
    open: re.Pattern[str]


def _grammar(delimiter: str) -> _Grammar:
    d = re.escape(delimiter)
    return _Grammar(
        re.compile(rf' *"((?:[^"]|"")*+)" *({d}|\Z)|((?! *")[^{d}]*)({d}|\Z)', re.DOTALL),
        re.compile(r' *"(?:[^"]|"")*+\Z', re.DOTALL),
    )


def _split(text: str, grammar: _Grammar) -> tuple[list[str], str]:
    """Fields, and `done`, `open` (a quote is not closed yet) or `bad` (text after a closing quote)."""
    out: list[str] = []
    at = 0
    while True:
        found = grammar.field.match(text, at)
        if found is None:
            return out, "open" if grammar.open.match(text, at) else "bad"
        quoted, after, bare, after_bare = found.groups()
        out.append(bare if quoted is None else quoted.replace('""', '"'))
        if not (after or after_bare):
            return out, "done"
        at = found.end()


def _without_end(raw: bytes) -> bytes:
    if raw.endswith(b"\r\n"):
        return raw[:-2]
    return raw[:-1] if raw.endswith((b"\n", b"\r")) else raw


@dataclass(frozen=True, slots=True)
class _Lines:
    """Physical lines with their numbers and ends; lines may be given back."""

    waiting: deque[tuple[int, bytes]]
    rest: Iterator[tuple[int, bytes]]

    def take(self) -> tuple[int, bytes] | None:
        return self.waiting.popleft() if self.waiting else next(self.rest, None)

    def give_back(self, lines: list[tuple[int, bytes]]) -> None:
        self.waiting.extendleft(reversed(lines))


def _physical_lines(path: Path, shown: str) -> Iterator[bytes]:
    carry = b""
    first = True
    with path.open("rb") as handle:
        while chunk := handle.read(1 << 22):
            data = carry + (chunk.removeprefix(_BOM) if first else chunk)
            first = False
            lines = data.splitlines(keepends=True)
            carry = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
            if len(carry) > LONGEST_LINE:
                text = f"expected lines of at most {LONGEST_LINE >> 20} MB, got [{len(carry) >> 20} MB]; see its form."
                raise FileRejected(shown, "FILE_NOT_CSV", text)
            yield from lines
    yield from carry.splitlines(keepends=True)
