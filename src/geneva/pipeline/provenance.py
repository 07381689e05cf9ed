"""What a column file says about itself: who computed its values, from what, and for which job."""

from __future__ import annotations

from geneva.jobs.commands import JobContext
from geneva.storage.authorship import authorship

SOURCE_VERSION_KEY = "geneva.source_version"
JOB_ID_KEY = "geneva.job_id"


def file_metadata(context: JobContext) -> dict[str, str]:
    """Return the schema metadata of a column file written by a job."""
    return {
        **authorship(context.column),
        SOURCE_VERSION_KEY: str(context.version),
        JOB_ID_KEY: context.job_id,
    }
