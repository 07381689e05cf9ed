"""Rows that end the actor that computes them: found, recorded, and no other row goes with them."""

from __future__ import annotations

import pyarrow as pa
import pytest

import geneva
from tests.conftest import values
from tests.faults.test_fatal_rows import fatal, fatal_batches

ROWS = 200
CRASH = "ctypes.string_at(0)"
EXIT = "os._exit(7)"
HOG = "held = [b'x' * (32 << 20) for _ in range(100)]"
LOOP = "while True: pass"
# It holds the interpreter, so its worker can do nothing about it.
STUCK = "re.match('(a+)+$', 'a' * 40 + 'b')"


@pytest.fixture
def computed(db, local_ray):
    def compute(function, **options):
        table = db.create_table("docs", pa.table({"id": pa.array(range(ROWS), pa.int64())}))
        udf = geneva.udf(
            function,
            data_type=pa.int64(),
            on_error=geneva.skip_on_error(),
            memory=200 << 20,
            **options,
        )
        table.add_columns({"out": udf})
        table.backfill("out", runner="ray", concurrency=1, progress=False)
        found = table.errors("out").to_pylist()
        lost = {row["row_id"] for row in found}
        assert values(table, "out") == {n: None if n in lost else n for n in range(ROWS)}
        status = table.column_status("out")
        assert (status.fresh, status.failed) == (ROWS - len(lost), len(lost))
        return {row["row_id"]: row for row in found}

    return compute


def test_all_kinds_of_fatal_rows_are_found_in_one_job(computed):
    what = {30: "raise ValueError('ordinary')", 60: CRASH, 90: LOOP, 120: EXIT, 150: HOG}
    found = computed(fatal(what), batch_size=64, row_timeout=2)
    assert {row: error["error_type"] for row, error in found.items()} == {
        30: "ValueError",
        60: "FatalWorkerCrashError",
        90: "RowTimeoutError",
        120: "FatalWorkerExitError",
        150: "FatalWorkerOOMError",
    }
    assert "crashed with signal 11" in found[60]["error_message"]
    # Nobody knows how it ended, and anybody may end an actor: it was alone with three.
    assert (found[60]["attempt"], found[120]["attempt"], found[150]["attempt"]) == (1, 3, 1)
    assert "lost 3 times while computing row offset 120" in found[120]["error_message"]
    assert "MiB, more than memory= of the function allows" in found[150]["error_message"]
    assert all("applier-" in found[row]["worker"] for row in what), found
    assert found[150]["inputs"] == "id=150"


@pytest.mark.long
def test_fatal_rows_of_a_batch_function_are_found(computed):
    what = {60: CRASH, 110: STUCK}
    found = computed(fatal_batches(what), batch_size=16, row_timeout=0.5)
    assert {row: error["error_type"] for row, error in found.items()} == {
        60: "FatalWorkerCrashError",
        110: "RowTimeoutError",
    }
    assert [error["attempt"] for error in found.values()] == [1, 1]
    assert "row offset 110 of fragment 0 alone" in found[110]["error_message"]
