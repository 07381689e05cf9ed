"""Ask for the resources of a job, and refuse it in words if it can never have them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

from geneva.config import Settings
from geneva.errors import ResourcesUnavailableError
from geneva.jobs.spec import BackfillSpec
from geneva.pipeline.backfill_job import BackfillJob
from geneva.resources.admission import admit
from geneva.resources.footprint import Footprint
from geneva.resources.memory import memory_of_machine, memory_per_applier
from geneva.resources.request import Machine, Request
from geneva.resources.shape import ClusterShape, shape_of_machine


def footprint_on(spec: BackfillSpec, shape: ClusterShape) -> Footprint:
    """Return what a job asks for where it runs: on one machine, appliers only."""
    applier = Request(
        num_cpus=spec.num_cpus,
        num_gpus=spec.num_gpus,
        memory_bytes=spec.memory_bytes,
        resources=spec.resources,
        labels=spec.labels,
        accelerator_type=spec.accelerator_type,
    )
    threads = spec.intra_applier_concurrency
    return Footprint(applier, spec.concurrency, shape.components, threads)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a job may have.

    Attributes
    ----------
    workers : int
        Most appliers at work at once.
    applier_bytes : int
        Memory that each may really take.
    memory_bytes : int
        Memory that all of them may take together; 0 where they do not share one machine.
    reason : str
        Which limit decided, if it is fewer than were asked for.
    """

    workers: int
    applier_bytes: int
    memory_bytes: int = 0
    reason: str = ""


Admit = Callable[[BackfillSpec], Grant]
"""Grants workers to a job, or refuses it before anything is written."""


def admit_here(job: BackfillJob, machine: Machine, settings: Settings, spec: BackfillSpec) -> Grant:
    """Grant workers on this machine.

    Raises
    ------
    ResourcesUnavailableError
        Not even one applier could ever run here.
    """
    what = f"{job.location.name}.{job.column.name}"
    return admitted(what, spec, shape_of_machine(machine), settings, warnings.warn)


def admitted(
    what: str,
    spec: BackfillSpec,
    shape: ClusterShape,
    settings: Settings,
    warn: Callable[[str], None],
    may_grow: Callable[[], bool] = lambda: False,
) -> Grant:
    """Return what a job may have.

    Parameters
    ----------
    what
        Table and column, for messages.
    spec
        The job.
    shape
        Where it is to run.
    settings
        Whether it is refused, warned of, or not looked at, unless the call says so itself.
    warn
        Takes a warning.
    may_grow
        Says whether an autoscaler may add nodes of kinds that nobody knows. Asked only if nothing
        that is known helps: it may take seconds.

    Raises
    ------
    ResourcesUnavailableError
        Not even one unit can ever run there; nothing was reserved or written.
    """
    footprint = footprint_on(spec, shape)
    admission = admit(footprint, shape)
    # On a cluster what does not fit now comes later; on a machine it never does.
    workers = max(1, admission.now) if shape.machine else spec.concurrency
    on_node = replace(footprint, concurrency=workers)
    memory = memory_per_applier(on_node, shape), memory_of_machine(shape)
    grant = Grant(workers, *memory, admission.reason)
    check = settings.admission__check if spec.admission_check is None else spec.admission_check
    strict = settings.admission__strict if spec.admission_strict is None else spec.admission_strict
    if admission.possible or not check or may_grow():
        return grant
    if strict:
        raise ResourcesUnavailableError(
            f"Backfill of {what} cannot run: {admission.reason}. {admission.fix}"
        )
    tail = (
        "One applier runs nevertheless: nothing enforces it."
        if shape.machine
        else f"It waits for {settings.reserve_timeout_s:g} s for a node that holds it."
    )
    warn(f"Backfill of {what}: {admission.reason}. {admission.fix} {tail}")
    return grant
