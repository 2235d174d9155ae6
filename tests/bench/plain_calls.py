"""The plain way, first half: two call files into one frame of classified, located, merged calls, with pandas.

The same rules as the project's, written row-wise as a competent analyst would. What it does not do, and the project
does: reasons for refused rows, a quality report, incidents, responses, the `demand` table, anything on disk between.
"""

import hashlib
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from geo.places import sinks
from pipelines.city import City, Source
from pipelines.classify import classify_dispositions, classify_types
from pipelines.vocabulary import call_rules, needs

TEXTS = ("call_id", "received_at", "call_type", "call_type_initial", "origin", "caller_role", "disposition", "address")
INSTITUTIONS = ("emergency_department", "psychiatric_hospital", "hospital", "shelter", "crisis_receiving")


def read(city: City, root: Path) -> pd.DataFrame:
    """All rows of both agencies that can be read, with UTC and local times and projected metres."""
    parts = [_read_one(city, source, root / source.path) for source in city.sources_of("calls")]
    return pd.concat(parts, ignore_index=True)


def _read_one(city: City, source: Source, path: Path) -> pd.DataFrame:
    theirs = {names[0]: ours for ours, names in source.columns if ours in (*TEXTS, "x", "y")}
    raw = pd.read_csv(
        path, usecols=list(theirs), dtype=str, encoding="utf-8-sig", keep_default_na=False, na_values=[""]
    )
    frame = raw.rename(columns=theirs).assign(source=source.id, line=np.arange(1, len(raw) + 1))
    for name in TEXTS:
        frame[name] = frame[name].str.strip() if name in frame else None
    local = pd.to_datetime(frame["received_at"], format=source.time_format, errors="coerce")
    utc = local.dt.tz_localize(city.timezone, ambiguous=np.ones(len(local), bool), nonexistent="NaT")
    frame = frame.assign(local=local, utc=utc.dt.tz_convert("UTC"))
    start, end = pd.Timestamp(city.windows[0].start), pd.Timestamp(city.windows[-1].end)
    frame = frame[frame["call_id"].notna() & frame["utc"].notna() & (local >= start) & (local < end)]
    return _in_metres(city, source, _words(source, frame))


def _words(source: Source, frame: pd.DataFrame) -> pd.DataFrame:
    words = {(name, theirs): ours for name, theirs, ours in source.values}
    origin, role = (
        frame[name].map({theirs: ours for (column, theirs), ours in words.items() if column == name})
        for name in ("origin", "caller_role")
    )
    unmapped = frame["origin"].notna() & origin.isna()
    return frame.assign(origin=origin.mask(unmapped, "unknown"), caller_role=role.fillna("unknown"))


def _in_metres(city: City, source: Source, frame: pd.DataFrame) -> pd.DataFrame:
    """x and y to the metre; zero and blank become missing, what is out of the city's box is dropped."""
    x, y = (pd.to_numeric(frame[name], errors="coerce") for name in "xy")
    missing = x.isna() | y.isna() | ((x == 0) & (y == 0))
    points = gpd.GeoSeries(gpd.points_from_xy(x.mask(missing, 0), y.mask(missing, 0)), crs=source.crs)
    degrees = points.to_crs("EPSG:4326")
    west, south, east, north = city.bbox
    inside = (degrees.x.between(west, east) & degrees.y.between(south, north)).to_numpy()
    kept = missing.to_numpy() | inside
    metres = points[kept].to_crs(city.crs)
    gone = missing.to_numpy()[kept]
    return frame[kept].assign(x=metres.x.round().mask(gone).to_numpy(), y=metres.y.round().mask(gone).to_numpy())


def classify(city: City, calls: pd.DataFrame) -> pd.DataFrame:
    """Need, tier and the like per call: the project's rules on each distinct text, joined to the rows."""
    book = call_rules(city.slug)
    pairs = calls[["call_type", "call_type_initial"]].drop_duplicates().astype(object)
    pairs = pairs.where(pairs.notna(), None).reset_index(drop=True)
    told = classify_types(pairs.rename(columns={"call_type": "call_type_final"}), book)
    types = pd.concat([pairs, told[["need", "tier", "is_criminal", "origin_hint"]]], axis=1)
    words = calls["disposition"].drop_duplicates().astype(object)
    closed = classify_dispositions([None if pd.isna(word) else word for word in words], book)
    out = calls.merge(types, on=["call_type", "call_type_initial"], how="left")
    out = out.merge(closed[["disposition", "is_resolved", "no_one_found"]], on="disposition", how="left")
    origin = out["origin"].fillna(out["origin_hint"].eq("officer").map({True: "officer", False: "community"}))
    no_one = out["no_one_found"].eq(True).fillna(False).astype(bool)
    return out.assign(origin=origin, no_one_found=no_one, scope=_scope(out))


def _scope(calls: pd.DataFrame) -> np.ndarray:
    in_scope = [name for name, need in needs().items() if need.in_scope]
    rules = [_is_unresolved(calls), calls["is_criminal"], ~calls["need"].isin(in_scope), calls["tier"].eq(3)]
    rules = [rule.fillna(False).to_numpy(bool) for rule in rules]
    return np.select(rules, ["unresolved", "criminal", "other_need", "police_or_ems"], "in_scope")


