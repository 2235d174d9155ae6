"""Call types, dispositions and call sources of an agency, read with the rules of a city.

Everything here is a function of distinct strings: a city has hundreds of call types and millions of calls, so the
strings are classified once and joined to the calls afterwards. Cost: distinct strings × rules.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from geo.errors import InputError
from pipelines.vocabulary import ORIGINS, Rule, RuleBook, needs

MAX_TEXT = 300
_TOKEN = re.compile(r"[A-Z0-9][A-Z0-9'&]*")
_DASHED = re.compile(r"^([A-Z0-9]{1,6}(?:/[A-Z0-9]{1,4})?) ?- (?=\S)(.+)$")
_DETERMINANT = re.compile(r"^(1[0-3]\d[A-EO])[ :-]+(.+)$")
_MEDICAL = re.compile(r"^(\d{1,2}-[A-EO]-?\d{1,2}[A-Z]?|\d{1,2}[A-EO]\d{2}[A-Z]?)[ :-]+(.+)$")
_TEN = re.compile(r"^(10-\d{1,3}[A-Z]?)[ :-]+(.+)$")
_AGENCY = re.compile(r"^(EMS|FIRE|TRAFFIC|POLICE|LAW)\s*:\s*(.+)$")
_NUMBERED = re.compile(r"^(\d{2,5}[A-Z]{0,3}\d?)\s*[:|]\s*(.+)$")
_BARE = re.compile(r"^[A-Z0-9./-]{1,12}$")
_NEVER_RAISED = ("administrative", "alarm", "traffic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the rules say of one call type; `tier` None means unknown."""

    need: str
    need_secondary: tuple[str, ...]
    is_criminal: bool
    tier: int | None
    sensitive: str
    origin_hint: str
    rule: str
    is_code: bool
    is_status: bool
    confidence: Literal["rule", "fallback", "none"]


def normalise(text: object, rulebook: RuleBook | None = None) -> tuple[str, str]:
    """The (code, text) of an agency's string, upper case, as the rules expect them.

    NFKC; HTML entities, controls and invisible characters go; leading `-*#` and trailing `-` go; a leading
    structured code (`121C_`, `11V - `, `10-56 `, `EMS: `) moves to `code`; a string that is one token is its own
    code as well; phrases and abbreviations of the rule book are written out in the text. Missing gives ("", "").

    >>> normalise("--121C_Mental  disorder")
    ('121C', 'MENTAL DISORDER')
    """
    if text is None or pd.isna(text):  # type: ignore[call-overload]
        return "", ""
    plain = unicodedata.normalize("NFKC", html.unescape(str(text)[:MAX_TEXT]))
    plain = "".join(_visible(char) for char in plain).upper().replace("_", " ")
    plain = " ".join(plain.split()).lstrip("-*# .").rstrip("-* ")
    code, rest = _code(plain)
    if rulebook is not None:
        for pattern, value in rulebook.phrases:
            rest = pattern.sub(value, rest)
        rest = _TOKEN.sub(lambda found: rulebook.words.get(found[0], found[0]), rest)
    return code, " ".join(rest.split())


def _visible(char: str) -> str:
    kind = unicodedata.category(char)
    if kind == "Cf":
        return ""
    return " " if kind in ("Cc", "Zl", "Zp") or char.isspace() else char


def _code(plain: str) -> tuple[str, str]:
    for shape in (_DETERMINANT, _MEDICAL, _TEN, _AGENCY, _NUMBERED):
        if (found := shape.match(plain)) and found[1] not in ("911", "988"):
            return found[1], found[2]
    if found := _DASHED.match(plain):
        has_digit = any(char.isdigit() for char in found[1])
        if has_digit and found[1] not in ("911", "988"):
            return found[1], found[2]
        if not has_digit and len(found[1]) <= 4:
            return found[1], plain
    return (plain if _BARE.match(plain) else ""), plain


