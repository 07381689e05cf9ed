"""From Python type hints to Arrow types, and whether a hint goes with a column."""

from __future__ import annotations

import collections.abc
import datetime as dt
import decimal
import enum
import types
import typing
from typing import Annotated, Any, Literal, Union

import numpy as np
import pyarrow as pa

from geneva.errors import TypeHintError
from geneva.transformer.records import record_hints, required_fields, shown

_SCALARS: dict[Any, pa.DataType] = {
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    str: pa.string(),
    bytes: pa.binary(),
    dt.datetime: pa.timestamp("us"),
    dt.date: pa.date32(),
    dt.time: pa.time64("us"),
    dt.timedelta: pa.duration("us"),
    decimal.Decimal: pa.decimal128(38, 18),
    np.str_: pa.string(),
    np.bytes_: pa.binary(),
    np.datetime64: pa.timestamp("us"),
    np.timedelta64: pa.duration("us"),
    # By character code, because two of NumPy's integer classes have the same width.
    **{np.dtype(code).type: pa.from_numpy_dtype(code) for code in "?bhilqBHILQefd"},
}
_SEQUENCES = (list, tuple, collections.abc.Sequence)
_MAPPINGS = (dict, collections.abc.Mapping)
_SUPPORTED = (
    "int, float, bool, str, bytes, Decimal, datetime, date, time, timedelta, NumPy scalar types "
    "such as np.float32, list[T], tuple[T, ...], Sequence[T], dict[K, V], npt.NDArray[np.float32], "
    "Optional[T], Annotated[T, pa.float32()], an Enum or Literal of str or int, and a TypedDict, "
    "NamedTuple or dataclass of these"
)


class _NoArrowTypeError(Exception):
    """A part of a hint has no Arrow type. Arguments: the part, and why."""


def arrow_type(hint: Any) -> pa.DataType:
    """Return the Arrow type of the values that a type hint describes.

    ``Optional[T]`` is the type of ``T``, since every column may hold nulls. ``Annotated[T, t]``
    with an Arrow type ``t`` is ``t``, and an Arrow type given as the hint is itself. ``Decimal`` is
    ``decimal128(38, 18)``: 20 digits before the point and 18 after it; annotate another width with
    ``Annotated[Decimal, pa.decimal128(10, 2)]``. A ``datetime`` is a ``timestamp[us]`` without a
    time zone. An array of several dimensions, ``np.ndarray[tuple[int, int], ...]``, is a list of
    lists.

    Parameters
    ----------
    hint : Any
        A type hint. Forward references in it must be resolved already, but not those in classes.

    Raises
    ------
    TypeHintError
        When the hint does not determine an Arrow type.

    Examples
    --------
    >>> arrow_type(list[float] | None)
    ListType(list<item: double>)
    """
    try:
        return _converted(hint, ())
    except _NoArrowTypeError as error:
        part, why = error.args
        subject = "it" if part is hint else shown(part)
        raise TypeHintError(
            f"The type hint {shown(hint)} has no Arrow type: {subject} {why}. Hints that have one "
            f"are {_SUPPORTED}. Or state the column's type with data_type=..., for example "
            "data_type=pa.list_(pa.float32(), 384)."
        ) from None


def hint_accepts(hint: Any, column_type: pa.DataType) -> bool:
    """Tell whether a column can sensibly be given to a parameter with this hint.

    The answer is False only for what is clearly wrong, such as text for a number, a number for a
    list or a struct without a field that the hinted class requires. Numbers of all kinds go with
    each other, and a hint or a column type that is not known here goes with everything.

    Examples
    --------
    >>> hint_accepts(float, pa.int32()), hint_accepts(str, pa.int64())
    (True, False)
    """
    hint = plain_hint(hint)
    if pa.types.is_dictionary(column_type) or pa.types.is_run_end_encoded(column_type):
        return hint_accepts(hint, column_type.value_type)
    kind = _kind_of_type(column_type)
    if kind == "unknown" or pa.types.is_null(column_type):
        return True
    if typing.get_origin(hint) in (Union, types.UnionType):
        return any(hint_accepts(member, column_type) for member in typing.get_args(hint))
    kinds = _kinds_of_hint(hint)
    return kinds is None or (kind in kinds and _parts_accept(hint, column_type, kind))


