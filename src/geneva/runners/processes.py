"""Runs workers in processes of this machine: a crash in one never harms the caller."""

from __future__ import annotations

import contextlib
import time
from multiprocessing.connection import wait

from geneva.jobs.messages import (
    Apply,
    Event,
    FragmentWritten,
    JobContext,
    SplitTask,
    StopTask,
    TaskApplied,
    TaskFailed,
    WorkerLost,
    WorkerReady,
    WriteFragment,
)
from geneva.pipeline.failure import unpack_error
from geneva.runners.pool import ProcessPool, WorkerProcess


class ProcessRunner:
    """The processes that one job has leased from the session's pool.

    Parameters
    ----------
    pool
        The session's processes.
    max_workers
        Granted concurrency.
    """

    computes_here = False

    def __init__(self, pool: ProcessPool, max_workers: int) -> None:
        self._pool = pool
        self.max_workers = max_workers
        self._context: JobContext | None = None
        self._leased: dict[int, WorkerProcess] = {}
        self._busy: dict[int, int] = {}

    def begin(self, context: JobContext) -> tuple[tuple[int, ...], int]:
        """Take a job on with the processes that are idle or starting."""
        self._context = context
        for process in self._pool.lease(self.max_workers):
            self._take(process)
        ready = tuple(w for w, process in self._leased.items() if process.ready)
        return ready, len(self._leased) - len(ready)

    def start_workers(self, count: int) -> None:
        """Start more processes."""
        for _ in range(count):
            self._take(self._pool.start())

    def send(self, command: Apply | SplitTask | WriteFragment | StopTask) -> None:
        """Give a command to a process; if it is gone, ``poll`` will say so."""
        process = self._leased.get(command.worker)
        if process is None:
            return
        if isinstance(command, (Apply, WriteFragment)):
            self._busy[command.worker] = self._busy.get(command.worker, 0) + 1
        self._tell(process, command)

    def kill(self, worker: int) -> None:
        """Kill a process."""
        process = self._leased.pop(worker, None)
        if process is not None:
            process.process.kill()
            self._pool.discard(process)

    def poll(self, timeout_s: float) -> list[Event]:
        """Return the events that are there, waiting at most so long for the first."""
        by_connection = {process.connection: process for process in self._leased.values()}
        events: list[Event] = []
        for connection in wait(list(by_connection), timeout_s):
            events += self._receive(by_connection[connection])  # type: ignore[index]
        return events

    def end(self) -> None:
        """Give idle processes back; end those that are still at work."""
        for worker, process in list(self._leased.items()):
            if self._busy.get(worker):
                self.kill(worker)
                continue
            self._tell(process, None)
            self._pool.give_back(process)
        self._leased.clear()
        self._busy.clear()

    def _take(self, process: WorkerProcess) -> None:
        self._leased[process.worker] = process
        self._busy[process.worker] = 0
        self._tell(process, self._context)

    def _tell(self, process: WorkerProcess, message: object) -> None:
        # If its end of the connection is closed, poll() reports the loss.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            process.connection.send(message)

    def _receive(self, process: WorkerProcess) -> list[Event]:
        """Take all events that a process has sent."""
        events: list[Event] = []
        try:
            while process.connection.poll():
                job_id, event, packed = process.connection.recv()
                if isinstance(event, WorkerReady):
                    process.ready = True
                    seconds = time.monotonic() - process.started_s
                    event = WorkerReady(process.worker, startup_s=seconds)
                elif self._context is None or job_id != self._context.job_id:
                    continue  # A late answer from the job before.
                elif packed is not None:
                    event = TaskFailed(event.worker, event.task_id, unpack_error(packed))
                self._note_end_of_work(event)
                events.append(event)
        except (EOFError, OSError):
            del self._leased[process.worker]
            exit_code = self._pool.discard(process)
            words = "\n".join(process.last_lines)
            events.append(WorkerLost(process.worker, exit_code, words))
        return events

    def _note_end_of_work(self, event: Event) -> None:
        if isinstance(event, (TaskApplied, TaskFailed, FragmentWritten)):
            self._busy[event.worker] -= 1
