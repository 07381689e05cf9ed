"""Records: the TypedDicts, NamedTuples and dataclasses that describe structs."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import typing
from typing import Any

from geneva.errors import TypeHintError


def record_hints(hint: Any) -> dict[str, Any] | None:
    """Return the hints of a record's fields in order, or None when the hint is not a record.

    Records are TypedDicts, NamedTuples and dataclasses. A field without a hint has None.
    """
    return _hints_of_class(hint) if isinstance(hint, type) else None


def required_fields(record: Any) -> set[str]:
    """Return the names of the fields without which a NamedTuple or dataclass cannot be made."""
    if not dataclasses.is_dataclass(record):
        return set(getattr(record, "_fields", ())) - getattr(record, "_field_defaults", {}).keys()
    # By class: after a round trip through cloudpickle MISSING may be another instance.
    missing = type(dataclasses.MISSING)
    return {
        field.name
        for field in dataclasses.fields(record)
        if field.init
        and isinstance(field.default, missing)
        and isinstance(field.default_factory, missing)
    }


def _hints_of_class(record: type) -> dict[str, Any] | None:
    if dataclasses.is_dataclass(record):
        names = [field.name for field in dataclasses.fields(record)]
    elif issubclass(record, tuple) and hasattr(record, "_fields"):
        names = list(record._fields)
    elif issubclass(record, dict) and hasattr(record, "__required_keys__"):
        names = list(record.__annotations__)
    else:
        return None
    try:
        hints = typing.get_type_hints(record, include_extras=True)
    except NameError:
        # A class in a function can name classes beside it, which only the callers' frames hold.
        scope = _names_in_callers(record.__module__)
        try:
            hints = typing.get_type_hints(record, localns=scope, include_extras=True)
        except NameError as error:
            raise TypeHintError(
                f"A field of {shown(record)} has a type hint that cannot be resolved: {error}. "
                "Define the name at the top level of the module, or write the hint without quotes."
            ) from error
    _keep_resolved(record, hints)
    return {name: hints.get(name) for name in names}


def _keep_resolved(record: type, hints: dict[str, Any]) -> None:
    """Put what quoted hints mean into the class: it may travel to where the names mean nothing."""
    own = inspect.get_annotations(record)
    if any(isinstance(hint, (str, typing.ForwardRef)) for hint in own.values()):
        record.__annotations__ = {name: hints.get(name, hint) for name, hint in own.items()}


def resolve_records(hint: Any, parents: tuple[Any, ...] = ()) -> None:
    """Resolve the hints in all records that a hint names, as far as they can be."""
    with contextlib.suppress(TypeHintError):
        fields = {} if hint in parents else record_hints(hint) or {}
        for part in (*typing.get_args(hint), *fields.values()):
            resolve_records(part, (*parents, hint) if fields else parents)


def _names_in_callers(module: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for caller in reversed(inspect.stack(0)):
        if caller.frame.f_globals.get("__name__") == module:
            names.update(caller.frame.f_locals)
    return names


def shown(hint: Any) -> str:
    """Return a hint as a message shows it."""
    plain = isinstance(hint, type) and typing.get_origin(hint) is None
    return f"`{hint.__qualname__ if plain else repr(hint).replace('typing.', '')}`"
