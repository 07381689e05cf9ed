"""Keeps a job's record up to date through its tracker, whatever happens to that."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import ray
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from geneva.job_future import cancelled
from geneva.pipeline.driver import StopSignal
from geneva.pipeline.journal import NOTHING_SEEN, JobEnd, Journal, Line, Seen
from geneva.pipeline.tracker import JobTracker, Report
from geneva.resources.footprint import WRITER_BUNDLE, Components
from geneva.runners.ray.names import NAMESPACE, component_name
from geneva.runners.ray.tracker_actor import TrackerActor
from geneva.storage.model import TableLocation

_INTERVAL_S = 1.0
_RETRY_S = 0.2
_ANSWER_S = 10.0
# A job that is done before that needs no process for its record: the driver hosts the tracker
# until then, and again while a lost one is replaced.
_TRACKER_AFTER_S = 6.0
_MOST_TRACKERS = 10
# While the record cannot be written.
_MOST_UNWRITTEN = 10_000


TrackerPlace = Callable[[], "tuple[str, Any] | None"]
"""Gives the job's tag and the placement group that holds the tracker's share, once it is held."""


class RecordKeeper:
    """Tells the tracker about a job, and the job when somebody cancels it.

    Parameters
    ----------
    database, job_id
        The job, which is recorded already.
    journal
        What the job tells.
    stop
        Ends the job.

    Attributes
    ----------
    place : TrackerPlace
        Where the tracker's actor can be.
    """

    def __init__(
        self, database: TableLocation, job_id: str, journal: Journal, stop: StopSignal
    ) -> None:
        self.place: TrackerPlace = lambda: None
        self._database = database
        self._job_id = job_id
        self._journal = journal
        self._stop = stop
        self._began_s = time.monotonic()
        self._local: JobTracker | None = None
        self._actor: Any = None
        self._actors = 0
        self._seen: Seen = NOTHING_SEEN
        self._unwritten: tuple[Line, ...] = ()
        self._failing = False
        self._closing = threading.Event()
        self._recorded = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def start(self) -> None:
        """Begin to keep the record, if that has not begun."""
        if not self._thread.ident:
            self._thread.start()

    def close(self, timeout_s: float) -> None:
        """Record how the job ended, waiting at most so long, and end the tracker."""
        self.start()
        self._closing.set()
        self._recorded.wait(timeout_s)
        self._end_actor()

    def _keep(self) -> None:
        while True:
            end = self._journal.unreleased_end
            self._tell(end)
            if self._recorded.is_set():
                return
            if end is None:
                self._closing.wait(_INTERVAL_S)
            else:
                time.sleep(_RETRY_S)

    def _tell(self, end: JobEnd | None) -> None:
        news = self._journal.follow(self._seen, 0)
        self._seen = news.seen
        self._unwritten = (self._unwritten + news.lines)[-_MOST_UNWRITTEN:]
        report = Report(
            news.progress,
            tuple(line.text for line in self._unwritten),
            end,
        )
        try:
            cancel = self._deliver(report)
        except Exception as error:  # noqa: BLE001 - the job matters more than its record
            self._note_failure(error)
            return
        self._unwritten, self._failing = (), False
        if end is not None:
            self._recorded.set()
        elif cancel:
            self._stop.ask(cancelled(self._job_id))

    def _deliver(self, report: Report) -> bool:
        """Give a report to the tracker's actor, or to one of our own while there is none."""
        if self._actor is None and report.end is None:
            self._start_actor()
        if self._actor is not None:
            try:
                answer: bool = ray.get(self._actor.report.remote(report), timeout=_ANSWER_S)
            except ray.exceptions.RayTaskError:
                self._end_actor()
                raise
            except (ray.exceptions.RayError, TimeoutError):
                self._end_actor()
            else:
                return answer
        if self._local is None:
            self._local = JobTracker(self._database, self._job_id)
        return self._local.report(report)

    def _start_actor(self) -> None:
        if time.monotonic() - self._began_s < _TRACKER_AFTER_S or self._actors >= _MOST_TRACKERS:
            return
        place = self.place()
        if place is None:
            return
        tag, group = place
        parts = Components()
        number, self._actors = self._actors, self._actors + 1
        self._actor = (
            ray.remote(TrackerActor)
            .options(
                name=component_name(tag, "tracker", number),
                namespace=NAMESPACE,
                num_cpus=parts.tracker_cpus,
                memory=parts.tracker_memory_bytes,
                max_restarts=0,
                scheduling_strategy=PlacementGroupSchedulingStrategy(
                    group, placement_group_bundle_index=WRITER_BUNDLE
                ),
            )
            .remote(self._database, self._job_id)
        )
        self._local = None

    def _end_actor(self) -> None:
        actor, self._actor = self._actor, None
        if actor is not None:
            with contextlib.suppress(ValueError, ray.exceptions.RayError):
                ray.kill(actor)

    def _note_failure(self, error: Exception) -> None:
        self._local = None
        if not self._failing:
            self._failing = True
            text = f"The record of job {self._job_id} cannot be written: {error}"
            self._journal.print("stderr", text)
