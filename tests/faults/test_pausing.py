"""Jobs that are paused: what is kept, who may go on, and what is refused."""

from __future__ import annotations

import json
import pickle
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psutil
import pytest

import geneva
from geneva import errors
from geneva.storage.job_files import JobFiles
from tests.conftest import values
from tests.faults.test_processes import SLOW, program, wait_until, workers_of
from tests.slow_jobs import begun, other, slow


@pytest.fixture
def table(make_table):
    table = make_table(160, 40)
    table.add_columns({"out": slow})
    return table


def test_whoever_waits_for_a_job_reads_how_it_goes_on(db, table):
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(
            table.backfill,
            "out",
            runner="inline",
            job_id="it's",
            progress=False,
            commit_granularity=1,
        )
        wait_until(lambda: any(job.status == "RUNNING" for job in db.list_jobs()))
        assert db.get_job("it's").pause(timeout=10)
        with pytest.raises(errors.JobPausedError) as paused:
            call.result(timeout=10)
    by = paused.value.by
    assert f"Job it's was paused by {by}" in str(paused.value)
    go_on = """db.get_job("it's").resume()"""
    assert go_on in str(paused.value)
    assert pickle.loads(pickle.dumps(paused.value)).by == by
    job = eval(go_on, {"db": db})
    assert job.result(timeout=30).columns["out"].rows_processed == 160


def test_it_is_the_same_call_that_goes_on(db, make_table):
    """What it was called with holds, and what it recomputed is not computed once more."""
    table = make_table(200, 40)
    table.add_columns({"out": slow})
    table.backfill("out", progress=False, where="id < 40")

    class MyError(LookupError):
        """Only this process has it."""

    @geneva.udf(batch_size=5)
    def noted(id: int) -> int:
        time.sleep(0.01)
        if id == 149:
            raise MyError(id)
        return id + 3

    job = table.backfill_async(
        "out",
        udf=noted,
        force=True,
        on_error=[geneva.Skip(LookupError)],
        num_frags=4,
        commit_granularity=1,
        concurrency=1,
        job_id="j",
        timeout=timedelta(seconds=50),
    )
    wait_until(lambda: job.status().rows_committed)
    assert job.pause(timeout=10)
    kept = job.status()
    assert 40 <= kept.rows_done < 160
    assert job.resume() is not job
    result = job.result(timeout=30)
    done = result.columns["out"]
    assert (done.rows_processed, done.rows_skipped, done.udf_name) == (159, 1, "noted")
    found = values(table, "out")
    assert sum(value is not None for value in found.values()) == 159
    assert all(value in (None, i + 3) for i, value in found.items())
    assert result.concurrency == 1


def test_a_paused_job_is_cancelled_and_others_may_have_its_column(db, table):
    job = begun(table)
    assert job.pause(timeout=10)
    kept = job.status().rows_done
    # The column is free, and while somebody else has it the job stays paused.
    rest = table.backfill_async("out", runner="inline", job_id="rest")
    wait_until(lambda: rest.status().rows_done)
    with pytest.raises(errors.ColumnBusyError, match="rest"):
        job.resume()
    assert job.paused()
    rest.cancel()
    assert rest.wait(10)
    table.alter_columns({"path": "out", "udf": other})
    with pytest.raises(errors.TableChangedError, match=r"j cannot go on.*other.*new backfill"):
        job.resume()
    job.cancel()
    assert job.done()
    with pytest.raises(errors.JobCancelledError, match="kept"):
        job.result(timeout=5)
    assert (job.record().status, job.status().rows_done) == ("CANCELLED", kept)
    with pytest.raises(errors.ImpossibleTransitionError, match="j is CANCELLED"):
        db.get_job("j").resume()


def test_several_columns_pause_and_go_on(db, make_table):
    table = make_table(80, 40)
    table.add_columns({"one": slow, "two": other})
    job = table.backfill_async(["one", "two"], runner="inline", job_id="j", force=True)
    time.sleep(0.3)
    assert job.pause(timeout=10)
    assert not job.done()
    job.resume()
    result = job.result(timeout=30)
    assert set(result.columns) == {"one", "two"}
    assert values(table, "one") == {i: i + 1 for i in range(80)}
    assert values(table, "two") == {i: i + 2 for i in range(80)}


