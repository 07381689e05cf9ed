"""The tracker: keeps the record of one job beside the database, and reads there what is wished."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone

from geneva.jobs.progress import Progress
from geneva.jobs.record import JobRecord
from geneva.jobs.wishes import NOTHING_WISHED, Wish, Wished, cancelled, sum_of
from geneva.pipeline.job_records import forget_old_jobs, goes_on
from geneva.pipeline.journal import JobEnd
from geneva.storage.job_files import JobFiles
from geneva.storage.model import TableLocation

# Whoever reads the record sees the job as it was at most two of these ago.
_INTERVAL_S = 1.0
# A piece of what a job prints is written again until it has that size.
_PIECE_CHARS = 1 << 18
_MOST_CHARS = 1 << 24


@dataclass(frozen=True, slots=True)
class Report:
    """What a driver tells the tracker.

    Attributes
    ----------
    progress : Progress
        How far the job is.
    lines : tuple of str
        What it printed since the last report.
    end : JobEnd or None
        How it ended; None while it goes on.
    history : str
        How it went until now, as JSON; empty while that need not be written.
    """

    progress: Progress
    lines: tuple[str, ...] = ()
    end: JobEnd | None = None
    history: str = ""


class JobTracker:
    """Keeps one job's record. A new one takes over where the last one stopped, from storage.

    Parameters
    ----------
    database
        The database's folder or prefix.
    job_id
        The job.
    begin
        The record of a job that begins; None for one that is recorded already.
    """

    def __init__(
        self, database: TableLocation, job_id: str, begin: JobRecord | None = None
    ) -> None:
        self._database = database
        self._files = JobFiles(database, job_id)
        self._begun = begin is None
        self._piece = 0
        self._printed, self._printed_chars = "", 0
        self._written_s = self._asked_s = -_INTERVAL_S
        self._wishes: dict[str, str] = {}
        self._wished = NOTHING_WISHED
        if begin is None:
            text = self._files.read_record()
            if text is None:
                raise FileNotFoundError(f"the record of job {job_id} is gone from {database.uri}")
            begin = JobRecord.from_json(text)
            self._piece = self._files.pieces()
        self.record: JobRecord = begin

    def report(self, report: Report) -> Wished:
        """Take in a report and write what is due; return what others wish of the job."""
        now_s, ended = time.monotonic(), report.end is not None
        self._take(report)
        if not self._begun:
            self._begin()
        if report.lines:
            self._print(report.lines)
        if report.history:
            # Before the end is, for those who wait for that. The record matters more.
            with suppress(OSError, RuntimeError, ValueError):
                self._files.write_history(report.history)
        if ended or now_s - self._written_s >= _INTERVAL_S:
            first = self._written_s < 0
            text = self.record.to_json()
            self._files.write_record(text, ended=self.record.status.ended)
            self._written_s = now_s
            if first and not ended:
                forget_old_jobs(self._database)
        if not ended and now_s - self._asked_s >= _INTERVAL_S:
            self._read_wishes()
            self._asked_s = now_s
        return self._wished

    def _read_wishes(self) -> None:
        self._wishes = self._files.read_wishes(self._wishes)
        self._wished = sum_of(filter(None, map(Wish.from_json, self._wishes.values())))

    def _take(self, report: Report) -> None:
        if self.record.status.ended:
            return  # Its first end is the one that counts.
        now, end = datetime.now(timezone.utc), report.end
        if end is not None and end.paused_by:
            # While it was pausing, somebody may have wanted it to end.
            self._read_wishes()
            if self._wished.cancelled_by:
                end = JobEnd.failed_here(cancelled(self.record.job_id))
        if end is None:
            self.record = self.record.running(report.progress, now)
        elif end.paused_by:
            self.record = self.record.paused(report.progress, end.paused_by, now)
        else:
            self.record = self.record.ended(
                report.progress, end.recorded, now, cancelled=end.cancelled
            )

    def _begin(self) -> None:
        """Take the place of an earlier job of the same id."""
        text = self._files.read_record()
        if text is not None:
            if goes_on(text):
                raise FileExistsError(
                    f"another job of the id {self.record.job_id!r} is running; this one, of the "
                    "same id, is not recorded"
                )
            self._files.clear()
        self._begun = True

    def _print(self, lines: tuple[str, ...]) -> None:
        if self._printed_chars > _MOST_CHARS:
            return
        text = "\n".join(lines) + "\n"
        self._printed_chars += len(text)
        if self._printed_chars > _MOST_CHARS:
            text += "... what follows is not recorded\n"
        self._files.write_lines(self._piece, self._printed + text)
        self._printed += text
        if len(self._printed) > _PIECE_CHARS:
            self._piece, self._printed = self._piece + 1, ""
