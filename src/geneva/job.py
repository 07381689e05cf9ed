"""Run a job for a caller: in the caller's thread, or in the background."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from datetime import datetime, timezone
from functools import partial
from typing import Any

from geneva.config import settings
from geneva.errors import GenevaError, JobPausedError
from geneva.job_future import JobFuture, check_concurrency, not_ended
from geneva.jobs.history import JobHistory
from geneva.jobs.progress import Progress
from geneva.jobs.record import JobRecord
from geneva.jobs.result import BackfillJobResult
from geneva.pipeline.backfill import BackfillRun
from geneva.pipeline.backfill_job import BackfillJob, new_job_id
from geneva.pipeline.driver import StopSignal
from geneva.pipeline.job_records import this_driver
from geneva.pipeline.local_record import LocalRecord
from geneva.pipeline.passes import run_passes
from geneva.pipeline.registration import first_progress, new_record
from geneva.pipeline.traced import Trace, run_traced
from geneva.pipeline.trust import check_trust
from geneva.progress.display import choose_display
from geneva.progress.in_turn import InTurn
from geneva.progress.json_log import job_logged
from geneva.progress.measured import measured
from geneva.progress.named import naming_job
from geneva.recorded_job import RecordedJob
from geneva.runners.select import chosen_runner, connect_to_ray, start_ahead, workplace
from geneva.storage.author import this_author
from geneva.storage.job_files import JobFiles
from geneva.storage.leases import Lease


@naming_job
def run_job(
    job: BackfillJob,
    *,
    runner: str | None,
    progress: bool,
    recorded: LocalRecord | None = None,
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
    recorded
        The job's record, if it was begun before.
    """
    kind = chosen_runner(runner)
    for column in job.columns:
        check_trust(job.location, column, warnings.warn)
    if kind != "ray":
        recorded = recorded or LocalRecord(job, settings(), kind)
        return recorded.run(partial(_run_here, job, kind, recorded, progress=progress))
    with _shown(job, bars=True, wanted=progress) as show:
        connect_to_ray()
        from geneva.runners.ray.client import ClusterRun

        return ClusterRun(job, settings(), show, StopSignal()).run()


def _run_here(
    job: BackfillJob, kind: str, recorded: LocalRecord, *, progress: bool
) -> BackfillJobResult:
    start_ahead(kind)
    with _shown(job, bars=kind != "inline", wanted=progress) as display:

        def show(now: Progress) -> None:
            recorded.journal.show(now)
            display(now)

        def run_one(
            trace: Trace, one: BackfillJob, show_one: Callable[[Progress], None]
        ) -> BackfillJobResult:
            place = workplace(kind, one, recorded.journal.print, recorded.stop)
            return BackfillRun(
                one,
                place.admit,
                place.make_runner,
                settings(),
                show_one,
                recorded.stop,
                chronicle=recorded.chronicle,
                trace=trace,
            ).run()

        def run_all(trace: Trace) -> BackfillJobResult:
            return run_passes(job, show, recorded.stop, trace.passes(partial(run_one, trace)))

        try:
            return run_traced(job, kind, run_all)
        except JobPausedError:
            if kind == "process":
                from geneva.runners.pool import session_pool

                session_pool().end_idle()
            raise


@contextmanager
def _shown(job: BackfillJob, *, bars: bool, wanted: bool) -> Iterator[Callable[[Progress], None]]:
    """Show the progress of a job inside of a block."""
    interval_s = settings().progress_interval_s
    display = InTurn(lambda: choose_display(wanted=wanted, bars=bars, interval_s=interval_s))
    try:
        with job_logged(first_progress(job)), measured(display.show) as show:
            # Planning can take a while, when a filter has to be counted.
            show(first_progress(job))
            yield show
    finally:
        display.close()


@naming_job
def begin_job(job: BackfillJob, *, runner: str | None, progress: bool) -> JobFuture:
    """Begin a backfill in the background: on the cluster, or else in a thread of this process.

    Parameters
    ----------
    job, runner, progress
        See :func:`run_job`.
    """
    for column in job.columns:
        check_trust(job.location, column, warnings.warn)
    kind = chosen_runner(runner)
    if kind != "ray":
        return ThreadJob(job, runner=kind, progress=progress)
    connect_to_ray()
    from geneva.runners.ray.submission import record_submission, start_driver

    record_submission(job, settings())
    start_driver(job, settings(), detached=True)
    return _tracked(job, progress=progress)


