"""What this machine, or the container that we are in, has for workers."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from geneva.jobs.wording import size
from geneva.report import Check
from geneva.resources.packing import amount
from geneva.runners.machine import available_memory_bytes, devices, installed_memory_bytes
from geneva.runners.machine import this_machine as look

# A worker with Lance and Arrow loaded takes about a quarter of a gibibyte.
_LITTLE_MEMORY_BYTES = 1 << 30
_LITTLE_DISK_BYTES = 1 << 30
# A checkpoint and a column file of a small job.
_NO_DISK_BYTES = 100 << 20
_VISIBLE = "CUDA_VISIBLE_DEVICES"


def check_cpus() -> Sequence[Check]:
    """Look at the cores that this process may use, and at the quota of its cgroup."""
    usable, cores = look().num_cpus, os.cpu_count() or 1
    text = amount("CPU", usable)
    if usable < cores:
        text += f" of {cores}, by the process's affinity or its cgroup"
    return [Check("cpus", "ok", text)]


def check_memory() -> Sequence[Check]:
    """Look at the memory, the limit of the cgroup, and what is free now."""
    total, installed = look().memory_bytes, installed_memory_bytes()
    free = available_memory_bytes()
    text = f"{size(total)}"
    if total < installed:
        text += f" by the limit of the cgroup, of {size(installed)}"
    text += f"; {size(free)} free"
    if free < _LITTLE_MEMORY_BYTES:
        fix = "End other programs or raise the container's limit; or run jobs with concurrency=1."
        return [Check("memory", "warning", text, fix)]
    return [Check("memory", "ok", text)]


def check_gpus() -> Sequence[Check]:
    """Look at the devices, and at what the environment hides of them."""
    found, usable, visible = devices(), int(look().num_gpus), os.environ.get(_VISIBLE)
    if visible is None or found == usable:
        return [Check("gpus", "ok", amount("GPU", found) if found else "none")]
    text = f"{amount('GPU', found)}, of which {_VISIBLE}={visible!r} leaves {usable}"
    return [Check("gpus", "warning", text, f"Unset {_VISIBLE} to use all of them.")]


def check_disk(database: str | None) -> Sequence[Check]:
    """Look at the free space of the temporary folder, and of a database in a local folder."""
    places = {"disk (temporary)": Path(tempfile.gettempdir())}
    if database is not None:
        places["disk (database)"] = Path(database)
    return [_disk(name, place) for name, place in places.items()]


def _disk(name: str, place: Path) -> Check:
    while not place.exists() and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free
    text = f"{size(free)} free in {place}"
    if free >= _LITTLE_DISK_BYTES:
        return Check(name, "ok", text)
    fix = "Free some space there."
    if name.endswith("(temporary)"):
        fix = "Free some space there, or set TMPDIR to a folder on another disk."
    return Check(name, "failed" if free < _NO_DISK_BYTES else "warning", text, fix)
