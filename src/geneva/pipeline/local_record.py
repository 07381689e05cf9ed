"""The record of a job that this process drives itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

from geneva.config import Settings
from geneva.jobs.progress import Progress
from geneva.jobs.record import JobRecord
from geneva.jobs.result import BackfillJobResult
from geneva.jobs.wishes import Wish, Wished, WishKind, cancelled, paused
from geneva.pipeline.backfill_job import BackfillJob
from geneva.pipeline.chronicle import Chronicle
from geneva.pipeline.driver import StopSignal
from geneva.pipeline.job_history import stored_history
from geneva.pipeline.job_records import this_driver
from geneva.pipeline.journal import JobEnd, Journal
from geneva.pipeline.mild_warning import warn_mildly
from geneva.pipeline.record_keeper import RecordKeeper
from geneva.pipeline.registration import first_progress, new_record
from geneva.pipeline.tracker import JobTracker, Report
from geneva.storage.author import this_author
from geneva.storage.job_files import JobFiles

# A job that ends before costs one write.
_QUICK_S = 0.05
_BEGUN_S = 5.0
_RECORDED_S = 5.0
# Who presses Ctrl-C waits for two seconds in all.
_INTERRUPTED_S = 0.4
# Databases whose records cannot be written: that is said once.
_said: set[str] = set()


class LocalRecord:
    """Keeps the record of one job. It never fails the job, and hardly delays it.

    Parameters
    ----------
    job, settings
        The job and the settings of this process.
    runner
        Kind of its runner.

    Attributes
    ----------
    stop : StopSignal
        Ends the job; somebody who cancels it from another process asks this too.
    journal : Journal
        What the job tells.
    chronicle : Chronicle
        How it goes.
    """

    def __init__(self, job: BackfillJob, settings: Settings, runner: str) -> None:
        self.stop = StopSignal()
        self.journal = Journal(first_progress(job))
        self.chronicle = Chronicle()
        self._job = job
        self._settings = settings
        self._runner = runner
        self._launched_at = datetime.now(timezone.utc)
        self._tracker: JobTracker | None = None
        self._begun = False
        self._failure = ""
        self._keeper = RecordKeeper(
            job.job_id,
            self.journal,
            self.stop,
            self._deliver,
            self._note_failure,
            self.chronicle,
            # What a disk refuses, it refuses a moment later.
            heals=not job.location.database.is_local,
        )

    def begin(self, *, wait: bool = False) -> None:
        """Begin to keep the record, and wait until it is there if that is wanted."""
        self._begun = True
        # A store is slow, so there the first write is made while the job computes.
        at_once = wait or not self._job.location.database.is_local
        self._keeper.start(0.0 if at_once else _QUICK_S)
        if wait:
            self._keeper.wait_begun(_BEGUN_S)

    def run(self, work: Callable[[], BackfillJobResult]) -> BackfillJobResult:
        """Do the job's work and record how it ends."""
        try:
            if not self._begun:
                self.begin()
            if self._job.resumed_by is not None:
                self.chronicle.go_on(stored_history(self._job.location.database, self._job.job_id))
            result = work()
        except BaseException as error:
            self._end(JobEnd.failed_here(error))
            raise
        self._end(JobEnd(result=result))
        return result

    def cancel(self) -> None:
        """Ask the job to stop."""
        self.stop.ask(cancelled(self._job.job_id))

    def pause(self) -> None:
        """Ask the job to pause."""
        by = this_author()
        # Whoever resumes it while it pauses waits for that.
        wish = Wish(WishKind.PAUSE, by)
        JobFiles(self._job.location.database, self._job.job_id).add_wish(wish.to_json())
        self.stop.ask(paused(self._job.job_id, by))

    def set_concurrency(self, workers: int) -> None:
        """Ask for more or fewer workers."""
        self.stop.ask_concurrency(workers, this_author())

    @property
    def progress(self) -> Progress:
        """How far the job is."""
        return self.journal.progress

    @property
    def record(self) -> JobRecord:
        """The job as it was recorded last, whether or not that could be written."""
        return self._first_record() if self._tracker is None else self._tracker.record

    def _end(self, end: JobEnd) -> None:
        self.journal.end(end)
        self.chronicle.end()
        interrupted = isinstance(self.stop.error, KeyboardInterrupt)
        self._keeper.close(_INTERRUPTED_S if interrupted else _RECORDED_S)
        self.journal.release_end()
        uri = self._job.location.database.uri
        if self._failure and uri not in _said:
            _said.add(uri)
            warn_mildly(self._failure)

    def _deliver(self, report: Report) -> Wished:
        if self._tracker is None:
            # One that was paused goes on with its record, which says already that it is resumed.
            first = self._first_record() if self._job.resumed_by is None else None
            self._tracker = JobTracker(self._job.location.database, self._job.job_id, first)
        return self._tracker.report(report)

    def _first_record(self) -> JobRecord:
        return new_record(
            self._job,
            self._settings,
            self._launched_at,
            runner=self._runner,
            driver=this_driver(),
        )

    def _note_failure(self, error: Exception) -> None:
        self._failure = (
            f"The record of job {self._job.job_id} cannot be written to "
            f"{self._job.location.database.uri}: {error}. Jobs run nevertheless; list_jobs() and "
            "other processes do not see them."
        )
