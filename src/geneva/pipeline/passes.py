"""A job of several columns: one pass for each, in an order in which each finds its inputs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from geneva.jobs.progress import Progress
from geneva.jobs.result import BackfillJobResult, combined
from geneva.pipeline.backfill_job import BackfillJob, plan
from geneva.pipeline.driver import StopSignal
from geneva.pipeline.sharing import shared_passes
from geneva.storage.dataset import open_dataset
from geneva.storage.model import ComputedColumn
from geneva.storage.shared import shared_column

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
    columns = _passes(job)
    shown = show if len(columns) == 1 else _GoingOn(show)
    for column in columns:
        if results and stop.error is not None:
            raise stop.error
        one = replace(job, column=column, then=())
        # Maybe it shares nothing with the others, or all was done with them.
        maybe_idle = column.targets or any(column.name in result.columns for result in results)
        if maybe_idle and not plan(one, open_dataset(job.location))[1].has_work:
            continue
        timeout = job.arguments.timeout
        if results and timeout is not None:
            most_s = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
            left_s = max(_LEAST_S, most_s - (time.monotonic() - began_s))
            one = replace(one, arguments=replace(job.arguments, timeout=left_s))
        results.append(run(one, shown))
    if isinstance(shown, _GoingOn):
        shown.end()
    return combined(results)


def _passes(job: BackfillJob) -> list[ComputedColumn]:
    """Return what is computed one after the other: what shares a pass, and each by itself."""
    found = []
    for columns in shared_passes(job.columns, job.arguments):
        if len(columns) > 1:
            found.append(shared_column(columns))
        # What the columns did not need in the same way.
        found += columns
    return found


class _GoingOn:
    """Shows the end of a column, which is not that of the job, and then that of the job."""

    def __init__(self, show: Show) -> None:
        self._show = show
        self._newest: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        # An error ends the job with the column.
        ended = progress.finished and progress.stage != "done"
        self._newest = progress if ended else replace(progress, finished=False)
        self._show(self._newest)

    def end(self) -> None:
        """Show that the job has ended."""
        if self._newest is not None:
            self._show(replace(self._newest, finished=True))
