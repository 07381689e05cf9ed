"""Keeps a job's record up to date through its tracker, and passes on what others wish of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from geneva.jobs.wishes import Wished, cancelled, paused
from geneva.pipeline.chronicle import Chronicle
from geneva.pipeline.driver import StopSignal
from geneva.pipeline.journal import NOTHING_SEEN, JobEnd, Journal, Line, Seen
from geneva.pipeline.tracker import Report

_INTERVAL_S = 1.0
_RETRY_S = 0.2
# Whoever reads the history sees the job as it was at most two of these ago. One that takes less
# than that has none, so that its end is not later for it.
_HISTORY_S = 2.0
# Reports are not exactly a second apart.
_EARLY_S = 0.1
# While the record cannot be written.
_MOST_UNWRITTEN = 10_000


def history_is_due(elapsed_s: float, written_s: float, end: JobEnd | None) -> bool:
    """Say whether a job's history is to be written.

    Parameters
    ----------
    elapsed_s
        Seconds since the job began.
    written_s
        When it was written last; 0 if it was not.
    end
        How the job ended, if it has.

    Examples
    --------
    >>> [history_is_due(*times, None) for times in ((1.5, 0), (2.1, 0), (3.1, 2.1), (4.1, 2.1))]
    [False, True, False, True]
    >>> [history_is_due(elapsed_s, 0, JobEnd()) for elapsed_s in (1.5, 2.5)]
    [False, True]
    >>> history_is_due(1.5, 0, JobEnd(paused_by="ann"))  # What it did before goes with it.
    True
    """
    if end is not None:
        return elapsed_s >= _HISTORY_S or bool(end.paused_by)
    return elapsed_s >= _HISTORY_S and elapsed_s - written_s >= _HISTORY_S - _EARLY_S


class RecordKeeper:
    """Tells the tracker about a job, and the job what others wish of it.

    Parameters
    ----------
    job_id
        The job.
    journal
        What the job tells.
    stop
        Ends the job.
    deliver
        Gives a report to the tracker, wherever that is, and says what is wished of the job.
    failed
        Is told why reports cannot be delivered, once until one can be again.
    chronicle
        Knows how the job goes.
    heals
        Whether it is tried again to record the end of the job, in the keeper's thread. Otherwise
        the end is recorded by whoever closes the keeper: on a local disk that takes less time than
        to wait for a thread.
    """

    def __init__(
        self,
        job_id: str,
        journal: Journal,
        stop: StopSignal,
        deliver: Callable[[Report], Wished],
        failed: Callable[[Exception], None],
        chronicle: Chronicle,
        *,
        heals: bool = True,
    ) -> None:
        self._job_id = job_id
        self._journal = journal
        self._stop = stop
        self._deliver = deliver
        self._failed = failed
        self._chronicle = chronicle
        self._history_s = 0.0
        self._heals = heals
        self._seen: Seen = NOTHING_SEEN
        self._unwritten: tuple[Line, ...] = ()
        self._failing = False
        self._after_s = 0.0
        self._lock = threading.Lock()
        self._began = threading.Event()
        self._closing = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="geneva-record", daemon=True)

    def start(self, after_s: float = 0.0) -> None:
        """Begin, if it was not begun; what ends before some seconds is written once."""
        if self._thread.ident is None:
            self._after_s = after_s
            self._thread.start()

    def wait_begun(self, timeout_s: float) -> None:
        """Wait until it was first tried to write the record."""
        self._began.wait(timeout_s)

    def close(self, timeout_s: float) -> None:
        """Record how the job ended, waiting at most so long."""
        if not self._heals and self._lock.acquire(timeout=timeout_s):
            try:
                self._tell(self._journal.unreleased_end)
            finally:
                self._over.set()
                self._lock.release()
        elif not self._thread.ident:
            self._thread.start()
        self._closing.set()
        self._over.wait(timeout_s)

    def _keep(self) -> None:
        self._closing.wait(self._after_s)
        while True:
            with self._lock:
                if self._over.is_set():
                    return
                end = self._journal.unreleased_end
                self._tell(end)
            self._began.set()
            if end is None:
                self._closing.wait(_INTERVAL_S)
            else:
                time.sleep(_RETRY_S)

    def _tell(self, end: JobEnd | None) -> None:
        news = self._journal.follow(self._seen, 0)
        self._seen = news.seen
        self._unwritten = (self._unwritten + news.lines)[-_MOST_UNWRITTEN:]
        lines = tuple(line.text for line in self._unwritten)
        try:
            wished = self._deliver(Report(news.progress, lines, end, self._history(end)))
        except Exception as error:  # noqa: BLE001 - the job matters more than its record
            if not self._failing:
                self._failing = True
                self._failed(error)
            # Another job has the id: its record is not replaced once it has ended.
            if end is not None and isinstance(error, FileExistsError):
                self._over.set()
            return
        self._unwritten, self._failing = (), False
        if end is not None:
            self._over.set()
        else:
            self._pass_on(wished)

    def _history(self, end: JobEnd | None) -> str:
        """Return the history if it is to be written now."""
        elapsed_s = self._chronicle.elapsed_s
        if not history_is_due(elapsed_s, self._history_s, end):
            return ""
        self._history_s = elapsed_s
        return self._chronicle.history().to_json()

    def _pass_on(self, wished: Wished) -> None:
        if wished.cancelled_by:
            self._stop.ask(cancelled(self._job_id))
        elif wished.paused_by:
            self._stop.ask(paused(self._job_id, wished.paused_by))
        if wished.concurrency:
            self._stop.ask_concurrency(wished.concurrency, wished.concurrency_by)
