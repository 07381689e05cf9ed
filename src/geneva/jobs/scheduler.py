"""Gives the work of a run to its workers, and says how many of these there should be."""

from __future__ import annotations

from dataclasses import replace

from geneva.jobs.commands import (
    Apply,
    Command,
    ReleaseWorker,
    Role,
    SplitTask,
    StartWorkers,
    StartWriters,
    StopTask,
    WriteFragment,
)
from geneva.jobs.events import RowsApplied, WorkerLost, WorkerReady
from geneva.jobs.limits import Limits
from geneva.jobs.pace import Pace
from geneva.jobs.planner import Plan
from geneva.jobs.scaling import Workload, workers_wanted, worth_splitting, writers_wanted
from geneva.jobs.tasks import ApplyTask
from geneva.jobs.work import Work
from geneva.jobs.workers import WorkerState
from geneva.resources.memory import workers_in_memory

# A writer takes a process, and another one for its queue: too much to keep for nothing, too much
# to start every few seconds.
_IDLE_WRITER_S = 60.0
_WRITER_LEAD_S = 6.0


class Scheduler:
    """The workers of one run and what they do.

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
    work : Work
        What is left to do.
    pace : Pace
        What was measured.
    workers_starting, writers_starting : int
        Workers that were started and are not ready: those that compute, those that only write.
    now_s : float
        The time of the event that is handled, on a monotonic clock.
    most_workers : int
        Workers that compute at once at most; may be changed at any time.
    """

    def __init__(self, plan: Plan, limits: Limits) -> None:
        self.workers: dict[int, WorkerState] = {}
        self.work = Work(plan)
        self.pace = Pace(plan)
        self.workers_starting = 0
        self.writers_starting = 0
        self.now_s = 0.0
        self.most_workers = limits.max_workers
        self._limits = limits
        self._startup_s = limits.startup_s
        self._setup_s = 0.0
        self._batch_rows: int | None = None

    @property
    def appliers(self) -> int:
        """Workers that are ready and compute."""
        return sum(state.applies for state in self.workers.values())

    @property
    def lacks_workers(self) -> bool:
        """Whether there is work and nobody for it; a run that has some goes on with those."""
        if self.work.pending:
            return not self.appliers
        return bool(self.work.to_write) and all(
            state.role is Role.APPLIER for state in self.workers.values()
        )

    # -- what happened -------------------------------------------------------------------------

    def begin(self, ready: tuple[int, ...], starting: int) -> None:
        """Take in the workers that are there or on their way."""
        self.workers_starting = starting
        role = Role.APPLIER if self._limits.separate_writers else Role.BOTH
        self.workers = {worker: WorkerState(role) for worker in ready}

    def count_start(self, event: WorkerReady | WorkerLost) -> None:
        """Take in that a worker that was starting is ready, or will never be."""
        if event.role is Role.WRITER:
            self.writers_starting -= 1
        else:
            self.workers_starting -= 1

    def add(self, event: WorkerReady, *, leaving: bool) -> None:
        """Take in a worker that is ready, and may have been asked back meanwhile."""
        self.count_start(event)
        if event.role is not Role.WRITER:
            self._startup_s = event.startup_s
        self.workers[event.worker] = WorkerState(
            event.role, leaving=leaving, idle_since_s=self.now_s
        )

    def loaded(self, worker: int, setup_s: float) -> None:
        """Take in that a worker has set the function up, in so many seconds."""
        self.workers[worker].loaded = True
        self.workers[worker].computing_since_s = self.now_s
        self._setup_s = max(self._setup_s, setup_s)

    def computed(self, event: RowsApplied) -> None:
        """Take in rows that a worker has computed."""
        worker = self.workers[event.worker]
        self.pace.record(event, worker, self.now_s)
        worker.warm = True
        worker.computing_since_s = self.now_s
        worker.position = event.position
        worker.rows_at_risk += event.rows

    def hear(self, worker: int | None) -> None:
        """Take in that a worker says something."""
        state = None if worker is None else self.workers.get(worker)
        if state is not None:
            state.heard_s = self.now_s

    def silent(self, for_s: float) -> list[int]:
        """Return the workers that compute and said nothing for so long, each of them once."""
        found = [
            worker
            for worker, state in self.workers.items()
            if state.task is not None and state.loaded and self.now_s - state.heard_s > for_s
        ]
        for worker in found:
            self.hear(worker)
        return found

    def free(self, worker: int, fragment_id: int | None = None) -> None:
        """Take in that a worker's task, or its writing of a fragment, has ended."""
        self.workers[worker] = self.workers[worker].freed(self.now_s, fragment_id)

    # -- what to do ----------------------------------------------------------------------------

    def advance(self) -> list[Command]:
        """Return who gets what, who goes, and who is to be started."""
        return (
            self._shrink()
            + self._assign()
            + self._release()
            + self._scale()
            + self._scale_writers()
        )

    def _shrink(self) -> list[Command]:
        """Ask workers back that are too many: idle ones first, then those that have least to lose.

        Where writers are processes of their own, a worker's place holds one as well. Who gave the
        places asks whole ones back.
        """
        if self._limits.separate_writers:
            return []
        here = [(w, state) for w, state in self.workers.items() if not state.leaving]
        surplus = max(0, len(here) - self.most_workers)
        here.sort(key=lambda one: (one[1].busy, one[1].rows_at_risk, -one[0]))
        for _, state in here[:surplus]:
            state.leaving = True
        return [StopTask(w) for w, state in here[:surplus] if state.task is not None]

    def _release(self) -> list[Command]:
        """Let those go that are asked back, or had nothing to write for long."""
        gone = [
            worker
            for worker, state in self.workers.items()
            if (state.leaving and not state.busy)
            or (state.role is Role.WRITER and state.idle_s(self.now_s) > _IDLE_WRITER_S)
        ]
        for worker in gone:
            del self.workers[worker]
        return [ReleaseWorker(worker) for worker in gone]

    def _assign(self) -> list[Command]:
        commands: list[Command] = []
        # Those with the least to write come first, so that nobody waits for a busy one.
        for worker, state in sorted(self.workers.items(), key=lambda w: len(w[1].writing)):
            if self.work.to_write and state.may_write:
                fragment_id = self.work.to_write.popleft()
                state.writing.append(fragment_id)
                parts = self.work.parts_of(fragment_id)
                lost = self.work.lost_of(fragment_id)
                fragment = self.work.plan_of(fragment_id)
                commands.append(WriteFragment(worker, fragment, parts, lost))
            elif self.work.pending and state.may_apply:
                task = self._bounded(self.work.pending.popleft())
                state.task, state.position = task, task.rows.start
                state.heard_s = self.now_s
                state.computing_since_s = self.now_s if state.loaded else None
                commands.append(Apply(worker, task, self.work.plan_of(task.fragment_id)))
            elif state.may_apply:
                commands += self._ask_for_split()
        return commands

    def bound_batches(self, rows: int | None) -> None:
        """Let tasks that are given out from now on compute at most so many rows at once."""
        self._batch_rows = rows

    def _bounded(self, task: ApplyTask) -> ApplyTask:
        if self._batch_rows is None:
            return task
        rows = min(self._batch_rows, task.batch_rows or self._batch_rows)
        return replace(task, batch_rows=rows)

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
        return worth_splitting(self._workload(rows_left), self.pace.rewritten_bytes(rows))

    def _scale(self) -> list[Command]:
        at_work = any(state.busy for state in self.workers.values())
        if not (self.work.pending or self.work.to_write or at_work):
            return []
        startup_s = self._startup_s + self._setup_s
        most = workers_in_memory(
            self.most_workers, self._limits.memory_bytes, self.pace.peak_memory_bytes
        )
        wanted = workers_wanted(self._workload(), startup_s, most)
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
            fragments=len(self.work.to_write) + sum(map(len, writing)) + self._nearly_computed(),
        )
        missing = wanted - len(writing) - self.writers_starting
        if missing <= 0:
            return []
        self.writers_starting += missing
        return [StartWriters(missing)]

    def _nearly_computed(self) -> int:
        """Count the fragments that need a writer in about the time that one takes to start."""
        soon_s = _WRITER_LEAD_S + self._startup_s
        tasks: dict[int, list[float | None]] = {}
        for state in self.workers.values():
            if state.task is not None:
                left_s = self.pace.seconds(state.task.rows.stop - state.position)
                tasks.setdefault(state.task.fragment_id, []).append(left_s)
        return sum(
            self.work.needs_writer(fragment_id)
            and len(left) == self.work.open_tasks(fragment_id)
            and all(seconds is not None and seconds < soon_s for seconds in left)
            for fragment_id, left in tasks.items()
        )

    def _workload(self, rows: int | None = None) -> Workload:
        # A slow machine is slow to start a worker and slow at first calls alike.
        return self.pace.workload(self.workers.values(), self.now_s, self._startup_s / 4, rows)
