"""A private Ray cluster of this machine for the time of a block. Blocks share one cluster."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Mapping
from typing import Any

import ray

from geneva.cluster.exit_mode import ExitMode
from geneva.errors import InvalidArgumentError, MissingExtraError
from geneva.resources.footprint import Components
from geneva.runners.machine import this_machine
from geneva.runners.ray.contexts import Link, RayContext
from geneva.runners.ray.private import (
    dashboard_is_missing,
    join,
    silence_raylet,
    start_local_cluster,
    unsilence_raylet,
)
from geneva.runners.ray.spares import Spares

# What Ray's own processes and the operating system need besides the workers.
_MEMORY_SHARE = 0.8


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


class LocalRayContext(RayContext):
    """Runs the jobs of a ``with`` block on a Ray cluster of this machine.

    Made by :meth:`Connection.local_ray_context`, and by :meth:`Connection.context` for a cluster
    that is defined as local. The first block starts the cluster, further ones, inside of it or in
    other threads, share it, and the last one to end stops it. In a process that is connected to a
    cluster already, by ``ray.init()`` for example, blocks use that one and leave it alone.

    Parameters
    ----------
    num_cpus
        Logical CPUs. Default: one per core, and room for driver, tracker and writers.
    dashboard
        Whether to start Ray's dashboard as well.
    on_exit, wait_timeout
        See :class:`~geneva.runners.ray.contexts.RayContext`.
    ray_init_kwargs
        More arguments for ``ray.init``.
    """

    private = True

    def __init__(
        self,
        *,
        num_cpus: int | None = None,
        dashboard: bool = False,
        on_exit: ExitMode = ExitMode.DELETE,
        wait_timeout: float | None = None,
        ray_init_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(on_exit, wait_timeout)
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
        self._ray_init_kwargs = dict(ray_init_kwargs or {})

    def connect(self) -> Link:
        """Start a cluster and connect this process."""
        machine = this_machine()
        cluster = start_local_cluster(
            num_cpus=self._num_cpus or logical_cpus(machine.num_cpus),
            num_gpus=int(machine.num_gpus),
            memory_bytes=int(machine.memory_bytes * _MEMORY_SHARE),
            dashboard=self._dashboard,
        )

        spares = Spares()

        def stop() -> None:
            spares.cancel()
            try:
                with contextlib.suppress(RuntimeError):
                    ray.shutdown()
            finally:
                cluster.stop()
                unsilence_raylet()

        silence_raylet()
        try:
            options = {"log_to_driver": False, "logging_level": logging.ERROR}
            join(cluster.address, **{**options, **self._ray_init_kwargs})
        except BaseException:
            stop()
            raise
        spares.begin()
        return Link(stop, spares.refill)

    def check_connection(self) -> None:
        """Take any cluster that this process is connected to."""
