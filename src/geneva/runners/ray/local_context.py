"""A private Ray cluster of this machine for the time of a block. Blocks share one cluster."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
from types import TracebackType

import ray

from geneva.errors import InvalidArgumentError, MissingExtraError
from geneva.resources.footprint import Components
from geneva.runners.machine import this_machine
from geneva.runners.ray.private import (
    LocalCluster,
    dashboard_is_missing,
    silence_raylet,
    start_local_cluster,
    unsilence_raylet,
)

# What Ray's own processes and the operating system need besides the workers.
_MEMORY_SHARE = 0.8

_lock = threading.RLock()
_started: LocalCluster | None = None
_blocks = 0


def logical_cpus(cores: float) -> int:
    """Return how many CPUs a local cluster offers: as many appliers as cores, and the rest.

    Driver, tracker and writers take tenths of a CPU that no applier should have to leave free.

    Examples
    --------
    >>> logical_cpus(2), logical_cpus(16)
    (3, 18)
    """
    parts = Components()
    aside = parts.driver_cpus + parts.tracker_cpus + parts.writer_cpus * cores
    return math.ceil(cores + aside - 1e-9)


class LocalRayContext:
    """Runs the jobs of a ``with`` block on a Ray cluster of this machine.

    Made by :meth:`Connection.local_ray_context`. The first block starts the cluster, further ones,
    inside of it or in other threads, share it, and the last one to end stops it. In a process that
    is connected to a cluster already, by ``ray.init()`` for example, blocks use that one and leave
    it alone.

    Parameters
    ----------
    num_cpus
        Logical CPUs. Default: one per core, and room for driver, tracker and writers.
    dashboard
        Whether to start Ray's dashboard as well.
    """

    def __init__(self, *, num_cpus: int | None = None, dashboard: bool = False) -> None:
        if num_cpus is not None and (type(num_cpus) is not int or num_cpus < 1):
            raise InvalidArgumentError(
                f"num_cpus={num_cpus!r}; expected a whole number of at least 1."
            )
        self._num_cpus = num_cpus
        if dashboard and dashboard_is_missing():
            raise MissingExtraError(
                "Ray is installed without its dashboard. Install it with: "
                "pip install 'opengeneva[ray-dashboard]'"
            )
        self._dashboard = dashboard

    def __enter__(self) -> LocalRayContext:
        global _blocks
        with _lock:
            if _blocks == 0 and not ray.is_initialized():
                _start(self._num_cpus, dashboard=self._dashboard)
            _blocks += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        global _blocks
        with _lock:
            _blocks -= 1
            if _blocks == 0:
                _stop()


def _start(num_cpus: int | None, *, dashboard: bool) -> None:
    global _started
    machine = this_machine()
    _started = start_local_cluster(
        num_cpus=num_cpus or logical_cpus(machine.num_cpus),
        num_gpus=int(machine.num_gpus),
        memory_bytes=int(machine.memory_bytes * _MEMORY_SHARE),
        dashboard=dashboard,
    )
    silence_raylet()
    try:
        ray.init(address=_started.address, log_to_driver=False, logging_level=logging.ERROR)
    except BaseException:
        _stop()
        raise


def _stop() -> None:
    global _started
    if _started is None:
        return
    cluster, _started = _started, None
    try:
        with contextlib.suppress(RuntimeError):
            ray.shutdown()
    finally:
        cluster.stop()
        unsilence_raylet()
