"""What one applier asks for, and what this machine offers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """Resources of one applier.

    Attributes
    ----------
    num_cpus, num_gpus : float
        Logical CPUs and GPUs.
    memory_bytes : int
        Bytes of memory; 0 asks for none.
    resources : tuple of (str, float)
        Custom resources of a cluster, by name.
    labels : tuple of (str, str)
        Labels that its node must have, by name: ``"gpu"``, ``"!gpu"``, ``"in(a,b)"`` or
        ``"!in(a,b)"``.
    accelerator_type : str or None
        Kind of accelerator that its node must have, ``"H100"`` for example.
    """

    num_cpus: float = 1.0
    num_gpus: float = 0.0
    memory_bytes: int = 0
    resources: tuple[tuple[str, float], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    accelerator_type: str | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """Resources of the machine that the embedded engine runs on.

    Attributes
    ----------
    num_cpus, num_gpus : float
        Usable CPUs and visible GPUs.
    memory_bytes : int
        Memory that processes of this machine or its cgroup may use together.
    """

    num_cpus: float
    num_gpus: float
    memory_bytes: int
