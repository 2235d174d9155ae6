"""The command `unmet`: one verb a job, in the order a person meets them.

Heavy imports stay inside the commands, so that help answers at once. Exit codes: 0 done, 1 the work failed,
2 the call was wrong, 75 the store is busy.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines import cli_serve
from pipelines.cli_release import AuditLog, Releases, register, user, write_map

if TYPE_CHECKING:
    from rich.console import Console

    from pipelines.city import City
    from pipelines.store import Store

FAILED, WRONG_CALL, BUSY = 1, 2, 75
NARROWEST = 100  # columns; a narrower terminal wraps lines, but no number is ever cut

app = typer.Typer(
    name="unmet",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Where and when people call 911 for health and social needs, and which calls no suitable service could take.",
)

CityName = Annotated[str, typer.Argument(metavar="CITY", help="A slug of data/cities/ or the path of a city's TOML.")]
DataRoot = Annotated[
    Path | None, typer.Option("--data-root", envvar="UNMET_DATA", help="Folder of raw files.", show_default=False)
]
StoreFolder = Annotated[
    Path | None,
    typer.Option("--store", envvar="UNMET_STORE", help="Folder of stores [./store]; a city has its own inside."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print every stage, skipped ones too.")]


@app.command()
def sample(
    out: Annotated[Path, typer.Option("--out", help="Folder to write into.")],
    calls: Annotated[int, typer.Option("--calls", min=1_000, max=10_000_000, help="Rows of the CAD exports.")] = 60_000,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same bytes.")] = 20250106,
    quiet: Quiet = False,
) -> None:
    """Write the synthetic sample city's raw files at any size."""
    from pipelines.sample import write_sample

    with _bar("writing the sample city", calls, quiet) as advance:
        report = write_sample(out, n_calls=calls, seed=seed, progress=advance)
    if not quiet:
        typer.echo(f"{out}: {report.n_rows:,} rows of calls, seed {seed}. Everything in it is synthetic.")


@app.command()
def check(city: CityName, data_root: DataRoot = None, as_json: AsJson = False) -> None:
    """Report all faults of a city's configuration and data at once, and profile each source."""
    from pipelines.check import check_city
    from pipelines.check_show import render

    one = _city(city)
    report = check_city(one, _root(one, data_root))
    if as_json:
        typer.echo(_dump(report.as_json()))
    else:
        render(report, _console())
    if not report.ok:
        raise typer.Exit(FAILED)


