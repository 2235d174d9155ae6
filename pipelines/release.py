"""Releases: the only door to data for whatever people see. `build_release` makes one, `open_release` reads one.

A release is a folder RELEASES/CITY/POLICY/ID with `release.json`, `policy.toml` and Parquet tables. It is written
beside and renamed, never changed, and physically lacks what its policy does not allow.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pandas as pd

from geo.errors import UnmetError
from pipelines.policy import Policy, load_policy, policy_hash, release_tables, why_closed
from pipelines.release_words import POLICY_FILE, RELEASE_FILE, SCHEMA

if TYPE_CHECKING:
    from pipelines.city import City
    from pipelines.store import Store


class ReleaseError(UnmetError):
    """A release that cannot be opened, or a table that is not in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """An open release: `told` is release.json, read only; `table` reads what it names and nothing else."""

    folder: Path
    policy: Policy
    told: Mapping[str, Any]

    @property
    def release_id(self) -> str:
        return str(self.told["release_id"])

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables in it."""
        return tuple(self.told["tables"])

    def path(self, name: str) -> Path:
        """The Parquet file of a table.

        Raises:
            ReleaseError: the release names no such table; it does not leave under its policy.
        """
        if name not in self.told["tables"]:
            raise ReleaseError(
                f"{self.release_id}: expected a table of {', '.join(self.tables)}; got [{name}], which policy "
                f"{self.policy.slug} does not release"
            )
        return self.folder / str(self.told["tables"][name]["file"])

    def columns(self, name: str) -> tuple[str, ...]:
        """Names of the columns of a table. Raises ReleaseError as `path`."""
        import pyarrow.parquet as pq

        return tuple(pq.read_schema(self.path(name)).names)

    def table(self, name: str, columns: list[str] | None = None) -> pd.DataFrame:
        """A table as a frame. Raises ReleaseError as `path`."""
        return pd.read_parquet(self.path(name), columns=columns)


def build_release(
    city: "City",
    opened: "Store",
    policy: Policy,
    root: Path,
    *,
    audit_path: Path | None = None,
    who: str = "loopback",
    step: Callable[[str], None] | None = None,
) -> Path:
    """The folder of the release of a store under a policy; the one that is there where the same was built before.

    Raises:
        UnmetError: a gate is closed (all reasons at once), no design passes the audit, or the ledger does not allow it.
    """
    from pipelines.release_build import build

    return build(city, opened, policy, root, audit_path=audit_path, who=who, step=step)


def open_release(folder: Path, *, today: date | None = None) -> Release:
    """A release, if it may be opened today.

    Raises:
        ReleaseError: no release, one of a newer schema, one whose policy or tables are not those it was made with, or
            one whose policy has ended.
    """
    told = _told(folder)
    policy = load_policy(folder / POLICY_FILE, expired_too=True)
    if policy_hash(policy) != told["policy_hash"]:
        raise ReleaseError(f"{folder.name}: expected the policy it was made under, got another; do not use this folder")
    if closed := why_closed(policy, is_synthetic=bool(told["is_synthetic"]), today=today):
        raise ReleaseError(f"{folder.name}: {'; '.join(closed)}")
    allowed = release_tables(policy)
    extra = [name for name in told["tables"] if name.partition("_")[0] not in allowed and name not in allowed]
    if extra:
        raise ReleaseError(f"{folder.name}: expected tables that policy {policy.slug} names, got [{', '.join(extra)}]")
    return Release(folder=folder, policy=policy, told=MappingProxyType(told))


def newest_in(folder: Path) -> Path | None:
    """The release made last of those in RELEASES/CITY/POLICY, or None; folders that are still being written are none.

    One that cannot be read is never the newest beside one that can.
    """
    found = [path.parent for path in folder.glob(f"[!.]*/{RELEASE_FILE}")]
    return max(found, key=_made, default=None)


def _made(folder: Path) -> tuple[str, str]:
    """When a release was made, "" where that cannot be read, and its name."""
    try:
        return str(json.loads((folder / RELEASE_FILE).read_text("utf-8"))["made_at"]), folder.name
    except (OSError, ValueError, KeyError, TypeError):
        return "", folder.name


def _told(folder: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads((folder / RELEASE_FILE).read_text("utf-8"))
        schema = str(told["schema"])
        _ = (told["release_id"], told["policy_hash"], told["is_synthetic"], dict(told["tables"]))
    except (OSError, ValueError, KeyError, TypeError) as broken:
        raise ReleaseError(
            f"{folder}: expected a release with {RELEASE_FILE}, got [{type(broken).__name__}]; run `unmet release`"
        ) from broken
    if int(schema.split(".")[0]) > int(SCHEMA.split(".")[0]):
        raise ReleaseError(f"{folder.name}: expected release schema {SCHEMA}, got [{schema}]; use a newer version")
    return told
