"""Worker processes of a private cluster that wait for the next job, with everything loaded."""

from __future__ import annotations

import threading

from geneva.runners.ray.private import start_workers

# The driver, an applier, and a writer or another applier: what a job starts first.
_SPARES = 3
# A program that ends after its job needs none.
_DELAY_S = 0.15


class Spares:
    """Keeps worker processes ready between jobs.

    Ray starts some with the cluster, but no others for those that actors took.
    """

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None

    def refill(self) -> None:
        """Start what is missing, in a moment and without waiting for it."""
        self.cancel()
        self._timer = threading.Timer(_DELAY_S, start_workers, (_SPARES,))
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        """Start nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
