"""Carry column files that are not committed yet through a compaction.

Their fragments are gone, their rows are not: new column files are written for the fragments that
the compaction made, with the values that were computed. The rows of those fragments that came from
elsewhere keep what they have. What cannot be proven to be right is left to be computed again.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from lance.file import LanceFileReader

from geneva.errors import DamagedFileError
from geneva.storage.checksum import ValueChecksum
from geneva.storage.column_file import (
    CHECKSUM_KEY,
    ColumnFiles,
    file_tag,
    read_coverage,
    read_metadata,
)
from geneva.storage.compactions import NOWHERE, Compactions, Traced
from geneva.storage.dataset import Dataset
from geneva.storage.definitions import as_named
from geneva.storage.files import TableFiles
from geneva.storage.held import ColumnFields
from geneva.storage.lineage import Lineage
from geneva.storage.model import ColumnFile, ComputedColumn, TableLocation, pack_rows
from geneva.storage.moved_rows import live_offsets
from geneva.storage.names import call_tag
from geneva.storage.proofs import Proofs
from geneva.storage.reader import read_column

_WINDOW_ROWS = 4096
_UNREADABLE = (DamagedFileError, OSError, ValueError, LookupError)


@dataclass(frozen=True, slots=True)
class Carried:
    """What was carried.

    Attributes
    ----------
    files : tuple of ColumnFile
        Column files of the fragments that the compactions made.
    staged : tuple of ColumnFile
        Those whose values all stand in them.
    """

    files: tuple[ColumnFile, ...] = ()
    staged: tuple[ColumnFile, ...] = ()


class Carrier:
    """Carries the column files of one commit.

    Parameters
    ----------
    source
        The version that the values were computed from.
    location, column
        The table and the column.
    for_s
        Seconds after which no file is begun any more; None for no bound.
    """

    def __init__(
        self,
        source: Dataset,
        location: TableLocation,
        column: ComputedColumn,
        for_s: float | None,
    ) -> None:
        self._source = source
        self._location = location
        self._column = column
        self._fields = ColumnFields(source, column)
        self._until_s = None if for_s is None else time.monotonic() + for_s
        self._staged: dict[str, _StagedFile] = {}
        # A commit that meets a conflict looks again, mostly at the same fragments.
        self._written: dict[tuple[int, str, str | None], ColumnFile | None] = {}

    def carry(self, latest: Dataset, files: Sequence[ColumnFile]) -> Carried:
        """Write the values of column files whose fragments are gone for the ones that came.

        Parameters
        ----------
        latest
            The table at the version that is committed on.
        files
            Column files of fragments of the source version.
        """
        tags = {file.fragment_id: file_tag(file.path) for file in files}
        names = {tag.name for tag in tags.values() if tag is not None}
        if self._column.is_blob or not names or not self._fields.inputs:
            return Carried()
        call = call_tag(min(names))

        def is_own(path: str) -> bool:
            tag = file_tag(path)
            return tag is not None and call_tag(tag.name) == call

        staged = {file.fragment_id: file for file in files if self._is_sound(file)}
        compactions = Compactions(self._source, latest, self._fields, is_own)
        traced, lost = compactions.trace(set(staged))
        carried = []
        seen: set[int] = set()
        for fragment_id, rows in traced.items():
            if self._until_s is not None and time.monotonic() > self._until_s:
                lost |= rows.sources
                continue
            try:
                file = self._carried(latest, fragment_id, rows, staged, call)
            except _UNREADABLE:
                file = None
            if file is None:
                lost |= rows.sources
            else:
                carried.append(file)
                seen |= rows.sources
        whole = tuple(file for i, file in staged.items() if i in seen and i not in lost)
        return Carried(tuple(carried), whole)

    def remove_unused(self, used: Sequence[ColumnFile], staged: Sequence[ColumnFile]) -> None:
        """Remove files that were carried, and those written for commits that met a conflict."""
        kept = {file.path for file in used}
        written = [file for file in self._written.values() if file is not None]
        for file in [*written, *staged]:
            if file.path not in kept:
                # Otherwise a cleanup does it.
                with contextlib.suppress(OSError):
                    TableFiles(self._location).delete(f"data/{file.path}")

    def _carried(
        self,
        latest: Dataset,
        fragment_id: int,
        rows: Traced,
        staged: dict[int, ColumnFile],
        call: str,
    ) -> ColumnFile | None:
        held = self._fields.held_by(latest.get_fragment(fragment_id))
        key = (fragment_id, held.fingerprint, held.path)
        if key not in self._written:
            self._written[key] = self._write(latest, fragment_id, rows, staged, call)
        return self._written[key]

    def _write(
        self,
        latest: Dataset,
        fragment_id: int,
        rows: Traced,
        staged: dict[int, ColumnFile],
        call: str,
    ) -> ColumnFile | None:
        fragment = latest.get_fragment(fragment_id)
        held = self._fields.held_by(fragment)
        sources = {i: self._open(staged[i]) for i in rows.sources}
        computed, failed = np.zeros((2, len(rows.fragments)), bool)
        for source_id, source in sources.items():
            here = rows.fragments == source_id
            computed[here] = source.computed[rows.offsets[here]]
            failed[here] = source.failed[rows.offsets[here]]
        if not computed.any():
            return None
        live = live_offsets(latest, fragment_id)
        covered, old = computed, None
        if not computed[live].all():
            covered = computed | self._known(latest, fragment_id)
            old = None if held.path is None else self._old_values(latest, fragment_id)
        complete = bool(covered[live].all())
        column_files = ColumnFiles(self._source, self._location, self._column, call)
        writer = column_files.open(held.fingerprint, complete=complete)
        for start in range(0, len(computed), _WINDOW_ROWS):
            window = slice(start, min(start + _WINDOW_ROWS, len(computed)))
            where = np.where(computed[window], rows.fragments[window], NOWHERE)
            values = self._joined(sources, where, rows.offsets[window], old)
            writer.append(np.arange(window.start, window.stop), values)
        said = next(iter(sources.values())).metadata
        failed &= ~covered
        return writer.close(
            fragment_id,
            len(computed),
            said,
            None if complete else pack_rows(covered),
            pack_rows(failed) if failed.any() else None,
        )

    def _joined(
        self,
        sources: dict[int, _StagedFile],
        where: np.ndarray,
        offsets: np.ndarray,
        old: Iterator[pa.Array] | None,
    ) -> pa.Array:
        """Return the values of one window: computed ones, else those that were there, else NULL."""
        data_type = self._column.data_type
        pieces = [pa.nulls(len(where), data_type) if old is None else next(old)]
        choose = np.arange(len(where))
        known = len(where)
        for source_id in np.unique(where[where != NOWHERE]).tolist():
            mine = where == source_id
            pieces.append(sources[source_id].values(offsets[mine], data_type))
            choose[mine] = known + np.arange(int(mine.sum()))
            known += int(mine.sum())
        return pa.concat_arrays(pieces).take(pa.array(choose))

    def _known(self, latest: Dataset, fragment_id: int) -> np.ndarray:
        """Return the rows whose values there are fresh already."""
        proofs = Proofs(TableFiles(self._location), self._column)
        lineage = Lineage(latest, self._location, self._column, self._fields, proofs)
        return lineage.states_of(fragment_id).fresh

    def _old_values(self, latest: Dataset, fragment_id: int) -> Iterator[pa.Array]:
        # It may have been renamed meanwhile.
        return read_column(latest, fragment_id, as_named(latest, self._column), _WINDOW_ROWS)

    def _is_sound(self, file: ColumnFile) -> bool:
        try:
            return self._open(file).is_sound()
        except _UNREADABLE:
            return False

    def _open(self, file: ColumnFile) -> _StagedFile:
        if file.path not in self._staged:
            self._staged[file.path] = _StagedFile(self._source, self._location, file)
        return self._staged[file.path]


class _StagedFile:
    """A column file that is not committed, and which of its rows are computed, or failed."""

    def __init__(self, source: Dataset, location: TableLocation, file: ColumnFile) -> None:
        self._reader = LanceFileReader(
            f"{location.uri}/data/{file.path}", storage_options=location.options
        )
        self.metadata = read_metadata(location, file.path) or {}
        rows = int(source.get_fragment(file.fragment_id).physical_rows)
        tag = file_tag(file.path)
        self.failed = np.zeros(rows, bool)
        if tag is not None and tag.complete:
            self.computed = np.zeros(rows, bool)
            self.computed[live_offsets(source, file.fragment_id)] = True
        else:
            said = read_coverage(location, file.path, rows)
            self.computed = said.computed
            self.failed[said.failed] = True
        self._sound: bool | None = None

    def is_sound(self) -> bool:
        """Say whether its values are those that were written: a new file would hide damage."""
        if self._sound is None:
            checksum = ValueChecksum()
            for batch in self._reader.read_all(batch_size=_WINDOW_ROWS).to_batches():
                checksum.update(batch.column(0))
            fits = self._reader.num_rows() == len(self.computed)
            self._sound = fits and checksum.text() == self.metadata.get(CHECKSUM_KEY)
        return self._sound

    def values(self, offsets: np.ndarray, data_type: pa.DataType) -> pa.Array:
        """Return values at ascending offsets."""
        first, last = int(offsets[0]), int(offsets[-1])
        read = self._reader.read_range(first, last - first + 1, batch_size=_WINDOW_ROWS)
        found = read.to_table().column(0).combine_chunks()
        values = found if isinstance(found, pa.Array) else pa.concat_arrays(found.chunks)
        values = values.take(pa.array(offsets - first))
        return values if values.type == data_type else values.cast(data_type)
