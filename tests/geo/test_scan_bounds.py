"""Leaving out circles that cannot be the largest, and sharing circles between needs, must change no number."""

import numpy as np
import pandas as pd
import pytest

from geo.errors import InputError
from geo.hotspots import bernoulli_llr, circles, excess
from geo.scan import RADII_M, _fewest_for, _k_log_k, _largest_null_llr, _null_need, _rings, _side_by_side, canonical


def _city(seed: int, m: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x, y = np.rint(rng.uniform(0, 2_000, (2, m)))
    return x, y, rng.poisson(rng.gamma(0.7, 8, m))


@pytest.mark.parametrize("seed", range(5))
def test_largest_statistic_is_that_of_all_circles_in_any_order_of_rows(seed: int) -> None:
    x, y, n = _city(seed)
    places, at = canonical(np.column_stack([x, y]), n)
    calls = np.bincount(at, weights=n, minlength=len(places)).astype(np.int64)
    total = int(calls.sum()) // 5
    radii = np.array(RADII_M)
    drawn = _null_need(calls, total, 70, np.random.default_rng(seed))
    inside = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    expected = np.zeros(70)
    for radius in radii:
        member = (inside <= radius).astype(np.int64)
        need, size = member @ drawn, member @ calls
        llr = bernoulli_llr(need, np.broadcast_to(size[:, None], need.shape), total, int(calls.sum()))
        expected = np.maximum(expected, np.where((need >= 12) & (drawn > 0), llr, 0).max(axis=0))
    order = _side_by_side(places, 400.0)
    for rows, rings in ((None, _rings(places, radii)), (order, _rings(places[order], radii))):
        rng = np.random.default_rng(seed)
        found = _largest_null_llr(rings, calls, total, min_calls=12, n_sim=70, rng=rng, order=rows)
        # Replicates are dealt one after the other from one stream, so the batches they come in do not matter.
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("llr", [0.0, 1e-3, 2.0, 8.0, 60.0, 1e6])
def test_fewest_need_calls_is_the_first_number_that_reaches_a_statistic(llr: float) -> None:
    total_c, total_n = 90, 600
    size = np.arange(1, total_n)
    fewest = _fewest_for(llr, size, _k_log_k(total_n), total_c, total_n)
    for n, found in zip(size.tolist(), fewest.tolist(), strict=True):
        c = np.arange(max(0, n - (total_n - total_c)), min(n, total_c) + 1)
        in_excess = c * total_n > n * total_c
        reached = c[(bernoulli_llr(c, np.full(len(c), n), total_c, total_n) >= llr - 1e-6) & in_excess]
        assert found <= (reached.min() if len(reached) else found)
        if llr > 1e-3:
            assert found == (reached.min() if len(reached) else min(n, total_c) + 1)


def test_prepared_circles_change_nothing_and_must_be_of_the_same_places() -> None:
    x, y, n = _city(11)
    need = np.random.default_rng(1).binomial(n, np.where(np.hypot(x - 900, y - 900) < 200, 0.7, 0.1))
    ready = circles(x, y, n)
    alone = excess(x, y, need, n, n_sim=99, seed=4)
    assert len(alone)
    pd.testing.assert_frame_equal(excess(x, y, need, n, n_sim=99, seed=4, prepared=ready), alone)
    with pytest.raises(InputError, match="prepared"):
        excess(x[1:], y[1:], need[1:], n[1:], n_sim=99, seed=4, prepared=ready)
    with pytest.raises(InputError, match="prepared"):
        excess(x, y, need, n, radii_m=(100.0,), n_sim=99, seed=4, prepared=ready)
