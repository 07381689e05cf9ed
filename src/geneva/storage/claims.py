"""What a job says of itself while it computes a column, and whether it can still be alive.

A claim is a small file that its holder renews. Who reads one asks first for the process, which
only helps on the holder's own machine, and then for the last renewal. Clocks differ between
machines and jump, so a claim that looks old is not believed to be dead: somebody has to watch it.
"""

from __future__ import annotations

import enum
import json
import os
import socket
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

RENEW_S = 10.0
"""Seconds between two renewals."""

_SURELY_FRESH_S = 3 * RENEW_S


@dataclass(frozen=True, slots=True)
class Claim:
    """Who computes a column.

    Attributes
    ----------
    job_id, call_id : str
        The job, and the call of ``backfill`` that began it.
    nonce : str
        Unique to one holder: two drivers of the same call have two.
    host : str
        Name of the machine, for people.
    machine : str
        Identifies the machine, since it was started, and what of its processes can be seen.
    pid : int
        The process.
    process_start : str
        When that process began, as its machine counts.
    since : str
        Wall time of the beginning, ISO 8601, for people.
    renewed_s : float
        When it was renewed, on the holder's own wall clock.
    beat : int
        How often it was renewed.
    """

    job_id: str
    call_id: str
    nonce: str
    host: str
    machine: str
    pid: int
    process_start: str
    since: str
    renewed_s: float
    beat: int = 0

    def to_json(self) -> str:
        """Return the claim as its file holds it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Claim | None:
        """Read a claim; None if it is not one, for example by another version of Geneva."""
        try:
            found = json.loads(text)
            return cls(**{name: found[name] for name in cls.__dataclass_fields__})
        except (ValueError, KeyError, TypeError):
            return None


def new_claim(job_id: str, call_id: str, since: str, now_s: float) -> Claim:
    """Return the claim of a job that begins in this process."""
    pid = os.getpid()
    return Claim(
        job_id=job_id,
        call_id=call_id,
        nonce=uuid.uuid4().hex,
        host=socket.gethostname(),
        machine=this_machine_id(),
        pid=pid,
        process_start=process_start(pid) or "",
        since=since,
        renewed_s=now_s,
    )


class Life(enum.Enum):
    """What can be said of a claim's holder at one look."""

    ALIVE = "alive"
    """It runs, or was heard of just now."""

    DEAD = "dead"
    """Its process has ended."""

    UNSURE = "unsure"
    """It is on another machine and was not heard of lately, if the clocks agree."""


def judge(
    claim: Claim,
    machine: str,
    now_s: float,
    process_start: Callable[[int], str | None],
) -> Life:
    """Say whether the holder of a claim is alive.

    Parameters
    ----------
    claim
        The claim.
    machine
        Who asks.
    now_s
        Wall clock of who asks.
    process_start
        Says when a process of this machine began; None if there is none of that id.

    Examples
    --------
    >>> claim = Claim("j", "c", "n", "host", "m1", 7, "12:00", "", renewed_s=100.0)
    >>> judge(claim, "m1", 500.0, lambda pid: "12:00"), judge(claim, "m1", 500.0, lambda pid: None)
    (<Life.ALIVE: 'alive'>, <Life.DEAD: 'dead'>)
    >>> judge(claim, "m2", 110.0, lambda pid: None), judge(claim, "m2", 500.0, lambda pid: None)
    (<Life.ALIVE: 'alive'>, <Life.UNSURE: 'unsure'>)
    """
    if claim.machine == machine:
        began = process_start(claim.pid)
        return Life.DEAD if began is None or began != claim.process_start else Life.ALIVE
    # Wrongly taken for fresh, it is asked again; wrongly taken for old, it is watched.
    fresh = abs(now_s - claim.renewed_s) < _SURELY_FRESH_S
    return Life.ALIVE if fresh else Life.UNSURE


@lru_cache(maxsize=1)
def this_machine_id() -> str:
    """Identify this machine's start, and the namespace in which process ids are looked up."""
    try:
        booted = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{booted}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{socket.gethostname()}/{uuid.getnode():x}"


def process_start(pid: int) -> str | None:
    """Say when a process of this machine began; None if it has ended.

    Examples
    --------
    >>> process_start(os.getpid()) == process_start(os.getpid())
    True
    >>> process_start(2**22 + 1) is None
    True
    """
    if not Path("/proc/self/stat").exists():
        return _start_from_ps(pid)
    try:
        # The name of the program, in parentheses, may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def _start_from_ps(pid: int) -> str | None:
    said = subprocess.run(  # noqa: S603 - no input of others
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    ).stdout.split(maxsplit=1)
    return said[1].strip() if len(said) == 2 and not said[0].startswith("Z") else None
