"""What the console does with a job: it says what is wished, as any other process does.

To go on with a paused job is to run its function; that is left to a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from typing import Any, NoReturn

from geneva.errors import GenevaError
from geneva.jobs.record import JobRecord, JobStatus
from geneva.recorded_job import RecordedJob
from geneva.storage.model import TableLocation

# A cluster may have to be reached first.
_RESUMED_WITHIN_S = 60.0
_LOOK_S = 0.2
_LAST_WORDS = 2_000


class Steering:
    """Steers the jobs of a database. Everything waits for storage, so threads call it.

    Parameters
    ----------
    database
        The database's folder or prefix.
    """

    def __init__(self, database: TableLocation) -> None:
        self._database = database
        self._resumed: list[subprocess.Popen[bytes]] = []

    def job(self, job_id: str) -> RecordedJob:
        """Return a job.

        Raises
        ------
        JobNotFoundError
            No such job is recorded.
        """
        return RecordedJob(self._database, job_id, _never)

    def cancel(self, job_id: str) -> JobRecord:
        """Ask a job to stop."""
        job = self.job(job_id)
        job.cancel()
        return job.record()

    def pause(self, job_id: str) -> JobRecord:
        """Ask a job to pause."""
        job = self.job(job_id)
        job.pause()
        return job.record()

    def set_concurrency(self, job_id: str, concurrency: int) -> JobRecord:
        """Ask a running job to have more or fewer workers."""
        job = self.job(job_id)
        job.set_concurrency(concurrency)
        return job.record()

    def resume(self, job_id: str, concurrency: int | None = None) -> JobRecord:
        """Let a paused job go on in a process of its own, and wait until it does.

        Raises
        ------
        ImpossibleTransitionError
            It is not paused.
        GenevaError
            It does not go on; the message is what that process said.
        """
        job = self.job(job_id)
        # Refuses what is not paused.
        job.record().resumed("the console", datetime.now(timezone.utc))
        command = [sys.executable, "-m", "geneva.cli.main", "jobs", "resume", "--json"]
        if concurrency is not None:
            command += ["--concurrency", str(concurrency)]
        with tempfile.TemporaryFile() as said:
            # It outlives the console.
            process = subprocess.Popen(  # noqa: S603 - no shell; ids cannot be options after --
                [*command, "--", self._database.uri, job_id],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
            self._resumed = [one for one in (*self._resumed, process) if one.poll() is None]
            deadline = time.monotonic() + _RESUMED_WITHIN_S
            while job.record().status is JobStatus.PAUSED:
                if process.poll() is not None and job.record().status is JobStatus.PAUSED:
                    said.seek(0)
                    words = said.read()[-_LAST_WORDS:].decode(errors="replace").strip()
                    raise GenevaError(
                        f"Job {job_id} cannot be resumed: "
                        f"{words.removeprefix('Error: ') or f'exit code {process.returncode}'}"
                    )
                if time.monotonic() > deadline:
                    raise GenevaError(
                        f"Job {job_id} is still PAUSED {_RESUMED_WITHIN_S:g} s after process "
                        f"{process.pid} was started to go on with it; see whether that hangs."
                    )
                time.sleep(_LOOK_S)
        return job.record()


def _never(*_given: Any, **_how: Any) -> NoReturn:
    raise AssertionError("the console runs no job itself")
