"""What a job needs of a Ray cluster: admission, one runner for all its rounds, its prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from geneva.config import Settings
from geneva.jobs.events import FunctionPrinted
from geneva.jobs.spec import BackfillSpec, backfill_spec
from geneva.pipeline.admission import Grant, admitted, footprint_on
from geneva.pipeline.backfill_job import BackfillJob
from geneva.resources.shape import ClusterShape
from geneva.runners.ray.private import can_add_nodes, read_nodes
from geneva.runners.ray.runner import RayRunner
from geneva.warned import PREFIX


class ClusterJob:
    """Admits one job to the cluster that this process is part of, and runs its workers there.

    Parameters
    ----------
    job
        The job.
    settings
        The caller's settings.
    printed
        Takes the lines that functions print: "stdout" or "stderr", and the line.
    """

    def __init__(
        self, job: BackfillJob, settings: Settings, printed: Callable[[str, str], None]
    ) -> None:
        self._job = job
        self._settings = settings
        self._printed = printed
        self._grant: Grant | None = None
        self._runner: RayRunner | None = None

    def prestart(self) -> None:
        """Reserve the core and start its applier, before it is known what there is to do.

        Raises
        ------
        ResourcesUnavailableError
            As :meth:`admit`.
        """
        self.admit(backfill_spec(self._job.column, self._job.arguments))
        if self._runner is not None:
            self._runner.prestart()

    def admit(self, spec: BackfillSpec) -> Grant:
        """Grant all units that are asked for, or refuse if not even one could ever be placed.

        Raises
        ------
        ResourcesUnavailableError
            What is short, on which node; nothing was reserved or written.
        """
        if self._grant is not None:
            # By now the job itself holds some of what was free.
            return replace(self._grant, workers=spec.concurrency)
        shape = ClusterShape(read_nodes().usable)
        what = f"{self._job.location.name}.{self._job.column.name}"
        may_grow = partial(can_add_nodes, self._settings.admission__timeout)
        self._grant = admitted(what, spec, shape, self._settings, self.warn, may_grow)
        footprint = footprint_on(spec, shape)
        self._runner = RayRunner(self._job.job_id, footprint, self._settings, self._print)
        return self._grant

    def runner(self, granted: int) -> RayRunner:  # noqa: ARG002 - the footprint has it
        """Return the job's runner; every round has the same."""
        if self._runner is None:
            raise RuntimeError("a job runs only after it was admitted")
        return self._runner

    def tracker_place(self) -> tuple[str, Any] | None:
        """Return the run's tag and the reserved group that holds the tracker's share."""
        return None if self._runner is None else self._runner.tracker_place()

    def close(self) -> None:
        """Give everything back."""
        if self._runner is not None:
            self._runner.close()

    def warn(self, text: str) -> None:
        """Show a warning to the caller."""
        self._printed("stderr", f"{PREFIX}{text}")

    def _print(self, component: str, event: FunctionPrinted) -> None:
        where = component
        if event.batch is not None:
            rows = event.batch.rows
            where += f", rows {rows.start}-{rows.stop - 1} of fragment {event.batch.fragment_id}"
        for line in event.text.split("\n"):
            self._printed(event.stream, f"[{where}] {line}")
