"""What the user reads when workers were lost too often."""

from __future__ import annotations

from dataclasses import dataclass

from geneva.errors import (
    FatalWorkerCrashError,
    FatalWorkerError,
    FatalWorkerExitError,
    FatalWorkerOOMError,
    WorkerStartError,
)
from geneva.jobs.messages import WorkerLost

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
    if place.writing:
        what = f"writing fragment {place.fragment_id}"
    else:
        what = f"computing fragment {place.fragment_id} at row offset {place.position} or after"
    often = "once" if times == 1 else f"{times} times"
    head = f"Workers of {place.target} were lost {often} while {what}"
    tail = "What was computed before is kept; running the backfill again goes on from there."
    if event.last_words:
        tail += f" The last one's error output:\n{event.last_words}"
    if event.exit_code == _SIGKILL:
        return FatalWorkerOOMError(
            f"{head}: killed (SIGKILL), as the system does when memory runs out. Lower batch_size "
            f"or concurrency, or let the function hold less at once. {tail}"
        )
    if event.exit_code is not None and event.exit_code < 0:
        return FatalWorkerCrashError(
            f"{head}: crashed with signal {-event.exit_code}. The function, or a library that it "
            f"calls, crashes the interpreter. {tail}"
        )
    if event.exit_code is None:
        return FatalWorkerExitError(f"{head}: the process closed its connection. {tail}")
    return FatalWorkerExitError(
        f"{head}: the process exited with code {event.exit_code}. The function, or a library that "
        f"it calls, ends the process. {tail}"
    )


def start_error(event: WorkerLost) -> WorkerStartError:
    """Say that workers end before they are ready."""
    words = event.last_words or "(it printed nothing)"
    return WorkerStartError(
        f"Worker processes end before they are ready (exit code {event.exit_code}):\n{words}"
    )


def late_start_error(timeout_s: float) -> WorkerStartError:
    """Say that a worker does not become ready."""
    return WorkerStartError(
        f"A worker process did not start within {timeout_s:g} s. The machine may be out of memory; "
        "GENEVA_WORKER_START_TIMEOUT_S allows more."
    )
