"""Data-sharing agreements as code: the one door. `load_policy` reads, `allows` and `gates` decide, `explain` tells.

Default deny: a field, purpose, role or view that a policy does not name does not leave.
"""

from datetime import date
from pathlib import Path

from geo.errors import ConfigError
from pipelines import clock
from pipelines.city import City
from pipelines.policy_explain import explain
from pipelines.policy_fit import ancestors, city_faults, expired, synthetic_only
from pipelines.policy_gates import allows, gates, policy_hash, terms_hash, waivers
from pipelines.policy_model import Answer, Design, HotspotRule, Person, Policy, PolicyField, PolicyLevel, Role, SignOff
from pipelines.policy_words import FIELDS
from pipelines.vocabulary import needs

__all__ = [
    "Answer",
    "Design",
    "HotspotRule",
    "Person",
    "Policy",
    "PolicyField",
    "PolicyLevel",
    "Role",
    "SignOff",
    "allows",
    "barred_needs",
    "explain",
    "gates",
    "load_policy",
    "policy_hash",
    "release_tables",
    "terms_hash",
    "waivers",
    "why_closed",
]


def load_policy(slug_or_path: str | Path, *, city: City | None = None, expired_too: bool = False) -> Policy:
    """A policy by slug of `data/policies/` or by path of a TOML, fit to be used for `city` today.

    Without a city its levels are not compared with anything and what holds for synthetic cities only is let through:
    whoever opens a release then asks `why_closed`. `expired_too` is for those who explain or retire.

    Raises:
        ConfigError: all faults of the file at once, each with its key path and its reason.
    """
    from pipelines.policy_file import find_policy, read_policy

    path = find_policy(slug_or_path)
    try:
        policy = read_policy(path)
    except ConfigError as error:
        raise ConfigError(path.name, [*error.faults, *_expired_text(path, expired_too)]) from None
    late = [] if expired_too else expired(policy, today=clock.now().date())
    if city is not None:
        late += city_faults(policy, city)
    if late:
        raise ConfigError(path.name, late)
    return policy


def _expired_text(path: Path, expired_too: bool) -> list[str]:
    """The expiry's fault of a file that has others too, so that all faults show at once."""
    import tomllib

    try:
        value = tomllib.loads(path.read_text("utf-8-sig")).get("expires")
    except (OSError, ValueError):
        return []
    if expired_too or type(value) is not date or value >= clock.now().date():
        return []
    return [f"expires: expected a day that is still to come, got [{value.isoformat()}] (POLICY_EXPIRED)"]


def why_closed(policy: Policy, *, is_synthetic: bool, today: date | None = None) -> list[str]:
    """Why nothing may be built or opened under a policy today; empty where it is in force. For an open release too."""
    faults = expired(policy, today=today or clock.now().date())
    return faults if is_synthetic else [*faults, *synthetic_only(policy)]


def release_tables(policy: Policy) -> frozenset[str]:
    """The tables that a release under this policy may hold; any other must not be in its folder."""
    return frozenset(table for field in policy.fields for table in FIELDS[field.name].tables)


def barred_needs(policy: Policy, level: str) -> frozenset[str]:
    """The needs whose floor is coarser than `level`, and the rolled-up needs that hold one: not to be counted there."""
    barred = {need for need, floor in policy.floors if level != floor and level not in ancestors(policy, floor)}
    return frozenset(barred | {needs()[need].rollup for need in barred})
