"""The peak memory of a process tree, sampled from outside at a small cost.

Resident memory (RSS) of known processes is cheap to read and is sampled at every call. Listing the
tree reads all of ``/proc`` and the proportional share (PSS, which counts a shared page once) walks
page tables, so both happen at a lower rate.
"""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Any

import psutil

DISCOVERY_INTERVAL_S = 0.25
# PSS is looked at when the tree has grown by 2 %, and now and then besides. It may take 4 % of a
# core at most, which matters for a tree of many large processes.
PSS_INTERVAL_S = 0.25
PSS_IDLE_INTERVAL_S = 1.0
PSS_GROWTH = 1.02
PSS_SHARE = 0.04
MB = 1e6


class TreeSampler:
    """Keeps the peaks of the processes below ``root_pid``, which itself is not counted.

    Attributes
    ----------
    rss_mb
        Largest sum of resident memory seen, in 10^6 bytes. Pages shared by several processes
        are counted in each of them.
    pss_mb
        Largest sum of proportional memory seen, or ``None`` where the system has no such figure.
    processes
        Number of processes at the moment of ``rss_mb``.
    cpu_s
        User and system seconds of all processes when they were seen last, at most one interval
        before their end. The kernel's own sum lacks processes whose parent never waits for them.
    """

    def __init__(self, root_pid: int) -> None:
        self._root = psutil.Process(root_pid)
        self._members: list[psutil.Process] = []
        self._next_discovery = 0.0
        self._next_pss = 0.0
        self._next_idle_pss = 0.0
        self._rss_mb_at_pss = 0.0
        self.rss_mb = 0.0
        self.pss_mb: float | None = None
        self.processes = 0
        self._cpu_s: dict[int, float] = {}

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all processes so far."""
        return sum(self._cpu_s.values())

    def sample(self, now: float) -> None:
        """Look at the tree once; ``now`` is a monotonic time in seconds."""
        if now >= self._next_discovery or not self._members:
            self._discover()
            self._next_discovery = now + DISCOVERY_INTERVAL_S
        resident = [size for member in self._members if (size := _rss(member))]
        rss_mb = sum(resident) / MB
        for member in self._members:
            self._cpu_s[member.pid] = max(_cpu_s(member), self._cpu_s.get(member.pid, 0.0))
        if rss_mb > self.rss_mb:
            self.rss_mb = rss_mb
            self.processes = len(resident)
        grown = rss_mb > self._rss_mb_at_pss * PSS_GROWTH
        if now >= (self._next_pss if grown else self._next_idle_pss):
            cpu_before = time.thread_time()
            self._sample_pss()
            cost_s = time.thread_time() - cpu_before
            self._rss_mb_at_pss = max(rss_mb, self._rss_mb_at_pss)
            self._next_pss = now + max(PSS_INTERVAL_S, cost_s / PSS_SHARE)
            self._next_idle_pss = now + max(PSS_IDLE_INTERVAL_S, cost_s / PSS_SHARE)

    def _discover(self) -> None:
        try:
            self._members = self._root.children(recursive=True)
        except psutil.Error:
            self._members = []

    def _sample_pss(self) -> None:
        if sys.platform == "linux":
            pss_mb = sum(_pss(member) for member in self._members) / MB
            self.pss_mb = max(pss_mb, self.pss_mb or 0.0)


def _rss(process: psutil.Process) -> int:
    """Resident bytes; 0 for a process that is gone or a zombie."""
    with contextlib.suppress(psutil.Error):
        return process.memory_info().rss
    return 0


def _cpu_s(process: psutil.Process) -> float:
    """CPU seconds of a process itself; 0 for one that is gone."""
    with contextlib.suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def _pss(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        info: Any = process.memory_full_info()  # Its type depends on the platform.
        return int(info.pss)
    return 0


def kill_tree(root_pid: int) -> None:
    """Kill a process and everything below it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(root_pid)
        for process in [*root.children(recursive=True), root]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
