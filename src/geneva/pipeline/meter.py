"""The meter: turns events into how far a job is, and tells whoever shows it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from geneva.jobs.events import (
    Committed,
    ConcurrencyAsked,
    Event,
    FragmentWritten,
    RowsApplied,
    StageTimes,
    StopRequested,
    TaskApplied,
    TaskFailed,
    TaskStarted,
    WorkerLost,
    WorkersWaiting,
)
from geneva.jobs.metrics import job_metrics
from geneva.jobs.planner import Plan
from geneva.jobs.progress import Progress
from geneva.jobs.speed import RecentSpeed
from geneva.jobs.state import JobState

_UPDATE_S = 0.05


class ProgressMeter:
    """Knows how far one job is.

    Parameters
    ----------
    progress
        The job at its beginning.
    show
        Called with the newest progress whenever something changed.
    """

    def __init__(self, progress: Progress, show: Callable[[Progress], None]) -> None:
        self.progress = progress
        self._show = show
        # Of a job that was paused, what it had done before counts.
        self._started_s = time.monotonic() - progress.elapsed_s
        self._resumed = progress.rows_total > 0
        nothing = dict.fromkeys(("read", "udf", "checkpoint", "write", "commit"), 0.0)
        self._stage_s = {**nothing, **progress.stage_s}
        self._fragment_rows: dict[int, int] = {}
        self._speed = RecentSpeed()
        self._computing = False
        self._updated_s = 0.0
        self._rows_before = 0
        self._rows_outdated = 0
        self._failed_before = 0
        self._fragments_done = progress.fragments_done
        self._rows_committed = progress.rows_committed
        self.committed_fragments: set[int] = set()

    def begin_round(self, plan: Plan, granted: int, why: str = "") -> None:
        """Take in a plan, and why so many workers; a later one adds what has to be done again."""
        self._rows_before = self.progress.rows_done - self._rows_outdated
        if self._resumed and self.progress.version == 0:
            # Its workers may have been ended before they made all durable.
            self._rows_before = max(0, self.progress.rows_total - plan.total_rows_pending)
            # Rows that failed are tried again.
            self._set(rows_failed=0)
        self._rows_outdated = 0
        self._failed_before = self.progress.rows_failed
        self._computing = False
        self._fragment_rows = {f.fragment_id: f.pending_rows for f in plan.fragments}
        self._set(
            stage="starting workers",
            rows_total=self._rows_before + plan.total_rows_pending,
            fragments_total=self._fragments_done + len(plan.fragments),
            workers_granted=granted,
            version=plan.version,
            granted_why=why,
            plan=str(plan),
        )

    def record(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case TaskStarted() if not self._computing:
                self._computing = True
                self._speed.begin(time.monotonic(), self._rows_before)
            case RowsApplied():
                self._add_times(event.times)
                peak_bytes = max(self.progress.peak_memory_bytes, event.peak_memory_bytes)
                self._set(stage="computing", peak_memory_bytes=peak_bytes)
            case TaskApplied():
                if event.file is not None:
                    self._written(event.file.fragment_id)
            case FragmentWritten():
                self._add_times(event.times)
                self._written(event.file.fragment_id)
                self._set(stage="writing")
            case Committed():
                self._stage_s["commit"] += event.seconds
                now = self.progress
                new = () if event.version is None else (event.version,)
                self._set(
                    commit_retries=now.commit_retries + event.retries,
                    versions=now.versions + new,
                )
                ids = [file.fragment_id for file in event.files]
                self._rows_committed += sum(self._fragment_rows[i] for i in ids)
                self.committed_fragments.update(ids)
                self._fragments_done -= len(event.outdated)
                outdated = sum(self._fragment_rows[i] for i in event.outdated)
                self._rows_outdated += outdated
                self._set(stage="committing", rows_ready=self.progress.rows_ready - outdated)
            case WorkerLost():
                where = "" if event.batch is None else f", at {event.batch}"
                last = f"{event.component}: {event.cause.value}{where}"
                self._set(worker_losses=self.progress.worker_losses + 1, last_loss=last)
            case ConcurrencyAsked():
                self._set(workers_granted=event.workers, granted_why=event.why)
            case WorkersWaiting():
                self._set(workers_waiting=event.count, waiting_for=event.reason)
            case TaskFailed() | StopRequested():
                self._set(stage="stopping")
            case _:
                pass

    def update(self, state: JobState) -> None:
        """Take over what the run's state knows, and show it, a few times per second."""
        now_s = time.monotonic()
        if now_s - self._updated_s < _UPDATE_S and not state.finished:
            return
        self._updated_s = now_s
        rows = self._rows_before + state.scheduler.pace.rows_done
        rows_failed = self._failed_before + state.skips.rows
        call_s, batch, place = state.longest_call or (0.0, None, "")
        self._set(
            rows_done=min(rows, self.progress.rows_total),
            rows_failed=rows_failed,
            rows_committed=self._rows_committed,
            fragments_done=self._fragments_done,
            workers=state.scheduler.appliers,
            workers_starting=state.scheduler.workers_starting,
            stalls_at=state.stalls_at,
            long_call_s=call_s,
            long_call_at="" if batch is None else f"{batch}{place and f' at {place}'}",
            long_call_rows=0 if batch is None else batch.rows.stop - batch.rows.start,
            elapsed_s=now_s - self._started_s,
            rows_per_s=self._speed.record(now_s, rows),
            stage_s=dict(self._stage_s),
        )
        self._show(self.progress)

    def finish(self, stage: str) -> None:
        """Show the end of the job."""
        elapsed_s = time.monotonic() - self._started_s
        if self._resumed and stage == "done":
            # Rows of parts that an earlier run left are committed with others.
            rows = self.progress.rows_done
            self._set(rows_committed=rows, rows_ready=rows)
        self._set(
            stage=stage,
            finished=True,
            stalls_at="",
            long_call_s=0.0,
            long_call_at="",
            long_call_rows=0,
            elapsed_s=elapsed_s,
            stage_s=dict(self._stage_s),
            workers=0,
            workers_starting=0,
        )
        self._show(self.progress)

    def metrics(self) -> dict[str, float]:
        """Return what was counted and measured, under the names that job records use."""
        return {metric.name: metric.n for metric in job_metrics(self.progress)}

    def timeout_message(self) -> str:
        """Say how far the job was when its time was over."""
        now = self.progress
        return (
            f"Backfill of {now.table_name}.{now.column_name} reached its timeout after "
            f"{time.monotonic() - self._started_s:.1f} s with {now.rows_done:,} of "
            f"{now.rows_total:,} rows computed (now {now.stage}). What is computed is kept; run it "
            "again to go on, with a longer timeout= or more concurrency."
        )

    def commit_message(self, waited_s: float) -> str:
        """Say that the storage does not answer a commit."""
        now = self.progress
        return (
            f"Backfill of {now.table_name}.{now.column_name}: the table's storage has not answered "
            f"a commit for {waited_s:.0f} s. See whether it can be reached and written; if it only "
            "is that slow, allow more with stall_timeout= or GENEVA_STALL_TIMEOUT_S. What was "
            "computed is kept, whether or not the commit arrived; running the backfill again goes "
            "on from there."
        )

    def _written(self, fragment_id: int) -> None:
        self._fragments_done += 1
        rows = self._fragment_rows[fragment_id]
        self._set(rows_ready=self.progress.rows_ready + rows)

    def _add_times(self, times: StageTimes) -> None:
        self._stage_s["read"] += times.read_s
        self._stage_s["udf"] += times.udf_s
        self._stage_s["checkpoint"] += times.checkpoint_s
        self._stage_s["write"] += times.write_s

    def _set(self, **changes: object) -> None:
        self.progress = replace(self.progress, **changes)  # type: ignore[arg-type]
