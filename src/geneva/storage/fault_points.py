"""Named points at every durable step, where tests let something happen: a crash, another writer.

Outside of tests nobody listens, and to pass a point costs a comparison.
"""

from __future__ import annotations

from collections.abc import Callable

PLANNED = "planned"
"""A round of a job is planned; nothing of it is written."""

PART_BEGUN = "part begun"
"""Computed rows are about to become durable."""

PART_WRITTEN = "part written"
"""Computed rows are durable."""

FILE_WRITTEN = "column file written"
"""A column file is complete, and no message says so yet."""

COMMIT_BEGUN = "commit begun"
"""A commit was checked against the newest version and is about to be made."""

COMMITTED = "committed"
"""A version is committed, and its writer does not know it yet."""

PART_REMOVED = "part removed"
"""One of the parts that are no longer needed is gone."""

POINTS = (
    PLANNED,
    PART_BEGUN,
    PART_WRITTEN,
    FILE_WRITTEN,
    COMMIT_BEGUN,
    COMMITTED,
    PART_REMOVED,
)

_listener: Callable[[str], None] | None = None


def listen(listener: Callable[[str], None] | None) -> None:
    """Let a function of a test be called at every point that this process passes; None for none.

    Examples
    --------
    >>> seen = []
    >>> listen(seen.append)
    >>> passed(PLANNED)
    >>> listen(None)
    >>> passed(COMMITTED)
    >>> seen
    ['planned']
    """
    global _listener
    _listener = listener


def passed(point: str) -> None:
    """Say that this process passes a point."""
    if _listener is not None:
        _listener(point)
