"""What a job needs of a Ray cluster: admission, one runner for all its rounds, its prints."""

from __future__ import annotations

import sys

from geneva.jobs.messages import FunctionPrinted
from geneva.jobs.spec import BackfillSpec
from geneva.pipeline.backfill import BackfillJob, refused, request_of
from geneva.resources.admission import admit_to_cluster
from geneva.resources.footprint import Footprint
from geneva.runners.ray.private import can_add_nodes, read_nodes
from geneva.runners.ray.runner import RayRunner


class ClusterJob:
    """Admits one job to the cluster that this process is connected to, and runs its workers there.

    Parameters
    ----------
    job
        The job.
    """

    def __init__(self, job: BackfillJob) -> None:
        self._job = job
        self._runner: RayRunner | None = None

    def admit(self, spec: BackfillSpec) -> int:
        """Grant all units that are asked for, or refuse if not even one could ever be placed.

        Raises
        ------
        ResourcesUnavailableError
            What is short, on which node; nothing was reserved or written.
        """
        footprint = Footprint(request_of(spec), spec.concurrency)
        admission = admit_to_cluster(footprint, read_nodes().usable)
        if admission.granted == 0 and not can_add_nodes():
            raise refused(self._job, admission.reason, admission.fix)
        if self._runner is None:
            self._runner = RayRunner(self._job.job_id, footprint, _print)
        return spec.concurrency

    def runner(self, granted: int) -> RayRunner:  # noqa: ARG002 - the footprint has it
        """Return the job's runner; every round has the same."""
        if self._runner is None:
            raise RuntimeError("a job runs only after it was admitted")
        return self._runner

    def close(self) -> None:
        """Give everything back."""
        if self._runner is not None:
            self._runner.close()


def _print(component: str, event: FunctionPrinted) -> None:
    where = component
    if event.batch is not None:
        rows = event.batch.rows
        where += f", rows {rows.start}-{rows.stop - 1} of fragment {event.batch.fragment_id}"
    for line in event.text.split("\n"):
        # Looked up at each line: notebooks and progress bars replace these objects.
        print(f"[{where}] {line}", file=getattr(sys, event.stream))
