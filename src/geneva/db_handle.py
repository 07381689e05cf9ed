"""What all methods of a connection begin with: where the database is and how to reach it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geneva.storage.model import TableLocation


class DatabaseHandle:
    """A database's place and its options."""

    def __init__(
        self,
        uri: str,
        storage_options: Mapping[str, str],
        options: dict[str, Any],
        checkpoint: str | None = None,
    ) -> None:
        self._uri = uri
        self._storage_options = dict(storage_options)
        self._options = options
        self._checkpoint = checkpoint
        self._opened: Any = None

    @property
    def uri(self) -> str:
        """Path or URI of the database."""
        return self._uri

    def _root(self) -> TableLocation:
        """Return where the database itself is."""
        return TableLocation(self._uri, tuple(sorted(self._storage_options.items())))
