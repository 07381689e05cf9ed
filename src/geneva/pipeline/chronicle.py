"""The chronicle: turns what a job's driver hears and says into the job's history, as it goes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from geneva.jobs.commands import Apply, Command, KillWorker, ReleaseWorker, Role, WriteFragment
from geneva.jobs.events import (
    Event,
    FragmentWritten,
    ReleaseRequested,
    TaskApplied,
    TaskFailed,
    TaskStarted,
    WorkerLost,
    WorkerReady,
)
from geneva.jobs.history import APPLY, STAGES, WRITE, JobHistory, Sample, TaskSpan, WorkerSpan
from geneva.jobs.progress import Progress
from geneva.jobs.thinning import MOST_TASKS, MOST_WORKERS, fitted, with_sample, without
from geneva.pipeline.lane import Lane
from geneva.storage.model import RowRange

_COUNTS = (
    *("rows_done", "rows_ready", "rows_committed", "rows_failed"),
    *(f"{stage}_s" for stage in STAGES),
)
# What is noted refers to files and parts, which need not be kept for long.
_MOST_NOTED = 1_000
_RELEASED = "released"
DRIVER_LOST = "lost with its driver"


class Chronicle:
    """Collects the history of one job, over all its columns and rounds, and across pauses.

    The driver's thread tells; any thread may ask for the history.

    Examples
    --------
    >>> chronicle = Chronicle()
    >>> chronicle.begin_pass(Progress("j", "docs", "words"))
    >>> chronicle.begin_round((4,))
    >>> chronicle.record(WorkerLost(4, exit_code=-9))
    >>> [(span.component, span.end) for span in chronicle.history().workers]
    [('worker process 4', 'crash')]
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples: list[Sample] = []
        self._interval_s = 0.0
        self._gone: list[WorkerSpan] = []
        self._tasks: list[TaskSpan] = []
        self._take_over(JobHistory())
        self._noted: deque[tuple[float, Event | Command]] = deque()
        self._there: dict[int, Lane] = {}
        self._known: set[int] = set()
        self._here = False
        self._round_ended_s: float | None = None
        self._begun = False
        self._newest: Progress | None = None
        self._counted: Sample | None = None
        self._next_s = 0.0
        self._ended_s: float | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the job began, without pauses; they stop with the job."""
        if self._ended_s is not None:
            return self._ended_s
        return round(time.monotonic() - self._zero_s, 4)

    # -- what the driver tells -----------------------------------------------------------------

    def go_on(self, before: JobHistory | None) -> None:
        """Go on with what is recorded of a job that was paused, or whose driver was lost.

        Parameters
        ----------
        before
            Its history; None if there is none.
        """
        if before is not None:
            with self._lock:
                self._take_over(before.closed(before.elapsed_s, DRIVER_LOST))

    def begin_pass(self, progress: Progress) -> None:
        """Take in that a column is begun, or the next one of several.

        Parameters
        ----------
        progress
            How far it is.
        """
        with self._lock:
            self._catch_up()
            self._close_round()
            self._known.clear()
            if not self._begun:
                # From here on the clock is that of the job's progress.
                self._zero_s = time.monotonic() - max(self._last_s, progress.elapsed_s)
                self._begun = True
            if not self._samples:
                self._samples = [Sample(0.0)]
                if progress.elapsed_s:
                    self._samples.append(Sample.of(progress))
            # What is counted anew is counted on from here.
            first, last = Sample.of(progress), self._samples[-1]
            base = {n: round(max(0, getattr(last, n) - getattr(first, n)), 4) for n in _COUNTS}
            self._counted = Sample(0.0, **base) if any(base.values()) else None
            self._newest = progress

    def begin_round(self, ready: tuple[int, ...], *, here: bool = False) -> None:
        """Take in the workers that are ready, and whether it is the driver's own thread."""
        with self._lock:
            now_s, self._here = self.elapsed_s, here
            for worker in [w for w in self._there if w not in ready]:
                self._leave(worker, self._round_ended_s or now_s, _RELEASED)
            self._round_ended_s = None
            for worker in ready:
                self._come(worker, now_s)

    def end_round(self) -> None:
        """Take in that the workers have nothing to do any more; a next round may keep them."""
        with self._lock:
            self._catch_up()
            now_s = self._round_ended_s = self.elapsed_s
            for worker in self._there.values():
                self._break_off(worker, now_s)

    def record(self, event: Event) -> None:
        """Take in one event."""
        self._take(event)

    def gave(self, command: Command) -> None:
        """Take in what a worker was told to do."""
        self._take(command)

    def show(self, progress: Progress) -> None:
        """Take in how far the job is; a sample is taken when one is due."""
        with self._lock:
            self._newest = progress
            now_s = self.elapsed_s
            if now_s >= self._next_s or progress.finished:
                sample = self._sample(progress, now_s)
                self._samples, self._interval_s = with_sample(
                    self._samples, sample, self._interval_s
                )
                self._next_s = now_s + self._interval_s

    def listening(self, show: Callable[[Progress], None]) -> Callable[[Progress], None]:
        """Return what shows progress as given, once it is taken in here."""

        def shown(progress: Progress) -> None:
            self.show(progress)
            show(progress)

        return shown

    def end(self) -> None:
        """Take in that the job has ended, or is paused."""
        with self._lock:
            self._ended_s = self.elapsed_s

    def _take(self, told: Event | Command) -> None:
        """Note what was told, and when; it is looked at together, which takes a third of the time.

        The driver's thread has other things to do.
        """
        if type(told) in _REACTIONS:
            self._noted.append((time.monotonic(), told))
            if len(self._noted) >= _MOST_NOTED:
                with self._lock:
                    self._catch_up()

    def _catch_up(self) -> None:
        while self._noted:
            at_s, told = self._noted.popleft()
            react = getattr(self, _REACTIONS[type(told)])
            react(told, round(at_s - self._zero_s, 4))

    def _ready(self, event: WorkerReady, now_s: float) -> None:
        self._come(event.worker, now_s, event.role, event.component)

    def _lost(self, event: WorkerLost, now_s: float) -> None:
        at = "" if event.batch is None else f" at {event.batch}"
        if event.worker not in self._known:
            self._come(event.worker, now_s, event.role, event.component)
            at = " before it was ready"
        self._leave(event.worker, now_s, f"{event.cause.value}{at}")

    def _asked_back(self, event: ReleaseRequested, now_s: float) -> None:  # noqa: ARG002
        if (lane := self._there.get(event.worker)) is not None:
            lane.end = f"{_RELEASED}: {event.why}"

    def _started(self, event: TaskStarted, now_s: float) -> None:
        if (lane := self._there.get(event.worker)) is not None:
            # In the driver's own thread, that is heard when the task is done.
            lane.load(lane.began_s + event.setup_s if self._here else now_s)

    def _applied(self, event: TaskApplied, now_s: float) -> None:
        if (lane := self._there.get(event.worker)) is not None:
            self._done(lane, now_s, event.rows)

    def _ended(self, event: TaskFailed | FragmentWritten, now_s: float) -> None:
        if (lane := self._there.get(event.worker)) is not None:
            self._done(lane, now_s)

    def _apply(self, command: Apply, now_s: float) -> None:
        if (lane := self._there.get(command.worker)) is not None:
            lane.give(now_s, APPLY, command.task.fragment_id, command.task.rows)

    def _write(self, command: WriteFragment, now_s: float) -> None:
        if (lane := self._there.get(command.worker)) is not None:
            rows = RowRange(0, command.fragment.physical_rows)
            lane.give(now_s, WRITE, command.fragment.fragment_id, rows)

    def _release(self, command: ReleaseWorker, now_s: float) -> None:
        if (lane := self._there.get(command.worker)) is not None:
            self._leave(command.worker, now_s, lane.end or _RELEASED)

    def _kill(self, command: KillWorker, now_s: float) -> None:
        self._leave(command.worker, now_s, "ended: it did not stop in time")

    # -- what others ask -----------------------------------------------------------------------

    def history(self) -> JobHistory:
        """Return the history until now."""
        with self._lock:
            self._catch_up()
            now_s, newest = self.elapsed_s, self._newest
            samples, interval_s = self._samples, self._interval_s
            if newest is not None and not newest.finished:
                samples, interval_s = with_sample(samples, self._sample(newest, now_s), interval_s)
            history = JobHistory(
                samples=tuple(samples),
                workers=tuple(
                    sorted(
                        [*self._gone, *(worker.span for worker in self._there.values())],
                        key=lambda span: span.began_s,
                    )
                ),
                tasks=tuple(
                    sorted(
                        [*self._tasks, *(w.task() for w in self._there.values() if w.work)],
                        key=lambda span: span.began_s,
                    )
                ),
                interval_s=interval_s,
                resolution_s=self._resolution_s,
                workers_dropped=self._workers_dropped,
            )
            if self._round_ended_s is None and self._ended_s is None:
                return history
            return history.closed(self._round_ended_s or now_s, _RELEASED)

    # -- how it is kept ------------------------------------------------------------------------

    def _take_over(self, before: JobHistory) -> None:
        self._samples = list(before.samples)
        self._interval_s = before.interval_s
        self._gone = list(before.workers)
        self._workers_dropped = before.workers_dropped
        self._tasks = list(before.tasks)
        self._resolution_s = before.resolution_s
        self._zero_s = time.monotonic() - before.elapsed_s

    @property
    def _last_s(self) -> float:
        return self._samples[-1].elapsed_s if self._samples else 0.0

    def _sample(self, progress: Progress, now_s: float) -> Sample:
        sample = Sample.of(progress, now_s)
        base = self._counted
        if base is None:
            return sample
        counts = {n: round(getattr(sample, n) + getattr(base, n), 4) for n in _COUNTS}
        return replace(sample, **counts)

    def _come(self, number: int, now_s: float, role: Role = Role.BOTH, component: str = "") -> None:
        if number in self._there:
            return
        if component in ("", "worker process"):
            component = "the calling thread" if self._here else f"worker process {number}"
        self._known.add(number)
        self._there[number] = Lane(WorkerSpan(number, component, role.value, now_s))
        if len(self._gone) + len(self._there) > MOST_WORKERS:
            self._drop_worker()

    def _drop_worker(self) -> None:
        """Leave out the worker that ended first, or else the one that came first."""
        first = None if self._gone else next(iter(self._there))
        span = self._gone.pop(0) if first is None else self._there.pop(first).span
        self._tasks = without(self._tasks, span)
        self._workers_dropped += 1

    def _leave(self, number: int, now_s: float, end: str) -> None:
        worker = self._there.pop(number, None)
        if worker is None:
            return
        self._break_off(worker, now_s)
        self._gone.append(replace(worker.span, ended_s=now_s, end=end))

    def _close_round(self) -> None:
        if self._round_ended_s is not None:
            for worker in list(self._there):
                self._leave(worker, self._round_ended_s, _RELEASED)
        self._round_ended_s = None

    def _break_off(self, worker: Lane, now_s: float) -> None:
        if worker.work:
            self._done(worker, now_s)
            worker.work.clear()

    def _done(self, worker: Lane, now_s: float, rows: RowRange | None = None) -> None:
        if not worker.work:
            return
        self._tasks.append(worker.done(now_s, rows))
        if len(self._tasks) + len(self._there) > MOST_TASKS:
            self._tasks, self._resolution_s = fitted(
                sorted(self._tasks, key=lambda span: span.began_s),
                self._resolution_s,
                MOST_TASKS // 2,
            )


_REACTIONS: dict[type, str] = {
    WorkerReady: "_ready",
    WorkerLost: "_lost",
    ReleaseRequested: "_asked_back",
    TaskStarted: "_started",
    TaskApplied: "_applied",
    TaskFailed: "_ended",
    FragmentWritten: "_ended",
    Apply: "_apply",
    WriteFragment: "_write",
    ReleaseWorker: "_release",
    KillWorker: "_kill",
}
