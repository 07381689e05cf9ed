"""How fast a run's function is, from what its workers report."""

from __future__ import annotations

from collections.abc import Iterable

from geneva.jobs.events import RowsApplied
from geneva.jobs.planner import Plan
from geneva.jobs.scaling import Workload
from geneva.jobs.workers import WorkerState

_FIRST_BATCH_ROWS = 32


class Pace:
    """What was measured of a run so far.

    Parameters
    ----------
    plan : Plan
        What the run has to do.

    Attributes
    ----------
    rows_done : int
        Rows computed so far, without those that were lost with a worker.
    peak_memory_bytes : int
        The most memory that one worker has held.
    """

    def __init__(self, plan: Plan) -> None:
        self.rows_done = 0
        self.peak_memory_bytes = 0
        self._rows_total = plan.total_rows_pending
        self._known_bytes = plan.input_bytes + plan.output_bytes
        self._busy_s = 0.0
        self._rows_measured = 0
        self._output_bytes = 0

    def record(self, event: RowsApplied, worker: WorkerState, now_s: float) -> None:
        """Take in what a worker, as it was until now, reports."""
        self.rows_done += event.rows
        self._output_bytes += event.output_bytes
        self.peak_memory_bytes = max(self.peak_memory_bytes, event.peak_memory_bytes)
        if worker.warm and worker.computing_since_s is not None:
            self._busy_s += now_s - worker.computing_since_s
            self._rows_measured += event.rows

    def rewritten_bytes(self, rows: int) -> int:
        """Return about how many bytes the values of so many rows have."""
        return int(rows * self._output_bytes / max(1, self.rows_done))

    def seconds(self, rows: int) -> float | None:
        """Return how long one worker takes for so many rows; None while nothing was measured."""
        return rows * self._busy_s / self._rows_measured if self._rows_measured else None

    def workload(
        self,
        workers: Iterable[WorkerState],
        now_s: float,
        patience_s: float,
        rows: int | None = None,
    ) -> Workload:
        """Return what is left to do.

        Parameters
        ----------
        workers
            Those that are ready.
        now_s
            The time now.
        patience_s
            How long first rows may take before that says anything about the function.
        rows
            What is left; None for all that is not done.
        """
        computing = [
            now_s - worker.computing_since_s
            for worker in workers
            if worker.task is not None and worker.computing_since_s is not None
        ]
        return Workload(
            rows_left=max(0, self._rows_total - self.rows_done) if rows is None else rows,
            known_bytes=self._known_bytes,
            rows_measured=self._rows_measured,
            busy_s=self._busy_s,
            rows_in_flight=_FIRST_BATCH_ROWS * len(computing),
            in_flight_s=sum(computing),
            patience_s=patience_s,
        )
