"""`hotspot_hours` of a release for staff: when the calls of each recurring-call area come, and how many are unmet."""

import numpy as np
import pandas as pd

from geo.scan import TOLERANCE
from pipelines.engine import connect, each, frame, scan
from pipelines.policy import Policy
from pipelines.release_open import is_for_staff
from pipelines.store import Store
from pipelines.vocabulary import needs as all_needs

HOTSPOT_HOUR = ["hotspot_id", "hour_of_week", "n_calls", "n_respond_unmet_at_least", "n_place_unmet_at_least"]


def spot_tables(opened: Store, policy: Policy, *, finest: str) -> dict[str, pd.DataFrame]:
    """hotspot_hours: calls of an area's own need at its places by hour of the week; areas of `hotspots` only.

    The calls are those that `hotspots` counts: community calls, resolved, not criminal, of every tier, at ordinary
    places. A leg that the need does not have is empty. `finest` is SQL of the calls `c` that may be counted here.
    """
    spots = opened.read("hotspots", ["hotspot_id", "product", "need", "status", "x", "y", "radius_m"])
    db = connect(opened.folder)
    db.register(
        "members",
        _members(spots[is_for_staff(spots, policy)], opened.read("places", ["place_id", "place_kind", "x", "y"])),
    )
    unmet = "u.outcome IN ('spatial', 'barrier', 'temporal')"
    table = frame(
        db,
        f"""SELECT m.hotspot_id, c.hour_of_week, c.need, count(DISTINCT c.call_id)::BIGINT AS n_calls,
                   count(*) FILTER (u.leg = 'respond' AND {unmet})::BIGINT AS n_respond_unmet_at_least,
                   count(*) FILTER (u.leg = 'place' AND {unmet})::BIGINT AS n_place_unmet_at_least
            FROM {scan(opened.path("calls"))} c JOIN members m USING (place_id, need)
            LEFT JOIN {scan(opened.path("unmet"))} u USING (call_id)
            WHERE c.merged_into IS NULL AND c.origin = 'community' AND c.scope IN ('in_scope', 'police_or_ems')
              AND {finest}
            GROUP BY ALL ORDER BY ALL""",
    )
    for leg in ("respond", "place"):
        has_leg = table["need"].map({name: leg in need.legs for name, need in all_needs().items()}).astype(bool)
        name = f"n_{leg}_unmet_at_least"
        table[name] = table[name].astype("Int64").where(has_leg)
    return {"hotspot_hours": table[HOTSPOT_HOUR]}


def _members(spots: pd.DataFrame, places: pd.DataFrame) -> pd.DataFrame:
    """The ordinary places inside each circle, on its line too: place_id, need, hotspot_id."""
    sites = places[places["place_kind"].eq("ordinary") & places["x"].notna()]
    x, y = sites["x"].to_numpy(float), sites["y"].to_numpy(float)
    parts = [pd.DataFrame({"place_id": [], "need": [], "hotspot_id": []}, dtype=object)]
    for spot in each(spots):
        inside = np.hypot(x - spot.x, y - spot.y) <= spot.radius_m * (1 + TOLERANCE)
        own = sites.loc[inside, ["place_id"]].astype(object)
        parts.append(own.assign(need=spot.need, hotspot_id=spot.hotspot_id))
    return pd.concat(parts, ignore_index=True)
