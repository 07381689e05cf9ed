"""Backfills of several columns: each after those that it is computed from, in one job."""

from __future__ import annotations

import time
import warnings
from typing import NamedTuple

import pyarrow as pa
import pytest

import geneva
from geneva import errors
from geneva.config import settings
from geneva.job import run_job
from geneva.jobs.spec import BackfillArguments
from geneva.pipeline.backfill_job import BackfillJob
from geneva.pipeline.local_record import LocalRecord
from geneva.storage.definitions import computed_column
from tests.conftest import values


@geneva.udf
def a(id: int) -> int:
    return id + 1


@geneva.udf
def b(a: int | None) -> int | None:
    return None if a is None else 10 * a


@geneva.udf
def c(b: int | None, id: int) -> int | None:
    return None if b is None else b + id


class Ends(NamedTuple):
    first: int
    last: int


@geneva.udf
def ends(b: int | None, text: str) -> geneva.Columns[Ends]:
    return Ends((b or 0) % 7, len(text))


@geneva.udf
def spread(first: int | None, last: int | None) -> int:
    return (first or 0) - (last or 0)


@pytest.fixture
def chain(make_table):
    """Make a table in which c is computed from b and b from a."""

    def make(*sizes: int):
        table = make_table(*sizes)
        for name, function in (("a", a), ("b", b), ("c", c)):
            table.add_columns({name: function})
        return table

    return make


def backfill(table, columns=None, runner="inline", **kwargs):
    return table.backfill(columns, runner=runner, progress=False, **kwargs)


def right(i: int) -> int:
    return 10 * (i + 1) + i


@pytest.mark.same_on_ray
def test_columns_are_computed_after_what_they_read(chain, runner):
    table = chain(100, 40)
    result = backfill(table, ["c", "a", "b", "a"], runner, job_id="all-of-them")
    assert values(table, "c") == {i: right(i) for i in range(100)}
    assert list(result.columns) == ["a", "b", "c"]
    assert [done.rows_processed for done in result.columns.values()] == [100, 100, 100]
    assert (result.job_id, result.status) == ("all-of-them", "DONE")
    assert result.metrics["rows_committed"] == 300
    assert result.completed_at >= result.launched_at
    again = backfill(table, ["b", "c"], runner)
    assert [done.rows_processed for done in again.columns.values()] == [0, 0]


@pytest.mark.same_on_ray
def test_everything_that_is_not_up_to_date(chain, runner):
    table = chain(100, 40)
    table.add_columns(ends)
    table.add_columns({"spread": spread})
    assert list(backfill(table, runner=runner).columns) == [
        "a",
        "b",
        "c",
        "first",
        "last",
        "spread",
    ]
    assert values(table, "spread") == {
        i: 10 * (i + 1) % 7 - max(0, 2 * (i % 7) - 1) for i in range(100)
    }
    version = backfill(table, runner=runner).version
    assert version == backfill(table, runner=runner).version
    # What is computed from b is computed again with it, a is not looked at.
    table.alter_columns({"path": "b", "udf": geneva.udf(lambda a: a, data_type=pa.int64())})
    result = backfill(table, runner=runner)
    assert list(result.columns) == ["b", "c", "first", "last", "spread"]
    assert values(table, "c") == {i: 2 * i + 1 for i in range(100)}
    assert not table.plan_backfill().has_work
    table.add([{"id": 1000, "text": ""}])
    result = backfill(table, runner=runner)
    assert {done.rows_processed for done in result.columns.values()} == {1}
    assert values(table, "c")[1000] == 2001


def test_what_is_up_to_date_costs_nothing(chain):
    table = chain(20, 20)
    backfill(table)
    found = backfill(table)
    assert sum(done.rows_processed for done in found.columns.values()) == 0
    table.add_columns({"d": geneva.udf(lambda id: id, data_type=pa.int64())})
    assert list(backfill(table).columns) == ["d"]


def test_a_plan_of_several(chain):
    table = chain(100, 40)
    plans = table.plan_backfill(["b", "a"], where="id < 10")
    assert [plan.column_name for plan in plans] == ["a", "b"]
    assert (len(plans), plans.total_rows_pending, plans["b"].total_rows_pending) == (2, 20, 10)
    words = str(table.plan_backfill())
    assert words.index("docs.a") < words.index("docs.b") < words.index("docs.c")
    assert "  after             b, and what changes there" in words
    assert "after" not in str(table.plan_backfill(["c"]))
    backfill(table)
    assert not table.plan_backfill(["a", "b"]).has_work
    assert table.plan_backfill("a").column_name == "a"


