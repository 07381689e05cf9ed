"""How a job went over time, as data that a display can draw and a file can hold. Pure.

All times are seconds since the job began, as :class:`~geneva.jobs.progress.Progress` counts them:
while a job is paused they stand still.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from geneva.jobs.progress import Progress
from geneva.storage.model import RowRange

STAGES = ("read", "udf", "checkpoint", "write", "commit")
APPLY, WRITE, MIXED = "apply", "write", "mixed"
FIRST_INTERVAL_S = 0.25
"""Seconds between two samples of a job that has just begun."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Sample:
    """How far a job was at one moment.

    Of a job of several columns the counts go on from column to column.

    Attributes
    ----------
    elapsed_s : float
        Seconds since the job began.
    rows_done, rows_ready, rows_committed, rows_failed : int
        Rows computed, in column files, seen by readers of the table, and failed.
    workers, workers_starting : int
        Workers at work, and on their way.
    rows_per_s : float
        Recent speed.
    read_s, udf_s, checkpoint_s, write_s, commit_s : float
        Seconds spent per stage so far, summed over workers.
    """

    elapsed_s: float
    rows_done: int = 0
    rows_ready: int = 0
    rows_committed: int = 0
    rows_failed: int = 0
    workers: int = 0
    workers_starting: int = 0
    rows_per_s: float = 0.0
    read_s: float = 0.0
    udf_s: float = 0.0
    checkpoint_s: float = 0.0
    write_s: float = 0.0
    commit_s: float = 0.0

    @classmethod
    def of(cls, progress: Progress, elapsed_s: float | None = None) -> Sample:
        """Return a job's progress as a sample.

        Examples
        --------
        >>> sample = Sample.of(Progress("j", "t", "c", rows_done=7, stage_s={"udf": 0.25}))
        >>> sample.rows_done, sample.udf_s
        (7, 0.25)
        """
        stages = {f"{stage}_s": round(progress.stage_s.get(stage, 0.0), 4) for stage in STAGES}
        return cls(
            elapsed_s=round(progress.elapsed_s if elapsed_s is None else elapsed_s, 4),
            rows_done=progress.rows_done,
            rows_ready=progress.rows_ready,
            rows_committed=progress.rows_committed,
            rows_failed=progress.rows_failed,
            workers=progress.workers,
            workers_starting=progress.workers_starting,
            rows_per_s=round(progress.rows_per_s, 4),
            **stages,
        )

    @property
    def stage_s(self) -> dict[str, float]:
        """Seconds spent per stage so far, summed over workers."""
        return {stage: getattr(self, f"{stage}_s") for stage in STAGES}


@dataclass(frozen=True, slots=True)
class WorkerSpan:
    """One worker, from when it was ready until it was gone.

    Attributes
    ----------
    worker : int
        Its number. One that came after it was gone may have the same.
    component : str
        What the user reads for it, with its node on a cluster: "applier-3 on node 10.0.0.7".
    role : str
        "worker", which computes and writes, "applier" or "writer".
    began_s, ended_s : float, float or None
        When it was ready, and when it was gone; None while it is there.
    end : str
        How it ended: "released", or "crash at rows 5 to 9 of fragment 0" for example.
    loaded_s : float or None
        When it had loaded the function and set it up.
    """

    worker: int
    component: str
    role: str
    began_s: float
    ended_s: float | None = None
    end: str = ""
    loaded_s: float | None = None


@dataclass(frozen=True, slots=True)
class TaskSpan:
    """What one worker was busy with for a while: one task, or several that were merged.

    Attributes
    ----------
    worker : int
        The worker.
    began_s, ended_s : float, float or None
        When; None while it goes on.
    fragment_id : int or None
        The fragment; None if several were merged.
    rows : RowRange or None
        The physical rows of the fragment; None if those of several were merged.
    kind : str
        "apply" for computing, "write" for writing a column file, "mixed" if both were merged.
    tasks : int
        How many were merged.
    idle_s : float
        Seconds of it in which the worker did nothing, between tasks that were merged.
    """

    worker: int
    began_s: float
    ended_s: float | None = None
    fragment_id: int | None = None
    rows: RowRange | None = None
    kind: str = APPLY
    tasks: int = 1
    idle_s: float = 0.0

    def busy_s(self, now_s: float = 0.0) -> float:
        """Return for how long the worker was busy; of one that goes on, until now.

        Examples
        --------
        >>> TaskSpan(0, 1.0, 4.0, tasks=2, idle_s=0.5).busy_s()
        2.5
        """
        ended_s = max(now_s, self.began_s) if self.ended_s is None else self.ended_s
        return ended_s - self.began_s - self.idle_s


