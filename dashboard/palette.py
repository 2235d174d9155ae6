"""The colours that mean something, for light and dark; a test holds them apart for colour-blind eyes."""

from collections.abc import Mapping
from typing import Final

# The one colour of controls, from pale to deep, as the component library wants it.
PETROL: Final[tuple[str, ...]] = (
    "#e6f4f5",
    "#cfe8ea",
    "#a5d5d8",
    "#7cc3c8",
    "#6cc5cb",
    "#3d9aa1",
    "#1d7f87",
    "#0b6b73",
    "#085960",
    "#04464c",
)
# Five classes from none to most. Light: pale sand to dark rust; dark: deep brown to bright sand.
CLASSES: Final[Mapping[str, tuple[str, ...]]] = {
    "light": ("#ece8df", "#f9cf9c", "#ef9a4d", "#c85a1e", "#6f2410"),
    "dark": ("#2b2f35", "#5b3a22", "#9c5518", "#e08a35", "#ffd9a3"),
}
# Change: fewer (blue), about the same, more (orange).
CHANGE: Final[Mapping[str, tuple[str, ...]]] = {
    "light": ("#1f5f99", "#8fbbdd", "#ece8df", "#f0a35e", "#a8450f"),
    "dark": ("#8cc4f0", "#3d6f9c", "#2b2f35", "#9c5518", "#ffb463"),
}
# Calls (columns, few to many) × without a listed service (rows, small share to large).
BOTH: Final[tuple[str, ...]] = (
    "#efeee9",
    "#f8c98e",
    "#ec8426",
    "#b3cde6",
    "#a88f88",
    "#9c4221",
    "#4a8fd0",
    "#37618f",
    "#241a2b",
)
BOTH_DARK: Final[tuple[str, ...]] = (
    "#2c3036",
    "#6e4a22",
    "#e58a33",
    "#2f5578",
    "#877068",
    "#f0b58a",
    "#5aa2e6",
    "#a9c3dd",
    "#fbf3ea",
)
# The parts of a bar: available, the record does not tell, closed, would not take, too far; unmet for coarse releases.
PARTS: Final[Mapping[str, Mapping[str, str]]] = {
    "light": {
        "available": "#2f7f86",
        "uncertain": "#b9b6ad",
        "temporal": "#e8a25a",
        "barrier": "#c4622a",
        "spatial": "#702b12",
        "unmet": "#c4622a",
    },
    "dark": {
        "available": "#5fb3b8",
        "uncertain": "#5d6167",
        "temporal": "#f6c88f",
        "barrier": "#dd8443",
        "spatial": "#a4491f",
        "unmet": "#dd8443",
    },
}


def classes(colour: str, theme: str) -> tuple[str, ...]:
    """The colours of a measure of the map in a theme, in the order of its classes."""
    if colour == "both":
        return BOTH if theme == "light" else BOTH_DARK
    return (CHANGE if colour == "change" else CLASSES)[theme]


def css() -> str:
    """The colours as CSS variables of both themes and a class each, for the page's own style element."""
    lines: dict[str, list[str]] = {"light": [], "dark": []}
    rules: list[str] = []
    for theme, told in lines.items():
        for name, colour in (("seq", "unmet"), ("change", "change"), ("both", "both")):
            told += [f"--c-{name}-{at}:{value};" for at, value in enumerate(classes(colour, theme))]
        told += [f"--c-part-{name}:{value};" for name, value in PARTS[theme].items()]
    for name, colour in (("seq", "unmet"), ("change", "change"), ("both", "both")):
        rules += [f".c-{name}-{at}{{background:var(--c-{name}-{at})}}" for at in range(len(classes(colour, "light")))]
    return f":root{{{''.join(lines['light'])}}}[data-mantine-color-scheme=dark]{{{''.join(lines['dark'])}}}" + "".join(
        rules
    )
