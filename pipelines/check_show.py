"""A check report as a person reads it in a terminal: faults first, then notes, then a table of what was found."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.check import CheckReport
from pipelines.check_found import Profile


def render(report: CheckReport, console: Console) -> None:
    """Nothing: prints the report."""
    table = Table(title=Text(f"Sources of {report.city}"), title_justify="left")
    for name, justify in (("source", "left"), ("file", "left"), ("rows", "right"), ("found", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for profile in report.profiles:
        rows = "" if profile.rows is None else f"{profile.rows:,}"
        table.add_row(*map(Text, (profile.id, profile.path, rows, "\n".join(_lines(profile)))))
    console.print(table)
    for title, lines, style in (("note", report.notes, "yellow"), ("fault", report.faults, "red")):
        for line in lines:
            console.print(Text.assemble((title, style), f" {line}"), soft_wrap=True)
    n = len(report.faults)
    console.print(Text("no faults", "green") if report.ok else Text(f"{n} fault{'s' if n > 1 else ''}", "red"))


def _lines(profile: Profile) -> list[str]:
    """What is worth a line: measures, then the columns with blanks."""
    out = [f"{name}: {_text(value)}" for name, value in profile.facts if value not in (None, 0, [])]
    blank = [f"{ours} {share:.0%}" for ours, share in profile.blank_share if share >= 0.005]
    if blank:
        out.append(f"blank: {', '.join(blank)}")
    return out


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float | list):
        return str(value)
    if isinstance(value, list):
        return ", ".join(f"{word} {n:,}" for word, n in value[:6])
    return f"{value:,}" if isinstance(value, int) else f"{value:.1%}"
