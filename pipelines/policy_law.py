"""What the law behind the data demands of a policy: the least threshold, the finest level and period, by mode.

Profiles to configure by, not legal advice: they refuse what the named rule plainly rules out and prove nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pipelines.policy_model import Policy
from pipelines.policy_words import FIELDS, FINER_THAN_TRACT, GRAINS
from pipelines.vocabulary import SENSITIVE

Fault = Callable[[str, str], None]
MARKS = tuple(mark for mark in SENSITIVE if mark != "none")
NEVER_POINTS = (*MARKS, "homelessness")
PUBLIC_NEVER_POINTS = (*NEVER_POINTS, "mental_health", "substance_use")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """The minima of one legal mode; empty `levels` = any level; `evidence` = a sign-off that must be there."""

    about: str
    threshold: int = 11
    levels: tuple[str, ...] = ()
    grain: str = "day"
    suppressed: bool = False
    places: bool = False
    audiences: tuple[str, ...] = ("internal", "case_conference", "partner", "public")
    evidence: str = ""
    min_population: int = 0


MODES = {
    "none": Mode(
        about="no health record is a source; police dispatch data usually fall under records law", places=True
    ),
    "limited_data_set": Mode(
        about="HIPAA limited data set (45 CFR 164.514(e)): a data use agreement, no street address, no public release",
        audiences=("internal", "case_conference", "partner"),
        evidence="the data use agreement",
    ),
    "expert_determination": Mode(
        about="HIPAA expert determination (45 CFR 164.514(b)(1)): an expert has put the risk in writing",
        suppressed=True,
        evidence="the expert's determination",
    ),
    "safe_harbor": Mode(
        about="HIPAA Safe Harbor (45 CFR 164.514(b)(2)): nothing smaller than a state but 3-digit ZIP areas of more "
        "than 20,000 people, and no date finer than the year; a city or county total is finer than that",
        levels=("zip3", "state"),
        grain="year",
        suppressed=True,
        min_population=20_001,
    ),
}
PART2 = Mode(
    about="42 CFR Part 2 (substance use treatment records): sums by county and year, unless the partner's expert signs",
    levels=("county", "state"),
    grain="year",
    suppressed=True,
)
_PUBLIC_GRAIN, _PUBLIC_DELAY = "quarter", 30


def check_law(policy: Policy, fault: Fault) -> None:
    """Reports to `fault(key path, message)` all that the legal modes and the audience of a policy rule out."""
    mode = MODES[policy.hipaa_mode]
    _check_mode(policy, f"hipaa.mode = {policy.hipaa_mode}", mode, fault)
    if mode.evidence and policy.hipaa_evidence is None:
        fault("hipaa.evidence", f"missing; mode {policy.hipaa_mode} needs {mode.evidence}: name, role and date")
    if policy.part2:
        _check_part2(policy, fault)
    if policy.audience in ("partner", "public"):
        _check_outside(policy, fault)
    required = PUBLIC_NEVER_POINTS if policy.audience in ("partner", "public") else NEVER_POINTS
    if missing := [word for word in required if word not in policy.never_points]:
        fault("never_points", f"expected {', '.join(required)} among them, got [without {', '.join(missing)}]")


def _check_mode(policy: Policy, name: str, mode: Mode, fault: Fault) -> None:
    if policy.threshold < mode.threshold:
        fault("threshold", f"expected at least {mode.threshold} ({name}), got [{policy.threshold}]")
    if policy.audience not in mode.audiences:
        fault("audience", f"expected one of {', '.join(mode.audiences)} ({name}), got [{policy.audience}]")
    for at, level in enumerate(policy.levels):
        if mode.levels and level.name not in mode.levels:
            fault(f"levels[{at}].name", f"expected one of {', '.join(mode.levels)} ({name}), got [{level.name}]")
    if GRAINS.index(policy.grain) < GRAINS.index(mode.grain):
        fault("periods.grain", f"expected {mode.grain} or coarser ({name}), got [{policy.grain}]")
    for at, design in enumerate(policy.ladder):
        if mode.grain == "year" and design.period == "quarter":
            fault(f"ladder[{at}].period", f"expected year or whole ({name}), got [quarter]")
    if mode.suppressed and not policy.is_suppressed:
        fault("suppress", f"expected true ({name}), got [False]")
    if policy.has_places and not mode.places:
        fault("has_places", f"expected false ({name}): records under it are never joined to a point, got [True]")
    if policy.mask_k and not mode.places:
        fault("fields", f"expected no masked_points ({name}), got [masked_points]")


def _check_part2(policy: Policy, fault: Fault) -> None:
    signed = policy.part2_expert is not None
    loose = Mode(about=PART2.about, suppressed=True)
    _check_mode(policy, "part2 = true" + ("" if signed else ", no part2_expert"), loose if signed else PART2, fault)


def _check_outside(policy: Policy, fault: Fault) -> None:
    """The minima for what leaves the agency: partner and public."""
    name = f"audience = {policy.audience}"
    if not policy.is_suppressed:
        fault("suppress", f"expected true ({name}), got [False]")
    if policy.has_places:
        fault("has_places", f"expected false ({name}): no place leaves the agency, got [True]")
    if GRAINS.index(policy.grain) < GRAINS.index(_PUBLIC_GRAIN):
        fault("periods.grain", f"expected {_PUBLIC_GRAIN} or year ({name}), got [{policy.grain}]")
    if policy.audience == "public" and policy.delay_days < _PUBLIC_DELAY:
        fault("periods.delay_days", f"expected at least {_PUBLIC_DELAY} ({name}), got [{policy.delay_days}]")
    for at, level in enumerate(policy.levels):
        if level.name in FINER_THAN_TRACT:
            fault(f"levels[{at}].name", f"expected tract or coarser ({name}), got [{level.name}]")
    for at, field in enumerate(policy.fields):
        demanded = FIELDS[field.name].protected
        if demanded and field.transform not in demanded:
            fault(f"fields[{at}].transform", f"expected {' or '.join(demanded)} ({name}), got [{field.transform}]")
