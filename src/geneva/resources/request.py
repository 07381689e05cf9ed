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
    """

    num_cpus: float = 1.0
    num_gpus: float = 0.0
    memory_bytes: int = 0


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
