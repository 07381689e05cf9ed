"""One backfill from its arguments to its result: look, plan, admit, drive, until it is done."""

from __future__ import annotations

import contextlib
import time
import uuid
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial

from geneva.config import Settings, signing_key
from geneva.errors import CommitError
from geneva.jobs.commands import JobContext, Outcome
from geneva.jobs.events import ConcurrencyAsked
from geneva.jobs.planner import Plan
from geneva.jobs.progress import Progress
from geneva.jobs.result import BackfillJobResult, UdfResult
from geneva.jobs.spec import BackfillSpec, backfill_spec
from geneva.jobs.state import JobState
from geneva.jobs.wording import concurrency_reason
from geneva.pipeline.admission import Admit, Grant
from geneva.pipeline.backfill_job import BackfillJob, plan
from geneva.pipeline.chronicle import Chronicle
from geneva.pipeline.driver import Driver, Runner, RunnerTraits, StopSignal
from geneva.pipeline.environment import Versions
from geneva.pipeline.fitting import (
    batches_within_memory,
    warn_of_full_disk,
    workers_within_memory,
)
from geneva.pipeline.job_limits import job_limits
from geneva.pipeline.lost_rows import note_lost_row
from geneva.pipeline.meter import ProgressMeter
from geneva.pipeline.reservation import Reservation, pause_unless
from geneva.pipeline.traced import UNTRACED, Trace
from geneva.resources.memory import memory_limit
from geneva.storage import fault_points
from geneva.storage.commit import CommitResult, commit_column_files
from geneva.storage.dataset import Dataset, open_dataset
from geneva.storage.definitions import as_named
from geneva.storage.failed_rows import prune_failures
from geneva.storage.files import TableFiles
from geneva.storage.leases import Lease
from geneva.storage.model import ColumnFile, ComputedColumn
from geneva.storage.parts import remove_parts
from geneva.storage.peaks import read_peak, write_peak
from geneva.storage.shared import each_column, each_file, each_fingerprint
from geneva.storage.space import free_bytes
from geneva.transformer.pickling import pickle_by_value

# A round whose fragments were moved under it is planned again, but not for ever.
_MOST_ROUNDS = 10
# A job of few rows takes less memory than one of many, and one that takes hardly more says nothing
# that is worth a write.
_HIGHER = 1.1


