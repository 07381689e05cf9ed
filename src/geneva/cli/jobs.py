"""`geneva jobs`: look at the jobs of a database, watch and steer them."""

from __future__ import annotations

from typing import Annotated

import typer

from geneva.cli.arguments import JobId, Json, Uri, jobs_here
from geneva.cli.endings import FAILED, errors_said

app = typer.Typer(help="Look at the jobs of a database, watch and steer them.")

_STATES = ("PENDING", "RUNNING", "PAUSED", "DONE", "FAILED", "CANCELLED")


@app.command("list")
def list_(
    uri: Uri,
    table: Annotated[str | None, typer.Option(help="Only jobs of this table.")] = None,
    status: Annotated[
        str | None,
        typer.Option(
            help=f"Only jobs in this state: {', '.join(_STATES)}.",
            autocompletion=lambda incomplete: [s for s in _STATES if s.startswith(incomplete)],
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="The most jobs, the newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """List jobs, running and ended, the newest first."""
    from geneva.cli import job_lines

    with errors_said():
        records = job_lines.records_of(uri, table, status)
    shown = records[:limit]
    typer.echo(job_lines.list_as_json(shown) if as_json else job_lines.as_text(shown, len(records)))


@app.command()
def show(uri: Uri, job: JobId, as_json: Json = False) -> None:
    """Show a job: its state, who began it and where, arguments, metrics, events and its error."""
    from geneva.cli import job_page
    from geneva.cli.job_lookup import job_of

    with errors_said():
        record = job_of(uri, job).record()
    typer.echo(job_page.as_json(record) if as_json else job_page.as_text(record))


@app.command()
def watch(
    uri: Uri,
    job: Annotated[
        str | None,
        typer.Argument(
            help="The job, or how its id begins. Default: all that run.", autocompletion=jobs_here
        ),
    ] = None,
    interval: Annotated[
        float, typer.Option(min=0.2, help="Seconds between two lines, where there is no terminal.")
    ] = 5.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print lines of JSON, also on a terminal.")
    ] = False,
) -> None:
    """Watch a job, or all that run, on the full screen; q or Ctrl-C ends that.

    Where the output is no terminal, lines are printed until the job has ended, or until none runs.
    The exit code is 1 if the job that is watched failed or was cancelled.
    """
    from geneva.cli import watch as watching

    with errors_said():
        well = watching.watch(uri, job, interval_s=interval, as_json=as_json)
    if not well:
        raise typer.Exit(FAILED)


@app.command()
def cancel(
    uri: Uri,
    job: JobId,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended.")] = False,
    as_json: Json = False,
) -> None:
    """Stop a job; what it computed is kept. The exit code is 1 if it had ended already."""
    from geneva.cli import job_page
    from geneva.cli.job_lookup import job_of

    with errors_said():
        found = job_of(uri, job)
        ended = found.record().status.ended
        found.cancel()
        if wait:
            found.wait()
        record = found.record()
    done = "has ended already" if ended else "is asked to stop" if not wait else "has ended"
    typer.echo(job_page.steered(record, done, as_json=as_json), err=ended and not as_json)
    if ended:
        raise typer.Exit(FAILED)


@app.command()
def pause(uri: Uri, job: JobId, as_json: Json = False) -> None:
    """Let a job keep what it computed and give its workers back; resume lets it go on."""
    from geneva.cli import job_page
    from geneva.cli.job_lookup import job_of

    with errors_said():
        found = job_of(uri, job)
        found.pause()
        text = job_page.steered(found.record(), "is asked to pause", as_json=as_json)
    typer.echo(text)


@app.command()
def resume(
    uri: Uri,
    job: JobId,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="The most appliers from now on.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Let a paused job go on, in this process or on the cluster that it is connected to.

    The command waits for its end.
    """
    from geneva.cli.backfill import as_json as result_as_json
    from geneva.cli.job_lookup import job_of

    with errors_said():
        result = job_of(uri, job).resume(concurrency=concurrency).result()
    typer.echo(result_as_json(result) if as_json else str(result))


@app.command()
def concurrency(
    uri: Uri,
    job: JobId,
    most: Annotated[int, typer.Argument(min=1, help="The most appliers from now on.")],
    as_json: Json = False,
) -> None:
    """Let a running job have more or fewer appliers."""
    from geneva.cli import job_page
    from geneva.cli.job_lookup import job_of

    with errors_said():
        found = job_of(uri, job)
        found.set_concurrency(most)
        words = f"is asked to have at most {most}"
        text = job_page.steered(found.record(), words, as_json=as_json)
    typer.echo(text)


@app.command()
def explain(uri: Uri, job: JobId, as_json: Json = False) -> None:
    """Say why a job is as fast as it is, and what it waits for."""
    from geneva.cli.job_lookup import in_json, job_of

    with errors_said():
        said = job_of(uri, job).explain()
    typer.echo(in_json(said) if as_json else str(said))


@app.command()
def logs(uri: Uri, job: JobId, as_json: Json = False) -> None:
    """Print what the function of a job printed, as far as it is recorded."""
    import json

    from geneva.cli.job_lookup import job_of

    with errors_said():
        lines = job_of(uri, job).logs()
    if as_json:
        typer.echo(json.dumps(lines))
        return
    for line in lines:
        typer.echo(line)
