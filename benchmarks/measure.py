"""Measure one command as a tree of processes, from its start to its exit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import MeasurementError
from benchmarks.sampling import TreeSampler, kill_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LAUNCHER = Path(__file__).with_name("launcher.py")
SAMPLE_INTERVAL_S = 0.02
LOG_TAIL_LINES = 30


@dataclass(frozen=True)
class Measurement:
    """What one run of a command used.

    Attributes
    ----------
    wall
        Seconds from the start of the command to its exit.
    cpu
        User and system seconds of all its processes.
    rss_mb, pss_mb, processes
        Peaks, see `benchmarks.sampling.TreeSampler`.
    after_exit
        Seconds for which descendants outlived the command.
    sampler_cpu
        CPU seconds that the sampling itself took; they are in none of the other figures.
    """

    wall: float
    cpu: float
    rss_mb: float
    pss_mb: float | None
    processes: int
    after_exit: float
    sampler_cpu: float


def measure(
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float = 600.0,
) -> Measurement:
    """Run a command once and measure it.

    Parameters
    ----------
    command
        Program and arguments.
    log
        File that receives what the command prints.
    cwd
        Working directory, this process's own by default.
    env
        Environment variables to set besides the inherited ones.
    timeout_s
        Seconds after which the whole tree is killed.

    Raises
    ------
    MeasurementError
        If the command exits with another code than 0, takes longer than ``timeout_s``, or leaves
        processes behind that do not end by themselves.
    """
    launcher = subprocess.Popen(
        [sys.executable, str(LAUNCHER), str(log), *command],
        stdout=subprocess.PIPE,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        # Ctrl-C reaches only the harness, which then ends the tree in the `finally` below.
        start_new_session=True,
    )
    with launcher:
        try:
            sampler, sampler_cpu = _watch(launcher, time.monotonic() + timeout_s)
        except TimeoutError:
            message = f"{_shown(command)} took longer than {timeout_s:g} s"
            raise MeasurementError(f"{message}\n{_tail(log)}") from None
        finally:
            if launcher.poll() is None:
                kill_tree(launcher.pid)
        report = launcher.communicate()[0]
    if launcher.returncode != 0:
        raise MeasurementError(f"The launcher of {_shown(command)} failed: {launcher.returncode}")
    outcome = json.loads(report)
    if outcome["exit_code"] != 0:
        message = f"{_shown(command)} exited with {outcome['exit_code']}"
        raise MeasurementError(f"{message}\n{_tail(log)}")
    if outcome["killed"]:
        message = f"{_shown(command)} left {outcome['killed']} processes behind"
        raise MeasurementError(f"{message}\n{_tail(log)}")
    return Measurement(
        wall=outcome["wall"],
        cpu=max(outcome["cpu"], sampler.cpu_s),
        rss_mb=sampler.rss_mb,
        pss_mb=sampler.pss_mb,
        processes=sampler.processes,
        after_exit=outcome["after_exit"],
        sampler_cpu=sampler_cpu,
    )


def _watch(launcher: subprocess.Popen[bytes], deadline: float) -> tuple[TreeSampler, float]:
    """Sample the tree until the launcher ends; return the peaks and the CPU seconds it took."""
    sampler = TreeSampler(launcher.pid)
    cpu_before = time.thread_time()
    while launcher.poll() is None:
        now = time.monotonic()
        if now > deadline:
            raise TimeoutError
        sampler.sample(now)
        time.sleep(SAMPLE_INTERVAL_S)
    return sampler, time.thread_time() - cpu_before


def _shown(command: Sequence[str]) -> str:
    return " ".join(command)


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-LOG_TAIL_LINES:])
