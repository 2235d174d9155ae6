"""The numbers of the gap map, from a release's measures, cells and ranks, and how they are said.

A number that the release does not show is None here, and so is everything that could be reckoned from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geo.errors import UnmetError
from geo.gap import MIN_CALLS
from pipelines.map_words import band, chance, plain, share, tied
from pipelines.release import Release

BREAKS = (0.0, 0.10, 0.25, 0.50, 0.75, 1.0)
TOO_FEW, NOT_ON_RECORD, HIDDEN_CLASS = -1, -2, -3
LEGS = ("respond", "place", "contact")
CAUSES = ("spatial", "barrier", "temporal")
KEY = ["level", "geoid", "need", "leg"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Numbers of the whole period: `measures` (default variant, with a leg) and its cells, wide by outcome.

    `cells` is indexed by (level, geoid, need, leg); a missing number is one that the release does not show.
    """

    measures: pd.DataFrame
    cells: pd.DataFrame
    period: Mapping[str, Any]
    is_suppressed: bool


def numbers_of(release: Release) -> Numbers:
    """The numbers of the whole period and the default variant.

    Raises:
        UnmetError: the release counts calls without what became of them.
    """
    period = next(one for one in release.told["periods"] if one["grain"] == "whole")
    measures, cells = (
        table[(table["grain"] == "whole") & (table["variant"] == "default") & table["leg"].isin(LEGS)]
        for table in (release.table("measures"), release.table("cells"))
    )
    if cells.empty:
        raise UnmetError(
            f"{release.release_id}: expected outcomes by leg, got counts of calls only (policy {release.policy.slug}); "
            "the gap map needs a policy whose ladder has a coarser design with outcomes"
        )
    shown = cells.assign(n=cells["n"].astype("Float64").where(cells["state"] == "shown"))
    wide = shown.set_index([*KEY, "outcome"])["n"].unstack("outcome")
    for name in wide.columns:  # an outcome of a leg that the release lists nowhere has no calls
        of_leg = shown.loc[shown["outcome"] == name, ["need", "leg"]].itertuples(index=False, name=None)
        known = set(of_leg)
        pairs = wide.index.to_frame()[["need", "leg"]].itertuples(index=False, name=None)
        listed = np.isin(np.arange(len(wide)), [at for at, pair in enumerate(pairs) if pair in known])
        wide[name] = wide[name].where(wide[name].notna() | listed, 0)
    return Numbers(measures=measures, cells=wide, period=period, is_suppressed=release.policy.is_suppressed)


