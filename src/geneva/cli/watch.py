"""`geneva jobs watch`: how far jobs are, on the full screen or line by line."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import typer
from rich.console import Console

from geneva.cli.database import database_at
from geneva.cli.job_lines import in_short
from geneva.cli.job_lookup import job_of
from geneva.jobs.job_line import short_id
from geneva.jobs.progress_words import line, summary
from geneva.jobs.record import JobRecord, JobStatus
from geneva.pipeline.job_records import list_jobs, read_again
from geneva.recorded_job import RecordedJob

_LOOK_S = 0.5
# All records are read again so much later than that took: there may be a thousand.
_REST = 10


class Jobs:
    """Reads the jobs that are watched: one, or all of a database.

    Parameters
    ----------
    uri
        The database.
    job
        The job, or how its id begins; None for all.
    """

    def __init__(self, uri: str, job: str | None) -> None:
        self._database = database_at(uri)
        self._job: RecordedJob | None = None if job is None else job_of(uri, job)
        self._records: list[JobRecord] = []
        self._list_at_s = 0.0

    @property
    def one(self) -> bool:
        """Whether it is one job."""
        return self._job is not None

    def read(self) -> list[JobRecord]:
        """Return the records as they are now, the newest job first."""
        if self._job is not None:
            return [self._job.record()]
        began_s = time.monotonic()
        if began_s >= self._list_at_s:
            self._records = list_jobs(self._database)
            now_s = time.monotonic()
            self._list_at_s = now_s + _REST * (now_s - began_s)
        else:
            self._records = [
                one if one.status.ended else read_again(self._database, one)
                for one in self._records
            ]
        return self._records


def watch(uri: str, job: str | None, *, interval_s: float, as_json: bool) -> bool:
    """Show jobs until they have ended, or the user has seen enough.

    Parameters
    ----------
    uri, job
        See :class:`Jobs`.
    interval_s
        Seconds between two lines about a job, where there is no terminal.
    as_json
        Whether to print lines of JSON.

    Returns
    -------
    bool
        Whether all is well with the job: it is DONE, or goes on.
    """
    jobs, console = Jobs(uri, job), Console()
    if console.is_terminal and not console.is_dumb_terminal and not as_json:
        from geneva.cli.watch_screen import on_screen

        last = on_screen(jobs, console)
    else:
        last = _in_lines(jobs, interval_s, as_json=as_json)
    if last is None:
        return True
    return not last.status.ended or last.status is JobStatus.DONE


def _in_lines(jobs: Jobs, interval_s: float, *, as_json: bool) -> JobRecord | None:
    """Print lines until nothing runs; return the job, if it is one that is watched."""
    due: dict[str, float] = {}
    while True:
        records = jobs.read()
        for record in _news(records, due, interval_s, one=jobs.one):
            text = json.dumps(in_short(record)) if as_json else as_line(record)
            typer.echo(text)
        if all(record.status.ended for record in records):
            return records[0] if jobs.one else None
        time.sleep(min(_LOOK_S, interval_s))


def _news(
    records: list[JobRecord], due: dict[str, float], interval_s: float, *, one: bool
) -> Iterator[JobRecord]:
    """Yield the jobs about which a line is due, and those that ended since the last look."""
    now_s = time.monotonic()
    for record in records:
        followed = record.job_id in due
        if record.status.ended:
            if followed or one:
                due.pop(record.job_id, None)
                yield record
        elif now_s >= due.get(record.job_id, 0.0):
            due[record.job_id] = now_s + interval_s
            yield record


def as_line(record: JobRecord) -> str:
    """Say in one line how far a job is, or how it ended."""
    now = record.progress
    said = (summary(now) if record.status.ended else line(now)).removeprefix("geneva: ")
    text = f"{short_id(record.job_id)} {record.status.value} {said}"
    if record.error is None:
        return text
    return f"{text} | {record.error}".partition("\n")[0]
