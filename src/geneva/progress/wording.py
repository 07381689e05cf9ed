"""The words and numbers that all displays share."""

from __future__ import annotations

from geneva.jobs.progress import Progress

STAGE_NAMES = {
    "read": "reading",
    "udf": "the function",
    "checkpoint": "checkpoints",
    "write": "writing",
    "commit": "committing",
}


def title(progress: Progress) -> str:
    """Name the job: ``docs.embedding``."""
    return f"{progress.table_name}.{progress.column_name}"


def speed(rows_per_s: float) -> str:
    """Write rows per second.

    Examples
    --------
    >>> speed(1234.5), speed(0.253)
    ('1,234 rows/s', '0.25 rows/s')
    """
    return f"{rows_per_s:,.0f} rows/s" if rows_per_s >= 10 else f"{rows_per_s:.2g} rows/s"


def duration(seconds: float) -> str:
    """Write a duration.

    Examples
    --------
    >>> duration(4.24), duration(75), duration(7322)
    ('4.2 s', '1:15', '2:02:02')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def workers(progress: Progress) -> str:
    """Say how many workers there are.

    Examples
    --------
    >>> workers(Progress("j", "t", "c", workers=1, workers_starting=1, workers_granted=4))
    '1 worker + 1 starting, at most 4'
    """
    words = f"{progress.workers} worker{'' if progress.workers == 1 else 's'}"
    if progress.workers_starting:
        words += f" + {progress.workers_starting} starting"
    return f"{words}, at most {progress.workers_granted}" if progress.workers_granted else words


def stage(progress: Progress) -> str:
    """Say what the job is doing and where most of its time goes."""
    slowest = progress.slowest_stage
    return (
        progress.stage if slowest is None else (f"{progress.stage}, mostly {STAGE_NAMES[slowest]}")
    )


def line(progress: Progress) -> str:
    """Write a job's progress as one line."""
    pieces = [
        f"{progress.rows_done:,} of {progress.rows_total:,} rows",
        f"{progress.fragments_done:,} of {progress.fragments_total:,} fragments",
        workers(progress),
        speed(progress.rows_per_s),
    ]
    if progress.eta_s is not None:
        pieces.append(f"{duration(progress.eta_s)} left")
    percent = 100 * progress.rows_done / progress.rows_total if progress.rows_total else 0
    return f"geneva: {title(progress)} {percent:.0f} % | {' | '.join(pieces)} | {stage(progress)}"


def summary(progress: Progress) -> str:
    """Say in one line how a job ended."""
    if progress.stage != "done":
        return (
            f"geneva: {title(progress)} stopped after {duration(progress.elapsed_s)} with "
            f"{progress.rows_done:,} of {progress.rows_total:,} rows computed"
        )
    if not progress.rows_total:
        return f"geneva: {title(progress)} is up to date"
    pace = progress.rows_done / progress.elapsed_s if progress.elapsed_s else 0.0
    return (
        f"geneva: {title(progress)} done, {progress.rows_done:,} rows in "
        f"{progress.fragments_done:,} fragments in {duration(progress.elapsed_s)} ({speed(pace)})"
    )
