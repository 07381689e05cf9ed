"""Find the packages that the demo needs, or fetch them into a folder of its own.

The demo's photographs, and Pillow to read them, are not part of a plain install. They must not
change the user's environment either, so what is missing goes into a private folder that stands
last on `sys.path`: whatever is installed already keeps being used.
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from geneva.errors import GenevaError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DISTRIBUTION = "opengeneva"
EXTRA = "demo"
BY_HAND = f"pip install '{DISTRIBUTION}[{EXTRA}]'"

# Megabytes to download, as measured for Linux wheels in 2026; NumPy and SciPy, which come along
# with the last two, are counted once.
DOWNLOAD_MB = {"pillow": 7, "scikit-image": 14, "scikit-learn": 10}
SHARED_DOWNLOAD_MB = 54
DISK_PER_DOWNLOAD = 4  # Unpacked and with bytecode, 85 MB were 350 MB.


class PackagesMissingError(GenevaError, RuntimeError):
    """Packages that the demo needs are not installed, and were not or could not be fetched."""


def required() -> list[Requirement]:
    """Read what the extra `demo` requires from the metadata of the installed distribution."""
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        raise PackagesMissingError(
            f"{DISTRIBUTION} is not installed in {sys.prefix}; the demo reads from its metadata "
            f"what it needs. Run {BY_HAND}."
        ) from None
    parsed = [Requirement(line) for line in lines]
    return [
        requirement
        for requirement in parsed
        if requirement.marker is not None
        and requirement.marker.evaluate({"extra": EXTRA})
        and not requirement.marker.evaluate({"extra": ""})
    ]


def missing(requirements: Sequence[Requirement]) -> list[Requirement]:
    """Keep the requirements that no installed package meets.

    Raises
    ------
    PackagesMissingError
        A package is installed in a version that does not do. A newer one in the private folder
        would stand behind it and never be imported.
    """
    absent = []
    for requirement in requirements:
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            absent.append(requirement)
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            raise PackagesMissingError(
                f"The demo needs {_plain(requirement)}, but {version} is installed. Run {BY_HAND}."
            )
    return absent


def download_mb(requirements: Sequence[Requirement]) -> int:
    """Estimate the size of a download.

    Examples
    --------
    >>> download_mb([Requirement("pillow"), Requirement("scikit-learn>=1.5")])
    71
    """
    names = [canonicalize_name(requirement.name) for requirement in requirements]
    shared = SHARED_DOWNLOAD_MB if any(name.startswith("scikit") for name in names) else 0
    return shared + sum(DOWNLOAD_MB.get(name, 0) for name in names)


def ensure(folder: Path, *, install: bool, say: Callable[[str], None]) -> None:
    """Make the demo's packages importable in this process and in its workers.

    Parameters
    ----------
    folder
        The private folder for packages that are missing.
    install
        Whether they may be fetched.
    say
        Called with one line before something is fetched.

    Raises
    ------
    PackagesMissingError
        Something is missing and was not fetched; the message has the command to do it by hand.
    """
    # Compiled packages fit one Python version only. The last name marks them as installed
    # packages, which workers import; the user's own modules would be sent along with a function.
    place = folder / str(sys.implementation.cache_tag) / "site-packages"
    _append_to_path(place)
    absent = missing(required())
    if not absent:
        return
    names = ", ".join(_plain(requirement) for requirement in absent)
    megabytes = download_mb(absent)
    size = f"about {megabytes} MB to download, {megabytes * DISK_PER_DOWNLOAD} MB on disk"
    if not install:
        raise PackagesMissingError(f"The demo needs {names} ({size}). Run {BY_HAND}.")
    installer = _installer()
    say(f"Missing: {names} ({size}). Installing into {place}; your environment stays as it is.")
    _install(installer, absent, place)
    _append_to_path(place)
    if absent := missing(required()):
        names = ", ".join(_plain(requirement) for requirement in absent)
        raise PackagesMissingError(f"{place} still has no {names}. Run {BY_HAND}.")


def constraints(replaced: Sequence[Requirement]) -> list[str]:
    """Pin every installed distribution, so that the private folder holds the same versions.

    A package that is imported from the environment may otherwise meet one in the private folder
    that was built for another version of it.
    """
    skipped = {canonicalize_name(requirement.name) for requirement in replaced}
    skipped.add(canonicalize_name(DISTRIBUTION))
    pins = {
        canonicalize_name(name): distribution.version
        for distribution in metadata.distributions()
        if (name := distribution.metadata["Name"])
    }
    return [f"{name}=={version}" for name, version in sorted(pins.items()) if name not in skipped]


def _install(installer: Sequence[str], requirements: Sequence[Requirement], place: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        pins = Path(scratch) / "constraints.txt"
        pins.write_text("\n".join(constraints(requirements)), encoding="utf-8")
        command = [
            *installer,
            *("--quiet", "--upgrade", "--target", str(place), "--constraint", str(pins)),
            *(_plain(requirement) for requirement in requirements),
        ]
        # A list of arguments without a shell; the strings come from our own metadata.
        done = subprocess.run(  # noqa: S603
            command, check=False, capture_output=True, text=True
        )
    if done.returncode != 0:
        reason = (done.stderr or done.stdout).strip().splitlines()
        raise PackagesMissingError(
            f"Installing the demo's packages into {place} failed: "
            f"{reason[-1] if reason else f'exit code {done.returncode}'}. Run {BY_HAND}."
        )


def _installer() -> list[str]:
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", sys.executable]
    raise PackagesMissingError(
        f"Neither pip nor uv is there to install the demo's packages. Run {BY_HAND}."
    )


def _append_to_path(place: Path) -> None:
    # Last, never first: a NumPy that came along must not hide the one in use.
    if place.is_dir() and str(place) not in sys.path:
        sys.path.append(str(place))
    importlib.invalidate_caches()


def _plain(requirement: Requirement) -> str:
    return f"{requirement.name}{requirement.specifier}"
