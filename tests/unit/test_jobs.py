"""The decisions of a job, one by one: how many, how much, for whom, and in which words."""

from __future__ import annotations

import inspect
import pickle
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from geneva import errors
from geneva.jobs.commands import (
    Apply,
    Command,
    Commit,
    Finish,
    KillWorker,
    Outcome,
    ReleaseWorker,
    Role,
    StartWriters,
    StopTask,
    WriteFragment,
)
from geneva.jobs.events import (
    Committed,
    FragmentWritten,
    PartWritten,
    RowsApplied,
    StageTimes,
    StopRequested,
    TaskApplied,
    TaskStarted,
    Tick,
    WorkerBusy,
    WorkerLost,
    WorkerReady,
)
from geneva.jobs.limits import Limits
from geneva.jobs.loss_errors import LostPlace, late_start_error, loss_error, start_error
from geneva.jobs.planner import Plan, plan_backfill
from geneva.jobs.progress import Progress
from geneva.jobs.scaling import Workload, seconds_left, workers_wanted
from geneva.jobs.spec import BackfillArguments, backfill_spec
from geneva.jobs.stage import Stage
from geneva.jobs.state import JobState
from geneva.pipeline.batching import BatchSizer
from geneva.pipeline.control import TaskControl
from geneva.pipeline.driver import Driver, RunnerTraits, StopSignal
from geneva.pipeline.meter import ProgressMeter
from geneva.storage.model import ColumnFile, FragmentState, Origin, Part, RowRange, TableSnapshot
from tests.property.tables import COLUMN, Case, Truth, spec

GIB = 1 << 30


# -- how many workers ----------------------------------------------------------------------------

FAST = {"rows_measured": 1_000, "busy_s": 0.01}
SLOW = {"rows_measured": 10, "busy_s": 1.0}


@pytest.mark.parametrize(
    ("load", "most", "wanted"),
    [
        (Workload(0, 0), 8, 1),
        (Workload(100, 0), 8, 1),
        (Workload(100_000, 1 << 20), 8, 1),
        (Workload(10**9, 0), 8, 8),
        (Workload(10**9, 0), 1, 1),
        (Workload(10**9, 0), 200, 200),
        (Workload(1_000, 10 << 30), 8, 8),  # Few rows, but much to read.
        (Workload(10_000, 0, **FAST), 8, 1),
        (Workload(10**6, 0, **FAST), 8, 8),
        (Workload(5, 0, **SLOW), 8, 1),
        (Workload(15, 0, **SLOW), 8, 3),
        (Workload(1_000, 0, **SLOW), 8, 8),
        # Nothing is reported, but one batch has taken 2 s by now.
        (Workload(1_000, 0, in_flight_s=2.0, rows_in_flight=32), 8, 8),
        (Workload(20, 0, in_flight_s=2.0, rows_in_flight=32), 8, 2),
    ],
)
def test_workers_wanted(load, most, wanted):
    assert workers_wanted(load, 0.45, most) == wanted


@pytest.mark.parametrize("measured", [{}, FAST, SLOW, {"in_flight_s": 3.0, "rows_in_flight": 32}])
@pytest.mark.parametrize("startup_s", [0.0, 0.4, 60.0])
def test_more_work_never_wants_fewer_workers(measured, startup_s):
    loads = [Workload(rows, 10 * rows, **measured) for rows in (0, 1, 10, 10**3, 10**6, 10**10)]
    wanted = [workers_wanted(load, startup_s, 6) for load in loads]
    assert wanted == sorted(wanted)
    assert set(wanted) <= set(range(1, 7))
    left = [seconds_left(load) for load in loads]
    assert left == sorted(left)


# -- what is asked -------------------------------------------------------------------------------


