"""Leases: one job at a time computes a column, as long as it lives.

A job announces itself with a file of its own and then looks who else did::

    _geneva/leases/<field id>/<call id>.json

Whoever writes first and lists then cannot overlook another who does the same: one of the two
lists after both have written. So no file is ever contended for, no store has to offer a conditional
write, and to take over from a dead holder is to remove its file. Two that begin in the same moment
both withdraw, wait a little, each for another time, and try again; one that has the lease says so
in its file, and others are refused.

A lease saves work that would be done twice. It is not what keeps the table right: that is the
commit, which refuses values of a column that somebody else replaced meanwhile.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone

from geneva.errors import ColumnBusyError
from geneva.storage.claims import (
    Claim,
    Life,
    judge,
    new_claim,
    process_start,
    this_machine_id,
)
from geneva.storage.files import LEASES_FOLDER, TableFiles
from geneva.storage.model import ComputedColumn, TableLocation

EXPIRE_S = 60.0
"""Seconds without a renewal, on the clock of one who watches, after which a holder is dead."""

_LOOK_S = 1.0
_LEAST_PAUSE_S = 0.01
_MOST_TRIES = 50
# Of this process: a claim of it that is not among them was left by a job that has ended.
_held: set[str] = set()


def life_of(claim: Claim) -> Life:
    """Say whether the holder of a claim is alive, at one look."""
    machine = this_machine_id()
    life = judge(claim, machine, time.time(), process_start)
    if life is Life.ALIVE and (claim.machine, claim.pid) == (machine, os.getpid()):
        return Life.ALIVE if claim.nonce in _held else Life.DEAD
    return life


def list_claims(
    files: TableFiles, field_id: int | None = None, besides: str = ""
) -> dict[str, Claim | None]:
    """Return claims by path, of one column or of all; None for a file that is not a claim."""
    folder = LEASES_FOLDER if field_id is None else f"{LEASES_FOLDER}/{field_id}"
    found: dict[str, Claim | None] = {}
    for path in files.list(folder):
        if path == besides:
            continue
        try:
            found[path] = Claim.from_json(str(files.read(path).to_pybytes(), "utf-8", "replace"))
        except FileNotFoundError:
            continue  # Given back since.
    return found


class Lease:
    """The right of one job to compute a column.

    Parameters
    ----------
    location, column
        What is to be computed.
    job_id, call_id
        The job, and the call that began it. Another driver of the same call takes its place.
    pause
        Waits for some seconds; raises what is to end the wait early.
    warn
        Is told when this has to wait.
    expire_s
        Seconds without a renewal after which a holder on another machine is dead.

    Attributes
    ----------
    took_over : bool
        Whether a dead job's claim was found, which may have left more behind.
    """

    def __init__(
        self,
        location: TableLocation,
        column: ComputedColumn,
        job_id: str,
        call_id: str,
        *,
        pause: Callable[[float], None] = time.sleep,
        warn: Callable[[str], None] = lambda _: None,
        expire_s: float = EXPIRE_S,
    ) -> None:
        self.took_over = False
        self._location = location
        self._column = column
        self._files = TableFiles(location)
        self._pause = pause
        self._warn = warn
        self._expire_s = expire_s
        since = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._claim = new_claim(job_id, call_id, since, time.time())
        self._folder = f"{LEASES_FOLDER}/{column.field_id}"
        self._path = f"{self._folder}/{call_id}.json"

    def acquire(self) -> None:
        """Take the lease.

        Raises
        ------
        ColumnBusyError
            Another job has it.
        """
        # Known before it can be read: whoever reads it in this process would take it for dead.
        _held.add(self._claim.nonce)
        try:
            self._contend()
        except BaseException:
            self.release()
            raise

    def _contend(self) -> None:
        for attempt in range(1, _MOST_TRIES + 1):
            began_s = time.monotonic()
            self._write()
            rivals = self._rivals()
            if not rivals:
                self._beat()
                return
            self._files.delete(self._path)
            for path, rival in rivals.items():
                if self._holds(path, rival) or attempt == _MOST_TRIES:
                    raise self._busy(rival)
            # Another has just begun and withdraws as well; so each waits for another time.
            took_s = time.monotonic() - began_s
            most_s = min(2.0, 2**attempt * (took_s + _LEAST_PAUSE_S))
            self._pause(random.uniform(0, most_s))  # noqa: S311 - no secret

    def renew(self) -> None:
        """Say that the job is alive.

        Raises
        ------
        ColumnBusyError
            Somebody took the lease over: this process did not get to say so for too long.
        """
        now = list_claims(self._files, self._column.field_id)
        found = now.pop(self._path, None)
        others = [c for c in now.values() if c is not None and life_of(c) is not Life.DEAD]
        if found is not None and found.nonce != self._claim.nonce:
            raise self._busy(found)
        if found is None and others:
            raise self._busy(others[0])
        if found is None and not self._files.list("_versions"):
            return  # The table was dropped; nothing of it is to come back.
        self._beat()

    def is_held(self) -> bool:
        """Say whether nobody took this job for dead."""
        found = list_claims(self._files, self._column.field_id).get(self._path)
        return found is not None and found.nonce == self._claim.nonce

    def release(self) -> None:
        """Give the lease back."""
        try:
            self._files.delete(self._path)
        finally:
            _held.discard(self._claim.nonce)

    def _write(self) -> None:
        # Not forced to the disk: when the machine goes down, so does the job.
        self._files.write(self._path, self._claim.to_json().encode(), durable=False)

    def _rivals(self) -> dict[str, Claim]:
        """Return the claims of other jobs, without those of dead ones, which are removed."""
        rivals = {}
        for path, claim in list_claims(self._files, self._column.field_id, self._path).items():
            if claim is None or life_of(claim) is Life.DEAD:
                self._remove(path)
            else:
                rivals[path] = claim
        return rivals

    def _remove(self, path: str) -> None:
        self.took_over = True
        self._files.delete(path)

    def _holds(self, path: str, claim: Claim) -> bool:
        """Say whether another has the lease; if it was not heard of lately, after watching it."""
        if life_of(claim) is Life.ALIVE:
            return claim.beat > 0
        self._warn(
            f"{self._what()} is reserved by job {claim.job_id} on {claim.host}, which was not "
            f"heard of lately. Waiting up to {self._expire_s:.0f} s to see whether it is alive."
        )
        deadline = time.monotonic() + self._expire_s
        while time.monotonic() < deadline:
            self._pause(min(_LOOK_S, self._expire_s / 10))
            now = list_claims(self._files, self._column.field_id).get(path)
            if now is None:
                return False
            if (now.nonce, now.beat) != (claim.nonce, claim.beat):
                return True
        self._remove(path)
        return False

    def _beat(self) -> None:
        self._claim = replace(self._claim, renewed_s=time.time(), beat=self._claim.beat + 1)
        self._write()

    def _busy(self, rival: Claim) -> ColumnBusyError:
        error = ColumnBusyError(
            f"{self._what()} is being computed by job {rival.job_id} on {rival.host} "
            f"(process {rival.pid}), since {rival.since}. Wait for it, or stop it, and run "
            "the backfill again: nothing is computed twice. If it dies, the column is free at once "
            f"for jobs on the same machine, and {EXPIRE_S:.0f} s later for others."
        )
        error.job_id, error.host, error.since = rival.job_id, rival.host, rival.since
        return error

    def _what(self) -> str:
        return f"Column {self._column.name!r} of {self._location.name!r}"
