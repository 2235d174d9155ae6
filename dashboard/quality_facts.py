"""What came in and what became of it, read from a release: files, findings, scope, changed types, hidden cells."""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import pandas as pd

from dashboard.data import SCOPES, Data
from dashboard.tables import HIDDEN

MOST_KEPT: Final = 32
STATES: Final = ("shown", "primary", "dominated", "below", "complementary")
PLACES: Final = ("PLACEHOLDER", "INSTITUTION", "SINGLE_LOCATION_AREA", "UNEXPLAINED")
LOCATED: Final = ("LOCATED", "HIT_RATE", "COORD_")
HEAD: Final = re.compile(r"(For|Parties|Legal basis|Purposes|Policy hash)\b")  # where a paragraph of the head begins
T = TypeVar("T")
_kept: OrderedDict[tuple[str, str], Any] = OrderedDict()


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that came in: `rows_in` = `kept` + `set_aside` + `merged`."""

    source: str
    kind: str
    path: str
    rows_in: int
    kept: int
    set_aside: int
    merged: int

    @property
    def adds_up(self) -> bool:
        """Whether every row is told of."""
        return self.rows_in == self.kept + self.set_aside + self.merged


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A finding of a stage; `n_rows` is None where the policy hides the number, `detail` "" where it is not told."""

    stage: str
    source: str
    reason: str
    is_warning: bool
    n_rows: int | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """How a suppressed release was made: the designs of each block of quarters, and its cells by state."""

    quarters: tuple[str, ...]
    design: str
    tried: tuple[str, ...]
    cells: Mapping[str, int]
    shown: Mapping[str, float]


def kept(data: Data, name: str, make: Callable[[], T]) -> T:
    """What `make` returns, once a release and name."""
    key = (data.release_id, name)
    if key not in _kept:
        _kept[key] = make()
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
    found: T = _kept[key]
    return found


def files(data: Data) -> tuple[File, ...]:
    """The files that came in, calls first; empty where the release does not tell."""
    table = data.table("denominators")
    if not len(table):
        return ()
    order = {"calls": 0, "incidents": 1, "responses": 2, "duty": 3, "services": 4, "areas": 5}
    made = [
        File(source=str(row.source_id), kind=str(row.kind), path=str(row.path), rows_in=int(row.rows_in),
             kept=int(row.rows_kept), set_aside=int(row.rows_quarantined), merged=int(row.rows_merged))
        for row in rows_of(table)
    ]  # fmt: skip
    return tuple(sorted(made, key=lambda one: (order.get(one.kind, 9), one.source)))


def findings(data: Data) -> tuple[Finding, ...]:
    """The findings of the run, warnings first and larger before smaller; hidden numbers last."""
    table = data.table("quality")
    if not len(table):
        return ()
    has_detail = "detail" in table
    made = [
        Finding(stage=str(row.stage), source=str(row.source_id), reason=str(row.reason),
                is_warning=str(row.severity) == "warning", n_rows=None if pd.isna(row.n_rows) else int(row.n_rows),
                detail=str(row.detail) if has_detail and not pd.isna(row.detail) else "")
        for row in rows_of(table)
    ]  # fmt: skip
    return tuple(sorted(made, key=lambda one: (not one.is_warning, -(one.n_rows or 0), one.reason)))


def rows_of(table: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table, by name of column."""
    yield from table.itertuples(index=False)


def of(found: tuple[Finding, ...], starts: tuple[str, ...]) -> tuple[Finding, ...]:
    """The findings whose reason begins so."""
    return tuple(one for one in found if one.reason.startswith(starts))


def origins(data: Data) -> Mapping[str, int]:
    """Calls of the whole period by who started them, most first; empty where only community calls are counted."""
    if data.release.policy.is_suppressed or not data.has("calls"):
        return {}

    def make() -> Mapping[str, int]:
        table = data.release.table("calls", ["level", "origin", "grain", "n"])
        here = table[(table["level"] == "city") & (table["grain"] == "whole")]
        sums = here.groupby("origin", observed=True)["n"].sum().sort_values(ascending=False)
        return dict(zip(map(str, sums.index), map(int, sums), strict=True))

    return kept(data, "origins", make)


def scopes(data: Data) -> Mapping[str, Mapping[str, int | None]]:
    """Community calls of the whole period of each call reason by scope; None where hidden or not told."""
    whole, out = data.allowed.whole.key, {}
    for need in data.allowed.needs:
        table = data.calls.get(("city", need, whole))
        if table is None:
            continue
        row = table[0]
        told = dict.fromkeys(SCOPES[1:], None) if data.release.policy.is_suppressed else {}
        out[need] = {
            **{name: None if n == HIDDEN else int(n) for name, n in zip(SCOPES, row, strict=True)},
            **told,
        }
    return out


def elsewhere(data: Data) -> Mapping[str, Mapping[str, int]]:
    """Calls in scope of each call reason that stand in no area of the base level, by why; shown numbers only."""
    level, whole = data.allowed.base, data.allowed.whole.key
    n_drawn, out = len(data.shapes[level].geoids), {}
    for need in data.allowed.needs:
        table = data.calls.get((level, need, whole))
        if table is None:
            continue
        names = ("_outside", "_placeholder", "_unlocated", "_elsewhere")
        out[need] = {name: int(table[n_drawn + at][0]) for at, name in enumerate(names) if table[n_drawn + at][0] > 0}
    return out


def changes(data: Data) -> tuple[pd.DataFrame, int, int]:
    """Call types changed to another call reason, most first; calls with such a change; calls with both types known."""
    table = data.table("type_changes")
    if not len(table):
        return table, 0, 0
    other = table[table["need_initial"] != table["need"]].sort_values("n_calls", ascending=False)
    return other.reset_index(drop=True), int(other["n_calls"].sum()), int(table["n_calls"].sum())


def hidden(data: Data) -> tuple[Hidden, ...]:
    """The blocks of a suppressed release, first to last; empty where nothing is hidden."""
    blocks = data.told.get("blocks") or []
    return tuple(
        Hidden(
            quarters=tuple(map(str, one.get("quarters", []))),
            design=str(one.get("rung", "")),
            tried=tuple(map(str, one.get("tried", []))),
            cells={name: int(one["cells"][name]) for name in STATES if name in one.get("cells", {})},
            shown={str(name): float(value) for name, value in one.get("shown", {}).items() if " " not in str(name)},
        )
        for one in blocks
    )


def policy_text(data: Data) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The policy in force in plain words: headings with their lines, the first heading its title."""
    from pipelines.policy import explain

    def make() -> tuple[tuple[str, tuple[str, ...]], ...]:
        parts: list[tuple[str, list[str]]] = []
        for block in explain(data.release.policy).strip().split("\n\n"):
            title, *lines = block.splitlines()
            parts.append((title, _joined(lines)))
        return tuple((title, tuple(lines)) for title, lines in parts)

    return kept(data, "policy", make)


def _joined(lines: list[str]) -> list[str]:
    """Lines of a paragraph each: those that go on are put behind the one before."""
    out: list[str] = []
    for line in lines:
        text = line.strip()
        if line.startswith(("  - ", "    - ")) or not out or HEAD.match(line):
            out.append(text.removeprefix("- "))
        else:
            out[-1] = f"{out[-1]} {text}"
    return out
