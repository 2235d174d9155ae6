"""Delimited files: each fault costs its own record, or the file, and says what to do; nothing is guessed."""

import base64
import gzip
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geo.errors import FileRejected
from pipelines.readers import delimited
from pipelines.readers.bytescan import scan
from pipelines.readers.delimited import Dialect, Text, read_text, refused
from pipelines.readers.header import match

HEAD = "id,when,what\n"


def _read(tmp_path: Path, data: bytes | str, *, name: str = "in.csv", wanted: Sequence[str] = ("id", "what"),
          **dialect: Any) -> Text:  # fmt: skip
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    return read_text(path, out, wanted=wanted, dialect=Dialect(**dialect))


def _rows(text: Text) -> list[tuple[Any, ...]]:
    return duckdb.execute(f"SELECT * FROM '{text.rows}' ORDER BY source_line").fetchall()


def _code(tmp_path: Path, data: bytes | str, **kwargs: Any) -> tuple[str, str]:
    with pytest.raises(FileRejected) as caught:
        _read(tmp_path, data, **kwargs)
    assert "in.csv" in str(caught.value) or "name" in kwargs
    return caught.value.code, str(caught.value)


def test_only_the_wanted_columns_are_stored_with_their_record_number(tmp_path: Path) -> None:
    text = _read(tmp_path, HEAD + "1,now,a narrative\n\n2,then,b\n")
    assert _rows(text) == [(1, "1", "a narrative"), (2, "2", "b")]
    assert text.n_records == 2
    assert [note[0] for note in text.notes] == ["WARN_UNMAPPED_COLUMN"]
    assert "when" in text.notes[0][3]
    assert len(text.sha256) == 64


@pytest.mark.parametrize(
    ("data", "expected", "faults"),
    [
        (HEAD + "1,x\n2,y,z\n3,x,y,z\n", [(2, "2", "z")], [(1, "ROW_WIDTH"), (3, "ROW_WIDTH")]),
        (HEAD + '1,x,"never closed\n2,y,z\n', [(2, "2", "z")], [(1, "ROW_UNCLOSED_QUOTE")]),
        (HEAD + '1,x,"ab"cd\n2,y,z\n', [(2, "2", "z")], [(1, "ROW_QUOTE")]),
        (HEAD.encode() + b"1,x,a\0b\n2,y,z\n", [(2, "2", "z")], [(1, "ROW_CONTROL_CHAR")]),
        (HEAD.encode() + b"1,x,\xc3\xa9\n2,y,a\xe9b\n", [(1, "1", "é")], [(2, "ROW_ENCODING")]),
        (HEAD.encode() + b"1,x,a\n2,y,b\xc3", [(1, "1", "a")], [(2, "ROW_ENCODING")]),
        (HEAD + '1,x,"two\nlines, a ""quote"""\n2,y,5" b\n', [(1, "1", 'two\nlines, a "quote"'), (2, "2", '5" b')], []),
        (HEAD + '1,x,5" pipe\n2,y,"open', [(1, "1", '5" pipe')], [(2, "ROW_UNCLOSED_QUOTE")]),
        (HEAD + "1,x,a\r\n2,y,b\r3,z,c\n", [(1, "1", "a"), (2, "2", "b"), (3, "3", "c")], []),
        (HEAD.replace("\n", "\r\n") + "1,x,a\r\n\r\n2,y,b\r\n", [(1, "1", "a"), (2, "2", "b")], []),
        ("\ufeff" + HEAD + "1,x,a\n", [(1, "1", "a")], []),
        (HEAD + "1,x,a\n# a remark\nTotal,2,\n", [(1, "1", "a"), (3, "Total", None)], [(2, "ROW_WIDTH")]),
    ],
)  # fmt: skip
def test_each_fault_costs_its_own_record(
    tmp_path: Path, data: bytes | str, expected: list[tuple[Any, ...]], faults: list[tuple[int, str]]
) -> None:
    text = _read(tmp_path, data)
    assert _rows(text) == expected
    assert [fault[:2] for fault in refused(text.faults)] == faults
    assert text.n_records == len(expected) + len(faults)
    assert all("never closed" not in fault[3] for fault in refused(text.faults))


