"""How a job went over time: what its holder and any other process can draw of it."""

from __future__ import annotations

import os
import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest

import geneva
from geneva.storage.job_files import JobFiles
from geneva.storage.model import RowRange, TableLocation
from tests.faults.test_processes import wait_until


@geneva.udf(batch_size=5)
def slow(id: int) -> int:
    time.sleep(0.02)
    return id + 1


@geneva.udf
def quick(id: int) -> int:
    return id + 1


@geneva.udf
def quick_too(a: int | None) -> int:
    return (a or 0) + 2


@pytest.mark.same_on_ray
def test_a_job_is_drawn_while_it_runs_and_after_a_pause(db, make_table, runner):
    table = make_table(140, 20)
    table.add_columns({"out": slow})
    job = table.backfill_async("out", runner=runner, job_id="j", concurrency=1)
    wait_until(lambda: job.status().rows_done)
    assert job.pause(timeout=15)
    paused = db.get_job("j").history()
    assert all(span.ended_s is not None for span in (*paused.workers, *paused.tasks))
    assert 0 < paused.elapsed_s < 30
    assert paused.samples[-1].rows_done == job.status().rows_done

    job = db.get_job("j").resume()
    seen = [paused]
    while not job.done(0.2):
        now, seen_now = job.history(), db.get_job("j").history()
        assert now.elapsed_s - seen_now.elapsed_s < 4
        seen.append(seen_now)
    history = db.get_job("j").history()
    assert history.elapsed_s >= 2
    # It is as it was, with more behind it.
    for before, after in pairwise([*seen, history]):
        assert after.samples[0] == before.samples[0]
        assert after.elapsed_s >= before.elapsed_s
        assert len(after.workers) >= len(before.workers)
    assert set(paused.tasks) <= set(history.tasks)
    assert set(paused.workers) <= set(history.workers)

    end = history.samples[-1]
    assert (end.rows_done, end.rows_committed, end.workers) == (140, 140, 0)
    assert 2.8 <= end.udf_s < 6
    assert end.elapsed_s == pytest.approx(job.status().elapsed_s, abs=0.05)
    for before, after in pairwise(history.samples):
        assert before.elapsed_s < after.elapsed_s
        assert before.udf_s <= after.udf_s
    went_on = [sample for sample in history.samples if sample.elapsed_s > paused.elapsed_s]
    assert len(went_on) >= 3
    assert max(sample.workers for sample in went_on) >= 1

    # Every row was somebody's at some time, and whoever had a task was there.
    applied = [task for task in history.tasks if task.kind == "apply"]
    rows = {(task.fragment_id, row) for task in applied for row in _rows(task.rows)}
    assert rows == {(fragment, row) for fragment in range(7) for row in range(20)}
    assert sum(task.busy_s() for task in applied) >= 2.8
    for task in history.tasks:
        assert any(
            span.worker == task.worker
            and span.began_s <= task.began_s <= task.ended_s <= span.ended_s
            for span in history.workers
        ), (task, history.workers)
    components = {"inline": "the calling thread", "process": "worker process", "ray": "applier-"}
    computing = [span for span in history.workers if span.role != "writer"]
    assert all(span.component.startswith(components[runner]) for span in computing)
    assert all(span.end.startswith("released") for span in history.workers)
    if runner == "ray":
        assert all(" on node " in span.component for span in history.workers)


def _rows(rows: RowRange) -> range:
    return range(rows.start, rows.stop)


def test_a_killed_worker_says_so(make_table, tmp_path):
    table = make_table(40, 20)
    once = str(tmp_path / "once")
    Path(once).touch()

    @geneva.udf(batch_size=5)
    def dies_once(id: int) -> int:
        if id == 7 and os.path.exists(once):  # noqa: PTH110
            os.remove(once)  # noqa: PTH107
            os.kill(os.getpid(), signal.SIGKILL)
        return id

    table.add_columns({"out": dies_once})
    job = table.backfill_async("out", runner="process", concurrency=1)
    job.result(timeout=30)
    first, second = job.history().workers
    assert first.end == "crash at rows 5 to 9 of fragment 0"
    assert second.end == "released"
    assert first.ended_s <= second.began_s
    (broken_off, *_) = [task for task in job.history().tasks if task.worker == first.worker]
    assert broken_off.ended_s == first.ended_s


def test_a_quick_job_writes_none_and_its_ends_are_known(db, make_table):
    table = make_table(100, 25)
    table.add_columns({"a": quick})
    table.add_columns({"b": quick_too})
    job = table.backfill_async(["a", "b"], runner="inline", job_id="j")
    job.result(timeout=30)
    begin, end = db.get_job("j").history().samples
    assert (begin.elapsed_s, begin.rows_done) == (0, 0)
    assert end.rows_done == 100
    assert end.elapsed_s == pytest.approx(job.status().elapsed_s, abs=0.001)
    assert db.get_job("j").history().workers == ()
    assert JobFiles(TableLocation(db.uri), "j").read_history() is None
    # Who holds it has seen all, and counts go on from column to column.
    history = job.history()
    assert [span.component for span in history.workers] == ["the calling thread"] * 2
    assert history.samples[-1].rows_done == 200
    assert sum(len(task.rows) for task in history.tasks) == 200
    assert history == job.history()
