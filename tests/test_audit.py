"""The audit log: every tampering is found, nothing personal gets in, and a download is on disk before it leaves."""

import json
import multiprocessing
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geo.errors import InputError
from pipelines import audit
from pipelines.audit import AuditError, append, append_many, entry, verify
from pipelines.audit_writer import AuditWriter

SAID: dict[str, Any] = {
    "who": "a.planner",
    "role": "planner",
    "purpose": "planning",
    "action": "view",
    "release": "r1",
    "what": {"view": "explore", "level": "tract", "need": "mental_health"},
    "n_rows": 28,
    "city": "sample",
}
SEEN = {key: value for key, value in SAID.items() if key != "action"}
FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def head_of(path: Path) -> Path:
    return path.with_name(path.name + ".head")


def log_of(folder: Path, n: int) -> Path:
    path = folder / "audit.jsonl"
    for at in range(n):
        append(path, **{**SAID, "n_rows": at, "who": f"user.{at % 3}"})
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """The bytes of a log of eight lines, and of its head."""
    path = log_of(tmp_path_factory.mktemp("log"), 8)
    assert verify(path).is_whole
    return path.read_bytes(), head_of(path).read_bytes()


def put(folder: Path, text: bytes, head: bytes) -> Path:
    path = folder / "audit.jsonl"
    path.write_bytes(text)
    head_of(path).write_bytes(head)
    return path


def test_a_log_says_who_saw_what_and_verifies(tmp_path: Path) -> None:
    path = log_of(tmp_path, 3)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["seq"] for line in lines] == [1, 2, 3]
    assert lines[0]["prev_sha256"] == "0" * 64
    assert lines[2]["prev_sha256"] == lines[1]["sha256"]
    assert {key: lines[1][key] for key in SAID} == {**SAID, "n_rows": 1, "who": "user.1"}
    report = verify(path)
    assert report.is_whole
    assert (report.n_lines, report.head_sha256, report.first_bad_line) == (3, lines[2]["sha256"], None)
    assert path.stat().st_mode & 0o777 == 0o600


@FUZZ
@given(data=st.data())
def test_any_single_byte_edit_is_found_at_its_line(
    written: tuple[bytes, bytes], tmp_path: Path, data: st.DataObject
) -> None:
    text, head = written
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(st.integers(0, 255).filter(lambda byte: byte != text[at]))
    report = verify(put(tmp_path, text[:at] + bytes([new]) + text[at + 1 :], head))
    assert not report.is_whole
    assert report.first_bad_line == text[:at].count(b"\n") + 1


@FUZZ
@given(data=st.data(), byte=st.one_of(st.sampled_from(b' \t\n\r"{}0'), st.integers(0, 255)))
def test_any_inserted_or_deleted_byte_is_found_at_its_line(
    written: tuple[bytes, bytes], tmp_path: Path, data: st.DataObject, byte: int
) -> None:
    """A space that changes nothing of what is said is found too."""
    text, head = written
    at = data.draw(st.one_of(st.just(1), st.integers(0, len(text))))
    inserted = verify(put(tmp_path, text[:at] + bytes([byte]) + text[at:], head))
    if bytes([byte]) != text[at : at + 1]:
        assert inserted.first_bad_line == text[:at].count(b"\n") + 1
    assert not inserted.is_whole
    if at < len(text) - 1:
        assert verify(put(tmp_path, text[:at] + text[at + 1 :], head)).first_bad_line == text[:at].count(b"\n") + 1


@FUZZ
@given(at=st.integers(0, 7))
def test_any_deleted_line_is_found(written: tuple[bytes, bytes], tmp_path: Path, at: int) -> None:
    lines = written[0].splitlines(keepends=True)
    report = verify(put(tmp_path, b"".join(lines[:at] + lines[at + 1 :]), written[1]))
    assert not report.is_whole
    assert report.first_bad_line == (at + 1 if at < 7 else None)
    if at == 7:
        assert "cut off" in report.faults[0]


@FUZZ
@given(data=st.data())
def test_any_swap_of_two_lines_is_found(written: tuple[bytes, bytes], tmp_path: Path, data: st.DataObject) -> None:
    lines = written[0].splitlines(keepends=True)
    first, second = sorted(data.draw(st.lists(st.integers(0, 7), min_size=2, max_size=2, unique=True)))
    lines[first], lines[second] = lines[second], lines[first]
    assert verify(put(tmp_path, b"".join(lines), written[1])).first_bad_line == first + 1


