"""Commands that run functions, or say what that would take: plan, preview, backfill."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from geneva.cli.arguments import ColumnName, Json, TableName, Uri, Where, columns_here
from geneva.cli.endings import FAILED, errors_said

Concurrency = Annotated[int, typer.Option(help="The most appliers at once.")]
Threads = Annotated[int, typer.Option(help="Threads per applier.")]
Cpus = Annotated[float | None, typer.Option(help="CPUs per applier.")]
Gpus = Annotated[float | None, typer.Option(help="GPUs per applier.")]
Memory = Annotated[int | None, typer.Option(help="Bytes of memory per applier.")]


def plan(
    uri: Uri,
    table: TableName,
    column: ColumnName,
    where: Where = None,
    concurrency: Concurrency = 8,
    intra_applier_concurrency: Threads = 1,
    num_cpus: Cpus = None,
    num_gpus: Gpus = None,
    memory: Memory = None,
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
    as_json: Json = False,
) -> None:
    """Say what a backfill would do, what it would ask for, and whether that fits.

    On the Ray cluster that RAY_ADDRESS names, on one that is only defined, or on this machine.
    The exit code is 1 if not even one applier could ever run.
    """
    import os

    from geneva.cli import plan as plans

    with errors_said():
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
    if not ahead.admission.possible:
        raise typer.Exit(FAILED)


def preview(
    uri: Uri,
    table: TableName,
    column: Annotated[
        str | None,
        typer.Argument(
            help="The computed column. Default: see --udf.", autocompletion=columns_here
        ),
    ] = None,
    udf: Annotated[
        str | None, typer.Option(help="A function that no column has yet: module:name.")
    ] = None,
    where: Where = None,
    limit: Annotated[int, typer.Option(min=1, help="The most rows.")] = 8,
    timeout: Annotated[float, typer.Option(help="Seconds that all rows may take.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Run a function on a few rows in a worker and show what it does; nothing is written.

    The exit code is 1 if a row could not be computed.
    """
    import os
    import sys

    from geneva.cli import preview as previewing

    with errors_said():
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
    typer.echo(seen.to_json() if as_json else str(seen))
    if not seen.ok:
        raise typer.Exit(FAILED)


def backfill(
    uri: Uri,
    table: TableName,
    columns: Annotated[
        list[str] | None,
        typer.Argument(
            help="The computed columns. Default: all that are not up to date.",
            autocompletion=columns_here,
        ),
    ] = None,
    udf: Annotated[
        str | None,
        typer.Option(
            help="The function that computes the column: module:name, from the current folder or "
            "installed. The column is added if it is not there, and given this function if it has "
            "another."
        ),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input", help="A column that --udf reads, once for each parameter. Default: by name."
        ),
    ] = None,
    where: Where = None,
    concurrency: Concurrency = 8,
    intra_applier_concurrency: Threads = 1,
    num_cpus: Cpus = None,
    num_gpus: Gpus = None,
    memory: Memory = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows per batch.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Compute rows again that are computed already.")
    ] = False,
    only: Annotated[
        str | None, typer.Option(help='"errors" computes only the rows that failed.')
    ] = None,
    max_errors: Annotated[
        str | None, typer.Option(help="Most rows that may fail: 10, or a share: 0.01 or 1%.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds after which the job is stopped.")
    ] = None,
    job_id: Annotated[str | None, typer.Option(help="Id of the job.")] = None,
    runner: Annotated[
        str | None, typer.Option(help='"process", "inline" or "ray".', show_default=False)
    ] = None,
    background: Annotated[
        bool,
        typer.Option("--background", help="Begin the job on the cluster, print its id and end."),
    ] = False,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Serve metrics for Prometheus on this port meanwhile."),
    ] = None,
    progress: Annotated[
        bool, typer.Option("--progress/--quiet", help="Bars on a terminal, lines elsewhere.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Compute the rows of computed columns that are missing or stale.

    On the Ray cluster that RAY_ADDRESS names, or in worker processes of this machine. Run it again
    after a failure: it goes on from what is computed. The exit code is 0 if all is computed, 1 if
    the job failed and 130 after Ctrl-C.
    """
    import json

    from geneva.cli import backfill as filling

    with errors_said():
        what = (uri, table, columns or (), udf, inputs or ())
        arguments: dict[str, Any] = {
            "where": where,
            "concurrency": concurrency,
            "intra_applier_concurrency": intra_applier_concurrency,
            "num_cpus": num_cpus,
            "num_gpus": num_gpus,
            "memory": memory,
            "batch_size": batch_size,
            "force": force,
            "only": only,
            "max_errors": filling.most_errors(max_errors),
            "timeout": timeout,
            "job_id": job_id,
            "runner": runner,
        }
        if background:
            # What serves them would end with the command.
            if metrics_port is not None:
                raise typer.BadParameter("--metrics-port is for jobs that the command waits for.")
            begun = filling.begin(*what, **arguments)
            typer.echo(json.dumps({"job_id": begun}) if as_json else begun)
            return
        result = filling.backfill(*what, metrics_port=metrics_port, progress=progress, **arguments)
        typer.echo(filling.as_json(result) if as_json else str(result))
