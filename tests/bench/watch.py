"""Runs a child that tells its steps as JSON lines, and measures each from outside: seconds, CPU and peak memory.

CPU seconds are of the child and its descendants; unlike seconds they hardly depend on who else uses the machine.
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
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a child: how long it took, its highest memory, and what it told beside."""

    name: str
    seconds: float
    cpu_s: float
    peak_mb: float
    told: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A finished child: its steps, the whole time from start to exit, the highest memory, and its exit code."""

    steps: tuple[Step, ...]
    seconds: float
    cpu_s: float
    peak_mb: float
    code: int
    stopped: bool


def run(module: str, *arguments: str, timeout_s: float, cwd: Path, label: str) -> Watched:
    """Runs `python -m module` in a fresh process; stops it after `timeout_s`; says on stderr what it does."""
    started = time.monotonic()
    child = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True, cwd=cwd)
    looks: list[tuple[float, float, float]] = []
    lines: list[dict[str, Any]] = []
    reader = threading.Thread(target=_read, args=(child, lines, label), daemon=True)
    reader.start()
    stopped = False
    while child.poll() is None:
        looks.append((time.monotonic(), *tree_now(child.pid)))
        if time.monotonic() - started > timeout_s:
            child.kill()
            stopped = True
        time.sleep(EVERY_S)
    seconds = time.monotonic() - started
    reader.join(timeout=5)
    return Watched(
        steps=_steps(lines, looks, started),
        seconds=seconds,
        cpu_s=max((cpu for _, _, cpu in looks), default=0.0),
        peak_mb=max((mb for _, mb, _ in looks), default=0.0),
        code=child.returncode,
        stopped=stopped,
    )


def tell(step: str, **told: object) -> None:
    """Called in the child as a step ends."""
    print(json.dumps({"step": step, "at": time.monotonic(), **told}), flush=True)


def tree_now(pid: int) -> tuple[float, float]:
    """Resident megabytes now, and CPU seconds so far, of a process and its descendants, those that ended included."""
    pages, ticks, todo = 0, 0, [pid]
    while todo:
        process = Path(f"/proc/{todo.pop()}")
        try:
            pages += int((process / "statm").read_text().split()[1])
            ticks += sum(int(field) for field in (process / "stat").read_text().rsplit(")", 1)[1].split()[11:15])
            for task in (process / "task").iterdir():
                todo += [int(child) for child in (task / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return pages * PAGE / 1e6, ticks / TICKS


def _read(child: subprocess.Popen[str], lines: list[dict[str, Any]], label: str) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("{"):
            lines.append(json.loads(line))
            print(f"{label}: {lines[-1]['step']}", file=sys.stderr)
        else:
            print(line, end="", file=sys.stderr)


def _steps(lines: list[dict[str, Any]], looks: list[tuple[float, float, float]], started: float) -> tuple[Step, ...]:
    found, last, used = [], started, 0.0
    for line in lines:
        now = line.pop("at")
        peak = max((mb for at, mb, _ in looks if last <= at <= now), default=0.0)
        cpu = max((cpu for at, _, cpu in looks if at <= now), default=0.0)
        found.append(Step(name=line.pop("step"), seconds=now - last, cpu_s=cpu - used, peak_mb=peak, told=line))
        last, used = now, cpu
    return tuple(found)
