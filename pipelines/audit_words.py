"""What may stand in the audit log: known actions, short words, no coordinates and no street addresses."""

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from geo.errors import InputError

ACTIONS = ("view", "download", "release", "retire", "open", "refuse", "sign_in", "attest", "recover")
MOST_KEYS, LONGEST_TEXT, LONGEST_LIST, DEEPEST, LARGEST = 40, 400, 200, 4, 10**15

_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_POINT = re.compile(
    r"[0-9]\.[0-9]{4,}|(?<![0-9])[0-9]{1,3},[0-9]{4,}(?![0-9]*,)|[0-9][.,][0-9]+e[+-]?[0-9]|[0-9]{1,3}\s*°|[0-9]{5,7}\.[0-9]+\D+[0-9]{5,7}\.[0-9]"
)
_WKT = re.compile(r"\b(?:point|linestring|polygon|multipoint|multipolygon)\s*(?:z|m)?\s*\(", re.IGNORECASE)
_STREET = (
    r"(?:st|street|str|ave?|avenue|rd|road|blvd|boulevard|dr|drive|ln|lane|ct|court|pl|place|way|ter|terrace|cir|circle"
    r"|pkwy|parkway|hwy|highway|sq|square|aly|alley|trl|trail|plz|plaza|row|loop|walk)"
)
_ADDRESS = re.compile(
    rf"\b[0-9]+[a-z]?(?:-[a-z0-9]+)?\s+(?:[\w'.-]+\s+){{1,4}}{_STREET}\b"
    r"|\b[0-9]+\s+blo?c?k\b|\bblock\s+of\b"
    rf"|\b[\w'.-]+\s+{_STREET}\.?\s*(?:/|&|@|\band\b|\bat\b)\s*[\w'.-]+\s+{_STREET}\b"
    r"|\b[0-9]+\s+(?:[nsew]\.?\s+)?(?:us|state|county|cr|sr|i|rte|route|hwy|highway)[\s-]+[0-9]+"
    r"|\bp\.?\s?o\.?\s+box\s+[0-9]+|\b(?:apt|apartment|suite|unit)\.?\s*#?\s*[0-9]+",
    re.IGNORECASE,
)


def check_entry(said: Mapping[str, Any]) -> None:
    """Nothing; refuses an entry that must not be in a log.

    Raises:
        InputError: an unknown action, a word that is none, a value too long, or one that looks like a coordinate of
            more than three decimals or like a street address. The value is not repeated.
    """
    if said["action"] not in ACTIONS:
        raise InputError(f"action: expected one of {', '.join(ACTIONS)}, got [{str(said['action'])[:40]}]")
    for key in ("role", "purpose"):
        if not isinstance(said[key], str) or not (said[key] == "" or _WORD.fullmatch(said[key])):
            raise InputError(f"{key}: expected a lower-case word, got [{str(said[key])[:40]}]")
    for key in ("who", "release", "city"):
        if not isinstance(said[key], str):
            raise InputError(f"{key}: expected a text, got [{type(said[key]).__name__}]")
    if not said["who"].strip():
        raise InputError("who: expected an account, got [nothing]; without signing in it is loopback")
    if isinstance(said["n_rows"], bool) or not isinstance(said["n_rows"], int) or not 0 <= said["n_rows"] <= LARGEST:
        raise InputError(f"n_rows: expected a whole number of rows, got [{str(said['n_rows'])[:40]}]")
    if not isinstance(said["what"], Mapping):
        raise InputError(f"what: expected names with values, got [{type(said['what']).__name__}]")
    for where, value in [*((key, said[key]) for key in ("who", "release", "city")), *_leaves("what", said["what"], 0)]:
        _check_value(where, value)


def _leaves(where: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > DEEPEST:
        raise InputError(f"{where}: expected at most {DEEPEST} tables in one another")
    if isinstance(value, Mapping):
        if len(value) > MOST_KEYS:
            raise InputError(f"{where}: expected at most {MOST_KEYS} names, got [{len(value)}]")
        for key, item in value.items():
            if not isinstance(key, str) or not _WORD.fullmatch(key):
                raise InputError(f"{where}: expected names of lower-case letters, got another")
            yield from _leaves(f"{where}.{key}", item, depth + 1)
    elif isinstance(value, list | tuple):
        if len(value) > LONGEST_LIST:
            raise InputError(f"{where}: expected at most {LONGEST_LIST} values, got [{len(value)}]; log their number")
        for item in value:
            yield from _leaves(where, item, depth + 1)
    else:
        yield where, value


def _check_value(where: str, value: Any) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, int):
        if abs(value) > LARGEST:
            raise InputError(f"{where}: expected a number of at most 15 digits, got a larger one")
        return
    if isinstance(value, float):
        if not math.isfinite(value) or round(value, 3) != value:
            raise InputError(
                f"{where}: a number of more than three decimals may be a coordinate; round it or leave it out"
            )
        return
    if not isinstance(value, str):
        raise InputError(f"{where}: expected a text, a number or true or false, got [{type(value).__name__}]")
    text = _plain(value)
    if len(text) > LONGEST_TEXT or not text.isprintable():
        raise InputError(f"{where}: expected one line of at most {LONGEST_TEXT} characters, got [{len(text)}]")
    if _POINT.search(text) or _WKT.search(text):
        raise InputError(f"{where}: this looks like a coordinate, which is never logged; log the id of the area")
    if _ADDRESS.search(text):
        raise InputError(f"{where}: this looks like a street address, which is never logged; log the id of the area")


def _plain(text: str) -> str:
    """The text with every script's digits and decimal sign as 0-9 and a point, so that none slips through."""
    folded = unicodedata.normalize("NFKC", text).replace("\N{ARABIC DECIMAL SEPARATOR}", ".")
    return "".join(str(unicodedata.decimal(one)) if one.isdecimal() else one for one in folded)