def cells_of(
    release: Release, numbers: Numbers, pairs: set[tuple[str, str]], level: str, geoids: list[str]
) -> dict[str, dict[str, Any]]:
    """Per `need|leg`: the city's sentences and one cell for each area, in the order of `geoids`."""
    measures = numbers.measures.set_index(KEY)
    measures = measures.assign(**_ranks(release, measures.index))
    rows: dict[tuple[str, ...], dict[Any, Any]] = dict(
        zip(measures.index.tolist(), measures.reset_index().to_dict("records"), strict=True)
    )
    parts = dict(zip(numbers.cells.index.tolist(), numbers.cells.to_dict("records"), strict=True))
    told_none = {(one["need"], one["leg"]) for one in release.told.get("not_recorded", [])}
    facts = _Facts(
        rows=rows,
        parts=parts,
        none=told_none,
        over=tied(f"{release.told['standard']['share']:.0%}") if "standard" in release.told else "the standard",
        n_areas=len(geoids),
        is_suppressed=numbers.is_suppressed,
    )
    outside = _sums_by_leg(release, numbers, level, geoids)
    return {
        f"{need}|{leg}": {
            "city": _city_cell(facts, need, leg, outside),
            "areas": [_cell(facts, (level, geoid, need, leg)) for geoid in geoids],
        }
        for need, leg in sorted(pairs)
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What cells are made from: rows of measures and parts by key, pairs with nothing on record, the standard."""

    rows: Mapping[tuple[str, ...], Mapping[Any, Any]]
    parts: Mapping[tuple[str, ...], Mapping[Any, Any]]
    none: set[tuple[str, str]]
    over: str
    n_areas: int
    is_suppressed: bool


def _ranks(release: Release, index: "pd.Index[Any]") -> dict[str, Any]:
    """rank_low and rank_high in the order of `index`, where the release ranks."""
    if "ranks" not in release.tables:
        return {}
    ranks = release.table("ranks", [*KEY, "grain", "variant", "rank_low", "rank_high"])
    ranks = ranks[(ranks["grain"] == "whole") & (ranks["variant"] == "default")].set_index(KEY)
    return {name: ranks[name].reindex(index).to_numpy() for name in ("rank_low", "rank_high")}


def share_class(at_least: NDArray[np.int64], n: NDArray[np.int64]) -> NDArray[np.int64]:
    """The class of each share at least ÷ n in `BREAKS`: lower limit in, upper out, the last class closed.

    >>> share_class(np.array([0, 10, 50, 100]), np.array([100, 100, 100, 100])).tolist()
    [0, 1, 3, 4]
    """
    found = np.searchsorted(BREAKS, at_least / np.maximum(n, 1), side="right") - 1
    return np.clip(found, 0, len(BREAKS) - 2).astype(np.int64)


def _cell(facts: _Facts, key: tuple[str, ...]) -> dict[str, Any]:
    """One area's cell: its numbers, its colour, and what the release says of them."""
    row = facts.rows.get(key)
    told = _counts(facts, key)
    told["class"] = _class(told, row)
    if row is None or not told["shown"]:
        return told
    if "flag" in row:
        p = row["p_over_standard"]
        told |= {"flag": row["flag"], "flag_words": _flag_words(row, facts.over)}
        told["p"] = None if pd.isna(p) else round(float(p), 3)
    if not pd.isna(row.get("rank_low")):
        told["rank"] = tied(
            f"{row['rank_low']:.0f} to {row['rank_high']:.0f} of {facts.n_areas} (1 = most a year; 90 % interval)"
        )
    if "unmet_per_1k_low" in row:
        told["rate"] = _rate(row)
    return told


def _class(told: Mapping[str, Any], row: Mapping[Any, Any] | None) -> int:
    if not told["shown"]:
        return HIDDEN_CLASS
    if not told["recorded"]:
        return NOT_ON_RECORD
    years = float(row["years"]) if row is not None else 1.0
    if row is not None and "flag" in row:
        is_few = row["flag"] == "too_few"
    else:
        is_few = told["n"] < MIN_CALLS * max(1.0, years)
    return TOO_FEW if is_few else int(share_class(np.array([told["least"]]), np.array([told["n"]]))[0])


def _counts(facts: _Facts, key: tuple[str, ...]) -> dict[str, Any]:
    """Integers that add up to the calls in scope, and how they are said; None for what the release does not show."""
    row, parts = facts.rows.get(key), facts.parts.get(key, {})
    recorded = key[2:] not in facts.none
    if row is not None:
        recorded = recorded and not bool(row.get("not_recorded", False))
        n, least, most = int(row["n_calls"]), int(row["at_least"]), int(row["at_most"])
        seen: list[int | None] = [n - most, most - least, least]
    elif facts.is_suppressed:
        seen = [_number(parts.get(name)) for name in ("available", "uncertain", "unmet")]
        return {"n": None, "parts": seen, "recorded": recorded, "shown": False}
    else:
        n, least, most = 0, 0, 0
        seen = [0, 0, 0]
    told = {
        "n": n,
        "least": least,
        "most": most,
        "parts": seen,
        "band": band(least, most),
        "share": tied(share(least, most, n).replace("-", "–")),
        "recorded": recorded,
        "shown": True,
    }
    split = [_number(parts.get(name)) for name in CAUSES]
    if not facts.is_suppressed:
        split = [value or 0 for value in split]
    return told | ({"split": split} if None not in split else {})


def _number(value: Any) -> int | None:
    return None if value is None or pd.isna(value) else int(value)


def _flag_words(row: Mapping[Any, Any], over: str) -> str:
    sure, maybe = (chance(row[name]) for name in ("p_over_standard", "p_over_standard_most"))
    words = {
        "flagged": f"Flagged: P(share unmet > {over}) {sure} on at least",
        "possibly": f"Possibly flagged: P(share unmet > {over}) {sure} on at least, {maybe} on at most",
        "no": f"Not flagged: P(share unmet > {over}) {maybe} on at most",
        "too_few": f"Too few calls to judge (fewer than {MIN_CALLS} a year)",
    }
    return words.get(str(row["flag"]), "Not judged: no service on record")


def _rate(row: Mapping[Any, Any]) -> str:
    if pd.isna(row["unmet_per_1k_low"]) or pd.isna(row["unmet_per_1k_high"]):
        reason = row["rate_reason"] if isinstance(row["rate_reason"], str) else "no reason on record"
        return f"none given: {plain(reason)}"
    low, high = f"{row['unmet_per_1k_low']:.1f}", f"{row['unmet_per_1k_high']:.1f}"
    said = low if low == high else f"at least {low}, at most {high}"
    return f"{said} calls per 1,000 residents a year"


def _city_cell(facts: _Facts, need: str, leg: str, outside: Mapping[tuple[str, str], list[str]]) -> dict[str, Any]:
    """The whole city: its numbers, a year's limits, and who is in the denominator."""
    key = ("city", "city", need, leg)
    told = _counts(facts, key)
    row = facts.rows.get(key)
    said = ["Community calls only; unfounded, cancelled and duplicate calls are out."]
    if row is not None:
        told["yearly"] = (
            f"At least {row['per_year_low']:,.0f}, at most {row['per_year_high']:,.0f} a year (90 % limits)."
        )
        places = f", from {row['n_places']:,} places" if "n_places" in row else ""
        no_one = [f"no one found on {row['n_no_one_found']:,}"] if "n_no_one_found" in row else []
        inside = no_one + outside.get((need, leg), [])
        said.append(f"{told['n']:,} in scope on this leg{places}{': ' if inside else ''}{', '.join(inside)}.")
        if "n_police_or_ems" in row:
            n = int(row["n_police_or_ems"])
            said.append(f"A further {n:,} calls for this reason need police or EMS and are not counted.")
        if told["recorded"] and "n_without_busiest" in row:
            said.append(
                f"Without the busiest 1 % of places: {row['n_without_busiest']:,} calls, "
                f"at least {row['at_least_without_busiest']:,}."
            )
    return told | {"denominator": " ".join(said)}


def _sums_by_leg(release: Release, numbers: Numbers, level: str, geoids: list[str]) -> dict[tuple[str, str], list[str]]:
    """Sentences on calls at institutions and off the map, per (need, leg); none where numbers are hidden."""
    if numbers.is_suppressed:
        return {}
    whole = numbers.measures
    off = whole[(whole["level"] == level) & ~whole["geoid"].isin(geoids)].groupby(["need", "leg"])["n_calls"].sum()
    every = release.table("measures", [*KEY, "grain", "variant", "n_calls"])
    every = every[(every["grain"] == "whole") & (every["level"] == "city")].set_index(["need", "leg", "variant"])
    n = every["n_calls"].unstack("variant")
    out = {}
    for pair, row in n.iterrows():
        need, leg = str(pair[0]), str(pair[1])  # type: ignore[index]
        said = []
        if not pd.isna(row.get("no_institutions")):
            said.append(f"at institutions {int(row['default'] - row['no_institutions']):,}")
        n_off = int(off.get((need, leg), 0))
        out[need, leg] = [*said, f"not placed in an area of the map {n_off:,} (in the city's count all the same)"]
    return out
