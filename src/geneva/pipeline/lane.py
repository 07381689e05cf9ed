"""What one worker of a job is at, as the job's driver knows it."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from geneva.jobs.history import TaskSpan, WorkerSpan
from geneva.storage.model import RowRange


class Lane:
    """A worker that is there, and what it has to do.

    Parameters
    ----------
    span
        The worker, from when it is ready.

    Attributes
    ----------
    work : deque of (str, int, RowRange)
        Kind, fragment and rows of what it has to do, the current work first.
    began_s : float
        When it began that.
    end : str
        How it will end, if it is asked back.

    Examples
    --------
    >>> lane = Lane(WorkerSpan(3, "writer-3", "writer", 0.0))
    >>> for fragment_id in (7, 8):
    ...     lane.give(1.0, "write", fragment_id, RowRange(0, 9))
    >>> lane.done(2.5, None).began_s, lane.task().began_s, lane.task().fragment_id
    (1.0, 2.5, 8)
    """

    def __init__(self, span: WorkerSpan) -> None:
        self.span = span
        self.work: deque[tuple[str, int, RowRange]] = deque()
        self.began_s = 0.0
        self.end = ""

    def give(self, now_s: float, kind: str, fragment_id: int, rows: RowRange) -> None:
        """Take in further work; it is begun when what was given before is done."""
        if not self.work:
            self.began_s = now_s
        self.work.append((kind, fragment_id, rows))

    def load(self, at_s: float) -> None:
        """Take in that the function is set up: before that the worker was not at its task."""
        at_s = round(at_s, 4)
        if self.span.loaded_s is None:
            self.span = replace(self.span, loaded_s=at_s)
        self.began_s = at_s

    def task(self, ended_s: float | None = None, rows: RowRange | None = None) -> TaskSpan:
        """Return the current work as a span."""
        kind, fragment_id, given = self.work[0]
        return TaskSpan(self.span.worker, self.began_s, ended_s, fragment_id, rows or given, kind)

    def done(self, now_s: float, rows: RowRange | None) -> TaskSpan:
        """Take in that the current work has ended, and return it."""
        span = self.task(max(now_s, self.began_s), rows)
        self.work.popleft()
        self.began_s = now_s
        return span
