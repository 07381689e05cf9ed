"""Rows that end whoever computes them: found, recorded, and no other row goes with them."""

from __future__ import annotations

import time

import pyarrow as pa
import pytest

import geneva
from geneva import errors
from geneva.config import settings
from tests.conftest import values

ROWS = 3000
SKIP = {"on_error": geneva.skip_on_error()}


def table_of(db, rows: int = ROWS):
    return db.create_table("docs", pa.table({"id": pa.array(range(rows), pa.int64())}))


def fatal(what: dict[int, str]):
    def rows(id: int) -> int:
        import ctypes  # noqa: F401
        import os  # noqa: F401
        import re  # noqa: F401
        import signal  # noqa: F401
        import time  # noqa: F401

        if id in what:
            exec(what[id])
        return id

    return rows


def fatal_batches(what: dict[int, str]):
    one = fatal(what)

    def batches(id: pa.Array) -> pa.Array:
        return pa.array([one(n) for n in id.to_pylist()], pa.int64())

    return batches


def form(by_row: bool, what: dict[int, str], **options):
    function = fatal(what) if by_row else fatal_batches(what)
    return geneva.udf(function, data_type=pa.int64(), **{**SKIP, "batch_size": 1024, **options})


def errors_of(table) -> dict[int, str]:
    found = table.errors("out")
    return dict(zip(found["row_id"].to_pylist(), found["error_type"].to_pylist(), strict=True))


def check(table, lost: set[int], rows: int = ROWS) -> None:
    assert values(table, "out") == {n: None if n in lost else n for n in range(rows)}
    status = table.column_status("out")
    assert (status.fresh, status.failed, status.missing) == (rows - len(lost), len(lost), 0)


HOG = "held = [b'x' * (32 << 20) for _ in range(100)]"


@pytest.mark.parametrize("by_row", [True, False], ids=["rows", "batches"])
def test_all_kinds_of_fatal_rows_are_found_in_one_job(db, by_row):
    table = table_of(db)
    what = {
        100: "raise ValueError('an ordinary error')",
        900: "os.kill(os.getpid(), signal.SIGSEGV)",
        1500: "os._exit(7)",
        2500: HOG,
    }
    table.add_columns({"out": form(by_row, what, memory=200 << 20)})
    result = table.backfill("out", progress=False)
    assert result.columns["out"].rows_skipped == 4
    assert errors_of(table) == {
        100: "ValueError",
        900: "FatalWorkerCrashError",
        1500: "FatalWorkerExitError",
        2500: "FatalWorkerOOMError",
    }
    check(table, set(what))
    [hog] = [row for row in table.errors("out").to_pylist() if row["row_id"] == 2500]
    assert "MiB, more than memory= of the function allows" in hog["error_message"]
    assert hog["inputs"] == "id=2500"
    assert "worker" in hog["worker"]


@pytest.mark.parametrize(
    ("endless", "by_row"),
    [
        ("while True: pass", True),
        ("while True: pass", False),
        # Blocked outside of Python, with and without the interpreter lock.
        ("time.sleep(1000)", False),
        ("re.match('(a+)+$', 'a' * 40 + 'b')", True),
    ],
)
def test_an_endless_row_is_found(db, by_row, endless):
    table = table_of(db, 200)
    table.add_columns({"out": form(by_row, {70: endless}, row_timeout=0.3, batch_size=64)})
    began = time.monotonic()
    table.backfill("out", progress=False)
    assert time.monotonic() - began < 120
    assert errors_of(table) == {70: "RowTimeoutError"}
    check(table, {70}, 200)


def test_a_row_that_catches_everything_does_not_escape(db):
    def stubborn(id: int) -> int:
        while id == 7:
            try:
                while True:
                    pass
            except BaseException:  # noqa: BLE001, S110 - as users write it
                pass
        return id

    table = table_of(db, 50)
    table.add_columns({"out": geneva.udf(stubborn, row_timeout=0.2, **SKIP)})
    table.backfill("out", progress=False)
    assert errors_of(table) == {7: "RowTimeoutError"}


def test_a_slow_call_is_interrupted_here_too(db):
    table = table_of(db, 50)
    table.add_columns({"out": geneva.udf(fatal({7: "while True: pass"}), row_timeout=0.1, **SKIP)})
    table.backfill("out", runner="inline", progress=False)
    [row] = table.errors("out").to_pylist()
    assert row["error_message"] == "the call took longer than row_timeout, which is 0.1 s"
    assert "while True: pass" in row["error_trace"] or "<string>" in row["error_trace"]
    check(table, {7}, 50)


def test_a_batch_that_is_too_large_for_its_memory_is_made_smaller(db):
    def hungry(id: pa.Array) -> pa.Array:
        import time

        held = [b"x" * (2 << 20) for _ in range(len(id))]
        time.sleep(0.2)
        assert held
        return id

    table = table_of(db, 2048)
    hungry_udf = geneva.udf(hungry, data_type=pa.int64(), batch_size=512, memory=400 << 20)
    table.add_columns({"out": hungry_udf})
    table.backfill("out", progress=False, concurrency=1)
    assert table.errors("out").num_rows == 0
    check(table, set(), 2048)


def test_without_a_policy_the_job_ends_and_names_the_row(db):
    table = table_of(db)
    crash = "os.kill(os.getpid(), signal.SIGSEGV)"
    table.add_columns({"out": form(False, {1234: crash}, on_error=None)})
    with pytest.raises(errors.FatalWorkerCrashError, match="signal 11") as caught:
        table.backfill("out", progress=False)
    assert "row 1234, inputs: id=1234" in str(caught.value)
    assert (caught.value.row_id, caught.value.row_offset) == (1234, 1234)
    assert errors_of(table) == {1234: "FatalWorkerCrashError"}
    table.backfill("out", progress=False, on_error=[geneva.Skip(errors.FatalWorkerError)])
    check(table, {1234})


def test_a_policy_may_try_a_fatal_row_again(db, tmp_path):
    once = f"""
import pathlib
seen = pathlib.Path({str(tmp_path)!r}, "seen")
calls = len(seen.read_text()) + 1 if seen.exists() else 1
seen.write_text("x" * calls)
if calls < 4:
    os.kill(os.getpid(), signal.SIGSEGV)
"""
    table = table_of(db, 100)
    again = [geneva.Retry(errors.FatalWorkerCrashError, max_attempts=5)]
    table.add_columns({"out": form(True, {50: once}, on_error=again)})
    table.backfill("out", progress=False)
    assert errors_of(table) == {}
    check(table, set(), 100)


def test_a_function_that_kills_every_worker_does_not_go_on_for_ever(db, monkeypatch, request):
    monkeypatch.setenv("GENEVA_MAX_FATAL_ROWS", "2")
    settings.cache_clear()
    request.addfinalizer(settings.cache_clear)
    table = table_of(db, 100)
    crash = "os._exit(3)"
    table.add_columns({"out": form(True, dict.fromkeys(range(100), crash))})
    with pytest.raises(errors.FatalWorkerExitError, match=r"More than 2 rows of docs\.out end"):
        table.backfill("out", progress=False)
    assert table.errors("out").num_rows == 3


def test_a_fatal_row_that_was_mended_is_computed(db):
    table = table_of(db, 100)
    table.add_columns({"out": form(True, {50: "os._exit(3)"})})
    table.backfill("out", progress=False)
    check(table, {50}, 100)
    table.backfill("out", progress=False, udf=geneva.udf(lambda id: id, data_type=pa.int64()))
    assert values(table, "out") == {n: n for n in range(100)}
