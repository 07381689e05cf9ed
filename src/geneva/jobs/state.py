"""The state machine of one run: events in, commands out, no I/O and no clock of its own.

The driver only executes the commands. Every worker pulls: it gets its next task when it reports
the last one, and an idle worker is given the end of the longest running task, so that one huge
fragment never leaves the others idle.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from geneva.errors import (
    FatalWorkerCrashError,
    FatalWorkerError,
    FatalWorkerExitError,
    FatalWorkerOOMError,
    WorkerStartError,
)
from geneva.jobs.messages import (
    Apply,
    Command,
    Commit,
    CommitFailed,
    Committed,
    Event,
    Finish,
    FragmentWritten,
    KillWorker,
    Outcome,
    PartWritten,
    RowsApplied,
    SplitTask,
    StartWorkers,
    StopRequested,
    StopTask,
    TaskApplied,
    TaskFailed,
    TaskSplit,
    TaskStarted,
    Tick,
    WorkerLost,
    WorkerReady,
    WriteFragment,
)
from geneva.jobs.planner import ApplyTask, FragmentPlan, Plan
from geneva.jobs.scaling import Workload, seconds_left, workers_wanted
from geneva.storage.model import ColumnFile, Part, RowRange

# A task is worth splitting when a second worker saves at least this much.
_SPLIT_WORTH_S = 0.2
_FIRST_BATCH_ROWS = 32
_SIGKILL = -9


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a run.

    Attributes
    ----------
    max_workers : int
        Granted concurrency.
    commit_granularity : int or None
        Fragments per commit; None commits once.
    max_worker_losses : int
        Losses on one task before the job fails.
    stop_grace_s : float
        Seconds that workers get to end their tasks when the job stops early.
    worker_start_timeout_s : float
        Seconds that a worker may take to start.
    startup_s : float
        Seconds that a worker is expected to take, until one was measured.
    """

    max_workers: int
    commit_granularity: int | None = None
    max_worker_losses: int = 3
    stop_grace_s: float = 5.0
    worker_start_timeout_s: float = 120.0
    startup_s: float = 0.4


@dataclass(slots=True)
class _Worker:
    task: ApplyTask | None = None
    writing: int | None = None
    position: int = 0
    rows_at_risk: int = 0
    computing_since_s: float | None = None
    split_asked: bool = False

    @property
    def busy(self) -> bool:
        return self.task is not None or self.writing is not None


@dataclass(slots=True)
class _Fragment:
    plan: FragmentPlan
    open_tasks: int
    parts: list[Part]
    done: bool = False


