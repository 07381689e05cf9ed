"""The layout of nested Arrow arrays: taken apart into items, and assembled from them.

``nulls`` is the mask of the rows that are null, or None when there is none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

_T = pa.types


def is_list(data_type: pa.DataType) -> bool:
    """Tell whether values are lists whose items lie one after the other."""
    return bool(
        _T.is_list(data_type) or _T.is_fixed_size_list(data_type) or _T.is_large_list(data_type)
    )


def list_parts(array: pa.Array) -> tuple[np.ndarray[Any, Any], pa.Array]:
    """Return the bounds of every row's items, starting at 0, and the items of all rows."""
    if _T.is_fixed_size_list(array.type):
        size = array.type.list_size
        bounds = np.arange(len(array) + 1) * size
        return bounds, array.values.slice(array.offset * size, len(array) * size)
    bounds = array.offsets.to_numpy()
    return bounds - bounds[0], array.values.slice(bounds[0], bounds[-1] - bounds[0])


def list_array(
    data_type: pa.DataType,
    lengths: np.ndarray[Any, Any],
    items: pa.Array,
    nulls: np.ndarray[Any, Any] | None,
) -> pa.Array:
    """Make an array of lists or maps from the lengths and items of those that are not null."""
    rows = len(lengths) if nulls is None else len(nulls)
    buffers = [_validity(nulls)]
    if _T.is_fixed_size_list(data_type):
        if nulls is not None:
            items = spread(items, np.repeat(nulls, data_type.list_size))
        return pa.Array.from_buffers(data_type, rows, buffers, children=[items])
    offsets = np.zeros(rows + 1, np.int64)
    offsets[1:][... if nulls is None else ~nulls] = lengths
    np.cumsum(offsets, out=offsets)
    if not _T.is_large_list(data_type):
        if offsets[-1] > np.iinfo(np.int32).max:
            raise pa.lib.ArrowCapacityError(f"One batch has too many items for {data_type}.")
        offsets = offsets.astype(np.int32)
    buffers.append(pa.py_buffer(offsets))
    return pa.Array.from_buffers(data_type, rows, buffers, children=[items])


def struct_array(
    data_type: pa.DataType, rows: int, fields: list[pa.Array], nulls: np.ndarray[Any, Any] | None
) -> pa.Array:
    """Make an array of structs from fields with a value for every row."""
    return pa.Array.from_buffers(data_type, rows, [_validity(nulls)], children=fields)


def spread(values: pa.Array, nulls: np.ndarray[Any, Any] | None) -> pa.Array:
    """Put nulls between the values of the rows that are not null."""
    if nulls is None:
        return values
    return values.take(pa.array(np.cumsum(~nulls) - 1, mask=nulls))


def _validity(nulls: np.ndarray[Any, Any] | None) -> pa.Buffer | None:
    return None if nulls is None else pa.array(~nulls).buffers()[1]
