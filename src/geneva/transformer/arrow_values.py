"""From Python rows to Arrow columns, refusing every value that would change.

Nested values are converted column by column: the items of all lists of a batch at once, each field
of all structs at once. So a type is looked at once per batch and not once per value.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import itertools
import operator
import types
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from geneva.transformer.leaf_values import leaf_values, numpy_type
from geneva.transformer.mismatch import RowMismatch, among_rows, in_field, in_items
from geneva.transformer.nested_arrays import is_list, list_array, spread, struct_array
from geneva.transformer.wording import shortened

_T = pa.types


def storage_type(data_type: pa.DataType) -> pa.DataType:
    """Return the type in which values of a column are handed to the storage layer.

    For a Lance blob that is ``large_binary``, which the storage layer encodes; for all others the
    type itself.
    """
    extension = isinstance(data_type, pa.BaseExtensionType)
    blob = extension and data_type.extension_name == "lance.blob.v2"
    return pa.large_binary() if blob else data_type


def column_type(data_type: pa.DataType) -> pa.DataType:
    """Return the type in which a column's values are computed: views are what Lance stores of them.

    Examples
    --------
    >>> column_type(pa.list_(pa.string_view()))
    ListType(list<item: string>)
    """
    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}.get(data_type)
    if plain is not None or "_view" not in str(data_type):
        return plain or storage_type(data_type)

    def field(one: pa.Field) -> pa.Field:
        return one.with_type(column_type(one.type))

    if _T.is_struct(data_type):
        return pa.struct([field(one) for one in data_type])
    if _T.is_map(data_type):
        return pa.map_(field(data_type.key_field), field(data_type.item_field))
    if _T.is_list(data_type):
        return pa.list_(field(data_type.value_field))
    if _T.is_large_list(data_type):
        return pa.large_list(field(data_type.value_field))
    return data_type


def arrow_values(rows: list[Any], data_type: pa.DataType) -> pa.Array:
    """Convert Python values to an Arrow array, refusing every value that would change.

    Integers are taken for floats, and floats are rounded to the width of the type; NumPy values
    are taken for Python values of the same kind; Enum members are their values. Lists may be
    lists, tuples, other sequences and arrays; structs may be dicts, dataclasses, NamedTuples and
    tuples with a value for each field; maps may be dicts and lists of pairs. None is null
    everywhere, and so is a field that a dict does not have. A ``datetime`` without a time zone is
    UTC in a type that has one.

    Parameters
    ----------
    rows : list
        One value per row.
    data_type : pa.DataType
        Type of the result. A Lance blob takes bytes and gives ``large_binary``.

    Returns
    -------
    pa.Array
        As many values as there are rows, of the type ``storage_type(data_type)``.

    Raises
    ------
    RowMismatch
        For the first row with a value that the type cannot hold as it is.

    Examples
    --------
    >>> arrow_values([1, None], pa.float32()).to_pylist()
    [1.0, None]
    >>> arrow_values([1.5], pa.int64())
    Traceback (most recent call last):
    geneva.transformer.mismatch.RowMismatch: row 0: expected int64, got float 1.5
    """
    try:
        return _values(rows, storage_type(data_type))
    except RowMismatch as mismatch:
        found = mismatch
    # Fields of structs are converted one by one: an earlier row may not fit in a later field.
    arrow_values(rows[: found.row], data_type)
    raise found


def _values(rows: list[Any], data_type: pa.DataType) -> pa.Array:
    if is_list(data_type):
        return _lists(rows, data_type)
    if _T.is_struct(data_type):
        return _structs(rows, data_type)
    if _T.is_map(data_type):
        return _maps(rows, data_type)
    if isinstance(data_type, pa.BaseExtensionType):
        stored = _stored(rows, data_type.extension_name)
        return data_type.wrap_array(_values(stored, data_type.storage_type))
    return leaf_values(rows, data_type)


def _stored(rows: list[Any], extension: str) -> list[Any]:
    """Return the values of one of Arrow's own extension types as its storage has them."""
    if extension == "arrow.uuid":
        return [row.bytes if isinstance(row, uuid.UUID) else row for row in rows]
    if extension == "arrow.bool8":
        return [int(row) if isinstance(row, (bool, np.bool_)) else row for row in rows]
    return rows


