"""What a database holds, in short: its tables, and their columns with the state of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow as pa

from geneva.db import Connection, connect
from geneva.errors import GenevaError, TableNotFoundError
from geneva.storage.dataset import Dataset, in_words, open_dataset
from geneva.storage.definitions import computed_column, computed_columns
from geneva.storage.model import ComputedColumn, TableLocation
from geneva.table import Table

# Each look at a table waits for its store, and hardly computes.
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class TableLine:
    """A table in short.

    Attributes
    ----------
    table : str
        Its name.
    rows, version, fragments, columns : int
        How many it has, and its latest version; 0 if it cannot be read.
    computed_columns : tuple of str
        Names of the columns that functions compute.
    error : str
        Why it cannot be read; empty if it can.
    """

    table: str
    rows: int
    version: int
    fragments: int
    columns: int
    computed_columns: tuple[str, ...]
    error: str = ""


@dataclass(frozen=True, slots=True)
class ColumnLine:
    """A column in short.

    Attributes
    ----------
    table, column, type : str
        The column and its Arrow type.
    state : str
        "fresh" if nothing is to be done, or the first that is true of some rows: "failed", "stale"
        or "missing". "data" for a column that no function computes, "unknown" for one that another
        program defined, "unreadable" where files are damaged or gone.
    rows, fresh, missing, failed, stale : int or None
        Rows in each state; None where they have none.
    udf_name, udf_version : str
        The function.
    input_columns : tuple of str
        What it reads.
    why : dict of str to int
        Rows that are not fresh, by reason.
    error : str
        Why its state cannot be told; empty if it can.
    """

    table: str
    column: str
    type: str
    state: str
    rows: int | None = None
    fresh: int | None = None
    missing: int | None = None
    failed: int | None = None
    stale: int | None = None
    udf_name: str = ""
    udf_version: str = ""
    input_columns: tuple[str, ...] = ()
    why: dict[str, int] = field(default_factory=dict)
    error: str = ""


def tables_of(uri: str) -> list[TableLine]:
    """Look at the tables of a database.

    One that cannot be read is listed with the reason. No column's state is looked at, so this takes
    about a millisecond per table on a local disk.

    Examples
    --------
    >>> import geneva, tempfile
    >>> uri = tempfile.mkdtemp()
    >>> table = geneva.connect(uri).create_table("docs", [{"id": 1}, {"id": 2}])
    >>> [(line.table, line.rows, line.columns) for line in tables_of(uri)]
    [('docs', 2, 1)]
    """
    with connect(uri) as db, ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda name: _table_line(db, name), sorted(db.table_names())))


def table_of(uri: str, table: str) -> TableLine:
    """Look at one table.

    Raises
    ------
    TableNotFoundError
        There is no such table.
    """
    return _readable_table_line(table, open_dataset(location_of(uri, table)))


def _table_line(db: Connection, name: str) -> TableLine:
    try:
        return _readable_table_line(name, open_dataset(TableLocation(db.open_table(name).uri)))
    except (GenevaError, OSError, ValueError) as error:
        return TableLine(name, 0, 0, 0, 0, (), error=in_words(error))


def _readable_table_line(name: str, dataset: Dataset) -> TableLine:
    return TableLine(
        table=name,
        rows=dataset.count_rows(),
        version=dataset.version,
        fragments=len(dataset.get_fragments()),
        columns=len(dataset.schema.names),
        computed_columns=tuple(computed_columns(dataset)),
    )


def location_of(uri: str, table: str) -> TableLocation:
    """Return where a table of a database is.

    Raises
    ------
    TableNotFoundError
        There is no such table. A name can only lead to a table of the database itself.
    """
    if not table or "/" in table or min(table) < " ":
        raise TableNotFoundError(f"{table!r} is not the name of a table.")
    with connect(uri) as db:
        return TableLocation(db.open_table(table).uri)


def columns_of(uri: str, table: str | None) -> list[ColumnLine]:
    """Look at the columns of a table, or of all.

    Raises
    ------
    TableNotFoundError
        There is no such table. If all are asked for, one that cannot be read is a line without a
        column, with the reason.
    """
    with connect(uri) as db:
        if table is not None:
            return list(_column_lines(db.open_table(table)))
        return [line for name in sorted(db.table_names()) for line in _lines_or_reason(db, name)]


def _lines_or_reason(db: Connection, name: str) -> Iterable[ColumnLine]:
    try:
        return list(_column_lines(db.open_table(name)))
    except (GenevaError, OSError, ValueError) as error:
        return [ColumnLine(name, "", "", "unreadable", error=in_words(error))]


def _column_lines(table: Table) -> Iterator[ColumnLine]:
    dataset = open_dataset(TableLocation(table.uri))
    computed = set(computed_columns(dataset))
    for one in dataset.schema:
        if one.name not in computed:
            yield ColumnLine(table.name, one.name, str(one.type), "data")
            continue
        try:
            column = computed_column(dataset, one.name)
        except (KeyError, ValueError):  # Another program's, or one that cannot be read.
            yield ColumnLine(table.name, one.name, str(one.type), "unknown")
            continue
        yield _computed_line(table, one, column)


def _computed_line(table: Table, one: pa.Field, column: ComputedColumn) -> ColumnLine:
    counts: dict[str, int] = {}
    why: dict[str, int] = {}
    state, failure = "unreadable", ""
    try:
        status = table.column_status(one.name)
    except (GenevaError, OSError, ValueError, RuntimeError) as error:
        failure = in_words(error)
    else:
        counts = {n: getattr(status, n) for n in ("rows", "fresh", "missing", "failed", "stale")}
        why = status.why
        state = state_of(failed=status.failed, stale=status.stale, missing=status.missing)
    return ColumnLine(
        table=table.name,
        column=one.name,
        type=str(one.type),
        state=state,
        udf_name=column.udf_name,
        udf_version=column.udf_version,
        input_columns=tuple(column.input_columns),
        why=why,
        error=failure,
        **counts,
    )


def state_of(*, failed: int, stale: int, missing: int) -> str:
    """Say in one word what is to be done for a column.

    Examples
    --------
    >>> state_of(failed=0, stale=0, missing=0), state_of(failed=0, stale=1, missing=9)
    ('fresh', 'stale')
    """
    states = (("failed", failed), ("stale", stale), ("missing", missing))
    return next((state for state, rows in states if rows), "fresh")
