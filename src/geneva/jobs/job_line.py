"""The most important of a job, for a list of jobs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

from geneva.jobs.record import JobRecord, JobStatus

# Of an id that new_job_id() made.
_RANDOM, _SHORT_ID = 32, 12


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job in short.

    Attributes
    ----------
    job_id, table : str
        The job.
    columns : tuple of str
        What it computes.
    status : JobStatus
        Where it is.
    stage : str
        What it does now, in a few words.
    rows_done, rows_total, rows_failed : int
        Rows computed, to compute, and among those done the ones that failed.
    rows_per_s : float
        Recent speed.
    workers : int
        Workers at work.
    launched_at, completed_at : datetime or None
        When it was submitted and when it ended, in UTC.
    took_s : float
        Seconds that it took, or has taken.
    launched_by, host : str
        Who submitted it, on which machine.
    runner : str
        Where its workers are: "process", "inline" or "ray".
    cluster_name : str or None
        The cluster's name or address; None on one machine.
    error : str or None
        What ended it, as ``Kind: message``.
    """

    job_id: str
    table: str
    columns: tuple[str, ...]
    status: JobStatus
    stage: str
    rows_done: int
    rows_total: int
    rows_failed: int
    rows_per_s: float
    workers: int
    launched_at: datetime
    completed_at: datetime | None
    took_s: float
    launched_by: str
    host: str
    runner: str
    cluster_name: str | None
    error: str | None

    @classmethod
    def of(cls, record: JobRecord, now: datetime | None = None) -> JobLine:
        """Return the most important of a record, as it is now or was at some time."""
        progress, error = record.progress, record.error
        return cls(
            job_id=record.job_id,
            table=record.table_name,
            columns=record.output_columns or (record.column_name,),
            status=record.status,
            stage=progress.stage,
            rows_done=progress.rows_done,
            rows_total=progress.rows_total,
            rows_failed=progress.rows_failed,
            rows_per_s=progress.rows_per_s,
            workers=progress.workers,
            launched_at=record.launched_at,
            completed_at=record.completed_at,
            took_s=round(took_s(record, now), 3),
            launched_by=record.launched_by,
            host=record.host,
            runner=record.runner,
            cluster_name=record.cluster_name,
            error=None if error is None else str(error),
        )

    @property
    def target(self) -> str:
        """What the job computes: ``docs.words``."""
        first, *others = self.columns
        return f"{self.table}.{first}" + (f" + {len(others)}" if others else "")

    @property
    def where(self) -> str:
        """Where the job's workers are."""
        return f"ray {self.cluster_name or ''}".strip() if self.runner == "ray" else self.host


def short_id(job_id: str) -> str:
    """Shorten an id that nobody chose.

    Examples
    --------
    >>> short_id("0f3a" * 8), short_id("nightly-of-the-first-of-january")
    ('0f3a0f3a0f3a', 'nightly-of-the-first-of-january')
    """
    random = len(job_id) == _RANDOM and not set(job_id) - set("0123456789abcdef")
    return job_id[:_SHORT_ID] if random else job_id


def took_s(record: JobRecord, now: datetime | None = None) -> float:
    """Return how many seconds a job took, or has taken.

    Examples
    --------
    >>> from geneva.jobs.progress import Progress
    >>> began = datetime(2026, 1, 1, tzinfo=timezone.utc)
    >>> record = JobRecord("j", "t", "c", JobStatus.RUNNING, began, Progress("j", "t", "c"))
    >>> took_s(record, datetime(2026, 1, 1, 0, 2, tzinfo=timezone.utc))
    120.0
    """
    ended = record.completed_at
    if ended is None:
        now = now or datetime.now(timezone.utc)
        ended = record.updated_at or record.launched_at if record.status.ended else now
    return max(0.0, (ended - record.launched_at).total_seconds())
