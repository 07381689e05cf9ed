"""The state machine of one run: events in, commands out, no I/O and no clock of its own.

The driver only executes the commands. Every worker pulls: it gets its next task when it reports
the last one, and an idle worker is given the end of the longest running task, so that one huge
fragment never leaves the others idle.
"""

from __future__ import annotations

from dataclasses import replace

from geneva.jobs.limits import Limits
from geneva.jobs.losses import LostPlace, late_start_error, loss_error, start_error
from geneva.jobs.messages import (
    Apply,
    CheckpointEvery,
    Command,
    Commit,
    CommitFailed,
    Committed,
    Event,
    Finish,
    FragmentWritten,
    KillWorker,
    LossCause,
    Outcome,
    PartWritten,
    ReleaseRequested,
    ReleaseWorker,
    Role,
    RowsApplied,
    SplitTask,
    StartWorkers,
    StartWriters,
    StopRequested,
    StopTask,
    TaskApplied,
    TaskFailed,
    TaskSplit,
    TaskStarted,
    Tick,
    WorkerLost,
    WorkerReady,
    WorkersWaiting,
    WriteFragment,
)
from geneva.jobs.planner import Plan
from geneva.jobs.scaling import (
    Workload,
    checkpoint_every_s,
    workers_wanted,
    worth_splitting,
    writers_wanted,
)
from geneva.jobs.work import Work
from geneva.jobs.workers import WorkerState