@FUZZ
@given(data=st.data())
def test_any_inserted_line_is_found(written: tuple[bytes, bytes], tmp_path: Path, data: st.DataObject) -> None:
    """A copy of a line, noise, or a line forged to fit the chain; the last where it can, and the next line tells."""
    lines = written[0].splitlines(keepends=True)
    at = data.draw(st.integers(0, 8))
    before = json.loads(lines[at - 1])["sha256"] if at else audit.GENESIS
    forged = {**entry(**SAID), "seq": at + 1, "prev_sha256": before, "at": "2025-01-01T00:00:00+00:00"}
    forged["sha256"] = audit._sha(forged)
    line = data.draw(st.sampled_from([*lines, b"\n", b"{}\n", b"x\n", audit._as_line(forged)]))
    report = verify(put(tmp_path, b"".join([*lines[:at], line, *lines[at:]]), written[1]))
    assert not report.is_whole
    assert report.first_bad_line in (at + 1, at + 2, None)
    if report.first_bad_line is None:
        assert at == 8
        assert "added by another writer" in report.faults[0]


@FUZZ
@given(keep=st.integers(0, 10_000))
def test_any_cut_is_found(written: tuple[bytes, bytes], tmp_path: Path, keep: int) -> None:
    text = written[0][: keep % len(written[0])]
    assert not verify(put(tmp_path, text, written[1])).is_whole


def test_an_edit_with_its_own_hash_made_anew_breaks_the_next_line(written: tuple[bytes, bytes], tmp_path: Path) -> None:
    lines = written[0].splitlines(keepends=True)
    said = json.loads(lines[3])
    said["who"] = "somebody.else"
    said["sha256"] = audit._sha(said)
    lines[3] = audit._as_line(said)
    report = verify(put(tmp_path, b"".join(lines), written[1]))
    assert report.first_bad_line == 5
    assert "chain is broken" in report.faults[0]


def test_a_log_forged_whole_is_found_by_a_head_that_was_noted(tmp_path: Path) -> None:
    path = log_of(tmp_path, 4)
    noted = (4, verify(path).head_sha256)
    append(path, **SAID)
    assert verify(path, expect=noted).is_whole
    path.unlink()
    head_of(path).unlink()
    for _ in range(6):
        append(path, **{**SAID, "who": "forger"})
    assert verify(path).is_whole
    assert "noted earlier" in verify(path, expect=noted).faults[0]
    assert not verify(path, expect=(9, noted[1])).is_whole


def test_a_log_or_head_that_is_gone_is_said(tmp_path: Path) -> None:
    path = log_of(tmp_path, 2)
    head = head_of(path).read_bytes()
    head_of(path).unlink()
    assert "beside the log" in verify(path).faults[0]
    head_of(path).write_bytes(head)
    path.unlink()
    assert "head is still there" in verify(path).faults[0]
    with pytest.raises(AuditError, match="its head describes"):
        append(path, **SAID)


def test_nothing_is_appended_to_a_log_whose_end_was_tampered_with(tmp_path: Path) -> None:
    path = log_of(tmp_path, 3)
    for text in (path.read_bytes().replace(b"user.2", b"user.9"), b"".join(path.read_bytes().splitlines(True)[:2])):
        broken = put(tmp_path, text, head_of(path).read_bytes())
        with pytest.raises(AuditError, match="keep both files"):
            append(broken, **SAID)
        assert broken.read_bytes() == text


def test_a_writer_that_was_cut_short_is_followed_by_one_that_says_so(tmp_path: Path) -> None:
    path = log_of(tmp_path, 2)
    old_head = head_of(path).read_bytes()
    append(path, **SAID)
    line = path.read_bytes().splitlines(True)[-1]
    put(tmp_path, path.read_bytes() + line[:40], old_head)
    assert not verify(path).is_whole
    append(path, **SAID)
    report = verify(path)
    assert report.is_whole
    assert report.n_lines == 5
    assert report.notes == ("line 4: the writer found 1 lines after the head and half a line of 40 bytes and went on",)
    assert (tmp_path / "audit.jsonl.torn-4").read_bytes() == line[:40]


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = log_of(tmp_path, 2)
    before = path.read_bytes()

    def full(_path: Path, _head: audit.Head) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(audit, "_write_head", full)
        with pytest.raises(AuditError, match="No space left"):
            append(path, **SAID)
    assert path.read_bytes() == before
    append(path, **SAID)
    assert verify(path).is_whole
    assert verify(path).notes == ()


