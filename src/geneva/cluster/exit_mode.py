"""What becomes of a cluster when the block that uses it ends."""

from __future__ import annotations

import enum


class ExitMode(enum.Enum):
    """What a context does with its cluster when its block ends.

    Examples
    --------
    >>> ExitMode("retain_on_failure")
    <ExitMode.RETAIN_ON_FAILURE: 'retain_on_failure'>
    """

    DELETE = "delete"
    """Wait for the asynchronous jobs that were started in the context, then disconnect. A cluster
    that the context started is stopped."""

    RETAIN_ON_FAILURE = "retain_on_failure"
    """As DELETE, but leave the cluster running if the block raised or waiting timed out."""

    RETAIN = "retain"
    """Leave the cluster running, and do not wait for jobs."""
