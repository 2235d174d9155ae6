"""The audit log: append-only JSON lines in a hash chain, with the length and end of the chain in a file beside it.

Each line holds `prev_sha256` (the `sha256` of the line before, 64 zeros for the first) and its own `sha256`, over all
its other keys as JSON with sorted keys and no spaces. `<log>.head` holds the number of lines, the last `sha256` and
the length in bytes, so that a log cut at its end is found too. Whoever may write both files can forge both: keep the
head that `verify` prints somewhere else, and give it back as `expect`.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from geo.errors import InputError, UnmetError
from pipelines import clock
from pipelines.audit_words import ACTIONS, check_entry

GENESIS = "0" * 64
LONGEST_LINE = 8192
_OVERHEAD = 300  # number, instant and two hashes
KEYS = ("action", "at", "city", "n_rows", "prev_sha256", "purpose", "release", "role", "seq", "sha256", "what", "who")


class AuditError(UnmetError):
    """The log cannot be written to, or is not the one that its head describes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a chain ends: number of lines, `sha256` of the last, length of the file in bytes."""

    seq: int = 0
    sha256: str = GENESIS
    n_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What `verify` found; `first_bad_line` is 1-based, None where the chain is whole (the fault may be its length)."""

    n_lines: int
    head_sha256: str
    first_bad_line: int | None
    faults: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def entry(
    *, who: str, role: str, purpose: str, action: str, release: str, what: Mapping[str, Any], n_rows: int, city: str
) -> dict[str, Any]:
    """A log entry, checked: no coordinates, no street addresses, known action, short words.

    `what` are ids and settings (view, level, area, need, period, file, sha256 …), never free text of a reader.

    Raises:
        InputError: something in it must not be in a log.
    """
    out: dict[str, Any] = {
        "who": who,
        "role": role,
        "purpose": purpose,
        "action": action,
        "release": release,
        "what": dict(what) if isinstance(what, Mapping) else what,
        "n_rows": n_rows,
        "city": city,
    }
    check_entry(out)
    if (size := len(_json(out))) > LONGEST_LINE - _OVERHEAD:
        raise InputError(f"what: expected a line of at most {LONGEST_LINE} bytes, got [{size}]; log ids, not contents")
    return out


def append(
    path: Path,
    *,
    who: str,
    role: str,
    purpose: str,
    action: str,
    release: str,
    what: Mapping[str, Any],
    n_rows: int,
    city: str,
) -> str:
    """The `sha256` of the new line, which is on disk when this returns. `action` is one of `audit_words.ACTIONS`.

    Raises:
        InputError: an entry that must not be in a log.
        AuditError: the log cannot be written, or is not what its head says; nothing was written.
    """
    one = entry(
        who=who, role=role, purpose=purpose, action=action, release=release, what=what, n_rows=n_rows, city=city
    )
    return append_many(path, [one])[-1]


