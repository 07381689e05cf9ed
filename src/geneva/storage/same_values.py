"""Compare two Arrow arrays row by row, bit by bit: what is equal here was equal for a function."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def same_rows(left: pa.Array, right: pa.Array) -> np.ndarray:
    """Say for each row whether two arrays of one type and length hold the same value.

    NULL is NULL and NaN is NaN; 0.0 is not -0.0. A type that is not known here is compared as
    Python values, and what cannot be compared is not the same.

    Examples
    --------
    >>> same_rows(pa.array([[1, 2], [3], None, []]), pa.array([[1, 2], [4], None, None])).tolist()
    [True, False, True, False]
    >>> same_rows(pa.array([float("nan"), 0.0]), pa.array([float("nan"), -0.0])).tolist()
    [True, False]
    """
    if left.type != right.type or len(left) != len(right):
        return np.zeros(len(left), bool)
    valid, other = _valid(left), _valid(right)
    both: np.ndarray = valid & other
    same: np.ndarray = np.equal(valid, other)
    chosen = np.flatnonzero(both)
    if len(chosen):
        indices = pa.array(chosen)
        try:
            same[chosen] = _same_valid(left.take(indices), right.take(indices))
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            pairs = zip(left.to_pylist(), right.to_pylist(), strict=True)
            same[chosen] = np.fromiter((repr(a) == repr(b) for a, b in pairs), bool)[chosen]
    return same


def _same_valid(left: pa.Array, right: pa.Array) -> np.ndarray:
    """Compare arrays without NULL rows, which ``take`` has laid out from offset 0."""
    kind = left.type
    if isinstance(kind, pa.ExtensionType):
        return same_rows(left.storage, right.storage)
    if pa.types.is_struct(kind):
        return _all_of(
            [same_rows(left.field(i), right.field(i)) for i in range(kind.num_fields)], len(left)
        )
    if pa.types.is_fixed_size_list(kind):
        items = same_rows(left.flatten(), right.flatten()).reshape(len(left), kind.list_size)
        return np.asarray(items.all(axis=1))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _same_lists(left, right)
    if pa.types.is_floating(kind):
        bits = pa.int16() if kind == pa.float16() else pa.int32()
        bits = pa.int64() if kind == pa.float64() else bits
        return _as_bools(pc.equal(left.view(bits), right.view(bits)))
    return _as_bools(pc.equal(left, right))


def _same_lists(left: pa.Array, right: pa.Array) -> np.ndarray:
    sizes = np.asarray(pc.list_value_length(left))
    same: np.ndarray = sizes == np.asarray(pc.list_value_length(right))
    chosen = np.flatnonzero(same & (sizes > 0))
    if len(chosen):
        indices = pa.array(chosen)
        items = same_rows(left.take(indices).flatten(), right.take(indices).flatten())
        starts = np.concatenate([[0], np.cumsum(sizes[chosen])[:-1]])
        same[chosen] = np.logical_and.reduceat(items, starts)
    return same


def _all_of(masks: list[np.ndarray], rows: int) -> np.ndarray:
    found = np.ones(rows, bool)
    for mask in masks:
        found &= mask
    return found


def _valid(array: pa.Array) -> np.ndarray:
    return _as_bools(array.is_valid())


def _as_bools(array: pa.Array) -> np.ndarray:
    found: np.ndarray = array.to_numpy(zero_copy_only=False).astype(bool)
    return found
