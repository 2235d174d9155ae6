"""Monte Carlo p-values and control of false discoveries."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geo.errors import InputError

Floats = NDArray[np.float64]
Method = Literal["bh", "by", "holm", "bonferroni"]


def monte_carlo_p(observed: ArrayLike, simulated: ArrayLike) -> Floats:
    """P-value of each observed statistic, p = (1 + #{simulated ≥ observed}) / (1 + B); shape of `observed`.

    `simulated` has its B replicates along the first axis: shape (B,) is one null distribution for every
    observed value (the family-wise form, where each replicate is a maximum), (B, *observed.shape) one each.
    Never zero: the observed value counts as a replicate. NaN where `observed` is missing.
    Raises InputError when there is no replicate, one is missing, or shapes do not match.
    Reference: Davison & Hinkley 1997, 4.2.
    """
    seen = np.asarray(observed, dtype=np.float64)
    null = np.asarray(simulated, dtype=np.float64)
    if null.ndim == 0 or null.shape[0] == 0 or null.shape[1:] not in ((), seen.shape):
        raise InputError(f"Expected replicates of shape (B,) or (B, *{seen.shape}), got [{null.shape}].")
    if np.isnan(null).any():
        raise InputError(f"Expected replicates without gaps, got [{int(np.isnan(null).sum())}] missing; re-run them.")
    if null.ndim == 1:
        at_least = null.size - np.searchsorted(np.sort(null), seen, side="left")
    else:
        at_least = (null >= seen).sum(axis=0)
    return np.asarray(np.where(np.isnan(seen), np.nan, (1 + at_least) / (1 + null.shape[0])), dtype=np.float64)


def fdr(p: ArrayLike, *, method: Method = "bh") -> Floats:
    """Adjusted p-values, same shape; reject where they are ≤ the level.

    `bh` Benjamini–Hochberg (false-discovery rate), `by` Benjamini–Yekutieli (the same under any dependence),
    `holm` and `bonferroni` (family-wise error). A missing p stays NaN and does not count in the number of
    tests m. Raises InputError for values outside 0–1 or an unknown method.
    Reference: Benjamini & Yekutieli 2001; equal to R's p.adjust.
    """
    given = np.asarray(p, dtype=np.float64)
    known = ~np.isnan(given)
    values = given[known]
    if ((values < 0) | (values > 1)).any():
        raise InputError(f"Expected p-values from 0 to 1, got [{values.min():g} to {values.max():g}].")
    out = np.full(given.shape, np.nan)
    out[known] = _adjusted(values, method)
    return out


def _adjusted(p: Floats, method: Method) -> Floats:
    m = p.size
    order = np.argsort(p, kind="stable")
    ranks = np.arange(1, m + 1)
    if method == "bonferroni":
        return np.asarray(np.minimum(p * m, 1.0), dtype=np.float64)
    if method == "holm":
        stepped = np.maximum.accumulate(p[order] * (m - ranks + 1))
    elif method in ("bh", "by"):
        inflation = float(np.sum(1 / ranks)) if method == "by" else 1.0
        stepped = np.minimum.accumulate((p[order] * (inflation * m / ranks))[::-1])[::-1]
    else:
        raise InputError(f"Expected a method bh, by, holm or bonferroni, got [{method}].")
    out = np.empty(m)
    out[order] = np.minimum(stepped, 1.0)
    return out
