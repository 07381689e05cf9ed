"""The bounds of a run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a run.

    Attributes
    ----------
    max_workers : int
        Granted concurrency.
    commit_granularity : int or None
        Fragments per commit; None commits once.
    max_worker_losses : int
        Losses on one task before the job fails.
    stop_grace_s : float
        Seconds that workers get to end their tasks when the job stops early.
    worker_start_timeout_s : float
        Seconds that a worker may take to start.
    startup_s : float
        Seconds that a worker is expected to take, until one was measured.
    """

    max_workers: int
    commit_granularity: int | None = None
    max_worker_losses: int = 3
    stop_grace_s: float = 5.0
    worker_start_timeout_s: float = 120.0
    startup_s: float = 0.4
