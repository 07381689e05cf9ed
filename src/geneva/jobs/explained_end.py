"""Says how a job ended, what limited it, and which setting to change for the next one. Pure."""

from __future__ import annotations

import re

from geneva.jobs.explained import Explanation, Limit
from geneva.jobs.record import JobRecord, RecordedError
from geneva.jobs.wording import counted

# Nothing is gained by changing anything.
_QUICK_S = 2.0
_ROWS = re.compile(r"rows? (?:offset )?\d+(?: to \d+)? of fragment \d+")


def explained_end(record: JobRecord, slowest: Explanation) -> Explanation:
    """Explain a job that has ended.

    Parameters
    ----------
    record
        Its record.
    slowest
        Where its time went.
    """
    now = record.progress
    job = f"The job {now.table_name}.{now.column_name}"
    rows = f"{now.rows_done:,} of {counted(now.rows_total, 'row')}"
    if record.error is None:
        doing = f"{job} is done: {counted(now.rows_done, 'row')} in {now.elapsed_s:.1f} s"
        if not any(now.stage_s.values()):
            return Explanation(f"{job} is done: all was up to date", Limit.NOTHING, "")
        if now.elapsed_s < _QUICK_S:
            return Explanation(doing, Limit.NOTHING, "")
        # A job that has ended has no concurrency any more.
        setting = re.sub(r"job\.set_concurrency\((\d+)\)", r"concurrency=\1", slowest.setting)
        return Explanation(doing, slowest.limit, slowest.why, setting, slowest.effect)
    error = record.error
    if record.status.value == "CANCELLED":
        doing = f"{job} was cancelled with {rows} computed, which are kept"
        return Explanation(doing, Limit.NOTHING, "", "", "")
    doing = f"{job} failed with {rows} computed, which are kept"
    limit, setting, effect = _of_error(error, record)
    return Explanation(doing, limit, f"{error.kind}: {_first_sentences(error)}", setting, effect)


def _of_error(error: RecordedError, record: JobRecord) -> tuple[Limit, str, str]:
    """Return what limited a job that failed, and what to change."""
    kind, text = error.kind, error.message
    if kind == "ResourcesUnavailableError":
        lower = re.search(
            r"[Ll]ower (num_cpus|num_gpus|memory|concurrency) to ([0-9.]*[0-9])", text
        )
        setting = f"{lower[1]}={lower[2]}" if lower else _less(record)
        return Limit.RESOURCES, setting, "one worker then fits on a node"
    if kind == "FatalWorkerOOMError":
        asked = record.progress.peak_memory_bytes
        if asked:
            return Limit.LOST_WORKERS, f"memory={int(1.2 * asked)}", "as many run as there is for"
        return Limit.LOST_WORKERS, "batch_size=1", "it holds less at once"
    if kind == "RowTimeoutError":
        setting = "on_error=[Skip(RowTimeoutError)]"
        return Limit.SLOW_ROW, setting, "such rows are left out and the rest is computed"
    if kind.startswith("FatalWorker"):
        at = _ROWS.search(text)
        where = f"; it was at {at[0]}" if at else ""
        effect = f"rows that end their process are left out and named in table.errors(){where}"
        return Limit.LOST_WORKERS, "on_error=[Skip(FatalWorkerError)]", effect
    if kind == "UDFError":
        return Limit.UDF, "on_error=[Skip()]", "rows that fail are left out and named in errors()"
    if kind == "SkipThresholdExceededError":
        failed = record.progress.rows_failed
        return Limit.UDF, f"max_errors={2 * max(1, failed)}", "see table.errors() for what fails"
    if kind == "BackfillTimeoutError":
        seconds = 2 * max(1.0, record.progress.elapsed_s)
        return Limit.UDF, f"timeout={seconds:.0f}", "or run it again: it goes on from there"
    if kind == "StalledError":
        return Limit.READ, "stall_timeout=600", "if the storage only is slow"
    return Limit.NOTHING, "", ""


def _less(record: JobRecord) -> str:
    return "concurrency=1" if record.progress.rows_done else "num_cpus=1"


def _first_sentences(error: RecordedError) -> str:
    """Return the first line of a message, without the end of its last sentence."""
    return error.message.partition("\n")[0].rstrip(".")
