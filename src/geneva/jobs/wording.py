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
