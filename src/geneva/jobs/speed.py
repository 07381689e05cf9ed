"""How fast a job has been lately, steady enough to say how long it will still take."""

from __future__ import annotations

from collections import deque

_WINDOW_S = 10.0
_SAMPLE_S = 0.2
# What is reported in the first moments says more about starting than about going on.
_FIRST_S = 0.5


class RecentSpeed:
    """Rows per second over the last seconds, without a clock of its own.

    Batches that take seconds are reported seldom: between two reports the speed stays what it was,
    and only when a report is overdue it falls.

    Examples
    --------
    >>> speed = RecentSpeed()
    >>> speed.begin(0.0, 0)
    >>> [speed.record(now_s, rows) for now_s, rows in ((4.0, 100), (6.0, 100), (8.0, 200))]
    [25.0, 25.0, 25.0]
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def begin(self, now_s: float, rows: int) -> None:
        """Take in that computing begins, or goes on after a pause, with so many rows done."""
        self._samples = deque([(now_s, rows)])

    def record(self, now_s: float, rows: int) -> float:
        """Take in how many rows are done and return the rows per second; 0 while unknown.

        Parameters
        ----------
        now_s
            Seconds on a monotonic clock.
        rows
            Rows done so far; fewer than before when a worker was lost.
        """
        if not self._samples:
            return 0.0
        samples = self._samples
        lost = samples[-1][1] - rows
        if lost > 0:
            samples = self._samples = deque((at_s, then - lost) for at_s, then in samples)
        last_s, last_rows = samples[-1]
        if rows > last_rows and now_s - last_s >= _SAMPLE_S:
            samples.append((now_s, rows))
        while len(samples) > 2 and now_s - samples[1][0] >= _WINDOW_S:
            samples.popleft()
        return self._rate(now_s)

    def _rate(self, now_s: float) -> float:
        (first_s, first_rows), (last_s, last_rows) = self._samples[0], self._samples[-1]
        intervals = len(self._samples) - 1
        if not intervals or now_s - first_s < _FIRST_S:
            return 0.0
        measured_s = last_s - first_s
        overdue_s = now_s - last_s - 2 * measured_s / intervals
        return (last_rows - first_rows) / (measured_s + max(0.0, overdue_s))
