"""Worker processes of a private cluster that wait for the next job, with everything loaded."""

from __future__ import annotations

import threading

from geneva.runners.ray.private import start_workers

# A driver and an applier. Ray starts no more at a time than the machine has cores.
_FIRST = 2
# A program that ends after its job needs none.
_FIRST_AFTER_S = 0.15
# Another applier or a writer. It comes when the first are up, and is not kept for long: after many
# short jobs, which take two each, there would be more and more.
_SECOND = 2
_SECOND_AFTER_S = 1.5
_SECOND_KEPT_S = 60


class Spares:
    """Keeps worker processes ready between jobs.

    Ray starts some with the cluster, but no others for those that actors took.
    """

    def __init__(self) -> None:
        self._timers: list[threading.Timer] = []

    def begin(self) -> None:
        """Add to those that Ray starts with the cluster."""
        self._start(_SECOND_AFTER_S, _SECOND, _SECOND_KEPT_S)

    def refill(self) -> None:
        """Start what a job took, in a moment and without waiting for it."""
        self.cancel()
        self._start(_FIRST_AFTER_S, _FIRST)
        self.begin()

    def cancel(self) -> None:
        """Start nothing any more."""
        for timer in self._timers:
            timer.cancel()
        self._timers = []

    def _start(self, after_s: float, count: int, *keep_s: int) -> None:
        timer = threading.Timer(after_s, start_workers, (count, None, *keep_s))
        timer.daemon = True
        timer.start()
        self._timers.append(timer)
