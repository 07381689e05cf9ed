"""A job, reached through its record: from any process with the same database."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from geneva import errors
from geneva.errors import (
    GenevaError,
    ImpossibleTransitionError,
    JobNotFoundError,
    with_details,
)
from geneva.job_future import JobFuture, check_concurrency, not_ended
from geneva.jobs.history import JobHistory
from geneva.jobs.progress import Progress
from geneva.jobs.record import JobRecord, JobStatus, RecordedError
from geneva.jobs.result import BackfillJobResult
from geneva.jobs.wishes import Wish, WishKind, cancelled, sum_of
from geneva.pipeline.failure import WorkerTraceback
from geneva.pipeline.job_history import recorded_history
from geneva.pipeline.job_records import Heartbeats
from geneva.pipeline.journal import JobEnd
from geneva.pipeline.tracker import JobTracker, Report
from geneva.storage.author import this_author
from geneva.storage.job_files import JobFiles
from geneva.storage.model import TableLocation

_FIRST_POLL_S = 0.05
_POLL_S = 0.5
# While it pauses, its workers end their batches and what is complete is committed.
_PAUSING_S = 60.0

Resume = Callable[["RecordedJob", "int | None"], JobFuture]
"""Goes on with a paused job, with a concurrency if one is given."""


class RecordedJob(JobFuture):
    """A job that any process began.

    Parameters
    ----------
    database
        The database's folder or prefix.
    job_id
        The job.
    resume
        Goes on with a paused job.

    Raises
    ------
    JobNotFoundError
        No such job is recorded.
    """

    def __init__(self, database: TableLocation, job_id: str, resume: Resume) -> None:
        self._resume = resume
        self._job_id = job_id
        self._database = database
        self._files = JobFiles(database, job_id)
        self._heartbeats = Heartbeats()
        self._record = self._read()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Return what is recorded, for programs that expect a record."""
            if name.startswith("_") or not hasattr(JobRecord, name):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            return getattr(self.record(), name)

    @property
    def job_id(self) -> str:
        """Id of the job."""
        return self._job_id

    @property
    def table_name(self) -> str:
        """Name of the table."""
        return self._record.table_name

    @property
    def column_names(self) -> list[str]:
        """The columns that are computed."""
        return list(self._record.output_columns) or [self._record.column_name]

    def record(self) -> JobRecord:
        """Return the job as it is recorded now; one whose driver is lost is FAILED.

        Takes three seconds longer if the driver may be lost: it is watched for a sign of life.
        """
        while not self._record.status.ended:
            self._record = self._read()
            judged = self._heartbeats.judge(self._record)
            if judged is not None:
                # What is kept is what was read: one that was taken for lost may go on.
                return judged
            time.sleep(_POLL_S)
        return self._record

    def _glance(self) -> JobRecord:
        return self._record if self._record.status.ended else self._read()

    def peek(self) -> JobRecord:
        """Return the job as it is recorded now, without waiting.

        One whose driver may be lost is told as it was recorded last, until this was called for
        three seconds.
        """
        if not self._record.status.ended:
            self._record = self._read()
            return self._heartbeats.judge(self._record) or self._record
        return self._record

    def done(self, timeout: float | None = None) -> bool:
        """Say whether the job has ended, waiting for it at most ``timeout`` seconds (default 0)."""
        return self._wait(timeout or 0).status.ended

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end of the job, however it ends, and say whether it has ended."""
        return self._wait(timeout).status.ended

    def status(self) -> Progress:
        """Return how far the job is; at most about two seconds old."""
        return self.record().progress

    def result(self, timeout: float | None = None) -> BackfillJobResult:
        """Wait for the job and return its result, or raise what ended it."""
        record = self._wait(timeout)
        if record.error is not None:
            raise _error(record.error)
        if record.result is None:
            raise not_ended(self._job_id, timeout, record.progress)
        return record.result

    def cancel(self) -> None:
        """Ask the job to stop; what is computed is kept, and ``result()`` raises."""
        record = self.record()
        if record.status is JobStatus.PAUSED:
            # Nobody drives it.
            end = JobEnd.failed_here(cancelled(self._job_id))
            JobTracker(self._database, self._job_id).report(Report(record.progress, end=end))
        elif not record.status.ended:
            self._wish(WishKind.CANCEL)

    def pause(self, timeout: float = 0) -> bool:
        """Ask the job to pause, and say whether it is by now, waiting at most so many seconds."""
        record = self.record()
        if record.status is not JobStatus.PAUSED and not record.status.ended:
            self._wish(WishKind.PAUSE)
            record = self._until_driven_no_more(timeout)
        return record.status is JobStatus.PAUSED

    def resume(self, concurrency: int | None = None) -> JobFuture:
        """Go on with the job, if it is paused or just pausing."""
        if concurrency is not None:
            check_concurrency(concurrency)
        wishes = map(Wish.from_json, self._files.read_wishes({}).values())
        if sum_of(filter(None, wishes)).paused_by:
            self._until_driven_no_more(_PAUSING_S)
        return self._resume(self, concurrency)

    def set_concurrency(self, concurrency: int) -> None:
        """Let the running job have more or fewer workers, within about a second."""
        check_concurrency(concurrency)
        record = self.record()
        if record.status is JobStatus.PAUSED:
            raise ImpossibleTransitionError(
                f"Job {self._job_id} is PAUSED and has no workers; "
                f"resume(concurrency={concurrency}) goes on with so many."
            )
        if not record.status.ended:
            self._wish(WishKind.CONCURRENCY, concurrency)

    def _wish(self, kind: WishKind, concurrency: int = 0) -> None:
        self._files.add_wish(Wish(kind, this_author(), concurrency).to_json())

    @property
    def database(self) -> TableLocation:
        """Where the job is recorded."""
        return self._database

    def history(self) -> JobHistory:
        """Return how the job went over time; while it runs, at most about four seconds old."""
        return recorded_history(self._database, self.record())

    def logs(self) -> list[str]:
        """Return the lines that the function printed, with worker and rows."""
        return self._files.read_lines()

    def replay(self, row_id: int) -> Any:
        """Run the column's function, as it was when the job ran, for one row in this process."""
        from geneva.pipeline.replay import column_at, replay

        record = self.record()
        name = f"{record.table_name}.lance"
        location = replace(self._database, uri=f"{self._database.uri}/{name}")
        version = record.progress.version or None
        return replay(location, column_at(location, record.column_name, version), row_id, version)

    def watch(self, show: Callable[[Progress], None]) -> None:
        """Show progress until the job has ended."""
        while True:
            record = self.record()
            show(record.progress)
            if record.status.ended:
                return
            time.sleep(_POLL_S)

    def _until_driven_no_more(self, timeout_s: float) -> JobRecord:
        return self._wait(timeout_s, lambda status: status.ended or status is JobStatus.PAUSED)

    def _wait(
        self,
        timeout_s: float | None,
        enough: Callable[[JobStatus], bool] = lambda status: status.ended,
    ) -> JobRecord:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        pause_s = _FIRST_POLL_S
        while True:
            record = self.record()
            left_s = pause_s if deadline is None else deadline - time.monotonic()
            if enough(record.status):
                return record
            if left_s <= 0:
                return record
            time.sleep(min(pause_s, left_s))
            pause_s = min(_POLL_S, 2 * pause_s)

    def _read(self) -> JobRecord:
        text = self._files.read_record()
        if text is None:
            raise JobNotFoundError(
                f"Job {self._job_id!r} is not recorded in {self._database.uri}. list_jobs() says "
                "which jobs are."
            )
        try:
            return JobRecord.from_json(text)
        except ValueError as error:
            raise GenevaError(
                f"The record of job {self._job_id!r} in {self._database.uri} cannot be read: "
                f"{error}."
            ) from None


def _error(recorded: RecordedError) -> BaseException:
    """Return the error that ended a job, made from words alone."""
    kind = getattr(errors, recorded.kind, None)
    known = isinstance(kind, type) and issubclass(kind, GenevaError)
    name = "" if known else f"{recorded.kind}: "
    error = (kind if known else GenevaError)(f"{name}{recorded.message}")  # type: ignore[misc]
    if recorded.traceback:
        with_details(error, user_traceback=recorded.traceback)
        error.__cause__ = WorkerTraceback(recorded.traceback)
    return error
