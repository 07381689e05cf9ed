"""What a job returns when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import attrs

from geneva.resources.memory import suggested_memory

_PEAK = "peak_memory_bytes"


@attrs.frozen
class UdfResult:
    """What was done for one column.

    Attributes
    ----------
    udf_name, udf_version : str
        The function.
    rows_processed : int
        Rows computed by this job.
    rows_skipped : int
        Rows that failed and were skipped; ``Table.errors()`` says why.
    input_columns : list of str
        Columns that the function read.
    """

    udf_name: str
    udf_version: str
    rows_processed: int = 0
    rows_skipped: int = 0
    input_columns: list[str] = attrs.field(factory=list)


@attrs.frozen
class JobResult:
    """How a job ended.

    Attributes
    ----------
    job_id : str
        The job.
    status : str
        "DONE"; every other end raises.
    table_name : str
        The table.
    launched_at, completed_at : datetime
        When it began and ended, in UTC.
    """

    job_id: str
    status: str
    table_name: str
    launched_at: datetime
    completed_at: datetime


@attrs.frozen
class BackfillJobResult(JobResult):
    """How a backfill ended.

    Attributes
    ----------
    columns : dict of str to UdfResult
        What was done, by column.
    version : int
        Version of the table that holds the values.
    concurrency : int
        Workers that were allowed at once.
    metrics : dict of str to float
        What was counted and measured.
    """

    columns: dict[str, UdfResult] = attrs.field(factory=dict)
    version: int = 0
    concurrency: int = 0
    metrics: dict[str, float] = attrs.field(factory=dict, repr=False)

    @property
    def memory_suggestion(self) -> int:
        """What to say as ``memory=`` for the function, in bytes; 0 where nothing was measured.

        A fifth more than the most that one applier has held. Examples are in the guide.
        """
        return suggested_memory(int(self.metrics.get(_PEAK, 0)))

    def __str__(self) -> str:
        seconds = (self.completed_at - self.launched_at).total_seconds()
        return "\n".join(
            f"{self.table_name}.{name}: {done.rows_processed:,} rows by {done.udf_name} in "
            f"{seconds:.1f} s, version {self.version}"
            + (f"; {done.rows_skipped:,} rows failed" if done.rows_skipped else "")
            for name, done in self.columns.items()
        )

    def _repr_html_(self) -> str:
        from geneva.jobs.shown.job import result_html

        return result_html(self)


def combined(results: Sequence[BackfillJobResult]) -> BackfillJobResult:
    """Return the result of a job that computed several columns, from those of each in order.

    Metrics are summed, but for the memory of a worker, of which the most counts.
    """
    first, last = results[0], results[-1]
    if len(results) == 1:
        return first
    metrics: dict[str, float] = {}
    for one in results:
        for name, number in one.metrics.items():
            most = name == _PEAK and max(metrics.get(name, 0), number)
            metrics[name] = most or metrics.get(name, 0) + number
    columns: dict[str, UdfResult] = {}
    for one in results:
        for name, done in one.columns.items():
            rows = columns[name].rows_processed if name in columns else 0
            columns[name] = attrs.evolve(done, rows_processed=rows + done.rows_processed)
    return attrs.evolve(
        last,
        launched_at=first.launched_at,
        columns=columns,
        concurrency=max(one.concurrency for one in results),
        metrics=metrics,
    )
