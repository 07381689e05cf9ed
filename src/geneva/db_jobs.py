"""The jobs that are recorded beside a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geneva.db_handle import DatabaseHandle
from geneva.errors import InvalidArgumentError

if TYPE_CHECKING:
    from geneva.jobs.record import JobRecord, JobStatus
    from geneva.recorded_job import RecordedJob


class DatabaseJobs(DatabaseHandle):
    """The methods of a connection that find jobs."""

    def get_job(self, job_id: str) -> RecordedJob:
        """Return a job that this or any other process began on this database.

        Raises
        ------
        JobNotFoundError
            No such job is recorded.
        """
        from geneva.job import resume_job
        from geneva.recorded_job import RecordedJob

        return RecordedJob(self._root(), job_id, resume_job)

    def list_jobs(
        self, table_name: str | None = None, status: JobStatus | str | None = None
    ) -> list[JobRecord]:
        """Return the jobs of this database, running and ended, the newest first.

        Parameters
        ----------
        table_name
            Only jobs of this table.
        status
            Only jobs in this state: "PENDING", "RUNNING", "PAUSED", "DONE", "FAILED", "CANCELLED".

        Returns
        -------
        list of JobRecord
            What is recorded; of running jobs at most two seconds old. A job whose driver is lost
            is FAILED. The last 1,000 ended jobs are kept.

        Raises
        ------
        InvalidArgumentError
            There is no such state.

        Examples
        --------
        >>> import geneva, tempfile, pyarrow as pa
        >>> db = geneva.connect(tempfile.mkdtemp())
        >>> table = db.create_table("docs", [{"id": 1}, {"id": 2}])
        >>> table.add_columns({"next": geneva.udf(abs, data_type=pa.int64(), input_columns=["id"])})
        >>> result = table.backfill("next", runner="inline", progress=False)
        >>> [(job.table_name, job.column_name, job.status.value) for job in db.list_jobs()]
        [('docs', 'next', 'DONE')]
        >>> db.list_jobs(status="RUNNING")
        []
        """
        from geneva.jobs.job_list import JobList
        from geneva.pipeline.job_records import list_jobs

        wanted = None if status is None else _job_status(status)
        return JobList(
            job
            for job in list_jobs(self._root())
            if table_name in (None, job.table_name) and wanted in (None, job.status)
        )


def _job_status(given: JobStatus | str) -> JobStatus:
    from geneva.jobs.record import JobStatus

    try:
        return JobStatus(str(getattr(given, "value", given)).upper())
    except ValueError:
        states = ", ".join(state.value for state in JobStatus)
        raise InvalidArgumentError(f"status={given!r}; expected one of {states}.") from None
