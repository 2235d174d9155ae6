"""How a release is made: gates, tables, ledger, log, and the folder last of all."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from geo.errors import ConfigError, UnmetError
from pipelines import audit, clock, release_ledger, show
from pipelines.city import City
from pipelines.code import code_hash
from pipelines.map_words import INTERNAL
from pipelines.policy import Policy, gates, policy_hash, release_tables, waivers
from pipelines.release_counts import Span, as_of, base_counts, busy_places, closed_quarters, with_levels
from pipelines.release_design import Given, choose
from pipelines.release_ledger import Block
from pipelines.release_open import areas_table, as_geojson, breaks_table, hotspots_table, quality_table, services_table
from pipelines.release_protect import PERIODS
from pipelines.release_staff import place_tables, staff_tables
from pipelines.release_tables import protected_tables, why_hidden
from pipelines.release_words import POLICY_FILE, RELEASE_FILE, SCHEMA
from pipelines.store import Store

Step = Callable[[str], None] | None
LATE = "Some calls of quarters that are out were added or corrected since; what was published stays as it is."
OLDER = "{quarters} are older than what is out and are not added: two sums would have one name."
WAIT = (
    "{quarters} will be added together with later ones: no design shows {share:.0%} of their calls in every table yet."
)
TOO_LITTLE = "No design shows {share:.0%} of the calls in every table; this one shows most."


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The tables of a release, what release.json says of them, and the block that the ledger takes."""

    tables: dict[str, pd.DataFrame]
    told: dict[str, Any]
    entry: Block | None