def test_the_call_wins_over_the_function():
    options = {
        "num_cpus": 2.0,
        "num_gpus": 1.0,
        "memory": GIB,
        "batch_size": 16,
        "checkpoint_size": 100,
        "min_checkpoint_size": 10,
        "task_size": 500,
    }
    column = replace(COLUMN, options=options)
    said = backfill_spec(column, BackfillArguments())
    assert (said.num_cpus, said.num_gpus, said.memory_bytes) == (2.0, 1.0, GIB)
    assert (said.batch_size, said.checkpoint_size, said.task_size) == (16, 100, 500)
    assert said.min_checkpoint_size == 10
    given = dict.fromkeys(options, 7)
    asked = backfill_spec(column, BackfillArguments(**given))
    assert (asked.num_cpus, asked.num_gpus, asked.memory_bytes) == (7, 7, 7)
    assert (asked.batch_size, asked.checkpoint_size, asked.task_size) == (7, 7, 7)
    zero = backfill_spec(column, BackfillArguments(num_cpus=0, num_gpus=0))
    assert (zero.num_cpus, zero.num_gpus) == (0, 0)
    assert pickle.loads(pickle.dumps(asked)) == asked


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        ({"intra_applier_concurrency": 3}, "num_cpus", 3.0),
        ({"intra_applier_concurrency": 4, "num_cpus": 0.5}, "num_cpus", 2.0),
        ({"intra_applier_concurrency": 4, "num_gpus": 1}, "num_gpus", 1),
        ({"checkpoint_size": 50}, "checkpoint_size", 50),
        ({"max_checkpoint_size": 30}, "checkpoint_size", 30),
        ({"checkpoint_size": 50, "max_checkpoint_size": 30}, "checkpoint_size", 30),
        ({"checkpoint_size": 20, "max_checkpoint_size": 30}, "checkpoint_size", 20),
        ({}, "checkpoint_size", None),
        ({}, "min_checkpoint_size", 1),
        ({"checkpoint_size": 20, "batch_size": 50}, "batch_size", 20),
        ({"checkpoint_interval_seconds": 0.5}, "checkpoint_interval_s", 0.5),
        ({}, "checkpoint_interval_s", None),
        ({}, "commit_granularity", 64),
        ({"timeout": 1.5}, "timeout_s", 1.5),
        ({"timeout": np.timedelta64(90, "s").item()}, "timeout_s", 90.0),
        ({}, "stall_timeout_s", None),
        ({"stall_timeout": 20}, "stall_timeout_s", 20),
        ({"stall_timeout": np.timedelta64(90, "s").item()}, "stall_timeout_s", 90.0),
    ],
)
def test_spec(arguments, field, value):
    assert getattr(spec(**arguments), field) == value


OWN = {"checkpoint_size": 100, "min_checkpoint_size": 10, "max_checkpoint_size": 200}


@pytest.mark.parametrize(
    ("asked", "most", "fewest"),
    [
        ({}, 100, 10),
        ({"checkpoint_size": 500}, 500, 10),
        ({"max_checkpoint_size": 500}, 100, 10),
        ({"max_checkpoint_size": 5}, 5, 5),
        ({"checkpoint_size": 4, "max_checkpoint_size": 8}, 4, 4),
        ({"min_checkpoint_size": 100}, 100, 100),
    ],
)
def test_sizes_of_parts_from_call_and_function(asked, most, fewest):
    column = replace(COLUMN, options={**COLUMN.options, **OWN})
    said = backfill_spec(column, BackfillArguments(**asked))
    assert (said.checkpoint_size, said.min_checkpoint_size) == (most, fewest)


def test_a_fewest_size_that_the_function_does_not_allow_is_refused():
    column = replace(COLUMN, options={**COLUMN.options, **OWN})
    with pytest.raises(errors.InvalidArgumentError, match=r"min_checkpoint_size=101.* 100 rows"):
        backfill_spec(column, BackfillArguments(min_checkpoint_size=101))


STALE = "were computed by another version of the function or from other inputs"


