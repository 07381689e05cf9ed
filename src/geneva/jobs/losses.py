"""Counts the workers that a run loses, by place and cause, and what follows from that."""

from __future__ import annotations

from geneva.jobs.events import LossCause, WorkerLost
from geneva.jobs.limits import Limits
from geneva.jobs.scaling import checkpoint_every_s

# Where workers are lost that were not ready.
_STARTING = (-1, -1)


class LossBook:
    """The losses of one run.

    Parameters
    ----------
    limits : Limits
        Has the budget of each cause.

    Attributes
    ----------
    checkpoint_every_s : float
        Seconds of compute that a worker should put at risk at most.
    """

    def __init__(self, limits: Limits) -> None:
        self.checkpoint_every_s = limits.checkpoint_interval_s
        self._limits = limits
        self._counts: dict[tuple[int, int, LossCause], int] = {}
        self._at_work = 0

    def too_often(self, fragment_id: int, start: int, event: WorkerLost) -> bool:
        """Count a loss at a place; say whether its budget there is used up."""
        what = (fragment_id, start, event.cause)
        self._counts[what] = self._counts.get(what, 0) + 1
        return self._counts[what] >= self._limits.budget(event.cause)

    def start_lost(self, event: WorkerLost) -> bool:
        """Count a worker that was lost before it was ready; say whether that is too often."""
        return self.too_often(*_STARTING, event)

    def forget_starts(self) -> None:
        """Take in that workers can start after all."""
        for cause in LossCause:
            self._counts.pop((*_STARTING, cause), None)

    def risk_less(self, computed_s: float) -> bool:
        """Count a worker that was lost while it computed; say whether to put less at risk.

        Parameters
        ----------
        computed_s
            Seconds that all workers of the run have computed together.
        """
        self._at_work += 1
        best_s = checkpoint_every_s(
            self._limits.checkpoint_interval_s, between_losses_s=computed_s / self._at_work
        )
        less = best_s < self.checkpoint_every_s
        self.checkpoint_every_s = min(best_s, self.checkpoint_every_s)
        return less
