"""Several columns that are computed in one pass over the rows, each with files of its own.

In memory they are one column of structs with a field for each. What becomes durable is split: every
part and every column file is that of one column, just as if it had been computed alone. So whatever
ends the pass, each column can go on by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from geneva.storage.authorship import authorship
from geneva.storage.column_file import ColumnFiles, ColumnFileWriter
from geneva.storage.dataset import Dataset
from geneva.storage.files import PARTS_FOLDER, TableFiles
from geneva.storage.model import ColumnFile, ComputedColumn, Part, RowRange, TableLocation
from geneva.storage.parts import part_folder, read_part, write_part

_JOIN = "+"


def shared_column(columns: Sequence[ComputedColumn]) -> ComputedColumn:
    """Return several columns as one that is computed in one pass."""
    first = columns[0]
    rules = {**first.options.get("failure_rules", {})}  # type: ignore[dict-item]
    rules["by_row"] = all(_by_row(column) for column in columns)
    reads = dict.fromkeys(name for column in columns for name in column.input_columns)
    return replace(
        first,
        name=", ".join(column.name for column in columns),
        data_type=pa.struct([(str(i), column.data_type) for i, column in enumerate(columns)]),
        udf_name=_JOIN.join(column.udf_name for column in columns),
        udf_version=_JOIN.join(column.udf_version for column in columns),
        input_columns=tuple(reads),
        options={**first.options, "failure_rules": rules},
        outputs=tuple(output for column in columns for output in column.outputs),
        targets=tuple(columns),
    )


def _by_row(column: ComputedColumn) -> bool:
    rules = column.options.get("failure_rules")
    return isinstance(rules, dict) and bool(rules.get("by_row"))


def each_column(column: ComputedColumn) -> tuple[ComputedColumn, ...]:
    """Return the columns of a shared one; of another, itself."""
    return column.targets or (column,)


def joined(fingerprints: Sequence[str]) -> str:
    """Return the fingerprint of a shared column, from those of each."""
    return _JOIN.join(fingerprints)


def each_fingerprint(fingerprint: str) -> list[str]:
    """Return the fingerprints of each column."""
    return fingerprint.split(_JOIN)


def each_file(column: ComputedColumn, files: Sequence[ColumnFile]) -> list[list[ColumnFile]]:
    """Return column files by column."""
    return [[(file, *file.beside)[i] for file in files] for i, _ in enumerate(each_column(column))]


def write_values(
    files: TableFiles,
    column: ComputedColumn,
    fingerprint: str,
    call_id: str,
    part_of: tuple[int, RowRange, bool],
    offsets: list[np.ndarray],
    values: list[pa.Array],
    failed: np.ndarray,
) -> Part:
    """Write computed rows as one part per column; return that of the first one.

    The others are written before it, so all are there when it is.
    """
    targets = each_column(column)
    fields = [values] if not column.targets else list(zip(*(v.flatten() for v in values)))  # noqa: B905
    part, name = None, None
    for target, mine, its in reversed(
        list(zip(targets, fields, each_fingerprint(fingerprint), strict=True))
    ):
        folder = part_folder(target.field_id, its)
        part = write_part(
            files, folder, call_id, part_of, offsets, list(mine), target.data_type, failed, name
        )
        name = part.path.rpartition("/")[2]
    assert part is not None  # noqa: S101 - there is at least one column
    return part


def read_values(
    files: TableFiles, column: ComputedColumn, fingerprint: str, part: Part
) -> pa.Table:
    """Read a part: columns ``offset`` (uint32) and ``value``."""
    if not column.targets:
        return read_part(files, part)
    name = part.path.rpartition("/")[2]
    tables: list[pa.Table] = []
    for target, its in zip(column.targets, each_fingerprint(fingerprint), strict=True):
        path = f"{PARTS_FOLDER}/{part_folder(target.field_id, its)}/{name}"
        tables.append(read_part(files, replace(part, path=path)).combine_chunks())
    arrays = [_whole(table["value"]) for table in tables]
    values = pa.StructArray.from_arrays(arrays, fields=list(column.data_type))
    table = pa.table({"offset": tables[0]["offset"], "value": values})
    return table.replace_schema_metadata(tables[0].schema.metadata)


def open_files(
    dataset: Dataset, location: TableLocation, column: ComputedColumn, call_id: str
) -> ColumnFiles | SharedFiles:
    """Return where column files go, of one column or of several in one pass."""
    kind = SharedFiles if column.targets else ColumnFiles
    return kind(dataset, location, column, call_id)


class SharedFiles:
    """Opens column files of several columns at once; see :class:`ColumnFiles`."""

    def __init__(
        self, dataset: Dataset, location: TableLocation, column: ComputedColumn, call_id: str
    ) -> None:
        self._column = column
        self._files = [ColumnFiles(dataset, location, one, call_id) for one in column.targets]

    def open(self, fingerprint: str, *, complete: bool) -> SharedWriter:
        """Begin a new file for each column."""
        pairs = zip(self._files, each_fingerprint(fingerprint), strict=True)
        return SharedWriter(self._column, [f.open(its, complete=complete) for f, its in pairs])


class SharedWriter:
    """Writes a file for each column; see :class:`ColumnFileWriter`."""

    def __init__(self, column: ComputedColumn, writers: list[ColumnFileWriter]) -> None:
        self._column = column
        self._writers = writers

    def append(self, offsets: np.ndarray, values: pa.Array) -> None:
        """Append values at ascending physical offsets; skipped offsets become NULL."""
        for writer, mine in zip(self._writers, values.flatten(), strict=True):
            writer.append(offsets, mine)

    def close(
        self,
        fragment_id: int,
        physical_rows: int,
        metadata: dict[str, str],
        covered: bytes | None,
        failed: bytes | None = None,
    ) -> ColumnFile:
        """Finish the files and return the first one, with the others beside it."""
        pairs = zip(self._writers, self._column.targets, strict=True)
        first, *others = [
            writer.close(
                fragment_id, physical_rows, {**metadata, **authorship(one)}, covered, failed
            )
            for writer, one in pairs
        ]
        return replace(first, beside=tuple(others))

    def covered_rows(self, physical_rows: int) -> bytes:
        """Return the appended offsets, packed."""
        return self._writers[0].covered_rows(physical_rows)

    def take_back(self) -> tuple[np.ndarray, pa.Array]:
        """Close the unfinished files, remove them, and return what was appended."""
        taken = [writer.take_back() for writer in self._writers]
        arrays = [values for _, values in taken]
        fields = list(self._column.data_type)
        return taken[0][0], pa.StructArray.from_arrays(arrays, fields=fields)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    chunks = column.chunks or [pa.array([], column.type)]
    return pa.concat_arrays(chunks)
