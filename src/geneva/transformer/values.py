"""Between Arrow columns and Python rows, in both directions.

Nested values are converted column by column: the items of all lists of a batch at once, each field
of all structs at once. So a type is looked at once per batch and not once per value.
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import itertools
import operator
import reprlib
import types
import typing
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from geneva.transformer.types import plain_hint, record_hints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = pa.types
_REFUSALS = (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeError, TypeError, ValueError)


class RowMismatch(Exception):  # noqa: N818 - says what is wrong with a row; callers raise the error
    """A value does not fit the type of its column.

    Attributes
    ----------
    row : int
        Index of the first row that does not fit.
    expected : pa.DataType
        Type at the place of the value: a part of the column's type when ``path`` is not empty.
    value : Any
        The value that does not fit.
    path : str
        Where in the row it is, such as ``.box[3]``.
    why : str
        What is wrong with it where that is not clear from its class.

    Examples
    --------
    >>> str(RowMismatch(3, pa.int64(), "abc", ".age"))
    "row 3: expected int64, got str 'abc' (at .age)"
    """

    def __init__(
        self, row: int, expected: pa.DataType, value: Any, path: str = "", why: str = ""
    ) -> None:
        super().__init__(row, expected, value, path, why)
        self.row, self.expected, self.value, self.path, self.why = row, expected, value, path, why

    def __str__(self) -> str:
        got = "None" if self.value is None else f"{type(self.value).__name__} "
        shown = "" if self.value is None else shortened(self.value)
        place = f" (at {self.path})" if self.path else ""
        why = f": {self.why}" if self.why else ""
        return f"row {self.row}: expected {self.expected}, got {got}{shown}{place}{why}"

    def inside(self, row: int, step: str) -> RowMismatch:
        """Return the same mismatch as seen from the value that holds this one."""
        return RowMismatch(row, self.expected, self.value, step + self.path, self.why)


# -- from Arrow to Python ----------------------------------------------------------------------


def python_rows(array: pa.Array, hint: Any = None) -> list[Any]:
    """Return the values of a column as Python objects, as a parameter's type hint wants them.

    Without a hint these are the values of ``to_pylist()``. With these hints, alone or inside
    ``Optional``, ``list``, ``dict`` or the fields of a record, they are:

    - ``np.ndarray``: one array per row of a list column, with the item type of the column. The
      arrays are read-only views of the column where possible; copy one to change it. Null items are
      NaN in floats, NaT in timestamps, None in an array of objects for other types; an integer
      row with nulls becomes floats. Lists of lists are arrays of two dimensions, or an array
      of arrays where the lengths differ.
    - a dataclass or NamedTuple: instances of it, made from the fields that it has.
    - ``dict[K, V]``: maps as dicts, instead of lists of pairs.

    Examples
    --------
    >>> python_rows(pa.array([[1.5, 2.5], None]), np.ndarray)
    [array([1.5, 2.5]), None]
    """
    hint = plain_hint(hint)
    data_type = array.type
    if not _is_special(hint) or not _T.is_nested(data_type) or not len(array):
        return typing.cast("list[Any]", array.to_pylist())
    if _is_list(data_type):
        if _is_ndarray(hint):
            return _ndarrays(array)
        offsets, values = _list_parts(array)
        items = python_rows(values, (*typing.get_args(hint), None)[0])
        rows: list[Any] = [items[a:b] for a, b in itertools.pairwise(offsets.tolist())]
    elif _T.is_map(data_type):
        offsets, entries = _list_parts(array)
        key_hint, item_hint = (*typing.get_args(hint), None, None)[:2]
        keys = python_rows(entries.field(0), key_hint)
        items = python_rows(entries.field(1), item_hint)
        spans = itertools.pairwise(offsets.tolist())
        rows = [dict(zip(keys[a:b], items[a:b], strict=True)) for a, b in spans]
    elif _T.is_struct(data_type):
        return _records(array, hint)
    else:
        return typing.cast("list[Any]", array.to_pylist())
    return _with_nulls(rows, array)


def _is_ndarray(hint: Any) -> bool:
    return hint is np.ndarray or typing.get_origin(hint) is np.ndarray


def _is_special(hint: Any) -> bool:
    """Tell whether the hint asks for anything else than what ``to_pylist`` gives."""
    hint = plain_hint(hint)
    if hint is None or hint in (list, str, int, float):
        return False
    base = typing.get_origin(hint) or hint
    if base in (np.ndarray, dict, collections.abc.Mapping) or record_hints(hint) is not None:
        return True
    return base in (list, tuple, collections.abc.Sequence) and any(
        map(_is_special, typing.get_args(hint))
    )


def _is_list(data_type: pa.DataType) -> bool:
    return bool(
        _T.is_list(data_type) or _T.is_fixed_size_list(data_type) or _T.is_large_list(data_type)
    )


def _list_parts(array: pa.Array) -> tuple[np.ndarray[Any, Any], pa.Array]:
    """Return the bounds of every row's items, starting at 0, and the items of all rows."""
    if _T.is_fixed_size_list(array.type):
        size = array.type.list_size
        bounds = np.arange(len(array) + 1) * size
        return bounds, array.values.slice(array.offset * size, len(array) * size)
    bounds = array.offsets.to_numpy()
    return bounds - bounds[0], array.values.slice(bounds[0], bounds[-1] - bounds[0])


