"""The measured part of docs/speed.md, written from a run so that no number in it is typed by hand."""

from pathlib import Path
from typing import Any

BEGIN, END = "<!-- measured: begin {} -->", "<!-- measured: end {} -->"


def write(page: Path, told: dict[str, Any]) -> None:
    """Replaces the part of the page for this number of calls.

    Raises:
        ValueError: the page has no such part.
    """
    text = page.read_text(encoding="utf-8")
    begin, end = (mark.format(told["calls"]) for mark in (BEGIN, END))
    if begin not in text or end not in text:
        raise ValueError(f"{page.name}: expected the marks [{begin}] and [{end}]; add them where the table is to stand")
    head, rest = text.split(begin, 1)
    page.write_text(f"{head}{begin}\n{_part(told)}\n{end}{rest.split(end, 1)[1]}", encoding="utf-8")


def _part(told: dict[str, Any]) -> str:
    lines = [_heading(told), ""]
    if "rows" in told:
        lines += [*_beside(told), "", *_same(told), "", "The stages of ours, one by one:", ""]
    return "\n".join([*lines, *_stages(told)])


def _heading(told: dict[str, Any]) -> str:
    machine, versions = told["machine"], told["versions"]
    libraries = ", ".join(f"{name} {number}" for name, number in versions.items())
    return (
        f"Measured {told['made_at'][:10]}: {machine['cpus']} cores, {machine['memory_gb']} GiB, Python "
        f"{machine['python']}, {libraries}; code {told['commit']}."
    )


def _beside(told: dict[str, Any]) -> list[str]:
    lines = [
        "| step | ours, s | plain, s | plain ÷ ours | ours, CPU s | plain, CPU s | plain ÷ ours | ours, peak MB "
        "| plain, peak MB | |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for row in told["rows"]:
        least = "> " if row["note"] else ""
        times = f"{row['ours_s']:.1f} | {row['plain_s']:.1f} | {least}{row['ratio'] or 0:.2f}"
        cpu = f"{row['ours_cpu_s']:.1f} | {row['plain_cpu_s']:.1f} | {least}{row['cpu_ratio'] or 0:.2f}"
        memory = f"{row['ours_mb']:,} | {row['plain_mb']:,}"
        lines.append(f"| {row['step']} | {times} | {cpu} | {memory} | {row['note']} |")
    ours, plain = told["ours"], told["plain"]
    least = "> " if any(row["note"] for row in told["rows"]) else ""
    times = f"{ours['seconds']:.1f} | {plain['seconds']:.1f} | {least}{plain['seconds'] / ours['seconds']:.2f}"
    cpu = f"{ours['cpu_s']:.1f} | {plain['cpu_s']:.1f} | {least}{plain['cpu_s'] / ours['cpu_s']:.2f}"
    memory = f"{ours['peak_mb']:,} | {plain['peak_mb']:,}"
    note = "ours does more" + (", the plain scan was stopped" if least else "") + " (see above)"
    lines.append(f"| whole process | {times} | {cpu} | {memory} | {note} |")
    return lines


def _same(told: dict[str, Any]) -> list[str]:
    same = told.get("same")
    if same is None:
        return ["The plain way did not finish, so the answers were not compared."]
    lines = [
        f"Same answer: {same['cells_equal']:,} of {same['cells']:,} cells of `gaps` (area × need × leg × period × "
        f"variant) are equal in all {same['n_counts']} counts compared. For the city and the whole period:",
        "",
        "| need, leg | calls | at least | at most | plain: calls | at least | at most |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for one in same["city"]:
        numbers = [one[f"{name}{way}"] for way in ("", "_plain") for name in ("calls", "at_least", "at_most")]
        lines.append(f"| {one['need']}, {one['leg']} | " + " | ".join(f"{number:,}" for number in numbers) + " |")
    lines += ["", "| strongest circle | LLR | calls | plain: LLR | calls | permutations made |"]
    lines.append("|---|---:|---:|---:|---:|---:|")
    for one in same["circles"]:
        lines.append(
            f"| {one['need']} | {one['llr']:.2f} | {one['n_calls']:,} | {one['llr_plain']:.2f} | "
            f"{one['n_calls_plain']:,} | {one['n_sim']:,} |"
        )
    return lines


def _stages(told: dict[str, Any]) -> list[str]:
    lines = ["| stage | s | CPU s | peak MB | rows |", "|---|---:|---:|---:|---:|"]
    for one in (*told["ours"]["steps"], {"step": "whole process", **told["ours"]}):
        rows = f"{one['rows']:,}" if "rows" in one else ""
        lines.append(f"| {one['step']} | {one['seconds']:.1f} | {one['cpu_s']:.1f} | {one['peak_mb']:,} | {rows} |")
    return lines
