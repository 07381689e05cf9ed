"""A job's trace: the steps of its driver are wrapped where traces are wanted, and only there."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from geneva.errors import JobCancelledError, JobPausedError
from geneva.jobs.result import BackfillJobResult
from geneva.pipeline.backfill_job import BackfillJob
from geneva.tracing.provider import hurry, job_tracer

if TYPE_CHECKING:
    from geneva.pipeline.job_trace import JobTrace

Function = TypeVar("Function", bound=Callable[..., Any])


class Untraced:
    """Wraps nothing."""

    def passes(self, run: Function) -> Function:
        """Return what computes one of the job's columns."""
        return run

    def planning(self, plan: Function) -> Function:
        """Return what plans."""
        return plan

    def admitting(self, admit: Function) -> Function:
        """Return what grants workers."""
        return admit

    def running(self, make_runner: Function) -> Function:
        """Return what makes the runner of a round."""
        return make_runner

    def committing(self, commit: Function) -> Function:
        """Return what commits files."""
        return commit


UNTRACED = Untraced()
Trace = Untraced


def run_traced(
    job: BackfillJob, runner: str, work: Callable[[Trace], BackfillJobResult]
) -> BackfillJobResult:
    """Do a job's work inside of a span, where somebody wants traces.

    Parameters
    ----------
    job
        The job.
    runner
        Kind of its runner.
    work
        Does it, and is given what wraps its steps.
    """
    tracer = job_tracer()
    if tracer is None:
        return work(UNTRACED)
    from geneva.pipeline.job_trace import JobTrace

    try:
        trace = JobTrace(tracer, job, runner)
    except Exception:  # noqa: BLE001 - code of others takes spans
        return work(UNTRACED)
    if not trace.recording:  # It is not sampled.
        with trace.current():
            return work(UNTRACED)
    try:
        with trace.current():
            result = work(trace)
    except BaseException as error:
        _end(trace, error)
        raise
    trace.done(result)
    return result


def _end(trace: JobTrace, error: BaseException) -> None:
    if isinstance(error, JobPausedError):
        trace.ended("PAUSED")
    elif isinstance(error, KeyboardInterrupt | JobCancelledError):
        trace.ended("CANCELLED")
        if isinstance(error, KeyboardInterrupt):
            hurry()
    else:
        text = "".join(traceback.format_exception(error))
        trace.ended("FAILED", error, text)
