"""A table whose columns can be computed by Python functions."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, overload

import pyarrow as pa

from geneva.debug.error_store import ErrorRecord, error_records
from geneva.errors import InvalidArgumentError
from geneva.job import begin_job, run_job
from geneva.job_future import JobFuture
from geneva.jobs.cleanup import Cleanup
from geneva.jobs.column_status import ColumnStatus
from geneva.jobs.dependencies import check_acyclic, in_order, reads_of
from geneva.jobs.planner import Plan
from geneva.jobs.plans import Plans
from geneva.jobs.preview import Preview
from geneva.jobs.result import BackfillJobResult
from geneva.jobs.spec import BackfillArguments, backfill_spec, check_arguments
from geneva.pipeline.admission import footprint_on
from geneva.pipeline.backfill import BackfillJob, new_job_id, plan
from geneva.pipeline.diff import FunctionDiff, diff_function
from geneva.pipeline.provenance import status_of
from geneva.pipeline.replay import replay
from geneva.pipeline.selection import outdated_columns, warn_of_stale_inputs
from geneva.pipeline.sharing import passes_together
from geneva.pipeline.upkeep import clean_up
from geneva.preview import preview_table, with_estimate
from geneva.progress.display import say
from geneva.resources.admission import admit
from geneva.runners.select import shape_here
from geneva.storage import schema
from geneva.storage.dataset import Dataset, open_dataset
from geneva.storage.definitions import (
    computed_column,
    computed_columns,
    distinct_columns,
    with_function,
)
from geneva.storage.failed_rows import failures_of_table
from geneva.storage.files import TableFiles
from geneva.storage.model import ComputedColumn, TableLocation
from geneva.storage.overrides import note_override
from geneva.storage.packed_functions import pack_function, store_function
from geneva.storage.peaks import read_peak
from geneva.storage.snapshot import note_lineage
from geneva.storage.space import free_bytes
from geneva.transformer.changes import Changes
from geneva.transformer.policy import OnError
from geneva.transformer.transform import function_of
from geneva.transformer.udf import UDF
from geneva.transformer.unpacked import (
    UnpackedUDF,
    check_single,
    packed_of,
    unpacked_of,
    unpacked_type,
)
from geneva.verification.report import VerificationReport
from geneva.verification.verify import verify_columns

_KEEP_ALL = timedelta(days=100 * 365)


class Table:
    """A LanceDB table with computed columns.

    Everything that a LanceDB table does, this one does too: ``search``, ``add``, ``update``,
    ``delete``, ``merge_insert``, ``to_arrow``, ``create_index``, ``optimize`` and the rest. Made by
    :meth:`Connection.create_table` and :meth:`Connection.open_table`.
    """

    def __init__(self, connection: Any, location: TableLocation, opened: Any = None) -> None:
        self._connection = connection
        self._location = location
        self._opened = opened

    # -- LanceDB's own -----------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the table."""
        return self._location.name

    @property
    def uri(self) -> str:
        """Path or URI of the table."""
        return self._location.uri

    # Not a property: an AttributeError inside one would be looked up in LanceDB again.
    def _lancedb(self) -> Any:
        """LanceDB's table. LanceDB takes over a second to load, so it is opened when needed."""
        if self._opened is None:
            self._opened = self._connection.open_lancedb_table(self.name)
        return self._opened

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return getattr(self._lancedb(), attribute)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._lancedb())})

    def __len__(self) -> int:
        return int(self._lancedb().count_rows())

    def __repr__(self) -> str:
        return f"Table({self.name!r}, uri={self.uri!r})"

    # -- columns ---------------------------------------------------------------------------------

    def add_columns(self, transforms: Any, **kwargs: Any) -> None:
        """Add columns.

        Parameters
        ----------
        transforms : dict, UDF, UnpackedUDF, or what LanceDB takes
            By name of the new column: a UDF; a pair ``(udf, input_columns)``; or an SQL expression,
            which is computed at once. Columns of functions are NULL until :meth:`backfill`. In
            place of the dict, a function that returns :class:`Columns`, an :class:`UnpackedUDF`, or
            a pair of one and its input columns: it names its columns itself.
        **kwargs
            Passed on to LanceDB.

        Raises
        ------
        ColumnNotFoundError
            A function reads a column that the table does not have.
        InputTypeError
            A column cannot be given to the parameter that it is bound to.
        InvalidArgumentError
            A column of that name exists, or a function that fills several stands under one name.
        UnpicklableFunctionError
            A function captures an object that cannot be sent to workers.
        """
        if not isinstance(transforms, Mapping):
            unpacked, given = unpacked_of(transforms)
            if unpacked is None:
                self._lancedb().add_columns(transforms, **kwargs)
            else:
                self._add_group(unpacked, given)
            return
        functions, others = {}, {}
        dataset = self._dataset()
        for name, transform in transforms.items():
            check_single(name, transform)
            function, given = function_of(name, transform)
            if function is None:
                others[name] = transform
            else:
                inputs = schema.resolve_inputs(dataset, self.name, name, function, given)
                functions[name] = (function, inputs)
        if functions:
            schema.declare_columns(dataset, self._location, functions)
            self._follow()
        if others:
            self._lancedb().add_columns(others, **kwargs)

    def alter_columns(self, *alterations: dict[str, Any], **kwargs: Any) -> None:
        """Change columns.

        What is different about a new function is said in a line on stderr, or logged by the logger
        ``geneva`` at INFO where that is set up. :meth:`changes` says it before.

        Parameters
        ----------
        *alterations : dict
            ``{"path": column, "udf": new_function}``, optionally with ``"input_columns"``, gives a
            column another function: its values stay until the next :meth:`backfill`, which computes
            them again. Of columns that one function fills, each stands for all. Everything else
            (``rename``, ``nullable``, ``data_type``) is LanceDB's.
        **kwargs
            Passed on to LanceDB.

        Raises
        ------
        InvalidArgumentError
            The function returns another type than the column has, or a computed column is to
            change its type.
        """
        dataset = self._dataset()
        for alteration in alterations:
            if "path" not in alteration:
                raise InvalidArgumentError(f"{alteration!r} has no 'path', the column to change.")
            column = alteration["path"]
            schema.check_column(dataset, self.name, column.split(".")[0])
            if "udf" in alteration:
                self._repoint(dataset, alteration)
                continue
            schema.check_alteration(dataset, self.name, alteration)
            self._lancedb().alter_columns(alteration, **kwargs)
            if "rename" in alteration:
                dataset = self._dataset()
                schema.rename_inputs(dataset, column, alteration["rename"])
        self._follow()

    def drop_columns(self, columns: Sequence[str]) -> None:
        """Drop columns.

        Raises
        ------
        ColumnNotFoundError
            A column does not exist.
        InvalidArgumentError
            A computed column that stays reads one of them, or is computed together with one.
        """
        names = [columns] if isinstance(columns, str) else list(columns)
        dataset = self._dataset()
        for name in names:
            schema.check_column(dataset, self.name, name.split(".")[0])
        schema.check_droppable(dataset, self.name, names)
        self._lancedb().drop_columns(names)

    def optimize(self, *, cleanup_older_than: timedelta | None = None, **kwargs: Any) -> None:
        """Compact small fragments, remove old versions and update indices, as LanceDB does.

        A compaction makes nothing stale: what is known of the rows is followed into the new
        fragments, and noted before the versions that tell it are removed.

        Parameters
        ----------
        cleanup_older_than
            Age of the versions to remove. Default: LanceDB's, 7 days.
        **kwargs
            Passed on to LanceDB.
        """
        if computed_columns(self._dataset()):
            self._lancedb().optimize(cleanup_older_than=_KEEP_ALL, **kwargs)
            note_lineage(self._dataset(), self._location)
        self._lancedb().optimize(cleanup_older_than=cleanup_older_than, **kwargs)

    # -- backfill ----------------------------------------------------------------------------

    def backfill(
        self,
        columns: str | Sequence[str] | None = None,
        *,
        udf: UDF | UnpackedUDF | None = None,
        where: str | None = None,
        concurrency: int = 8,
        intra_applier_concurrency: int = 1,
        num_cpus: float | None = None,
        num_gpus: float | None = None,
        memory: int | None = None,
        batch_size: int | None = None,
        checkpoint_size: int | None = None,
        min_checkpoint_size: int | None = None,
        max_checkpoint_size: int | None = None,
        checkpoint_interval_seconds: float | None = None,
        task_size: int | None = None,
        num_frags: int | None = None,
        skip_frags: int = 0,
        commit_granularity: int | None = 64,
        timeout: timedelta | float | None = None,
        stall_timeout: timedelta | float | None = None,
        only: str | None = None,
        on_error: OnError | None = None,
        max_errors: float | None = None,
        row_timeout: timedelta | float | None = None,
        force: bool = False,
        progress: bool = True,
        runner: str | None = None,
        job_id: str | None = None,
        _admission_check: bool | None = None,
        _admission_strict: bool | None = None,
    ) -> BackfillJobResult:
        """Compute the rows of computed columns that are missing or stale.

        A row is stale when another version of the function computed it, or when its inputs changed
        since; rows that others moved are followed through the table's history. What is computed is
        durable all the time: after a failure, a crash or Ctrl-C, the same call goes on from there.

        Parameters
        ----------
        columns
            The computed column, or several: each is computed after those that it is computed from,
            and those that read the same rows in one pass. Default: every computed column that is
            not up to date, and those that are computed from it. Columns that one function fills are
            computed together, whichever is named.
        udf
            Use this function for this job instead of the column's own. For one column only.
        where
            SQL filter: compute only rows that match.
        concurrency
            Most appliers at work at once; fewer run when the machine has fewer CPUs, GPUs or less
            memory than they ask for, or when the work is too little to be worth more processes.
        intra_applier_concurrency
            Threads per applier, for functions that wait or release the interpreter lock.
        num_cpus, num_gpus, memory
            Resources per applier for this job. Default: what the function asks for.
        batch_size
            Rows per batch. Default: starts at 32 and grows while batches are fast and small.
        checkpoint_size
            Rows after which a part is made durable, and most rows of a batch. Default: decided by
            time.
        min_checkpoint_size
            Fewest rows of a part that is made durable because of time. Default: 1.
        max_checkpoint_size
            Most rows of a part. Default: ``checkpoint_size``.
        checkpoint_interval_seconds
            Seconds of compute that a worker puts at risk before it makes a part durable. Default:
            10 (``GENEVA_CHECKPOINT_INTERVAL_S``).
        task_size
            Rows per task. Default: whole fragments, split when workers would be idle.
        num_frags, skip_frags
            Compute at most so many of the fragments that need work, after passing over some.
        commit_granularity
            Fragments per commit, and so how soon readers see results. None commits once.
        timeout
            Seconds, or a timedelta, after which the job is stopped; what is computed is kept.
        stall_timeout
            Seconds, or a timedelta, that the job may wait for storage while no worker computes;
            then it fails and says what it waits for. Default: 5 minutes
            (``GENEVA_STALL_TIMEOUT_S``).
        only
            ``"errors"`` computes only the rows that :meth:`errors` lists.
        on_error
            What becomes of rows that fail: a list of :class:`Retry`, :class:`Skip` and
            :class:`Fail`. Default: what the function says.
        max_errors
            Most rows that may fail: a whole number, or a share of the rows to compute as a float.
            Default: what the function says.
        row_timeout
            Seconds, or a timedelta, that one call of the function may take. Default: what the
            function says.
        force
            Compute rows again that are computed already.
        progress
            Bars on a terminal or in a notebook, lines elsewhere; False shows nothing.
        runner
            ``"process"`` runs worker processes; ``"inline"`` runs in this thread, for debugging;
            ``"ray"`` runs on the Ray cluster that this process is connected to. Default: Ray if it
            is connected to a cluster, else processes.
        job_id
            Id of the job. Default: a new one.
        _admission_check, _admission_strict
            False for the first runs the job whatever it asks for, False for the second only warns
            of what can never fit. Default: ``GENEVA_ADMISSION__CHECK`` and
            ``GENEVA_ADMISSION__STRICT``, which are true.

        Returns
        -------
        BackfillJobResult
            What was done.

        Raises
        ------
        ColumnNotFoundError, NotComputedError, InvalidArgumentError, FilterError
            The arguments cannot be used; nothing was written.
        ColumnBusyError
            Another job computes the column; its id, where it runs and since when. Nothing was
            written.
        ResourcesUnavailableError
            Not even one applier fits on this machine; nothing was written.
        UDFError, WrongReturnTypeError
            The function failed; the user's exception is its cause.
        SkipThresholdExceededError
            More rows failed than may.
        BackfillTimeoutError, StalledError, FatalWorkerError, TableChangedError
            The job ended early.
        """
        arguments = _arguments(locals())
        job = self._job(columns, udf, arguments, job_id, warn=True)
        try:
            return run_job(job, runner=runner, progress=progress)
        finally:
            self._follow()

    def backfill_async(
        self,
        columns: str | Sequence[str] | None = None,
        *,
        udf: UDF | UnpackedUDF | None = None,
        progress: bool = False,
        runner: str | None = None,
        job_id: str | None = None,
        **kwargs: Any,
    ) -> JobFuture:
        """Begin a backfill and return at once.

        Takes what :meth:`backfill` takes; shows no progress unless asked. Bad arguments are refused
        here, not later.

        Returns
        -------
        JobFuture
            ``result()`` waits, ``status()`` tells how far it is, ``cancel()`` stops it.
        """
        arguments = _arguments(kwargs)
        unknown = set(kwargs) - set(BackfillArguments.__dataclass_fields__)
        if unknown:
            raise TypeError(f"backfill_async() got an unexpected argument {min(unknown)!r}")
        job = self._job(columns, udf, arguments, job_id, warn=True)
        return begin_job(job, runner=runner, progress=progress)

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
        return clean_up(self._location, dry_run=dry_run, resumable=resumable)

    # The overloads say only what decides the result.
    @overload
    def plan_backfill(self, col_name: str, **arguments: Any) -> Plan: ...
    @overload
    def plan_backfill(self, col_name: Sequence[str] | None = None, **arguments: Any) -> Plans: ...
    def plan_backfill(  # type: ignore[misc]
        self,
        col_name: str | Sequence[str] | None = None,
        *,
        udf: UDF | UnpackedUDF | None = None,
        where: str | None = None,
        concurrency: int = 8,
        intra_applier_concurrency: int = 1,
        num_cpus: float | None = None,
        num_gpus: float | None = None,
        memory: int | None = None,
        num_frags: int | None = None,
        skip_frags: int = 0,
        task_size: int | None = None,
        read_version: int | None = None,
        only: str | None = None,
        force: bool = False,
        sample: int | None = None,
        sample_timeout: timedelta | float = 60.0,
    ) -> Plan | Plans:
        """Say what :meth:`backfill` would do and what it would ask for, without doing it.

        Parameters
        ----------
        col_name
            The computed column.
        udf, where, concurrency, intra_applier_concurrency, num_cpus, num_gpus, memory, num_frags, \
skip_frags, task_size, force
            As in :meth:`backfill`.
        read_version
            Version of the table to look at. Default: the latest.
        sample
            Run the function on so many of the rows in a worker, and add an estimate of how long the
            job will take, with how much memory and output. Default: no function is run.
        sample_timeout
            Seconds, or a timedelta, that the sample may take.

        Returns
        -------
        Plan or Plans
            The same object that the run executes; ``print()`` it. Of several columns, or none
            named, the plans in the order in which they are computed.
        """
        arguments = _arguments(locals())
        job = self._job(col_name, udf, arguments, None)
        dataset = open_dataset(self._location, read_version)
        if isinstance(col_name, str):
            return self._plan(job, dataset, sample, sample_timeout)
        plans = [
            self._plan(replace(job, column=one, then=()), dataset, sample, sample_timeout)
            for one in job.columns
        ]
        after = {name: read for name, read in reads_of(job.columns).items() if read}
        return Plans(tuple(plans), after, passes_together(job.columns, arguments))

    def _plan(
        self,
        job: BackfillJob,
        dataset: Dataset,
        sample: int | None,
        sample_timeout: timedelta | float,
    ) -> Plan:
        spec, planned = plan(job, dataset)
        shape = shape_here()
        footprint = footprint_on(spec, shape)
        planned = replace(
            planned,
            footprint=footprint,
            admission=admit(footprint, shape),
            known_peak_bytes=read_peak(TableFiles(self._location), job.column),
            free_disk_bytes=free_bytes(self._location),
        )
        if sample is None:
            return planned
        return with_estimate(planned, job, spec, sample=sample, timeout=sample_timeout)

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
        dataset = open_dataset(self._location, read_version)
        column = self._computed(dataset, col_name, None)
        return replay(self._location, column, row_id, dataset.version)

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
        dataset = open_dataset(self._location, read_version)
        return status_of(dataset, self._location, self._computed(dataset, col_name, None))

    # -- another function ---------------------------------------------------------------------

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
        if limit < 1:
            raise InvalidArgumentError(f"limit={limit!r}; expected at least 1 row.")
        dataset = self._dataset()
        column, function, inputs, changes = self._other_function(dataset, col_name, udf)
        return diff_function(
            dataset, self.name, column, function, inputs, changes, limit=limit, where=where
        )

    # -- verification ------------------------------------------------------------------------

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
        return verify_columns(self._dataset(), self._location, column, deep=deep)

    # -- rows that failed --------------------------------------------------------------------

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

    def _failures(self, column: str | None, *, current: bool) -> pa.Table:
        dataset = self._dataset()
        if column is not None:
            schema.check_column(dataset, self.name, column)
        return failures_of_table(dataset, self._location, column, current=current)

    def _job(
        self,
        columns: str | Sequence[str] | None,
        udf: UDF | UnpackedUDF | None,
        arguments: BackfillArguments,
        job_id: str | None,
        *,
        warn: bool = False,
    ) -> BackfillJob:
        check_arguments(arguments)
        dataset = self._dataset()
        names = [columns] if isinstance(columns, str) else list(columns or ())
        if udf is not None and len(names) != 1:
            raise InvalidArgumentError(f"udf= is for one column; columns={columns!r}.")
        if columns is None:
            found = outdated_columns(dataset, self._location, arguments)
        else:
            found = in_order([self._computed(dataset, name, udf) for name in names])
        if not found:
            raise InvalidArgumentError(f"columns={columns!r} names no column.")
        for column in found:
            backfill_spec(column, arguments)  # Refuses what contradicts the function's own sizes.
        if warn:
            warn_of_stale_inputs(dataset, self._location, found, arguments)
        first, *then = found
        return BackfillJob(
            job_id or new_job_id(), self._location, first, arguments, then=tuple(then)
        )

    def _computed(
        self, dataset: Dataset, name: str, udf: UDF | UnpackedUDF | None
    ) -> ComputedColumn:
        schema.check_column(dataset, self.name, name)
        column = computed_column(dataset, name)
        if udf is None:
            return column
        function, given = packed_of(name, udf)
        if function is None:
            raise InvalidArgumentError(f"udf={udf!r}; expected a function decorated with @udf.")
        inputs = schema.resolve_inputs(dataset, self.name, name, function, given)
        self._check_type(column, function)
        packed = pack_function(function)
        files = TableFiles(self._location)
        store_function(files, packed)
        column = with_function(column, function, inputs, packed.path)
        note_override(files, column)
        return column

    def _add_group(self, unpacked: UnpackedUDF, given: Sequence[str] | None) -> None:
        dataset = self._dataset()
        name = unpacked.fields[0].output_column
        inputs = schema.resolve_inputs(dataset, self.name, name, unpacked.udf, given)
        schema.declare_group(dataset, self._location, unpacked, inputs)
        self._follow()

    def _repoint(self, dataset: Dataset, alteration: dict[str, Any]) -> None:
        name = alteration["path"]
        function, given = packed_of(name, alteration["udf"])
        if function is None:
            raise InvalidArgumentError(
                f"{alteration['udf']!r} is not a function decorated with @udf."
            )
        given = alteration.get("input_columns", given)
        inputs = schema.resolve_inputs(dataset, self.name, name, function, given)
        check_acyclic(distinct_columns(dataset), name, inputs)
        changes = schema.repoint_column(dataset, self._location, name, function, inputs)
        if changes is not None:
            say(str(changes))

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

    def _check_type(self, column: ComputedColumn, function: UDF) -> None:
        returned = unpacked_type(function) if column.is_group else function.data_type
        if returned != column.data_type:
            raise InvalidArgumentError(
                f"{function.name} returns {function.data_type}, but column {column.name!r} of "
                f"{self.name!r} is {column.data_type}."
            )

    def _dataset(self) -> Dataset:
        return open_dataset(self._location)

    def _follow(self) -> None:
        """Let LanceDB's handle see what was committed beside it."""
        if self._opened is not None:
            # If the table was dropped meanwhile, whoever uses the handle next will learn it.
            with contextlib.suppress(RuntimeError, ValueError, OSError):
                self._opened.checkout_latest()


def _arguments(given: Mapping[str, Any]) -> BackfillArguments:
    names = BackfillArguments.__dataclass_fields__
    return BackfillArguments(**{name: given[name] for name in names if name in given})
