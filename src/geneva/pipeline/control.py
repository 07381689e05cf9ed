"""What others may change about a running task: its end, how often it is made durable."""

from __future__ import annotations

import threading

import numpy as np
import pyarrow as pa

from geneva.storage.model import RowRange

Batch = tuple[np.ndarray, pa.RecordBatch]


class TaskControl:
    """The rows of a running task, shared by the thread that computes and the one that listens.

    Rows are claimed before they are computed. What is not claimed may be given away.

    Parameters
    ----------
    rows : RowRange
        Physical range of the task.
    checkpoint_interval_s : float
        Seconds of compute at risk before a part is written; may be set at any time.

    Examples
    --------
    >>> control = TaskControl(RowRange(0, 100))
    >>> first = np.arange(20), pa.record_batch({"x": range(20)})
    >>> control.claimed(first) is first
    True
    >>> control.split()
    60
    >>> offsets, _ = control.claimed((np.arange(50, 70), pa.record_batch({"x": range(20)})))
    >>> int(offsets[-1]), control.end()
    (59, 60)
    """

    def __init__(self, rows: RowRange, checkpoint_interval_s: float = 10.0) -> None:
        self.checkpoint_interval_s = checkpoint_interval_s
        self._lock = threading.Lock()
        self._claimed = rows.start
        self._stop = rows.stop
        self._stopping = False
        self._stopped = threading.Event()

    def claimed(self, batch: Batch) -> Batch | None:
        """Claim a batch and return the rows of it that are still this task's; None if none are."""
        offsets, columns = batch
        with self._lock:
            if self._stopping:
                return None
            upto = int(offsets[-1]) + 1
            if upto <= self._stop:
                self._claimed = upto
                return batch
            self._claimed = self._stop
            kept = int(np.searchsorted(offsets, self._stop))
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
        self._stopped.set()

    def pause(self, seconds: float) -> bool:
        """Wait, or return False as soon as the task is to stop."""
        return not self._stopped.wait(seconds)

    @property
    def stopping(self) -> bool:
        """Whether the task is to end early."""
        with self._lock:
            return self._stopping

    def give_up(self, offset: int) -> None:
        """Account for no row from ``offset`` on, of those claimed; only while stopping."""
        with self._lock:
            self._claimed = min(self._claimed, offset)

    def end(self) -> int:
        """Return up to which row the task accounts for, once nothing is being computed."""
        with self._lock:
            return self._claimed if self._stopping else self._stop
