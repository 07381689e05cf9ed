"""The state machine of one run: events in, commands out, no I/O and no clock of its own.

The driver only executes the commands. Every worker pulls: it gets its next task when it reports
the last one, and an idle worker is given the end of the longest running task, so that one huge
fragment never leaves the others idle.
"""

from __future__ import annotations

from collections.abc import Sequence

from geneva.jobs.commands import (
    Command,
    Commit,
    EndSlowWorker,
    Finish,
    KillWorker,
    Outcome,
    ReleaseWorker,
    StopTask,
)
from geneva.jobs.events import (
    BatchRows,
    CommitFailed,
    Committed,
    ConcurrencyAsked,
    Event,
    FragmentWritten,
    PartWritten,
    ReleaseRequested,
    RowsApplied,
    StopRequested,
    TaskApplied,
    TaskFailed,
    TaskSplit,
    TaskStarted,
    Tick,
    WorkerBusy,
    WorkerLost,
    WorkerReady,
    WorkersWaiting,
    WorkersWithdrawn,
)
from geneva.jobs.limits import Limits
from geneva.jobs.loss_errors import late_start_error
from geneva.jobs.lost_workers import LostWorkers
from geneva.jobs.memory_watch import MemoryWatch
from geneva.jobs.planner import Plan
from geneva.jobs.scheduler import Scheduler
from geneva.jobs.skips import SkipBook
from geneva.jobs.stall import StallWatch

# Before that, a job that is slow to read would say so all the time.
_SAY_STALLED_S = 30.0
# With row_timeout, a worker that can says every second what it is at.
_SILENT_S = 4.0


