"""What others may change about a running task: its end, and whether it goes on."""

from __future__ import annotations

import threading

import numpy as np
import pyarrow as pa

from geneva.storage.model import RowRange


class TaskControl:
    """The rows of a running task, shared by the thread that computes and the one that listens.

    Rows are claimed before they are computed. What is not claimed may be given away.

    Parameters
    ----------
    rows : RowRange
        Physical range of the task.

    Examples
    --------
    >>> control = TaskControl(RowRange(0, 100))
    >>> control.claim(20)
    True
    >>> control.split()
    60
    >>> control.claim(61)
    False
    >>> control.end()
    60
    """

    def __init__(self, rows: RowRange) -> None:
        self._lock = threading.Lock()
        self._claimed = rows.start
        self._stop = rows.stop
        self._stopping = False

    def claim(self, upto: int) -> bool:
        """Claim all rows before ``upto``; False if some of them are not this task's any more."""
        with self._lock:
            if self._stopping or upto > self._stop:
                return False
            self._claimed = upto
            return True

    def clip(
        self, batch: tuple[np.ndarray, pa.RecordBatch]
    ) -> tuple[np.ndarray, pa.RecordBatch] | None:
        """Claim and return the rows of a batch that are still this task's; None if none are."""
        offsets, columns = batch
        with self._lock:
            if self._stopping:
                return None
            kept = int(np.searchsorted(offsets, self._stop))
            self._claimed = self._stop
        return (offsets[:kept], columns.slice(0, kept)) if kept else None

    def split(self) -> int | None:
        """Give the second half of the unclaimed rows away and return where it begins."""
        with self._lock:
            rest = self._stop - self._claimed
            if self._stopping or rest < 2:
                return None
            self._stop = self._claimed + (rest + 1) // 2
            return self._stop

    def stop(self) -> None:
        """Let the task end after the rows that it has claimed."""
        with self._lock:
            self._stopping = True

    def end(self) -> int:
        """Return up to which row the task accounts for, once nothing is being computed."""
        with self._lock:
            return self._claimed if self._stopping else self._stop
