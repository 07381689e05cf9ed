"""What a job needs of a Ray cluster: admission, one runner for all its rounds, its prints."""

from __future__ import annotations

import sys

from geneva.jobs.messages import FunctionPrinted
from geneva.jobs.spec import BackfillSpec
from geneva.pipeline.backfill import BackfillJob, refused, request_of
from geneva.resources.cluster import Node
from geneva.resources.footprint import Footprint
from geneva.resources.packing import emptied, place, shortage
from geneva.runners.ray.private import read_autoscaler, read_nodes
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
        core = footprint.unit(core=True)
        nodes = emptied(read_nodes().usable)
        gang = (*core, footprint.applier_bundle()) if footprint.applier_apart else core
        if place(gang, nodes) is None and not read_autoscaler().present:
            raise refused(
                self._job,
                f"one applier with its writer and tracker {shortage(gang, nodes)}",
                _fix(footprint, nodes),
            )
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


def _fix(footprint: Footprint, nodes: list[Node]) -> str:
    """Say what to ask for instead: the most that any node has of what is short."""
    asked = footprint.applier_bundle().resources
    for name, parameter in (("CPU", "num_cpus"), ("GPU", "num_gpus"), ("memory", "memory")):
        most = max((node.total.get(name, 0.0) for node in nodes), default=0.0)
        if asked.get(name, 0.0) > most:
            return (
                f"Lower {parameter} to {most:.10g}, as an argument of backfill() for this job or "
                "of the UDF for all, or add a node that holds it."
            )
    return "Add a node that holds it, or change what the UDF asks of its node."


def _print(component: str, event: FunctionPrinted) -> None:
    where = component
    if event.batch is not None:
        rows = event.batch.rows
        where += f", rows {rows.start}-{rows.stop - 1} of fragment {event.batch.fragment_id}"
    for line in event.text.split("\n"):
        # Looked up at each line: notebooks and progress bars replace these objects.
        print(f"[{where}] {line}", file=getattr(sys, event.stream))
