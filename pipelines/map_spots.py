"""Recurring-call areas of the gap map: numbered, with where they lie and what the release says of them."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import shapely

from pipelines.map_words import STATUS_WORDS, band, in_order, need_label, plain, shown_under, tied
from pipelines.release import Release

CLASS = "recurring: more calls for this reason than all calls there would lead one to expect"


def recurring(release: Release, needs: set[str]) -> pd.DataFrame:
    """The recurring-call areas to be drawn, in the order of call reasons, busiest first, outlines in degrees.

    Adds `under`: the call reason of the release with which an area is shown.
    """
    if "hotspots" not in release.tables:
        return pd.DataFrame({"need": [], "under": [], "geometry": []})
    spots = release.table("hotspots")
    spots = spots.assign(under=[shown_under(str(need), needs) for need in spots["need"]])
    chosen = spots["under"].ne("")
    for name, values in (("product", ("excess",)), ("is_recurring", (True,)), ("class", ("recurring",))):
        if name in spots:
            chosen &= spots[name].isin(values)
    found = spots[chosen & spots["status"].ne("ended")]
    order = {name: at for at, name in enumerate(in_order(set(found["need"])))}
    found = found.assign(order=found["need"].map(order), busy=found.get("n_calls", 0))
    ids = "hotspot_id" if "hotspot_id" in found else "number"
    found = found.sort_values(["order", "busy", ids], ascending=[True, False, True]).reset_index(drop=True)
    return found.assign(geometry=shapely.from_wkb(found["geometry"].to_numpy()))


def told_spots(spots: pd.DataFrame, named: pd.DataFrame) -> list[dict[str, Any]]:
    """Per recurring-call area: number within its call reason, where it lies, its facts. `named` has the names."""
    tree = shapely.STRtree(named["geometry"].tolist())
    number: dict[str, int] = {}
    told = []
    for row in spots.to_dict("records"):
        need = str(row["under"])
        number[need] = number.get(need, 0) + 1
        hit = tree.query(row["geometry"].representative_point(), predicate="intersects")
        where = plain(named["name"].iloc[int(min(hit))]) if len(hit) else "outside the city's areas"
        facts = _facts(row)
        said = dict(facts)
        small = f"{said['Calls']}; {said['Status']}" if "Calls" in said else said["Status"]
        if row["need"] != need:
            small = f"{need_label(str(row['need']))}; {small}"
        told.append(
            {"need": need, "label": str(number[need]), "where": where, "facts": facts, "small": small,
             "title": need_label(str(row["need"]))}
        )  # fmt: skip
    return told


def _facts(row: Mapping[Any, Any]) -> list[list[str]]:
    """Pairs of label and text: class, status, and whatever counts and hours the release gives."""
    has = {str(name): value for name, value in row.items() if not _is_missing(value)}
    facts = [["Class", CLASS], ["Status", STATUS_WORDS.get(has["status"], str(has["status"]))]]
    if "n_calls" in has:
        facts.append(["Calls", f"{has['n_calls']:,} from {has['n_places']:,} places"])
    if "relative_risk" in has:
        more = f"{has['relative_risk']:.1f} times the share of calls that are for this reason"
        facts.append(["Against the rest of the city", more])
    if "p_value" in has:
        facts.append(["P, family-wise within this call reason", f"{has['p_value']:.3f}"])
    if "n_weeks" in has:
        weeks = f"calls in {has['n_weeks']:,} weeks"
        if "persistence_share" in has:
            weeks += tied(f"; {has['persistence_share']:.0%} of 4-week periods")
        facts.append(["Weeks", weeks])
    if "peak_start" in has:
        start = int(has["peak_start"])
        hours = f"{start:02d}:00–{(start + 8) % 24:02d}:00"
        if "peak_share" in has:
            hours += tied(f", {has['peak_share']:.0%} of its calls")
        facts.append(["Busiest hours", hours])
    if "peak_block" in has:
        first, last = str(has["peak_block"]).split("-")
        facts.append(["Busiest hours", f"{first}:00–{last}:00"])
        facts.append(["Outline", "whole squares of a coarse grid; this release gives no counts for it"])
    return facts + _peak_facts(has)


def _peak_facts(has: dict[str, Any]) -> list[list[str]]:
    """What the legs could have done in the busiest hours."""
    if "n_peak" not in has:
        return []
    facts = [["In scope in those hours", f"{int(has['n_peak']):,} calls"]]
    for leg, label in (("respond", "No suitable responder on duty"), ("place", "No open place to go")):
        if f"{leg}_at_least" in has and f"{leg}_at_most" in has:
            facts.append([label, band(int(has[f"{leg}_at_least"]), int(has[f"{leg}_at_most"]))])
    return facts


def _is_missing(value: Any) -> bool:
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))
