"""A policy in plain words, for a lawyer to read: who sees what, at which level, how long, and what never leaves."""

import textwrap
from collections.abc import Iterable

from pipelines.policy_fit import ancestors, synthetic_only
from pipelines.policy_gates import policy_hash, terms_hash
from pipelines.policy_law import MODES, PART2
from pipelines.policy_model import Policy, SignOff
from pipelines.policy_words import (
    AUDIENCES_ABOUT,
    DETAILS_ABOUT,
    ENFORCEMENT,
    FIELDS,
    NEVER,
    TRANSFORMS_ABOUT,
    VIEWS,
)
from pipelines.vocabulary import needs

_WIDTH = 100
_REDISCLOSURE = {
    "forbidden": "Nobody who receives it may pass it on.",
    "with_written_consent": "It may be passed on only with the written consent of the parties.",
    "free": "It may be passed on freely, with its source, release id and notes.",
}


def explain(policy: Policy) -> str:
    """The policy as text of at most 100 columns; it says what the software does, and claims no more."""
    parts = [_head(policy), _who(policy), _what(policy), _hidden(policy), _never(policy), _law(policy), _keep(policy),
             _signed(policy), _limits()]  # fmt: skip
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _head(policy: Policy) -> list[str]:
    until = f"through {policy.expires.isoformat()}" if policy.expires else "without end (synthetic city only)"
    return [
        f"{policy.title} ({policy.slug} {policy.version})",
        *_para(f"For: {AUDIENCES_ABOUT[policy.audience]} ({policy.audience}). In force {until}."),
        *_para(f"Parties: {'; '.join(f'{one.name} ({one.role})' for one in policy.parties)}."),
        *_para(f"Legal basis: {policy.legal_basis}"),
        *_para(f"Purposes: {_and(policy.purposes)}. {ENFORCEMENT[0].upper()}{ENFORCEMENT[1:]}."),
        f"Policy hash {policy_hash(policy)[:16]}; hash of the terms, for counsel to sign: {terms_hash(policy)}",
    ]


def _who(policy: Policy) -> list[str]:
    out = ["WHO SEES WHAT"]
    for role in policy.roles:
        views = "; ".join(f"{VIEWS[name].about}" for name in role.views)
        may = "May take files away." if role.may_export else "May look, and take nothing away."
        out += _item(f"{role.name}, for {_and(role.purposes)}: {views}. {may}")
    if policy.members:
        out += _item(f"Only these accounts, whatever their role: {', '.join(policy.members)}.")
    if policy.own_organizations:
        out += _item(f"The partner's own record is that of: {', '.join(policy.own_organizations)}.")
    if policy.loopback_role:
        out += _item(f"On the machine itself, without signing in, a reader has the role {policy.loopback_role}.")
    out += _item(
        "Any role, view or purpose that is not named here is refused. Every view and every download is logged."
    )
    out += _item(f'Each reader is asked to say, and it is logged: "{policy.attestation}"')
    return out


def _what(policy: Policy) -> list[str]:
    out = ["WHAT LEAVES THE STORE"]
    for field in policy.fields:
        known = FIELDS[field.name]
        tail = "" if known.may_leave else "; on the screen only, never in a file"
        transform = "" if field.transform == "none" else f", {TRANSFORMS_ABOUT[field.transform]}"
        out += _item(f"{field.name} ({field.sensitivity}): {known.about}{transform}{tail}")
    names = [f"{level.name}{' (the base)' if level.is_base else ''}" for level in policy.levels]
    out += _item(f"Areas, from fine to coarse: {_and(names)}.")
    delay = f"; nothing younger than {policy.delay_days} days" if policy.delay_days else "; no delay"
    out += _item(f"Finest period: {policy.grain}{delay}.")
    for need, floor in policy.floors:
        levels = [floor, *ancestors(policy, floor)]
        out += _item(f"{needs()[need].label}: counted by {_and(levels)} only, never finer.")
    for at, design in enumerate(policy.ladder, start=1):
        which = "each need" if design.needs == "each" else "needs in groups"
        out += _item(f"Design {at}: {design.level} by {design.period}; {DETAILS_ABOUT[design.detail]}; {which}.")
    if policy.ladder:
        out += _item(
            "The finest of these designs is taken that still shows at least "
            f"{policy.min_shown_share:.0%} of the calls in scope; the release says which."
        )
    return out


