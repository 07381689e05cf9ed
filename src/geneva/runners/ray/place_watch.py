"""Watches how long a job waits for places on the cluster, and ends one that waits in vain."""

from __future__ import annotations

import time

from geneva.errors import ResourcesUnavailableError
from geneva.jobs.events import StopRequested, WorkersWaiting
from geneva.runners.ray.units import Units


class PlaceWatch:
    """Says what a job waits for.

    Parameters
    ----------
    units
        The job's units.
    timeout_s
        How long a job may be without any worker.
    """

    def __init__(self, units: Units, timeout_s: float) -> None:
        self._units = units
        self._timeout_s = timeout_s
        self._waiting = (0, "")
        self._had_place_s = time.monotonic()

    def look(
        self, appliers: int, wanted: int, now_s: float
    ) -> list[WorkersWaiting | StopRequested]:
        """Return what is new: what appliers wait for, and that it is in vain."""
        told: list[WorkersWaiting | StopRequested] = []
        lacking = wanted - appliers
        waiting = (lacking, self._units.lacking() if lacking > 0 else "")
        if waiting != self._waiting:
            self._waiting = waiting
            told.append(WorkersWaiting(*waiting))
        if appliers or wanted == 0:
            self._had_place_s = now_s
        elif self._units.refused():
            told.append(StopRequested(self._no_node()))
        elif now_s - self._had_place_s > self._timeout_s:
            told.append(StopRequested(self._no_place(now_s - self._had_place_s)))
        return told

    def _no_place(self, waited_s: float) -> ResourcesUnavailableError:
        lacking = self._units.lacking()
        return ResourcesUnavailableError(
            f"The job found no place for one worker within {waited_s:.0f} s: {lacking}. "
            "Run it again when others are done, ask for less, or wait longer "
            "with GENEVA_RESERVE_TIMEOUT_S. What was computed before is kept."
        )

    def _no_node(self) -> ResourcesUnavailableError:
        return ResourcesUnavailableError(
            f"The job cannot run: {self._units.lacking(ever=True)}, and the cluster's autoscaler "
            "has no type of node that holds it. Ask for less, or add such a type to the cluster."
        )
