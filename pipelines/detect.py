"""The `hotspots` table: recurring-call areas, by excess (the scan) and by volume (footprints), per need.

Cases are community calls of the need that were not closed as unfounded, whatever their outcome on the legs. The
background is all community calls but alarms and administrative ones. Only ordinary places take part.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from geo.hotspots import Circles, carry_ids, circles, excess, recurring, volume
from geo.places import longest_run, recurrence
from geo.tables import HOTSPOTS
from pipelines.city import City
from pipelines.engine import Advance, connect, each, frame, scan
from pipelines.vocabulary import needs as all_needs

PEAK_HOURS = 8
STATUS = {"transient": "transient", "single-address site": "single_site", "not assessable": "not_assessed"}
UNMET = ("spatial", "barrier", "temporal")


def complete_weeks(city: City) -> NDArray[np.datetime64]:
    """The Mondays of the ISO weeks that lie whole inside a window and outside every outage."""
    mondays: list[np.datetime64] = []
    for window in city.windows:
        day = window.start + timedelta(days=-window.start.weekday() % 7)
        while day + timedelta(days=7) <= window.end:
            if not any(day < outage.end and outage.start < day + timedelta(days=7) for outage in city.outages):
                mondays.append(np.datetime64(day, "D"))
            day += timedelta(days=7)
    return np.array(mondays, "datetime64[D]")


def comparable_weeks(city: City, weeks: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    """Those of `weeks` that begin on or after the city's last declared break: the only ones a trend may be read in."""
    if not city.breaks:
        return weeks
    return weeks[weeks >= np.datetime64(max(one.date for one in city.breaks), "D")]


def hotspots(
    city: City,
    work: Path,
    calls: Path,
    places: pd.DataFrame,
    unmet: Path,
    old_hotspots: pd.DataFrame | None,
    advance: Advance | None = None,
) -> pd.DataFrame:
    """`hotspots` of every need in scope, ids carried over from the last run where shapes overlap."""
    sites = places[(places["place_kind"] == "ordinary") & places["x"].notna()].reset_index(drop=True)
    cases = _cases(work, calls, sites, unmet)
    weeks = complete_weeks(city)
    trend_weeks = comparable_weeks(city, weeks)
    background = _background(work, calls, sites)
    prepared = circles(sites["x"], sites["y"], background) if len(cases) else None
    found: list[pd.DataFrame] = []
    wanted = [name for name, need in all_needs().items() if need.in_scope]
    for done, name in enumerate(wanted):
        if advance:
            advance(name.replace("_", " "), done, len(wanted))
        own = cases[cases["need"] == name]
        found += _of_need(city, name, own, sites, background, prepared, weeks, trend_weeks)
    table = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(HOTSPOTS.names))
    return _carried(table, old_hotspots)[list(HOTSPOTS.names)]


def _cases(work: Path, calls: Path, sites: pd.DataFrame, unmet: Path) -> pd.DataFrame:
    """Calls of the needs in scope at ordinary places, with their outcomes; `site` is the row of `sites`."""
    db = connect(work)
    db.register("sites", sites[["place_id"]].assign(site=np.arange(len(sites))))
    return frame(
        db,
        f"""
        SELECT c.call_id, c.need, s.site, c.received_at, c.hour_of_week,
               (c.local_date::TIMESTAMP + INTERVAL 1 HOUR * (c.hour_of_week % 24)) AS at,
               max(u.outcome) FILTER (u.leg = 'respond') AS respond, max(u.outcome) FILTER (u.leg = 'place') AS place
        FROM {scan(calls)} c JOIN sites s USING (place_id) LEFT JOIN {scan(unmet)} u USING (call_id)
        WHERE c.merged_into IS NULL AND c.origin = 'community' AND c.scope IN ('in_scope', 'police_or_ems')
        GROUP BY ALL ORDER BY c.received_at, c.call_id
        """,
    )


