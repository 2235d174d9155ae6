"""The `places` table: every distinct location with its counts and its kind.

Kinds: a *placeholder* is a default geocode; an *institution* is listed or stands within the city's
radius of a hospital, jail, shelter or station on record; any other sink is *unexplained*: kept, but out of the scan.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from geo.places import sinks
from pipelines.city import City
from pipelines.engine import connect, frame, scan
from pipelines.locate import near_listed_institution

INSTITUTION_KINDS = ("emergency_department", "psychiatric_hospital", "hospital", "shelter", "crisis_receiving")


def places(city: City, work: Path, calls: Path, points: pd.DataFrame, services: pd.DataFrame) -> pd.DataFrame:
    """`places`, in order of place_id."""
    counts = frame(
        connect(work),
        f"""
        SELECT place_id, count(*) FILTER (origin = 'community')::BIGINT AS n_calls, count(*)::BIGINT AS n_all,
               count(DISTINCT date_trunc('week', local_date)) FILTER (origin = 'community')::BIGINT AS n_weeks,
               count(*) FILTER (origin = 'community' AND scope IN ('in_scope', 'police_or_ems'))::BIGINT AS n_need
        FROM {scan(calls)} WHERE merged_into IS NULL AND place_id IS NOT NULL GROUP BY 1
        """,
    )
    found = points.merge(counts, on="place_id", how="left", validate="one_to_one")
    number = ["n_calls", "n_all", "n_weeks", "n_need"]
    found[number] = found[number].fillna(0).astype("int64")
    found["place_kind"], found["kind_reason"] = _kinds(city, found, services)
    found["precision"] = np.where(found["x"].notna(), "point", "block")
    columns = ["place_id", "x", "y", "n_calls", "n_all", "n_weeks", "n_addresses", "place_kind", "kind_reason"]
    return found[[*columns, "precision", "atom"]].sort_values("place_id").reset_index(drop=True)


def _kinds(city: City, found: pd.DataFrame, services: pd.DataFrame) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    kind = np.full(len(found), "ordinary", object)
    reason = found["kind_reason"].to_numpy(object).copy()
    has_point = found["x"].notna().to_numpy()
    at = found[has_point]
    sink = np.zeros(len(found), bool)
    sink[has_point] = sinks(at["x"], at["y"], at["n_need"], at["n_all"])["is_sink"].to_numpy()
    kind[sink], reason[sink] = "unexplained", "collects more of the calls than a place of its kind can"
    for label in (_near_record(city, found, services), near_listed_institution(city, found)):
        near = np.array([one is not None for one in label], bool)
        kind[near], reason[near] = "institution", label[near]
    placeholder = found["is_placeholder"].to_numpy(bool)
    kind[placeholder] = "placeholder"
    reason[placeholder] = found["kind_reason"].to_numpy(object)[placeholder]
    return kind, reason


def _near_record(city: City, found: pd.DataFrame, services: pd.DataFrame) -> NDArray[np.object_]:
    """What stands near each place: the kind of the nearest hospital or shelter on record, or None."""
    label = np.full(len(found), None, object)
    record = services[services["kind"].isin(INSTITUTION_KINDS) & services["x"].notna()]
    record = record.drop_duplicates(["x", "y"]).sort_values(["x", "y"])
    has_point = np.flatnonzero(found["x"].notna())
    if len(record) and len(has_point):
        tree = cKDTree(record[["x", "y"]].to_numpy(float))
        distance, nearest = tree.query(found.loc[has_point, ["x", "y"]].to_numpy(float))
        near = distance <= city.institution_radius_m
        words = record["kind"].str.replace("_", " ").to_numpy(object)
        label[has_point[near]] = [f"near a record: {words[one]}" for one in np.asarray(nearest)[near]]
    return label
