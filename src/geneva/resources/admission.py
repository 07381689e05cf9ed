"""Decide how many appliers may run, or say why not even one can."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from geneva.resources.cluster import CPU, GPU, MEMORY, Bundle, Node
from geneva.resources.footprint import Footprint
from geneva.resources.packing import emptied, place, shortage
from geneva.resources.request import Machine, Request


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to a request for appliers.

    Attributes
    ----------
    granted : int
        How many appliers may run at once; 0 means that none ever could.
    reason : str
        Which limit decided, in words; empty when everything asked for was granted.
    fix : str
        What to change when nothing was granted.
    """

    granted: int
    reason: str = ""
    fix: str = ""


def admit(request: Request, concurrency: int, machine: Machine) -> Admission:
    """Grant as many of ``concurrency`` appliers as the machine holds at once.

    Examples
    --------
    >>> two_cores = Machine(num_cpus=2, num_gpus=0, memory_bytes=8 << 30)
    >>> admit(Request(num_cpus=1), 8, two_cores)
    Admission(granted=2, reason='2 CPUs at 1 per applier', fix='')
    >>> admit(Request(num_gpus=1), 8, two_cores).fix
    'Lower num_gpus to 0, as an argument of backfill() for this job or of the UDF for all.'
    """
    placement = _cluster_only(request)
    if placement:
        return Admission(
            granted=0,
            reason=f"an applier asks for {placement}; this machine has no such thing",
            fix="Run it on a Ray cluster, after ray.init(), or leave that out of the UDF.",
        )
    limits = [
        ("CPU", "num_cpus", request.num_cpus, machine.num_cpus),
        ("GPU", "num_gpus", request.num_gpus, machine.num_gpus),
        ("GiB of memory", "memory", request.memory_bytes / 2**30, machine.memory_bytes / 2**30),
    ]
    granted, reason = concurrency, ""
    for unit, parameter, asked, offered in limits:
        if asked <= 0:
            continue
        fits = math.floor(offered / asked + 1e-9)
        if fits == 0:
            most = f"{int(machine.memory_bytes)} bytes" if parameter == "memory" else f"{offered:g}"
            return Admission(
                granted=0,
                reason=f"an applier needs {_amount(asked, unit)}; this machine has "
                f"{_number(offered)}",
                fix=f"Lower {parameter} to {most}, as an argument of backfill() for this job "
                "or of the UDF for all.",
            )
        if fits < granted:
            granted = fits
            reason = f"{_amount(offered, unit)} at {_number(asked)} per applier"
    return Admission(granted=granted, reason=reason)


def admit_to_cluster(footprint: Footprint, nodes: Sequence[Node]) -> Admission:
    """Grant all units of a job if a cluster could hold one of them, whoever holds what now.

    Examples
    --------
    >>> nodes = [Node("a", "10.0.0.1", {"CPU": 2.0, "memory": 4e9}, {})]
    >>> admit_to_cluster(Footprint(Request(num_cpus=1), concurrency=4), nodes).granted
    4
    >>> print(admit_to_cluster(Footprint(Request(num_cpus=4), concurrency=4), nodes).reason)
    one applier with its writer and tracker needs 4 CPUs on one node; the largest has 2 (10.0.0.1)
    """
    gang = footprint.unit(core=True)
    if footprint.applier_apart:
        gang = (*gang, footprint.applier_bundle())
    empty = emptied(nodes)
    if place(gang, empty) is not None:
        return Admission(footprint.concurrency)
    return Admission(
        granted=0,
        reason=f"one applier with its writer and tracker {shortage(gang, empty)}",
        fix=_cluster_fix(footprint.applier_bundle(), nodes),
    )


def _cluster_fix(applier: Bundle, nodes: Sequence[Node]) -> str:
    """Say what to ask for instead: the most that any node has of what is short."""
    for name, parameter in ((CPU, "num_cpus"), (GPU, "num_gpus"), (MEMORY, "memory")):
        most = max((node.total.get(name, 0.0) for node in nodes), default=0.0)
        if applier.resources.get(name, 0.0) > most:
            return (
                f"Lower {parameter} to {most:.10g}, as an argument of backfill() for this job or "
                "of the UDF for all, or add a node that holds it."
            )
    return "Add a node that holds it, or change what the UDF asks of its node."


def _cluster_only(request: Request) -> str:
    """Name what only a node of a cluster can have; empty for nothing."""
    asked = [f"resource {name}" for name, _ in request.resources]
    asked += [f"a node with {name}={value}" for name, value in request.labels]
    if request.accelerator_type is not None:
        asked.append(f"accelerator {request.accelerator_type}")
    return ", ".join(asked)


def _amount(number: float, unit: str) -> str:
    plural = "s" if unit.isupper() and number != 1 else ""
    return f"{_number(number)} {unit}{plural}"


def _number(number: float) -> str:
    return f"{number:,.2f}".rstrip("0").rstrip(".")
