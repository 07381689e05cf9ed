"""Where a database is."""

from __future__ import annotations

from pathlib import Path

from geneva.errors import InvalidArgumentError
from geneva.storage.model import TableLocation


def database_at(uri: str) -> TableLocation:
    """Return where a database is, as :func:`geneva.connect` does, which loads more than it takes.

    Raises
    ------
    InvalidArgumentError
        The URI is of a hosted service.
    """
    if uri.startswith("db://"):
        raise InvalidArgumentError(f"{uri!r} is a hosted database; expected a folder or a store.")
    if "://" not in uri or uri.startswith("file://"):
        uri = str(Path(uri.removeprefix("file://")).expanduser().absolute())
    return TableLocation(uri.rstrip("/"))
