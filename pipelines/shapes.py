"""Geometry of stored tables: WKB columns to GeoDataFrames and back."""

from typing import TYPE_CHECKING

import pandas as pd
import shapely

if TYPE_CHECKING:
    import geopandas as gpd


def area_frame(areas: pd.DataFrame, level: str) -> "gpd.GeoDataFrame":
    """The areas of one level as a GeoDataFrame in the city's metres, in order of id."""
    import geopandas as gpd

    chosen = areas[areas["level"] == level].sort_values("geoid").reset_index(drop=True)
    return gpd.GeoDataFrame(chosen.drop(columns="geometry"), geometry=shapely.from_wkb(chosen["geometry"]))
