"""The lists of a policy's TOML: purposes, fields, levels, ladder and roles; each fault is noted in its `Section`."""

from collections.abc import Iterable

from pipelines.city_section import Section, hint, shown
from pipelines.policy_model import Design, PolicyField, PolicyLevel, Role
from pipelines.policy_words import (
    DETAILS,
    ENFORCEMENT,
    FIELDS,
    NEED_DETAILS,
    NEVER,
    PERIODS,
    PURPOSES,
    ROLES,
    SENSITIVITIES,
    VIEWS,
)


def choice(section: Section, key: str, options: Iterable[str]) -> str:
    """The word under `key`, the first of `options` where it is missing or wrong: the fault is noted all the same."""
    listed = tuple(options)
    return section.text(key, choices=listed) or listed[0]


def read_purposes(section: Section) -> tuple[str, ...]:
    """The purposes; enforcement is refused with its reason, and `enforcement = false` has to be said."""
    said = section.get("enforcement", None, "false")
    if said is not False:
        section.wrong("enforcement", "false", said if section.has("enforcement") else "nothing", ENFORCEMENT)
    out = purposes(section)
    if not out:
        section.fault("purposes", f"expected at least one of {', '.join(PURPOSES)}, got [none]", "CONFIG_MISSING")
    return out


def purposes(section: Section) -> tuple[str, ...]:
    """The words under `purposes` that are purposes."""
    out = []
    for at, word in enumerate(section.texts("purposes")):
        if word.casefold() == "enforcement":
            section.fault(f"purposes[{at}]", f"got [{word}]; {ENFORCEMENT}", "POLICY_ENFORCEMENT")
        elif word not in PURPOSES:
            section.wrong(f"purposes[{at}]", f"one of {', '.join(PURPOSES)}", word)
        else:
            out.append(word)
    return tuple(out)


def read_fields(section: Section, audience: str) -> tuple[PolicyField, ...]:
    """The fields that may leave: each known, once, no less sensitive than it is, and meant for this audience."""
    out: list[PolicyField] = []
    for row in section.rows("fields"):
        name = row.text("name", about="a field")
        if name in NEVER:
            row.fault("name", f"got [{name}]; it leaves under no policy: {NEVER[name]}", "POLICY_NEVER")
        elif name and name not in FIELDS:
            row.fault("name", f"unknown field [{shown(name)}]{hint(name, FIELDS)}", "POLICY_FIELD")
        elif name:
            out.append(_field(row, name, audience))
            if name in [field.name for field in out[:-1]]:
                row.fault("name", f"listed twice [{name}]; keep one")
        for key in ("sensitivity", "transform"):
            row.has(key)
        row.done()
    if not out and not section.faults:
        section.fault("fields", "expected at least one field, got [none]: nothing would leave", "CONFIG_MISSING")
    return tuple(out)


def _field(row: Section, name: str, audience: str) -> PolicyField:
    known = FIELDS[name]
    said = choice(row, "sensitivity", SENSITIVITIES)
    if SENSITIVITIES.index(said) < SENSITIVITIES.index(known.sensitivity):
        row.fault("sensitivity", f"expected {known.sensitivity} or above for {name}, got [{said}]")
    if audience not in known.audiences:
        row.fault("name", f"{name} is for {', '.join(known.audiences)} only, got audience [{audience}]", "POLICY_FIELD")
    return PolicyField(name=name, sensitivity=said, transform=choice(row, "transform", known.transforms))


def read_levels(section: Section) -> tuple[PolicyLevel, ...]:
    """The levels, from fine to coarse; exactly one base."""
    out = []
    for row in section.rows("levels"):
        name = row.text("name", about="a level of the city's TOML, or city")
        out.append(
            PolicyLevel(
                name=name, within=row.text("within", "", about="a later level"), is_base=row.flag("base", False)
            )
        )
        row.done()
    names = [level.name for level in out]
    for at, level in enumerate(out):
        if level.name in names[:at]:
            section.fault(f"levels[{at}].name", f"listed twice [{shown(level.name)}]; keep one")
        if level.within and level.within not in names[at + 1 :]:
            section.fault(
                f"levels[{at}].within",
                f"expected a level listed after it, got [{shown(level.within)}]{hint(level.within, names[at + 1 :])}",
            )
        if not level.within and at + 1 < len(out):
            section.fault(f"levels[{at}].within", f"missing; expected one of {', '.join(names[at + 1 :])}")
    if (n_bases := sum(level.is_base for level in out)) != 1:
        section.fault("levels", f"expected exactly one level with base = true, got [{n_bases}]")
    return tuple(out)


def read_ladder(section: Section, levels: tuple[str, ...]) -> tuple[Design, ...]:
    """The designs in their order, each of a level of the policy."""
    out = []
    for row in section.rows("ladder"):
        out.append(
            Design(
                level=choice(row, "level", levels or ("city",)),
                period=choice(row, "period", PERIODS),
                detail=choice(row, "detail", DETAILS),
                needs=choice(row, "needs", NEED_DETAILS),
            )
        )
        row.done()
    for at, design in enumerate(out):
        for before, other in enumerate(out[:at]):
            if _is_finer_or_same(design, other, levels):
                section.fault(f"ladder[{at}]", f"expected coarser than ladder[{before}], got [no coarser in anything]; "
                              "order from fine to coarse")  # fmt: skip
                break
    return tuple(out)


def _is_finer_or_same(design: Design, other: Design, levels: tuple[str, ...]) -> bool:
    def rank(one: Design) -> tuple[int, ...]:
        return (
            levels.index(one.level) if one.level in levels else 0,
            PERIODS.index(one.period),
            DETAILS.index(one.detail),
            NEED_DETAILS.index(one.needs),
        )

    return all(a <= b for a, b in zip(rank(design), rank(other), strict=True))


def read_roles(section: Section) -> tuple[Role, ...]:
    """The roles by name; known roles, purposes and views only."""
    out = []
    for name, row in section.named():
        if name not in ROLES:
            section.fault(name, f"unknown role [{name}]{hint(name, ROLES)}", "POLICY_ROLE")
        role = Role(
            name=name,
            purposes=purposes(row),
            views=row.texts("views", choices=VIEWS),
            may_export=row.flag("may_export", False),
        )
        for key in ("purposes", "views"):
            if not row.table.get(key):
                row.fault(key, "missing; expected a list: a role without it may do nothing", "CONFIG_MISSING")
        row.done()
        out.append(role)
    if not out:
        section.fault("", f"expected at least one role of {', '.join(ROLES)}, got [none]", "CONFIG_MISSING")
    return tuple(out)
