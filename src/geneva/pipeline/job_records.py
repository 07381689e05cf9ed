"""Read the records of jobs, and tell those that run from those whose driver is lost."""

from __future__ import annotations

import os
import time
from datetime import datetime, timezone
from functools import lru_cache

from geneva.jobs.heartbeat import Verdict, judge_job, lost
from geneva.jobs.record import DriverProcess, JobRecord, JobStatus
from geneva.storage.claims import Life, process_start, this_machine_id
from geneva.storage.job_files import JobFiles
from geneva.storage.job_folders import JobFolders
from geneva.storage.model import TableLocation

MOST_KEPT = 1_000
"""Records of ended jobs that a database keeps."""

# Records are counted at a process' first job and every so often then, and so many more than are
# kept are let pile up: to read them all takes longer than a small job.
_COUNT_EVERY = 50
_PILE = 100
_LOOK_S = 0.5
_jobs_begun = 0


def this_driver() -> DriverProcess:
    """Return what a record says of this process."""
    return _driver(os.getpid())


@lru_cache(maxsize=1)
def _driver(pid: int) -> DriverProcess:
    return DriverProcess(this_machine_id(), pid, process_start(pid) or "")


class Heartbeats:
    """Judges records, and remembers since when each stands still."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float, bool]] = {}

    def judge(self, record: JobRecord) -> JobRecord | None:
        """Return a record as it is to be shown; None if one has to look again."""
        if record.status.ended:
            return record
        now_s = time.monotonic()
        beat, since_s, moved = self._seen.get(record.job_id, (record.beat, now_s, False))
        if record.beat != beat:
            beat, since_s, moved = record.beat, now_s, True
        self._seen[record.job_id] = beat, since_s, moved
        life = _life(record.driver)
        heard = record.updated_at or record.launched_at
        age_s = (datetime.now(timezone.utc) - heard).total_seconds()
        verdict = judge_job(record.status, life, age_s, now_s - since_s, moved=moved)
        if verdict is Verdict.LOOK_AGAIN:
            return None
        return lost(record, dead=life is Life.DEAD) if verdict is Verdict.LOST else record


def list_jobs(database: TableLocation) -> list[JobRecord]:
    """Return all recorded jobs, the newest first.

    It takes three seconds longer if some may be lost: they are watched for a beat.
    """
    heartbeats = Heartbeats()
    found: list[JobRecord] = []
    waiting = [record for _, record in _read_all(database)]
    while waiting:
        unsure = []
        for record in waiting:
            judged = heartbeats.judge(record)
            if judged is None:
                unsure.append(record)
            else:
                found.append(judged)
        if unsure:
            time.sleep(_LOOK_S)
        waiting = [read_again(database, record) for record in unsure]
    return sorted(found, key=lambda record: (record.launched_at, record.job_id), reverse=True)


def read_again(database: TableLocation, record: JobRecord) -> JobRecord:
    """Return the newest record of a job; the one that is known if it is gone or cannot be read."""
    text = JobFiles(database, record.job_id).read_record()
    try:
        return record if text is None else JobRecord.from_json(text)
    except ValueError:
        return record


def goes_on(text: str) -> bool:
    """Say whether a record is of a job that runs, at one look."""
    try:
        record = JobRecord.from_json(text)
    except ValueError:
        return False
    # One that is submitted may be driven by whoever asks; one that is paused is driven by nobody.
    if record.status.ended or record.status in (JobStatus.PENDING, JobStatus.PAUSED):
        return False
    judged = Heartbeats().judge(record)
    return judged is not None and not judged.status.ended


def forget_old_jobs(database: TableLocation) -> None:
    """Remove the records of the oldest ended jobs, if there are too many."""
    global _jobs_begun
    _jobs_begun += 1
    if _jobs_begun % _COUNT_EVERY != 1:
        return
    folders = JobFolders(database)
    if len(folders.names()) <= MOST_KEPT + _PILE:
        return
    ended = []
    for name, record in _read_all(database):
        judged = Heartbeats().judge(record)
        if judged is not None and judged.status.ended:
            ended.append((record.updated_at or record.launched_at, name))
    for _, name in sorted(ended, reverse=True)[MOST_KEPT:]:
        folders.remove(name)


def _read_all(database: TableLocation) -> list[tuple[str, JobRecord]]:
    found = []
    for name, text in JobFolders(database).records():
        try:
            found.append((name, JobRecord.from_json(text)))
        except ValueError:
            continue  # Of another version of Geneva: it must not hide the others.
    return found


def _life(driver: DriverProcess | None) -> Life:
    if driver is None or driver.machine != this_machine_id():
        return Life.UNSURE
    return Life.ALIVE if process_start(driver.pid) == driver.started else Life.DEAD
