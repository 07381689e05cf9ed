"""What a running job has to tell, for everybody who follows it at a pace of their own."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice

from geneva.errors import JobCancelledError, JobPausedError
from geneva.jobs.progress import Progress
from geneva.jobs.record import RecordedError
from geneva.jobs.result import BackfillJobResult
from geneva.pipeline.failure import PackedError, pack_error, traceback_of

# A function that prints for each of a million rows must not fill the driver's memory.
_MOST_LINES = 10_000
_QUIET_S = 0.1
_CTRL_C = "Ctrl-C stopped it. What was computed is kept; a new backfill goes on from there."


Seen = tuple[int, int]
"""How much of a job one has seen: changes, and lines among them."""

NOTHING_SEEN: Seen = (0, 0)


@dataclass(frozen=True, slots=True)
class Line:
    """One line that a job printed, and whether to "stdout" or "stderr"."""

    stream: str
    text: str


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended.

    Attributes
    ----------
    result : BackfillJobResult or None
        What was done, if all went well.
    error : PackedError or None
        What ended it otherwise.
    cancelled : bool
        Whether somebody wanted that.
    words : RecordedError or None
        The error in words.
    paused_by : str
        Who paused it; then it has not ended for good.
    """

    result: BackfillJobResult | None = None
    error: PackedError | None = None
    cancelled: bool = False
    words: RecordedError | None = None
    paused_by: str = ""

    @classmethod
    def failed(cls, error: BaseException) -> JobEnd:
        """Return the end of a job that an error ended."""
        return replace(cls.failed_here(error), error=pack_error(error))

    @classmethod
    def failed_here(cls, error: BaseException) -> JobEnd:
        """Return the same for those who know the error itself, so that it need not travel."""
        if isinstance(error, KeyboardInterrupt):
            words = RecordedError(JobCancelledError.__name__, _CTRL_C)
            return cls(cancelled=True, words=words)
        cancelled = isinstance(error, JobCancelledError)
        paused_by = error.by if isinstance(error, JobPausedError) else ""
        trace = "" if cancelled or paused_by else traceback_of(error)
        words = RecordedError(type(error).__name__, str(error), trace)
        return cls(cancelled=cancelled, words=words, paused_by=paused_by)

    @property
    def recorded(self) -> BackfillJobResult | RecordedError:
        """What the job's record says of it."""
        return self.result or self.words or RecordedError("GenevaError", "It ended in no way.")


@dataclass(frozen=True, slots=True)
class News:
    """What is new for one who follows a job.

    Attributes
    ----------
    progress : Progress
        The newest.
    lines : tuple of Line
        Lines that follow those seen before.
    seen : Seen
        What to ask with the next time.
    end : JobEnd or None
        How the job ended, once it has.
    """

    progress: Progress
    lines: tuple[Line, ...]
    seen: Seen
    end: JobEnd | None


class Journal:
    """Collects what a job tells.

    Parameters
    ----------
    progress
        The job at its beginning.

    Examples
    --------
    >>> journal = Journal(Progress("j", "docs", "words"))
    >>> journal.print("stdout", "one"); journal.print("stdout", "two")
    >>> news = journal.follow(seen=(1, 1), timeout_s=0)
    >>> [line.text for line in news.lines], news.seen, news.end
    (['two'], (2, 2), None)
    """

    def __init__(self, progress: Progress) -> None:
        self._changed = threading.Condition()
        self._progress = progress
        self._lines: deque[Line] = deque(maxlen=_MOST_LINES)
        self._printed = 0
        self._changes = 0
        self._end: JobEnd | None = None
        self._released = False

    def show(self, progress: Progress) -> None:
        """Take in the newest progress."""
        with self._changed:
            self._progress = progress
            self._note()

    def print(self, stream: str, text: str) -> None:
        """Take in a line."""
        with self._changed:
            self._lines.append(Line(stream, text))
            self._printed += 1
            self._note()

    def end(self, end: JobEnd) -> None:
        """Take in how the job ended; followers learn it with :meth:`release_end`."""
        with self._changed:
            self._end = end
            self._note()

    def release_end(self) -> None:
        """Let followers see the end, once it is recorded."""
        with self._changed:
            self._released = True
            self._note()

    @property
    def progress(self) -> Progress:
        """The newest progress."""
        return self._progress

    @property
    def unreleased_end(self) -> JobEnd | None:
        """How the job ended, also before followers see it."""
        return self._end

    def follow(self, seen: Seen, timeout_s: float) -> News:
        """Return what is new, waiting at most so long for something."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._wait(lambda: self._changes > seen[0], deadline)
            # What comes in quick succession is told together.
            self._wait(lambda: False, min(deadline, time.monotonic() + _QUIET_S))
            lines = self._lines_after(seen[1])
            end = self._end if self._released else None
            return News(self._progress, lines, (self._changes, self._printed), end)

    def _wait(self, enough: Callable[[], bool], deadline: float) -> None:
        while not (self._released or enough()):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return
            self._changed.wait(left_s)

    def _lines_after(self, seen: int) -> tuple[Line, ...]:
        first = self._printed - len(self._lines)
        lines = list(islice(self._lines, max(0, seen - first), None))
        if seen < first:
            text = f"... {first - seen:,} more lines that are not shown"
            lines.insert(0, Line("stderr", text))
        return tuple(lines)

    def _note(self) -> None:
        self._changes += 1
        self._changed.notify_all()