def plain_hint(hint: Any) -> Any:
    """Strip what does not change the Python value: Optional, Annotated, NewType and aliases.

    Examples
    --------
    >>> plain_hint(Annotated[int, "metres"] | None)
    <class 'int'>
    """
    while (inner := _peeled(hint)) is not hint:
        hint = inner
    return hint


def is_blob_file(hint: Any) -> bool:
    """Say whether a hint is Lance's ``BlobFile``, by name: only the storage layer imports Lance."""
    plain = plain_hint(hint)
    name = f"{getattr(plain, '__module__', '')}.{getattr(plain, '__qualname__', '')}"
    return name == "lance.blob.BlobFile"


def _peeled(hint: Any) -> Any:
    """Remove one layer of what :func:`plain_hint` strips, or return the hint itself."""
    origin, members = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        others = [member for member in members if member is not types.NoneType]
        return others[0] if len(others) == 1 else hint
    # Required, NotRequired and ReadOnly are not in the typing module of every Python version.
    qualifier = getattr(origin, "_name", None) in ("Required", "NotRequired", "ReadOnly")
    if origin is Annotated or qualifier:
        return members[0]
    if isinstance(hint, typing.NewType):
        return hint.__supertype__
    # Aliases of the `type` statement, such as the NDArray[T] of newer NumPy.
    if type(origin or hint).__name__ == "TypeAliasType":
        return origin.__value__[members] if origin else hint.__value__
    return hint


def _converted(hint: Any, parents: tuple[Any, ...]) -> pa.DataType:
    """Convert a hint; ``parents`` are the record classes around it."""
    stated = [data for data in getattr(hint, "__metadata__", ()) if isinstance(data, pa.DataType)]
    if stated or isinstance(hint, pa.DataType):
        return stated[0] if stated else hint
    if (inner := _peeled(hint)) is not hint:
        return _converted(inner, parents)
    if isinstance(hint, collections.abc.Hashable) and hint in _SCALARS:
        return _SCALARS[hint]
    if (values := _constant_types(hint)) is not None:
        if len(values) == 1 and values <= {str, int, bool}:
            return _SCALARS[values.pop()]
        raise _NoArrowTypeError(hint, "has values that are neither all str nor all int")
    if (fields := record_hints(hint)) is not None:
        return _struct_type(hint, fields, parents)
    return _container_type(hint, parents)


def _container_type(hint: Any, parents: tuple[Any, ...]) -> pa.DataType:
    origin, members = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and members[1:] != (...,):
        raise _NoArrowTypeError(hint, "is of fixed length; write tuple[T, ...] or a NamedTuple")
    if origin in _SEQUENCES and members:
        return pa.list_(_converted(members[0], parents))
    if origin in _MAPPINGS and members:
        return pa.map_(_converted(members[0], parents), _converted(members[1], parents))
    if origin is np.ndarray:
        return _array_type(hint, members)
    raise _NoArrowTypeError(hint, _why_not(hint))


def _struct_type(record: Any, fields: dict[str, Any], parents: tuple[Any, ...]) -> pa.DataType:
    if record in parents:
        raise _NoArrowTypeError(record, "contains itself, and Arrow types cannot be recursive")
    if not fields:
        raise _NoArrowTypeError(record, "has no fields")
    if None in fields.values():
        names = ", ".join(repr(name) for name, hint in fields.items() if hint is None)
        raise _NoArrowTypeError(record, f"has no type hint for {names}")
    parents = (*parents, record)
    return pa.struct([(name, _converted(hint, parents)) for name, hint in fields.items()])


def _array_type(hint: Any, members: tuple[Any, ...]) -> pa.DataType:
    """Convert ``np.ndarray[shape, np.dtype[T]]``."""
    dtype = members[-1] if typing.get_origin(members[-1]) is np.dtype else None
    item = next(iter(typing.get_args(dtype)), None)
    if not isinstance(item, type) or item not in _SCALARS:
        raise _NoArrowTypeError(hint, "does not name an item type; write npt.NDArray[np.float32]")
    shape = typing.get_args(members[0])
    result = _SCALARS[item]
    for _ in range(1 if ... in shape else max(1, len(shape))):
        result = pa.list_(result)
    return result