def _background(work: Path, calls: Path, sites: pd.DataFrame) -> NDArray[np.int64]:
    """All community calls but alarms and administrative ones, per row of `sites`."""
    counts = frame(
        connect(work),
        f"""SELECT place_id, count(*) AS n FROM {scan(calls)}
            WHERE merged_into IS NULL AND origin = 'community' AND need NOT IN ('alarm', 'administrative')
              AND place_id IS NOT NULL GROUP BY 1""",
    ).set_index("place_id")["n"]
    return counts.reindex(sites["place_id"]).fillna(0).to_numpy(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One candidate: its members (rows of sites) and what the method said of it."""

    x: float
    y: float
    geometry: BaseGeometry
    members: tuple[int, ...]
    radius_m: float = np.nan
    n_all: float = np.nan
    relative_risk: float = np.nan
    llr: float = np.nan
    p_value: float = np.nan


def _of_need(
    city: City,
    need: str,
    cases: pd.DataFrame,
    sites: pd.DataFrame,
    background: NDArray[np.int64],
    prepared: Circles | None,
    weeks: NDArray[np.datetime64],
    trend_weeks: NDArray[np.datetime64],
) -> Iterator[pd.DataFrame]:
    n_need = np.bincount(cases["site"], minlength=len(sites)).astype(np.int64)
    if not n_need.any():
        return
    for product, shapes in (
        ("excess", _excess_shapes(city, need, sites, n_need, background, prepared)),
        ("volume", _volume_shapes(sites, n_need)),
    ):
        if shapes:
            yield _described(need, product, shapes, cases, weeks, trend_weeks)


def _excess_shapes(
    city: City,
    need: str,
    sites: pd.DataFrame,
    n_need: NDArray[np.int64],
    background: NDArray[np.int64],
    prepared: Circles | None,
) -> list[Shape]:
    seed = int.from_bytes(hashlib.sha256(f"{city.seed}|{need}".encode()).digest()[:4], "big")
    found = excess(sites["x"], sites["y"], n_need, background, n_sim=city.n_sim, seed=seed, prepared=prepared)
    return [
        Shape(
            x=row.x,
            y=row.y,
            geometry=shapely.Point(row.x, row.y).buffer(row.radius_m, quad_segs=16),
            members=row.members,
            radius_m=row.radius_m,
            n_all=row.n_all,
            relative_risk=row.relative_risk,
            llr=row.llr,
            p_value=row.p_value,
        )
        for row in each(found)
    ]


def _volume_shapes(sites: pd.DataFrame, n_need: NDArray[np.int64]) -> list[Shape]:
    with_need = np.flatnonzero(n_need)
    at = sites.iloc[with_need]
    found = volume(at["x"], at["y"], n_need[with_need]).clusters
    return [
        Shape(x=row.x, y=row.y, geometry=row.geometry, members=tuple(with_need[list(row.members)]))
        for row in each(found)
    ]


def _described(
    need: str,
    product: str,
    shapes: list[Shape],
    cases: pd.DataFrame,
    weeks: NDArray[np.datetime64],
    trend_weeks: NDArray[np.datetime64],
) -> pd.DataFrame:
    """The rows of `hotspots` for some shapes, before ids are carried over.

    The rate ratio behind *cooling* sees only `trend_weeks`, those after the last break; NaN where they are too few.
    """
    inside = _calls_inside(shapes, cases)
    again = recurrence(inside["shape"], inside["at"], inside["site"], weeks=weeks) if len(weeks) else _no_weeks(inside)
    again = again.reindex(range(len(shapes)))
    again["rate_ratio_high"] = _rate_ratio_high(inside, trend_weeks).reindex(again.index)
    p_value = np.array([shape.p_value for shape in shapes])
    judged = recurring(
        np.zeros(len(shapes)) if product == "volume" else p_value,
        again["active_weeks"],
        again["weeks_share"],
        again["max_week_share"],
        again["n_places"],
        n_complete_weeks=longest_run(weeks) if len(weeks) else 0,
    )
    rows = pd.DataFrame(
        {
            "product": product,
            "need": need,
            "x": [shape.x for shape in shapes],
            "y": [shape.y for shape in shapes],
            "radius_m": [shape.radius_m for shape in shapes],
            "n_calls": again["n_calls"].to_numpy(np.int64),
            "n_all": [shape.n_all for shape in shapes],
            "n_places": again["n_places"].to_numpy(np.int64),
            "relative_risk": [shape.relative_risk for shape in shapes],
            "llr": [shape.llr for shape in shapes],
            "p_value": p_value,
            "n_weeks": again["active_weeks"].to_numpy(np.int64),
            "persistence_share": again["persistence_share"].to_numpy(float),
            "max_week_share": again["max_week_share"].to_numpy(float),
            "is_recurring": judged["is_recurring"].to_numpy(),
            "kind": judged["kind"].to_numpy(),
            "reason": judged["reason"].replace("", None).to_numpy(object),
            "rate_ratio_high": again["rate_ratio_high"].to_numpy(float),
            "geometry": [shapely.to_wkb(shape.geometry) for shape in shapes],
        }
    )
    peaks = pd.DataFrame([_peak(inside[inside["shape"] == at]) for at in range(len(shapes))])
    return pd.concat([rows, peaks], axis=1)


def _calls_inside(shapes: list[Shape], cases: pd.DataFrame) -> pd.DataFrame:
    """The need's calls inside each shape; a site belongs to one shape of a product at most."""
    shape_of = {site: at for at, shape in enumerate(shapes) for site in shape.members}
    inside = cases.assign(shape=cases["site"].map(shape_of))
    inside = inside[inside["shape"].notna()]
    return inside.assign(shape=inside["shape"].astype(int))


def _rate_ratio_high(inside: pd.DataFrame, weeks: NDArray[np.datetime64]) -> pd.Series:
    """Upper limit of the rate ratio per shape over `weeks` alone; NaN where none lies before the last 13."""
    if not len(weeks):
        return pd.Series(dtype="float64")
    return recurrence(inside["shape"], inside["at"], inside["site"], weeks=weeks)["rate_ratio_high"]


def _no_weeks(inside: pd.DataFrame) -> pd.DataFrame:
    """What can be said of calls again without one complete week: only how many and from how many places."""
    told = inside.groupby("shape").agg(n_calls=("call_id", "size"), n_places=("site", "nunique"))
    return told.assign(
        active_weeks=0, weeks_share=0.0, max_week_share=np.nan, persistence_share=np.nan, rate_ratio_high=np.nan
    )


def _peak(inside: pd.DataFrame) -> dict[str, float]:
    """The 8 hours of the day with most calls, their share, and the outcomes of calls in scope in them."""
    by_hour = np.bincount(inside["hour_of_week"] % 24, minlength=24)
    wrapped = np.concatenate([by_hour, by_hour[: PEAK_HOURS - 1]])
    blocks = np.convolve(wrapped, np.ones(PEAK_HOURS, int), mode="valid")
    start = int(blocks.argmax())
    at_peak = inside[((inside["hour_of_week"] - start) % 24) < PEAK_HOURS]
    told: dict[str, float] = {"peak_start": start, "peak_share": float(blocks[start] / by_hour.sum())}
    told["n_peak"] = int(at_peak["respond"].notna().sum())
    for leg in ("respond", "place"):
        least = int(at_peak[leg].isin(UNMET).sum())
        has_leg = bool(at_peak[leg].notna().any())
        told[f"{leg}_at_least"] = least if has_leg else np.nan
        told[f"{leg}_at_most"] = least + int((at_peak[leg] == "uncertain").sum()) if has_leg else np.nan
    return told


def _carried(table: pd.DataFrame, old: pd.DataFrame | None) -> pd.DataFrame:
    """The same rows with ids and statuses, and a row for each recurring one of the last run that ended."""
    new_groups = _by_map(table)
    old_groups = _by_map(old[(old["is_recurring"] == True) & (old["status"] != "ended")]) if old is not None else {}  # noqa: E712
    parts = [
        _carried_of(new_groups.get(key, table.iloc[:0]), old_groups.get(key))
        for key in sorted({*new_groups, *old_groups})
    ]
    if not parts:
        return table
    joined = pd.concat(parts, ignore_index=True)
    return joined.sort_values(["product", "need", "n_calls", "hotspot_id"], ascending=[True, True, False, True])


def _by_map(table: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """The rows of each product and need: one map, within which ids carry over."""
    maps = table[["product", "need"]].drop_duplicates().itertuples(index=False)
    return {
        (product, need): table[(table["product"] == product) & (table["need"] == need)].reset_index(drop=True)
        for product, need in maps
    }


def _carried_of(new: pd.DataFrame, last: pd.DataFrame | None) -> pd.DataFrame:
    fresh = [
        hashlib.sha256(f"{row.product}|{row.need}|{round(row.x)}|{round(row.y)}".encode()).hexdigest()[:12]
        for row in each(new)
    ]
    ids = carry_ids(
        list(shapely.from_wkb(new["geometry"].to_numpy(object))) if len(new) else [],
        list(shapely.from_wkb(last["geometry"].to_numpy(object))) if last is not None else [],
        list(last["hotspot_id"]) if last is not None else [],
        fresh,
        rate_ratio_high=new["rate_ratio_high"] if len(new) else None,
    )
    current = ids[ids["new"].notna()].sort_values("new")
    out = new.assign(hotspot_id=current["hotspot_id"].to_numpy(object))
    told = current["status"].to_numpy(object)
    out["status"] = np.where(out["kind"].isin(STATUS), out["kind"].map(STATUS), told)
    if last is not None:
        gone = last.iloc[ids.loc[ids["status"] == "ended", "old"].astype(int)]
        out = pd.concat([out, gone.assign(status="ended", is_recurring=False, reason="not found in this run")])
    return out