def _with_nulls(rows: list[Any], array: pa.Array) -> list[Any]:
    if array.null_count:
        for row in np.flatnonzero(array.is_null()):
            rows[row] = None
    return rows


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


def _ndarrays(array: pa.Array) -> list[Any]:
    """Return every list of a list column as an array."""
    offsets, values = _list_parts(array)
    bounds = offsets.tolist()
    if _is_list(values.type):
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


# -- from Python to Arrow ----------------------------------------------------------------------


def storage_type(data_type: pa.DataType) -> pa.DataType:
    """Return the type in which values of a column are handed to the storage layer.

    For a Lance blob that is ``large_binary``, which the storage layer encodes; for all others the
    type itself.
    """
    extension = isinstance(data_type, pa.BaseExtensionType)
    blob = extension and data_type.extension_name == "lance.blob.v2"
    return pa.large_binary() if blob else data_type


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
    geneva.transformer.values.RowMismatch: row 0: expected int64, got float 1.5
    """
    try:
        return _build(rows, storage_type(data_type))
    except RowMismatch as mismatch:
        found = mismatch
    # Fields of structs are converted one by one: an earlier row may not fit in a later field.
    arrow_values(rows[: found.row], data_type)
    raise found


def _build(rows: list[Any], data_type: pa.DataType) -> pa.Array:
    if _is_list(data_type):
        return _build_list(rows, data_type)
    if _T.is_struct(data_type):
        return _build_struct(rows, data_type)
    if _T.is_map(data_type):
        return _build_map(rows, data_type)
    if isinstance(data_type, pa.BaseExtensionType):
        return data_type.wrap_array(_build(rows, data_type.storage_type))
    return _build_leaf(rows, data_type)


def _build_child(rows: list[Any], field: pa.Field) -> pa.Array:
    """Convert the values of a field, such as the items of all lists, without those of nulls."""
    child = _build(rows, field.type)
    if child.null_count and not field.nullable:
        row = int(np.flatnonzero(child.is_null())[0])
        raise RowMismatch(row, field.type, None, why="nulls are not allowed here")
    return child


# -- values without items


@dataclasses.dataclass(frozen=True)
class _Rule:
    """What a type without items takes, and how its arrays are made.

    Attributes
    ----------
    exact : type
        Class of values that need no further look; ``object`` where all need one.
    taken, refused : tuple of types
        Bases of the classes that are taken, and of those among them that are not.
    adapt : callable
        Turns a taken value that is not of the exact class into what Arrow converts.
    make : callable
        Makes the array where all values are of the exact class and none is null.
    """

    exact: type
    taken: tuple[type, ...]
    refused: tuple[type, ...] = ()
    adapt: Callable[[Any, pa.DataType], Any] = lambda value, _: value
    make: Callable[[list[Any], pa.DataType], pa.Array] = pa.array

    def adapted(self, value: Any, data_type: pa.DataType) -> Any:
        """Return a taken value, or None, as Arrow converts it."""
        same = value is None or type(value) is self.exact
        return value if same else self.adapt(value, data_type)


@functools.lru_cache(maxsize=256)
def _rule(data_type: pa.DataType) -> _Rule:
    if _T.is_dictionary(data_type) or _T.is_run_end_encoded(data_type):
        return dataclasses.replace(_rule(data_type.value_type), make=pa.array)
    for predicates, rule in _RULES:
        if any(getattr(_T, name)(data_type) for name in predicates.split()):
            return rule
    return _Rule(object, (object,))


def _temporal(value: Any, data_type: pa.DataType) -> Any:
    """Refuse what Arrow would drop from a time, its zone or a fraction; take those of NumPy."""
    if value != value:  # Only NaT is unlike itself.
        return None
    unit = "D" if _T.is_date32(data_type) else getattr(data_type, "unit", "ms")
    if isinstance(value, (np.datetime64, np.timedelta64)):
        exact = value.astype(f"{value.dtype.kind}8[{unit}]")
        if exact.astype(value.dtype) != value:
            raise ValueError("it is finer than the type, or out of its range")
        return int(exact.astype(np.int64))
    if getattr(value, "tzinfo", None) is not None and getattr(data_type, "tz", None) is None:
        raise ValueError("it has a time zone, and the type has none")
    fraction = getattr(value, "microsecond", 0) or getattr(value, "microseconds", 0)
    if fraction % {"s": 1_000_000, "ms": 1_000}.get(unit, 1):
        raise ValueError("it is finer than the type")
    return value


def _decimal(value: Any, _: pa.DataType) -> decimal.Decimal:
    # Decimal knows no integers of NumPy.
    return decimal.Decimal(value if isinstance(value, decimal.Decimal) else int(value))


def _numpy_type(data_type: pa.DataType) -> np.dtype[Any]:
    """Return the type of the same width; Arrow's own method needs pandas in some versions."""
    names = {"halffloat": "float16", "float": "float32", "double": "float64"}
    return np.dtype(names.get(str(data_type), str(data_type)))


