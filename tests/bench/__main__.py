"""`make bench`: one million sample calls from CSV to gaps and hotspots, beside the same job done the plain way.

Both ways run one after the other in fresh processes on the same files; the answers are compared before the times.
Seconds depend on the machine and on what else it does: read the ratios, which are of one run.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench import watch

ROOT = Path(__file__).resolve().parents[2]
CITY = ROOT / "data" / "cities" / "sample.toml"
SEED = 20250106
# A row of the table: what is done, the stages of ours that do it, the steps of the plain way that do it.
ROWS = (
    ("areas, services, duty log", ("areas", "services", "read duty.team_a", "duty"), ("areas and services",)),
    ("read and type the calls", ("read calls.cad", "read calls.sheriff"), ("read",)),
    ("classify", ("call_types", "dispositions"), ("classify",)),
    ("locate", ("points",), ("locate",)),
    ("merge, places", ("calls", "places"), ("merge",)),
    ("reach, unmet", ("reach", "unmet"), ("unmet",)),
    ("gaps", ("gaps",), ("gaps",)),
    ("hotspots", ("hotspots",), ("volume", "excess")),
)


def main() -> int:
    """0 once both ways ran and said the same."""
    asked = _arguments()
    folder = (asked.out / "bench").resolve()
    raw, store, plain = folder / f"raw-{asked.calls}", folder / f"store-{asked.calls}", folder / f"plain-{asked.calls}"
    _write_raw(raw, asked.calls)
    for left in (store, plain):
        shutil.rmtree(left, ignore_errors=True)
    ours = watch.run(
        "tests.bench.ours", str(CITY), str(raw), str(store), timeout_s=asked.timeout, cwd=ROOT, label="unmet"
    )
    if ours.code:
        print(f"unmet: ended with code {ours.code} after {ours.seconds:.0f} s", file=sys.stderr)
        return 1
    theirs = None
    if not asked.ours_only:
        stop = str(asked.scan_seconds)
        theirs = watch.run(
            "tests.bench.plain", str(CITY), str(raw), str(plain), stop, timeout_s=asked.timeout, cwd=ROOT, label="plain"
        )
    told = _told(asked.calls, ours, theirs, store, plain)
    (folder / "bench.json").write_text(json.dumps(told, indent=1, default=str) + "\n", encoding="utf-8")
    shutil.copyfile(folder / "bench.json", asked.out / "bench.json")
    _print(told)
    if asked.page:
        from tests.bench.page import write

        write(asked.page, told)
    same = told.get("same")
    if not asked.keep:
        shutil.rmtree(store, ignore_errors=True)
        shutil.rmtree(plain, ignore_errors=True)
    return 0 if asked.ours_only or (same is not None and same["is_equal"]) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000, help="rows of the sample's call files")
    parser.add_argument("--out", type=Path, default=ROOT / "out", help="where raw files and bench.json go")
    parser.add_argument("--scan-seconds", type=float, default=120.0, help="when the plain scan is stopped")
    parser.add_argument("--timeout", type=float, default=7200.0, help="when either way is stopped")
    parser.add_argument("--ours-only", action="store_true", help="leave out the plain way")
    parser.add_argument("--page", type=Path, help="a page whose measured part is to be rewritten: docs/speed.md")
    parser.add_argument("--keep", action="store_true", help="keep the store and the plain way's tables")
    return parser.parse_args()


def _write_raw(raw: Path, calls: int) -> None:
    """Writes the sample once; a folder that is whole is used again."""
    if (raw / "done").exists():
        return
    from pipelines.sample.write import write_sample

    print(f"writing {calls:,} sample calls to {raw}", file=sys.stderr)
    shutil.rmtree(raw, ignore_errors=True)
    report = write_sample(raw, n_calls=calls, seed=SEED)
    (raw / "done").write_text(json.dumps(report.rows))


def _told(calls: int, ours: watch.Watched, theirs: watch.Watched | None, store: Path, plain: Path) -> dict[str, Any]:
    told: dict[str, Any] = {
        "calls": calls,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cpus": os.cpu_count(), "memory_gb": _memory_gb(), "python": platform.python_version()},
        "versions": {name: version(name) for name in ("duckdb", "pandas", "geopandas", "numpy", "scikit-learn")},
        "commit": _commit(),
        "ours": _whole(ours),
    }
    if theirs is None:
        return told
    told["plain"] = _whole(theirs)
    told["rows"] = [_row(name, ours, mine, theirs, yours) for name, mine, yours in ROWS]
    if theirs.code == 0:
        from tests.bench import compare

        same = compare.gaps(store, plain)
        circles = compare.circles(store, plain)
        is_equal = same["cells"] == same["cells_equal"] and all(one["is_equal"] for one in circles)
        told["same"] = {**same, "circles": circles, "is_equal": is_equal}
    return told


def _whole(watched: watch.Watched) -> dict[str, Any]:
    steps = [
        {
            "step": one.name,
            "seconds": round(one.seconds, 2),
            "cpu_s": round(one.cpu_s, 2),
            "peak_mb": round(one.peak_mb),
            **one.told,
        }
        for one in watched.steps
    ]
    return {
        "seconds": round(watched.seconds, 1),
        "cpu_s": round(watched.cpu_s, 1),
        "peak_mb": round(watched.peak_mb),
        "code": watched.code,
        "stopped": watched.stopped,
        "steps": steps,
    }


def _row(
    name: str, ours: watch.Watched, mine: tuple[str, ...], theirs: watch.Watched, yours: tuple[str, ...]
) -> dict[str, Any]:
    a, b = ([step for step in ran.steps if step.name in names] for ran, names in ((ours, mine), (theirs, yours)))
    cpu, plain_cpu = sum(step.cpu_s for step in a), sum(step.cpu_s for step in b)
    return {
        "step": name,
        "ours_s": round(sum(step.seconds for step in a), 1),
        "plain_s": round(sum(step.seconds for step in b), 1),
        "ours_cpu_s": round(cpu, 1),
        "plain_cpu_s": round(plain_cpu, 1),
        "ratio": round(sum(step.seconds for step in b) / max(1e-9, sum(step.seconds for step in a)), 2),
        "cpu_ratio": round(plain_cpu / cpu, 2) if cpu else None,
        "ours_mb": round(max((step.peak_mb for step in a), default=0)),
        "plain_mb": round(max((step.peak_mb for step in b), default=0)),
        "note": "; ".join(str(step.told["note"]) for step in b if step.told.get("note")),
    }


def _memory_gb() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _commit() -> str:
    git = shutil.which("git")
    if git is None:
        return "unknown"
    found = subprocess.run([git, "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def _print(told: dict[str, Any]) -> None:
    machine = told["machine"]
    print(f"\n{told['calls']:,} sample calls, {machine['cpus']} cores, {machine['memory_gb']} GiB, {told['made_at']}")
    print(f"\n{'stage of ours':<28}{'s':>9}{'CPU s':>9}{'peak MB':>9}{'rows':>13}")
    for one in (*told["ours"]["steps"], {"step": "whole process", **told["ours"]}):
        numbers = f"{one['seconds']:>9.1f}{one['cpu_s']:>9.1f}{one['peak_mb']:>9,}"
        print(f"{one['step']:<28}{numbers}{one.get('rows', ''):>13}")
    if "rows" not in told:
        return
    heads = ("ours s", "plain s", "ratio", "ours CPU", "plain CPU", "ratio", "ours MB", "plain MB")
    print(f"\n{'step':<26}" + "".join(f"{head:>10}" for head in heads))
    for row in told["rows"]:
        times = f"{row['ours_s']:>10.1f}{row['plain_s']:>10.1f}{_ratio(row, 'ratio'):>10}"
        cpu = f"{row['ours_cpu_s']:>10.1f}{row['plain_cpu_s']:>10.1f}{_ratio(row, 'cpu_ratio'):>10}"
        print(f"{row['step']:<26}{times}{cpu}{row['ours_mb']:>10,}{row['plain_mb']:>10,}  {row['note']}")
    _print_same(told)


def _ratio(row: dict[str, Any], name: str) -> str:
    return "" if row[name] is None else f"{'> ' if row['note'] else ''}{row[name]:.2f}"


def _print_same(told: dict[str, Any]) -> None:
    same = told.get("same")
    if same is None:
        print(f"\nplain: ended with code {told['plain']['code']}: the answers cannot be compared")
        return
    print(f"\nsame answer: {same['is_equal']}; {same['cells_equal']:,} of {same['cells']:,} cells of gaps equal in all")
    print(f"\n{'city, whole period':<34}{'calls':>9}{'at least':>10}{'at most':>9}   plain: the same three")
    for one in same["city"]:
        words = f"{one['need']} {one['leg']}"
        three = [f"{one[f'{name}_plain']:>9,}" for name in ("calls", "at_least", "at_most")]
        print(f"{words:<34}{one['calls']:>9,}{one['at_least']:>10,}{one['at_most']:>9,}   {''.join(three)}")
    for one in same["circles"]:
        print(
            f"strongest circle, {one['need']:<16} LLR {one['llr']:>9.2f} {one['n_calls']:>6,} calls   plain: "
            f"{one['llr_plain']:>9.2f} {one['n_calls_plain']:>6,}, p after {one['n_sim']} of 999: "
            f"{one['p_value_plain']:.3f}"
        )


if __name__ == "__main__":
    sys.exit(main())
