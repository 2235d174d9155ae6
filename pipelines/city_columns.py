"""Which columns each kind of source may map, which it must, and the values a mapping may aim at."""

from geo.tables import CALLS, RESPONSES

COORDINATES = ("x", "y", "point")

REQUIRED: dict[str, tuple[str, ...]] = {
    "calls": ("call_id", "received_at", "call_type"),
    "incidents": ("incident_id", "reported_at", "offence"),
    "duty": ("service_id", "on_at", "off_at"),
    "responses": ("call_id", "responder"),
    "services": ("name",),
}

OPTIONAL: dict[str, tuple[str, ...]] = {
    "calls": (
        "dispatched_at",
        "arrived_at",
        "cleared_at",
        "duration",
        "call_type_initial",
        "origin",
        "caller_role",
        "priority",
        "disposition",
        "address",
        "beat",
        "n_units",
        *COORDINATES,
    ),
    "incidents": ("call_id", "address", *COORDINATES),
    "duty": ("n_teams",),
    "responses": ("assigned_at", "arrived_at", "cleared_at", "outcome", "not_sent_reason"),
    "services": (
        "service_id",
        "organization",
        "kind",
        "address",
        "eligibility",
        "hours",
        "intake",
        "capacity",
        "confidential",
        "status",
        "valid_from",
        "valid_to",
        "verified_on",
        *COORDINATES,
    ),
}

TIMES = ("received_at", "reported_at", "dispatched_at", "arrived_at", "cleared_at", "assigned_at", "on_at", "off_at")

LEGS = ("contact", "respond", "place")

AREA_NAMES = (
    "level", "geoid", "name", "vintage", "role", "area_km2", "denominator_vintage", "rate_barred", "geometry",
)  # fmt: skip


TARGETS: dict[str, tuple[str, ...]] = {
    column.name: column.values
    for table, name in ((CALLS, "origin"), (CALLS, "caller_role"), (RESPONSES, "responder"))
    for column in table.columns
    if column.name == name
}


def names_of(kind: str) -> tuple[str, ...]:
    """Every column a source of this kind may map, required ones first."""
    return REQUIRED[kind] + OPTIONAL[kind]
