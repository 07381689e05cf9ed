"""Connects this process to a cluster that runs already, with a deadline and errors that explain."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import Any

import ray

from geneva.cluster.checks import check_address
from geneva.cluster.definition import GenevaCluster
from geneva.cluster.exit_mode import ExitMode
from geneva.errors import (
    ClusterUnreachableError,
    EnvironmentMismatchError,
    InvalidArgumentError,
)
from geneva.runners.ray.contexts import Link, RayContext
from geneva.runners.ray.private import join, silence_raylet, unsilence_raylet
from geneva.runners.ray.reach import RAY_CLIENT, answers, cluster_address

_ADDRESS_VARIABLE = "RAY_ADDRESS"
_ANSWER_S = 5.0
_QUIET = {"log_to_driver": False, "logging_level": logging.ERROR}


class ClusterContext(RayContext):
    """Runs the jobs of a ``with`` block on a cluster that somebody else started.

    Made by :meth:`Connection.context`.

    Parameters
    ----------
    cluster
        The cluster.
    on_exit, wait_timeout
        See :class:`~geneva.runners.ray.contexts.RayContext`. The cluster itself always stays.
    log_to_driver, logging_level
        As in ``ray.init``.
    """

    def __init__(
        self,
        cluster: GenevaCluster,
        *,
        on_exit: ExitMode,
        wait_timeout: float | None,
        log_to_driver: bool,
        logging_level: int,
    ) -> None:
        super().__init__(on_exit, wait_timeout)
        self._cluster = cluster
        self._options = {"log_to_driver": log_to_driver, "logging_level": logging_level}

    @property
    def cluster_name(self) -> str:
        """Name that the cluster is defined under."""
        return self._cluster.name

    def connect(self) -> Link:
        """Connect this process."""
        address = self._cluster.ray_address or ""
        what = f"cluster {self._cluster.name!r}"
        connect(what, address, {**self._options, **self._cluster.ray_init_kwargs})
        return Link(disconnect)

    def check_connection(self) -> None:
        """Refuse another cluster than the one that this process is connected to."""
        wanted, found = self._cluster.ray_address or "", cluster_address()
        if found not in (wanted, None):
            raise InvalidArgumentError(
                f"Cluster {self._cluster.name!r} is at {wanted}, but this process is connected to "
                f"the Ray cluster at {found}. A process is connected to one cluster at a time: "
                "leave the block that uses the other one, or call ray.shutdown(), before."
            )


def connect(what: str, address: str, options: dict[str, Any]) -> None:
    """Connect this process to a cluster.

    Parameters
    ----------
    what
        What the user calls the cluster.
    address
        ``host:port`` or ``ray://host:port``.
    options
        More arguments for ``ray.init``.

    Raises
    ------
    ClusterUnreachableError
        Nobody answers there within seconds, or Ray cannot connect from here.
    EnvironmentMismatchError
        The cluster has another version of Python or Ray.
    """
    if not answers(address, _ANSWER_S):
        raise ClusterUnreachableError(
            f"Nobody answers at {address}, the address of {what}, within {_ANSWER_S:g} s. Is the "
            "cluster running, is the address that of its head, and is there a route to it?"
        )
    silence_raylet()
    try:
        join(address, **options)
    except Exception as error:
        unsilence_raylet()
        if "ersion mismatch" in str(error):
            raise EnvironmentMismatchError(
                f"This process cannot use {what} at {address}: {error}"
            ) from None
        hint = ""
        if not address.startswith(RAY_CLIENT):
            hint = (
                " A machine that is no node of the cluster connects through the head's client "
                "server: ray://host:10001."
            )
        raise ClusterUnreachableError(
            f"Ray cannot connect to {what} at {address}: {error}.{hint}"
        ) from error


def disconnect() -> None:
    """Undo :func:`connect`."""
    with contextlib.suppress(RuntimeError):
        ray.shutdown()
    unsilence_raylet()


def connect_to_environment() -> None:
    """Connect this process to the cluster of ``RAY_ADDRESS``, if it is not connected."""
    if ray.is_initialized():
        return
    address = os.environ[_ADDRESS_VARIABLE]
    try:
        check_address(address)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(
            f"{_ADDRESS_VARIABLE}={address!r}; expected 'host:port' or 'ray://host:port' of a Ray "
            "cluster. Unset it, or pass runner='process', to compute on this machine."
        ) from error
    connect(f"the cluster of {_ADDRESS_VARIABLE}", address, _QUIET)
