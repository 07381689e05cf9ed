"""Passes on what functions print in worker processes, line by line, to the caller's own output.

Workers do not write to the terminal themselves: lines would tear progress bars, and in a notebook
they would be lost.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

_LAST_LINES = 20

Printed = Callable[[str, str], None]
"""Takes a line: "stdout" or "stderr", and the text."""


@dataclass(slots=True)
class Output:
    """What becomes of the output of one process, apart from being passed on.

    Attributes
    ----------
    listener : Printed or None
        Takes every line: the job that the process works for.
    last_lines : deque of str
        The end of its error output.
    """

    listener: Printed | None = None
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))


@dataclass(slots=True)
class _Source:
    stream: IO[Any]
    name: str
    output: Output
    rest: bytes = b""


class Relay:
    """One thread that reads the output of all worker processes."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wake_read, self._wake_write = os.pipe()
        self._closed = False
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)

    def add(self, stream: IO[Any], target: str, output: Output) -> None:
        """Pass a stream on to ``stdout`` or ``stderr``."""
        source = _Source(stream, target, output)
        with self._lock:
            self._selector.register(stream, selectors.EVENT_READ, source)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="geneva-output", daemon=True)
                self._thread.start()
        os.write(self._wake_write, b".")

    def close(self) -> None:
        """Pass on what is left and stop."""
        self._closed = True
        os.write(self._wake_write, b".")
        if self._thread is not None:
            self._thread.join(timeout=1.0)

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    os.read(self._wake_read, 4096)
                else:
                    self._read(key.data)
            if self._closed and len(self._selector.get_map()) == 1:
                return

    def _read(self, source: _Source) -> None:
        data = os.read(source.stream.fileno(), 1 << 16)
        if not data:
            with self._lock:
                self._selector.unregister(source.stream)
            source.stream.close()
            data = b"" if not source.rest else b"\n"
        *lines, source.rest = (source.rest + data).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace")
            if source.name == "stderr":
                source.output.last_lines.append(text)
            if source.output.listener is not None:
                source.output.listener(source.name, text)
            # Looked up at each line: notebooks and progress bars replace these objects.
            with contextlib.suppress(ValueError, OSError):
                print(text, file=getattr(sys, source.name))
