"""Rows for which the function failed: what went wrong with each, stored beside the table.

Whether a row failed is said by the column file that left it out. What went wrong stands in small
Arrow files, written before it, one or a few per task::

    _geneva/errors/<field id>/<name>.ipc

The name is from :func:`~geneva.storage.names.unique_name`. A row is known by its fragment and its
physical offset when it failed, which no other row ever has.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import pyarrow as pa
import pyarrow.compute as pc

from geneva.storage.dataset import Dataset
from geneva.storage.files import ERRORS_FOLDER, TableFiles
from geneva.storage.model import ComputedColumn
from geneva.storage.names import unique_name

SCHEMA = pa.schema(
    [
        pa.field("error_id", pa.string()),
        pa.field("error_type", pa.string()),
        pa.field("error_message", pa.string()),
        pa.field("error_trace", pa.string()),
        pa.field("job_id", pa.string()),
        pa.field("table_name", pa.string()),
        pa.field("table_uri", pa.string()),
        pa.field("table_version", pa.int64()),
        pa.field("column_name", pa.string()),
        pa.field("udf_name", pa.string()),
        pa.field("udf_version", pa.string()),
        pa.field("fragment_id", pa.int64()),
        pa.field("row_offset", pa.int64()),
        pa.field("row_id", pa.int64()),
        pa.field("attempt", pa.int32()),
        pa.field("inputs", pa.string()),
        pa.field("worker", pa.string()),
        pa.field("timestamp", pa.timestamp("us", "UTC")),
    ]
)


@dataclass(frozen=True, slots=True)
class FailedRow:
    """A row for which the function failed.

    Attributes
    ----------
    fragment_id, offset : int
        Where it is; the offset is -1 where a whole batch failed and no row is known.
    error_type, message, traceback : str
        The error, in words.
    attempts : int
        How often the function was called for it.
    inputs : str
        What it was called with, shortened.
    """

    fragment_id: int
    offset: int
    error_type: str
    message: str
    traceback: str
    attempts: int
    inputs: str


@dataclass(frozen=True, slots=True)
class FailureSource:
    """Who tells of failed rows.

    Attributes
    ----------
    job_id, call_id : str
        The job, and the call that began it.
    table_name, table_uri, version : str, str, int
        The table as it was read.
    column : ComputedColumn
        The column.
    worker : str
        The worker, with its node where there are several.
    """

    job_id: str
    call_id: str
    table_name: str
    table_uri: str
    version: int
    column: ComputedColumn
    worker: str


def write_failures(
    files: TableFiles, dataset: Dataset, source: FailureSource, rows: Sequence[FailedRow]
) -> None:
    """Store what went wrong with rows."""
    column, now = source.column, datetime.now(timezone.utc)
    ids = _row_ids(dataset, rows)
    same = {
        "job_id": source.job_id,
        "table_name": source.table_name,
        "table_uri": source.table_uri,
        "table_version": source.version,
        "column_name": column.name,
        "udf_name": column.udf_name,
        "udf_version": column.udf_version,
        "worker": source.worker,
        "timestamp": now,
    }
    entries = [
        {
            **same,
            "error_id": uuid.uuid4().hex,
            "error_type": row.error_type,
            "error_message": row.message,
            "error_trace": row.traceback,
            "fragment_id": row.fragment_id,
            "row_offset": row.offset,
            "row_id": ids.get((row.fragment_id, row.offset)),
            "attempt": row.attempts,
            "inputs": row.inputs,
        }
        for row in rows
    ]
    sink = pa.BufferOutputStream()
    # Tracebacks and inputs of many rows are much alike.
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(sink, SCHEMA, options=options) as writer:
        writer.write_table(pa.Table.from_pylist(entries, SCHEMA))
    files.write(f"{folder_of(column)}/{unique_name(source.call_id)}.ipc", sink.getvalue())


def read_failures(files: TableFiles, column: ComputedColumn) -> pa.Table:
    """Return all that is stored of a column's failed rows, old entries included."""
    tables = [SCHEMA.empty_table()]
    for path in files.list(folder_of(column)):
        try:
            with pa.ipc.open_file(files.read(path)) as reader:
                tables.append(reader.read_all().cast(SCHEMA))
        except FileNotFoundError:
            continue  # Its rows were computed meanwhile.
    return pa.concat_tables(tables)


def replace_failures(files: TableFiles, column: ComputedColumn, kept: pa.Table) -> None:
    """Store only these entries; a file that somebody adds meanwhile stays."""
    paths = files.list(folder_of(column))
    stored = read_failures(files, column)
    if not paths or stored.num_rows == kept.num_rows:
        return
    gone = set(stored["error_id"].to_pylist()) - set(kept["error_id"].to_pylist())
    for path in paths:
        try:
            with pa.ipc.open_file(files.read(path)) as reader:
                entries = reader.read_all()
        except FileNotFoundError:
            continue
        stays = [error_id not in gone for error_id in entries["error_id"].to_pylist()]
        if all(stays):
            continue
        if any(stays):
            sink = pa.BufferOutputStream()
            options = pa.ipc.IpcWriteOptions(compression="zstd")
            with pa.ipc.new_file(sink, SCHEMA, options=options) as writer:
                writer.write_table(entries.filter(pa.array(stays)))
            files.write(path, sink.getvalue())
        else:
            files.delete(path)


def folder_of(column: ComputedColumn) -> str:
    """Return the folder of a column's failed rows."""
    return f"{ERRORS_FOLDER}/{column.field_id}"


def _row_ids(dataset: Dataset, rows: Sequence[FailedRow]) -> dict[tuple[int, int], int]:
    """Return the row ids of failed rows by fragment and offset."""
    named = [row for row in rows if row.offset >= 0]
    addresses = sorted({(row.fragment_id << 32) + row.offset for row in named})
    if not dataset.has_stable_row_ids:
        return {(a >> 32, a & 0xFFFFFFFF): a for a in addresses}
    found: dict[tuple[int, int], int] = {}
    for fragment_id in sorted({row.fragment_id for row in named}):
        mine = pa.array([a for a in addresses if a >> 32 == fragment_id], pa.uint64())
        table = (
            dataset.get_fragment(fragment_id)
            .scanner(
                columns=[],
                filter=f"_rowaddr >= {mine[0].as_py()} AND _rowaddr <= {mine[-1].as_py()}",
                with_row_address=True,
                with_row_id=True,
            )
            .to_table()
        )
        table = table.filter(pc.is_in(table["_rowaddr"], mine))
        for address, row_id in zip(
            table["_rowaddr"].to_pylist(), table["_rowid"].to_pylist(), strict=True
        ):
            found[address >> 32, address & 0xFFFFFFFF] = row_id
    return found
