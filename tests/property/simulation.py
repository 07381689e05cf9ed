"""Workers that answer a run's commands in any order and at any time.

A worker is what ``geneva.pipeline.worker`` is, without rows: it computes in steps, makes parts
durable in between, gives rows away when it is asked, can be asked back and can be lost at any
moment, and a lost one may turn out to live on. Its events reach the run later, in the order in
which they were sent. A worker starts only once the cluster has room for it.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from geneva.errors import StalledError
from geneva.jobs import commands as cmd
from geneva.jobs import events as ev
from geneva.jobs.limits import Limits
from geneva.jobs.planner import Plan
from geneva.jobs.stage import Stage
from geneva.jobs.state import JobState
from geneva.jobs.tasks import ApplyTask, FragmentPlan
from geneva.storage.model import ColumnFile, Part, RowRange
from tests.property.judge import Judge

_TIMES = ev.StageTimes()
# Far more than any run needs: every row, part, loss and tick is a step or a few.
_MOST_STEPS = 20_000


@dataclass(frozen=True)
class Troubles:
    """What may go wrong in a run, and how often.

    Of the lost workers some are ``ghosts``: they live on, and what they say comes late. ``rooms``
    are how many workers of a role the cluster has room for, each for so many steps, the last one
    for ever; None is room for all. Stuck workers say every few seconds what they are ``stuck_at``,
    or nothing. ``reports`` are how often one that is not stuck says that something takes it long.
    ``fatal_rows`` are how many rows kill whoever computes them. ``resizes`` are how many workers
    the run may have, each after so many steps.
    """

    losses: int = 0
    causes: tuple[ev.LossCause, ...] = tuple(ev.LossCause)
    ghosts: int = 0
    releases: int = 0
    failures: int = 0
    stuck_starts: int = 0
    stuck_workers: int = 0
    stuck_at: tuple[Stage | None, ...] = (None,)
    stuck_writers: int = 0
    reports: int = 0
    outdated: int = 0
    commit_failures: int = 0
    fatal_rows: int = 0
    stop_after: int | None = None
    rooms: tuple[tuple[int | None, int], ...] = ()
    resizes: tuple[tuple[int, int], ...] = ()


class Injected(Exception):
    """An error that the simulation caused."""


@dataclass
class Running:
    """A task at a worker: what ``TaskControl`` and ``TaskOutput`` know."""

    task: ApplyTask
    fragment: FragmentPlan
    stop: int
    position: int
    part_start: int
    rows: list[int] = field(default_factory=list)
    unreported: int = 0
    stopping: bool = False

    @property
    def makes_file(self) -> bool:
        """Whether what it has computed now is the fragment's whole column."""
        everything = RowRange(0, self.fragment.physical_rows)
        whole = self.fragment.whole and self.task.rows == everything
        return whole and self.part_start == 0 and self.position == everything.stop


@dataclass
class SimWorker:
    role: cmd.Role
    placed: bool = False
    ready: bool = False
    alive: bool = True
    ghost: bool = False
    stuck: bool = False
    stuck_at: Stage | None = None
    acted_s: float = 0.0
    said_s: float = 0.0
    stop_asked: bool = False
    asked_back: bool = False
    loaded: bool = False
    inbox: deque = field(default_factory=deque)
    running: Running | None = None
    answers: deque = field(default_factory=deque)


def _assigned(worker: SimWorker) -> list[tuple[int, int, int]]:
    """Return fragment, start and stop of what a worker that lives still has to compute."""
    if not worker.alive:
        return []
    tasks = [command.task for command in worker.inbox if isinstance(command, cmd.Apply)]
    found = [(task.fragment_id, task.rows.start, task.rows.stop) for task in tasks]
    if worker.running is not None and not worker.running.stopping:
        found.append(
            (worker.running.task.fragment_id, worker.running.position, worker.running.stop)
        )
    return found


