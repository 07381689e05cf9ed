"""How long to wait before the next attempt. Pure: the random number comes from the caller."""

from __future__ import annotations

BACKOFFS = ("exponential", "fixed", "linear")
_FIRST_S = 1.0
_MOST_S = 60.0


def wait_s(backoff: str, attempts: int, jitter: float) -> float:
    """Return the seconds to wait after so many attempts.

    Parameters
    ----------
    backoff
        ``"exponential"``: 1, 2, 4 ... s; ``"linear"``: 1, 2, 3 ... s, both up to a minute;
        ``"fixed"``: 1 s.
    attempts
        Calls that have failed, at least 1.
    jitter
        A random number from 0 to 1: up to half of the time is added, so that workers that failed
        together do not come back together.

    Examples
    --------
    >>> [wait_s("exponential", n, jitter=0.0) for n in (1, 2, 3, 10)]
    [1.0, 2.0, 4.0, 60.0]
    >>> wait_s("linear", 3, jitter=1.0), wait_s("fixed", 9, jitter=0.0)
    (4.5, 1.0)
    """
    steps = {"exponential": 2.0 ** min(attempts - 1, 10), "linear": float(attempts), "fixed": 1.0}
    return min(_MOST_S, _FIRST_S * steps[backoff]) * (1 + jitter / 2)
