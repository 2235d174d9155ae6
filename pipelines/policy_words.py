"""The words a policy may use: audiences, purposes, roles, views, fields and transforms. What is not here is refused."""

from dataclasses import dataclass

AUDIENCES = ("internal", "case_conference", "partner", "public")
PURPOSES = ("planning", "grant", "evaluation")
ROLES = ("public", "planner", "command", "analyst", "grant", "admin")
GRAINS = ("day", "quarter", "year")
PERIODS = ("quarter", "year", "whole")
DETAILS = ("causes", "unmet", "calls")
NEED_DETAILS = ("each", "rollup")
REDISCLOSURE = ("forbidden", "with_written_consent", "free")
SENSITIVITIES = ("open", "low", "moderate", "high")
TOPS = ("city", "county", "state")
FINER_THAN_TRACT = ("block", "block_group", "parcel", "address", "place", "grid")
DISTRICT_ROLES = ("patrol", "planning", "parent")
WAIVABLE = ("counsel", "partners_previewed", "reviewer")
LOOPBACK_USER = "loopback"
ENFORCEMENT = (
    "enforcement is no purpose here and cannot be made one: the data describe services and needs, "
    "not people to act against"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Something a release may hold: the tables it is in, its least sensitivity, how and to whom it may go.

    `protected` are the transforms it must have for partner and public; `audiences` those that may have it at all.
    """

    tables: tuple[str, ...]
    sensitivity: str
    transforms: tuple[str, ...]
    about: str
    audiences: tuple[str, ...] = AUDIENCES
    protected: tuple[str, ...] = ()
    is_place: bool = False
    may_leave: bool = True


_OPEN = ("none",)
_COUNT = ("none", "suppress")
_STAFF = ("internal", "case_conference")

FIELDS = {
    "area_shapes": Field(
        tables=("areas",), sensitivity="open", transforms=("none", "simplify"), about="outlines and names of areas"
    ),
    "area_people": Field(
        tables=("areas",),
        sensitivity="open",
        transforms=_OPEN,
        about="census estimates of residents and households, with their margins of error",
    ),
    "service_records": Field(
        tables=("services",),
        sensitivity="open",
        transforms=_OPEN,
        about="the service directory: name, kind, hours, whom it takes; confidential locations left out",
    ),
    "data_quality": Field(
        tables=("quality", "breaks"),
        sensitivity="open",
        transforms=_OPEN,
        about="what was left out and why, and dates across which counts cannot be compared",
    ),
    "call_counts": Field(
        tables=("calls",),
        sensitivity="low",
        transforms=_COUNT,
        protected=("suppress",),
        about="numbers of calls by area, need, origin, scope and period",
    ),
    "outcome_counts": Field(
        tables=("cells",),
        sensitivity="low",
        transforms=_COUNT,
        protected=("suppress",),
        about="numbers of calls by area, need, leg and whether a listed service could have taken them",
    ),
    "rates": Field(
        tables=("measures",),
        sensitivity="low",
        transforms=_COUNT,
        protected=("suppress",),
        about="calls per year, per resident and per square kilometre, with intervals",
    ),
    "minutes": Field(
        tables=("measures",),
        sensitivity="low",
        transforms=_COUNT,
        protected=("suppress",),
        about="time committed to calls, summed over an area",
    ),
    "flags": Field(
        tables=("measures",),
        sensitivity="low",
        transforms=_COUNT,
        protected=("suppress",),
        about="at least and at most unmet, and whether an area is above the standard",
    ),
    "ranks": Field(
        tables=("ranks",),
        sensitivity="low",
        transforms=_COUNT,
        protected=("suppress",),
        about="ranks of areas with their intervals",
    ),
    "hours": Field(
        tables=("hours",),
        sensitivity="moderate",
        transforms=("none", "six_blocks"),
        protected=("six_blocks",),
        about="when calls come, by hour of the week",
    ),
    "hour_counts": Field(
        tables=("day_hours",),
        sensitivity="moderate",
        transforms=_OPEN,
        audiences=_STAFF,
        may_leave=False,
        about="numbers of calls and outcomes by area, day and hour",
    ),
    "cascade": Field(
        tables=("cascade",),
        sensitivity="low",
        transforms=_OPEN,
        audiences=_STAFF,
        about="from calls of a need to those somebody was sent to and connected, in the whole city",
    ),
    "verification": Field(
        tables=("verification",),
        sensitivity="low",
        transforms=_OPEN,
        audiences=_STAFF,
        about="which listed services to confirm first, and how many calls an answer would move",
    ),
    "data_intake": Field(
        tables=("denominators", "type_changes"),
        sensitivity="low",
        transforms=_OPEN,
        audiences=_STAFF,
        about="how many rows came in from which file, and call types that were changed while a call was open",
    ),
    "service_reach": Field(
        tables=("area_services", "hour_gains", "only_by"),
        sensitivity="low",
        transforms=_OPEN,
        audiences=_STAFF,
        about="how many calls of an area a service is near enough for, lacks the hours for, or alone could take",
    ),
    "hotspot_shapes": Field(
        tables=("hotspots",),
        sensitivity="moderate",
        transforms=("none", "snap"),
        protected=("snap",),
        about="outlines of recurring-call areas; no centre, no address",
    ),
    "hotspot_labels": Field(
        tables=("hotspots",),
        sensitivity="moderate",
        transforms=_OPEN,
        about="class, need, status and peak block of a recurring-call area",
    ),
    "hotspot_counts": Field(
        tables=("hotspots", "hotspot_hours"),
        sensitivity="moderate",
        transforms=_OPEN,
        audiences=_STAFF,
        about="numbers of calls and of addresses in a recurring-call area, and its calls by hour of the week",
    ),
    "own_record": Field(
        tables=("services",),
        sensitivity="low",
        transforms=_OPEN,
        audiences=("partner",),
        about="the partner's own directory record as the software read it, and what changes if it is corrected",
    ),
    "place_points": Field(
        tables=("places",),
        sensitivity="high",
        transforms=_OPEN,
        audiences=("case_conference",),
        is_place=True,
        may_leave=False,
        about="where calls recur, as a point on the screen",
    ),
    "place_counts": Field(
        tables=("places",),
        sensitivity="high",
        transforms=_OPEN,
        audiences=("case_conference",),
        is_place=True,
        may_leave=False,
        about="how often calls came from a place",
    ),
    "place_hours": Field(
        tables=("place_hours",),
        sensitivity="high",
        transforms=_OPEN,
        audiences=("case_conference",),
        is_place=True,
        may_leave=False,
        about="when calls came from a place",
    ),
    "reach": Field(
        tables=("reach",),
        sensitivity="high",
        transforms=_OPEN,
        audiences=("case_conference",),
        is_place=True,
        may_leave=False,
        about="minutes from a place to each service",
    ),
    "masked_points": Field(
        tables=("masked",),
        sensitivity="high",
        transforms=("mask",),
        audiences=_STAFF,
        is_place=True,
        about="places moved by a fixed, keyed, random distance, for an analyst's own export",
    ),
}

NEVER = {
    "address": "addresses are used to count and never leave the store",
    "call_id": "a call's number finds the call in the agency's records",
    "calls_rows": "single calls never leave the store",
    "received_at": "the instant of a call finds the call",
    "caller": "people are not in the data",
    "name": "people are not in the data",
    "phone": "people are not in the data",
    "plate": "people are not in the data",
    "narrative": "free text is not loaded",
    "officer": "officers are not in the data",
    "unit": "officers are not in the data",
    "risk_score": "no person and no address is scored",
    "hotspot_centre": "the centre of a shape is near to an address",
    "quarantine": "refused rows stay in the store",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A page or product: the fields it cannot do without, and the one purpose it is for, if any."""

    about: str
    fields: tuple[str, ...] = ()
    purpose: str = ""
    needs_days: bool = False
    leaves: bool = False
    audiences: tuple[str, ...] = AUDIENCES
    never_roles: tuple[str, ...] = ()


VIEWS = {
    "explore": View(about="the map and tables of areas", fields=("call_counts", "area_shapes")),
    "detail": View(about="one area in detail", fields=("call_counts", "area_shapes")),
    "hotspots": View(about="recurring-call areas", fields=("hotspot_shapes", "hotspot_labels")),
    "services": View(about="the service directory and which records to confirm", fields=("service_records",)),
    "what_if": View(about="what a new site or more hours would reach", fields=("outcome_counts",)),
    "quality": View(about="what came in and what was left out", fields=("data_quality",)),
    "methods": View(about="formulas, rules and the policy in force"),
    "analyst": View(
        about="methods behind the maps",
        fields=("call_counts",),
        audiences=("internal", "case_conference"),
        never_roles=("public", "command", "grant"),
    ),
    "own_record": View(
        about="the partner's own record and its effect, shown first", fields=("own_record",), audiences=("partner",)
    ),
    "places": View(
        about="single places, for staff named in the agreement",
        fields=("place_points", "place_counts"),
        purpose="planning",
        audiences=("case_conference",),
        never_roles=("public", "command", "grant"),
    ),
    "brief": View(
        about="the weekly brief",
        fields=("call_counts",),
        purpose="planning",
        needs_days=True,
        audiences=("internal", "case_conference"),
    ),
    "kit": View(
        about="the grant kit",
        fields=("call_counts", "outcome_counts", "area_shapes"),
        purpose="grant",
        leaves=True,
        audiences=("partner", "public"),
    ),
    "plan": View(about="siting and hours", fields=("outcome_counts",), purpose="planning"),
    "evaluate": View(about="program impact", fields=("call_counts",), purpose="evaluation"),
}

DETAILS_ABOUT = {
    "causes": "available, uncertain, and unmet by cause (distance, access, hours)",
    "unmet": "available, uncertain, unmet",
    "calls": "numbers of calls only",
}
TRANSFORMS_ABOUT = {
    "none": "as it is",
    "simplify": "with simplified outlines",
    "suppress": "with small numbers hidden",
    "six_blocks": "merged into six blocks over the whole period",
    "snap": "snapped to a coarse grid, and only above the minima below",
    "mask": "moved at random, once and for all",
}
AUDIENCES_ABOUT = {
    "internal": "planners and command staff of the agency",
    "case_conference": "staff named in an agreement",
    "partner": "a provider under a memorandum of understanding",
    "public": "anybody",
}