def test_a_plan_in_words():
    fresh = FragmentState(0, 1_000, 1_000, "a", Origin.FRESH, 0)
    missing = FragmentState(1, 2_000, 1_900, "b", Origin.MISSING, 1_900)
    part = Part(2, RowRange(0, 40), True, "p")
    begun = FragmentState(2, 100, 100, "c", Origin.STALE, 60, parts=(part,))
    later = FragmentState(3, 10, 10, "d", Origin.MISSING, 10)
    what = spec(where="id > 3", num_frags=2, task_size=1_000)
    states = (fresh, missing, begun, later)
    truths = tuple(Truth(s, np.zeros(0), np.zeros(0), {}) for s in states)
    plan = plan_backfill(what, Case(what, truths).snapshot)
    assert str(plan).splitlines() == [
        "Backfill of docs.c at version 3 where id > 3",
        "  rows to compute   1,960 of 3,010",
        "  fragments         2 of 4",
        "  tasks             3",
        "  because           1,900 rows were never computed",
        f"  because           60 rows {STALE}",
        "  taken over        1 part of an earlier job",
        "  skipped           1 fragment: computed already",
        "  skipped           1 fragment: beyond num_frags",
    ]
    assert plan.udf_mismatch


def test_an_empty_plan_in_words():
    snapshot = TableSnapshot(Case(spec(), ()).snapshot.location, 1, COLUMN, None, ())
    plan = plan_backfill(spec(), snapshot)
    assert not plan.has_work
    assert "0 of 0" in str(plan)


# -- batches and tasks ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds_per_row", "bytes_per_row", "low", "high"),
    [
        (1e-7, 8, 65_536, 65_536),  # As many as there may be.
        (1e-5, 8, 1_000, 8_192),
        (1e-3, 8, 32, 128),
        (0.02, 8, 8, 32),  # A batch takes a quarter of a second.
        (1.0, 8, 1, 1),
        (1e-7, 1 << 20, 8, 128),  # Fast, but the output is large.
    ],
)
def test_batches_adapt_to_the_function(seconds_per_row, bytes_per_row, low, high):
    sizer = BatchSizer(None)
    assert sizer.rows == 32
    for _ in range(50):
        sizer.record(sizer.rows, sizer.rows * seconds_per_row, sizer.rows * bytes_per_row)
    assert low <= sizer.rows <= high


def test_batches_keep_to_a_bound():
    sizer = BatchSizer(None, most=50)
    for _ in range(5):
        sizer.record(sizer.rows, 1e-6, 8)
    assert (sizer.rows, BatchSizer(None, most=3).rows) == (50, 3)


def test_batches_that_say_nothing_change_nothing():
    sizer = BatchSizer(None)
    sizer.record(rows=0, seconds=0.0, output_bytes=0)
    sizer.record(rows=5, seconds=1e-6, output_bytes=40)  # The short end of a fragment.
    assert sizer.rows == 32
    fixed = BatchSizer(10)
    for seconds in (1e-6, 5.0):
        fixed.record(10, seconds, 80)
        assert fixed.rows == 10


class Race:
    """Threads that compute tasks, and one that splits those tasks meanwhile."""

    def __init__(self, rows: RowRange) -> None:
        self.lock = threading.Lock()
        self.done: list[int] = []
        self.accounted: list[int] = []
        self.controls: list[TaskControl] = []
        self.stops = [rows.stop]
        self.go = threading.Event()
        self.threads: list[threading.Thread] = []
        self._begin(rows)

    def run(self, *, stop: bool) -> None:
        self._split(turns=2)
        splitter = threading.Thread(target=self._split, args=(400,))
        splitter.start()
        self.go.set()
        if stop:
            while len(self.done) < 500:
                time.sleep(0)
            for control in self.controls:
                control.stop()
        splitter.join()
        for thread in self.threads:
            thread.join()

    def _begin(self, rows: RowRange) -> None:
        control = TaskControl(rows)
        thread = threading.Thread(target=self._compute, args=(rows, control))
        self.controls.append(control)
        self.threads.append(thread)
        thread.start()

    def _compute(self, rows: RowRange, control: TaskControl) -> None:
        self.go.wait()
        for start in range(rows.start, rows.stop, 7):
            offsets = np.arange(start, min(start + 7, rows.stop))
            mine = control.claimed((offsets, pa.record_batch({"x": offsets})))
            if mine is None:
                break
            assert mine[1]["x"].to_pylist() == mine[0].tolist()
            with self.lock:
                self.done += mine[0].tolist()
        with self.lock:
            self.accounted += range(rows.start, control.end())

    def _split(self, turns: int) -> None:
        for turn in range(turns):
            i = turn % len(self.controls)
            at = self.controls[i].split()
            if at is not None:
                stop, self.stops[i] = self.stops[i], at
                self.stops.append(stop)
                self._begin(RowRange(at, stop))


