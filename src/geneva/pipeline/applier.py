"""The applier: reads rows of one task, calls the function, and makes what it returns durable.

The same object runs in this thread, in a pool process and elsewhere. It sends events through a
callable and takes its orders from a :class:`TaskControl` that another thread may change.
"""

from __future__ import annotations

import gc
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING

import pyarrow as pa

from geneva.jobs.commands import JobContext
from geneva.jobs.events import BatchRows, PartWritten, TaskApplied, TaskFailed, TaskStarted
from geneva.jobs.stage import Stage
from geneva.jobs.tasks import ApplyTask, FragmentPlan
from geneva.pipeline import isolation
from geneva.pipeline.activity import Activity
from geneva.pipeline.attempts import Attempts, Interrupted
from geneva.pipeline.batching import FIRST_BATCH_ROWS, BatchSizer
from geneva.pipeline.control import TaskControl
from geneva.pipeline.environment import check_environment
from geneva.pipeline.failure import failed_row, placed_error, setup_error
from geneva.pipeline.failure_notes import FailureNotes
from geneva.pipeline.flight_recorder import FlightRecorder
from geneva.pipeline.letting_go import let_go
from geneva.pipeline.outcome import Computed
from geneva.pipeline.output import TaskOutput
from geneva.pipeline.peak_memory import PeakMemory
from geneva.pipeline.reading import Batch, read_batches
from geneva.pipeline.reporter import Emit, Reporter
from geneva.storage.column_file import ColumnFiles
from geneva.storage.dataset import Dataset, open_dataset
from geneva.storage.files import TableFiles
from geneva.storage.model import Part, RowRange
from geneva.storage.packed_functions import bound_functions
from geneva.storage.reader import RowReader
from geneva.storage.shared import SharedFiles, each_column, open_files
from geneva.transformer.binding import BoundFunction
from geneva.transformer.policy import ErrorPolicy
from geneva.transformer.shared_function import SharedFunction

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from geneva.pipeline.call_clock import CallClock


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
        self._bound: BoundFunction | SharedFunction | None = None
        self._policy = ErrorPolicy()
        self._clock: CallClock | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._sizer = BatchSizer(context.batch_size, context.checkpoint_size)
        self._reported_at = 0.0

    @cached_property
    def dataset(self) -> Dataset:
        """The table at the version of the job, opened once."""
        return open_dataset(self._context.location, self._context.version)

    @cached_property
    def _notes(self) -> FailureNotes:
        """Where it is noted what went wrong with rows."""
        worker = self._place or f"worker process {self._worker}"
        return FailureNotes(self._context, self._files, self.dataset, worker)

    @cached_property
    def column_files(self) -> ColumnFiles | SharedFiles:
        """Where the job's column files go."""
        context = self._context
        return open_files(self.dataset, context.location, context.column, context.call_id)

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
            reporter = Reporter(self._worker, task, emit, self._reported_at, self._memory)
            note_part = partial(self._note_part, emit, task, reporter)
            output = TaskOutput(
                self._context,
                self.column_files,
                task,
                fragment,
                control,
                note_part,
                self._notes.store,
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

    def _note_part(self, emit: Emit, task: ApplyTask, reporter: Reporter, part: Part) -> None:
        # Rows are reported before they are durable, so that only rows at risk count as lost.
        reporter.flush(part.rows.stop)
        emit(PartWritten(self._worker, task.task_id, part))

    def close(self) -> None:
        """Release the threads and the function, whose ``teardown()`` is called."""
        if self._clock is not None:
            self._clock.close()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        if self._memory is not None:
            gc.unfreeze()
        bound, self._bound = self._bound, None
        if bound is not None:
            for one in bound.functions if isinstance(bound, SharedFunction) else [bound]:
                let_go(one, self._place)

    def _set_up(self) -> float:
        started = time.perf_counter()
        self._activity.enter(Stage.LOAD)
        check_environment(self._context.versions, self._place)
        columns = list(self._context.column.input_columns)
        context = self._context
        packed = [self._files.read(target.payload) for target in each_column(context.column)]
        # From here on it is the user's code that takes the time: imports, and setup().
        self._activity.enter(Stage.SETUP)
        self._bound = bound_functions(
            context.column, packed, context.location.name, context.signing_key, self.dataset
        )
        self._reader = RowReader(
            self.dataset, columns, self._sizer.fixed, list(self._bound.openers)
        )
        try:
            self._bound.set_up()
        except (Exception, SystemExit) as cause:
            self._bound = None
            raise setup_error(self._context, cause) from cause
        if isinstance(self._bound, BoundFunction):
            self._prepare(self._bound)
        if context.threads > 1 and not self._bound.is_async:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(self._context.threads, "geneva-applier")
        if self._memory is not None:
            # Objects of thousands of rows set the collector off again and again, and it would look
            # at all that was imported each time.
            gc.freeze()
        return time.perf_counter() - started

    def _prepare(self, bound: BoundFunction) -> None:
        """Let a function that is set up be called as it, and the job, want."""
        context = self._context
        said = context.policy
        self._policy = bound.function.policy if said is None else pickle.loads(said)
        if bound.runs_ahead:
            self._sizer.hold(max(FIRST_BATCH_ROWS, bound.loop.most))
        timeout_s = context.row_timeout_s
        if timeout_s is None:
            return
        from geneva.pipeline.call_clock import CallClock, bounded_async

        if bound.is_async:
            bound.bound_calls(partial(bounded_async, timeout_s))
        else:
            self._clock = CallClock(timeout_s, self._recorder)
            bound.bound_calls(self._clock.bounded)

    def _compute(
        self,
        task: ApplyTask,
        fragment: FragmentPlan,
        control: TaskControl,
        output: TaskOutput,
        reporter: Reporter,
    ) -> None:
        for (offsets, _), computed, seconds in self._computed(task, fragment, control, reporter):
            self._activity.enter(Stage.CHECKPOINT)
            values, failures, ended = computed.values, computed.failures, computed.ended_by
            done = len(values)
            upto = int(offsets[done - 1]) + 1 if done else int(offsets[0])
            if ended is None and task.batch_rows is None:
                self._sizer.record(done, seconds, values.nbytes)
            reporter.add(done, values.nbytes, upto, [failure.rule for failure in failures])
            if failures:
                output.leave_out([failed_row(f, fragment.fragment_id, offsets) for f in failures])
                kept = computed.kept
                output.append(offsets[kept], values.take(pa.array(kept)), upto)
            else:
                output.append(offsets[:done], values, upto)
            reporter.checkpoint_s = output.seconds
            if ended is not None:
                reporter.flush(upto)
                if isinstance(ended.cause, Interrupted):
                    control.give_up(int(offsets[done]))
                    return
                self._activity.enter(Stage.READ)
                raise self._notes.ended(ended, fragment.fragment_id, offsets, computed)

    def _computed(
        self,
        task: ApplyTask,
        fragment: FragmentPlan,
        control: TaskControl,
        reporter: Reporter,
    ) -> Iterator[tuple[Batch, Computed, float]]:
        """Yield batches with what became of them, in order of rows."""
        assert self._bound is not None  # noqa: S101 - _set_up() came first
        compute = partial(self._timed, task.fragment_id, control, reporter)
        in_flight: deque[tuple[Batch, Future[tuple[Computed, float]]]] = deque()
        read = read_batches(self._reader, self._sizer, self._activity, task, fragment, reporter)
        batches = map(control.claimed, read)
        mines = iter(partial(next, batches, None), None)  # Until one is not claimed.
        if isinstance(self._bound, BoundFunction) and self._bound.runs_ahead:
            from geneva.pipeline.ahead import begun_ahead

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
        self, task: ApplyTask, reporter: Reporter
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
        self, fragment_id: int, control: TaskControl, reporter: Reporter, batch: Batch
    ) -> tuple[Computed, float]:
        assert self._bound is not None  # noqa: S101 - _set_up() came first
        offsets, columns = batch
        attempts = Attempts(self._policy, control.pause)
        rows = RowRange(int(offsets[0]), int(offsets[-1]) + 1)
        started = time.perf_counter()
        self._activity.enter(Stage.UDF)
        with self._recorder.computing(BatchRows(fragment_id, rows)):
            try:
                computed = isolation.compute(self._bound, columns, attempts)
            finally:
                self._activity.leave()
        seconds = time.perf_counter() - started
        reporter.udf_s += seconds
        return computed, seconds


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
