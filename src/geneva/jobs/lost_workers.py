"""What becomes of the work of workers that a run loses. Pure."""

from __future__ import annotations

from dataclasses import replace

from geneva.jobs.commands import CheckpointEvery, Command, NoteLostRow
from geneva.jobs.events import BatchRows, LossCause, WorkerLost
from geneva.jobs.limits import Limits
from geneva.jobs.loss_errors import LostPlace, loss_error, start_error
from geneva.jobs.losses import LossBook
from geneva.jobs.scheduler import Scheduler
from geneva.jobs.skips import SkipBook
from geneva.jobs.suspects import LeaveOut, Suspects, TryAgain
from geneva.jobs.tasks import ApplyTask
from geneva.jobs.workers import WorkerState
from geneva.storage.model import RowRange


class LostWorkers:
    """Gives the work of lost workers to others, without the rows that are to blame.

    Parameters
    ----------
    target : str
        Table and column.
    limits : Limits
        How often workers may be lost, and rows left out.
    scheduler : Scheduler
        Takes the work back.
    skips : SkipBook
        Counts the rows that are left out.

    Attributes
    ----------
    began_s : float
        When the run began.
    """

    def __init__(self, target: str, limits: Limits, scheduler: Scheduler, skips: SkipBook) -> None:
        self.began_s = 0.0
        self._target = target
        self._limits = limits
        self._scheduler = scheduler
        self._work = scheduler.work
        self._skips = skips
        self._losses = LossBook(limits)
        self._suspects = Suspects(target, limits)

    def forget_starts(self) -> None:
        """Take in that workers can start after all."""
        self._losses.forget_starts()

    def before_ready(self, event: WorkerLost) -> BaseException | None:
        """Take in a worker that was lost before it was ready; return what ends the run, if any."""
        return start_error(event) if self._losses.start_lost(event) else None

    def at_work(
        self, event: WorkerLost, worker: WorkerState
    ) -> tuple[list[Command], BaseException | None]:
        """Take in a worker that was lost with work.

        Returns
        -------
        (commands, error)
            What to do next, and what ends the run, if anything does.
        """
        found = None if worker.task is None else self._suspected(event, worker.task)
        if worker.task is not None and found is not None:
            return self._with_suspects(event, worker.task, found)
        if worker.task is not None:
            lost = (worker.task.fragment_id, self._work.reclaim(worker.task))
        else:
            lost = (worker.writing[0], -1)
            self._work.to_write.extendleft(reversed(worker.writing))
        if not self._losses.too_often(*lost, event):
            return self._risk_less() if worker.task is not None else [], None
        place = LostPlace(self._target, lost[0], worker.position, writing=worker.task is None)
        return [], loss_error(event, place, self._limits.budget(event.cause))

    def intervals(self, workers: list[int]) -> list[Command]:
        """Tell workers how much to put at risk, if that is less than the job began with."""
        every_s = self._losses.checkpoint_every_s
        if every_s >= self._limits.checkpoint_interval_s:
            return []
        return [CheckpointEvery(w, every_s) for w in workers if self._scheduler.workers[w].applies]

    def _suspected(self, event: WorkerLost, task: ApplyTask) -> TryAgain | LeaveOut | None:
        """Say what becomes of the rows with which a worker was lost, if they may be to blame."""
        batch = event.batch
        if batch is None or batch.fragment_id != task.fragment_id:
            return None
        # It may have given rows away while it was computing them.
        start = max(batch.rows.start, task.rows.start)
        rows = RowRange(start, min(batch.rows.stop, task.rows.stop))
        if start >= rows.stop:
            return None
        return self._suspects.judge(replace(event, batch=BatchRows(batch.fragment_id, rows)))

    def _with_suspects(
        self, event: WorkerLost, task: ApplyTask, found: TryAgain | LeaveOut
    ) -> tuple[list[Command], BaseException | None]:
        if isinstance(found, TryAgain):
            self._work.reclaim_suspects(task, found.rows.rows, found.batch_rows)
            if event.cause is LossCause.OUT_OF_MEMORY:
                self._scheduler.bound_batches(found.batch_rows)
            return self._risk_less(), None
        self._scheduler.bound_batches(None)  # It was this row, not the size of its batch.
        row = found.row.rows.start
        noted = NoteLostRow(task.fragment_id, row, found.error, found.attempts, event.component)
        if found.rule is None:
            self._work.reclaim(task)
            return [noted], found.error
        self._work.leave_out(task, row)
        self._scheduler.pace.rows_done += 1
        return [noted], self._skips.skipped(found.rule, self._scheduler.pace.rows_done)

    def _risk_less(self) -> list[Command]:
        """Let workers write parts more often where they are lost more often."""
        scheduler = self._scheduler
        computed_s = (scheduler.now_s - self.began_s) * (scheduler.appliers + 1)
        less = self._losses.risk_less(computed_s)
        return self.intervals(list(scheduler.workers)) if less else []