@pytest.mark.parametrize("stop", [False, True])
def test_no_row_is_lost_or_doubled_when_tasks_are_split_while_they_run(stop):
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        race = Race(RowRange(0, 4_000))
        race.run(stop=stop)
    finally:
        sys.setswitchinterval(interval)
    assert len(race.controls) >= 3
    assert len(set(race.done)) == len(race.done)
    assert sorted(race.accounted) == sorted(race.done)
    assert stop or sorted(race.done) == list(range(4_000))


# -- what the user reads -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exit_code", "kind", "words"),
    [
        (-9, errors.FatalWorkerOOMError, ["SIGKILL", "memory", "batch_size"]),
        (-11, errors.FatalWorkerCrashError, ["signal 11", "crashes the interpreter"]),
        (3, errors.FatalWorkerExitError, ["code 3", "ends the process"]),
        (None, errors.FatalWorkerExitError, ["ended without a word"]),
    ],
)
def test_lost_workers_are_explained(exit_code, kind, words):
    place = LostPlace("docs.c", fragment_id=4, position=120, writing=False)
    error = loss_error(WorkerLost(1, exit_code, "Fatal: no luck"), place, times=3)
    assert type(error) is kind
    for word in [*words, "docs.c", "lost 3 times", "fragment 4", "offset 120", "Fatal: no luck"]:
        assert word in str(error)
    assert "is kept" in str(error)
    writing = loss_error(WorkerLost(1, exit_code), replace(place, writing=True), times=1)
    assert "lost once while writing fragment 4" in str(writing)
    assert "error output" not in str(writing)


def test_workers_that_do_not_start_are_explained():
    assert "ImportError: no" in str(start_error(WorkerLost(0, 1, "ImportError: no")))
    assert "printed nothing" in str(start_error(WorkerLost(0, 1)))
    assert "GENEVA_WORKER_START_TIMEOUT_S" in str(late_start_error(120.0))


ERRORS = [
    found
    for _, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, errors.GenevaError)
]


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_errors_pickle_with_what_they_know(kind):
    details = {"udf_name": "f", "row_id": 3, "fragment_id": 1, "row_offset": 2, "inputs": "a=1"}
    error = errors.with_details(kind("what, which, and what to do"), **details)
    error.user_traceback = "Traceback"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == "what, which, and what to do"
    assert vars(again) == {**details, "user_traceback": "Traceback"}


# -- the state machine ---------------------------------------------------------------------------


def plan_of(*fragments: int) -> Plan:
    """Plan some fragments of ten rows each, of which none is computed."""
    what = spec()
    states = [FragmentState(i, 10, 10, f"print-{i}", Origin.MISSING, 10) for i in fragments]
    truths = tuple(Truth(state, np.zeros(0), np.zeros(0), {}) for state in states)
    return plan_backfill(what, Case(what, truths).snapshot)


def file_of(fragment_id: int) -> ColumnFile:
    return ColumnFile(fragment_id, f"{fragment_id}.lance", (7,), (0,), 2, 1, None)


def test_a_worker_that_does_not_stop_is_killed_and_what_it_said_before_is_no_news():
    job = JobState(plan_of(0, 1), Limits(2, stop_grace_s=5))
    first, second = job.begin((0, 1), 0, now_s=0)
    assert (first.worker, second.worker) == (0, 1)
    done = TaskApplied(1, second.task.task_id, RowRange(0, 10), file_of(1))
    assert job.handle(done, 1.0) == []
    stop = errors.BackfillTimeoutError("late")
    assert job.handle(StopRequested(stop), 1.0) == [StopTask(0)]
    assert job.handle(Tick(), 5.9) == []
    assert job.handle(Tick(), 6.1) == [KillWorker(0), Commit((file_of(1),))]
    task = first.task.task_id
    part = Part(0, RowRange(0, 4), True, "part")
    for late in (
        RowsApplied(0, task, rows=4, output_bytes=32, position=4, times=StageTimes()),
        PartWritten(0, task, part),
        TaskApplied(0, task, RowRange(0, 4)),
        WorkerLost(0, -9),
    ):
        assert job.handle(late, 6.2) == []
    assert (job.scheduler.workers_starting, set(job.scheduler.workers)) == (0, {1})
    committed = Committed(2, (file_of(1),), {}, seconds=0.1)
    assert job.handle(committed, 6.3) == [Finish(Outcome(error=stop))]
    assert job.handle(Tick(), 7.0) == []


