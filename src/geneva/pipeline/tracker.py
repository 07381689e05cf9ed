"""The tracker: keeps the record of one job beside the database, and listens there for a cancel."""

from __future__ import annotations

import time
from dataclasses import dataclass

from geneva.jobs.progress import Progress
from geneva.jobs.record import JobRecord, RecordedError
from geneva.jobs.result import BackfillJobResult
from geneva.pipeline.failure import unpack_error
from geneva.pipeline.journal import JobEnd
from geneva.storage.job_files import JobFiles
from geneva.storage.model import TableLocation

# Whoever reads the record sees the job as it was at most two of these ago.
_INTERVAL_S = 1.0


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
    """

    progress: Progress
    lines: tuple[str, ...] = ()
    end: JobEnd | None = None


class JobTracker:
    """Keeps one job's record. A new one takes over where the last one stopped, from storage.

    Parameters
    ----------
    database
        The database's folder or prefix.
    job_id
        The job; it is recorded already.
    """

    def __init__(self, database: TableLocation, job_id: str) -> None:
        self._files = JobFiles(database, job_id)
        text = self._files.read_record()
        if text is None:
            raise FileNotFoundError(f"the record of job {job_id} is gone from {database.uri}")
        self._record = JobRecord.from_json(text)
        self._piece = self._files.pieces()
        self._written_s = self._asked_s = -_INTERVAL_S
        self._cancel = False

    def report(self, report: Report) -> bool:
        """Take in a report and write what is due; return whether the job is to be cancelled."""
        if report.end is None:
            self._record = self._record.running(report.progress)
        else:
            self._record = self._record.ended(
                report.progress, _in_words(report.end), cancelled=report.end.cancelled
            )
        if report.lines:
            self._files.write_lines(self._piece, "\n".join(report.lines) + "\n")
            self._piece += 1
        now_s = time.monotonic()
        if report.end is not None or now_s - self._written_s >= _INTERVAL_S:
            self._files.write_record(self._record.to_json())
            self._written_s = now_s
        if not self._cancel and now_s - self._asked_s >= _INTERVAL_S:
            self._cancel = self._files.cancel_asked()
            self._asked_s = now_s
        return self._cancel


def _in_words(end: JobEnd) -> BackfillJobResult | RecordedError:
    if end.error is None:
        assert end.result is not None  # noqa: S101 - a job ends with one of both
        return end.result
    error = unpack_error(end.error)
    return RecordedError(type(error).__name__, str(error), end.error.text)
