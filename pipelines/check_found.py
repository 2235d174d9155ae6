"""What a check gathers as it goes, and the few things every part of it does."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.city_section import hint, shown
from pipelines.readers.header import fold
from pipelines.readers.sandbox import run_confined


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What one file holds. `blank_share` per column of ours (0–1); `facts` are the other measures, by name."""

    id: str
    kind: str
    path: str
    rows: int | None = None
    columns: tuple[str, ...] = ()
    blank_share: tuple[tuple[str, float], ...] = ()
    facts: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Faults, notes and profiles so far, of files below one folder."""

    folder: Path
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    profiles: list[Profile] = field(default_factory=list)

    def fault(self, where: str, message: str, code: str) -> None:
        """Note what stops a run."""
        self.faults.append(f"{where}: {message} ({code})")

    def note(self, where: str, message: str) -> None:
        """Note what a person should know first."""
        self.notes.append(f"{where}: {message}")

    def add(self, other: "Found") -> None:
        """Take over what another check found."""
        self.faults.extend(other.faults)
        self.notes.extend(other.notes)
        self.profiles.extend(other.profiles)

    def path_of(self, where: str, name: str, *, is_folder: bool = False) -> Path | None:
        """The path, or None and a fault with the nearest name; a link may not lead out of the data folder."""
        path = self.folder / name
        if not path.resolve().is_relative_to(self.folder.resolve()):
            message = f"[{shown(name)}] leads out of the data folder; copy the file into it"
            self.fault(f"{where}.path", message, "DATA_PATH")
            return None
        if path.is_dir() if is_folder else path.is_file():
            return path
        beside = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
        kind = "folder" if is_folder else "file"
        at = f" in {path.parent.relative_to(self.folder)}" if path.parent != self.folder else ""
        self.fault(f"{where}.path", f"no {kind} [{shown(path.name)}]{at}{hint(path.name, beside)}", "DATA_MISSING")
        return None


def compare_columns(
    where: str,
    header: Sequence[str],
    columns: Iterable[tuple[str, Sequence[str]]],
    unused: Sequence[str],
    found: Found,
) -> None:
    """Mapped columns that the file lacks, file columns nobody speaks for, declared names that match nothing.

    Names are compared without regard to case and blanks, as a run compares them.
    """
    mapped = [(ours, name) for ours, theirs in columns for name in theirs]
    there = {fold(name) for name in header}
    spoken = {fold(name) for _, name in mapped} | {fold(name) for name in unused}
    left = [name for name in header if fold(name) not in spoken]
    missing = [(ours, name) for ours, name in mapped if fold(name) not in there]
    for ours, name in missing:
        near = hint(name, left or header)
        found.fault(f"{where}.columns.{ours}", f"the file has no column [{shown(name)}]{near}", "DATA_COLUMN")
    for name in left:
        near = hint(name, [lost for _, lost in missing]) if missing else ""
        do = near or "; map it in columns or list it in unused"
        found.fault(where, f"column [{shown(name)}] is neither used nor declared unused{do}", "DATA_COLUMN")
    for name in unused:
        if fold(name) not in there:
            found.note(f"{where}.unused", f"no column of the file is named [{shown(name)}]{hint(name, header)}")


def confined(function: str, path: Path, order: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of a function of `check_profile` about one file, from a confined child."""
    with tempfile.TemporaryDirectory(prefix="unmet-") as out:
        extra = {"out": out} if function == "profile_table" else {}
        done = run_confined(
            f"pipelines.check_profile:{function}",
            {"path": str(path.resolve()), **extra, **order},
            path=path.resolve(),
            out=out,
        )
    answer: dict[str, Any] = done.value
    return answer


def profile_of(name: str, kind: str, path: str, answer: Mapping[str, Any]) -> Profile:
    """The profile of a table that was measured."""
    facts: dict[str, Any] = {}
    for ours, seen in answer.get("times", {}).items():
        facts |= {f"{ours} first": seen["first"], f"{ours} last": seen["last"], f"{ours} unread": seen["unread"]}
    for ours, words in answer.get("words", {}).items():
        facts[f"{ours} values"] = [list(pair) for pair in words]
    if answer.get("refused"):
        facts["rows refused"] = answer["refused"]
    if "inside" in answer:
        facts |= {"located": answer["inside"]["located"], "inside_share": round(answer["inside"]["share"], 4)}
        facts["points"] = answer["inside"]["points"]
    for key, label in (("n_types", "call types"), ("repeated", "repeated ids")):
        if key in answer:
            facts[label] = answer[key]
    return Profile(
        id=name,
        kind=kind,
        path=path,
        rows=answer["rows"],
        columns=tuple(answer["header"]),
        blank_share=tuple((ours, round(share, 4)) for ours, share in answer.get("blank", {}).items()),
        facts=tuple(facts.items()),
    )
