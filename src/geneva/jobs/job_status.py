"""Where a job is on its way, and which steps there are. Pure."""

from __future__ import annotations

import enum

from geneva.errors import ImpossibleTransitionError


class JobStatus(str, enum.Enum):
    """Where a job is on its way.

    Examples
    --------
    >>> JobStatus("RUNNING").ended, JobStatus.CANCELLED.ended
    (False, True)
    >>> JobStatus.PENDING.to(JobStatus.RUNNING).value
    'RUNNING'
    >>> JobStatus.DONE.to(JobStatus.RUNNING)
    Traceback (most recent call last):
        ...
    geneva.errors.ImpossibleTransitionError: A job that is DONE cannot become RUNNING; ...
    """

    PENDING = "PENDING"
    """It is submitted; its driver does not run yet."""

    RUNNING = "RUNNING"
    """Its driver runs."""

    PAUSED = "PAUSED"
    """Somebody paused it: nobody drives it, no worker is its own, and it can go on anywhere."""

    DONE = "DONE"
    """It ended well."""

    FAILED = "FAILED"
    """It ended with an error, or its driver is gone."""

    CANCELLED = "CANCELLED"
    """Somebody stopped it."""

    @property
    def ended(self) -> bool:
        """Whether nothing follows."""
        return not _FOLLOWING[self]

    def to(self, following: JobStatus) -> JobStatus:
        """Return the status that follows.

        Raises
        ------
        ImpossibleTransitionError
            It cannot follow this one.
        """
        if following in _FOLLOWING[self]:
            return following
        possible = ", ".join(s.value for s in JobStatus if s in _FOLLOWING[self])
        raise ImpossibleTransitionError(
            f"A job that is {self.value} cannot become {following.value}; "
            + (f"it can become {possible}." if possible else "it has ended.")
        )


_ENDS = frozenset({JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED})
# A job that runs is heard of again and again; one whose driver is lost is driven again.
_FOLLOWING: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.PENDING: frozenset({JobStatus.RUNNING, JobStatus.FAILED, JobStatus.CANCELLED}),
    JobStatus.RUNNING: _ENDS | {JobStatus.RUNNING, JobStatus.PAUSED},
    JobStatus.PAUSED: frozenset(
        {JobStatus.PAUSED, JobStatus.RUNNING, JobStatus.FAILED, JobStatus.CANCELLED}
    ),
    **dict.fromkeys(_ENDS, frozenset()),
}