def _make_floats(rows: list[Any], data_type: pa.DataType) -> pa.Array:
    flat = np.fromiter(rows, np.float64, len(rows))
    return pa.array(flat.astype(_numpy_type(data_type), copy=False))


_INT = (int, np.integer)
_FLOAT = (float, np.floating, *_INT)
_NO_INT = (bool, np.timedelta64)  # Subclasses of int and np.integer.
_RULES = (
    ("is_boolean", _Rule(bool, (bool, np.bool_), (), lambda v, _: bool(v))),
    ("is_integer", _Rule(int, _INT, _NO_INT, lambda v, _: int(v))),
    # Not every version of Arrow makes this one of Python floats.
    ("is_float16", _Rule(np.float16, _FLOAT, _NO_INT, lambda v, _: np.float16(v))),
    ("is_floating", _Rule(float, _FLOAT, _NO_INT, lambda v, _: float(v), _make_floats)),
    ("is_decimal", _Rule(decimal.Decimal, (decimal.Decimal, *_INT), _NO_INT, _decimal)),
    ("is_string is_large_string is_string_view", _Rule(str, (str,))),
    ("is_binary is_large_binary is_binary_view is_fixed_size_binary",
     _Rule(bytes, (bytes, bytearray, memoryview))),
    ("is_date", _Rule(object, (dt.date, np.datetime64), (dt.datetime,), _temporal)),
    ("is_timestamp", _Rule(object, (dt.datetime, np.datetime64), (), _temporal)),
    ("is_time", _Rule(object, (dt.time,), (), _temporal)),
    ("is_duration", _Rule(object, (dt.timedelta, np.timedelta64), (), _temporal)),
    ("is_null", _Rule(types.NoneType, ())),
)  # fmt: skip


