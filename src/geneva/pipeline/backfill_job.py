"""A backfill as an object that travels, and its plan: what a dry run and a run have in common."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime

from geneva.jobs.planner import Plan, plan_backfill
from geneva.jobs.progress import Progress
from geneva.jobs.spec import BackfillArguments, BackfillSpec, backfill_spec
from geneva.pipeline.sharing import shared_plan
from geneva.storage.dataset import Dataset
from geneva.storage.failed_rows import failed_offsets
from geneva.storage.model import ComputedColumn, TableLocation
from geneva.storage.snapshot import take_snapshot
from geneva.tracing.context import TraceContext, caller_context


def new_job_id() -> str:
    """Return a new, unique id of a job."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Before:
    """What a job did before it was paused.

    Attributes
    ----------
    progress : Progress
        How far it was.
    launched_at : datetime
        When it was submitted.
    """

    progress: Progress
    launched_at: datetime


@dataclass(frozen=True, slots=True)
class BackfillJob:
    """A backfill that can be run.

    Attributes
    ----------
    job_id : str
        Its id.
    location, column : TableLocation, ComputedColumn
        What to compute.
    arguments : BackfillArguments
        How, as the caller said it.
    call_id : str
        The call of ``backfill``; all drivers of a job on a cluster have the same.
    then : tuple of ComputedColumn
        Columns to compute after that one, in this order.
    before : Before or None
        What it did before it was paused, if that can be counted on.
    resumed_by : str or None
        Who lets it go on after it was paused; None for one that begins.
    trace : TraceContext
        The trace that it belongs to, wherever it runs.
    """

    job_id: str
    location: TableLocation
    column: ComputedColumn
    arguments: BackfillArguments
    call_id: str = field(default_factory=new_job_id)
    then: tuple[ComputedColumn, ...] = ()
    before: Before | None = None
    resumed_by: str | None = None
    trace: TraceContext = field(default_factory=caller_context)

    @property
    def columns(self) -> tuple[ComputedColumn, ...]:
        """All that is computed, in order."""
        return (self.column, *self.then)

    @property
    def column_names(self) -> list[str]:
        """Names of all columns that are filled."""
        return [name for column in self.columns for name in column.output_names]


def plan(
    job: BackfillJob, dataset: Dataset, *, keep_proofs: bool = False
) -> tuple[BackfillSpec, Plan]:
    """Look at a table and plan a backfill; this is what both a dry run and a run execute.

    A dry run writes nothing, so only a run keeps what it found out about the table's history.
    """
    spec = backfill_spec(job.column, job.arguments)
    if job.column.targets:
        ones = [replace(job, column=one) for one in job.column.targets]
        plans = [plan(one, dataset, keep_proofs=keep_proofs)[1] for one in ones]
        return spec, shared_plan(job.column.targets, plans)
    snapshot = take_snapshot(
        dataset,
        job.location,
        job.column,
        where=spec.where,
        redo_except=job.call_id if spec.force else None,
        keep_proofs=keep_proofs,
        only=None if spec.only is None else failed_offsets(dataset, job.location, job.column),
    )
    return spec, plan_backfill(spec, snapshot)
