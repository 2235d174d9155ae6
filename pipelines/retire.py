"""Releases whose policy has ended or whose time is up: listed, logged, removed."""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from geo.errors import UnmetError
from pipelines import clock
from pipelines.audit import append
from pipelines.policy_model import Policy

_LEFT = re.compile(r"\.(?P<id>.+)\.retiring")
_NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """A release folder that was looked at; `state` {due, removed, kept, unclear}, `reason` in words."""

    path: Path
    city: str
    policy: str
    release_id: str
    state: str
    reason: str


def retire(
    releases_root: Path,
    policies: Mapping[str, Policy],
    *,
    audit_path: Path,
    who: str,
    now: datetime | None = None,
    dry_run: bool = False,
) -> list[Retired]:
    """Every release under `releases_root`/CITY/POLICY/ID and what became of it, in order of path.

    A release is due when its own `expires` or that of its policy is past, or when `retention_days` (the shorter of its
    own and its policy's) have gone by since `made_at`. `policies` are those in force by slug; load them with
    `expired_too=True`. Each removal is in the log, fsynced, before the folder goes; a folder whose release.json cannot
    be read, does not match its path, or is a link is named and left alone. A removal that was cut short is ended by
    the next one. `dry_run` removes and logs nothing.

    Raises:
        UnmetError: a folder could not be removed; AuditError: the log could not be written, and nothing went.
    """
    at = now or clock.now()
    out = []
    for path in _folders(releases_root):
        found = _judge(path, policies, at)
        if found.state == "due" and not dry_run:
            found = _remove(found, audit_path=audit_path, who=who)
        out.append(found)
    return out


def _folders(root: Path) -> Iterator[Path]:
    """The folders three levels down, links among them; nothing above that is a link is followed."""
    for city in _real(root):
        for policy in _real(city):
            yield from sorted(path for path in policy.iterdir() if path.is_dir() or path.is_symlink())


def _real(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())


def _judge(path: Path, policies: Mapping[str, Policy], now: datetime) -> Retired:
    def said(state: str, reason: str) -> Retired:
        left = _LEFT.fullmatch(path.name)
        return Retired(
            path=path,
            city=path.parent.parent.name,
            policy=path.parent.name,
            release_id=left["id"] if left else path.name,
            state=state,
            reason=reason,
        )

    if path.is_symlink():
        return said("unclear", "expected a folder, got a link; remove it by hand")
    if _LEFT.fullmatch(path.name):
        return said("due", "a removal that was cut short")
    try:
        release = _read(path)
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        return said("unclear", f"expected release.json with the fields of a release, got [{type(error).__name__}]")
    here = (path.parent.parent.name, path.parent.name, path.name)
    if (release["city"], release["policy"], release["release_id"]) != here:
        return said("unclear", f"expected the release of its path, got [{'/'.join(_names(release))}]")
    reason = _why_due(release, policies.get(path.parent.name), now)
    return said("due", reason) if reason else said("kept", _until(release, policies.get(path.parent.name)))


def _names(release: Mapping[str, Any]) -> list[str]:
    return [str(release[key])[:60] for key in ("city", "policy", "release_id")]


def _read(path: Path) -> dict[str, Any]:
    """What release.json says, typed: `made_at` an instant, `expires` a date or None, `retention_days` a number."""
    raw = json.loads((path / "release.json").read_text("utf-8"))
    made = datetime.fromisoformat(raw["made_at"])
    days = raw["retention_days"]
    if isinstance(days, bool) or not isinstance(days, int) or not 0 <= days <= 36_500:
        raise ValueError("retention_days")
    expires = raw["expires"]
    return {
        **{key: str(raw[key]) for key in ("release_id", "city", "policy")},
        "made_at": made.astimezone(UTC) if made.tzinfo else made.replace(tzinfo=UTC),
        "expires": None if expires in (None, _NEVER) else date.fromisoformat(expires),
        "retention_days": days,
    }


def _why_due(release: Mapping[str, Any], policy: Policy | None, now: datetime) -> str:
    expires, kept_until = _ends(release, policy)
    today = now.astimezone(UTC).date()
    if expires is not None and expires < today:
        return f"its policy ended on {expires.isoformat()}"
    if kept_until < now:
        return f"its retention ended on {kept_until.date().isoformat()}"
    return ""


def _until(release: Mapping[str, Any], policy: Policy | None) -> str:
    expires, kept_until = _ends(release, policy)
    days = [kept_until.date(), *([expires] if expires is not None else [])]
    return f"kept through {min(days).isoformat()}"


def _ends(release: Mapping[str, Any], policy: Policy | None) -> tuple[date | None, datetime]:
    """The last day of the policy, and the instant at which retention ends: the earlier of the release's and today's."""
    days = [release["expires"], policy.expires if policy else None]
    expires = min((day for day in days if day is not None), default=None)
    retention = min(release["retention_days"], policy.retention_days if policy else release["retention_days"])
    return expires, release["made_at"] + timedelta(days=retention)


def _remove(found: Retired, *, audit_path: Path, who: str) -> Retired:
    """Logs, renames so that nobody opens it any more, then deletes."""
    n_files = sum(1 for path in found.path.rglob("*") if path.is_file())
    append(
        audit_path,
        who=who,
        role="admin",
        purpose="operation",
        action="retire",
        release=found.release_id,
        what={"policy": found.policy, "reason": found.reason, "files": n_files},
        n_rows=0,
        city=found.city,
    )
    leaving = found.path.with_name(f".{found.release_id}.retiring")
    try:
        if found.path != leaving:
            os.rename(found.path, leaving)
        shutil.rmtree(leaving)
    except OSError as error:
        raise UnmetError(
            f"{found.path.name}: expected a release that can be removed, got [{error.strerror}]; "
            "remove it by hand or run `unmet retire` again"
        ) from error
    return Retired(
        path=found.path,
        city=found.city,
        policy=found.policy,
        release_id=found.release_id,
        state="removed",
        reason=found.reason,
    )
