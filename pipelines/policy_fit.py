"""Whether the parts of a policy fit one another, a city and the calendar."""

from collections.abc import Callable
from datetime import date

from pipelines.city import City
from pipelines.city_section import hint
from pipelines.policy_model import Policy, Role
from pipelines.policy_words import FIELDS, GRAINS, LOOPBACK_USER, PERIODS, TOPS, VIEWS

Fault = Callable[[str, str], None]


def check_fit(policy: Policy, fault: Fault) -> None:
    """Reports to `fault(key path, message)` where one part of the policy contradicts another."""
    outside = policy.audience in ("partner", "public")
    if policy.is_suppressed and not policy.ladder:
        fault("ladder", "missing; expected designs from fine to coarse where suppress = true")
    for at, design in enumerate(policy.ladder):
        if PERIODS.index(design.period) < GRAINS.index(policy.grain) - 1:
            fault(f"ladder[{at}].period", f"expected {policy.grain} or coarser (periods.grain), got [{design.period}]")
    if outside:
        chain = ancestors(policy, policy.base_level)
        for at, level in enumerate(policy.levels):
            if level.name != policy.base_level and level.name not in chain:
                fault(f"levels[{at}].name", f"expected levels that are unions of [{policy.base_level}] only, each "
                      f"within the next ({policy.audience}), got [{level.name}]; overlapping areas can be "
                      "subtracted")  # fmt: skip
    for at, field in enumerate(policy.fields):
        if FIELDS[field.name].is_place and field.name != "masked_points" and not policy.has_places:
            fault(f"fields[{at}].name", f"expected no place where has_places = false, got [{field.name}]")
    for role in policy.roles:
        _check_role(policy, role, fault)
    if policy.loopback_role and policy.role(policy.loopback_role) is None:
        fault("loopback_role", f"expected a role of this policy, got [{policy.loopback_role}]")
    _check_audience(policy, fault)


def _check_role(policy: Policy, role: Role, fault: Fault) -> None:
    where = f"roles.{role.name}"
    for at, purpose in enumerate(role.purposes):
        if purpose not in policy.purposes:
            fault(f"{where}.purposes[{at}]", f"expected a purpose of the policy, got [{purpose}]")
    listed = {field.name for field in policy.fields}
    for at, name in enumerate(role.views):
        view, here = VIEWS[name], f"{where}.views[{at}]"
        if policy.audience not in view.audiences:
            fault(here, f"{name} is for {', '.join(view.audiences)} only, got audience [{policy.audience}]")
        if role.name in view.never_roles:
            fault(here, f"expected no {name} for role {role.name}: it sees areas only, got [{name}]")
        if missing := [field for field in view.fields if field not in listed]:
            fault(here, f"{name} needs the fields {', '.join(missing)}, which are not listed")
        if view.purpose and view.purpose not in role.purposes:
            fault(here, f"{name} is for purpose {view.purpose}, which the role does not have")
        if view.needs_days and policy.grain != "day":
            fault(here, f"{name} needs periods.grain = day, got [{policy.grain}]; give it to an internal policy")
    if role.may_export and "grant" in role.purposes and policy.audience not in ("partner", "public"):
        fault(f"{where}.may_export", "expected false for a role of purpose grant: what leaves for a grant is public or "
              f"partner, got [true] under audience [{policy.audience}]")  # fmt: skip


def _check_audience(policy: Policy, fault: Fault) -> None:
    if policy.audience in ("case_conference", "partner") and len(policy.parties) < 2:
        fault("parties", f"expected at least two for an agreement, got [{len(policy.parties)}]")
    if policy.audience == "case_conference" and not policy.members:
        fault("members", "missing; expected the accounts of the staff named in the agreement")
    if (policy.audience == "partner") != bool(policy.own_organizations):
        fault("own_organizations", "expected the partner's organizations as the directory names them, for audience "
              f"partner and for no other, got [{len(policy.own_organizations)}] for [{policy.audience}]")  # fmt: skip
    if policy.audience != "public" and policy.redisclosure == "free":
        fault("redisclosure", f"expected forbidden or with_written_consent for {policy.audience}, got [free]")
    if policy.audience == "public" and not policy.needs_reviewer:
        fault("sign_off.needs_reviewer", "expected true for public: matching and tiers decide the answer, got [False]")


def city_faults(policy: Policy, city: City) -> list[str]:
    """Faults of a policy for one city: levels it does not have, and what holds for synthetic cities only."""
    known = [level.name for level in city.levels]
    return [
        f"levels[{at}].name: expected a level of {city.slug} ({', '.join([*known, *TOPS])}), "
        f"got [{level.name}]{hint(level.name, known)} (CONFIG_VALUE)"
        for at, level in enumerate(policy.levels)
        if level.name not in (*known, *TOPS)
    ] + ([] if city.is_synthetic else synthetic_only(policy))


def synthetic_only(policy: Policy) -> list[str]:
    """What of a policy holds for a synthetic city only, as faults with key path."""
    out = []
    if policy.expires is None:
        out.append('expires: expected a date, got ["never"], which is for a synthetic city only (POLICY_SYNTHETIC)')
    if policy.synthetic:
        out.append(f"sign_off.synthetic: expected real sign-offs, got [{', '.join(policy.synthetic)}] waived, which is "
                   "for a synthetic city only (POLICY_SYNTHETIC)")  # fmt: skip
    if LOOPBACK_USER in policy.members:
        out.append(f"members: expected accounts of named staff, got [{LOOPBACK_USER}], which is for a synthetic city "
                   "only (POLICY_SYNTHETIC)")  # fmt: skip
    return out


def expired(policy: Policy, *, today: date) -> list[str]:
    """The one fault of a policy whose last day is before `today`, or nothing."""
    if policy.expires is None or policy.expires >= today:
        return []
    return [f"expires: expected a day that is still to come, got [{policy.expires.isoformat()}], which is past on "
            f"{today.isoformat()}; an expired policy builds nothing and opens nothing (POLICY_EXPIRED)"]  # fmt: skip


def ancestors(policy: Policy, level: str) -> tuple[str, ...]:
    """The levels that `level` is an exact part of, from fine to coarse."""
    within = {one.name: one.within for one in policy.levels}
    out: list[str] = []
    while (level := within.get(level, "")) and level not in out:
        out.append(level)
    return tuple(out)
