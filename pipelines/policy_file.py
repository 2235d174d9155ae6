"""A policy's TOML read into a `Policy`; every fault of the file at once, each with its key path and its reason."""

import re
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from geo.errors import ConfigError
from pipelines.city_refuse import secrets, without_secrets
from pipelines.city_section import Section, hint, shown
from pipelines.policy_fit import check_fit
from pipelines.policy_law import MARKS, MODES, check_law
from pipelines.policy_model import HotspotRule, Person, Policy, PolicyField, SignOff
from pipelines.policy_parts import choice, read_fields, read_ladder, read_levels, read_purposes, read_roles
from pipelines.policy_words import AUDIENCES, GRAINS, REDISCLOSURE, WAIVABLE
from pipelines.vocabulary import needs

SCHEMA = 1
LARGEST_BYTES = 200_000
_SLUG = re.compile(r"[a-z][a-z0-9_]{0,39}")
_EMPTY = re.compile(r"<[^<>]*>|YYYY|FILL IN", re.IGNORECASE)


def find_policy(slug_or_path: str | Path) -> Path:
    """The path of a policy's file, by slug of `data/policies/` or by path.

    Raises:
        ConfigError: no such file; the slugs there are, and the nearest.
    """
    from pipelines.resources import data_path

    text = str(slug_or_path)
    path = Path(text)
    if path.suffix == ".toml" or isinstance(slug_or_path, Path) or "/" in text:
        if path.suffix != ".toml" or not path.is_file():
            raise ConfigError(shown(path.name), [
                "expected the path of a policy's .toml file, got no such file; see data/policies (CONFIG_MISSING)"
            ])  # fmt: skip
        return path
    folder = data_path("policies")
    known = sorted(p.stem for p in folder.glob("*.toml"))
    if text not in known:
        raise ConfigError(shown(text), [
            f"expected a policy of data/policies ({', '.join(known)}) or the path of a .toml file, "
            f"got [{shown(text)}]{hint(text, known)} (CONFIG_MISSING)"
        ])  # fmt: skip
    return folder / f"{text}.toml"


def read_policy(path: Path) -> Policy:
    """The policy of a TOML file, checked but for the city and the calendar.

    Raises:
        ConfigError: with all faults of the file, each `key.path: what was expected, [what was got]; what to do`.
    """
    table = _load(path)
    faults: list[str] = []
    found = secrets(table)
    empty = _unfilled(table)
    section = Section(where="", table=without_secrets(table, {where for where, _ in found}), faults=faults)
    policy = _policy(section, path)
    if policy is not None:
        check_law(policy, section.fault)
        check_fit(policy, section.fault)
    said = tuple(f"{where}: " for where, _ in empty)
    faults = [fault for fault in faults if not fault.startswith(said)] if said else faults
    faults = [*(message for _, message in found), *(message for _, message in empty), *faults]
    if faults or policy is None:
        raise ConfigError(path.name, faults)
    return policy


