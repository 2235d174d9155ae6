"""The plain way to hotspots: DBSCAN on the calls as rows, and the scan with permutations in a loop."""

import time
from collections.abc import Iterator

import numpy as np
import pandas as pd

from geo.scan import RADII_M, bernoulli_llr
from pipelines.city import City
from pipelines.vocabulary import needs

MIN_CALLS = 12
EARTH_M = 6_371_008.8


def cases(calls: pd.DataFrame) -> pd.DataFrame:
    """Community calls at ordinary places."""
    return calls[calls["origin"].eq("community") & calls["is_ordinary"]]


def clusters(city: City, calls: pd.DataFrame) -> Iterator[dict[str, object]]:
    """DBSCAN (haversine, ball tree) on the calls of each need, one row a call."""
    from pyproj import Transformer
    from sklearn.cluster import DBSCAN

    to_degrees = Transformer.from_crs(city.crs, "EPSG:4326", always_xy=True)
    for need in (name for name, one in needs().items() if one.in_scope):
        own = _of_need(calls, need)
        lon, lat = to_degrees.transform(own["x"].to_numpy(), own["y"].to_numpy())
        least = max(MIN_CALLS, int(np.ceil(0.003 * len(own))))
        fitted = DBSCAN(eps=150 / EARTH_M, min_samples=least, metric="haversine", algorithm="ball_tree")
        label = fitted.fit_predict(np.radians(np.column_stack([lat, lon])))
        yield {"need": need, "n_clusters": int(label.max()) + 1, "n_inside": int((label >= 0).sum())}


def _of_need(calls: pd.DataFrame, need: str) -> pd.DataFrame:
    return calls[calls["need"].eq(need) & calls["scope"].isin(["in_scope", "police_or_ems"])]


def scan(city: City, calls: pd.DataFrame, *, stop_s: float) -> Iterator[dict[str, object]]:
    """The scan of each need: circles by a k-d tree, labels permuted `n_sim` times, the largest statistic kept.

    Stops after `stop_s` seconds over all needs and says how many permutations it had made.
    """
    from scipy.spatial import cKDTree

    background = calls[~calls["need"].isin(["alarm", "administrative"])]
    places = background.groupby("place").agg(x=("x", "first"), y=("y", "first"), n=("line", "size")).reset_index()
    tree = cKDTree(places[["x", "y"]].to_numpy())
    inside = [tree.query_ball_point(tree.data, radius) for radius in RADII_M]
    members = [np.concatenate([np.asarray(one) for one in lists]) for lists in inside]
    starts = [np.concatenate([[0], np.cumsum([len(one) for one in lists])[:-1]]) for lists in inside]
    n_all = places["n"].to_numpy()
    place_of_call = np.repeat(np.arange(len(places)), n_all)
    sizes = [np.add.reduceat(n_all[m], s) for m, s in zip(members, starts, strict=True)]
    rng = np.random.default_rng(city.seed)
    until = time.monotonic() + stop_s

    def largest(need_at: np.ndarray) -> tuple[float, int]:
        best = (0.0, 0)
        for m, s, size in zip(members, starts, sizes, strict=True):
            count = np.add.reduceat(need_at[m], s)
            chosen = np.flatnonzero((count >= MIN_CALLS) & (need_at > 0))
            llr = bernoulli_llr(count[chosen], size[chosen], int(need_at.sum()), int(n_all.sum()))
            if len(llr) and llr.max() > best[0]:
                best = (float(llr.max()), int(count[chosen][llr.argmax()]))
        return best

    for need in (name for name, one in needs().items() if one.in_scope):
        at = _of_need(calls, need).groupby("place").size().reindex(places["place"]).fillna(0).to_numpy(int)
        observed, n_calls = largest(at)
        made, as_large = 0, 0
        while made < city.n_sim and time.monotonic() < until:
            labelled = rng.permutation(len(place_of_call))[: at.sum()]
            permuted = np.bincount(place_of_call[labelled], minlength=len(places))
            as_large += largest(permuted)[0] >= observed
            made += 1
        yield {"need": need, "llr": observed, "n_calls": n_calls, "n_sim": made, "p_value": (1 + as_large) / (1 + made)}
