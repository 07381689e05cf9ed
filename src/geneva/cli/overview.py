"""`geneva tables` and `geneva columns`: what a database holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

from geneva.cli.grid import aligned
from geneva.db import Connection, connect
from geneva.errors import NotComputedError
from geneva.storage.dataset import open_dataset
from geneva.storage.definitions import computed_column, computed_columns
from geneva.storage.model import TableLocation
from geneva.table import Table


@dataclass(frozen=True, slots=True)
class TableLine:
    """A table in short."""

    table: str
    rows: int
    version: int
    fragments: int
    columns: int
    computed_columns: tuple[str, ...]


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
        program defined.
    rows, fresh, missing, failed, stale : int or None
        Rows in each state; None where they have none.
    udf_name, udf_version : str
        The function.
    input_columns : tuple of str
        What it reads.
    why : dict of str to int
        Rows that are not fresh, by reason.
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


def tables_of(uri: str) -> list[TableLine]:
    """Look at the tables of a database."""
    with connect(uri) as db:
        return [_table_line(db.open_table(name)) for name in sorted(db.table_names())]


def _table_line(table: Table) -> TableLine:
    dataset = open_dataset(TableLocation(table.uri))
    return TableLine(
        table=table.name,
        rows=dataset.count_rows(),
        version=dataset.version,
        fragments=len(dataset.get_fragments()),
        columns=len(dataset.schema.names),
        computed_columns=tuple(computed_columns(dataset)),
    )


def columns_of(uri: str, table: str | None) -> list[ColumnLine]:
    """Look at the columns of a table, or of all."""
    with connect(uri) as db:
        return [line for one in _tables(db, table) for line in _column_lines(one)]


def _tables(db: Connection, name: str | None) -> Iterable[Table]:
    names = sorted(db.table_names()) if name is None else [name]
    return (db.open_table(one) for one in names)


def _column_lines(table: Table) -> Iterable[ColumnLine]:
    dataset = open_dataset(TableLocation(table.uri))
    computed = set(computed_columns(dataset))
    for one in dataset.schema:
        kind = str(one.type)
        if one.name not in computed:
            yield ColumnLine(table.name, one.name, kind, "data")
            continue
        try:
            column = computed_column(dataset, one.name)
        except NotComputedError:
            yield ColumnLine(table.name, one.name, kind, "unknown")
            continue
        status = table.column_status(one.name)
        counts = {n: getattr(status, n) for n in ("rows", "fresh", "missing", "failed", "stale")}
        yield ColumnLine(
            table=table.name,
            column=one.name,
            type=kind,
            state=state_of(failed=status.failed, stale=status.stale, missing=status.missing),
            udf_name=column.udf_name,
            udf_version=column.udf_version,
            input_columns=tuple(column.input_columns),
            why=status.why,
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


def tables_as_text(tables: Sequence[TableLine]) -> str:
    """Return tables as text."""
    if not tables:
        return "There are no tables."
    head = ("table", "rows", "version", "fragments", "columns", "computed columns")
    rows = [
        (
            one.table,
            f"{one.rows:,}",
            f"{one.version:,}",
            f"{one.fragments:,}",
            f"{one.columns:,}",
            ", ".join(one.computed_columns),
        )
        for one in tables
    ]
    return aligned([head, *rows], numbers=range(1, 5))


def columns_as_text(columns: Sequence[ColumnLine]) -> str:
    """Return columns as text, and why rows are not fresh."""
    if not columns:
        return "There are no tables."
    head = ("column", "type", "state", "fresh", "missing", "failed", "stale", "function")
    rows = [
        (
            f"{one.table}.{one.column}",
            one.type if len(one.type) <= _LONGEST_TYPE else f"{one.type[: _LONGEST_TYPE - 1]}…",
            one.state,
            *("" if n is None else f"{n:,}" for n in (one.fresh, one.missing)),
            *("" if n is None else f"{n:,}" for n in (one.failed, one.stale)),
            one.udf_name and f"{one.udf_name}({', '.join(one.input_columns)})",
        )
        for one in columns
    ]
    why = [
        f"{one.table}.{one.column}: {rows:,} rows {words}"
        for one in columns
        for words, rows in one.why.items()
    ]
    return "\n".join([aligned([head, *rows], numbers=range(3, 7)), *([""] if why else []), *why])


_LONGEST_TYPE = 40


def as_json(lines: Sequence[TableLine] | Sequence[ColumnLine]) -> str:
    """Return tables or columns as a JSON array."""
    return json.dumps([asdict(line) for line in lines], indent=2)
