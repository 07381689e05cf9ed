"""Takes what functions print in a worker that has no terminal, with the rows it was printed for."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

from geneva.jobs.events import Event, FunctionPrinted
from geneva.pipeline.flight_recorder import FlightRecorder

if TYPE_CHECKING:
    from collections.abc import Iterator


class PrintedLines(io.TextIOBase):
    """A text stream that emits whole lines as events.

    Parameters
    ----------
    worker
        Id of the worker.
    stream
        "stdout" or "stderr".
    recorder
        Knows what the printing thread computes.
    emit
        Takes the events.
    """

    def __init__(
        self, worker: int, stream: str, recorder: FlightRecorder, emit: Callable[[Event], None]
    ) -> None:
        self._worker = worker
        self._stream = stream
        self._recorder = recorder
        self._emit = emit
        self._rest = threading.local()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What programs ask a stream for; lines are text all the way."""
        return "utf-8"

    def writable(self) -> bool:
        """Return True."""
        return True

    def end_line(self) -> None:
        """Emit what the calling thread has printed without a line end."""
        if getattr(self._rest, "text", ""):
            self.write("\n")

    def write(self, text: str) -> int:
        """Take some text; threads do not mix their lines."""
        lines, _, rest = (getattr(self._rest, "text", "") + text).rpartition("\n")
        self._rest.text = rest
        if "\n" in text:
            batch = self._recorder.current
            self._emit(FunctionPrinted(self._worker, self._stream, batch, lines))
        return len(text)


@contextmanager
def captured_prints(
    worker: int, recorder: FlightRecorder, emit: Callable[[Event], None]
) -> Iterator[None]:
    """Turn what this process prints into events."""
    before = sys.stdout, sys.stderr
    sys.stdout = PrintedLines(worker, "stdout", recorder, emit)
    sys.stderr = PrintedLines(worker, "stderr", recorder, emit)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
