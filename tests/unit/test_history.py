"""How a job went: what is kept of it, how it gets coarser, and what a driver tells of it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from itertools import pairwise

import pytest

from geneva.jobs.commands import Apply, KillWorker, ReleaseWorker, Role, WriteFragment
from geneva.jobs.events import (
    BatchRows,
    FragmentWritten,
    LossCause,
    ReleaseRequested,
    StageTimes,
    TaskApplied,
    TaskStarted,
    Tick,
    WorkerLost,
    WorkerReady,
)
from geneva.jobs.history import JobHistory, Sample, TaskSpan, WorkerSpan, history_of
from geneva.jobs.planner import ApplyTask, FragmentPlan
from geneva.jobs.progress import Progress
from geneva.jobs.thinning import MOST_SAMPLES, MOST_TASKS, MOST_WORKERS, fitted, with_sample
from geneva.pipeline import chronicle as chronicles
from geneva.pipeline.chronicle import Chronicle
from geneva.storage.model import ColumnFile, RowRange

FRAGMENT = FragmentPlan(0, 9, "f", 9, (RowRange(0, 9),), None, None, None, False, True)
FILE = ColumnFile(0, "f.lance", (1,), (0,), 2, 0, 9)
BEGAN = Progress("j", "docs", "out")
HISTORY = JobHistory(
    samples=(Sample(0.0), Sample(1.5, rows_done=7, rows_per_s=4.5, udf_s=0.25)),
    workers=(
        WorkerSpan(3, "worker process 3", "worker", 0.5, 1.25, "crash", 0.75),
        WorkerSpan(4, "worker process 4", "worker", 0.5),
    ),
    tasks=(
        TaskSpan(3, 0.5, 1.25, 7, RowRange(0, 9), "write", 2, 0.125),
        TaskSpan(4, 0.75),
    ),
    interval_s=0.5,
    resolution_s=2.0,
    workers_dropped=11,
)


def test_a_history_reads_as_it_was_written():
    for history in (HISTORY, JobHistory(), history_of(BEGAN)):
        assert JobHistory.from_json(history.to_json()) == history
    assert HISTORY.elapsed_s == 1.5


def test_histories_of_other_versions_are_read():
    values = json.loads(HISTORY.to_json())
    later = {
        **values,
        "invented": 1,
        "samples": {**values["samples"], "invented": [1, 2]},
    }
    assert JobHistory.from_json(json.dumps(later)) == HISTORY
    del values["interval_s"], values["workers"]["loaded_s"], values["tasks"]["idle_s"]
    earlier = JobHistory.from_json(json.dumps(values))
    assert earlier.interval_s == JobHistory().interval_s
    assert [span.loaded_s for span in earlier.workers] == [None, None]
    for text in ("", "[]", "{}", '{"samples": [], "workers": [], "tasks": []}', '{"samples": 1}'):
        with pytest.raises(ValueError):
            JobHistory.from_json(text)


def test_what_nobody_drives_any_more_has_an_end():
    closed = HISTORY.closed(1.5, "lost")
    assert closed.workers == (
        HISTORY.workers[0],
        replace(HISTORY.workers[1], ended_s=1.5, end="lost"),
    )
    assert closed.tasks[1].ended_s == 1.5
    assert closed.closed(9.0, "again") == closed


def test_samples_span_the_whole_job_evenly():
    """A day at four per second."""
    samples: list[Sample] = []
    at_s, interval_s = 0.0, 0.25
    while at_s < 86_400:
        samples, interval_s = with_sample(samples, Sample(at_s, rows_per_s=8.0), interval_s)
        assert len(samples) <= MOST_SAMPLES
        at_s += interval_s
    times = [sample.elapsed_s for sample in samples]
    steps = [after - before for before, after in pairwise(times)]
    assert times[0] == 0.0
    assert times[-1] == at_s - interval_s
    assert len(samples) > MOST_SAMPLES / 3
    assert max(steps[:-1]) <= 2 * min(steps[:-1])
    assert {sample.rows_per_s for sample in samples} == {8.0}


def test_the_newest_sample_takes_the_place_of_one_that_is_too_close():
    samples, interval_s = with_sample([Sample(0.0)], Sample(0.1, rows_done=1), 0.25)
    samples, _ = with_sample(samples, Sample(0.2, rows_done=2), interval_s)
    assert samples == [Sample(0.0), Sample(0.2, rows_done=2)]
    samples, _ = with_sample([*samples, Sample(0.5)], Sample(0.6), interval_s)
    assert [sample.elapsed_s for sample in samples] == [0.0, 0.2, 0.5, 0.6]


def test_tasks_are_merged_only_with_their_neighbours_of_the_same_worker():
    tasks = [
        TaskSpan(0, 0.0, 1.0, 7, RowRange(0, 5)),
        TaskSpan(1, 0.5, 1.5, 8, RowRange(0, 5)),
        TaskSpan(0, 1.25, 2.0, 7, RowRange(5, 9)),
        TaskSpan(1, 1.5, 2.0, 8, RowRange(0, 9), "write"),
        TaskSpan(0, 50.0, 51.0, 9, RowRange(0, 5)),
    ]
    found, resolution_s = fitted(tasks, 0.0, 3)
    assert found == [
        TaskSpan(0, 0.0, 2.0, 7, RowRange(0, 9), tasks=2, idle_s=0.25),
        TaskSpan(1, 0.5, 2.0, 8, RowRange(0, 9), "mixed", tasks=2),
        tasks[-1],
    ]
    assert 1.5 <= resolution_s < 5
    # One of each worker is left, and those that come later are merged as the others were.
    assert len(fitted(tasks, 0.0, 1)[0]) == 2
    assert fitted([*found, TaskSpan(1, 60.0, 61.0)], resolution_s, 9)[1] == resolution_s


# -- what a driver tells ---------------------------------------------------------------------------


class Clock:
    """Stands in for the time module."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(chronicles, "time", clock)
    return clock


