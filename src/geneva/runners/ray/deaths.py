"""End actors, and say why one is gone, from what Ray raises and what its node still holds."""

from __future__ import annotations

import contextlib
import re
import signal
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from geneva.jobs.events import BatchRows, LossCause
from geneva.pipeline.flight_recorder import Verdict, read_notes, read_verdict, remove_notes
from geneva.runners.ray.worker_actor import Hello

_LAST_LINES = 20
_AUTOPSY_TIMEOUT_S = 10.0


class PlaceTakenError(Exception):
    """Somebody removed the placement group of a worker, as only an operator of the cluster does."""

    preempted = True

    def __init__(self) -> None:
        super().__init__("its place was taken away: somebody removed its placement group")


def end_actor(actor: Any) -> None:
    """End an actor; one that is gone already, or a cluster that is, is no error."""
    with contextlib.suppress(ValueError, ray.exceptions.RayError):
        ray.kill(actor)


def cause_of(error: BaseException, node_id: str | None, alive: set[str]) -> LossCause:
    """Name the cause of a death.

    Parameters
    ----------
    error
        What a call of the actor raised.
    node_id
        Its node; None if it never said.
    alive
        Ids of the nodes that are there.
    """
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return LossCause.OUT_OF_MEMORY
    if getattr(error, "preempted", False):
        return LossCause.PREEMPTED
    if node_id is not None and node_id not in alive:
        return LossCause.NODE_LOST
    return LossCause.CRASH


@dataclass(frozen=True, slots=True)
class Findings:
    """What the node of a dead worker still knows of it.

    Attributes
    ----------
    batch : BatchRows or None
        What it was computing.
    exit_code : int or None
        Its exit code, if known.
    words : str
        Its last words.
    verdict : Verdict or None
        Why it has ended itself, if it did.
    """

    batch: BatchRows | None = None
    exit_code: int | None = None
    words: str = ""
    verdict: Verdict | None = None


def examine(hello: Hello) -> Findings:
    """Return what is still known of a dead worker."""
    here = ray.get_runtime_context().get_node_id() == hello.node_id
    try:
        if here:
            found = _autopsy(hello.notes, hello.error_log)
        else:
            strategy = NodeAffinitySchedulingStrategy(hello.node_id, soft=False)
            task = ray.remote(_autopsy).options(
                num_cpus=0, scheduling_strategy=strategy, max_retries=0
            )
            reference = task.remote(hello.notes, hello.error_log)
            found = ray.get(reference, timeout=_AUTOPSY_TIMEOUT_S)
    except ray.exceptions.RayError:  # Its node is gone as well.
        return Findings()
    return found


def exit_code_in(words: str) -> int | None:
    """Return the signal that Ray's crash handler wrote down, as a negative exit code.

    Examples
    --------
    >>> exit_code_in("*** SIGSEGV received at time=1 on cpu 0 ***"), exit_code_in("bye")
    (-11, None)
    """
    found = re.search(r"\*\*\* (SIG[A-Z]+) received", words)
    known = getattr(signal, found.group(1), None) if found else None
    return None if known is None else -int(known)


def _autopsy(notes: str, error_log: str) -> Findings:
    batch, verdict = read_notes(notes), read_verdict(notes)
    remove_notes(notes)
    last: deque[str] = deque(maxlen=_LAST_LINES)
    exit_code = None
    try:
        with Path(error_log).open(errors="replace") as log:
            for line in log:
                exit_code = exit_code or exit_code_in(line)
                # The interpreter lists its modules in a line of several thousand letters.
                if line.strip() and not line.startswith((":", "Extension modules")):
                    last.append(line.rstrip())
    except OSError:
        return Findings(batch, verdict=verdict)
    return Findings(batch, exit_code, "\n".join(last), verdict)
