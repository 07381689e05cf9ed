"""Many jobs: how long it takes to list them, and that they do not grow without bound."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

import geneva
from geneva.jobs.history import WorkerSpan, history_of
from geneva.jobs.progress import Progress
from geneva.jobs.record import JobRecord, JobStatus
from geneva.pipeline import job_records
from geneva.pipeline.job_history import recorded_history, stored_history
from geneva.pipeline.job_records import forget_old_jobs, list_jobs, this_driver
from geneva.pipeline.journal import JobEnd
from geneva.pipeline.tracker import JobTracker, Report
from geneva.storage.job_files import JobFiles, folder_of
from geneva.storage.job_folders import JobFolders
from geneva.storage.model import TableLocation

NOW = datetime.now(timezone.utc)


def recorded(database: TableLocation, number: int) -> None:
    began = Progress(f"job: {number}", "docs", "out")
    at = NOW - timedelta(days=1, seconds=-number)
    first = JobRecord(began.job_id, "docs", "out", JobStatus.PENDING, at, began)
    running = replace(first, driver=this_driver(), config="x" * 2_000).running(began, at)
    record = replace(running, status=JobStatus.DONE)
    files = JobFiles(database, began.job_id)
    files.write_record(record.to_json(), ended=True)


def test_a_thousand_jobs_are_listed_within_a_second(tmp_path):
    database = TableLocation(str(tmp_path))
    for number in range(1_000):
        recorded(database, number)
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        found = geneva.connect(tmp_path).list_jobs(status="DONE")
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 1
    assert [job.job_id for job in found] == [f"job: {n}" for n in reversed(range(1_000))]


def test_the_oldest_ended_jobs_are_forgotten(tmp_path, monkeypatch):
    few_are_kept(monkeypatch)
    database = TableLocation(str(tmp_path))
    for number in range(6):
        recorded(database, number)
    JobFiles(database, "job: 0").write_lines(0, "printed\n")
    began = Progress("running", "docs", "out")
    first = JobRecord("running", "docs", "out", JobStatus.PENDING, NOW, began, driver=this_driver())
    running = first.running(began, NOW)
    JobFiles(database, "running").write_record(running.to_json())
    JobFiles(database, "of another version").write_record("{}")
    forget_old_jobs(database)
    left = {job.job_id for job in list_jobs(database)}
    assert left == {"running", "job: 5", "job: 4", "job: 3"}
    # Nothing of the others is left, and what nobody understands stays.
    assert len(list((tmp_path / "_geneva" / "jobs").iterdir())) == 5
    # It is not looked at each time.
    for number in range(6, 9):
        recorded(database, number)
    forget_old_jobs(database)
    assert len(list_jobs(database)) == 7
    for _ in range(49):
        forget_old_jobs(database)
    assert len(list_jobs(database)) == 4


def few_are_kept(monkeypatch) -> None:
    monkeypatch.setattr(job_records, "_jobs_begun", 0)
    monkeypatch.setattr(job_records, "MOST_KEPT", 3)
    monkeypatch.setattr(job_records, "_PILE", 2)


def test_jobs_of_an_object_store_are_listed_and_forgotten(object_store, monkeypatch):
    few_are_kept(monkeypatch)
    database = TableLocation(f"{object_store}/{tmp_name()}")
    assert list_jobs(database) == []
    for number in range(6):
        recorded(database, number)
    assert len(list_jobs(database)) == 6
    forget_old_jobs(database)
    assert [job.job_id for job in list_jobs(database)] == ["job: 5", "job: 4", "job: 3"]


@pytest.mark.parametrize("where", ["a folder", "an object store"])
def test_a_history_is_replaced_in_place_and_forgotten_with_its_job(where, request, tmp_path):
    uri = str(tmp_path)
    if where == "an object store":
        uri = f"{request.getfixturevalue('object_store')}/{tmp_name()}"
    database = TableLocation(uri)
    began = Progress("j", "docs", "out")
    first = JobRecord("j", "docs", "out", JobStatus.PENDING, NOW, began, driver=this_driver())
    tracker = JobTracker(database, "j", first)
    for elapsed_s in (2.0, 4.0):
        history = replace(
            history_of(replace(began, elapsed_s=elapsed_s)),
            workers=(WorkerSpan(3, "worker process 3", "worker", 1.0),),
        )
        tracker.report(Report(began, history=history.to_json()))
    # One that is not due leaves the last one.
    tracker.report(Report(began))
    assert stored_history(database, "j").elapsed_s == 4.0
    assert recorded_history(database, tracker.record) == history
    # Somebody who looks at a job whose driver is gone sees that its workers are as well.
    lost = recorded_history(database, replace(tracker.record, status=JobStatus.FAILED)).workers
    assert [(span.ended_s, span.end) for span in lost] == [(4.0, "lost with its driver")]
    JobFiles(database, "j").write_history("{")
    assert stored_history(database, "j") is None
    ended = replace(began, rows_done=7, elapsed_s=9.0)
    tracker.report(Report(ended, end=JobEnd()))
    assert recorded_history(database, tracker.record) == history_of(tracker.record.progress)
    assert tracker.record.progress.elapsed_s == 9.0
    (name,) = JobFolders(database).names()
    JobFolders(database).remove(name)
    assert JobFiles(database, "j").read_history() is None


def test_a_history_that_cannot_be_written_harms_nothing(tmp_path):
    database = TableLocation(str(tmp_path))
    began = Progress("j", "docs", "out")
    first = JobRecord("j", "docs", "out", JobStatus.PENDING, NOW, began)
    in_the_way = tmp_path / folder_of("j") / "history.json"
    tracker = JobTracker(database, "j", first)
    tracker.report(Report(began))
    in_the_way.mkdir()
    history = history_of(began).to_json()
    tracker.report(Report(began, lines=("seven",), history=history))
    tracker.report(Report(began, end=JobEnd(), history=history))
    record = JobRecord.from_json(JobFiles(database, "j").read_record())
    assert record.status.ended
    assert JobFiles(database, "j").read_lines() == ["seven"]
    assert recorded_history(database, record) == history_of(record.progress)


def tmp_name() -> str:
    return f"jobs-{time.time_ns()}"
