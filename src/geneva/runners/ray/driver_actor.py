"""The actor that hosts a job's driver. It outlives whoever submitted the job, if that is wanted."""

from __future__ import annotations

import os
import pickle
import threading
import time
import uuid
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import ray

from geneva.config import Settings
from geneva.errors import ClusterUnreachableError, GenevaError, JobCancelledError
from geneva.jobs.progress import Progress
from geneva.jobs.result import BackfillJobResult
from geneva.pipeline.backfill import BackfillRun
from geneva.pipeline.backfill_job import BackfillJob
from geneva.pipeline.chronicle import Chronicle
from geneva.pipeline.driver import StopSignal
from geneva.pipeline.environment import Versions, check_environment
from geneva.pipeline.failure import PackedError, placed_error, unpack_error
from geneva.pipeline.job_history import stored_history
from geneva.pipeline.journal import NOTHING_SEEN, JobEnd, Journal, News, Seen
from geneva.pipeline.passes import Show, run_passes
from geneva.pipeline.record_keeper import RecordKeeper
from geneva.pipeline.traced import Trace, run_traced
from geneva.runners.ray.cluster_job import ClusterJob
from geneva.runners.ray.cluster_tracker import ClusterTracker
from geneva.runners.ray.reach import HeadWatch
from geneva.storage.model import TableLocation
from geneva.tracing.provider import flush_traces
from geneva.warned import PREFIX

LISTENING_THREADS = {"orders": 1, "news": 1}

# A caller asks for news every second. One that is silent for so long is gone.
_CALLER_GONE_S = 15.0
# How long an end waits to be recorded, and then to be fetched.
_RECORDED_S = 10.0
_WATCH_S = 0.5
_TRACED_S = 1.0
_HEAD_LOST = 71


@dataclass(frozen=True, slots=True)
class Submission:
    """What a caller hands to the driver.

    Attributes
    ----------
    job : BackfillJob
        What to do.
    settings : Settings
        The caller's settings.
    versions : Versions
        The caller's versions.
    detached : bool
        Whether the job goes on without its caller.
    """

    job: BackfillJob
    settings: Settings
    versions: Versions
    detached: bool


@dataclass(frozen=True, slots=True)
class DriverNews:
    """What a driver answers.

    Attributes
    ----------
    run_id : str
        Its run: a driver that was started again has another one.
    node_id : str
        Its node.
    news : News
        What is new.
    """

    run_id: str
    node_id: str
    news: News


class DriverActor:
    """Runs one job to its end and tells its caller about it.

    When it is lost, another one is started, on another node if need be, by Ray for a detached job,
    by the caller else. It plans anew from what is durable.

    Parameters
    ----------
    progress
        The job at its beginning.
    database
        Where it is recorded.
    versions
        The caller's versions.
    submission
        A pickled :class:`Submission`; it is opened only where versions are right.
    """

    def __init__(
        self, progress: Progress, database: TableLocation, versions: Versions, submission: bytes
    ) -> None:
        self._run_id = uuid.uuid4().hex
        self._job_id = progress.job_id
        self._journal = Journal(progress)
        self._stop = StopSignal()
        self._chronicle = Chronicle()
        self._database = database
        self._tracker = ClusterTracker(database, progress.job_id)
        self._keeper = RecordKeeper(
            self._job_id,
            self._journal,
            self._stop,
            self._tracker.deliver,
            self._note_unrecorded,
            self._chronicle,
        )
        self._versions = versions
        self._detached = False
        self._heard_s = time.monotonic()
        threading.Thread(target=self._run, args=(submission,), daemon=True).start()

    @ray.method(concurrency_group="news")
    def follow(self, run_id: str, seen: Seen, timeout_s: float) -> DriverNews:
        """Return what is new for one who has seen some of a run, waiting at most so long."""
        self._heard_s = time.monotonic()
        news = self._journal.follow(seen if run_id == self._run_id else NOTHING_SEEN, timeout_s)
        self._heard_s = time.monotonic()
        return DriverNews(self._run_id, ray.get_runtime_context().get_node_id(), news)

    @ray.method(concurrency_group="orders")
    def stop(self, error: PackedError) -> None:
        """Let the job end early."""
        self._stop.ask(unpack_error(error))

    def _run(self, submission: bytes) -> None:
        try:
            end = self._end_of(submission)
            self._journal.end(end)
            self._chronicle.end()
            self._keeper.close(_RECORDED_S)
            # Whoever has the end ends this process.
            flush_traces(_TRACED_S)
            self._tracker.close()
            self._journal.release_end()
            if not self._detached:
                self._wait_until_fetched()
        finally:
            # Otherwise Ray would start it again.
            ray.kill(ray.get_runtime_context().current_actor, no_restart=True)

    def _end_of(self, submission: bytes) -> JobEnd:
        """Run the job and return how it ended."""
        place = f"driver on node {ray.util.get_node_ip_address()}"
        try:
            check_environment(self._versions, place)
            given: Submission = pickle.loads(submission)
            self._detached = given.detached
            threading.Thread(target=self._watch, daemon=True).start()
            # There is one if the job was paused, or another driver of it was lost.
            self._chronicle.go_on(stored_history(self._database, self._job_id))
            return JobEnd(result=run_traced(given.job, "ray", partial(self._run_all, given)))
        except GenevaError as error:
            return JobEnd.failed(error)
        except BaseException as error:  # noqa: BLE001 - travels to the caller
            return JobEnd.failed(placed_error(error, place))

    def _note_unrecorded(self, error: Exception) -> None:
        text = f"{PREFIX}The record of job {self._job_id} cannot be written: {error}"
        self._journal.print("stderr", text)

    def _run_all(self, given: Submission, trace: Trace) -> BackfillJobResult:
        run_one = trace.passes(partial(self._run_one, given, trace))
        return run_passes(given.job, self._journal.show, self._stop, run_one)

    def _run_one(
        self, given: Submission, trace: Trace, job: BackfillJob, show: Show
    ) -> BackfillJobResult:
        """Run the job of one column with actors of its own."""
        with closing(ClusterJob(job, given.settings, self._journal.print)) as cluster:
            self._tracker.place = cluster.tracker_place
            cluster.prestart()
            self._keeper.start()
            return BackfillRun(
                job,
                cluster.admit,
                cluster.runner,
                given.settings,
                show,
                self._stop,
                given.versions,
                cluster.warn,
                self._chronicle,
                trace,
            ).run()

    def _watch(self) -> None:
        """End the job when its caller is gone, and record its end when the cluster's head is."""
        head = HeadWatch()
        while self._journal.unreleased_end is None:
            time.sleep(_WATCH_S)
            silent_s = time.monotonic() - self._heard_s
            if not self._detached and silent_s > _CALLER_GONE_S:
                self._stop.ask(
                    JobCancelledError(
                        f"The process that called backfill() has not been heard of for "
                        f"{silent_s:.0f} s. What was computed is kept; a new backfill goes on from "
                        "there. backfill_async() begins a job that does not need its caller."
                    )
                )
            try:
                head.check(f"job {self._job_id}")
            except ClusterUnreachableError as error:
                # Whoever drives the job waits for the head; Ray ends this process in a moment.
                self._journal.end(JobEnd.failed(error))
                self._keeper.close(_RECORDED_S)
                self._tracker.close()
                os._exit(_HEAD_LOST)

    def _wait_until_fetched(self) -> None:
        # The caller ends this actor as soon as it has the end.
        while time.monotonic() - self._heard_s < _CALLER_GONE_S:
            time.sleep(_WATCH_S)
