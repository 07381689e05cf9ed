"""Commands that look at tables, and put them in order: tables, columns, errors, verify, gc."""

from __future__ import annotations

from typing import Annotated

import typer

from geneva.cli.arguments import Json, MaybeColumn, MaybeTable, Uri
from geneva.cli.endings import FAILED, errors_said


def tables(uri: Uri, as_json: Json = False) -> None:
    """List the tables of a database, with their rows and computed columns."""
    from geneva.cli import overview
    from geneva.overview import tables_of

    with errors_said():
        found = tables_of(uri)
    typer.echo(overview.as_json(found) if as_json else overview.tables_as_text(found))


def columns(uri: Uri, table: MaybeTable = None, as_json: Json = False) -> None:
    """List columns with their state: fresh, stale, missing or failed, and how many rows are.

    Why rows are not fresh is said below.
    """
    from geneva.cli import overview
    from geneva.overview import columns_of

    with errors_said():
        found = columns_of(uri, table)
    typer.echo(overview.as_json(found) if as_json else overview.columns_as_text(found))


def errors(
    uri: Uri,
    table: MaybeTable = None,
    column: MaybeColumn = None,
    job: Annotated[str | None, typer.Option(help="Only rows that failed in this job.")] = None,
    error_type: Annotated[str | None, typer.Option("--type", help="Only this class.")] = None,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where each was raised.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="The most rows to print.")] = 50,
    as_json: Json = False,
) -> None:
    """List the rows for which functions failed and that have no value since.

    `geneva backfill --only errors` tries exactly these again. The exit code is 1 if there are any.
    """
    from geneva.cli import errors as listing
    from geneva.db import connect

    with errors_said(), connect(uri) as db:
        rows = db.list_errors(table, column, job_id=job, error_type=error_type)
    text = listing.as_json(rows) if as_json else None
    typer.echo(text or listing.as_text(rows, traceback=traceback, limit=limit))
    if rows.num_rows:
        raise typer.Exit(FAILED)


def verify(
    uri: Uri,
    table: MaybeTable = None,
    column: MaybeColumn = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read all values and compare their checksums.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check that what tables say of their computed columns is there and can be read.

    Names what is wrong, in which fragment and file, and what repairs it. The exit code is 1 if
    anything is wrong.
    """
    from geneva.cli import verify as verifying

    with errors_said():
        reports = verifying.verify_tables(uri, table, column, deep=deep)
    typer.echo(verifying.as_json(reports) if as_json else verifying.as_text(reports))
    if not all(report.ok for report in reports):
        raise typer.Exit(FAILED)


def gc(
    uri: Uri,
    table: MaybeTable = None,
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

    with errors_said():
        db = connect(uri)
        for name in sorted(db.table_names()) if table is None else [table]:
            opened = db.open_table(name)
            done = opened.cleanup_checkpoints(dry_run=dry_run, resumable=everything)
            typer.echo(done.to_json() if as_json else str(done))
