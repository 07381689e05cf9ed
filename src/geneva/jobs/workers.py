"""What a run knows of each of its workers."""

from __future__ import annotations

from dataclasses import dataclass

from geneva.jobs.planner import ApplyTask


@dataclass(slots=True)
class WorkerState:
    """What a ready worker is doing.

    Attributes
    ----------
    task : ApplyTask or None
        The task that it computes.
    writing : int
        The fragment that it writes; -1 for none.
    position : int
        Physical offset that it has reported.
    rows_at_risk : int
        Reported rows that are not durable.
    loaded : bool
        Whether it has loaded the function and set it up.
    warm : bool
        Whether it has reported rows, so that from now on its time measures the function.
    computing_since_s : float or None
        When it began to compute what it has not reported; None while it loads the function.
    split_asked : bool
        Whether it was asked to give rows away and has not answered.
    """

    task: ApplyTask | None = None
    writing: int = -1
    position: int = 0
    rows_at_risk: int = 0
    loaded: bool = False
    warm: bool = False
    computing_since_s: float | None = None
    split_asked: bool = False

    @property
    def busy(self) -> bool:
        """Whether it has a task or a fragment."""
        return self.task is not None or self.writing >= 0