class BackfillRun:
    """Runs a backfill to its end.

    Parameters
    ----------
    job
        What to do.
    admit
        Grants workers, or refuses.
    make_runner
        Makes the runner for a granted concurrency.
    settings
        Settings of this process.
    show
        Called with the newest progress.
    stop
        Lets others end the job early.
    versions
        The caller's versions, where workers live in another environment.
    warn
        Takes warnings.
    chronicle
        Keeps the job's history.
    trace
        Wraps the steps of the job, where they are traced.
    """

    def __init__(
        self,
        job: BackfillJob,
        admit: Admit,
        make_runner: Callable[[int], Runner],
        settings: Settings,
        show: Callable[[Progress], None],
        stop: StopSignal,
        versions: Versions = (),
        warn: Callable[[str], None] = warnings.warn,
        chronicle: Chronicle | None = None,
        trace: Trace = UNTRACED,
    ) -> None:
        self._job = job
        self._trace = trace
        self._plan = trace.planning(plan)
        self._admit = trace.admitting(admit)
        self._versions = versions
        self._warn = warn
        self._make_runner = trace.running(make_runner)
        self._settings = settings
        self._stop = stop
        self._launched_at = datetime.now(timezone.utc)
        self._started_s = time.monotonic()
        progress = Progress(job.job_id, job.location.name, job.column.name)
        if job.before is not None:
            self._launched_at, progress = job.before.launched_at, job.before.progress
        self._chronicle = chronicle or Chronicle()
        self._chronicle.begin_pass(progress)
        self._meter = ProgressMeter(progress, self._chronicle.listening(show))
        self._granted = 0
        self._runner_traits = RunnerTraits()
        self._held: Reservation | None = None

    def run(self) -> BackfillJobResult:
        """Look, plan and drive until nothing is left to do.

        Raises
        ------
        UDFError, BackfillTimeoutError, StalledError, JobCancelledError, JobPausedError,
        FatalWorkerError
            The job ended early; what was computed is kept.
        TableChangedError
            The job ended early; what was computed is kept.
        ColumnBusyError
            Another job computes the column.
        """
        dataset = open_dataset(self._job.location)
        with contextlib.ExitStack() as reservations:
            held = [
                reservations.enter_context(self._reservation(dataset, column))
                for column in each_column(self._job.column)
            ]
            self._held = held[0]
            return self._rounds(held[0])

    def _reservation(self, dataset: Dataset, column: ComputedColumn) -> Reservation:
        job = self._job
        lease = Lease(
            job.location,
            column,
            job.job_id,
            job.call_id,
            pause=pause_unless(self._stop),
            warn=self._warn,
        )
        return Reservation(lease, dataset, column.field_id, job.call_id, self._stop)

    def _rounds(self, held: Reservation) -> BackfillJobResult:
        arguments = self._job.arguments
        files = TableFiles(self._job.location)
        column = self._job.column
        target = f"{self._job.location.name}.{column.name}"
        known_peak_bytes = read_peak(files, column)
        for number in range(_MOST_ROUNDS):
            warn = self._warn if number == 0 else _ignore
            dataset = open_dataset(self._job.location)
            # Somebody may have renamed it meanwhile.
            column = as_named(dataset, column)
            self._job = replace(self._job, column=column)
            asked = self._stop.concurrency or arguments.concurrency
            arguments = replace(arguments, concurrency=asked)
            job = replace(self._job, arguments=arguments)
            spec, planned = self._plan(job, dataset, keep_proofs=True)
            grant = self._admit(spec)
            self._granted = grant.workers
            if not planned.has_work:
                return self._result(dataset.version)
            fault_points.passed(fault_points.PLANNED)
            grant = workers_within_memory(grant, target, known_peak_bytes, warn)
            self._granted = grant.workers
            spec = batches_within_memory(spec, planned, dataset, column, grant, warn)
            warn_of_full_disk(planned, free_bytes(self._job.location), warn)
            with held.tagged(dataset):
                outcome = self._drive(spec, planned, dataset, grant, warn, known_peak_bytes)
            self._remove_parts(planned)
            if self._meter.progress.peak_memory_bytes > _HIGHER * known_peak_bytes:
                known_peak_bytes = self._meter.progress.peak_memory_bytes
                write_peak(files, column, known_peak_bytes)
            if outcome.error is not None:
                self._meter.finish("stopped")
                raise outcome.error
            if not outcome.outdated:
                return self._result((self._meter.progress.versions or (dataset.version,))[-1])
            # Only what was moved by others is left; it is not computed twice because of force.
            limit = None if arguments.num_frags is None else len(outcome.outdated)
            arguments = replace(arguments, force=False, skip_frags=0, num_frags=limit)
        raise CommitError(
            f"Other writers moved rows of {self._job.location.name} during all {_MOST_ROUNDS} "
            f"attempts to compute {column.name}. Run it again when the table is quieter."
        )

    def _drive(
        self,
        spec: BackfillSpec,
        planned: Plan,
        dataset: Dataset,
        grant: Grant,
        warn: Callable[[str], None],
        known_peak_bytes: int,
    ) -> Outcome:
        runner = self._make_runner(self._granted)
        self._runner_traits = runner.traits
        settings = self._settings
        self._granted = min(self._granted, runner.max_workers)
        why = concurrency_reason(spec.concurrency, self._granted, grant.reason)
        self._meter.begin_round(planned, self._granted, why)
        limits = job_limits(spec, settings, grant, runner)
        context = JobContext(
            job_id=self._job.job_id,
            call_id=self._job.call_id,
            location=self._job.location,
            version=dataset.version,
            column=self._job.column,
            batch_size=spec.batch_size,
            checkpoint_size=spec.checkpoint_size,
            min_checkpoint_size=spec.min_checkpoint_size,
            checkpoint_interval_s=limits.checkpoint_interval_s,
            threads=spec.intra_applier_concurrency,
            versions=self._versions,
            policy=None if spec.policy is None else pickle_by_value(spec.policy),
            row_timeout_s=spec.row_timeout_s,
            memory_limit_bytes=memory_limit(spec.memory_bytes),
            signing_key=signing_key(),
        )
        driver = Driver(
            JobState(planned, limits),
            runner,
            commit=self._trace.committing(
                partial(self._commit, dataset, settings.commit_max_retries)
            ),
            meter=self._meter,
            stop=self._stop,
            deadline_s=None if spec.timeout_s is None else self._started_s + spec.timeout_s,
            warn=warn,
            commit_timeout_s=limits.stall_timeout_s,
            note_lost=partial(note_lost_row, context, dataset),
            resized=partial(self._resized, spec, known_peak_bytes),
            chronicle=self._chronicle,
        )
        return driver.run(context)

    def _resized(self, spec: BackfillSpec, known_peak_bytes: int) -> ConcurrencyAsked:
        """Grant workers again, for as many as somebody wants now."""
        asked, by = self._stop.concurrency, self._stop.concurrency_by
        target = f"{self._job.location.name}.{self._job.column.name}"
        grant = self._admit(replace(spec, concurrency=asked))
        grant = workers_within_memory(grant, target, known_peak_bytes, _ignore)
        most = self._granted = 1 if self._runner_traits.computes_here else grant.workers
        why = concurrency_reason(asked, most, grant.reason)
        return ConcurrencyAsked(most, f"{why} by {by}")

    def _commit(
        self, source: Dataset, max_retries: int, files: tuple[ColumnFile, ...]
    ) -> CommitResult:
        if self._held is not None:
            self._held.check_files(self._job.location, files)
        column = self._job.column
        said_s = backfill_spec(column, self._job.arguments).stall_timeout_s
        done = [
            commit_column_files(
                source,
                self._job.location,
                one,
                mine,
                commit_id=f"{self._job.job_id}-{uuid.uuid4().hex[:8]}",
                max_retries=max_retries,
                carry_for_s=(said_s or self._settings.stall_timeout_s) / 2,
            )
            for one, mine in zip(each_column(column), each_file(column, files), strict=True)
        ]
        if len(done) == 1:
            return done[0]
        # A fragment that is outdated for one of the columns is planned again, for each as it is.
        outdated = {i: why for result in done for i, why in result.outdated.items()}
        versions = [result.version for result in done if result.version is not None]
        return CommitResult(
            version=max(versions, default=None),
            committed=tuple(file for file in files if file.fragment_id not in outdated),
            outdated=outdated,
            retries=sum(result.retries for result in done),
        )

    def _remove_parts(self, planned: Plan) -> None:
        """Remove the parts of fragments whose column file is committed.

        What cannot be removed is left for a cleanup: it must not hide how the job ended.
        """
        committed = self._meter.committed_fragments
        if not committed:
            return
        files = TableFiles(self._job.location)
        for place, column in enumerate(each_column(self._job.column)):
            done = {
                f.fragment_id: each_fingerprint(f.fingerprint)[place] for f in planned.fragments
            }
            with contextlib.suppress(OSError):
                remove_parts(files, column.field_id, {i: done[i] for i in done if i in committed})

    def _result(self, version: int) -> BackfillJobResult:
        self._meter.finish("done")
        progress = self._meter.progress
        # What cannot be removed is passed over when it is read.
        with contextlib.suppress(OSError):
            for one in each_column(self._job.column):
                prune_failures(open_dataset(self._job.location), self._job.location, one)
        return BackfillJobResult(
            job_id=self._job.job_id,
            status="DONE",
            table_name=self._job.location.name,
            launched_at=self._launched_at,
            completed_at=datetime.now(timezone.utc),
            columns={
                name: UdfResult(
                    udf_name=column.udf_name,
                    udf_version=column.udf_version,
                    rows_processed=progress.rows_done - progress.rows_failed,
                    rows_skipped=progress.rows_failed,
                    input_columns=list(column.input_columns),
                )
                for column in each_column(self._job.column)
                for name in column.output_names
            },
            version=version,
            concurrency=self._granted,
            metrics=self._meter.metrics(),
        )


def _ignore(text: str) -> None:
    """Drop a warning that an earlier round gave."""
