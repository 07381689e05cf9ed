"""Spans of the workers of one round of a job, out of what they are sent and what they answer."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from geneva.jobs.commands import Apply, StopTask, WriteFragment
from geneva.jobs.events import (
    Event,
    FragmentWritten,
    RowsApplied,
    TaskApplied,
    TaskFailed,
    TaskStarted,
    WorkerLost,
    WorkerReady,
    WorkersWaiting,
)
from geneva.jobs.tasks import ApplyTask
from geneva.tracing.spans import MOST_SPANS, Attributes, SpanMaker, described

_STAGES = ("read", "udf", "checkpoint", "write")


@dataclass(slots=True)
class _Task:
    task: ApplyTask
    began_ns: int
    rows: int = 0
    rows_failed: int = 0
    setup_s: float = 0.0
    stage_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_STAGES, 0.0))

    def attributes(self, worker: int) -> Attributes:
        return {
            "geneva.task.id": self.task.task_id,
            "geneva.fragment": self.task.fragment_id,
            "geneva.worker": worker,
            "geneva.rows": self.rows,
            "geneva.rows.failed": self.rows_failed,
            "geneva.rows.start": self.task.rows.start,
            "geneva.rows.stop": self.task.rows.stop,
            "geneva.seconds.setup": self.setup_s,
            **{f"geneva.seconds.{stage}": seconds for stage, seconds in self.stage_s.items()},
        }


class RunSpans:
    """Adds a span for each task, column file, start and wait.

    Parameters
    ----------
    spans
        Where to.
    tasks, fragments
        How many there will be, so that those that are kept are spread over the job.
    """

    def __init__(self, spans: SpanMaker, tasks: int, fragments: int) -> None:
        self._spans = spans
        self._every_task = -(-tasks // MOST_SPANS["task"]) or 1
        self._every_write = -(-fragments // MOST_SPANS["write"]) or 1
        self._tasks: dict[int, _Task] = {}
        self._writes: dict[tuple[int, int], int] = {}
        self._began_ns = time.time_ns()
        self._starting = True
        self._ready = 0
        self._waiting: tuple[int, str, int] | None = None

    def ready(self, count: int) -> None:
        """Take in that workers are there which were started before."""
        self._ready += count

    def sent(self, command: object) -> None:
        """Take in what a worker was told to do."""
        match command:
            case Apply():
                self._started()
                self._tasks[command.worker] = _Task(command.task, time.time_ns())
            case WriteFragment():
                self._started()
                key = command.worker, command.fragment.fragment_id
                self._writes[key] = time.time_ns()
            case StopTask() if command.worker in self._tasks:
                self._spans.parent.add_event("task stopped", {"geneva.worker": command.worker})

    def happened(self, event: Event) -> None:
        """Take in what a worker answered."""
        match event:
            case WorkerReady():
                self._ready += 1
            case TaskStarted() if event.worker in self._tasks:
                self._tasks[event.worker].setup_s = event.setup_s
            case RowsApplied():
                self._rows(event)
            case TaskApplied():
                self._task_over(event.worker, "")
            case TaskFailed():
                over = self._writes_over if event.task_id is None else self._task_over
                over(event.worker, described(event.error))
            case FragmentWritten():
                self._written(event)
            case WorkerLost():
                words = f"worker lost: {event.cause.value}"
                self._task_over(event.worker, words)
                self._writes_over(event.worker, words)
            case WorkersWaiting():
                self._wait(event.count, event.reason)
            case _:
                pass

    def over(self) -> None:
        """End what has not ended: the round is over."""
        self._started()
        self._wait(0, "")
        for worker in list(self._tasks):
            self._task_over(worker, "", cut_off=True)

    def _started(self) -> None:
        if self._starting:
            self._starting = False
            there = {"geneva.workers": self._ready}
            self._spans.add("start workers", self._began_ns, there)

    def _rows(self, event: RowsApplied) -> None:
        failed = sum(event.failed.values())
        self._spans.rows += event.rows
        self._spans.rows_failed += failed
        task = self._tasks.get(event.worker)
        if task is None:
            return
        task.rows += event.rows
        task.rows_failed += failed
        for stage in _STAGES:
            task.stage_s[stage] += getattr(event.times, f"{stage}_s")

    def _task_over(self, worker: int, error: str, *, cut_off: bool = False) -> None:
        task = self._tasks.pop(worker, None)
        if task is None:
            return
        found = task.attributes(worker)
        if cut_off:
            found = {**found, "geneva.task.cut_off": True}
        self._spans.add("task", task.began_ns, found, every=self._every_task, error=error)

    def _written(self, event: FragmentWritten) -> None:
        fragment = event.file.fragment_id
        began_ns = self._writes.pop((event.worker, fragment), None)
        if began_ns is None:
            return
        found: Attributes = {
            "geneva.fragment": fragment,
            "geneva.worker": event.worker,
            "geneva.seconds.write": event.times.write_s,
        }
        self._spans.add("write", began_ns, found, every=self._every_write)

    def _writes_over(self, worker: int, error: str) -> None:
        for key in [key for key in self._writes if key[0] == worker]:
            found: Attributes = {"geneva.fragment": key[1], "geneva.worker": worker}
            self._spans.add("write", self._writes.pop(key), found, error=error)

    def _wait(self, count: int, reason: str) -> None:
        if self._waiting is not None and count != self._waiting[0]:
            waited, why, began_ns = self._waiting
            self._waiting = None
            found: Attributes = {"geneva.workers.waiting": waited, "geneva.reason": why}
            self._spans.add("wait for resources", began_ns, found)
        if count and self._waiting is None:
            self._waiting = (count, reason, time.time_ns())
