"""Notices that a run does nothing any more, and says what it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from geneva.errors import StalledError
from geneva.jobs.events import (
    BatchRows,
    Committed,
    Event,
    FragmentWritten,
    PartWritten,
    RowsApplied,
    TaskApplied,
    TaskFailed,
    TaskSplit,
    TaskStarted,
    WorkerBusy,
    WorkerLost,
)
from geneva.jobs.stage import Stage
from geneva.jobs.wording import counted
from geneva.jobs.workers import WorkerState

# A worker that waits for storage says so every few seconds. One that is silent for longer may by
# now compute with the interpreter lock held, or is about to be noticed as lost.
_SILENT_S = 20.0
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class _Report:
    said: WorkerBusy
    since_s: float
    heard_s: float


class StallWatch:
    """Keeps when a run got on last and what its workers are at.

    A run stalls when it got nowhere for so long and every worker that has work is known to wait
    for storage, or to set the function up for far too long. One that calls the function, or of
    which nothing is known, may compute: a function that holds the interpreter lock cannot be asked.
    While nobody has work the run waits for workers, which has deadlines of its own. A worker that
    becomes ready is no progress until it has work: idle writers come and go while nothing else
    does.

    Parameters
    ----------
    timeout_s : float
        Seconds without progress after which a run stalls.
    setup_timeout_s : float
        Seconds after which setting the function up counts as waiting: for a download that does not
        end, for example.
    """

    def __init__(self, timeout_s: float, setup_timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._setup_timeout_s = setup_timeout_s
        self._progress_s = 0.0
        self._reports: dict[int, _Report] = {}

    def begin(self, now_s: float) -> None:
        """Take in that the run begins."""
        self._progress_s = now_s

    def record(self, event: Event, now_s: float) -> None:
        """Take in one event."""
        match event:
            case WorkerBusy():
                self._reports[event.worker] = _Report(event, now_s - event.seconds, now_s)
            case TaskSplit():
                # The thread that listens answers this; the one that computes may still wait.
                if event.at is not None:
                    self._progress_s = now_s
            case Committed():
                self._progress_s = now_s
            case TaskStarted() | RowsApplied() | PartWritten() | TaskApplied() | FragmentWritten():
                self._progress_s = now_s
                self._reports.pop(event.worker, None)
            case TaskFailed() | WorkerLost():
                self._reports.pop(event.worker, None)
            case _:
                pass

    def quiet_s(
        self, workers: Mapping[int, WorkerState], now_s: float, setup_timeout_s: float
    ) -> float:
        """Return for how long it is certain that nothing happened; 0 while somebody may compute.

        Parameters
        ----------
        workers
            Those that are ready.
        now_s
            The time now.
        setup_timeout_s
            Seconds after which setting the function up counts as nothing.
        """
        if not self._reports:
            return 0.0
        since_s, until_s = self._progress_s, now_s
        busy = False
        for worker, state in workers.items():
            if not state.busy:
                continue
            busy = True
            report = self._reports.get(worker)
            if report is None or report.said.stage is Stage.UDF:
                return 0.0
            if report.said.stage is Stage.SETUP and now_s - report.since_s <= setup_timeout_s:
                return 0.0
            if now_s - report.heard_s > _SILENT_S:
                return 0.0
            since_s = max(since_s, report.since_s)
            until_s = min(until_s, report.heard_s)  # What it has begun since is not known.
        return max(0.0, until_s - since_s) if busy else 0.0

    def longest_call(
        self, workers: Mapping[int, WorkerState], now_s: float
    ) -> tuple[float, BatchRows, str] | None:
        """Return the batch that is computed for the longest time, since when, and where.

        None while none is known to take long.
        """
        calls = [
            (now_s - report.since_s, report.said.batch, report.said.place)
            for worker, report in self._reports.items()
            if worker in workers
            and workers[worker].task is not None
            and report.said.stage is Stage.UDF
            and report.said.batch is not None
            and now_s - report.heard_s <= _SILENT_S
        ]
        return max(calls, key=lambda call: call[0], default=None)

    def stalled(self, workers: Mapping[int, WorkerState], now_s: float) -> bool:
        """Say whether nothing happened for too long."""
        return self.quiet_s(workers, now_s, self._setup_timeout_s) > self._timeout_s

    def waiting(self, workers: Mapping[int, WorkerState], now_s: float) -> str:
        """Say who is at what since when: those first that wait longest."""
        reports = sorted(
            (self._reports[w] for w, state in workers.items() if state.busy and w in self._reports),
            key=lambda report: report.since_s,
        )
        words = [
            f"{report.said.place or f'worker {report.said.worker}'} has been "
            f"{report.said.stage.value}{_of_fragment(report, workers)} for "
            f"{now_s - report.since_s:.0f} s"
            for report in reports[:_MOST_NAMED]
        ]
        if len(reports) > _MOST_NAMED:
            words.append(f"so have {counted(len(reports) - _MOST_NAMED, 'more worker')}")
        return "; ".join(words)

    def error(self, target: str, workers: Mapping[int, WorkerState], now_s: float) -> StalledError:
        """Say for how long nothing happened, what is waited for, and what to do.

        Parameters
        ----------
        target
            Table and column.
        workers
            Those that are ready.
        now_s
            The time now.
        """
        quiet_s = self.quiet_s(workers, now_s, self._setup_timeout_s)
        setting_up = any(
            self._reports[worker].said.stage is Stage.SETUP
            for worker, state in workers.items()
            if state.busy and worker in self._reports
        )
        advice = (
            "See what its imports and setup() wait for, a download for example; if they only take "
            "that long, allow more with GENEVA_SETUP_TIMEOUT_S."
            if setting_up
            else "See whether the table's storage answers from there; if it only is that slow, "
            "allow more with stall_timeout= or GENEVA_STALL_TIMEOUT_S."
        )
        return StalledError(
            f"Backfill of {target} got nowhere for {quiet_s:.0f} s, and no "
            f"worker is computing: {self.waiting(workers, now_s)}. {advice} What was computed is "
            "kept; running the backfill again goes on from there."
        )


def _of_fragment(report: _Report, workers: Mapping[int, WorkerState]) -> str:
    worker = workers[report.said.worker]
    if report.said.stage in (Stage.LOAD, Stage.SETUP):
        return ""
    if worker.task is not None:
        return f" (fragment {worker.task.fragment_id})"
    return f" (fragment {worker.writing[0]})" if worker.writing else ""
