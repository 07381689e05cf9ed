"""Runs the appliers and writers of one job as actors of a Ray cluster, unit by unit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import ray

from geneva.config import Settings
from geneva.jobs.commands import Apply, Interruption, JobContext, Role, WriteFragment
from geneva.jobs.events import (
    Event,
    FragmentWritten,
    FunctionLetGo,
    FunctionPrinted,
    LossCause,
    ReleaseRequested,
    StopRequested,
    TaskApplied,
    TaskFailed,
    WorkerReady,
    WorkersWithdrawn,
)
from geneva.pipeline.driver import RunnerTraits
from geneva.pipeline.envelope import Envelope, opened
from geneva.pipeline.flight_recorder import Verdict
from geneva.resources.footprint import Footprint
from geneva.runners.ray.deaths import PlaceTakenError, cause_of
from geneva.runners.ray.departures import Departures
from geneva.runners.ray.names import run_tag
from geneva.runners.ray.place_watch import PlaceWatch
from geneva.runners.ray.private import start_workers
from geneva.runners.ray.remotes import Remote, answered, start_remote
from geneva.runners.ray.units import Unit, Units
from geneva.runners.ray.worker_actor import Hello

_FETCH_S = 5.0
_STEP_S = 1.0
_FIRST_STEPS_S = 0.02
_PRESTART_S = 0.1
# Ray calls an actor unavailable while it finds out whether its node is gone.
_UNAVAILABLE_S = 25.0


class RayRunner:
    """The actors of one job.

    Parameters
    ----------
    job_id
        The job.
    footprint
        What its components ask for, and the most units.
    settings
        The caller's settings.
    printed
        Takes what functions print.
    """

    traits = RunnerTraits(separate_writers=True, startup_s=0.8, tick_s=0.25)

    def __init__(
        self,
        job_id: str,
        footprint: Footprint,
        settings: Settings,
        printed: Callable[[str, FunctionPrinted], None],
    ) -> None:
        self.max_workers = footprint.concurrency
        self._tag = run_tag(job_id)
        self._footprint = footprint
        self._printed = printed
        self._units = Units(self._tag, footprint)
        self._places = PlaceWatch(self._units, settings.reserve_timeout_s)
        self._remotes: dict[int, Remote] = {}
        self._departures = Departures(printed, self._vacate)
        self._context: JobContext | None = None
        self._wanted = 0
        self._writers_wanted = 0
        self._next_worker = 0
        self._next_step_s = 0.0
        self._events: list[Event] = []

    def prestart(self) -> None:
        """Reserve the core and start its applier, if there is a place for it right now."""
        self.start_workers(1)
        deadline = time.monotonic() + _PRESTART_S
        while not self._remotes and time.monotonic() < deadline:
            self._step()
            time.sleep(_FIRST_STEPS_S / 4)

    def tracker_place(self) -> tuple[str, Any] | None:
        """Return the run's tag and the group that holds the tracker's share, while it is held."""
        units = list(self._units.units.values())
        cores = [unit.group for unit in units if unit.core and unit.held and not unit.leaving]
        return (self._tag, cores[0]) if cores else None

    @property
    def _round_id(self) -> str:
        return "" if self._context is None else self._context.round_id

    # -- what the driver calls -----------------------------------------------------------------

    def begin(self, context: JobContext) -> tuple[tuple[int, ...], int]:
        """Take a job on with the actors that an earlier round left."""
        self._context = context
        for remote in self._remotes.values():
            remote.tell(context)
        appliers = [r for r in self._remotes.values() if r.role is Role.APPLIER]
        self._wanted = len(appliers)  # The job says how many more it wants.
        ready = tuple(r.worker for r in appliers if r.hello is not None)
        return ready, len(appliers) - len(ready)

    def start_workers(self, count: int) -> None:
        """Ask for more appliers; each starts as soon as its unit is reserved."""
        self._wanted += count
        self._next_step_s = 0.0

    def start_writers(self, count: int) -> None:
        """Start writers in units that have none."""
        self._writers_wanted += count
        self._next_step_s = 0.0

    def send(self, command: Apply | WriteFragment | Interruption) -> None:
        """Give a command to an actor; if it is gone, ``poll`` will say so."""
        remote = self._remotes.get(command.worker)
        if remote is None:
            return
        if isinstance(command, (Apply, WriteFragment)):
            remote.busy += 1
            remote.has_function |= isinstance(command, Apply)
        remote.tell(command)

    def release(self, worker: int) -> None:
        """Let an idle actor go, and with the last one its unit."""
        remote = self._remotes.get(worker)
        if remote is None or not remote.has_function:
            self.kill(worker)
            return
        del self._remotes[worker]
        self._wanted -= 1
        self._departures.add(remote, self._round_id)

    def resize(self, workers: int) -> None:
        """Take in how many appliers the job may have; places of more are given back whole."""
        self.max_workers = workers
        appliers = sum(remote.role is Role.APPLIER for remote in self._remotes.values())
        withdrawn = min(self._wanted - appliers, self._wanted - workers)
        if withdrawn > 0:
            self._wanted -= withdrawn
            self._events.append(WorkersWithdrawn(withdrawn))
        self._next_step_s = 0.0

    def kill(self, worker: int) -> None:
        """End an actor at once."""
        remote = self._remotes.pop(worker, None)
        if remote is not None:
            remote.end()
            self._left(remote)

    def end_slow(self, worker: int) -> None:
        """Kill an actor whose call takes too long; its end is noticed as any other."""
        remote = self._remotes.get(worker)
        if remote is not None:
            remote.verdict = Verdict.too_slow()
            remote.end()

    def poll(self, timeout_s: float) -> list[Event]:
        """Return what happened, waiting at most so long."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._step()
            now_s = time.monotonic()
            if self._events or now_s >= deadline:
                events, self._events = self._events, []
                return events
            self._listen(max(0.0, min(deadline, self._next_step_s) - now_s))

    def end(self) -> None:
        """End a round: those still at work are ended, the others wait for the next one."""
        for remote in list(self._remotes.values()):
            if remote.busy or remote.hello is None:
                self.kill(remote.worker)
            else:
                remote.tell(None)
        self._wanted = sum(r.role is Role.APPLIER for r in self._remotes.values())
        self._writers_wanted = 0
        for remote in [r for r in self._remotes.values() if r.role is Role.WRITER]:
            self.kill(remote.worker)

    def close(self) -> None:
        """End all actors and give everything back."""
        for remote in list(self._remotes.values()):
            (self.kill if remote.busy else self.release)(remote.worker)
        self._departures.wait()
        self._units.close()

    # -- growing and shrinking -----------------------------------------------------------------

    def _step(self) -> None:
        now_s = time.monotonic()
        if now_s < self._next_step_s:
            return
        steps = self._units.step(self._wanted)
        if steps.shed is not None:
            self._ask_back(self._units.units[steps.shed], "another job needs its place")
        self._leave_nodes()
        for unit in self._units.surplus(self.max_workers):
            self._ask_back(unit, "the job is to have fewer workers")
        for unit in self._units.taken_away:
            self._do_without(unit)
        self._give_up_silent_nodes(now_s)
        self._departures.end_late()
        for unit in list(self._units.units.values()):
            if unit.held and not unit.leaving:
                self._fill(unit)
        appliers = [r for r in self._remotes.values() if r.role is Role.APPLIER]
        told = self._places.look(len(appliers), self._wanted, now_s)
        self._events += told
        if any(isinstance(event, StopRequested) for event in told):
            self._wanted = 0
        self._next_step_s = now_s + (_STEP_S if appliers else _FIRST_STEPS_S)

    def _fill(self, unit: Unit) -> None:
        appliers = sum(r.role is Role.APPLIER for r in self._remotes.values())
        if unit.applier is None and appliers < self._wanted:
            unit.applier = self._start(unit, Role.APPLIER)
        if unit.writer is None and self._writers_wanted > 0:
            self._writers_wanted -= 1
            unit.writer = self._start(unit, Role.WRITER)

    def _start(self, unit: Unit, role: Role) -> int:
        worker = self._next_worker
        self._next_worker += 1
        self._remotes[worker] = start_remote(self._tag, self._footprint, unit, role, worker)
        return worker

    def _ask_back(self, unit: Unit, why: str) -> None:
        unit.leaving = True
        # One that is not ready yet is released as soon as it is.
        self._events += [ReleaseRequested(worker, why) for worker in unit.workers]
        self._remove_if_empty(unit)

    def _leave_nodes(self) -> None:
        """Give back what stands on nodes that are being taken away, while there is time."""
        for remote in list(self._remotes.values()):
            leaving = remote.hello is not None and remote.hello.node_id in self._units.nodes.leaving
            if leaving and not remote.unit.leaving:
                self._ask_back(remote.unit, "its node is being taken away")

    def _give_up_silent_nodes(self, now_s: float) -> None:
        """Do without workers that are silent because their node does not answer."""
        for remote in list(self._remotes.values()):
            if remote.hello is None:
                continue
            if self._units.suspects.silent(remote.hello.node_id, now_s - remote.heard_s):
                self._gone(remote, TimeoutError("its node does not answer"))

    def _do_without(self, unit: Unit) -> None:
        """Give up a unit that somebody took away, with what is starting there and never will."""
        unit.leaving = True
        for remote in [r for r in self._remotes.values() if r.unit is unit]:
            self._gone(remote, PlaceTakenError())
        self._departures.drop(lambda remote: remote.unit is unit)
        self._remove_if_empty(unit)

    def _left(self, remote: Remote) -> None:
        """Note that an actor is gone."""
        self._wanted -= remote.role is Role.APPLIER
        self._vacate(remote)

    def _vacate(self, remote: Remote) -> None:
        remote.unit.vacate(remote.role)
        self._remove_if_empty(remote.unit)

    def _remove_if_empty(self, unit: Unit) -> None:
        if unit.leaving and not unit.workers:
            self._units.remove(unit)

    # -- listening -----------------------------------------------------------------------------

    def _listen(self, timeout_s: float) -> None:
        listened_to = [*self._remotes.values(), *self._departures.remotes.values()]
        for remote, reference in answered(listened_to, timeout_s, _FIRST_STEPS_S):
            if remote.worker in self._departures.remotes:
                self._departures.hear(remote, reference)
            else:
                self._hear(remote, reference)

    def _hear(self, remote: Remote, reference: Any) -> None:
        try:
            said = ray.get(reference)
        except ray.exceptions.ActorUnavailableError as error:
            self._unavailable(remote, error)
            return
        except ray.exceptions.RayError as error:
            self._gone(remote, error)
            return
        remote.unavailable_s = None
        remote.heard_s = time.monotonic()
        remote.waiting_for = remote.actor.events.remote(_FETCH_S)
        if isinstance(said, Hello):
            remote.hello = said
            remote.tell(self._context)
            startup_s = time.monotonic() - remote.started_s
            who = remote.worker, startup_s, remote.role, remote.component
            self._events.append(WorkerReady(*who))
            return
        for envelope in said:
            self._take(remote, envelope)

    def _take(self, remote: Remote, envelope: Envelope) -> None:
        event = opened(envelope)
        if isinstance(event, FunctionPrinted):
            self._printed(remote.component, event)
            return
        if envelope.round_id != self._round_id or isinstance(event, FunctionLetGo):
            return  # A late answer from the round before.
        if isinstance(event, (TaskApplied, TaskFailed, FragmentWritten)):
            remote.busy -= 1
        self._events.append(event)

    def _unavailable(self, remote: Remote, error: BaseException) -> None:
        now_s = time.monotonic()
        remote.unavailable_s = remote.unavailable_s or now_s
        alive = self._units.nodes.alive
        gone = remote.hello is not None and remote.hello.node_id not in alive
        if gone or now_s - remote.unavailable_s > _UNAVAILABLE_S:
            self._gone(remote, error)
        else:
            remote.waiting_for = remote.actor.events.remote(_FETCH_S)

    def _gone(self, remote: Remote, error: BaseException) -> None:
        self._remotes.pop(remote.worker, None)
        remote.end()
        self._left(remote)
        node_id = None if remote.hello is None else remote.hello.node_id
        self._units.look()  # The node may be gone since the last step.
        if not self._units.is_there(remote.unit):
            error = PlaceTakenError()
        cause = cause_of(error, node_id, self._units.nodes.alive)
        self._events.append(remote.lost(cause, error))
        if cause is LossCause.CRASH and node_id is not None:
            # Where one was lost, another one may be; the next is replaced in a fifth of the time.
            start_workers(1, node_id)
        if cause in (LossCause.NODE_LOST, LossCause.PREEMPTED):
            self._ask_back(remote.unit, "its other half was lost")
