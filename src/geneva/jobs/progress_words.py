"""The words and numbers of a job that all displays share. Pure."""

from __future__ import annotations

from geneva.jobs.progress import Progress
from geneva.jobs.wording import counted

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


def percent(done: int, total: int) -> str:
    """Write a share; it is 100 only when all is done.

    Examples
    --------
    >>> percent(0, 0), percent(999, 1000), percent(3, 3)
    ('0 %', '99 %', '100 %')
    """
    return f"{100 * done // total if total else 0} %"


def amount(done: int, total: int, noun: str) -> str:
    """Write how much of something is done.

    Examples
    --------
    >>> amount(0, 1, "fragment"), amount(1_200, 5_000, "row")
    ('0 of 1 fragment', '1,200 of 5,000 rows')
    """
    return f"{done:,} of {counted(total, noun)}"


def speed(rows_per_s: float) -> str:
    """Write rows per second.

    Examples
    --------
    >>> speed(1234.5), speed(12.34), speed(0.253)
    ('1,234 rows/s', '12 rows/s', '0.25 rows/s')
    """
    return f"{rows_per_s:,.0f} rows/s" if rows_per_s >= 10 else f"{rows_per_s:.2g} rows/s"


def duration(seconds: float) -> str:
    """Write a duration.

    Examples
    --------
    >>> duration(4.24), duration(59.97), duration(75), duration(7322)
    ('4.2 s', '1:00', '1:15', '2:02:02')
    """
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def left(progress: Progress) -> str:
    """Write how long a job will still take, in steps that do not flicker; empty if unknown.

    Examples
    --------
    >>> job = Progress("j", "t", "c", rows_done=10, rows_total=100)
    >>> from dataclasses import replace
    >>> [left(replace(job, rows_per_s=pace)) for pace in (0, 12.5, 1.2, 1e-3)]
    ['', '8 s left', '1:15 left', '25:00:00 left']
    """
    eta_s = progress.eta_s
    if eta_s is None or progress.rows_done >= progress.rows_total:
        return ""
    step_s = 1 if eta_s < 60 else 5 if eta_s < 600 else 60
    whole_s = max(1, step_s * -int(-eta_s // step_s))
    return f"{whole_s} s left" if whole_s < 60 else f"{duration(whole_s)} left"


def workers(progress: Progress) -> str:
    """Say how many workers there are.

    Examples
    --------
    >>> workers(Progress("j", "t", "c", workers=1, workers_starting=1, workers_granted=4))
    '1 worker + 1 starting, at most 4'
    """
    words = counted(progress.workers, "worker")
    starting = progress.workers_starting - progress.workers_waiting
    if starting > 0:
        words += f" + {starting} starting"
    if progress.workers_waiting:
        words += f" + {progress.workers_waiting} waiting"
    return f"{words}, at most {progress.workers_granted}"


def stage(progress: Progress) -> str:
    """Say what the job is doing and where most of its time goes."""
    slowest = progress.slowest_stage
    if slowest is None or progress.stage != "computing":
        return progress.stage
    return f"{progress.stage}, mostly {STAGE_NAMES[slowest]}"


def status(progress: Progress) -> str:
    """Say who works, how fast, how long it will take, and at what; what is unknown is left out.

    Examples
    --------
    >>> status(Progress("j", "t", "c"))
    'planning'
    >>> status(Progress("j", "t", "c", "computing", rows_total=9, workers=2, workers_granted=2))
    '2 workers, at most 2 | computing'
    >>> status(Progress("j", "t", "c", "computing", stalls_at="worker 0 has been reading"))
    'computing | worker 0 has been reading'
    """
    pieces = [
        workers(progress) if progress.workers_granted else "",
        speed(progress.rows_per_s) if progress.rows_per_s > 0 else "",
        f"{progress.rows_failed:,} failed" if progress.rows_failed else "",
        left(progress),
        stage(progress),
        progress.waiting_for,
        progress.stalls_at,
    ]
    return " | ".join(filter(None, pieces))


def line(progress: Progress) -> str:
    """Write a job's progress as one line."""
    share = percent(progress.rows_done, progress.rows_total)
    rows = amount(progress.rows_done, progress.rows_total, "row")
    fragments = amount(progress.fragments_done, progress.fragments_total, "fragment")
    return f"geneva: {title(progress)} {share} | {rows} | {fragments} | {status(progress)}"


def summary(progress: Progress) -> str:
    """Say in one line how a job ended."""
    seconds = duration(progress.elapsed_s)
    if progress.stage != "done":
        rows = amount(progress.rows_done, progress.rows_total, "row")
        return f"geneva: {title(progress)} stopped after {seconds} with {rows} computed"
    if not progress.fragments_total:
        return f"geneva: {title(progress)} is up to date"
    pace = progress.rows_done / progress.elapsed_s if progress.elapsed_s else 0.0
    failed = f"; {counted(progress.rows_failed, 'row')} failed, see table.errors()"
    return (
        f"geneva: {title(progress)} done, {counted(progress.rows_done, 'row')} in "
        f"{counted(progress.fragments_done, 'fragment')} in {seconds} ({speed(pace)})"
        f"{failed if progress.rows_failed else ''}"
    )
