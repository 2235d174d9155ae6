"""Palettes hold apart for normal and colour-blind eyes; classes count every area once."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from colorspacious import cspace_convert, deltaE

from dashboard import classes, palette
from dashboard.data import Counts, Total
from dashboard.palette import PARTS

SIGHTS = ("normal", "deuteranomaly", "protanomaly", "tritanomaly")


def seen(colour: str, sight: str) -> np.ndarray:
    rgb = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    if sight == "normal":
        return rgb
    space = {"name": "sRGB1+CVD", "cvd_type": sight, "severity": 100}
    return np.clip(cspace_convert(rgb, space, "sRGB1"), 0, 1)


def apart(a: str, b: str) -> float:
    return min(float(deltaE(seen(a, s), seen(b, s), input_space="sRGB1")) for s in SIGHTS)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_bivariate_colours_are_apart_for_all_eyes(theme: str) -> None:
    least = min(apart(a, b) for a, b in combinations(palette.classes("both", theme), 2))
    assert least >= 12, least


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("colour", ["unmet", "change"])
def test_neighbouring_classes_are_apart_for_all_eyes(colour: str, theme: str) -> None:
    assert min(apart(a, b) for a, b in pairwise(palette.classes(colour, theme))) >= 12


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_parts_of_a_bar_are_apart_from_those_beside_them(theme: str) -> None:
    order = ("available", "uncertain", "temporal", "barrier", "spatial")
    assert min(apart(PARTS[theme][a], PARTS[theme][b]) for a, b in pairwise(order)) >= 10


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_classes_from_none_to_most_run_one_way_in_lightness(theme: str) -> None:
    light = [
        float(cspace_convert(seen(one, "normal"), "sRGB1", "CAM02-UCS")[0]) for one in palette.classes("unmet", theme)
    ]
    steps = np.diff(light)
    assert (steps < 0).all() if theme == "light" else (steps > 0).all()


def counts(n: list[int], low: list[int], high: list[int]) -> Counts:
    a, b, c = (np.array(one, np.int64) for one in (n, low, high))
    return Counts(outcomes=("available", "uncertain", "unmet"), parts=np.stack([a - c, c - b, b], axis=1), n=a,
                  at_least=b, at_most=c, elsewhere={}, total=Total(n=1, at_least=1, at_most=1, parts={}),
                  has_outcomes=True)  # fmt: skip


@pytest.mark.parametrize("colour", ["unmet", "share", "both", "calls", "change", "rate"])
def test_every_area_is_in_one_class(colour: str) -> None:
    rng = np.random.default_rng(4)
    n = rng.integers(0, 200, 300)
    low = (n * rng.random(300)).astype(int)
    n[:20], low[:20] = -1, -1
    here = counts(list(n), list(low), list(np.where(n < 0, -1, np.minimum(n, low + 5))))
    before = counts(list(n[::-1]), list(low[::-1]), list(np.where(n[::-1] < 0, -1, n[::-1])))
    rate = np.where(rng.random(300) < 0.1, np.nan, rng.random(300) * 30)
    made = classes.classify(colour, here, before, rate)
    assert sum(made.sizes) + made.n_hidden + made.n_none == 300
    assert len(made.labels) == len(made.sizes)
    assert made.n_hidden >= 20
    assert (made.codes[:20] == classes.HIDDEN_CLASS).all()
    plain = made.codes[made.codes < classes.NO_VALUE] & ~np.uint8(classes.FEW_BIT)
    assert plain.max() < len(made.labels)


def test_class_borders_are_those_of_the_labels() -> None:
    here = counts([99] * 8, [0, 1, 2, 5, 9, 20, 40, 80], [99] * 8)
    made = classes.classify("unmet", here, None, None)
    for code, value in zip(made.codes, here.at_least, strict=True):
        ends = [int(one.replace(",", "")) for one in made.labels[code].split("–")]
        assert ends[0] <= value <= ends[-1]
