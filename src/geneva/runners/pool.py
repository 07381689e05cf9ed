"""Worker processes of this session: spawned, kept between backfills, ended with the session.

They are started as fresh interpreters (never forked, and without importing the caller's main
module), get the caller's ``sys.path``, and print through the caller.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from geneva.runners.relay import Output, Relay

if TYPE_CHECKING:
    from geneva.pipeline.flight_recorder import Verdict

_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[3]);"
    "from geneva.runners.worker_process import main;"
    "main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[4])"
)
# Decoding threads that each keep their own memory arena hold a third more than they use.
_ENVIRONMENT = {"LANCE_LOG": "error", "MALLOC_ARENA_MAX": "2"}


@dataclass(slots=True)
class WorkerProcess:
    """One worker process.

    Attributes
    ----------
    worker : int
        Its id, unique in this session.
    process : subprocess.Popen
        The process.
    connection : Connection
        Commands out, events in.
    started_s : float
        When it was started, on ``time.monotonic``.
    notes : Path
        Where it notes which rows it computes.
    ready : bool
        Whether it has said that it is ready.
    verdict : Verdict or None
        Why it is ended, if the caller does so.
    output : Output
        What becomes of what it prints.
    """

    worker: int
    process: subprocess.Popen[bytes]
    connection: Connection
    started_s: float
    notes: Path
    ready: bool = False
    verdict: Verdict | None = None
    output: Output = field(default_factory=Output)

    def end(self) -> None:
        """Let the process go; it ends by itself when the connection closes."""
        self.connection.close()
        if self.process.stdin is not None:
            self.process.stdin.close()

    def kill(self) -> None:
        """Kill the process and forget it."""
        with contextlib.suppress(OSError):
            self.process.kill()
        self.process.wait()
        self.end()


class ProcessPool:
    """The worker processes of a session. A job leases some and gives them back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[WorkerProcess] = []
        self._all: dict[int, WorkerProcess] = {}
        self._next_worker = 0
        self._relay = Relay()
        self._folder = Path(tempfile.mkdtemp(prefix="geneva-workers-"))

    def prestart(self) -> None:
        """Start one process if none is idle, so that it is ready when it is needed."""
        with self._lock:
            if not self._idle:
                self._idle.append(self._spawn())

    def lease(self, most: int) -> list[WorkerProcess]:
        """Hand out idle processes, at most so many."""
        with self._lock:
            alive = [process for process in self._idle if process.process.poll() is None]
            leased, self._idle = alive[:most], alive[most:]
            return leased

    def start(self) -> WorkerProcess:
        """Start a process and hand it out."""
        with self._lock:
            return self._spawn()

    def give_back(self, process: WorkerProcess) -> None:
        """Keep a process for the next job."""
        with self._lock:
            self._idle.append(process)

    def discard(self, process: WorkerProcess) -> int | None:
        """Kill a process and return its exit code; None if it had to be killed now."""
        from geneva.pipeline.flight_recorder import remove_notes

        exit_code = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            # It closed its connection, so it is on its way out.
            exit_code = process.process.wait(timeout=2)
        process.kill()
        with self._lock:
            self._all.pop(process.worker, None)
        remove_notes(process.notes)
        return exit_code

    def end_idle(self) -> None:
        """End the processes that nobody uses, with all that their functions imported."""
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()
            self.discard(process)

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            processes, self._all, self._idle = list(self._all.values()), {}, []
        for process in processes:
            if not process.ready:
                process.process.kill()  # It would first finish its imports.
            process.end()
        deadline = time.monotonic() + 1.0
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.process.wait(timeout=max(0.0, deadline - time.monotonic()))
            process.process.kill()
            process.process.wait()
        self._relay.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _spawn(self) -> WorkerProcess:
        ours, theirs = Pipe(duplex=True)
        worker = self._next_worker
        self._next_worker += 1
        notes = self._folder / str(worker)
        arguments = [sys.executable, "-u", "-c", _BOOT, str(worker), str(theirs.fileno())]
        try:
            process = subprocess.Popen(  # noqa: S603 - this interpreter, our own code
                [*arguments, json.dumps(sys.path), str(notes)],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # Ctrl-C in the terminal reaches the caller only, which then stops its workers.
                start_new_session=True,
                env={**_ENVIRONMENT, **os.environ},
            )
        finally:
            theirs.close()
        handle = WorkerProcess(worker, process, ours, time.monotonic(), notes)
        self._all[worker] = handle
        self._relay.add(_stream(process.stdout), "stdout", handle.output)
        self._relay.add(_stream(process.stderr), "stderr", handle.output)
        return handle


def _stream(stream: IO[Any] | None) -> IO[Any]:
    if stream is None:
        raise RuntimeError("a worker process was started without its pipes")
    return stream


_pool: ProcessPool | None = None
_pool_lock = threading.Lock()


def session_pool() -> ProcessPool:
    """Return the processes of this session."""
    global _pool
    with _pool_lock:
        if _pool is None:
            _pool = ProcessPool()
            atexit.register(_pool.close)
        return _pool
