"""Who may do what under a policy, and what still stands between a policy and a publication. Default deny."""

import dataclasses
import hashlib
import json
from typing import Any

from pipelines import clock
from pipelines.city import City
from pipelines.city_section import shown
from pipelines.policy_fit import ancestors, expired, synthetic_only
from pipelines.policy_model import Answer, Policy
from pipelines.policy_words import DISTRICT_ROLES, ENFORCEMENT, FIELDS, TOPS, VIEWS

_SIGNATURES = ("counsel", "partners_previewed", "synthetic", "path")


def allows(
    policy: Policy, *, role: str, purpose: str, view: str = "", field: str = "", export: bool = False, who: str = ""
) -> Answer:
    """Whether a role may open a view, read a field or take it away, for a purpose, now; and why or why not.

    `who` is the account, needed where the policy names its readers. Nothing asked for is denied, and so is
    everything that the policy does not name.
    """
    reason = _why_not_person(policy, role, purpose, who) or _why_not_thing(policy, role, purpose, view, field, export)
    return Answer(is_allowed=not reason, reason=reason or f"policy {policy.slug} names it for role {role}")


def _why_not_person(policy: Policy, role: str, purpose: str, who: str) -> str:
    known = policy.role(role)
    if purpose.strip().casefold() == "enforcement":
        return ENFORCEMENT
    if late := expired(policy, today=clock.now().date()):
        return late[0]
    if known is None:
        return f"policy {policy.slug} names no role [{shown(role)}]"
    if purpose not in policy.purposes or purpose not in known.purposes:
        return f"policy {policy.slug} names no purpose [{shown(purpose)}] for role {role}"
    if policy.members and who not in policy.members:
        return f"policy {policy.slug} names its readers, and [{shown(who)}] is not one of them"
    return ""


def _why_not_thing(policy: Policy, role: str, purpose: str, view: str, field: str, export: bool) -> str:
    known = policy.role(role)
    if known is None or not (view or field):
        return "nothing was asked for; name a view or a field"
    if view and view not in known.views:
        return f"policy {policy.slug} gives role {role} no view [{shown(view)}]"
    if view and VIEWS[view].purpose not in ("", purpose):
        return f"{view} is for purpose {VIEWS[view].purpose}, not for {purpose}"
    if field and policy.field(field) is None:
        return f"policy {policy.slug} does not list field [{shown(field)}]: it does not leave"
    if field and FIELDS[field].is_place and "places" not in known.views and field != "masked_points":
        return f"policy {policy.slug} gives role {role} no places"
    if field == "masked_points" and role != "analyst":
        return "masked points are for an analyst's own export"
    if not (export or (view and VIEWS[view].leaves)):
        return ""
    if not known.may_export:
        return f"policy {policy.slug} lets role {role} look and take nothing away"
    if purpose == "grant" and policy.audience not in ("partner", "public"):
        return "what leaves for a grant is built from a public or partner release"
    if view == "places" or (field and not FIELDS[field].may_leave):
        return f"{field or view} is for the screen only; it is never exported"
    return ""


def gates(policy: Policy, *, city: City, draft_rules: bool, draft_matching: bool) -> list[str]:
    """Why nothing may be published under a policy yet; empty where everything is in order.

    public: tiers (`draft_rules`) and matching (`draft_matching`) reviewed, counsel has signed these very terms,
    partners have seen their own record, homelessness at district level or coarser. partner and case_conference:
    counsel. Every audience: in force. For a synthetic city the sign-offs listed in `sign_off.synthetic` are waived,
    and `waivers` says so in words that must stand on what is made.
    """
    out = expired(policy, today=clock.now().date())
    waived = policy.synthetic if city.is_synthetic else ()
    if not city.is_synthetic:
        out += synthetic_only(policy)
    if policy.needs_reviewer and "reviewer" not in waived:
        out += _drafts(draft_rules, draft_matching)
    if policy.audience != "internal" and "counsel" not in waived:
        out += _counsel(policy)
    if policy.audience == "public":
        if policy.partners_previewed is None and "partners_previewed" not in waived:
            out.append(
                "sign_off.partners_previewed: partners have not been shown their own record yet; show it under a "
                "partner policy and write down the date"
            )
        out += _homelessness(policy, city)
    return out


def waivers(policy: Policy, *, city: City) -> list[str]:
    """What was not signed because the city is synthetic, as sentences that must stand on everything made from it."""
    if not city.is_synthetic:
        return []
    said = {
        "counsel": "No counsel has read this policy",
        "partners_previewed": "No partner has been shown a record",
        "reviewer": "Nobody has reviewed the tiers and the matching",
    }
    return [f"{said[name]}: the city is synthetic and nobody real is in the data." for name in policy.synthetic]


def terms_hash(policy: Policy) -> str:
    """The first 16 hex of SHA-256 over the terms: all a policy says but who signed it. What counsel signs."""
    return _digest(policy, without=_SIGNATURES)[:16]


def policy_hash(policy: Policy) -> str:
    """SHA-256 in hex over all a policy says; comments, order of keys and the place of the file change nothing."""
    return _digest(policy, without=("path",))


def _digest(policy: Policy, *, without: tuple[str, ...]) -> str:
    plain: dict[str, Any] = {k: v for k, v in dataclasses.asdict(policy).items() if k not in without}
    return hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()


def _drafts(draft_rules: bool, draft_matching: bool) -> list[str]:
    out = []
    if draft_rules:
        out.append(
            "data/rules, data/needs.toml: call rules and tiers are a draft; expected reviewed_by, got nothing; have "
            "them reviewed by somebody who knows the dispatch codes"
        )
    if draft_matching:
        out.append(
            "data/matching: which service suits which need is a draft; expected reviewed_by, got nothing; have it "
            "reviewed by somebody who knows the services"
        )
    return out


def _counsel(policy: Policy) -> list[str]:
    if policy.counsel is None:
        return ["sign_off.counsel: no counsel has signed; expected name, role, date and terms"]
    if policy.counsel.terms != terms_hash(policy):
        return [
            f"sign_off.counsel.terms: counsel signed other terms [{policy.counsel.terms}] than these "
            f"[{terms_hash(policy)}]; have them signed again"
        ]
    return []


def _homelessness(policy: Policy, city: City) -> list[str]:
    """The levels below district at which a policy would count homelessness."""
    coarse = {level.name for level in city.levels if level.role in DISTRICT_ROLES} | set(TOPS)
    floor = dict(policy.floors).get("homelessness", policy.base_level)
    shown_at = [level.name for level in policy.levels if level.name == floor or level.name in ancestors(policy, floor)]
    if fine := [name for name in shown_at if name not in coarse]:
        return [
            "floors.homelessness: calls related to homelessness are never published below district level; expected a "
            f"level of role {', '.join(DISTRICT_ROLES)} or city, got [{', '.join(fine)}]"
        ]
    return []