def read_type(text: object, rulebook: RuleBook) -> Reading:
    """What the rules say of one call type: the first rule that fires gives need, later needs become secondary.

    The tier is that of the rule, raised by every `raise` rule that fires and never lowered; an unknown tier becomes
    known only at tier 3. Criminal rules keep the need words they hold as secondary needs unless they absorb them.
    """
    code, words = normalise(text, rulebook)
    fired = [rule for rule in rulebook.call_types if rule.fires(code if rule.field == "code" else words)]
    sensitive = next((rule.sensitive for rule in rulebook.sensitive if rule.fires(words)), "none")
    hint = next((rule.origin for rule in rulebook.origin_hints if rule.fires(words)), "")
    if not fired:
        return Reading(
            need="unmatched",
            need_secondary=(),
            is_criminal=False,
            tier=_lifted(None, code, words, rulebook),
            sensitive=sensitive,
            origin_hint=hint,
            rule="",
            is_code=False,
            is_status=not words,
            confidence="none",
        )
    first = fired[0]
    return Reading(
        need=first.need,
        need_secondary=_secondary(first, fired[1:]),
        is_criminal=first.is_criminal,
        tier=first.tier if first.need in _NEVER_RAISED else _lifted(first.tier, code, words, rulebook),
        sensitive=first.sensitive if first.sensitive != "none" else sensitive,
        origin_hint=first.origin or hint,
        rule=first.id,
        is_code=first.field == "code",
        is_status=first.is_status,
        confidence="fallback" if first.is_fallback else "rule",
    )


def _secondary(first: Rule, later: list[Rule]) -> tuple[str, ...]:
    known = needs()
    found = list(first.secondary)
    if not first.absorbs and first.need not in ("administrative", "alarm"):
        found += [rule.need for rule in later if known[rule.need].in_scope and not rule.is_fallback]
    return tuple(need for need in dict.fromkeys(found) if need != first.need)[:2]


def _lifted(tier: int | None, code: str, words: str, rulebook: RuleBook) -> int | None:
    lifts = (rule.tier or 0 for rule in rulebook.raises if rule.fires(code if rule.field == "code" else words))
    return _higher(tier, max(lifts, default=0))


def _higher(tier: int | None, lift: int) -> int | None:
    if tier is None:
        return 3 if lift == 3 else None
    return max(tier, lift)


def raise_by_priority(tier: int | None, priority: object, raises: Mapping[str, int]) -> int | None:
    """The tier after the city's `tier_priority_raise`: never lower, and unknown becomes known only at tier 3."""
    return _higher(tier, raises.get(str(priority).strip().upper(), 0))


def classify_types(types: pd.DataFrame, rulebook: RuleBook) -> pd.DataFrame:
    """One row per row of `types`, on its index: the call type used and what the rules say of it.

    `types` holds distinct pairs of `call_type_final` and `call_type_initial` (either column may be absent). The
    final type is used where it exists and is no status such as *supplemental*, else the initial one; if that is
    missing too, the status stands. Columns: call_type_final, call_type_initial, call_type, need, need_secondary
    (list of text), is_criminal, tier (Int64, missing = unknown), sensitive, origin_hint, rule, basis {final,
    initial, code}, confidence {rule, fallback, none}.

    Raises
    ------
    InputError
        Neither column is there.
    """
    names = ("call_type_final", "call_type_initial")
    if not set(names) & set(types.columns):
        raise InputError(f"expected call_type_final or call_type_initial, got columns {list(types.columns)}")
    columns = {name: _texts(types, name) for name in names}
    memo: dict[str, Reading] = {}
    rows = []
    for final, initial in zip(columns[names[0]], columns[names[1]], strict=True):
        for text in (final, initial):
            if text is not None and text not in memo:
                memo[text] = read_type(text, rulebook)
        used, basis = _used(final, initial, memo)
        rows.append(_row(final, initial, used, basis, memo))
    frame = pd.DataFrame(rows, index=types.index, columns=list(_row(None, None, None, "final", memo)))
    return frame.astype({"is_criminal": bool, "tier": "Int64"})


def _texts(types: pd.DataFrame, name: str) -> list[str | None]:
    if name not in types.columns:
        return [None] * len(types)
    return [None if pd.isna(value) or not normalise(value)[1] else str(value) for value in types[name]]


def _used(final: str | None, initial: str | None, memo: Mapping[str, Reading]) -> tuple[str | None, str]:
    if final is None or (memo[final].is_status and initial is not None):
        return (initial, "initial") if initial is not None else (None, "final")
    return final, "final"


