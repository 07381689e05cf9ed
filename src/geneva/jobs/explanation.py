"""Says what a job is doing, what limits it, and the one setting to change. Pure.

A few rules are asked in order; the first that applies decides. Each reads only what the job
measured itself and what it was called with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from geneva.jobs.advice import ADVICE, Seen
from geneva.jobs.explained import Explanation, Limit
from geneva.jobs.explained_end import explained_end
from geneva.jobs.job_status import JobStatus
from geneva.jobs.progress import Progress
from geneva.jobs.record import JobRecord
from geneva.jobs.wording import counted

__all__ = ["Explanation", "Limit", "explained"]

# Before that, a batch that takes long says little.
_LONG_CALL_S = 3.0
# A batch takes so many times as long as those before it: one of its rows is another kind of row.
_MUCH_LONGER = 10.0
_MANY_LOSSES = 2
_DOUBLE = 2
_STAGES = {
    "read": (Limit.READ, "reading rows"),
    "udf": (Limit.UDF, "calling the function"),
    "checkpoint": (Limit.CHECKPOINT, "making rows durable"),
    "write": (Limit.WRITE, "writing column files"),
    "commit": (Limit.COMMIT, "committing"),
}


def explained(record: JobRecord) -> Explanation:
    """Explain a job from its record.

    Examples
    --------
    >>> from datetime import datetime, timezone
    >>> now = Progress("j", "docs", "words", "computing", rows_done=40, rows_total=100, workers=2,
    ...     workers_granted=2, granted_why="2 of 2 that were asked for", rows_per_s=5.0,
    ...     stage_s={"read": 0.4, "udf": 19.6})
    >>> record = JobRecord("j", "docs", "words", JobStatus.RUNNING,
    ...     datetime(2026, 1, 1, tzinfo=timezone.utc), now, config='{"concurrency": 2}')
    >>> found = explained(record)
    >>> found.limit.value, found.setting
    ('the function', 'job.set_concurrency(4)')
    >>> print(found)  # doctest: +NORMALIZE_WHITESPACE
    The job docs.words is computing: 40 of 100 rows are done, by 2 workers at 5.0 rows/s. The
    function limits it: 98 % of its workers' time goes into calling the function. Change
    job.set_concurrency(4): it has 2 of 2 that were asked for.
    """
    seen = Seen(record, record.progress, _config(record.config))
    if record.status.ended:
        return explained_end(record, _slowest(seen))
    for rule in _RULES:
        found = rule(seen)
        if found is not None:
            return found
    raise AssertionError("the last rule always applies")


def _paused(seen: Seen) -> Explanation | None:
    if seen.record.status is not JobStatus.PAUSED:
        return None
    who = seen.record.events[-1].partition(" ")[2] if seen.record.events else "Paused"
    return Explanation(
        f"{_job(seen)} is paused: {_rows(seen.now)}. It has no workers",
        Limit.PAUSED,
        f"{who[:1].lower()}{who[1:]}",
        "job.resume()",
        "it goes on where it was, in any process that reaches the database",
    )


def _pending(seen: Seen) -> Explanation | None:
    if seen.record.status is not JobStatus.PENDING:
        return None
    return Explanation(
        f"{_job(seen)} is submitted, and its driver is starting",
        Limit.STARTING,
        "the cluster starts a process for it",
    )


def _no_place(seen: Seen) -> Explanation | None:
    """At 0 %: not even one worker has a place."""
    now = seen.now
    if now.workers or not now.waiting_for:
        return None
    setting, effect = _who_is_in_the_way(seen)
    return Explanation(
        f"{_doing(seen)} has no worker", Limit.RESOURCES, now.waiting_for, setting, effect
    )


def _who_is_in_the_way(seen: Seen) -> tuple[str, str]:
    waits_for = seen.now.waiting_for
    holder = re.search(r"job (\S+) holds", waits_for)
    if "autoscaler is starting" in waits_for or "is being placed" in waits_for:
        return "", ""
    if holder:
        return f"db.get_job({holder[1]!r}).pause()", "it makes room until you resume it"
    for name in ("num_gpus", "memory", "num_cpus"):
        asked = seen.said("memory_bytes" if name == "memory" else name, 0)
        word = {"num_gpus": "GPU", "memory": "memory", "num_cpus": "CPU"}[name]
        if asked and word in waits_for:
            return f"{name}={asked / 2:g}", "one worker then needs half as much of what is short"
    return "num_cpus=0.5", "one worker then needs less"


def _stalls(seen: Seen) -> Explanation | None:
    at = seen.now.stalls_at
    if not at:
        return None
    if "setting the function up" in at or "loading" in at:
        why = "see what its imports and setup() wait for; a job may wait that long"
        return Explanation(_doing(seen), Limit.SETUP, at, "GENEVA_SETUP_TIMEOUT_S=3600", why)
    limit = Limit.WRITE if "writing" in at or "durable" in at else Limit.READ
    seconds = seen.said("stall_timeout_s", seen.settings.get("stall_timeout_s", 300.0))
    return Explanation(
        _doing(seen),
        limit,
        f"the storage does not answer: {at}",
        f"stall_timeout={2 * seconds:g}",
        "see whether the storage can be reached; if it only is slow, the job may wait that long",
    )


def _slow_row(seen: Seen) -> Explanation | None:
    now = seen.now
    if now.long_call_s < _LONG_CALL_S or not now.rows_done:
        return None
    # What was computed at the side of the row that takes long.
    row_s = now.stage_s.get("udf", 0.0) / now.rows_done
    if now.long_call_s < _MUCH_LONGER * row_s * max(1, now.long_call_rows):
        return None
    allowed_s = seen.said("row_timeout_s", None)
    one = "it is" if now.long_call_rows == 1 else "one of them is"
    why = (
        f"{now.long_call_at} {'has' if now.long_call_rows == 1 else 'have'} been computed for "
        f"{now.long_call_s:.0f} s, where a row takes {_time(row_s)}; {one} slow"
    )
    timeout = f"{max(1.0, _round_up(_MUCH_LONGER * row_s)):g}"
    effect = "with on_error=[Skip(RowTimeoutError)] such rows are left out and the rest goes on"
    if allowed_s is not None:
        effect = f"it is {allowed_s:g} now, after which the row fails"
    return Explanation(_doing(seen), Limit.SLOW_ROW, why, f"row_timeout={timeout}", effect)


def _losses(seen: Seen) -> Explanation | None:
    """Part way: workers die again and again."""
    now = seen.now
    if now.worker_losses < _MANY_LOSSES or not now.last_loss:
        return None
    why = f"{counted(now.worker_losses, 'worker')} were lost, the last one as {now.last_loss}"
    memory = "memory" in now.last_loss
    if memory and now.workers_granted > 1:
        fewer = max(1, now.workers_granted // 2)
        return Explanation(
            _doing(seen),
            Limit.LOST_WORKERS,
            why,
            f"job.set_concurrency({fewer})",
            "fewer of them share the memory",
        )
    if "node" in now.last_loss or "preempted" in now.last_loss:
        every = seen.said("checkpoint_interval_s", 10.0)
        return Explanation(
            _doing(seen),
            Limit.LOST_WORKERS,
            why,
            f"checkpoint_interval_seconds={every / 2:g}",
            "less is computed again after each loss",
        )
    smaller = max(1, int(seen.said("batch_size", 32)) // _DOUBLE)
    if memory:
        return Explanation(
            _doing(seen), Limit.LOST_WORKERS, why, f"batch_size={smaller}", "it holds less at once"
        )
    if now.rows_failed:
        return Explanation(
            _doing(seen),
            Limit.LOST_WORKERS,
            why,
            f"max_errors={_DOUBLE * now.rows_failed}",
            f"{counted(now.rows_failed, 'row')} are left out already; the job ends at so many",
        )
    return Explanation(
        _doing(seen),
        Limit.LOST_WORKERS,
        why,
        "on_error=[Skip(FatalWorkerError)]",
        "rows that end their process are left out and named in table.errors()",
    )


def _fewer_workers(seen: Seen) -> Explanation | None:
    """Part way: it goes on with fewer workers than it may have."""
    now = seen.now
    if not (now.workers and now.workers_waiting and now.waiting_for):
        return None
    if "is being placed" in now.waiting_for:
        return None  # In a moment it has its place.
    return Explanation(
        f"{_doing(seen)} waits for {counted(now.workers_waiting, 'further worker')}",
        Limit.RESOURCES,
        now.waiting_for,
        f"job.set_concurrency({now.workers})",
        "it asks for no more than it has; with more nodes, or less for one worker, all start",
    )


def _starting(seen: Seen) -> Explanation | None:
    now = seen.now
    if any(now.stage_s.values()) and now.workers:
        return None
    why = (
        "it looks at what there is to do"
        if not now.workers_granted
        else f"{counted(now.workers_starting, 'worker')} start, and load and set the function up"
        if not now.workers
        else "its workers set the function up and compute their first batch"
    )
    return Explanation(_doing(seen), Limit.STARTING, why)


def _slowest(seen: Seen) -> Explanation:
    now = seen.now
    slowest = now.slowest_stage or "udf"
    limit, words = _STAGES[slowest]
    total = sum(now.stage_s.values()) or 1.0
    share = f"{100 * now.stage_s.get(slowest, 0.0) / total:.0f} %"
    whose = "the job's" if limit is Limit.COMMIT else "its workers'"
    setting, effect = ADVICE[slowest](seen)
    return Explanation(
        _doing(seen), limit, f"{share} of {whose} time goes into {words}", setting, effect
    )


_RULES: tuple[Callable[[Seen], Explanation | None], ...] = (
    _paused,
    _pending,
    _no_place,
    _stalls,
    _slow_row,
    # What is waited for now counts more than who was lost before.
    _fewer_workers,
    _losses,
    _starting,
    _slowest,
)


def _config(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _job(seen: Seen) -> str:
    return f"The job {seen.now.table_name}.{seen.now.column_name}"


def _rows(now: Progress) -> str:
    return f"{now.rows_done:,} of {counted(now.rows_total, 'row')} are done"


def _doing(seen: Seen) -> str:
    now = seen.now
    if not now.rows_total:
        return f"{_job(seen)} is {now.stage}"
    pace = f" at {now.rows_per_s:,.1f} rows/s" if now.rows_per_s > 0 else ""
    by = f", by {counted(now.workers, 'worker')}{pace}" if now.workers else ""
    return f"{_job(seen)} is {now.stage}: {_rows(now)}{by}"


def _time(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds >= 1 else f"{1000 * seconds:.2g} ms"


def _round_up(seconds: float) -> float:
    return float(-int(-seconds // 1))
