"""The five symptoms of the guide's troubleshooting, and a slow row: each is produced for real, and
``explain()`` names it and what solves it. ``tests/ray`` has those of a cluster.
"""

from __future__ import annotations

import os
import time

import pytest

import geneva
from geneva import errors
from tests.faults.test_processes import wait_until


def explanation_with(job, word: str, timeout_s: float = 30) -> str:
    """Wait until a running job explains itself with a word."""
    said: list[str] = []

    def explains() -> bool:
        said.append(job.explain())
        return word in said[-1]

    deadline = time.monotonic() + timeout_s
    while not explains():
        assert time.monotonic() < deadline, said[-1]
        assert not job.done(), said[-1]
        time.sleep(0.1)
    return said[-1]


def test_workers_that_fit_nowhere(db, make_table):
    """Job hangs at 0 %, workers not starting: what one asks for is more than any node has."""

    @geneva.udf(num_cpus=1_000)
    def huge(id: int) -> int:
        return id

    table = make_table()
    table.add_columns({"out": huge})
    with pytest.raises(errors.ResourcesUnavailableError):
        table.backfill("out", progress=False, job_id="j")
    said = db.get_job("j").explain()
    lower = f"num_cpus={os.cpu_count()}"
    assert "0 of 0 rows" in said
    assert "A lack of resources limits it" in said
    assert f"Change {lower}" in said
    solved = table.backfill("out", progress=False, num_cpus=os.cpu_count())
    assert solved.columns["out"].rows_processed == 100


def test_progress_stalls_because_workers_are_lost_again_and_again(make_table):
    """Progress stalls partway."""

    @geneva.udf(batch_size=2, on_error=[geneva.Skip(errors.FatalWorkerError)])
    def leaves(id: int) -> int:
        time.sleep(0.002)
        if id >= 60:
            os._exit(7)
        return id

    table = make_table()
    table.add_columns({"out": leaves})
    job = table.backfill_async("out", concurrency=1)
    said = explanation_with(job, "Change max_errors=")
    assert "The loss of workers limits it" in said
    assert "workers were lost, the last one as worker process: crash, at row" in said
    assert "of fragment 1" in said
    job.cancel()
    assert job.wait(10)


def test_slow_although_there_is_room(make_table):
    """Slow performance despite available resources: concurrency is too low."""

    @geneva.udf(batch_size=5)
    def waits(id: int) -> int:
        time.sleep(0.02)
        return id

    table = make_table(2_000, 500)
    table.add_columns({"out": waits})
    job = table.backfill_async("out", concurrency=1)
    said = explanation_with(job, "by 1 worker at ")
    assert "The function limits it" in said
    assert "% of its workers' time goes into calling the function" in said
    assert "Change job.set_concurrency(2): it has 1 of 1 that were asked for" in said
    job.set_concurrency(2)
    wait_until(lambda: job.status().workers == 2)
    explanation_with(job, "by 2 workers at ")
    job.cancel()
    assert job.wait(10)


def test_a_job_that_failed_after_retries(db, make_table):
    """Job fails after multiple retries: the rows are named, and the others can be had."""

    @geneva.udf(batch_size=5)
    def leaves(id: int) -> int:
        if id == 47:
            os._exit(7)
        return id

    table = make_table()
    table.add_columns({"out": leaves})
    with pytest.raises(errors.FatalWorkerExitError):
        table.backfill("out", progress=False, job_id="j", concurrency=1)
    said = db.get_job("j").explain()
    assert "failed with " in said
    assert "of 100 rows computed, which are kept. The loss of workers limits it" in said
    assert "Change on_error=[Skip(FatalWorkerError)]" in said
    assert "it was at row" in said
    assert "of fragment 1" in said
    skip = [geneva.Skip(errors.FatalWorkerError)]
    solved = table.backfill("out", progress=False, on_error=skip)
    assert solved.columns["out"].rows_skipped == 1


def test_one_slow_row(db, make_table):
    @geneva.udf(batch_size=1, row_timeout=60)  # With it, workers say sooner what takes long.
    def sticks(id: int) -> int:
        if id == 53:
            time.sleep(30)
        return id

    table = make_table()
    table.add_columns({"out": sticks})
    job = table.backfill_async("out", concurrency=1)
    said = explanation_with(db.get_job(job.job_id), "One slow row limits it")
    assert "row 13 of fragment 1 has been computed for " in said
    assert "where a row takes " in said
    assert "Change row_timeout=1: it is 60 now, after which the row fails" in said
    job.cancel()
    assert job.wait(10)
