"""Old and new values of a function side by side, on a few rows and without writing anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from geneva.markup import worded
from geneva.pipeline.attempts import Attempts
from geneva.pipeline.isolation import compute
from geneva.storage.dataset import Dataset
from geneva.storage.model import ComputedColumn
from geneva.storage.names import quoted
from geneva.storage.same_values import same_rows
from geneva.storage.sample import read_sample
from geneva.transformer.binding import bind
from geneva.transformer.changes import Changes
from geneva.transformer.matchers import skip_on_error
from geneva.transformer.policy import ErrorPolicy
from geneva.transformer.udf import UDF
from geneva.transformer.wording import shortened

# A function that fails for some rows is shown to fail there.
_SKIP = ErrorPolicy(tuple(skip_on_error()))
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

    def _repr_html_(self) -> str:
        return worded(self)

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
    names = column.output_names
    there = f"{quoted(names[0])} IS NOT NULL"
    there = there if where is None else f"({where}) AND {there}"
    places, sample = read_sample(dataset, [*names, *inputs], limit, there)
    arguments = pa.RecordBatch.from_arrays(sample.columns[len(names) :], names=inputs)
    old = sample.column(0)
    if column.is_group:
        fields = list(column.data_type)
        old = pa.StructArray.from_arrays(sample.columns[: len(names)], fields=fields)
    if old.type != column.data_type:
        old = old.cast(column.data_type)
    new, errors = _computed(function, inputs, arguments)
    same = same_rows(old, new)
    differs = [not equal or error is not None for equal, error in zip(same, errors, strict=True)]
    given = pa.StructArray.from_arrays(arguments.columns, names=inputs)
    rows = pa.table(
        {
            "row_id": [place.row_id for place in places],
            "inputs": given,
            "old": old,
            "new": new,
            "differs": pa.array(differs, pa.bool_()),
            "error": pa.array(errors, pa.string()),
        }
    )
    return FunctionDiff(table, column.name, dataset.version, changes, rows)


def _computed(
    function: UDF, inputs: list[str], batch: pa.RecordBatch
) -> tuple[pa.Array, list[str | None]]:
    """Return a value for each row, and what the function raised where there is none."""
    if not batch.num_rows:
        return pa.array([], function.data_type), []
    bound = bind(function, inputs)
    bound.set_up()
    computed = compute(bound, batch, Attempts(_SKIP, lambda _: True))
    errors: list[str | None] = [None] * batch.num_rows
    for failure in computed.failures:
        errors[failure.row] = f"{type(failure.error).__name__}: {failure.error}"
    return computed.values, errors


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 1]}…"
