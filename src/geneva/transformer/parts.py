"""What the digest of a function is made of, piece by piece, in a few bytes of JSON.

It is stored with the definition of a column. So what changed can be said later, by who does not
have the earlier function and must not unpickle it.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geneva.transformer.canonical import Canonical
from geneva.transformer.local_modules import local_modules_by_value
from geneva.transformer.pickling import global_names

# They stand in the schema of every version of the table.
_MOST_PARTS = 64
_LONGEST_SHOWN = 40
_SHOWN = (bool, int, float, str, type(None))
_SECRET = re.compile(r"key|token|secret|passw|credential|auth", re.IGNORECASE)
_NOT_MEMBERS = frozenset(
    ["__doc__", "__module__", "__qualname__", "__dict__", "__weakref__", "__firstlineno__"]
)


@dataclass(frozen=True, slots=True)
class CodePart:
    """A piece of what a function does.

    Attributes
    ----------
    name : str
        What it is: ``"code of embed"``, ``"default of k"``, ``"helper clean()"``.
    digest : str
        The beginning of a digest of it alone.
    value : str or None
        A short value, as it is written; None for everything else, and for what may be secret.
    where : str or None
        File and line of its source.
    """

    name: str
    digest: str
    value: str | None = None
    where: str | None = None


def parts_of(func: Any) -> list[CodePart]:
    """Take apart a function, or callable object, and the local code that it uses.

    Examples
    --------
    >>> def scale(x, k=3):
    ...     return k * x
    >>> [(part.name, part.value) for part in parts_of(scale)]
    [('code of scale', None), ('default of k', '3')]
    """
    with local_modules_by_value():
        try:
            found = list(_Walk().of(func))
        except Exception:  # noqa: BLE001 - whatever a user's __reduce__ raises
            return []  # It is only told less of what changes.
    if len(found) <= _MOST_PARTS:
        return found
    kept, rest = found[: _MOST_PARTS - 1], found[_MOST_PARTS - 1 :]
    together = Canonical().digest([(part.name, part.digest) for part in rest]).hex()[:12]
    return [*kept, CodePart("other code and values that it uses", together)]


def parts_to_json(parts: list[CodePart]) -> str:
    """Return parts as they are stored."""
    rows = [[part.name, part.digest, part.value, part.where] for part in parts]
    return json.dumps(rows, separators=(",", ":"))


def parts_from_json(text: str) -> list[CodePart]:
    """Read parts as they were stored; none where there is nothing that can be read.

    Examples
    --------
    >>> parts_from_json('[["default of k","0f3a","3",null]]')
    [CodePart(name='default of k', digest='0f3a', value='3', where=None)]
    >>> parts_from_json("")
    []
    """
    try:
        return [CodePart(*row) for row in json.loads(text)]
    except (TypeError, ValueError):
        return []


class _Walk:
    """One walk over a function and what it uses; each thing is visited once."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._kept: list[Any] = []  # Lest another thing gets the id of one that was seen.

    def of(self, func: Any) -> Iterator[CodePart]:
        """Yield the parts of the function itself, and of what it uses."""
        if isinstance(func, functools.partial):
            yield from self.of(func.func)
            for number, value in enumerate(func.args):
                yield from self._value(f"argument {number + 1}", value)
            for name, value in func.keywords.items():
                yield from self._value(f"argument {name}", value)
        elif isinstance(func, types.MethodType):
            yield from self.of(func.__func__)
            yield from self._value("object", func.__self__)
        elif isinstance(func, types.FunctionType):
            self._note(func)
            yield from self._function(func, f"code of {func.__name__}", "")
        elif isinstance(func, type) or not hasattr(func, "__dict__"):
            yield from self._value(getattr(func, "__name__", type(func).__name__), func)
        else:
            yield from self._class(type(func), f"code of {type(func).__name__}")
            yield from self._attributes(func, "attribute ")

    def _function(self, func: types.FunctionType, name: str, of: str) -> Iterator[CodePart]:
        package = str(func.__globals__.get("__package__") or "")
        code = func.__code__
        where = f"{Path(code.co_filename).name}:{code.co_firstlineno}"
        yield CodePart(name, Canonical().code(code, package).hex()[:12], where=where)
        for parameter in inspect.signature(func, follow_wrapped=False).parameters.values():
            if parameter.default is not parameter.empty:
                yield from self._value(f"default of {parameter.name}{of}", parameter.default)
        for free, cell in zip(code.co_freevars, func.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # Not filled yet.
                continue
            yield from self._value(f"closure variable {free}{of}", value)
        for used in dict.fromkeys(global_names(code)):
            if used in func.__globals__:
                yield from self._value(f"global {used}{of}", func.__globals__[used])
        for attribute, value in vars(func).items():
            yield from self._value(f"attribute {attribute}{of}", value)

    def _value(self, name: str, value: Any) -> Iterator[CodePart]:
        """Yield the parts of something that a function uses under a name."""
        wrapped = getattr(value, "__wrapped__", None)
        if isinstance(wrapped, types.FunctionType) and not isinstance(value, types.FunctionType):
            value = wrapped
        local = isinstance(value, (types.FunctionType, type, types.ModuleType)) and (
            Canonical().travels(value)
        )
        if local and self._note(value):
            return
        if isinstance(value, types.FunctionType) and local:
            called = f"{value.__name__}()"
            yield from self._function(value, f"helper {called}", f" of {called}")
        elif isinstance(value, type) and local:
            yield from self._class(value, f"class {value.__name__}")
        elif isinstance(value, types.ModuleType):
            if local:
                yield CodePart(f"module {value.__name__}", Canonical().digest(value).hex()[:12])
        elif type(value).__dictoffset__ and self._is_ours(value):
            if not self._note(value):
                yield from self._class(type(value), f"class {type(value).__name__}")
                yield from self._attributes(value, f"{name}.")
        else:
            yield CodePart(name, Canonical().digest(value).hex()[:12], _shown(name, value))

    def _is_ours(self, value: Any) -> bool:
        kind = type(value)
        pickled = ("__reduce_ex__", "__reduce__", "__getstate__")
        plain = all(getattr(kind, name, None) is getattr(object, name, None) for name in pickled)
        return plain and Canonical().travels(kind)

    def _attributes(self, instance: Any, prefix: str) -> Iterator[CodePart]:
        for name, value in vars(instance).items():
            yield from self._value(f"{prefix}{name}", value)

    def _class(self, kind: type, name: str) -> Iterator[CodePart]:
        self._note(kind)
        for base in kind.__bases__:
            if Canonical().travels(base) and not self._note(base):
                yield from self._class(base, f"class {base.__name__}")
        for member, value in vars(kind).items():
            if member in _NOT_MEMBERS:
                continue
            functions = (value.fget, value.fset) if isinstance(value, property) else (value,)
            for function in functions:
                function = getattr(function, "__func__", function)
                if isinstance(function, types.FunctionType):
                    method = f"{kind.__name__}.{member}()"
                    yield from self._function(function, f"{name}, {member}()", f" of {method}")
                elif function is not None and not inspect.isdatadescriptor(function):
                    yield from self._value(f"{name}, {member}", function)

    def _note(self, value: Any) -> bool:
        """Say whether something was visited before, and note that it is."""
        seen = id(value) in self._seen
        self._seen.add(id(value))
        self._kept.append(value)
        return seen


def _shown(name: str, value: Any) -> str | None:
    if type(value) not in _SHOWN or (isinstance(value, str) and _SECRET.search(name)):
        return None
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else None
