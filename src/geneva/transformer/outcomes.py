"""What the calls of one batch came to: the values that fit, and the rows that failed."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from geneva.transformer.arrow_values import arrow_values
from geneva.transformer.event_loop import Failed
from geneva.transformer.mismatch import RowMismatch


def settled(
    outcomes: list[Any], data_type: pa.DataType
) -> tuple[pa.Array, list[tuple[int, BaseException]]]:
    """Convert the outcomes of calls.

    Parameters
    ----------
    outcomes
        What each row's call returned, or :class:`Failed`.
    data_type
        Type of the column.

    Returns
    -------
    (values, failures)
        A value per row, NULL where it failed; and each failed row with its cause, in order. A
        value that does not fit the type is a failure of its row.

    Examples
    --------
    >>> values, failures = settled([1, Failed(KeyError("k")), "three"], pa.int64())
    >>> values.to_pylist(), [row for row, _ in failures]
    ([1, None, None], [1, 2])
    """
    failures = {row: o.cause for row, o in enumerate(outcomes) if isinstance(o, Failed)}
    rows = [None if row in failures else outcome for row, outcome in enumerate(outcomes)]
    while True:
        try:
            return arrow_values(rows, data_type), sorted(failures.items())
        except RowMismatch as mismatch:
            failures[mismatch.row] = mismatch
            rows[mismatch.row] = None