def _hidden(policy: Policy) -> list[str]:
    out = ["WHAT IS HIDDEN, AND HOW"]
    if policy.is_suppressed:
        out += _item(
            f"A number from 1 to {policy.threshold - 1} is hidden, and so is everything that is computed from it; "
            "other numbers are hidden with it so that it cannot be found by subtraction. All have one symbol. "
            "Zero is shown."
        )
        out += _item(
            "Before it is written, a release is attacked by the software, together with earlier ones for the same "
            "audience; one that gives a hidden number away is not written."
        )
    else:
        out += _item(
            "Numbers are not hidden on the screen of these readers. What is made from it is internal and says so: "
            "not for publication."
        )
    if any(field.name == "hotspot_shapes" for field in policy.fields):
        rule = policy.hotspots
        out += _item(
            f"The outline of a recurring-call area is shown where it holds at least {rule.min_addresses} addresses, "
            f"{rule.min_calls} calls and {rule.min_residents} residents, snapped to a grid of {rule.snap_m} m."
        )
    if policy.has_places:
        out += _item("Single places are shown on the screen to the readers named above, and in no file.")
    if policy.mask_k:
        out += _item(
            f"A masked point hides among at least {policy.mask_k} households; each place has one mask for ever."
        )
    if policy.min_population:
        out += _item(f"An area of fewer than {policy.min_population:,} people is not shown at all.")
    return out


def _never(policy: Policy) -> list[str]:
    out = ["WHAT NEVER LEAVES"]
    out += _item(f"{', '.join(NEVER)}: under no policy.")
    places = "" if policy.has_places else " This release holds no place of any kind."
    out += _item(f"Never as a point or a place: {', '.join(policy.never_points)}.{places}")
    out += _item("Confidential services are not mapped; shelters for victims of domestic violence are not located.")
    absent = [name for name in FIELDS if policy.field(name) is None]
    out += _item(f"Not listed above, so not in the release: {', '.join(absent) or 'nothing else there is'}.")
    return out


def _law(policy: Policy) -> list[str]:
    out = ["LAW THAT THE SETTINGS FOLLOW"]
    out += _item(f"HIPAA mode {policy.hipaa_mode}: {MODES[policy.hipaa_mode].about}.{_by(policy.hipaa_evidence)}")
    part2 = PART2.about if policy.part2 else "no such record is a source under this policy"
    out += _item(f"42 CFR Part 2: {part2.removeprefix('42 CFR Part 2 ')}.{_by(policy.part2_expert)}")
    return out


def _keep(policy: Policy) -> list[str]:
    out = ["HOW LONG, AND WHAT BECOMES OF IT"]
    out += _item(f"A release is removed {policy.retention_days} days after it was made, or when this policy ends, "
                 "whichever is first.")  # fmt: skip
    out += _item(f"Destruction: {policy.destruction}")
    out += _item(_REDISCLOSURE[policy.redisclosure])
    contacts = "; ".join(f"{one.name}, {one.role}, {one.email}" for one in policy.contacts)
    out += _item(f"Contacts: {contacts}.")
    return out


def _signed(policy: Policy) -> list[str]:
    out = ["SIGN-OFFS"]
    if policy.counsel is None:
        out += _item("Counsel: not signed.")
    else:
        same = policy.counsel.terms == terms_hash(policy)
        out += _item(
            f"Counsel:{_by(policy.counsel)} {'These terms.' if same else 'Other terms than these: not valid.'}"
        )
    day = policy.partners_previewed
    out += _item(f"Partners shown their own record: {day.isoformat() if day else 'not yet'}.")
    out += _item(
        f"Review of tiers and matching {'is' if policy.needs_reviewer else 'is not'} needed before anything is made."
    )
    if policy.synthetic:
        out += _item(
            f"Waived because the city is synthetic: {', '.join(policy.synthetic)}. Nobody real is in the data."
        )
    if only := synthetic_only(policy):
        out += _item("This file cannot be used for a real city:")
        out += [line for fault in only for line in _para(fault, indent="      ", first="    - ")]
    return out


def _limits() -> list[str]:
    return [
        "WHAT THIS TEXT IS NOT",
        *_item("It says what the software will do. It is not legal advice, and whether it satisfies any law or "
               "agreement is for counsel to say."),
        *_item("Hiding small numbers does not protect against a reader who already knows other facts."),
    ]  # fmt: skip


def _by(signed: SignOff | None) -> str:
    return f" Signed by {signed.name}, {signed.role}, on {signed.date.isoformat()}." if signed else ""


def _and(words: Iterable[str]) -> str:
    listed = list(words)
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}"


def _para(text: str, *, indent: str = "", first: str = "") -> list[str]:
    return textwrap.wrap(" ".join(text.split()), _WIDTH, initial_indent=first, subsequent_indent=indent)


def _item(text: str) -> list[str]:
    return _para(text, indent="    ", first="  - ")
