"""The caller's side of a job on a cluster: follows its driver, and replaces a lost one."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ray

from geneva.config import Settings
from geneva.errors import (
    ClusterUnreachableError,
    DriverLostError,
    EnvironmentMismatchError,
    FatalWorkerError,
    FatalWorkerOOMError,
    JobPausedError,
    WorkerStartError,
)
from geneva.jobs.events import LossCause
from geneva.jobs.limits import Limits
from geneva.jobs.progress import Progress
from geneva.jobs.result import BackfillJobResult
from geneva.pipeline.backfill_job import BackfillJob
from geneva.pipeline.driver import StopSignal, ctrl_c_asks
from geneva.pipeline.failure import pack_error, unpack_error
from geneva.pipeline.journal import NOTHING_SEEN, JobEnd, Seen
from geneva.pipeline.mild_warning import warn_mildly
from geneva.pipeline.registration import first_progress
from geneva.pipeline.tracker import JobTracker, Report
from geneva.runners.ray.contexts import job_ended
from geneva.runners.ray.deaths import cause_of, end_actor
from geneva.runners.ray.driver_actor import DriverNews
from geneva.runners.ray.reach import HeadWatch
from geneva.runners.ray.submission import record_submission, start_driver
from geneva.runners.ray.told import show_line

_NEWS_S = 1.0
_LOOK_S = 0.25
_RETRY_S = 0.5
# Nothing is heard of a driver for so long only if something is wrong.
_SUSPICIOUS_S = 3.0
_LOST_S = 20.0
_ASK_S = 1.0
_MOST_WORDS = 2_000


class ClusterRun:
    """Runs a job on the cluster and waits for its end in this thread.

    Parameters
    ----------
    job
        The job.
    settings
        Settings of this process.
    show
        Called with the newest progress.
    stop
        Lets others end the job early.
    """

    def __init__(
        self,
        job: BackfillJob,
        settings: Settings,
        show: Callable[[Progress], None],
        stop: StopSignal,
    ) -> None:
        self._job = job
        self._settings = settings
        self._show = show
        self._stop = stop
        self._stop_passed_on = False
        self._run_id = ""
        self._node_id = ""
        self._seen: Seen = NOTHING_SEEN
        self._progress = first_progress(job)
        self._limits = Limits(
            max_workers=1,
            max_worker_losses=settings.max_worker_losses,
            max_node_losses=settings.max_node_losses,
        )
        self._head = HeadWatch()
        self._heard_s = time.monotonic()
        self._asked_s = 0.0

    def run(self) -> BackfillJobResult:
        """Submit the job and follow it.

        Raises
        ------
        ClusterUnreachableError
            The cluster is gone; this process is no longer connected to it.
        DriverLostError, FatalWorkerOOMError
            The driver was lost more often than it is started again.
        """
        self._record_submission()
        try:
            with ctrl_c_asks(self._stop, wanted=True):
                return self._result(self._run())
        except JobPausedError:
            raise  # Its driver recorded that.
        except BaseException as error:
            self._record(error)
            if isinstance(error, ClusterUnreachableError):
                # Otherwise Ray ends this process a minute after it lost its cluster.
                ray.shutdown()
            raise
        finally:
            job_ended()

    def _result(self, end: JobEnd) -> BackfillJobResult:
        if end.error is None:
            assert end.result is not None  # noqa: S101 - a job ends with one of both
            return end.result
        if end.cancelled and self._stop.error is not None:
            raise self._stop.error
        raise unpack_error(end.error)

    def _run(self) -> JobEnd:
        lost: Counter[LossCause] = Counter()
        while True:
            # Ray may think for a minute that a node which is gone is there.
            driver = start_driver(
                self._job, self._settings, detached=False, avoided_node=self._node_id
            )
            self._heard_s = time.monotonic()
            try:
                return self._follow(driver)
            except _DriverGoneError as gone:
                lost[gone.cause] += 1
                if gone.cause is not LossCause.NODE_LOST:
                    self._node_id = ""
                if lost[gone.cause] >= self._limits.budget(gone.cause):
                    raise self._lost_error(gone, lost[gone.cause]) from None
                self._run_id, self._seen = "", NOTHING_SEEN
                self._stop_passed_on = False
            finally:
                end_actor(driver)

    def _follow(self, driver: Any) -> JobEnd:
        reference = self._ask(driver)
        while True:
            ready, _ = ray.wait([reference], timeout=_LOOK_S)
            self._pass_stop_on(driver)
            self._head.check(self._what)
            if not ready:
                self._check_silence()
                continue
            try:
                answer = ray.get(reference)
            except ray.exceptions.ActorUnavailableError:
                self._check_silence()
                time.sleep(_RETRY_S)
            except ray.exceptions.RayError as error:
                raise self._gone(error) from None
            else:
                end = self._take(answer)
                if end is not None:
                    return end
            reference = self._ask(driver)

    def _ask(self, driver: Any) -> Any:
        return driver.follow.remote(self._run_id, self._seen, _NEWS_S)

    def _take(self, answer: DriverNews) -> JobEnd | None:
        news = answer.news
        self._run_id, self._node_id = answer.run_id, answer.node_id
        self._seen, self._progress = news.seen, news.progress
        self._heard_s = time.monotonic()
        for line in news.lines:
            show_line(line)
        self._show(news.progress)
        return news.end

    def _pass_stop_on(self, driver: Any) -> None:
        if self._stop.error is not None and not self._stop_passed_on and self._run_id:
            self._stop_passed_on = True
            driver.stop.remote(pack_error(self._stop.error))

    # -- when nothing is heard -----------------------------------------------------------------

    def _check_silence(self) -> None:
        """End the wait for a driver that will not be heard, and show that it is waited for."""
        if self._stop.error is not None and not self._run_id:
            raise self._stop.error  # It has not begun.
        now_s = time.monotonic()
        silent_s = now_s - self._heard_s
        if silent_s < _SUSPICIOUS_S or now_s - self._asked_s < _ASK_S or not self._head.answering:
            return
        self._asked_s = now_s
        if self._run_id:
            if silent_s > _LOST_S:
                words = f"it has not been heard of for {silent_s:.0f} s"
                raise _DriverGoneError(LossCause.NODE_LOST, words)
            return
        if silent_s > self._settings.worker_start_timeout_s:
            raise WorkerStartError(
                f"{self._what} did not start within {silent_s:.0f} s although it needs no place. "
                "Look at the logs of the cluster's nodes; GENEVA_WORKER_START_TIMEOUT_S sets how "
                "long to wait."
            )
        starting = "the driver is starting"
        self._show(replace(self._progress, workers_waiting=1, waiting_for=starting))

    def _gone(self, error: BaseException) -> Exception:
        text = str(error)
        if "No module named 'geneva'" in text:
            return EnvironmentMismatchError(
                f"{self._what} cannot run: the cluster's nodes have no Geneva. Install the "
                "caller's version of opengeneva[ray] on all of them."
            )
        if isinstance(error, ray.exceptions.RayTaskError):
            return DriverLostError(f"{self._what} failed: {text}")
        self._head.wait(self._what)
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        return _DriverGoneError(cause_of(error, self._node_id or None, alive), text)

    def _lost_error(self, gone: _DriverGoneError, times: int) -> FatalWorkerError:
        head = f"{self._what} was lost {times} times"
        tail = (
            "What was computed is kept; a new backfill goes on from there.\n  Ray says: "
            f"{gone.words[:_MOST_WORDS]}"
        )
        if gone.cause is LossCause.OUT_OF_MEMORY:
            return FatalWorkerOOMError(
                f"{head} because its node ran out of memory. Lower batch_size or concurrency, ask "
                f"for more with memory=, or let the function hold less at once. {tail}"
            )
        return DriverLostError(f"{head} ({gone.cause.value}). {tail}")

    def _record_submission(self) -> None:
        try:
            record_submission(self._job, self._settings)
        except (OSError, RuntimeError, ValueError) as error:
            # The job does not need it.
            warn_mildly(
                f"Job {self._job.job_id} cannot be recorded: {error}. It runs nevertheless."
            )

    def _record(self, error: BaseException) -> None:
        """Record the end of a job whose driver may not have been able to."""
        with contextlib.suppress(Exception):  # The error itself says more.
            tracker = JobTracker(self._job.location.database, self._job.job_id)
            tracker.report(Report(self._progress, end=JobEnd.failed(error)))

    @property
    def _what(self) -> str:
        return f"the driver of the backfill of {self._job.location.name}.{self._job.column.name}"


class _DriverGoneError(Exception):
    """The driver will not be heard any more."""

    def __init__(self, cause: LossCause, words: str) -> None:
        super().__init__(words)
        self.cause = cause
        self.words = words
