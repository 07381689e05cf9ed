"""The applier: reads rows of one task, calls the function, and makes what it returns durable.

The same object runs in this thread, in a pool process and elsewhere. It sends events through a
callable and takes its orders from a :class:`TaskControl` that another thread may change.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import pyarrow as pa

from geneva.errors import UDFError
from geneva.jobs.commands import JobContext
from geneva.jobs.events import (
    BatchRows,
    Event,
    PartWritten,
    RowsApplied,
    StageTimes,
    TaskApplied,
    TaskFailed,
    TaskStarted,
)
from geneva.jobs.planner import ApplyTask, FragmentPlan
from geneva.jobs.stage import Stage
from geneva.pipeline.activity import Activity
from geneva.pipeline.ahead import begun_ahead
from geneva.pipeline.batching import FIRST_BATCH_ROWS, BatchSizer
from geneva.pipeline.control import TaskControl
from geneva.pipeline.environment import check_environment
from geneva.pipeline.failure import FailedPlace, call_error, placed_error, setup_error
from geneva.pipeline.flight_recorder import FlightRecorder
from geneva.pipeline.letting_go import let_go
from geneva.pipeline.output import TaskOutput
from geneva.pipeline.peak_memory import PeakMemory
from geneva.storage.blobs import blob_opener
from geneva.storage.column_file import ColumnFiles
from geneva.storage.dataset import Dataset, open_dataset
from geneva.storage.definitions import load_function
from geneva.storage.files import TableFiles
from geneva.storage.model import Part, RowRange, unpack_rows
from geneva.storage.reader import RowReader, row_id_at
from geneva.transformer.binding import BoundFunction, CallFailed, bind

_REPORT_S = 0.05

Batch = tuple[np.ndarray, pa.RecordBatch]
Emit = Callable[[Event], None]


class Applier:
    """Computes tasks of one job with one copy of the function.

    Parameters
    ----------
    context
        The job.
    worker
        Id of the worker that this applier runs in.
    recorder
        Notes what is being computed.
    activity
        Is told what each thread is at.
    memory
        Measures the memory of its process; None where the process is not its own.
    place
        What the user reads for this applier, with its node; empty on one machine.
    """

    def __init__(
        self,
        context: JobContext,
        worker: int,
        recorder: FlightRecorder,
        activity: Activity,
        memory: PeakMemory | None,
        place: str = "",
    ) -> None:
        self._context = context
        self._worker = worker
        self._recorder = recorder
        self._activity = activity
        self._memory = memory
        self._place = place
        self._files = TableFiles(context.location)
        self._bound: BoundFunction | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._sizer = BatchSizer(context.batch_size, context.checkpoint_size)
        self._reported_at = 0.0

    @cached_property
    def dataset(self) -> Dataset:
        """The table at the version of the job, opened once."""
        return open_dataset(self._context.location, self._context.version)

    @cached_property
    def column_files(self) -> ColumnFiles:
        """Where the job's column files go."""
        context = self._context
        return ColumnFiles(self.dataset, context.location, context.column, context.call_id)

    def run(
        self, task: ApplyTask, fragment: FragmentPlan, control: TaskControl, emit: Emit
    ) -> None:
        """Compute one task and report how it ended; never raises what the function raises.

        Parameters
        ----------
        task, fragment
            What to compute, and the fragment's plan.
        control
            Where others ask this task to stop or to give rows away.
        emit
            Takes the events.
        """
        output: TaskOutput | None = None
        try:
            if self._bound is None:
                emit(TaskStarted(self._worker, task.task_id, setup_s=self._set_up()))
            reporter = _Reporter(self._worker, task, emit, self._reported_at, self._memory)
            note_part = partial(self._note_part, emit, task, reporter)
            output = TaskOutput(
                self._context, self.column_files, task, fragment, control, note_part
            )
            self._compute(task, fragment, control, output, reporter)
            done = RowRange(task.rows.start, control.end())
            self._activity.enter(Stage.CHECKPOINT)
            file = output.finish(done)
            reporter.flush(done.stop)
            self._reported_at = reporter.reported_at
            emit(TaskApplied(self._worker, task.task_id, done, file))
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - user code
            placed = placed_error(_kept(output, error), self._place)
            emit(TaskFailed(self._worker, task.task_id, placed))

    def _note_part(self, emit: Emit, task: ApplyTask, reporter: _Reporter, part: Part) -> None:
        # Rows are reported before they are durable, so that only rows at risk count as lost.
        reporter.flush(part.rows.stop)
        emit(PartWritten(self._worker, task.task_id, part))

    def close(self) -> None:
        """Release the threads and the function, whose ``teardown()`` is called."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        bound, self._bound = self._bound, None
        if bound is not None:
            let_go(bound, self._place)

    def _set_up(self) -> float:
        started = time.perf_counter()
        self._activity.enter(Stage.LOAD)
        check_environment(self._context.versions, self._place)
        columns = list(self._context.column.input_columns)
        payload = self._context.column.payload
        packed = self._files.read(payload)
        # From here on it is the user's code that takes the time: imports, and setup().
        self._activity.enter(Stage.SETUP)
        function = load_function(packed, payload)
        lazy = function.lazy_columns(columns)
        openers = {name: blob_opener(self.dataset, name) for name in lazy}
        self._reader = RowReader(self.dataset, columns, self._sizer.fixed, lazy)
        self._bound = bind(function, columns, openers)
        try:
            self._bound.set_up()
        except (Exception, SystemExit) as cause:
            self._bound = None
            raise setup_error(self._context, cause) from cause
        if self._bound.runs_ahead:
            self._sizer.hold(max(FIRST_BATCH_ROWS, self._bound.loop.most))
        if self._context.threads > 1 and not function.is_async:
            self._pool = ThreadPoolExecutor(self._context.threads, "geneva-applier")
        return time.perf_counter() - started

    def _compute(
        self,
        task: ApplyTask,
        fragment: FragmentPlan,
        control: TaskControl,
        output: TaskOutput,
        reporter: _Reporter,
    ) -> None:
        for (offsets, batch), values, seconds in self._computed(task, fragment, control, reporter):
            self._activity.enter(Stage.CHECKPOINT)
            if isinstance(values, CallFailed):
                kept = len(values.computed)
                reporter.add(kept, values.computed.nbytes, int(offsets[kept]))
                output.append(offsets[:kept], values.computed)
                reporter.flush(int(offsets[kept]))
                raise self._failure(values, fragment, offsets, batch.num_rows)
            self._sizer.record(batch.num_rows, seconds, values.nbytes)
            reporter.add(len(offsets), values.nbytes, int(offsets[-1]) + 1)
            output.append(offsets, values)
            reporter.checkpoint_s = output.seconds

    def _failure(
        self, failed: CallFailed, fragment: FragmentPlan, offsets: np.ndarray, rows: int
    ) -> UDFError:
        offset = int(offsets[failed.row or 0])
        place = FailedPlace(fragment.fragment_id, offset, rows, row_id=None)
        if failed.row is not None:
            self._activity.enter(Stage.READ)
            row_id = row_id_at(self.dataset, fragment.fragment_id, offset)
            place = replace(place, row_id=row_id, rows=1)
        return call_error(self._context, failed, place)

    def _computed(
        self,
        task: ApplyTask,
        fragment: FragmentPlan,
        control: TaskControl,
        reporter: _Reporter,
    ) -> Iterator[tuple[Batch, pa.Array | CallFailed, float]]:
        """Yield batches with what the function returned for them, in order of rows."""
        assert self._bound is not None  # noqa: S101 - _set_up() came first
        compute = partial(self._timed, self._bound.compute, task.fragment_id, reporter)
        in_flight: deque[tuple[Batch, Future[tuple[Any, float]]]] = deque()
        batches = map(control.claimed, self._batches(task, fragment, reporter))
        mines = iter(partial(next, batches, None), None)  # Until one is not claimed.
        if self._bound.runs_ahead:
            mines = begun_ahead(mines, self._bound, control, self._waiting(task, reporter))
        for mine in mines:
            if self._pool is None:
                yield mine, *compute(mine)
                continue
            in_flight.append((mine, self._pool.submit(compute, mine)))
            if len(in_flight) >= 2 * self._context.threads:
                self._activity.enter(Stage.UDF)
                first, future = in_flight.popleft()
                yield first, *future.result()
        while in_flight:
            self._activity.enter(Stage.UDF)
            first, future = in_flight.popleft()
            yield first, *future.result()

    def _waiting(
        self, task: ApplyTask, reporter: _Reporter
    ) -> Callable[[RowRange], AbstractContextManager[None]]:
        """Return what notes that calls for a range of rows are waited for."""

        @contextmanager
        def waiting(rows: RowRange) -> Iterator[None]:
            started = time.perf_counter()
            self._activity.enter(Stage.UDF)
            with self._recorder.computing(BatchRows(task.fragment_id, rows)):
                yield
            reporter.udf_s += time.perf_counter() - started

        return waiting

    def _timed(
        self,
        compute: Callable[[pa.RecordBatch], pa.Array],
        fragment_id: int,
        reporter: _Reporter,
        batch: Batch,
    ) -> tuple[pa.Array | CallFailed, float]:
        offsets, columns = batch
        rows = RowRange(int(offsets[0]), int(offsets[-1]) + 1)
        started = time.perf_counter()
        self._activity.enter(Stage.UDF)
        with self._recorder.computing(BatchRows(fragment_id, rows)):
            try:
                values = compute(columns)
            except CallFailed as failed:
                values = failed
            finally:
                self._activity.leave()
        seconds = time.perf_counter() - started
        reporter.udf_s += seconds
        return values, seconds

    def _batches(
        self, task: ApplyTask, fragment: FragmentPlan, reporter: _Reporter
    ) -> Iterator[Batch]:
        """Yield batches of the size that suits the function."""
        exclude = (
            None
            if fragment.exclude is None
            else unpack_rows(fragment.exclude, fragment.physical_rows)
        )
        reader = self._reader.read(task.fragment_id, task.rows, fragment.where)
        while True:
            started = time.perf_counter()
            self._activity.enter(Stage.READ)
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
                size = self._sizer.rows
                yield offsets[position : position + size], batch.slice(position, size)
                position += size


def _kept(output: TaskOutput | None, error: BaseException) -> BaseException:
    """Make durable what was computed before an error, and return what the user has to know."""
    try:
        if output is not None:
            output.keep()
    except OSError as lost:
        # The disk is full, for example: worse than what went wrong before.
        lost.__cause__ = error
        return lost
    return error


class _Reporter:
    """Collects what a task did and reports it a few times per second."""

    def __init__(
        self,
        worker: int,
        task: ApplyTask,
        emit: Emit,
        reported_at: float,
        memory: PeakMemory | None,
    ) -> None:
        self._worker = worker
        self._task_id = task.task_id
        self._emit = emit
        self._rows = self._bytes = 0
        self._memory = memory
        self.reported_at = reported_at
        self._checkpoint_reported_s = 0.0
        self.checkpoint_s = 0.0
        self.read_s = 0.0
        self.udf_s = 0.0

    def add(self, rows: int, output_bytes: int, position: int) -> None:
        self._rows += rows
        self._bytes += output_bytes
        # A worker's first batch is reported at once: it decides how many more are started.
        if time.perf_counter() - self.reported_at >= _REPORT_S:
            self.flush(position)

    def flush(self, position: int) -> None:
        if not self._rows:
            return
        times = StageTimes(
            read_s=self.read_s,
            udf_s=self.udf_s,
            checkpoint_s=self.checkpoint_s - self._checkpoint_reported_s,
        )
        done = (self._rows, self._bytes)
        peak_bytes = 0 if self._memory is None else self._memory.bytes
        self._emit(RowsApplied(self._worker, self._task_id, *done, position, times, peak_bytes))
        self._rows = self._bytes = 0
        self.read_s = self.udf_s = 0.0
        self._checkpoint_reported_s = self.checkpoint_s
        self.reported_at = time.perf_counter()
