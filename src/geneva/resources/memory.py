"""How much memory appliers really take, whatever they ask for. Pure.

An applier holds the batch that it computes, those that were read ahead or wait for a thread, and
the values that are not written yet. All of it is rows times bytes per row, besides the interpreter
with its libraries. What ``setup()`` loads is known only after it was seen.
"""

from __future__ import annotations

from dataclasses import dataclass

from geneva.resources.capacity import units_fitting
from geneva.resources.cluster import MEMORY
from geneva.resources.footprint import Footprint
from geneva.resources.shape import ClusterShape

# An interpreter with Arrow and Lance that has computed a table holds 219 MiB at most: measured.
_PROCESS_BYTES = 220 << 20
_UNWRITTEN_BYTES = 4 << 20
_READ_AHEAD = 2
# Values of another type than the inputs, objects of Python, allocators.
_EXPANSION = 2.0
# What appliers may take of a machine; the rest is for everything else on it.
_SHARE = 0.8
# What is asked for above the peak that was seen, and the step in which it is said.
_HEADROOM = 1.2
_STEP_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """What one applier is expected to take, besides what ``setup()`` loads.

    Attributes
    ----------
    row_bytes : int
        Size of a row's inputs in memory.
    rows_held : int
        Rows that are in memory at once.

    Examples
    --------
    >>> MemoryEstimate(row_bytes=1 << 20, rows_held=96).applier_bytes >> 20
    416
    """

    row_bytes: int
    rows_held: int

    @property
    def applier_bytes(self) -> int:
        """Bytes of the whole process."""
        rows = int(self.rows_held * self.row_bytes * _EXPANSION)
        return _PROCESS_BYTES + _UNWRITTEN_BYTES + rows


def rows_held(batch_size: int, threads: int) -> int:
    """Return how many rows an applier has in memory at once.

    Examples
    --------
    >>> rows_held(32, threads=1), rows_held(32, threads=4)
    (96, 320)
    """
    in_flight = 1 if threads == 1 else 2 * threads
    return batch_size * (in_flight + _READ_AHEAD)


def largest_batch(row_bytes: int, threads: int, available_bytes: int) -> int:
    """Return the most rows per batch with which an applier stays within its memory; 1 at least.

    Examples
    --------
    >>> largest_batch(row_bytes=1 << 20, threads=1, available_bytes=1 << 30)
    133
    """
    rest = available_bytes - MemoryEstimate(row_bytes, 0).applier_bytes
    each = row_bytes * _EXPANSION * rows_held(1, threads)
    return max(1, int(rest / each)) if each else 1


def memory_limit(asked_bytes: int) -> int:
    """Return with how much memory of its own an applier is stopped; 0 if none was asked for.

    What a function asks for is for the function: Geneva's own libraries come on top.

    Examples
    --------
    >>> memory_limit(1 << 30) >> 20, memory_limit(0)
    (1244, 0)
    """
    return asked_bytes + _PROCESS_BYTES if asked_bytes else 0


def memory_per_applier(footprint: Footprint, shape: ClusterShape) -> int:
    """Return how much memory one applier may really take where most of them share a node.

    Parameters
    ----------
    footprint
        What the job asks for.
    shape
        Where it runs.

    Examples
    --------
    >>> from geneva.resources.footprint import IN_PROCESS
    >>> from geneva.resources.request import Machine, Request
    >>> from geneva.resources.shape import shape_of_machine
    >>> machine = shape_of_machine(Machine(num_cpus=4, num_gpus=0, memory_bytes=10 << 30))
    >>> memory_per_applier(Footprint(Request(), 8, IN_PROCESS), machine) >> 20
    2048
    """
    shares = [
        int(_SHARE * node.total.get(MEMORY, 0.0) / units)
        for node in shape.empty.nodes
        if (units := units_fitting(footprint, [node]))
    ]
    return min(shares, default=0)


def memory_of_machine(shape: ClusterShape) -> int:
    """Return how much memory all appliers of a job may take together.

    It is 0 on a cluster: there it depends on which of them share a node.

    Examples
    --------
    >>> from geneva.resources.request import Machine
    >>> from geneva.resources.shape import shape_of_machine
    >>> machine = shape_of_machine(Machine(num_cpus=4, num_gpus=0, memory_bytes=10 << 30))
    >>> memory_of_machine(machine) >> 30
    8
    """
    if not shape.machine:
        return 0
    return int(_SHARE * shape.nodes[0].total.get(MEMORY, 0.0))


def workers_in_memory(most: int, memory_bytes: int, peak_bytes: int) -> int:
    """Return how many appliers fit into the memory that they share, from 1 to ``most``.

    Parameters
    ----------
    most
        How many there may be for other reasons.
    memory_bytes
        What all of them may take together; 0 if that is unknown.
    peak_bytes
        What one of them takes; 0 if that is unknown.

    Examples
    --------
    >>> workers_in_memory(8, memory_bytes=20 << 30, peak_bytes=6 << 30)
    3
    >>> workers_in_memory(8, 20 << 30, 0), workers_in_memory(8, 1 << 30, 6 << 30)
    (8, 1)
    """
    if not (memory_bytes and peak_bytes):
        return most
    return max(1, min(most, memory_bytes // peak_bytes))


def suggested_memory(peak_bytes: int) -> int:
    """Return what to say as ``memory=`` for a function whose appliers took this much.

    A fifth more, in steps of 64 MiB; 0 if nothing was measured.

    Examples
    --------
    >>> suggested_memory(1 << 30) >> 20, suggested_memory(0)
    (1280, 0)
    """
    return -int(-peak_bytes * _HEADROOM // _STEP_BYTES) * _STEP_BYTES
