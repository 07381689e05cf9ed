"""Tell a job that runs from one whose driver died without a word. Pure.

Clocks of two machines differ, so a record that looks old is only suspected: whoever reads it looks
again and sees whether its beat goes on.
"""

from __future__ import annotations

import enum
from dataclasses import replace

from geneva.jobs.record import JobRecord, JobStatus, RecordedError
from geneva.storage.claims import Life

# A record is written about every second; a driver on a cluster that is started again on another
# node is silent for some 20 s.
_LOST_S = 30.0
# A process that is there may be stopped, or hold the interpreter.
_STUCK_S = 600.0
# Nobody writes the record of a job that waits for its driver; that takes two minutes at most.
_NEVER_BEGAN_S = 3600.0
# Clocks hardly ever differ by that much.
_SURELY_S = 3600.0
WATCH_S = 3.0
"""Seconds that a suspected job is watched for a beat."""


class Verdict(enum.Enum):
    """What can be said of a job that has not ended."""

    GOES_ON = "goes on"
    LOST = "lost"
    LOOK_AGAIN = "look again"


def judge_job(
    status: JobStatus, life: Life, age_s: float, watched_s: float, *, moved: bool = False
) -> Verdict:
    """Say whether a job that has not ended goes on.

    Parameters
    ----------
    status
        What its record says.
    life
        Whether its process runs; UNSURE for one that cannot be seen from here.
    age_s
        Seconds since the record was written, as far as two clocks agree.
    watched_s
        Seconds that the reader has seen it stand still, on a clock of its own.
    moved
        Whether the reader has seen it beat: then its own clock alone counts.

    Examples
    --------
    >>> judge_job(JobStatus.RUNNING, Life.DEAD, age_s=0.1, watched_s=0)
    <Verdict.LOST: 'lost'>
    >>> judge_job(JobStatus.PAUSED, Life.DEAD, age_s=9e9, watched_s=9e9)
    <Verdict.GOES_ON: 'goes on'>
    >>> [judge_job(JobStatus.RUNNING, Life.UNSURE, age, watched).name
    ...  for age, watched in [(2, 0), (90, 0), (90, 3), (7200, 0)]]
    ['GOES_ON', 'LOOK_AGAIN', 'LOST', 'LOST']
    """
    if status is JobStatus.PAUSED:
        return Verdict.GOES_ON  # Nobody drives it.
    if life is Life.DEAD:
        return Verdict.LOST
    limit_s = _STUCK_S if life is Life.ALIVE else _LOST_S
    if status is JobStatus.PENDING:
        limit_s = _NEVER_BEGAN_S
    if watched_s > limit_s:
        return Verdict.LOST
    # One that comes from the future tells that the clocks differ.
    if moved or abs(age_s) <= limit_s:
        return Verdict.GOES_ON
    if watched_s >= WATCH_S or age_s > limit_s + _SURELY_S:
        return Verdict.LOST
    return Verdict.LOOK_AGAIN


def lost(record: JobRecord, *, dead: bool) -> JobRecord:
    """Return the record of a job whose driver is gone, as it is shown.

    Parameters
    ----------
    record
        What the driver wrote last.
    dead
        Whether its process is known to have ended.
    """
    job = f"job {record.job_id}"
    if dead:
        pid = "" if record.driver is None else f" {record.driver.pid}"
        words = f"The driver of {job} is lost: process{pid} on {record.host} ended without a word."
    else:
        heard = "" if record.updated_at is None else f" since {record.updated_at:%Y-%m-%d %H:%M:%S}"
        words = (
            f"The driver of {job} is lost: nothing has been heard of it{heard} UTC. It is gone, or "
            "cannot reach the database."
        )
    kept = "What was computed is kept; a new backfill goes on from there."
    progress = replace(record.progress, finished=True, workers=0, workers_starting=0)
    error = RecordedError("DriverLostError", f"{words} {kept}")
    return replace(record, status=JobStatus.FAILED, progress=progress, error=error)
