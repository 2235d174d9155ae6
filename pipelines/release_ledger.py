"""What public and partner releases have shown, kept in the store: full counts and states, never in a release.

The ledger is a list of *blocks*: sets of quarters that were protected together and went out at once. A later release
tells every block as it went out and adds one of the quarters that are new. Blocks share no call, and totals over
several are sums of shown cells, so what one block hides no other can give away. There is one ledger for all that is
suppressed: a partner reads the public release too, and two designs for the same calls could be subtracted.
"""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from geo.errors import StoreError, UnmetError
from pipelines.policy import Policy, barred_needs
from pipelines.release_counts import Span, chain
from pipelines.release_protect import Rung
from pipelines.store import Store

SCHEMA = "2.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Quarters that went out together: their design, base counts, and every cell with its count and state."""

    release_id: str
    number: int
    terms: dict[str, Any]
    spans: tuple[Span, ...]
    rung: Rung
    shown: dict[str, float]
    meets: bool
    tried: tuple[str, ...]
    base: pd.DataFrame
    cells: pd.DataFrame

    @property
    def quarters(self) -> tuple[str, ...]:
        return tuple(span.quarter for span in self.spans)


def folder_of(opened: Store) -> Path:
    """Where the blocks of a store are kept."""
    return opened.folder / "ledger" / "public"


def terms_of(policy: Policy) -> dict[str, Any]:
    """What all releases outside must have alike: the levels, the threshold, and the needs barred from each level."""
    levels = chain(policy)
    return {
        "levels": list(levels),
        "threshold": policy.threshold,
        "barred": {level: sorted(barred_needs(policy, level)) for level in levels},
    }


def read(opened: Store) -> list[Block]:
    """All blocks of a store, oldest first.

    Raises:
        StoreError: one cannot be read; nothing may be published without it.
    """
    folder = folder_of(opened)
    if not folder.is_dir():
        return []
    return sorted((_block(path) for path in folder.iterdir() if not path.name.startswith(".")), key=lambda b: b.number)


def _block(path: Path) -> Block:
    try:
        told = json.loads((path / "ledger.json").read_text("utf-8"))
        return Block(
            release_id=str(told["release_id"]),
            number=int(told["number"]),
            terms=dict(told["terms"]),
            spans=tuple(_span(one) for one in told["spans"]),
            rung=Rung(**told["rung"]),
            shown={str(name): float(share) for name, share in told["shown"].items()},
            meets=bool(told["meets"]),
            tried=tuple(told["tried"]),
            base=pd.read_parquet(path / "base.parquet"),
            cells=pd.read_parquet(path / "cells.parquet"),
        )
    except (OSError, ValueError, KeyError, TypeError) as broken:
        raise StoreError(
            f"ledger/{path.parent.name}/{path.name}: expected what that release showed, got [{type(broken).__name__}]; "
            "restore the folder from a backup: without it a later release could give hidden numbers away"
        ) from broken


def _span(told: dict[str, Any]) -> Span:
    return Span(
        quarter=str(told["quarter"]),
        start=date.fromisoformat(told["start"]),
        end=date.fromisoformat(told["end"]),
        days_on_file=int(told["days_on_file"]),
    )


def check_terms(blocks: Sequence[Block], policy: Policy) -> None:
    """Raises UnmetError unless the blocks went out under the same terms as a new one would."""
    terms = terms_of(policy)
    for block in blocks:
        for name, value in terms.items():
            if block.terms.get(name) != value:
                raise UnmetError(
                    f"policy {policy.slug}: expected {name} {block.terms.get(name)}, as in release {block.release_id}, "
                    f"got [{value}]; all public and partner releases of a store keep one set of {name}"
                )


def late(fresh: pd.DataFrame, blocks: Sequence[Block]) -> int:
    """How many calls of published quarters were counted otherwise than they are now.

    ``fresh`` holds the counts of those quarters as the store has them today.
    """
    if not blocks:
        return 0
    then = pd.concat([block.base for block in blocks], ignore_index=True)
    keys = [column for column in fresh.columns if column != "n" and column in then.columns]
    now, was = fresh.groupby(keys)["n"].sum(), then.groupby(keys)["n"].sum()
    return int(now.sub(was, fill_value=0).abs().sum())


def write(opened: Store, block: Block) -> Path:
    """The block's folder, written beside and renamed."""
    target = folder_of(opened) / f"{block.number:04d}-{block.release_id}"
    beside = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    block.base.to_parquet(beside / "base.parquet", index=False)
    block.cells.to_parquet(beside / "cells.parquet", index=False)
    told = {
        "schema": SCHEMA,
        "release_id": block.release_id,
        "number": block.number,
        "terms": block.terms,
        "spans": [asdict(span) for span in block.spans],
        "rung": asdict(block.rung),
        "shown": block.shown,
        "meets": block.meets,
        "tried": list(block.tried),
    }
    (beside / "ledger.json").write_text(json.dumps(told, indent=1, sort_keys=True, default=str), "utf-8")
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
