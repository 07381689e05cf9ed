"""Refuse needs and sizes of a function that cannot be used."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pyarrow as pa

from geneva.errors import InvalidArgumentError

if TYPE_CHECKING:
    from geneva.transformer.udf import UDF

# What has an argument of its own is not a custom resource.
_OWN_ARGUMENT = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "memory"}


def check_needs(function: UDF) -> None:
    """Check everything about a UDF that the caller chose by an argument.

    Raises
    ------
    InvalidArgumentError
        Which argument, what was expected and what was found.
    """
    _check_amounts(function)
    _check_placement(function)
    _check_sizes(function)
    most = function.max_in_flight
    if most is not None and not function.is_async:
        _refuse(function, "max_in_flight", "None: the function is not async")
    if not isinstance(function.data_type, pa.DataType):
        _refuse(function, "data_type", "a pa.DataType such as pa.int64()")
    if function.is_blob and function.data_type not in (pa.large_binary(), pa.binary()):
        _refuse(function, "data_type", "pa.large_binary() for a blob column")


def _check_amounts(function: UDF) -> None:
    for what in ("num_cpus", "num_gpus"):
        if not _number(getattr(function, what)) or getattr(function, what) < 0:
            _refuse(function, what, "a number of at least 0")
    gpus = function.num_gpus
    if gpus > 1 and gpus != int(gpus):
        _refuse(function, "num_gpus", "a whole number, or a share of one GPU below 1")


def _check_placement(function: UDF) -> None:
    for name, amount in function.resources.items():
        if name in _OWN_ARGUMENT:
            _refuse(function, "resources", f"{_OWN_ARGUMENT[name]}= for {name}")
        if not _number(amount) or amount <= 0:
            _refuse(function, "resources", "numbers greater than 0 by name")
    if not all(isinstance(s, str) for pair in function.label_selector.items() for s in pair):
        _refuse(function, "label_selector", "text by label")


def _check_sizes(function: UDF) -> None:
    for what in (
        "memory",
        "batch_size",
        "checkpoint_size",
        "max_checkpoint_size",
        "task_size",
        "max_in_flight",
    ):
        value = getattr(function, what)
        if value is not None and (type(value) is not int or value <= 0):
            _refuse(function, what, "a positive whole number or None")
    longest = function.row_timeout
    if longest is not None and not (_number(longest) and longest > 0):
        _refuse(function, "row_timeout", "a number of seconds greater than 0")
    low, high = function.min_checkpoint_size, function.max_checkpoint_size
    size = function.checkpoint_size
    if size is not None and high is not None and size > high:
        _refuse(function, "checkpoint_size", f"at most max_checkpoint_size ({high})")
    if size is not None and type(low) is int and low > size:
        _refuse(function, "min_checkpoint_size", f"at most checkpoint_size ({size})")
    if type(low) is not int or low < 1 or (high is not None and high < low):
        _refuse(function, "min_checkpoint_size", f"1 to max_checkpoint_size ({high})")


def _refuse(function: UDF, what: str, expected: str) -> None:
    value = getattr(function, what)
    raise InvalidArgumentError(f"udf {function.name}: {what}={value!r}; expected {expected}.")


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
