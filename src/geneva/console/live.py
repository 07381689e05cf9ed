"""The jobs of a database as they are now, read as often as somebody looks."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timezone

from geneva.jobs.job_line import JobLine
from geneva.jobs.progress import Progress
from geneva.jobs.record import JobRecord
from geneva.pipeline.job_records import Heartbeats
from geneva.progress.metrics_server import JobsSeen
from geneva.storage.job_folders import JobFolders
from geneva.storage.model import TableLocation


class LiveJobs:
    """Knows all jobs. A job that has ended is read once, and only what lists need of it is kept.

    Parameters
    ----------
    database
        The database's folder or prefix.

    Examples
    --------
    >>> import tempfile
    >>> jobs = LiveJobs(TableLocation(tempfile.mkdtemp()))
    >>> asyncio.run(jobs.newest())
    []
    """

    def __init__(self, database: TableLocation) -> None:
        self._folders = JobFolders(database)
        self._age_s = 0.5 if database.is_local else 1.0
        self._heartbeats = Heartbeats()
        self._ended: dict[str, tuple[str, JobLine]] = {}
        self._lines: list[JobLine] = []
        self._unended: set[str] = set()
        self._measured = JobsSeen()
        self._read_s = float("-inf")
        self._reading = asyncio.Lock()

    async def newest(self) -> list[JobLine]:
        """Return all jobs, the newest first, as they were at most half a second ago.

        In a store they are listed once per second. Whoever asks while they are read gets the same.
        """
        async with self._reading:
            if time.monotonic() - self._read_s > self._age_s:
                await asyncio.to_thread(self._read)
                self._read_s = time.monotonic()
            return self._lines

    async def measured(self) -> list[Progress]:
        """Return how far the jobs are that run, or ran when they were read before."""
        await self.newest()
        return self._measured.newest()

    def _read(self) -> None:
        ended = self._folders.ended()
        known = {n: seen for n, seen in self._ended.items() if ended.get(n) == seen[0]}
        now = datetime.now(timezone.utc)
        lines, unended = [], set()
        for name, text in self._folders.read([n for n in ended if n not in known]):
            try:
                record = JobRecord.from_json(text)
            except ValueError:
                continue  # Of another version of Geneva: it must not hide the others.
            record = self._heartbeats.judge(record) or record
            line = JobLine.of(record, now)
            if name in self._unended or not record.status.ended:
                self._measured.note(record.progress)
            if ended[name] and record.status.ended:
                known[name] = ended[name], line
                continue
            lines.append(line)
            if not record.status.ended:
                unended.add(name)
        lines += [line for _, line in known.values()]
        lines.sort(key=lambda line: (line.launched_at, line.job_id), reverse=True)
        self._ended, self._lines, self._unended = known, lines, unended
