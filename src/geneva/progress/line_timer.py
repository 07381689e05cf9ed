"""When it is time for a line of progress, and which line."""

from __future__ import annotations

import time

from geneva.jobs.progress import Progress
from geneva.jobs.progress_words import line, summary


class LineTimer:
    """Gives a line every few seconds, and one at the end.

    Parameters
    ----------
    interval_s
        Seconds between two lines.

    Examples
    --------
    >>> timer = LineTimer(interval_s=60.0)
    >>> now = Progress("j", "docs", "words", "computing", rows_done=40, rows_total=100)
    >>> timer.due(now) is None
    True
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._last_s = time.monotonic()

    def due(self, progress: Progress) -> str | None:
        """Return the line, if it is time for one."""
        now_s = time.monotonic()
        if not progress.finished and now_s - self._last_s < self._interval_s:
            return None
        self._last_s = now_s
        return summary(progress) if progress.finished else line(progress)
