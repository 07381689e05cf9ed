"""Commands that the driver gives. They carry references, never rows."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TypeAlias

from geneva.errors import FatalWorkerError
from geneva.jobs.tasks import ApplyTask, FragmentPlan
from geneva.storage.model import ColumnFile, ComputedColumn, Part, TableLocation


@dataclass(frozen=True, slots=True)
class JobContext:
    """What every worker of a job needs to know; sent once to each.

    Attributes
    ----------
    job_id, call_id : str
        The job, and the call that began it.
    location : TableLocation
        The table.
    version : int
        Version to read.
    column : ComputedColumn
        The column and where its function is stored.
    batch_size : int or None
        Rows per batch; None adapts it.
    checkpoint_size, min_checkpoint_size : int or None, int
        Most rows of a part, and fewest of one that is written because of time.
    checkpoint_interval_s : float
        Seconds of compute at risk before a part is written.
    threads : int
        Threads per applier.
    versions : tuple of (str, str)
        Versions that a worker's environment must share with the caller's; none are checked where
        workers run in the caller's own environment.
    policy : bytes or None
        Pickled, what becomes of rows that fail; None leaves it to the function.
    row_timeout_s : float or None
        Seconds that one call of the function may take.
    memory_limit_bytes : int
        Memory with which a worker is stopped; 0 for none.
    signing_key : str or None
        Key of the process that drives the job, with which a worker checks the function's signature.
    """

    job_id: str
    call_id: str
    location: TableLocation
    version: int
    column: ComputedColumn
    batch_size: int | None
    checkpoint_size: int | None
    min_checkpoint_size: int
    checkpoint_interval_s: float
    threads: int
    versions: tuple[tuple[str, str], ...] = ()
    policy: bytes | None = None
    row_timeout_s: float | None = None
    memory_limit_bytes: int = 0
    signing_key: str | None = field(default=None, repr=False)

    @property
    def round_id(self) -> str:
        """What workers know a round of the job by; each round reads another version."""
        return f"{self.call_id}/{self.version}"


class Role(enum.Enum):
    """What a worker does."""

    BOTH = "worker"
    """It computes tasks and writes fragments, one at a time."""

    APPLIER = "applier"
    """It computes tasks."""

    WRITER = "writer"
    """It writes fragments."""


@dataclass(frozen=True, slots=True)
class StartWorkers:
    """Start this many more workers that compute."""

    count: int


@dataclass(frozen=True, slots=True)
class StartWriters:
    """Start this many more workers that only write."""

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
    """Let a worker make one column file out of a fragment's parts.

    Attributes
    ----------
    worker : int
        The worker.
    fragment : FragmentPlan
        The fragment.
    parts : tuple of Part
        What was computed of it.
    lost : tuple of int
        Physical offsets of rows that kill whoever computes them.
    """

    worker: int
    fragment: FragmentPlan
    parts: tuple[Part, ...]
    lost: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class StopTask:
    """Ask a worker to make what it has computed durable and end its task."""

    worker: int


@dataclass(frozen=True, slots=True)
class CheckpointEvery:
    """Tell a worker how much compute to put at risk from now on, in seconds."""

    worker: int
    seconds: float


INTERRUPTIONS = (SplitTask, StopTask, CheckpointEvery)
"""Commands that a worker obeys while it computes."""


@dataclass(frozen=True, slots=True)
class ReleaseWorker:
    """Let a worker go that was asked back and has nothing to do any more."""

    worker: int


@dataclass(frozen=True, slots=True)
class KillWorker:
    """End a worker that does not answer."""

    worker: int


@dataclass(frozen=True, slots=True)
class EndSlowWorker:
    """End a worker whose function holds the interpreter for too long; it is told as lost."""

    worker: int


@dataclass(frozen=True, slots=True)
class NoteLostRow:
    """Store what went wrong with a row that kills whoever computes it.

    Attributes
    ----------
    fragment_id, offset : int
        The row.
    error : FatalWorkerError
        What became of its workers.
    attempts : int
        How often it was tried alone.
    component : str
        The last of these workers.
    """

    fragment_id: int
    offset: int
    error: FatalWorkerError
    attempts: int
    component: str


@dataclass(frozen=True, slots=True)
class Warn:
    """Tell the caller something that does not end the job."""

    text: str


@dataclass(frozen=True, slots=True)
class Commit:
    """Commit column files as one table version."""

    files: tuple[ColumnFile, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """End the run."""

    outcome: Outcome


Interruption: TypeAlias = "SplitTask | StopTask | CheckpointEvery"

Command: TypeAlias = (
    "StartWorkers | StartWriters | Apply | SplitTask | WriteFragment | StopTask | CheckpointEvery"
    " | ReleaseWorker | KillWorker | EndSlowWorker | NoteLostRow | Warn | Commit | Finish"
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
