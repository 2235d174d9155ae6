"""The `reach` table: place × service within the widest threshold, in minutes for whoever travels."""

from pathlib import Path

import pandas as pd

from geo.access import reach as within_reach
from pipelines.city import City, Travel

WIDEST = 1.25  # rank scenarios look at travel 20 % faster: 1 / 0.8
BY_ACCESS = {
    "walk_in": ("walk_kmh", "walk_min"),
    "drop_off": ("drive_kmh", "drop_off_min"),
    "unknown": ("drive_kmh", "drop_off_min"),
    "team": ("drive_kmh", "respond_min"),
}


def reach(
    city: City, root: Path, work: Path, places: pd.DataFrame, services: pd.DataFrame, atoms: pd.DataFrame
) -> pd.DataFrame:
    """`reach`, from the supplied matrix where the city has one, else straight line × circuity ÷ speed."""
    located = places[places["x"].notna() & (places["place_kind"] != "placeholder")].reset_index(drop=True)
    sites = services[services["x"].notna()].drop_duplicates(["service_id", "access"])
    if city.travel.matrix:
        return _from_matrix(city, root, work, located, sites, atoms)
    found = [
        _by_distance(located, sites[sites["access"] == access].reset_index(drop=True), city.travel, access)
        for access in BY_ACCESS
    ]
    table = pd.concat(found, ignore_index=True)
    return table.sort_values(["place_id", "service_id", "access"]).reset_index(drop=True)


def _by_distance(places: pd.DataFrame, sites: pd.DataFrame, travel: Travel, access: str) -> pd.DataFrame:
    speed, limit = BY_ACCESS[access]
    found = within_reach(
        places["x"],
        places["y"],
        sites["x"],
        sites["y"],
        widest_min=getattr(travel, limit) * WIDEST,
        kmh=getattr(travel, speed),
        circuity=travel.circuity,
    )
    return pd.DataFrame(
        {
            "place_id": places["place_id"].to_numpy(object)[found.place_index],
            "service_id": sites["service_id"].to_numpy(object)[found.service_index],
            "access": access,
            "minutes": found.minutes,
        }
    )


def _from_matrix(
    city: City, root: Path, work: Path, places: pd.DataFrame, sites: pd.DataFrame, atoms: pd.DataFrame
) -> pd.DataFrame:
    """Minutes of the supplied matrix: from the base area that holds a place to a service, by access."""
    from pipelines.readers.travel_matrix import read_matrix

    matrix = read_matrix(city, root, work)
    base = atoms.set_index("atom")[city.base_level.name]
    at = places[["place_id"]].assign(geoid=base.reindex(places["atom"]).to_numpy())
    known = sites[["service_id", "access"]].astype(str)
    table = at.merge(matrix, on="geoid").merge(known, on=["service_id", "access"])
    limit = table["access"].map(
        {access: getattr(city.travel, limit) * WIDEST for access, (_, limit) in BY_ACCESS.items()}
    )
    kept = table.loc[table["minutes"] <= limit, ["place_id", "service_id", "access", "minutes"]]
    return kept.sort_values(["place_id", "service_id", "access"]).reset_index(drop=True)
