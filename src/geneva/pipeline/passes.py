"""A job of several columns: one pass for each, in an order in which each finds its inputs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from geneva.jobs.progress import Progress
from geneva.jobs.result import BackfillJobResult, combined
from geneva.pipeline.backfill import BackfillJob
from geneva.pipeline.driver import StopSignal

Show = Callable[[Progress], None]
_LEAST_S = 0.001


def run_passes(
    job: BackfillJob,
    show: Show,
    stop: StopSignal,
    run: Callable[[BackfillJob, Show], BackfillJobResult],
) -> BackfillJobResult:
    """Run the columns of a job one after the other and return the result of all.

    Parameters
    ----------
    job
        The job.
    show
        Takes the progress of the column that is computed now.
    stop
        Lets others end the job early, also between two columns.
    run
        Runs the job of one column.
    """
    began_s = time.monotonic()
    results: list[BackfillJobResult] = []
    for column in job.columns:
        if results and stop.error is not None:
            raise stop.error
        one = replace(job, column=column, then=())
        timeout = job.arguments.timeout
        if results and timeout is not None:
            most_s = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
            left_s = max(_LEAST_S, most_s - (time.monotonic() - began_s))
            one = replace(one, arguments=replace(job.arguments, timeout=left_s))
        last = column is job.columns[-1]
        results.append(run(one, show if last else _going_on(show)))
    return combined(results)


def _going_on(show: Show) -> Show:
    """Show the end of a column that is not the end of the job."""

    def shown(progress: Progress) -> None:
        # An error ends the job with the column.
        ended = progress.finished and progress.stage != "done"
        show(progress if ended else replace(progress, finished=False))

    return shown