def begun(*ready: int, progress: Progress = BEGAN, before: JobHistory | None = None) -> Chronicle:
    chronicle = Chronicle()
    chronicle.go_on(before)
    chronicle.begin_pass(progress)
    chronicle.begin_round(ready)
    return chronicle


def apply(worker: int, fragment_id: int = 0, stop: int = 9) -> Apply:
    fragment = replace(FRAGMENT, fragment_id=fragment_id)
    return Apply(worker, ApplyTask(0, fragment_id, RowRange(0, stop)), fragment)


def test_a_worker_is_at_its_task_once_the_function_is_set_up(clock):
    chronicle = begun(progress=replace(BEGAN, elapsed_s=0.0))
    clock.now_s += 1
    chronicle.record(WorkerReady(5, 0.4, Role.APPLIER, "applier-5 on node 10.0.0.7"))
    chronicle.gave(apply(5))
    clock.now_s += 2
    chronicle.record(TaskStarted(5, 0, setup_s=1.9))
    (worker,), (task,) = chronicle.history().workers, chronicle.history().tasks
    assert worker == WorkerSpan(5, "applier-5 on node 10.0.0.7", "applier", 1.0, loaded_s=3.0)
    assert task == TaskSpan(5, 3.0, None, 0, RowRange(0, 9))
    clock.now_s += 1
    # It gave rows away.
    chronicle.record(TaskApplied(5, 0, RowRange(0, 4)))
    assert chronicle.history().tasks == (TaskSpan(5, 3.0, 4.0, 0, RowRange(0, 4)),)
    assert chronicle.history().workers == (worker,)


def test_a_writer_begins_a_fragment_when_the_one_before_is_written(clock):
    chronicle = begun(2)
    for fragment_id in (7, 8):
        chronicle.gave(WriteFragment(2, replace(FRAGMENT, fragment_id=fragment_id), ()))
    clock.now_s += 1
    chronicle.record(FragmentWritten(2, replace(FILE, fragment_id=7), StageTimes()))
    clock.now_s += 1
    chronicle.record(FragmentWritten(2, replace(FILE, fragment_id=8), StageTimes()))
    assert chronicle.history().tasks == (
        TaskSpan(2, 0.0, 1.0, 7, RowRange(0, 9), "write"),
        TaskSpan(2, 1.0, 2.0, 8, RowRange(0, 9), "write"),
    )


@pytest.mark.parametrize(
    ("told", "end"),
    [
        ([ReleaseWorker(1)], "released"),
        (
            [ReleaseRequested(1, "its node is being taken away"), ReleaseWorker(1)],
            "released: its node is being taken away",
        ),
        ([KillWorker(1)], "ended: it did not stop in time"),
        (
            [WorkerLost(1, -9, batch=BatchRows(0, RowRange(5, 10)))],
            "crash at rows 5 to 9 of fragment 0",
        ),
        ([WorkerLost(1, None, cause=LossCause.NODE_LOST)], "node lost"),
        # What is heard of it later changes nothing.
        ([WorkerLost(1, -9), WorkerLost(1, -9), TaskApplied(1, 0, RowRange(0, 9))], "crash"),
    ],
)
def test_how_a_worker_ended_is_said(clock, told, end):
    chronicle = begun(1)
    chronicle.gave(apply(1))
    clock.now_s += 1
    for one in told:
        (chronicle.gave if isinstance(one, ReleaseWorker | KillWorker) else chronicle.record)(one)
    clock.now_s += 1
    history = chronicle.history()
    assert history.workers == (WorkerSpan(1, "worker process 1", "worker", 0.0, 1.0, end),)
    assert history.tasks == (TaskSpan(1, 0.0, 1.0, 0, RowRange(0, 9)),)


def test_a_worker_that_was_lost_before_it_was_ready_is_there_for_no_time(clock):
    chronicle = begun()
    clock.now_s += 1
    chronicle.record(WorkerLost(4, 1, component="applier-4", role=Role.APPLIER))
    end = "crash before it was ready"
    assert chronicle.history().workers == (WorkerSpan(4, "applier-4", "applier", 1.0, 1.0, end),)


