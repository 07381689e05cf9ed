"""Before a run: a function's preview on a sample, and a plan's estimate from one."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from statistics import fmean
from typing import Any

from geneva.config import settings, signing_key
from geneva.errors import InvalidArgumentError
from geneva.jobs.commands import JobContext
from geneva.jobs.estimate import Work, estimate, steady_rates
from geneva.jobs.planner import Plan
from geneva.jobs.preview import Preview
from geneva.jobs.spec import BackfillSpec
from geneva.pipeline.backfill_job import BackfillJob, new_job_id
from geneva.pipeline.batching import BatchSizer
from geneva.pipeline.rehearsal import Rehearsal
from geneva.pipeline.trust import check_trust
from geneva.progress.display import choose_display
from geneva.runners.preview import run_preview
from geneva.storage import schema
from geneva.storage.dataset import Dataset
from geneva.storage.definitions import computed_column, unattached
from geneva.storage.model import ComputedColumn, TableLocation
from geneva.storage.packed_functions import pack_function
from geneva.transformer.transform import function_of

# Of a function that takes batches: the first is the warm-up, the others say how much they differ.
_BATCHES = 5
# So often a batch grows from its first size to the largest that there is.
_MOST_GROWTHS = 7


def preview_table(
    dataset: Dataset,
    location: TableLocation,
    column_or_udf: Any,
    *,
    limit: int,
    where: str | None,
    input_columns: Sequence[str] | None,
    timeout: timedelta | float,
    progress: bool,
    runner: str | None,
) -> Preview:
    """Run a column's function, or one that no column has yet, on a sample; see ``Table.preview``.

    Parameters
    ----------
    dataset, location
        The table at the version to read, and where it is.
    column_or_udf, limit, where, input_columns, timeout, progress, runner
        As in :meth:`geneva.table.Table.preview`.
    """
    _check_limit("limit", limit)
    if where is not None and not str(where).strip():
        raise InvalidArgumentError(f'where={where!r}; expected SQL such as "id > 10", or None.')
    timeout_s = _timeout_s(timeout)
    column, packed = _column_of(dataset, location.name, column_or_udf, input_columns)
    check_trust(location, column, warnings.warn)
    rehearsal = Rehearsal(
        _context(location, dataset.version, column), limit, where=where, packed=packed
    )
    return _shown(rehearsal, timeout_s, progress=progress, runner=runner)


def with_estimate(
    plan: Plan, job: BackfillJob, spec: BackfillSpec, *, sample: int, timeout: timedelta | float
) -> Plan:
    """Run the function of a planned job on a few of its rows, and add what that tells.

    Parameters
    ----------
    plan, job, spec
        The job, planned and admitted.
    sample
        Most rows to compute.
    timeout
        Seconds, or a timedelta, that it may take.
    """
    _check_limit("sample", sample)
    timeout_s = _timeout_s(timeout)
    if not plan.total_rows_pending:
        return plan
    check_trust(job.location, job.column, warnings.warn)
    rehearsal = Rehearsal(
        replace(_context(job.location, plan.version, job.column), batch_size=spec.batch_size),
        sample,
        where=spec.where,
        fragments=tuple(f.fragment_id for f in plan.fragments if f.pending_rows),
        calls=_BATCHES,
        scattered=True,
    )
    seen = _shown(rehearsal, timeout_s, progress=False, runner=None)
    now = 1 if plan.admission is None else plan.admission.now
    work = Work(
        rows=plan.total_rows_pending,
        appliers=max(1, min(now, spec.concurrency, plan.total_rows_pending)),
        batch_rows=_batch_rows(seen, spec),
        input_bytes=plan.input_bytes,
        output_bytes=plan.output_bytes,
        known_peak_bytes=plan.known_peak_bytes,
    )
    return replace(plan, estimate=estimate(seen, work))


def _batch_rows(seen: Preview, spec: BackfillSpec) -> int:
    """Return the most rows that a batch of a job will have."""
    sizer = BatchSizer(spec.batch_size, spec.checkpoint_size)
    rows = sum(call.rows for call in seen.calls)
    if not rows:
        return sizer.rows
    rates, _ = steady_rates(seen)
    output_bytes = sum(call.output_bytes for call in seen.calls) // rows
    most = 0
    for _ in range(_MOST_GROWTHS):
        most = max(most, sizer.rows)
        sizer.record(sizer.rows, sizer.rows * fmean(rates), sizer.rows * output_bytes)
    return most


def _shown(
    rehearsal: Rehearsal, timeout_s: float, *, progress: bool, runner: str | None
) -> Preview:
    display = choose_display(
        wanted=progress, bars=runner != "inline", interval_s=settings().progress_interval_s
    )
    try:
        return run_preview(rehearsal, runner=runner, timeout_s=timeout_s, show=display.show)
    finally:
        display.close()


def _column_of(
    dataset: Dataset, table: str, column_or_udf: Any, input_columns: Sequence[str] | None
) -> tuple[ComputedColumn, bytes | None]:
    """Return the column to compute, and the function if the table does not have it."""
    if isinstance(column_or_udf, str):
        if input_columns is not None:
            raise InvalidArgumentError(
                f"input_columns={input_columns!r} with the column {column_or_udf!r}, which has its "
                "own. Give the function in place of the column's name."
            )
        schema.check_column(dataset, table, column_or_udf)
        return computed_column(dataset, column_or_udf), None
    function, given = function_of("(preview)", column_or_udf)
    if function is None:
        raise InvalidArgumentError(
            f"{column_or_udf!r} is neither the name of a computed column nor a function decorated "
            "with @geneva.udf."
        )
    given = given if input_columns is None else input_columns
    inputs = schema.resolve_inputs(dataset, table, "", function, given)
    packed = pack_function(function)
    return unattached(function, inputs, packed.path), packed.payload


def _context(location: TableLocation, version: int, column: ComputedColumn) -> JobContext:
    batch_size = column.options.get("batch_size")
    return JobContext(
        job_id="preview",
        call_id=new_job_id(),
        location=location,
        version=version,
        column=column,
        batch_size=batch_size if isinstance(batch_size, int) else None,
        checkpoint_size=None,
        min_checkpoint_size=1,
        checkpoint_interval_s=1.0,
        threads=1,
        signing_key=signing_key(),
    )


def _check_limit(name: str, value: object) -> None:
    if type(value) is not int or value < 1:
        raise InvalidArgumentError(f"{name}={value!r}; expected a whole number of at least 1.")


def _timeout_s(timeout: timedelta | float) -> float:
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if type(seconds) not in (int, float) or not math.isfinite(seconds) or seconds <= 0:
        raise InvalidArgumentError(
            f"timeout={timeout!r}; expected more than 0 seconds, or a timedelta."
        )
    return float(seconds)
