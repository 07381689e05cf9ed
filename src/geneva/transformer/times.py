"""Dates, times and durations as Python objects, none of them rounded.

Python's own end at microseconds and at the year 9999. What they cannot hold is given as NumPy's,
value by value, and never as the classes of a library that may be installed or not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

_T = pa.types


def is_time(data_type: pa.DataType) -> bool:
    """Say whether values are dates, times or durations."""
    return bool(_T.is_temporal(data_type))


def exact_times(array: pa.Array) -> list[Any]:
    """Return dates, times and durations as Python objects.

    ``datetime``, ``date``, ``time`` and ``timedelta`` where these hold the value as it is; a
    ``np.datetime64`` (in UTC, where the column has a zone) or ``np.timedelta64`` (since midnight,
    for a time) where they do not.

    Examples
    --------
    >>> exact_times(pa.array([1_000, 1_001, None], pa.duration("ns")))
    [datetime.timedelta(microseconds=1), np.timedelta64(1001,'ns'), None]
    """
    if getattr(array.type, "unit", None) != "ns":
        return _plain(array)
    counts = array.view(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    whole = counts % 1000 == 0
    rounded = pa.array(counts // 1000, mask=array.is_null().to_numpy(zero_copy_only=False))
    values = _plain(rounded.view(_in_microseconds(array.type)))
    for row in np.flatnonzero(~whole):
        values[row] = _numpy(int(counts[row]), array.type)
    return values


def numpy_times(array: pa.Array) -> list[Any]:
    """Return all timestamps, dates or durations of a column as NumPy's; null is None."""
    width = pa.int32() if array.type.bit_width == 32 else pa.int64()
    counts = array.view(width).to_pylist()
    return [None if count is None else _numpy(count, array.type) for count in counts]


def _plain(array: pa.Array) -> list[Any]:
    try:
        values: list[Any] = array.to_pylist()
    except (ValueError, OverflowError):
        values = [_one(array[row : row + 1]) for row in range(len(array))]
    return values


def _one(array: pa.Array) -> Any:
    try:
        return array[0].as_py()
    except (ValueError, OverflowError):
        return numpy_times(array)[0]


def _in_microseconds(data_type: pa.DataType) -> pa.DataType:
    if _T.is_timestamp(data_type):
        return pa.timestamp("us", data_type.tz)
    return pa.duration("us") if _T.is_duration(data_type) else pa.time64("us")


def _numpy(count: int, data_type: pa.DataType) -> Any:
    if _T.is_timestamp(data_type):
        return np.datetime64(count, data_type.unit)
    if _T.is_date(data_type):
        return np.datetime64(count, "D" if _T.is_date32(data_type) else "ms")
    return np.timedelta64(count, data_type.unit)
