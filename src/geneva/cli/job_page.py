"""Everything about one job, as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from geneva.cli.grid import aligned
from geneva.cli.job_lines import in_short
from geneva.jobs.job_line import JobLine
from geneva.jobs.record import JobRecord
from geneva.progress.wording import STAGE_NAMES, amount, duration, percent, workers

# Of a record's config: what is not an argument, or said elsewhere.
_INTERNAL = {"settings", "failure_rules", "column"}
_WHOLE = 100


def as_json(record: JobRecord) -> str:
    """Return a record with its metrics and arguments as JSON."""
    values = json.loads(record.to_json())
    values["config"] = json.loads(record.config)
    names = ("name", "n", "total", "done", "desc")
    values["metrics"] = [{n: getattr(one, n) for n in names} for one in record.metrics]
    return json.dumps(values, indent=2)


def as_text(record: JobRecord) -> str:
    """Return everything that is recorded of a job, the error with its traceback at the end."""
    lines = [f"Job {record.job_id}: {JobLine.of(record).target} is {record.status.value}"]
    lines += [f"  {name:<10}{text}" for name, text in _facts(record) if text]
    lines += ["", "Metrics", *("  " + line for line in _metrics(record))]
    lines += ["", "Events", *("  " + event for event in record.events)]
    if record.error is not None:
        lines += ["", f"{record.error.kind}: {record.error.message}"]
        lines += [f"  | {line}" for line in record.error.traceback.splitlines()]
    return "\n".join(lines)


def _facts(record: JobRecord) -> Iterator[tuple[str, str]]:
    now, line = record.progress, JobLine.of(record)
    yield "function", f"{record.udf_name} {record.udf_version[:12]}"
    yield "reads", ", ".join(record.input_columns)
    yield "computes", ", ".join(record.output_columns)
    yield "began", f"{record.launched_at:%Y-%m-%d %H:%M:%S} UTC, by {record.launched_by}"
    if record.completed_at is not None:
        yield "ended", f"{record.completed_at:%Y-%m-%d %H:%M:%S} UTC"
    yield "took", duration(line.took_s)
    yield "where", f"{line.where}, runner {record.runner}"
    failed = f", {now.rows_failed:,} failed" if now.rows_failed else ""
    share = percent(now.rows_done, now.rows_total)
    rows = f"{amount(now.rows_done, now.rows_total, 'row')} ({share}){failed}"
    yield "rows", f"{rows}, {now.rows_committed:,} committed"
    yield "fragments", amount(now.fragments_done, now.fragments_total, "fragment")
    yield "versions", ", ".join(map(str, record.versions))
    if now.workers_granted:
        why = f" ({now.granted_why})" if now.granted_why else ""
        yield "workers", workers(now) + why
    yield "time in", stage_times(now.stage_s)
    yield "waits for", now.waiting_for or now.stalls_at
    yield "arguments", _arguments(json.loads(record.config))


def stage_times(stage_s: Mapping[str, float]) -> str:
    """Write where the workers' time went.

    Examples
    --------
    >>> stage_times({"read": 0.21, "udf": 3.1, "write": 0})
    'reading 0.2 s, the function 3.1 s'
    """
    named = ((STAGE_NAMES.get(stage, stage), seconds) for stage, seconds in stage_s.items())
    return ", ".join(f"{name} {duration(seconds)}" for name, seconds in named if seconds)


def _arguments(config: Mapping[str, Any]) -> str:
    given = {name: value for name, value in config.items() if name not in _INTERNAL}
    return ", ".join(
        f"{name}={value}" for name, value in given.items() if value not in (None, False, "", [])
    )


def _metrics(record: JobRecord) -> list[str]:
    rows = [
        (one.name, _number(one.n), "" if one.total is None else _number(one.total), one.desc)
        for one in record.metrics
    ]
    return aligned([("name", "n", "of", ""), *rows], numbers=(1, 2)).splitlines()


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= _WHOLE or float(value).is_integer() else f"{value:.3g}"


def steered(record: JobRecord, what: str, *, as_json: bool) -> str:
    """Say what was done with a job."""
    if as_json:
        return json.dumps(in_short(record), indent=2)
    return f"Job {record.job_id} {what}; it is {record.status.value}."
