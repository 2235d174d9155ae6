"""What the map's colours stand for: each area's class, the words of the classes and how many areas are in each."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dashboard.charts import count
from dashboard.data import FEW, Counts
from dashboard.words import say

HIDDEN_CLASS: Final = 255
NO_VALUE: Final = 254
FEW_BIT: Final = 64
NICE: Final = np.array(
    [
        1,
        2,
        5,
        10,
        15,
        20,
        30,
        50,
        75,
        100,
        150,
        200,
        300,
        500,
        750,
        1000,
        1500,
        2000,
        3000,
        5000,
        7500,
        10_000,
        20_000,
        50_000,
        100_000,
    ]
)
THIRDS: Final = (1 / 3, 2 / 3)

Codes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """`codes` per area: class, + FEW_BIT below 24 calls, or HIDDEN_CLASS, NO_VALUE; `labels` and `sizes` per class."""

    palette: str
    codes: Codes
    labels: tuple[str, ...]
    sizes: tuple[int, ...]
    n_few: int
    n_hidden: int
    n_none: int


def classify(colour: str, here: Counts, before: Counts | None, rate: NDArray[np.float64] | None) -> Classes:
    """The classes of a measure of the map; `before` for change, `rate` (NaN = none) for rates."""
    if not here.has_outcomes or colour == "calls":
        return _counted(here.n, here.n, judged=False)
    if colour == "share":
        return _made("seq", _share_codes(here), _labels_share(), here.n, here.at_least >= 0)
    if colour == "both":
        return _both(here)
    if colour == "rate" and rate is not None:
        return _rated(here, rate)
    if colour == "change" and before is not None:
        return _changed(here, before)
    return _counted(here.at_least, here.n, judged=True)


def off(n_areas: int) -> Classes:
    """No area painted."""
    return Classes(
        palette="seq", codes=np.full(n_areas, NO_VALUE, np.uint8), labels=(), sizes=(), n_few=0, n_hidden=0, n_none=0
    )


def nice_breaks(values: NDArray[np.int64], *, n_classes: int = 4) -> list[int]:
    """Rising round numbers that part positive values into at most `n_classes` of about the same size."""
    positive = values[values > 0]
    if not len(positive):
        return []
    cuts = np.quantile(positive, np.arange(1, n_classes) / n_classes)
    near = [int(NICE[int(np.abs(np.log(NICE) - np.log(max(cut, 1))).argmin())]) for cut in cuts]
    return [cut for cut in dict.fromkeys(near) if cut < positive.max()]


def _counted(values: NDArray[np.int64], n: NDArray[np.int64], *, judged: bool) -> Classes:
    breaks = nice_breaks(values)
    codes = np.where(values <= 0, 0, 1 + np.searchsorted(breaks, values, side="left")).astype(np.uint8)
    ends = [*breaks, int(values.max(initial=0))]
    starts = [1, *(one + 1 for one in breaks)]
    labels = ["0", *(count(a) if a >= b else f"{count(a)}–{count(b)}" for a, b in zip(starts, ends))]
    return _made("seq", codes, labels if values.max(initial=0) > 0 else ["0"], n if judged else None, values >= 0)


def _share_codes(here: Counts) -> Codes:
    share = np.divide(here.at_least, here.n, out=np.zeros(len(here.n)), where=here.n > 0)
    return np.where(here.at_least <= 0, 0, 1 + np.searchsorted([0.25, 0.5, 0.75], share, side="left")).astype(np.uint8)


def _labels_share() -> list[str]:
    return ["0 %", *(say("class.share", low=a, high=b) for a, b in ((0, 25), (25, 50), (50, 75), (75, 100)))]


def _both(here: Counts) -> Classes:
    known = here.n[here.n > 0]
    cuts = np.quantile(known, THIRDS) if len(known) else np.array([1.0, 2.0])
    share = np.divide(here.at_least, here.n, out=np.zeros(len(here.n)), where=here.n > 0)
    column, row = np.searchsorted(cuts, here.n, side="left"), np.searchsorted(THIRDS, share, side="left")
    labels = [
        say("class.both", calls=say(f"class.calls.{at % 3}"), share=say(f"class.third.{at // 3}")) for at in range(9)
    ]
    return _made("both", (row * 3 + column).astype(np.uint8), labels, here.n, here.at_least >= 0)


def _rated(here: Counts, rate: NDArray[np.float64]) -> Classes:
    known = np.isfinite(rate)
    tenths = np.where(known, np.nan_to_num(rate) * 10, 0).astype(np.int64)
    breaks = nice_breaks(tenths)
    codes = np.where(tenths <= 0, 0, 1 + np.searchsorted(breaks, tenths, side="left")).astype(np.uint8)
    ends = [0, *breaks, int(tenths.max(initial=0))]
    labels = ["0", *(f"{a / 10:g}–{b / 10:g}" for a, b in pairwise(ends))]
    made = _made("seq", codes, labels, here.n, here.at_least >= 0)
    return _without(made, ~known & (here.at_least >= 0))


def _changed(here: Counts, before: Counts) -> Classes:
    difference = here.at_least - before.at_least
    known = (here.at_least >= 0) & (before.at_least >= 0)
    steps = nice_breaks(np.abs(np.where(known, difference, 0)), n_classes=3) or [1]
    small, large = steps[0], steps[-1] if len(steps) > 1 else steps[0] * 2
    codes = np.searchsorted([-large, -small, small + 1, large + 1], difference, side="right").astype(np.uint8)
    labels = [
        say("class.fewer", n=f"{large + 1}+"),
        say("class.fewer", n=f"{small + 1}–{large}"),
        say("class.same", n=small),
        say("class.more", n=f"{small + 1}–{large}"),
        say("class.more", n=f"{large + 1}+"),
    ]
    codes = np.where(
        difference < -large,
        0,
        np.where(difference < -small, 1, np.where(difference <= small, 2, np.where(difference <= large, 3, 4))),
    ).astype(np.uint8)
    return _made("change", codes, labels, np.maximum(here.n, before.n), known)


def _made(
    palette: str, codes: Codes, labels: list[str], n: NDArray[np.int64] | None, known: NDArray[np.bool_]
) -> Classes:
    sizes = tuple(int(((codes == at) & known).sum()) for at in range(len(labels)))
    few = (n < FEW) & known if n is not None else np.zeros(len(codes), np.bool_)
    codes = np.where(known, codes + few * np.uint8(FEW_BIT), HIDDEN_CLASS).astype(np.uint8)
    return Classes(
        palette=palette,
        codes=codes,
        labels=tuple(labels),
        sizes=sizes,
        n_few=int(few.sum()),
        n_hidden=int((~known).sum()),
        n_none=0,
    )


def _without(made: Classes, absent: NDArray[np.bool_]) -> Classes:
    plain = made.codes & ~np.uint8(FEW_BIT)
    sizes = tuple(int(((plain == at) & ~absent & (made.codes != HIDDEN_CLASS)).sum()) for at in range(len(made.labels)))
    return Classes(
        palette=made.palette,
        codes=np.where(absent, NO_VALUE, made.codes).astype(np.uint8),
        labels=made.labels,
        sizes=sizes,
        n_few=int((((made.codes & FEW_BIT) > 0) & ~absent & (made.codes < NO_VALUE)).sum()),
        n_hidden=made.n_hidden,
        n_none=int(absent.sum()),
    )
