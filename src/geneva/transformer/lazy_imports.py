"""Modules that a function imports when it is called, as far as they are the user's own.

A worker imports them itself, so they are no part of what is pickled; but what the function computes
depends on them. They are found without being imported.
"""

from __future__ import annotations

import dis
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

from geneva.transformer.local_modules import is_local_file


def imported_sources(code: CodeType, package: str) -> Iterator[tuple[str, Path]]:
    """Yield name and file of the local modules that some code imports, submodules included.

    Parameters
    ----------
    code
        The code, without that of functions defined in it.
    package
        Package that relative imports start from; empty for none.
    """
    for name, members in _imports(code, package):
        for module in (name, *(f"{name}.{member}" for member in members)):
            for step, file in _files(module):
                if is_local_file(step, str(file)):
                    yield step, file


def _imports(code: CodeType, package: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the module of each import statement, and what is taken from it."""
    before: list[object] = [0, None]
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            level, members = before
            name = str(instruction.argval)
            if isinstance(level, int) and level:
                base = package.split(".")[: len(package.split(".")) - level + 1]
                name = ".".join([*base, name] if name else base)
            if name:
                yield name, tuple(members) if isinstance(members, tuple) else ()
        before = [before[1], instruction.argval]


def _files(module: str) -> Iterator[tuple[str, Path]]:
    """Yield the source files of a module and of the packages that it is in."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return
    yield top, Path(spec.origin)
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    for number, step in enumerate(rest, 1):
        options = [folder / step / "__init__.py" for folder in folders]
        options += [folder / f"{step}.py" for folder in folders]
        found = next((option for option in options if option.is_file()), None)
        if found is None:
            return
        yield ".".join([top, *rest[:number]]), found
        folders = [found.parent] if found.name == "__init__.py" else []
