"""A job of several columns: what its columns share, and when it ends early."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pyarrow as pa
import pytest

from geneva.errors import JobCancelledError
from geneva.jobs.progress import Progress
from geneva.jobs.result import BackfillJobResult, UdfResult
from geneva.jobs.spec import BackfillArguments
from geneva.pipeline.backfill_job import BackfillJob
from geneva.pipeline.driver import StopSignal
from geneva.pipeline.passes import run_passes
from geneva.storage.model import ComputedColumn, TableLocation

COLUMNS = [
    ComputedColumn(name, i, pa.int64(), False, f"f_{name}", "1", "", (reads,))
    for i, (name, reads) in enumerate([("a", "id"), ("b", "a"), ("c", "b")])
]


def job(**arguments) -> BackfillJob:
    first, *then = COLUMNS
    spec = BackfillArguments(**arguments)
    return BackfillJob("job", TableLocation("/db/docs.lance"), first, spec, then=tuple(then))


def result_of(one: BackfillJob, number: int) -> BackfillJobResult:
    column = one.column
    return BackfillJobResult(
        job_id=one.job_id,
        status="DONE",
        table_name="docs",
        launched_at=datetime(2026, 1, number, tzinfo=timezone.utc),
        completed_at=datetime(2026, 2, number, tzinfo=timezone.utc),
        columns={column.name: UdfResult(column.udf_name, "1", rows_processed=number)},
        version=10 + number,
        concurrency=4 - number,
        metrics={"rows_committed": number, "peak_memory_bytes": 100 - number},
    )


@pytest.mark.parametrize("timeout", [5, timedelta(seconds=5), None])
def test_the_timeout_is_that_of_all_columns(timeout):
    given = []

    def run(one, show):
        given.append(one.arguments.timeout)
        time.sleep(0.02)
        return result_of(one, len(given))

    run_passes(job(timeout=timeout), lambda _: None, StopSignal(), run)
    assert given[0] == timeout
    if timeout is None:
        assert given == [None] * 3
    else:
        assert 0 < given[2] <= given[1] - 0.02 <= 5 - 0.04


def test_no_column_begins_after_a_stop():
    stop, begun = StopSignal(), []

    def run(one, show):
        begun.append(one.column.name)
        if one.column.name == "b":
            stop.ask(JobCancelledError("enough"))
        return result_of(one, 1)

    with pytest.raises(JobCancelledError, match="enough"):
        run_passes(job(), lambda _: None, stop, run)
    assert begun == ["a", "b"]


def test_the_result_and_the_end_are_those_of_all():
    seen = []

    def run(one, show):
        name = one.column.name
        assert one.columns == (one.column,)
        show(Progress(one.job_id, "docs", name, stage="done", finished=True))
        return result_of(one, "abc".index(name) + 1)

    found = run_passes(job(), seen.append, StopSignal(), run)
    assert [(one.column_name, one.finished) for one in seen] == [
        ("a", False),
        ("b", False),
        ("c", False),
        ("c", True),
    ]
    assert {name: done.rows_processed for name, done in found.columns.items()} == {
        "a": 1,
        "b": 2,
        "c": 3,
    }
    assert (found.launched_at.day, found.completed_at.day) == (1, 3)
    assert (found.version, found.concurrency) == (13, 3)
    assert found.metrics == {"rows_committed": 6, "peak_memory_bytes": 99}
    assert str(found).splitlines()[1].startswith("docs.b: 2 rows by f_b")


def test_an_error_ends_the_job_for_who_watches():
    seen = []

    def run(one, show):
        show(Progress(one.job_id, "docs", one.column.name, stage="stopped", finished=True))
        raise JobCancelledError("enough")

    with pytest.raises(JobCancelledError):
        run_passes(job(), seen.append, StopSignal(), run)
    assert [one.finished for one in seen] == [True]