def test_a_run_goes_on_with_the_workers_it_has_when_another_does_not_start():
    job = JobState(plan_of(0, 1), Limits(2, worker_start_timeout_s=20))
    job.begin((0,), 1, now_s=0)
    assert job.handle(Tick(), 60.0) == []
    alone = JobState(plan_of(0), Limits(2, worker_start_timeout_s=20))
    alone.begin((), 1, now_s=0)
    assert alone.handle(Tick(), 19.0) == []
    (finish,) = alone.handle(Tick(), 21.0)
    assert isinstance(finish.outcome.error, errors.WorkerStartError)


def test_a_writer_starts_shortly_before_it_is_needed_and_goes_when_it_is_not():
    job = JobState(plan_of(0, 1), Limits(1, separate_writers=True, startup_s=0.5))
    (apply,) = job.begin((0,), 0, now_s=0)
    task = apply.task.task_id
    job.handle(TaskStarted(0, task, setup_s=0.0), 1.0)

    def rows(start: int, stop: int, now_s: float) -> list[Command]:
        job.handle(PartWritten(0, task, Part(0, RowRange(start, stop), True, f"{start}")), now_s)
        return job.handle(RowsApplied(0, task, stop - start, 8, stop, StageTimes()), now_s)

    assert [rows(i, i + 1, 3.0 + 2 * i) for i in range(6)] == [[]] * 6
    assert rows(6, 7, 15.0) == [StartWriters(1)]
    writer = 7
    assert job.handle(WorkerReady(writer, 0.5, Role.WRITER), 16.0) == []
    go_on, write = job.handle(TaskApplied(0, task, RowRange(0, 10)), 21.0)
    assert isinstance(write, WriteFragment)
    assert isinstance(go_on, Apply)
    assert (write.worker, go_on.worker) == (writer, 0)
    assert job.handle(FragmentWritten(writer, file_of(0), StageTimes()), 22.0) == []
    assert job.handle(Tick(), 81.0) == []
    assert job.handle(Tick(), 83.0) == [ReleaseWorker(writer)]
    assert job.handle(Tick(), 84.0) == []


def stalling(*fragments: int, **bounds) -> JobState:
    """Begin a run with a worker for each fragment, of which none has said anything."""
    job = JobState(plan_of(*fragments), Limits(len(fragments), stall_timeout_s=60, **bounds))
    begun = job.begin(tuple(range(len(fragments))), 0, now_s=0)
    assert [command.worker for command in begun] == list(range(len(fragments)))
    return job


def tell(
    job: JobState, until_s: int, stages: dict[int, Stage], since_s: float = 0
) -> list[Command]:
    """Let workers say every five seconds what they are at; return the first commands, and when."""
    for now_s in range(int(since_s) + 5, until_s + 1, 5):
        for worker, stage in stages.items():
            busy = WorkerBusy(worker, stage, now_s - since_s, f"applier-{worker} on node n{worker}")
            commands = job.handle(busy, float(now_s))
            if commands:
                return [*commands, now_s]
    return []