@app.command()
def run(
    city: CityName,
    data_root: DataRoot = None,
    store: StoreFolder = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TABLE", help="Stop after this table.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Bring a city's store up to date from its raw files; only what is not current is done."""
    one = _city(city)
    _run(one, _root(one, data_root), _store_folder(one, store), until=until, quiet=quiet or as_json, verbose=verbose)
    if as_json:
        typer.echo(_dump(_open(one, store).manifest))


@app.command()
def status(city: CityName, store: StoreFolder = None, as_json: AsJson = False) -> None:
    """Say what is in a city's store: tables, rows, when and from which files they were made."""
    from rich.text import Text

    from pipelines.screen import counts_table, plain_table

    one = _city(city)
    opened = _open(one, store)
    if as_json:
        typer.echo(_dump(opened.manifest))
        return
    console = _console()
    console.print(Text(f"{one.name}: store made {opened.manifest.get('made_at', 'never')}"))
    table = plain_table("Tables", [("table", "l"), ("rows", "r"), ("stage", "l"), ("part", "l")])
    for name, part in sorted(opened.tables.items()):
        if "_" not in name or name in ("type_changes", "call_types"):
            table.add_row(name, f"{part.rows:,}", part.stage, part.file)
    console.print(table)
    console.print(counts_table(opened.manifest.get("counts", [])))
    versions = opened.manifest.get("versions", {})
    console.print(Text(" · ".join(f"{name} {value}" for name, value in versions.items()), style="dim"))


@app.command()
def tables(
    name: Annotated[str | None, typer.Argument(metavar="[TABLE]", help="One table.")] = None, as_json: AsJson = False
) -> None:
    """Print the contracts: what a row of each table is, its key, columns and units."""
    from dataclasses import asdict

    from rich.text import Text

    from geo.tables import TABLES
    from pipelines.screen import plain_table

    chosen = [TABLES[name]] if name in TABLES else list(TABLES.values())
    if name is not None and name not in TABLES:
        _wrong(f"expected a table of {', '.join(TABLES)}; got [{name}]")
    if as_json:
        typer.echo(_dump([asdict(table) for table in chosen]))
        return
    console = _console()
    for table in chosen:
        console.print(Text(f"{table.name}: a row is {table.row}; key {', '.join(table.key)}", style="bold"))
        grid = plain_table("", [("column", "l"), ("kind", "l"), ("unit", "l"), ("what", "l")])
        for column in table.columns:
            values = f"{{{', '.join(column.values)}}} " if column.values else ""
            kind = column.kind + ("?" if column.nullable else "")
            grid.add_row(column.name, kind, Text(column.unit), Text(values + column.about))
        console.print(grid)


SHOWN = ("gaps", "hotspots", "rates", "quality", "verification")


@app.command()
def show(
    table: Annotated[str, typer.Argument(metavar="TABLE", help=f"One of {', '.join(SHOWN)}.")],
    city: CityName,
    store: StoreFolder = None,
    level: Annotated[str | None, typer.Option("--level", help="Level of areas, for gaps and rates.")] = None,
    need: Annotated[str | None, typer.Option("--need", help="One need, for instance mental_health.")] = None,
    leg: Annotated[str | None, typer.Option("--leg", help="contact, respond or place.")] = None,
    period: Annotated[str, typer.Option("--period", help="whole, last_12_months or a year.")] = "whole",
    variant: Annotated[str, typer.Option("--variant", help="default, with_ed or no_institutions.")] = "default",
    product: Annotated[str, typer.Option("--product", help="excess or volume, for hotspots.")] = "excess",
    as_json: AsJson = False,
) -> None:
    """Print a table as its reader wants it: units, intervals and caveats with every number."""
    from pipelines import screen
    from pipelines import show as shown

    one = _city(city)
    opened = _open(one, store)
    _check_choices(one, table=table, level=level, need=need, leg=leg, period=period, variant=variant, product=product)
    if table == "gaps":
        told = shown.gaps(one, opened, level=level, need=need, leg=leg, period=period, variant=variant)
    elif table == "hotspots":
        told = shown.hotspots(one, opened, need=need, product=product)
    elif table == "rates":
        told = shown.rates(one, opened, level=level, need=need, period=period)
    elif table == "quality":
        told = shown.quality(one, opened)
    else:
        told = shown.verification(one, opened, need=need, leg=leg)
    if as_json:
        typer.echo(_dump(told))
    else:
        getattr(screen, f"print_{table}")(_console(), told)


@app.command()
def demo(
    store: StoreFolder = None,
    releases: Releases = Path("releases"),
    audit: AuditLog = Path("audit.jsonl"),
    out: Annotated[Path, typer.Option("--out", help="Where the map goes.")] = Path("out"),
    serve: Annotated[bool, typer.Option(help="End with the dashboard, at --port of this machine.")] = True,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port of the dashboard.")] = cli_serve.PORT,
    quiet: Quiet = False,
) -> None:
    """Run the sample city from raw files to the printed gaps, its internal release, a map of it and the dashboard."""
    from pipelines.policy import load_policy
    from pipelines.release import build_release, open_release

    one = _city("sample")
    folder = _store_folder(one, store)
    _run(one, _root(one, None), folder, until=None, quiet=quiet, verbose=False)
    opened = _open(one, store)
    agreed = load_policy("internal", city=one)
    made = open_release(build_release(one, opened, agreed, releases.resolve(), audit_path=audit.resolve(), who=user()))
    path = write_map(one, made, out / "sample-gap-map.html", purpose="planning", audit=audit.resolve())
    if not quiet:
        _print_demo(one, opened, made.folder, path)
    if serve:
        cli_serve.serve([one.slug], releases=releases, audit=audit, port=port, quiet=quiet)


def _print_demo(one: "City", opened: "Store", made: Path, path: Path) -> None:
    from pipelines import screen
    from pipelines import show as shown

    console = _console()
    screen.print_gaps(console, shown.gaps(one, opened))
    screen.print_hotspots(console, shown.hotspots(one, opened))
    console.print(screen.counts_table(shown.quality(one, opened)["counts"]))
    typer.echo(f"\nRelease: {made} - what the policy internal allows; all that people see is made from it.")
    typer.echo(f"Map: {path} - open it in a browser; it needs no network.")
    typer.echo(
        "Next: unmet show quality sample · unmet show verification sample · unmet release sample --policy public"
    )


def _city(name: str) -> "City":
    from pipelines.city import load_city

    return load_city(name)


def _root(city: "City", given: Path | None) -> Path:
    """The folder of raw files: as given, else the project's own for the sample city, else ./data."""
    from geo.errors import UnmetError
    from pipelines.resources import data_path

    own = data_path("sample")
    if given is not None and not given.is_dir():
        raise UnmetError(f"expected a folder of raw files, got [{given}]; mend --data-root or UNMET_DATA")
    if city.slug == "sample" and (given is None or not _holds_sample(city, given)):
        return own
    folder = given or Path("data")
    if not folder.is_dir():
        raise UnmetError(f"expected a folder of raw files, got [{folder}]; give --data-root or set UNMET_DATA")
    return folder.resolve()


def _holds_sample(city: "City", folder: Path) -> bool:
    """Whether a data root has raw files of the sample city, as `unmet sample` writes them."""
    return any((where / city.sources[0].path).exists() for where in (folder / city.slug, folder))


def _store_folder(city: "City", given: Path | None) -> Path:
    return (given or Path("store")).resolve() / city.slug


def _open(city: "City", given: Path | None) -> "Store":
    from geo.errors import StoreError
    from pipelines.store import Store

    folder = _store_folder(city, given)
    if not (folder / "manifest.json").exists():
        raise StoreError(f"{folder}: no store yet; run `unmet run {city.slug}` first")
    return Store(folder)


def _run(city: "City", root: Path, folder: Path, *, until: str | None, quiet: bool, verbose: bool) -> None:
    from pipelines.bars import shown_progress
    from pipelines.flow import run as run_flow
    from pipelines.screen import counts_table

    console = _console(stderr=True)
    with shown_progress(console, quiet=quiet, verbose=verbose) as progress:
        report = run_flow(city, root, folder, until=until, progress=progress)
    if quiet:
        return
    console.print(counts_table(report.manifest.get("counts", [])))
    done = f"{len(report.made)} stages done, {len(report.skipped)} current already, {report.seconds:.1f} s"
    console.print(f"{city.name}: {done}. internal - not for publication", highlight=False, markup=False)


@contextmanager
def _bar(words: str, total: int, quiet: bool) -> "Iterator[Any]":
    from pipelines.bars import row_bar

    with row_bar(_console(stderr=True), words, total, quiet=quiet) as advance:
        yield advance


def _check_choices(city: "City", **given: str | None) -> None:
    """Refuses a choice that is not there, with the near names."""
    from pipelines.compare import VARIANTS, periods
    from pipelines.vocabulary import needs

    allowed = {
        "table": list(SHOWN),
        "level": [level.name for level in city.levels],
        "need": [name for name, need in needs().items() if need.in_scope],
        "leg": ["contact", "respond", "place"],
        "period": [period.name for period in periods(city)],
        "variant": sorted(VARIANTS),
        "product": ["excess", "volume"],
    }
    for name, value in given.items():
        if value is not None and value not in allowed[name]:
            _wrong(f"{name}: expected one of {', '.join(allowed[name])}; got [{value}]")


def _wrong(message: str) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(WRONG_CALL)


def _console(*, stderr: bool = False) -> "Console":
    from rich.console import Console

    from pipelines.bars import guarded

    given = os.environ.get("COLUMNS")
    width = None if given is None and sys.stdout.isatty() else int(given or 160)
    console = Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)
    console.width = max(console.width, NARROWEST)
    return guarded(console)


def _dump(value: object) -> str:
    from pipelines.printable import printable_json

    return printable_json(json.dumps(value, indent=1, default=str, ensure_ascii=False))


register(app)
cli_serve.register(app)


def main() -> None:
    """Run the command; errors meant for a user end with one message and their exit code."""
    from geo.errors import ConfigError, StoreBusy, UnmetError

    try:
        app()
    except StoreBusy as busy:
        _end(busy, BUSY)
    except ConfigError as wrong:
        _end(wrong, WRONG_CALL)
    except UnmetError as failed:
        _end(failed, FAILED)
    except OSError as failed:
        named = f" [{failed.filename}]" if failed.filename else ""
        _end(
            UnmetError(
                f"the system refused{named}: {failed.strerror or failed}; see that it exists and may be written"
            ),
            FAILED,
        )


def _end(error: Exception, code: int) -> None:
    from pipelines.printable import printable

    typer.echo(printable(str(error), lines=True), err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
