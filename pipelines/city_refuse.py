"""What no city file may hold: secrets, and paths that lead to a network, a driver's trick or out of the folder."""

import re
from collections.abc import Mapping
from typing import Any

_SECRET_KEY = re.compile(
    r"secret|passw(or)?d|passphrase|pwd|(^|_)token|api_?key|private_?key|access_?key|auth_?key|mask_key|credential",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"://[^/\s:@]+:[^/\s@]+@|-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{20,}"
)
_AGENCY_WORDS = {"columns", "values", "where", "tier_priority_raise"}
_REMOTE = re.compile(r"^([a-z][a-z0-9+.\-]{1,}:|//|\\\\)", re.IGNORECASE)
_VIRTUAL = re.compile(r"^/vsi", re.IGNORECASE)


def secrets(table: Mapping[str, Any], where: str = "") -> list[tuple[str, str]]:
    """(key path, fault) of every key or value that looks like a secret; the value is never repeated."""
    found = []
    for key, value in table.items():
        path = f"{where}.{key}" if where else key
        if isinstance(value, Mapping):
            found += secrets(value, path)
        elif _SECRET_KEY.search(key) and not _AGENCY_WORDS & set(where.split(".")):
            found.append((path, _fault(path, "the key is named like a secret")))
        elif any(isinstance(v, str) and _SECRET_VALUE.search(v) for v in _flat(value)):
            found.append((path, _fault(path, "the value looks like a secret")))
    return found


def without_secrets(table: Mapping[str, Any], paths: set[str], where: str = "") -> dict[str, Any]:
    """The same tables without the keys at `paths`, so that no later message can repeat a secret."""
    out: dict[str, Any] = {}
    for key, value in table.items():
        path = f"{where}.{key}" if where else key
        if path not in paths:
            out[key] = without_secrets(value, paths, path) if isinstance(value, Mapping) else value
    return out


def path_fault(text: str) -> str | None:
    """Why a path may not be used, or None: it must be relative, local, and stay below the data folder."""
    if _VIRTUAL.match(text) or _REMOTE.match(text):
        kind = "/vsi" if _VIRTUAL.match(text) else text.split(":", 1)[0] + ":" if ":" in text else "//"
        return (
            f"expected the name of a local file, got an address of another kind [{kind[:20]}…]; "
            "download the file and name it relative to the data folder (CONFIG_REMOTE_PATH)"
        )
    parts = text.replace("\\", "/").split("/")
    if text.startswith(("/", "~")) or "\\" in text or ":" in text or ".." in parts:
        return (
            f"expected a path relative to the data folder, with / and without .., got [{_short(text)}]; "
            "use --data-root to say where the folder is (CONFIG_PATH)"
        )
    if any(not c.isprintable() for c in text) or set(text) & set("*?[]{}|<>\"'`$"):
        return f"expected a plain file name without wildcards or quotes, got [{_short(text)}] (CONFIG_PATH)"
    return None


def _fault(path: str, why: str) -> str:
    do = "take it out; settings like this are read from environment variables only"
    return f"{path}: {why}, which no city file may hold; {do} (CONFIG_SECRET)"


def _flat(value: Any) -> list[Any]:
    if not isinstance(value, list):
        return [value]
    out = []
    for item in value:
        out += _flat(list(item.values())) if isinstance(item, Mapping) else _flat(item)
    return out


def _short(text: str) -> str:
    plain = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return plain if len(plain) <= 60 else plain[:59] + "…"
