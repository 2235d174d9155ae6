"""The commands about releases: `unmet release`, `map`, `policy explain`, `audit verify`, `retire`."""

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipelines.city import City
    from pipelines.release import Release
    from pipelines.store import Store

FAILED = 1
Releases = Annotated[
    Path, typer.Option("--releases", envvar="UNMET_RELEASES", help="Folder of releases: CITY/POLICY/ID inside.")
]
AuditLog = Annotated[
    Path, typer.Option("--audit", envvar="UNMET_AUDIT", help="The audit log; it is made where there is none.")
]
PolicyName = Annotated[
    str, typer.Option("--policy", metavar="P", help="A slug of data/policies/ or the path of a policy's TOML.")
]

policies = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Data-sharing agreements.")
log = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The log of who saw and took what.")


def register(app: typer.Typer) -> None:
    """Adds the commands of this module to `unmet`."""
    app.command()(release)
    app.command(name="map")(gap_map)
    app.add_typer(policies, name="policy")
    app.add_typer(log, name="audit")
    app.command()(retire)


def user() -> str:
    """The account that runs the command, for the audit log."""
    return getpass.getuser()


def release(
    city: Annotated[str, typer.Argument(metavar="CITY", help="A slug of data/cities/ or the path of a city's TOML.")],
    policy: PolicyName,
    store: Annotated[
        Path | None,
        typer.Option("--store", envvar="UNMET_STORE", help="Folder of stores [./store]; a city has its own inside."),
    ] = None,
    releases: Releases = Path("releases"),
    audit: AuditLog = Path("audit.jsonl"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Make what a policy allows of a city's store, protected and audited, and nothing else."""
    from pipelines.cli import _city, _dump, _open
    from pipelines.policy import load_policy
    from pipelines.release import build_release, open_release

    one = _city(city)
    agreed = load_policy(policy, city=one)
    opened = _open(one, store)
    step = None if quiet or as_json else lambda words: typer.echo(f"  trying {words}", err=True)
    folder = build_release(one, opened, agreed, releases.resolve(), audit_path=audit.resolve(), who=user(), step=step)
    made = open_release(folder)
    if as_json:
        typer.echo(_dump({"folder": str(folder), **made.told}))
    elif not quiet:
        typer.echo(f"{folder}")
        for line in [*summary(made), *(shares(opened) if agreed.is_suppressed else [])]:
            typer.echo(f"  {line}")


def summary(made: "Release") -> list[str]:
    """What a release holds and hides, in lines."""
    told = made.told
    lines = [f"{told['city_name']}: policy {told['policy']} {told['policy_version']}, release {made.release_id}"]
    design = told["design"]
    lines.append(f"design: {design['rung']}")
    if "cells" in design:
        lines.append("cells: " + ", ".join(f"{n:,} {why}" for why, n in design["cells"].items()))
    lines.append("tables: " + ", ".join(f"{name} {one['rows']:,}" for name, one in told["tables"].items()))
    return [*lines, *told["banners"], *told["waivers"], *told["caveats"]]


def shares(opened: "Store") -> list[str]:
    """For the operator only: what share of calls each block shows, and the designs that were tried for the last.

    Not in the release: a share of a table and what it shows give its total.
    """
    from pipelines import release_ledger

    lines = ["internal - not for publication:"]
    blocks = release_ledger.read(opened)
    for block in blocks:
        told = ", ".join(f"{name} {share:.0%}" for name, share in block.shown.items())
        lines.append(f"  {', '.join(block.quarters)}: calls still shown: {told}")
    return [*lines, *(f"  tried: {line}" for line in blocks[-1].tried)]


def gap_map(
    city: Annotated[str, typer.Argument(metavar="CITY", help="A slug of data/cities/ or the path of a city's TOML.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The HTML file to write.")],
    policy: PolicyName = "internal",
    folder: Annotated[
        Path | None, typer.Option("--release", metavar="DIR", help="One release [the newest of the policy].")
    ] = None,
    releases: Releases = Path("releases"),
    purpose: Annotated[str, typer.Option("--purpose", help="What it is for; one that the policy names.")] = "planning",
    audit: AuditLog = Path("audit.jsonl"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Write the standalone gap map of a release: one HTML file that needs no network and holds nothing else."""
    from pipelines.cli import _city
    from pipelines.release import open_release

    one = _city(city)
    opened = open_release(folder.resolve() if folder else newest(one, policy, releases.resolve()))
    written = write_map(one, opened, out, purpose=purpose, audit=audit.resolve())
    if not quiet:
        typer.echo(f"{written}: policy {opened.policy.slug}, release {opened.release_id}")


def newest(city: "City", policy: str, releases: Path) -> Path:
    """The folder of the release that was made last for a city under a policy, a slug or the path of its TOML.

    Raises:
        UnmetError: there is none.
    """
    from geo.errors import UnmetError
    from pipelines.policy import load_policy
    from pipelines.release import newest_in

    slug = load_policy(policy, expired_too=True).slug
    found = newest_in(releases / city.slug / slug)
    if found is None:
        raise UnmetError(
            f"expected a release of {city.slug} under policy {slug}, got none in [{releases}]; "
            f"run `unmet release {city.slug} --policy {policy}` first"
        )
    return found


def write_map(city: "City", opened: "Release", out: Path, *, purpose: str, audit: Path) -> Path:
    """The path of the written map, logged before it is written.

    Raises:
        UnmetError: the release is another city's, or its policy lets nobody on this machine take the map away for this
            purpose.
    """
    from geo.errors import UnmetError
    from pipelines import audit as log_of
    from pipelines.maps import write_gap_map
    from pipelines.policy import allows

    if opened.told["city"] != city.slug:
        raise UnmetError(f"--release: expected one of {city.slug}, got one of [{opened.told['city']}]")
    role = opened.policy.loopback_role
    answer = allows(opened.policy, role=role, purpose=purpose, view="explore", export=True, who="loopback")
    said: dict[str, Any] = {
        "who": user(),
        "role": role,
        "purpose": purpose,
        "release": opened.release_id,
        "city": city.slug,
        "what": {"view": "explore", "format": "html map", "policy": opened.policy.slug},
    }
    if not answer:
        log_of.append(audit, action="refuse", n_rows=0, **said)
        raise UnmetError(f"the gap map of {city.slug} may not be taken away: {answer.reason}")
    log_of.append(audit, action="download", n_rows=int(opened.told["tables"]["measures"]["rows"]), **said)
    return write_gap_map(opened, out)


@policies.command()
def explain(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A slug of data/policies/ or the path of a TOML.")],
) -> None:
    """Say in plain words who sees what under a policy, for a lawyer to read."""
    from pipelines.policy import explain as told
    from pipelines.policy import load_policy

    typer.echo(told(load_policy(file, expired_too=True)))


@log.command()
def verify(
    path: Annotated[Path, typer.Option("--path", envvar="UNMET_AUDIT", help="The audit log.")] = Path("audit.jsonl"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """Check that no line of the audit log was edited, added or taken away."""
    from dataclasses import asdict

    from pipelines.audit import verify as check
    from pipelines.cli import _dump

    report = check(path)
    if as_json:
        typer.echo(_dump(asdict(report)))
    else:
        typer.echo(f"{path}: {report.n_lines:,} lines, ends in {report.head_sha256}")
        for line in (*report.notes, *report.faults):
            typer.echo(f"  {line}")
    if not report.is_whole:
        raise typer.Exit(FAILED)


def retire(
    releases: Releases = Path("releases"),
    audit: AuditLog = Path("audit.jsonl"),
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", metavar="P", help="A policy now in force, where it ends earlier; may be repeated."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is due, and remove and log nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """Remove releases whose policy has ended or whose time is up, each one logged first."""
    from dataclasses import asdict

    from pipelines.cli import _dump
    from pipelines.policy import load_policy
    from pipelines.retire import retire as remove

    found = remove(
        releases.resolve(),
        {one.slug: one for one in (load_policy(name, expired_too=True) for name in policy or ())},
        audit_path=audit.resolve(),
        who=user(),
        dry_run=dry_run,
    )
    if as_json:
        typer.echo(_dump([asdict(one) for one in found]))
        return
    for one in found:
        typer.echo(f"{one.state:<8} {one.city}/{one.policy}/{one.release_id}: {one.reason}")
    if not found:
        typer.echo(f"{releases}: no releases")
