"""Jobs and clusters as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse
from pydantic import Field

from geneva.console.answers import ERRORS, SaysErrors
from geneva.console.failed_rows import FailedRows
from geneva.console.live import LiveJobs
from geneva.console.steering import Steering
from geneva.jobs.explanation import explained
from geneva.jobs.exposition import CONTENT_TYPE, exposed_metrics
from geneva.jobs.history import JobHistory
from geneva.jobs.job_line import JobLine
from geneva.jobs.metrics import JobMetric
from geneva.jobs.record import JobRecord, JobStatus, RecordedError

_MOST_AT_ONCE = 1_000
_MOST_WORKERS = 100_000

Concurrency = Annotated[int, Field(ge=1, le=_MOST_WORKERS)]


@dataclass(frozen=True, slots=True)
class JobList:
    """Some of the jobs, the newest first, and how many there are."""

    jobs: list[JobLine]
    total: int


@dataclass(frozen=True, slots=True)
class JobDetail:
    """Everything that is recorded of a job, and what limits it."""

    job: JobLine
    input_columns: list[str]
    udf_name: str
    udf_version: str
    udf_digest: str
    rows_committed: int
    fragments_done: int
    fragments_total: int
    concurrency: int
    concurrency_reason: str
    waiting_for: str
    versions: list[int]
    updated_at: datetime | None
    arguments: dict[str, Any]
    plan: str
    explanation: str
    metrics: list[JobMetric]
    events: list[str]
    error: RecordedError | None

    @classmethod
    def of(cls, record: JobRecord) -> JobDetail:
        """Return everything of a record."""
        progress = record.progress
        return cls(
            job=JobLine.of(record),
            input_columns=list(record.input_columns),
            udf_name=record.udf_name,
            udf_version=record.udf_version,
            udf_digest=record.udf_digest,
            rows_committed=progress.rows_committed,
            fragments_done=progress.fragments_done,
            fragments_total=progress.fragments_total,
            concurrency=record.concurrency,
            concurrency_reason=record.concurrency_reason,
            waiting_for=progress.waiting_for or progress.stalls_at,
            versions=list(record.versions),
            updated_at=record.updated_at,
            arguments=json.loads(record.config),
            plan=progress.plan,
            explanation=str(explained(record)),
            metrics=record.metrics,
            events=list(record.events),
            error=record.error,
        )


@dataclass(frozen=True, slots=True)
class ConcurrencyWanted:
    """How many workers a job is to have at most."""

    concurrency: Concurrency


@dataclass(frozen=True, slots=True)
class ResumeWanted:
    """How a paused job is to go on; with as many workers as before, if it does not say."""

    concurrency: Concurrency | None = None


@dataclass(frozen=True, slots=True)
class ClusterLine:
    """A cluster that is defined in the database."""

    name: str
    kind: str
    address: str | None
    created_at: datetime
    created_by: str


class Clusters(Protocol):
    """Reads the definitions of clusters."""

    def __call__(self) -> list[ClusterLine]:
        """Return them in the order of their names."""
        ...


class Failures(Protocol):
    """Reads the rows that failed in a job of a table, at most so many."""

    def __call__(self, table: str, job_id: str, limit: int) -> FailedRows:
        """Return them."""
        ...


def chosen(
    lines: list[JobLine], table: str, column: str, status: str, text: str = ""
) -> list[JobLine]:
    """Return the jobs of a table and column, in a state; empty strings stand for all.

    The text is looked for in their ids, what they compute, their authors and places.

    Examples
    --------
    >>> chosen([], "docs", "words", "DONE", "ada")
    []
    """
    text = text.strip().lower()

    def fits(line: JobLine) -> bool:
        target = f"{line.table}.{' '.join(line.columns)}"
        said = f"{line.job_id} {target} {line.launched_by} {line.where}".lower()
        of = table in ("", line.table) and (not column or column in line.columns)
        return of and status in ("", line.status.value) and text in said

    return [line for line in lines if fits(line)]


def jobs_router(
    live: LiveJobs, steering: Steering, clusters: Clusters, failed_rows: Failures
) -> APIRouter:
    """Return the routes of jobs and clusters."""
    router = APIRouter(route_class=SaysErrors, tags=["jobs"], responses=ERRORS)

    @router.get("/jobs", summary="Jobs, the newest first")
    async def list_jobs(
        table: str = "",
        column: str = "",
        status: JobStatus | None = None,
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=_MOST_AT_ONCE)] = 50,
    ) -> JobList:
        lines = chosen(await live.newest(), table, column, status.value if status else "")
        return JobList(lines[offset : offset + limit], len(lines))

    @router.get("/jobs/{job_id:path}/history", summary="How it went over time")
    def get_history(job_id: str) -> JobHistory:
        return steering.job(job_id).history()

    @router.get("/jobs/{job_id:path}/logs", summary="What its function printed")
    def get_logs(job_id: str) -> list[str]:
        return steering.job(job_id).logs()

    @router.get(
        "/jobs/{job_id:path}/failed-rows", summary="Rows that failed, without a value since"
    )
    def get_failed_rows(
        job_id: str, limit: Annotated[int, Query(ge=1, le=_MOST_AT_ONCE)] = 100
    ) -> FailedRows:
        return failed_rows(steering.job(job_id).table_name, job_id, limit)

    @router.post("/jobs/{job_id:path}/cancel", status_code=202, summary="Let it stop")
    def cancel(job_id: str) -> JobLine:
        return JobLine.of(steering.cancel(job_id))

    @router.post("/jobs/{job_id:path}/pause", status_code=202, summary="Let it pause")
    def pause(job_id: str) -> JobLine:
        return JobLine.of(steering.pause(job_id))

    @router.post("/jobs/{job_id:path}/resume", status_code=202, summary="Let it go on")
    def resume(job_id: str, wanted: ResumeWanted | None = None) -> JobLine:
        return JobLine.of(steering.resume(job_id, wanted.concurrency if wanted else None))

    @router.post(
        "/jobs/{job_id:path}/concurrency", status_code=202, summary="More or fewer workers"
    )
    def set_concurrency(job_id: str, wanted: ConcurrencyWanted) -> JobLine:
        return JobLine.of(steering.set_concurrency(job_id, wanted.concurrency))

    # The last of them: an id may hold slashes.
    @router.get("/jobs/{job_id:path}", summary="All about a job")
    def get_job(job_id: str) -> JobDetail:
        return JobDetail.of(steering.job(job_id).record())

    @router.get("/clusters", summary="Clusters that are defined")
    def list_clusters() -> list[ClusterLine]:
        return clusters()

    return router


def metrics_router(live: LiveJobs) -> APIRouter:
    """Return the route that Prometheus reads."""
    router = APIRouter()

    @router.get("/metrics", summary="Metrics of jobs, for Prometheus")
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(exposed_metrics(await live.measured()), media_type=CONTENT_TYPE)

    return router
