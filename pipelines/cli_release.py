"""The commands about releases: `unmet release`, `unmet policy explain`, `unmet audit verify`, `unmet retire`."""

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipelines.release import Release

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
    app.add_typer(policies, name="policy")
    app.add_typer(log, name="audit")
    app.command()(retire)


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
    folder = build_release(
        one, opened, agreed, releases.resolve(), audit_path=audit.resolve(), who=getpass.getuser(), step=step
    )
    made = open_release(folder)
    if as_json:
        typer.echo(_dump({"folder": str(folder), **made.told}))
    elif not quiet:
        typer.echo(f"{folder}")
        for line in summary(made):
            typer.echo(f"  {line}")


def summary(made: "Release") -> list[str]:
    """What a release holds and hides, in lines."""
    told = made.told
    lines = [f"{told['city_name']}: policy {told['policy']} {told['policy_version']}, release {made.release_id}"]
    design = told["design"]
    lines.append(f"design: {design['rung']}")
    if "shown" in design:
        lines.append(
            "calls still shown: " + ", ".join(f"{name} {share:.0%}" for name, share in design["shown"].items())
        )
        lines.append("cells: " + ", ".join(f"{n:,} {why}" for why, n in design["cells"].items()))
    lines.append("tables: " + ", ".join(f"{name} {one['rows']:,}" for name, one in told["tables"].items()))
    return [*lines, *told["banners"], *told["waivers"], *told["caveats"]]


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
        who=getpass.getuser(),
        dry_run=dry_run,
    )
    if as_json:
        typer.echo(_dump([asdict(one) for one in found]))
        return
    for one in found:
        typer.echo(f"{one.state:<8} {one.city}/{one.policy}/{one.release_id}: {one.reason}")
    if not found:
        typer.echo(f"{releases}: no releases")
