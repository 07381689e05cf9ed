"""The writer: makes one column file out of a fragment's parts and the values it keeps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from geneva.jobs.commands import JobContext
from geneva.jobs.events import Event, FragmentWritten, StageTimes
from geneva.jobs.stage import Stage
from geneva.jobs.tasks import FragmentPlan
from geneva.pipeline.activity import Activity
from geneva.pipeline.provenance import file_metadata
from geneva.storage.column_file import ColumnFiles
from geneva.storage.dataset import Dataset
from geneva.storage.files import TableFiles
from geneva.storage.model import Part, pack_rows, unpack_rows
from geneva.storage.parts import failed_in
from geneva.storage.reader import read_column
from geneva.storage.shared import SharedFiles, read_values

_WINDOW_ROWS = 8192


class Writer:
    """Writes column files of one job.

    Parameters
    ----------
    context, dataset, column_files
        The job, its table at the job's version, and where its column files go.
    worker
        Id of the worker that this writer runs in.
    activity
        Is told with each window that the writer gets on.
    """

    def __init__(
        self,
        context: JobContext,
        dataset: Dataset,
        column_files: ColumnFiles | SharedFiles,
        worker: int,
        activity: Activity,
    ) -> None:
        self._context = context
        self._dataset = dataset
        self._column_files = column_files
        self._worker = worker
        self._activity = activity

    def run(
        self,
        fragment: FragmentPlan,
        parts: tuple[Part, ...],
        lost: tuple[int, ...],
        emit: Callable[[Event], None],
    ) -> None:
        """Write a fragment's file and report it.

        Parameters
        ----------
        fragment, parts
            The fragment and what was computed of it.
        lost
            Rows that kill whoever computes them.
        emit
            Takes the events.
        """
        started = time.perf_counter()
        column = self._context.column
        files = TableFiles(self._context.location)
        tables = []
        for part in parts:
            self._activity.enter(Stage.WRITE)
            tables.append(read_values(files, column, fragment.fingerprint, part))
        computed = _Computed(tables, column.data_type)
        self._activity.enter(Stage.WRITE)
        failed = _failed(fragment, tables, lost, computed.offsets)
        covered = ~failed
        if not fragment.complete:
            covered &= unpack_rows(fragment.kept, fragment.physical_rows)
            covered[computed.offsets] = True
        complete = (fragment.complete and not failed.any()) or bool(covered.all())
        writer = self._column_files.open(fragment.fingerprint, complete=complete)
        if fragment.keep_old:
            for offsets, values in self._merged(fragment, computed, failed):
                self._activity.enter(Stage.WRITE)
                writer.append(offsets, values)
        else:
            for offsets, values in computed.windows(fragment.physical_rows):
                self._activity.enter(Stage.WRITE)
                writer.append(offsets, values)
        file = writer.close(
            fragment.fragment_id,
            fragment.physical_rows,
            file_metadata(self._context),
            None if complete else pack_rows(covered),
            pack_rows(failed) if failed.any() else None,
        )
        seconds = time.perf_counter() - started
        emit(FragmentWritten(self._worker, file, StageTimes(write_s=seconds)))

    def _merged(
        self, fragment: FragmentPlan, computed: _Computed, failed: np.ndarray
    ) -> Iterator[tuple[np.ndarray, pa.Array]]:
        """Yield windows of old values with the computed ones over them, NULL for rows that failed.

        The old value of a row that failed is of another function or other inputs.
        """
        start = 0
        old_values = read_column(
            self._dataset, fragment.fragment_id, self._context.column, _WINDOW_ROWS
        )
        for old in old_values:
            stop = start + len(old)
            offsets, values = computed.between(start, stop)
            choose = np.arange(len(old))
            choose[offsets - start] = len(old) + np.arange(len(offsets))
            chosen = pa.array(choose, mask=failed[start:stop])
            both = pa.concat_arrays([old, values]).take(chosen)
            yield np.arange(start, stop, dtype=np.uint32), both
            start = stop


def _failed(
    fragment: FragmentPlan, tables: list[pa.Table], lost: tuple[int, ...], computed: np.ndarray
) -> np.ndarray:
    """Return the mask of a fragment's rows that failed, in this call or an earlier one."""
    # All live rows were to be computed: what else is said to have failed is deleted.
    earlier = None if fragment.complete else fragment.failed
    failed = unpack_rows(earlier, fragment.physical_rows)
    failed[list(lost)] = True
    for table in tables:
        failed[failed_in(table)] = True
    failed[computed] = False
    return failed


class _Computed:
    """The rows of several parts as one sequence, ordered by offset, without doubles."""

    def __init__(self, tables: list[pa.Table], data_type: pa.DataType) -> None:
        empty = pa.table({"offset": pa.array([], pa.uint32()), "value": pa.array([], data_type)})
        table = pa.concat_tables([empty, *tables])
        self.offsets: np.ndarray = table["offset"].to_numpy()
        self._values: pa.ChunkedArray = table["value"]
        if len(self.offsets) > 1 and not (np.diff(self.offsets.astype(np.int64)) > 0).all():
            # Parts of a filtered job interleave, and two jobs may have computed the same row.
            self.offsets, order = np.unique(self.offsets, return_index=True)
            self._values = self._values.take(pa.array(order))

    def between(self, start: int, stop: int) -> tuple[np.ndarray, pa.Array]:
        """Return offsets and values within a range of offsets."""
        first, last = np.searchsorted(self.offsets, [start, stop])
        values = self._values.slice(first, last - first)
        chunks = values.chunks or [pa.array([], values.type)]
        return self.offsets[first:last], pa.concat_arrays(chunks)

    def windows(self, physical_rows: int) -> Iterator[tuple[np.ndarray, pa.Array]]:
        """Yield all rows in windows of bounded size."""
        for start in range(0, physical_rows, _WINDOW_ROWS):
            yield self.between(start, min(start + _WINDOW_ROWS, physical_rows))
