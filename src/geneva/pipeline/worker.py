"""A worker: hosts the applier and the writer of one job at a time, wherever it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable

from geneva.jobs.commands import (
    Apply,
    CheckpointEvery,
    Interruption,
    JobContext,
    StopTask,
    WriteFragment,
)
from geneva.jobs.events import Event, TaskFailed, TaskSplit
from geneva.jobs.stage import Stage
from geneva.pipeline.activity import LONG_S, Activity
from geneva.pipeline.applier import Applier
from geneva.pipeline.control import TaskControl
from geneva.pipeline.environment import check_environment
from geneva.pipeline.failure import placed_error
from geneva.pipeline.flight_recorder import FlightRecorder
from geneva.pipeline.peak_memory import PeakMemory
from geneva.pipeline.writer import Writer


class Worker:
    """Executes a driver's commands.

    ``execute`` runs in the thread that computes; ``interrupt`` may be called from another one
    meanwhile.

    Parameters
    ----------
    worker : int
        Id of this worker.
    emit : callable
        Takes the events.
    recorder : FlightRecorder
        Notes what is being computed.
    place : str
        What the user reads for this worker where there are several machines: "applier 3 on node
        10.0.0.7"; empty on one machine.
    memory : PeakMemory or None
        Measures the memory of the process, if the worker has one for itself.

    Attributes
    ----------
    activity : Activity
        What its threads are at.
    """

    def __init__(
        self,
        worker: int,
        emit: Callable[[Event], None],
        recorder: FlightRecorder,
        place: str = "",
        *,
        memory: PeakMemory | None = None,
    ) -> None:
        self._worker = worker
        self._memory = memory
        self._emit = emit
        self._recorder = recorder
        self._place = place
        self.activity = Activity()
        self._applier: Applier | None = None
        self._context: JobContext | None = None
        self._lock = threading.Lock()
        self._running: tuple[int, TaskControl] | None = None
        self._stop_asked = False
        self._checkpoint_every_s: float | None = None

    def begin_job(self, context: JobContext) -> None:
        """Take a job on; the function is loaded with its first task."""
        self._close()
        self._context = context
        # Whoever is silent for longer is taken to hold the interpreter lock.
        self.activity.long_s = LONG_S if context.row_timeout_s is None else 1.0
        if self._memory is not None:
            self._memory.reset()
        self._applier = Applier(
            context, self._worker, self._recorder, self.activity, self._memory, self._place
        )
        self._stop_asked = False

    def end_job(self) -> None:
        """Let go of the function and everything it holds."""
        self._close()
        # Not when a job begins: what its driver says may be heard before.
        self._checkpoint_every_s = None

    def _close(self) -> None:
        if self._applier is not None:
            self._applier.close()
        self._applier = self._context = None

    def execute(self, command: Apply | WriteFragment) -> None:
        """Compute a task or write a fragment, and report."""
        try:
            self._execute(command)
        finally:
            self.activity.leave()

    def _execute(self, command: Apply | WriteFragment) -> None:
        assert self._applier is not None  # noqa: S101 - a job was begun before
        assert self._context is not None  # noqa: S101
        if isinstance(command, Apply):
            control = TaskControl(command.task.rows, self._context.checkpoint_interval_s)
            with self._lock:
                if self._checkpoint_every_s is not None:
                    control.checkpoint_interval_s = self._checkpoint_every_s
                self._running = (command.task.task_id, control)
                if self._stop_asked:
                    control.stop()
            try:
                self._applier.run(command.task, command.fragment, control, self._emit)
            finally:
                with self._lock:
                    self._running = None
            return
        try:
            applier = self._applier
            self.activity.enter(Stage.LOAD)
            check_environment(self._context.versions, self._place)
            writer = Writer(
                self._context, applier.dataset, applier.column_files, self._worker, self.activity
            )
            writer.run(command.fragment, command.parts, command.lost, self._emit)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - ends the job
            self._emit(TaskFailed(self._worker, None, placed_error(error, self._place)))

    def interrupt(self, command: Interruption) -> None:
        """Change the task that is running."""
        with self._lock:
            running = self._running
            if isinstance(command, StopTask):
                self._stop_asked = True
                if running is not None:
                    running[1].stop()
                return
            if isinstance(command, CheckpointEvery):
                self._checkpoint_every_s = command.seconds
                if running is not None:
                    running[1].checkpoint_interval_s = command.seconds
                return
        at = None
        if running is not None and running[0] == command.task_id:
            at = running[1].split()
        self._emit(TaskSplit(self._worker, command.task_id, at))
