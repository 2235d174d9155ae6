"""Which column of a file is which: exact names first, then names that differ by case and blanks; else a refusal."""

import difflib
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from geo.errors import FileRejected

_OTHER_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
_MOST_COLUMNS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Position of each wanted column, the names that had to be read loosely, and the columns nobody asked for."""

    positions: dict[str, int]
    width: int
    loose: tuple[str, ...]
    unmapped: tuple[str, ...]


def match(names: Sequence[str], *, wanted: Sequence[str], unused: Sequence[str], shown: str) -> Header:
    """The header's columns; `wanted` are the file's names as configured.

    Raises FileRejected: FILE_DUPLICATE_COLUMN where a wanted name stands twice, FILE_MISSING_COLUMN with the nearest
    name, FILE_SCHEMA for more than 2,000 columns.
    """
    if len(names) > _MOST_COLUMNS:
        text = f"expected at most {_MOST_COLUMNS} columns, got [{len(names)}]; check the delimiter."
        raise FileRejected(shown, "FILE_SCHEMA", text)
    exact = Counter(names)
    folded = Counter(fold(name) for name in names)
    positions: dict[str, int] = {}
    loose, missing = [], []
    for want in wanted:
        n_exact, n_folded = exact[want], folded[fold(want)]
        if n_exact > 1 or (n_exact == 0 and n_folded > 1):
            text = f"expected one column [{printable(want)}], got {max(n_exact, n_folded)}; rename all but one."
            raise FileRejected(shown, "FILE_DUPLICATE_COLUMN", text)
        if n_exact == 1:
            positions[want] = list(names).index(want)
        elif n_folded == 1:
            positions[want] = [fold(name) for name in names].index(fold(want))
            loose.append(names[positions[want]])
        else:
            missing.append(want)
    left = [name for at, name in enumerate(names) if at not in positions.values()]
    if missing:
        raise FileRejected(shown, "FILE_MISSING_COLUMN", _missing_text(missing, left, len(positions)))
    known = {fold(name) for name in unused}
    unmapped = tuple(printable(name) for name in left if fold(name) not in known and name.strip())
    return Header(
        positions=positions, width=len(names), loose=tuple(printable(name) for name in loose), unmapped=unmapped
    )


def fold(name: str) -> str:
    """A name without case, outer blanks and doubled blanks."""
    return " ".join(unicodedata.normalize("NFKC", name).strip("\ufeff").split()).casefold()


def fits(names: Sequence[str], wanted: Sequence[str]) -> int:
    """How many of the wanted columns a row of names holds."""
    return len({fold(name) for name in names} & {fold(want) for want in wanted})


def refuse_misread(
    rows: Sequence[tuple[int, Sequence[str]]], *, delimiter: str, wanted: Sequence[str], shown: str
) -> None:
    """Nothing, where the first row holds a wanted column; else a refusal that says what is probably wrong.

    `rows` are the first records with their line numbers. Raises FILE_NO_HEADER (none, or further down) or
    FILE_DELIMITER.
    """
    if not rows:
        text = "expected column names, got no header and no row; ask for the file again."
        raise FileRejected(shown, "FILE_NO_HEADER", text)
    enough = max(1, (len(wanted) + 1) // 2)
    line, first = rows[0]
    if fits(first, wanted) >= enough:
        return
    for other, name in _OTHER_DELIMITERS.items():
        if other != delimiter and fits(delimiter.join(first).split(other), wanted) >= enough:
            declared = _OTHER_DELIMITERS.get(delimiter, delimiter)
            text = f"expected the delimiter [{declared}], found [{name}]; set `delimiter`."
            raise FileRejected(shown, "FILE_DELIMITER", text)
    for below, names in rows[1:]:
        if fits(names, wanted) >= enough:
            text = f"header not on line {line}: it was found on line [{below}]; set `skip_lines = {below - 1}`."
            raise FileRejected(shown, "FILE_NO_HEADER", text)


def printable(name: str) -> str:
    """A column name fit for a message: no control or direction characters, at most 60 long."""
    clean = "".join(c if unicodedata.category(c)[0] != "C" else "?" for c in name)
    return clean if len(clean) <= 60 else clean[:57] + "..."


def _missing_text(missing: Sequence[str], left: Sequence[str], n_found: int) -> str:
    parts = []
    for want in missing:
        near = difflib.get_close_matches(fold(want), [fold(name) for name in left], n=1, cutoff=0.5)
        hint = next((f" (is it [{printable(name)}]?)" for name in left if near and fold(name) == near[0]), "")
        parts.append(f"[{printable(want)}]{hint}")
    lost = "" if n_found else " Its first line may be data: is the header lost?"
    return f"column(s) missing: {', '.join(parts)}; correct `columns`.{lost}"
