"""Rows that failed in a job and have no value since, as the console shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from geneva.db import connect
from geneva.storage.model import TableLocation


@dataclass(frozen=True, slots=True)
class FailedRow:
    """What went wrong with one row; its id is None where only a whole batch is known."""

    column: str
    row_id: int | None
    fragment_id: int
    error_type: str
    error_message: str
    error_trace: str
    inputs: str
    attempt: int
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class FailedRows:
    """Some of the rows that failed, and how many there are."""

    rows: list[FailedRow]
    total: int


def failed_rows_of(database: TableLocation, table: str, job_id: str, limit: int) -> FailedRows:
    """Return the first rows that failed in a job.

    Raises
    ------
    ValueError
        LanceDB's, where the table is not there any more.
    """
    with connect(database.uri) as db:
        found = db.list_errors(table, job_id=job_id)
    fields = ("row_id", "fragment_id", "error_type", "error_message", "error_trace", "inputs")
    rows = [
        FailedRow(
            column=row["column_name"],
            attempt=row["attempt"],
            timestamp=row["timestamp"],
            **{name: row[name] for name in fields},
        )
        for row in found.slice(0, limit).to_pylist()
    ]
    return FailedRows(rows, found.num_rows)