def test_a_quote_left_open_in_a_long_file_costs_one_line(tmp_path: Path) -> None:
    lines = [f"{n},x,plain" for n in range(5000)]
    lines[1234] = '1234,x,"open'
    text = _read(tmp_path, HEAD + "\n".join(lines) + "\n")
    assert text.n_records == 5000
    assert [fault[:2] for fault in refused(text.faults)] == [(1235, "ROW_UNCLOSED_QUOTE")]


def test_a_cut_off_last_record_warns(tmp_path: Path) -> None:
    text = _read(tmp_path, HEAD + "1,x,a\n2,y")
    assert ("WARN_TRUNCATED", "warning", 1) in [note[:3] for note in text.notes]
    assert [fault[:2] for fault in refused(text.faults)] == [(2, "ROW_WIDTH")]


@pytest.mark.parametrize(
    ("data", "kwargs", "code", "named"),
    [
        (b"", {}, "FILE_EMPTY", "0 bytes"),
        (b"\n" * 50, {}, "FILE_NO_HEADER", "no header"),
        (b"Report\nRun: today\n\n" + HEAD.encode() + b"1,x,a\n", {}, "FILE_NO_HEADER", "skip_lines = 3"),
        (b"1,x,a\n2,y,b\n", {}, "FILE_MISSING_COLUMN", "is the header lost"),
        (b"ident,when,waht\n1,x,a\n", {"wanted": ("ident", "what")}, "FILE_MISSING_COLUMN", "is it [waht]"),
        (b"id,what,id\n1,x,2\n", {}, "FILE_DUPLICATE_COLUMN", "[id]"),
        (b"ID,what,Id\n1,x,2\n", {}, "FILE_DUPLICATE_COLUMN", "[id]"),
        (b"id;when;what\n1;x;a\n", {}, "FILE_DELIMITER", "semicolon"),
        (b"id,when,what\n", {"delimiter": "|"}, "FILE_DELIMITER", "comma"),
        (b"PK\x03\x04" + b"x" * 40, {}, "FILE_NOT_CSV", "zip/xlsx"),
        (gzip.compress(HEAD.encode()), {}, "FILE_NOT_CSV", "gzip"),
        (b"<!DOCTYPE html><html>", {}, "FILE_NOT_CSV", "HTML"),
        (bytes(range(256)) * 16, {}, "FILE_NOT_CSV", "binary"),
        (HEAD.encode("utf-16"), {}, "FILE_ENCODING", "UTF-16"),
        (HEAD.encode() + "1,x,caf\xe9\n".encode("latin-1"), {}, "FILE_ENCODING", "windows-1252"),
        (HEAD.encode(), {"encoding": "utf-7"}, "FILE_ENCODING", "utf-7"),
        (HEAD.encode() + b"1,x," + b"a" * (9 << 20) + b"\n\0", {}, "FILE_NOT_CSV", "lines of at most 4 MB"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_as_declared_is_refused(
    tmp_path: Path, data: bytes, kwargs: dict[str, Any], code: str, named: str
) -> None:
    got, message = _code(tmp_path, data, **kwargs)
    assert got == code
    assert named in message


@pytest.mark.parametrize("encoding", ["latin-1", "windows-1252", "utf-16", "utf-8-sig"])
def test_a_declared_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    text = _read(tmp_path, (HEAD + "1,x,café\n").encode(encoding), encoding=encoding)
    assert _rows(text) == [(1, "1", "café")]


def test_gzip_of_several_members_and_its_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = gzip.compress(HEAD.encode()) + gzip.compress(b"1,x,a\n")
    assert _rows(_read(tmp_path, members, name="in.csv.gz")) == [(1, "1", "a")]
    whole = gzip.compress((HEAD + "1,x,a\n" * 2000).encode())
    assert _code(tmp_path, whole[:-20], name="cut.csv.gz")[0] == "FILE_TRUNCATED"
    assert _code(tmp_path, whole[:30] + b"\xff" * 9 + whole[39:], name="bad.csv.gz")[0] == "FILE_CORRUPT"
    assert _code(tmp_path, HEAD, name="plain.csv.gz")[0] == "FILE_NOT_CSV"
    bomb = gzip.compress(b"a" * (64 << 20))
    assert _code(tmp_path, bomb, name="bomb.csv.gz")[0] == "FILE_EXPANSION_LIMIT"


def test_header_names_differing_by_case_and_blanks_are_read_and_said(tmp_path: Path) -> None:
    text = _read(tmp_path, " ID ,when,What\n1,x,a\n")
    assert _rows(text) == [(1, "1", "a")]
    assert text.notes[0][0] == "WARN_HEADER_NORMALISED"


def test_hostile_header_names_are_only_names(tmp_path: Path) -> None:
    text = _read(tmp_path, 'id,what,"a""; DROP TABLE calls; --",__proto__,{{7*7}},x\u202ey\n1,a,,,,\n')
    assert _rows(text) == [(1, "1", "a")]
    assert "\u202e" not in text.notes[0][3]


def test_an_exact_name_wins_over_one_that_differs_by_case() -> None:
    assert match(["ID", "id"], wanted=["id"], unused=[], shown="f").positions == {"id": 1}


def test_parquet_is_text_or_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"id": ["007", None], "what": ["a", ""], "other": [1, 2]}), path)
    text = read_text(path, out, wanted=["id", "what"], dialect=Dialect(format="parquet"))
    assert _rows(text) == [(1, "007", "a"), (2, None, None)]
    whole = path.read_bytes()
    path.write_bytes(whole[:-6])
    assert _refusal(path, out) == "FILE_CORRUPT"
    path.write_bytes(whole[:60] + bytes(random.Random(1).randbytes(len(whole) - 120)) + whole[-60:])
    assert _refusal(path, out) == "FILE_CORRUPT"
    path.write_bytes(b"id,what\n1,a\n")
    assert _refusal(path, out) == "FILE_FORMAT"
    pq.write_table(pa.table({"id": [7], "what": ["a"]}), path)
    assert _refusal(path, out) == "FILE_SCHEMA"