def _overlap(one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    return one[0] == other[0] and max(one[1], other[1]) < min(one[2], other[2])


class Simulation:
    """Drives one run of a plan to its end.

    ``pending`` are the rows that each fragment has to have computed.
    """

    def __init__(
        self,
        plan: Plan,
        pending: dict[int, set[int]],
        limits: Limits,
        troubles: Troubles,
        seed: int,
        *,
        row_s: float,
    ) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a schedule, not a secret
        self.state = JobState(plan, limits)
        self.judge = Judge(plan, pending, limits)
        rows = sorted((f.fragment_id, row) for f in plan.fragments for row in self._to_compute(f))
        self.judge.fatal = set(self.random.sample(rows, min(troubles.fatal_rows, len(rows))))
        self.applier = cmd.Role.APPLIER if limits.separate_writers else cmd.Role.BOTH
        self.left = Counter({k: v for k, v in vars(troubles).items() if isinstance(v, int)})
        self.causes = troubles.causes
        self.stuck_at = troubles.stuck_at
        self.got_stuck = 0
        self.stop_after = troubles.stop_after
        self.rooms = deque(troubles.rooms)
        self.resizes = deque(troubles.resizes)
        self.room: int | None = None
        self.room_changes_at = 0
        self.waiting = 0
        self.row_s = row_s
        self.now_s = 100.0
        self.workers: dict[int, SimWorker] = {}
        self.queue: deque[ev.Event] = deque()
        self.commits: deque[tuple[ColumnFile, ...]] = deque()
        self.files: dict[int, set[int] | None] = {}
        self.steps = 0

    def run(self, ready: int, starting: int) -> cmd.Outcome:
        for _ in range(ready + starting):
            self._start(self.applier)
        for worker in range(ready):
            self.workers[worker] = SimWorker(self.applier, placed=True, ready=True)
            self.judge.ready(worker, self.applier)
        self.judge.starting[self.applier] += starting
        self._execute(self.state.begin(tuple(range(ready)), starting, self.now_s))
        while not self.judge.finishes:
            self.steps += 1
            assert self.steps < _MOST_STEPS, "the run hangs"
            self._step()
        for _ in range(5):  # Whatever comes late, nothing follows the end.
            self._deliver(self.queue.popleft() if self.queue else ev.Tick())
        self.judge.end(self.state)
        return self.judge.finishes[0]

    def _to_compute(self, fragment: FragmentPlan) -> set[int]:
        ranges = [range(rows.start, rows.stop) for rows in fragment.ranges]
        return {row for rows in ranges for row in rows} & self.judge.pending[fragment.fragment_id]

    # -- time goes on ------------------------------------------------------------------------

    def _step(self) -> None:
        if self.stop_after is not None and self.steps > self.stop_after:
            self.stop_after = None
            self.queue.appendleft(ev.StopRequested(Injected("stop")))
        if self.resizes and self.steps >= self.resizes[0][1]:
            workers, _ = self.resizes.popleft()
            self.judge.resize(workers)
            self._deliver(ev.ConcurrencyAsked(workers))
        self._give_places()
        acts = [act for i, worker in self.workers.items() for act in self._acts(i, worker)]
        if self.commits:
            acts.append(self._answer_commit)
        if self.queue and (not acts or self.random.random() < 0.5):
            self._deliver(self.queue.popleft())
        elif acts and self.random.random() < 0.97:
            self.random.choice(acts)()
        else:
            # Of those who wait for workers to stop, some have a machine that sleeps.
            sleep_s = 3.0 if self.judge.error is not None else 0.05
            self.now_s += sleep_s if acts or self.queue else 1.0
            self._deliver(ev.Tick())

    def _give_places(self) -> None:
        """Let workers start as far as there is room, ask back those that are too many."""
        while self.rooms and self.steps >= self.room_changes_at:
            self.room, steps = self.rooms.popleft()
            self.room_changes_at += steps
        for role in {worker.role for worker in self.workers.values()}:
            alive = [i for i, w in self.workers.items() if w.role is role and w.alive]
            placed = [i for i in alive if self.workers[i].placed]
            room = len(alive) if self.room is None else self.room
            for number in placed[room:]:
                if not self.workers[number].asked_back:
                    self._ask_back(number)
            for number in [i for i in alive if i not in placed][: max(0, room - len(placed))]:
                self.workers[number].placed = True
        waiting = sum(
            worker.alive and not worker.placed
            for worker in self.workers.values()
            if worker.role is not cmd.Role.WRITER
        )
        if waiting != self.waiting:
            self.waiting = waiting
            self._send(ev.WorkersWaiting(waiting, "1 CPU"))

    def _acts(self, number: int, worker: SimWorker) -> list[Callable[[], None]]:
        """Return what a worker could do next."""
        if not (worker.alive or worker.ghost) or not worker.placed:
            return []
        if worker.alive and self.left["losses"] and self.random.random() < 0.05:
            return [lambda: self._lose(number)]
        if worker.alive and self._take("releases", 0.03):
            self._ask_back(number)
        if not worker.ready:
            return [] if worker.stuck else [lambda: self._become_ready(number)]
        acts: list[Callable[[], None]] = []
        if worker.answers:
            acts.append(lambda: self._send(worker.answers.popleft()))
        if worker.stuck:
            if worker.stuck_at is not None and self.now_s - worker.said_s > 5:
                acts.append(lambda: self._say_busy(number, worker, worker.stuck_at))
            return acts
        busy_s = self.now_s - worker.acted_s
        long = 5 < busy_s < self.judge.limits.stall_timeout_s / 2
        if worker.running is not None and long and self._take("reports", 0.3):
            self._say_busy(number, worker, self.random.choice(list(Stage)))
        if worker.running is not None:
            acts.append(lambda: self._go_on(number, worker.running))
        elif worker.inbox:
            acts.append(lambda: self._begin(number, worker))
        return acts

    def _deliver(self, event: ev.Event) -> None:
        known = getattr(event, "worker", None) in self.judge.known
        self.judge.note(event)
        if known and isinstance(event, ev.FragmentWritten):
            self.judge.finish_file(event.file.fragment_id, None)
        if known and isinstance(event, ev.TaskApplied) and event.file is not None:
            self.judge.finish_file(event.file.fragment_id, self.files[event.file.fragment_id])
        commands = self.state.handle(event, self.now_s)
        if isinstance(self.state._error, StalledError) and self.judge.error is None:
            self._check_stalled()
        self.judge.decide(self.state._error)
        self._execute(commands)

    def _check_stalled(self) -> None:
        """Check that everybody who has work is stuck where nothing is computed, for long enough."""
        busy = [self.workers[number] for number, orders in self.judge.known.items() if orders]
        assert busy
        for worker in busy:
            assert worker.stuck
            assert worker.stuck_at is not None
            assert not worker.stuck_at.computes
            assert self.now_s - worker.acted_s > self.judge.limits.stall_timeout_s

    def _execute(self, commands: list[cmd.Command]) -> None:
        for command in commands:
            assert not self.judge.finishes, "nothing follows the end"
            if hasattr(command, "worker"):
                assert command.worker in self.judge.known, f"{command} names an unknown worker"
            match command:
                case cmd.StartWorkers() | cmd.StartWriters():
                    role = (
                        self.applier if isinstance(command, cmd.StartWorkers) else cmd.Role.WRITER
                    )
                    self.judge.start(role, command.count)
                    for _ in range(command.count):
                        self._start(role)
                case cmd.Apply() | cmd.WriteFragment():
                    self._check_overlap(command)
                    self.judge.work(command)
                    self.workers[command.worker].inbox.append(command)
                case cmd.SplitTask() | cmd.StopTask() | cmd.CheckpointEvery():
                    self._interrupt(command)
                case cmd.KillWorker() | cmd.ReleaseWorker():
                    self.judge.let_go(command)
                    worker = self.workers[command.worker]
                    worker.alive = worker.ghost = False
                    self.queue.extend(worker.answers)  # They are on their way.
                case cmd.NoteLostRow():
                    self.judge.lose_row(command)
                case cmd.Commit():
                    assert not self.commits, "one commit at a time"
                    self.judge.commit(command)
                    self.commits.append(command.files)
                case cmd.Finish():
                    assert not self.commits
                    self.judge.finishes.append(command.outcome)
        self.judge.look(self.state)

    def _interrupt(self, command: cmd.Interruption) -> None:
        worker = self.workers[command.worker]
        match command:
            case cmd.SplitTask():
                assert self.judge.error is None
                self._split(worker, command)
            case cmd.StopTask():
                self.judge.stop_task(command.worker)
                worker.stop_asked = True
                if worker.running is not None:
                    worker.running.stopping = True
            case cmd.CheckpointEvery():
                assert 0 < command.seconds < 10, "only less than before is ever at risk"

    def _check_overlap(self, command: cmd.Apply | cmd.WriteFragment) -> None:
        """Check that nobody still has to compute what is to be computed, or written."""
        start, stop = 0, command.fragment.physical_rows
        if isinstance(command, cmd.Apply):
            start, stop = command.task.rows.start, command.task.rows.stop
        mine = (command.fragment.fragment_id, start, stop)
        for other in self.workers.values():
            for theirs in _assigned(other):
                assert not _overlap(mine, theirs), f"{mine} and {theirs} are assigned at once"

    # -- what workers do -----------------------------------------------------------------------

    def _send(self, event: ev.Event) -> None:
        self.queue.append(event)

    def _take(self, trouble: str, chance: float) -> bool:
        if not self.left[trouble] or self.random.random() > chance:
            return False
        self.left[trouble] -= 1
        return True

    def _start(self, role: cmd.Role) -> None:
        stuck = self._take("stuck_starts", 0.3)
        self.workers[len(self.workers)] = SimWorker(role, stuck=stuck)

    def _become_ready(self, number: int) -> None:
        worker = self.workers[number]
        worker.ready = True
        self.now_s += 0.1
        self._send(ev.WorkerReady(number, startup_s=0.4, role=worker.role))

    def _ask_back(self, number: int) -> None:
        self.workers[number].asked_back = True
        self._send(ev.ReleaseRequested(number, "another job needs its place"))

    def _say_busy(self, number: int, worker: SimWorker, stage: Stage) -> None:
        worker.said_s = self.now_s
        self._send(ev.WorkerBusy(number, stage, self.now_s - worker.acted_s))

    def _get_stuck(self, worker: SimWorker, stage: Stage | None) -> None:
        self.got_stuck += 1
        worker.stuck, worker.stuck_at = True, stage
        worker.acted_s = worker.said_s = self.now_s

    def _lose(self, number: int) -> None:
        self.left["losses"] -= 1
        worker = self.workers[number]
        worker.alive = False
        worker.ghost = self._take("ghosts", 0.3)
        exit_code = self.random.choice([-9, -11, 1, 0, None])
        cause = self.random.choice(self.causes)
        self._send(ev.WorkerLost(number, exit_code, "last words", cause=cause, role=worker.role))

    def _die(self, number: int, fragment_id: int, rows: list[int]) -> None:
        worker = self.workers[number]
        worker.alive = worker.ghost = False
        batch = ev.BatchRows(fragment_id, RowRange(rows[0], rows[-1] + 1))
        self._send(ev.WorkerLost(number, -11, "SIGSEGV", role=worker.role, batch=batch))

    def _begin(self, number: int, worker: SimWorker) -> None:
        worker.acted_s = self.now_s
        if isinstance(worker.inbox[0], cmd.WriteFragment) and self._take("stuck_writers", 0.2):
            self._get_stuck(worker, Stage.WRITE)
            return
        command = worker.inbox.popleft()
        if isinstance(command, cmd.WriteFragment):
            if self._take("failures", 0.2):
                self._send(ev.TaskFailed(number, None, Injected("disk full")))
            else:
                file = _file(command.fragment.fragment_id)
                self._send(ev.FragmentWritten(number, file, _TIMES))
            return
        start, stop = command.task.rows.start, command.task.rows.stop
        worker.running = Running(
            command.task, command.fragment, stop, start, start, stopping=worker.stop_asked
        )
        if not worker.loaded:
            worker.loaded = True
            self._send(ev.TaskStarted(number, command.task.task_id, setup_s=0.3))

    def _go_on(self, number: int, running: Running) -> None:
        chance = self.random.random()
        worker = self.workers[number]
        worker.acted_s = self.now_s
        if self._take("stuck_workers", 0.1):
            self._get_stuck(worker, self.random.choice(self.stuck_at))
        elif self._take("failures", 0.1):
            worker.running = None
            self._write_part(number, running)
            error = Injected("the function raised")
            self._send(ev.TaskFailed(number, running.task.task_id, error))
        elif running.stopping or running.position == running.stop:
            if running.rows and not running.makes_file:
                self._write_part(number, running)
            else:
                worker.running = None
                self._end(number, running)
        elif chance < 0.7:
            upto = self.random.randint(running.position + 1, running.stop)
            wanted = self.judge.pending[running.task.fragment_id]
            rows = [row for row in range(running.position, upto) if row in wanted]
            if running.task.batch_rows is not None and len(rows) > running.task.batch_rows:
                rows = rows[: running.task.batch_rows]
                upto = rows[-1] + 1
            if any((running.task.fragment_id, row) in self.judge.fatal for row in rows):
                self._die(number, running.task.fragment_id, rows)
                return
            self.now_s += self.row_s * len(rows)
            running.rows += rows
            running.unreported += len(rows)
            running.position = upto
            if chance < 0.5:
                self._report(number, running)
        elif running.rows:
            self._write_part(number, running)

    def _report(self, number: int, running: Running) -> None:
        rows, running.unreported = running.unreported, 0
        self._send(
            ev.RowsApplied(
                number,
                running.task.task_id,
                rows=rows,
                output_bytes=8 * rows,
                position=running.position,
                times=_TIMES,
            )
        )

    def _write_part(self, number: int, running: Running) -> None:
        if not running.rows:
            return
        self._report(number, running)
        fragment_id = running.task.fragment_id
        rows = RowRange(running.part_start, running.position)
        part = Part(fragment_id, rows, running.fragment.where is None, f"p{len(self.judge.held)}")
        self.judge.held[part.path] = set(running.rows)
        running.part_start, running.rows = running.position, []
        self._send(ev.PartWritten(number, running.task.task_id, part))

    def _end(self, number: int, running: Running) -> None:
        done = RowRange(running.task.rows.start, running.position)
        file = None
        if running.makes_file:
            file = _file(running.task.fragment_id)
            self.files[file.fragment_id] = set(running.rows)
        self._report(number, running)
        self._send(ev.TaskApplied(number, running.task.task_id, done, file))

    def _split(self, worker: SimWorker, command: cmd.SplitTask) -> None:
        if not worker.alive:
            return
        at, running = None, worker.running
        if running is not None and running.task.task_id == command.task_id:
            rest = running.stop - running.position
            if rest >= 2 and not running.stopping:
                at = running.stop = running.position + (rest + 1) // 2
        worker.answers.append(ev.TaskSplit(command.worker, command.task_id, at))

    def _answer_commit(self) -> None:
        files = self.commits.popleft()
        if self._take("commit_failures", 0.5):
            self._send(ev.CommitFailed(Injected("conflict")))
            return
        outdated = {f.fragment_id: "moved" for f in files if self._take("outdated", 0.3)}
        self.judge.outdated |= outdated
        kept = tuple(file for file in files if file.fragment_id not in outdated)
        self._send(ev.Committed(7 if kept else None, kept, outdated, 0.01))


def _file(fragment_id: int) -> ColumnFile:
    return ColumnFile(fragment_id, f"{fragment_id}.lance", (7,), (0,), 2, 1, None)