def _build_leaf(rows: list[Any], data_type: pa.DataType) -> pa.Array:
    rule = _rule(data_type)
    kinds = set(map(type, rows))
    make = rule.make if kinds == {rule.exact} else pa.array
    adapted = rows if kinds <= {rule.exact, types.NoneType} else _checked(rows, data_type, rule)
    try:
        # A float that is out of the range of a narrower type becomes infinite, as in NumPy.
        with np.errstate(over="ignore"):
            if adapted is not rows:
                adapted = [rule.adapted(row, data_type) for row in adapted]
            made = make(adapted, data_type)
    except _REFUSALS:
        raise _first_refused(rows, data_type, rule) from None
    if isinstance(made, pa.ChunkedArray):
        raise pa.lib.ArrowCapacityError(
            f"One batch has more than 2 GiB of values, too much for one array of {data_type}. Use "
            "a smaller batch_size, or a large_ variant of the type."
        )
    return made


def _checked(rows: list[Any], data_type: pa.DataType, rule: _Rule) -> list[Any]:
    """Check the classes of values, and return them without Enums."""
    plain = [_enum_value(row) for row in rows]
    kinds = set(map(type, plain)) - {types.NoneType, rule.exact}
    wrong = {k for k in kinds if not issubclass(k, rule.taken) or issubclass(k, rule.refused)}
    for index, value in enumerate(plain if wrong else ()):
        if type(value) in wrong:
            raise RowMismatch(index, data_type, rows[index])
    return plain


