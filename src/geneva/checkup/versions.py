"""Whether the installed packages are those that this version of Geneva was made for."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from importlib import metadata

from packaging.requirements import Requirement

from geneva._version import __version__
from geneva.report import Check

_PACKAGE = "opengeneva"
_INSTALL_RAY = f"pip install '{_PACKAGE}[ray]'"


def check_versions() -> Sequence[Check]:
    """Look at Python, Geneva, and the packages that it reads and writes tables with.

    Examples
    --------
    >>> [check.name for check in check_versions()]
    ['geneva', 'python', 'pyarrow', 'pylance', 'lancedb', 'ray']
    """
    checks = [
        Check("geneva", "ok", __version__),
        _fitting("python", platform.python_version(), _pythons()),
        *(_installed(name) for name in ("pyarrow", "pylance", "lancedb")),
    ]
    try:
        checks.append(_installed("ray"))
    except metadata.PackageNotFoundError:
        found = "not installed; only clusters need it"
        checks.append(Check("ray", "skipped", found, f"To use one: {_INSTALL_RAY}"))
    return checks


def _installed(name: str) -> Check:
    wanted = [requirement for requirement in _requirements() if requirement.name.lower() == name]
    return _fitting(name, metadata.version(name), wanted)


def _fitting(name: str, version: str, wanted: Sequence[Requirement]) -> Check:
    """Compare a version with what this version of Geneva asks for.

    Examples
    --------
    >>> _fitting("pyarrow", "9.0", [Requirement("pyarrow>=18")]).fix
    "pip install 'pyarrow>=18'"
    """
    for requirement in wanted:
        if not requirement.specifier.contains(version, prereleases=True):
            expected = f"{name}{requirement.specifier}"
            found = f"{version}; Geneva {__version__} needs {expected}"
            fix = f"Use {expected}." if name == "python" else f"pip install '{expected}'"
            return Check(name, "failed", found, fix)
    return Check(name, "ok", version)


def _pythons() -> list[Requirement]:
    wanted = metadata.metadata(_PACKAGE)["Requires-Python"]
    return [Requirement(f"python{wanted}")] if wanted else []


def _requirements() -> Iterator[Requirement]:
    return map(Requirement, metadata.requires(_PACKAGE) or [])
