"""What a column file says about itself: who computed its values, from what, and for which job."""

from __future__ import annotations

from geneva.jobs.column_status import ColumnStatus, ComputedBy, column_status
from geneva.jobs.commands import JobContext
from geneva.storage.authorship import authorship
from geneva.storage.column_file import file_tag, read_metadata
from geneva.storage.dataset import Dataset
from geneva.storage.model import ComputedColumn, TableLocation
from geneva.storage.snapshot import take_snapshot

SOURCE_VERSION_KEY = "geneva.source_version"
JOB_ID_KEY = "geneva.job_id"


def file_metadata(context: JobContext) -> dict[str, str]:
    """Return the schema metadata of a column file written by a job."""
    return {
        **authorship(context.column),
        SOURCE_VERSION_KEY: str(context.version),
        JOB_ID_KEY: context.job_id,
    }


def status_of(dataset: Dataset, location: TableLocation, column: ComputedColumn) -> ColumnStatus:
    """Say what a table holds of a column, and who computed it."""
    snapshot = take_snapshot(dataset, location, column, with_parts=False)
    paths = {path for fragment in snapshot.fragments for path in fragment.files}
    return column_status(snapshot, {path: _author(location, path) for path in paths})


def _author(location: TableLocation, path: str) -> ComputedBy | None:
    said = read_metadata(location, path) if file_tag(path) is not None else None
    if not said:
        return None
    return ComputedBy(
        udf_name=said["geneva.udf_name"],
        udf_version=said["geneva.udf_version"],
        job_id=said["geneva.job_id"],
    )
