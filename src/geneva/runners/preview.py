"""Run a function on a sample where it can do no harm, with a deadline."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from geneva.config import settings
from geneva.errors import (
    BackfillTimeoutError,
    FatalWorkerCrashError,
    FatalWorkerError,
    FatalWorkerExitError,
    FatalWorkerOOMError,
    WorkerStartError,
)
from geneva.jobs.events import WorkerReady
from geneva.jobs.preview import Preview, RowFailure
from geneva.jobs.progress import Progress
from geneva.pipeline.envelope import Envelope
from geneva.pipeline.failure import unpack_error
from geneva.pipeline.rehearsal import Rehearsal, Step, StepTaken, rehearse
from geneva.pipeline.witness import Witness
from geneva.runners.pool import WorkerProcess, session_pool
from geneva.runners.select import chosen_runner, connect_to_ray

# A function that crashes on every row would start a process for each.
_MOST_CRASHES = 3

Show = Callable[[Progress], None]
"""Shows how far a preview is."""


def run_preview(
    rehearsal: Rehearsal, *, runner: str | None, timeout_s: float, show: Show
) -> Preview:
    """Run a function on a sample.

    Parameters
    ----------
    rehearsal
        What to run.
    runner
        Kind of runner, see :mod:`geneva.runners.select`.
    timeout_s
        Seconds that reading, ``setup()`` and all rows may take together; not inline.
    show
        Is told how far it is.

    Raises
    ------
    UDFError
        ``setup()`` failed.
    FilterError
        The filter cannot be used.
    BackfillTimeoutError, FatalWorkerError
        The sample was not read, or the function not set up, within the time or without a crash.
    """
    kind = chosen_runner(runner)
    if kind == "inline":
        witness = Witness(rehearsal, "this process")

        def take(step: Step) -> None:
            witness.take(step)
            show(witness.progress())

        rehearse(rehearsal, take, None)
        return outcome(witness, 0.0)
    if kind == "ray":
        connect_to_ray()
        from geneva.runners.ray.preview import preview_on_cluster

        return preview_on_cluster(rehearsal, timeout_s, show)
    return _InProcesses(rehearsal, timeout_s, show).run()


def outcome(witness: Witness, start_s: float) -> Preview:
    """Return the preview, or raise why there is none."""
    ended = witness.ended
    if ended is not None and ended.error is not None:
        raise unpack_error(ended.error)
    return witness.preview(start_s)


def out_of_time(witness: Witness, timeout_s: float) -> None:
    """Take in that the deadline has passed.

    Raises
    ------
    BackfillTimeoutError
        No row was tried.
    """
    within = f"within {timeout_s:g} s"
    if witness.in_call:
        witness.lost("timed out", RowFailure("TimeoutError", f"the call did not end {within}"))
    elif not witness.tried:
        what = "setup() of the function" if witness.setting_up else "reading the sample"
        raise BackfillTimeoutError(
            f"{witness.what}: {what} did not end {within}; timeout= is more."
        )


def crashed(witness: Witness, why: RowFailure, kind: type[FatalWorkerError]) -> bool:
    """Take in that the function's process is gone; return whether another one is worth it.

    Raises
    ------
    FatalWorkerError
        No row was tried.
    """
    if witness.in_call:
        witness.lost("crashed", why)
        return True
    if not witness.tried:
        words = f"\n{why.traceback}" if why.traceback else ""
        at = "setup() of the function" if witness.setting_up else "reading the sample"
        raise kind(f"{witness.what}: {at} ended its process: {why}.{words}")
    witness.note(f"The worker was lost between two calls: {why}.")
    return False


def after_crashes(
    witness: Witness, rehearsal: Rehearsal, crashes: Callable[[Rehearsal], bool]
) -> None:
    """Run a rehearsal again behind each row that ended its process.

    Parameters
    ----------
    witness
        Has taken the steps.
    rehearsal
        What to run first.
    crashes
        Runs it; returns whether it crashed and another process is worth it.
    """
    count = 0
    while crashes(rehearsal):
        count += 1
        if witness.all_tried:
            return
        if count > _MOST_CRASHES:
            witness.note(f"{count} workers crashed; no more rows are tried.")
            return
        rehearsal = witness.remaining()


class _InProcesses:
    """A worker process of the session; another one after each crash."""

    def __init__(self, rehearsal: Rehearsal, timeout_s: float, show: Show) -> None:
        self._rehearsal = rehearsal
        self._timeout_s = self._left_s = timeout_s
        self._show = show
        self._start_s: float | None = None
        self._witness = Witness(rehearsal, "a worker process")
        self._pool = session_pool()

    def run(self) -> Preview:
        """Run until all rows are tried, the time is over, or the function crashed too often."""
        after_crashes(self._witness, self._rehearsal, self._crashes)
        return outcome(self._witness, self._start_s or 0.0)

    def _process(self) -> WorkerProcess:
        leased = self._pool.lease(1)
        return leased[0] if leased else self._pool.start()

    def _crashes(self, rehearsal: Rehearsal) -> bool:
        """Run in one process; return whether it crashed and another one is worth it."""
        process = self._process()
        reusable = False
        try:
            self._wait_until_ready(process)
            process.connection.send(rehearsal)
            reusable = self._listen(process)
        except (EOFError, OSError):
            exit_code = self._pool.discard(process)
            if not process.ready:
                words = "\n".join(process.output.last_lines)
                raise WorkerStartError(
                    f"A worker process ended before it was ready (exit code {exit_code}):\n{words}"
                ) from None
            kind, why = death(exit_code, "\n".join(process.output.last_lines))
            return crashed(self._witness, why, kind)
        finally:
            if reusable:
                self._pool.give_back(process)
            elif process.process.poll() is None:
                process.process.kill()
                self._pool.discard(process)
        if not reusable:
            out_of_time(self._witness, self._timeout_s)
        return False

    def _wait_until_ready(self, process: WorkerProcess) -> None:
        began_s = time.monotonic()
        limit_s = settings().worker_start_timeout_s
        while not process.ready:
            self._show(self._witness.progress("starting a worker"))
            if not process.connection.poll(max(0.0, began_s + limit_s - time.monotonic())):
                raise WorkerStartError(f"A worker process was not ready within {limit_s:g} s.")
            self._take(process, process.connection.recv())
        if self._start_s is None:
            self._start_s = time.monotonic() - began_s

    def _listen(self, process: WorkerProcess) -> bool:
        """Take steps until the last one, and say whether it came in time."""
        deadline_s = time.monotonic() + self._left_s
        while self._witness.ended is None:
            self._left_s = max(0.0, deadline_s - time.monotonic())
            if not process.connection.poll(self._left_s):
                return False
            self._take(process, process.connection.recv())
        return True

    def _take(self, process: WorkerProcess, message: object) -> None:
        if isinstance(message, StepTaken):
            if message.call_id == self._rehearsal.context.call_id:
                self._witness.take(message.step)
                self._show(self._witness.progress())
        elif isinstance(message, Envelope) and isinstance(message.event, WorkerReady):
            process.ready = True


def death(exit_code: int | None, words: str) -> tuple[type[FatalWorkerError], RowFailure]:
    """Say how a process ended."""
    if exit_code is None:
        return FatalWorkerExitError, RowFailure("exit", "the process answers no more", words)
    if exit_code >= 0:
        return FatalWorkerExitError, RowFailure(
            "exit", f"the process exited with code {exit_code}", words
        )
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    if -exit_code == signal.SIGKILL:
        hint = "the process was killed, as the kernel does when memory runs out"
        return FatalWorkerOOMError, RowFailure(name, hint, words)
    return FatalWorkerCrashError, RowFailure(name, "the process crashed", words)
