"""Where calls come from: the distinct places, the areas that hold them, and which are default geocodes.

Ten million calls have a hundred thousand places, so places are located once and calls join them by id.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geo.areas import area_of
from geo.crs import to_metric
from pipelines.city import City
from pipelines.engine import connect, frame, quoted, scan
from pipelines.shapes import area_frame

OUTSIDE, PLACEHOLDER, UNLOCATED = "_outside", "_placeholder", "_unlocated"
REMAINDERS = (OUTSIDE, PLACEHOLDER, UNLOCATED)
PLACEHOLDER_SHARE = 0.005
PLACEHOLDER_NUMBERS = 50
LISTED_WITHIN_M = 25.0


def place_id_sql(city: City) -> str:
    """SQL of a row's place_id: SHA-256 of city, CRS and metres, or of the normalised block without a point."""
    point = f"{quoted(f'{city.slug}|{city.crs}|')} || x::BIGINT::VARCHAR || '|' || y::BIGINT::VARCHAR"
    block = f"{quoted(f'{city.slug}|block|')} || {_BLOCK}"
    return f"""CASE WHEN x IS NOT NULL AND y IS NOT NULL THEN left(sha256({point}), 16)
                    WHEN {_BLOCK} <> '' THEN left(sha256({block}), 16) END"""


_BLOCK = "upper(trim(regexp_replace(coalesce(address, ''), '\\s+', ' ', 'g')))"
_NUMBER = "regexp_extract(coalesce(address, ''), '^\\s*(\\d+)', 1)"


def points(
    city: City,
    work: Path,
    raw_calls: tuple[Path, ...],
    raw_incidents: tuple[Path, ...],
    areas: pd.DataFrame,
) -> dict[str, pd.DataFrame]:
    """`points`, a row per distinct place with its atom, and `atoms`, a row per tuple of area ids."""
    found = _distinct_points(city, work, raw_calls, raw_incidents)
    found["is_placeholder"], found["kind_reason"] = _placeholders(city, found)
    ids = {level.name: _ids_at(found, areas, level.name) for level in city.levels}
    nowhere = pd.DataFrame(dict.fromkeys(ids, UNLOCATED), index=[0])  # calls without any place belong to this atom
    atoms = pd.concat([pd.DataFrame(ids), nowhere], ignore_index=True)
    atoms["atom"] = atoms.groupby(list(ids), sort=True).ngroup()
    found["atom"] = atoms["atom"].to_numpy()[:-1]
    atoms = atoms.drop_duplicates("atom").sort_values("atom").reset_index(drop=True)
    return {"points": found, "atoms": atoms[["atom", *ids]]}


def _distinct_points(
    city: City, work: Path, raw_calls: tuple[Path, ...], raw_incidents: tuple[Path, ...]
) -> pd.DataFrame:
    db = connect(work)
    rows = f"SELECT x, y, address, count(*) AS n_calls FROM {scan(raw_calls)} GROUP BY ALL"
    if raw_incidents:
        rows += f" UNION ALL SELECT DISTINCT x, y, address, 0 FROM {scan(raw_incidents)}"
    return frame(
        db,
        f"""
        SELECT {place_id_sql(city)} AS place_id, any_value(x)::DOUBLE AS x, any_value(y)::DOUBLE AS y,
               sum(n_calls)::BIGINT AS n_rows,
               count(DISTINCT nullif({_NUMBER}, ''))::BIGINT AS n_numbers,
               count(DISTINCT nullif({_BLOCK}, ''))::BIGINT AS n_addresses
        FROM ({rows}) GROUP BY 1 HAVING place_id IS NOT NULL ORDER BY 1
        """,
    )


def _placeholders(city: City, found: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.object_]]:
    """Which places are default geocodes, by the city's list or by many street numbers on one busy point."""
    is_point = found["x"].notna().to_numpy()
    busy = found["n_rows"].to_numpy() > PLACEHOLDER_SHARE * max(1, int(found["n_rows"].sum()))
    derived = is_point & busy & (found["n_numbers"].to_numpy() > PLACEHOLDER_NUMBERS)
    reason = np.full(len(found), None, object)
    reason[derived] = "more than .5 % of calls on one point with more than 50 street numbers"
    for known in city.placeholders:
        near = _within(city, found, known.lon, known.lat, LISTED_WITHIN_M)
        reason[near] = f"listed: {known.label}"
    return np.array([one is not None for one in reason], bool), reason


def _within(city: City, found: pd.DataFrame, lon: float, lat: float, metres: float) -> NDArray[np.bool_]:
    x, y = to_metric(np.array([lon]), np.array([lat]), source_crs="EPSG:4326", target_crs=city.crs)
    return np.asarray(np.hypot(found["x"] - x[0], found["y"] - y[0]) <= metres, dtype=bool)


def near_listed_institution(city: City, found: pd.DataFrame) -> NDArray[np.object_]:
    """The label of the listed institution within the city's radius of each place, or None."""
    label = np.full(len(found), None, object)
    for known in city.institutions:
        label[_within(city, found, known.lon, known.lat, city.institution_radius_m)] = known.label
    return label


def _ids_at(found: pd.DataFrame, areas: pd.DataFrame, level: str) -> NDArray[np.object_]:
    """The area id of each place at one level, or the remainder it belongs to."""
    x, y = found["x"].to_numpy(float), found["y"].to_numpy(float)
    has_point = ~np.isnan(x)
    ids = np.full(len(found), UNLOCATED, object)
    inside = area_of(x[has_point], y[has_point], area_frame(areas, level))
    ids[has_point] = [OUTSIDE if one is None else one for one in inside]
    ids[found["is_placeholder"].to_numpy()] = PLACEHOLDER
    return ids
