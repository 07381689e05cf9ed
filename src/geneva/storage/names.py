"""Names of files and tags, which say what call they are of, and of columns in filters."""

from __future__ import annotations

import uuid


def unique_name(call_id: str) -> str:
    """Return a new name for a file that a call of ``backfill`` writes; it says which call."""
    return call_tag(call_id) + uuid.uuid4().hex[:20]


def is_of(name: str, call_id: str) -> bool:
    """Say whether a name is from :func:`unique_name` of the same call.

    Examples
    --------
    >>> name = unique_name("4f1c22ab0c9d11ee")
    >>> is_of(name, "4f1c22ab0c9d11ee"), is_of(name, "5d2c22ab0c9d11ee")
    (True, False)
    """
    return name.startswith(call_tag(call_id))


def call_tag(call_id: str) -> str:
    """Return what names of files and tags say of a call.

    Examples
    --------
    >>> call_tag("4f1c22ab0c9d11ee8a3e")
    '4f1c22ab0c9d'
    """
    return call_id[:12]


def quoted(column: str) -> str:
    """Quote a column name for a Lance filter.

    Examples
    --------
    >>> quoted("info.Width px")
    '`info`.`Width px`'
    """
    return ".".join(f"`{step}`" for step in column.split("."))
