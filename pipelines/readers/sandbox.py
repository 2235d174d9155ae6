"""`run_confined`: a function in a child process with limits, for everything that opens a supplier's file.

A supplier's file may be made to crash a reader, to fill memory, to never end, to fetch an address or to have
another file read. So it is opened only in a child that has no network, a memory, processor and wall-clock limit,
may read its inputs and the installed software only, and may write beneath one folder only.
"""

import errno
import importlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geo import errors
from geo.errors import FileRejected, UnmetError

Progress = Callable[[str, int, int], None]
_SYSTEM = ("/usr", "/lib", "/lib64", "/etc", "/proc", "/sys", "/dev/urandom", "/dev/random", "/opt")
_LARGEST_ANSWER = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Confined:
    """What the function returned, which walls stood, and which this machine does not offer."""

    value: Any
    walls: tuple[str, ...]
    missing: tuple[str, ...]


def run_confined(
    function_path: str,
    kwargs: Mapping[str, Any],
    *,
    path: str | Path,
    out: str | Path,
    wall_s: float = 900.0,
    memory_mb: int = 4096,
    reads: Sequence[str | Path] = (),
    progress: Progress | None = None,
) -> Confined:
    """The answer of `module:function` called with `kwargs` in a confined child process.

    `kwargs` and the answer pass as JSON. `path` is the supplier's file or folder, named in refusals and readable
    in the child; `reads` are further readable paths; `out` is the one folder that it may write (also its temporary
    folder; made here). `wall_s` seconds, `memory_mb` MiB of address space. The child may call `report(step, done,
    total)` of this module, which reaches `progress`.

    Raises:
        FileRejected: as raised in the child; FILE_TIME_LIMIT, FILE_MEMORY_LIMIT, or FILE_CORRUPT for a crash.
        UnmetError: any other kind of geo.errors, as raised in the child.
        OSError: the disk that `out` is on is full.
    """
    out = Path(out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    package = function_path.partition(".")[0].partition(":")[0]
    order = {
        "function": function_path,
        "kwargs": dict(kwargs),
        "memory_mb": memory_mb,
        "cpu_s": int(wall_s * (os.cpu_count() or 1)) + 2,
        "read": [str(Path(item).resolve()) for item in (path, *reads)],
        "package": package,
        "write": str(out),
    }
    answer: dict[str, Any] = {}
    for message in _talk(order, out=out, wall_s=wall_s, path=str(path)):
        if "progress" in message:
            if progress is not None:
                progress(*message["progress"])
        else:
            answer = message
    if "value" in answer:
        return Confined(value=answer["value"], walls=tuple(answer["walls"]), missing=tuple(answer["missing"]))
    if answer.get("full"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(out))
    raise _as_error(answer, str(path))


def report(step: str, done: int, total: int) -> None:
    """Nothing: tells the parent of `run_confined` how far this child is; does nothing elsewhere."""
    if _CHANNEL:
        _send({"progress": [step, done, total]})


_CHANNEL: list[int] = []


def _talk(order: dict[str, Any], *, out: Path, wall_s: float, path: str) -> Iterator[dict[str, Any]]:
    """Messages of the child, until it ends; a child that outlives its time is killed with all it started."""
    deadline = time.monotonic() + wall_s
    reader, writer = os.pipe()
    environment = {
        "PATH": os.environ.get("PATH", "/usr/bin"),
        "PYTHONPATH": os.pathsep.join(str(Path(entry or ".").resolve()) for entry in sys.path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(out),
        "HOME": str(out),
        "LC_ALL": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "MALLOC_ARENA_MAX": "2",
        "GDAL_SKIP": "OGR_VRT,VRT",
        "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
        "PROJ_NETWORK": "OFF",
    }
    child = subprocess.Popen(
        [sys.executable, "-m", "pipelines.readers.sandbox", str(writer)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(writer,),
        cwd=out,
        env=environment,
        start_new_session=True,
    )
    os.close(writer)
    try:
        if child.stdin is not None:
            _hand_over(child.stdin.fileno(), json.dumps(order).encode())
            child.stdin.close()
        yield from _messages(reader, deadline=deadline, path=path, wall_s=wall_s)
        child.wait(timeout=max(1.0, deadline - time.monotonic()))
        if child.returncode != 0:
            yield {"crash": child.returncode}
    except subprocess.TimeoutExpired:
        raise _too_slow(path, wall_s) from None
    finally:
        os.close(reader)
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _hand_over(handle: int, order: bytes) -> None:
    try:
        while order:
            order = order[os.write(handle, order) :]
    except BrokenPipeError:
        return


def _messages(reader: int, *, deadline: float, path: str, wall_s: float) -> Iterator[dict[str, Any]]:
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                raise _too_slow(path, wall_s)
            chunk = os.read(reader, 1 << 20)
            if not chunk:
                return
            *lines, pending = (pending + chunk).split(b"\n")
            if len(pending) > _LARGEST_ANSWER:
                raise FileRejected(path, "FILE_CORRUPT", "its reader answered without end; the file was not used.")
            for line in lines:
                yield json.loads(line)


def _too_slow(path: str, wall_s: float) -> FileRejected:
    text = f"expected its reader to end within [{wall_s:g} s]; it was stopped. Split the file or raise the limit."
    return FileRejected(path, "FILE_TIME_LIMIT", text)


def _as_error(answer: dict[str, Any], path: str) -> UnmetError:
    if "rejected" in answer:
        return FileRejected(*answer["rejected"])
    if "error" in answer:
        kind = getattr(errors, answer["error"])
        return kind(*answer["arguments"])  # type: ignore[no-any-return]
    if answer.get("memory"):
        text = "expected its reader to keep within its memory limit; it did not. Split the file or raise the limit."
        return FileRejected(path, "FILE_MEMORY_LIMIT", text)
    if "broke" in answer:
        refusal = FileRejected(
            path, "FILE_CORRUPT", f"its reader stopped with [{answer['broke']}]; check the file's form."
        )
        refusal.add_note("\n".join(answer["where"]))
        return refusal
    if answer.get("crash") == -signal.SIGXCPU:
        return FileRejected(path, "FILE_TIME_LIMIT", "its reader used up its processor time; it was stopped.")
    code = answer.get("crash", "no answer")
    return FileRejected(path, "FILE_CORRUPT", f"its reader crashed [{code}]; check the file's form.")


def _child(handle: int) -> int:
    """The child's side: walls first, then the import of the function, then the call."""
    order = json.loads(sys.stdin.buffer.read())
    _CHANNEL.append(handle)
    walls, missing = _raise_walls(order)
    try:
        module, _, name = order["function"].partition(":")
        value = getattr(importlib.import_module(module), name)(**order["kwargs"])
        _send({"value": value, "walls": walls, "missing": missing})
    except FileRejected as refusal:
        text = str(refusal).removeprefix(f"{refusal.path}: {refusal.code}: ")
        _send({"rejected": [refusal.path, refusal.code, text]})
    except (errors.TableError, errors.ConfigError) as error:
        subject = error.table if isinstance(error, errors.TableError) else error.path
        _send({"error": type(error).__name__, "arguments": [subject, list(error.faults)]})
    except UnmetError as error:
        _send({"error": type(error).__name__, "arguments": [str(error)]})
    except Exception as error:
        _send(_broken(error))
    return 0


def _broken(error: Exception) -> dict[str, Any]:
    """A message without the error's own text, which may quote the file."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryException":
        return {"memory": True}
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left on device" in str(error):
        return {"full": True}
    frames = traceback.extract_tb(error.__traceback__)
    return {"broke": type(error).__name__, "where": [f"{f.filename}:{f.lineno} {f.name}" for f in frames]}


def _raise_walls(order: dict[str, Any]) -> tuple[list[str], list[str]]:
    from pipelines.readers import confine

    offline = confine.leave_network()
    own = [Path(entry) for entry in sys.path if entry]
    installed = [Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent]
    folders = [entry for entry in own if entry.name in ("site-packages", "dist-packages") or entry.suffix]
    packages = [
        entry / name for entry in own for name in ("pipelines", "geo", order["package"], f"{order['package']}.py")
    ]
    system = [Path(name) for name in _SYSTEM]
    files, tcp = confine.lock_files(
        read=[*system, *installed, *folders, *packages, *map(Path, order["read"])],
        listing=own,
        write=Path(order["write"]),
    )
    confine.limit(memory_mb=order["memory_mb"], cpu_s=order["cpu_s"])
    stands = {"no network": offline, "no tcp": tcp or offline, "files locked": files, "limits": True}
    return [name for name, up in stands.items() if up], [name for name, up in stands.items() if not up]


def _send(message: dict[str, Any]) -> None:
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(_CHANNEL[0], data) :]


if __name__ == "__main__":
    # `report` must reach the list of the imported module, not of __main__.
    from pipelines.readers import sandbox

    sys.exit(sandbox._child(int(sys.argv[1])))
