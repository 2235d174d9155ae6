"""How often the hotspot scan raises an alarm in cities that have no hotspot.

`python -m pipelines.calibrate` makes null cities (need calls a constant share of all calls at every place,
many small places and a few large ones), runs `geo.hotspots.excess` on each with the settings of a run, and
prints the share of cities with any alarm with its exact 95 % interval. Exit code 0 if the interval's lower
limit is at most alpha, else 1. Replicates default to 199, not 999, so that 400 cities take minutes: p is
valid at any number of replicates where alpha · (1 + replicates) is whole, more only narrow it.
"""

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from geo.hotspots import excess
from geo.places import share_interval

ALPHA = 0.05
NEED_SHARES = (0.03, 0.08, 0.15)
N_CALLS = 40_000
CITY_M = 10_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NullCity:
    """Distinct places of a city where every call has the same chance to be a need call."""

    x: NDArray[np.float64]  # metres
    y: NDArray[np.float64]
    n_need: NDArray[np.int64]
    n_all: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Cities with a false alarm, their share and its exact 95 % interval."""

    n_cities: int
    n_sim: int
    n_alarms: int
    rate: float
    low: float
    high: float

    @property
    def is_valid(self) -> bool:
        """Whether the rate may be alpha or less."""
        return self.low <= ALPHA


def null_city(seed: int) -> NullCity:
    """A city of 3,000–6,000 places around a few dozen centres, 40,000 calls and no hotspot; fixed by `seed`."""
    rng = np.random.default_rng(seed)
    n_places = int(rng.integers(3_000, 6_001))
    centres = rng.uniform(0, CITY_M, (40, 2))
    spread = rng.uniform(200, 1_500, 40)
    around = rng.integers(0, 40, n_places)
    xy = np.clip(centres[around] + rng.normal(size=(n_places, 2)) * spread[around, None], 0, CITY_M).round(1)
    busy = rng.lognormal(0.0, 1.2, n_places)
    n_all = rng.multinomial(N_CALLS, busy / busy.sum()).astype(np.int64)
    share = NEED_SHARES[seed % len(NEED_SHARES)]
    return NullCity(x=xy[:, 0], y=xy[:, 1], n_need=rng.binomial(n_all, share).astype(np.int64), n_all=n_all)


def has_alarm(seed: int, *, n_sim: int) -> bool:
    """Whether the scan, as in a run, finds anything in the null city of this seed."""
    city = null_city(seed)
    found = excess(city.x, city.y, city.n_need, city.n_all, n_sim=n_sim, alpha=ALPHA, seed=seed + 1_000_000)
    return len(found) > 0


def calibrate(
    n_cities: int,
    *,
    n_sim: int = 199,
    seed: int = 0,
    processes: int = 2,
    advance: Callable[[], None] = lambda: None,
) -> Calibration:
    """False alarms over `n_cities` null cities of seeds `seed`, `seed` + 1, …; `advance` is called after each."""
    alarms = 0
    with ProcessPoolExecutor(max_workers=processes) as pool:
        for alarm in pool.map(partial(has_alarm, n_sim=n_sim), range(seed, seed + n_cities), chunksize=4):
            alarms += alarm
            advance()
    low, high = share_interval(alarms, n_cities, level=0.95)
    return Calibration(
        n_cities=n_cities, n_sim=n_sim, n_alarms=alarms, rate=alarms / n_cities, low=float(low), high=float(high)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 if the false-alarm rate may be alpha, 1 if it is surely higher."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    parser = argparse.ArgumentParser(prog="python -m pipelines.calibrate", description="False alarms of the scan.")
    parser.add_argument("--cities", type=_positive, default=400, help="null cities (default 400)")
    parser.add_argument("--sims", type=_positive, default=199, help="replicates a city (default 199; runs use 999)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first city (default 0)")
    parser.add_argument("--processes", type=_positive, default=2, help="processes (default 2)")
    given = parser.parse_args(arguments)
    bar = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*bar, console=Console(stderr=True)) as progress:
        task = progress.add_task("null cities", total=given.cities)
        result = calibrate(
            given.cities,
            n_sim=given.sims,
            seed=given.seed,
            processes=given.processes,
            advance=partial(progress.advance, task),
        )
    print(describe(result))
    return 0 if result.is_valid else 1


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got [{text}]")
    return value


def describe(result: Calibration) -> str:
    """The result in three lines."""
    verdict = "not above" if result.is_valid else "ABOVE"
    return (
        f"Hotspot scan on {result.n_cities} null cities ({N_CALLS:,} calls each, {result.n_sim} replicates)\n"
        f"false alarms in {result.n_alarms} cities: family-wise error {result.rate:.3f}, "
        f"exact 95 % interval {result.low:.3f}–{result.high:.3f}\n"
        f"nominal {ALPHA:g}: {verdict} it (lower limit {result.low:.3f})"
    )


if __name__ == "__main__":
    raise SystemExit(main())
