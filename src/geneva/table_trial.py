"""Functions are tried on a table's rows; nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from geneva.errors import InvalidArgumentError
from geneva.storage import schema
from geneva.storage.dataset import Dataset, open_dataset
from geneva.storage.definitions import computed_column
from geneva.table_handle import TableHandle
from geneva.transformer.changes import Changes
from geneva.transformer.unpacked import packed_of

if TYPE_CHECKING:
    from geneva.jobs.preview import Preview
    from geneva.pipeline.diff import FunctionDiff
    from geneva.storage.model import ComputedColumn
    from geneva.transformer.udf import UDF


class TableTrial(TableHandle):
    """The methods of a table that try a function, or compare one with a column's own."""

    def preview(
        self,
        column_or_udf: str | UDF | Callable[..., UDF] | tuple[UDF, Sequence[str]],
        *,
        limit: int = 8,
        where: str | None = None,
        input_columns: Sequence[str] | None = None,
        timeout: timedelta | float = 60.0,
        progress: bool = True,
        runner: str | None = None,
    ) -> Preview:
        """Run a function on a few rows in a worker and show what it does; nothing is written.

        The rows come from several places of the table. A row that fails, or crashes the worker,
        does not keep the others from being tried. A function that takes arrays or batches gets the
        rows together, as in a job, and one by one if that fails.

        Parameters
        ----------
        column_or_udf
            A computed column, or a function that need not be a column's yet; its inputs are found
            as in :meth:`add_columns`.
        limit
            Most rows.
        where
            SQL filter: only rows that match.
        input_columns
            Columns that the function reads. Default: its own.
        timeout
            Seconds, or a timedelta, that reading, ``setup()`` and all rows may take. Then the
            worker is ended, and the row that it was at has timed out. Not with
            ``runner="inline"``.
        progress
            Bars on a terminal or in a notebook, lines elsewhere, if it takes long.
        runner
            ``"process"`` runs a worker process; ``"inline"`` runs in this thread, for debugging;
            ``"ray"`` a task on the Ray cluster that this process is connected to. Default: Ray if
            it is connected to a cluster, else a process.

        Returns
        -------
        Preview
            Inputs, output, time and memory of each row; ``print()`` it.

        Raises
        ------
        ColumnNotFoundError, NotComputedError, InputTypeError, InvalidArgumentError, FilterError
            The arguments cannot be used.
        UDFError
            ``setup()`` failed; what a row fails with is not raised.
        BackfillTimeoutError, FatalWorkerError
            ``setup()`` did not end in time, or ended its worker.

        Examples
        --------
        >>> import geneva, tempfile
        >>> rows = [{"text": "to be"}, {"text": None}]
        >>> table = geneva.connect(tempfile.mkdtemp()).create_table("docs", rows)
        >>> @geneva.udf
        ... def words(text: str) -> int:
        ...     return len(text.split())
        >>> preview = table.preview(words, progress=False)
        >>> [row.output for row in preview.rows]
        [2, None]
        >>> print(preview.rows[1].error)
        AttributeError: 'NoneType' object has no attribute 'split'
        """
        from geneva.preview import preview_table

        return preview_table(
            self._dataset(),
            self._location,
            column_or_udf,
            limit=limit,
            where=where,
            input_columns=input_columns,
            timeout=timeout,
            progress=progress,
            runner=runner,
        )

    def replay(self, col_name: str, row_id: int, *, read_version: int | None = None) -> Any:
        """Run a computed column's function for one row, in this process and thread.

        The function gets what a worker gave it. What it raises comes out with its own frames, so
        that ``pdb.post_mortem()`` lands in it and a breakpoint in it works. Nothing is written.

        Parameters
        ----------
        col_name
            The computed column.
        row_id
            The row's ``_rowid``, as errors name it.
        read_version
            Version of the table to read. Default: the latest.

        Returns
        -------
        object
            The value that the column would hold.

        Raises
        ------
        InvalidArgumentError
            There is no such row.
        WrongReturnTypeError
            What the function returned does not fit the column.

        Examples
        --------
        >>> import geneva, pyarrow as pa, tempfile
        >>> table = geneva.connect(tempfile.mkdtemp()).create_table("docs", [{"text": None}])
        >>> table.add_columns({"words": geneva.udf(lambda text: len(text), data_type=pa.int64())})
        >>> table.replay("words", 0)
        Traceback (most recent call last):
        TypeError: object of type 'NoneType' has no len()
        """
        from geneva.pipeline.replay import replay

        dataset = open_dataset(self._location, read_version)
        column = self._computed(dataset, col_name, None)
        return replay(self._location, column, row_id, dataset.version)

    def changes(self, col_name: str, *, udf: UDF) -> Changes:
        """Say what would be different if a column got another function; writes and runs nothing.

        That are code, defaults, captured values and helpers, by name, the inputs, and what the
        function asks for, which makes nothing stale. The stored function is not unpickled: what it
        is made of is stored beside it.

        Parameters
        ----------
        col_name
            The computed column.
        udf
            The other function.

        Returns
        -------
        Changes
            The differences, and whether they make values stale; ``print()`` it.

        Raises
        ------
        ColumnNotFoundError, NotComputedError, InvalidArgumentError
            There is no such column, no function computes it, or the other one does not fit it.

        Examples
        --------
        >>> import geneva, pyarrow as pa, tempfile
        >>> table = geneva.connect(tempfile.mkdtemp()).create_table("t", [{"id": 1}, {"id": 2}])
        >>> def times(id, k=2):
        ...     return k * id
        >>> make = geneva.udf(data_type=pa.int64(), input_columns=["id"])
        >>> table.add_columns({"out": make(times)})
        >>> def times(id, k=3):
        ...     return k * id
        >>> print(table.changes("out", udf=make(times)))
        t.out: default of k 2 → 3. So its values are stale.
        """
        return self._other_function(self._dataset(), col_name, udf)[3]

    def diff(
        self, col_name: str, *, udf: UDF, limit: int = 100, where: str | None = None
    ) -> FunctionDiff:
        """Show old and new values side by side, on a sample of rows; writes nothing.

        The function runs in this process, on rows of several fragments whose value is not NULL. A
        row that it fails on is shown with its error.

        Parameters
        ----------
        col_name
            The computed column.
        udf
            The function whose values are compared with those in the table.
        limit
            Most rows to compare.
        where
            SQL filter: compare only rows that match.

        Returns
        -------
        FunctionDiff
            The rows, as Arrow or pandas, and counts; ``print()`` it.

        Raises
        ------
        ColumnNotFoundError, NotComputedError, InvalidArgumentError, FilterError
            The arguments cannot be used.

        Examples
        --------
        >>> import geneva, pyarrow as pa, tempfile
        >>> table = geneva.connect(tempfile.mkdtemp()).create_table("t", [{"id": 1}, {"id": 2}])
        >>> table.add_columns({"out": geneva.udf(lambda id: id * 2, data_type=pa.int64())})
        >>> _ = table.backfill("out", runner="inline", progress=False)
        >>> square = geneva.udf(lambda id: id * id, data_type=pa.int64())
        >>> diff = table.diff("out", udf=square)
        >>> diff.compared, diff.differing
        (2, 1)
        """
        from geneva.pipeline.diff import diff_function

        if limit < 1:
            raise InvalidArgumentError(f"limit={limit!r}; expected at least 1 row.")
        dataset = self._dataset()
        column, function, inputs, changes = self._other_function(dataset, col_name, udf)
        return diff_function(
            dataset, self.name, column, function, inputs, changes, limit=limit, where=where
        )

    def _other_function(
        self, dataset: Dataset, name: str, udf: Any
    ) -> tuple[ComputedColumn, UDF, list[str], Changes]:
        """Return a column, a function given in place of its own, and what is different."""
        schema.check_column(dataset, self.name, name)
        column = computed_column(dataset, name)
        function, given = packed_of(name, udf)
        if function is None:
            raise InvalidArgumentError(f"udf={udf!r}; expected a function decorated with @udf.")
        inputs = schema.resolve_inputs(dataset, self.name, name, function, given)
        self._check_type(column, function)
        changes = schema.changes_of(dataset, self._location, name, function, inputs)
        return column, function, inputs, changes or Changes(f"{self.name}.{name}", (), stale=False)
