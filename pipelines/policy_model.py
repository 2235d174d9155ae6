"""A data-sharing agreement as frozen dataclasses; `pipelines/policy.py` is the door to them."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who is to be asked, or who is a party: an office rather than a person where there is one."""

    name: str
    role: str
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOff:
    """Who signed, and when; `terms` is the hash of the terms that were read (`terms_hash`), "" where not said."""

    name: str
    role: str
    date: date
    terms: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyField:
    """A field that may leave, how sensitive it is said to be, and what is done to it first."""

    name: str
    sensitivity: str
    transform: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyLevel:
    """A level of areas; `within` names the level it is an exact part of, "" for the last."""

    name: str
    within: str
    is_base: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """A rung of the ladder: level x period x outcome detail {causes, unmet, calls} x needs {each, rollup}."""

    level: str
    period: str
    detail: str
    needs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What one role may do, for which purposes, on which views."""

    name: str
    purposes: tuple[str, ...]
    views: tuple[str, ...]
    may_export: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HotspotRule:
    """What a recurring-call area must hold before its shape is shown; `snap_m` is the grid it is snapped to."""

    min_addresses: int = 3
    min_calls: int = 11
    min_residents: int = 50
    snap_m: int = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy whose file had no fault.

    `levels` from fine to coarse; `ladder` from fine to coarse, empty where nothing is suppressed; `floors` maps a
    need to the finest level it may be counted at; `expires` is the last day it holds, None = never (synthetic
    cities only); `synthetic` lists the sign-offs that are waived because nobody real is in the data;
    `min_population` is what an area must hold before it is shown at all, 0 = no such rule; `mask_k` is the number of
    households a masked point must hide among, 0 = no masked points.
    """

    schema: int
    slug: str
    version: str
    title: str
    audience: str
    parties: tuple[Person, ...]
    legal_basis: str
    purposes: tuple[str, ...]
    fields: tuple[PolicyField, ...]
    levels: tuple[PolicyLevel, ...]
    grain: str
    delay_days: int
    threshold: int
    is_suppressed: bool
    never_points: tuple[str, ...]
    floors: tuple[tuple[str, str], ...]
    ladder: tuple[Design, ...]
    min_shown_share: float
    hotspots: HotspotRule
    has_places: bool
    mask_k: int
    roles: tuple[Role, ...]
    loopback_role: str
    members: tuple[str, ...]
    own_organizations: tuple[str, ...]
    attestation: str
    retention_days: int
    expires: date | None
    redisclosure: str
    destruction: str
    part2: bool
    part2_expert: SignOff | None
    hipaa_mode: str
    hipaa_evidence: SignOff | None
    min_population: int
    contacts: tuple[Person, ...]
    counsel: SignOff | None
    partners_previewed: date | None
    needs_reviewer: bool
    synthetic: tuple[str, ...]
    path: Path | None = None

    @property
    def base_level(self) -> str:
        """The name of the level that the others are unions of."""
        return next((level.name for level in self.levels if level.is_base), "")

    def role(self, name: str) -> Role | None:
        """The role of this name, or None."""
        return next((role for role in self.roles if role.name == name), None)

    def field(self, name: str) -> PolicyField | None:
        """The field of this name, or None: it does not leave."""
        return next((field for field in self.fields if field.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Whether something is allowed, and why or why not; true in a condition where it is."""

    is_allowed: bool
    reason: str

    def __bool__(self) -> bool:
        return self.is_allowed
