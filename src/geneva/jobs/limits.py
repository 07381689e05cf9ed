"""The bounds of a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from geneva.errors import JobCancelledError
from geneva.jobs.events import LossCause
from geneva.jobs.failure_rules import FailureRules

# A node that is taken away on purpose says nothing about the function; only an endless job is.
_MOST_PREEMPTIONS = 100
# Who presses Ctrl-C waits for two seconds, not for a batch of minutes.
_INTERRUPTED_S = 1.2
# Five seconds with those in which the wish is noticed and the job is ended.
_CANCELLED_S = 2.5


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
        Losses at one place by crashes before the job fails; as many by lack of memory.
    max_node_losses : int
        Losses at one place because of lost nodes before the job fails.
    stop_grace_s : float
        Seconds that workers get to end their tasks when the job stops early.
    worker_start_timeout_s : float
        Seconds that a worker may take to start.
    stall_timeout_s : float
        Seconds without progress, and without anybody who computes, after which the job fails.
    startup_s : float
        Seconds that a worker is expected to take, until one was measured.
    separate_writers : bool
        Whether fragments are written by workers of their own.
    checkpoint_interval_s : float
        Seconds of compute that a worker puts at risk at most.
    setup_timeout_s : float
        Seconds that loading the function, with ``setup()``, may take while no worker computes.
    applier_bytes : int
        Memory that each applier may take; 0 where that is unknown.
    memory_bytes : int
        Memory that all appliers together may take; 0 where they do not share one machine.
    failure_rules : FailureRules
        How many rows may fail, and what becomes of those that kill their worker.
    max_fatal_rows : int
        Most rows that are skipped although they kill their worker.
    row_timeout_s : float or None
        Seconds that one call of the function may take.
    """

    max_workers: int
    commit_granularity: int | None = None
    max_worker_losses: int = 3
    max_node_losses: int = 10
    stop_grace_s: float = 5.0
    worker_start_timeout_s: float = 120.0
    stall_timeout_s: float = 300.0
    startup_s: float = 0.4
    separate_writers: bool = False
    checkpoint_interval_s: float = 10.0
    setup_timeout_s: float = 1800.0
    applier_bytes: int = 0
    memory_bytes: int = 0
    failure_rules: FailureRules = field(default_factory=FailureRules)
    max_fatal_rows: int = 100
    row_timeout_s: float | None = None

    def budget(self, cause: LossCause) -> int:
        """Return how many losses of one cause at one place end the job.

        Examples
        --------
        >>> limits = Limits(max_workers=2)
        >>> limits.budget(LossCause.OUT_OF_MEMORY), limits.budget(LossCause.NODE_LOST)
        (3, 10)
        """
        if cause is LossCause.NODE_LOST:
            return self.max_node_losses
        return _MOST_PREEMPTIONS if cause is LossCause.PREEMPTED else self.max_worker_losses

    def grace_s(self, error: BaseException) -> float:
        """Return how many seconds workers get to end their batch, when an error ends the run.

        Examples
        --------
        >>> limits = Limits(max_workers=2, stop_grace_s=5.0)
        >>> limits.grace_s(KeyboardInterrupt()), limits.grace_s(ValueError())
        (1.2, 5.0)
        """
        if isinstance(error, KeyboardInterrupt):
            return min(self.stop_grace_s, _INTERRUPTED_S)
        if isinstance(error, JobCancelledError):
            return min(self.stop_grace_s, _CANCELLED_S)
        return self.stop_grace_s
