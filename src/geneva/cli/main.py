"""The `geneva` command: its subcommands, one function for each.

Whatever takes time to import is imported inside the commands, so that `geneva --help` answers at
once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geneva._version import __version__
from geneva.cli import console, jobs, looking, running
from geneva.cli.arguments import Json
from geneva.cli.endings import FAILED, errors_said

app = typer.Typer(
    name="geneva",
    help="Feature engineering on Lance tables: Python functions as computed columns.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def version(as_json: Json = False) -> None:
    """Print the versions of Geneva and of what it stands on."""
    import json
    import platform
    from importlib.metadata import version as installed

    packages = {name: installed(name) for name in ("pylance", "lancedb", "pyarrow")}
    versions = {"opengeneva": __version__, "python": platform.python_version(), **packages}
    if as_json:
        typer.echo(json.dumps(versions))
        return
    others = ", ".join(f"{name} {one}" for name, one in packages.items())
    typer.echo(f"opengeneva {__version__} (Python {versions['python']}, {others})")


@app.command()
def demo(
    directory: Annotated[
        Path, typer.Option("--dir", help="The database of the demo; created if absent.")
    ] = Path("geneva-demo"),
    keep: Annotated[
        bool,
        typer.Option("--keep/--fresh", help="Go on where an earlier run ended, or start over."),
    ] = True,
    query: Annotated[
        str, typer.Option(help="The photo to search for, or one crop of it.")
    ] = "motorcycle-left",
    concurrency: Annotated[
        int, typer.Option(min=1, help="The most workers that compute at the same time.")
    ] = 8,
    install: Annotated[
        bool,
        typer.Option(
            "--install/--no-install",
            help="Fetch missing packages into the demo's directory, or refuse.",
        ),
    ] = True,
    as_json: Json = False,
) -> None:
    """Compute columns over real photographs and texts, and search them."""
    import functools
    import json

    from rich.console import Console

    from geneva.cli.demo import packages

    with errors_said():
        say = functools.partial(typer.echo, err=as_json)
        packages.ensure(directory / ".packages", install=install, say=say)
        # Only now: this needs the packages.
        from geneva.cli.demo.run import run_demo

        console = Console(stderr=as_json)
        sheet = run_demo(directory, query, fresh=not keep, concurrency=concurrency, console=console)
    if as_json:
        typer.echo(json.dumps({"directory": str(directory), "contact_sheet": str(sheet)}))


@app.command()
def doctor(
    uri: Annotated[
        str | None,
        typer.Argument(help="A database: a folder or an object-store URI. Its storage is checked."),
    ] = None,
    udf: Annotated[
        str | None, typer.Option(help="A function to check as well: module:name.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that backfills can run here, and say how to fix what keeps them from it.

    On the Ray cluster that RAY_ADDRESS names, or on this machine. The exit code is 1 if a check
    failed.
    """
    import os
    import sys

    from geneva.checkup.deadline import left_behind
    from geneva.checkup.doctor import doctor as examine

    report = examine(uri, udf=udf, progress=sys.stderr.isatty())
    typer.echo(report.to_json() if as_json else str(report))
    code = 0 if report.ok else FAILED
    if left_behind():
        # What hangs in a thread could keep the interpreter from ending.
        sys.stdout.flush()
        os._exit(code)
    raise typer.Exit(code)


for run in (running.plan, running.preview, running.backfill):
    app.command()(run)
for look in (looking.tables, looking.columns, looking.errors, looking.verify, looking.gc):
    app.command()(look)
app.command()(console.console)
app.add_typer(jobs.app, name="jobs")

if __name__ == "__main__":
    app()