def _row(
    final: str | None, initial: str | None, used: str | None, basis: str, memo: Mapping[str, Reading]
) -> dict[str, object]:
    reading = memo.get(used) if used is not None else None
    return {
        "call_type_final": final,
        "call_type_initial": initial,
        "call_type": used,
        "need": reading.need if reading else "unmatched",
        "need_secondary": list(reading.need_secondary) if reading else [],
        "is_criminal": reading.is_criminal if reading else False,
        "tier": reading.tier if reading else None,
        "sensitive": reading.sensitive if reading else "none",
        "origin_hint": reading.origin_hint if reading else "",
        "rule": reading.rule if reading else "",
        "basis": "code" if reading and reading.is_code else basis,
        "confidence": reading.confidence if reading else "none",
    }


def classify_dispositions(values: Iterable[object], rulebook: RuleBook) -> pd.DataFrame:
    """One row per distinct disposition, in the order given.

    Columns: disposition, is_resolved (nullable; false only for unfounded, cancelled, duplicate; missing where the
    text is missing or no rule knows it), no_one_found, need_secondary (list of text), outcome_class, rule. Several
    rules may speak: the first that names a resolution, the first that names an outcome, all that name a need.
    """
    rows = []
    for value in dict.fromkeys(None if pd.isna(value) else value for value in values):  # type: ignore[call-overload]
        code, words = normalise(value, rulebook)
        fired = [
            rule for rule in rulebook.dispositions if words and rule.fires(code if rule.field == "code" else words)
        ]
        rows.append(
            {
                "disposition": value,
                "is_resolved": next((r.is_resolved for r in fired if r.is_resolved is not None), None),
                "no_one_found": next((r.no_one_found for r in fired if r.is_resolved is not None), False),
                "need_secondary": list(dict.fromkeys(need for r in fired for need in r.secondary))[:2],
                "outcome_class": next((r.outcome for r in fired if r.outcome), "unknown"),
                "rule": fired[0].id if fired else "",
            }
        )
    columns = ["disposition", "is_resolved", "no_one_found", "need_secondary", "outcome_class", "rule"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({"is_resolved": "boolean", "no_one_found": bool})


def classify_origins(
    values: Iterable[object], rulebook: RuleBook, *, mapping: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """One row per distinct call source: call_source, origin, rule.

    `mapping` is the city's own reading of its values (compared in upper case) and wins; then the source rules.
    What neither knows, and what is missing, is `unknown`.

    Raises
    ------
    InputError
        The mapping names an origin that does not exist.
    """
    own = {normalise(key)[1]: origin for key, origin in (mapping or {}).items()}
    if wrong := sorted(set(own.values()) - set(ORIGINS)):
        raise InputError(f"expected origins of {list(ORIGINS)}, got {wrong}")
    rows = []
    for value in dict.fromkeys(None if pd.isna(value) else value for value in values):  # type: ignore[call-overload]
        words = normalise(value)[1]
        rule = next((rule for rule in rulebook.sources if words and rule.fires(words)), None)
        if words in own:
            rows.append((value, own[words], "city"))
        else:
            rows.append((value, rule.origin if rule else "unknown", rule.id if rule else ""))
    return pd.DataFrame(rows, columns=["call_source", "origin", "rule"])


def inferred_origin(origin_hint: str) -> str:
    """The origin where a city has no source column: `officer` where the type is on the officer list, else
    `community`."""
    return "officer" if origin_hint == "officer" else "community"


def merge_secondary(need: str, secondary: Iterable[str], more: Iterable[str]) -> list[str]:
    """The secondary needs of a call, at most two: those of its type, then those of its disposition."""
    return [one for one in dict.fromkeys([*secondary, *more]) if one != need][:2]


def transition_matrix(pairs: pd.DataFrame, rulebook: RuleBook) -> pd.DataFrame:
    """Calls by need of the initial type (rows) and need of the final type (columns).

    `pairs` holds call_type_initial, call_type_final and n_calls. Rows and columns are all needs and classes in the
    order of `needs.toml`; pairs where either type is missing do not count. It says how often the first words
    changed, which bounds how many calls of a need the first words miss.
    """
    known = list(needs())
    both = pairs.dropna(subset=["call_type_initial", "call_type_final"])
    distinct = pd.unique(pd.concat([both["call_type_initial"], both["call_type_final"]]))
    need = {text: read_type(text, rulebook).need for text in distinct}
    table = pd.DataFrame(
        {
            "initial": both["call_type_initial"].map(need),
            "final": both["call_type_final"].map(need),
            "n_calls": both["n_calls"],
        }
    )
    counts = table.groupby(["initial", "final"])["n_calls"].sum().unstack(fill_value=0)
    return counts.reindex(index=known, columns=known, fill_value=0).astype("int64")
