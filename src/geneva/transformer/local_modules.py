"""Which modules are the user's own, so that they travel with a function by value."""

from __future__ import annotations

import contextlib
import functools
import os
import site
import sys
import sysconfig
import threading
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle

if TYPE_CHECKING:
    from collections.abc import Iterator

_OWN_PACKAGE = __name__.partition(".")[0]
# cloudpickle's registry is one for the process.
_LOCK = threading.RLock()


@functools.cache
def _installed_folders() -> tuple[str, ...]:
    """Return the folders of the standard library and of installed packages."""
    paths = sysconfig.get_paths()
    folders = {str(Path(os.__file__).parent), *site.getsitepackages(), site.getusersitepackages()}
    folders.update(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    folders.update([str(Path(folder).resolve()) for folder in folders])
    return tuple(f"{folder}{os.sep}" for folder in sorted(folders))


def is_local_file(name: str, file: Any) -> bool:
    """Say whether a module of a name and file is one of the user's own."""
    return (
        isinstance(file, str)
        and file.endswith(".py")
        and not file.startswith(_installed_folders())
        and "site-packages" not in file
        and "dist-packages" not in file
        and name.partition(".")[0] not in (_OWN_PACKAGE, "__main__")
    )


def _local_modules() -> list[types.ModuleType]:
    local = []
    for name, module in list(sys.modules.items()):
        if not isinstance(module, types.ModuleType):
            continue
        # Not getattr, for which modules that load their parts lazily would load them.
        attributes = object.__getattribute__(module, "__dict__")
        if is_local_file(name, attributes.get("__file__")) and attributes.get("__name__") == name:
            local.append(module)
    return local


@contextlib.contextmanager
def local_modules_by_value() -> Iterator[None]:
    """Let cloudpickle take the user's own modules by value inside."""
    with _LOCK:
        before = cloudpickle.list_registry_pickle_by_value()
        added = [module for module in _local_modules() if module.__name__ not in before]
        for module in added:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            left = cloudpickle.list_registry_pickle_by_value()
            for module in added:
                if module.__name__ in left:
                    cloudpickle.unregister_pickle_by_value(module)