@dataclass(frozen=True, slots=True)
class JobHistory:
    """How a job went. It is bounded, however long the job takes: it gets coarser instead.

    Attributes
    ----------
    samples : tuple of Sample
        How far it was, from its beginning until now, in even steps.
    workers : tuple of WorkerSpan
        Its workers in the order in which they came; of very many, the latest.
    tasks : tuple of TaskSpan
        What they were busy with, in the order in which it began.
    interval_s : float
        Seconds between two samples, at least; the last one may be sooner.
    resolution_s : float
        Tasks of one worker are merged to spans of at most so many seconds; 0 while none are.
    workers_dropped : int
        Earlier workers that are left out, with their tasks.

    Examples
    --------
    >>> history = JobHistory(tasks=(TaskSpan(0, 0.5, 2.0, 7, RowRange(0, 9)),))
    >>> JobHistory.from_json(history.to_json()) == history
    True
    """

    samples: tuple[Sample, ...] = ()
    workers: tuple[WorkerSpan, ...] = ()
    tasks: tuple[TaskSpan, ...] = ()
    interval_s: float = FIRST_INTERVAL_S
    resolution_s: float = 0.0
    workers_dropped: int = 0

    @property
    def elapsed_s(self) -> float:
        """Until when it goes, in seconds since the job began."""
        return self.samples[-1].elapsed_s if self.samples else 0.0

    def closed(self, at_s: float, end: str) -> JobHistory:
        """Return the history of a job that nobody drives any more: all spans have an end.

        Parameters
        ----------
        at_s
            When those end that have no end.
        end
            How their workers end, in words.
        """
        return replace(
            self,
            workers=tuple(
                replace(span, ended_s=max(span.began_s, at_s), end=end)
                if span.ended_s is None
                else span
                for span in self.workers
            ),
            tasks=tuple(
                replace(span, ended_s=max(span.began_s, at_s)) if span.ended_s is None else span
                for span in self.tasks
            ),
        )

    def to_json(self) -> str:
        """Return the history as JSON: of each kind of entry a list per field, which is short."""
        values: dict[str, Any] = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self)
        }
        for name, kind in _ENTRIES.items():
            values[name] = _columns(kind, values[name])
        rows = values["tasks"]["rows"]
        values["tasks"]["rows"] = [None if r is None else (r.start, r.stop) for r in rows]
        return json.dumps(values, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> JobHistory:
        """Read a history; what a later version added to it is passed over.

        Raises
        ------
        ValueError
            The text is no history.
        """
        try:
            values = json.loads(text)
            tasks = dict(values["tasks"])
            tasks["rows"] = [None if r is None else RowRange(*r) for r in tasks["rows"]]
            known = {field.name for field in dataclasses.fields(cls)}
            return cls(
                **{
                    **{name: value for name, value in values.items() if name in known},
                    "samples": _entries(Sample, values["samples"]),
                    "workers": _entries(WorkerSpan, values["workers"]),
                    "tasks": _entries(TaskSpan, tasks),
                }
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"it lacks what a history holds: {error!r}") from None


_ENTRIES: Mapping[str, type] = {"samples": Sample, "workers": WorkerSpan, "tasks": TaskSpan}


def history_of(progress: Progress) -> JobHistory:
    """Return what follows from how far a job is alone: its beginning, and now.

    Examples
    --------
    >>> now = Progress("j", "docs", "words", rows_done=9, elapsed_s=0.5)
    >>> [(sample.elapsed_s, sample.rows_done) for sample in history_of(now).samples]
    [(0.0, 0), (0.5, 9)]
    """
    return JobHistory(samples=(Sample(0.0), Sample.of(progress)))


def _columns(kind: type, entries: Sequence[Any]) -> dict[str, list[Any]]:
    names = [field.name for field in dataclasses.fields(kind)]
    return {name: [getattr(entry, name) for entry in entries] for name in names}


def _entries(kind: type[_T], columns: Mapping[str, Iterable[Any]]) -> tuple[_T, ...]:
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    names = [name for name in columns if name in known]
    rows = zip(*(columns[name] for name in names), strict=True)
    return tuple(kind(**dict(zip(names, row, strict=True))) for row in rows)
