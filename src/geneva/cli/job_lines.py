"""Jobs of a database, a line for each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from geneva.cli.database import database_at
from geneva.cli.grid import aligned
from geneva.errors import InvalidArgumentError
from geneva.jobs.job_line import JobLine, short_id
from geneva.jobs.progress_words import duration, percent
from geneva.jobs.record import JobRecord, JobStatus
from geneva.pipeline.job_records import list_jobs


def records_of(uri: str, table: str | None, status: str | None) -> list[JobRecord]:
    """Return the jobs of a table and in a state, the newest first.

    Raises
    ------
    InvalidArgumentError
        There is no such state.
    """
    wanted = None if status is None else status.upper()
    states = [state.value for state in JobStatus]
    if wanted is not None and wanted not in states:
        raise InvalidArgumentError(f"--status {status}: expected one of {', '.join(states)}.")
    return [
        job
        for job in list_jobs(database_at(uri))
        if table in (None, job.table_name) and wanted in (None, job.status.value)
    ]


def as_text(records: Sequence[JobRecord], of: int) -> str:
    """Return jobs as text.

    Parameters
    ----------
    records
        The jobs to show.
    of
        How many there are.
    """
    if not records:
        return "There are no such jobs."
    head = ("job", "columns", "state", "rows", "", "began (UTC)", "took", "by", "where")
    short = _short_ids([record.job_id for record in records])
    rows = [
        (
            name,
            one.target,
            one.status.value,
            f"{one.rows_done:,}",
            percent(one.rows_done, one.rows_total),
            f"{one.launched_at:%Y-%m-%d %H:%M:%S}",
            duration(one.took_s),
            one.launched_by,
            one.where,
        )
        for name, one in zip(short, map(JobLine.of, records), strict=True)
    ]
    text = aligned([head, *rows], numbers=(3, 4, 6))
    more = of - len(records)
    return f"{text}\nand {more:,} more; --limit shows more of them" if more > 0 else text


def list_as_json(records: Sequence[JobRecord]) -> str:
    """Return jobs as a JSON array; `geneva jobs show` has the rest."""
    return json.dumps([in_short(record) for record in records], indent=2)


def in_short(record: JobRecord) -> dict[str, Any]:
    """Return the most important of a job as plain data."""
    line = asdict(JobLine.of(record))
    times = ("launched_at", "completed_at")
    texts = {name: line[name] and line[name].isoformat() for name in times}
    return {**line, **texts, "status": record.status.value}


def _short_ids(ids: Sequence[str]) -> list[str]:
    """Shorten ids that nobody chose, as far as they stay different."""
    short = [short_id(one) for one in ids]
    return short if len(set(short)) == len(set(ids)) else list(ids)