def append_many(path: Path, entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """The `sha256` of each new line, in order; one lock and one fsync for all. Entries are those of `entry`.

    Raises:
        AuditError: as `append`.
    """
    for one in entries:
        check_entry(one)
    try:
        with _locked(path, "a+b", fcntl.LOCK_EX) as stream:
            head, repairs = _resume(path, stream)
            lines, head = _chain(head, [*repairs, *entries])
            _write(path, stream.fileno(), b"".join(line for line, _ in lines), head)
            return [sha for _, sha in lines[len(repairs) :]]
    except OSError as error:
        raise AuditError(f"{path.name}: expected a log that can be written, got [{error.strerror}]") from error


def _write(path: Path, handle: int, text: bytes, head: Head) -> None:
    """Appends and fsyncs, then replaces the head; where either fails the log is as before."""
    size, before = os.fstat(handle).st_size, _read_head(path)
    try:
        rest = memoryview(text)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
        _write_head(path, head)
    except OSError:
        if _read_head(path) == before:
            os.ftruncate(handle, size)
        raise


def verify(path: Path, *, expect: tuple[int, str] | None = None) -> AuditReport:
    """What is wrong with a log: any edit, deletion, insertion, swap or cut, with the first bad line.

    `expect` is a (number of lines, sha256) noted earlier: the line of that number must still have it.
    """
    try:
        with _locked(path, "rb", fcntl.LOCK_SH) as stream:
            return _verify(path, stream, expect)
    except FileNotFoundError:
        said = "; its head is still there" if _head_path(path).exists() else ""
        return AuditReport(n_lines=0, head_sha256=GENESIS, first_bad_line=None, notes=(),
                           faults=(f"expected a log, got no file [{path.name}]{said}",))  # fmt: skip


def _verify(path: Path, stream: IO[bytes], expect: tuple[int, str] | None) -> AuditReport:
    seq, sha, faults, notes, bad = 0, GENESIS, [], [], None
    seen = expect is None
    for number, line in enumerate(_lines(stream), start=1):
        said, reason = _read_line(line, seq=seq, prev=sha)
        if reason or said is None:
            bad = number
            faults.append(f"line {number}: {reason}")
            break
        seq, sha = number, str(said["sha256"])
        if said["action"] == "recover":
            notes.append(f"line {number}: the writer found {said['what'].get('found')} and went on")
        if expect is not None and number == expect[0]:
            seen = sha == expect[1]
    if bad is None:
        faults += _against_head(path, Head(seq=seq, sha256=sha, n_bytes=stream.tell()))
    if not seen and expect is not None and (bad is None or bad > expect[0]):
        faults.append(
            f"line {expect[0]}: expected the sha256 noted earlier [{expect[1][:16]}…], got another or no line"
        )
    return AuditReport(n_lines=seq, head_sha256=sha, first_bad_line=bad, faults=tuple(faults), notes=tuple(notes))


def _against_head(path: Path, found: Head) -> list[str]:
    """Faults of a whole chain whose end is not where the head says."""
    try:
        head = _read_head(path)
    except AuditError as error:
        return [str(error)]
    if head is None:
        return [f"expected {_head_path(path).name} beside the log, got none; lines may be missing at the end"]
    if head == found:
        return []
    if found.seq < head.seq:
        return [f"expected {head.seq} lines (the head's number), got [{found.seq}]: the end was cut off"]
    return [f"expected {head.seq} lines ending in {head.sha256[:16]}…, got [{found.seq}] ending in "
            f"{found.sha256[:16]}…: lines were added by another writer or by one that was cut short"]  # fmt: skip


def _read_line(line: bytes, *, seq: int, prev: str) -> tuple[dict[str, Any] | None, str]:
    """The entry of a line that fits after `seq` and `prev`, or why it does not."""
    if not line.endswith(b"\n"):
        return None, "the line has no end"
    try:
        said = json.loads(line)
        is_entry = isinstance(said, dict) and tuple(sorted(said)) == KEYS and isinstance(said["what"], dict)
    except (ValueError, RecursionError):
        return None, "this is no JSON"
    if not is_entry or _as_line(said) != line:
        return None, "this is no line that the software wrote"
    if said["sha256"] != _sha(said):
        return None, "the text was edited: its sha256 is another"
    if said["prev_sha256"] != prev:
        return None, "the chain is broken: the line before is not the one it was written after"
    if said["seq"] != seq + 1:
        return None, f"expected number {seq + 1}, got [{said['seq']}]"
    return said, ""


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    stream.seek(0)
    while line := stream.readline(LONGEST_LINE + 1):
        yield line


def _sha(said: Mapping[str, Any]) -> str:
    plain = {key: value for key, value in said.items() if key != "sha256"}
    return hashlib.sha256(_json(plain)).hexdigest()


def _json(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def _as_line(said: Mapping[str, Any]) -> bytes:
    return _json(said) + b"\n"


def _chain(head: Head, entries: Sequence[Mapping[str, Any]]) -> tuple[list[tuple[bytes, str]], Head]:
    """(line, sha256) of each entry after `head`, and the new head."""
    out = []
    for one in entries:
        said = {**one, "seq": head.seq + 1, "prev_sha256": head.sha256, "at": clock.now().isoformat()}
        said["sha256"] = _sha(said)
        line = _as_line(said)
        if len(line) > LONGEST_LINE:
            raise AuditError(f"expected at most {LONGEST_LINE} bytes a line, got [{len(line)}]; log ids, not contents")
        out.append((line, str(said["sha256"])))
        head = Head(seq=head.seq + 1, sha256=str(said["sha256"]), n_bytes=head.n_bytes + len(line))
    return out, head


def _resume(path: Path, stream: IO[bytes]) -> tuple[Head, list[dict[str, Any]]]:
    """Where to go on, and the entries that say what a writer that was cut short had left.

    Raises:
        AuditError: the log is not the one that its head describes.
    """
    head = _read_head(path)
    size = stream.seek(0, os.SEEK_END)
    if head is None and size == 0:
        return Head(), []
    if head is not None and head.n_bytes == size and _last_sha(stream, size) == head.sha256:
        return head, []
    found, torn = _follow(stream)
    if head is not None and (found.seq < head.seq or not _passes(stream, head)):
        raise AuditError(f"{path.name}: expected the log that its head describes ({head.seq} lines), got another; "
                         "run `unmet audit verify` and keep both files as they are")  # fmt: skip
    return _repair(path, stream, found, torn, head)


def _repair(
    path: Path, stream: IO[bytes], found: Head, torn: bytes, head: Head | None
) -> tuple[Head, list[dict[str, Any]]]:
    """After a crash: lines beyond the head are kept, a half-written one is put beside the log; both are logged."""
    said = []
    if head is None:
        said.append("no head")
    elif found.seq > head.seq:
        said.append(f"{found.seq - head.seq} lines after the head")
    if torn:
        if b"\n" in torn:
            raise AuditError(f"{path.name}: expected whole lines, got a broken one after line [{found.seq}]; "
                             "run `unmet audit verify` and keep the file as it is")  # fmt: skip
        aside = path.with_name(f"{path.name}.torn-{found.seq + 1}")
        aside.write_bytes(torn)
        stream.truncate(found.n_bytes)
        said.append(f"half a line of {len(torn)} bytes")
    return found, [
        entry(who="audit", role="admin", purpose="operation", action="recover", release="", n_rows=0, city="",
              what={"found": " and ".join(said)})
    ]  # fmt: skip


def _follow(stream: IO[bytes]) -> tuple[Head, bytes]:
    """The end of the chain read from its start, and the bytes after it."""
    head = Head()
    for line in _lines(stream):
        said, _ = _read_line(line, seq=head.seq, prev=head.sha256)
        if said is None:
            break
        head = Head(seq=head.seq + 1, sha256=str(said["sha256"]), n_bytes=head.n_bytes + len(line))
    stream.seek(head.n_bytes)
    return head, stream.read()


def _passes(stream: IO[bytes], head: Head) -> bool:
    """Whether the chain in the file passes through `head`."""
    return head.seq == 0 or _last_sha(stream, head.n_bytes) == head.sha256


def _last_sha(stream: IO[bytes], end: int) -> str:
    """The checked sha256 of the line that ends at byte `end`, "" where there is none."""
    start = max(0, end - LONGEST_LINE - 1)
    stream.seek(start)
    lines = stream.read(end - start).splitlines(keepends=True)
    try:
        said = json.loads(lines[-1])
        return str(said["sha256"]) if said["sha256"] == _sha(said) and _as_line(said) == lines[-1] else ""
    except (IndexError, ValueError, KeyError, TypeError, AttributeError):
        return ""


def _head_path(path: Path) -> Path:
    return path.with_name(path.name + ".head")


def _read_head(path: Path) -> Head | None:
    try:
        said = json.loads(_head_path(path).read_text("utf-8"))
        return Head(seq=int(said["seq"]), sha256=str(said["sha256"]), n_bytes=int(said["n_bytes"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, OSError):
        raise AuditError(f"{_head_path(path).name}: expected the head of the log as JSON, got something else") from None


def _write_head(path: Path, head: Head) -> None:
    """Writes beside, fsyncs, renames."""
    temporary = _head_path(path).with_name(path.name + ".head.tmp")
    with temporary.open("wb") as stream:
        stream.write(_json({"seq": head.seq, "sha256": head.sha256, "n_bytes": head.n_bytes}) + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    os.chmod(temporary, 0o600)
    os.replace(temporary, _head_path(path))
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _locked(path: Path, mode: str, how: int) -> Iterator[IO[bytes]]:
    """The open log, held alone (to write) or with other readers."""
    if "a" in mode:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
    with path.open(mode) as stream:
        fcntl.flock(stream, how)
        yield stream


__all__ = ["ACTIONS", "AuditError", "AuditReport", "append", "append_many", "entry", "verify"]
