"""Computed columns are filled: backfills in the foreground, in the background, and planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, overload

from geneva.errors import InvalidArgumentError
from geneva.jobs.dependencies import in_order, reads_of
from geneva.jobs.spec import BackfillArguments, backfill_spec, check_arguments
from geneva.runners.select import shape_here, start_ahead
from geneva.storage.dataset import Dataset, open_dataset
from geneva.storage.files import TableFiles
from geneva.table_handle import TableHandle

if TYPE_CHECKING:
    from geneva.job_future import JobFuture
    from geneva.jobs.planner import Plan
    from geneva.jobs.plans import Plans
    from geneva.jobs.result import BackfillJobResult
    from geneva.pipeline.backfill_job import BackfillJob
    from geneva.storage.model import ComputedColumn
    from geneva.transformer.policy import OnError
    from geneva.transformer.udf import UDF
    from geneva.transformer.unpacked import UnpackedUDF


class TableBackfill(TableHandle):
    """The methods of a table that fill columns, or say what filling them would take."""

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
        dataset, found = self._wanted(columns, udf, arguments)
        # A worker takes as long to start as what drives it takes to load.
        start_ahead(runner)
        from geneva.job import run_job

        job = self._job(found, arguments, job_id, dataset)
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
        dataset, found = self._wanted(columns, udf, arguments)
        start_ahead(runner)
        from geneva.job import begin_job

        job = self._job(found, arguments, job_id, dataset)
        return begin_job(job, runner=runner, progress=progress)

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
        from geneva.jobs.plans import Plans
        from geneva.pipeline.sharing import passes_together

        arguments = _arguments(locals())
        _, found = self._wanted(col_name, udf, arguments)
        job = self._job(found, arguments, None)
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
        from geneva.pipeline.admission import footprint_on
        from geneva.pipeline.backfill_job import plan
        from geneva.resources.admission import admit
        from geneva.storage.peaks import read_peak
        from geneva.storage.space import free_bytes

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
        from geneva.preview import with_estimate

        return with_estimate(planned, job, spec, sample=sample, timeout=sample_timeout)

    def _wanted(
        self,
        columns: str | Sequence[str] | None,
        udf: UDF | UnpackedUDF | None,
        arguments: BackfillArguments,
    ) -> tuple[Dataset, Sequence[ComputedColumn]]:
        """Return the table and the columns that a call is about, or refuse what cannot be used."""
        check_arguments(arguments)
        dataset = self._dataset()
        names = [columns] if isinstance(columns, str) else list(columns or ())
        if udf is not None and len(names) != 1:
            raise InvalidArgumentError(f"udf= is for one column; columns={columns!r}.")
        found: Sequence[ComputedColumn]
        if columns is None:
            from geneva.pipeline.selection import outdated_columns

            found = outdated_columns(dataset, self._location, arguments)
        else:
            found = in_order([self._computed(dataset, name, udf) for name in names])
        if not found:
            raise InvalidArgumentError(f"columns={columns!r} names no column.")
        for column in found:
            backfill_spec(column, arguments)  # Refuses what contradicts the function's own sizes.
        return dataset, found

    def _job(
        self,
        found: Sequence[ComputedColumn],
        arguments: BackfillArguments,
        job_id: str | None,
        dataset: Dataset | None = None,
    ) -> BackfillJob:
        """Return a call as a job; of a table, warn of what the caller should know of its inputs."""
        from geneva.pipeline.backfill_job import BackfillJob, new_job_id
        from geneva.pipeline.selection import warn_of_stale_inputs

        if dataset is not None:
            warn_of_stale_inputs(dataset, self._location, found, arguments)
        first, *then = found
        return BackfillJob(
            job_id or new_job_id(), self._location, first, arguments, then=tuple(then)
        )


def _arguments(given: Mapping[str, Any]) -> BackfillArguments:
    names = BackfillArguments.__dataclass_fields__
    return BackfillArguments(**{name: given[name] for name in names if name in given})
