"""What the user reads when workers were lost too often."""

from __future__ import annotations

from dataclasses import dataclass

from geneva.errors import (
    FatalWorkerCrashError,
    FatalWorkerError,
    FatalWorkerExitError,
    FatalWorkerHardwareError,
    FatalWorkerOOMError,
    RowTimeoutError,
    WorkerStartError,
)
from geneva.jobs.events import LossCause, WorkerLost
from geneva.jobs.wording import size

_SIGKILL = -9


@dataclass(frozen=True, slots=True)
class LostPlace:
    """What a worker was doing when it was lost.

    Attributes
    ----------
    target : str
        Table and column.
    fragment_id, position : int
        Fragment, and the physical offset that it had reached.
    writing : bool
        Whether it was writing the fragment's file rather than computing.
    """

    target: str
    fragment_id: int
    position: int
    writing: bool


def loss_error(event: WorkerLost, place: LostPlace, times: int) -> FatalWorkerError:
    """Say which workers were lost where, why, and what to do."""
    often = "once" if times == 1 else f"{times} times"
    head = f"Workers of {place.target} were lost {often} while {_at_work(event, place)}"
    tail = "What was computed before is kept; running the backfill again goes on from there."
    if event.component != _PROCESS:
        tail = f"The last one was {event.component}. {tail}"
    if event.last_words:
        tail += f" The last one's error output:\n{event.last_words}"
    if event.cause is LossCause.PREEMPTED:
        return FatalWorkerHardwareError(
            f"{head}: their nodes, or their places there, were taken away each time. Run it on "
            f"nodes that stay. {tail}"
        )
    if event.cause is LossCause.NODE_LOST:
        return FatalWorkerHardwareError(
            f"{head}: their nodes died or could not be reached. If these rows need more memory "
            f"than a node has, lower batch_size; otherwise look at the nodes' own logs. {tail}"
        )
    if event.cause is LossCause.TOO_SLOW:
        return RowTimeoutError(
            f"{head}: one call took longer than row_timeout. Allow more, or let the function give "
            f"up by itself. {tail}"
        )
    if event.cause is LossCause.OUT_OF_MEMORY or event.exit_code == _SIGKILL:
        return FatalWorkerOOMError(f"{head}: {_killed(event)} {_LESS_MEMORY} {tail}")
    if event.exit_code is not None and event.exit_code < 0:
        return FatalWorkerCrashError(
            f"{head}: crashed with signal {-event.exit_code}. The function, or a library that it "
            f"calls, crashes the interpreter. {tail}"
        )
    if event.exit_code is None:
        return FatalWorkerExitError(
            f"{head}: the process ended without a word. The function, or a library that it calls, "
            f"ends or crashes the process, or the system killed it for its memory. {tail}"
        )
    return FatalWorkerExitError(
        f"{head}: the process exited with code {event.exit_code}. The function, or a library that "
        f"it calls, ends the process. {tail}"
    )


_PROCESS = "worker process"
_LESS_MEMORY = (
    "Lower batch_size or concurrency, ask for more with memory=, or let the function hold less at "
    "once."
)


def _at_work(event: WorkerLost, place: LostPlace) -> str:
    if place.writing:
        return f"writing fragment {place.fragment_id}"
    if event.batch is not None:
        rows = event.batch.rows
        if len(rows) == 1:
            return f"computing row offset {rows.start} of fragment {place.fragment_id} alone"
        return f"computing rows {rows.start} to {rows.stop - 1} of fragment {place.fragment_id}"
    return f"computing fragment {place.fragment_id} at row offset {place.position} or after"


def _killed(event: WorkerLost) -> str:
    if event.memory_bytes:
        return f"stopped with {size(event.memory_bytes)}, more than memory= of the function allows."
    if event.exit_code == _SIGKILL:
        return "killed (SIGKILL), as the system does when memory runs out."
    return "killed because its node ran out of memory."


def start_error(event: WorkerLost) -> WorkerStartError:
    """Say that workers end before they are ready."""
    words = event.last_words or "(it printed nothing)"
    if event.component != _PROCESS:
        return WorkerStartError(f"{event.component} ended before it was ready:\n{words}")
    return WorkerStartError(
        f"Worker processes end before they are ready (exit code {event.exit_code}):\n{words}"
    )


def late_start_error(timeout_s: float) -> WorkerStartError:
    """Say that a worker does not become ready."""
    return WorkerStartError(
        f"A worker process did not start within {timeout_s:g} s. The machine may be out of memory; "
        "GENEVA_WORKER_START_TIMEOUT_S allows more."
    )
