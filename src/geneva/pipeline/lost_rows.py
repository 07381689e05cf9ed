"""Stores what went wrong with rows that end whoever computes them; the driver does it for them."""

from __future__ import annotations

import contextlib

from geneva.errors import with_details
from geneva.jobs.commands import JobContext, NoteLostRow
from geneva.storage.dataset import Dataset
from geneva.storage.failures import FailedRow, FailureSource, write_failures
from geneva.storage.files import TableFiles
from geneva.storage.model import RowRange
from geneva.storage.reader import RowReader, row_id_at
from geneva.transformer.wording import shortened


def note_lost_row(context: JobContext, dataset: Dataset, lost: NoteLostRow) -> None:
    """Store a lost row, and let its error name the row as the user knows it.

    What cannot be read or stored is left out: it must not hide what became of the row.
    """
    inputs, row_id = "", None
    with contextlib.suppress(OSError, ValueError):
        row_id = row_id_at(dataset, lost.fragment_id, lost.offset)
        inputs = _inputs(context, dataset, lost)
    words = str(lost.error)
    lost.error.args = (f"{words}\n  row {row_id}, inputs: {inputs}",)
    with_details(
        lost.error,
        row_id=row_id,
        fragment_id=lost.fragment_id,
        row_offset=lost.offset,
        inputs=inputs,
    )
    row = FailedRow(
        fragment_id=lost.fragment_id,
        offset=lost.offset,
        error_type=type(lost.error).__name__,
        message=words,
        traceback="",
        attempts=lost.attempts,
        inputs=inputs,
    )
    source = FailureSource(
        job_id=context.job_id,
        call_id=context.call_id,
        table_name=context.location.name,
        table_uri=context.location.uri,
        version=context.version,
        column=context.column,
        worker=lost.component,
    )
    with contextlib.suppress(OSError):
        write_failures(TableFiles(context.location), dataset, source, [row])


def _inputs(context: JobContext, dataset: Dataset, lost: NoteLostRow) -> str:
    columns = list(context.column.input_columns)
    reader = RowReader(dataset, columns, batch_size=1)
    rows = RowRange(lost.offset, lost.offset + 1)
    for _, batch in reader.read(lost.fragment_id, rows, None):
        values = zip(columns, batch.columns, strict=True)
        return ", ".join(f"{name}={shortened(column[0].as_py())}" for name, column in values)
    return ""
