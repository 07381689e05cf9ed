"""What is recorded of a job, in words, for all displays. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from geneva.jobs.job_line import JobLine
from geneva.jobs.progress_words import STAGE_NAMES, amount, duration, left, percent, speed, workers
from geneva.jobs.record import JobRecord

# Of a record's config: what is not an argument, or said elsewhere.
_INTERNAL = {"settings", "failure_rules", "column", "call"}
_MOST_VERSIONS = 10
_WHOLE = 100


def facts_of(record: JobRecord) -> list[tuple[str, str]]:
    """Return what is known of a job, each with its name; what is not known is left out.

    Examples
    --------
    >>> from datetime import timezone
    >>> from geneva.jobs.progress import Progress
    >>> from geneva.jobs.record import JobStatus
    >>> now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    >>> progress = Progress("j", "docs", "words", rows_done=5, rows_total=20, stage="computing")
    >>> record = JobRecord("j", "docs", "words", JobStatus.RUNNING, now, progress)
    >>> dict(facts_of(record))["rows"]
    '5 of 20 rows (25 %), 0 committed'
    """
    return [(name, text) for name, text in _facts(record) if text]


def _facts(record: JobRecord) -> Iterator[tuple[str, str]]:
    now, line = record.progress, JobLine.of(record)
    yield "function", f"{record.udf_name} {record.udf_version[:12]}".strip()
    yield "reads", ", ".join(record.input_columns)
    yield "computes", ", ".join(line.columns)
    by = f", by {line.launched_by}" if line.launched_by else ""
    yield "began", _moment(record.launched_at) + by
    if record.completed_at is not None:
        yield "ended", _moment(record.completed_at)
    elif record.updated_at is not None:
        yield "heard of", _moment(record.updated_at)
    yield "took", duration(line.took_s)
    runner = f"runner {record.runner}" if record.runner else ""
    yield "where", ", ".join(filter(None, (line.where, runner)))
    failed = f", {now.rows_failed:,} failed" if now.rows_failed else ""
    share = percent(now.rows_done, now.rows_total)
    rows = f"{amount(now.rows_done, now.rows_total, 'row')} ({share}){failed}"
    yield "rows", f"{rows}, {now.rows_committed:,} committed"
    yield "fragments", amount(now.fragments_done, now.fragments_total, "fragment")
    yield "versions", ", ".join(map(str, record.versions[-_MOST_VERSIONS:]))
    if now.workers_granted:
        yield "workers", workers(now) + (f" ({now.granted_why})" if now.granted_why else "")
    yield "time in", stage_times(now.stage_s)
    if not record.status.ended:
        yield "stage", now.stage
        yield "speed", speed(now.rows_per_s) if now.rows_per_s > 0 else ""
        yield "left", left(now).removesuffix(" left")
        yield "waits for", now.waiting_for or now.stalls_at
    yield "arguments", arguments(json.loads(record.config))


def stage_times(stage_s: Mapping[str, float]) -> str:
    """Write where the workers' time went.

    Examples
    --------
    >>> stage_times({"read": 0.21, "udf": 3.1, "write": 0})
    'reading 0.2 s, the function 3.1 s'
    """
    named = ((STAGE_NAMES.get(stage, stage), seconds) for stage, seconds in stage_s.items())
    return ", ".join(f"{name} {duration(seconds)}" for name, seconds in named if seconds)


def arguments(config: Mapping[str, Any]) -> str:
    """Write the arguments of a job that are not the defaults.

    Examples
    --------
    >>> arguments({"concurrency": 4, "where": None, "settings": {}, "force": False})
    'concurrency=4'
    """
    given = {name: value for name, value in config.items() if name not in _INTERNAL}
    return ", ".join(
        f"{name}={value}" for name, value in given.items() if value not in (None, False, "", [])
    )


def number(value: float) -> str:
    """Write the number of a metric.

    Examples
    --------
    >>> number(1234567.0), number(0.12345)
    ('1,234,567', '0.123')
    """
    return f"{value:,.0f}" if value >= _WHOLE or float(value).is_integer() else f"{value:.3g}"


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"
