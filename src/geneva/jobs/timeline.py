"""What happened to a job, in words, told from how far it was and is. Pure.

Everything that is told here is counted, so nothing is lost between two looks.
"""

from __future__ import annotations

from datetime import datetime

from geneva.jobs.progress import Progress

_MOST_EVENTS = 200


def what_happened(before: Progress, now: Progress) -> list[str]:
    """Return what happened between two looks at a job.

    Examples
    --------
    >>> before = Progress("j", "docs", "words")
    >>> now = Progress("j", "docs", "words", rows_total=9, fragments_total=1, versions=(4,))
    >>> what_happened(before, now)
    ['Executing backfill: 9 rows in 1 fragment', 'Committed version 4']
    """
    told = []
    if now.fragments_total > before.fragments_total:
        fragments = f"{now.fragments_total:,} fragment{'s' * (now.fragments_total != 1)}"
        told.append(f"Executing backfill: {now.rows_total:,} rows in {fragments}")
    if now.waiting_for and not before.waiting_for:
        told.append(f"Waiting for resources: {now.waiting_for}")
    if now.stalls_at and not before.stalls_at:
        told.append(f"No progress: {now.stalls_at}")
    if before.workers_granted and now.workers_granted != before.workers_granted:
        workers = f"{before.workers_granted} to {now.workers_granted}"
        told.append(f"Concurrency changed from {workers}: {now.granted_why}")
    lost = now.worker_losses - before.worker_losses
    if lost > 0:
        told.append(f"Lost {lost} worker{'s' * (lost != 1)}")
    again = now.commit_retries - before.commit_retries
    if again > 0:
        told.append(f"Made a commit again {again} time{'s' * (again != 1)}: others wrote meanwhile")
    versions = now.versions[len(before.versions) :]
    if len(versions) == 1:
        told.append(f"Committed version {versions[0]}")
    elif versions:
        told.append(f"Committed {len(versions)} versions, {versions[0]} to {versions[-1]}")
    return told


def noted(events: tuple[str, ...], texts: list[str], now: datetime) -> tuple[str, ...]:
    """Return events with further ones, each with its time; of very many, the latest.

    Examples
    --------
    >>> noted((), ["Job planning"], datetime(2026, 1, 31, 9, 5))
    ('2026-01-31T09:05:00 Job planning',)
    """
    if not texts:
        return events
    time = now.isoformat(timespec="seconds")
    return (*events, *(f"{time} {text}" for text in texts))[-_MOST_EVENTS:]
