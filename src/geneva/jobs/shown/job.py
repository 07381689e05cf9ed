"""Jobs and their results in a notebook."""

from __future__ import annotations

from collections.abc import Sequence

from geneva.html import Html
from geneva.jobs import measures
from geneva.jobs.facts import facts_of
from geneva.jobs.job_line import JobLine
from geneva.jobs.progress_words import amount
from geneva.jobs.record import JobRecord, JobStatus
from geneva.jobs.result import BackfillJobResult
from geneva.jobs.wording import counted
from geneva.markup import MOST_ROWS, badge, bar, block, facts, folded, table, text

_TONES = {
    JobStatus.DONE: "good",
    JobStatus.FAILED: "bad",
    JobStatus.CANCELLED: "care",
    JobStatus.PAUSED: "care",
    JobStatus.RUNNING: "busy",
    JobStatus.PENDING: "",
}
_MOST_EVENTS = 20


def job_html(record: JobRecord) -> str:
    """Return a job: its state, how far it is, who began it, what ended it."""
    now, status = record.progress, record.status
    tone = _TONES.get(status, "")
    shown = bar(now.rows_done, now.rows_total, tone or "busy")
    rows = amount(now.rows_done, now.rows_total, "row")
    error = record.error
    return block(
        Html(f"{text(JobLine.of(record).target)} {badge(status.value, tone)}"),
        Html(f"{shown} {text(rows)}"),
        facts([("job", record.job_id), *facts_of(record)]),
        Html(f"<b>{text(error.kind)}</b>: {text(error.message, 2_000)}") if error else "",
        folded("traceback", error.traceback) if error and error.traceback else "",
        folded("events", "\n".join(record.events[-_MOST_EVENTS:])) if record.events else "",
    )


def jobs_html(records: Sequence[JobRecord]) -> str:
    """Return jobs, a line each."""
    rows = [
        (
            one.job_id,
            one.target,
            badge(one.status.value, _TONES.get(one.status, "")),
            bar(one.rows_done, one.rows_total, _TONES.get(one.status) or "busy"),
            f"{one.rows_done:,}",
            f"{one.launched_at:%Y-%m-%d %H:%M:%S} UTC",
            one.launched_by,
            one.error or "",
        )
        for one in map(JobLine.of, records[:MOST_ROWS])
    ]
    head = ("job", "column", "state", "", "rows", "began", "by", "error")
    left = len(records) - len(rows)
    return block(
        counted(len(records), "job"),
        table(head, rows, numbers=[4]) if rows else "",
        f"and {left:,} more" if left else "",
    )


def result_html(result: BackfillJobResult) -> str:
    """Return how a backfill ended."""
    seconds = (result.completed_at - result.launched_at).total_seconds()
    rows = [
        (
            name,
            f"{done.rows_processed:,}",
            f"{done.rows_skipped:,}" if done.rows_skipped else "",
            f"{done.udf_name} {done.udf_version[:12]}",
            ", ".join(done.input_columns),
        )
        for name, done in result.columns.items()
    ]
    failed = any(done.rows_skipped for done in result.columns.values())
    peak_bytes = int(result.metrics.get("peak_memory_bytes", 0))
    said = [
        f"in {measures.duration(seconds)}",
        f"version {result.version}",
        f"at most {result.concurrency} at once",
        f"{measures.amount(peak_bytes)} of memory per worker" if peak_bytes else "",
    ]
    return block(
        Html(f"{text(result.table_name)} {badge(result.status, 'good')}"),
        ", ".join(filter(None, said)),
        table(("column", "rows", "failed", "function", "from"), rows, numbers=(1, 2)),
        f"table.errors() lists the rows that failed; job {result.job_id}" if failed else "",
    )
