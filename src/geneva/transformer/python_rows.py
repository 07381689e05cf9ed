"""From Arrow columns to Python rows, in the classes that a parameter's type hint asks for."""

from __future__ import annotations

import collections.abc
import dataclasses
import itertools
import typing
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from geneva.transformer.nested_arrays import is_list, list_parts
from geneva.transformer.records import record_hints
from geneva.transformer.times import exact_times, is_time, numpy_times
from geneva.transformer.types import plain_hint

if TYPE_CHECKING:
    from collections.abc import Callable

_T = pa.types
_NUMPY_TIMES = (np.datetime64, np.timedelta64)


def python_rows(array: pa.Array, hint: Any = None) -> list[Any]:
    """Return the values of a column as Python objects, as a parameter's type hint wants them.

    Without a hint these are the values of ``to_pylist()``, and NumPy's for times that Python's
    cannot hold (see :func:`~geneva.transformer.times.exact_times`). With these hints, alone or
    inside ``Optional``, ``list``, ``dict`` or the fields of a record, they are:

    - ``np.ndarray``: one array per row of a list column, with the item type of the column. The
      arrays are read-only views of the column where possible; copy one to change it. Null items are
      NaN in floats, NaT in timestamps, None in an array of objects for other types; an integer
      row with nulls becomes floats. Lists of lists are arrays of two dimensions, or an array
      of arrays where the lengths differ.
    - a dataclass or NamedTuple: instances of it, made from the fields that it has.
    - ``dict[K, V]``: maps as dicts, instead of lists of pairs.
    - ``np.datetime64``, ``np.timedelta64``: timestamps, dates and durations as NumPy's.

    Examples
    --------
    >>> python_rows(pa.array([[1.5, 2.5], None]), np.ndarray)
    [array([1.5, 2.5]), None]
    """
    hint = plain_hint(hint)
    if is_time(array.type):
        return numpy_times(array) if hint in _NUMPY_TIMES else exact_times(array)
    if len(array) and (_is_special(hint) or _has_times(array.type)):
        if is_list(array.type):
            return _lists(array, hint)
        if _T.is_map(array.type):
            return _maps(array, hint)
        if _T.is_struct(array.type):
            return _records(array, hint)
    return typing.cast("list[Any]", array.to_pylist())


def _is_special(hint: Any) -> bool:
    """Tell whether the hint asks for anything else than what ``to_pylist`` gives."""
    hint = plain_hint(hint)
    base = typing.get_origin(hint) or hint
    special = (np.ndarray, dict, collections.abc.Mapping, *_NUMPY_TIMES)
    if base in special or record_hints(hint) is not None:
        return True
    return base in (list, tuple, collections.abc.Sequence) and any(
        map(_is_special, typing.get_args(hint))
    )


def _has_times(data_type: pa.DataType) -> bool:
    """Tell whether there are dates, times or durations anywhere in the values."""
    if _T.is_nested(data_type) and not isinstance(data_type, pa.BaseExtensionType):
        parts = [data_type.field(i).type for i in range(data_type.num_fields)]
        return any(map(_has_times, parts))
    return is_time(data_type)


def _lists(array: pa.Array, hint: Any) -> list[Any]:
    if (typing.get_origin(hint) or hint) is np.ndarray:
        return _ndarrays(array)
    bounds, values = list_parts(array)
    items = python_rows(values, (*typing.get_args(hint), None)[0])
    return _with_nulls([items[a:b] for a, b in itertools.pairwise(bounds.tolist())], array)


def _ndarrays(array: pa.Array) -> list[Any]:
    """Return every list of a list column as an array."""
    offsets, values = list_parts(array)
    bounds = offsets.tolist()
    if is_list(values.type):
        items = _ndarrays(values)
        rows: list[Any] = [_stacked(items[a:b]) for a, b in itertools.pairwise(bounds)]
        return _with_nulls(rows, array)
    flat = values.to_numpy(zero_copy_only=False)
    changed = flat
    if values.null_count and (_T.is_integer(values.type) or _T.is_boolean(values.type)):
        # Only the rows that have nulls change their type: it must not depend on their neighbours.
        zero = pa.scalar(0).cast(values.type)
        flat = values.fill_null(zero).to_numpy(zero_copy_only=False)
    if _T.is_fixed_size_list(array.type):
        rows = list(flat.reshape(len(array), array.type.list_size))
    else:
        rows = [flat[a:b] for a, b in itertools.pairwise(bounds)]
    if changed is not flat:
        nulls = np.flatnonzero(values.is_null())
        for row in np.unique(np.searchsorted(offsets, nulls, side="right") - 1):
            rows[row] = changed[bounds[row] : bounds[row + 1]]
    return _with_nulls(rows, array)


def _stacked(items: list[Any]) -> np.ndarray[Any, Any]:
    shapes = {None if item is None else item.shape for item in items}
    if len(shapes) == 1 and None not in shapes:
        return np.stack(items)
    ragged = np.empty(len(items), object)
    for place, item in enumerate(items):
        ragged[place] = item
    return ragged


def _maps(array: pa.Array, hint: Any) -> list[Any]:
    bounds, entries = list_parts(array)
    key_hint, item_hint = (*typing.get_args(hint), None, None)[:2]
    keys = python_rows(entries.field(0), key_hint)
    items = python_rows(entries.field(1), item_hint)
    spans = itertools.pairwise(bounds.tolist())
    make: Callable[..., Any] = dict if _is_mapping(hint) else list
    return _with_nulls([make(zip(keys[a:b], items[a:b], strict=True)) for a, b in spans], array)


def _is_mapping(hint: Any) -> bool:
    return (typing.get_origin(hint) or hint) in (dict, collections.abc.Mapping)


def _records(array: pa.Array, hint: Any) -> list[Any]:
    hints = record_hints(hint)
    columns = dict(zip([field.name for field in array.type], array.flatten(), strict=True))
    make: Callable[..., Any] = dict
    if hints is not None and not issubclass(hint, dict):
        make = hint
        if dataclasses.is_dataclass(hint):
            hints = {f.name: hints[f.name] for f in dataclasses.fields(hint) if f.init}
        columns = {name: column for name, column in columns.items() if name in hints}
    values = [python_rows(column, (hints or {}).get(name)) for name, column in columns.items()]
    valid = array.is_valid().to_pylist()
    by_row = zip(*values, strict=True) if values else itertools.repeat((), len(array))
    return [
        make(**dict(zip(columns, row, strict=True))) if is_valid else None
        for row, is_valid in zip(by_row, valid, strict=True)
    ]


def _with_nulls(rows: list[Any], array: pa.Array) -> list[Any]:
    if array.null_count:
        for row in np.flatnonzero(array.is_null()):
            rows[row] = None
    return rows
