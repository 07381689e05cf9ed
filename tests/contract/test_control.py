"""What any process can do with a job: pause it, go on with it, give it more or fewer workers."""

from __future__ import annotations

import pytest

from geneva import errors
from tests.conftest import values
from tests.faults.test_processes import wait_until
from tests.slow_jobs import begun, slow


def texts(job) -> list[str]:
    return [event.partition(" ")[2] for event in job.events()]


@pytest.fixture
def table(make_table):
    # The inline runner tells how far it is after each task.
    table = make_table(400, 20)
    table.add_columns({"out": slow})
    return table


def test_a_job_pauses_and_goes_on_with_another_concurrency(db, table, runner):
    job = begun(table, runner=runner)
    seen = db.get_job("j")
    assert seen.pause(timeout=15)
    for one in (job, seen):
        assert (one.record().status, one.status().stage, one.status().workers) == (
            "PAUSED",
            "paused",
            0,
        )
        assert not one.done()
        with pytest.raises(TimeoutError, match=r"It is paused; resume\(\) goes on"):
            one.result(timeout=0.1)
        with pytest.raises(errors.ImpossibleTransitionError, match=r"resume\(concurrency=3\)"):
            one.set_concurrency(3)
    assert not job.wait(timeout=0.1)
    kept = job.status().rows_done
    assert 0 < kept < 400
    assert table.plan_backfill("out").total_rows_pending == 400 - kept
    (listed,) = db.list_jobs(status="PAUSED")
    assert listed.progress.rows_done == kept
    assert seen.pause()
    paused = seen.history()
    assert paused.samples[-1].rows_done == kept
    assert all(span.end.startswith("released") for span in paused.workers)
    if runner == "ray":
        import ray

        wait_until(
            lambda: not any(":unit" in g["name"] or ":core" in g["name"] for g in groups(ray))
        )

    again = db.get_job("j").resume(concurrency=2)
    assert again.job_id == "j"
    result = job.result(timeout=60)
    assert again.result(timeout=10) == seen.result(timeout=10) == result
    assert result.columns["out"].rows_processed == 400
    found = {metric.name: (metric.n, metric.total) for metric in job.record().metrics}
    for name in ("rows_checkpointed", "rows_ready_for_commit", "rows_committed"):
        assert found[name] == (400, 400)
    assert result.launched_at <= job.record().launched_at
    assert job.record().concurrency == (1 if runner == "inline" else 2)
    assert job.record().versions[-1] == table.to_lance().latest_version
    happened = texts(job)
    who = job.record().launched_by
    assert happened.index(f"Paused by {who}@{job.record().host}") + 1 == happened.index(
        f"Resumed by {who}@{job.record().host}"
    )
    assert happened[-1].endswith("DONE")
    assert values(table, "out") == {i: i + 1 for i in range(400)}
    history = seen.history()
    assert set(paused.workers) < set(history.workers)
    assert set(paused.tasks) < set(history.tasks)
    assert history.samples[-1].rows_committed == 400
    assert history.elapsed_s == pytest.approx(job.record().progress.elapsed_s, abs=0.1)
    applied = [task for task in history.tasks if task.kind == "apply"]
    rows = {(t.fragment_id, row) for t in applied for row in range(t.rows.start, t.rows.stop)}
    assert rows == {(fragment, row) for fragment in range(20) for row in range(20)}
    if runner == "ray":
        words = [span.component.partition("-")[0] for span in history.workers]
        assert words == [span.role for span in history.workers]
        assert all(" on node " in span.component for span in history.workers)
    with pytest.raises(errors.ImpossibleTransitionError, match=r"j is DONE.*new backfill"):
        job.resume()


def groups(ray) -> list[dict]:
    table = ray.util.placement_group_table()
    return [group for group in table.values() if group["state"] != "REMOVED"]


@pytest.mark.same_on_ray
def test_a_running_job_gets_more_workers_and_fewer(db, make_table, runner):
    table = make_table(800, 20) if runner == "inline" else make_table(8_000, 2_000)
    table.add_columns({"out": slow})
    job = begun(table, runner=runner)
    db.get_job("j").set_concurrency(2)
    if runner == "inline":
        # It has one worker, and hears of it between two tasks.
        wait_until(lambda: "its runner has no more by" in job.record().concurrency_reason)
        assert job.record().concurrency == 1
    else:
        wait_until(lambda: job.status().workers == 2)
        wait_until(lambda: "2 of 2 that were asked for by " in job.record().concurrency_reason)
        done = job.status().rows_done
        db.get_job("j").set_concurrency(1)
        wait_until(lambda: job.status().workers == 1 and job.record().concurrency == 1)
        wait_until(lambda: job.status().rows_done > done)
        assert sum("Concurrency changed from" in text for text in texts(job)) == 2
    if runner == "ray":
        import ray

        wait_until(lambda: not any(":unit" in group["name"] for group in groups(ray)))
    job.cancel()
    assert job.wait(10)
    job.set_concurrency(4)  # It has ended: nothing happens.
    assert not job.pause()
