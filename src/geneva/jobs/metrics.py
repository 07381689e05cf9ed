"""What is counted and measured of a job, under the names that job records use. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from geneva.jobs.progress import Progress

_STAGES = (
    ("read_io_time_ms", "read", "Reading rows"),
    ("udf_processing_time", "udf", "Calling the function"),
    ("batch_checkpointing_time", "checkpoint", "Writing parts"),
    ("writer_write_time", "write", "Writing column files"),
    ("commit_time_ms", "commit", "Committing"),
)


@dataclass(frozen=True, slots=True)
class JobMetric:
    """One number of a job.

    Attributes
    ----------
    name : str
        Its name.
    n : float
        The number; times are in milliseconds, summed over workers.
    total : float or None
        What it grows to, where that is known.
    done : bool
        Whether it will not change any more.
    desc : str
        What it is.
    """

    name: str
    n: float
    total: float | None
    done: bool
    desc: str


def job_metrics(now: Progress) -> list[JobMetric]:
    """Return everything that is counted and measured of a job.

    Examples
    --------
    >>> now = Progress("j", "docs", "words", rows_done=40, rows_total=100)
    >>> job_metrics(now)[0]
    JobMetric(name='rows_checkpointed', n=40, total=100, done=False, desc='Rows computed')
    """

    def metric(name: str, n: float, desc: str, total: float | None = None) -> JobMetric:
        return JobMetric(name, n, total, now.finished, desc)

    rows = now.rows_total
    return [
        metric("rows_checkpointed", now.rows_done, "Rows computed", rows),
        metric("rows_ready_for_commit", now.rows_ready, "Rows in column files", rows),
        metric("rows_committed", now.rows_committed, "Rows that readers see", rows),
        metric("rows_skipped_on_error", now.rows_failed, "Rows that failed and were skipped"),
        metric("fragments", now.fragments_done, "Fragments written", now.fragments_total),
        metric("workers", now.workers, "Workers at work", now.workers_granted),
        metric("cnt_geneva_workers_active", now.workers, "Workers at work", now.workers_granted),
        metric("cnt_geneva_workers_pending", now.workers_starting, "Workers on their way"),
        *(metric(name, 1000 * now.stage_s.get(of, 0.0), desc) for name, of, desc in _STAGES),
        metric("commit_conflict_retries", now.commit_retries, "Commits made again"),
        metric("worker_losses", now.worker_losses, "Workers that were lost"),
        metric("peak_memory_bytes", now.peak_memory_bytes, "Most memory of one worker"),
    ]
