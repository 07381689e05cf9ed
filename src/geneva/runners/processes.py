"""Runs workers in processes of this machine: a crash in one never harms the caller."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from geneva.jobs.commands import Apply, Interruption, JobContext, WriteFragment
from geneva.jobs.events import (
    Event,
    FragmentWritten,
    FunctionLetGo,
    TaskApplied,
    TaskFailed,
    WorkerLost,
    WorkerReady,
)
from geneva.pipeline.driver import RunnerTraits
from geneva.pipeline.envelope import opened
from geneva.pipeline.flight_recorder import Verdict, read_notes, read_verdict
from geneva.pipeline.letting_go import TEARDOWN_S
from geneva.runners.pool import ProcessPool, WorkerProcess
from geneva.runners.relay import Printed
from geneva.warned import warn_line

if TYPE_CHECKING:
    from geneva.pipeline.memory_guard import MemoryGuard

# A worker that ends its teardown() in time must be heard.
_LATE_S = 1.0


class ProcessRunner:
    """The processes that one job has leased from the session's pool.

    Parameters
    ----------
    pool
        The session's processes.
    max_workers
        Granted concurrency.
    printed
        Takes the lines that their functions print.
    """

    traits = RunnerTraits()

    def __init__(self, pool: ProcessPool, max_workers: int, printed: Printed | None = None) -> None:
        self._pool = pool
        self._printed = printed
        self.max_workers = max_workers
        self._context: JobContext | None = None
        self._leased: dict[int, WorkerProcess] = {}
        self._busy: dict[int, int] = {}
        self._guard: MemoryGuard | None = None
        # They are letting go of the function, which may have a teardown().
        self._leaving: dict[int, WorkerProcess] = {}

    def begin(self, context: JobContext) -> tuple[tuple[int, ...], int]:
        """Take a job on with the processes that are idle or starting."""
        self._context = context
        if context.memory_limit_bytes:
            from geneva.pipeline.memory_guard import MemoryGuard

            self._guard = MemoryGuard(context.memory_limit_bytes, self._end_large)
        for process in self._pool.lease(self.max_workers):
            self._take(process)
        ready = tuple(w for w, process in self._leased.items() if process.ready)
        return ready, len(self._leased) - len(ready)

    def start_workers(self, count: int) -> None:
        """Start more processes."""
        for _ in range(count):
            self._take(self._pool.start())

    def start_writers(self, count: int) -> None:
        """Refuse: every process writes as well."""
        raise RuntimeError(f"processes write for themselves; asked for {count} writers")

    def send(self, command: Apply | WriteFragment | Interruption) -> None:
        """Give a command to a process; if it is gone, ``poll`` will say so."""
        process = self._leased.get(command.worker)
        if process is None:
            return
        if isinstance(command, (Apply, WriteFragment)):
            self._busy[command.worker] = self._busy.get(command.worker, 0) + 1
        self._tell(process, command)

    def release(self, worker: int) -> None:
        """Give an idle process back."""
        process = self._leased.pop(worker, None)
        if process is not None:
            self._tell(process, None)
            process.output.listener = None
            if self._busy.pop(worker, None) is None:
                self._pool.give_back(process)  # It has no function to let go of.
            else:
                self._leaving[worker] = process

    def resize(self, workers: int) -> None:
        """Take in how many processes the job may have."""
        self.max_workers = workers

    def kill(self, worker: int) -> None:
        """Kill a process."""
        process = self._leased.pop(worker, None)
        if process is not None:
            process.process.kill()
            self._pool.discard(process)

    def end_slow(self, worker: int) -> None:
        """Kill a process whose call takes too long; its end is noticed as any other."""
        process = self._leased.get(worker)
        if process is not None:
            process.verdict = Verdict.too_slow()
            process.process.kill()

    def _end_large(self, pid: int, memory_bytes: int) -> None:
        for process in tuple(self._leased.values()):
            if process.process.pid == pid:
                process.verdict = Verdict.too_large(memory_bytes)
                process.process.kill()

    def poll(self, timeout_s: float) -> list[Event]:
        """Return the events that are there, waiting at most so long for the first."""
        processes = [*self._leased.values(), *self._leaving.values()]
        by_connection = {process.connection: process for process in processes}
        events: list[Event] = []
        for connection in wait(list(by_connection), timeout_s):
            events += self._receive(by_connection[connection])  # type: ignore[index]
        return events

    def end(self) -> None:
        """Give idle processes back; end those that are still at work."""
        if self._guard is not None:
            self._guard.close()
            self._guard = None
        for worker in list(self._leased):
            if self._busy.get(worker):
                self.kill(worker)
            else:
                self.release(worker)
        self._leased.clear()
        self._busy.clear()
        deadline_s = time.monotonic() + TEARDOWN_S + _LATE_S
        while self._leaving and (left_s := deadline_s - time.monotonic()) > 0:
            self.poll(left_s)
        for process in self._leaving.values():
            warn_line(
                f"worker process {process.worker} was still letting go of the function "
                f"after {TEARDOWN_S:g} seconds, and was ended. Does its teardown() wait?"
            )
            process.process.kill()
            self._pool.discard(process)
        self._leaving.clear()

    def _take(self, process: WorkerProcess) -> None:
        self._leased[process.worker] = process
        if self._guard is not None:
            self._guard.watch(process.process.pid)
        process.output.listener = self._printed
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
                envelope = process.connection.recv()
                event = opened(envelope)
                if isinstance(event, WorkerReady):
                    process.ready = True
                    seconds = time.monotonic() - process.started_s
                    event = WorkerReady(process.worker, startup_s=seconds)
                elif isinstance(event, FunctionLetGo):
                    if self._leaving.pop(process.worker, None) is not None:
                        self._pool.give_back(process)
                        break  # From here on it may be another job's.
                    continue
                elif self._context is None or envelope.round_id != self._context.round_id:
                    continue  # A late answer from the job before.
                self._note_end_of_work(event)
                events.append(event)
        except (EOFError, OSError):
            if self._leaving.pop(process.worker, None) is not None:
                self._pool.discard(process)
                return events
            del self._leased[process.worker]
            if self._guard is not None:
                self._guard.forget(process.process.pid)
            batch = read_notes(process.notes)
            verdict = process.verdict or read_verdict(process.notes) or Verdict()
            exit_code = self._pool.discard(process)
            words = "\n".join(process.output.last_lines)
            lost = WorkerLost(process.worker, exit_code, words, verdict.cause, batch=batch)
            events.append(replace(lost, memory_bytes=verdict.memory_bytes))
        return events

    def _note_end_of_work(self, event: Event) -> None:
        if isinstance(event, (TaskApplied, TaskFailed, FragmentWritten)):
            self._busy[event.worker] -= 1
