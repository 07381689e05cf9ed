"""What every job that runs in the background offers to whoever holds it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from geneva.jobs.progress import Progress
from geneva.jobs.record import JobRecord
from geneva.jobs.result import BackfillJobResult


class JobFuture(ABC):
    """A backfill that runs in the background.

    Made by :meth:`Table.backfill_async`, and by :meth:`Connection.get_job` for a job that any
    process began.
    """

    @property
    @abstractmethod
    def job_id(self) -> str:
        """Id of the job."""

    @property
    @abstractmethod
    def table_name(self) -> str:
        """Name of the table."""

    @property
    @abstractmethod
    def column_names(self) -> list[str]:
        """The columns that are computed."""

    @abstractmethod
    def done(self, timeout: float | None = None) -> bool:
        """Say whether the job has ended, waiting for it at most ``timeout`` seconds (default 0)."""

    @abstractmethod
    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end of the job, however it ends, and say whether it has ended.

        Parameters
        ----------
        timeout
            Seconds to wait; None waits as long as the job takes.
        """

    @abstractmethod
    def status(self) -> Progress:
        """Return how far the job is."""

    @abstractmethod
    def result(self, timeout: float | None = None) -> BackfillJobResult:
        """Wait for the job and return its result, or raise what ended it.

        Parameters
        ----------
        timeout
            Seconds to wait; None waits as long as the job takes. The job goes on when the time is
            over: ``cancel()`` stops it.

        Raises
        ------
        TimeoutError
            The job has not ended in time.
        DriverLostError
            The process that drove the job is gone, or was not heard of for half a minute.
        """

    @abstractmethod
    def cancel(self) -> None:
        """Ask the job to stop; what is computed is kept, and ``result()`` raises."""

    @abstractmethod
    def record(self) -> JobRecord:
        """Return everything that is recorded of the job: who, what, where, how far."""

    def events(self) -> list[str]:
        """Return what happened to the job, each with its time; of very many, the latest."""
        return list(self.record().events)

    @abstractmethod
    def logs(self) -> list[str]:
        """Return the lines that the function printed, as far as they are recorded.

        On a cluster they come with worker and rows. ``runner="inline"`` records none.
        """

    @abstractmethod
    def replay(self, row_id: int) -> Any:
        """Run the job's function for one row, in this process and thread.

        The row is read at the version that the job read. If that is gone, the latest is read, with
        a warning. See :meth:`Table.replay`.

        Parameters
        ----------
        row_id
            The row's ``_rowid``, as the job's error names it.

        Returns
        -------
        object
            The value that the column would hold.

        Raises
        ------
        InvalidArgumentError
            There is no such row.
        WrongReturnTypeError
            What the function returned does not fit the column.
        """


def not_ended(job_id: str, timeout_s: float | None, now: Progress) -> TimeoutError:
    """Return the error for a job that takes longer than the caller wants to wait."""
    return TimeoutError(
        f"Job {job_id} has not ended after {timeout_s or 0:g} s; {now.rows_done:,} of "
        f"{now.rows_total:,} rows are computed. It goes on; cancel() stops it."
    )
