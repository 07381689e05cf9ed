"""A digest of what a function does: the same in every process, and for every way to write it down.

What is pickled for workers keeps file names and line numbers, for their tracebacks. The digest
leaves them out, with docstrings and comments, so that only what may change a value makes values
stale.
Everything is taken apart as pickle does it, and hashed piece by piece: sets by content, not in the
order that this process has given them.
"""

from __future__ import annotations

import copyreg
import dis
import hashlib
import inspect
import io
import types
from collections.abc import Iterable
from typing import Any

from geneva.transformer.lazy_imports import imported_sources
from geneva.transformer.local_modules import local_modules_by_value
from geneva.transformer.pickling import (
    CLASS_MARK,
    ByValuePickler,
    SortedSet,
    pickle_by_value,
)
from geneva.transformer.pickling import (
    digest as pickle_digest,
)

_SIZE = 16
_PROTOCOL = 4
# Where something stands and what is said about it.
_LEFT_OUT = frozenset(
    [
        "__doc__",
        "__file__",
        "__firstlineno__",
        "__module__",
        "__package__",
        "__path__",
        "__qualname__",
    ]
)
_PLAIN = (str, int, float, complex, bool, type(None), type(...), type(NotImplemented))
_HAS_DOCSTRING: int = getattr(inspect, "CO_HAS_DOCSTRING", 0)  # Since Python 3.13.


def function_digest(func: Any) -> str:
    """Return a digest of a function, or callable object, with all local code that it uses.

    Parameters
    ----------
    func : Any
        The function or object.

    Raises
    ------
    UnpicklableFunctionError
        Something that the function uses cannot be taken apart.

    Examples
    --------
    >>> def area(side):
    ...     '''Compute it.'''
    ...     return side * side
    >>> first = function_digest(area)
    >>> def area(side):
    ...     # Compute it.
    ...
    ...     return side * side
    >>> function_digest(area) == first
    True
    """
    with local_modules_by_value():
        try:
            return Canonical().digest(func).hex()
        except Exception:  # noqa: BLE001 - whatever a user's __reduce__ raises
            # It says what cannot be taken apart, or can do more with it.
            return pickle_digest(pickle_by_value(func))[:32]


