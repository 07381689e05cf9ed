"""What is recorded of a job, the same on every runner and store."""

from __future__ import annotations

import getpass
import json
import socket
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest

import geneva
from geneva import errors


@geneva.udf(version="7")
def double(id: int) -> int:
    return 2 * id


@geneva.udf(batch_size=5)
def slow(id: int) -> int:
    time.sleep(0.01)
    print("row", id)  # noqa: T201
    return id


@geneva.udf
def picky(id: int) -> int:
    if id == 60:
        raise LookupError("no sixty")
    return id


def test_a_job_that_is_done_is_recorded_in_full(db, make_table, runner):
    table = make_table(100, 25)
    table.add_columns({"out": double})
    began = datetime.now(timezone.utc)
    versions = table.version
    result = table.backfill(
        "out", runner=runner, progress=False, concurrency=2, commit_granularity=2, job_id="first"
    )
    (record,) = db.list_jobs()
    assert record.job_id == "first"
    assert (record.job_type, record.status, record.runner) == ("BACKFILL", "DONE", runner)
    assert (record.table_name, record.column_name) == ("docs", "out")
    assert (record.input_columns, record.output_columns) == (("id",), ("out",))
    assert (record.launched_by, record.host) == (getpass.getuser(), socket.gethostname())
    assert began - timedelta(seconds=1) < record.launched_at <= record.completed_at
    assert (record.udf_name, record.udf_version, len(record.udf_digest)) == ("double", "7", 64)
    config = json.loads(record.config)
    assert (config["concurrency"], config["commit_granularity"]) == (2, 2)
    assert config["settings"]["max_worker_losses"] == 3
    assert (record.cluster_name is None) is (runner != "ray")
    assert record.concurrency == result.concurrency
    assert f"{record.concurrency} of 2 that were asked for" in record.concurrency_reason
    # All versions are the job's: records pile up none.
    assert record.versions == tuple(range(versions + 1, table.version + 1))
    assert record.versions[-1] == result.version
    assert record.error is None
    assert record.result == result
    found = {metric.name: metric for metric in record.metrics}
    for name in ("rows_checkpointed", "rows_ready_for_commit", "rows_committed"):
        assert (found[name].n, found[name].total, found[name].done) == (100, 100, True)
    assert {name: metric.n for name, metric in found.items()} == result.metrics
    texts = [event.partition(" ")[2] for event in record.events]
    assert texts[0] == "Job planning"
    assert texts[-1] == "Job completed with status DONE"
    assert any("100 rows in 4 fragments" in text for text in texts)
    job = db.get_job("first")
    assert job.wait()
    assert (job.events(), job.result().version) == (list(record.events), result.version)
    # Programs that take it for the record find what is recorded.
    assert (job.job_type, job.launched_at) == ("BACKFILL", record.launched_at)
    assert (job.metrics, job.versions) == (record.metrics, record.versions)
    with pytest.raises(AttributeError, match="no attribute 'launched'"):
        _ = job.launched


@pytest.mark.same_on_ray
def test_jobs_are_listed_the_newest_first_and_by_table_and_state(db, make_table, runner):
    table, other = make_table(100, 25), make_table(10, 10, name="other")
    table.add_columns({"out": double, "picky": picky})
    other.add_columns({"out": double})
    table.backfill("out", runner=runner, progress=False, job_id="done")
    table.backfill("out", runner=runner, progress=False, job_id="nothing to do")
    with pytest.raises(errors.UDFError):
        table.backfill("picky", runner=runner, progress=False, job_id="failed")
    other.backfill("out", runner=runner, progress=False, job_id="elsewhere")
    ids = ["elsewhere", "failed", "nothing to do", "done"]
    assert [job.job_id for job in db.list_jobs()] == ids
    assert [job.job_id for job in db.list_jobs("other")] == ids[:1]
    assert [job.job_id for job in db.list_jobs(table_name="docs", status="DONE")] == ids[2:]
    (failed,) = db.list_jobs(status="failed")
    assert failed.error.kind == "UDFError"
    assert "no sixty" in failed.error.message
    assert "in picky" in failed.error.traceback
    assert "LookupError" in failed.error.traceback
    with pytest.raises(errors.UDFError, match="no sixty") as caught:
        db.get_job("failed").result()
    assert "in picky" in str(caught.value.__cause__)
    with pytest.raises(errors.InvalidArgumentError, match=r"ASLEEP.*expected one of PENDING"):
        db.list_jobs(status="ASLEEP")
    with pytest.raises(ValueError, match=r"'no such'.*list_jobs"):
        db.get_job("no such")


def test_a_job_in_the_background_is_reached_by_its_id(db, make_table, runner):
    # The inline runner tells how far it is after each task, and stops within one.
    table = make_table(400, 400 if runner == "inline" else 100)
    table.add_columns({"out": slow})
    begun = table.backfill_async("out", runner=runner, concurrency=1)
    job = db.get_job(begun.job_id)
    assert not job.done()
    if runner == "inline":
        # It computes where it prints, and stops between two batches.
        assert job.record().status == "RUNNING"
    deadline = time.monotonic() + 30
    time.sleep(0.3)
    while runner != "inline" and not job.status().rows_done:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    began = time.monotonic()
    job.cancel()
    assert job.wait(30)
    assert time.monotonic() - began < 5
    for future in (job, begun):
        with pytest.raises(errors.JobCancelledError, match="kept"):
            future.result(timeout=10)
        assert future.record().status == "CANCELLED"
        assert future.events()[-1].endswith("CANCELLED")
    kept = job.status().rows_done
    assert 0 < kept < 400
    assert table.plan_backfill("out").total_rows_pending == 400 - kept
    if runner != "inline":
        assert any(line.endswith("row 0") for line in job.logs())


@pytest.mark.parametrize("where", ["inline", "process"])
def test_an_id_can_be_used_again_but_not_at_once(db, make_table, where):
    table = make_table(100, 25)
    table.add_columns({"out": slow, "other": double})
    begun = table.backfill_async("out", runner=where, job_id="nightly", concurrency=1)
    with pytest.warns(RuntimeWarning, match="another job of the id 'nightly'"):
        table.backfill("other", runner=where, job_id="nightly", progress=False)
    assert db.get_job("nightly").column_names == ["out"]
    begun.cancel()
    begun.wait()
    table.backfill("other", runner=where, job_id="nightly", progress=False)
    job = db.get_job("nightly")
    assert (job.record().status, job.column_names, job.logs()) == ("DONE", ["other"], [])


@pytest.mark.same_on_ray
def test_records_are_at_most_two_seconds_old(db, make_table, runner):
    table = make_table(200, 50)
    table.add_columns({"out": slow})
    ages = []
    over = threading.Event()

    def read() -> None:
        while not over.wait(0.1):
            ages.extend(
                (datetime.now(timezone.utc) - job.updated_at).total_seconds()
                for job in db.list_jobs(status="RUNNING")
            )

    reader = threading.Thread(target=read)
    reader.start()
    table.backfill("out", runner=runner, progress=False, concurrency=1)
    over.set()
    reader.join()
    assert len(ages) > 3
    assert max(ages) < 2
