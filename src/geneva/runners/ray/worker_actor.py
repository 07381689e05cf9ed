"""The actor that hosts an applier or a writer: one thread computes, Ray's own threads listen."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import tempfile
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from geneva.jobs.commands import INTERRUPTIONS, JobContext
from geneva.jobs.events import FunctionLetGo
from geneva.pipeline.activity import tell_when_busy
from geneva.pipeline.envelope import Envelope
from geneva.pipeline.flight_recorder import FlightRecorder, Verdict
from geneva.pipeline.memory_guard import MemoryGuard
from geneva.pipeline.peak_memory import PeakMemory
from geneva.pipeline.prints import PrintedLines, captured_prints
from geneva.pipeline.worker import Worker
from geneva.runners.ray.outbox import Outbox
from geneva.runners.ray.private import error_log_path

# Orders and fetches get through while the function computes. One thread for each: orders that two
# threads take come in any order.
LISTENING_THREADS = {"orders": 1, "events": 1}

_NOTES = "geneva-notes-"
# Long enough to find out why a worker died.
_NOTES_KEPT_S = 600.0

_BROKEN = 70
_QUEUE_LOST = 72
_TOO_LARGE = 73
_TAKE_S = 10.0


@dataclass(frozen=True, slots=True)
class Hello:
    """Where an actor lives, so that its death can be explained.

    Attributes
    ----------
    node_id, address : str
        Its node.
    pid : int
        Its process.
    notes, error_log : str
        Files on that node: what it computes, and its error output.
    """

    node_id: str
    address: str
    pid: int
    notes: str
    error_log: str


class WorkerActor:
    """Hosts one worker.

    Parameters
    ----------
    worker
        Id of the worker.
    component
        "applier-3"; the node is added.
    """

    def __init__(self, worker: int, component: str) -> None:
        self._worker = worker
        self._component = component
        self._outbox = Outbox()
        self._work: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._host: Worker | None = None
        self._round_id: str | None = None
        self._guard: MemoryGuard | None = None

    @ray.method(concurrency_group="orders")
    def hello(self, queue_actor: Any = None) -> Hello:
        """Get ready to compute, and say where this is.

        Parameters
        ----------
        queue_actor
            Where orders come from, if that is not :meth:`order`.
        """
        # Not done while the actor is made: Ray reports a failure there as something else.
        address = ray.util.get_node_ip_address()
        handle, notes = tempfile.mkstemp(prefix=f"{_NOTES}{os.getpid()}-")
        os.close(handle)
        _remove_old_notes()
        recorder = FlightRecorder(Path(notes))
        place = f"{self._component} on node {address}"
        self._host = Worker(self._worker, self._emit, recorder, place, memory=PeakMemory())
        threading.Thread(target=self._compute, args=(recorder,), daemon=True).start()
        tell_when_busy(self._worker, self._host.activity, self._emit, place, recorder.noted)
        if queue_actor is not None:
            threading.Thread(target=self._take_orders, args=(queue_actor,), daemon=True).start()
        node_id = ray.get_runtime_context().get_node_id()
        return Hello(node_id, address, os.getpid(), notes, error_log_path())

    @ray.method(concurrency_group="orders")
    def order(self, command: object) -> None:
        """Take an order; a job is one, None ends it."""
        if isinstance(command, INTERRUPTIONS):
            if self._host is not None:
                self._host.interrupt(command)
            return
        self._work.put(command)

    @ray.method(concurrency_group="events")
    def events(self, timeout_s: float) -> list[Envelope]:
        """Return what happened, waiting at most so long."""
        return self._outbox.take(timeout_s)

    def _take_orders(self, queue_actor: Any) -> None:
        while True:
            try:
                orders = ray.get(queue_actor.take.remote(_TAKE_S))
            except ray.exceptions.RayError as error:
                # Its orders are lost, so the driver has to see that this writer is.
                print(f"The queue of {self._component} is lost: {error}", file=sys.__stderr__)
                os._exit(_QUEUE_LOST)
            for order in orders:
                self._work.put(order)

    def _emit(self, event: Any) -> None:
        self._outbox.put(self._round_id, event)

    def _compute(self, recorder: FlightRecorder) -> None:
        assert self._host is not None  # noqa: S101 - hello() made it
        try:
            with captured_prints(self._worker, recorder, self._emit):
                while True:
                    self._obey(self._host, recorder, self._work.get())
        except BaseException:  # noqa: BLE001 - a worker that computes no more must not seem alive
            traceback.print_exc()
            os._exit(_BROKEN)

    def _obey(self, host: Worker, recorder: FlightRecorder, command: Any) -> None:
        if isinstance(command, JobContext):
            self._round_id = command.round_id
            if command.memory_limit_bytes and self._guard is None:
                # It serves one job.
                self._guard = _guarded(command.memory_limit_bytes, recorder)
            host.begin_job(command)
        elif command is None:
            host.end_job()
            _end_lines()
            self._emit(FunctionLetGo(self._worker))
        else:
            host.execute(command)
            _end_lines()


def _end_lines() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, PrintedLines):
            stream.end_line()


def _guarded(limit_bytes: int, recorder: FlightRecorder) -> MemoryGuard:
    def end(pid: int, memory_bytes: int) -> None:  # noqa: ARG001 - there is only this process
        recorder.condemn(Verdict.too_large(memory_bytes))
        os._exit(_TOO_LARGE)

    guard = MemoryGuard(limit_bytes, end)
    guard.watch(os.getpid())
    return guard


def _remove_old_notes() -> None:
    """Remove the notes of workers that were killed when nobody needed them any more."""
    for path in Path(tempfile.gettempdir()).glob(f"{_NOTES}*-*"):
        with contextlib.suppress(OSError, ValueError):
            if time.time() - path.stat().st_mtime < _NOTES_KEPT_S:
                continue
            try:
                os.kill(int(path.name.split("-")[2]), 0)
            except ProcessLookupError:
                path.unlink()