def _constant_types(hint: Any) -> set[type] | None:
    """Return the types of the values of an Enum or Literal; None for other hints."""
    literal = typing.get_origin(hint) is Literal
    if not literal and not isinstance(hint, enum.EnumMeta):
        return None
    members = typing.get_args(hint) if literal else tuple(hint)
    return {type(getattr(member, "value", member)) for member in members if member is not None}


def _why_not(hint: Any) -> str:
    """Say why a hint that no rule covers has no Arrow type."""
    if hint in (None, types.NoneType):
        return "says that there is never a value"
    if hint in (Any, object):
        return "can be anything"
    if isinstance(hint, (str, typing.ForwardRef)):
        return "is a name that was not resolved"
    base = typing.get_origin(hint) or hint
    if base in (*_SEQUENCES, *_MAPPINGS, np.ndarray):
        return "does not say what its items are"
    if base in (Union, types.UnionType):
        return "allows several types, and a column has one"
    if base in (set, frozenset):
        return "has no order; return a sorted list"
    return "is not among the types that can be stored"


_KINDS: tuple[tuple[str, tuple[Any, ...], tuple[str, ...]], ...] = (
    ("number", (int, float, complex, decimal.Decimal, np.number, np.bool_),
     ("is_integer", "is_floating", "is_decimal", "is_boolean")),
    ("text", (str,), ("is_string", "is_large_string", "is_string_view")),
    ("bytes", (bytes, bytearray, memoryview),
     ("is_binary", "is_large_binary", "is_binary_view", "is_fixed_size_binary")),
    ("timestamp", (dt.datetime, dt.date, np.datetime64), ("is_timestamp",)),
    ("date", (dt.date, np.datetime64), ("is_date",)),
    ("time", (dt.time,), ("is_time",)),
    ("duration", (dt.timedelta, np.timedelta64), ("is_duration",)),
    ("list", (*_SEQUENCES, np.ndarray),
     ("is_list", "is_large_list", "is_fixed_size_list", "is_list_view", "is_large_list_view")),
    ("map", (*_SEQUENCES, *_MAPPINGS), ("is_map",)),
    ("struct", _MAPPINGS, ("is_struct",)),
)  # fmt: skip


def _kind_of_type(data_type: pa.DataType) -> str:
    if isinstance(data_type, pa.BaseExtensionType):
        return "bytes" if data_type.extension_name.startswith("lance.blob") else "unknown"
    for kind, _, predicates in _KINDS:
        if any(getattr(pa.types, name)(data_type) for name in predicates):
            return kind
    return "unknown"


def _kinds_of_hint(hint: Any) -> set[str] | None:
    """Return the kinds of columns whose values the hint can take; None when that is not known."""
    if isinstance(hint, pa.DataType):
        return {_kind_of_type(hint)} - {"unknown"} or None
    if (constants := _constant_types(hint)) is not None:
        known = [_kinds_of_hint(constant) for constant in constants]
        return None if None in known else set().union(*(kinds for kinds in known if kinds))
    if record_hints(hint) is not None:
        return {"struct"}
    base = typing.get_origin(hint) or hint
    scalar = isinstance(base, type) and issubclass(base, np.generic)
    found = {kind for kind, of, _ in _KINDS if base in of or (scalar and issubclass(base, of))}
    return found or None


def _parts_accept(hint: Any, column_type: pa.DataType, kind: str) -> bool:
    """Compare the items of containers, once the kinds of hint and column agree."""
    members = typing.get_args(hint)
    if kind == "struct":
        fields = record_hints(hint) or {}
        present = {field.name: field.type for field in column_type}
        return required_fields(hint) <= present.keys() and all(
            hint_accepts(fields[name], present[name]) for name in fields.keys() & present.keys()
        )
    if kind == "map" and typing.get_origin(hint) in _MAPPINGS:
        pairs = zip(members, (column_type.key_type, column_type.item_type), strict=True)
        return all(hint_accepts(item, part) for item, part in pairs)
    if kind == "list" and members:
        item, item_type = members[0], column_type.value_type
        if typing.get_origin(hint) is np.ndarray:
            item = next(iter(typing.get_args(members[-1])), Any)
            while _kind_of_type(item_type) == "list":
                item_type = item_type.value_type
        elif typing.get_origin(hint) is tuple and members[1:] != (...,):
            return True
        return hint_accepts(item, item_type)
    return True