_FIRST_BATCH_ROWS = 32
# Where workers are lost that were not ready.
_STARTING = (-1, -1)


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
    workers : dict of int
        The workers that are ready, by id.
    rows_done : int
        Rows computed so far, without those that were lost with a worker.
    workers_starting : int
        Workers that compute and were started, but are not ready.
    writers_starting : int
        The same of workers that only write.
    finished : bool
        Whether the run has ended.
    """

    def __init__(self, plan: Plan, limits: Limits) -> None:
        self.workers: dict[int, WorkerState] = {}
        self.work = Work(plan)
        self.rows_done = 0
        self.workers_starting = 0
        self.writers_starting = 0
        self.finished = False
        self._plan = plan
        self._rows_total = plan.total_rows_pending
        self._limits = limits
        self._now_s = 0.0
        self._startup_s = limits.startup_s
        self._setup_s = 0.0
        self._began_s = 0.0
        self._had_workers_s = 0.0
        self._busy_s = 0.0
        self._rows_measured = 0
        self._output_bytes = 0
        self._losses: dict[tuple[int, int, LossCause], int] = {}
        self._lost_at_work = 0
        self._checkpoint_every_s = limits.checkpoint_interval_s
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
        self._now_s = self._began_s = self._had_workers_s = now_s
        self.workers_starting = starting
        role = Role.APPLIER if self._limits.separate_writers else Role.BOTH
        self.workers = {worker: WorkerState(role) for worker in ready}
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
        self._now_s = now_s
        if not self._lacks_workers or self._waits_for_resources:
            self._had_workers_s = now_s
        if getattr(event, "worker", None) in self._gone:
            return self._advance()  # It said this before, or comes back; nobody waits for it.
        react = getattr(self, _REACTIONS[type(event)])
        commands: list[Command] = react(event) or []
        return commands + self._advance()

    def _nothing(self, event: Tick) -> None:
        """Nothing changes but the time."""

    def _workers_waiting(self, event: WorkersWaiting) -> None:
        # They are not late: whoever waits for resources has a deadline of its own.
        self._had_workers_s = self._now_s
        self._waiting = event.count

    def _worker_ready(self, event: WorkerReady) -> list[Command]:
        self._count_start(event)
        if event.role is not Role.WRITER:
            self._startup_s = event.startup_s
        for cause in LossCause:  # Workers can start after all.
            self._losses.pop((*_STARTING, cause), None)
        leaving = event.worker in self._asked_back_early
        self.workers[event.worker] = WorkerState(event.role, leaving=leaving)
        return self._tell_interval([event.worker]) if self._lost_at_work else []

    def _task_started(self, event: TaskStarted) -> None:
        self.workers[event.worker].loaded = True
        self.workers[event.worker].computing_since_s = self._now_s
        self._setup_s = max(self._setup_s, event.setup_s)

    def _rows_applied(self, event: RowsApplied) -> None:
        self.rows_done += event.rows
        self._output_bytes += event.output_bytes
        worker = self.workers[event.worker]
        if worker.warm and worker.computing_since_s is not None:
            self._busy_s += self._now_s - worker.computing_since_s
            self._rows_measured += event.rows
        worker.warm = True
        worker.computing_since_s = self._now_s
        worker.position = event.position
        worker.rows_at_risk += event.rows

    def _part_written(self, event: PartWritten) -> None:
        self.work.add_part(event.part)
        self.workers[event.worker].rows_at_risk = 0

    def _task_applied(self, event: TaskApplied) -> None:
        task = self.workers[event.worker].task
        self._free(event.worker)
        if task is None:
            return
        if event.rows.stop < task.rows.stop:
            if self._error is not None:
                return  # It was stopped; the rest is for another run.
            # It was asked back, or split and the answer to the request is still on its way.
            task = self.work.split(task, event.rows.stop)
        self.work.close(task, event.file)

    def _task_split(self, event: TaskSplit) -> None:
        worker = self.workers[event.worker]
        if worker.task is None or worker.task.task_id != event.task_id:
            return
        worker.split_asked = False
        if event.at is None:
            worker.position = worker.task.rows.stop  # There is nothing to ask it for.
        else:
            worker.task = self.work.split(worker.task, event.at)

    def _fragment_written(self, event: FragmentWritten) -> None:
        self._free(event.worker, event.file.fragment_id)
        self.work.add_file(event.file)

    def _task_failed(self, event: TaskFailed) -> list[Command]:
        writing = self.workers[event.worker].writing
        self._free(event.worker, writing[0] if event.task_id is None and writing else None)
        return self._stop(event.error)

    def _worker_lost(self, event: WorkerLost) -> list[Command]:
        self._gone.add(event.worker)
        worker = self.workers.pop(event.worker, None)
        if worker is None:  # It was lost before it was ready.
            self._count_start(event)
            return self._stop(start_error(event)) if self._lost_too_often(*_STARTING, event) else []
        self.rows_done -= worker.rows_at_risk
        if self._error is not None or not worker.busy:
            return []
        if worker.task is not None:
            lost = (worker.task.fragment_id, self.work.reclaim(worker.task))
        else:
            lost = (worker.writing[0], -1)
            self.work.to_write.extendleft(reversed(worker.writing))
        if not self._lost_too_often(*lost, event):
            return self._risk_less() if worker.task is not None else []
        target = f"{self._plan.table_name}.{self._plan.column_name}"
        place = LostPlace(target, lost[0], worker.position, writing=worker.task is None)
        return self._stop(loss_error(event, place, self._limits.budget(event.cause)))

    def _risk_less(self) -> list[Command]:
        """Let workers write parts more often where they are lost more often."""
        self._lost_at_work += 1
        computed_s = (self._now_s - self._began_s) * (self.appliers + 1)
        between_s = computed_s / self._lost_at_work
        best_s = checkpoint_every_s(self._limits.checkpoint_interval_s, between_s)
        if best_s >= self._checkpoint_every_s:
            return []
        self._checkpoint_every_s = best_s
        return self._tell_interval(list(self.workers))

    def _tell_interval(self, workers: list[int]) -> list[Command]:
        return [
            CheckpointEvery(worker, self._checkpoint_every_s)
            for worker in workers
            if self.workers[worker].applies
            and self._checkpoint_every_s < self._limits.checkpoint_interval_s
        ]

    def _release_requested(self, event: ReleaseRequested) -> list[Command]:
        worker = self.workers.get(event.worker)
        if worker is None:
            self._asked_back_early.add(event.worker)
            return []
        if worker.leaving:
            return []
        worker.leaving = True
        return [StopTask(event.worker)] if worker.task is not None else []

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
        if self._error is not None:
            return self._advance_stop()
        commands = self._release() + self._assign() + self._scale() + self._scale_writers()
        done = self.work.fragments_open == 0
        enough = self._limits.commit_granularity or len(self._plan.fragments) + 1
        if self._committing:
            return commands
        if self.work.ready and (done or len(self.work.ready) >= enough):
            commands.append(self._commit())
        elif done:
            commands.append(self._finish())
        return commands

    def _advance_stop(self) -> list[Command]:
        """Wait for the workers to make their work durable, then commit and finish."""
        busy = [worker for worker, state in self.workers.items() if state.busy]
        if busy and self._now_s < self._stop_deadline_s:
            return []
        commands: list[Command] = [KillWorker(worker) for worker in busy]
        self._let_go(busy)
        if not self._committing:
            commands.append(self._commit() if self.work.ready else self._finish())
        return commands

    def _release(self) -> list[Command]:
        """Let those go that are asked back and have nothing to do any more."""
        gone = [w for w, state in self.workers.items() if state.leaving and not state.busy]
        self._let_go(gone)
        return [ReleaseWorker(worker) for worker in gone]

    def _assign(self) -> list[Command]:
        commands: list[Command] = []
        # Those with the least to write come first, so that nobody waits for a busy one.
        for worker, state in sorted(self.workers.items(), key=lambda w: len(w[1].writing)):
            if self.work.to_write and state.may_write:
                fragment_id = self.work.to_write.popleft()
                state.writing.append(fragment_id)
                parts = self.work.parts_of(fragment_id)
                commands.append(WriteFragment(worker, self.work.plan_of(fragment_id), parts))
            elif self.work.pending and state.may_apply:
                task = self.work.pending.popleft()
                state.task, state.position = task, task.rows.start
                state.computing_since_s = self._now_s if state.loaded else None
                commands.append(Apply(worker, task, self.work.plan_of(task.fragment_id)))
            elif state.may_apply:
                commands += self._ask_for_split()
        return commands

    def _ask_for_split(self) -> list[Command]:
        """Ask the worker with the longest rest for half of it; one request per idle worker."""
        idle = sum(state.may_apply for state in self.workers.values())
        if sum(state.split_asked for state in self.workers.values()) >= idle:
            return []
        left = [
            (state.task.rows.stop - state.position, worker, state.task.task_id)
            for worker, state in self.workers.items()
            if state.task is not None
            and state.computing_since_s is not None
            and not state.split_asked
            and not state.leaving
        ]
        rows_left, victim, task_id = max(left, default=(0, -1, -1))
        if rows_left < 2 or not self._worth_splitting(victim, rows_left):
            return []
        self.workers[victim].split_asked = True
        return [SplitTask(victim, task_id)]

    def _worth_splitting(self, victim: int, rows_left: int) -> bool:
        """Whether sharing a worker's rest saves time; a split fragment is written twice."""
        task = self.workers[victim].task
        rows = 0 if task is None else self.work.plan_of(task.fragment_id).pending_rows
        rewritten = int(rows * self._output_bytes / max(1, self.rows_done))
        return worth_splitting(replace(self._workload(), rows_left=rows_left), rewritten)

    def _scale(self) -> list[Command]:
        at_work = any(state.busy for state in self.workers.values())
        if not (self.work.pending or self.work.to_write or at_work):
            return []
        startup_s = self._startup_s + self._setup_s
        wanted = workers_wanted(self._workload(), startup_s, self._limits.max_workers)
        # One that leaves is still in its place; another can come only after it.
        missing = wanted - self.appliers - self.workers_starting
        if missing <= 0:
            return []
        self.workers_starting += missing
        return [StartWorkers(missing)]

    def _scale_writers(self) -> list[Command]:
        if not self._limits.separate_writers or self.work.fragments_open == 0:
            return []
        writing = [s.writing for s in self.workers.values() if s.role is Role.WRITER]
        wanted = writers_wanted(
            appliers=sum(s.applies and not s.leaving for s in self.workers.values()),
            fragments=len(self.work.to_write) + sum(map(len, writing)),
            parts_expected=self.work.parts_expected,
            running_s=self._now_s - self._began_s,
        )
        missing = wanted - len(writing) - self.writers_starting
        if missing <= 0:
            return []
        self.writers_starting += missing
        return [StartWriters(missing)]

    @property
    def appliers(self) -> int:
        """Workers that are ready and compute."""
        return sum(state.applies for state in self.workers.values())

    def _workload(self) -> Workload:
        computing = [
            self._now_s - state.computing_since_s
            for state in self.workers.values()
            if state.task is not None and state.computing_since_s is not None
        ]
        return Workload(
            rows_left=max(0, self._rows_total - self.rows_done),
            known_bytes=self._plan.input_bytes + self._plan.output_bytes,
            rows_measured=self._rows_measured,
            busy_s=self._busy_s,
            rows_in_flight=_FIRST_BATCH_ROWS * len(computing),
            in_flight_s=sum(computing),
            # A slow machine is slow to start a worker and slow at first calls alike.
            patience_s=self._startup_s / 4,
        )

    def _stop(self, error: BaseException) -> list[Command]:
        """End the run early: what is computed becomes durable, nothing new is begun."""
        if self._error is not None:
            return []
        self._error = error
        self._stop_deadline_s = self._now_s + self._limits.stop_grace_s
        return [StopTask(w) for w, state in self.workers.items() if state.task is not None]

    def _commit(self) -> Commit:
        self._committing = True
        return Commit(self.work.take_ready())

    def _finish(self) -> Finish:
        self.finished = True
        return Finish(Outcome(error=self._error, outdated=dict(self._outdated)))

    def _free(self, worker: int, fragment_id: int | None = None) -> None:
        self.workers[worker] = self.workers[worker].freed(fragment_id)

    def _let_go(self, workers: list[int]) -> None:
        self._gone.update(workers)
        for worker in workers:
            del self.workers[worker]

    def _count_start(self, event: WorkerReady | WorkerLost) -> None:
        """Take in that a worker that was starting is ready, or will never be."""
        if event.role is Role.WRITER:
            self.writers_starting -= 1
        else:
            self.workers_starting -= 1

    @property
    def _lacks_workers(self) -> bool:
        """Whether there is work and nobody for it; a run that has some goes on with those."""
        if self.work.pending:
            return not self.appliers
        return bool(self.work.to_write) and all(
            state.role is Role.APPLIER for state in self.workers.values()
        )

    @property
    def _waits_for_resources(self) -> bool:
        """Whether everybody who is to come still waits for a place to start at."""
        return not self.appliers and 0 < self.workers_starting <= self._waiting

    def _start_is_late(self) -> bool:
        waited_s = self._now_s - self._had_workers_s
        return self._lacks_workers and waited_s > self._limits.worker_start_timeout_s

    def _lost_too_often(self, fragment_id: int, start: int, event: WorkerLost) -> bool:
        what = (fragment_id, start, event.cause)
        self._losses[what] = self._losses.get(what, 0) + 1
        return self._losses[what] >= self._limits.budget(event.cause)


_REACTIONS: dict[type, str] = {
    Tick: "_nothing",
    WorkersWaiting: "_workers_waiting",
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
