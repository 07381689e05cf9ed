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

from geneva.jobs.progress import Progress
from geneva.jobs.result import BackfillJobResult, UdfResult


class JobStatus(str, enum.Enum):
    """Where a job is on its way.

    Examples
    --------
    >>> JobStatus("RUNNING").ended, JobStatus.CANCELLED.ended
    (False, True)
    """

    PENDING = "PENDING"
    """It is submitted; its driver does not run yet."""

    RUNNING = "RUNNING"
    """Its driver runs."""

    DONE = "DONE"
    """It ended well."""

    FAILED = "FAILED"
    """It ended with an error."""

    CANCELLED = "CANCELLED"
    """Somebody stopped it."""

    @property
    def ended(self) -> bool:
        """Whether nothing follows."""
        return self in (JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED)


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
    beat : int
        Counts how often the record was written: one that stands still has lost its driver.
    progress : Progress
        How far it is.
    result : BackfillJobResult or None
        What was done, when it is DONE.
    error : RecordedError or None
        What ended it, when it is FAILED or CANCELLED.
    column_names : tuple of str
        All columns that it fills.
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
    column_names: tuple[str, ...] = ()

    def running(self, progress: Progress) -> JobRecord:
        """Return the record of a job that goes on; one that has ended stays as it is."""
        if self.status.ended:
            return self
        return replace(self, status=JobStatus.RUNNING, progress=progress, beat=self.beat + 1)

    def ended(
        self, progress: Progress, end: BackfillJobResult | RecordedError, *, cancelled: bool = False
    ) -> JobRecord:
        """Return the record of a job that has ended; its first end is the one that counts.

        Examples
        --------
        >>> from datetime import datetime, timezone
        >>> began = Progress("j", "docs", "words")
        >>> now = datetime(2026, 1, 1, tzinfo=timezone.utc)
        >>> record = JobRecord("j", "docs", "words", JobStatus.PENDING, now, began)
        >>> error = RecordedError("JobCancelledError", "Ctrl-C")
        >>> stopped = record.ended(began, error, cancelled=True)
        >>> stopped.status.value, stopped.running(began).status.value
        ('CANCELLED', 'CANCELLED')
        """
        if self.status.ended:
            return self
        beat = self.beat + 1
        if isinstance(end, BackfillJobResult):
            return replace(self, status=JobStatus.DONE, progress=progress, beat=beat, result=end)
        status = JobStatus.CANCELLED if cancelled else JobStatus.FAILED
        return replace(self, status=status, progress=progress, beat=beat, error=end)

    def to_json(self) -> str:
        """Return the record as JSON."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        values["result"] = None if self.result is None else attrs.asdict(self.result)
        values["progress"] = dataclasses.asdict(self.progress)
        values["error"] = None if self.error is None else dataclasses.asdict(self.error)
        return json.dumps(values, indent=1, default=_as_text)

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
            return cls(
                **{
                    **_known(cls, values),
                    "status": JobStatus(values["status"]),
                    "launched_at": datetime.fromisoformat(values["launched_at"]),
                    "progress": Progress(**_known(Progress, values["progress"])),
                    "result": None if result is None else _result(result),
                    "error": None if error is None else RecordedError(**error),
                    "column_names": tuple(values.get("column_names", ())),
                }
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"it lacks what a record holds: {error!r}") from None


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