def test_what_is_no_number_of_workers_is_refused(table):
    job = begun(table)
    for wrong in (0, 1.5, True, None):
        with pytest.raises(errors.InvalidArgumentError, match="expected a whole number"):
            job.set_concurrency(wrong)
    with pytest.raises(errors.InvalidArgumentError, match="concurrency=0"):
        job.resume(concurrency=0)
    with pytest.raises(errors.ImpossibleTransitionError, match="j is RUNNING"):
        job.resume()
    job.cancel()
    assert job.wait(10)


CALL = """
    table = geneva.connect(sys.argv[1]).open_table("docs")
    table.add_columns({"out": slow})
    table.backfill("out", progress=False, concurrency=1, job_id="seen")
"""


def test_a_job_of_another_process_is_paused_and_goes_on_here(db, make_table, tmp_path):
    table = make_table(900, 150)
    child = subprocess.Popen(program(tmp_path, SLOW + CALL), stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: any(job.progress.rows_done for job in db.list_jobs()))
        workers = workers_of(psutil.Process(child.pid))
        job = db.get_job("seen")
        began = time.monotonic()
        assert job.pause(timeout=10)
        assert time.monotonic() - began < 5
        _, said = child.communicate(timeout=10)
    finally:
        child.kill()
        child.wait()
    assert """db.get_job('seen').resume()""" in said
    assert "JobPausedError: Job seen was paused by " in said
    assert workers
    assert not any(worker.is_running() for worker in workers)
    kept = job.status().rows_done
    assert 0 < kept < 900
    # Nobody drives it, so nobody can be lost.
    assert job.record().status == "PAUSED"
    assert job.record().driver is None
    assert job.resume(concurrency=2).result(timeout=30).concurrency == 2
    assert values(table, "out") == {i: i + 1 for i in range(900)}
    # No row was computed twice, but those of the batches that were cut off.
    calls = (tmp_path / "calls").read_text().split()
    assert len(calls) - len(set(calls)) <= 10
    assert job.record().driver.pid != child.pid


def test_of_two_that_resume_a_job_one_does(db, table):
    job = begun(table)
    assert job.pause(timeout=10)
    with ThreadPoolExecutor(2) as threads:
        tries = [threads.submit(db.get_job("j").resume) for _ in range(2)]
        failed = [one.exception() for one in tries if one.exception() is not None]
    assert len(failed) == 1
    assert isinstance(failed[0], (errors.ImpossibleTransitionError, errors.ColumnBusyError))
    job.result(timeout=30)
    assert sum("Resumed by" in event for event in job.events()) == 1


def test_a_cancel_while_it_pauses_wins(db, table):
    job = begun(table)
    seen = db.get_job("j")
    seen.pause()
    seen.cancel()
    assert job.wait(timeout=10)
    assert seen.record().status == "CANCELLED"


def test_what_on_error_says_is_loaded_only_if_it_is_signed(db, table, monkeypatch):
    monkeypatch.setenv("GENEVA_UDF_SIGNING_KEY", "secret")
    table.alter_columns({"path": "out", "udf": other})
    job = table.backfill_async(
        "out", on_error=[geneva.Skip(ValueError)], concurrency=1, job_id="j", runner="inline"
    )
    wait_until(lambda: job.status().rows_done)
    assert job.pause(timeout=10)
    files = JobFiles(table._location.database, "j")
    record = files.read_record()
    call = json.loads(json.loads(record)["config"])["call"]
    assert "secret" not in record
    forged = record.replace(call["on_error"]["pickle"][:12], "gASVIAAAAAAA")
    assert forged != record
    files.write_record(forged)
    with pytest.raises(errors.UntrustedFunctionError, match=r"on_error= of job j .*not loaded"):
        job.resume()
    files.write_record(record)
    assert job.resume().result(timeout=30).columns["out"].rows_processed == 160
