"""What a job's record says from the beginning: what is to be done, for whom, where."""

from __future__ import annotations

import getpass
import json
import os
import socket
from dataclasses import fields
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from geneva.config import Settings
from geneva.errors import InvalidArgumentError
from geneva.jobs.progress import Progress
from geneva.jobs.record import DriverProcess, JobRecord, JobStatus
from geneva.jobs.spec import backfill_spec
from geneva.pipeline.backfill_job import BackfillJob
from geneva.pipeline.resumption import call_of


def first_progress(job: BackfillJob) -> Progress:
    """Return how far a job is that has not begun, or was paused."""
    if job.before is not None:
        return job.before.progress
    return Progress(job.job_id, job.location.name, job.column.name)


def new_record(
    job: BackfillJob,
    settings: Settings,
    launched_at: datetime,
    *,
    runner: str,
    cluster_name: str | None = None,
    driver: DriverProcess | None = None,
) -> JobRecord:
    """Return the record of a job that is submitted in this process.

    Parameters
    ----------
    job, settings
        The job and the settings of this process.
    launched_at
        When it was submitted.
    runner, cluster_name, driver
        See :class:`~geneva.jobs.record.JobRecord`.
    """
    column = job.column
    return JobRecord(
        job_id=job.job_id,
        table_name=job.location.name,
        column_name=column.name,
        status=JobStatus.PENDING,
        launched_at=launched_at,
        progress=first_progress(job),
        runner=runner,
        cluster_name=cluster_name,
        launched_by=_user(),
        host=socket.gethostname(),
        input_columns=tuple(dict.fromkeys(i for c in job.columns for i in c.input_columns)),
        output_columns=tuple(job.column_names),
        udf_name=column.udf_name,
        udf_version=column.udf_version,
        udf_digest=column.payload.rpartition("/")[2],
        config=_config(job, settings),
        updated_at=launched_at,
        driver=driver,
    )


def _config(job: BackfillJob, settings: Settings) -> str:
    try:
        given: object = backfill_spec(job.column, job.arguments)
    except InvalidArgumentError:  # It is what ends the job.
        given = job.arguments
    parts = {"settings": settings.__getstate__(), "call": call_of(job)}
    return json.dumps({**_fields(given), **parts}, default=_plain)


def _fields(part: Any) -> dict[str, Any]:
    return {field.name: getattr(part, field.name) for field in fields(part)}


def _plain(value: object) -> object:
    return value.total_seconds() if isinstance(value, timedelta) else str(value)


@lru_cache(maxsize=1)
def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # A container's user has no name.
        return str(os.getuid())
