"""Says which part of a function or object cannot be pickled, as its author wrote it."""

from __future__ import annotations

import contextlib
import functools
import types
from typing import TYPE_CHECKING, Any

from geneva.transformer.pickling import IMPORT_ATTRIBUTES, dumps, global_names

if TYPE_CHECKING:
    from collections.abc import Iterator


def explanation(obj: Any, error: Exception) -> str:
    """Return what the user reads of something that cannot be sent to workers."""
    steps, culprit, cause = _smallest(obj, [], error, set())
    kind = type(culprit)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    subject = "class" if isinstance(obj, type) else "function"
    name = getattr(obj, "__name__", None)
    if name is None:
        subject, name = "object of class", type(obj).__name__
    path = "".join(text for _, text in steps).lstrip(".")
    what = f"{steps[0][0]} '{path}'" if steps else "it is"
    return (
        f"{subject} '{name}' cannot be sent to workers: {what} of type {module}{kind.__qualname__} "
        f"{'' if steps else 'and '}cannot be pickled ({type(cause).__name__}: {cause}). Create it "
        "inside the function, or in setup() of a class."
    )


def _smallest(
    obj: Any, steps: list[tuple[str, str]], error: Exception, seen: set[int]
) -> tuple[list[tuple[str, str]], Any, Exception]:
    """Follow what fails down to the part that fails on its own."""
    for kind, text, part in _parts(obj):
        if id(part) not in seen:
            seen.add(id(part))
            if (failure := _failure(part)) is not None:
                return _smallest(part, [*steps, (kind, text)], failure, seen)
    return steps, obj, error


def _failure(obj: Any) -> Exception | None:
    try:
        dumps(obj)
    except Exception as error:  # noqa: BLE001 - whatever a user's __reduce__ raises
        return error
    return None


def _parts(obj: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield what is pickled with an object: what it is to it, how it is written, and itself."""
    if isinstance(obj, types.FunctionType):
        yield from _parts_of_function(obj)
    elif isinstance(obj, types.MethodType):
        for name in ("__self__", "__func__"):
            yield "attribute", f".{name}", getattr(obj, name)
    elif isinstance(obj, functools.partial):
        for name in ("func", "args", "keywords"):
            yield "attribute", f".{name}", getattr(obj, name)
    elif isinstance(obj, (staticmethod, classmethod)):
        yield "attribute", "", obj.__func__
    elif isinstance(obj, property):
        yield from (("attribute", "", part) for part in (obj.fget, obj.fset, obj.fdel))
    elif isinstance(obj, dict):
        yield from (("item", f"[{key!r}]", value) for key, value in list(obj.items()))
    elif isinstance(obj, (list, tuple)):
        yield from (("item", f"[{index}]", value) for index, value in enumerate(obj))
    else:
        names = getattr(type(obj), "__slots__", ())
        slots = {name: getattr(obj, name) for name in names if hasattr(obj, name)}
        for name, value in {**getattr(obj, "__dict__", {}), **slots}.items():
            if name not in ("__dict__", "__weakref__", *IMPORT_ATTRIBUTES):
                yield "attribute", f".{name}", value


def _parts_of_function(func: types.FunctionType) -> Iterator[tuple[str, str, Any]]:
    for name in dict.fromkeys(global_names(func.__code__)):
        if name in func.__globals__:
            yield "global", f".{name}", func.__globals__[name]
    for name, cell in zip(func.__code__.co_freevars, func.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # A cell that is not filled yet.
            yield "closure variable", f".{name}", cell.cell_contents
    names = func.__code__.co_varnames[: func.__code__.co_argcount]
    defaults = func.__defaults__ or ()
    by_name = dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
    for name, value in {**by_name, **(func.__kwdefaults__ or {})}.items():
        yield "default", f".{name}", value
    for name, value in vars(func).items():
        yield "attribute", f".{name}", value
    for name, value in func.__annotations__.items():
        yield "annotation", f".{name}", value
