"""A judge who knows the truth about a simulated run and checks each command against it."""

from __future__ import annotations

from collections import Counter, deque

from geneva.errors import FatalWorkerCrashError, FatalWorkerError, StalledError, WorkerStartError
from geneva.jobs import commands as cmd
from geneva.jobs import events as ev
from geneva.jobs.limits import Limits
from geneva.jobs.planner import Plan
from geneva.jobs.state import JobState
from geneva.storage.model import Part

_STARTING = (-1, -1)


class Judge:
    """Checks each command against the truth.

    ``known`` are the workers that the run was told of, with what they still have to do, ``roles``
    what they are, and ``durable`` is how far the task of each is safe. ``gone`` are those that it
    must not talk to any more, and ``leaving`` those that were asked back. ``starting`` counts those
    that were asked for and of which nothing was heard.
    """

    def __init__(self, plan: Plan, pending: dict[int, set[int]], limits: Limits) -> None:
        self.plan = plan
        self.pending = pending
        self.limits = limits
        self.held: dict[str, set[int]] = {}
        self.known: dict[int, deque[cmd.Apply | cmd.WriteFragment]] = {}
        self.roles: dict[int, cmd.Role] = {}
        self.durable: dict[int, int] = {}
        self.gone: set[int] = set()
        self.leaving: set[int] = set()
        self.most = self.highest = limits.max_workers
        self.stopping: set[int] = set()
        self.starting: Counter[cmd.Role] = Counter()
        self.parts: dict[int, list[Part]] = {f.fragment_id: list(f.parts) for f in plan.fragments}
        self.written: set[int] = set()
        self.committed: Counter[int] = Counter()
        self.outdated: dict[int, str] = {}
        self.commits: list[int] = []
        self.error: BaseException | None = None
        self.losses: Counter[tuple[int, int, ev.LossCause]] = Counter()
        self.too_many: ev.WorkerLost | None = None
        self.finishes: list[cmd.Outcome] = []
        self.fatal: set[tuple[int, int]] = set()
        self.lost: set[tuple[int, int]] = set()

    # -- what the run is told ------------------------------------------------------------------

    def ready(self, worker: int, role: cmd.Role) -> None:
        """Take in that a worker is ready."""
        self.known[worker] = deque()
        self.roles[worker] = role

    def note(self, event: ev.Event) -> None:
        """Take in an event at the moment at which the run sees it."""
        if isinstance(event, (ev.CommitFailed, ev.StopRequested)):
            self.error = self.error or event.error
        worker = getattr(event, "worker", None)
        if worker is None or worker in self.gone:
            return
        match event:
            case ev.WorkerReady():
                self.starting[event.role] -= 1
                self.ready(worker, event.role)
                for cause in ev.LossCause:
                    self.losses[(*_STARTING, cause)] = 0
            case ev.WorkerLost():
                self._lose(event)
            case ev.ReleaseRequested():
                self.leaving.add(worker)
            case ev.PartWritten():
                self.parts[event.part.fragment_id].append(event.part)
                self.durable[worker] = event.part.rows.stop
            case ev.TaskApplied():
                assert self.known[worker].popleft().task.task_id == event.task_id
            case ev.TaskFailed():
                self.known[worker].popleft()
                self.error = self.error or event.error
            case ev.FragmentWritten():
                order = self.known[worker].popleft()
                assert order.fragment.fragment_id == event.file.fragment_id, "first in, first out"

    def _lose(self, event: ev.WorkerLost) -> None:
        self.gone.add(event.worker)
        place = _STARTING
        if event.worker in self.known:
            orders = self.known.pop(event.worker)
            if not orders:
                return
            task = isinstance(orders[0], cmd.Apply)
            place = (orders[0].fragment.fragment_id, self.durable[event.worker] if task else -1)
        else:
            self.starting[event.role] -= 1
        if event.batch is not None:
            return  # Its rows are to blame, which has a budget of its own.
        self.losses[(*place, event.cause)] += 1
        if self.losses[(*place, event.cause)] >= self.limits.budget(event.cause):
            self.too_many = event

    def decide(self, error: BaseException | None) -> None:
        """Take in whether the run decided to end early: it must when a budget is used up."""
        too_many, self.too_many = self.too_many, None
        if self.error is not None:
            return
        self.error = error
        if too_many is not None:
            assert isinstance(error, FatalWorkerError)
            assert "did not start" not in str(error)
        elif isinstance(error, FatalWorkerCrashError):
            assert self.limits.failure_rules.of_loss("FatalWorkerCrashError")[1] is None
        elif error is not None and not isinstance(error, StalledError):
            assert isinstance(error, WorkerStartError)
            assert "did not start" in str(error)
            assert not (self._has(cmd.Role.APPLIER) and self._has(cmd.Role.WRITER))

    def _has(self, role: cmd.Role) -> bool:
        return any(self.roles[worker] in (role, cmd.Role.BOTH) for worker in self.known)

    # -- what the run decides ------------------------------------------------------------------

    def lose_row(self, command: cmd.NoteLostRow) -> None:
        """Take in that a row is computed no more because it kills whoever computes it."""
        row = (command.fragment_id, command.offset)
        assert row in self.fatal, "an innocent row"
        assert row not in self.lost
        self.lost.add(row)

    def start(self, role: cmd.Role, count: int) -> None:
        """Take in that workers are to be started."""
        assert self.error is None
        assert count > 0
        assert len(self.written) < len(self.plan.fragments), "there is something to do"
        assert self.limits.separate_writers is (role is not cmd.Role.BOTH)
        self.starting[role] += count

    def work(self, command: cmd.Apply | cmd.WriteFragment) -> None:
        """Take in that a worker is given work."""
        worker, role = command.worker, self.roles[command.worker]
        fragment_id = command.fragment.fragment_id
        assert self.error is None, "nothing new is begun after an error"
        assert worker not in self.leaving, "who was asked back gets no more work"
        assert len(self.known[worker]) < (2 if role is cmd.Role.WRITER else 1)
        self.known[worker].append(command)
        assert fragment_id not in self.written
        if isinstance(command, cmd.Apply):
            assert role is not cmd.Role.WRITER
            self.durable[worker] = command.task.rows.start
            return
        assert role is not cmd.Role.APPLIER
        orders = [order.fragment.fragment_id for known in self.known.values() for order in known]
        assert orders.count(fragment_id) == 1, "all is computed, and nobody else writes it"
        assert set(command.parts) == set(self.parts[fragment_id])
        computed = Counter(
            row for part in command.parts if part.path in self.held for row in self.held[part.path]
        )
        lost = {row for fragment, row in self.lost if fragment == fragment_id}
        assert set(command.lost) == lost
        assert computed == Counter(self.pending[fragment_id] - lost), "each other row exactly once"

    def stop_task(self, worker: int) -> None:
        """Take in that a worker is asked to end its task."""
        assert isinstance(self.known[worker][0], cmd.Apply)
        assert self.error is not None or worker in self.leaving or self._is_surplus(worker)
        self.stopping.add(worker)

    def let_go(self, command: cmd.ReleaseWorker | cmd.KillWorker) -> None:
        """Take in that a worker is released or killed."""
        orders = self.known.pop(command.worker)
        if isinstance(command, cmd.KillWorker):
            assert self.error is not None
        else:
            assert not orders
            idle_writer = self.roles[command.worker] is cmd.Role.WRITER
            surplus = self._is_surplus(command.worker)
            assert command.worker in self.leaving or idle_writer or surplus
        self.gone.add(command.worker)

    def resize(self, workers: int) -> None:
        """Take in that the run may have more or fewer workers that compute."""
        self.most, self.highest = workers, max(self.highest, workers)

    def _is_surplus(self, worker: int) -> bool:
        """Whether a worker may be asked back, because there are more than there may be.

        Where writers are processes of their own, only who gave the places asks them back.
        """
        if self.limits.separate_writers:
            return False
        if self.most < len(self.known.keys() - self.leaving) + (worker not in self.known):
            self.leaving.add(worker)
            return True
        return False

    def finish_file(self, fragment_id: int, rows: set[int] | None) -> None:
        """Take in that a file was made; ``rows`` are those of a task that was the whole of it."""
        assert fragment_id not in self.written, "a fragment is written once"
        self.written.add(fragment_id)
        assert rows is None or rows == self.pending[fragment_id]

    def commit(self, command: cmd.Commit) -> None:
        """Take in that files are committed."""
        assert command.files
        self.commits.append(len(command.files))
        for file in command.files:
            assert file.fragment_id in self.written
            self.committed[file.fragment_id] += 1
            assert self.committed[file.fragment_id] == 1, "a fragment is committed once"

    # -- the run as a whole --------------------------------------------------------------------

    def look(self, state: JobState) -> None:
        """Compare what the run believes with the truth, as long as it listens."""
        if self.finishes:
            return
        assert set(state.scheduler.workers) == set(self.known)
        assert {w for w, s in state.scheduler.workers.items() if s.busy} == {
            w for w in self.known if self.known[w]
        }
        appliers = sum(self.roles[worker] is not cmd.Role.WRITER for worker in self.known)
        appliers_starting = self.starting[cmd.Role.APPLIER] + self.starting[cmd.Role.BOTH]
        assert state.scheduler.workers_starting == appliers_starting
        assert state.scheduler.writers_starting == self.starting[cmd.Role.WRITER]
        assert appliers + appliers_starting <= self.highest
        writers = len(self.known) - appliers + self.starting[cmd.Role.WRITER]
        assert writers <= self.highest
        if self.error is None and not self.limits.separate_writers:
            # Those that write go when they have written.
            asked = {w for w, s in state.scheduler.workers.items() if s.leaving} - self.leaving
            self.leaving |= asked
            stay = len(self.known.keys() - self.leaving)
            assert stay == self.most if asked else stay <= self.most
        for worker in self.leaving & set(self.known):
            if self.error is None:
                orders = self.known[worker]
                assert orders, "who was asked back and is idle is let go"
                assert isinstance(orders[0], cmd.WriteFragment) or worker in self.stopping

    def end(self, state: JobState) -> None:
        """Look at the run as a whole."""
        assert len(self.finishes) == 1
        outcome = self.finishes[0]
        assert outcome.outdated == self.outdated
        enough = self.limits.commit_granularity or len(self.plan.fragments)
        early = self.commits[:-1] if self.commits else []
        assert all(count >= enough for count in early), "commits wait for their granularity"
        assert outcome.error is self.error, "the first error is the caller's"
        if self.error is None:
            assert set(self.committed) == {f.fragment_id for f in self.plan.fragments}
            assert state.scheduler.pace.rows_done == self.plan.total_rows_pending
        else:
            assert set(self.committed) == self.written, "what is finished is committed"
