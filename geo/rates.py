"""Rates with intervals, arithmetic on ACS margins of error, and empirical Bayes smoothing."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from geo.errors import InputError
from geo.neighbours import Neighbours

Floats = NDArray[np.float64]

Z90 = 1.645  # the Census Bureau's convention for 90 % margins of error
_CONVENTIONAL_Z = {0.90: Z90, 0.95: 1.96}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Interval:
    """A value with its lower and upper limit, arrays of one shape; NaN limits mean no interval."""

    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRatio:
    """Ratio of two rates with exact limits and the two-sided p-value that it is 1."""

    ratio: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Smoothed:
    """Empirical Bayes rates per unit of population, arrays of shape (n,).

    `rate` = `weight`·raw + (1 − `weight`)·`mean`; `mean` and `variance` are those of the prior of each area.
    `is_mean` where the rate is nothing but the prior's mean (its variance came out as 0).
    """

    rate: Floats
    mean: Floats
    variance: Floats
    weight: Floats
    is_mean: NDArray[np.bool_]


def garwood(count: ArrayLike, level: float = 0.90) -> Interval:
    """Exact (Garwood) limits of a Poisson count: χ²(α/2, 2C)/2 and χ²(1−α/2, 2C+2)/2; 0 below at C = 0.

    Counts may be fractional (sums of weights). Missing stays missing. Reference: Garwood 1936.
    """
    c = _no_less_than_zero(count, "count")
    low, high = _garwood(c, level, np.ones_like(c))
    return Interval(value=c, low=low, high=high)


def rate_interval(
    count: ArrayLike,
    population: ArrayLike,
    *,
    years: float,
    population_moe: ArrayLike | None = None,
    level: float = 0.90,
    phi: ArrayLike = 1.0,
    per: float = 1000.0,
) -> Interval:
    """Calls per `per` residents per year, per·C/(population·years), with an interval at `level`.

    Without `population_moe` the interval is Garwood's and holds the count's error only. With it (the
    published 90 % margin of error) CV² = φ/C + (SE/population)², SE = MOE/1.645, limits rate·exp(±z·CV);
    for C = 0 the lower limit is 0 and the upper Garwood's over population − MOE. φ > 1 (see `dispersion`)
    widens either; φ ≤ 1 is taken as 1. Rate and limits are NaN where the population is 0 or missing,
    limits where MOE is missing or, at C = 0, not below the population. Raises InputError for negative
    values or years that are not positive. Reference: U.S. Census Bureau 2020, Understanding and Using ACS
    Data, ch. 8.
    """
    if not years > 0:
        raise InputError(f"Expected a study length above 0 years, got [{years}].")
    c, people = _no_less_than_zero(count, "count"), _no_less_than_zero(population, "population")
    c, people, wide = np.broadcast_arrays(c, people, np.maximum(_numbers(phi), 1.0))
    scale = per / (_positive(people) * years)
    low, high = _garwood(c, level, wide)
    value, low, high = c * scale, low * scale, high * scale
    if population_moe is not None:
        moe = np.broadcast_to(_no_less_than_zero(population_moe, "population_moe"), c.shape)
        with np.errstate(divide="ignore"):
            spread = np.exp(_z(level) * np.sqrt(wide / c + (moe / Z90 / _positive(people)) ** 2))
        none = c == 0
        low = np.where(none, low + 0 * moe, value / spread)
        rest = _positive(np.maximum(people - moe, 0))
        high = np.where(none, high * people / rest, value * np.where(none, 1.0, spread))
    return Interval(value=value, low=low, high=high)


def dispersion(counts: ArrayLike, *, exposure: ArrayLike | None = None) -> float:
    """Over-dispersion φ = Σ(y−μ)²/μ ÷ (n−1) of counts by period against one constant rate; 1 for Poisson.

    μ = Σy·exposure/Σexposure (equal periods by default). NaN with fewer than two periods or no call.
    """
    y = _no_less_than_zero(counts, "counts")
    share = np.ones_like(y) if exposure is None else _no_less_than_zero(exposure, "exposure")
    if y.size < 2 or y.sum() == 0:
        return float("nan")
    mu = y.sum() * share / share.sum()
    used = mu > 0
    return float(np.sum((y[used] - mu[used]) ** 2 / mu[used]) / (used.sum() - 1))


def fay_feuer(counts: ArrayLike, population: ArrayLike, standard: ArrayLike, *, level: float = 0.95) -> Interval:
    """Directly standardised rate per resident with Fay–Feuer gamma limits; strata along the last axis.

    Rate = Σ w_k C_k/pop_k, w = standard/Σstandard; variance Σ w²C/pop²; the upper limit moves rate and
    variance by the largest w/pop. NaN where a stratum has no population. Reference: Fay & Feuer 1997;
    equal to epitools.
    """
    c, people = _no_less_than_zero(counts, "counts"), _positive(_no_less_than_zero(population, "population"))
    given = _no_less_than_zero(standard, "standard")
    share = given / given.sum(axis=-1, keepdims=True)
    rate = np.sum(share * c / people, axis=-1)
    variance = np.sum(share**2 * c / people**2, axis=-1)
    most = np.max(share / people, axis=-1)
    tail = (1 - level) / 2
    some = _positive(rate), _positive(variance)
    low = stats.gamma.ppf(tail, some[0] ** 2 / some[1], scale=some[1] / some[0])
    up_rate, up_variance = rate + most, variance + most**2
    high = stats.gamma.ppf(1 - tail, up_rate**2 / up_variance, scale=up_variance / up_rate)
    return Interval(value=np.asarray(rate), low=np.where(rate == 0, 0.0, low), high=np.asarray(high))


def rate_ratio_exact(
    count_a: float, exposure_a: float, count_b: float, exposure_b: float, *, level: float = 0.95
) -> RateRatio:
    """Rate a over rate b, with exact conditional (Clopper–Pearson) limits and exact two-sided p.

    Given their sum, count a is binomial with share t_a/(t_a+t_b). Without any count the ratio is NaN and
    the limits 0 and infinity. Exposures in any one unit. Raises InputError for counts that are no whole
    numbers or exposures that are not positive. Equal to R's poisson.test.
    """
    a, b = int(count_a), int(count_b)
    if a != count_a or b != count_b or a < 0 or b < 0:
        raise InputError(f"Expected whole counts of 0 or more, got [{count_a}] and [{count_b}].")
    if not (exposure_a > 0 and exposure_b > 0):
        raise InputError(f"Expected exposures above 0, got [{exposure_a}] and [{exposure_b}].")
    if a + b == 0:
        return RateRatio(ratio=float("nan"), low=0.0, high=float("inf"), p_value=1.0)
    tail = (1 - level) / 2
    low = float(stats.beta.ppf(tail, a, b + 1)) if a else 0.0
    high = float(stats.beta.ppf(1 - tail, a + 1, b)) if b else 1.0
    scale = exposure_b / exposure_a
    p_value = float(stats.binomtest(a, a + b, exposure_a / (exposure_a + exposure_b)).pvalue)
    return RateRatio(
        ratio=a / b * scale if b else float("inf"),
        low=low / (1 - low) * scale,
        high=high / (1 - high) * scale if high < 1 else float("inf"),
        p_value=p_value,
    )


def moe_sum(estimates: ArrayLike, moes: ArrayLike) -> tuple[Floats, Floats]:
    """Sum along the last axis with its 90 % margin of error √ΣMOE².

    Of the zero estimates only the largest margin enters, once. Missing makes the sum missing.
    Reference for all `moe_` functions: U.S. Census Bureau 2020, Understanding and Using ACS Data, ch. 8.
    """
    value, moe = np.broadcast_arrays(_numbers(estimates), _no_less_than_zero(moes, "moes"))
    zero = value == 0
    largest = np.max(np.where(zero, moe, 0.0), axis=-1, initial=0.0)
    squares = np.sum(np.where(zero, 0.0, moe) ** 2, axis=-1)
    return np.asarray(value.sum(axis=-1)), np.asarray(np.sqrt(squares + largest**2))


def moe_proportion(
    part: ArrayLike, part_moe: ArrayLike, whole: ArrayLike, whole_moe: ArrayLike
) -> tuple[Floats, Floats]:
    """Proportion p = part/whole with its margin √(MOE_part² − p²·MOE_whole²)/whole.

    Where the difference is negative its sign is turned (the ratio's form). NaN where the whole is 0.
    """
    part_moe, whole_moe = _no_less_than_zero(part_moe, "part_moe"), _no_less_than_zero(whole_moe, "whole_moe")
    below = _positive(_numbers(whole))
    p = _numbers(part) / below
    minus = part_moe**2 - p**2 * whole_moe**2
    square = np.where(minus < 0, part_moe**2 + p**2 * whole_moe**2, minus)
    return np.asarray(p), np.asarray(np.sqrt(square) / below)


def moe_ratio(above: ArrayLike, above_moe: ArrayLike, below: ArrayLike, below_moe: ArrayLike) -> tuple[Floats, Floats]:
    """Ratio R of two estimates, neither part of the other, with its margin √(MOE_a² + R²·MOE_b²)/b."""
    under = _positive(_numbers(below))
    ratio = _numbers(above) / under
    moe_a, moe_b = _no_less_than_zero(above_moe, "above_moe"), _no_less_than_zero(below_moe, "below_moe")
    return np.asarray(ratio), np.asarray(np.sqrt(moe_a**2 + ratio**2 * moe_b**2) / under)


def moe_product(a: ArrayLike, a_moe: ArrayLike, b: ArrayLike, b_moe: ArrayLike) -> tuple[Floats, Floats]:
    """Product of two estimates with its margin √(a²·MOE_b² + b²·MOE_a²)."""
    first, second = _numbers(a), _numbers(b)
    moe_a, moe_b = _no_less_than_zero(a_moe, "a_moe"), _no_less_than_zero(b_moe, "b_moe")
    return np.asarray(first * second), np.asarray(np.sqrt(first**2 * moe_b**2 + second**2 * moe_a**2))


def reliability(estimate: ArrayLike, moe: ArrayLike) -> NDArray[np.object_]:
    """Class of each estimate by its coefficient of variation: `high` ≤ 12 %, `medium` ≤ 40 %, else `low`.

    CV = (MOE/1.645)/|estimate|; an estimate of 0 is `low`, a missing one `unknown`.
    """
    value, error = np.broadcast_arrays(np.abs(_numbers(estimate)), _no_less_than_zero(moe, "moe"))
    cv = np.divide(error / Z90, value, out=np.full(value.shape, np.inf), where=value > 0)
    names = np.select([cv <= 0.12, cv <= 0.40], ["high", "medium"], default="low").astype(object)
    names[np.isnan(value) | np.isnan(error)] = "unknown"
    return names


def difference_test(a: ArrayLike, a_moe: ArrayLike, b: ArrayLike, b_moe: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    """Statistic |a−b|/√(SE_a²+SE_b²), SE = MOE/1.645, and whether it exceeds 1.645 (a 90 % difference).

    Without any error equal values give 0, others infinity. Missing gives NaN and False.
    """
    gap, se_a, se_b = np.broadcast_arrays(
        np.abs(_numbers(a) - _numbers(b)),
        _no_less_than_zero(a_moe, "a_moe") / Z90,
        _no_less_than_zero(b_moe, "b_moe") / Z90,
    )
    error = np.hypot(se_a, se_b)
    z = np.divide(gap, error, out=np.where(gap > 0, np.inf, gap), where=error != 0)
    return z, z > Z90


def eb_global(count: ArrayLike, population: ArrayLike) -> Smoothed:
    """Rates drawn towards the mean of all areas (Marshall 1991, Poisson), per unit of population.

    m = ΣC/Σpop; a = max(0, Σpop(r−m)²/Σpop − m/mean(pop)); w = a/(a+m/pop); EB = w·r + (1−w)·m. Areas with a
    missing count or a population of 0 or missing are left out and come back NaN. `population` may be
    person-years. Raises InputError for negative values or unequal shapes.
    """
    c, people, used = _usable(count, population)
    mean, variance = _prior(c[used], people[used])
    return _smooth(c, people, np.where(used, mean, np.nan), np.where(used, variance, np.nan))


def eb_spatial(
    count: ArrayLike,
    population: ArrayLike,
    neighbours: Neighbours,
    *,
    variant: Literal["esda", "marshall"] = "esda",
) -> Smoothed:
    """Rates drawn towards the mean of each area with its neighbours, per unit of population.

    As `eb_global` with m and a of the area and its neighbours. `esda` (default; GeoDa) measures every
    neighbour's rate against the area's own local mean, `marshall` (spdep's default) against the
    neighbour's local mean. Without a usable neighbour the global prior is used; where no area of the
    neighbourhood has any call the rate is the global mean. A local variance of 0 gives the local mean
    itself (`is_mean`). NaN as in `eb_global`. Raises InputError when `neighbours` has another number of
    areas.
    """
    c, people, used = _usable(count, population)
    if len(neighbours.ids) != c.size:
        raise InputError(f"Expected neighbours of [{c.size}] areas, got [{len(neighbours.ids)}]; use the same rows.")
    if variant not in ("esda", "marshall"):
        raise InputError(f"Expected the variant esda or marshall, got [{variant}].")
    i, j = neighbours.pairs()
    both = used[i] & used[j]
    itself = np.flatnonzero(used)
    i, j = np.r_[i[both], itself], np.r_[j[both], itself]
    size = np.bincount(i, minlength=c.size).astype(np.float64)
    residents: Floats = np.bincount(i, weights=people[j], minlength=c.size).astype(np.float64)
    around = _positive(residents)
    mean = np.bincount(i, weights=c[j], minlength=c.size) / around
    from_mean = mean[i] if variant == "esda" else mean[j]
    squares = np.bincount(i, weights=people[j] * (c[j] / people[j] - from_mean) ** 2, minlength=c.size)
    variance = np.maximum(squares / around - mean * size / around, 0.0)
    all_mean, all_variance = _prior(c[used], people[used])
    alone, silent = size == 1, mean == 0
    mean = np.where(alone | silent, all_mean, mean)
    variance = np.where(alone, all_variance, np.where(silent, 0.0, variance))
    return _smooth(c, people, np.where(used, mean, np.nan), np.where(used, variance, np.nan))


def posterior_interval(count: ArrayLike, population: ArrayLike, smoothed: Smoothed, *, level: float = 0.90) -> Interval:
    """Gamma posterior of each smoothed rate: shape C + m²/a, rate pop + m/a; its mean is the smoothed rate.

    `count` and `population` are those that were smoothed. No interval (NaN limits) where a = 0: the prior
    says nothing about how far areas differ there.
    """
    c, people, _ = _usable(count, population)
    variance = _positive(smoothed.variance)
    shape, rate = c + smoothed.mean**2 / variance, people + smoothed.mean / variance
    tail = (1 - level) / 2
    return Interval(
        value=smoothed.rate,
        low=np.asarray(stats.gamma.ppf(tail, shape, scale=1 / rate)),
        high=np.asarray(stats.gamma.ppf(1 - tail, shape, scale=1 / rate)),
    )


def _prior(c: Floats, people: Floats) -> tuple[float, float]:
    """Mean and variance (method of moments) of the rates of a set of areas."""
    if c.size == 0:
        return float("nan"), float("nan")
    mean = float(c.sum() / people.sum())
    spread = float(np.sum(people * (c / people - mean) ** 2) / people.sum())
    return mean, max(0.0, spread - mean / float(people.mean()))


def _smooth(c: Floats, people: Floats, mean: Floats, variance: Floats) -> Smoothed:
    total = variance + mean / people
    weight = np.divide(variance, total, out=np.where(np.isnan(total), np.nan, 0.0), where=total > 0)
    return Smoothed(
        rate=weight * (c / people) + (1 - weight) * mean,
        mean=mean,
        variance=variance,
        weight=weight,
        is_mean=weight == 0,
    )


def _usable(count: ArrayLike, population: ArrayLike) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Counts, populations (0 made missing) and which rows have both."""
    c, people = _no_less_than_zero(count, "count"), _no_less_than_zero(population, "population")
    if c.ndim != 1 or c.shape != people.shape:
        raise InputError(f"Expected one count and population an area, got [{c.shape}] and [{people.shape}].")
    people = _positive(people)
    return c, people, ~(np.isnan(c) | np.isnan(people))


def _garwood(c: Floats, level: float, phi: Floats) -> tuple[Floats, Floats]:
    """Limits of a count whose variance is φ times its mean: φ·Garwood(C/φ)."""
    if not 0 < level < 1:
        raise InputError(f"Expected a level between 0 and 1, got [{level}].")
    tail, units = (1 - level) / 2, c / phi
    low = np.where(c == 0, 0.0, stats.gamma.ppf(tail, _positive(units)))
    return np.asarray(phi * low), np.asarray(phi * stats.gamma.ppf(1 - tail, units + 1))


def _z(level: float) -> float:
    return _CONVENTIONAL_Z.get(round(level, 6), float(stats.norm.ppf(0.5 + level / 2)))


def _positive(values: Floats) -> Floats:
    """The values, with 0 made missing, so that a division has no answer instead of infinity."""
    return np.asarray(np.where(values > 0, values, np.nan), dtype=np.float64)


def _numbers(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)


def _no_less_than_zero(values: ArrayLike, name: str) -> Floats:
    numbers = np.asarray(values, dtype=np.float64)
    if (numbers < 0).any():
        raise InputError(
            f"Expected {name} of 0 or more, got [{np.nanmin(numbers):g}]; ACS codes such as -555555555 are no values."
        )
    return numbers
