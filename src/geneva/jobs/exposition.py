"""What Prometheus reads of jobs: its text exposition format, version 0.0.4. Pure.

Everything is a gauge: rows that are computed become fewer when a worker is lost or a fragment is
outdated, which a counter must not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from geneva.jobs.metrics import job_metrics
from geneva.jobs.progress import Progress

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX = "geneva_job_"
# Times are told in seconds, by stage; one number is not told under two names.
_ELSEWHERE = {
    "read_io_time_ms",
    "udf_processing_time",
    "batch_checkpointing_time",
    "writer_write_time",
    "commit_time_ms",
    "cnt_geneva_workers_active",
}
_RENAMED = {"cnt_geneva_workers_pending": "workers_pending"}
_STAGES = ("read", "udf", "checkpoint", "write", "commit")


@dataclass(frozen=True, slots=True)
class _Sample:
    name: str
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


def exposed_metrics(jobs: Sequence[Progress]) -> str:
    r"""Return the metrics of jobs as Prometheus reads them.

    Parameters
    ----------
    jobs
        The newest progress of each column of each job.

    Examples
    --------
    >>> now = Progress("j1", "docs", "words", rows_done=40, rows_total=100)
    >>> print("\n".join(exposed_metrics([now]).splitlines()[:3]))
    # HELP geneva_job_rows_checkpointed Rows computed.
    # TYPE geneva_job_rows_checkpointed gauge
    geneva_job_rows_checkpointed{job_id="j1",table="docs",column="words"} 40
    """
    families: dict[str, list[str]] = {}
    for now in jobs:
        of = (("job_id", now.job_id), ("table", now.table_name), ("column", now.column_name))
        for sample in _samples(now):
            name = f"{_PREFIX}{sample.name}"
            head = [f"# HELP {name} {sample.help}", f"# TYPE {name} gauge"]
            lines = families.setdefault(name, head)
            lines.append(f"{name}{{{_labels((*of, *sample.labels))}}} {_number(sample.value)}")
    return "".join(f"{line}\n" for lines in families.values() for line in lines)


def metric_names() -> list[str]:
    """Return the names of all metrics."""
    return [f"{_PREFIX}{name}" for name in dict.fromkeys(s.name for s in _samples(_NOTHING))]


def _samples(now: Progress) -> Iterator[_Sample]:
    for metric in job_metrics(now):
        if metric.name in _ELSEWHERE:
            continue
        name = _RENAMED.get(metric.name, metric.name)
        yield _Sample(name, f"{metric.desc}.", metric.n)
        if metric.total is not None:
            yield _Sample(f"{name}_expected", f"{metric.desc}, at most.", metric.total)
    for stage in _STAGES:
        seconds = now.stage_s.get(stage, 0.0)
        text = "Seconds spent in a stage, summed over workers."
        yield _Sample("stage_seconds", text, seconds, (("stage", stage),))
    yield _Sample("rows_per_second", "Rows computed per second, recently.", now.rows_per_s)
    yield _Sample("elapsed_seconds", "Seconds since the job began.", now.elapsed_s)
    yield _Sample("running", "1 while the job runs, 0 when it has ended.", float(not now.finished))


def _labels(labels: Iterable[tuple[str, str]]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


_NOTHING = Progress("", "", "")
