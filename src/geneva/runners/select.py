"""Choose where the workers of a job run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from geneva.errors import InvalidArgumentError, MissingExtraError
from geneva.pipeline.backfill import Admit, BackfillJob, admit_here
from geneva.pipeline.driver import Runner
from geneva.pipeline.environment import Versions, environment_versions
from geneva.runners.inline import InlineRunner
from geneva.runners.machine import this_machine
from geneva.runners.pool import session_pool
from geneva.runners.processes import ProcessRunner

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
    versions : tuple
        The caller's versions, where workers live in another environment.
    """

    admit: Admit
    make_runner: Callable[[int], Runner]
    versions: Versions = ()


def chosen_runner(kind: str | None) -> str:
    """Return the kind of runner for a job.

    Parameters
    ----------
    kind
        What the caller asked for; None means Ray if this process is connected to a cluster, and
        processes of this machine otherwise.

    Raises
    ------
    InvalidArgumentError
        There is no such kind, or Ray is asked for and this process is not connected to it.

    Examples
    --------
    >>> chosen_runner(None), chosen_runner("inline")
    ('process', 'inline')
    """
    connected = _connected_to_ray()
    if kind is None:
        return "ray" if connected else "process"
    if kind not in RUNNERS:
        raise InvalidArgumentError(f"runner={kind!r}; expected one of {', '.join(RUNNERS)}.")
    if kind == "ray" and not connected:
        raise InvalidArgumentError(
            "runner='ray', but this process is connected to no Ray cluster. Call backfill() inside "
            'of "with db.local_ray_context():", or after ray.init().'
        )
    return kind


@contextmanager
def workplace(kind: str, job: BackfillJob) -> Iterator[Workplace]:
    """Prepare where a job's workers run, and give everything back afterwards."""
    if kind == "ray":
        from geneva.runners.ray.cluster_job import ClusterJob

        cluster = ClusterJob(job)
        try:
            yield Workplace(cluster.admit, cluster.runner, environment_versions())
        finally:
            cluster.close()
        return
    admit = partial(admit_here, job, this_machine())
    if kind == "inline":
        yield Workplace(admit, lambda granted: InlineRunner())  # noqa: ARG005 - always one worker
    else:
        yield Workplace(admit, partial(ProcessRunner, session_pool()))


def require_ray() -> None:
    """Say how to install Ray if it is missing.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    """
    try:
        import ray  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtraError(
            "Ray is not installed. Install it with: pip install 'opengeneva[ray]'"
        ) from None


def _connected_to_ray() -> bool:
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())
