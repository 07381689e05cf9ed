"""How far a job is, as data that any display can show."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Progress:
    """A job at one moment.

    Attributes
    ----------
    job_id, table_name, column_name : str
        The job.
    stage : str
        What it is doing now, in a few words.
    rows_done, rows_total : int
        Rows computed so far and rows to compute.
    rows_failed : int
        Rows among those done that failed and were skipped.
    rows_committed : int
        Rows that readers of the table can see.
    fragments_done, fragments_total : int
        Fragments whose column file is written, and fragments to write.
    workers, workers_starting, workers_granted : int
        Workers at work, on their way, and at most.
    workers_waiting : int
        Those on their way that wait for resources.
    waiting_for : str
        Which resources, and who holds them.
    stalls_at : str
        What it waits for, when it has got nowhere for long.
    elapsed_s : float
        Seconds since the job began.
    rows_per_s : float
        Recent speed.
    stage_s : dict of str to float
        Seconds spent per stage, summed over workers: read, udf, checkpoint, write, commit.
    peak_memory_bytes : int
        The most memory that one worker's process has held; 0 where it is not measured.
    finished : bool
        Whether the job has ended.
    version : int
        Version of the table that is read; 0 before it is planned.
    rows_ready : int
        Rows in column files, committed or not.
    commit_retries : int
        How often a commit was made again because others wrote meanwhile.
    worker_losses : int
        Workers that were lost.
    versions : tuple of int
        Versions of the table that the job committed.
    granted_why : str
        Why it has so many workers at most.
    long_call_s : float
        For how long the batch has been computed that takes longest now; 0 while none takes longer
        than a few seconds.
    long_call_at : str
        Which rows these are, and where they are computed.
    long_call_rows : int
        How many rows.
    last_loss : str
        How a worker was lost last, and where.
    plan : str
        What was planned, in words.
    """

    job_id: str
    table_name: str
    column_name: str
    stage: str = "planning"
    rows_done: int = 0
    rows_total: int = 0
    rows_failed: int = 0
    rows_committed: int = 0
    fragments_done: int = 0
    fragments_total: int = 0
    workers: int = 0
    workers_starting: int = 0
    workers_granted: int = 0
    workers_waiting: int = 0
    waiting_for: str = ""
    stalls_at: str = ""
    elapsed_s: float = 0.0
    rows_per_s: float = 0.0
    stage_s: dict[str, float] = field(default_factory=dict)
    peak_memory_bytes: int = 0
    finished: bool = False
    version: int = 0
    rows_ready: int = 0
    commit_retries: int = 0
    worker_losses: int = 0
    versions: tuple[int, ...] = ()
    granted_why: str = ""
    long_call_s: float = 0.0
    long_call_at: str = ""
    long_call_rows: int = 0
    last_loss: str = ""
    plan: str = ""

    @property
    def eta_s(self) -> float | None:
        """Seconds that the remaining rows will take at the recent speed; None if unknown."""
        if self.rows_per_s <= 0 or not self.rows_total:
            return None
        return max(0, self.rows_total - self.rows_done) / self.rows_per_s

    @property
    def slowest_stage(self) -> str | None:
        """The stage that most of the workers' time went into; None before anything was measured.

        Examples
        --------
        >>> Progress("j", "t", "c", stage_s={"read": 0.2, "udf": 3.1}).slowest_stage
        'udf'
        """
        if not any(self.stage_s.values()):
            return None
        return max(self.stage_s, key=lambda stage: self.stage_s[stage])
