"""What a run knows of each of its workers."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from geneva.jobs.commands import Role
from geneva.jobs.tasks import ApplyTask

# A writer of its own has the next fragment waiting while it writes one.
_WRITER_WINDOW = 2


@dataclass(slots=True)
class WorkerState:
    """What a ready worker is doing.

    Attributes
    ----------
    role : Role
        What it can do.
    task : ApplyTask or None
        The task that it computes.
    writing : deque of int
        The fragments that it writes, the current one first.
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
    leaving : bool
        Whether it is asked back and gets no more work.
    idle_since_s : float
        When it became ready or did something last.
    heard_s : float
        When it said something last, or was given its task.
    """

    role: Role = Role.BOTH
    task: ApplyTask | None = None
    writing: deque[int] = field(default_factory=deque)
    position: int = 0
    rows_at_risk: int = 0
    loaded: bool = False
    warm: bool = False
    computing_since_s: float | None = None
    split_asked: bool = False
    leaving: bool = False
    idle_since_s: float = math.inf
    heard_s: float = 0.0

    @property
    def busy(self) -> bool:
        """Whether it has a task or a fragment."""
        return self.task is not None or bool(self.writing)

    @property
    def applies(self) -> bool:
        """Whether it computes tasks."""
        return self.role is not Role.WRITER

    @property
    def may_apply(self) -> bool:
        """Whether it can be given a task now."""
        return self.applies and not self.busy and not self.leaving

    @property
    def may_write(self) -> bool:
        """Whether it can be given a fragment now."""
        if self.leaving or self.role is Role.APPLIER:
            return False
        return not self.busy if self.role is Role.BOTH else len(self.writing) < _WRITER_WINDOW

    def idle_s(self, now_s: float) -> float:
        """Return for how long it has had nothing to do."""
        return 0.0 if self.busy else now_s - self.idle_since_s

    def freed(self, now_s: float, fragment_id: int | None = None) -> WorkerState:
        """Return what it is once its task, or the writing of a fragment, has ended."""
        rest = deque(i for i in self.writing if i != fragment_id)
        return WorkerState(
            role=self.role,
            writing=rest,
            loaded=self.loaded,
            warm=self.warm,
            leaving=self.leaving,
            idle_since_s=now_s,
        )
