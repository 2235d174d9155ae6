"""Places that call: points that are no real place (`sinks`), how often a place calls again (`recurrence`)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from geo.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Days = NDArray[np.datetime64]

WEEKS_PER_PERIOD = 4
RECENT_WEEKS = 13


# --- sinks ----------------------------------------------------------------------------------------


def sinks(
    x: ArrayLike,
    y: ArrayLike,
    n_need: ArrayLike,
    n_all: ArrayLike,
    n_street_numbers: ArrayLike | None = None,
    *,
    need_share: float = 0.015,
    times_p99: float = 10.0,
    default_share: float = 0.005,
    default_street_numbers: int = 50,
) -> pd.DataFrame:
    """Per row whether its point collects calls that did not happen there: `is_sink`, `is_geocode_default`.

    `is_sink`: the point (to the metre) has more than `need_share` of all need calls and at least
    `times_p99` times the 99th percentile (of two, the lower) of need calls over points with any.
    `is_geocode_default`: it has more than `default_share` of all calls under more than
    `default_street_numbers` distinct street numbers (given per row; rows of one point are added, so give
    each number to one row; without them it is never set).
    Also `n_need`, `n_all` (of the point) and `share` (of need calls; 0 if there are none). Index 0…n−1 as
    given.
    Data: one row a place, projected metres, counts of calls.
    Raises: InputError. Reference: docs/methods.md, Places (verified on a planted city).
    """
    xs, ys, need, calls = (np.asarray(v, dtype=np.float64) for v in (x, y, n_need, n_all))
    numbers = np.zeros(len(xs)) if n_street_numbers is None else np.asarray(n_street_numbers, dtype=np.float64)
    if not xs.ndim == 1 or len({v.shape for v in (xs, ys, need, calls, numbers)}) != 1:
        raise InputError("x, y, n_need, n_all and n_street_numbers must be lists of one length")
    values = np.column_stack([xs, ys, need, calls, numbers])
    if not np.isfinite(values).all() or (values[:, 2:] < 0).any():
        raise InputError("places need coordinates and counts of 0 or more; leave unlocated calls out and report them")
    _, point = np.unique(np.rint(values[:, :2]), axis=0, return_inverse=True)
    point = point.ravel()
    at_need, at_all, at_numbers = (np.bincount(point, weights=v) for v in (need, calls, numbers))
    busy = at_need[at_need > 0]
    p99 = float(np.percentile(busy, 99, method="lower")) if busy.size else 0.0
    share = at_need / need.sum() if need.sum() > 0 else np.zeros_like(at_need)
    is_sink = (share > need_share) & (at_need >= times_p99 * p99)
    is_default = (at_all > default_share * calls.sum()) & (at_numbers > default_street_numbers)
    return pd.DataFrame(
        {
            "is_sink": is_sink[point],
            "is_geocode_default": is_default[point],
            "n_need": at_need[point].astype(np.int64),
            "n_all": at_all[point].astype(np.int64),
            "share": share[point],
        }
    )


# --- recurrence -----------------------------------------------------------------------------------


def longest_run(weeks: ArrayLike) -> int:
    """Number of weeks in the longest unbroken run of these Mondays; 0 of none. Any order."""
    runs = _runs(_mondays(weeks))
    return max((len(run) for run in runs), default=0)


def recurrence(
    group: ArrayLike, at: ArrayLike, place: ArrayLike, *, weeks: ArrayLike, level: float = 0.90
) -> pd.DataFrame:
    """How each group (a place, a hotspot) calls again: one row a group, index `group`, sorted.

    Data, one row a call: `group`, `at` (local wall time, datetime64), `place`. `weeks`: the Mondays of the
    complete ISO weeks observed, W of them, gaps allowed; calls in other weeks count in `n_calls` and
    nowhere else.
    Columns: `n_calls`; `n_calls_weeks` (calls in `weeks`), `n_places` (places with a call in `weeks`),
    `active_weeks` (weeks with a call), `weeks_share` (÷ W), `max_week_share` (share of calls in the fullest
    week), `persistence_share` (share of 4-week periods with a call; periods start with each unbroken run of
    weeks, a short last one is left out), `median_gap_days`, `burstiness` ((σ−μ)/(σ+μ) of the gaps between
    calls, −1 regular, 0 as a Poisson process, towards 1 bursty), `rate_ratio` (calls per week in the last
    13 weeks ÷ earlier) with its exact conditional interval `rate_ratio_low`, `rate_ratio_high` at `level`.
    NaN: fewer than two calls or gaps, no full period, no week before the last 13, no call at all. inf: a
    ratio without earlier calls. Gaps are taken within unbroken runs of weeks only.
    Raises: InputError. References: Goh & Barabási 2008 (burstiness); Clopper & Pearson 1934 (interval).
    """
    groups, places = np.asarray(group), np.asarray(place)
    times = np.asarray(at, dtype="datetime64[s]")
    if not groups.ndim == 1 or not groups.shape == places.shape == times.shape:
        raise InputError(f"group, at and place must be of one length, got [{len(groups)}, {len(times)}, {len(places)}]")
    if np.isnat(times).any():
        raise InputError(f"every call needs a time, got [{int(np.isnat(times).sum())} without]")
    mondays = _mondays(weeks)
    if len(mondays) == 0:
        raise InputError("weeks is empty: recurrence needs at least one complete week")
    week = np.searchsorted(mondays, _monday_of(times))
    week[week == len(mondays)] = 0
    inside = mondays[week] == _monday_of(times)
    calls = pd.DataFrame({"group": groups, "place": places, "at": times, "week": week})
    everywhere = calls.groupby("group").size().rename("n_calls").to_frame()
    out = everywhere.join(_weekly(calls[inside], mondays)).join(_gaps(calls[inside], mondays))
    out = out.fillna({"n_calls_weeks": 0, "n_places": 0, "active_weeks": 0, "weeks_share": 0.0})
    out = out.astype({"n_calls_weeks": "int64", "n_places": "int64", "active_weeks": "int64"})
    return out.join(_recent_ratio(out.pop("n_recent").fillna(0), out["n_calls_weeks"], len(mondays), level))


def _mondays(weeks: ArrayLike) -> Days:
    mondays = np.unique(np.asarray(weeks, dtype="datetime64[D]"))
    if np.isnat(mondays).any() or (_monday_of(mondays) != mondays).any():
        raise InputError("weeks must be the Mondays of complete ISO weeks; got a date that is no Monday")
    return mondays


def _monday_of(at: Days) -> Days:
    days = at.astype("datetime64[D]").astype(np.int64)
    return (days - (days + 3) % 7).astype("datetime64[D]")  # 1970-01-01 was a Thursday


def _runs(mondays: Days) -> list[Ints]:
    """Positions of the weeks of each unbroken run."""
    if len(mondays) == 0:
        return []
    breaks = np.flatnonzero(np.diff(mondays).astype(np.int64) != 7) + 1
    return list(np.split(np.arange(len(mondays)), breaks))


def _weekly(calls: pd.DataFrame, mondays: Days) -> pd.DataFrame:
    """Week counts of each group with a call in the weeks."""
    n_weeks = len(mondays)
    period_of_week, n_periods = _periods(mondays)
    by = calls.groupby("group")
    out = by.size().rename("n_calls_weeks").to_frame()
    out["n_places"] = by["place"].nunique()
    per_week = calls.groupby(["group", "week"]).size().rename("n").reset_index()
    weekly = per_week.groupby("group")["n"]
    out["active_weeks"] = weekly.size()
    out["weeks_share"] = out["active_weeks"] / n_weeks
    out["max_week_share"] = weekly.max() / out["n_calls_weeks"]
    per_week["period"] = period_of_week[per_week["week"].to_numpy()]
    active = per_week[per_week["period"] >= 0].groupby("group")["period"].nunique().reindex(out.index, fill_value=0)
    out["persistence_share"] = active / n_periods if n_periods else np.nan
    recent = per_week[per_week["week"] >= n_weeks - RECENT_WEEKS].groupby("group")["n"].sum()
    out["n_recent"] = recent.reindex(out.index, fill_value=0)
    return out


def _periods(mondays: Days) -> tuple[Ints, int]:
    """The 4-week period of each week (−1 in a short last one) and how many periods there are."""
    period = np.full(len(mondays), -1, dtype=np.int64)
    n = 0
    for run in _runs(mondays):
        full = len(run) // WEEKS_PER_PERIOD
        period[run[: full * WEEKS_PER_PERIOD]] = n + np.repeat(np.arange(full), WEEKS_PER_PERIOD)
        n += full
    return period, n


def _gaps(calls: pd.DataFrame, mondays: Days) -> pd.DataFrame:
    """Median gap in days and burstiness of each group with at least one gap."""
    run_of_week = np.concatenate([np.full(len(run), k) for k, run in enumerate(_runs(mondays))])
    ordered = calls.assign(run=run_of_week[calls["week"].to_numpy()]).sort_values(["group", "at"], kind="stable")
    days = ordered["at"].diff().dt.total_seconds() / 86_400
    same = (ordered["group"] == ordered["group"].shift()) & (ordered["run"] == ordered["run"].shift())
    gaps = days[same].groupby(ordered.loc[same, "group"])
    mean, spread = gaps.mean(), gaps.std(ddof=0)
    burstiness = ((spread - mean) / (spread + mean).where(spread + mean > 0)).where(gaps.size() >= 2)
    return pd.DataFrame({"median_gap_days": gaps.median(), "burstiness": burstiness})


def _recent_ratio(recent: "pd.Series[float]", total: "pd.Series[int]", n_weeks: int, level: float) -> pd.DataFrame:
    earlier_weeks = n_weeks - RECENT_WEEKS
    out = pd.DataFrame(np.nan, index=total.index, columns=["rate_ratio", "rate_ratio_low", "rate_ratio_high"])
    if earlier_weeks <= 0:
        return out
    k, n = recent.to_numpy(dtype=np.float64), total.to_numpy(dtype=np.float64)
    low, high = share_interval(k, n, level=level)
    scale = earlier_weeks / RECENT_WEEKS
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = [np.where(n > 0, scale * p / (1 - p), np.nan) for p in (k / n, low, high)]
    out["rate_ratio"], out["rate_ratio_low"], out["rate_ratio_high"] = ratio
    return out


def share_interval(k: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> tuple[Floats, Floats]:
    """Exact (Clopper–Pearson) limits of a share k of n: quantiles of Beta(k, n−k+1) and Beta(k+1, n−k).

    (0, 1) where n = 0. Raises: InputError if k is not within 0…n or `level` not within (0, 1).
    Reference: Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404.
    """
    from scipy.stats import beta

    hits, trials = np.broadcast_arrays(np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64))
    if not 0 < level < 1 or not ((hits >= 0) & (hits <= trials)).all():
        raise InputError(f"k must lie in 0…n and level in (0, 1), got [level {level}]")
    tail = (1 - level) / 2
    low, high = np.zeros(hits.shape), np.ones(hits.shape)
    some, short = hits > 0, hits < trials
    low[some] = beta.ppf(tail, hits[some], trials[some] - hits[some] + 1)
    high[short] = beta.ppf(1 - tail, hits[short] + 1, trials[short] - hits[short])
    return low, high


# --- repeats and concentration --------------------------------------------------------------------


def repeat_places(
    active_weeks: ArrayLike, n_calls: ArrayLike, *, min_weeks: int = 8, min_calls: int = 12
) -> NDArray[np.bool_]:
    """True for each place with at least `min_weeks` active weeks and at least `min_calls` calls."""
    return (np.asarray(active_weeks) >= min_weeks) & (np.asarray(n_calls) >= min_calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Concentration:
    """How unevenly calls fall on the places with a call."""

    top_share: float  # share of calls from the busiest places; NaN without calls
    n_top: int  # how many places that is
    n_places: int  # places with a call
    gini: float  # 0 all alike … towards 1 one place has all; NaN without calls


def concentration(n_calls: ArrayLike, *, top: float = 0.05) -> Concentration:
    """Share of calls from the busiest `top` of the places with a call (rounded up), and the Gini coefficient.

    G = Σ (2i − n − 1) c_i / (n Σ c_i), c ascending. Data: calls per place, 0 or more; places without are
    left out.
    Raises: InputError. Reference: Sherman, Gartin & Buerger 1989 (concentration of calls).
    """
    given = np.asarray(n_calls, dtype=np.float64)
    if given.ndim != 1 or not np.isfinite(given).all() or (given < 0).any() or not 0 < top <= 1:
        raise InputError(f"n_calls must be a list of counts of 0 or more and top in (0, 1], got [top {top}]")
    c = np.sort(given[given > 0])
    n = len(c)
    if n == 0:
        return Concentration(top_share=float("nan"), n_top=0, n_places=0, gini=float("nan"))
    n_top = int(np.ceil(round(top * n, 9)))
    gini = float(((2 * np.arange(1, n + 1) - n - 1) * c).sum() / (n * c.sum()))
    return Concentration(top_share=float(c[n - n_top :].sum() / c.sum()), n_top=n_top, n_places=n, gini=gini)


def single_location_areas(
    area: ArrayLike, place: ArrayLike, n_calls: ArrayLike, *, share: float = 0.50
) -> pd.DataFrame:
    """Per area with a call `n_calls`, `n_places`, `busiest_share`, `is_single_location` (one place > share).

    Data: rows of area, place, calls (repeats are added). Index `area`, sorted. Raises: InputError.
    """
    frame = pd.DataFrame({"area": np.asarray(area), "place": np.asarray(place), "n": np.asarray(n_calls)})
    if (frame["n"] < 0).any() or frame["n"].isna().any():
        raise InputError("n_calls must be 0 or more and never missing")
    per_place = frame.groupby(["area", "place"])["n"].sum()
    by_area = per_place[per_place > 0].groupby("area")
    out = pd.DataFrame({"n_calls": by_area.sum(), "n_places": by_area.size()})
    out["busiest_share"] = by_area.max() / out["n_calls"]
    out["is_single_location"] = out["busiest_share"] > share
    return out
