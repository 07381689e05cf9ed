"""The spans of a job, around the steps of its driver. Workers know nothing of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial, wraps
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode, Tracer, use_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from geneva.jobs.commands import Apply, Interruption, JobContext, WriteFragment
from geneva.jobs.events import Event
from geneva.jobs.planner import Plan
from geneva.jobs.result import BackfillJobResult
from geneva.pipeline.admission import Grant
from geneva.pipeline.backfill_job import BackfillJob
from geneva.pipeline.driver import Runner
from geneva.pipeline.traced import Untraced
from geneva.storage.commit import CommitResult
from geneva.storage.model import ColumnFile, ComputedColumn
from geneva.tracing.run_spans import RunSpans
from geneva.tracing.spans import Attributes, SpanMaker, described


class JobTrace(Untraced):
    """Wraps what the driver does, so that each step becomes a span.

    Parameters
    ----------
    tracer
        Makes the spans.
    job
        The job; it says which span it belongs to.
    runner
        Kind of its runner.
    """

    def __init__(self, tracer: Tracer, job: BackfillJob, runner: str) -> None:
        names = job.column_names
        common = {"geneva.job.id": job.job_id, "geneva.table": job.location.name}
        given: dict[str, Any] = {
            **common,
            **_of(job.column),
            "geneva.runner": runner,
            "geneva.concurrency": job.arguments.concurrency,
        }
        self._several = len(job.columns) > 1
        if self._several:
            given["geneva.columns"] = names
        target = f"{job.location.name}.{job.column.name}"
        more = f" and {len(job.columns) - 1} more" if self._several else ""
        parent = TraceContextTextMapPropagator().extract(dict(job.trace), Context())
        self._root = tracer.start_span(f"backfill {target}{more}", parent, attributes=given)
        self._spans = SpanMaker(tracer, self._root, common)
        self._planned: Plan | None = None

    @property
    def recording(self) -> bool:
        """Whether anybody will see it."""
        return self._root.is_recording()

    def current(self) -> AbstractContextManager[Any]:
        """Let the job's span be the current one of this thread, for what others trace."""
        return use_span(self._root, record_exception=False, set_status_on_exception=False)

    def done(self, result: BackfillJobResult) -> None:
        """End the trace of a job that is done."""
        self._root.set_attributes(
            {"geneva.version": result.version, "geneva.workers.granted": result.concurrency}
        )
        self.ended("DONE")

    def ended(self, status: str, error: BaseException | None = None, trace: str = "") -> None:
        """End the trace; an error becomes an event of the job's span.

        Parameters
        ----------
        status
            As in the job's record.
        error, trace
            What made it fail, and where.
        """
        with suppress(Exception):  # Code of others takes spans.
            if error is not None:
                _note(self._root, error, trace)
            self._root.set_attributes({"geneva.job.status": status, **self._spans.counts()})
            self._root.end()

    def passes(self, run: Any) -> Any:
        """Let each of several columns be a span with the steps below of it."""
        if not self._several:
            return run

        @wraps(run)
        def run_pass(job: BackfillJob, *arguments: Any) -> Any:
            name = f"pass {job.location.name}.{job.column.name}"
            span = self._spans.parent = self._spans.begin(name, _of(job.column))
            try:
                return run(job, *arguments)
            except BaseException as error:
                if not isinstance(error, KeyboardInterrupt):
                    span.set_status(Status(StatusCode.ERROR, described(error)))
                raise
            finally:
                self._spans.parent = self._root
                with suppress(Exception):
                    span.end()

        return run_pass

    def planning(self, plan: Any) -> Any:
        """Make a span of each plan."""

        def found(*arguments: Any, **named: Any) -> tuple[object, Attributes]:
            spec, planned = plan(*arguments, **named)
            self._planned = planned
            return (spec, planned), {
                "geneva.version": planned.version,
                "geneva.rows": planned.total_rows_pending,
                "geneva.fragments": len(planned.fragments),
                "geneva.tasks": planned.total_tasks,
            }

        return self._step("plan", found)

    def admitting(self, admit: Any) -> Any:
        """Make a span of each grant of workers."""

        def found(*arguments: Any) -> tuple[object, Attributes]:
            grant: Grant = admit(*arguments)
            return grant, {"geneva.workers.granted": grant.workers, "geneva.reason": grant.reason}

        return self._step("admission", found)

    def running(self, make_runner: Any) -> Any:
        """Make spans of what workers do."""

        def traced(granted: int) -> Runner:
            plan = self._planned
            tasks, fragments = (plan.total_tasks, len(plan.fragments)) if plan else (0, 0)
            return TracedRunner(make_runner(granted), RunSpans(self._spans, tasks, fragments))

        return traced

    def committing(self, commit: Any) -> Any:
        """Make a span of each commit."""

        def found(files: tuple[ColumnFile, ...]) -> tuple[object, Attributes]:
            result: CommitResult = commit(files)
            said: dict[str, Any] = {
                "geneva.fragments": len(result.committed),
                "geneva.fragments.outdated": len(result.outdated),
                "geneva.commit.retries": result.retries,
            }
            return result, said if result.version is None else {
                **said,
                "geneva.version": result.version,
            }

        return self._step("commit", found)

    def _step(self, kind: str, work: Callable[..., tuple[object, Attributes]]) -> Any:
        def step(*arguments: Any, **named: Any) -> object:
            return self._spans.around(kind, {}, partial(work, *arguments, **named))

        return step


class TracedRunner:
    """A runner that is listened to.

    Parameters
    ----------
    runner
        The runner.
    spans
        Hears what is said.
    """

    def __init__(self, runner: Runner, spans: RunSpans) -> None:
        self._runner = runner
        self._spans = spans
        self.max_workers = runner.max_workers
        self.traits = runner.traits
        self.start_workers = runner.start_workers
        self.start_writers = runner.start_writers
        self.release = runner.release
        self.resize = runner.resize
        self.kill = runner.kill
        self.end_slow = runner.end_slow

    def begin(self, context: JobContext) -> tuple[tuple[int, ...], int]:
        """Take a job on."""
        ready, starting = self._runner.begin(context)
        self._spans.ready(len(ready))
        return ready, starting

    def send(self, command: Apply | WriteFragment | Interruption) -> None:
        """Give a command to its worker."""
        self._spans.sent(command)
        self._runner.send(command)

    def poll(self, timeout_s: float) -> list[Event]:
        """Return what happened."""
        events = self._runner.poll(timeout_s)
        for event in events:
            self._spans.happened(event)
        return events

    def end(self) -> None:
        """Release the workers."""
        self._spans.over()
        self._runner.end()


def _of(column: ComputedColumn) -> dict[str, str]:
    return {
        "geneva.column": column.name,
        "geneva.udf.name": column.udf_name,
        "geneva.udf.version": column.udf_version,
    }


def _note(span: Span, error: BaseException, trace: str) -> None:
    span.record_exception(error, {"exception.stacktrace": trace}, time.time_ns())
    span.set_status(Status(StatusCode.ERROR, described(error)))
