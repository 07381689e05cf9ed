"""The states of a job, what its record tells, and when its driver is lost: decisions alone."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from geneva.errors import ImpossibleTransitionError
from geneva.jobs.heartbeat import WATCH_S, Verdict, judge_job
from geneva.jobs.job_status import JobStatus
from geneva.jobs.metrics import job_metrics
from geneva.jobs.progress import Progress
from geneva.jobs.record import DriverProcess, JobRecord, RecordedError
from geneva.jobs.result import BackfillJobResult, UdfResult
from geneva.jobs.timeline import noted, what_happened
from geneva.pipeline import job_records
from geneva.pipeline.job_records import Heartbeats, this_driver
from geneva.storage.claims import Life

NOW = datetime(2026, 1, 31, 9, 5, tzinfo=timezone.utc)
BEGAN = Progress("j", "docs", "words")
PENDING = JobRecord("j", "docs", "words", JobStatus.PENDING, NOW, BEGAN)
RESULT = BackfillJobResult("j", "DONE", "docs", NOW, NOW, {"words": UdfResult("f", "1", 9)}, 4)
ERROR = RecordedError("UDFError", "it failed\nin many words", "Traceback ...")

POSSIBLE = {
    "PENDING": {"RUNNING", "FAILED", "CANCELLED"},
    "RUNNING": {"RUNNING", "PAUSED", "DONE", "FAILED", "CANCELLED"},
    "PAUSED": {"PAUSED", "RUNNING", "FAILED", "CANCELLED"},
    "DONE": set(),
    "FAILED": set(),
    "CANCELLED": set(),
}


@pytest.mark.parametrize(("one", "other"), list(itertools.product(JobStatus, JobStatus)))
def test_only_possible_transitions_are_made(one, other):
    if other.value in POSSIBLE[one.value]:
        assert one.to(other) is other
        return
    with pytest.raises(ImpossibleTransitionError) as refused:
        one.to(other)
    assert f"is {one.value} cannot become {other.value}" in str(refused.value)
    assert all(state in str(refused.value) for state in POSSIBLE[one.value])


def test_a_record_of_a_job_that_ended_stays():
    done = PENDING.ended(BEGAN, RESULT, NOW)
    assert (done.status, done.completed_at, done.progress.finished) == (JobStatus.DONE, NOW, True)
    with pytest.raises(ImpossibleTransitionError, match="is DONE cannot become RUNNING"):
        done.running(BEGAN, NOW)
    with pytest.raises(ImpossibleTransitionError, match="is DONE cannot become FAILED"):
        done.ended(BEGAN, ERROR, NOW)


def test_a_record_reads_as_it_was_written():
    later = NOW + timedelta(seconds=70)
    progress = replace(
        BEGAN, stage_s={"udf": 1.5}, versions=(4, 5), fragments_total=2, rows_total=9, workers=3
    )
    running = replace(
        PENDING,
        config='{"concurrency": 8}',
        input_columns=("text",),
        driver=DriverProcess("m", 7, "12"),
    ).running(progress, later)
    for record in (PENDING, running, running.ended(progress, RESULT, later)):
        assert JobRecord.from_json(record.to_json()) == record
    failed = running.ended(progress, ERROR, later)
    assert JobRecord.from_json(failed.to_json()) == failed
    assert failed.beat == 2
    assert failed.progress.workers == 0
    assert failed.updated_at == later
    assert failed.versions == (4, 5)
    assert failed.events == (
        "2026-01-31T09:06:10+00:00 Job planning",
        "2026-01-31T09:06:10+00:00 Executing backfill: 9 rows in 2 fragments",
        "2026-01-31T09:06:10+00:00 Committed 2 versions, 4 to 5",
        "2026-01-31T09:06:10+00:00 Job failed: UDFError: it failed",
    )


def test_records_of_other_versions_are_read():
    values = json.loads(PENDING.to_json())
    later = {**values, "invented": 1, "progress": {**values["progress"], "invented": 2}}
    assert JobRecord.from_json(json.dumps(later)) == PENDING
    known = ("job_id", "table_name", "column_name", "status", "launched_at", "progress")
    earlier = {name: values[name] for name in known}
    assert JobRecord.from_json(json.dumps(earlier)).events == ()
    for text in ("", "[]", "{}", '{"status": "SLEEPING"}'):
        with pytest.raises(ValueError):
            JobRecord.from_json(text)


def test_what_happened_is_told_once():
    waiting = replace(BEGAN, waiting_for="2 CPU", worker_losses=1)
    assert what_happened(BEGAN, waiting) == ["Waiting for resources: 2 CPU", "Lost 1 worker"]
    stalled = replace(waiting, waiting_for="3 CPU", stalls_at="worker 0", commit_retries=2)
    again = "Made a commit again 2 times: others wrote meanwhile"
    assert what_happened(waiting, stalled) == ["No progress: worker 0", again]
    assert what_happened(stalled, stalled) == []
    many = noted((), [str(n) for n in range(1_000)], NOW)
    assert (len(many), many[-1]) == (200, "2026-01-31T09:05:00+00:00 999")


def test_metrics_are_what_was_measured():
    progress = replace(
        BEGAN, rows_done=7, rows_ready=6, rows_committed=5, rows_total=9, stage_s={"udf": 1.5}
    )
    found = {metric.name: (metric.n, metric.total) for metric in job_metrics(progress)}
    assert found["rows_checkpointed"] == (7, 9)
    assert found["rows_ready_for_commit"] == (6, 9)
    assert found["rows_committed"] == (5, 9)
    assert found["udf_processing_time"] == (1500, None)
    assert {metric.done for metric in job_metrics(replace(progress, finished=True))} == {True}


@pytest.mark.parametrize(
    ("status", "life", "age_s", "watched_s", "moved", "verdict"),
    [
        ("RUNNING", Life.DEAD, 0, 0, False, Verdict.LOST),
        ("PENDING", Life.DEAD, 0, 0, True, Verdict.LOST),
        ("RUNNING", Life.ALIVE, 500, 0, False, Verdict.GOES_ON),
        ("RUNNING", Life.ALIVE, 700, 0, False, Verdict.LOOK_AGAIN),
        ("RUNNING", Life.UNSURE, 29, 29, False, Verdict.GOES_ON),
        ("RUNNING", Life.UNSURE, 0, 31, True, Verdict.LOST),
        ("RUNNING", Life.UNSURE, 31, 0, False, Verdict.LOOK_AGAIN),
        ("RUNNING", Life.UNSURE, 31, WATCH_S, False, Verdict.LOST),
        ("RUNNING", Life.UNSURE, 999, WATCH_S, True, Verdict.GOES_ON),  # Clocks differ.
        ("RUNNING", Life.UNSURE, -999, 0, False, Verdict.LOOK_AGAIN),
        ("RUNNING", Life.UNSURE, 9_999, 0, False, Verdict.LOST),
        ("PAUSED", Life.DEAD, 9_999, 9_999, True, Verdict.GOES_ON),
        ("PENDING", Life.UNSURE, 600, 600, False, Verdict.GOES_ON),
        ("PENDING", Life.UNSURE, 9_999, 0, False, Verdict.LOST),
    ],
)
def test_when_a_driver_is_lost(status, life, age_s, watched_s, moved, verdict):
    assert judge_job(JobStatus(status), life, age_s, watched_s, moved=moved) is verdict


def test_a_reader_whose_clock_is_wrong_sees_the_beat(monkeypatch):
    clock_s = [100.0]
    monkeypatch.setattr(job_records.time, "monotonic", lambda: clock_s[0])
    an_hour_ago = datetime.now(timezone.utc) - timedelta(minutes=30)
    running = PENDING.running(BEGAN, an_hour_ago)
    reader = Heartbeats()
    assert reader.judge(running) is None
    clock_s[0] += 1
    beating = running.running(BEGAN, an_hour_ago)
    assert reader.judge(beating) is beating
    clock_s[0] += 29
    assert reader.judge(beating) is beating
    clock_s[0] += 2
    lost = reader.judge(beating)
    assert lost is not None
    assert (lost.status, lost.error.kind) == (JobStatus.FAILED, "DriverLostError")
    # It was only silent.
    assert reader.judge(beating.running(BEGAN, an_hour_ago)).status is JobStatus.RUNNING


def test_a_process_that_has_ended_is_seen_at_one_look():
    here = replace(PENDING.running(BEGAN, datetime.now(timezone.utc)), driver=this_driver())
    assert Heartbeats().judge(here) is here
    reused = replace(here, driver=replace(this_driver(), started="an earlier process"))
    lost = Heartbeats().judge(reused)
    assert lost is not None
    assert f"process {reused.driver.pid}" in lost.error.message
    elsewhere = replace(reused, driver=replace(reused.driver, machine="another"))
    assert Heartbeats().judge(elsewhere) is elsewhere
