"""The record of one job: what anybody with the same database can know of it, as data."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import attrs

from geneva.errors import ImpossibleTransitionError
from geneva.jobs.job_status import JobStatus
from geneva.jobs.metrics import JobMetric, job_metrics
from geneva.jobs.progress import Progress
from geneva.jobs.result import BackfillJobResult, UdfResult
from geneva.jobs.timeline import noted, what_happened

__all__ = ["DriverProcess", "JobRecord", "JobStatus", "RecordedError"]


@dataclass(frozen=True, slots=True)
class RecordedError:
    """What ended a job, in words: records are read without running any code that they hold.

    Attributes
    ----------
    kind : str
        Name of the error's class in ``geneva.errors``.
    message : str
        The message.
    traceback : str
        The traceback where it was raised; that of the user's function if it was that.
    """

    kind: str
    message: str
    traceback: str = ""

    def __str__(self) -> str:
        """Write it without the traceback."""
        return f"{self.kind}: {self.message}"


@dataclass(frozen=True, slots=True)
class DriverProcess:
    """The process that drives a job of one machine.

    Attributes
    ----------
    machine : str
        Identifies the machine, since it was started, and what of its processes can be seen.
    pid : int
        The process.
    started : str
        When it began, as its machine counts.
    """

    machine: str
    pid: int
    started: str


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as it is stored with the database.

    Attributes
    ----------
    job_id, table_name, column_name : str
        The job.
    status : JobStatus
        Where it is.
    launched_at : datetime
        When it was submitted, in UTC, by the clock of who submitted it.
    progress : Progress
        How far it is.
    beat : int
        Counts how often the record was written: one that stands still has lost its driver.
    result : BackfillJobResult or None
        What was done, when it is DONE.
    error : RecordedError or None
        What ended it, when it is FAILED or CANCELLED.
    job_type : str
        "BACKFILL".
    runner : str
        Where its workers are: "process", "inline" or "ray".
    cluster_name : str or None
        The cluster's name or address; None on one machine.
    launched_by, host : str
        Who submitted it, on which machine.
    input_columns, output_columns : tuple of str
        What the function reads, and what is computed.
    udf_name, udf_version, udf_digest : str
        The function, and the SHA-256 of its pickle.
    config : str
        All arguments and settings of the job as JSON.
    updated_at, completed_at : datetime or None
        When it was last heard of and when it ended, in UTC, by the clock of who wrote it.
    events : tuple of str
        What happened, each with its time; of very many, the latest.
    driver : DriverProcess or None
        The process that drives it, for a job of one machine.
    """

    job_id: str
    table_name: str
    column_name: str
    status: JobStatus
    launched_at: datetime
    progress: Progress
    beat: int = 0
    result: BackfillJobResult | None = None
    error: RecordedError | None = None
    job_type: str = "BACKFILL"
    runner: str = ""
    cluster_name: str | None = None
    launched_by: str = ""
    host: str = ""
    input_columns: tuple[str, ...] = ()
    output_columns: tuple[str, ...] = ()
    udf_name: str = ""
    udf_version: str = ""
    udf_digest: str = ""
    config: str = "{}"
    updated_at: datetime | None = None
    completed_at: datetime | None = None
    events: tuple[str, ...] = ()
    driver: DriverProcess | None = None

    @property
    def metrics(self) -> list[JobMetric]:
        """What is counted and measured of it."""
        return job_metrics(self.progress)

    @property
    def concurrency(self) -> int:
        """Workers that it has at most; 0 before that is known."""
        return self.progress.workers_granted

    @property
    def concurrency_reason(self) -> str:
        """Why so many."""
        return self.progress.granted_why

    @property
    def versions(self) -> tuple[int, ...]:
        """Versions of the table that it committed."""
        return self.progress.versions

    def _repr_html_(self) -> str:
        from geneva.jobs.shown.job import job_html

        return job_html(self)

    def running(self, progress: Progress, now: datetime) -> JobRecord:
        """Return the record of a job that goes on.

        Raises
        ------
        ImpossibleTransitionError
            It has ended.
        """
        first = ["Job planning"] if self.status is JobStatus.PENDING else []
        return self._with(JobStatus.RUNNING, progress, now, first, [])

    def paused(self, progress: Progress, by: str, now: datetime) -> JobRecord:
        """Return the record of a job that somebody pauses.

        Raises
        ------
        ImpossibleTransitionError
            It has ended.
        """
        if self.status is JobStatus.PENDING:
            return self.running(progress, now).paused(progress, by, now)
        idle = replace(
            progress,
            stage="paused",
            finished=False,
            workers=0,
            workers_starting=0,
            workers_waiting=0,
            waiting_for="",
            stalls_at="",
            rows_per_s=0.0,
        )
        record = self._with(JobStatus.PAUSED, idle, now, [], [f"Paused by {by}"])
        return replace(record, driver=None)

    def resumed(self, by: str, now: datetime, **changes: Any) -> JobRecord:
        """Return the record of a job that goes on.

        Parameters
        ----------
        by
            Who resumes it.
        now
            The time.
        **changes
            What is different: where it runs and who drives it.

        Raises
        ------
        ImpossibleTransitionError
            It is not paused.
        """
        if self.status is not JobStatus.PAUSED:
            raise ImpossibleTransitionError(
                f"Job {self.job_id} is {self.status.value}; resume() is for one that is PAUSED. "
                + ("A new backfill goes on from what it computed." * self.status.ended)
            )
        progress = replace(self.progress, stage="planning")
        record = self._with(JobStatus.RUNNING, progress, now, [], [f"Resumed by {by}"])
        return replace(record, **changes)

    def ended(
        self,
        progress: Progress,
        end: BackfillJobResult | RecordedError,
        now: datetime,
        *,
        cancelled: bool = False,
    ) -> JobRecord:
        """Return the record of a job that ends now.

        Raises
        ------
        ImpossibleTransitionError
            It has ended already: the first end is the one that counts.

        Examples
        --------
        >>> from datetime import datetime, timezone
        >>> began = Progress("j", "docs", "words")
        >>> now = datetime(2026, 1, 1, tzinfo=timezone.utc)
        >>> record = JobRecord("j", "docs", "words", JobStatus.PENDING, now, began)
        >>> error = RecordedError("JobCancelledError", "Ctrl-C")
        >>> stopped = record.ended(began, error, now, cancelled=True)
        >>> stopped.status.value, stopped.completed_at == now, stopped.events[-1]
        ('CANCELLED', True, '2026-01-01T00:00:00+00:00 Job completed with status CANCELLED')
        """
        progress = replace(progress, finished=True, workers=0, workers_starting=0)
        changes: dict[str, Any] = {"completed_at": now}
        if isinstance(end, BackfillJobResult):
            # Quick ones were never told of before.
            if self.status is JobStatus.PENDING:
                return self.running(progress, now).ended(progress, end, now)
            status, words = JobStatus.DONE, "Job completed with status DONE"
            changes["result"] = end
        elif cancelled:
            status, words = JobStatus.CANCELLED, "Job completed with status CANCELLED"
            changes["error"] = end
        else:
            status, words = JobStatus.FAILED, f"Job failed: {_first_line(end)}"
            changes["error"] = end
        return replace(self._with(status, progress, now, [], [words]), **changes)

    def _with(
        self,
        status: JobStatus,
        progress: Progress,
        now: datetime,
        first: list[str],
        last: list[str],
    ) -> JobRecord:
        texts = [*first, *what_happened(self.progress, progress), *last]
        return replace(
            self,
            status=self.status.to(status),
            progress=progress,
            beat=self.beat + 1,
            updated_at=now,
            events=noted(self.events, texts, now),
        )

    def to_json(self) -> str:
        """Return the record as JSON."""
        values = _fields(self)
        values["result"] = None if self.result is None else attrs.asdict(self.result)
        for name in ("progress", "error", "driver"):
            part = getattr(self, name)
            values[name] = None if part is None else _fields(part)
        return json.dumps(values, default=_as_text)

    @classmethod
    def from_json(cls, text: str) -> JobRecord:
        """Read a record; what a later version added to it is passed over.

        Raises
        ------
        ValueError
            The text is no record.
        """
        try:
            values = json.loads(text)
            result, error = values.get("result"), values.get("error")
            driver = values.get("driver")
            progress = _known(Progress, values["progress"])
            progress["versions"] = tuple(progress.get("versions", ()))
            tuples = ("input_columns", "output_columns", "events")
            return cls(
                **{
                    **_known(cls, values),
                    **{name: tuple(values.get(name, ())) for name in tuples},
                    "status": JobStatus(values["status"]),
                    "launched_at": datetime.fromisoformat(values["launched_at"]),
                    "updated_at": _time(values.get("updated_at")),
                    "completed_at": _time(values.get("completed_at")),
                    "progress": Progress(**progress),
                    "result": None if result is None else _result(result),
                    "error": None if error is None else RecordedError(**error),
                    "driver": None if driver is None else DriverProcess(**driver),
                }
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"it lacks what a record holds: {error!r}") from None


def _fields(part: Any) -> dict[str, Any]:
    # Not asdict(), which copies everything.
    return {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}


def _first_line(error: RecordedError) -> str:
    return str(error).partition("\n")[0]


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _result(values: Mapping[str, Any]) -> BackfillJobResult:
    columns = {name: UdfResult(**column) for name, column in values["columns"].items()}
    times = {k: datetime.fromisoformat(values[k]) for k in ("launched_at", "completed_at")}
    return BackfillJobResult(**{**values, **times, "columns": columns})


def _known(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in values.items() if name in names}


def _as_text(value: object) -> str:
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} does not belong into a record")
