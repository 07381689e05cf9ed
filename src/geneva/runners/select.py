"""Choose where the workers of a job run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from geneva.config import settings
from geneva.errors import InvalidArgumentError, MissingExtraError

if TYPE_CHECKING:
    from geneva.pipeline.admission import Admit
    from geneva.pipeline.backfill_job import BackfillJob
    from geneva.pipeline.driver import Runner, StopSignal
    from geneva.resources.shape import ClusterShape
    from geneva.runners.ray.contexts import RayContext
    from geneva.runners.relay import Printed

_ADDRESS_VARIABLE = "RAY_ADDRESS"
RUNNERS = ("process", "inline", "ray")


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where one job's workers run.

    Attributes
    ----------
    admit : callable
        Grants workers, or refuses.
    make_runner : callable
        Makes the runner of a round for what was granted.
    """

    admit: Admit
    make_runner: Callable[[int], Runner]


def chosen_runner(kind: str | None) -> str:
    """Return the kind of runner for a job.

    Parameters
    ----------
    kind
        What the caller asked for; None means Ray if this process is connected to a cluster or
        ``RAY_ADDRESS`` names one, and processes of this machine otherwise.

    Raises
    ------
    InvalidArgumentError
        There is no such kind, or Ray is asked for and no cluster is known.

    Examples
    --------
    >>> chosen_runner(None), chosen_runner("inline")
    ('process', 'inline')
    """
    cluster_known = _connected_to_ray() or bool(os.environ.get(_ADDRESS_VARIABLE))
    if kind is None:
        return "ray" if cluster_known else "process"
    if kind not in RUNNERS:
        raise InvalidArgumentError(f"runner={kind!r}; expected one of {', '.join(RUNNERS)}.")
    if kind == "ray" and not cluster_known:
        raise InvalidArgumentError(
            "runner='ray', but this process is connected to no Ray cluster. Call backfill() inside "
            'of "with db.local_ray_context():" or "with db.context(cluster)", after ray.init(), or '
            f"set {_ADDRESS_VARIABLE}."
        )
    return kind


def start_ahead(runner: str | None) -> str:
    """Let a worker process start, if a job will need one, while the caller loads what drives it.

    Parameters
    ----------
    runner
        What the caller asked for, see :func:`chosen_runner`.

    Returns
    -------
    str
        The kind of runner.
    """
    kind = chosen_runner(runner)
    if kind == "process":
        from geneva.runners.pool import session_pool

        session_pool().prestart()
    return kind


def connect_to_ray() -> bool:
    """Connect to the cluster that ``RAY_ADDRESS`` names, if this process is connected to none.

    Returns
    -------
    bool
        Whether it was connected to none.
    """
    if _connected_to_ray():
        return False
    require_ray(f"{_ADDRESS_VARIABLE} is set, but ")
    from geneva.runners.ray.connection import connect_to_environment

    connect_to_environment()
    return True


def disconnect_from_ray() -> None:
    """Undo a :func:`connect_to_ray` that connected this process."""
    from geneva.runners.ray.connection import disconnect

    disconnect()


def workplace(kind: str, job: BackfillJob, printed: Printed, stop: StopSignal) -> Workplace:
    """Return where a job's workers run on this machine.

    Parameters
    ----------
    kind, job
        Kind of runner, and the job.
    printed
        Takes the lines that functions print in other processes.
    stop
        Ends the job early.
    """
    from geneva.pipeline.admission import admit_here
    from geneva.runners.machine import this_machine

    admit = partial(admit_here, job, this_machine(), settings())
    if kind == "inline":
        from geneva.runners.inline import InlineRunner

        return Workplace(admit, lambda granted: InlineRunner(stop))  # noqa: ARG005 - always one worker
    from geneva.runners.pool import session_pool
    from geneva.runners.processes import ProcessRunner

    return Workplace(admit, partial(ProcessRunner, session_pool(), printed=printed))


def shape_here() -> ClusterShape:
    """Return the shape of where a job would run now: of the connected cluster, or this machine."""
    if _connected_to_ray():
        from geneva.runners.ray.shape import cluster_shape

        shape = cluster_shape()
        if shape is not None:
            return shape
    from geneva.resources.shape import shape_of_machine
    from geneva.runners.machine import this_machine

    return shape_of_machine(this_machine())


def get_current_context() -> RayContext | None:
    """Return the context that jobs of this process run in now; None outside of all blocks.

    Returns
    -------
    RayContext or None
        What ``with db.context(...)`` or ``with db.local_ray_context()`` entered last.

    Examples
    --------
    >>> get_current_context() is None
    True
    """
    contexts = sys.modules.get("geneva.runners.ray.contexts")
    return None if contexts is None else contexts.current_context()


def require_ray(why: str = "") -> None:
    """Say how to install Ray if it is missing.

    Parameters
    ----------
    why
        How the message begins, if it is not plain why Ray is needed.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    """
    try:
        import ray  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtraError(
            f"{why}Ray is not installed. Install it with: pip install 'opengeneva[ray]'"
        ) from None


def _connected_to_ray() -> bool:
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())
