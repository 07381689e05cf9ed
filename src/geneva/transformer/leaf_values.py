"""From Python to Arrow for the types without items: what each takes, and how it is converted."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import functools
import types
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from geneva.transformer.mismatch import RowMismatch

if TYPE_CHECKING:
    from collections.abc import Callable

_T = pa.types
# Arrow refuses durations that fit if their days alone do not.
_FAR_DAYS = 100_000
_REFUSALS = (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeError, TypeError, ValueError)


def leaf_values(rows: list[Any], data_type: pa.DataType) -> pa.Array:
    """Convert values of a type without items.

    Raises
    ------
    RowMismatch
        For a row with a value that the type cannot hold as it is.

    Examples
    --------
    >>> leaf_values([np.int8(1), None], pa.int64()).to_pylist()
    [1, None]
    """
    try:
        array = _converted(rows, data_type)
    except _REFUSALS:
        raise _first_refused(rows, data_type) from None
    if isinstance(array, pa.ChunkedArray):
        raise pa.lib.ArrowCapacityError(
            f"One batch has more than 2 GiB of values, too much for one array of {data_type}. Use "
            "a smaller batch_size, or a large_ variant of the type."
        )
    return array


def numpy_type(data_type: pa.DataType) -> np.dtype[Any]:
    """Return NumPy's type for a type of numbers; Arrow's own method needs pandas in some versions.

    Examples
    --------
    >>> numpy_type(pa.float32())
    dtype('float32')
    """
    names = {"halffloat": "float16", "float": "float32", "double": "float64"}
    return np.dtype(names.get(str(data_type), str(data_type)))


def _converted(rows: list[Any], data_type: pa.DataType) -> pa.Array:
    kinds = set(map(type, rows))
    # A float that is out of the range of a narrower type becomes infinite, as in NumPy.
    with np.errstate(over="ignore"):
        if kinds == {float} and _T.is_floating(data_type):
            # NumPy takes 2/3 of the time to make narrower ones.
            flat = np.fromiter(rows, np.float64, len(rows))
            return pa.array(flat.astype(numpy_type(data_type), copy=False))
        rule = _rule(data_type)
        if kinds - {rule.exact, types.NoneType}:
            rows = _adapted(rows, data_type, rule)
        return pa.array(rows, data_type)


def _first_refused(rows: list[Any], data_type: pa.DataType) -> Exception:
    """Find the row because of which a conversion failed."""
    for index, row in enumerate(rows):
        try:
            _converted([row], data_type)
        except _REFUSALS as error:
            why = str(error).partition("\n")[0][:200]
            return RowMismatch(index, data_type, row, why=why)
    return AssertionError(f"each value fits {data_type}, but not all of them together")


def _adapted(rows: list[Any], data_type: pa.DataType, rule: _Rule) -> list[Any]:
    """Check the classes of values, and turn them into what Arrow converts."""
    plain = [row.value if isinstance(row, enum.Enum) else row for row in rows]
    kinds = set(map(type, plain)) - {types.NoneType, rule.exact}
    wrong = {k for k in kinds if not issubclass(k, rule.taken) or issubclass(k, rule.refused)}
    if wrong:
        index = next(index for index, value in enumerate(plain) if type(value) in wrong)
        raise RowMismatch(index, data_type, rows[index])
    return [None if value is None else rule.adapt(value, data_type) for value in plain]


@dataclasses.dataclass(frozen=True)
class _Rule:
    """What a type without items takes.

    Attributes
    ----------
    exact : type
        Class of values that need no further look; ``object`` where all need one.
    taken, refused : tuple of types
        Bases of the classes that are taken, and of those among them that are not.
    adapt : callable
        Turns a taken value into what Arrow converts, or raises where it would change.
    """

    exact: type
    taken: tuple[type, ...]
    refused: tuple[type, ...] = ()
    adapt: Callable[[Any, pa.DataType], Any] = lambda value, _: value


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
    if isinstance(value, dt.timedelta) and abs(value.days) > _FAR_DAYS:
        count = value // dt.timedelta(microseconds=1) * 1000
        return count // {"s": 10**9, "ms": 10**6, "us": 1000}.get(unit, 1)
    return value


def _decimal(value: Any, _: pa.DataType) -> decimal.Decimal:
    # Decimal knows no integers of NumPy.
    return decimal.Decimal(value if isinstance(value, decimal.Decimal) else int(value))


_INT = (int, np.integer)
_FLOAT = (float, np.floating, *_INT)
_NO_INT = (bool, np.timedelta64)  # Subclasses of int and np.integer.
_RULES = (
    ("is_boolean", _Rule(bool, (bool, np.bool_), (), lambda v, _: bool(v))),
    ("is_integer", _Rule(int, _INT, _NO_INT, lambda v, _: int(v))),
    # Not every version of Arrow makes this one of Python floats.
    ("is_float16", _Rule(np.float16, _FLOAT, _NO_INT, lambda v, _: np.float16(v))),
    ("is_floating", _Rule(float, _FLOAT, _NO_INT, lambda v, _: float(v))),
    ("is_decimal", _Rule(decimal.Decimal, (decimal.Decimal, *_INT), _NO_INT, _decimal)),
    ("is_string is_large_string is_string_view", _Rule(str, (str,))),
    ("is_binary is_large_binary is_binary_view is_fixed_size_binary",
     _Rule(bytes, (bytes, bytearray, memoryview))),
    ("is_date", _Rule(object, (dt.date, np.datetime64), (dt.datetime,), _temporal)),
    ("is_timestamp", _Rule(object, (dt.datetime, np.datetime64), (), _temporal)),
    ("is_time", _Rule(object, (dt.time, np.timedelta64), (), _temporal)),
    ("is_duration", _Rule(object, (dt.timedelta, np.timedelta64), (), _temporal)),
    ("is_null", _Rule(types.NoneType, ())),
)  # fmt: skip


@functools.lru_cache(maxsize=256)
def _rule(data_type: pa.DataType) -> _Rule:
    if _T.is_dictionary(data_type) or _T.is_run_end_encoded(data_type):
        return _rule(data_type.value_type)
    for predicates, rule in _RULES:
        if any(getattr(_T, name)(data_type) for name in predicates.split()):
            return rule
    return _Rule(object, (object,))
