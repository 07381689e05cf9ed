"""Words that plans, errors and displays share."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Write a number with its noun.

    Examples
    --------
    >>> counted(1, "fragment"), counted(1200, "row")
    ('1 fragment', '1,200 rows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size(number: float) -> str:
    """Write a number of bytes.

    Examples
    --------
    >>> size(3 << 29), size(5 << 20)
    ('1.5 GiB', '5 MiB')
    """
    if number < 1 << 30:
        return f"{number / 2**20:,.0f} MiB"
    return f"{number / 2**30:,.1f} GiB"


def concurrency_reason(asked: int, granted: int, limit: str) -> str:
    """Say why a job has so many workers.

    Parameters
    ----------
    asked, granted
        Workers that the caller allows, and that the job has at most.
    limit
        Which limit decided, if one did.

    Examples
    --------
    >>> concurrency_reason(8, 8, "")
    '8 of 8 that were asked for'
    >>> concurrency_reason(8, 2, "1 CPU for an applier, of 2 CPU")
    '2 of 8 that were asked for: 1 CPU for an applier, of 2 CPU'
    >>> concurrency_reason(8, 1, "")
    '1 of 8 that were asked for: its runner has no more'
    """
    text = f"{granted} of {asked} that were asked for"
    if granted >= asked:
        return text
    return f"{text}: {limit or 'its runner has no more'}"
