"""The words of the project, read from `data/`: needs, and the ordered rules that turn an agency's words into them.

Every pattern is compiled by RE2, which runs in time linear in the text: no rule file can hang a run.
"""

import hashlib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as attribute
from functools import lru_cache
from pathlib import Path
from typing import Any

import re2

from geo.errors import ConfigError
from pipelines.resources import data_path

LEGS = ("contact", "respond", "place")
ORIGINS = ("community", "officer", "alarm", "agency", "scheduled", "unknown")
SENSITIVE = ("none", "suicide", "domestic_violence", "juvenile", "sexual_assault", "overdose")
OUTCOMES = (
    "advised_or_referred",
    "transported",
    "emergency_hold",
    "ed",
    "arrest_or_citation",
    "force",
    "report",
    "unknown",
)
KINDS = ("call_type", "raise", "sensitive", "origin_hint", "source", "disposition")
MAX_PATTERN = 1500
_TABLES = ("define", "phrases", "words")
_HEAD = {"version", "reviewed_by", "kind", "field", "city", "rules", *_TABLES}
_RULE = {
    "id", "pattern", "unless", "need", "secondary", "is_criminal", "tier", "sensitive", "origin", "band", "is_status",
    "is_fallback", "absorbs", "switch", "is_resolved", "no_one_found", "outcome", "note",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One entry of `needs.toml`; `tier` None means unknown."""

    id: str
    code: str
    label: str
    kind: str
    in_scope: bool
    legs: tuple[str, ...]
    tier: int | None
    job_min: int
    rollup: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: fires where `pattern` is found in `field` and `unless` is not.

    `tier` is the need's default where the file gives none; None means unknown. `found` and `barred` are the
    compiled patterns.
    """

    id: str
    kind: str
    field: str
    pattern: str
    unless: str = ""
    city: str = ""
    need: str = ""
    secondary: tuple[str, ...] = ()
    is_criminal: bool = False
    tier: int | None = None
    sensitive: str = "none"
    origin: str = ""
    band: int = 0
    is_status: bool = False
    is_fallback: bool = False
    absorbs: bool = False
    switch: str = ""
    is_resolved: bool | None = None
    no_one_found: bool = False
    outcome: str = ""
    note: str = ""
    found: Any = attribute(default=None, compare=False, repr=False)
    barred: Any = attribute(default=None, compare=False, repr=False)

    def fires(self, text: str) -> bool:
        """Whether the rule holds for a normalised text (or code)."""
        return self.found.search(text) is not None and (self.barred is None or self.barred.search(text) is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """All rules that hold for one city, in the order in which they are tried, and what identifies them."""

    city: str
    call_types: tuple[Rule, ...]
    raises: tuple[Rule, ...]
    sensitive: tuple[Rule, ...]
    origin_hints: tuple[Rule, ...]
    sources: tuple[Rule, ...]
    dispositions: tuple[Rule, ...]
    phrases: tuple[tuple[Any, str], ...]
    words: Mapping[str, str]
    version: str
    content_hash: str
    draft_files: tuple[str, ...]

    @property
    def is_draft(self) -> bool:
        """Whether some rule file has no reviewer: the screens then say so."""
        return bool(self.draft_files)


@lru_cache(maxsize=1)
def needs() -> dict[str, Need]:
    """The needs and classes by id, in the order of `data/needs.toml`.

    Raises
    ------
    ConfigError
        All faults of the file at once.
    """
    path = data_path("needs.toml")
    raw = tomllib.loads(path.read_text(encoding="utf-8")).get("needs", [])
    found, faults = {}, []
    for entry in raw:
        try:
            need = Need(**{"tier": None, **entry, "legs": tuple(entry.get("legs", ()))})
        except TypeError as error:
            faults.append(f"needs.{entry.get('id', '?')}: expected the keys of a need, got [{error}]")
            continue
        if need.kind not in ("need", "class") or not set(need.legs) <= set(LEGS) or need.id in found:
            faults.append(f"needs.{need.id}: expected a new id, a kind need or class, legs of {LEGS}, got [{need}]")
        found[need.id] = need
    if faults:
        raise ConfigError(str(path.name), faults)
    return found


def call_rules(city: str = "", *, files: Sequence[Path] = (), off: Iterable[str] = ()) -> RuleBook:
    """The rule book of a city: the common rules, then those whose `city` is its slug, then `files`.

    Rules are tried by band, within a band those of the city first, then in file order. `off` names switches that
    the law of the place turns off (rules then no longer mark a call criminal), for instance `public_intoxication`.

    Raises
    ------
    ConfigError
        All faults of all files at once: unknown keys, faulty patterns, double ids, unknown needs or tiers.
    """
    return _call_rules(city, tuple(files), frozenset(off))


def dispositions(city: str = "") -> tuple[Rule, ...]:
    """The disposition rules that hold for a city, in order."""
    return call_rules(city).dispositions


def origins() -> tuple[Rule, ...]:
    """The rules that read a call-source column, in order."""
    return call_rules().sources


def version(city: str = "") -> str:
    """The version of the rules of a city: the highest of its files, and the start of their content hash."""
    book = call_rules(city)
    return f"{book.version}+{book.content_hash[:12]}"


def content_hash(city: str = "") -> str:
    """SHA-256 over the rule files of a city and `needs.toml`, which changes whenever a rule does."""
    return call_rules(city).content_hash


@lru_cache(maxsize=32)
def _call_rules(city: str, files: tuple[Path, ...], off: frozenset[str]) -> RuleBook:
    own = sorted(data_path("rules").glob("*.toml"))
    texts = {path.name: path.read_bytes() for path in (*own, *files)}
    faults: list[str] = []
    heads = {name: head for name, text in texts.items() if (head := _head(name, text, faults)) is not None}
    heads = {name: head for name, head in heads.items() if head.get("city", "") in ("", city)}
    define = {key: value for head in heads.values() for key, value in head.get("define", {}).items()}
    rules = [
        rule
        for name, head in heads.items()
        for entry in head.get("rules", [])
        if (rule := _rule(name, head, entry, define, faults)) is not None
    ]
    faults += [f"{twin}: expected each id once" for twin in _twins(rule.id for rule in rules)]
    phrases = _phrases(heads, faults)
    if faults:
        raise ConfigError("rules", faults)
    rules = [replace(rule, is_criminal=False) if rule.switch in off and rule.switch else rule for rule in rules]
    rules.sort(key=lambda rule: (rule.band, not rule.city))
    by_kind = {kind: tuple(rule for rule in rules if rule.kind == kind) for kind in KINDS}
    return RuleBook(
        city=city,
        call_types=by_kind["call_type"],
        raises=by_kind["raise"],
        sensitive=by_kind["sensitive"],
        origin_hints=by_kind["origin_hint"],
        sources=by_kind["source"],
        dispositions=by_kind["disposition"],
        phrases=phrases,
        words={key: value for head in _general_first(heads) for key, value in head.get("words", {}).items()},
        version=max((str(head["version"]) for head in heads.values()), default="0"),
        content_hash=_hash({name: texts[name] for name in heads}, off),
        draft_files=tuple(name for name, head in heads.items() if not head.get("reviewed_by")),
    )


def _head(name: str, text: bytes, faults: list[str]) -> dict[str, Any] | None:
    try:
        head = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        faults.append(f"{name}: expected TOML in UTF-8, got [{error}]")
        return None
    faults += [f"{name}.{key}: unknown key; known are {sorted(_HEAD)}" for key in set(head) - _HEAD]
    if not head.get("version"):
        faults.append(f"{name}.version: expected a version like [1.0.0], got nothing")
        head["version"] = "0"
    if head.get("kind", "call_type") not in KINDS:
        faults.append(f"{name}.kind: expected one of {KINDS}, got [{head['kind']}]")
    if head.get("field", "text") not in ("text", "code"):
        faults.append(f"{name}.field: expected text or code, got [{head['field']}]")
    return head


def _rule(
    name: str, head: Mapping[str, Any], entry: Mapping[str, Any], define: Mapping[str, str], faults: list[str]
) -> Rule | None:
    where = f"{name}.{entry.get('id', '?')}"
    kind = head.get("kind", "call_type")
    wrong = [f"{where}.{key}: unknown key; known are {sorted(_RULE)}" for key in set(entry) - _RULE]
    wrong += [f"{where}.{key}: expected text, got nothing" for key in ("id", "pattern") if not entry.get(key)]
    if kind == "call_type" and "band" not in entry:
        wrong.append(f"{where}.band: expected the precedence band, a whole number, got nothing")
    checks: list[tuple[str, Sequence[Any]]] = [
        ("sensitive", SENSITIVE),
        ("origin", ("", *ORIGINS)),
        ("outcome", ("", *OUTCOMES)),
        ("tier", (0, 1, 2, 3, "unknown")),
    ]
    if kind == "call_type" or "need" in entry:
        checks.append(("need", tuple(needs())))
    for key, known in checks:
        if key in entry and entry[key] not in known:
            wrong.append(f"{where}.{key}: expected one of {list(known)}, got [{entry[key]}]")
    if kind == "call_type" and "need" not in entry:
        wrong.append(f"{where}.need: expected a need, got nothing")
    if unknown := set(entry.get("secondary", ())) - set(needs()):
        wrong.append(f"{where}.secondary: expected needs, got {sorted(unknown)}")
    found = _compiled(f"{where}.pattern", entry.get("pattern", "x"), define, wrong)
    barred = _compiled(f"{where}.unless", entry["unless"], define, wrong) if entry.get("unless") else None
    faults += wrong
    if wrong:
        return None
    fields = {**entry, "secondary": tuple(entry.get("secondary", ()))}
    tier = entry.get("tier", needs()[entry["need"]].tier if "need" in entry else None)
    fields["tier"] = None if tier == "unknown" else tier
    fields.setdefault("is_criminal", entry.get("need") == "criminal")
    return Rule(
        **fields, kind=kind, field=head.get("field", "text"), city=head.get("city", ""), found=found, barred=barred
    )


def _compiled(where: str, pattern: str, define: Mapping[str, str], faults: list[str]) -> Any:
    for key, value in define.items():
        pattern = pattern.replace("{{" + key + "}}", value)
    if len(pattern) > MAX_PATTERN:
        faults.append(f"{where}: expected at most {MAX_PATTERN} characters, got [{len(pattern)}]; split the rule")
        return None
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        faults.append(f"{where}: expected a pattern RE2 can read (no look-around, use unless), got [{error}]")
        return None


def _phrases(heads: Mapping[str, Mapping[str, Any]], faults: list[str]) -> tuple[tuple[Any, str], ...]:
    pairs = [
        (_compiled(f"{name}.phrases.{key}", key, {}, faults), value)
        for name, head in heads.items()
        for key, value in head.get("phrases", {}).items()
    ]
    return tuple(pair for pair in pairs if pair[0] is not None)


def _general_first(heads: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(heads.values(), key=lambda head: bool(head.get("city")))


def _twins(ids: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return sorted({one for one in ids if one in seen or seen.add(one)})  # type: ignore[func-returns-value]


def _hash(texts: Mapping[str, bytes], off: frozenset[str]) -> str:
    digest = hashlib.sha256()
    for name in sorted(texts):
        digest.update(name.encode() + b"\0" + texts[name] + b"\0")
    digest.update(data_path("needs.toml").read_bytes())
    digest.update("\0".join(sorted(off)).encode())
    return digest.hexdigest()
