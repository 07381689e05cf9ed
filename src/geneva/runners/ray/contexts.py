"""Blocks that run their jobs on one cluster: a process is connected to one cluster at a time."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

import ray

from geneva.cluster.exit_mode import ExitMode
from geneva.errors import InvalidArgumentError
from geneva.job_future import JobFuture

_SAY_AFTER_S = 2.0
_CANCELLED_S = 15.0


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Link:
    """The connection to a cluster.

    Attributes
    ----------
    disconnect : callable
        Ends it.
    job_ended : callable
        Is called after each job that a caller waited for.
    """

    disconnect: Callable[[], None] = _nothing
    job_ended: Callable[[], None] = _nothing


@dataclass(slots=True)
class _Connected:
    """The cluster that the blocks of this process share.

    Attributes
    ----------
    link : Link
        What the first block began; it does nothing if the program itself connected.
    blocks : list
        The blocks that have not ended.
    jobs : list
        Jobs that were begun in the background meanwhile.
    """

    link: Link
    blocks: list[RayContext] = field(default_factory=list)
    jobs: list[JobFuture] = field(default_factory=list)


_lock = threading.RLock()
_connected: _Connected | None = None
# What a block left running; the next one takes it over.
_retained = Link()


class RayContext(ABC):
    """Runs the jobs of a ``with`` block on a cluster.

    Parameters
    ----------
    on_exit
        What becomes of the cluster when the block ends.
    wait_timeout
        Seconds to wait at the end for jobs of the block; None waits as long as they take.
    """

    # Whether the cluster ends with the connection, and its jobs with it.
    private: bool = False

    def __init__(self, on_exit: ExitMode, wait_timeout: float | None) -> None:
        if not isinstance(on_exit, ExitMode):
            raise InvalidArgumentError(f"on_exit={on_exit!r}; expected an ExitMode.")
        if wait_timeout is not None and not wait_timeout >= 0:
            raise InvalidArgumentError(f"wait_timeout={wait_timeout!r}; expected seconds, or None.")
        self._on_exit = on_exit
        self._wait_timeout = wait_timeout

    @abstractmethod
    def connect(self) -> Link:
        """Connect this process."""

    @abstractmethod
    def check_connection(self) -> None:
        """Refuse a cluster that this process is connected to already and that is another one."""

    def __enter__(self) -> RayContext:
        global _connected, _retained
        with _lock:
            if _connected is None:
                if ray.is_initialized():
                    self.check_connection()
                    _connected = _Connected(_retained)
                else:
                    _connected = _Connected(self.connect())
                _retained = Link()
            else:
                self.check_connection()
            _connected.blocks.append(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        global _connected, _retained
        connected = _connected
        if connected is None:
            return
        settled = error is None
        try:
            if self._is_last(connected) and self._on_exit is not ExitMode.RETAIN:
                settled = self._settle(connected.jobs, error)
        finally:
            with _lock:
                connected.blocks.remove(self)
                if not connected.blocks:
                    _connected = None
                    keep = self._on_exit is ExitMode.RETAIN or (
                        self._on_exit is ExitMode.RETAIN_ON_FAILURE and not settled
                    )
                    if keep and self.private:
                        _retained = connected.link
                    else:
                        connected.link.disconnect()

    def _is_last(self, connected: _Connected) -> bool:
        with _lock:
            return connected.blocks == [self]

    def _settle(self, jobs: list[JobFuture], error: BaseException | None) -> bool:
        """Wait for jobs in the background; return whether all went well with the block."""
        if error is None:
            late = _wait(jobs, self._wait_timeout)
            if not late:
                return True
            stops = self.private and self._on_exit is ExitMode.DELETE
            goes_on = "is stopped with its cluster" if stops else "goes on on the cluster"
            ids = ", ".join(job.job_id for job in late)
            warnings.warn(
                f"After wait_timeout={self._wait_timeout:g} s at the end of the block, job {ids} "
                f"has not ended; it {goes_on}.",
                RuntimeWarning,
                stacklevel=3,
            )
        if self.private and self._on_exit is ExitMode.DELETE:
            # They would lose what they computed since their last part.
            for job in jobs:
                job.cancel()
            _wait(jobs, _CANCELLED_S)
        return False


def current_context() -> RayContext | None:
    """Return the innermost block of this process."""
    with _lock:
        return None if _connected is None else _connected.blocks[-1]


def track(job: JobFuture) -> None:
    """Let the block that a job was begun in wait for it."""
    with _lock:
        if _connected is not None:
            _connected.jobs.append(job)


def job_ended() -> None:
    """Let the cluster get ready for the next job."""
    with _lock:
        if _connected is not None:
            _connected.link.job_ended()


def _wait(jobs: list[JobFuture], timeout_s: float | None) -> list[JobFuture]:
    """Wait for jobs and return those that have not ended in time; say so if it takes a while."""
    began_s, said = time.monotonic(), False
    left = list(jobs)
    while left := [job for job in left if not (job.done() or job.paused())]:
        waited_s = time.monotonic() - began_s
        if timeout_s is not None and waited_s >= timeout_s:
            return left
        if not said and waited_s >= _SAY_AFTER_S:
            said = True
            names = ", ".join(f"{job.table_name}.{job.column_names[0]}" for job in left)
            with contextlib.suppress(OSError, ValueError, AttributeError):
                print(f"Waiting for the jobs of this block: {names}", file=sys.stderr)  # noqa: T201
        left_s = 1.0 if timeout_s is None else timeout_s - waited_s
        left[0].done(min(1.0, left_s))
    return left
