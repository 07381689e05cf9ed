"""The transactions of a table, read backwards: which commit brought a file into a fragment."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import lance

from geneva.storage.dataset import Dataset

_Op = lance.LanceOperation
# Each holds the list of all fragments at its version.
_MOST_OPEN = 32


class Birth(enum.Enum):
    """How a file came into a fragment."""

    APPENDED = "appended"
    """The fragment is new, and so are its rows."""

    MOVED = "moved"
    """An update or merge_insert wrote rows of other fragments, and new ones, to a new fragment."""

    COMPACTED = "compacted"
    """A compaction wrote the live rows of other fragments, in order, to new ones."""

    REPLACED = "replaced"
    """The fragment was there already; the file took the place of another one, or of none."""

    ADDED = "added"
    """The fragment was there already; the file came with a change of the schema."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A commit that brought a file into a fragment.

    Attributes
    ----------
    version : int
        The version that it made.
    birth : Birth
        How.
    sources : tuple of int
        Of a compaction: the fragments at the version before, in order of their rows.
    before, group_rows : int
        Of a compaction: rows of its new fragments that come before this one, and all of them.
    """

    version: int
    birth: Birth
    sources: tuple[int, ...] = ()
    before: int = 0
    group_rows: int = 0


class History:
    """Versions and transactions of a table. Each is read once, and only when asked for.

    Parameters
    ----------
    dataset
        The table at the newest version that is looked at.

    Attributes
    ----------
    at : callable
        Opens the table at a version; returns None if that version is gone.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._newest = dataset
        self.at = lru_cache(_MOST_OPEN)(self._at)
        self._arrivals: dict[int, tuple[dict[str, Arrival], int | None]] = {}

    def _at(self, version: int) -> Dataset | None:
        """Open the table at a version; None if that is gone."""
        if version == self._newest.version:
            return self._newest
        try:
            return self._newest.checkout_version(version) if version > 0 else None
        except (OSError, ValueError) as error:
            if "not found" not in str(error).lower():
                raise
            return None

    def arrival(self, path: str, fragment_id: int, version: int) -> Arrival | None:
        """Find the commit that brought a file into a fragment, at a version or before it.

        Returns None if the versions back to there are not all kept.
        """
        while version > 0:
            if version not in self._arrivals:
                operation = self._operation(version)
                if operation is _GONE:
                    return None
                back_to = operation.version if isinstance(operation, _Op.Restore) else None
                self._arrivals[version] = (dict(_arrivals(version, operation)), back_to)
            found, back_to = self._arrivals[version]
            arrival = found.get(path)
            if arrival is not None:
                if arrival.birth not in (Birth.REPLACED, Birth.ADDED):
                    return arrival
                before = self.at(version - 1)
                if before is None:
                    return None
                # Such commits list all files of a fragment, those that it had before too.
                fragment = before.get_fragment(fragment_id)
                if fragment is None or path not in {f.path for f in fragment.data_files()}:
                    return arrival
            version = version - 1 if back_to is None else back_to
        return None

    def _operation(self, version: int) -> Any:
        try:
            transaction = read_transaction(self._newest, version)
        except (OSError, ValueError) as error:
            if "not found" not in str(error).lower():
                raise
            return _GONE
        return None if transaction is None else transaction.operation


_GONE = object()


def read_transaction(dataset: Dataset, version: int) -> Any | None:
    """Return the transaction that made a version; None if it was not recorded."""
    # pylance 14.0 cannot represent a compaction that remapped an index: it leaves these out.
    initialize = _Op.RewrittenIndex.__init__
    if initialize.__defaults__ is None:
        initialize.__defaults__ = ("", b"", 0)
    return dataset.read_transaction(version)


def _arrivals(version: int, operation: Any) -> Iterator[tuple[str, Arrival]]:
    if isinstance(operation, (_Op.Append, _Op.Overwrite)):
        yield from _each(operation.fragments, Arrival(version, Birth.APPENDED))
    elif isinstance(operation, _Op.Update):
        yield from _each(operation.updated_fragments, Arrival(version, Birth.REPLACED))
        yield from _each(operation.new_fragments, Arrival(version, Birth.MOVED))
    elif isinstance(operation, _Op.Merge):
        yield from _each(operation.fragments, Arrival(version, Birth.ADDED))
    elif isinstance(operation, _Op.DataReplacement):
        for group in operation.replacements:
            yield group.new_file.path, Arrival(version, Birth.REPLACED)
    elif isinstance(operation, _Op.Rewrite):
        for group in operation.groups:
            sources = tuple(fragment.id for fragment in group.old_fragments)
            fragments = list(group.new_fragments)
            group_rows = sum(fragment.physical_rows for fragment in fragments)
            before = 0
            for fragment in fragments:
                arrival = Arrival(version, Birth.COMPACTED, sources, before, group_rows)
                yield from _each([fragment], arrival)
                before += fragment.physical_rows


def _each(fragments: Iterable[Any], arrival: Arrival) -> Iterator[tuple[str, Arrival]]:
    for fragment in fragments:
        for file in fragment.files:
            yield file.path, arrival
