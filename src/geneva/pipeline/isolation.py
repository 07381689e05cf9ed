"""Computes batches in which single rows may fail: retries them, leaves them out, or gives up.

A function that is called per row tells which row it was. One that takes whole batches does not: if
its error may be skipped, the batch is halved until the guilty rows stand alone. A half whose other
half went through is not tried as a whole, because it must be the guilty one; so one bad row costs
about one call per halving, besides those whose values are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from geneva.pipeline.attempts import Attempts
from geneva.pipeline.outcome import Computed, RowFailure
from geneva.transformer.binding import BoundFunction
from geneva.transformer.call_failure import CallFailed, Recover
from geneva.transformer.shared_function import SharedFunction
from geneva.transformer.wording import shortened


def compute(
    bound: BoundFunction | SharedFunction, batch: pa.RecordBatch, attempts: Attempts
) -> Computed:
    """Compute a batch under a policy; what the function raises is told, not raised.

    Parameters
    ----------
    bound
        The function.
    batch
        Its inputs.
    attempts
        Decides about errors and calls again.
    """
    rows = _Rows(attempts)
    found = _call(bound, batch, rows.recover)
    if not isinstance(found, CallFailed):
        return Computed(found, tuple(rows.failures))
    if isinstance(bound, SharedFunction):
        return Computed(found.computed, (), found, batch.num_rows)
    if bound.runs_ahead:
        from geneva.pipeline.async_isolation import AsyncRows

        return AsyncRows(bound, batch, attempts).run(found)
    if found.row is None:
        return _Halving(bound, batch, attempts).run(found)
    # Rows before it may not fit their type either.
    known = tuple(f for f in rows.failures if f.row < len(found.computed))
    return Computed(found.computed, known, found, 1, attempts.calls)


def _call(
    bound: BoundFunction | SharedFunction, rows: pa.RecordBatch, recover: Recover | None = None
) -> pa.Array | CallFailed:
    """Return what a call gives or how it failed.

    Nothing more is called while an error is handled: the user would read of both as of one.
    """
    try:
        return bound.compute(rows, recover)
    except CallFailed as failed:
        return failed


class _Rows:
    """The failures of a function that is called per row."""

    def __init__(self, attempts: Attempts) -> None:
        self.failures: list[RowFailure] = []
        self._attempts = attempts
        self._calls: dict[int, int] = {}

    def recover(
        self, row: int, error: BaseException, again: Callable[[], Any], inputs: Callable[[], str]
    ) -> Any:
        """Return the value of a row that failed, or None if it is left out."""
        settled = self._attempts.settle(error, again, self._calls.get(row, 1))
        # What it returned may turn out not to fit, and is an error again.
        self._calls[row] = settled.calls
        if settled.error is None or settled.rule is None:
            return settled.value
        self.failures.append(RowFailure(row, settled.error, settled.calls, settled.rule, inputs()))
        return None


class _Halving:
    """Looks for the guilty rows in a batch of a function that takes batches."""

    def __init__(self, bound: BoundFunction, batch: pa.RecordBatch, attempts: Attempts) -> None:
        self._bound = bound
        self._batch = batch
        self._attempts = attempts
        self._pieces: list[pa.Array] = [pa.array([], bound.function.data_type)]
        self._failures: list[RowFailure] = []

    def run(self, failed: CallFailed) -> Computed:
        """Go on after the call for the whole batch failed."""
        ended, ended_rows = None, 0
        try:
            self._resolve(failed, 0, self._batch.num_rows, whole=True)
        except _Ended as end:
            ended, ended_rows = end.failed, end.rows
        values = pa.concat_arrays(self._pieces)
        return Computed(values, tuple(self._failures), ended, ended_rows, self._attempts.calls)

    def _resolve(self, failed: CallFailed, start: int, stop: int, *, whole: bool = False) -> None:
        """Settle a range of rows for which a call failed."""
        rows = self._batch.slice(start, stop - start)
        alone = rows.num_rows == 1
        try:
            # A range in between is called again only by being halved.
            settled = self._attempts.settle(
                failed.cause, lambda: self._again(rows), patient=whole or alone
            )
        except (Exception, SystemExit) as error:
            inputs = _row_in_words(rows) if alone else failed.inputs
            ended = CallFailed(start if alone else None, error, self._pieces[0], inputs)
            raise _Ended(ended, rows.num_rows) from error
        if settled.error is None or settled.rule is None:
            self._pieces.append(settled.value)
        elif alone:
            inputs = _row_in_words(rows)
            self._failures.append(
                RowFailure(start, settled.error, settled.calls, settled.rule, inputs)
            )
            self._pieces.append(pa.nulls(1, self._bound.function.data_type))
        else:
            self._halve(start, stop)

    def _halve(self, start: int, stop: int) -> None:
        """Compute the halves of a range that holds a guilty row."""
        middle = (start + stop) // 2
        if self._went_through(start, middle) and stop - middle > 1:
            self._halve(middle, stop)
        else:
            self._went_through(middle, stop)

    def _went_through(self, start: int, stop: int) -> bool:
        """Compute a range; say whether one call did it."""
        found = _call(self._bound, self._batch.slice(start, stop - start))
        if isinstance(found, CallFailed):
            self._resolve(found, start, stop)
            return False
        self._pieces.append(found)
        return True

    def _again(self, rows: pa.RecordBatch) -> pa.Array:
        found = _call(self._bound, rows)
        if isinstance(found, CallFailed):
            raise found.cause
        return found


class _Ended(Exception):  # noqa: N818
    """A range of rows ends the job."""

    def __init__(self, failed: CallFailed, rows: int) -> None:
        super().__init__(str(failed))
        self.failed = failed
        self.rows = rows


def _row_in_words(row: pa.RecordBatch) -> str:
    return ", ".join(
        f"{name}={shortened(column[0].as_py())}"
        for name, column in zip(row.schema.names, row.columns, strict=True)
    )
