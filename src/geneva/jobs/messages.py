"""Commands that the driver gives and events that come back. They carry references, never rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from geneva.jobs.planner import ApplyTask, FragmentPlan
from geneva.storage.model import ColumnFile, ComputedColumn, Part, RowRange, TableLocation


@dataclass(frozen=True, slots=True)
class JobContext:
    """What every worker of a job needs to know; sent once to each.

    Attributes
    ----------
    job_id : str
        The job.
    location : TableLocation
        The table.
    version : int
        Version to read.
    column : ComputedColumn
        The column and where its function is stored.
    batch_size : int or None
        Rows per batch; None adapts it.
    checkpoint_size, min_checkpoint_size : int or None, int
        Bounds of a part in rows.
    checkpoint_interval_s : float
        Seconds of compute at risk before a part is written.
    threads : int
        Threads per applier.
    """

    job_id: str
    location: TableLocation
    version: int
    column: ComputedColumn
    batch_size: int | None
    checkpoint_size: int | None
    min_checkpoint_size: int
    checkpoint_interval_s: float
    threads: int


# -- commands ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartWorkers:
    """Start this many more workers."""

    count: int


@dataclass(frozen=True, slots=True)
class Apply:
    """Let a worker compute a task of a fragment."""

    worker: int
    task: ApplyTask
    fragment: FragmentPlan


@dataclass(frozen=True, slots=True)
class SplitTask:
    """Ask a worker to give away the second half of what it has not begun of its task."""

    worker: int
    task_id: int


@dataclass(frozen=True, slots=True)
class WriteFragment:
    """Let a worker make one column file out of a fragment's parts."""

    worker: int
    fragment: FragmentPlan
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class StopTask:
    """Ask a worker to make what it has computed durable and end its task."""

    worker: int


@dataclass(frozen=True, slots=True)
class KillWorker:
    """End a worker that does not answer."""

    worker: int


@dataclass(frozen=True, slots=True)
class Commit:
    """Commit column files as one table version."""

    files: tuple[ColumnFile, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """End the run."""

    outcome: Outcome


Command: TypeAlias = (
    "StartWorkers | Apply | SplitTask | WriteFragment | StopTask | KillWorker | Commit | Finish"
)


# -- events ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Seconds that a worker spent per stage since its last report."""

    read_s: float = 0.0
    udf_s: float = 0.0
    checkpoint_s: float = 0.0
    write_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """A worker can take commands."""

    worker: int
    startup_s: float


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A worker is gone without having been asked to go.

    Attributes
    ----------
    worker : int
        The worker.
    exit_code : int or None
        Its exit code; negative for a signal.
    last_words : str
        The end of its error output.
    """

    worker: int
    exit_code: int | None
    last_words: str = ""


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """A worker begins to compute its first task; the function is loaded and set up."""

    worker: int
    task_id: int
    setup_s: float = 0.0


@dataclass(frozen=True, slots=True)
class RowsApplied:
    """A worker has computed some more rows of a task.

    Attributes
    ----------
    worker, task_id : int
        Who computes what.
    rows, output_bytes : int
        Rows since the last report, and the size of their values.
    position : int
        Physical offset that the task has reached.
    times : StageTimes
        Where the time went.
    """

    worker: int
    task_id: int
    rows: int
    output_bytes: int
    position: int
    times: StageTimes


@dataclass(frozen=True, slots=True)
class PartWritten:
    """Rows of a task are durable."""

    worker: int
    task_id: int
    part: Part


@dataclass(frozen=True, slots=True)
class TaskApplied:
    """A task is done, or stopped at ``rows.stop`` when it was asked to.

    Attributes
    ----------
    worker, task_id : int
        Who did what.
    rows : RowRange
        The range that is accounted for.
    file : ColumnFile or None
        The finished column file, when the task was the whole fragment.
    """

    worker: int
    task_id: int
    rows: RowRange
    file: ColumnFile | None = None


@dataclass(frozen=True, slots=True)
class TaskSplit:
    """A worker gave away the end of its task; ``at`` is None when there was nothing to give."""

    worker: int
    task_id: int
    at: int | None


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """The function or a worker's own code raised; what was computed before is durable.

    Attributes
    ----------
    worker : int
        The worker.
    task_id : int or None
        The task; None when a fragment was being written.
    error : Exception
        What the caller will see.
    """

    worker: int
    task_id: int | None
    error: BaseException


@dataclass(frozen=True, slots=True)
class FragmentWritten:
    """A column file is ready to be committed."""

    worker: int
    file: ColumnFile
    times: StageTimes


@dataclass(frozen=True, slots=True)
class Committed:
    """A version was committed; ``outdated`` fragments have to be planned again."""

    version: int | None
    files: tuple[ColumnFile, ...]
    outdated: dict[int, str]
    seconds: float
    retries: int = 0


@dataclass(frozen=True, slots=True)
class CommitFailed:
    """A commit failed for good, or was interrupted."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The job is to end early; ``error`` is what its caller will see."""

    error: BaseException


Event: TypeAlias = (
    "WorkerReady | WorkerLost | TaskStarted | RowsApplied | PartWritten | TaskApplied"
    " | TaskSplit | TaskFailed | FragmentWritten | Committed | CommitFailed | Tick | StopRequested"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes
    ----------
    error : BaseException or None
        What the caller will see; None when all went well.
    outdated : dict of int to str
        Fragments that have to be planned again, with the reason.
    """

    error: BaseException | None = None
    outdated: dict[int, str] = field(default_factory=dict)
