"""Jobs of a database, a line for each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from geneva.cli.database import database_at
from geneva.cli.grid import aligned
from geneva.errors import InvalidArgumentError
from geneva.jobs.record import JobRecord, JobStatus
from geneva.pipeline.job_records import list_jobs
from geneva.progress.wording import duration, percent

# Of an id that new_job_id() made.
_RANDOM, _SHORT_ID = 32, 12


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
            columns_of(one),
            one.status.value,
            f"{one.progress.rows_done:,}",
            percent(one.progress.rows_done, one.progress.rows_total),
            f"{one.launched_at:%Y-%m-%d %H:%M:%S}",
            duration(took_s(one)),
            one.launched_by,
            where(one),
        )
        for name, one in zip(short, records, strict=True)
    ]
    text = aligned([head, *rows], numbers=(3, 4, 6))
    more = of - len(records)
    return f"{text}\nand {more:,} more; --limit shows more of them" if more > 0 else text


def list_as_json(records: Sequence[JobRecord]) -> str:
    """Return jobs as a JSON array; `geneva jobs show` has the rest."""
    return json.dumps([in_short(record) for record in records], indent=2)


def in_short(record: JobRecord) -> dict[str, Any]:
    """Return the most important of a job as plain data."""
    progress = record.progress
    return {
        "job_id": record.job_id,
        "table": record.table_name,
        "columns": _columns(record),
        "status": record.status.value,
        "stage": progress.stage,
        "rows_done": progress.rows_done,
        "rows_total": progress.rows_total,
        "rows_failed": progress.rows_failed,
        "rows_per_s": progress.rows_per_s,
        "workers": progress.workers,
        "launched_at": record.launched_at.isoformat(),
        "completed_at": None if record.completed_at is None else record.completed_at.isoformat(),
        "took_s": round(took_s(record), 3),
        "launched_by": record.launched_by,
        "host": record.host,
        "runner": record.runner,
        "error": None if record.error is None else f"{record.error.kind}: {record.error.message}",
    }


def columns_of(record: JobRecord) -> str:
    """Name what a job computes: ``docs.words``."""
    first, *others = _columns(record)
    return f"{record.table_name}.{first}" + (f" + {len(others)}" if others else "")


def took_s(record: JobRecord) -> float:
    """Return how long a job took, or has taken."""
    ended = record.completed_at
    if ended is None:
        ended = record.updated_at if record.status.ended else datetime.now(timezone.utc)
    return max(0.0, ((ended or record.launched_at) - record.launched_at).total_seconds())


def where(record: JobRecord) -> str:
    """Say where a job's workers are."""
    return f"ray {record.cluster_name or ''}".strip() if record.runner == "ray" else record.host


def _columns(record: JobRecord) -> list[str]:
    return list(record.output_columns) or [record.column_name]


def _short_ids(ids: Sequence[str]) -> list[str]:
    """Shorten ids that nobody chose, as far as they stay different."""
    short = [short_id(one) for one in ids]
    return short if len(set(short)) == len(set(ids)) else list(ids)


def short_id(job_id: str) -> str:
    """Shorten an id that nobody chose.

    Examples
    --------
    >>> short_id("0f3a" * 8), short_id("nightly-of-the-first-of-january")
    ('0f3a0f3a0f3a', 'nightly-of-the-first-of-january')
    """
    random = len(job_id) == _RANDOM and not set(job_id) - set("0123456789abcdef")
    return job_id[:_SHORT_ID] if random else job_id
