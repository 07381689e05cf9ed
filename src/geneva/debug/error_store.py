"""Errors of single rows as objects, and the classes that say what becomes of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs
import pyarrow as pa

from geneva.transformer.tenacity_config import ErrorHandlingConfig, FaultIsolation, UDFRetryConfig

__all__ = ["ErrorHandlingConfig", "ErrorRecord", "ErrorStore", "FaultIsolation", "UDFRetryConfig"]


@attrs.frozen(kw_only=True)
class ErrorRecord:
    """What went wrong with one row.

    Attributes
    ----------
    error_id : str
        Id of the record.
    error_type, error_message, error_trace : str
        The error; its traceback begins with the user's function.
    job_id, table_name, table_uri, table_version, column_name : str, str, str, int, str
        Where it happened.
    udf_name, udf_version : str
        The function.
    fragment_id, row_address, row_id : int, int or None, int or None
        The row; None where a call for a whole batch failed and no row is known.
    attempt : int
        How often the function was called.
    inputs : str
        What it was called with, shortened.
    worker : str
        The worker, with its node where there are several.
    timestamp : datetime
        When, in UTC.
    """

    error_id: str
    error_type: str
    error_message: str
    error_trace: str
    job_id: str
    table_name: str
    table_uri: str
    table_version: int
    column_name: str
    udf_name: str
    udf_version: str
    fragment_id: int
    row_address: int | None
    row_id: int | None
    attempt: int
    inputs: str
    worker: str
    timestamp: datetime

    @property
    def actor_id(self) -> str:
        """The same as ``worker``."""
        return self.worker


def error_records(rows: pa.Table) -> list[ErrorRecord]:
    """Return failed rows as objects, in the order of the table."""
    names = [field.name for field in attrs.fields(ErrorRecord)]
    return [ErrorRecord(**{name: row[name] for name in names}) for row in rows.to_pylist()]


class ErrorStore:
    """The failed rows of a database.

    Parameters
    ----------
    connection : Connection
        The database.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def get_errors(
        self,
        job_id: str | None = None,
        table_name: str | None = None,
        column_name: str | None = None,
        error_type: str | None = None,
    ) -> list[ErrorRecord]:
        """Return what is stored of failed rows that match."""
        names = self._connection.table_names() if table_name is None else [table_name]
        found: list[ErrorRecord] = []
        for name in names:
            table = self._connection.open_table(name)
            found += table.get_errors(job_id, column_name, error_type)
        return found

    def get_failed_row_addresses(self, job_id: str, column_name: str) -> list[int]:
        """Return the addresses of rows that failed in a job and have no value since."""
        found: list[int] = []
        for name in self._connection.table_names():
            table = self._connection.open_table(name)
            if column_name in table.schema.names:
                found += table.get_failed_row_addresses(job_id, column_name)
        return found
