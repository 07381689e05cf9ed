"""The program of a worker process.

Three threads: the main one computes, one listens, so that a task can be split or stopped while the
function runs, and one tells what takes long. The process ends itself when the caller's process is
gone: the listening thread sees the end of the connection, and the kernel sends a signal when the
other end of standard input closes, which works even while the function holds the interpreter.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geneva.jobs.commands import INTERRUPTIONS, Apply, JobContext, WriteFragment
from geneva.jobs.events import Event, FunctionLetGo, WorkerReady
from geneva.pipeline.activity import tell_when_busy
from geneva.pipeline.envelope import sealed
from geneva.pipeline.flight_recorder import FlightRecorder
from geneva.pipeline.peak_memory import PeakMemory
from geneva.pipeline.worker import Worker

if TYPE_CHECKING:
    from geneva.pipeline.rehearsal import Rehearsal, Step


def main(worker: int, connection_fd: int, notes: str) -> None:
    """Serve one caller until it lets go of this process."""
    _end_with_caller()
    connection = Connection(connection_fd)
    sending = threading.Lock()
    round_id: str | None = None

    def emit(event: Event) -> None:
        send(sealed(round_id, event))

    def send(message: Any) -> None:
        try:
            with sending:
                connection.send(message)
        except (BrokenPipeError, ConnectionResetError):
            os._exit(0)  # The caller is gone.

    recorder = FlightRecorder(Path(notes))
    host = Worker(worker, emit, recorder, memory=PeakMemory())
    work: queue.SimpleQueue[Any] = queue.SimpleQueue()
    emit(WorkerReady(worker, startup_s=0.0))
    listener = threading.Thread(target=_listen, args=(connection, host, work), daemon=True)
    listener.start()
    tell_when_busy(worker, host.activity, emit, batch=recorder.noted)
    while True:
        command = work.get()
        if isinstance(command, JobContext):
            round_id = command.round_id
            host.begin_job(command)
        elif command is None:
            host.end_job()
            emit(FunctionLetGo(worker))
        elif isinstance(command, (Apply, WriteFragment)):
            host.execute(command)
        else:
            _rehearse(command, send)


def _listen(connection: Connection, host: Worker, work: queue.SimpleQueue[Any]) -> None:
    """Pass commands on: work to the computing thread, everything else at once."""
    while True:
        try:
            command = connection.recv()
        except (EOFError, OSError):
            os._exit(0)
        if isinstance(command, INTERRUPTIONS):
            host.interrupt(command)
        else:
            work.put(command)


def _rehearse(rehearsal: Rehearsal, send: Callable[[Any], None]) -> None:
    from geneva.pipeline.rehearsal import StepTaken, rehearse  # Loaded only for a preview.

    def tell(step: Step) -> None:
        send(StepTaken(rehearsal.context.call_id, step))

    rehearse(rehearsal, tell, PeakMemory())


def _end_with_caller() -> None:
    # Ctrl-C is the caller's to handle; it tells the workers what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    flags = getattr(os, "O_ASYNC", None)
    if flags is None:
        return
    # SIGIO's default action ends the process. Nothing is ever written to this pipe.
    with contextlib.suppress(OSError):
        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(sys.stdin.fileno(), fcntl.F_SETOWN, os.getpid())
        current = fcntl.fcntl(sys.stdin.fileno(), fcntl.F_GETFL)
        fcntl.fcntl(sys.stdin.fileno(), fcntl.F_SETFL, current | flags)
