"""Whether the installed packages are those that this version of Geneva was made for."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from importlib import metadata

from packaging.requirements import Requirement

from geneva._version import __version__
from geneva.checkup.report import Check

_PACKAGE = "opengeneva"
_INSTALL_RAY = f"pip install '{_PACKAGE}[ray]'"


def check_versions() -> Sequence[Check]:
    """Look at Python, Geneva, and the packages that it reads and writes tables with.

    Examples
    --------
    >>> [check.name for check in check_versions()]
    ['geneva', 'python', 'pyarrow', 'pylance', 'lancedb', 'ray']
    """
    python = platform.python_version()
    checks = [Check("geneva", "ok", __version__), _fitting("python", python, _pythons())]
    for name in ("pyarrow", "pylance", "lancedb"):
        checks.append(_fitting(name, metadata.version(name), _wanted(name)))
    try:
        checks.append(_fitting("ray", metadata.version("ray"), _wanted("ray")))
    except metadata.PackageNotFoundError:
        found = "not installed; only clusters need it"
        checks.append(Check("ray", "skipped", found, f"To use one: {_INSTALL_RAY}"))
    return checks


def _fitting(name: str, version: str, wanted: Sequence[Requirement]) -> Check:
    for requirement in wanted:
        if not requirement.specifier.contains(version, prereleases=True):
            expected = f"{name}{requirement.specifier}"
            fix = f"pip install '{expected}'" if name != "python" else f"Use {expected}."
            return Check(name, "failed", f"{version}; {__version__} of Geneva needs {expected}", fix)
    return Check(name, "ok", version)


def _pythons() -> list[Requirement]:
    wanted = metadata.metadata(_PACKAGE)["Requires-Python"]
    return [Requirement(f"python{wanted}")] if wanted else []


def _wanted(name: str) -> list[Requirement]:
    return [one for one in _requirements() if one.name.lower() == name]


def _requirements() -> Iterator[Requirement]:
    return map(Requirement, metadata.requires(_PACKAGE) or [])
