"""What every job that runs in the background offers to whoever holds it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from geneva.errors import InvalidArgumentError
from geneva.jobs.history import JobHistory
from geneva.jobs.progress import Progress
from geneva.jobs.record import JobRecord, JobStatus
from geneva.jobs.result import BackfillJobResult
from geneva.markup import Told


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

        A job that is paused has not ended: it is waited for until somebody resumes or cancels it.

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
    def pause(self, timeout: float = 0) -> bool:
        """Ask the job to pause: what is computed is made durable, and all workers are given back.

        What is complete is committed, and the column is free for others. ``resume()`` goes on, in
        this or any other process. A job that has ended stays as it is.

        Parameters
        ----------
        timeout
            Seconds to wait until it is paused.

        Returns
        -------
        bool
            Whether it is paused by now.
        """

    @abstractmethod
    def resume(self, concurrency: int | None = None) -> JobFuture:
        """Go on with a paused job, in the background of this process, or of its Ray cluster.

        It is the same job, of the same id, with the arguments that it began with. One that is just
        pausing is waited for.

        Parameters
        ----------
        concurrency
            Most workers from now on. Default: as many as before.

        Returns
        -------
        JobFuture
            The job.

        Raises
        ------
        ImpossibleTransitionError
            It is not paused.
        ColumnBusyError
            Another job computes the column now; this one stays paused.
        TableChangedError
            The column has another function by now.
        """

    @abstractmethod
    def set_concurrency(self, concurrency: int) -> None:
        """Let the running job have more or fewer workers, within about a second.

        Workers that are too many end their batch, make durable what they computed, and go. Further
        ones start as far as there are resources, and if the rest of the job is worth it.
        ``record().concurrency`` and ``events()`` tell. A job that has ended stays as it is.

        Parameters
        ----------
        concurrency
            Most workers at once.

        Raises
        ------
        InvalidArgumentError
            That is no whole number of at least 1.
        ImpossibleTransitionError
            The job is paused: say it to ``resume()``.
        """

    def explain(self) -> str:
        """Say what the job is doing, what limits it, and which setting to change.

        From its own measurements: the stage that takes most of the workers' time, what is waited
        for, rows that take long, workers that are lost. Of a job that has ended it says how.

        Examples
        --------
        >>> import geneva, tempfile
        >>> db = geneva.connect(tempfile.mkdtemp())
        >>> docs = db.create_table("docs", [{"text": "one two"}])
        >>> @geneva.udf
        ... def words(text: str) -> int:
        ...     return len(text.split())
        >>> docs.add_columns({"words": words})
        >>> job = docs.backfill_async("words", runner="inline")
        >>> job.wait()
        True
        >>> print(job.explain())  # doctest: +ELLIPSIS
        The job docs.words is done: 1 row in ...
        """
        from geneva.jobs.explanation import explained

        return Told(explained(self.record()))

    def paused(self) -> bool:
        """Say whether the job is paused."""
        return self.record().status is JobStatus.PAUSED

    @abstractmethod
    def record(self) -> JobRecord:
        """Return everything that is recorded of the job: who, what, where, how far."""

    def _repr_html_(self) -> str:
        from geneva.jobs.shown.job import job_html

        return job_html(self._glance())

    def _glance(self) -> JobRecord:
        """Return what is recorded, without waiting for anything."""
        return self.record()

    def events(self) -> list[str]:
        """Return what happened to the job, each with its time; of very many, the latest."""
        return list(self.record().events)

    @abstractmethod
    def history(self) -> JobHistory:
        """Return how the job went over time: samples, and what its workers did when.

        It is recorded with the job, also if nobody watches, and has a bounded size: that of a long
        job is coarser. Seen from another process it is at most about four seconds old. Of a job
        that took less than two seconds nothing is stored but its record, from which its beginning
        and its end follow, without workers; who holds the job itself sees all.

        Returns
        -------
        JobHistory
            Its times are seconds since the job began; while it is paused they stand still.

        Examples
        --------
        >>> import geneva, tempfile
        >>> db = geneva.connect(tempfile.mkdtemp())
        >>> docs = db.create_table("docs", [{"text": "one two"}])
        >>> @geneva.udf
        ... def words(text: str) -> int:
        ...     return len(text.split())
        >>> docs.add_columns({"words": words})
        >>> job = docs.backfill_async("words", runner="inline")
        >>> job.wait()
        True
        >>> history = job.history()
        >>> history.samples[0].rows_done, history.samples[-1].rows_done
        (0, 1)
        >>> [(span.component, span.end) for span in history.workers]
        [('the calling thread', 'released')]
        >>> [(span.kind, span.rows) for span in history.tasks]
        [('apply', RowRange(start=0, stop=1))]
        """

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
    follows = "It goes on; cancel() stops it."
    if now.stage == "paused":
        follows = "It is paused; resume() goes on."
    return TimeoutError(
        f"Job {job_id} has not ended after {timeout_s or 0:g} s; {now.rows_done:,} of "
        f"{now.rows_total:,} rows are computed. {follows}"
    )


def check_concurrency(concurrency: int) -> None:
    """Refuse what is no number of workers.

    Raises
    ------
    InvalidArgumentError
        It is none.
    """
    if type(concurrency) is not int or concurrency < 1:
        raise InvalidArgumentError(
            f"concurrency={concurrency!r}; expected a whole number of at least 1."
        )