@pytest.mark.parametrize(
    "value",
    [
        "43.07312", "-87.2001,43.0731", "٤٣٫٠٧٣١٢", 43.07312,
        "lat=43.07312", "٤٣.٠٧٣١٢", "４３.０７３１２", "4.307312e1", "43,07312",
        "POINT (3 4)", "43° 4' 23\"", "476512.4 4767123.9", "120 Main St", "120-B N Harbor View Blvd",
        "100 block of Ferry Rd", "1200 BLK MARKET ST", "Main St & 3rd St", "MAIN ST/LAKE AVE", "Main St at Lake Ave",
        "1400 US Highway 12", "PO Box 114", "apt 4", "12 Shoreline Drive", "12½ Elm Street", "line\nbreak",
        float("nan"), float("inf"), b"bytes", "x" * 500, 10**16,
    ],
)  # fmt: skip
def test_places_and_oddities_do_not_get_into_the_log(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "audit.jsonl"
    for what in ({"area": value}, {"areas": ["a", value]}, {"filter": {"near": value}}):
        with pytest.raises(InputError) as caught:
            append(path, **{**SAID, "what": what})
        assert str(value) not in str(caught.value) or str(value) in ("nan", "inf")
    assert not path.exists()


@pytest.mark.parametrize("key", ["who", "release", "city"])
def test_no_address_in_the_other_texts(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError, match="street address"):
        append(tmp_path / "a", **{**SAID, key: "120 Main Street"})


@pytest.mark.parametrize(
    "what",
    [
        {"area": "tract:99001000100,99001000200", "period": "2024-Q1", "share": 0.125, "n": 12_345, "leg": "place"},
        {
            "file": "kit-2025-01-06.zip",
            "sha256": "ab" * 32,
            "version": "1.0.0+0123456789ab",
            "is_print": True,
            "to": None,
        },
        {"hour_block": "weekday_08_16", "view": "what_if", "extend_min": 120, "made_at": "2025-01-06T12:30:15+00:00"},
    ],
)
def test_ids_periods_and_numbers_do_get_in(tmp_path: Path, what: dict[str, Any]) -> None:
    append(tmp_path / "a", **{**SAID, "what": what, "who": "jo@city.example"})
    assert verify(tmp_path / "a").is_whole


@pytest.mark.parametrize(
    "odd",
    [{"action": "peek"}, {"n_rows": -1}, {"n_rows": 1.0}, {"n_rows": True}, {"who": " "}, {"role": "Planner!"},
     {"what": "explore"}, {"what": {"Bad Key": 1}}, {"what": {"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}},
     {"what": {"a": ["x"] * 201}}, {"what": {f"k{n}": "y" * 390 for n in range(39)}}, {"release": None}],
)  # fmt: skip
def test_entries_that_are_none(tmp_path: Path, odd: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        append(tmp_path / "a", **{**SAID, **odd})


def test_the_writer_logs_views_within_a_second_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with AuditWriter(path, every_s=0.05) as log:
        for at in range(50):
            log.view(**{**SEEN, "n_rows": at})
        limit = time.monotonic() + 5
        while (not path.exists() or path.read_bytes().count(b"\n") < 50) and time.monotonic() < limit:
            time.sleep(0.01)
        assert path.read_bytes().count(b"\n") == 50
        log.view(**{**SEEN, "n_rows": 50})
        sha = log.now(action="download", **{**SEEN, "n_rows": 51})
        assert verify(path).head_sha256 == sha
    rows = [json.loads(line)["n_rows"] for line in path.read_text().splitlines()]
    assert rows == list(range(52))
    assert verify(path).is_whole


def test_a_download_is_fsynced_before_it_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, order = tmp_path / "audit.jsonl", []
    sync = os.fsync

    def noted(handle: int) -> None:
        sync(handle)
        order.append(os.readlink(f"/proc/self/fd/{handle}"))

    monkeypatch.setattr(os, "fsync", noted)
    with AuditWriter(path) as log:
        log.now(action="download", **SEEN)
        order.append("first byte")
    assert order.index(str(path)) < order.index("first byte")


def test_a_log_that_cannot_be_written_shows_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.write_text("a file where the folder should be")
    log = AuditWriter(folder / "audit.jsonl", every_s=0.01)
    with pytest.raises(AuditError):
        log.now(action="download", **SEEN)
    with pytest.raises(AuditError, match="nothing is shown"):
        log.view(**SEEN)
    folder.unlink()
    assert log.now(action="download", **SEEN)
    log.view(**SEEN)
    log.close()
    assert verify(folder / "audit.jsonl").n_lines == 2
    with pytest.raises(AuditError, match="closed"):
        log.view(**SEEN)


def test_views_of_many_threads_are_all_there(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with AuditWriter(path, every_s=0.01) as log:
        threads = [threading.Thread(target=lambda: [log.view(**SEEN) for _ in range(40)]) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert verify(path).n_lines == 200
    assert verify(path).is_whole


def _append_some(path: str, n: int) -> None:
    for _ in range(n):
        append(Path(path), **SAID)


def test_two_processes_write_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_append_some, args=(str(path), 25)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert verify(path).n_lines == 50
    assert verify(path).is_whole


def test_many_at_once_are_one_chain_and_verify_is_quick(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    one = entry(**SAID)
    started = time.perf_counter()
    assert len(set(append_many(path, [one] * 5000))) == 5000
    assert verify(path).n_lines == 5000
    assert time.perf_counter() - started < 10
