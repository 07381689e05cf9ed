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