def test_workers_that_a_next_round_keeps_are_the_same(clock):
    chronicle = begun(1, 2)
    clock.now_s += 1
    chronicle.end_round()
    assert [span.ended_s for span in chronicle.history().workers] == [1.0, 1.0]
    clock.now_s += 1
    chronicle.begin_round((2,))
    ends = {span.worker: (span.ended_s, span.end) for span in chronicle.history().workers}
    assert ends == {1: (1.0, "released"), 2: (None, "")}
    # The workers of the next column are others, whatever their numbers.
    chronicle.end_round()
    chronicle.begin_pass(BEGAN)
    chronicle.begin_round((2,))
    assert [span.worker for span in chronicle.history().workers] == [1, 2, 2]


def test_of_several_columns_the_counts_go_on(clock):
    chronicle = begun(1)
    for rows in (5, 9):
        clock.now_s += 1
        chronicle.show(replace(BEGAN, rows_done=rows, stage_s={"udf": rows / 2}))
    chronicle.show(replace(BEGAN, rows_done=9, stage_s={"udf": 4.5}, finished=True))
    chronicle.begin_pass(BEGAN)
    clock.now_s += 1
    chronicle.show(replace(BEGAN, rows_done=2, stage_s={"udf": 0.5}))
    samples = chronicle.history().samples
    assert [(s.elapsed_s, s.rows_done, s.udf_s) for s in samples] == [
        (0.0, 0, 0.0),
        (1.0, 5, 2.5),
        (2.0, 9, 4.5),
        (3.0, 11, 5.0),
    ]


def test_a_paused_job_goes_on_where_its_clock_stood(clock):
    chronicle = begun(1)
    clock.now_s += 3
    chronicle.gave(apply(1))
    paused = replace(BEGAN, rows_done=5, elapsed_s=3.0, finished=True)
    chronicle.show(paused)
    chronicle.end_round()
    chronicle.end()
    clock.now_s += 500
    stored = chronicle.history()
    assert (stored.elapsed_s, stored.workers[0].ended_s) == (3.0, 3.0)
    again = begun(1, progress=replace(paused, finished=False), before=stored)
    clock.now_s += 2
    again.show(replace(paused, rows_done=7, elapsed_s=5.0, finished=False))
    history = again.history()
    assert [(s.elapsed_s, s.rows_done) for s in history.samples] == [(0.0, 0), (3.0, 5), (5.0, 7)]
    assert [(s.began_s, s.ended_s) for s in history.workers] == [(0.0, 3.0), (3.0, None)]
    # Nothing was stored of one that was paused at once.
    fresh = begun(1, progress=replace(paused, finished=False))
    clock.now_s += 1
    assert [s.elapsed_s for s in fresh.history().samples] == [0.0, 3.0, 4.0]


def test_what_a_lost_driver_had_begun_ends_when_it_was_heard_of_last(clock):
    chronicle = begun(1)
    clock.now_s += 2
    chronicle.gave(apply(1))
    chronicle.show(replace(BEGAN, rows_done=5))
    again = begun(1, before=chronicle.history())
    clock.now_s += 1
    again.show(replace(BEGAN, rows_done=1))
    history = again.history()
    assert [(s.elapsed_s, s.rows_done) for s in history.samples] == [(0.0, 0), (2.0, 5), (3.0, 6)]
    first, second = history.workers
    assert (first.ended_s, first.end) == (2.0, "lost with its driver")
    assert (second.began_s, second.ended_s) == (2.0, None)
    assert history.tasks[0].ended_s == 2.0


def test_a_history_is_bounded_whatever_happens(clock):
    chronicle = begun(0)
    for number in range(3_000):
        worker = number // 5
        if number % 5 == 0 and worker:
            chronicle.record(WorkerReady(worker, 0.1))
        chronicle.gave(apply(worker, number))
        clock.now_s += 2
        chronicle.record(TaskApplied(worker, number, RowRange(0, 9)))
        clock.now_s += 1
        chronicle.show(replace(BEGAN, rows_done=number))
        if number % 5 == 4 and worker % 3:
            chronicle.record(WorkerLost(worker, -9))
    history = chronicle.history()
    assert len(history.samples) <= MOST_SAMPLES
    assert len(history.workers) == MOST_WORKERS
    assert history.workers_dropped == 600 - MOST_WORKERS
    assert history.workers[-1].worker == 599
    assert 300 <= len(history.tasks) <= MOST_TASKS
    kept = {span.worker for span in history.workers}
    assert {task.worker for task in history.tasks} <= kept
    assert len(history.to_json()) < 80_000


def test_it_costs_hardly_anything(clock):
    chronicle = begun(0, 1)
    told = [(apply(n % 2, n), TaskApplied(n % 2, n, RowRange(0, 9))) for n in range(1_000)]
    best_s = 1.0
    for _ in range(5):
        began_s = time.thread_time()
        for command, event in told:
            chronicle.gave(command)
            clock.now_s += 0.002
            chronicle.record(Tick())
            chronicle.record(event)
        chronicle.history()
        best_s = min(best_s, time.thread_time() - began_s)
    # A job of a thousand tasks of no work takes two seconds of CPU; this takes 6 ms.
    assert best_s < 0.020
