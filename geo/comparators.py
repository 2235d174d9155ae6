"""Comparators of the unmet count, never the headline: access-weighted calls, z-index, concentration, disparity."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from geo.errors import InputError
from geo.rates import Z90

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AccessWeighted:
    """Access-weighted calls a place: `unmet` and `calls` a year, and `reach` (places × hours, 0–1)."""

    unmet: Floats
    calls: Floats
    reach: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Disparity:
    """Population-weighted mean gap of two groups' areas and their ratio with limits; NaN where undefined.

    `n_left_out` areas had no gap value. It says where groups live, nothing of persons who called.
    """

    group_mean: float
    reference_mean: float
    ratio: float
    low: float
    high: float
    level: float
    n_left_out: int


def access_weighted(
    calls: ArrayLike,
    weights: ArrayLike,
    open_share: ArrayLike,
    *,
    years: float,
    eligibility: ArrayLike = 1.0,
    combine: Literal["best", "independent"] = "best",
) -> AccessWeighted:
    """Calls a year weighted by how far they are from help: U_i = (1/T)·Σ_h C_i(h)·(1 − ρ_i(h)).

    `calls` (n_places, n_hours) counts by hour of the week; `weights` (n_places, n_services) a decay of
    0–1; `open_share` (n_services, n_hours) the share of the hour open; `eligibility` (n_services,) or one
    value. ρ = max_j W·e·o (`best`) or 1 − Π_j(1 − W·e·o) (`independent`, which saturates where services
    are many). No service gives ρ = 0, which is not the same as *no service exists*. The smooth objective
    for siting; it treats a decay as a chance of reach, which is a convention. Raises InputError for
    shapes and ranges.
    """
    c, w, o = (np.asarray(value, dtype=np.float64) for value in (calls, weights, open_share))
    e = np.asarray(eligibility, dtype=np.float64)
    if c.ndim != 2 or w.ndim != 2 or o.ndim != 2 or w.shape != (c.shape[0], o.shape[0]) or c.shape[1] != o.shape[1]:
        raise InputError(
            f"Expected places × hours, places × services, services × hours, got [{c.shape}], [{w.shape}], [{o.shape}]."
        )
    if not all(((part >= 0) & (part <= 1)).all() for part in (w, o, e)) or not (c >= 0).all() or not years > 0:
        raise InputError("Expected weights, hours and eligibility of 0–1, calls of 0 or more and years above 0.")
    if combine not in ("best", "independent"):
        raise InputError(f"Expected combine best or independent, got [{combine}].")
    missed = np.ones_like(c)
    for chance_here, chance_open in zip((w * e).T, o):
        chance = 1 - np.outer(chance_here, chance_open)
        missed = np.minimum(missed, chance) if combine == "best" else missed * chance
    return AccessWeighted(unmet=(c * missed).sum(axis=1) / years, calls=c.sum(axis=1) / years, reach=1 - missed)


def shrink_hours(calls: ArrayLike, *, kappa: float = 50.0) -> Floats:
    """Calls by place and hour with each place's profile drawn to the city's: C_i·(n_ih + κ·p_h)/(n_i + κ).

    Shape (n_places, n_hours); the total of each place is kept. `kappa` is the weight of the city's
    profile, in calls. Raises InputError for negative or missing counts, or a city without any call.
    """
    n = np.asarray(calls, dtype=np.float64)
    if n.ndim != 2 or not (n >= 0).all() or n.sum() == 0 or kappa < 0:
        raise InputError(f"Expected places × hours with calls and kappa of 0 or more, got [{n.shape}], [{kappa}].")
    total = n.sum(axis=1, keepdims=True)
    below = total + kappa
    profile = np.divide(n + kappa * n.sum(axis=0) / n.sum(), below, out=np.zeros_like(n), where=below > 0)
    return np.asarray(total * profile, dtype=np.float64)


def z_index(demand: ArrayLike, access: ArrayLike) -> Floats:
    """Robust z of demand less robust z of access, shape (n,); high = many calls, little access.

    z = (x − median)/(1.4826·MAD), winsorised at ±3; where more than half of the values are equal (MAD 0) the
    normal score of the mid-rank, Φ⁻¹((R − ½)/n), winsorised alike. Missing stays missing.
    """
    high, low = np.asarray(demand, dtype=np.float64), np.asarray(access, dtype=np.float64)
    if high.ndim != 1 or high.shape != low.shape:
        raise InputError(f"Expected two columns of equal length, got [{high.shape}] and [{low.shape}].")
    return _robust_z(high) - _robust_z(low)


def concentration_index(
    values: ArrayLike,
    rank_by: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    bounds: tuple[float, float] | None = None,
) -> float:
    """Concentration index CI = 2·Σ w_i(y_i/μ − 1)(R_i − ½), from −1 to 1; NaN for a mean of 0.

    R is the weighted fractional mid-rank by `rank_by` (ties share it), w sums to 1. Positive: `values` gather
    where `rank_by` is high. With `bounds` (a, b) of a bounded value such as a share, Erreygers' form
    4μ·CI/(b − a), which does not change when the share is turned into its complement (but for the sign).
    Rows with anything missing are left out. References: Wagstaff 1991; Erreygers 2009.
    """
    y, r = np.asarray(values, dtype=np.float64), np.asarray(rank_by, dtype=np.float64)
    w = np.ones_like(y) if weights is None else np.asarray(weights, dtype=np.float64)
    if y.ndim != 1 or not y.shape == r.shape == w.shape:
        raise InputError(f"Expected columns of equal length, got [{y.shape}], [{r.shape}], [{w.shape}].")
    known = ~(np.isnan(y) | np.isnan(r) | np.isnan(w))
    y, r, w = y[known], r[known], w[known]
    if (w < 0).any() or (y < 0).any():
        raise InputError("Expected values and weights of 0 or more, got some below; the index is not defined there.")
    if bounds is not None and not (bounds[0] < bounds[1] and ((y >= bounds[0]) & (y <= bounds[1])).all()):
        raise InputError(f"Expected all values within the bounds, got bounds [{bounds}].")
    if w.sum() == 0:
        return float("nan")
    w = w / w.sum()
    mean = float(w @ y)
    if mean == 0:
        return float("nan")
    index = 2 * float(np.sum(w * (y / mean - 1) * (_mid_rank(r, w) - 0.5)))
    return index if bounds is None else 4 * mean * index / (bounds[1] - bounds[0])


def gini(values: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Gini coefficient, 0 (all equal) to 1: the concentration index of values ranked by themselves.

    NaN for a mean of 0. Rows with anything missing are left out.
    """
    return concentration_index(values, values, weights)


