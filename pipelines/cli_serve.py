"""The command `unmet serve`: the dashboard on the newest releases. The one door from here up to the dashboard."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.cli_release import AuditLog, Releases

HOST, PORT = "127.0.0.1", 8050


def register(app: typer.Typer) -> None:
    """Adds the command of this module to `unmet`."""
    app.command()(serve)


def serve(
    cities: Annotated[
        list[str] | None, typer.Argument(metavar="[CITY…]", help="Cities by slug or path [sample]; several get /CITY/.")
    ] = None,
    policy: Annotated[
        str, typer.Option("--policy", metavar="P", help="A slug of data/policies/ or the path of a policy's TOML.")
    ] = "internal",
    folders: Annotated[
        list[Path] | None,
        typer.Option("--release", metavar="DIR", help="One release instead of the newest; once for each city."),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Beyond this machine only with UNMET_AUTH set.")] = HOST,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port to listen on.")] = PORT,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Processes.")] = 2,
    releases: Releases = Path("releases"),
    audit: AuditLog = Path("audit.jsonl"),
    behind_https: Annotated[
        bool, typer.Option("--behind-https", help="A proxy in front ends TLS: mark cookies secure.")
    ] = False,
    development: Annotated[
        bool, typer.Option("--development", help="One process without gunicorn, for work on the dashboard.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Serve the dashboard on releases, and nothing but releases, until it is stopped."""
    from dashboard import serve as server

    sources = _sources(cities or [], policy, releases.resolve(), [folder.resolve() for folder in folders or []])
    free_port(host, port)
    if not quiet:
        typer.echo(f"Serving {', '.join(sources)} at http://{host}:{port}/ - stop with Ctrl-C.")
    server.run(
        sources,
        host=host,
        port=port,
        workers=workers,
        audit=audit.resolve(),
        is_development=development,
        behind_https=behind_https,
    )


def _sources(cities: Sequence[str], policy: str, releases: Path, folders: Sequence[Path]) -> dict[str, Any]:
    """A source for each city: its newest release under the policy, or the one that was named."""
    from dashboard.source import newest, only
    from pipelines import cli_release
    from pipelines.cli import _city

    if folders:
        opened = [only(folder) for folder in folders]
        return {str(source().told["city"]): source for source in opened}
    out = {}
    for name in cities or ["sample"]:
        city = _city(name)
        out[city.slug] = newest(cli_release.newest(city, policy, releases).parent)
    return out


def free_port(host: str, port: int) -> None:
    """Raises UnmetError where something listens there already."""
    import socket

    from geo.errors import UnmetError

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as taken:
            raise UnmetError(
                f"--port: expected a free port, got [{port}], which cannot be used on {host} "
                f"({taken.strerror}); stop what listens there or choose another"
            ) from taken
