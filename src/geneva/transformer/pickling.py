"""Pickling of functions for workers that do not have the user's modules.

What cloudpickle does for functions of ``__main__`` and notebooks is done here for every module of
the user's own: they travel by value. The bytes are the same in every process that runs the same
script, because they name the version of a column's function.
"""

from __future__ import annotations

import dataclasses
import dis
import hashlib
import importlib
import io
import re
import sys
import types
from typing import TYPE_CHECKING, Any, TypeVar

import cloudpickle

from geneva.errors import UnpicklableFunctionError
from geneva.transformer.local_modules import local_modules_by_value

if TYPE_CHECKING:
    from collections.abc import Iterator

# Stands for the random names of classes, with 18 more digits as long as those.
CLASS_MARK = "geneva/class/:"
# What the import system sets, and sets anew where it is needed.
IMPORT_ATTRIBUTES = frozenset(["__builtins__", "__cached__", "__loader__", "__spec__"])


def pickle_by_value(obj: Any) -> bytes:
    """Pickle a function or callable object with all that its own modules define.

    Functions and classes of ``__main__``, of notebooks and of local modules go by value. A local
    module is Python source outside of the standard library, of ``site-packages`` and of Geneva
    itself. All else goes by reference: workers import it. A module imported inside the function is
    imported by the worker too.

    Parameters
    ----------
    obj : Any
        The function, class or object.

    Returns
    -------
    bytes
        To be read with ``pickle.loads``, which makes classes that went by value anew: they are not
        those of this process.

    Raises
    ------
    UnpicklableFunctionError
        When something that the function uses cannot be pickled; the message says what.

    Examples
    --------
    >>> import pickle
    >>> pickle.loads(pickle_by_value(lambda x: x + 1))(1)
    2
    """
    with local_modules_by_value():
        try:
            return _with_class_ids(dumps(obj))
        except Exception as error:
            from geneva.transformer.unpicklable import explanation

            raise UnpicklableFunctionError(explanation(obj, error)) from error


def digest(payload: bytes | memoryview) -> str:
    """Return the SHA-256 of a payload in hexadecimal.

    Examples
    --------
    >>> digest(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(payload).hexdigest()


class ByValuePickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles by value what is registered, in the same way in every process."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=5)
        self._by_value = cloudpickle.list_registry_pickle_by_value()
        self._classes = 0
        self._strings: dict[str | bytes, str | bytes] = {}
        self._sets: dict[int, tuple[Any, SortedSet]] = {}

    def reducer_override(self, obj: Any) -> Any:
        """Reduce what cloudpickle reduces differently from process to process."""
        if obj is dataclasses.MISSING:
            return "MISSING"  # Dataclasses compare it by identity.
        if isinstance(obj, types.ModuleType):
            return self._module(obj)
        if isinstance(obj, (types.CodeType, types.CellType, TypeVar)):
            reduced = self.dispatch_table[type(obj)](obj)
        else:
            reduced = super().reducer_override(obj)
        if not isinstance(reduced, tuple):
            return reduced
        make, arguments, *rest = reduced
        if not isinstance(obj, (types.CodeType, types.CellType)):
            arguments = map(self._class_id, arguments)
        elif isinstance(obj, types.CodeType):
            # The set in `x in {"a", "b"}` is among the constants of the code.
            arguments = map(self._stable_items, arguments)
        arguments = tuple(map(self._stable, arguments))
        if isinstance(obj, types.FunctionType):
            # Functions of one module share the dict of their globals, so it is changed in place.
            arguments[1].update(self._stable_state(arguments[1]))
        if rest:
            rest[0] = tuple(map(self._stable_state, rest[0]))
        return (make, arguments, *rest)

    def _module(self, module: types.ModuleType) -> Any:
        name = module.__name__
        if name not in self._by_value:
            return (importlib.import_module, (name,)) if name in sys.modules else NotImplemented
        # As state and not as an argument, because its functions may refer to the module itself.
        state = {key: value for key, value in vars(module).items() if key not in IMPORT_ATTRIBUTES}
        return types.ModuleType, (name,), self._stable_state(state)

    def _class_id(self, part: Any) -> Any:
        """Give a class a number where cloudpickle gives it a random name."""
        if not isinstance(part, str) or not re.fullmatch("[0-9a-f]{32}", part):
            return part
        self._classes += 1
        return f"{CLASS_MARK}{self._classes:018d}"

    def _stable_state(self, state: Any) -> Any:
        """Make the attributes of a class or function stable, and the globals of a function."""
        if not isinstance(state, dict):
            return state
        stable = {}
        for key, value in state.items():
            if key == "__globals__":
                stable[key] = self._stable_state(value)
            elif key == "__static_attributes__":  # A tuple that Python 3.13 makes of a set.
                stable[key] = tuple(sorted(value))
            elif key == "__defaults__":
                stable[key] = self._stable_items(value)
            else:
                stable[key] = self._stable(value)
        return stable

    def _stable_items(self, value: Any) -> Any:
        return tuple(map(self._stable, value)) if type(value) is tuple else value

    def _stable(self, value: Any) -> Any:
        """Return a set in order, and one object for equal strings; other values as they are.

        Which equal strings are one object depends on whether a module came from its .pyc file, and
        a pickle shows it.
        """
        if type(value) in (str, bytes):
            return self._strings.setdefault(value, value)
        if type(value) not in (set, frozenset) or not all(map(_is_plain, value)):
            return value
        # What is one set stays one, so the stand-in is one too.
        return self._sets.setdefault(id(value), (value, SortedSet(value)))[1]


class SortedSet:
    """Stands for a set in a pickle and is read as one; its items are in order of their repr."""

    def __init__(self, items: Any) -> None:
        self.items = items

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self.items), (sorted(self.items, key=repr),)


def _is_plain(value: Any) -> bool:
    if type(value) is tuple:
        return all(map(_is_plain, value))
    return type(value) in (str, bytes, int, float, bool, types.NoneType)


def dumps(obj: Any) -> bytes:
    """Pickle an object, with what is registered by value; classes keep their marks."""
    file = io.BytesIO()
    ByValuePickler(file).dump(obj)
    return file.getvalue()


def _with_class_ids(payload: bytes) -> bytes:
    """Name classes by the content of the whole, lest a worker take them for another version's."""
    content = digest(payload)[:14]
    mark, name = CLASS_MARK.encode(), content.encode()
    return payload.replace(mark, name)


def global_names(code: types.CodeType) -> Iterator[str]:
    """Yield the names of globals that code uses, that of functions defined in it included."""
    for instruction in dis.get_instructions(code):
        if instruction.opname.endswith("_GLOBAL"):
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from global_names(constant)
