"""Reaches a job's tracker on a cluster, whatever happens to that."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import ray
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from geneva.jobs.wishes import Wished
from geneva.pipeline.tracker import JobTracker, Report
from geneva.resources.footprint import WRITER_BUNDLE, Components
from geneva.runners.ray.deaths import end_actor
from geneva.runners.ray.names import NAMESPACE, component_name
from geneva.runners.ray.tracker_actor import TrackerActor
from geneva.storage.model import TableLocation

_ANSWER_S = 10.0
# A job that is done before that needs no process for its record: the driver hosts the tracker
# until then, and again while a lost one is replaced.
_TRACKER_AFTER_S = 6.0
_MOST_TRACKERS = 10


TrackerPlace = Callable[[], "tuple[str, Any] | None"]
"""Gives the job's tag and the placement group that holds the tracker's share, once it is held."""


class ClusterTracker:
    """Gives reports to the tracker's actor, or to a tracker of our own while there is none.

    Parameters
    ----------
    database, job_id
        The job, which is recorded already.

    Attributes
    ----------
    place : TrackerPlace
        Where the tracker's actor can be.
    """

    def __init__(self, database: TableLocation, job_id: str) -> None:
        self.place: TrackerPlace = lambda: None
        self._database = database
        self._job_id = job_id
        self._began_s = time.monotonic()
        self._local: JobTracker | None = None
        self._actor: Any = None
        self._actors = 0

    def deliver(self, report: Report) -> Wished:
        """Give a report; return what others wish of the job."""
        if self._actor is None and report.end is None:
            self._start_actor()
        if self._actor is not None:
            try:
                answer: Wished = ray.get(self._actor.report.remote(report), timeout=_ANSWER_S)
            except ray.exceptions.RayTaskError:
                self.close()
                raise
            except (ray.exceptions.RayError, TimeoutError):
                self.close()
            else:
                return answer
        try:
            if self._local is None:
                self._local = JobTracker(self._database, self._job_id)
            return self._local.report(report)
        except Exception:
            self._local = None
            raise

    def close(self) -> None:
        """End the tracker's actor."""
        actor, self._actor = self._actor, None
        if actor is not None:
            end_actor(actor)

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