def _load(path: Path) -> dict[str, Any]:
    def refuse(message: str) -> ConfigError:
        return ConfigError(path.name, [f"{message} (CONFIG_SYNTAX)"])

    try:
        raw = path.read_bytes()
        if len(raw) > LARGEST_BYTES:
            raise refuse(f"expected at most {LARGEST_BYTES} bytes, got [{len(raw)}]")
        return tomllib.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise refuse(f"expected UTF-8, got [another byte at {error.start}]; save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise refuse(f"expected TOML, got [{shown(str(error))}]") from None
    except RecursionError:
        raise refuse("expected TOML, got [tables nested too deep]") from None
    except OSError as error:
        raise refuse(f"expected a file that can be read, got [{error.strerror}]") from None


def _unfilled(value: Any, where: str = "") -> list[tuple[str, str]]:
    """(key path, fault) of every text that is still a template's, or holds a control character."""
    if isinstance(value, Mapping):
        return [one for key, item in value.items() for one in _unfilled(item, f"{where}.{key}" if where else str(key))]
    if isinstance(value, list):
        return [one for at, item in enumerate(value) for one in _unfilled(item, f"{where}[{at}]")]
    if not isinstance(value, str):
        return []
    if _EMPTY.search(value):
        return [(where, f"{where}: expected your own words, got [{shown(value)}], a placeholder; fill it in "
                 "(CONFIG_PLACEHOLDER)")]  # fmt: skip
    if not value.replace("\n", "").isprintable():
        return [(where, f"{where}: expected plain text, got [{shown(value)}] with a control character (CONFIG_VALUE)")]
    return []


def _policy(section: Section, path: Path) -> Policy | None:
    if section.whole("schema", low=1, high=SCHEMA) != SCHEMA:
        return None
    slug = section.text("slug", about="a short name as public")
    if slug and not _SLUG.fullmatch(slug):
        section.wrong("slug", "lower-case letters, digits and _, starting with a letter", slug)
    audience = choice(section, "audience", AUDIENCES)
    fields = read_fields(section, audience)
    periods, hipaa, sign_off = (section.section(name) for name in ("periods", "hipaa", "sign_off"))
    levels = read_levels(section)
    mode = choice(hipaa, "mode", MODES)
    synthetic = sign_off.texts("synthetic", choices=WAIVABLE)
    values: dict[str, Any] = {
        "slug": slug,
        "version": section.text("version", about="a version as 1.0.0"),
        "title": section.text("title", about="what people call this agreement"),
        "audience": audience,
        "parties": _people(section, "parties", email=False),
        "legal_basis": section.text("legal_basis", about="the law or agreement that allows it"),
        "purposes": read_purposes(section),
        "fields": fields,
        "levels": levels,
        "grain": choice(periods, "grain", GRAINS),
        "delay_days": periods.whole("delay_days", low=0, high=3650),
        "threshold": section.whole("threshold", low=1, high=1000),
        "is_suppressed": _must_flag(section, "suppress"),
        "never_points": section.texts("never_points", choices=(*MARKS, *needs())),
        "floors": _floors(section.section("floors"), tuple(level.name for level in levels)),
        "ladder": read_ladder(section, tuple(level.name for level in levels)),
        "min_shown_share": section.number("min_shown_share", 0.8, low=0.5, high=1),
        "hotspots": _hotspots(section.section("hotspots"), audience),
        "has_places": _must_flag(section, "has_places"),
        "mask_k": _mask(section, fields),
        "roles": read_roles(section.section("roles")),
        "loopback_role": section.text("loopback_role", "", about="a role of this policy"),
        "members": section.texts("members"),
        "own_organizations": section.texts("own_organizations"),
        "attestation": section.text("attestation", about="what a reader says before reading"),
        "retention_days": section.whole("retention_days", low=1, high=3650),
        "expires": _expires(section),
        "redisclosure": choice(section, "redisclosure", REDISCLOSURE),
        "destruction": section.text("destruction", about="how copies are destroyed, and by whom"),
        "part2": _must_flag(section, "part2"),
        "part2_expert": _signed(section, "part2_expert"),
        "hipaa_mode": mode,
        "hipaa_evidence": _signed(hipaa, "evidence"),
        "min_population": MODES[mode].min_population,
        "contacts": _people(section, "contacts", email=True),
        "counsel": _signed(sign_off, "counsel", terms=True),
        "partners_previewed": _past(sign_off, "partners_previewed"),
        "needs_reviewer": sign_off.flag("needs_reviewer", True),
        "synthetic": synthetic,
    }
    for part in (periods, hipaa, sign_off, section):
        part.done()
    return Policy(schema=SCHEMA, path=path, **values)


def _must_flag(section: Section, key: str) -> bool:
    """true or false; a fault where the key is missing, since silence must not decide it."""
    if not section.has(key):
        section.fault(key, "missing; expected true or false", "CONFIG_MISSING")
    return section.flag(key, False)


def _people(section: Section, key: str, *, email: bool) -> tuple[Person, ...]:
    out = []
    for row in section.rows(key):
        mail = row.text("email", about="an address to write to") if email else ""
        if mail and "@" not in mail:
            row.wrong("email", "an e-mail address", mail)
        out.append(Person(name=row.text("name"), role=row.text("role"), email=mail))
        row.done()
    if not out:
        section.fault(key, f"expected at least one, got [none]; list {key} with name and role", "CONFIG_MISSING")
    return tuple(out)


def _signed(section: Section, key: str, *, terms: bool = False) -> SignOff | None:
    if not section.has(key):
        return None
    row = section.section(key)
    hashed = row.text("terms", about="the hash that `unmet policy explain` prints") if terms else ""
    if hashed and not re.fullmatch(r"[0-9a-f]{16}", hashed):
        row.wrong("terms", "the 16 characters that `unmet policy explain` prints", hashed)
    out = {"name": row.text("name"), "role": row.text("role"), "date": _past(row, "date", required=True)}
    row.done()
    return SignOff(terms=hashed, **out) if out["date"] else None  # type: ignore[arg-type]


def _past(section: Section, key: str, *, required: bool = False) -> date | None:
    """A day that has been; nobody has signed tomorrow."""
    from pipelines import clock

    day = section.day(key) if required else section.day(key, None)
    if day is not None and day > clock.now().date():
        section.wrong(key, "a day that has been", day.isoformat())
        return None
    return day


def _expires(section: Section) -> date | None:
    value = section.get("expires", None, "a date or never")
    if "expires" not in section.table:
        section.fault("expires", 'missing; expected the last day it holds, as 2026-12-31, or "never" for a synthetic '
                      "city", "CONFIG_MISSING")  # fmt: skip
        return None
    return None if value == "never" else section.as_day("expires", value)


def _floors(section: Section, levels: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    out = []
    for need in section.table:
        level = choice(section, need, levels or ("city",))
        if need not in needs():
            section.fault(shown(need), f"expected a need{hint(need, needs())}", "CONFIG_KEY")
        else:
            out.append((need, level))
    return tuple(sorted(out))


def _hotspots(section: Section, audience: str) -> HotspotRule:
    least = HotspotRule()
    low = (least.min_addresses, least.min_calls, least.min_residents, least.snap_m)
    if audience in ("internal", "case_conference"):
        low = (1, 1, 0, 1)
    rule = HotspotRule(
        min_addresses=section.whole("min_addresses", least.min_addresses, low=low[0], high=1000),
        min_calls=section.whole("min_calls", least.min_calls, low=low[1], high=100_000),
        min_residents=section.whole("min_residents", least.min_residents, low=low[2], high=100_000),
        snap_m=section.whole("snap_m", least.snap_m, low=low[3], high=5000),
    )
    section.done()
    return rule


def _mask(section: Section, fields: tuple[PolicyField, ...]) -> int:
    is_masked = any(field.name == "masked_points" for field in fields)
    if section.has("mask_k") and not is_masked:
        section.fault("mask_k", "expected no such key where masked_points is not among the fields")
    return section.whole("mask_k", 20, low=20, high=10_000) if is_masked else 0
