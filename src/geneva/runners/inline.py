"""Runs everything in the calling thread: for breakpoints, tests and the smallest jobs."""

from __future__ import annotations

from collections import deque
from functools import partial

from geneva.jobs.commands import Apply, Interruption, JobContext, StopTask, WriteFragment
from geneva.jobs.events import Event
from geneva.pipeline.driver import RunnerTraits, StopSignal
from geneva.pipeline.flight_recorder import FlightRecorder
from geneva.pipeline.worker import Worker

_WORKER = 0


class InlineRunner:
    """One worker that computes while the driver waits for events.

    Parameters
    ----------
    stop
        Lets others stop the task that is running: the driver cannot, while it computes.
    """

    max_workers = 1
    traits = RunnerTraits(computes_here=True)

    def __init__(self, stop: StopSignal | None = None) -> None:
        self._stop = stop
        self._events: deque[Event] = deque()
        self._work: deque[Apply | WriteFragment] = deque()
        self._worker = Worker(_WORKER, self._events.append, FlightRecorder(None))

    def begin(self, context: JobContext) -> tuple[tuple[int, ...], int]:
        """Take a job on; the one worker is ready."""
        self._worker.begin_job(context)
        if self._stop is not None:
            self._stop.tell(partial(self._worker.interrupt, StopTask(_WORKER)))
        return (_WORKER,), 0

    def start_workers(self, count: int) -> None:
        """Refuse: there is never more than one."""
        raise RuntimeError(f"the inline runner has one worker; asked for {count} more")

    def start_writers(self, count: int) -> None:
        """Refuse: the one worker writes as well."""
        raise RuntimeError(f"the inline runner writes for itself; asked for {count} writers")

    def release(self, worker: int) -> None:
        """Do nothing: the one worker costs nothing."""

    def send(self, command: Apply | WriteFragment | Interruption) -> None:
        """Queue work; it is done by the next ``poll``."""
        if isinstance(command, (Apply, WriteFragment)):
            self._work.append(command)
        else:
            self._worker.interrupt(command)

    def resize(self, workers: int) -> None:
        """Do nothing: there is one worker, whatever is asked for."""

    def kill(self, worker: int) -> None:
        """Do nothing: while the driver runs, the worker does not."""

    def end_slow(self, worker: int) -> None:
        """Do nothing: while the driver runs, the worker does not."""

    def poll(self, timeout_s: float) -> list[Event]:  # noqa: ARG002 - nothing to wait for
        """Do the queued work and return what happened."""
        if self._work and not self._events:
            self._worker.execute(self._work.popleft())
        events = list(self._events)
        self._events.clear()
        return events

    def end(self) -> None:
        """Let go of the function."""
        self._work.clear()
        self._worker.end_job()
