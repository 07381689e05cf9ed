"""Run a job for a caller: in the caller's thread, or in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable

from geneva.config import settings
from geneva.job_future import JobFuture, cancelled, not_ended
from geneva.jobs.progress import Progress
from geneva.jobs.result import BackfillJobResult
from geneva.pipeline.backfill import BackfillJob, BackfillRun
from geneva.pipeline.driver import StopSignal
from geneva.pipeline.passes import run_passes
from geneva.progress.display import choose_display
from geneva.progress.in_turn import InTurn
from geneva.recorded_job import RecordedJob
from geneva.runners.pool import session_pool
from geneva.runners.select import chosen_runner, connect_to_ray, workplace


def run_job(
    job: BackfillJob,
    *,
    runner: str | None,
    progress: bool,
    stop: StopSignal | None = None,
    listen: Callable[[Progress], None] | None = None,
) -> BackfillJobResult:
    """Run a backfill in this thread and show its progress.

    Parameters
    ----------
    job
        What to do.
    runner
        Kind of runner, see :mod:`geneva.runners.select`.
    progress
        Whether to show progress.
    stop
        Lets another thread end the job early.
    listen
        Called with the newest progress as well.
    """
    kind = chosen_runner(runner)
    interval_s = settings().progress_interval_s
    if kind == "process":
        # It starts while this thread looks and plans.
        session_pool().prestart()
    display = InTurn(
        lambda: choose_display(wanted=progress, bars=kind != "inline", interval_s=interval_s)
    )

    def show(now: Progress) -> None:
        display.show(now)
        if listen is not None:
            listen(now)

    # Planning can take a while, when a filter has to be counted.
    display.show(Progress(job.job_id, job.location.name, job.column.name))
    stop = stop or StopSignal()
    try:
        if kind == "ray":
            connect_to_ray()
            from geneva.runners.ray.client import ClusterRun

            return ClusterRun(job, settings(), show, stop).run()

        def run_one(one: BackfillJob, show_one: Callable[[Progress], None]) -> BackfillJobResult:
            place = workplace(kind, one)
            return BackfillRun(
                one, place.admit, place.make_runner, settings(), show_one, stop
            ).run()

        return run_passes(job, show, stop, run_one)
    finally:
        display.close()


def begin_job(job: BackfillJob, *, runner: str | None, progress: bool) -> JobFuture:
    """Begin a backfill in the background: on the cluster, or else in a thread of this process.

    Parameters
    ----------
    job, runner, progress
        See :func:`run_job`.
    """
    if chosen_runner(runner) != "ray":
        return ThreadJob(job, runner=runner, progress=progress)
    connect_to_ray()
    from geneva.runners.ray.contexts import track
    from geneva.runners.ray.submission import record_submission, start_driver

    record_submission(job)
    start_driver(job, settings(), detached=True)
    recorded = RecordedJob(job.location.database, job.job_id)
    track(recorded)
    if progress:
        threading.Thread(target=_show_recorded, args=(recorded,), daemon=True).start()
    return recorded


def _show_recorded(job: RecordedJob) -> None:
    interval_s = settings().progress_interval_s
    display = InTurn(lambda: choose_display(wanted=True, bars=True, interval_s=interval_s))
    try:
        job.watch(display.show)
    finally:
        display.close()


class ThreadJob(JobFuture):
    """A backfill in a thread of this process, which stays alive until the job has ended."""

    def __init__(self, job: BackfillJob, *, runner: str | None, progress: bool) -> None:
        self._job = job
        self._stop = StopSignal()
        self._progress = Progress(job.job_id, job.location.name, job.column.name)
        self._result: BackfillJobResult | None = None
        self._error: BaseException | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(runner, progress), name=f"geneva-job-{job.job_id[:8]}"
        )
        self._thread.start()

    @property
    def job_id(self) -> str:
        """Id of the job."""
        return self._job.job_id

    @property
    def table_name(self) -> str:
        """Name of the table."""
        return self._job.location.name

    @property
    def column_names(self) -> list[str]:
        """The columns that are computed."""
        return self._job.column_names

    def done(self, timeout: float | None = None) -> bool:
        """Say whether the job has ended, waiting for it at most ``timeout`` seconds (default 0)."""
        return self._ended.wait(timeout or 0)

    def status(self) -> Progress:
        """Return how far the job is."""
        return self._progress

    def result(self, timeout: float | None = None) -> BackfillJobResult:
        """Wait for the job and return its result, or raise what ended it."""
        if not self._ended.wait(timeout):
            raise not_ended(self.job_id, timeout, self._progress)
        self._thread.join()
        if self._error is not None:
            raise self._error
        if self._result is None:
            raise RuntimeError(f"job {self.job_id} ended without a result")
        return self._result

    def cancel(self) -> None:
        """Ask the job to stop; what is computed is kept, and ``result()`` raises."""
        self._stop.ask(cancelled(self.job_id))

    def logs(self) -> list[str]:
        """Return nothing: what the function prints goes where this process prints."""
        return []

    def _run(self, runner: str | None, progress: bool) -> None:
        try:
            self._result = run_job(
                self._job, runner=runner, progress=progress, stop=self._stop, listen=self._note
            )
        except BaseException as error:  # noqa: BLE001 - raised again by result()
            self._error = error
        finally:
            self._ended.set()

    def _note(self, progress: Progress) -> None:
        self._progress = progress
