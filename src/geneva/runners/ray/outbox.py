"""Events of a worker that wait for the driver to fetch them."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from geneva.jobs.events import Event, FunctionPrinted, PartWritten, RowsApplied, WorkerBusy
from geneva.pipeline.envelope import Envelope, sealed

# A fetch costs the driver half a millisecond; what can wait is fetched together.
_QUIET_S = 0.2
# A function that prints for each of a million rows must not fill the driver's memory.
MOST_PRINTS = 1_000


class Outbox:
    """Collects events, and hands them out when one is urgent or some have waited long enough."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[Envelope] = []
        self._urgent = False
        self._reported_rows = False
        self._printed = 0
        self._last_dropped: FunctionPrinted | None = None
        self._taken_s = 0.0

    def put(self, round_id: str | None, event: Event) -> None:
        """Add an event; prints beyond what is kept between two fetches are only counted."""
        with self._changed:
            if isinstance(event, FunctionPrinted):
                self._printed += 1
                if self._printed > MOST_PRINTS:
                    self._last_dropped = event
                    return
            self._waiting.append(sealed(round_id, event))
            if not isinstance(event, (RowsApplied, PartWritten, WorkerBusy, FunctionPrinted)):
                self._urgent = True
            elif isinstance(event, RowsApplied) and not self._reported_rows:
                # The first rows decide how many more workers are started.
                self._urgent = self._reported_rows = True
            self._changed.notify_all()

    def take(self, timeout_s: float) -> list[Envelope]:
        """Return what there is, in order; an empty list says that the worker lives."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not self._urgent:
                now_s = time.monotonic()
                until = self._taken_s + _QUIET_S if self._waiting else deadline
                if now_s >= min(until, deadline):
                    break
                self._changed.wait(min(until, deadline) - now_s)
            if self._last_dropped is not None:
                text = f"... and {self._printed - MOST_PRINTS:,} more prints that are not shown"
                self._waiting.append(sealed(None, replace(self._last_dropped, text=text)))
            waiting, self._waiting, self._urgent = self._waiting, [], False
            self._printed, self._last_dropped = 0, None
            self._taken_s = time.monotonic()
            return waiting
