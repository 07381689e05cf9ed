"""The driver: executes what the state machine decides. It decides nothing itself."""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from geneva.errors import BackfillTimeoutError, StalledError
from geneva.jobs.commands import (
    Apply,
    Command,
    Commit,
    EndSlowWorker,
    Finish,
    Interruption,
    JobContext,
    KillWorker,
    NoteLostRow,
    Outcome,
    ReleaseWorker,
    StartWorkers,
    StartWriters,
    Warn,
    WriteFragment,
)
from geneva.jobs.events import (
    CommitFailed,
    Committed,
    ConcurrencyAsked,
    Event,
    StopRequested,
    Tick,
)
from geneva.jobs.state import JobState
from geneva.pipeline.chronicle import Chronicle
from geneva.pipeline.meter import ProgressMeter
from geneva.storage.commit import CommitResult
from geneva.storage.model import ColumnFile

# A job of minutes need not look at the clock more often: the CPU is for its functions.
_SLOW_TICK_S = 0.5


@dataclass(frozen=True, slots=True)
class RunnerTraits:
    """What kind of runner one is.

    Attributes
    ----------
    computes_here : bool
        Whether functions run in the driver's own thread.
    separate_writers : bool
        Whether fragments are written by workers of their own.
    startup_s : float
        Seconds that a worker is expected to take until it is ready.
    tick_s : float
        Seconds between two looks at the clock while nothing happens, in a run's first moments;
        they become half a second.
    """

    computes_here: bool = False
    separate_writers: bool = False
    startup_s: float = 0.4
    tick_s: float = 0.05


class Runner(Protocol):
    """Where workers run: this thread, local processes, a cluster."""

    max_workers: int
    traits: RunnerTraits

    def begin(self, context: JobContext) -> tuple[tuple[int, ...], int]:
        """Take a job on; return the workers that are ready and how many more are starting."""

    def start_workers(self, count: int) -> None:
        """Start more workers that compute."""

    def start_writers(self, count: int) -> None:
        """Start more workers that only write."""

    def release(self, worker: int) -> None:
        """Let go of a worker that was asked back and is idle."""

    def send(self, command: Apply | WriteFragment | Interruption) -> None:
        """Give a command to the worker that it names."""

    def resize(self, workers: int) -> None:
        """Take in that the job may have more or fewer workers that compute from now on."""

    def kill(self, worker: int) -> None:
        """End a worker at once."""

    def end_slow(self, worker: int) -> None:
        """End a worker whose call takes too long; :meth:`poll` tells that it is lost."""

    def poll(self, timeout_s: float) -> list[Event]:
        """Return what happened, waiting at most this long for something to happen."""

    def end(self) -> None:
        """Release the workers."""


class StopSignal:
    """Lets another thread ask a run to end early, or to have more or fewer workers.

    Attributes
    ----------
    concurrency : int
        Most workers that somebody asked for since the job began; 0 if nobody did.
    concurrency_by : str
        Who.
    """

    def __init__(self) -> None:
        self.concurrency = 0
        self.concurrency_by = ""
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self._listener: Callable[[], None] | None = None

    def ask(self, error: BaseException) -> None:
        """Ask for an early end; the first error wins and is what the caller will see."""
        with self._lock:
            self._error = self._error or error
            listener = self._listener
        if listener is not None:
            listener()

    def ask_concurrency(self, workers: int, by: str) -> None:
        """Ask for more or fewer workers, in this round of the job and all that follow."""
        with self._lock:
            self.concurrency_by, self.concurrency = by, workers

    def tell(self, listener: Callable[[], None]) -> None:
        """Call somebody when an early end is asked for, in the thread of who asks."""
        with self._lock:
            self._listener = listener
        if self._error is not None:
            listener()

    @property
    def error(self) -> BaseException | None:
        """The error to end with, None while nobody asked."""
        return self._error