def test_a_pickled_type_in_parquet_is_refused_unopened(tmp_path: Path) -> None:
    field = pa.field("id", pa.string(), metadata={"ARROW:extension:name": "arrow.py_extension_type",
                                                  "ARROW:extension:metadata": b"\x80\x04not opened"})  # fmt: skip
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table([["1"]], schema=pa.schema([field])), path)
    stored = pq.read_metadata(path).metadata[b"ARROW:schema"]
    assert b"py_extension_type" in base64.b64decode(stored)
    with pytest.raises(FileRejected, match="pickled"):
        read_text(path, tmp_path, wanted=["id"], dialect=Dialect(format="parquet"))


def _refusal(path: Path, out: Path) -> str:
    with pytest.raises(FileRejected) as caught:
        read_text(path, out, wanted=["id", "what"], dialect=Dialect(format="parquet"))
    return caught.value.code


_PIECES = ("a", "", '"x"', '"x,y"', '"p\nq"', ' "s"', '"t" ', '5"', '"u""v"', '""', '"w', 'z"', '"a"b', " ", "é")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.sampled_from(_PIECES), min_size=3, max_size=3), min_size=1, max_size=6),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.integers(0, 9),
)
def test_the_fast_reader_says_what_the_exact_one_says_or_nothing(
    tmp_path: Path, cells: list[list[str]], end: str, is_ended: bool, blank_at: int
) -> None:
    lines = [",".join(row) for row in cells]
    lines.insert(blank_at, "")
    path = tmp_path / "in.csv"
    path.write_bytes(("id,when,what" + end + end.join(lines) + (end if is_ended else "")).encode())
    found = scan(path, tmp_path, shown="in.csv")
    header, start, _ = delimited._header(found, Dialect(), ["id", "when", "what"], [], "in.csv")
    n, _ = delimited._read_exactly(found, tmp_path, Dialect(), header, start, "in.csv")
    exact = _stored(tmp_path)
    faults = list(refused(tmp_path / "faults.parquet"))
    assert n == len(exact) + len(faults)
    fast = delimited._read_fast(found, tmp_path, Dialect(), header)
    if fast is not None:
        assert faults == []
        assert fast[0] == n
        assert _stored(tmp_path) == exact


def _stored(folder: Path) -> list[tuple[Any, ...]]:
    rows = duckdb.execute(f"SELECT * FROM '{folder}/text.parquet' ORDER BY 1").fetchall()
    return [tuple((v.strip(" ") or None) if isinstance(v, str) else v for v in row) for row in rows]
