"""Many jobs: how long it takes to list them, and that they do not grow without bound."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import geneva
from geneva.jobs.progress import Progress
from geneva.jobs.record import JobRecord, JobStatus
from geneva.pipeline import job_records
from geneva.pipeline.job_records import forget_old_jobs, list_jobs, this_driver
from geneva.storage.job_files import JobFiles
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


def tmp_name() -> str:
    return f"jobs-{time.time_ns()}"