def disparity(
    gap: ArrayLike,
    group: ArrayLike,
    reference: ArrayLike,
    *,
    seed: int,
    group_moe: ArrayLike = 0.0,
    reference_moe: ArrayLike = 0.0,
    gap_draws: ArrayLike | None = None,
    n_draws: int = 2_000,
    level: float = 0.90,
) -> Disparity:
    """Mean gap where one group lives over that where a reference group lives, ḡ = Σpop·g/Σpop, with limits.

    `gap` (n_areas,), `group` and `reference` residents of each area with 90 % margins of error.
    Populations are drawn from a normal of SE = MOE/1.645 cut off at 0, jointly with the rows of
    `gap_draws` (any number × n_areas, taken in turn) if given. Limits are quantiles of the ratio. Areas
    with a missing gap or population are left out and counted. Raises InputError for shapes, negative
    populations or nothing to weigh with.
    """
    g, a, b = (np.asarray(value, dtype=np.float64) for value in (gap, group, reference))
    if g.ndim != 1 or not g.shape == a.shape == b.shape or (a < 0).any() or (b < 0).any():
        raise InputError(f"Expected equally many gaps and populations, got [{g.shape}], [{a.shape}], [{b.shape}].")
    moe_a, moe_b = (np.broadcast_to(np.asarray(m, dtype=np.float64), g.shape) for m in (group_moe, reference_moe))
    known = ~(np.isnan(g) | np.isnan(a) | np.isnan(b) | np.isnan(moe_a) | np.isnan(moe_b))
    if a[known].sum() == 0 or b[known].sum() == 0:
        raise InputError("Expected residents of both groups in areas with a gap, got [0] of one; nothing to compare.")
    drawn = np.broadcast_to(g, (1, g.size)) if gap_draws is None else np.asarray(gap_draws, dtype=np.float64)
    if drawn.ndim != 2 or drawn.shape[1] != g.size or np.isnan(drawn[:, known]).any():
        raise InputError(f"Expected draws × areas [{g.size}] without gaps, got [{drawn.shape}].")
    rng = np.random.default_rng(seed)
    means = []
    for people, moe in ((a[known], moe_a[known]), (b[known], moe_b[known])):
        weight = _population_draws(people, moe / Z90, n_draws, rng)
        means.append((weight * drawn[np.arange(n_draws) % len(drawn)][:, known]).sum(axis=1) / weight.sum(axis=1))
    ratio = np.divide(means[0], means[1], out=np.full(n_draws, np.nan), where=means[1] > 0)
    low, high = (float("nan"),) * 2 if np.isnan(ratio).any() else np.quantile(ratio, [(1 - level) / 2, (1 + level) / 2])
    group_mean = float(a[known] @ g[known] / a[known].sum())
    reference_mean = float(b[known] @ g[known] / b[known].sum())
    return Disparity(
        group_mean=group_mean,
        reference_mean=reference_mean,
        ratio=group_mean / reference_mean if reference_mean > 0 else float("nan"),
        low=float(low),
        high=float(high),
        level=level,
        n_left_out=int((~known).sum()),
    )


def _population_draws(people: Floats, error: Floats, n: int, rng: np.random.Generator) -> Floats:
    """Normal draws cut off at 0, shape (n, n_areas), by the inverse distribution; no error gives the estimate."""
    unsure = error > 0
    scale = np.where(unsure, error, 1.0)
    below = stats.norm.cdf(-people / scale)
    u = below + (1 - below) * rng.random((n, people.size))
    return np.asarray(np.where(unsure, np.maximum(people + scale * stats.norm.ppf(u), 0.0), people), dtype=np.float64)


def _mid_rank(by: Floats, share: Floats) -> Floats:
    """Weighted fractional rank of each row: the share below plus half of the share at the same value."""
    _, group = np.unique(by, return_inverse=True)
    size = np.bincount(group, weights=share)
    return np.asarray((np.cumsum(size) - size / 2)[group], dtype=np.float64)


def _robust_z(values: Floats) -> Floats:
    known = ~np.isnan(values)
    out = np.full(values.shape, np.nan)
    if not known.any():
        return out
    x = values[known]
    middle = np.median(x)
    spread = 1.4826 * float(np.median(np.abs(x - middle)))
    z = (x - middle) / spread if spread > 0 else stats.norm.ppf((stats.rankdata(x) - 0.5) / x.size)
    out[known] = np.clip(z, -3.0, 3.0)
    return out
