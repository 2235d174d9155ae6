"""Printing what `show` found: rich tables for people; `--json` prints the same numbers for programs."""

from collections.abc import Iterable
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from pipelines.map_words import band, share

WIDE = 126
NOT_RECORDED = {
    "contact": "no one to contact on record",
    "respond": "no responder on record",
    "place": "no place to go on record",
}
LEG_SHORT = {"contact": "contact", "respond": "respond", "place": "place to go"}
PRODUCT_WORDS = {
    "excess": "where this call reason is a larger share of all calls than elsewhere",
    "volume": "where most of these calls are; no claim of significance",
}


def plain_table(title: str, columns: Iterable[tuple[str, str]]) -> Table:
    """A table of columns (name, side): l left, n left and never folded, r right and never folded."""
    table = Table(
        title=Text(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0)
    )
    for name, side in columns:
        table.add_column(name, justify="right" if side == "r" else "left", overflow="fold", no_wrap=side in "rn")
    return table


def _top(told: dict[str, Any], title: str) -> Panel:
    lines = [Text(" · ".join(told["windows"]) + f" · {told['years']:.2f} years on file", style="dim")]
    lines += [Text(one, style="yellow") for one in told["banners"]]
    return Panel(Group(*lines), title=Text(f"{told['city']} - {title}"), title_align="left", expand=False)


def _lines(title: str, sentences: Iterable[str]) -> Text:
    told = [f"{title}\n", *[f"  {one}\n" for one in sentences]]
    return Text("".join(told).rstrip(), style="dim") if len(told) > 1 else Text("")


def print_gaps(console: Console, told: dict[str, Any]) -> None:
    """The denominator, the city per call reason and leg, the flagged areas, then thresholds and caveats."""
    parts: list[RenderableType] = [_top(told, "unmet calls"), _denominator(told)]
    if not told["city_totals"]:
        parts.append(Text("This call reason does not have this leg: nothing to count.", style="yellow"))
    parts += [_legend(), *[_need(rows, wide=console.width >= WIDE) for rows in _by_need(told["city_totals"])]]
    parts += [
        _areas(told),
        _cascade(told["cascade"]),
        _lines("How it was judged", [*told["thresholds"], f"services as of {told['services_as_of']}"]),
    ]
    parts += [_lines("What the data cannot say", told["caveats"]), _lines("Read this", told["notes"])]
    for part in parts:
        console.print(part)


def _denominator(told: dict[str, Any]) -> Text:
    n, known = told["denominator"], told["has_dispositions"]
    gone = f"{n['no_one_found']:,} no one found" if known else "no one found: not recorded"
    closed = (
        f"{n['unresolved']:,} unfounded, cancelled or duplicate"
        if known
        else "unfounded, cancelled or duplicate: not recorded, so still counted"
    )
    unread = f" (of these {n['unmatched_type']:,} of a type no rule knows, which may hide calls in scope)"
    unread = unread if n["unmatched_type"] else ""
    nothing = (
        "\nNo call on file is in scope, so nothing can be said here of unmet calls: this speaks of the file, not of "
        "the city."
    )
    return Text(
        f"{n['community']:,} community calls -> {n['in_scope']:,} in scope "
        f"(of these {n['tier_unknown']:,} of unknown tier; {gone}; "
        f"{n['at_institutions']:,} at institutions; {n['not_placed']:,} not placed on the map)\n"
        f"not in scope: {n['police_or_ems']:,} police or EMS must attend · {n['criminal']:,} offences · "
        f"{n['other_need']:,} other reasons{unread} · {closed}\n"
        f"beside them, never added: {n['officer_initiated']:,} officer-initiated · "
        f"{n['other_origins']:,} alarms, agencies, scheduled or unknown" + ("" if n["in_scope"] else nothing)
    )


