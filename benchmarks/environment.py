"""What the figures depend on besides the code: compiled bytecode, the machine, the versions."""

from __future__ import annotations

import compileall
import importlib.metadata
import importlib.util
import os
import platform
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.errors import UncompiledError

DISTRIBUTION = "opengeneva"
# pylance imports pandas where it is installed; the image case imports Pillow.
ALSO_IMPORTED = ("pandas", "pillow")
# A distribution may carry a few files that are not meant to be imported and do not compile.
TOLERATED_SHARE = 0.05
SHOWN_VERSIONS = ("pylance", "lancedb", "pyarrow", "numpy", "pandas", "pillow", DISTRIBUTION)


def require_bytecode() -> None:
    """Refuse to measure in an environment whose installed packages are not compiled.

    Raises
    ------
    UncompiledError
        With the packages and the commands that fix it.
    """
    required = [
        match.group()
        for requirement in importlib.metadata.requires(DISTRIBUTION) or []
        if "extra ==" not in requirement and (match := re.match(r"[\w.-]+", requirement))
    ]
    uncompiled = [name for name in (*required, *ALSO_IMPORTED) if not _is_compiled(name)]
    if uncompiled:
        raise UncompiledError(
            f"No compiled bytecode for {', '.join(uncompiled)}: every start of a process would "
            "compile them again, and the figures would measure that. Run\n"
            "  UV_COMPILE_BYTECODE=1 uv sync --reinstall\n"
            "or\n"
            f"  python -m compileall -q {_site_packages()}"
        )


def compile_own_sources() -> None:
    """Compile geneva itself, which an editable install leaves to its first import.

    This writes even where ``PYTHONDONTWRITEBYTECODE`` keeps imports from doing so.
    """
    spec = importlib.util.find_spec("geneva")
    for location in (spec and spec.submodule_search_locations) or []:
        compileall.compile_dir(location, quiet=1)


def describe_machine() -> dict[str, Any]:
    """Cores, processor, Python, library versions and the time, for the results file."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "cpu": _cpu_model(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: found for name in SHOWN_VERSIONS if (found := _version(name))},
    }


def load_average() -> float:
    """Return how many processes wanted a core, on average over the last minute."""
    return round(os.getloadavg()[0], 2)


def _is_compiled(distribution: str) -> bool:
    """Whether nearly all modules of a distribution have bytecode; true if it is not installed."""
    try:
        files = importlib.metadata.distribution(distribution).files or []
    except importlib.metadata.PackageNotFoundError:
        return True
    sources = [str(file.locate()) for file in files if file.suffix == ".py"]
    missing = [
        source for source in sources if not Path(importlib.util.cache_from_source(source)).exists()
    ]
    return len(missing) <= TOLERATED_SHARE * len(sources)


def _site_packages() -> Path:
    return Path(str(importlib.metadata.distribution("numpy").locate_file("")))


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()
