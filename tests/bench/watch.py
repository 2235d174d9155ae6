"""Runs a child that tells its steps as JSON lines, and measures each from outside: seconds and peak memory.

Memory is the resident set of the child and all its descendants, added up from /proc every 50 ms: pages that two
processes share count twice, and what rises and falls between two looks is missed.
"""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EVERY_S = 0.05
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a child: how long it took, its highest memory, and what it told beside."""

    name: str
    seconds: float
    peak_mb: float
    told: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A finished child: its steps, the whole time from start to exit, the highest memory, and its exit code."""

    steps: tuple[Step, ...]
    seconds: float
    peak_mb: float
    code: int
    stopped: bool


def run(module: str, *arguments: str, timeout_s: float, cwd: Path, label: str) -> Watched:
    """Runs `python -m module` in a fresh process; stops it after `timeout_s`; says on stderr what it does."""
    started = time.monotonic()
    child = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True, cwd=cwd)
    looks: list[tuple[float, float]] = []
    lines: list[dict[str, Any]] = []
    reader = threading.Thread(target=_read, args=(child, lines, label), daemon=True)
    reader.start()
    stopped = False
    while child.poll() is None:
        looks.append((time.monotonic(), tree_mb(child.pid)))
        if time.monotonic() - started > timeout_s:
            child.kill()
            stopped = True
        time.sleep(EVERY_S)
    seconds = time.monotonic() - started
    reader.join(timeout=5)
    return Watched(
        steps=_steps(lines, looks, started),
        seconds=seconds,
        peak_mb=max((mb for _, mb in looks), default=0.0),
        code=child.returncode,
        stopped=stopped,
    )


def tell(step: str, **told: object) -> None:
    """Called in the child as a step ends."""
    print(json.dumps({"step": step, "at": time.monotonic(), **told}), flush=True)


def tree_mb(pid: int) -> float:
    """Resident megabytes of a process and its descendants now."""
    total, todo = 0, [pid]
    while todo:
        one = todo.pop()
        try:
            total += int(Path(f"/proc/{one}/statm").read_text().split()[1]) * PAGE
            for task in Path(f"/proc/{one}/task").iterdir():
                todo += [int(child) for child in (task / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total / 1e6


def _read(child: subprocess.Popen[str], lines: list[dict[str, Any]], label: str) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("{"):
            lines.append(json.loads(line))
            print(f"{label}: {lines[-1]['step']}", file=sys.stderr)
        else:
            print(line, end="", file=sys.stderr)


def _steps(lines: list[dict[str, Any]], looks: list[tuple[float, float]], started: float) -> tuple[Step, ...]:
    found, last = [], started
    for line in lines:
        now = line.pop("at")
        peak = max((mb for at, mb in looks if last <= at <= now), default=0.0)
        found.append(Step(name=line.pop("step"), seconds=now - last, peak_mb=peak, told=line))
        last = now
    return tuple(found)