def _field_values(rows: list[Any], field: pa.Field) -> pa.Array:
    """Convert the values of a field, such as the items of all lists."""
    values = _values(rows, field.type)
    if values.null_count and not field.nullable:
        row = int(np.flatnonzero(values.is_null())[0])
        raise RowMismatch(row, field.type, None, why="nulls are not allowed here")
    return values


def _split_nulls(rows: list[Any]) -> tuple[list[Any], np.ndarray[Any, Any] | None]:
    """Return the rows that are not null, and the mask of those that are, None without any."""
    if operator.countOf(map(type, rows), types.NoneType) == 0:
        return rows, None
    nulls = np.fromiter((row is None for row in rows), bool, len(rows))
    return [row for row in rows if row is not None], nulls


# -- lists


def _lists(rows: list[Any], data_type: pa.DataType) -> pa.Array:
    lists, nulls = _split_nulls(rows)
    kinds = set(map(type, lists))
    if kinds == {np.ndarray} and (array := _ndarrays(lists, data_type, nulls)) is not None:
        return array
    with among_rows(nulls):
        given = lists
        if kinds - {list, tuple}:
            lists = [_as_list(index, row, data_type) for index, row in enumerate(given)]
        lengths = np.fromiter(map(len, lists), np.int64, len(lists))
        if _T.is_fixed_size_list(data_type) and (lengths != data_type.list_size).any():
            index = int(np.flatnonzero(lengths != data_type.list_size)[0])
            why = f"it has {lengths[index]} items, not {data_type.list_size}"
            raise RowMismatch(index, data_type, given[index], why=why)
        with in_items(lengths, lambda _, item: f"[{item}]"):
            values = _table_of_floats(lists, data_type, lengths)
            if values is None:
                items = list(itertools.chain.from_iterable(lists))
                values = _field_values(items, data_type.value_field)
    return list_array(data_type, lengths, values, nulls)


def _ndarrays(
    arrays: list[np.ndarray[Any, Any]], data_type: pa.DataType, nulls: np.ndarray[Any, Any] | None
) -> pa.Array | None:
    """Convert arrays without a look at single values; None where it takes such a look."""
    levels, leaf = [], data_type
    while is_list(leaf):
        levels.append(leaf)
        leaf = leaf.value_type
    kinds = {"is_boolean": "b", "is_integer": "iu", "is_floating": "iuf"}
    taken = next((kinds[name] for name in kinds if getattr(_T, name)(leaf)), "")
    if set(map(operator.attrgetter("ndim"), arrays)) != {len(levels)}:
        return None
    if any(dtype.kind not in taken for dtype in set(map(operator.attrgetter("dtype"), arrays))):
        return None
    # Concatenating copies, so the function may write its next result into the same array.
    flat = np.concatenate(arrays if len(levels) == 1 else [array.ravel() for array in arrays])
    if flat.dtype.kind not in taken:  # int64 and uint64 together become float64 and lose digits.
        return None
    target = numpy_type(leaf)
    if target.kind in "iu" and flat.size and not np.can_cast(flat.dtype, target):
        limits = np.iinfo(target)
        if int(flat.min()) < limits.min or int(flat.max()) > limits.max:
            return None
    with np.errstate(over="ignore"):
        values = pa.array(flat.astype(target, copy=False))
    shapes = np.array(list(map(operator.attrgetter("shape"), arrays)), np.int64)
    for depth, level in reversed(list(enumerate(levels))):
        lengths = np.repeat(shapes[:, depth], shapes[:, :depth].prod(axis=1))
        if _T.is_fixed_size_list(level) and (lengths != level.list_size).any():
            return None
        values = list_array(level, lengths, values, None if depth else nulls)
    return values


def _as_list(index: int, row: Any, data_type: pa.DataType) -> Any:
    if isinstance(row, (str, bytes, bytearray, memoryview, collections.abc.Mapping)):
        raise RowMismatch(index, data_type, row)
    if isinstance(row, collections.abc.Sequence) and not hasattr(row, "_fields"):
        return row
    if hasattr(row, "__array__") and not isinstance(row, np.generic):
        # Tensors and series; a masked array keeps its mask by being asked itself.
        array = row if isinstance(row, np.ndarray) else np.asarray(row)
        if array.ndim:
            # tolist() makes plain numbers of times in nanoseconds.
            return list(array) if array.dtype.kind in "mM" else array.tolist()
    raise RowMismatch(index, data_type, row)


