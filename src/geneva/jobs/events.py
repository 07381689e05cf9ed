"""Events: what comes back to the driver. They carry references, never rows."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TypeAlias

from geneva.jobs.commands import Role
from geneva.jobs.stage import Stage
from geneva.storage.model import ColumnFile, Part, RowRange


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Seconds that a worker spent per stage since its last report."""

    read_s: float = 0.0
    udf_s: float = 0.0
    checkpoint_s: float = 0.0
    write_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """A worker can take commands; ``component`` is what the user reads for it, with its place."""

    worker: int
    startup_s: float
    role: Role = Role.BOTH
    component: str = ""


class LossCause(enum.Enum):
    """Why a worker is gone; each cause has a budget of its own."""

    CRASH = "crash"
    """Its process ended: a signal, an exit, a native crash."""

    OUT_OF_MEMORY = "out of memory"
    """It was killed to keep its node alive."""

    TOO_SLOW = "too slow"
    """It was ended because one call took longer than ``row_timeout``."""

    NODE_LOST = "node lost"
    """Its node died or cannot be reached."""

    PREEMPTED = "preempted"
    """Its node was taken away on purpose, as spot nodes are."""


@dataclass(frozen=True, slots=True)
class BatchRows:
    """Rows that a worker was computing: a physical range of one fragment."""

    fragment_id: int
    rows: RowRange

    def __str__(self) -> str:
        first, last = self.rows.start, self.rows.stop - 1
        which = f"row {first}" if first == last else f"rows {first} to {last}"
        return f"{which} of fragment {self.fragment_id}"


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
    cause : LossCause
        Why it is gone.
    role : Role
        What it did.
    component : str
        What the user reads for it, with its place: "applier 3 on node 10.0.0.7".
    batch : BatchRows or None
        What it was computing, where that is known to the row.
    memory_bytes : int
        What it held when it was ended for that; 0 otherwise.
    """

    worker: int
    exit_code: int | None
    last_words: str = ""
    cause: LossCause = LossCause.CRASH
    role: Role = Role.BOTH
    component: str = "worker process"
    batch: BatchRows | None = None
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ReleaseRequested:
    """A worker is asked back: its node goes away, or another job needs its place.

    Attributes
    ----------
    worker : int
        The worker. It ends its task early, with everything computed made durable.
    why : str
        What the user reads.
    """

    worker: int
    why: str


@dataclass(frozen=True, slots=True)
class WorkersWaiting:
    """How many workers wait for resources, and for which; sent when either changes."""

    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class WorkersWithdrawn:
    """Workers that waited for resources are not waited for any more."""

    count: int


@dataclass(frozen=True, slots=True)
class ConcurrencyAsked:
    """The job is to have more or fewer workers from now on.

    Attributes
    ----------
    workers : int
        Most workers at once, as granted.
    why : str
        Why so many, for whom.
    """

    workers: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class FunctionPrinted:
    """The function printed whole lines.

    Attributes
    ----------
    worker : int
        Where.
    stream : str
        "stdout" or "stderr".
    batch : BatchRows or None
        The rows that were being computed; None outside of a call, in ``setup()`` for example.
    text : str
        The lines, without the last line end.
    """

    worker: int
    stream: str
    batch: BatchRows | None
    text: str


@dataclass(frozen=True, slots=True)
class WorkerBusy:
    """A worker is at one thing for longer than a few seconds; it says so every few seconds.

    Attributes
    ----------
    worker : int
        Who.
    stage : Stage
        What it is at.
    seconds : float
        For how long, of one batch.
    place : str
        What the user reads for it, with its node; empty on one machine.
    batch : BatchRows or None
        The rows that it computes, all its threads together.
    """

    worker: int
    stage: Stage
    seconds: float
    place: str = ""
    batch: BatchRows | None = None


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
    peak_memory_bytes : int
        The most memory that the worker's process has held in this job; 0 where it is not measured.
    failed : dict of int to int
        How many of the rows failed, by the matcher of the policy that skips them.
    """

    worker: int
    task_id: int
    rows: int
    output_bytes: int
    position: int
    times: StageTimes
    peak_memory_bytes: int = 0
    failed: dict[int, int] = field(default_factory=dict)


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
class FunctionLetGo:
    """A worker has let go of a job's function, after its ``teardown()``; for runners only."""

    worker: int


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
    "WorkerReady | WorkerLost | ReleaseRequested | WorkersWaiting | FunctionPrinted | WorkerBusy"
    " | TaskStarted | RowsApplied | PartWritten | TaskApplied | TaskSplit | TaskFailed"
    " | FragmentWritten | FunctionLetGo | Committed | CommitFailed | Tick | StopRequested"
    " | WorkersWithdrawn | ConcurrencyAsked"
)
