"""A task's rows, read in batches of the size that suits the function."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from geneva.jobs.stage import Stage
from geneva.jobs.tasks import ApplyTask, FragmentPlan
from geneva.pipeline.activity import Activity
from geneva.pipeline.batching import BatchSizer
from geneva.pipeline.reporter import Reporter
from geneva.storage.model import unpack_rows
from geneva.storage.reader import RowReader

Batch = tuple[np.ndarray, pa.RecordBatch]


def read_batches(
    rows: RowReader,
    sizer: BatchSizer,
    activity: Activity,
    task: ApplyTask,
    fragment: FragmentPlan,
    reporter: Reporter,
) -> Iterator[Batch]:
    """Yield batches of the size that suits the function, with the offsets of their rows."""
    exclude = (
        None if fragment.exclude is None else unpack_rows(fragment.exclude, fragment.physical_rows)
    )
    reader = rows.read(task.fragment_id, task.rows, fragment.where)
    while True:
        started = time.perf_counter()
        activity.enter(Stage.READ)
        window = next(reader, None)
        reporter.read_s += time.perf_counter() - started
        if window is None:
            return
        offsets, batch = window
        if exclude is not None:
            wanted = ~exclude[offsets]
            offsets, batch = offsets[wanted], batch.filter(pa.array(wanted))
        position = 0
        while position < len(offsets):
            size = min(sizer.rows, task.batch_rows or sizer.rows)
            yield offsets[position : position + size], batch.slice(position, size)
            position += size
