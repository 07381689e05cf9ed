"""What a function does with a sample of a table, as data and as a table."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import pyarrow as pa

from geneva.errors import MissingExtraError
from geneva.jobs.measures import amount, duration
from geneva.jobs.wording import counted
from geneva.transformer.wording import shortened

RowStatus = Literal["computed", "failed", "crashed", "timed out", "not tried"]

_COLUMNS = ("row id", "fragment", "offset", "inputs", "output", "time", "memory")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class RowFailure:
    """Why a row of a sample has no output.

    Attributes
    ----------
    type : str
        Class of the exception, or name of the signal that ended the worker.
    message : str
        What it says.
    traceback : str
        The traceback, from the user's function on; for a crash the last lines of the worker.
    """

    type: str
    message: str
    traceback: str = ""

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """What became of one row of a sample.

    Attributes
    ----------
    row_id : int
        Its ``_rowid``.
    fragment_id, offset : int
        Its fragment and physical offset in it.
    inputs : dict of str to str
        What the function was given, by column, shortened.
    status : str
        ``"computed"``, ``"failed"`` (it raised, or returned something that does not fit),
        ``"crashed"`` (it ended the worker), ``"timed out"``, or ``"not tried"``.
    output : object
        The value; None unless computed.
    output_bytes : int
        Size of the value in memory.
    seconds : float or None
        Time that the function took. Where it takes batches, the batch's time by its rows.
    memory_bytes : int or None
        Most memory that the worker's process held during the call over what it held before; a
        batch's by its rows. None where it is not measured.
    error : RowFailure or None
        Why there is no output.
    """

    row_id: int
    fragment_id: int
    offset: int
    inputs: dict[str, str]
    status: RowStatus = "not tried"
    output: Any = None
    output_bytes: int = 0
    seconds: float | None = None
    memory_bytes: int | None = None
    error: RowFailure | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a function that returned: for some rows of the sample together, or for one.

    Attributes
    ----------
    rows : int
        Rows that it was given.
    seconds : float
        Time that it took.
    memory_bytes : int or None
        Most memory held over what was held before; None where it is not measured.
    output_bytes : int
        Size of what it returned.
    """

    rows: int
    seconds: float
    memory_bytes: int | None
    output_bytes: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What a function does with a sample of a table; nothing was written.

    ``print(preview)`` shows a table, and so does a notebook.

    Attributes
    ----------
    table_name, output_name : str
        The table, and the column that is computed; the function's name if it computes none yet.
    udf_name : str
        The function.
    version : int
        Version of the table that was read.
    place : str
        Where the function ran.
    rows : tuple of PreviewRow
        The sample, in the order of the table.
    calls : tuple of Call
        The calls that returned, in order.
    takes_batches : bool
        Whether the function takes batches, so that times of rows are shares of a batch's time.
    setup_s : float
        Seconds to load the function and run its ``setup()``.
    start_s : float
        Seconds until a worker was ready; 0 if one was idle.
    held_bytes : int
        What the worker's process held before the function was loaded; 0 if not measured.
    ready_bytes : int
        What it held when ``setup()`` had run; 0 if not measured.
    peak_memory_bytes : int
        Most that it has held; 0 if not measured.
    notes : tuple of str
        What else there is to know.
    input_values, output_values : pa.RecordBatch, pa.Array
        The values in full, a row each; NULL where there is no output.
    together_s : float or None
        Seconds per row when all of them were computed in one call once more, as a job does with
        functions that are fast; None if they were not.
    """

    table_name: str
    output_name: str
    udf_name: str
    version: int
    place: str
    rows: tuple[PreviewRow, ...]
    calls: tuple[Call, ...] = ()
    takes_batches: bool = False
    setup_s: float = 0.0
    start_s: float = 0.0
    held_bytes: int = 0
    ready_bytes: int = 0
    peak_memory_bytes: int = 0
    notes: tuple[str, ...] = ()
    input_values: pa.RecordBatch = field(default=None, repr=False)
    output_values: pa.Array = field(default=None, repr=False)
    together_s: float | None = None

    @property
    def ok(self) -> bool:
        """Whether all rows were computed."""
        return all(row.status == "computed" for row in self.rows)

    @property
    def seconds_per_row(self) -> float | None:
        """Mean time per computed row in seconds; None if none was."""
        rows = sum(call.rows for call in self.calls)
        return sum(call.seconds for call in self.calls) / rows if rows else None

    def to_arrow(self) -> pa.Table:
        """Return the sample with full inputs and outputs.

        Columns of the preview's own begin with an underscore: ``_rowid``, ``_fragment``,
        ``_offset``, then the inputs and the output, ``_status``, ``_seconds``, ``_memory_bytes``
        and ``_error``.
        """
        rows = self.rows
        columns: dict[str, Any] = {
            "_rowid": pa.array([r.row_id for r in rows], pa.uint64()),
            "_fragment": pa.array([r.fragment_id for r in rows], pa.int64()),
            "_offset": pa.array([r.offset for r in rows], pa.int64()),
        }
        names = self.input_values.schema.names
        columns |= dict(zip(names, self.input_values.columns, strict=True))
        name = self.output_name
        columns[f"{name} (output)" if name in columns else name] = self.output_values
        columns["_status"] = pa.array([r.status for r in rows], pa.string())
        columns["_seconds"] = pa.array([r.seconds for r in rows], pa.float64())
        columns["_memory_bytes"] = pa.array([r.memory_bytes for r in rows], pa.int64())
        errors = [None if r.error is None else str(r.error) for r in rows]
        columns["_error"] = pa.array(errors, pa.string())
        return pa.table(columns)

    def to_pandas(self) -> Any:
        """Return :meth:`to_arrow` as a pandas DataFrame.

        Raises
        ------
        MissingExtraError
            pandas is not installed.
        """
        try:
            importlib.import_module("pandas")
        except ModuleNotFoundError:
            raise MissingExtraError(
                "to_pandas() needs pandas. Install it with: pip install pandas"
            ) from None
        return self.to_arrow().to_pandas()

    def to_json(self) -> str:
        """Return the preview as JSON: values shortened, times in seconds, sizes in bytes."""
        rows = [{**asdict(row), "output": _output(row)} for row in self.rows]
        said = ("table_name", "output_name", "udf_name", "version", "place", "takes_batches")
        measured = ("setup_s", "start_s", "held_bytes", "ready_bytes", "peak_memory_bytes")
        return json.dumps(
            {
                "ok": self.ok,
                **{name: getattr(self, name) for name in (*said, *measured)},
                "seconds_per_row": self.seconds_per_row,
                "notes": list(self.notes),
                "rows": rows,
            },
            indent=2,
        )

    def __str__(self) -> str:
        table = [_COLUMNS, *self._cells()]
        widths = [max(len(row[i]) for row in table) for i in range(len(_COLUMNS))]
        lines = [
            "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in table
        ]
        return "\n".join([self._head(), *lines, *self._foot()])

    def _head(self) -> str:
        version = f"{self.table_name} at version {self.version}"
        return f"Preview of {self.udf_name} on {version}, in {self.place}"

    def _cells(self) -> list[tuple[str, ...]]:
        return [
            (
                str(row.row_id),
                str(row.fragment_id),
                str(row.offset),
                _cut(", ".join(f"{name}={text}" for name, text in row.inputs.items())),
                _cut(_output(row)),
                "" if row.seconds is None else duration(row.seconds),
                "" if row.memory_bytes is None else amount(row.memory_bytes),
            )
            for row in self.rows
        ]

    def _foot(self) -> Iterator[str]:
        yield f"{self._counts()}. {self._times()}"
        if self.peak_memory_bytes:
            yield (
                f"Memory: {amount(self.held_bytes)} before, {amount(self.ready_bytes)} with the "
                f"function loaded, {amount(self.peak_memory_bytes)} at most."
            )
        yield from self.notes
        shown = set()
        for row in self.rows:
            error = row.error
            if error is not None and error.traceback and error not in shown:
                shown.add(error)
                yield f"\nRow {row.row_id}:\n{error.traceback.rstrip()}"

    def _counts(self) -> str:
        counts: dict[str, int] = {}
        for row in self.rows:
            counts[row.status] = counts.get(row.status, 0) + 1
        said = ", ".join(f"{n} {status}" for status, n in counts.items())
        return f"{counted(len(self.rows), 'row')}: {said}" if said else "No rows"

    def _times(self) -> str:
        words = [f"Loading and setup() took {duration(self.setup_s)}"]
        mean_s = self.seconds_per_row
        if mean_s is not None:
            share = " (the time of a batch by its rows)" if self.takes_batches else ""
            values = sum(call.output_bytes for call in self.calls)
            per_row = values / sum(call.rows for call in self.calls)
            words.append(f"a row took {duration(mean_s)}{share} and gave {amount(per_row)}")
        return ", ".join(words) + "."

    def _repr_html_(self) -> str:
        from html import escape

        head = "".join(f"<th>{escape(column)}</th>" for column in _COLUMNS)
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
            for row in self._cells()
        )
        foot = escape("\n".join(self._foot()))
        return f"<p>{escape(self._head())}</p><table><tr>{head}</tr>{rows}</table><pre>{foot}</pre>"


def _output(row: PreviewRow) -> str:
    if row.status == "computed":
        return shortened(row.output)
    if row.error is None:
        return row.status
    return f"{row.status}: {row.error}"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."