@dataclass(slots=True)
class JobState:
    """State of one run of a plan.

    Parameters
    ----------
    plan
        What to do.
    limits
        Bounds of the run.
    """

    plan: Plan
    limits: Limits
    workers: dict[int, _Worker] = field(default_factory=dict)
    pending: deque[ApplyTask] = field(default_factory=deque)
    finished: bool = False
    _fragments: dict[int, _Fragment] = field(default_factory=dict)
    _to_write: deque[int] = field(default_factory=deque)
    _ready: list[ColumnFile] = field(default_factory=list)
    _outdated: dict[int, str] = field(default_factory=dict)
    _starting_since: list[float] = field(default_factory=list)
    _losses: dict[tuple[int, int], int] = field(default_factory=dict)
    _next_task_id: int = 0
    _rows_done: int = 0
    _busy_s: float = 0.0
    _committing: bool = False
    _error: BaseException | None = None
    _stop_deadline_s: float | None = None
    _startup_s: float = 0.0

    def __post_init__(self) -> None:
        self._startup_s = self.limits.startup_s
        self.pending.extend(self.plan.tasks)
        self._next_task_id = len(self.plan.tasks)
        tasks: dict[int, int] = {}
        for task in self.plan.tasks:
            tasks[task.fragment_id] = tasks.get(task.fragment_id, 0) + 1
        for fragment in self.plan.fragments:
            open_tasks = tasks.get(fragment.fragment_id, 0)
            self._fragments[fragment.fragment_id] = _Fragment(
                fragment, open_tasks, list(fragment.parts)
            )
            if not open_tasks:
                self._to_write.append(fragment.fragment_id)

    @property
    def rows_done(self) -> int:
        """Rows computed so far, without those that were lost with a worker."""
        return self._rows_done

    @property
    def workers_starting(self) -> int:
        """Workers that were started and are not ready."""
        return len(self._starting_since)

    # -- events ------------------------------------------------------------------------------

    def begin(self, ready: tuple[int, ...], starting: int, now_s: float) -> list[Command]:
        """Start the run with the workers that are there or on their way."""
        self._starting_since = [now_s] * starting
        for worker in ready:
            self.workers[worker] = _Worker()
        return self._advance(now_s)

    def handle(self, event: Event, now_s: float) -> list[Command]:
        """Take in one event and return what to do next.

        Parameters
        ----------
        event
            What happened.
        now_s
            Seconds on a monotonic clock.
        """
        if self.finished:
            return []
        commands: list[Command] = []
        match event:
            case WorkerReady():
                self._starting_since = self._starting_since[1:]
                self._startup_s = event.startup_s
                self.workers[event.worker] = _Worker()
            case TaskStarted():
                self._task_started(event, now_s)
            case RowsApplied():
                self._rows_applied(event, now_s)
            case PartWritten():
                self._fragments[event.part.fragment_id].parts.append(event.part)
                self.workers[event.worker].rows_at_risk = 0
            case TaskApplied():
                self._task_applied(event)
            case TaskSplit():
                self._task_split(event)
            case FragmentWritten():
                self.workers[event.worker].writing = None
                self._fragment_ready(event.file)
            case TaskFailed():
                self._free(event.worker)
                commands += self._stop(event.error, now_s)
            case WorkerLost():
                commands += self._worker_lost(event, now_s)
            case Committed():
                self._committing = False
                self._outdated |= event.outdated
            case CommitFailed():
                self._committing = False
                self._ready.clear()
                commands += self._stop(event.error, now_s)
            case StopRequested():
                commands += self._stop(event.error, now_s)
            case Tick():
                pass
        return commands + self._advance(now_s)

    def _task_started(self, event: TaskStarted, now_s: float) -> None:
        worker = self.workers[event.worker]
        worker.computing_since_s = now_s
        if event.setup_s:
            self._startup_s = max(self._startup_s, self.limits.startup_s + event.setup_s)

    def _rows_applied(self, event: RowsApplied, now_s: float) -> None:
        self._rows_done += event.rows
        worker = self.workers.get(event.worker)
        if worker is None or worker.task is None or worker.task.task_id != event.task_id:
            return
        if worker.computing_since_s is not None:
            self._busy_s += now_s - worker.computing_since_s
        worker.computing_since_s = now_s
        worker.position = event.position
        worker.rows_at_risk += event.rows

    def _task_applied(self, event: TaskApplied) -> None:
        task = self.workers[event.worker].task
        self._free(event.worker)
        if task is None:
            return
        fragment = self._fragments[task.fragment_id]
        if event.rows.stop < task.rows.stop:
            if self._error is None:
                # It was split, and the answer to the request is still on its way.
                self._add_task(task.fragment_id, RowRange(event.rows.stop, task.rows.stop))
            return
        fragment.open_tasks -= 1
        if event.file is not None:
            self._fragment_ready(event.file)
        elif fragment.open_tasks == 0:
            self._to_write.append(task.fragment_id)

    def _task_split(self, event: TaskSplit) -> None:
        worker = self.workers.get(event.worker)
        if worker is None or worker.task is None or worker.task.task_id != event.task_id:
            return
        if event.at is None:
            return  # It stays marked as asked until it reports more rows, or ends.
        worker.split_asked = False
        task = worker.task
        rest = RowRange(event.at, task.rows.stop)
        worker.task = replace(task, rows=RowRange(task.rows.start, event.at))
        self._fragments[task.fragment_id].open_tasks += 1
        self._add_task(task.fragment_id, rest)

    def _worker_lost(self, event: WorkerLost, now_s: float) -> list[Command]:
        worker = self.workers.pop(event.worker, None)
        if worker is None:  # It was lost before it was ready.
            self._starting_since = self._starting_since[1:]
            if self._lost_too_often((-1, -1)):
                return self._stop(_start_error(event), now_s)
            return []
        self._rows_done -= worker.rows_at_risk
        if self._error is not None:
            return []
        start = -1
        if worker.writing is not None:
            fragment_id = worker.writing
            self._to_write.appendleft(fragment_id)
        elif worker.task is not None:
            fragment_id = worker.task.fragment_id
            start = self._durable_until(worker.task)
            rest = RowRange(start, worker.task.rows.stop)
            if len(rest):
                self._add_task(fragment_id, rest, first=True)
            else:
                self._close_task(fragment_id)
        else:
            return []
        if self._lost_too_often((fragment_id, start)):
            return self._stop(self._loss_error(event, worker, fragment_id), now_s)
        return []

    # -- decisions -----------------------------------------------------------------------------

    def _advance(self, now_s: float) -> list[Command]:
        if self._error is not None:
            return self._advance_stop(now_s)
        commands: list[Command] = []
        if self._starting_since and (
            now_s - self._starting_since[0] > self.limits.worker_start_timeout_s
        ):
            error = WorkerStartError(
                f"A worker process did not start within {self.limits.worker_start_timeout_s:g} s. "
                "The machine may be out of memory; GENEVA_WORKER_START_TIMEOUT_S allows more."
            )
            return self._stop(error, now_s) + self._advance_stop(now_s)
        commands += self._assign()
        commands += self._scale(now_s)
        done = all(fragment.done for fragment in self._fragments.values())
        enough = self.limits.commit_granularity or len(self._fragments) + 1
        if self._ready and not self._committing and (done or len(self._ready) >= enough):
            commands.append(self._commit())
        elif done and not self._committing:
            commands.append(self._finish())
        return commands

    def _advance_stop(self, now_s: float) -> list[Command]:
        busy = [worker for worker, state in self.workers.items() if state.busy]
        if busy and self._stop_deadline_s is not None and now_s < self._stop_deadline_s:
            return []
        commands: list[Command] = [KillWorker(worker) for worker in busy]
        for worker in busy:
            del self.workers[worker]
        if self._committing:
            return commands
        if self._ready:
            return [*commands, self._commit()]
        return [*commands, self._finish()]

    def _assign(self) -> list[Command]:
        commands: list[Command] = []
        for worker, state in self.workers.items():
            if state.busy:
                continue
            if self._to_write:
                fragment = self._fragments[self._to_write.popleft()]
                state.writing = fragment.plan.fragment_id
                commands.append(WriteFragment(worker, fragment.plan, tuple(fragment.parts)))
            elif self.pending:
                task = self.pending.popleft()
                state.task, state.position = task, task.rows.start
                state.computing_since_s, state.split_asked = None, False
                plan = self._fragments[task.fragment_id].plan
                commands.append(Apply(worker, task, plan))
            else:
                commands += self._ask_for_split()
        return commands

    def _ask_for_split(self) -> list[Command]:
        """Ask the worker with the longest rest to give half of it away; one request per idle worker."""
        idle = sum(not state.busy for state in self.workers.values())
        if sum(state.split_asked for state in self.workers.values()) >= idle:
            return []
        left = [
            (state.task.rows.stop - state.position, worker, state.task.task_id)
            for worker, state in self.workers.items()
            if state.task is not None
            and state.computing_since_s is not None
            and not state.split_asked
        ]
        if not left:
            return []
        rows_left, victim, task_id = max(left)
        rest = replace(self._workload(0.0), rows_left=rows_left)
        if self._rows_done and seconds_left(rest) < 2 * _SPLIT_WORTH_S:
            return []
        self.workers[victim].split_asked = True
        return [SplitTask(victim, task_id)]

    def _scale(self, now_s: float) -> list[Command]:
        if not (self.pending or self._to_write or any(s.task for s in self.workers.values())):
            return []
        most = self.limits.max_workers
        wanted = workers_wanted(self._workload(now_s), self._startup_s, most)
        missing = wanted - len(self.workers) - len(self._starting_since)
        if missing <= 0:
            return []
        self._starting_since += [now_s] * missing
        return [StartWorkers(missing)]

    def _workload(self, now_s: float) -> Workload:
        computing = [
            now_s - state.computing_since_s
            for state in self.workers.values()
            if state.task is not None and state.computing_since_s is not None
        ]
        unreported = sum(computing) if now_s else 0.0
        return Workload(
            rows_left=max(0, self.plan.total_rows_pending - self._rows_done),
            input_bytes=self.plan.input_bytes,
            rows_done=self._rows_done,
            busy_s=self._busy_s + (0.0 if self._rows_done else unreported),
            rows_in_flight=_FIRST_BATCH_ROWS * len(computing),
        )

    def _stop(self, error: BaseException, now_s: float) -> list[Command]:
        """End the run early: what is computed becomes durable, nothing new is begun."""
        if self._error is not None:
            return []
        self._error = error
        self._stop_deadline_s = now_s + self.limits.stop_grace_s
        self.pending.clear()
        self._to_write.clear()
        return [StopTask(w) for w, state in self.workers.items() if state.task is not None]

    def _commit(self) -> Commit:
        files, self._ready = tuple(self._ready), []
        self._committing = True
        return Commit(files)

    def _finish(self) -> Finish:
        self.finished = True
        return Finish(Outcome(error=self._error, outdated=dict(self._outdated)))

    # -- bookkeeping -----------------------------------------------------------------------------

    def _free(self, worker: int) -> None:
        state = self.workers.get(worker)
        if state is not None:
            state.task = state.writing = state.computing_since_s = None
            state.split_asked, state.rows_at_risk = False, 0

    def _fragment_ready(self, file: ColumnFile) -> None:
        self._fragments[file.fragment_id].done = True
        self._ready.append(file)

    def _add_task(self, fragment_id: int, rows: RowRange, *, first: bool = False) -> None:
        task = ApplyTask(task_id=self._next_task_id, fragment_id=fragment_id, rows=rows)
        self._next_task_id += 1
        if first:
            self.pending.appendleft(task)
        else:
            self.pending.append(task)

    def _close_task(self, fragment_id: int) -> None:
        fragment = self._fragments[fragment_id]
        fragment.open_tasks -= 1
        if fragment.open_tasks == 0:
            self._to_write.append(fragment_id)

    def _durable_until(self, task: ApplyTask) -> int:
        position = task.rows.start
        parts = self._fragments[task.fragment_id].parts
        for part in sorted(parts, key=lambda p: p.rows.start):
            if part.rows.start <= position < part.rows.stop:
                position = min(part.rows.stop, task.rows.stop)
        return position

    def _lost_too_often(self, what: tuple[int, int]) -> bool:
        self._losses[what] = self._losses.get(what, 0) + 1
        return self._losses[what] >= self.limits.max_worker_losses

    def _loss_error(self, event: WorkerLost, worker: _Worker, fragment_id: int) -> FatalWorkerError:
        what = f"writing fragment {fragment_id}"
        if worker.task is not None:
            near = max(worker.position, worker.task.rows.start)
            what = f"computing fragment {fragment_id} near row offset {near}"
        times = self.limits.max_worker_losses
        words = f" Its last words:\n{event.last_words}" if event.last_words else ""
        head = f"Workers of {self.plan.table_name}.{self.plan.column_name} were lost {times} times"
        tail = "What was computed before is kept; running the backfill again goes on from there."
        if event.exit_code == _SIGKILL:
            return FatalWorkerOOMError(
                f"{head} while {what}: killed (SIGKILL), as the system does when memory runs out. "
                f"Lower batch_size or concurrency, or give the function less at once. {tail}{words}"
            )
        if event.exit_code is not None and event.exit_code < 0:
            return FatalWorkerCrashError(
                f"{head} while {what}: crashed with signal {-event.exit_code}. The function, or a "
                f"library that it calls, crashes the interpreter. {tail}{words}"
            )
        return FatalWorkerExitError(
            f"{head} while {what}: the process exited with code {event.exit_code}. The function, "
            f"or a library that it calls, ends the process. {tail}{words}"
        )


def _start_error(event: WorkerLost) -> WorkerStartError:
    words = event.last_words or "(it printed nothing)"
    return WorkerStartError(
        f"Worker processes end before they are ready (exit code {event.exit_code}):\n{words}"
    )
