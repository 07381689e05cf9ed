"""Jobs in a list, which a notebook shows as a table."""

from __future__ import annotations

from geneva.jobs.record import JobRecord


class JobList(list[JobRecord]):
    """A list of records."""

    def _repr_html_(self) -> str:
        from geneva.jobs.shown.job import jobs_html

        return jobs_html(self)
