"""What a table holds of a column, and who computed it."""

from __future__ import annotations

from geneva.jobs.column_status import ColumnStatus, ComputedBy, column_status
from geneva.storage.column_file import file_tag, read_metadata
from geneva.storage.dataset import Dataset
from geneva.storage.model import ComputedColumn, TableLocation
from geneva.storage.snapshot import take_snapshot


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
