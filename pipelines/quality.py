"""The `quality`, `quarantine` and `counts` tables: what was found, refused and reconciled, over all stages."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from geo.errors import StoreError
from geo.tables import COUNTS, QUALITY, QUARANTINE
from pipelines.city import City
from pipelines.engine import connect, each, frame, scan

GOOD_HIT_RATE = 0.85
RECURRENCE_WEEKS = 26
ONE_PLACE = 0.5
SEVERITY_ORDER = ("error", "warning", "info")


def quality_places(
    city: City, work: Path, calls: Path, places: pd.DataFrame, atoms: pd.DataFrame, unmet: Path
) -> pd.DataFrame:
    """Findings about places and windows: hit rate, default geocodes, institutions, single-location areas."""
    found = [
        *_hit_rate(work, calls, places),
        *_kinds(city, places),
        *_single_locations(city, places, atoms),
        *_windows(city),
        *_not_recorded(work, unmet, calls),
    ]
    return pd.DataFrame([dict(zip(QUALITY.names, row, strict=True)) for row in found], columns=list(QUALITY.names))


_Row = tuple[str, str, str, str, int, float | None, str, str | None]


def _hit_rate(work: Path, calls: Path, places: pd.DataFrame) -> Iterator[_Row]:
    """Share of community calls with a point, per need."""
    db = connect(work)
    db.register("points", places.loc[places["x"].notna() & (places["place_kind"] != "placeholder"), ["place_id"]])
    rates = frame(
        db,
        f"""SELECT need, count(*) AS n, count(p.place_id) AS located FROM {scan(calls)} c
            LEFT JOIN points p USING (place_id) WHERE merged_into IS NULL AND origin = 'community'
            GROUP BY 1 ORDER BY 1""",
    )
    total, located = int(rates["n"].sum()), int(rates["located"].sum())
    low = rates[(rates["located"] / rates["n"] < GOOD_HIT_RATE) & (rates["n"] >= 50)]
    listed = "; ".join(f"{row.need} {row.located / row.n:.0%}" for row in each(low)) or None
    share = located / max(1, total)
    severity = "warning" if share < GOOD_HIT_RATE else "info"
    yield (
        "locate",
        "*",
        "HIT_RATE",
        severity,
        total - located,
        1 - share,
        f"{share:.1%} of community calls have a point of their own",
        listed,
    )


def _kinds(city: City, places: pd.DataFrame) -> Iterator[_Row]:
    from geo.crs import to_degrees

    special = places[places["place_kind"].isin(["placeholder", "unexplained"])]
    total = max(1, int(places["n_all"].sum()))
    for at, row in enumerate(each(special.sort_values("n_all", ascending=False))):
        where = None
        if row.place_kind == "placeholder" and pd.notna(row.x):  # any other place is someone's address
            lon, lat = to_degrees([row.x], [row.y], source_crs=city.crs)
            where = f"{lat[0]:.4f}, {lon[0]:.4f}"
        words = "stays in city totals only" if row.place_kind == "placeholder" else "kept, but out of the scan"
        detail = f"{row.place_kind} address: {row.kind_reason}; {words}"
        reason = f"{row.place_kind.upper()}_{at + 1}"
        yield "places", "*", reason, "warning", int(row.n_all), row.n_all / total, detail, where
    inside = places[places["place_kind"] == "institution"]
    n = int(inside["n_calls"].sum())
    words = f"community calls at {len(inside)} institution places: own line, and a variant without them"
    yield "places", "*", "INSTITUTION", "info", n, n / max(1, int(places["n_calls"].sum())), words, None


def _single_locations(city: City, places: pd.DataFrame, atoms: pd.DataFrame) -> Iterator[_Row]:
    from geo.places import single_location_areas

    at = places[places["n_calls"] > 0].merge(atoms, on="atom")
    level = city.base_level.name
    at = at[~at[level].str.startswith("_")]
    if at.empty:
        return
    found = single_location_areas(at[level], at["place_id"], at["n_calls"], share=ONE_PLACE)
    found = found[found["is_single_location"]]
    if len(found):
        words = f"{level}s where one place makes more than half of all community calls"
        listed = ", ".join(sorted(map(str, found.index))[:10])
        yield "places", "*", "SINGLE_LOCATION_AREA", "warning", len(found), None, words, listed


def _windows(city: City) -> Iterator[_Row]:
    from geo.places import longest_run
    from pipelines.detect import complete_weeks

    weeks = longest_run(complete_weeks(city))
    if weeks < RECURRENCE_WEEKS:
        words = (
            f"{weeks} complete weeks in the longest continuous window: recurrence needs {RECURRENCE_WEEKS}, "
            "so no area is called recurring"
        )
        yield "detect", "*", "WINDOW_TOO_SHORT", "warning", weeks, None, words, None
    for at, one in enumerate(city.breaks):
        words = f"{one.date.isoformat()}: {one.note}; counts before and after cannot be compared as a trend"
        yield "detect", "*", f"BREAK_{at + 1}", "warning", 0, None, words, None


def _not_recorded(work: Path, unmet: Path, calls: Path) -> Iterator[_Row]:
    rows = frame(
        connect(work),
        f"""SELECT need, leg, count(*) AS n FROM {scan(unmet)} JOIN {scan(calls)} USING (call_id)
            WHERE merged_into IS NULL GROUP BY ALL HAVING NOT bool_or(is_recorded) ORDER BY leg, need""",
    )
    words = {"contact": "line to contact", "respond": "responder", "place": "place to go"}
    for row in each(rows):
        detail = f"no {words[row.leg]} on record for {row.need.replace('_', ' ')}: its calls are uncertain, not unmet"
        yield "unmet", "*", f"NOT_RECORDED_{row.leg}_{row.need}".upper(), "warning", int(row.n), None, detail, None


def books(tables: Mapping[str, Path], work: Path, calls: Path, incidents: Path) -> dict[str, pd.DataFrame]:
    """`quality`, `quarantine` and `counts` of the whole run.

    Raises:
        StoreError: a file whose rows do not reconcile; this is a defect, never the data's fault.
    """
    quality = _joined(tables, "quality_", QUALITY.names)
    quality = quality.groupby(["stage", "source_id", "reason"], as_index=False, sort=False).first()
    order = quality["severity"].map({name: at for at, name in enumerate(SEVERITY_ORDER)})
    quality = quality.assign(order=order).sort_values(["order", "stage", "source_id", "reason"]).drop(columns="order")
    quarantine = _joined(tables, "quarantine_", QUARANTINE.names)
    db = connect(work)
    of_calls = frame(
        db,
        f"""SELECT source_id, count(*) AS n_rows, count(*) FILTER (merged_into IS NULL) AS n_kept
            FROM {scan(calls)} GROUP BY 1""",
    ).set_index("source_id")
    of_incidents = frame(db, f"SELECT source_id, count(*) AS n FROM {scan(incidents)} GROUP BY 1").set_index(
        "source_id"
    )
    counts = _reconciled(tables, of_calls, of_incidents["n"])
    return {"quality": quality.reset_index(drop=True)[list(QUALITY.names)], "quarantine": quarantine, "counts": counts}


def _joined(tables: Mapping[str, Path], prefix: str, names: tuple[str, ...]) -> pd.DataFrame:
    parts = [pd.read_parquet(path) for name, path in tables.items() if name.startswith(prefix)]
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype="object") for name in names})
    return pd.concat([part.reindex(columns=list(names)) for part in parts], ignore_index=True)


def _reconciled(tables: Mapping[str, Path], calls: pd.DataFrame, incidents: "pd.Series[int]") -> pd.DataFrame:
    """`counts` with the rows that merging refused or merged; `calls` holds n_rows and n_kept by source."""
    counts = _joined(tables, "counts_", COUNTS.names)
    conflicts = pd.read_parquet(tables["quarantine_merge"]).groupby("source_id").size()
    for at, row in counts.iterrows():
        if row["kind"] == "calls":
            refused = int(conflicts.get(row["source_id"], 0))
            kept, rows = (int(calls[name].get(row["source_id"], 0)) for name in ("n_kept", "n_rows"))
            counts.loc[at, ["rows_quarantined", "rows_kept"]] = [row["rows_quarantined"] + refused, kept]
            counts.loc[at, "rows_merged"] = rows - kept
        elif row["kind"] == "incidents":
            kept = int(incidents.get(row["source_id"], 0))
            counts.loc[at, ["rows_kept", "rows_merged"]] = [kept, row["rows_kept"] - kept]
    off = counts["rows_in"] != counts[["rows_kept", "rows_quarantined", "rows_merged"]].sum(axis=1)
    if off.any():
        raise StoreError(f"rows do not reconcile [{counts[off].to_dict('records')}]; this is a defect, report it")
    return counts


def summary_line(counts: pd.Series) -> str:
    """`rows in = kept + quarantined + merged`, in words."""
    return (
        f"{counts['rows_in']:,} rows in = {counts['rows_kept']:,} kept + "
        f"{counts['rows_quarantined']:,} quarantined + {counts['rows_merged']:,} merged"
    )
