"""Read the input rows of one range of one fragment."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from geneva.storage.blobs import is_blob_field
from geneva.storage.dataset import Dataset
from geneva.storage.model import ComputedColumn, RowRange
from geneva.storage.unpacking import from_columns

# Lance decodes fastest, and holds least, in batches of one to three megabytes.
_READ_BYTES = 2 << 20
_READ_ROWS = 8192
_PROBE_ROWS = 32
_READAHEAD = 2
_OFFSET_BITS = np.uint64(0xFFFFFFFF)

Window = tuple[np.ndarray, pa.RecordBatch]


class RowReader:
    """Reads the live rows of physical ranges, in windows of bounded size.

    Lance can bound its batches in bytes itself, but not those of blobs, and takes twice as long for
    it. So the first rows are read to learn how large a row is, and the rest in batches of so many
    rows.

    Parameters
    ----------
    dataset
        The table at the version to read.
    columns
        Columns to read, dotted names for struct fields.
    batch_size
        Exact rows per window; None for windows of about two megabytes.
    places
        Columns of which row addresses are given instead of values.
    """

    def __init__(
        self,
        dataset: Dataset,
        columns: list[str],
        batch_size: int | None,
        places: Collection[str] = (),
    ) -> None:
        self._dataset = dataset
        self._columns = columns
        self._batch_size = batch_size
        self._places = set(places)
        self._read = [column for column in dict.fromkeys(columns) if column not in self._places]
        self._blobs = any(is_blob(dataset, column) for column in self._read)
        self._window_rows: int | None = None

    def read(self, fragment_id: int, rows: RowRange, where: str | None) -> Iterator[Window]:
        """Yield the live rows of a range that match, in order.

        Yields
        ------
        (offsets, batch)
            Physical offsets (uint32, ascending) and the columns, in the order asked for.
        """
        fragment = self._dataset.get_fragment(fragment_id)
        if where is not None or fragment.num_deletions:
            yield from self._read_some(fragment, rows, where)
        else:
            yield from self._read_all(fragment, rows)

    def _read_all(self, fragment: Any, rows: RowRange) -> Iterator[Window]:
        """Read a range without deleted rows: offset and limit are pushed down to the file."""
        options: dict[str, object] = {"offset": rows.start, "limit": len(rows)}
        position = rows.start
        for batch in self._scan(fragment, options):
            offsets = np.arange(position, position + batch.num_rows, dtype=np.uint32)
            position += batch.num_rows
            yield offsets, self._chosen(fragment, offsets, batch)

    def _read_some(self, fragment: Any, rows: RowRange, where: str | None) -> Iterator[Window]:
        options: dict[str, object] = {"filter": where, "with_row_address": True}
        if len(rows) != fragment.physical_rows:
            base = fragment.fragment_id << 32
            within = f"_rowaddr >= {base + rows.start} AND _rowaddr < {base + rows.stop}"
            options["filter"] = within if where is None else f"({where}) AND {within}"
        for batch in self._scan(fragment, options):
            offsets = (batch["_rowaddr"].to_numpy() & _OFFSET_BITS).astype(np.uint32)
            yield offsets, self._chosen(fragment, offsets, batch)

    def _chosen(self, fragment: Any, offsets: np.ndarray, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the columns in the order asked for."""
        if not self._places:
            return batch.select(self._columns)
        addresses = pa.array(offsets.astype(np.uint64) + np.uint64(fragment.fragment_id << 32))
        arrays = [addresses if name in self._places else batch[name] for name in self._columns]
        return pa.record_batch(arrays, names=self._columns)

    def _scan(self, fragment: Any, options: dict[str, object]) -> Iterator[pa.RecordBatch]:
        options["batch_readahead"] = _READAHEAD
        if self._blobs:
            options["blob_handling"] = "all_binary"
        if not self._read:
            options["with_row_address"] = True
        columns = self._read
        if self._batch_size is not None:
            options |= {"batch_size": self._batch_size, "strict_batch_size": True}
        else:
            if self._window_rows is None:
                probe = {**options, "limit": _PROBE_ROWS, "batch_size": _PROBE_ROWS}
                self._window_rows = _rows_per_window(
                    fragment.scanner(columns=columns, **probe).to_table()
                )
            options["batch_size"] = self._window_rows
        yield from fragment.scanner(columns=columns, **options).to_batches()


def row_bytes(dataset: Dataset, fragment_id: int, columns: list[str]) -> int:
    """Return the size in memory of a row's columns, measured on the first rows of a fragment."""
    options = {"blob_handling": "all_binary"} if any(is_blob(dataset, c) for c in columns) else {}
    scanner = dataset.get_fragment(fragment_id).scanner(
        columns=list(dict.fromkeys(columns)), limit=_PROBE_ROWS, batch_size=_PROBE_ROWS, **options
    )
    sample = scanner.to_table()
    size: int = sample.nbytes // max(1, sample.num_rows)
    return size


def row_id_at(dataset: Dataset, fragment_id: int, offset: int) -> int | None:
    """Return the stable row id of a live row; None if it was deleted."""
    address = (fragment_id << 32) + offset
    fragment = dataset.get_fragment(fragment_id)
    found = fragment.scanner(
        columns=[], filter=f"_rowaddr = {address}", with_row_id=True
    ).to_table()
    return int(found["_rowid"][0].as_py()) if found.num_rows else None


def _rows_per_window(sample: pa.Table) -> int:
    per_row = int(sample.nbytes) // max(1, sample.num_rows)
    rows: int = _READ_BYTES // max(1, per_row)
    return max(_PROBE_ROWS // 2, min(_READ_ROWS, rows))


def is_blob(dataset: Dataset, column: str) -> bool:
    """Say whether a column is stored as blobs, of which a scan gives no values unless asked."""
    top = column.split(".")[0]
    return is_blob_field(dataset.schema.field(top))


def read_column(
    dataset: Dataset, fragment_id: int, column: ComputedColumn, window_rows: int
) -> Iterator[pa.Array]:
    """Yield the values that a fragment holds of a column, deleted rows included, in windows."""
    fragment = dataset.get_fragment(fragment_id)
    options: dict[str, object] = {"batch_size": window_rows, "strict_batch_size": True}
    if column.is_blob:
        options = {"batch_size": _PROBE_ROWS, "blob_handling": "all_binary"}
    # Deleted rows are only given together with row ids, which are null for them.
    names = column.output_names
    scanner = fragment.scanner(
        columns=names, include_deleted_rows=True, with_row_id=True, **options
    )
    for batch in scanner.to_batches():
        yield from_columns(column, [batch[name] for name in names])
