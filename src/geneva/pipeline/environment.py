"""Compares a worker's environment with the caller's: functions and files travel between them."""

from __future__ import annotations

import sys

import pyarrow as pa

from geneva._version import __version__
from geneva.errors import EnvironmentMismatchError
from geneva.storage.dataset import LANCE_VERSION

# How many leading numbers of a version must be equal for pickles and files to be understood.
_COMPARED = {"python": 2, "pyarrow": 1, "pylance": 2, "geneva": 3}

Versions = tuple[tuple[str, str], ...]


def environment_versions() -> Versions:
    """Return the versions of this process that its workers must share."""
    python = ".".join(str(number) for number in sys.version_info[:3])
    return (
        ("python", python),
        ("pyarrow", pa.__version__),
        ("pylance", LANCE_VERSION),
        ("geneva", __version__),
    )


def check_environment(wanted: Versions, place: str) -> None:
    """Refuse to work for a caller whose environment is another one.

    Parameters
    ----------
    wanted
        The caller's versions; empty checks nothing.
    place
        Who says so, and where: "applier 3 on node 10.0.0.7".

    Raises
    ------
    EnvironmentMismatchError
        Which package, both versions, and what to do.

    Examples
    --------
    >>> check_environment((("python", "2.7.18"),), "applier 1 on node 10.0.0.7")
    Traceback (most recent call last):
    geneva.errors.EnvironmentMismatchError: applier 1 on node 10.0.0.7 runs Python 3...
    """
    here = dict(environment_versions()) if wanted else {}
    for name, version in wanted:
        count = _COMPARED[name]
        if version.split(".")[:count] != here[name].split(".")[:count]:
            shown = "Python" if name == "python" else name
            equal = ".".join("xyz"[:count])
            raise EnvironmentMismatchError(
                f"{place} runs {shown} {here[name]}, the caller {version}. A function and its "
                f"files need the same {equal} on both sides. Install {shown} {version} "
                "on the cluster, or run the caller with the cluster's version."
            )
