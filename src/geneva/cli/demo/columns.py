"""Create the demo's tables, attach the computed columns and fill them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from geneva.errors import InvalidArgumentError, TableNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa


@dataclass(frozen=True)
class Filled:
    """What one backfill did.

    Attributes
    ----------
    table, column
        What was filled.
    function
        Name of the function that computes it.
    rows
        Rows that were computed; 0 if the column was complete already.
    seconds
        Wall-clock time of the backfill.
    """

    table: str
    column: str
    function: str
    rows: int
    seconds: float

    @property
    def rows_per_second(self) -> float:
        """Rows computed per second of wall-clock time."""
        return self.rows / self.seconds if self.seconds else 0.0


def prepared_table(database: Any, name: str, data: pa.Table, *, fresh: bool) -> Any:
    """Open the demo's table, or create it.

    Parameters
    ----------
    database : geneva.Connection
        Where the table belongs.
    name, data
        The table and its rows.
    fresh
        Start over although the table is there.

    Raises
    ------
    InvalidArgumentError
        A table of that name exists and is somebody else's.
    """
    try:
        table = database.open_table(name)
    except TableNotFoundError:
        return database.create_table(name, data=data, mode="overwrite")
    if foreign := set(data.schema.names) - set(table.schema.names):
        raise InvalidArgumentError(
            f"Table {name!r} in {database.uri} is not from the demo: it has no columns "
            f"{sorted(foreign)}. Give the demo a directory of its own with --dir."
        )
    if fresh:
        return database.create_table(name, data=data, mode="overwrite")
    return table


def fill(table: Any, columns: Mapping[str, Any], concurrency: int) -> Iterator[Filled]:
    """Attach the columns that are not there yet, then fill each of them.

    Parameters
    ----------
    table : geneva.Table
        The table.
    columns
        Column name to the function that computes it.
    concurrency
        The most workers that compute at the same time.

    Yields
    ------
    Filled
        One for each column, as soon as it is complete.
    """
    if missing := {name: columns[name] for name in columns if name not in table.schema.names}:
        table.add_columns(missing)
    for column, udf in columns.items():
        started = time.perf_counter()
        # The demo prints one calm line of its own; bars would come and go around it.
        result = table.backfill(column, concurrency=concurrency, progress=False)
        seconds = time.perf_counter() - started
        yield Filled(table.name, column, udf.name, result.columns[column].rows_processed, seconds)
    table.checkout_latest()
