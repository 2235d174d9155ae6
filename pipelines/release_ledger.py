"""What releases to an audience have shown, kept in the store: full counts and states, never in a release.

A later release for the same audience keeps the counts of quarters that are out (late calls wait for an annual
revision) and is audited together with everything that earlier ones show.
"""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from geo.errors import StoreError, UnmetError
from pipelines.policy import Policy
from pipelines.release_protect import Earlier
from pipelines.store import Store

SCHEMA = "1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One release in the ledger: its base counts and every cell with its state."""

    release_id: str
    number: int
    quarters: tuple[str, ...]
    needs: str
    base: pd.DataFrame
    cells: pd.DataFrame


def folder_of(opened: Store, policy: Policy) -> Path:
    """Where the releases to one audience are kept."""
    return opened.folder / "ledger" / policy.audience


def read(opened: Store, policy: Policy) -> list[Entry]:
    """All releases to the policy's audience, oldest first.

    Raises:
        StoreError: an entry cannot be read; nothing may be published without it.
    """
    folder = folder_of(opened, policy)
    if not folder.is_dir():
        return []
    return sorted((_entry(path) for path in folder.iterdir() if not path.name.startswith(".")), key=lambda e: e.number)


def _entry(path: Path) -> Entry:
    try:
        told = json.loads((path / "ledger.json").read_text("utf-8"))
        return Entry(
            release_id=str(told["release_id"]),
            number=int(told["number"]),
            quarters=tuple(told["quarters"]),
            needs=str(told["needs"]),
            base=pd.read_parquet(path / "base.parquet"),
            cells=pd.read_parquet(path / "cells.parquet"),
        )
    except (OSError, ValueError, KeyError, TypeError) as broken:
        raise StoreError(
            f"ledger/{path.parent.name}/{path.name}: expected what that release showed, got [{type(broken).__name__}]; "
            "restore the folder from a backup: without it a later release could give hidden numbers away"
        ) from broken


def frozen(fresh: pd.DataFrame, entries: Sequence[Entry]) -> tuple[pd.DataFrame, int]:
    """Base counts with quarters that are out as they were published, and how many calls differ there since.

    Raises:
        UnmetError: quarters that were published are no longer in the store, or its levels are others.
    """
    if not entries:
        return fresh, 0
    last = entries[-1]
    if set(last.base.columns) != set(fresh.columns):
        raise UnmetError(
            f"release {last.release_id} counted by [{', '.join(last.base.columns)}], this one would by "
            f"[{', '.join(fresh.columns)}]; keep the levels of an audience, or give the new levels an audience's "
            "policy whose ledger is empty"
        )
    gone = sorted(set(last.quarters) - set(fresh["quarter"]))
    if gone:
        raise UnmetError(
            f"release {last.release_id} published {', '.join(gone)}, which the store no longer holds; a later release "
            "has to hold every quarter that is out"
        )
    out = fresh["quarter"].isin(last.quarters)
    keys = [column for column in fresh.columns if column != "n"]
    both = fresh[out].merge(last.base, on=keys, how="outer", suffixes=("", "_then")).fillna({"n": 0, "n_then": 0})
    changed = int((both["n"] - both["n_then"]).abs().sum())
    return pd.concat([last.base[fresh.columns], fresh[~out]], ignore_index=True), changed


def earlier(entries: Sequence[Entry], quarters: Sequence[str]) -> tuple[Earlier, ...]:
    """What is out already, one for each set of quarters that differs from `quarters`, numbered 1, 2, … by its set.

    Levels of periods of another set are renamed (`year_1`, `whole_1`), since they are other sums than today's.
    """
    sets = list(dict.fromkeys(entry.quarters for entry in entries if entry.quarters != tuple(quarters)))
    out = []
    for entry in entries:
        shown = entry.cells[entry.cells["state"] == "shown"]
        if entry.quarters in sets:
            number = sets.index(entry.quarters) + 1
            names = {"year": f"year_{number}", "whole": f"whole_{number}"}
            shown = shown.assign(period_level=shown["period_level"].replace(names))
        out.append(Earlier(release_id=entry.release_id, quarters=entry.quarters, needs=entry.needs, cells=shown))
    return tuple(out)


def other_sets(entries: Sequence[Entry], quarters: Sequence[str]) -> list[tuple[str, ...]]:
    """The sets of quarters of earlier releases that differ from `quarters`, in the order that `earlier` numbers."""
    return list(dict.fromkeys(entry.quarters for entry in entries if entry.quarters != tuple(quarters)))


def write(opened: Store, policy: Policy, entry: Entry) -> Path:
    """The entry's folder, written beside and renamed; the one that is there where it says the same.

    Raises:
        UnmetError: the ledger has this release with other states.
    """
    target = folder_of(opened, policy) / entry.release_id
    if target.exists():
        known = _entry(target)
        if not known.cells.equals(entry.cells):
            raise UnmetError(f"release {entry.release_id} was published with other cells; restore it from a backup")
        return target
    beside = target.with_name(f".{entry.release_id}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    entry.base.to_parquet(beside / "base.parquet", index=False)
    entry.cells.to_parquet(beside / "cells.parquet", index=False)
    told = {
        "schema": SCHEMA,
        "release_id": entry.release_id,
        "number": entry.number,
        "quarters": list(entry.quarters),
        "needs": entry.needs,
    }
    (beside / "ledger.json").write_text(json.dumps(told, indent=1, sort_keys=True), "utf-8")
    sync(beside)
    os.rename(beside, target)
    return target


def sync(folder: Path) -> None:
    """Everything in a folder is on disk when this returns."""
    for path in [*(one for one in folder.rglob("*")), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