class Canonical:
    """Takes values apart and hashes them. Use it inside ``local_modules_by_value()``."""

    def __init__(self) -> None:
        self._pickler = ByValuePickler(io.BytesIO())
        self._open: dict[int, int] = {}
        self._done: dict[int, tuple[Any, bytes]] = {}
        self._package = ""
        self._sources: set[str] = set()

    def digest(self, value: Any) -> bytes:
        """Return the digest of a value."""
        if type(value) is bytes:
            return _hash("bytes", value)
        if type(value) in _PLAIN:
            return _hash(type(value).__name__, repr(value).encode())
        key = id(value)
        if key in self._done:
            return self._done[key][1]
        if key in self._open:
            return _hash("again", str(self._open[key]).encode())
        self._open[key] = len(self._open)
        try:
            found = self._composed(value)
        finally:
            del self._open[key]
        # Kept alive, so that nothing else gets its id.
        self._done[key] = (value, found)
        return found

    def travels(self, value: Any) -> bool:
        """Say whether a function, class or module goes to workers by value."""
        reduced = self._pickler.reducer_override(value)
        return isinstance(reduced, tuple) and len(reduced) > 2  # What is looked up has no state.

    def code(self, code: types.CodeType, package: str = "") -> bytes:
        """Return the digest of code alone, without what its names stand for."""
        self._package, before = package, self._package
        try:
            return self.digest(code)
        finally:
            self._package = before

    def _composed(self, value: Any) -> bytes:
        kind = type(value)
        if kind in (tuple, list):
            return self._all(kind.__name__, value)
        if kind is dict:
            return self._all("dict", (part for item in value.items() for part in item))
        if kind in (set, frozenset):
            return _hash(kind.__name__, *sorted(map(self.digest, value)))
        if kind is SortedSet:
            return self.digest(value.items)
        if kind is bytearray:
            return _hash("bytearray", bytes(value))
        if kind is types.CodeType:
            return self._code(value)
        reduced = self._reduced(value)
        if isinstance(reduced, str):
            # By reference. What wraps a function, as lru_cache does, may wrap one of the user's.
            wrapped = getattr(value, "__wrapped__", None)
            named = f"{getattr(value, '__module__', '')}.{reduced}"
            return self._all("reference", (named, wrapped))
        return self._made(value, reduced)

    def _reduced(self, value: Any) -> Any:
        reduced = self._pickler.reducer_override(value)
        if reduced is not NotImplemented:
            return reduced
        if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
            owner = getattr(value, "__self__", None)
            if owner is None or isinstance(owner, types.ModuleType) or isinstance(value, type):
                return str(getattr(value, "__qualname__", value.__name__))
        kind = type(value)
        table: dict[type, Any] = {**copyreg.dispatch_table, **self._pickler.dispatch_table}
        return table[kind](value) if kind in table else value.__reduce_ex__(_PROTOCOL)

    def _made(self, value: Any, reduced: tuple[Any, ...]) -> bytes:
        padded: list[Any] = [*reduced, None, None, None]
        make, arguments, state, items, pairs = padded[:5]
        package, by_value = self._package, isinstance(value, (types.FunctionType, type))
        if isinstance(value, types.FunctionType):
            self._package = str(value.__globals__.get("__package__") or "")
            # Functions of one module share this dict: it names the module, which may be renamed.
            arguments = (arguments[0], *arguments[2:])
        try:
            pieces = [self.digest(make)]
            pieces += [self._argument(a) for a in arguments]
            if isinstance(state, tuple) and len(state) == 2:
                pieces += [self._piece(s, of_ours=by_value) for s in state]
            else:
                pieces.append(self._piece(state, of_ours=isinstance(value, types.ModuleType)))
            pieces.append(self._all("items", items or ()))
            pieces.append(self._all("pairs", pairs or ()))
        finally:
            self._package = package
        return _hash("made", *pieces)

    def _argument(self, argument: Any) -> bytes:
        """Hash what something is made with; members of an enumeration have an order."""
        if isinstance(argument, str) and argument.startswith(CLASS_MARK):
            return b""
        if type(argument) is dict:
            argument = {n: value for n, value in argument.items() if n not in _LEFT_OUT}
        return self.digest(argument)

    def _piece(self, piece: Any, *, of_ours: bool) -> bytes:
        """Hash a state; that of a function, class or module in order of its names."""
        if not (of_ours and type(piece) is dict):
            return self.digest(piece)
        names = sorted(name for name in piece if name not in _LEFT_OUT)
        return _hash("names", *(self.digest(x) for n in names for x in (n, self._of(n, piece[n]))))

    def _of(self, name: str, value: Any) -> Any:
        if name == "__globals__" and type(value) is dict:
            return {n: value[n] for n in sorted(value) if n not in _LEFT_OUT}
        return value

    def _code(self, code: types.CodeType) -> bytes:
        constants = code.co_consts
        if _has_docstring(code):
            constants = (None, *constants[1:])
        says = (
            code.co_argcount,
            code.co_posonlyargcount,
            code.co_kwonlyargcount,
            code.co_flags & ~_HAS_DOCSTRING,
            code.co_code,
            constants,
            code.co_names,
            code.co_varnames,
            getattr(code, "co_exceptiontable", b""),
            code.co_freevars,
            code.co_cellvars,
        )
        sources = [self._source(*found) for found in imported_sources(code, self._package)]
        return self._all("code", (says, sources))

    def _source(self, name: str, file: Any) -> bytes:
        """Hash a module that is imported only when the function is called, from its source."""
        if str(file) in self._sources:
            return b""
        self._sources.add(str(file))
        try:
            code = compile(file.read_bytes(), "", "exec", dont_inherit=True)
        except (OSError, SyntaxError, ValueError):
            return b""  # Importing it will fail, and say so.
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        return _hash(name, self.code(code, package))

    def _all(self, kind: str, values: Iterable[Any]) -> bytes:
        return _hash(kind, *map(self.digest, values))


def _has_docstring(code: types.CodeType) -> bool:
    """Say whether the first constant of some code is its docstring and nothing else."""
    if not code.co_consts or not isinstance(code.co_consts[0], str):
        return False
    if (
        not code.co_flags & inspect.CO_OPTIMIZED
    ):  # Of a module or class: one that is loaded and stored.
        return False
    if _HAS_DOCSTRING:
        documented = bool(code.co_flags & _HAS_DOCSTRING)
    else:
        # Comprehensions have none, and their first constant is one that they use.
        documented = not code.co_name.startswith("<")
    used = (i.opcode in dis.hasconst and i.arg == 0 for i in dis.get_instructions(code))
    return documented and not any(used)


def _hash(kind: str, *pieces: bytes) -> bytes:
    found = hashlib.blake2b(kind.encode(), digest_size=_SIZE)
    for piece in pieces:
        found.update(len(piece).to_bytes(8, "little"))
        found.update(piece)
    return found.digest()