@contextmanager
def ctrl_c_asks(stop: StopSignal, *, wanted: bool) -> Iterator[None]:
    """Let Ctrl-C ask for an early end instead of breaking off whatever the driver is doing.

    An interrupt in the middle of a message or a commit would lose it. A second Ctrl-C is raised at
    once, for those who do not want to wait. A program's own handler is left alone.
    """
    main = threading.current_thread() is threading.main_thread()
    if not (wanted and main) or signal.getsignal(signal.SIGINT) != signal.default_int_handler:
        yield
        return

    def ask(signal_number: int, frame: FrameType | None) -> None:
        if stop.error is not None:
            signal.default_int_handler(signal_number, frame)
        stop.ask(KeyboardInterrupt())

    signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Driver:
    """Runs one plan to its end.

    Parameters
    ----------
    state
        The run's state machine.
    runner
        Where the workers are.
    commit
        Commits column files.
    meter
        Is told everything that happens.
    stop
        Asks for an early end.
    deadline_s
        When to end with a timeout, on ``time.monotonic``; None for never.
    warn
        Takes warnings.
    commit_timeout_s
        How long the storage may take to answer a commit.
    note_lost
        Stores what went wrong with a row that kills whoever computes it.
    resized
        Says how many workers the job has at most when somebody asks for others, and why.
    chronicle
        Is told what workers do.
    """

    def __init__(
        self,
        state: JobState,
        runner: Runner,
        commit: Callable[[tuple[ColumnFile, ...]], CommitResult],
        meter: ProgressMeter,
        stop: StopSignal,
        deadline_s: float | None,
        warn: Callable[[str], None],
        commit_timeout_s: float,
        note_lost: Callable[[NoteLostRow], None],
        resized: Callable[[], ConcurrencyAsked],
        chronicle: Chronicle | None = None,
    ) -> None:
        self._state = state
        self._runner = runner
        self._commit = commit
        self._meter = meter
        self._stop = stop
        self._deadline_s = deadline_s
        self._warn = warn
        self._commit_timeout_s = commit_timeout_s
        self._note_lost = note_lost
        self._resized = resized
        self._chronicle = chronicle or Chronicle()
        self._concurrency = stop.concurrency
        self._events: deque[Event] = deque()
        self._outcome: Outcome | None = None
        self._stop_passed_on = False
        self._began_s = time.monotonic()

    def run(self, context: JobContext) -> Outcome:
        """Drive the run until the state machine says that it is finished."""
        ready, starting = self._runner.begin(context)
        self._chronicle.begin_round(ready, here=self._runner.traits.computes_here)
        try:
            with ctrl_c_asks(self._stop, wanted=not self._runner.traits.computes_here):
                self._execute(self._state.begin(ready, starting, time.monotonic()))
                while self._outcome is None:
                    try:
                        self._step()
                    except KeyboardInterrupt as interrupt:
                        self._stop.ask(interrupt)
        finally:
            self._chronicle.end_round()
            self._runner.end()
        return self._outcome

    def _step(self) -> None:
        if not self._events:
            self._events.extend(self._runner.poll(self._tick_s(time.monotonic())) or [Tick()])
        self._check_concurrency()
        self._check_stop()
        event = self._events.popleft()
        self._meter.record(event)
        self._chronicle.record(event)
        self._execute(self._state.handle(event, time.monotonic()))
        self._meter.update(self._state)

    def _tick_s(self, now_s: float) -> float:
        tick_s = max(self._runner.traits.tick_s, min(_SLOW_TICK_S, (now_s - self._began_s) / 20))
        if self._deadline_s is None or self._stop_passed_on:
            return tick_s
        return max(0.0, min(tick_s, self._deadline_s - now_s))

    def _check_concurrency(self) -> None:
        asked = self._stop.concurrency
        if asked != self._concurrency and self._stop.error is None:
            self._concurrency = asked
            event = self._resized()
            self._runner.resize(event.workers)
            self._events.append(event)

    def _check_stop(self) -> None:
        if self._deadline_s is not None and time.monotonic() > self._deadline_s:
            self._stop.ask(BackfillTimeoutError(self._meter.timeout_message()))
        if self._stop.error is not None and not self._stop_passed_on:
            self._stop_passed_on = True
            self._events.appendleft(StopRequested(self._stop.error))

    def _execute(self, commands: list[Command]) -> None:
        for command in commands:
            self._chronicle.gave(command)
            match command:
                case StartWorkers():
                    self._runner.start_workers(command.count)
                case StartWriters():
                    self._runner.start_writers(command.count)
                case ReleaseWorker():
                    self._runner.release(command.worker)
                case KillWorker():
                    self._runner.kill(command.worker)
                case EndSlowWorker():
                    self._runner.end_slow(command.worker)
                case NoteLostRow():
                    self._note_lost(command)
                case Warn():
                    self._warn(command.text)
                case Commit():
                    self._events.append(self._committed(command.files))
                case Finish():
                    self._outcome = command.outcome
                case _:
                    self._runner.send(command)

    def _committed(self, files: tuple[ColumnFile, ...]) -> Event:
        """Commit in a thread that nobody waits for longer than allowed."""
        began_s = time.monotonic()
        answers: queue.SimpleQueue[CommitResult | BaseException] = queue.SimpleQueue()
        arguments = (self._commit, files, answers)
        threading.Thread(target=_answer, args=arguments, name="geneva-commit", daemon=True).start()
        while True:
            try:
                answer = answers.get(timeout=_SLOW_TICK_S)
                break
            except queue.Empty:
                self._meter.update(self._state)
            except KeyboardInterrupt as interrupt:
                return CommitFailed(interrupt)
            waited_s = time.monotonic() - began_s
            if waited_s > self._commit_timeout_s:
                return CommitFailed(StalledError(self._meter.commit_message(waited_s)))
        if isinstance(answer, BaseException):
            return CommitFailed(answer)
        return Committed(
            version=answer.version,
            files=answer.committed,
            outdated=answer.outdated,
            seconds=time.monotonic() - began_s,
            retries=answer.retries,
        )


def _answer(
    commit: Callable[[tuple[ColumnFile, ...]], CommitResult],
    files: tuple[ColumnFile, ...],
    answers: queue.SimpleQueue[CommitResult | BaseException],
) -> None:
    try:
        answers.put(commit(files))
    except BaseException as error:  # noqa: BLE001 - becomes the job's
        answers.put(error)
