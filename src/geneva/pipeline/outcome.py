"""What became of one batch: values, rows that were left out, and what ended it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from geneva.transformer.call_failure import CallFailed


@dataclass(frozen=True, slots=True)
class RowFailure:
    """A row that was left out.

    Attributes
    ----------
    row : int
        Its place in the batch.
    error : BaseException
        What was raised last.
    attempts : int
        Calls in all.
    rule : int
        The matcher of the policy that skips it.
    inputs : str
        What the function was called with, shortened.
    """

    row: int
    error: BaseException
    attempts: int
    rule: int
    inputs: str


@dataclass(frozen=True, slots=True)
class Computed:
    """What became of a batch.

    Attributes
    ----------
    values : pa.Array
        A value for each row from the first on; NULL where a row was left out.
    failures : tuple of RowFailure
        The rows that were left out, in order.
    ended_by : CallFailed or None
        What ends the job, raised for the row after ``values``, or for the rows after them; its
        ``cause`` is :class:`~geneva.pipeline.attempts.Interrupted` if the task was asked to stop.
    ended_rows : int
        How many rows that call was for.
    attempts : int
        How often it was made.
    """

    values: pa.Array
    failures: tuple[RowFailure, ...] = ()
    ended_by: CallFailed | None = None
    ended_rows: int = 0
    attempts: int = 1

    @property
    def kept(self) -> np.ndarray:
        """Rows that have a value, ascending."""
        rows = np.arange(len(self.values))
        return np.delete(rows, [failure.row for failure in self.failures])
