"""What the threads of one worker are at, and a thread that tells when one is at it for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from geneva.jobs.events import BatchRows, Event, WorkerBusy
from geneva.jobs.stage import Stage

LONG_S = 5.0


class Activity:
    """What the threads of one worker are at.

    Saying so costs an assignment. Each thread says it for itself, at every batch.

    Attributes
    ----------
    long_s : float
        Seconds after which it is told that a worker is at one thing for long.

    Examples
    --------
    >>> activity = Activity()
    >>> activity.now() is None
    True
    >>> activity.enter(Stage.READ)
    >>> stage, seconds = activity.now()
    >>> stage.name, seconds < 5
    ('READ', True)
    >>> activity.leave()
    >>> activity.now() is None
    True
    """

    def __init__(self) -> None:
        self.long_s = LONG_S
        self._threads: dict[int, tuple[Stage, float]] = {}

    def enter(self, stage: Stage) -> None:
        """Say that the calling thread is at something new."""
        self._threads[threading.get_ident()] = (stage, time.monotonic())

    def leave(self) -> None:
        """Say that the calling thread is at nothing any more."""
        self._threads.pop(threading.get_ident(), None)

    def now(self) -> tuple[Stage, float] | None:
        """Return what the worker is at, and for how many seconds; None while it has no work.

        It computes as long as one of its threads does, whatever the others wait for.
        """
        # A copy that no other thread can disturb: it is made while the interpreter lock is held.
        threads = list(self._threads.values())
        if not threads:
            return None
        stage, since_s = min(
            [at for at in threads if at[0].computes] or threads, key=lambda at: at[1]
        )
        return stage, time.monotonic() - since_s


def tell_when_busy(
    worker: int,
    activity: Activity,
    emit: Callable[[Event], None],
    place: str = "",
    batch: Callable[[], BatchRows | None] = lambda: None,
) -> None:
    """Start a thread that tells every few seconds what a worker is at for long.

    Where it is silent, the driver takes it that the function holds the interpreter lock.

    Parameters
    ----------
    worker
        Id of the worker.
    activity
        What it is at.
    emit
        Takes the events.
    place
        What the user reads for it, with its node; empty on one machine.
    batch
        Returns the rows that it computes.
    """

    def look() -> None:
        told_s = time.monotonic()
        while True:
            time.sleep(min(1.0, activity.long_s))
            now = activity.now()
            waited_s = time.monotonic() - told_s
            if now is not None and min(now[1], waited_s) >= activity.long_s:
                told_s += waited_s
                emit(WorkerBusy(worker, *now, place, batch()))

    threading.Thread(target=look, name="geneva-busy", daemon=True).start()
