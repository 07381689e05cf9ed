"""One row is run again in the caller's process, as a worker ran it."""

from __future__ import annotations

import io
import pdb  # noqa: T100
import sys
import threading
from datetime import datetime, timedelta, timezone

import pyarrow as pa
import pytest

import geneva
from geneva import errors
from geneva.jobs.progress import Progress
from geneva.jobs.record import JobRecord, JobStatus
from geneva.storage.job_files import JobFiles
from geneva.storage.model import TableLocation


@geneva.udf
def picky(id: int, text: str) -> int:
    words = text.split()
    if id == 40:
        raise ValueError(f"{len(words)} words")
    return len(words)


@pytest.fixture
def table(make_table):
    table = make_table()
    table.add_columns({"out": picky})
    return table


def raised_by(replaying) -> BaseException:
    with pytest.raises(Exception) as caught:
        replaying()
    return caught.value


def test_the_debugger_lands_in_the_function(table):
    error = raised_by(lambda: table.replay("out", 40))
    assert type(error) is ValueError
    said = io.StringIO()
    debugger = pdb.Pdb(stdin=io.StringIO("p id, text, words\nq\n"), stdout=said, nosigint=True)
    debugger.reset()
    debugger.interaction(None, error.__traceback__)
    assert "picky()" in said.getvalue()
    assert "(40, 'w w w w w', ['w', 'w', 'w', 'w', 'w'])" in said.getvalue()


def test_only_the_functions_frames_follow_the_callers(table):
    trace = raised_by(lambda: table.replay("out", 40)).__traceback__
    names = []
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert names[-3:] == ["replay", "replay", "picky"]


def test_a_breakpoint_stops_in_this_thread(make_table, monkeypatch):
    @geneva.udf
    def stops(id: int) -> int:
        breakpoint()  # noqa: T100
        return id

    table = make_table()
    table.add_columns({"out": stops})
    stopped = []

    def hook():
        stopped.append((threading.current_thread(), sys._getframe(1).f_locals["id"]))

    monkeypatch.setattr(sys, "breakpointhook", hook)
    assert table.replay("out", 7) == 7
    assert stopped == [(threading.main_thread(), 7)]


def test_the_value_is_what_the_column_would_hold(table):
    assert table.replay("out", 3) == 3
    table.add_columns({"size": _size, "vector": _vector})
    assert table.replay("size", 41) == 1
    assert table.replay("vector", 2) == [2.0, 3.0]


@geneva.udf(data_type=pa.int64())
class _Size:
    def setup(self) -> None:
        self.ready = True

    def __call__(self, batch: pa.RecordBatch) -> pa.Array:
        assert self.ready
        assert batch.schema.names == ["id", "text"]
        return pa.array([batch.num_rows] * batch.num_rows)


_size = _Size()
_vector = geneva.udf(lambda id: (id, id + 1), data_type=pa.list_(pa.float32(), 2))


def test_a_value_that_does_not_fit_is_said(make_table):
    table = make_table()
    table.add_columns({"out": geneva.udf(lambda id: "x", data_type=pa.int64())})
    with pytest.raises(errors.WrongReturnTypeError, match=r"row 40 .*expected int64, got str 'x'"):
        table.replay("out", 40)


def test_a_row_that_is_not_there(table):
    version = table.version
    table.delete("id = 40")
    for row_id in (40, 10**9):
        with pytest.raises(errors.InvalidArgumentError, match=f"no row {row_id} at version"):
            table.replay("out", row_id)
    for row_id in (-1, "40", None):
        with pytest.raises(errors.InvalidArgumentError, match="row_id="):
            table.replay("out", row_id)
    # It is still there where it was not deleted yet.
    with pytest.raises(ValueError, match="5 words"):
        table.replay("out", 40, read_version=version)


def test_a_job_reads_the_row_as_it_was_when_the_job_ran(table):
    job = table.backfill_async("out", runner="inline")
    failed = raised_by(lambda: job.result(timeout=60))
    assert (type(failed), failed.row_id) == (errors.UDFError, 40)
    table.update("id = 40", {"text": "'one'"})
    table.delete("id = 41")
    with pytest.raises(ValueError, match="5 words"):
        job.replay(failed.row_id)
    assert job.replay(41) == 6


def test_a_job_replays_the_function_that_it_was_given(table):
    other = geneva.udf(lambda id: 1 // (id - 40), data_type=pa.int64())
    job = table.backfill_async("out", udf=other, runner="inline")
    failed = raised_by(lambda: job.result(timeout=60))
    with pytest.raises(ZeroDivisionError):
        job.replay(failed.row_id)


def test_a_version_that_is_gone_is_said(table):
    job = table.backfill_async("out", runner="inline")
    failed = raised_by(lambda: job.result(timeout=60))
    table.update("id = 40", {"text": "'one'"})
    table.optimize(cleanup_older_than=timedelta(milliseconds=1))
    with (
        pytest.warns(UserWarning, match=r"Version \d+ of docs is not there any more"),
        pytest.raises(ValueError, match="1 words"),
    ):
        job.replay(failed.row_id)


def test_a_recorded_job_reads_the_row_and_the_function_as_they_were(db, table):
    version = table.version
    names = ("job-1", "docs", "out")
    record = JobRecord(
        *names, JobStatus.FAILED, datetime.now(timezone.utc), Progress(*names, version=version)
    )
    database = TableLocation(table.uri).database
    JobFiles(database, "job-1").write_record(record.to_json())
    table.alter_columns({"path": "out", "udf": geneva.udf(_other)})
    table.update("id = 40", {"text": "'one'"})
    with pytest.raises(ValueError, match="5 words"):
        db.get_job("job-1").replay(40)
    assert table.replay("out", 40) == -1


def _other(id: int) -> int:
    return -1
