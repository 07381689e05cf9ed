"""Jobs and those who look at them are different processes, and some of them die."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import psutil
import pyarrow as pa
import pytest

import geneva
from geneva import errors
from geneva.jobs.record import JobRecord
from geneva.storage.job_files import JobFiles
from tests.faults.test_processes import SLOW, program, wait_until, workers_of

CALL = """
    table = geneva.connect(sys.argv[1]).open_table("docs")
    table.add_columns({"out": slow})
    table.backfill("out", progress=False, concurrency=2, job_id="seen")
"""


@pytest.fixture
def running(db, make_table, tmp_path):
    """A job of another process that has computed some rows, and that process."""
    make_table(4_000, 1_000)
    child = subprocess.Popen(program(tmp_path, SLOW + CALL), stderr=subprocess.PIPE, text=True)

    def computes() -> bool:
        assert child.poll() is None, child.stderr.read()
        return any(job.progress.rows_done for job in db.list_jobs())

    try:
        wait_until(computes)
        yield db.get_job("seen"), psutil.Process(child.pid), child
    finally:
        child.kill()
        child.communicate()


def test_a_job_is_cancelled_from_another_process(db, running):
    job, process, child = running
    workers = workers_of(process)
    assert workers
    assert (job.record().status, job.record().driver.pid) == ("RUNNING", child.pid)
    assert not job.done()
    began = time.monotonic()
    job.cancel()
    assert job.wait(10)
    _, error = child.communicate(timeout=10)
    assert time.monotonic() - began < 5
    assert "JobCancelledError: Job seen was cancelled" in error
    assert not any(worker.is_running() for worker in workers)
    with pytest.raises(errors.JobCancelledError, match="kept"):
        job.result()
    assert job.record().status == "CANCELLED"
    kept = job.status().rows_done
    assert 0 < kept < 4_000
    assert db.open_table("docs").plan_backfill("out").total_rows_pending == 4_000 - kept


def test_ctrl_c_is_recorded(db, running):
    job, process, child = running
    workers = workers_of(process)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, error = child.communicate(timeout=10)
    assert time.monotonic() - began < 2
    assert error.rstrip().endswith("KeyboardInterrupt")
    assert not any(worker.is_running() for worker in workers)
    record = job.record()
    assert (record.status, record.error.kind) == ("CANCELLED", "JobCancelledError")
    assert "Ctrl-C" in record.error.message
    pending = db.open_table("docs").plan_backfill("out").total_rows_pending
    assert pending == 4_000 - record.progress.rows_done < 4_000


def test_a_driver_that_was_killed_is_noticed_at_once(db, running):
    job, _, child = running
    child.kill()
    child.wait()
    began = time.monotonic()
    (record,) = db.list_jobs()
    assert (record.status, record.error.kind) == ("FAILED", "DriverLostError")
    assert f"process {child.pid} on" in record.error.message
    assert db.list_jobs(status="RUNNING") == []
    with pytest.raises(errors.DriverLostError, match="new backfill goes on"):
        job.result(timeout=10)
    assert job.done()
    assert time.monotonic() - began < 1
    # Nothing is left that a later job would stumble over.
    result = db.open_table("docs").backfill("out", progress=False, where="id < 40", job_id="seen")
    assert db.get_job("seen").result() == result


def test_a_driver_on_another_machine_is_watched(db, running):
    job, *_ = running
    files = JobFiles(db.open_table("docs")._location.database, "elsewhere")
    there = replace(job.record(), job_id="elsewhere", driver=None)
    heard = datetime.now(timezone.utc)

    def recorded(silent_s: float) -> JobRecord:
        at = replace(there, updated_at=heard - timedelta(seconds=silent_s))
        files.write_record(at.to_json())
        return next(job for job in db.list_jobs() if job.job_id == "elsewhere")

    assert recorded(silent_s=20).status == "RUNNING"
    began = time.monotonic()
    assert recorded(silent_s=40).status == "FAILED"
    assert 3 <= time.monotonic() - began < 5
    assert recorded(silent_s=8_000).status == "FAILED"
    with pytest.raises(errors.DriverLostError, match="nothing has been heard of it since"):
        db.get_job("elsewhere").result(timeout=10)


def test_records_that_cannot_be_written_fail_no_job(db, make_table, recwarn, tmp_path):
    table = make_table(100, 25)
    (tmp_path / "db" / "_geneva").write_text("where a folder should be")
    table.add_columns({"out": geneva.udf(abs, data_type=pa.int64(), input_columns=["id"])})
    for runner in ("inline", "process", "inline"):
        result = table.backfill("out", runner=runner, progress=False, force=True)
        assert result.columns["out"].rows_processed == 100
    job = table.backfill_async("out", runner="inline")
    assert job.result(timeout=10).status == "DONE"
    assert (job.record().status, job.logs()) == ("DONE", [])
    assert db.list_jobs() == []
    (warning,) = recwarn.list
    assert "cannot be written" in str(warning.message)


def test_the_cleanup_of_a_table_leaves_records_alone(db, running, tmp_path):
    job, _, child = running
    child.send_signal(signal.SIGKILL)
    child.wait()
    table = db.open_table("docs")
    table.cleanup_checkpoints(resumable=True)
    assert table.cleanup_checkpoints(dry_run=True).found == ()
    assert job.record().status == "FAILED"
    assert [job.name for job in (tmp_path / "db" / "_geneva" / "jobs").iterdir()] == ["seen"]