def _enum_value(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value


def _first_refused(rows: list[Any], data_type: pa.DataType, rule: _Rule) -> Exception:
    """Find the row because of which a conversion failed."""

    def refusal(row: Any) -> str | None:
        try:
            with np.errstate(over="ignore"):
                pa.array([rule.adapted(_enum_value(row), data_type)], data_type)
        except _REFUSALS as error:
            return str(error).partition("\n")[0][:200]
        return None

    for index, row in enumerate(rows):
        if (why := refusal(row)) is not None:
            return RowMismatch(index, data_type, row, why=why)
    return AssertionError(f"each value fits {data_type}, but not all of them together")


# -- lists, structs and maps


def _build_list(rows: list[Any], data_type: pa.DataType) -> pa.Array:
    lists, nulls = _split_nulls(rows)
    kinds = set(map(type, lists))
    if kinds == {np.ndarray} and (array := _build_arrays(lists, data_type, nulls)) is not None:
        return array
    with _counting(nulls):
        given = lists
        if kinds - {list, tuple}:
            lists = [_as_list(index, row, data_type) for index, row in enumerate(given)]
        lengths = np.fromiter(map(len, lists), np.int64, len(lists))
        if _T.is_fixed_size_list(data_type) and (lengths != data_type.list_size).any():
            index = int(np.flatnonzero(lengths != data_type.list_size)[0])
            why = f"it has {lengths[index]} items, not {data_type.list_size}"
            raise RowMismatch(index, data_type, given[index], why=why)
        with _inside(lengths, lambda _, item: f"[{item}]"):
            child = _build_table_of_floats(lists, data_type, lengths)
            if child is None:
                items = list(itertools.chain.from_iterable(lists))
                child = _build_child(items, data_type.value_field)
    return _assembled(data_type, lengths, child, nulls)


def _build_table_of_floats(
    lists: list[Any], data_type: pa.DataType, lengths: np.ndarray[Any, Any]
) -> pa.Array | None:
    """Convert the items of float lists of one length; None for others.

    Embeddings come so. Without a list of all items, which leaves the cache, it takes 2/3 the time.
    """
    if (
        not _T.is_floating(data_type.value_type)
        or not len(lengths)
        or lengths.min() != lengths.max()
    ):
        return None
    total = len(lengths) * int(lengths[0])
    if operator.countOf(map(type, itertools.chain.from_iterable(lists)), float) != total:
        return None
    with np.errstate(over="ignore"):
        return pa.array(np.array(lists, _numpy_type(data_type.value_type)).reshape(-1))


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


def _build_arrays(
    arrays: list[np.ndarray[Any, Any]], data_type: pa.DataType, nulls: np.ndarray[Any, Any] | None
) -> pa.Array | None:
    """Convert arrays without a look at single values; None where it takes such a look."""
    levels, leaf = [], data_type
    while _is_list(leaf):
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
    target = _numpy_type(leaf)
    if target.kind in "iu" and flat.size and not np.can_cast(flat.dtype, target):
        limits = np.iinfo(target)
        if int(flat.min()) < limits.min or int(flat.max()) > limits.max:
            return None
    with np.errstate(over="ignore"):
        child = pa.array(flat.astype(target, copy=False))
    shapes = np.array(list(map(operator.attrgetter("shape"), arrays)), np.int64)
    for depth in range(len(levels) - 1, -1, -1):
        lengths = np.repeat(shapes[:, depth], shapes[:, :depth].prod(axis=1))
        level = levels[depth]
        if _T.is_fixed_size_list(level) and (lengths != level.list_size).any():
            return None
        child = _assembled(level, lengths, child, None if depth else nulls)
    return child


def _build_struct(rows: list[Any], data_type: pa.DataType) -> pa.Array:
    fields = list(data_type)
    names = [field.name for field in fields]
    records, nulls = _split_nulls(rows)
    with _counting(nulls):
        if set(map(type, records)) - {dict}:
            records = [_as_dict(index, row, data_type) for index, row in enumerate(records)]
        known = frozenset(names)
        if not all(map(known.issuperset, records)):
            index = next(i for i, record in enumerate(records) if not known.issuperset(record))
            unknown = ", ".join(repr(name) for name in records[index] if name not in known)
            raise RowMismatch(index, data_type, rows[index], why=f"no field is called {unknown}")
        children = []
        for field in fields:
            with _inside(None, lambda *_, name=field.name: f".{name}"):
                values = [record.get(field.name) for record in records]
                children.append(_spread(_build_child(values, field), nulls))
    return pa.Array.from_buffers(data_type, len(rows), [_validity(nulls)], children=children)


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


def _build_map(rows: list[Any], data_type: pa.DataType) -> pa.Array:
    maps, nulls = _split_nulls(rows)
    keys: list[Any] = []
    items: list[Any] = []
    with _counting(nulls):
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
        with _inside(lengths, lambda flat, _: f"[key {shortened(keys[flat], 40)}]"):
            key_array = _build_child(keys, data_type.key_field)
        with _inside(lengths, lambda flat, _: f"[{shortened(keys[flat], 40)}]"):
            item_array = _build_child(items, data_type.item_field)
    fields = [data_type.key_field, data_type.item_field]
    entries = pa.StructArray.from_arrays([key_array, item_array], fields=fields)
    return _assembled(data_type, lengths, entries, nulls)


# -- the parts of nested arrays. Children are made of the values of rows that are not null;
# -- `nulls` is the mask of those that are, or None when there is none.


def _split_nulls(rows: list[Any]) -> tuple[list[Any], np.ndarray[Any, Any] | None]:
    """Return the rows that are not null, and the mask of those that are."""
    if operator.countOf(map(type, rows), types.NoneType) == 0:
        return rows, None
    nulls = np.fromiter((row is None for row in rows), bool, len(rows))
    return [row for row in rows if row is not None], nulls


def _validity(nulls: np.ndarray[Any, Any] | None) -> pa.Buffer | None:
    return None if nulls is None else pa.array(~nulls).buffers()[1]


def _spread(child: pa.Array, nulls: np.ndarray[Any, Any] | None) -> pa.Array:
    """Put nulls between the values of a child where its parents are null."""
    if nulls is None:
        return child
    return child.take(pa.array(np.cumsum(~nulls) - 1, mask=nulls))


def _assembled(
    data_type: pa.DataType,
    lengths: np.ndarray[Any, Any],
    child: pa.Array,
    nulls: np.ndarray[Any, Any] | None,
) -> pa.Array:
    """Make an array of lists or maps from the lengths of those that are not null."""
    rows = len(lengths) if nulls is None else len(nulls)
    buffers = [_validity(nulls)]
    if _T.is_fixed_size_list(data_type):
        if nulls is not None:
            child = _spread(child, np.repeat(nulls, data_type.list_size))
        return pa.Array.from_buffers(data_type, rows, buffers, children=[child])
    offsets = np.zeros(rows + 1, np.int64)
    offsets[1:][slice(None) if nulls is None else ~nulls] = lengths
    np.cumsum(offsets, out=offsets)
    if not _T.is_large_list(data_type):
        if offsets[-1] > np.iinfo(np.int32).max:
            raise pa.lib.ArrowCapacityError(f"One batch has too many items for {data_type}.")
        offsets = offsets.astype(np.int32)
    buffers.append(pa.py_buffer(offsets))
    return pa.Array.from_buffers(data_type, rows, buffers, children=[child])


@contextlib.contextmanager
def _counting(nulls: np.ndarray[Any, Any] | None) -> Iterator[None]:
    """Count the row of a mismatch among all rows instead of those that are not null."""
    try:
        yield
    except RowMismatch as mismatch:
        if nulls is None:
            raise
        raise mismatch.inside(int(np.flatnonzero(~nulls)[mismatch.row]), "") from None


@contextlib.contextmanager
def _inside(
    lengths: np.ndarray[Any, Any] | None, step: Callable[[int, int], str]
) -> Iterator[None]:
    """Name the row that holds a mismatched item; ``step`` gets its place in the batch and row."""
    try:
        yield
    except RowMismatch as mismatch:
        flat = row = mismatch.row
        item = 0
        if lengths is not None:
            ends = np.cumsum(lengths)
            row = int(np.searchsorted(ends, flat, side="right"))
            item = flat - int(ends[row] - lengths[row])
        raise mismatch.inside(row, step(flat, item)) from None


# -- for messages


class _ShortRepr(reprlib.Repr):
    """A repr of bounded length that does not print binary data or arrays."""

    def repr_bytes(self, value: Any, _: int) -> str:
        start = bytes(value[:16])
        return f"<{len(value):,} bytes: {start!r}...>" if len(value) > 16 else repr(start)

    repr_bytearray = repr_memoryview = repr_bytes

    def repr_ndarray(self, value: np.ndarray[Any, Any], _: int) -> str:
        return f"<ndarray of {value.dtype}, shape {value.shape}>"


def shortened(value: Any, limit: int = 120) -> str:
    """Return a repr of a value that is not longer than ``limit``, for messages.

    Examples
    --------
    >>> shortened(b"0" * 1234)
    "<1,234 bytes: b'0000000000000000'...>"
    >>> shortened(np.zeros((2, 3)))
    '<ndarray of float64, shape (2, 3)>'
    """
    short = _ShortRepr()
    short.maxstring = short.maxother = short.maxlong = limit
    try:
        text = short.repr(value)
    except Exception:  # noqa: BLE001 - a user's __repr__ must not hide the message it is for
        text = f"<{type(value).__name__} whose repr fails>"
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
