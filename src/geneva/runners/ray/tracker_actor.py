"""The actor that hosts a job's tracker."""

from __future__ import annotations

from geneva.jobs.wishes import Wished
from geneva.pipeline.tracker import JobTracker, Report
from geneva.storage.model import TableLocation


class TrackerActor:
    """Keeps the record of one job.

    Parameters
    ----------
    database, job_id
        See :class:`~geneva.pipeline.tracker.JobTracker`.
    """

    def __init__(self, database: TableLocation, job_id: str) -> None:
        self._database = database
        self._job_id = job_id
        self._tracker: JobTracker | None = None

    def report(self, report: Report) -> Wished:
        """Take in a report; return what others wish of the job."""
        # Not opened while the actor is made: Ray reports a failure there as something else.
        if self._tracker is None:
            self._tracker = JobTracker(self._database, self._job_id)
        return self._tracker.report(report)
