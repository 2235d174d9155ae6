"""A table of a TOML read key by key: typed values out, every fault kept with its key path.

A getter never raises: it notes the fault and hands back the default, so that all faults show at once.
"""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

_MISSING: Any = object()
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LONGEST = 60


def hint(word: str, known: Iterable[str]) -> str:
    """A near-name hint as a clause, or nothing: `; did you mean received_at?`."""
    names = list(known)
    folded = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.6)
    if near:
        return f"; did you mean {folded[near[0]]}?"
    if 0 < len(names) <= 20:
        return f"; known here: {', '.join(names)}"
    return ""


def shown(value: object) -> str:
    """A value as it may stand in a message: one line, short, no control characters."""
    text = str(value) if isinstance(value, str) else repr(value)
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table of the file, where it stands, the faults found so far and the keys asked for."""

    where: str
    table: Mapping[str, Any]
    faults: list[str]
    asked: set[str] = field(default_factory=set)

    def path(self, key: str = "") -> str:
        """The key path of `key`, or of the table itself."""
        return ".".join(part for part in (self.where, key) if part)

    def fault(self, key: str, message: str, code: str = "CONFIG_VALUE") -> None:
        """Note a fault of `key`."""
        self.faults.append(f"{self.path(key)}: {message} ({code})")

    def wrong(self, key: str, expected: str, value: object, do: str = "") -> None:
        """Note a value that is not what was expected."""
        self.fault(key, f"expected {expected}, got [{shown(value)}]" + (f"; {do}" if do else ""))

    def has(self, key: str) -> bool:
        """Whether the key is there; it counts as known."""
        self.asked.add(key)
        return key in self.table

    def get(self, key: str, default: Any, expected: str) -> Any:
        """The raw value, or the default; a fault where it is missing and has no default."""
        self.asked.add(key)
        if key in self.table:
            return self.table[key]
        if default is _MISSING:
            self.fault(key, f"missing; expected {expected}", "CONFIG_MISSING")
        return _MISSING

    def text(self, key: str, default: Any = _MISSING, *, choices: Iterable[str] = (), about: str = "a text") -> str:
        """A text that is not blank, one of `choices` where there are any."""
        options = tuple(choices)
        expected = f"one of {', '.join(options)}" if options else about
        value = self.get(key, default, expected)
        if value is _MISSING:
            return "" if default is _MISSING else str(default)
        if not isinstance(value, str) or not value.strip():
            self.wrong(key, expected, value, "write it in quotes" if not isinstance(value, str) else "")
        elif options and value not in options:
            self.fault(key, f"expected {expected}, got [{shown(value)}]{hint(value, options)}")
        else:
            return value
        return options[0] if options else ""

    def maybe(self, key: str, *, about: str = "a text") -> str | None:
        """A text, or None where the key is absent."""
        return self.text(key, about=about) if self.has(key) else None

    def number(self, key: str, default: Any = _MISSING, *, low: float, high: float, unit: str = "") -> float:
        """A finite number within [low, high]."""
        expected = f"a number from {low:g} to {high:g}{' ' + unit if unit else ''}"
        value = self.get(key, default, expected)
        if value is _MISSING:
            return low if default is _MISSING else float(default)
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if is_number and low <= value <= high:
            return float(value)
        self.wrong(key, expected, value)
        return low

    def whole(self, key: str, default: Any = _MISSING, *, low: int, high: int) -> int:
        """A whole number within [low, high]."""
        expected = f"a whole number from {low} to {high}"
        value = self.get(key, default, expected)
        if value is _MISSING:
            return low if default is _MISSING else int(default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.wrong(key, expected, value)
            return low
        return value

    def flag(self, key: str, default: bool) -> bool:
        """true or false."""
        value = self.get(key, default, "true or false")
        if value is _MISSING:
            return default
        if not isinstance(value, bool):
            self.wrong(key, "true or false", value, "write it without quotes")
            return default
        return value

    def day(self, key: str, default: Any = _MISSING) -> date | None:
        """A date without a time."""
        value = self.get(key, default, "a date as 2024-01-31")
        if value is _MISSING:
            return None if default is _MISSING else default
        return self.as_day(key, value)

    def as_day(self, key: str, value: object) -> date | None:
        """The value if it is a date, else None and a fault."""
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        self.wrong(key, "a date as 2024-01-31", value, "write it without quotes and without a time")
        return None

    def items(self, key: str, default: Any = _MISSING, *, expected: str) -> list[Any]:
        """A list as it stands."""
        value = self.get(key, default, expected)
        if value is _MISSING:
            return []
        if not isinstance(value, list):
            self.wrong(key, expected, value)
            return []
        return value

    def texts(self, key: str, *, choices: Iterable[str] = ()) -> tuple[str, ...]:
        """A list of texts without repeats, each one of `choices` where there are any; () where absent."""
        options = tuple(choices)
        out: list[str] = []
        for at, value in enumerate(self.items(key, (), expected="a list of texts")):
            here = f"{key}[{at}]"
            if not isinstance(value, str) or not value.strip():
                self.wrong(here, "a text", value)
            elif options and value not in options:
                self.fault(here, f"expected one of {', '.join(options)}, got [{shown(value)}]{hint(value, options)}")
            elif value in out:
                self.fault(here, f"listed twice [{shown(value)}]; keep one")
            else:
                out.append(value)
        return tuple(out)

    def section(self, key: str) -> "Section":
        """The table under `key`; empty where absent, and a fault where it is no table."""
        value = self.get(key, None, "a table")
        if value is not _MISSING and not isinstance(value, Mapping):
            self.wrong(key, f"a table [{self.path(key)}]", value)
        table = value if value is not _MISSING and isinstance(value, Mapping) else {}
        return Section(where=self.path(key), table=table, faults=self.faults)

    def named(self) -> list[tuple[str, "Section"]]:
        """The tables under this one by name; names are lower-case words."""
        out = []
        for name in self.table:
            self.asked.add(name)
            if not _NAME.fullmatch(name):
                self.fault(shown(name), "expected a name of lower-case letters, digits and _", "CONFIG_KEY")
            elif not isinstance(self.table[name], Mapping):
                self.wrong(name, f"a table [{self.path(name)}]", self.table[name])
            else:
                out.append((name, self.section(name)))
        return out

    def rows(self, key: str) -> list["Section"]:
        """A list of tables, each as a section; empty where absent."""
        out = []
        for at, value in enumerate(self.items(key, (), expected="a list of tables")):
            if isinstance(value, Mapping):
                out.append(Section(where=f"{self.path(key)}[{at}]", table=value, faults=self.faults))
            else:
                self.wrong(f"{key}[{at}]", "a table in braces", value)
        return out

    def pairs(self, key: str, *, value_about: str = "a text") -> tuple[tuple[str, str], ...]:
        """A table of text to text, or to a list of texts, as pairs: one pair for each text."""
        section = self.section(key)
        out: list[tuple[str, str]] = []
        for name, value in section.table.items():
            several = section.texts(name) if isinstance(value, list) else (section.text(name, about=value_about),)
            out += [(name, one) for one in several if one]
        return tuple(out)

    def done(self) -> None:
        """Note every key nobody asked for, with the near name."""
        for key in self.table:
            if key not in self.asked:
                unused = sorted(self.asked - set(self.table)) or sorted(self.asked)
                self.fault(shown(key), f"unknown key{hint(key, unused)}", "CONFIG_KEY")
