"""Commit column files: one table version for many fragments, rebased over whatever came first.

A column file is positional, so it stays right when rows are deleted or other columns change. Files
of fragments that were compacted are carried into the new ones. What another writer can invalidate
is a file's inputs, and rows that it moved in other ways. Such files are handed back to be computed
again; all others are committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import lance
from lance.commit import CommitConflictError

from geneva.errors import CommitError, TableChangedError
from geneva.storage import fault_points
from geneva.storage.carry import Carried, Carrier
from geneva.storage.dataset import Dataset, file_positions, leaf_ids, open_dataset
from geneva.storage.files import may_heal
from geneva.storage.held import input_field_ids
from geneva.storage.history import read_transaction
from geneva.storage.model import ColumnFile, ComputedColumn, TableLocation
from geneva.storage.quiet import quiet_commit
from geneva.storage.replacement import replacement
from geneva.storage.retries import retried

COMMIT_ID_KEY = "geneva.commit_id"


@dataclass(frozen=True, slots=True)
class CommitResult:
    """What a commit did.

    Attributes
    ----------
    version : int or None
        The committed version; None when no file could be committed.
    committed : tuple of ColumnFile
        Files whose values are in the table now, under their own names or carried into others.
    outdated : dict of int to str
        Fragments whose files could not be used any more, with the reason.
    retries : int
        How often a conflict made the commit start again.
    """

    version: int | None
    committed: tuple[ColumnFile, ...] = ()
    outdated: dict[int, str] = field(default_factory=dict)
    retries: int = 0


def commit_column_files(
    source: Dataset,
    location: TableLocation,
    column: ComputedColumn,
    column_files: Sequence[ColumnFile],
    *,
    commit_id: str,
    max_retries: int,
    carry_for_s: float | None = None,
) -> CommitResult:
    """Put column files into the table.

    Parameters
    ----------
    source
        The version that the values were computed from.
    location, column
        The table and the computed column.
    column_files
        At most one file per fragment.
    commit_id
        Unique name of this commit; calling again with the same name commits only once.
    max_retries
        How often to start again after a conflict.
    carry_for_s
        How long files may be carried into compacted fragments; None for as long as it takes.

    Raises
    ------
    TableChangedError
        The column was dropped or changed its type.
    CommitError
        The conflicts did not end.
    """
    carrier = Carrier(source, location, column, carry_for_s)
    attempt = _Attempt(source, location, column, tuple(column_files), commit_id, carrier)
    try:
        version = retried(attempt.run, _Conflict, most_tries=max_retries + 1, most_wait_s=5.0)
    except _Conflict as conflict:
        raise CommitError(
            f"Committing {column.name!r} to {location.name!r} met a conflict {max_retries + 1} "
            f"times; the last one: {conflict}. Pause the other writer or raise "
            "GENEVA_COMMIT_MAX_RETRIES, and run the backfill again."
        ) from None
    carrier.remove_unused(attempt.files, attempt.carried)
    return CommitResult(
        version=version,
        committed=() if version is None else attempt.kept + attempt.carried,
        outdated=attempt.outdated,
        retries=attempt.tries - 1,
    )


_MOST_UNANSWERED = 2


class _Conflict(Exception):  # noqa: N818 - a reason to retry, never seen outside
    """Another writer came first; look again and retry."""


class _Attempt:
    """One commit and its retries."""

    def __init__(
        self,
        source: Dataset,
        location: TableLocation,
        column: ComputedColumn,
        files: tuple[ColumnFile, ...],
        commit_id: str,
        carrier: Carrier,
    ) -> None:
        self.files = self.kept = files
        self.carried: tuple[ColumnFile, ...] = ()
        self.outdated: dict[int, str] = {}
        self.tries = 0
        self._unanswered = 0
        self._source = source
        self._location = location
        self._column = column
        self._commit_id = commit_id
        self._carrier = carrier
        self._seen_version = source.version

    def run(self) -> int | None:
        self.tries += 1
        latest = open_dataset(self._location)
        done = self._committed_version(latest) if self.tries > 1 else None
        if done is not None:
            return done
        self._check_column(latest)
        self._drop_outdated(latest)
        if not self.files:
            return None
        transaction = lance.Transaction(
            latest.version,
            replacement(latest, self.files),
            transaction_properties={COMMIT_ID_KEY: self._commit_id},
        )
        fault_points.passed(fault_points.COMMIT_BEGUN)
        try:
            with quiet_commit():
                version = int(lance.LanceDataset.commit(latest, transaction).version)
        except CommitConflictError as error:
            if error.retryable or "was removed by concurrent" in str(error):
                raise _Conflict(str(error)) from None
            raise TableChangedError(
                f"Table {self._location.name!r} was overwritten or restored while "
                f"{self._column.name!r} was being computed: {error}"
            ) from None
        except OSError as error:
            if "not found in existing fragments" in str(error):
                raise _Conflict(str(error)) from None
            # Lance does not repeat what may have been done. The next try finds out whether it was.
            self._unanswered += 1
            if may_heal(error) and self._unanswered <= _MOST_UNANSWERED:
                raise _Conflict(str(error)) from None
            raise
        fault_points.passed(fault_points.COMMITTED)
        return version

    def _committed_version(self, latest: Dataset) -> int | None:
        """Find the version that an earlier try committed before it lost its answer."""
        for version in range(self._seen_version + 1, latest.version + 1):
            properties = _transaction_properties(latest, version)
            if properties.get(COMMIT_ID_KEY) == self._commit_id:
                return version
        self._seen_version = latest.version
        return None

    def _check_column(self, latest: Dataset) -> None:
        names = {field.id(): field.name() for field in latest.lance_schema.fields()}
        ids = {i for file in self.files for i in file.fields}
        present = {i for f in latest.lance_schema.fields() for i in leaf_ids(f)}
        if not ids <= present:
            gone = [output for output in self._column.outputs if output.field_id not in names]
            name = gone[0].name if gone else self._column.name
            happened = "given another type" if name in names.values() else "dropped"
            raise TableChangedError(
                f"Column {name!r} of {self._location.name!r} was {happened} while it "
                "was being computed. Nothing of it was committed."
            )

    def _drop_outdated(self, latest: Dataset) -> None:
        inputs = input_field_ids(self._source, self._column)
        outputs = {i for file in self.files for i in file.fields}
        kept, gone = [], []
        for file in (*self.kept, *self.carried):
            now = latest.get_fragment(file.fragment_id)
            before = self._source.get_fragment(file.fragment_id)
            if now is None:
                gone.append(file)
            elif file_positions(now, inputs) != file_positions(before, inputs):
                self.outdated[file.fragment_id] = "its input columns were replaced"
            elif file_positions(now, outputs) != file_positions(before, outputs):
                self.outdated[file.fragment_id] = "another job computed the same column"
            else:
                kept.append(file)
        new = self._carrier.carry(latest, gone) if gone else Carried()
        for file in set(gone) - set(new.staged):
            self.outdated[file.fragment_id] = "its rows were moved by a compaction or an update"
        self.kept, self.carried = tuple(kept), new.staged
        self.files = (*kept, *new.files)


def _transaction_properties(dataset: Dataset, version: int) -> dict[str, str]:
    transaction = read_transaction(dataset, version)
    return dict(transaction.transaction_properties or {}) if transaction else {}