def build(
    city: City, opened: Store, policy: Policy, root: Path, *, audit_path: Path | None, who: str, step: Step
) -> Path:
    """The folder of the release; see `pipelines.release.build_release`."""
    _pass_gates(city, opened, policy)
    quarters = closed_quarters(city, policy)
    release_id = identity(city, opened, policy, quarters)
    target = root / city.slug / policy.slug / release_id
    if target.exists():
        return target
    made = (
        _protected(city, opened, policy, quarters, release_id, step=step)
        if policy.is_suppressed
        else _unsuppressed(city, opened, policy)
    )
    tables = _allowed(policy, {**made.tables, **_open_tables(city, opened, policy)})
    beside = target.with_name(f".{release_id}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    files = _write(beside, tables)
    _write_policy(beside, policy)
    told = {**_told(city, opened, policy, release_id), **made.told, "tables": files}
    (beside / RELEASE_FILE).write_text(json.dumps(told, indent=1, sort_keys=True, default=str), "utf-8")
    release_ledger.sync(beside)
    if made.entry is not None:
        release_ledger.write(opened, made.entry)
    if audit_path is not None:
        _log(audit_path, who, city, policy, told)
    os.rename(beside, target)
    return target


def _pass_gates(city: City, opened: Store, policy: Policy) -> None:
    services = opened.read("services", ["reviewed_by"])
    draft_matching = services.empty or services["reviewed_by"].fillna("").eq("").any()
    draft_rules = opened.read("quality", ["reason"])["reason"].eq("DRAFT_RULES").any()
    closed = gates(policy, city=city, draft_rules=bool(draft_rules), draft_matching=bool(draft_matching))
    if policy.min_population:
        areas = opened.read("areas")
        for level in policy.levels:
            people = areas.loc[areas["level"] == level.name, "population"]
            if n := int((people.fillna(0) < policy.min_population).sum()):
                closed.append(
                    f"min_population: {n} areas of level {level.name} hold fewer than {policy.min_population:,} "
                    "people; take the level out of the policy"
                )
    if closed:
        raise UnmetError(f"policy {policy.slug} does not let {city.slug} be released yet:\n  " + "\n  ".join(closed))


def identity(city: City, opened: Store, policy: Policy, quarters: Sequence[Span]) -> str:
    """The id of a release: its last day or quarter, and a hash of policy, store, code and quarters."""
    parts = [policy_hash(policy), fingerprint(opened), code_hash("pipelines.release")]
    names = [span.quarter for span in quarters] if policy.is_suppressed else []
    end = names[-1] if names else (city.windows[-1].end - timedelta(days=1)).isoformat()
    return f"{end}-{hashlib.sha256(json.dumps([*parts, names]).encode()).hexdigest()[:12]}"


def fingerprint(opened: Store) -> str:
    """SHA-256 over the content of every table of a store."""
    parts = {name: part.sha256 for name, part in opened.tables.items()}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _protected(
    city: City, opened: Store, policy: Policy, quarters: tuple[Span, ...], release_id: str, *, step: Step
) -> Made:
    if not quarters:
        raise UnmetError(
            f"policy {policy.slug}: expected a quarter that ended {policy.delay_days} days ago, got none; wait, or "
            "load more months"
        )
    ledger = release_ledger.read(opened)
    release_ledger.check_terms(ledger, policy)
    closed = {span.quarter for span in quarters}
    blocks = [block for block in ledger if closed.issuperset(block.quarters)]
    told_before = {quarter for block in blocks for quarter in block.quarters}
    out = {quarter for block in ledger for quarter in block.quarters}
    known = tuple(span for span in quarters if span.quarter in told_before)
    fresh = tuple(span for span in quarters if span.quarter > max(out, default=""))
    banners = []
    if known and release_ledger.late(base_counts(opened, policy, known), blocks):
        banners.append(LATE)
    if older := [span.quarter for span in quarters if span.quarter not in out and span not in fresh]:
        banners.append(OLDER.format(quarters=", ".join(older)))
    entry = _new_block(opened, policy, fresh, ledger, release_id, step=step) if fresh else None
    if entry is not None and ledger and not entry.meets:
        banners.append(WAIT.format(quarters=", ".join(entry.quarters), share=policy.min_shown_share))
        entry = None
    told_blocks = [*blocks, *([entry] if entry else [])]
    if not told_blocks:
        raise UnmetError(f"policy {policy.slug}: expected quarters that may go out by now, got none; wait for more")
    if any(not block.meets for block in told_blocks):
        banners.append(TOO_LITTLE.format(share=policy.min_shown_share))
    tables = protected_tables(told_blocks)
    told = {
        "periods": _periods(told_blocks, tables),
        "needs": sorted(set(tables["calls"]["need"])),
        "legs": sorted(set(tables["cells"]["leg"])),
        "design": _design(told_blocks[-1]),
        "blocks": [
            {"quarters": list(block.quarters), "release": block.release_id, **_design(block)} for block in told_blocks
        ],
        "banners": banners,
    }
    return Made(tables=tables, told=told, entry=entry)


def _new_block(
    opened: Store,
    policy: Policy,
    fresh: tuple[Span, ...],
    ledger: Sequence[Block],
    release_id: str,
    *,
    step: Step,
) -> Block | None:
    """The quarters that are not out yet, under the finest design that holds; None where later blocks may wait.

    Raises:
        UnmetError: nothing is out yet and no design holds.
    """
    base = base_counts(opened, policy, fresh)
    given = Given(
        counts=with_levels(base),
        busy=with_levels(busy_places(opened, policy, fresh, threshold=policy.threshold)),
        policy=policy,
    )
    choice = choose(given, step=step)
    if choice is None and not ledger:
        raise UnmetError(
            f"policy {policy.slug}: no design of its ladder passes the audit; add a coarser one. Tried: "
            + "; ".join(given_up(given))
        )
    if choice is None:
        return None
    return Block(
        release_id=release_id,
        number=max((block.number for block in ledger), default=0) + 1,
        terms=release_ledger.terms_of(policy),
        spans=fresh,
        rung=choice.rung,
        shown={name: round(share, 4) for name, share in choice.shown.items()},
        meets=choice.meets,
        tried=choice.tried,
        base=base,
        cells=pd.concat([part.cells() for part in choice.parts], ignore_index=True),
    )


def given_up(given: Given) -> list[str]:
    """The designs of a ladder in words."""
    return [f"{one.level} x {one.period} x {one.detail} x {one.needs}" for one in given.policy.ladder]


def _design(block: Block) -> dict[str, Any]:
    """What a release says of a design. Not what share it shows: with what is shown that would give hidden totals."""
    rung = block.rung
    return {
        "rung": rung.words,
        "calls": [rung.calls_level, rung.calls_period],
        "outcomes": [rung.level, rung.period, rung.detail],
        "hours": [rung.hours, rung.hours_of] if rung.hours else [],
        "needs": rung.needs,
        "meets": block.meets,
        "cells": why_hidden(block.cells),
    }


def _periods(blocks: Sequence[Block], tables: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Every period of the tables calls and cells with its dates, the longest last."""
    spans = {span.quarter: span for block in blocks for span in block.spans}
    told = pd.concat([tables[name][["grain", "period"]] for name in ("calls", "cells")]).drop_duplicates()
    out = []
    for grain, period in told.itertuples(index=False, name=None):
        own = [spans[quarter] for quarter in _inside(str(period), sorted(spans))]
        out.append(
            {
                "grain": grain,
                "period": period,
                "start": own[0].start.isoformat(),
                "end": own[-1].end.isoformat(),
                "years": round(sum(span.days_on_file for span in own) / 365.25, 4),
            }
        )
    return sorted(out, key=lambda one: (PERIODS.index(one["grain"]), one["start"], one["end"]))


def _inside(label: str, names: Sequence[str]) -> list[str]:
    if "-" in label:
        first, last = label.split("-")
        return [name for name in names if first <= name <= last]
    return [name for name in names if name.startswith(label)]


def _unsuppressed(city: City, opened: Store, policy: Policy) -> Made:
    tables = staff_tables(opened, policy)
    if policy.has_places:
        tables |= place_tables(opened, policy)
    years = sorted(set(tables["cells"].loc[tables["cells"]["grain"] == "year", "period"]))
    window = {"start": city.windows[0].start.isoformat(), "end": city.windows[-1].end.isoformat()}
    told = {
        "periods": [{"grain": "whole", "period": "whole", **window}, {"grain": "last_12_months"}]
        + [{"grain": "year", "period": year} for year in years],
        "needs": sorted(set(tables["cells"]["need"])),
        "legs": sorted(set(tables["cells"]["leg"])),
        "design": {"rung": "nothing is hidden"},
        "thresholds": show.thresholds(city),
        "windows": [{"start": w.start.isoformat(), "end": w.end.isoformat()} for w in city.windows],
        "travel": {name: value for name, value in asdict(city.travel).items() if name != "matrix"},
        "banners": [INTERNAL],
    }
    return Made(tables=tables, told=told, entry=None)


def _open_tables(city: City, opened: Store, policy: Policy) -> dict[str, pd.DataFrame]:
    known = {level.name for level in city.levels}
    areas = {f"areas_{level.name}": level.name for level in policy.levels if level.name in known}
    return {
        **{name: areas_table(city, opened, policy, level) for name, level in areas.items()},
        "services": services_table(city, opened, policy),
        "quality": quality_table(opened, policy),
        "breaks": breaks_table(city),
        "hotspots": hotspots_table(city, opened, policy),
    }


def _allowed(policy: Policy, tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables that the policy names, and no other."""
    named = release_tables(policy)
    return {
        name: table
        for name, table in sorted(tables.items())
        if name in named or (name.startswith("areas_") and "areas" in named)
    }


def _write(folder: Path, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    files: dict[str, Any] = {}
    for name, table in tables.items():
        path = folder / f"{name}.parquet"
        table.to_parquet(path, index=False, compression="zstd")
        files[name] = {"file": path.name, "rows": len(table), "sha256": _sha(path)}
        if name.startswith("areas_") or name == "hotspots":
            (folder / f"{name}.geojson").write_text(json.dumps(as_geojson(table), default=str), "utf-8")
            files[name]["geojson"] = f"{name}.geojson"
    return files


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write_policy(folder: Path, policy: Policy) -> None:
    if policy.path is None:
        raise ConfigError(policy.slug, ["expected a policy that was read from a file, got one without; load it first"])
    shutil.copyfile(policy.path, folder / POLICY_FILE)


def _told(city: City, opened: Store, policy: Policy, release_id: str) -> dict[str, Any]:
    versions = opened.manifest.get("versions", {})
    said = [line for line in show.banners(city, opened) if line != INTERNAL]
    return {
        "schema": SCHEMA,
        "release_id": release_id,
        "city": city.slug,
        "city_name": city.name,
        "policy": policy.slug,
        "policy_version": policy.version,
        "policy_hash": policy_hash(policy),
        "audience": policy.audience,
        "store_fingerprint": fingerprint(opened),
        "versions": {**versions, "code": code_hash("pipelines.release")},
        "period_grain": policy.grain,
        "levels": [level.name for level in policy.levels],
        "threshold": policy.threshold if policy.is_suppressed else 0,
        "has_places": policy.has_places,
        "as_of": as_of(city).isoformat(),
        "services_as_of": city.services_as_of.isoformat(),
        "is_synthetic": city.is_synthetic,
        "made_at": clock.now().isoformat(timespec="seconds"),
        "expires": policy.expires.isoformat() if policy.expires else "never",
        "retention_days": policy.retention_days,
        "waivers": waivers(policy, city=city),
        "standard": {"share": city.standard.share, "source": city.standard.source or "no local standard"},
        "not_recorded": _not_recorded(opened),
        "caveats": [*said, *city.caveats],
        "notes": [show.NOT_ADDED, show.DISCLAIMER],
    }


def _not_recorded(opened: Store) -> list[dict[str, str]]:
    """Needs and legs for which the directory lists no service in the whole city."""
    gaps = opened.read("gaps", ["level", "period", "variant", "need", "leg", "not_recorded"])
    none = gaps[(gaps["level"] == "city") & (gaps["period"] == "whole") & (gaps["variant"] == "default")]
    rows = none.loc[none["not_recorded"], ["need", "leg"]].itertuples(index=False, name=None)
    return [{"need": need, "leg": leg} for need, leg in rows]


def _log(audit_path: Path, who: str, city: City, policy: Policy, told: Mapping[str, Any]) -> None:
    audit.append(
        audit_path,
        who=who,
        role="admin",
        purpose="operation",
        action="release",
        release=str(told["release_id"]),
        what={"policy": policy.slug, "policy_hash": policy_hash(policy), "tables": list(told["tables"])},
        n_rows=sum(int(one["rows"]) for one in told["tables"].values()),
        city=city.slug,
    )
