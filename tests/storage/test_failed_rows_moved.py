"""Rows that failed stay failed, with what went wrong, while others change the table."""

from __future__ import annotations

import lance
import pyarrow as pa
import pytest

import geneva
from tests.storage.test_conflicts import meanwhile  # noqa: F401 - a fixture

BAD = {3, 17, 25}
CALL = {"runner": "inline", "progress": False}


@geneva.udf(on_error=geneva.skip_on_error())
def picky(x: int) -> int:
    if x in (3, 17, 25):
        raise ValueError(f"{x} is bad")
    return 10 * x


@pytest.fixture(params=["stable", "unstable"])
def table(request, db):
    options = {"new_table_enable_stable_row_ids": str(request.param == "stable").lower()}
    batches = [pa.table({"x": range(i, i + 10)}) for i in range(0, 40, 10)]
    table = db.create_table("numbers", batches[0], storage_options=options)
    for batch in batches[1:]:
        table.add(batch)
    table.add_columns({"out": picky})
    return table


def compact(table) -> None:
    lance.dataset(table.uri, storage_options=table._location.options).optimize.compact_files(
        target_rows_per_fragment=1000, materialize_deletions_threshold=0.0
    )


def failed(table) -> dict[int, str]:
    """Return what went wrong by the row's input, as it is at the place that the entry names."""
    rows = table.errors("out")
    inputs = lance.dataset(table.uri, storage_options=table._location.options).to_table(
        columns=["x"], with_row_address=True
    )
    at = dict(zip(inputs["_rowaddr"].to_pylist(), inputs["x"].to_pylist(), strict=True))
    pairs = zip(rows["row_address"].to_pylist(), rows["error_message"].to_pylist(), strict=True)
    return {at[address]: message for address, message in pairs}


def said(*numbers: int) -> dict[int, str]:
    return {n: f"{n} is bad" for n in numbers}


def test_a_compaction_keeps_what_went_wrong_with_each_row(table):
    table.backfill("out", **CALL)
    table.delete("x < 3")
    compact(table)
    assert failed(table) == said(*BAD)
    assert table.column_status("out").failed == 3
    # It is noted for when the versions that tell it are gone.
    table.optimize()
    assert failed(table) == said(*BAD)
    table.delete("x = 17")
    assert failed(table) == said(3, 25)


def test_a_row_that_is_computed_after_a_compaction_leaves_the_others_failed(table):
    table.backfill("out", **CALL)
    compact(table)
    table.add(pa.table({"x": [100]}))
    compact(table)
    assert table.column_status("out").missing == 1
    table.backfill("out", where="x = 100", **CALL)
    status = table.column_status("out")
    assert (status.failed, status.missing, status.fresh) == (3, 0, 38)
    # Where rows have no stable ids, only that they failed is known after both.
    assert table.errors("out").num_rows == 3
    table.backfill("out", only="errors", **CALL)
    assert failed(table) == said(*BAD)


def test_a_compaction_while_the_job_runs(table, meanwhile):  # noqa: F811
    happened = meanwhile(lambda: compact(table))
    table.backfill("out", **CALL)
    assert happened
    status = table.column_status("out")
    assert (status.failed, status.missing, status.fresh) == (3, 0, 37)
    assert table.errors("out").num_rows == 3
    assert set(table.plan_backfill("out").why) == {"failed in earlier calls"}
    table.backfill("out", only="errors", **CALL)
    assert failed(table) == said(*BAD)


def test_an_update_makes_a_failed_row_new(table):
    table.backfill("out", **CALL)
    table.update(where="x = 17", values={"x": 50})
    table.backfill("out", **CALL)
    status = table.column_status("out")
    assert (status.failed, status.fresh) == (2, 38)
    assert failed(table) == said(3, 25)