def _is_unresolved(calls: pd.DataFrame) -> pd.Series:
    return calls["is_resolved"].eq(False).fillna(False).astype(bool)


def locate(city: City, calls: pd.DataFrame, shapes: dict[str, gpd.GeoDataFrame]) -> pd.DataFrame:
    """Place, placeholder and the area of every level for each call: one spatial join of all rows per level."""
    block = calls["address"].fillna("").str.replace(r"\s+", " ", regex=True).str.strip().str.upper()
    point = calls["x"].astype("Int64").astype("str") + "|" + calls["y"].astype("Int64").astype("str")
    text = f"{city.slug}|{city.crs}|" + point
    text = text.where(calls["x"].notna(), (f"{city.slug}|block|" + block).where(block != ""))
    ids = {one: hashlib.sha256(one.encode()).hexdigest()[:16] for one in text.dropna().unique()}
    place = text.map(ids)  # the project's ids, so that ties of busy places fall alike
    out = calls.assign(place=place, number=calls["address"].fillna("").str.extract(r"^\s*(\d+)", expand=False))
    out["is_placeholder"] = out["place"].isin(_placeholders(city, out))
    located = out[out["x"].notna() & ~out["is_placeholder"]]
    points = gpd.GeoDataFrame(located[[]], geometry=gpd.points_from_xy(located["x"], located["y"]), crs=city.crs)
    for level, areas in shapes.items():
        joined = gpd.sjoin(points, areas[["geoid", "geometry"]].set_crs(city.crs), how="left", predicate="intersects")
        geoid = joined["geoid"].sort_values().groupby(level=0).first()  # an edge belongs to the smallest id
        remainder = np.where(out["is_placeholder"], "_placeholder", "_unlocated")
        inside = geoid.reindex(out.index)
        outside = out["x"].notna() & ~out["is_placeholder"] & inside.isna()
        out[level] = inside.mask(outside, "_outside").fillna(pd.Series(remainder, index=out.index))
    return out


def _placeholders(city: City, calls: pd.DataFrame) -> set[str]:
    """Busy points with many street numbers, and what the city lists."""
    points = (
        calls[calls["x"].notna()]
        .groupby("place")
        .agg(n=("line", "size"), numbers=("number", "nunique"), x=("x", "first"), y=("y", "first"))
    )
    found = (points["n"] > 0.005 * calls["place"].notna().sum()) & (points["numbers"] > 50)
    for known in city.placeholders:
        at = gpd.GeoSeries(gpd.points_from_xy([known.lon], [known.lat]), crs="EPSG:4326").to_crs(city.crs)[0]
        found |= np.hypot(points["x"] - at.x, points["y"] - at.y) <= 25
    return set(points.index[found])


def merge(city: City, calls: pd.DataFrame) -> pd.DataFrame:
    """The calls that stand for themselves: latest row of a number, first of the same place, need and half hour."""
    number = ["source", "call_id"]
    same = calls[calls.duplicated(number, keep=False)]
    told = same.groupby(number).agg(first=("utc", "min"), last=("utc", "max"), places=("place", "nunique"))
    refused = told[(told["last"] - told["first"] > pd.Timedelta(hours=24)) & (told["places"] > 1)].index
    kept = calls[~pd.MultiIndex.from_frame(calls[number]).isin(refused)]
    kept = kept.sort_values(["source", "line"]).drop_duplicates(number, keep="last")
    can = kept["place"].notna() & ~kept["is_placeholder"] & ~_is_unresolved(kept)
    can &= ~kept["need"].isin(["administrative", "unmatched"])
    rows = kept[can].sort_values(["place", "need", "origin", "utc", "source", "call_id"])
    limit = pd.Timedelta(minutes=city.merge_minutes)
    merged: list[int] = []
    group: list[str] = []
    start = pd.Timestamp(0, tz="UTC")
    for index, *key, utc in zip(rows.index, rows["place"], rows["need"], rows["origin"], rows["utc"], strict=True):
        if key == group and utc - start <= limit:
            merged.append(index)
        else:
            group, start = key, utc
    return kept.drop(index=merged)


def mark_places(calls: pd.DataFrame, services: pd.DataFrame) -> pd.DataFrame:
    """Which calls come from institutions, and which from places that take part in the hotspots."""
    community = calls["origin"].eq("community")
    need = community & calls["scope"].isin(["in_scope", "police_or_ems"])
    places = (
        calls[calls["x"].notna()]
        .assign(is_need=need)
        .groupby("place")
        .agg(x=("x", "first"), y=("y", "first"), n=("line", "size"), n_need=("is_need", "sum"))
    )
    record = services[services["kind"].isin(INSTITUTIONS) & services["x"].notna()].drop_duplicates(["x", "y"])
    near = np.zeros(len(places), bool)
    for x, y in zip(record["x"], record["y"], strict=True):
        near |= np.hypot(places["x"] - x, places["y"] - y) <= 50
    sink = sinks(places["x"], places["y"], places["n_need"], places["n"])["is_sink"].to_numpy()
    institution = calls["place"].isin(places.index[near]) & ~calls["is_placeholder"]
    ordinary = calls["x"].notna() & ~calls["is_placeholder"] & ~calls["place"].isin(places.index[near | sink])
    return calls.assign(at_institution=institution, is_ordinary=ordinary)
