"""What is in a table: the state of its columns, rows that failed, what jobs left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geneva.storage import schema
from geneva.storage.dataset import open_dataset
from geneva.table_handle import TableHandle

if TYPE_CHECKING:
    import pyarrow as pa

    from geneva.debug.error_store import ErrorRecord
    from geneva.jobs.cleanup import Cleanup
    from geneva.jobs.column_status import ColumnStatus
    from geneva.verification.report import VerificationReport


class TableInspection(TableHandle):
    """The methods of a table that say what is in it, and remove what nobody needs."""

    def column_status(self, col_name: str, *, read_version: int | None = None) -> ColumnStatus:
        """Say which rows of a computed column are fresh, missing or stale, and why.

        Looks at the same things as a :meth:`backfill` that plans, and computes nothing. Rows that
        an unfinished job left in parts count as missing or stale until they are in the table.

        Parameters
        ----------
        col_name
            The computed column.
        read_version
            Version of the table to look at. Default: the latest.

        Returns
        -------
        ColumnStatus
            In total and per fragment; ``print()`` it.

        Raises
        ------
        ColumnNotFoundError, NotComputedError
            There is no such column, or no function computes it.
        TableNotFoundError
            That version of the table is not there.

        Examples
        --------
        >>> import geneva, pyarrow as pa, tempfile
        >>> table = geneva.connect(tempfile.mkdtemp()).create_table("t", [{"id": 1}, {"id": 2}])
        >>> table.add_columns({"double": geneva.udf(lambda id: 2 * id, data_type=pa.int64())})
        >>> status = table.column_status("double")
        >>> status.fresh, status.missing, status.why
        (0, 2, {'were never computed': 2})
        """
        from geneva.pipeline.column_state import status_of

        dataset = open_dataset(self._location, read_version)
        return status_of(dataset, self._location, self._computed(dataset, col_name, None))

    def _repr_html_(self) -> str:
        from geneva.table_html import shown_table

        return shown_table(self.name, self._dataset(), self.column_status)

    def verify(self, column: str | None = None, *, deep: bool = False) -> VerificationReport:
        """Check that what the table says of its computed columns is there and can be read.

        That is the definition and the pickled function, and of every fragment the files that hold
        its values: that they are there, their size, rows, type, metadata, and first and last
        values. No function is unpickled, nothing is written, and nothing wrong is raised: it is a
        finding of the report, with what repairs it.

        Parameters
        ----------
        column
            The computed column. Default: all of them.
        deep
            Read all values and compare their checksums with those that the files say. This takes as
            long as reading the column.

        Returns
        -------
        VerificationReport
            What was found; ``print()`` it.

        Raises
        ------
        ColumnNotFoundError, NotComputedError
            There is no such column, or no function computes it.
        """
        from geneva.verification.verify import verify_columns

        return verify_columns(self._dataset(), self._location, column, deep=deep)

    def errors(self, column: str | None = None) -> pa.Table:
        """List the rows for which a function failed and that have no value since.

        A row is not listed any more once it is computed, or once the column has another function.

        Parameters
        ----------
        column
            The computed column. Default: all of them.

        Returns
        -------
        pa.Table
            A row each: ``row_id``, ``row_address``, ``column_name``, ``job_id``, ``attempt``,
            ``error_type``, ``error_message``, ``error_trace``, ``inputs`` (shortened), ``worker``,
            ``timestamp`` and more. ``to_pandas()`` gives a data frame.

        Raises
        ------
        ColumnNotFoundError, NotComputedError
            There is no such column, or no function computes it.

        Examples
        --------
        >>> import geneva, tempfile
        >>> table = geneva.connect(tempfile.mkdtemp()).create_table("t", [{"n": 4}, {"n": 0}])
        >>> @geneva.udf(on_error=geneva.skip_on_error())
        ... def inverse(n: int) -> float:
        ...     return 1 / n
        >>> table.add_columns({"inverse": inverse})
        >>> result = table.backfill("inverse", runner="inline", progress=False)
        >>> table.errors("inverse")["error_message"].to_pylist()
        ['division by zero']
        """
        return self._failures(column, current=True)

    def get_errors(
        self,
        job_id: str | None = None,
        column_name: str | None = None,
        error_type: str | None = None,
    ) -> list[ErrorRecord]:
        """Return what is stored of rows that failed, as objects.

        Unlike :meth:`errors`, calls for whole batches are among them, and failures of functions
        that the column had before, until a later backfill is done.

        Parameters
        ----------
        job_id, column_name, error_type
            Only those of a job, of a column, of a class.
        """
        from geneva.debug.error_store import error_records

        rows = error_records(self._failures(column_name, current=False))
        return [
            row
            for row in rows
            if job_id in (None, row.job_id) and error_type in (None, row.error_type)
        ]

    def get_failed_row_addresses(self, job_id: str, column_name: str) -> list[int]:
        """Return the addresses of rows that failed in a job and have no value since."""
        rows = self.errors(column_name)
        pairs = zip(rows["job_id"].to_pylist(), rows["row_address"].to_pylist(), strict=True)
        return [address for job, address in pairs if job == job_id]

    def cleanup_checkpoints(self, *, dry_run: bool = False, resumable: bool = False) -> Cleanup:
        """Remove what jobs left with the table and nobody needs any more.

        That are parts whose column, fragment or function is gone or whose rows are committed;
        column files that no version holds; packed functions that no version names; leases and tags
        of dead jobs; files that were never finished. What a running job uses stays, and what the
        next backfill would go on from.

        Parameters
        ----------
        dry_run
            Remove nothing, only say what would be.
        resumable
            Remove also what an unfinished job left and the next backfill would go on from.

        Returns
        -------
        Cleanup
            What was removed, as counts by name and one by one in ``found``.
        """
        from geneva.pipeline.upkeep import clean_up

        return clean_up(self._location, dry_run=dry_run, resumable=resumable)

    def _failures(self, column: str | None, *, current: bool) -> pa.Table:
        from geneva.storage.failed_rows import failures_of_table

        dataset = self._dataset()
        if column is not None:
            schema.check_column(dataset, self.name, column)
        return failures_of_table(dataset, self._location, column, current=current)
