"""Reports what a task has computed, often enough to be seen and rarely enough to cost nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from geneva.jobs.events import Event, RowsApplied, StageTimes
from geneva.jobs.tasks import ApplyTask
from geneva.pipeline.peak_memory import PeakMemory

_REPORT_S = 0.05

Emit = Callable[[Event], None]


class Reporter:
    """Collects what a task did and reports it a few times per second.

    Parameters
    ----------
    worker, task
        Who computes what.
    emit
        Takes the events.
    reported_at
        When the worker reported last, on ``time.perf_counter``.
    memory
        Measures the memory of the worker's process.
    """

    def __init__(
        self,
        worker: int,
        task: ApplyTask,
        emit: Emit,
        reported_at: float,
        memory: PeakMemory | None,
    ) -> None:
        self._worker = worker
        self._task_id = task.task_id
        self._emit = emit
        self._rows = self._bytes = 0
        self._failed: dict[int, int] = {}
        self._memory = memory
        self.reported_at = reported_at
        self._checkpoint_reported_s = 0.0
        self.checkpoint_s = 0.0
        self.read_s = 0.0
        self.udf_s = 0.0

    def add(self, rows: int, output_bytes: int, position: int, rules: Iterable[int] = ()) -> None:
        """Take in computed rows, and for each that failed the matcher that skips it."""
        self._rows += rows
        self._bytes += output_bytes
        for rule in rules:
            self._failed[rule] = self._failed.get(rule, 0) + 1
        # A worker's first batch is reported at once: it decides how many more are started.
        if time.perf_counter() - self.reported_at >= _REPORT_S:
            self.flush(position)

    def flush(self, position: int) -> None:
        """Report what was not reported yet."""
        if not self._rows:
            return
        times = StageTimes(
            read_s=self.read_s,
            udf_s=self.udf_s,
            checkpoint_s=self.checkpoint_s - self._checkpoint_reported_s,
        )
        done = (self._rows, self._bytes)
        peak_bytes = 0 if self._memory is None else self._memory.bytes
        self._emit(
            RowsApplied(
                self._worker, self._task_id, *done, position, times, peak_bytes, self._failed
            )
        )
        self._rows = self._bytes = 0
        self._failed = {}
        self.read_s = self.udf_s = 0.0
        self._checkpoint_reported_s = self.checkpoint_s
        self.reported_at = time.perf_counter()
