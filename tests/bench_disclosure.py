"""How long protection takes and what it costs: run as a script, it prints one line for each design.

Usage: python tests/bench_disclosure.py [TRACTS NEEDS QUARTERS MEAN]   (default 300 10 8 40)
"""

import sys
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd

from geo.bridges import determined
from geo.disclosure import SHOWN, Dimension, Linked, Suppression, cube, suppress

OUTCOMES = ("available", "uncertain", "unmet")


def made_counts(tracts: int, needs: int, quarters: int, *, mean: float, seed: int, outcomes: bool) -> pd.DataFrame:
    """Long-form counts of a made city: gamma-Poisson tracts in neighbourhoods of six, needs of very unequal size."""
    rng = np.random.default_rng(seed)
    size = np.geomspace(2.0, 0.1, needs)
    place = rng.gamma(1.5, 1 / 1.5, tracts)
    rate = mean * place[:, None, None] * size[None, :, None] * rng.uniform(0.8, 1.2, (tracts, needs, quarters))
    split = rng.dirichlet([6.0, 2.0, 4.0], (tracts, needs)) if outcomes else np.ones((tracts, needs, 1))
    n = rng.poisson(rate[..., None] * split[:, :, None, :])
    tract, need, quarter, outcome = np.indices(n.shape).reshape(4, -1)
    return pd.DataFrame(
        {
            "tract": tract,
            "neighbourhood": tract // 6,
            "city": "city",
            "need": need,
            "quarter": quarter,
            "year": quarter // 4,
            "whole": "whole",
            "outcome": np.array(OUTCOMES)[outcome],
            "calls": "calls",
            "n": n.ravel(),
        }
    )


def linked(counts: pd.DataFrame, *, outcomes: bool) -> Linked:
    """The cube of made counts with every margin but a total over needs."""
    dimensions = [
        Dimension(name="need", levels=("need",)),
        Dimension(name="area", levels=("tract", "neighbourhood", "city")),
        Dimension(name="period", levels=("quarter", "year", "whole")),
    ]
    return cube(
        counts, [*dimensions, Dimension(name="outcome", levels=("outcome", "calls"))] if outcomes else dimensions
    )


def report(name: str, tables: Linked, done: Suppression, seconds: float) -> str:
    """One line: cells, hidden cells, share of calls of the finest table shown, beside primaries alone, and time."""
    fine = tables.table == 0
    calls = max(1, int(tables.n[fine].sum()))
    bare = done.primary | done.below
    exact = int((determined(tables, bare | ~tables.offered) & done.primary).sum())
    protected = tables.n[fine & (done.states == SHOWN)].sum() / calls
    return (
        f"{name}: {len(tables.n):,} cells, {int(done.primary.sum()):,} primary + {int(done.below.sum()):,} below"
        f" ({tables.n[fine & ~bare].sum() / calls:.1%} of calls shown, {exact:,} known exactly by one slice)"
        f" + {int(done.complementary.sum()):,} complementary ({protected:.1%} shown, {len(done.audit.failures)} failed)"
        f"; {done.audit.counts['certificate']:,} certificates, {done.audit.counts['programme']} programmes,"
        f" {seconds:.1f} s"
    )


def main(arguments: Sequence[str]) -> None:
    """Print protection beside primaries alone, with and without outcomes."""
    tracts, needs, quarters = (int(a) for a in (*arguments[:3], *(300, 10, 8)[len(arguments) :]))
    mean = float(arguments[3]) if len(arguments) > 3 else 40.0
    for outcomes in (False, True):
        tables = linked(made_counts(tracts, needs, quarters, mean=mean, seed=1, outcomes=outcomes), outcomes=outcomes)
        start = time.perf_counter()
        done = suppress(tables)
        name = "calls and outcomes" if outcomes else "calls"
        print(report(name, tables, done, time.perf_counter() - start), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
