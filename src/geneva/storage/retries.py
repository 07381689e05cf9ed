"""Do again what met another writer, after growing, random waits."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

_FIRST_WAIT_S = 0.02
_MOST_DOUBLINGS = 20

T = TypeVar("T")


def retried(
    work: Callable[[], T], error: type[Exception], *, most_tries: int, most_wait_s: float
) -> T:
    """Do something until it raises no error of a kind, and return what it returns.

    Parameters
    ----------
    work
        What to do.
    error
        The kind of error after which it is done again.
    most_tries
        How often it is done.
    most_wait_s
        Longest wait between two tries; the first is at most 20 ms.

    Raises
    ------
    Exception
        The last error.

    Examples
    --------
    >>> answers = [3, 2, 1]
    >>> def busy_twice():
    ...     if answers.pop() < 3:
    ...         raise BlockingIOError
    ...     return "done"
    >>> retried(busy_twice, BlockingIOError, most_tries=3, most_wait_s=0.01)
    'done'
    """
    for tried in range(most_tries - 1):
        try:
            return work()
        except error:
            longest_s = min(most_wait_s, _FIRST_WAIT_S * 2 ** min(tried, _MOST_DOUBLINGS))
            time.sleep(random.uniform(0, longest_s))  # noqa: S311 - no secret
    return work()
