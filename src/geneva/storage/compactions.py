"""Follow the rows of vanished fragments forward, through the compactions that moved them.

A compaction writes the live rows of its fragments, in order, to new ones. So the place of each row
after it follows from the places before it, as long as every version in between can be read, and
nobody replaced inputs or values on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lance
import numpy as np

from geneva.storage.dataset import Dataset, file_positions
from geneva.storage.held import ColumnFields
from geneva.storage.history import History, read_transaction
from geneva.storage.moved_rows import live_offsets, row_ids

_Op = lance.LanceOperation
_Positions = list[tuple[str, int, int]]
NOWHERE = -1


@dataclass(frozen=True, slots=True)
class Traced:
    """Where the rows of one fragment were.

    Attributes
    ----------
    fragments : np.ndarray
        For each physical row the fragment that it was in; -1 for none of those that are followed.
    offsets : np.ndarray
        Its physical offset there.
    inputs, outputs : list
        Files of the column's inputs and of its values when the fragment was made.
    """

    fragments: np.ndarray
    offsets: np.ndarray
    inputs: _Positions
    outputs: _Positions

    @property
    def sources(self) -> set[int]:
        """The fragments that rows came from."""
        return set(np.unique(self.fragments).tolist()) - {NOWHERE}


class Compactions:
    """The compactions between two versions of a table.

    Parameters
    ----------
    source, latest
        The table at both versions.
    fields
        Fields of the column and of its inputs.
    is_own
        Says of a column file whether the job itself wrote it, so that it may be replaced.
    """

    def __init__(
        self,
        source: Dataset,
        latest: Dataset,
        fields: ColumnFields,
        is_own: Callable[[str], bool],
    ) -> None:
        self._source = source
        self._latest = latest
        self._fields = fields
        self._is_own = is_own
        self._history = History(latest)
        self._stable_row_ids = bool(latest.has_stable_row_ids)

    def trace(self, fragment_ids: set[int]) -> tuple[dict[int, Traced], set[int]]:
        """Follow the rows of fragments of the source version to the latest one.

        Returns
        -------
        dict of int to Traced
            Fragments of the latest version that hold some of the rows.
        set of int
            Fragments not all of whose rows are proven to be there, with the same inputs.
        """
        traced = {i: self._unmoved(self._source.get_fragment(i)) for i in fragment_ids}
        lost: set[int] = set()
        for version in range(self._source.version + 1, self._latest.version + 1):
            groups = self._compacted(version)
            if groups is None:
                return {}, fragment_ids
            for group in groups:
                sources = [fragment.id for fragment in group.old_fragments]
                followed = {i: traced.pop(i) for i in sources if i in traced}
                if not followed:
                    continue
                moved = self._moved(version, group, sources, followed, lost)
                if not moved:
                    lost |= {i for old in followed.values() for i in old.sources}
                traced |= moved
        found = {}
        for fragment_id, rows in traced.items():
            fragment = self._latest.get_fragment(fragment_id)
            if fragment is not None and self._is_as_it_was(fragment, rows):
                found[fragment_id] = rows
            else:
                lost |= rows.sources
        return found, lost

    def _unmoved(self, fragment: Any) -> Traced:
        rows = int(fragment.physical_rows)
        at = np.full(rows, fragment.fragment_id, np.int64)
        return Traced(at, np.arange(rows), *self._files(fragment))

    def _files(self, fragment: Any) -> tuple[_Positions, _Positions]:
        inputs, outputs = self._fields.inputs, self._fields.outputs
        return file_positions(fragment, inputs), file_positions(fragment, outputs)

    def _is_as_it_was(self, fragment: Any, traced: Traced) -> bool:
        """Say whether a fragment still has the inputs, and no values by others."""
        inputs, outputs = self._files(fragment)
        untouched = outputs == traced.outputs or all(self._is_own(path) for path, _, _ in outputs)
        return untouched and inputs == traced.inputs

    def _compacted(self, version: int) -> list[Any] | None:
        """Return what a version's compaction moved; None if rows may have moved unseen."""
        try:
            transaction = read_transaction(self._latest, version)
        except (OSError, ValueError):
            return None
        if transaction is None or isinstance(transaction.operation, (_Op.Overwrite, _Op.Restore)):
            return None
        operation = transaction.operation
        return list(operation.groups) if isinstance(operation, _Op.Rewrite) else []

    def _moved(
        self,
        version: int,
        group: Any,
        sources: list[int],
        followed: dict[int, Traced],
        lost: set[int],
    ) -> dict[int, Traced]:
        """Return the rows of a compaction's new fragments; nothing if they cannot be proven."""
        before, after = self._history.at(version - 1), self._history.at(version)
        if before is None or after is None:
            return {}
        fragments, offsets, ids = [], [], []
        for source in sources:
            fragment = before.get_fragment(source)
            if fragment is None:
                return {}
            live = live_offsets(before, source)
            old = followed.get(source)
            if old is not None and self._is_as_it_was(fragment, old):
                fragments.append(old.fragments[live])
                offsets.append(old.offsets[live])
            else:
                lost |= set() if old is None else old.sources
                fragments.append(np.full(len(live), NOWHERE, np.int64))
                offsets.append(live)
            if self._stable_row_ids:
                ids.append(row_ids(before, source)[0])
        at, offset = np.concatenate(fragments), np.concatenate(offsets)
        names = {f.data_files()[0].path: f for f in after.get_fragments() if f.data_files()}
        made = [names[path] for new in group.new_fragments if (path := new.files[0].path) in names]
        rows_made = sum(int(new.physical_rows) for new in made)
        if len(made) != len(group.new_fragments) or rows_made != len(at):
            return {}
        if self._stable_row_ids:
            now = [row_ids(after, new.fragment_id)[0] for new in made]
            if not np.array_equal(np.concatenate(ids), np.concatenate(now)):
                return {}
        found, start = {}, 0
        for new in made:
            rows = slice(start, start + int(new.physical_rows))
            start = rows.stop
            found[int(new.fragment_id)] = Traced(at[rows], offset[rows], *self._files(new))
        return {i: new for i, new in found.items() if new.sources}
