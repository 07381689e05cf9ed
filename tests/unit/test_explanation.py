"""What ``explain()`` makes of measurements. ``tests/faults/test_explain.py`` has real jobs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from geneva.jobs.explained import Limit
from geneva.jobs.explanation import explained
from geneva.jobs.progress import Progress
from geneva.jobs.record import JobRecord, JobStatus, RecordedError
from geneva.jobs.wishes import Wish, WishKind, sum_of

NOW = Progress(
    "j",
    "docs",
    "words",
    "computing",
    rows_done=400,
    rows_total=1_000,
    workers=2,
    workers_granted=2,
    granted_why="2 of 2 that were asked for",
    rows_per_s=12.5,
    stage_s={"read": 1.0, "udf": 4.0, "checkpoint": 0.5, "write": 0.5, "commit": 0.1},
)
CONFIG = {
    "concurrency": 2,
    "num_cpus": 1.0,
    "commit_granularity": 64,
    "settings": {"checkpoint_interval_s": 10.0, "stall_timeout_s": 300.0},
}


def explain(status="RUNNING", error=None, config=(), **changes):
    record = JobRecord(
        "j",
        "docs",
        "words",
        JobStatus(status),
        datetime(2026, 1, 1, tzinfo=timezone.utc),
        replace(NOW, **changes),
        config=json.dumps({**CONFIG, **dict(config)}),
        error=error,
        events=("2026-01-01T00:00:00+00:00 Paused by ada@lab",),
    )
    return explained(record)


def mostly(stage: str) -> dict:
    return {"stage_s": {**NOW.stage_s, stage: 90.0}}


@pytest.mark.parametrize(
    ("changes", "config", "limit", "setting"),
    [
        (mostly("read"), {"batch_size": 8}, Limit.READ, "batch_size=64"),
        (mostly("read"), {}, Limit.READ, "job.set_concurrency(4)"),
        (mostly("udf"), {}, Limit.UDF, "job.set_concurrency(4)"),
        (
            {**mostly("udf"), "granted_why": "2 of 8 that were asked for: 1 CPU for an applier"},
            {"concurrency": 8},
            Limit.UDF,
            "num_cpus=0.5",
        ),
        (mostly("checkpoint"), {}, Limit.CHECKPOINT, "checkpoint_interval_seconds=30"),
        (mostly("checkpoint"), {"checkpoint_size": 10}, Limit.CHECKPOINT, "checkpoint_size=100"),
        (mostly("write"), {}, Limit.WRITE, "job.set_concurrency(4)"),
        (mostly("commit"), {"commit_granularity": 1}, Limit.COMMIT, "commit_granularity=8"),
        (
            {"workers": 0, "waiting_for": "the first applier needs 4 CPUs on one node"},
            {"num_cpus": 4.0},
            Limit.RESOURCES,
            "num_cpus=2",
        ),
        (
            {"workers": 0, "waiting_for": "it needs 1 CPU (job nightly-7 holds 1.3 CPUs on a)"},
            {},
            Limit.RESOURCES,
            "db.get_job('nightly-7').pause()",
        ),
        (
            {"workers": 0, "waiting_for": "1 GPU; the autoscaler is starting 1 node"},
            {},
            Limit.RESOURCES,
            "",
        ),
        (
            {"workers_waiting": 6, "waiting_for": "a further applier needs 1 CPU on one node"},
            {"concurrency": 8},
            Limit.RESOURCES,
            "job.set_concurrency(2)",
        ),
        (
            {"stalls_at": "worker 0 has been reading rows (fragment 3) for 40 s"},
            {},
            Limit.READ,
            "stall_timeout=600",
        ),
        (
            {"stalls_at": "worker 0 has been writing a column file (fragment 3) for 40 s"},
            {"stall_timeout_s": 20.0},
            Limit.WRITE,
            "stall_timeout=40",
        ),
        (
            {"stalls_at": "worker 0 has been setting the function up for 40 s"},
            {},
            Limit.SETUP,
            "GENEVA_SETUP_TIMEOUT_S=3600",
        ),
        (
            {"long_call_s": 40.0, "long_call_at": "row 7 of fragment 2", "long_call_rows": 1},
            {},
            Limit.SLOW_ROW,
            "row_timeout=1",
        ),
        # A batch of so many rows takes that long.
        (
            {
                "long_call_s": 40.0,
                "long_call_at": "rows 0 to 31 of fragment 2",
                "long_call_rows": 32,
                "stage_s": {"udf": 500.0},
            },
            {},
            Limit.UDF,
            "job.set_concurrency(4)",
        ),
        (
            {"worker_losses": 3, "last_loss": "applier-1 on node n: out of memory"},
            {},
            Limit.LOST_WORKERS,
            "job.set_concurrency(1)",
        ),
        (
            {"worker_losses": 3, "last_loss": "w: out of memory", "workers_granted": 1},
            {"batch_size": 32},
            Limit.LOST_WORKERS,
            "batch_size=16",
        ),
        (
            {"worker_losses": 3, "last_loss": "applier-1 on node n: node lost"},
            {},
            Limit.LOST_WORKERS,
            "checkpoint_interval_seconds=5",
        ),
        (
            {"worker_losses": 3, "last_loss": "worker process: crash, at row 3 of fragment 0"},
            {},
            Limit.LOST_WORKERS,
            "on_error=[Skip(FatalWorkerError)]",
        ),
        (
            {
                "worker_losses": 3,
                "last_loss": "w: crash",
                "workers_waiting": 1,
                "waiting_for": "CPU",
            },
            {},
            Limit.RESOURCES,
            "job.set_concurrency(2)",
        ),
        ({"workers": 0, "workers_starting": 2, "stage_s": {}}, {}, Limit.STARTING, ""),
    ],
)
def test_what_limits_a_job_that_runs(changes, config, limit, setting):
    found = explain(config=config, **changes)
    assert (found.limit, found.setting) == (limit, setting)
    text = str(found)
    assert text.startswith("The job docs.words is computing: 400 of 1,000 rows are done")
    assert f"{limit.value[1:]} limits it: " in text
    assert (f"Change {setting}: " in text) is bool(setting)


@pytest.mark.parametrize(
    ("kind", "message", "limit", "setting"),
    [
        (
            "ResourcesUnavailableError",
            "it needs 4 CPUs on one node; the largest has 2. Lower num_cpus to 1.8. Or add one.",
            Limit.RESOURCES,
            "num_cpus=1.8",
        ),
        ("ResourcesUnavailableError", "no place", Limit.RESOURCES, "concurrency=1"),
        ("FatalWorkerOOMError", "killed", Limit.LOST_WORKERS, "memory=1200"),
        (
            "FatalWorkerExitError",
            "lost 3 times at rows 60 to 64 of fragment 1",
            Limit.LOST_WORKERS,
            "on_error=[Skip(FatalWorkerError)]",
        ),
        ("RowTimeoutError", "slow", Limit.SLOW_ROW, "on_error=[Skip(RowTimeoutError)]"),
        ("UDFError", "it raised", Limit.UDF, "on_error=[Skip()]"),
        ("SkipThresholdExceededError", "too many", Limit.UDF, "max_errors=6"),
        ("BackfillTimeoutError", "late", Limit.UDF, "timeout=40"),
        ("StalledError", "no answer", Limit.READ, "stall_timeout=600"),
        ("TableChangedError", "dropped", Limit.NOTHING, ""),
    ],
)
def test_why_a_job_failed(kind, message, limit, setting):
    error = RecordedError(kind, message)
    found = explain(
        "FAILED", error, peak_memory_bytes=1_000, rows_failed=3, elapsed_s=20.0, finished=True
    )
    assert (found.limit, found.setting) == (limit, setting)
    text = str(found)
    assert text.startswith("The job docs.words failed with 400 of 1,000 rows computed")
    assert f"{kind}: {message.rstrip('.')}" in text


def test_jobs_that_do_not_run_are_explained():
    assert "its driver is starting" in str(explain("PENDING"))
    paused = str(explain("PAUSED", workers=0))
    assert "is paused: 400 of 1,000 rows are done. It has no workers. A pause limits it" in paused
    assert "paused by ada@lab. Change job.resume()" in paused
    assert "was cancelled with 400" in str(explain("CANCELLED", RecordedError("E", "stopped")))
    done = explain("DONE", elapsed_s=30.0)
    assert (done.limit, done.setting) == (Limit.UDF, "concurrency=4")
    assert str(explain("DONE", elapsed_s=0.2)).endswith("is done: 400 rows in 0.2 s.")
    assert "up to date" in str(explain("DONE", stage_s={}))


def test_a_record_of_another_version_is_explained():
    record = JobRecord("j", "docs", "words", JobStatus.RUNNING, datetime.now(), NOW, config="?")
    assert explained(record).limit is Limit.UDF


def test_wishes_of_other_versions_are_passed_over():
    texts = ['{"kind": "dance", "by": "a", "concurrency": 0}', "", "[]", '{"kind": "pause"}']
    assert list(map(Wish.from_json, texts)) == [None] * 4
    wish = Wish(WishKind.CANCEL, "ada@lab")
    assert Wish.from_json(wish.to_json()) == wish
    assert sum_of([wish, Wish(WishKind.CANCEL, "bob@lab")]).cancelled_by == "ada@lab"