def _by_need(totals: list[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    for need in dict.fromkeys(row["need"] for row in totals):
        yield [row for row in totals if row["need"] == need]


def _need(rows: list[dict[str, Any]], *, wide: bool) -> RenderableType:
    """One call reason: a table where the terminal is wide enough for whole numbers, else sentences."""
    first = rows[0]
    title = Text(f"{first['label']} - police or EMS must attend: {first['n_police_or_ems']:,}", style="bold")
    recorded = [row for row in rows if row["n_calls"] and not row["not_recorded"]]
    parts: list[RenderableType] = [title]
    if recorded:
        parts.append(_need_table(recorded) if wide else Text("\n".join(_leg_sentence(row) for row in recorded)))
    warned = [
        f"   {NOT_RECORDED[row['leg']]}: {row['n_calls']:,} calls in scope, all uncertain"
        for row in rows
        if row["n_calls"] and row["not_recorded"]
    ]
    notes = [
        f"   {LEG_SHORT[row['leg']]}: {row['n_places']:,} places; without the busiest 1 %: "
        f"{row['n_without_busiest']:,} calls, at least {row['at_least_without_busiest']:,} unmet"
        for row in recorded
    ]
    notes += [_no_calls(row["leg"]) for row in rows if not row["n_calls"]]
    parts += [Text("\n".join(lines), style=style) for lines, style in ((warned, "yellow"), (notes, "dim")) if lines]
    return Group(*parts, Text(""))


def _need_table(rows: list[dict[str, Any]]) -> Table:
    numbers = ("in scope", "available", "uncertain", "spatial", "barrier", "temporal", "at least", "at most", "share")
    table = plain_table("", [("", "n"), *[(name, "r") for name in numbers], ("per year", "r")])
    for row in rows:
        table.add_row(
            LEG_SHORT[row["leg"]],
            *[f"{row[name]:,}" for name in ("n_calls", "available", "uncertain", "spatial", "barrier", "temporal")],
            *_bounds(row["at_least"], row["at_most"]),
            share(row["at_least"], row["at_most"], row["n_calls"]),
            _per_year(row),
        )
    return table


def _leg_sentence(row: dict[str, Any]) -> str:
    return (
        f" {LEG_SHORT[row['leg']]}: {row['n_calls']:,} in scope = {row['available']:,} available + "
        f"{row['uncertain']:,} uncertain + {row['spatial']:,} spatial + {row['barrier']:,} barrier + "
        f"{row['temporal']:,} temporal; unmet {band(row['at_least'], row['at_most'])} "
        f"({share(row['at_least'], row['at_most'], row['n_calls'])}); "
        f"{_per_year(row)} per year"
    )


def _per_year(row: dict[str, Any]) -> str:
    return "not said" if row["per_year_low"] is None else f"{row['per_year_low']:,.0f}-{row['per_year_high']:,.0f}"


def _no_calls(leg: str) -> str:
    why = "a line could close (T0)" if leg == "contact" else "in scope"
    return f"   {LEG_SHORT[leg]}: no call of this reason {why}"


def _bounds(at_least: int, at_most: int) -> tuple[str, str]:
    """Both ends of the band; a table has room for both."""
    return f"{at_least:,}", f"{at_most:,}"


def _legend() -> Text:
    return Text(
        "available: listed as available · uncertain: hangs on an unknown · unmet (at least) = spatial: none within "
        "reach + barrier: none takes such a call + temporal: none at that time · at most: unknowns count as unmet\n"
        "per year: 90 % interval, from the lower limit of at least to the upper limit of at most; not said where less "
        "than half a year is on file",
        style="dim",
    )


def _areas(told: dict[str, Any]) -> RenderableType:
    standard = told["standard"]
    words = (
        f"Flagged {told['level']}s, {told['areas_need'].replace('_', ' ')}: more than {standard['share']:.0%} unmet "
    )
    words += f"with probability of 80 % or more ({standard['source']})"
    table = plain_table(
        words,
        [("area", "n"), ("leg", "l"), ("flag", "l"), ("calls", "r"), ("at least", "r"), ("at most", "r"),
         ("share", "r"), ("P at least", "r"), ("P at most", "r"), ("rank, 90 %", "r")],
    )  # fmt: skip
    for row in told["areas"]:
        rank = "-" if row["rank_low"] is None else f"{row['rank_low']:.0f}-{row['rank_high']:.0f}"
        table.add_row(
            Text(str(row["name"])),
            row["leg"],
            row["flag"],
            f"{row['n_calls']:,}",
            *_bounds(row["at_least"], row["at_most"]),
            share(row["at_least"], row["at_most"], row["n_calls"]),
            f"{row['p_over_standard']:.2f}",
            f"{row['p_over_standard_most']:.2f}",
            rank,
        )
    elsewhere = [
        f"{row['need'].replace('_', ' ')}, {row['leg']}: {row['flagged']} flagged, {row['possibly']} possibly"
        for row in told["areas_elsewhere"]
    ]
    body = table if told["areas"] else Text(f"{words}: none.")
    return Group(body, _lines("Other call reasons (see --need)", elsewhere))


def _cascade(told: list[dict[str, Any]]) -> RenderableType:
    """Observed beside potential, where responses are recorded."""
    if not told:
        return Text("What was sent to these calls is not recorded by this agency.", style="dim")
    names = ("in_scope", "listed_available", "recorded", "sent", "arrived", "connected")
    words = ("in scope", "listed available", "on file", "sent", "arrived", "connected")
    columns = [("", "l"), *[(word, "r") for word in words], ("why nobody was sent", "l")]
    table = plain_table(
        "What was sent, civilian or co-response: calls in scope, a listed responder available, a response on file, ...",
        columns,
    )
    for row in told:
        reasons = ", ".join(f"{one['reason'].lower()} {one['n_calls']:,}" for one in row["not_sent"][:4])
        table.add_row(row["label"], *[f"{row[name]:,}" for name in names], Text(reasons))
    return table


def print_hotspots(console: Console, told: dict[str, Any]) -> None:
    """Recurring-call areas per call reason, what was left out of the scan, and caveats."""
    console.print(_top(told, f"recurring-call areas ({told['product']})"))
    console.print(Text(PRODUCT_WORDS[told["product"]], style="dim"))
    table = plain_table(
        f"{sum(row['is_recurring'] is True for row in told['rows'])} recurring of {len(told['rows'])} found",
        [("call reason", "n"), ("in", "n"), ("status", "l"), ("calls", "r"), ("places", "r"), ("radius", "r"),
         ("times elsewhere", "r"), ("p", "r"), ("weeks", "r"), ("busiest week", "r"), ("peak hours", "l"),
         ("at peak: no responder", "l"), ("at peak: no place", "l")],
    )  # fmt: skip
    nothing = {(one["need"], one["leg"]) for one in told["not_recorded"]}
    for row in told["rows"]:
        end = (row["peak_start"] + 8) % 24
        table.add_row(
            row["label"],
            Text(row["where"]),
            _status(row),
            f"{row['n_calls']:,}",
            f"{row['n_places']:,}",
            "-" if row["radius_m"] is None else f"{row['radius_m']:.0f} m",
            "-" if row["relative_risk"] is None else f"{row['relative_risk']:.1f}",
            "-" if row["p_value"] is None else f"{row['p_value']:.3f}",
            f"{row['n_weeks']}",
            "-" if row["max_week_share"] is None else f"{row['max_week_share']:.0%}",
            f"{row['peak_start']:02d}-{end:02d} h ({row['peak_share']:.0%})",
            *[_at_peak(row, leg, is_recorded=(row["need"], leg) not in nothing) for leg in ("respond", "place")],
        )
    console.print(table if told["rows"] else Text("None found."))
    out = told["left_out"]
    console.print(
        Text(
            f"Left out of the scan: {out['placeholder']} placeholder addresses, {out['institution']} institution "
            f"places, {out['unexplained']} unexplained sinks.",
            style="dim",
        )
    )
    console.print(_lines("Known about the data", [_sentence(one) for one in told["findings"]]))
    console.print(_lines("What the data cannot say", told["caveats"]))
    console.print(_lines("Read this", told["notes"]))


def _status(row: dict[str, Any]) -> Text:
    if row["is_recurring"] is None:
        return Text(f"not assessed: {row['reason']}", style="yellow")
    if row["is_recurring"]:
        return Text(f"recurring ({row['status']})", style="bold")
    return Text(f"{row['status'].replace('_', ' ')}: {row['reason'] or ''}".rstrip(": "))


def _at_peak(row: dict[str, Any], leg: str, *, is_recorded: bool) -> str:
    if row["n_peak"] and not is_recorded:
        return "none on record"
    least, most = row[f"{leg}_at_least"], row[f"{leg}_at_most"]
    return "-" if least is None or not row["n_peak"] else f"{least:,}-{most:,} of {row['n_peak']:,}"


def _sentence(finding: dict[str, Any]) -> str:
    sample = f" [{finding['sample']}]" if finding["sample"] else ""
    return f"{finding['detail']}" + (f" ({finding['n_rows']:,})" if finding["n_rows"] else "") + sample


def print_quality(console: Console, told: dict[str, Any]) -> None:
    """What came in, what was refused and why, and the findings, worst first."""
    console.print(_top(told, "data quality"))
    console.print(counts_table(told["counts"]))
    refused = plain_table("Refused rows", [("source", "l"), ("reason", "l"), ("column", "l"), ("rows", "r")])
    for row in told["quarantine"]:
        refused.add_row(Text(row["source_id"]), row["reason"], Text(str(row["column"])), f"{row['n_rows']:,}")
    console.print(refused if told["quarantine"] else Text("No row was refused."))
    found = plain_table(
        "Findings",
        [("", "n"), ("stage", "n"), ("source", "n"), ("code", "n"), ("rows", "r"), ("share", "r"), ("what", "l")],
    )
    for row in told["findings"]:
        share_ = "" if row["share"] is None else f"{row['share']:.1%}"
        what = f"{row['detail']}" + (f" [{row['sample']}]" if row["sample"] else "")
        found.add_row(
            Text(row["severity"], style={"error": "red", "warning": "yellow"}.get(row["severity"], "dim")),
            row["stage"],
            Text(row["source_id"]),
            row["reason"],
            f"{row['n_rows']:,}",
            share_,
            Text(what),
        )
    console.print(found)
    console.print(_lines("What the data cannot say", told["caveats"]))


def counts_table(counts: Iterable[dict[str, Any]]) -> Table:
    """`rows in = kept + quarantined + merged`, per file."""
    table = plain_table(
        "rows in = kept + quarantined + merged",
        [
            ("source", "l"),
            ("kind", "l"),
            ("file", "l"),
            ("rows in", "r"),
            ("kept", "r"),
            ("quarantined", "r"),
            ("merged", "r"),
        ],
    )
    for row in counts:
        names = ("rows_in", "rows_kept", "rows_quarantined", "rows_merged")
        table.add_row(
            Text(row["source_id"]), row["kind"], Text(row["path"]), *[f"{int(row[name]):,}" for name in names]
        )
    return table


def print_rates(console: Console, told: dict[str, Any]) -> None:
    """Areas of one level by smoothed rate, with what has no rate and why."""
    console.print(_top(told, f"calls per area: {told['label']}, {told['period']}"))
    table = plain_table(
        f"{told['level']}s, ranked on the smoothed rate per 1,000 residents per year",
        [("area", "n"), ("calls", "r"), ("officer-initiated", "r"), ("hours a year", "r"), ("a km2 and year", "r"),
         ("residents", "r"), ("rate, 90 %", "r"), ("smoothed, 90 %", "r"), ("rank", "r"), ("", "l")],
    )  # fmt: skip
    for row in told["rows"]:
        note = row["rate_reason"] or ("local mean only" if row["eb_is_mean"] else "")
        people = "-" if row["population"] is None else f"{row['population']:,.0f}"
        moe = "" if row["population_moe"] is None else f" ±{row['population_moe']:,.0f}"
        table.add_row(
            Text(str(row["name"] or row["geoid"])),
            f"{row['n_calls']:,}",
            f"{row['n_officer']:,}",
            "-" if row["committed_h_per_year"] is None else f"{row['committed_h_per_year']:,.0f}",
            f"{row['per_km2_per_year']:.1f}",
            people + moe,
            _rate(row["rate_per_1k"], row["rate_low"], row["rate_high"]),
            _rate(row["eb_per_1k"], row["eb_low"], row["eb_high"]),
            "-" if row["eb_rank"] is None else f"{row['eb_rank']:.0f}",
            Text(note, style="dim"),
        )
    console.print(table)
    console.print(_lines("Read this", told["notes"]))
    console.print(_lines("What the data cannot say", told["caveats"]))


def _rate(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if low is None or high is None else f"{value:.1f} ({low:.1f}-{high:.1f})"


def print_verification(console: Console, told: dict[str, Any]) -> None:
    """The services to ask, most decisive first."""
    console.print(_top(told, "verification list"))
    table = plain_table(
        "Confirm these first: cumulative share unmet if all so far answer no (at least) or yes (at most)",
        [("call reason", "l"), ("leg", "l"), ("#", "r"), ("service", "l"), ("missing", "l"), ("calls moved", "r"),
         ("all no: at least", "r"), ("all yes: at most", "r")],
    )  # fmt: skip
    for row in told["rows"]:
        table.add_row(
            row["need"].replace("_", " "),
            row["leg"],
            str(row["rank"]),
            Text(row["name"]),
            row["unknowns"],
            f"{row['n_moved']:,}",
            f"{row['share_least_if_no']:.0%}",
            f"{row['share_most_if_yes']:.0%}",
        )
    console.print(table if told["rows"] else Text("Nothing to confirm: no call hangs on a missing answer."))