def test_a_run_that_only_waits_ends_and_says_for_what():
    job = stalling(0, 1)
    *stops, now_s = tell(job, 100, {0: Stage.READ, 1: Stage.CHECKPOINT})
    assert stops == [StopTask(0), StopTask(1)]
    assert 60 < now_s <= 70
    kill, other, finish = job.handle(Tick(), now_s + 6.0)
    assert (kill, other) == (KillWorker(0), KillWorker(1))
    error = finish.outcome.error
    assert type(error) is errors.StalledError
    for words in (
        "docs.c",
        "applier-0 on node n0 has been reading rows (fragment 0) for 65 s",
        "applier-1 on node n1 has been making rows durable (fragment 1) for 65 s",
        "stall_timeout=",
        "is kept",
    ):
        assert words in str(error)


@pytest.mark.parametrize("at", [Stage.UDF, None])
def test_a_run_waits_as_long_as_somebody_may_compute(at):
    job = stalling(0, 1)
    stages = {0: Stage.READ} if at is None else {0: Stage.READ, 1: at}
    assert tell(job, 3_000, stages) == []
    assert job.stalls_at == ""


def test_a_setup_that_does_not_end_is_shown_and_then_ends_the_run():
    job = stalling(0, 1, setup_timeout_s=300)
    stages = {0: Stage.READ, 1: Stage.SETUP}
    assert tell(job, 300, stages) == []
    assert "applier-1 on node n1 has been setting the function up for 300 s" in job.stalls_at
    said = [WorkerBusy(worker, at, 302.0) for worker, at in stages.items()]
    assert job.handle(said[0], 302.0) == [StopTask(0), StopTask(1)]
    error = job.handle(Tick(), 308.0)[-1].outcome.error
    assert "setup()" in str(error)
    assert "GENEVA_SETUP_TIMEOUT_S" in str(error)


def test_a_worker_that_falls_silent_may_compute():
    job = stalling(0)
    assert tell(job, 55, {0: Stage.READ}) == []
    assert [job.handle(Tick(), float(now_s)) for now_s in range(56, 4_000)] == [[]] * 3_944


def test_progress_begins_the_wait_anew():
    job = stalling(0)
    assert tell(job, 55, {0: Stage.READ}) == []
    assert job.stalls_at == "applier-0 on node n0 has been reading rows (fragment 0) for 55 s"
    job.handle(RowsApplied(0, 0, 4, 32, position=4, times=StageTimes()), 56.0)
    assert job.stalls_at == ""
    assert tell(job, 116, {0: Stage.LOAD}, since_s=56) == []
    assert tell(job, 126, {0: Stage.LOAD}, since_s=56)[0] == StopTask(0)


def test_a_worker_that_gets_ready_for_nothing_is_no_progress():
    job = stalling(0)
    job.handle(WorkerReady(1, 0.4, Role.WRITER), 50.0)
    assert tell(job, 70, {0: Stage.READ})[0] == StopTask(0)


# -- the driver ----------------------------------------------------------------------------------


class _OneFile:
    """A runner whose one worker finishes a fragment at once."""

    max_workers = 1
    traits = RunnerTraits()

    def __init__(self) -> None:
        self.events: list = []

    def begin(self, context):
        return (0,), 0

    def send(self, command) -> None:
        file = file_of(command.fragment.fragment_id)
        self.events.append(TaskApplied(0, command.task.task_id, command.task.rows, file))

    def poll(self, timeout_s: float) -> list:
        events, self.events = self.events, []
        return events

    def end(self) -> None:
        pass


def test_a_commit_that_is_not_answered_ends_the_run():
    never = threading.Event()
    error = _drive(lambda files: never.wait()).error
    never.set()
    assert type(error) is errors.StalledError
    for words in ("docs.c", "not answered a commit for 1 s", "GENEVA_STALL_TIMEOUT_S", "is kept"):
        assert words in str(error)


def _drive(commit) -> Outcome:
    plan = plan_of(0)
    meter = ProgressMeter(Progress("j", "docs", "c"), lambda progress: None)
    meter.begin_round(plan, 1)
    job = JobState(plan, Limits(1))
    stop = StopSignal()
    driver = Driver(job, _OneFile(), commit, meter, stop, None, print, 1, print, print)
    return driver.run(None)


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), OSError("disk full")])
def test_a_commit_that_is_interrupted_ends_the_run(raised):
    def commit(files):
        raise raised

    assert _drive(commit).error is raised
