"""Find the job that a command names, and word what it says."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from typing import Any

from geneva.cli.database import database_at
from geneva.errors import InvalidArgumentError, JobNotFoundError
from geneva.recorded_job import RecordedJob
from geneva.storage.job_folders import JobFolders


def job_of(uri: str, job: str) -> RecordedJob:
    """Return a job by its id, or by how its id begins if only one begins so.

    Raises
    ------
    JobNotFoundError
        None is recorded.
    InvalidArgumentError
        Several ids begin so.
    """
    database = database_at(uri)
    try:
        return RecordedJob(database, job, _resume)
    except JobNotFoundError:
        begin = [name for name in JobFolders(database).names() if job and name.startswith(job)]
        if len(begin) == 1:
            return RecordedJob(database, begin[0], _resume)
        if not begin:
            raise
    some = ", ".join(sorted(begin)[:5])
    raise InvalidArgumentError(f"{len(begin)} jobs begin with {job!r}: {some}. Write more of it.")


def _resume(*given: Any, **how: Any) -> Any:
    # Only here is what runs jobs needed.
    from geneva.job import resume_job

    return resume_job(*given, **how)


def in_json(said: Any) -> str:
    """Return what a job said as JSON."""
    if hasattr(said, "to_json"):
        return str(said.to_json())
    plain = asdict(said) if is_dataclass(said) and not isinstance(said, type) else said
    return json.dumps(plain, indent=2, default=str)
