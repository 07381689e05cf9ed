"""Everything about one job, as text."""

from __future__ import annotations

import json

from geneva.cli.grid import aligned
from geneva.cli.job_lines import in_short
from geneva.jobs.facts import facts_of, number
from geneva.jobs.job_line import JobLine
from geneva.jobs.record import JobRecord


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
    lines += [f"  {name:<10}{text}" for name, text in facts_of(record)]
    if record.progress.plan:
        lines += ["", "Plan", *("  " + line for line in record.progress.plan.splitlines())]
    lines += ["", "Metrics", *("  " + line for line in _metrics(record))]
    lines += ["", "Events", *("  " + event for event in record.events)]
    if record.error is not None:
        lines += ["", str(record.error)]
        lines += [f"  | {line}" for line in record.error.traceback.splitlines()]
    return "\n".join(lines)


def _metrics(record: JobRecord) -> list[str]:
    rows = [
        (one.name, number(one.n), "" if one.total is None else number(one.total), one.desc)
        for one in record.metrics
    ]
    return aligned([("name", "n", "of", ""), *rows], numbers=(1, 2)).splitlines()


def steered(record: JobRecord, what: str, *, as_json: bool) -> str:
    """Say what was done with a job."""
    if as_json:
        return json.dumps(in_short(record), indent=2)
    return f"Job {record.job_id} {what}; it is {record.status.value}."
