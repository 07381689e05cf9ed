"""Old and new values of a function side by side, on a few rows and without writing anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from geneva.storage.dataset import Dataset
from geneva.storage.model import ComputedColumn
from geneva.storage.same_values import same_rows
from geneva.storage.sample import ROW_ID, sample_rows
from geneva.transformer.binding import BoundFunction, CallFailed, bind
from geneva.transformer.changes import Changes
from geneva.transformer.udf import UDF
from geneva.transformer.wording import shortened

_MOST_LINES = 20
_WIDEST = 32
_HEAD = ("row id", "inputs", "old", "new", "")


@dataclass(frozen=True, slots=True)
class FunctionDiff:
    """Values of a computed column, and what another function gives for the same rows.

    ``print(diff)`` shows the rows that differ first.

    Attributes
    ----------
    table_name, column_name : str
        What was compared.
    version : int
        Version of the table that was read.
    changes : Changes
        What is different between both functions.
    rows : pa.Table
        One row for each that was compared: ``row_id``, ``inputs`` (a struct), ``old``, ``new``,
        ``differs``, and ``error``, what the new function raised.
    """

    table_name: str
    column_name: str
    version: int
    changes: Changes
    rows: pa.Table = field(repr=False)

    @property
    def compared(self) -> int:
        """Rows that were compared."""
        return int(self.rows.num_rows)

    @property
    def differing(self) -> int:
        """Rows whose values differ, without those that the new function failed on."""
        errors = self.rows["error"].to_pylist()
        return sum(
            bool(differs) and error is None
            for differs, error in zip(self.rows["differs"].to_pylist(), errors, strict=True)
        )

    @property
    def failed(self) -> int:
        """Rows that the new function raised for, or gave a value that does not fit."""
        return self.compared - int(self.rows["error"].null_count)

    def to_arrow(self) -> pa.Table:
        """Return the rows as an Arrow table."""
        return self.rows

    def to_pandas(self) -> Any:
        """Return the rows as a pandas data frame."""
        return self.rows.to_pandas()

    def __str__(self) -> str:
        same = self.compared - self.differing - self.failed
        head = (
            f"{self.table_name}.{self.column_name} at version {self.version}: {self.compared:,} "
            f"rows compared, {self.differing:,} differ, {same:,} are the same"
        )
        if self.failed:
            head += f", {self.failed:,} failed"
        lines = [head]
        if self.changes:
            lines.append(f"  changed  {self.changes.words}")
        order = sorted(range(self.compared), key=lambda i: (not self.rows["differs"][i].as_py(), i))
        shown = [_HEAD, *(self._cells(i) for i in order[:_MOST_LINES])]
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        for row in shown if self.compared else ():
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            lines.append(("  " + "  ".join(cells)).rstrip())
        if self.compared > _MOST_LINES:
            lines.append(f"  and {self.compared - _MOST_LINES:,} more rows")
        return "\n".join(lines)

    def _cells(self, row: int) -> tuple[str, ...]:
        values = {name: self.rows[name][row].as_py() for name in self.rows.column_names}
        inputs = ", ".join(f"{k}={shortened(v)}" for k, v in (values["inputs"] or {}).items())
        new = shortened(values["new"]) if values["error"] is None else values["error"]
        mark = "differs" if values["differs"] else "same"
        mark = mark if values["error"] is None else "failed"
        cells = (str(values["row_id"]), inputs, shortened(values["old"]), new)
        return (*(_cut(cell) for cell in cells), mark)


def diff_function(
    dataset: Dataset,
    table: str,
    column: ComputedColumn,
    function: UDF,
    inputs: list[str],
    changes: Changes,
    *,
    limit: int,
    where: str | None,
) -> FunctionDiff:
    """Run a function, in this process, on a sample of rows that hold a value of a column.

    Parameters
    ----------
    dataset, table, column
        The table at some version, its name, and the column.
    function, inputs
        The new function and what it reads.
    changes
        What is different between both functions.
    limit
        Most rows.
    where
        Filter that selects rows.
    """
    sample = sample_rows(dataset, column, inputs, limit, where)
    arguments = [_whole(sample[name]) for name in inputs]
    old = _whole(sample[column.name])
    if old.type != column.data_type:
        old = old.cast(column.data_type)
    new, errors = _computed(function, inputs, arguments)
    same = same_rows(old, new)
    differs = [not equal or error is not None for equal, error in zip(same, errors, strict=True)]
    given = pa.StructArray.from_arrays(arguments, names=inputs)
    rows = pa.table(
        {
            "row_id": sample[ROW_ID],
            "inputs": given,
            "old": old,
            "new": new,
            "differs": pa.array(differs, pa.bool_()),
            "error": pa.array(errors, pa.string()),
        }
    )
    return FunctionDiff(table, column.name, dataset.version, changes, rows)


def _computed(
    function: UDF, inputs: list[str], arguments: list[pa.Array]
) -> tuple[pa.Array, list[str | None]]:
    """Return a value for each row, and what the function raised where there is none."""
    batch = pa.record_batch(arguments, names=inputs)
    if not batch.num_rows:
        return pa.array([], function.data_type), []
    bound = bind(function, inputs)
    bound.set_up()
    pieces, errors = [], []
    for values, error in _attempts(bound, batch):
        pieces.append(values)
        errors += [error] * len(values)
    return pa.concat_arrays(pieces), errors


def _attempts(bound: BoundFunction, batch: pa.RecordBatch) -> Iterator[tuple[pa.Array, str | None]]:
    """Yield values in order; NULL and what was raised for a row that fails."""
    todo = [batch]
    while todo:
        rows = todo.pop()
        try:
            yield bound.compute(rows), None
        except CallFailed as failed:
            if rows.num_rows == 1:
                error = f"{type(failed.cause).__name__}: {failed.cause}"
                yield pa.nulls(1, bound.function.data_type), error
            elif failed.row is None:  # It takes whole batches: find out which rows it is.
                half = rows.num_rows // 2
                todo += [rows.slice(half), rows.slice(0, half)]
            else:
                yield failed.computed, None
                at = len(failed.computed)
                todo += [rows.slice(at + 1), rows.slice(at, 1)]
                todo = [piece for piece in todo if piece.num_rows]


def _whole(column: pa.ChunkedArray) -> pa.Array:
    # None of the chunks may be there.
    return pa.concat_arrays([pa.array([], column.type), *column.chunks])


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 1]}…"
