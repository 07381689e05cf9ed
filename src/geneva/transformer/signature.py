"""Read a function's signature: how it is called, which columns it reads, what it returns."""

from __future__ import annotations

import enum
import inspect
import typing
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from geneva.errors import InvalidArgumentError, TypeHintError
from geneva.transformer.pieces import iterated, yielded
from geneva.transformer.types import arrow_type


class UDFArgType(enum.Enum):
    """What a function is called with."""

    SCALAR = 0
    """One Python value per argument, once per row."""

    ARRAY = 1
    """One ``pa.Array`` per argument, once per batch."""

    RECORD_BATCH = 2
    """One ``pa.RecordBatch``, once per batch."""


def code_of(func: Callable[..., Any]) -> Callable[..., Any]:
    """Return the routine behind a callable: itself, or the ``__call__`` of its class."""
    return func if inspect.isroutine(func) else type(func).__call__


def is_async(func: Callable[..., Any]) -> bool:
    """Say whether calls return awaitables: ``async def``, or a class with an async ``__call__``."""
    return inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(code_of(func))


def type_hints(code: Callable[..., Any]) -> dict[str, Any]:
    """Return a routine's annotations, resolved as far as they can be."""
    try:
        return typing.get_type_hints(code, include_extras=True)
    except (NameError, TypeError, AttributeError):
        # A name that only a type checker sees; what is left unresolved is reported where needed.
        return dict(getattr(code, "__annotations__", {}))


def positional_parameters(
    func: Callable[..., Any], name: str, *, bound: bool
) -> list[inspect.Parameter]:
    """Return a function's positional parameters; with ``bound`` others are tolerated."""
    try:
        parameters = list(inspect.signature(func).parameters.values())
    except ValueError:  # Some built-in functions have no signature.
        if bound:
            return []
        raise InvalidArgumentError(f"{name} has no signature; name its input_columns=.") from None
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(positional) < len(parameters) and not bound:
        raise InvalidArgumentError(
            f"{name} takes *args, **kwargs or keyword-only parameters, which name no columns; "
            "name its input_columns=."
        )
    return positional


def arg_type_of(
    name: str, parameters: list[inspect.Parameter], hints: dict[str, Any]
) -> UDFArgType:
    """Tell from the annotations what a function is called with."""
    annotations = [hints.get(p.name) for p in parameters]
    batches = [iterated(a) for a in annotations if iterated(a) in (pa.Array, pa.RecordBatch)]
    if batches:
        if len(annotations) > 1:
            raise InvalidArgumentError(
                f"{name} takes an iterator of batches and so no other parameter; "
                "Iterator[pa.RecordBatch] gives several columns together."
            )
        annotations = batches
    if pa.RecordBatch in annotations:
        if len(annotations) > 1:
            raise InvalidArgumentError(f"{name} takes a RecordBatch and so no other parameter.")
        return UDFArgType.RECORD_BATCH
    arrays = [a is not None and inspect.isclass(a) and issubclass(a, pa.Array) for a in annotations]
    if arrays and all(arrays):
        return UDFArgType.ARRAY
    if any(arrays):
        raise InvalidArgumentError(
            f"{name} mixes pa.Array with other parameters; make all of them pa.Array or none."
        )
    return UDFArgType.SCALAR


def check_form(
    name: str,
    func: Callable[..., Any],
    arg_type: UDFArgType,
    parameters: list[inspect.Parameter],
    hints: dict[str, Any],
) -> None:
    """Refuse what yields where one value is expected, and mixtures that cannot be called."""
    code = code_of(func)
    if inspect.isasyncgenfunction(code):
        raise InvalidArgumentError(
            f"{name} is an async generator; make it async and return the value, or make it a "
            "generator without async."
        )
    if inspect.isgeneratorfunction(code) and arg_type is UDFArgType.SCALAR:
        raise InvalidArgumentError(
            f"{name} is a generator, and is called once per row for one value: return the value. A "
            "generator may compute whole batches: annotate its parameters pa.Array, pa.RecordBatch "
            "or Iterator[pa.RecordBatch]."
        )
    batches = [p for p in parameters if iterated(hints.get(p.name)) is not None]
    if batches and arg_type is not UDFArgType.SCALAR and is_async(func):
        raise InvalidArgumentError(f"{name} is async and takes an iterator; let it take one batch.")


def check_arity(
    name: str,
    arg_type: UDFArgType,
    parameters: list[inspect.Parameter],
    inputs: list[str] | None,
) -> None:
    """Refuse input columns that are more or fewer than the parameters."""
    if inputs is None or arg_type is UDFArgType.RECORD_BATCH or not parameters:
        return
    required = sum(p.default is p.empty for p in parameters)
    if not required <= len(inputs) <= len(parameters):
        wanted = str(required) if required == len(parameters) else f"{required}-{len(parameters)}"
        raise InvalidArgumentError(
            f"{name} takes {wanted} columns, but input_columns={inputs} names {len(inputs)}."
        )


def returned_type(name: str, hints: dict[str, Any]) -> pa.DataType:
    """Return the Arrow type of the return annotation, or refuse it."""
    hint = hints.get("return")
    if (item := yielded(hint)) is not None:
        hint = item
    arrow_containers = (pa.Array, pa.ChunkedArray, pa.RecordBatch, np.ndarray)
    if hint is None or hint in arrow_containers:
        found = "no return annotation" if hint is None else f"{hint.__name__} as return annotation"
        raise TypeHintError(
            f"{name} has {found}, which does not say the column's type; give data_type=, "
            "for example data_type=pa.int64()."
        )
    try:
        return arrow_type(hint)
    except TypeHintError as error:
        raise TypeHintError(f"{name}: {error}") from None
