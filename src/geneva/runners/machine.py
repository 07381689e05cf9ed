"""Finds out what this machine, or the container that we are in, offers."""

from __future__ import annotations

import os
from pathlib import Path

from geneva.resources.request import Machine

_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


def this_machine() -> Machine:
    """Return the CPUs, GPUs and memory that this process may use."""
    return Machine(
        num_cpus=_cpus(),
        num_gpus=_gpus(),
        memory_bytes=_memory_bytes(),
    )


def installed_memory_bytes() -> int:
    """Return the memory of the machine, whatever we may use of it."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def available_memory_bytes() -> int:
    """Return the memory that is free now, on the machine and below the cgroup's limit."""
    values = dict(line.partition(":")[::2] for line in _read(_MEMINFO).splitlines())
    kibibytes = values.get("MemAvailable", "").removesuffix("kB").strip()
    free = int(kibibytes) << 10 if kibibytes.isdigit() else _memory_bytes()
    used = _read(_CGROUP / "memory.current").strip()
    if not used.isdigit():
        return free
    statistics = dict(line.split() for line in _read(_CGROUP / "memory.stat").splitlines())
    # Files that nobody has used lately are given up before anything is refused.
    held = int(used) - int(statistics.get("inactive_file", 0))
    return max(0, min(free, _memory_bytes() - held))


def devices() -> int:
    """Return how many NVIDIA devices there are, visible to this process or not."""
    return len([d for d in Path("/dev").glob("nvidia[0-9]*") if d.name[6:].isdigit()])


def _cpus() -> float:
    cpus = float(os.cpu_count() or 1)
    if hasattr(os, "sched_getaffinity"):
        cpus = float(len(os.sched_getaffinity(0)))
    quota = _read(_CGROUP / "cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit() and quota[1].isdigit():
        # A quota below one CPU still runs one applier, only slower.
        cpus = max(1.0, min(cpus, int(quota[0]) / int(quota[1])))
    return cpus


def _gpus() -> float:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return float(devices())
    chosen = [d for d in visible.split(",") if d.strip() not in ("", "-1")]
    return float(min(len(chosen), devices()))


def _memory_bytes() -> int:
    total = installed_memory_bytes()
    limit = _read(_CGROUP / "memory.max").strip()
    return min(total, int(limit)) if limit.isdigit() else total


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
