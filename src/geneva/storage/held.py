"""What one fragment holds of a computed column at one version, as its metadata say it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Any

from geneva.storage.column_file import file_tag
from geneva.storage.dataset import Dataset, file_positions, lance_field, leaf_ids
from geneva.storage.model import ComputedColumn


@dataclass(frozen=True, slots=True)
class Held:
    """The files of a computed column and of its inputs in one fragment.

    Attributes
    ----------
    path : str or None
        File that holds the column's values, relative to ``data``; None if there are none.
    beside : tuple of str
        More files that hold some of its columns, if it is a group that others wrote parts of;
        ``path`` is then one that Geneva did not write.
    fingerprint : str
        Identifies the function's version together with the fragment's input files.
    input_bytes : int
        Size of the files that hold the inputs.
    """

    path: str | None
    fingerprint: str
    input_bytes: int
    beside: tuple[str, ...] = ()


class ColumnFields:
    """The fields of a computed column and of its inputs, by id: they survive renaming.

    Parameters
    ----------
    dataset
        The table at the version at which the column is looked at.
    column
        The column.
    """

    def __init__(self, dataset: Dataset, column: ComputedColumn) -> None:
        read = map(partial(lance_field, dataset), column.input_columns)
        self.ordered = [field.id() for field in read if field is not None]
        self.stored = [output.field_id for output in column.outputs]
        self._column = column
        self.inputs = input_field_ids(dataset, column)
        self.outputs = output_field_ids(dataset, column)

    def held_by(self, fragment: Any) -> Held:
        """Look at a fragment, at this or any other version."""
        positions = file_positions(fragment, self.inputs)
        names = {path for path, _, _ in positions}
        outputs = file_positions(fragment, self.outputs)
        paths = list(dict.fromkeys(path for path, _, _ in outputs))
        paths.sort(key=lambda path: file_tag(path) is not None)
        sizes = (f.file_size_bytes or 0 for f in fragment.data_files() if f.path in names)
        return Held(
            path=paths[0] if paths else None,
            beside=tuple(paths[1:]),
            fingerprint=_fingerprint(self._column, self.ordered, positions),
            input_bytes=sum(sizes),
        )


def input_field_ids(dataset: Dataset, column: ComputedColumn) -> set[int]:
    """Return the ids of the leaf fields that a column's function reads."""
    fields = [lance_field(dataset, name) for name in column.input_columns]
    return {i for field in fields if field is not None for i in leaf_ids(field)}


def output_field_ids(dataset: Dataset, column: ComputedColumn) -> set[int]:
    """Return the ids of the leaf fields that hold a column's values."""
    fields = {field.id(): field for field in dataset.lance_schema.fields()}
    return {i for output in column.outputs for i in leaf_ids(fields[output.field_id])}


def _fingerprint(
    column: ComputedColumn, inputs: list[int], positions: list[tuple[str, int, int]]
) -> str:
    """Identify a function's version together with the files that it reads in one fragment.

    Two files are never the same: their names are unique. So an equal fingerprint means that the
    same function saw the same values, whatever happened to the table in between. Columns count by
    field id, so that renaming one makes nothing stale.
    """
    identity = repr((column.udf_name, column.udf_version, inputs, positions))
    return hashlib.blake2b(identity.encode(), digest_size=12).hexdigest()
