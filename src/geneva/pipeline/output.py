"""Where a task's values go: straight into the final column file, or into parts.

Values are held in memory until the task ends, a checkpoint is due, or they become many. A task
that computes a whole fragment within one checkpoint interval writes the final file and nothing
else. One that takes longer writes a part per interval, so that little work is ever at risk.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from geneva.jobs.commands import JobContext
from geneva.jobs.tasks import ApplyTask, FragmentPlan
from geneva.pipeline.control import TaskControl
from geneva.pipeline.provenance import file_metadata
from geneva.storage.column_file import ColumnFiles, ColumnFileWriter
from geneva.storage.failures import FailedRow
from geneva.storage.files import TableFiles
from geneva.storage.model import ColumnFile, Part, RowRange, pack_rows
from geneva.storage.shared import SharedFiles, SharedWriter, write_values

_MOST_BUFFERED_BYTES = 4 << 20


class TaskOutput:
    """Takes the values of one task and makes them durable.

    Parameters
    ----------
    context, column_files
        The job, and where its column files go.
    task, fragment
        The task and its fragment's plan.
    control
        Says how much compute may be at risk.
    note_part
        Called with each part that became durable.
    note_failures
        Stores what went wrong with rows, before a file is written that leaves them out.
    """

    def __init__(
        self,
        context: JobContext,
        column_files: ColumnFiles | SharedFiles,
        task: ApplyTask,
        fragment: FragmentPlan,
        control: TaskControl,
        note_part: Callable[[Part], None],
        note_failures: Callable[[list[FailedRow]], None],
    ) -> None:
        self._context = context
        self._column_files = column_files
        self._task = task
        self._fragment = fragment
        # A fragment that was split has several tasks, and none of them is the whole of it.
        self._whole = fragment.whole and task.rows == RowRange(0, fragment.physical_rows)
        self._control = control
        self._note_part = note_part
        self._note_failures = note_failures
        self._failures: list[FailedRow] = []
        self._offsets: list[np.ndarray] = []
        self._values: list[pa.Array] = []
        self._bytes = 0
        self._rows = 0
        self._direct: ColumnFileWriter | SharedWriter | None = None
        self._part_start = task.rows.start
        self._position = task.rows.start
        self._opened_at = time.perf_counter()
        self.seconds = 0.0

    def leave_out(self, failures: list[FailedRow]) -> None:
        """Take rows for which the function failed; before the values of their batch."""
        self._failures += failures
        self._rows += len(failures)

    def append(self, offsets: np.ndarray, values: pa.Array, upto: int) -> None:
        """Take the values of a batch, in order of rows, which ends before the offset ``upto``."""
        most = self._context.checkpoint_size or len(offsets)
        while len(offsets):
            room = most - self._rows if self._rows < most else most
            self._append(offsets[:room], values.slice(0, room))
            offsets, values = offsets[room:], values.slice(room)
        self._position = max(self._position, upto)
        if self._failures and self._checkpoint_due(time.perf_counter()):
            self._write_part(self._position)

    def _append(self, offsets: np.ndarray, values: pa.Array) -> None:
        started = time.perf_counter()
        self._position = int(offsets[-1]) + 1
        self._rows += len(offsets)
        if self._direct is not None:
            self._direct.append(offsets, values)
        else:
            self._offsets.append(offsets)
            self._values.append(values)
            self._bytes += values.nbytes
        if self._checkpoint_due(started):
            self._write_part(self._position)
        elif self._bytes > _MOST_BUFFERED_BYTES and self._direct is None:
            if self._fits_one_interval(started) and not self._failures:
                self._open_direct(complete=self._fragment.complete)
            else:
                self._write_part(self._position)
        self.seconds += time.perf_counter() - started

    def finish(self, done: RowRange) -> ColumnFile | None:
        """End the task, which accounts for these rows.

        Returns the column file if the task was a whole fragment, in one piece to its end.
        """
        untouched = self._part_start == self._task.rows.start
        misnamed = self._direct is not None and bool(self._failures)
        if misnamed or not (self._whole and untouched and done == self._task.rows):
            self._write_part(done.stop)
            return None
        failed = self._failed()
        complete = self._fragment.complete and not len(failed)
        writer = self._direct or self._open_direct(complete=complete)
        rows = self._fragment.physical_rows
        covered = None if complete else writer.covered_rows(rows)
        mask = np.zeros(rows, bool)
        mask[failed] = True
        return writer.close(
            self._fragment.fragment_id,
            rows,
            file_metadata(self._context),
            covered,
            pack_rows(mask) if len(failed) else None,
        )

    def keep(self) -> None:
        """Make what was taken so far durable, after a failure."""
        self._write_part(self._position)

    def _checkpoint_due(self, now_s: float) -> bool:
        if self._position >= self._task.rows.stop:
            return False  # finish() comes next.
        largest = self._context.checkpoint_size
        if largest is not None and self._rows >= largest:
            return True
        waited = now_s - self._opened_at >= self._control.checkpoint_interval_s
        return waited and self._rows >= self._context.min_checkpoint_size

    def _fits_one_interval(self, now_s: float) -> bool:
        """Guess from the pace so far whether the whole fragment is done before a checkpoint."""
        if not self._whole or self._context.column.is_blob:
            return False
        if self._part_start > self._task.rows.start or self._context.checkpoint_size is not None:
            return False
        share = (self._position - self._task.rows.start) / len(self._task.rows)
        return (now_s - self._opened_at) / share < self._control.checkpoint_interval_s / 2

    def _open_direct(self, *, complete: bool) -> ColumnFileWriter | SharedWriter:
        writer = self._column_files.open(self._fragment.fingerprint, complete=complete)
        for offsets, values in zip(self._offsets, self._values, strict=True):
            writer.append(offsets, values)
        self._clear()
        self._direct = writer
        return writer

    def _write_part(self, stop: int) -> None:
        if self._direct is not None:
            offsets, values = self._direct.take_back()
            self._direct = None
            self._offsets, self._values = [offsets], [values]
        failed = self._failed()
        if self._offsets or len(failed):
            part = write_values(
                TableFiles(self._context.location),
                self._context.column,
                self._fragment.fingerprint,
                self._context.call_id,
                (
                    self._fragment.fragment_id,
                    RowRange(self._part_start, stop),
                    self._fragment.where is None and self._fragment.exclude is None,
                ),
                self._offsets,
                self._values,
                failed,
            )
            self._note_part(part)
        self._part_start = stop
        self._rows = 0
        self._opened_at = time.perf_counter()
        self._clear()

    def _failed(self) -> np.ndarray:
        """Store what went wrong with rows since the last part; return their offsets."""
        failures, self._failures = self._failures, []
        if failures:
            self._note_failures(failures)
        return np.array([failure.offset for failure in failures], np.uint32)

    def _clear(self) -> None:
        self._offsets, self._values, self._bytes = [], [], 0
