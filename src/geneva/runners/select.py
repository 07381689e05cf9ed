"""Choose where the workers of a job run."""

from __future__ import annotations

from collections.abc import Callable

from geneva.errors import InvalidArgumentError
from geneva.pipeline.driver import Runner
from geneva.runners.inline import InlineRunner
from geneva.runners.pool import session_pool
from geneva.runners.processes import ProcessRunner

RUNNERS = ("process", "inline")


def runner_factory(kind: str) -> Callable[[int], Runner]:
    """Return what makes a runner of a kind for a granted concurrency.

    Raises
    ------
    InvalidArgumentError
        There is no such kind.
    """
    if kind == "inline":
        return lambda granted: InlineRunner()  # noqa: ARG005 - it always has one worker
    if kind == "process":
        return lambda granted: ProcessRunner(session_pool(), granted)
    raise InvalidArgumentError(f"runner={kind!r}; expected one of {', '.join(RUNNERS)}.")
