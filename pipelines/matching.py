"""The reviewed tables of `data/matching`: kinds of service, words of directories, clauses of eligibility."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

from geo.errors import ConfigError
from pipelines.resources import data_path
from pipelines.vocabulary import LEGS, needs

REQUIREMENTS = ("hours", "intake", "availability", "zone", "duty_log")
ACCESS = ("walk_in", "drop_off", "team", "line", "appointment", "unknown")
_BREAKS = re.compile(r"[.;,\n]+(?=\s|$)|[;\n]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of service; `match` is need → yes or review; `reviewed_by` "" means draft."""

    id: str
    label: str
    leg: str
    access: tuple[str, ...]
    tiers: tuple[int, ...]
    requires: tuple[str, ...]
    match: Mapping[str, str]
    is_emergency_department: bool = False
    is_confidential: bool = False
    reviewed_by: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One rule from the words of a directory to a kind."""

    id: str
    kind: str
    fields: tuple[str, ...]
    always: bool
    found: Any
    barred: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One rule for a whole clause of an eligibility text."""

    id: str
    reads: str
    found: Any
    implied_by: tuple[str, ...] = ()
    no_for: tuple[str, ...] = ()
    tiers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligibility:
    """How a text was read: its state, the clauses that were, and the tiers it names (None where it names none)."""

    state: str
    clauses: tuple[Clause, ...]
    tiers: tuple[int, ...] | None

    def person(self, need: str) -> str:
        """yes, no or unknown: whether the persons of a need meet it, as far as the call tells."""
        if any(need in clause.no_for for clause in self.clauses):
            return "no"
        if self.state == "unsettled":
            return "unknown"
        open_ended = [c for c in self.clauses if c.reads == "restricts" and need not in c.implied_by]
        return "unknown" if open_ended else "yes"


@lru_cache(maxsize=1)
def kinds() -> dict[str, Kind]:
    """The kinds by id.

    Raises:
        ConfigError: all faults of the file at once.
    """
    raw = _raw("kinds")
    out: dict[str, Kind] = {}
    faults: list[str] = []
    for entry in raw["kinds"]:
        try:
            kind = Kind(
                **{
                    "reviewed_by": raw.get("reviewed_by", ""),
                    **entry,
                    **{name: tuple(entry[name]) for name in ("access", "tiers", "requires")},
                }
            )
        except (TypeError, KeyError) as error:
            faults.append(f"kinds.{entry.get('id', '?')}: expected the keys of a kind, got [{error}]")
            continue
        faults += [f"kinds.{kind.id}: {fault}" for fault in _kind_faults(kind, out)]
        out[kind.id] = kind
    if faults:
        raise ConfigError("kinds.toml", faults)
    return out


def _kind_faults(kind: Kind, known: Mapping[str, Kind]) -> list[str]:
    faults = ["listed twice"] if kind.id in known else []
    for name, got, allowed in (
        ("leg", (kind.leg,), LEGS),
        ("access", kind.access, ACCESS),
        ("tiers", kind.tiers, (0, 1, 2)),
        ("requires", kind.requires, REQUIREMENTS),
        ("match", tuple(kind.match.values()), ("yes", "review")),
    ):
        odd = [one for one in got if one not in allowed]
        faults += [f"{name}: expected {allowed}, got {odd}"] if odd else []
    for need in kind.match:
        if need not in needs() or kind.leg not in needs()[need].legs:
            faults.append(f"match: expected a need that has the leg {kind.leg}, got [{need}]")
    return faults


@lru_cache(maxsize=1)
def terms() -> tuple[Term, ...]:
    """The word rules in the order in which they are tried."""
    return tuple(
        Term(
            id=entry["id"],
            kind=entry["kind"],
            fields=tuple(entry["in"]),
            always=entry.get("always", False),
            found=re2.compile(entry["pattern"]),
            barred=re2.compile(entry["unless"]) if "unless" in entry else None,
        )
        for entry in _raw("terms")["terms"]
    )


@lru_cache(maxsize=1)
def clauses() -> tuple[Clause, ...]:
    """The clause rules in the order in which they are tried."""
    return tuple(
        Clause(
            id=entry["id"],
            reads=entry["reads"],
            found=re2.compile(entry["pattern"]),
            implied_by=tuple(entry.get("implied_by", ())),
            no_for=tuple(entry.get("no_for", ())),
            tiers=tuple(entry.get("tiers", ())),
        )
        for entry in _raw("eligibility")["clauses"]
    )


def is_draft() -> bool:
    """Whether some matching table has no reviewer; the screens then say so."""
    return any(not _raw(name).get("reviewed_by") for name in ("kinds", "terms", "eligibility"))


@lru_cache(maxsize=3)
def _raw(name: str) -> dict[str, Any]:
    return tomllib.loads(data_path("matching", f"{name}.toml").read_text(encoding="utf-8"))


def plain(text: str) -> str:
    """Lower case, _ and - as blanks, one blank between words."""
    return " ".join(text.lower().replace("_", " ").replace("-", " ").split())


def kind_of(
    words: Sequence[str], name: str, *, stated: str | None = None, mapped: Mapping[str, str] | None = None
) -> str | None:
    """The kind of a service by its words and name, or None where nothing is known of it.

    Confidential kinds first, so that no statement about a file can show a place that hides; then `mapped` (a closed
    list of the file's words), a word that is a kind's id or label, `stated` (the kind of the whole file), the terms.
    """
    said = {"category": [plain(word) for word in words], "name": [plain(name)]}
    hidden = _by_terms(said, always_only=True)
    if hidden:
        return hidden
    if mapped is not None:
        return next((mapped[word] for word in words if word in mapped), stated)
    exact = next((_labels()[word] for word in said["category"] if word in _labels()), None)
    return exact or stated or _by_terms(said, always_only=False)


@lru_cache(maxsize=1)
def _labels() -> dict[str, str]:
    return {plain(label): kind.id for kind in kinds().values() for label in (kind.id, kind.label)}


def _by_terms(said: Mapping[str, Sequence[str]], *, always_only: bool) -> str | None:
    for term in terms():
        if term.always is not always_only:
            continue
        for field in term.fields:
            for text in said[field]:
                if term.found.search(text) and not (term.barred and term.barred.search(text)):
                    return term.kind
    return None


def read_eligibility(texts: Sequence[str]) -> Eligibility:
    """How eligibility texts read: each clause must be matched whole, else the state is unsettled.

    No text at all is `not_assessed`, which takes everyone and is flagged so.
    """
    parts = [" ".join(part.lower().split()) for text in texts for part in _BREAKS.split(text)]
    parts = [part for part in parts if part]
    if not parts:
        return Eligibility(state="not_assessed", clauses=(), tiers=None)
    read = [next((c for c in clauses() if c.found.fullmatch(part)), None) for part in parts]
    found = tuple(clause for clause in read if clause is not None)
    named = sorted({tier for clause in found if clause.reads == "tier" for tier in clause.tiers})
    if len(found) < len(read):
        state = "unsettled"
    elif all(clause.reads in ("open", "neutral") for clause in found):
        state = "open"
    else:
        state = "settled"
    return Eligibility(state=state, clauses=found, tiers=tuple(named) or None)
