"""Make a job fit into memory before it begins, and warn if it will not fit on the disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from geneva.jobs.memory_watch import memory_shortage
from geneva.jobs.planner import Plan
from geneva.jobs.spec import BackfillSpec
from geneva.jobs.wording import size
from geneva.pipeline.admission import Grant
from geneva.resources.memory import (
    MemoryEstimate,
    largest_batch,
    rows_held,
    workers_in_memory,
)
from geneva.storage.dataset import Dataset
from geneva.storage.model import ComputedColumn
from geneva.storage.reader import row_bytes

# Files are rarely smaller than their values by more than that.
_COMPRESSED = 16


def workers_within_memory(
    grant: Grant, target: str, known_peak_bytes: int, warn: Callable[[str], None]
) -> Grant:
    """Grant no more workers than there is memory for, as far as it is known what one takes.

    Parameters
    ----------
    grant
        What was granted for other reasons.
    target
        Table and column, for messages.
    known_peak_bytes
        What an applier of this function took in an earlier job; 0 if unknown.
    warn
        Takes a warning: fewer workers than granted, or nodes whose memory may not be enough.
    """
    if known_peak_bytes <= grant.applier_bytes or not grant.applier_bytes:
        return grant
    each = (grant.workers, grant.applier_bytes, grant.memory_bytes)
    warn(memory_shortage(target, known_peak_bytes, " in an earlier job", *each))
    if not grant.memory_bytes:
        return grant
    fit = workers_in_memory(grant.workers, grant.memory_bytes, known_peak_bytes)
    fewer = f"an applier took {size(known_peak_bytes)} of memory in an earlier job"
    reason = fewer if fit < grant.workers else grant.reason
    share = grant.memory_bytes // fit
    return replace(grant, workers=fit, applier_bytes=share, reason=reason)


def warn_of_full_disk(
    planned: Plan, free_disk_bytes: int | None, warn: Callable[[str], None]
) -> None:
    """Warn of values that do not fit on the table's disk, as far as their type says."""
    if free_disk_bytes is None or planned.output_bytes <= free_disk_bytes:
        return
    warn(
        f"Backfill of {planned.table_name}.{planned.column_name} writes about "
        f"{size(planned.output_bytes)}, and {size(free_disk_bytes)} are free on the table's disk. "
        "It goes on until that is full, and keeps what is computed. Free some space, or compute a "
        "part of the rows with where= or num_frags=."
    )


def batches_within_memory(
    spec: BackfillSpec,
    planned: Plan,
    dataset: Dataset,
    column: ComputedColumn,
    grant: Grant,
    warn: Callable[[str], None],
) -> BackfillSpec:
    """Lower a batch size that the caller chose and whose rows do not fit into memory.

    The size of the files says roughly how large rows are; only if they could be too large, a few
    are read. A batch size that adapts needs none of this: it is bounded in bytes.

    Parameters
    ----------
    spec, planned
        What is asked, and what is to be done.
    dataset, column
        The table at the version that is read, and the column.
    grant
        What appliers may take.
    warn
        Takes a warning.
    """
    available_bytes = grant.applier_bytes
    if spec.batch_size is None or not planned.tasks or not available_bytes:
        return spec
    threads = spec.intra_applier_concurrency
    held = rows_held(spec.batch_size, threads)
    at_most = _COMPRESSED * planned.input_bytes // max(1, planned.total_rows_pending)
    if MemoryEstimate(at_most, held).applier_bytes <= available_bytes:
        return spec
    each = row_bytes(dataset, planned.tasks[0].fragment_id, list(column.input_columns))
    estimate = MemoryEstimate(each, held).applier_bytes
    most = largest_batch(each, threads, available_bytes)
    if estimate <= available_bytes or most >= spec.batch_size:
        return spec
    warn(
        f"Backfill of {planned.table_name}.{planned.column_name}: batch_size is lowered from "
        f"{spec.batch_size:,} to {most:,}. A row has {each / 2**20:,.1f} MiB, an applier would "
        f"hold {held:,} of them and take {size(estimate)}, and each of {grant.workers} may take "
        f"{size(available_bytes)}. Lower batch_size or concurrency, or use a machine with more "
        "memory."
    )
    return replace(spec, batch_size=most)
