"""Read the input rows of one range of one fragment."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from geneva.storage.dataset import Dataset
from geneva.storage.model import ComputedColumn, RowRange

# Lance decodes fastest, and holds least, in batches of one to three megabytes.
_READ_BYTES = 2 << 20
_READAHEAD = 2
_BLOB_ROWS = 32
_OFFSET_BITS = np.uint64(0xFFFFFFFF)


def read_rows(
    dataset: Dataset,
    fragment_id: int,
    rows: RowRange,
    columns: list[str],
    *,
    where: str | None = None,
    batch_size: int | None = None,
) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
    """Yield the live rows of a physical range, in order.

    Parameters
    ----------
    dataset
        The table at the version to read.
    fragment_id, rows
        Fragment and physical range.
    columns
        Columns to read, dotted names for struct fields.
    where
        Filter on the rows.
    batch_size
        Exact rows per batch; None reads batches of about two megabytes.

    Yields
    ------
    (offsets, batch)
        Physical offsets (uint32, ascending) and the columns, in the order asked for.
    """
    fragment = dataset.get_fragment(fragment_id)
    if fragment is None:
        raise LookupError(f"fragment {fragment_id} is not in version {dataset.version}")
    dense = where is None and fragment.num_deletions == 0
    blobs = any(_is_blob(dataset, column) for column in columns)
    options: dict[str, object] = {"batch_readahead": _READAHEAD}
    if batch_size is not None:
        options |= {"batch_size": batch_size, "strict_batch_size": True}
    elif blobs:
        # A limit in bytes counts a blob's descriptor, not its value.
        options |= {"batch_size": _BLOB_ROWS}
    else:
        options |= {"batch_size_bytes": _READ_BYTES}
    if blobs:
        options["blob_handling"] = "all_binary"
    unique = list(dict.fromkeys(columns))
    if dense:
        # Live rows are the physical rows: offset and limit are pushed down to the file.
        if len(rows) != fragment.physical_rows:
            options |= {"offset": rows.start, "limit": len(rows)}
        position = rows.start
        for batch in fragment.scanner(columns=unique, **options).to_batches():
            offsets = np.arange(position, position + batch.num_rows, dtype=np.uint32)
            position += batch.num_rows
            yield offsets, batch.select(columns)
        return
    base = fragment_id << 32
    within = f"_rowaddr >= {base + rows.start} AND _rowaddr < {base + rows.stop}"
    if len(rows) == fragment.physical_rows:
        chosen = where
    else:
        chosen = within if where is None else f"({where}) AND {within}"
    scanner = fragment.scanner(columns=unique, filter=chosen, with_row_address=True, **options)
    for batch in scanner.to_batches():
        addresses = batch["_rowaddr"].to_numpy()
        yield (addresses & _OFFSET_BITS).astype(np.uint32), batch.select(columns)


def row_id_at(dataset: Dataset, fragment_id: int, offset: int) -> int | None:
    """Return the stable row id of a live row; None if it was deleted."""
    address = (fragment_id << 32) + offset
    fragment = dataset.get_fragment(fragment_id)
    found = fragment.scanner(
        columns=[], filter=f"_rowaddr = {address}", with_row_id=True
    ).to_table()
    return int(found["_rowid"][0].as_py()) if found.num_rows else None


def _is_blob(dataset: Dataset, column: str) -> bool:
    top = column.split(".")[0]
    data_type = dataset.schema.field(top).type
    return isinstance(data_type, pa.ExtensionType) and data_type.extension_name == "lance.blob.v2"


def read_column(
    dataset: Dataset, fragment_id: int, column: ComputedColumn, window_rows: int
) -> Iterator[pa.Array]:
    """Yield the values that a fragment holds of a column, deleted rows included, in windows."""
    fragment = dataset.get_fragment(fragment_id)
    options: dict[str, object] = {"batch_size": window_rows, "strict_batch_size": True}
    if column.is_blob:
        options = {"batch_size": _BLOB_ROWS, "blob_handling": "all_binary"}
    # Deleted rows are only given together with row ids, which are null for them.
    scanner = fragment.scanner(
        columns=[column.name], include_deleted_rows=True, with_row_id=True, **options
    )
    for batch in scanner.to_batches():
        values = batch[column.name]
        yield values if values.type == column.data_type else values.cast(column.data_type)
