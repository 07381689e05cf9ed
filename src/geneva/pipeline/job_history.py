"""Read the history of a job from beside its record."""

from __future__ import annotations

from geneva.jobs.history import JobHistory, history_of
from geneva.jobs.job_status import JobStatus
from geneva.jobs.record import JobRecord
from geneva.pipeline.chronicle import DRIVER_LOST
from geneva.storage.job_files import JobFiles
from geneva.storage.model import TableLocation


def stored_history(database: TableLocation, job_id: str) -> JobHistory | None:
    """Return a job's history as it was written last; None if there is none that can be read."""
    try:
        text = JobFiles(database, job_id).read_history()
        return None if text is None else JobHistory.from_json(text)
    except (OSError, RuntimeError, ValueError):
        return None  # Of another version of Geneva, or cut off: the job can do without.


def recorded_history(database: TableLocation, record: JobRecord) -> JobHistory:
    """Return a job's history, or what follows from its record alone.

    Parameters
    ----------
    database
        The database's folder or prefix.
    record
        The job's record.
    """
    history = stored_history(database, record.job_id) or history_of(record.progress)
    if record.status.ended or record.status is JobStatus.PAUSED:
        # What a driver that is lost had begun would go on for ever.
        return history.closed(history.elapsed_s, DRIVER_LOST)
    return history