def _table_of_floats(
    lists: list[Any], data_type: pa.DataType, lengths: np.ndarray[Any, Any]
) -> pa.Array | None:
    """Convert the items of float lists of one length; None for others.

    Embeddings come so. Without a list of all items, which leaves the cache, it takes 2/3 the time.
    """
    item_type = data_type.value_type
    if not _T.is_floating(item_type) or not len(lengths) or lengths.min() != lengths.max():
        return None
    if operator.countOf(map(type, itertools.chain.from_iterable(lists)), float) != lengths.sum():
        return None
    with np.errstate(over="ignore"):
        return pa.array(np.array(lists, numpy_type(item_type)).reshape(-1))


# -- structs


def _structs(rows: list[Any], data_type: pa.DataType) -> pa.Array:
    records, nulls = _split_nulls(rows)
    with among_rows(nulls):
        if (columns := _tuple_columns(records, data_type)) is not None:
            return struct_array(data_type, len(rows), _fields(columns, data_type, nulls), nulls)
        if set(map(type, records)) - {dict}:
            records = [_as_dict(index, row, data_type) for index, row in enumerate(records)]
        known = {field.name for field in data_type}
        if not all(map(known.issuperset, records)):
            index = next(i for i, record in enumerate(records) if not known.issuperset(record))
            unknown = ", ".join(repr(name) for name in records[index] if name not in known)
            raise RowMismatch(index, data_type, records[index], why=f"no field is called {unknown}")
        columns = ([record.get(field.name) for record in records] for field in data_type)
        fields = _fields(columns, data_type, nulls)
    return struct_array(data_type, len(rows), fields, nulls)


def _fields(
    columns: Iterable[list[Any]], data_type: pa.DataType, nulls: np.ndarray[Any, Any] | None
) -> list[pa.Array]:
    fields = []
    for field, values in zip(data_type, columns, strict=True):
        with in_field(field.name):
            fields.append(spread(_field_values(values, field), nulls))
    return fields


def _tuple_columns(records: list[Any], data_type: pa.DataType) -> Iterator[list[Any]] | None:
    """Return the values of each field if all rows are tuples with exactly these; else None.

    What a function with several outputs returns comes so. Without a dict for each row it takes a
    quarter of the time.
    """
    kinds = set(map(type, records))
    names = tuple(field.name for field in data_type)
    kind = next(iter(kinds)) if len(kinds) == 1 else object
    named = issubclass(kind, tuple) and getattr(kind, "_fields", None) == names
    plain = kinds == {tuple} and set(map(len, records)) == {len(names)}
    if not named and not plain:
        return None
    return (list(map(operator.itemgetter(i), records)) for i in range(len(names)))


def _as_dict(index: int, row: Any, data_type: pa.DataType) -> Any:
    if isinstance(row, collections.abc.Mapping):
        return row
    if dataclasses.is_dataclass(row) and not isinstance(row, type):
        return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    if isinstance(row, tuple):
        if hasattr(row, "_fields"):
            return dict(zip(row._fields, row, strict=True))
        if len(row) == data_type.num_fields:
            return dict(zip([field.name for field in data_type], row, strict=True))
        why = f"it has {len(row)} items for {data_type.num_fields} fields"
        raise RowMismatch(index, data_type, row, why=why)
    raise RowMismatch(index, data_type, row)


# -- maps


def _maps(rows: list[Any], data_type: pa.DataType) -> pa.Array:
    maps, nulls = _split_nulls(rows)
    keys: list[Any] = []
    items: list[Any] = []
    with among_rows(nulls):
        for index, row in enumerate(maps):
            if isinstance(row, collections.abc.Mapping):
                keys.extend(row.keys())
                items.extend(row.values())
                continue
            if not isinstance(row, (list, tuple)):
                raise RowMismatch(index, data_type, row)
            for pair in row:
                if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                    raise RowMismatch(index, data_type, row, why="its items are not all pairs")
                keys.append(pair[0])
                items.append(pair[1])
        lengths = np.fromiter(map(len, maps), np.int64, len(maps))
        with in_items(lengths, lambda place, _: f"[key {shortened(keys[place], 40)}]"):
            key_array = _field_values(keys, data_type.key_field)
        with in_items(lengths, lambda place, _: f"[{shortened(keys[place], 40)}]"):
            item_array = _field_values(items, data_type.item_field)
    fields = [data_type.key_field, data_type.item_field]
    entries = pa.StructArray.from_arrays([key_array, item_array], fields=fields)
    return list_array(data_type, lengths, entries, nulls)
