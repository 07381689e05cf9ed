"""Find the job that a command names, without opening a table."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from geneva.errors import InvalidArgumentError, JobNotFoundError
from geneva.recorded_job import RecordedJob
from geneva.storage.job_folders import JobFolders
from geneva.storage.model import TableLocation


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
        return RecordedJob(database, job)
    except JobNotFoundError:
        begin = [name for name in JobFolders(database).names() if job and name.startswith(job)]
        if len(begin) == 1:
            return RecordedJob(database, begin[0])
        if not begin:
            raise
    some = ", ".join(sorted(begin)[:5])
    raise InvalidArgumentError(f"{len(begin)} jobs begin with {job!r}: {some}. Write more of it.")


def database_at(uri: str) -> TableLocation:
    """Return where a database is, as :func:`geneva.connect` does, which loads more than it takes.

    Raises
    ------
    InvalidArgumentError
        The URI is of a hosted service.
    """
    if uri.startswith("db://"):
        raise InvalidArgumentError(f"{uri!r} is a hosted database; expected a folder or a store.")
    if "://" not in uri or uri.startswith("file://"):
        uri = str(Path(uri.removeprefix("file://")).expanduser().absolute())
    return TableLocation(uri.rstrip("/"))


def asked(job: RecordedJob, wish: str, **how: Any) -> Any:
    """Ask a job for something that not every version of it can do."""
    method = getattr(job, wish, None)
    if method is None:
        raise InvalidArgumentError(f"This version of Geneva cannot {wish} jobs.")
    return method(**how)


def in_json(said: Any) -> str:
    """Return what a job said as JSON."""
    if hasattr(said, "to_json"):
        return str(said.to_json())
    plain = asdict(said) if is_dataclass(said) and not isinstance(said, type) else said
    return json.dumps(plain, indent=2, default=str)