@pytest.mark.same_on_ray
def test_a_stale_input_that_was_not_asked_for_is_said(chain, runner):
    table = chain(30, 30)
    with pytest.warns(UserWarning, match=r"stale: 'a' \(30 rows\)\. backfill\(\['a', 'b'\]\)"):
        backfill(table, "b", runner)
    assert set(values(table, "b").values()) == {None}
    backfill(table, "a", runner, where="id < 10")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Of these rows all is there.
        backfill(table, ["b"], runner, where="id < 10")
    with pytest.warns(UserWarning, match="computed from columns") as said:
        backfill(table, "c", runner)
    stale = "rows are missing or stale: 'a' (20 rows), 'b' (20 rows)"
    assert [stale in str(one.message) for one in said] == [True]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        backfill(table, None, runner)
    assert values(table, "c") == {i: right(i) for i in range(30)}


def test_a_circle_is_refused_with_its_path(chain):
    table = chain(10, 10)
    with pytest.raises(
        errors.InvalidArgumentError, match="a reads c, which reads b, which reads a"
    ):
        table.alter_columns({"path": "a", "udf": a, "input_columns": ["c"]})
    # An ordinary column that would be computed from what is computed from it.
    with pytest.raises(errors.InvalidArgumentError, match="computed from itself"):
        table.alter_columns({"path": "id", "udf": a, "input_columns": ["c"]})
    table.add_columns(ends)
    with pytest.raises(errors.InvalidArgumentError, match="first reads first"):
        table.alter_columns({"path": "last", "udf": ends, "input_columns": ["first", "text"]})
    # As another program may leave it.
    table.to_lance().update_field_metadata({"a": {"virtual_column.udf_inputs": '["c"]'}})
    for begin in (table.backfill, table.backfill_async, table.plan_backfill):
        with pytest.raises(errors.InvalidArgumentError, match="a reads c, which reads b"):
            begin()


def test_arguments_that_do_not_go_with_several(chain):
    table = chain(10, 10)
    with pytest.raises(errors.InvalidArgumentError, match="udf= is for one column"):
        backfill(table, ["a", "b"], udf=a)
    with pytest.raises(errors.InvalidArgumentError, match="names no column"):
        backfill(table, [])
    with pytest.raises(errors.ColumnNotFoundError, match="'nothing' is not defined"):
        backfill(table, ["a", "nothing"])
    with pytest.raises(errors.NotComputedError, match="ordinary column"):
        backfill(table, ["a", "id"])


def test_a_table_without_computed_columns(make_table):
    with pytest.raises(errors.NotComputedError, match="no computed columns"):
        backfill(make_table(10, 10))


@pytest.mark.same_on_ray
def test_an_error_ends_the_job_and_keeps_what_was_computed(chain, runner):
    @geneva.udf
    def fails(a: int) -> int:
        return 1 // (a - 15)

    table = chain(30, 30)
    table.alter_columns({"path": "b", "udf": fails})
    with pytest.raises(errors.UDFError, match=r"docs\.b"):
        backfill(table, None, runner)
    assert values(table, "a") == {i: i + 1 for i in range(30)}
    assert set(values(table, "c").values()) == {None}
    table.alter_columns({"path": "b", "udf": b})
    assert list(backfill(table, None, runner).columns) == ["b", "c"]
    assert values(table, "c") == {i: right(i) for i in range(30)}


@pytest.mark.same_on_ray
def test_in_the_background(chain, runner):
    table = chain(60, 30)
    job = table.backfill_async(["c", "b", "a"], runner=runner)
    assert job.column_names == ["a", "b", "c"]
    result = job.result(timeout=60)
    assert list(result.columns) == ["a", "b", "c"]
    assert job.status().finished
    assert values(table, "c") == {i: right(i) for i in range(60)}
    assert table.backfill_async(runner=runner).result(timeout=60).status == "DONE"


@geneva.udf
def slow(id: int) -> int:
    time.sleep(0.01)
    return id


def test_a_cancel_ends_all_columns(make_table):
    table = make_table(200, 200)
    table.add_columns({"x": slow, "y": slow})
    job = table.backfill_async(["x", "y"], runner="process", batch_size=4)
    while not job.status().rows_done:
        time.sleep(0.005)
    job.cancel()
    with pytest.raises(errors.JobCancelledError):
        job.result(timeout=30)
    assert set(values(table, "y").values()) == {None}


@pytest.mark.parametrize("kind", ["inline", "process"])
def test_each_column_has_a_line_of_its_own(chain, capfd, kind):
    table = chain(30, 30)
    table.backfill(runner=kind)
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("geneva:")]
    assert [line.partition(" done, 30 rows")[0] for line in lines] == [
        "geneva: docs.a",
        "geneva: docs.b",
        "geneva: docs.c",
    ]


def test_a_job_that_goes_on_is_not_finished_between_columns(chain):
    table = chain(30, 30)
    first, *then = (computed_column(table.to_lance(), name) for name in "abc")
    job = BackfillJob("job", table._location, first, BackfillArguments(), then=tuple(then))
    seen = []
    recorded = LocalRecord(job, settings(), "inline")
    recorded.journal.show = seen.append
    run_job(job, runner="inline", progress=False, recorded=recorded)
    ends_seen = [(one.column_name, one.finished) for one in seen if one.stage == "done"]
    assert ends_seen == [("a", False), ("b", False), ("c", False), ("c", True)]