def resume_job(recorded: RecordedJob, concurrency: int | None = None) -> JobFuture:
    """Go on with a paused job in the background: on the cluster, or else in this process.

    Parameters
    ----------
    recorded, concurrency
        The job, and its most workers from now on; None keeps what it had.

    Raises
    ------
    ImpossibleTransitionError, ColumnBusyError, TableChangedError
        See :meth:`JobFuture.resume`.
    """
    from geneva.pipeline.resumption import job_again

    record, here = recorded.record(), this_author()
    kind = chosen_runner(None)
    if kind != "ray" and record.runner == "inline":
        kind = "inline"
    record.resumed(here, datetime.now(timezone.utc))  # Refuses if it is not paused.
    job = job_again(recorded.database, record, concurrency)
    for column in job.columns:
        check_trust(job.location, column, warnings.warn)
    cluster = None
    if kind == "ray":
        connect_to_ray()
        from geneva.runners.ray.submission import cluster_name

        cluster = cluster_name()
    # Who holds the column's lease is the only one to resume the job.
    lease = Lease(job.location, job.columns[0], job.job_id, new_job_id())
    lease.acquire()
    try:
        now = datetime.now(timezone.utc)
        driver = None if kind == "ray" else this_driver()
        as_new = new_record(job, settings(), now, runner=kind, cluster_name=cluster, driver=driver)
        names = ("runner", "cluster_name", "host", "config", "driver")
        changes = {name: getattr(as_new, name) for name in names}
        resumed = recorded.record().resumed(here, now, **changes)
        files = JobFiles(recorded.database, job.job_id)
        files.forget_wishes()
        files.write_record(resumed.to_json())
    finally:
        lease.release()
    if kind != "ray":
        return ThreadJob(job, runner=kind, progress=False)
    from geneva.runners.ray.submission import start_driver

    start_driver(job, settings(), detached=True)
    return _tracked(job, progress=False)


def _tracked(job: BackfillJob, *, progress: bool) -> RecordedJob:
    """Return a job that was given to the cluster, so that the block it began in waits for it."""
    from geneva.runners.ray.contexts import track

    recorded = RecordedJob(job.location.database, job.job_id, resume_job)
    track(recorded)
    if progress:
        arguments = (_show_recorded, recorded)
        threading.Thread(target=copy_context().run, args=arguments, daemon=True).start()
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

    def __init__(self, job: BackfillJob, *, runner: str, progress: bool) -> None:
        self._job = job
        self._recorded = LocalRecord(job, settings(), runner)
        self._result: BackfillJobResult | None = None
        self._error: BaseException | None = None
        self._ended = threading.Event()
        # Once it is paused, it is as any process has it.
        self._paused: RecordedJob | None = None
        # In a notebook it shows its progress below the cell that began it, whichever runs then.
        self._thread = threading.Thread(
            target=copy_context().run,
            args=(self._run, runner, progress),
            name=f"geneva-job-{job.job_id[:8]}",
        )
        # Whoever is told its id can look for it.
        self._recorded.begin(wait=True)
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
        return self.wait(timeout or 0)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end of the job, however it ends, and say whether it has ended."""
        began_s = time.monotonic()
        if not self._ended.wait(timeout):
            return False
        if self._paused is None:
            return True
        return self._paused.wait(timeout and max(0.0, timeout - (time.monotonic() - began_s)))

    def status(self) -> Progress:
        """Return how far the job is."""
        return self._recorded.progress if self._paused is None else self._paused.status()

    def result(self, timeout: float | None = None) -> BackfillJobResult:
        """Wait for the job and return its result, or raise what ended it."""
        if not self.wait(timeout):
            raise not_ended(self.job_id, timeout, self.status())
        self._thread.join()
        if self._paused is not None:
            return self._paused.result()
        if self._error is not None:
            raise self._error
        if self._result is None:
            raise RuntimeError(f"job {self.job_id} ended without a result")
        return self._result

    def cancel(self) -> None:
        """Ask the job to stop; what is computed is kept, and ``result()`` raises."""
        if self._paused is not None:
            self._paused.cancel()
        self._recorded.cancel()

    def pause(self, timeout: float = 0) -> bool:
        """Ask the job to pause, and say whether it is by now, waiting at most so many seconds."""
        if self._paused is None and not self._ended.is_set():
            self._recorded.pause()
            self._ended.wait(timeout)
        return self.paused()

    def resume(self, concurrency: int | None = None) -> JobFuture:
        """Go on with the job, if it is paused or just pausing."""
        return RecordedJob(self._job.location.database, self.job_id, resume_job).resume(concurrency)

    def set_concurrency(self, concurrency: int) -> None:
        """Let the running job have more or fewer workers, at once."""
        check_concurrency(concurrency)
        if self._paused is not None:
            self._paused.set_concurrency(concurrency)
        self._recorded.set_concurrency(concurrency)

    def record(self) -> JobRecord:
        """Return everything that is recorded of the job."""
        return self._recorded.record if self._paused is None else self._paused.record()

    def history(self) -> JobHistory:
        """Return how the job went over time until now."""
        if self._paused is not None:
            return self._paused.history()
        return self._recorded.chronicle.history()

    def logs(self) -> list[str]:
        """Return the lines that the function printed, as far as they are recorded."""
        return JobFiles(self._job.location.database, self.job_id).read_lines()

    def replay(self, row_id: int) -> Any:
        """Run the job's function for one row, in this process and thread."""
        from geneva.pipeline.replay import replay

        return replay(self._job.location, self._job.column, row_id, self.status().version or None)

    def _run(self, runner: str, progress: bool) -> None:
        try:
            self._result = run_job(
                self._job, runner=runner, progress=progress, recorded=self._recorded
            )
        except BaseException as error:  # noqa: BLE001 - raised again by result()
            self._error = error
            if isinstance(error, JobPausedError):
                # If it could not be recorded, nobody can resume it.
                with suppress(GenevaError):
                    database = self._job.location.database
                    self._paused = RecordedJob(database, self.job_id, resume_job)
        finally:
            self._ended.set()