class JobState:
    """State of one run of a plan.

    Parameters
    ----------
    plan : Plan
        What to do.
    limits : Limits
        Bounds of the run.

    Attributes
    ----------
    scheduler : Scheduler
        The workers, what they do, and what is left to do.
    skips : SkipBook
        The rows that failed.
    finished : bool
        Whether the run has ended.
    """

    def __init__(self, plan: Plan, limits: Limits) -> None:
        self.scheduler = Scheduler(plan, limits)
        self._work = self.scheduler.work
        self.finished = False
        self._plan = plan
        self._stall = StallWatch(limits.stall_timeout_s, limits.setup_timeout_s)
        self._memory = MemoryWatch(self._target, limits)
        self.skips = SkipBook(self._target, limits.failure_rules, plan.total_rows_pending)
        self._lost = LostWorkers(self._target, limits, self.scheduler, self.skips)
        self._limits = limits
        self._had_workers_s = 0.0
        self._committing = False
        self._outdated: dict[int, str] = {}
        self._waiting = 0
        self._asked_back_early: set[int] = set()
        self._gone: set[int] = set()
        self._error: BaseException | None = None
        self._stop_deadline_s = 0.0

    # -- events ------------------------------------------------------------------------------

    def begin(self, ready: tuple[int, ...], starting: int, now_s: float) -> list[Command]:
        """Start the run with the workers that are there or on their way."""
        self.scheduler.now_s = self._had_workers_s = now_s
        self._lost.began_s = now_s
        self._stall.begin(now_s)
        self.scheduler.begin(ready, starting)
        return self._advance()

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
        self.scheduler.now_s = now_s
        if not self.scheduler.lacks_workers or self._waits_for_resources:
            self._had_workers_s = now_s
        if getattr(event, "worker", None) in self._gone:
            return self._advance()  # It said this before, or comes back; nobody waits for it.
        self._stall.record(event, now_s)
        self.scheduler.hear(getattr(event, "worker", None))
        react = getattr(self, _REACTIONS[type(event)])
        return [*(react(event) or ()), *self._advance()]

    def _nothing(self, event: Tick | WorkerBusy) -> None:
        """Nothing changes but the time, and what is known of a worker."""

    def _workers_waiting(self, event: WorkersWaiting) -> None:
        # They are not late: whoever waits for resources has a deadline of its own.
        self._had_workers_s = self.scheduler.now_s
        self._waiting = event.count

    def _worker_ready(self, event: WorkerReady) -> list[Command]:
        self._lost.forget_starts()
        self.scheduler.add(event, leaving=event.worker in self._asked_back_early)
        return self._lost.intervals([event.worker])

    def _task_started(self, event: TaskStarted) -> None:
        self.scheduler.loaded(event.worker, event.setup_s)

    def _rows_applied(self, event: RowsApplied) -> Sequence[Command]:
        self.scheduler.computed(event)
        exceeded = self.skips.record(event, self.scheduler.pace.rows_done)
        if exceeded is not None:
            return self._stop(exceeded)
        return self._memory.record(event.peak_memory_bytes)

    def _part_written(self, event: PartWritten) -> None:
        self._work.add_part(event.part)
        self.skips.durable(event.worker)
        self.scheduler.workers[event.worker].rows_at_risk = 0

    def _task_applied(self, event: TaskApplied) -> None:
        task = self.scheduler.workers[event.worker].task
        self.scheduler.free(event.worker)
        self.skips.durable(event.worker)
        if task is None:
            return
        if event.rows.stop < task.rows.stop:
            if self._error is not None:
                return  # It was stopped; the rest is for another run.
            # It was asked back, or split and the answer to the request is still on its way.
            task = self._work.split(task, event.rows.stop)
        self._work.close(task, event.file)

    def _task_split(self, event: TaskSplit) -> None:
        worker = self.scheduler.workers[event.worker]
        if worker.task is None or worker.task.task_id != event.task_id:
            return
        worker.split_asked = False
        if event.at is None:
            worker.position = worker.task.rows.stop  # There is nothing to ask it for.
        else:
            worker.task = self._work.split(worker.task, event.at)

    def _fragment_written(self, event: FragmentWritten) -> None:
        self.scheduler.free(event.worker, event.file.fragment_id)
        self._work.add_file(event.file)

    def _task_failed(self, event: TaskFailed) -> list[Command]:
        writing = self.scheduler.workers[event.worker].writing
        self.scheduler.free(event.worker, writing[0] if event.task_id is None and writing else None)
        return self._stop(event.error)

    def _worker_lost(self, event: WorkerLost) -> list[Command]:
        self._gone.add(event.worker)
        worker = self.scheduler.workers.pop(event.worker, None)
        if worker is None:  # It was lost before it was ready.
            self.scheduler.count_start(event)
            error = self._lost.before_ready(event)
            return [] if error is None else self._stop(error)
        self.scheduler.pace.rows_done -= worker.rows_at_risk
        self.skips.lost(event.worker)
        if self._error is not None or not worker.busy:
            return []
        commands, error = self._lost.at_work(event, worker)
        return commands if error is None else [*commands, *self._stop(error)]

    def _release_requested(self, event: ReleaseRequested) -> list[Command]:
        worker = self.scheduler.workers.get(event.worker)
        if worker is None:
            self._asked_back_early.add(event.worker)
            return []
        if worker.leaving:
            return []
        worker.leaving = True
        return [StopTask(event.worker)] if worker.task is not None else []

    def _withdrawn(self, event: WorkersWithdrawn) -> None:
        self.scheduler.workers_starting -= event.count

    def _concurrency_asked(self, event: ConcurrencyAsked) -> None:
        self.scheduler.most_workers = event.workers

    def _committed(self, event: Committed) -> None:
        self._committing = False
        self._outdated |= event.outdated

    def _commit_failed(self, event: CommitFailed) -> list[Command]:
        self._committing = False
        return self._stop(event.error)

    def _stop_requested(self, event: StopRequested) -> list[Command]:
        return self._stop(event.error)

    # -- decisions -----------------------------------------------------------------------------

    def _advance(self) -> list[Command]:
        if self._error is None and self._start_is_late():
            late = self._stop(late_start_error(self._limits.worker_start_timeout_s))
            return late + self._advance_stop()
        if self._error is None and self._is_stalled():
            now_s, workers = self.scheduler.now_s, self.scheduler.workers
            return self._stop(self._stall.error(self._target, workers, now_s))
        if self._error is not None:
            return self._advance_stop()
        commands = [*self._end_slow(), *self.scheduler.advance()]
        self._gone.update(c.worker for c in commands if isinstance(c, ReleaseWorker))
        done = self._work.fragments_open == 0
        enough = self._limits.commit_granularity or len(self._plan.fragments) + 1
        if self._committing:
            return commands
        if self._work.ready and (done or len(self._work.ready) >= enough):
            commands.append(self._commit())
        elif done:
            commands.append(self._finish())
        return commands

    def _end_slow(self) -> list[Command]:
        """End workers that are silent for so long that their function must hold the interpreter.

        A worker ends a slow call by itself as long as it can do anything.
        """
        allowed_s = self._limits.row_timeout_s
        if allowed_s is None:
            return []
        return [EndSlowWorker(w) for w in self.scheduler.silent(allowed_s + _SILENT_S)]

    def _advance_stop(self) -> list[Command]:
        """Wait for the workers to make their work durable, then commit and finish."""
        busy = [worker for worker, state in self.scheduler.workers.items() if state.busy]
        if busy and self.scheduler.now_s < self._stop_deadline_s:
            return []
        commands: list[Command] = [KillWorker(worker) for worker in busy]
        for worker in busy:
            del self.scheduler.workers[worker]
        self._gone.update(busy)
        if not self._committing:
            commands.append(self._commit() if self._work.ready else self._finish())
        return commands

    def _stop(self, error: BaseException) -> list[Command]:
        """End the run early: what is computed becomes durable, nothing new is begun."""
        if self._error is not None:
            return []
        self._error = error
        self._stop_deadline_s = self.scheduler.now_s + self._limits.grace_s(error)
        return [
            StopTask(w) for w, state in self.scheduler.workers.items() if state.task is not None
        ]

    def _commit(self) -> Commit:
        self._committing = True
        return Commit(self._work.take_ready())

    def _finish(self) -> Finish:
        self.finished = True
        return Finish(Outcome(error=self._error, outdated=dict(self._outdated)))

    @property
    def stalls_at(self) -> str:
        """What the run waits for when it has got nowhere for long; empty while it gets on.

        A function that is set up is waited for as well, however long that may take.
        """
        now_s, workers = self.scheduler.now_s, self.scheduler.workers
        if self._stall.quiet_s(workers, now_s, setup_timeout_s=0.0) <= _SAY_STALLED_S:
            return ""
        return self._stall.waiting(workers, now_s)

    @property
    def longest_call(self) -> tuple[float, BatchRows, str] | None:
        """The batch that is computed for the longest time, since when, and where."""
        return self._stall.longest_call(self.scheduler.workers, self.scheduler.now_s)

    @property
    def _target(self) -> str:
        return f"{self._plan.table_name}.{self._plan.column_name}"

    @property
    def _waits_for_resources(self) -> bool:
        """Whether everybody who is to come still waits for a place to start at."""
        return not self.scheduler.appliers and 0 < self.scheduler.workers_starting <= self._waiting

    def _start_is_late(self) -> bool:
        waited_s = self.scheduler.now_s - self._had_workers_s
        return self.scheduler.lacks_workers and waited_s > self._limits.worker_start_timeout_s

    def _is_stalled(self) -> bool:
        # Nothing is told during a commit; what was told before is no news after it.
        stalled = self._stall.stalled
        return not self._committing and stalled(self.scheduler.workers, self.scheduler.now_s)


_REACTIONS: dict[type, str] = {
    Tick: "_nothing",
    WorkerBusy: "_nothing",
    WorkersWaiting: "_workers_waiting",
    WorkersWithdrawn: "_withdrawn",
    ConcurrencyAsked: "_concurrency_asked",
    ReleaseRequested: "_release_requested",
    WorkerReady: "_worker_ready",
    TaskStarted: "_task_started",
    RowsApplied: "_rows_applied",
    PartWritten: "_part_written",
    TaskApplied: "_task_applied",
    TaskSplit: "_task_split",
    TaskFailed: "_task_failed",
    FragmentWritten: "_fragment_written",
    WorkerLost: "_worker_lost",
    Committed: "_committed",
    CommitFailed: "_commit_failed",
    StopRequested: "_stop_requested",
}
