"""Jobs and their results in a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from geneva.html import Html
from geneva.jobs.measures import amount, duration
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
    columns = ", ".join(record.output_columns) or record.column_name
    tone = _TONES.get(status, "")
    shown = bar(now.rows_done, now.rows_total, tone or "busy")
    rows = f"{now.rows_done:,} of {now.rows_total:,} rows"
    error = record.error
    return block(
        Html(f"{text(record.table_name)}.{text(columns)} {badge(status.value, tone)}"),
        Html(f"{shown} {text(rows)}"),
        facts(_facts(record)),
        Html(f"<b>{text(error.kind)}</b>: {text(error.message, 2_000)}") if error else "",
        folded("traceback", error.traceback) if error and error.traceback else "",
        folded("events", "\n".join(record.events[-_MOST_EVENTS:])) if record.events else "",
    )


def jobs_html(records: Sequence[JobRecord]) -> str:
    """Return jobs, a line each."""
    rows = [
        (
            one.job_id,
            f"{one.table_name}.{', '.join(one.output_columns) or one.column_name}",
            badge(one.status.value, _TONES.get(one.status, "")),
            bar(one.progress.rows_done, one.progress.rows_total, _TONES.get(one.status) or "busy"),
            f"{one.progress.rows_done:,}",
            _moment(one.launched_at),
            one.launched_by,
            "" if one.error is None else f"{one.error.kind}: {one.error.message}",
        )
        for one in records[:MOST_ROWS]
    ]
    head = ("job", "column", "state", "", "rows", "began", "by", "error")
    left = len(records) - len(rows)
    return block(
        counted(len(records), "job"),
        table(head, rows, numbers=[4]) if rows else "",
        f"and {left:,} more" if left else "",
    )


def _facts(record: JobRecord) -> Iterator[tuple[str, object]]:
    now, ended = record.progress, record.status.ended
    yield "job", record.job_id
    yield "function", f"{record.udf_name} {record.udf_version[:12]}".strip()
    yield "began", f"{_moment(record.launched_at)} by {record.launched_by or 'nobody known'}"
    if record.completed_at is not None:
        took_s = max(0.0, (record.completed_at - record.launched_at).total_seconds())
        yield "ended", f"{_moment(record.completed_at)}, after {duration(took_s)}"
    elif record.updated_at is not None:
        yield "last heard of", _moment(record.updated_at)
    yield "where", " ".join(filter(None, (record.runner, record.cluster_name or record.host)))
    yield "failed", f"{now.rows_failed:,} rows" if now.rows_failed else ""
    yield "fragments", f"{now.fragments_done:,} of {now.fragments_total:,}"
    yield "versions", ", ".join(map(str, now.versions[-10:]))
    if ended:
        return
    yield "stage", now.stage
    yield "speed", f"{now.rows_per_s:,.3g} rows/s" if now.rows_per_s > 0 else ""
    eta_s = now.eta_s
    yield "left", duration(eta_s) if eta_s else ""
    yield "workers", f"{now.workers} of {now.workers_granted}" if now.workers_granted else ""
    yield "waits for", now.waiting_for or now.stalls_at


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
        f"in {duration(seconds)}, version {result.version}, at most {result.concurrency} at once",
        f"{amount(peak_bytes)} of memory per worker" if peak_bytes else "",
    ]
    return block(
        Html(f"{text(result.table_name)} {badge(result.status, 'good')}"),
        ", ".join(filter(None, said)),
        table(("column", "rows", "failed", "function", "from"), rows, numbers=(1, 2)),
        f"table.errors() lists the rows that failed; job {result.job_id}" if failed else "",
    )


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"
