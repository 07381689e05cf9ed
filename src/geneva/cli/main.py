"""The `geneva` command: one function for each subcommand, nothing else.

Whatever takes time to import is imported inside the commands, so that `geneva --help` answers at
once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geneva._version import __version__

app = typer.Typer(
    name="geneva",
    help="Feature engineering on Lance tables: Python functions as computed columns.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def version() -> None:
    """Print the versions of Geneva and of what it stands on."""
    import platform
    from importlib.metadata import version as installed

    typer.echo(
        f"opengeneva {__version__} (Python {platform.python_version()}, "
        f"pylance {installed('pylance')}, lancedb {installed('lancedb')}, "
        f"pyarrow {installed('pyarrow')})"
    )


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
) -> None:
    """Compute columns over real photographs and texts, and search them."""
    from rich.console import Console

    from geneva.cli.demo import packages
    from geneva.errors import GenevaError

    console = Console()
    try:
        packages.ensure(directory / ".packages", install=install, say=typer.echo)
        # Only now: this needs the packages.
        from geneva.cli.demo.run import run_demo

        run_demo(directory, query, fresh=not keep, concurrency=concurrency, console=console)
    except GenevaError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None


@app.command()
def plan(
    uri: Annotated[str, typer.Argument(help="The database: a folder or an object-store URI.")],
    table: Annotated[str, typer.Argument(help="The table.")],
    column: Annotated[str, typer.Argument(help="The computed column.")],
    where: Annotated[
        str | None, typer.Option(help="SQL filter: plan only rows that match.")
    ] = None,
    concurrency: Annotated[int, typer.Option(help="The most appliers at once.")] = 8,
    intra_applier_concurrency: Annotated[int, typer.Option(help="Threads per applier.")] = 1,
    num_cpus: Annotated[float | None, typer.Option(help="CPUs per applier.")] = None,
    num_gpus: Annotated[float | None, typer.Option(help="GPUs per applier.")] = None,
    memory: Annotated[int | None, typer.Option(help="Bytes of memory per applier.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Count rows that are computed already.")
    ] = False,
    on: Annotated[
        Path | None,
        typer.Option(help="Plan on the KubeRay RayCluster that this YAML or JSON file defines."),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            min=1, help="Run the function on so many rows and estimate time, memory and output."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a backfill would do, what it would ask for, and whether that fits.

    On the Ray cluster that RAY_ADDRESS names, on one that is only defined, or on this machine.
    The exit code is 1 if not even one applier could ever run.
    """
    import os

    from geneva.cli import plan as plans
    from geneva.errors import GenevaError

    try:
        ahead = plans.look_ahead(
            uri,
            table,
            column,
            definition=on,
            ray=bool(os.environ.get("RAY_ADDRESS")),
            where=where,
            concurrency=concurrency,
            intra_applier_concurrency=intra_applier_concurrency,
            num_cpus=num_cpus,
            num_gpus=num_gpus,
            memory=memory,
            force=force,
            sample=sample,
        )
        typer.echo(plans.as_json(ahead) if as_json else plans.as_text(ahead))
    except GenevaError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None
    if not ahead.admission.possible:
        raise typer.Exit(1)


@app.command()
def preview(
    uri: Annotated[str, typer.Argument(help="The database: a folder or an object-store URI.")],
    table: Annotated[str, typer.Argument(help="The table.")],
    column: Annotated[
        str | None, typer.Argument(help="The computed column. Default: see --udf.")
    ] = None,
    udf: Annotated[
        str | None, typer.Option(help="A function that no column has yet: module:name.")
    ] = None,
    where: Annotated[str | None, typer.Option(help="SQL filter: only rows that match.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The most rows.")] = 8,
    timeout: Annotated[float, typer.Option(help="Seconds that all rows may take.")] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run a function on a few rows in a worker and show what it does; nothing is written.

    The exit code is 1 if a row could not be computed.
    """
    import os
    import sys

    from geneva.cli import preview as previewing
    from geneva.errors import GenevaError

    try:
        seen = previewing.preview(
            uri,
            table,
            column,
            udf,
            ray=bool(os.environ.get("RAY_ADDRESS")),
            where=where,
            limit=limit,
            timeout=timeout,
            progress=sys.stderr.isatty(),
        )
    except GenevaError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(seen.to_json() if as_json else str(seen))
    if not seen.ok:
        raise typer.Exit(1)


@app.command()
def verify(
    uri: Annotated[str, typer.Argument(help="The database: a folder or an object-store URI.")],
    table: Annotated[str | None, typer.Argument(help="The table. Default: all.")] = None,
    column: Annotated[
        str | None, typer.Argument(help="The computed column. Default: all of the table.")
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read all values and compare their checksums.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check that what tables say of their computed columns is there and can be read.

    Names what is wrong, in which fragment and file, and what repairs it. The exit code is 1 if
    anything is wrong.
    """
    from geneva.cli import verify as verifying
    from geneva.errors import GenevaError

    try:
        reports = verifying.verify_tables(uri, table, column, deep=deep)
    except GenevaError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(verifying.as_json(reports) if as_json else verifying.as_text(reports))
    if not all(report.ok for report in reports):
        raise typer.Exit(1)


@app.command()
def errors(
    uri: Annotated[str, typer.Argument(help="The database: a folder or an object-store URI.")],
    table: Annotated[str | None, typer.Argument(help="The table. Default: all.")] = None,
    column: Annotated[
        str | None, typer.Argument(help="The computed column. Default: all of the table.")
    ] = None,
    job: Annotated[str | None, typer.Option(help="Only rows that failed in this job.")] = None,
    error_type: Annotated[str | None, typer.Option("--type", help="Only this class.")] = None,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where each was raised.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="The most rows to print.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the rows for which functions failed and that have no value since.

    `backfill("column", only="errors")` tries exactly these again. The exit code is 1 if there are
    any.
    """
    from geneva.cli import errors as listing
    from geneva.db import connect
    from geneva.errors import GenevaError

    try:
        with connect(uri) as db:
            rows = db.list_errors(table, column, job_id=job, error_type=error_type)
    except GenevaError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None
    text = listing.as_json(rows) if as_json else None
    typer.echo(text or listing.as_text(rows, traceback=traceback, limit=limit))
    if rows.num_rows:
        raise typer.Exit(1)


@app.command()
def gc(
    uri: Annotated[str, typer.Argument(help="The database: a folder or an object-store URI.")],
    table: Annotated[str | None, typer.Argument(help="The table; all of them if left out.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Remove nothing, only say what would be.")
    ] = False,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Also what the next backfill would go on from."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, a line for each table.")
    ] = False,
) -> None:
    """Remove what jobs left with tables and nobody needs: parts, column files, tags, leases."""
    from geneva.db import connect
    from geneva.errors import GenevaError

    try:
        db = connect(uri)
        for name in sorted(db.table_names()) if table is None else [table]:
            opened = db.open_table(name)
            done = opened.cleanup_checkpoints(dry_run=dry_run, resumable=everything)
            typer.echo(done.to_json() if as_json else str(done))
    except GenevaError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from None


@app.command()
def doctor(
    uri: Annotated[
        str | None,
        typer.Argument(help="A database: a folder or an object-store URI. Its storage is checked."),
    ] = None,
    udf: Annotated[
        str | None, typer.Option(help="A function to check as well: module:name.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
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
    code = 0 if report.ok else 1
    if left_behind():
        # What hangs in a thread could keep the interpreter from ending.
        sys.stdout.flush()
        os._exit(code)
    raise typer.Exit(code)


if __name__ == "__main__":
    app()
