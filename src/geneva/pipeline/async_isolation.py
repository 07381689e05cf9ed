"""Computes batches of an async function in which single rows may fail.

All calls of a batch have ended when it is computed. Those that failed and may be tried again are
called again together, after one wait, so that many of them take hardly longer than one.
"""

from __future__ import annotations

import random
from functools import partial

import pyarrow as pa

from geneva.pipeline.attempts import Attempts, Interrupted
from geneva.pipeline.outcome import Computed, RowFailure
from geneva.transformer.binding import BoundFunction
from geneva.transformer.call_failure import CallFailed
from geneva.transformer.policy import Again, Skipped

_Failed = tuple[int, BaseException, str]
"""A row of the batch, what was raised for it, and its inputs."""


class AsyncRows:
    """The rows of one batch of an async function.

    Parameters
    ----------
    bound
        The function.
    batch
        Its inputs.
    attempts
        Decides about errors.
    """

    def __init__(self, bound: BoundFunction, batch: pa.RecordBatch, attempts: Attempts) -> None:
        self._bound = bound
        self._batch = batch
        self._attempts = attempts
        self._failures: list[RowFailure] = []
        self._open: list[int] = []

    def run(self, failed: CallFailed) -> Computed:
        """Go on after calls failed."""
        values, todo = _parts(failed)
        self._open = [row for row, _, _ in todo]
        healed: dict[int, pa.Array] = {}
        calls = 1
        if self._attempts.by_tenacity:
            return self._settled_one_by_one(values, todo, healed)
        while todo:
            again: list[_Failed] = []
            wait_s = 0.0
            for row, error, inputs in todo:
                verdict = self._attempts.verdict(error, calls, random.random())  # noqa: S311
                if isinstance(verdict, Again):
                    again.append((row, error, inputs))
                    wait_s = max(wait_s, verdict.wait_s)
                elif isinstance(verdict, Skipped):
                    self._failures.append(RowFailure(row, error, calls, verdict.rule, inputs))
                else:
                    ended = CallFailed(row, error, values.slice(0, row), inputs)
                    return self._result(values, healed, ended, calls)
            if again and not self._attempts.wait(wait_s):
                row, _, inputs = again[0]
                ended = CallFailed(row, Interrupted(), values.slice(0, row), inputs)
                return self._result(values, healed, ended, calls)
            todo = self._call_again(again, healed)
            calls += 1
        return self._result(values, healed, None, calls)

    def _settled_one_by_one(
        self, values: pa.Array, todo: list[_Failed], healed: dict[int, pa.Array]
    ) -> Computed:
        """Let tenacity decide about each row: it knows of one call at a time."""
        for row, error, inputs in todo:
            one = self._batch.slice(row, 1)
            try:
                settled = self._attempts.settle(error, partial(self._value, one))
            except (Exception, SystemExit) as final:  # noqa: BLE001 - ends the job, or the task
                ended = CallFailed(row, final, values.slice(0, row), inputs)
                return self._result(values, healed, ended, self._attempts.calls)
            if settled.error is None or settled.rule is None:
                healed[row] = settled.value
            else:
                failure = RowFailure(row, settled.error, settled.calls, settled.rule, inputs)
                self._failures.append(failure)
        return self._result(values, healed, None, self._attempts.calls)

    def _value(self, row: pa.RecordBatch) -> pa.Array:
        try:
            return self._bound.compute(row)
        except CallFailed as failed:
            cause = failed.cause
        raise cause

    def _call_again(self, again: list[_Failed], healed: dict[int, pa.Array]) -> list[_Failed]:
        """Call for some rows again; return those that failed again."""
        if not again:
            return []
        rows = [row for row, _, _ in again]
        failed: list[_Failed] = []
        try:
            values = self._bound.compute(self._batch.take(pa.array(rows)))
        except CallFailed as raised:
            values, failed = _parts(raised)
        lost = {i for i, _, _ in failed}
        healed |= {row: values.slice(i, 1) for i, row in enumerate(rows) if i not in lost}
        return [(rows[i], error, inputs) for i, error, inputs in failed]

    def _result(
        self,
        values: pa.Array,
        healed: dict[int, pa.Array],
        ended: CallFailed | None,
        calls: int,
    ) -> Computed:
        if healed:
            pieces, position = [values.slice(0, 0)], 0
            for row in sorted(healed):
                pieces += [values.slice(position, row - position), healed[row]]
                position = row + 1
            values = pa.concat_arrays([*pieces, values.slice(position)])
        failures = sorted(self._failures, key=lambda failure: failure.row)
        if ended is None:
            return Computed(values, tuple(failures))
        done = ended.row or 0
        # Rows before it may have been about to be tried again.
        known = {failure.row for failure in failures} | set(healed)
        done = min([done, *(row for row in self._open if row not in known)])
        kept = tuple(failure for failure in failures if failure.row < done)
        return Computed(values.slice(0, done), kept, ended, 1, calls)


def _parts(failed: CallFailed) -> tuple[pa.Array, list[_Failed]]:
    """Return the values of a whole batch, NULL where calls failed, and those calls."""
    row = failed.row or 0
    rest, others = failed.rest or (failed.computed.slice(0, 0), ())
    values = pa.concat_arrays([failed.computed, pa.nulls(1, failed.computed.type), rest])
    return values, [(row, failed.cause, failed.inputs), *others]
