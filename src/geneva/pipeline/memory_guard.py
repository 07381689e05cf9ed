"""Ends workers that take more memory than their function asked for, before the machine is short.

What counts is the memory that a process has for itself; what it shares, such as the code of
libraries, is there once for all of them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

_LOOK_S = 0.05
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class MemoryGuard:
    """Looks at the memory of processes of this machine twenty times per second.

    Parameters
    ----------
    limit_bytes
        What each may have for itself.
    exceeded
        Called once with the process and its bytes, from a thread.

    Examples
    --------
    >>> import queue
    >>> seen = queue.Queue()
    >>> guard = MemoryGuard(1 << 20, lambda pid, size: seen.put((pid, size)))
    >>> guard.watch(os.getpid())
    >>> pid, size = seen.get(timeout=10)
    >>> pid == os.getpid(), size > 1 << 20
    (True, True)
    >>> guard.close()
    """

    def __init__(self, limit_bytes: int, exceeded: Callable[[int, int], None]) -> None:
        self._limit_bytes = limit_bytes
        self._exceeded = exceeded
        self._watched: set[int] = set()
        self._closed = threading.Event()
        threading.Thread(target=self._look, name="geneva-memory-guard", daemon=True).start()

    def watch(self, pid: int) -> None:
        """Begin to look at a process."""
        self._watched.add(pid)

    def forget(self, pid: int) -> None:
        """Look at a process no more."""
        self._watched.discard(pid)

    def close(self) -> None:
        """Stop looking."""
        self._closed.set()

    def _look(self) -> None:
        while not self._closed.wait(_LOOK_S):
            for pid in tuple(self._watched):
                held_bytes = private_bytes(pid)
                if held_bytes > self._limit_bytes:
                    self._watched.discard(pid)
                    self._exceeded(pid, held_bytes)


def private_bytes(pid: int) -> int:
    """Return the resident memory that a process does not share; 0 where that is not known."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * _PAGE_BYTES
