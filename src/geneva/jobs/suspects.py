"""Finds the rows that kill whoever computes them. Pure.

A worker that dies leaves behind which batch it was computing. These rows are computed again in
smaller batches, or one by one where the function is called per row, until a single row was alone
with a dying worker. All other rows are computed as before.

A new worker takes far longer than a call, so the batches become much smaller each time. Where
memory was short they are halved at first: it may be the size of the batch and no single row.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

from geneva.errors import FatalWorkerError
from geneva.jobs.events import BatchRows, LossCause, WorkerLost
from geneva.jobs.failure_rules import FailureRules
from geneva.jobs.limits import Limits
from geneva.jobs.loss_errors import LostPlace, loss_error
from geneva.jobs.wording import counted

# Anybody may send these to a process, whatever it computes.
_SENT_BY_OTHERS = {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP, None}
_NARROWER = 16
_HALVINGS = 2
_OF_ITS_OWN = {LossCause.CRASH, LossCause.OUT_OF_MEMORY, LossCause.TOO_SLOW}


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Compute rows again, in batches of so many at most."""

    rows: BatchRows
    batch_rows: int


@dataclass(frozen=True, slots=True)
class LeaveOut:
    """Compute a row no more: it kills whoever computes it.

    Attributes
    ----------
    row : BatchRows
        The row.
    error : FatalWorkerError
        What became of its workers.
    attempts : int
        How often it was alone with one.
    rule : int or None
        The matcher of the policy that skips it; None if it ends the run.
    """

    row: BatchRows
    error: FatalWorkerError
    attempts: int
    rule: int | None


class Suspects:
    """The rows of one run with which workers died.

    Parameters
    ----------
    target : str
        Table and column.
    limits : Limits
        How often a row is tried, and how many may be left out.

    Examples
    --------
    >>> from geneva.storage.model import RowRange
    >>> suspects = Suspects("docs.words", Limits(max_workers=2))
    >>> def crashed(start, stop):
    ...     return WorkerLost(0, -11, batch=BatchRows(0, RowRange(start, stop)))
    >>> suspects.judge(crashed(0, 64)).batch_rows, suspects.judge(crashed(32, 64)).batch_rows
    (4, 2)
    >>> found = suspects.judge(crashed(40, 41))
    >>> found.row.rows, found.attempts, found.rule
    (RowRange(start=40, stop=41), 1, None)
    """

    def __init__(self, target: str, limits: Limits) -> None:
        self._target = target
        self._limits = limits
        self._batch_rows: dict[BatchRows, int] = {}
        self._alone: dict[BatchRows, int] = {}
        self._halvings = 0
        self._left_out = 0

    @property
    def _rules(self) -> FailureRules:
        return self._limits.failure_rules

    def judge(self, event: WorkerLost) -> TryAgain | LeaveOut | None:
        """Decide about the rows that a lost worker was computing; None if they are not to blame."""
        batch = event.batch
        if batch is None or event.cause not in _OF_ITS_OWN:
            return None
        if len(batch.rows) > 1:
            # A filter may leave few rows of a long range: it may come back with a smaller size.
            before = self._batch_rows.get(batch, len(batch.rows))
            self._batch_rows[batch] = self._fewer(before, event.cause)
            return TryAgain(batch, self._batch_rows[batch])
        times = self._alone[batch] = self._alone.get(batch, 0) + 1
        place = LostPlace(self._target, batch.fragment_id, batch.rows.start, writing=False)
        error = loss_error(event, place, times)
        attempts, rule = self._rules.of_loss(type(error).__name__)
        if not _sure(event):
            attempts = max(attempts, self._limits.max_worker_losses)
        if times < attempts:
            return TryAgain(batch, 1)
        self._left_out += 1
        self._halvings = 0
        most = self._limits.max_fatal_rows
        if rule is not None and self._left_out > most:
            rule = None
            what = f"More than {counted(most, 'row')} of {self._target} end whoever computes them"
            error.args = (f"{what} (GENEVA_MAX_FATAL_ROWS allows more). {error.args[0]}",)
        return LeaveOut(batch, error, times, rule)

    def _fewer(self, rows: int, cause: LossCause) -> int:
        """Return how many rows are computed at once after a worker was lost with more."""
        if self._rules.by_row:
            return 1
        if cause is LossCause.OUT_OF_MEMORY and self._halvings < _HALVINGS:
            self._halvings += 1
            return max(1, rows // 2)
        return max(1, rows // _NARROWER)


def _sure(event: WorkerLost) -> bool:
    """Say whether nobody else can have ended the worker."""
    if event.cause is LossCause.OUT_OF_MEMORY:
        # Its node may have run out of memory because of another one.
        return event.memory_bytes > 0
    return event.cause is LossCause.TOO_SLOW or event.exit_code not in _SENT_BY_OTHERS
