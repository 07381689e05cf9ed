"""Real processes: killed, crashed, interrupted, and functions that only the caller has."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

import geneva
from geneva import errors
from geneva.config import settings
from tests.conftest import values

SLOW = """
    import os, pathlib, sys, time
    import geneva

    calls = pathlib.Path(sys.argv[2])

    @geneva.udf(batch_size=5)
    def slow(id: int) -> int:
        time.sleep(0.005)
        with calls.open("a") as file:
            file.write(f"{id}\\n")
        return id + 1
"""


def program(folder: Path, text: str) -> list[str]:
    path = folder / "program.py"
    path.write_text(textwrap.dedent(text))
    return [sys.executable, str(path), str(folder / "db"), str(folder / "calls")]


def wait_until(condition, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    return [p for p in process.children() if "worker_process" in " ".join(p.cmdline())]


def test_functions_of_main_and_of_local_modules(make_table, tmp_path):
    make_table()
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "my_helpers.py").write_text("def shifted(x):\n    return x + SHIFT\n\nSHIFT = 7\n")
    text = """
        import sys
        import geneva
        sys.path.insert(0, sys.argv[3])
        import my_helpers
        sys.path.pop(0)

        class Model:
            def predict(self, x):
                return my_helpers.shifted(x) * 2

        @geneva.udf
        class Predict:
            def setup(self):
                self.model = Model()
            def __call__(self, id: int) -> int:
                return self.model.predict(id)

        # No __main__ guard: workers must not run this file again.
        print("program runs")
        table = geneva.connect(sys.argv[1]).open_table("docs")
        table.add_columns({"out": Predict()})
        table.backfill("out")
        print(table.to_arrow()["out"].to_pylist()[:3])
    """
    done = subprocess.run(
        [*program(tmp_path, text), str(folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["program runs", "[14, 16, 18]"]
    assert "done, 100 rows" in done.stderr
    assert "not stable" not in done.stderr


def test_prints_of_functions_reach_the_caller(make_table, capfd):
    table = make_table(3, 3)

    @geneva.udf
    def talks(id: int) -> int:
        print(f"row {id}")  # noqa: T201
        print(f"warning {id}", file=sys.stderr)  # noqa: T201
        return id

    table.add_columns({"out": talks})
    table.backfill("out", progress=False)
    seen = ["", ""]

    def all_there() -> bool:
        out, err = capfd.readouterr()
        seen[0] += out
        seen[1] += err
        return "row 2" in seen[0] and "warning 2" in seen[1]

    wait_until(all_there, 5)


@pytest.mark.parametrize(
    ("crash", "kind", "words", "times"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", errors.FatalWorkerCrashError, "signal 11", "once"),
        ("os._exit(7)", errors.FatalWorkerExitError, "code 7", "once"),
        # Anybody may have sent that.
        ("os.kill(os.getpid(), 9)", errors.FatalWorkerOOMError, "SIGKILL", "3 times"),
    ],
)
def test_a_crash_harms_neither_caller_nor_other_rows(make_table, crash, kind, words, times):
    table = make_table(100, 25)
    crashes = geneva.udf(_crashing(crash), batch_size=5)
    table.add_columns({"out": crashes})
    with pytest.raises(kind, match=words) as caught:
        table.backfill("out", progress=False)
    assert f"lost {times} while computing row offset 10 of fragment 2 alone" in str(caught.value)
    assert "inputs: id=60" in str(caught.value)
    assert (caught.value.fragment_id, caught.value.row_offset) == (2, 10)
    table.alter_columns({"path": "out", "udf": geneva.udf(lambda id: id, data_type=_int64())})
    table.backfill("out", progress=False)
    assert values(table, "out") == {i: i for i in range(100)}


def _crashing(crash: str):
    def crashes(id: int) -> int:
        import os  # noqa: F401
        import signal  # noqa: F401

        if id == 60:
            eval(crash)
        return id

    return crashes


def _int64():
    import pyarrow as pa

    return pa.int64()


@pytest.mark.parametrize("sizes", [{}, {"checkpoint_size": 7}])
def test_a_worker_that_is_killed_once_is_replaced(make_table, tmp_path, sizes):
    table = make_table(400, 100)
    marker = tmp_path / "killed"

    @geneva.udf(batch_size=5)
    def dies_once(id: int) -> int:
        if id == 250 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return id

    table.add_columns({"out": dies_once})
    result = table.backfill("out", progress=False, **sizes)
    assert result.metrics["worker_losses"] == 1
    assert result.columns["out"].rows_processed == 400
    assert values(table, "out") == {i: i for i in range(400)}


def test_a_killed_driver_leaves_no_orphans_and_the_rerun_goes_on(make_table, tmp_path):
    table = make_table(1000, 500)
    add = (
        SLOW
        + """
    table = geneva.connect(sys.argv[1]).open_table("docs")
    if "out" not in table.schema.names:
        table.add_columns({"out": slow})
    table.backfill("out", checkpoint_size=20, progress=False)
    """
    )
    calls = tmp_path / "calls"
    process = subprocess.Popen(program(tmp_path, add))
    try:
        wait_until(lambda: calls.exists() and len(calls.read_text().split()) > 300)
        workers = workers_of(psutil.Process(process.pid))
        assert workers
    finally:
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert not alive
    before = len(calls.read_text().split())
    subprocess.run(program(tmp_path, add), check=True)
    numbers = list(map(int, calls.read_text().split()))
    assert sorted(set(numbers)) == list(range(1000))
    # At risk are at most a checkpoint and a batch per worker.
    assert len(numbers) - 1000 <= 2 * 25 + 10, (before, len(numbers))
    assert values(table, "out") == {i: i + 1 for i in range(1000)}


def test_a_worker_that_holds_the_interpreter_ends_with_its_caller(make_table, tmp_path):
    make_table(10, 10)
    text = """
        import ctypes, pathlib, sys
        import geneva

        @geneva.udf
        def stuck(id: int) -> int:
            pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else PATH).touch()
            ctypes.PyDLL(None).sleep(600)  # Holds the interpreter lock.
            return id

        PATH = sys.argv[2]
        table = geneva.connect(sys.argv[1]).open_table("docs")
        table.add_columns({"out": stuck})
        table.backfill("out", progress=False)
    """
    process = subprocess.Popen(
        program(tmp_path, text.replace("sys.argv[2] if len(sys.argv) > 2 else PATH", "PATH"))
    )
    wait_until((tmp_path / "calls").exists)
    workers = workers_of(psutil.Process(process.pid))
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=5)
    for orphan in alive:
        orphan.kill()
    assert workers
    assert not alive


def test_ctrl_c_ends_soon_and_keeps_what_is_computed(make_table, tmp_path):
    table = make_table(2000, 2000)
    calls = tmp_path / "calls"
    text = (
        SLOW
        + """
    table = geneva.connect(sys.argv[1]).open_table("docs")
    table.add_columns({"out": slow})
    table.backfill("out", progress=False)
    """
    )
    process = subprocess.Popen(program(tmp_path, text), stderr=subprocess.PIPE, text=True)
    wait_until(lambda: calls.exists() and len(calls.read_text().split()) > 200)
    workers = workers_of(psutil.Process(process.pid))
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert time.monotonic() - asked < 2
    assert "KeyboardInterrupt" in err
    assert not psutil.wait_procs(workers, timeout=5)[1]
    computed = len(calls.read_text().split())
    assert table.plan_backfill("out").total_rows_pending == 2000 - computed


def test_ctrl_c_does_not_wait_for_a_long_batch(make_table, tmp_path):
    table = make_table(40, 40)
    calls = tmp_path / "calls"
    text = (
        SLOW.replace("time.sleep(", "time.sleep(30 if id == 25 else ")
        + """
    table = geneva.connect(sys.argv[1]).open_table("docs")
    table.add_columns({"out": slow})
    table.backfill("out", progress=False, batch_size=5, checkpoint_size=5, concurrency=1)
    """
    )
    process = subprocess.Popen(program(tmp_path, text), stderr=subprocess.PIPE, text=True)
    wait_until(lambda: calls.exists() and "24" in calls.read_text().split())
    time.sleep(0.2)
    workers = workers_of(psutil.Process(process.pid))
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert time.monotonic() - asked < 2
    assert not psutil.wait_procs(workers, timeout=5)[1]
    assert table.plan_backfill("out").total_rows_pending == 15


def test_workers_survive_between_backfills_and_are_warm(make_table):
    table = make_table()

    @geneva.udf
    def who(id: int) -> int:
        return os.getpid()

    table.add_columns({"a": who, "b": who})
    table.backfill("a", progress=False)
    started = time.monotonic()
    table.backfill("b", progress=False)
    assert time.monotonic() - started < 0.5
    first, second = set(values(table, "a").values()), set(values(table, "b").values())
    assert first & second
    assert os.getpid() not in first


def test_small_jobs_start_one_worker_and_long_ones_more(make_table):
    table = make_table(60, 60)
    table.add_columns({"quick": geneva.udf(lambda id: os.getpid(), data_type=_int64())})

    @geneva.udf(batch_size=2)
    def long(id: int) -> int:
        time.sleep(0.05)
        return os.getpid()

    table.add_columns({"long": long})
    table.backfill("quick", progress=False)
    assert len(set(values(table, "quick").values())) == 1
    table.backfill("long", concurrency=2, num_cpus=0.5, progress=False)
    # One fragment, and yet both had their share: the first gave half of its rest away.
    shares = list(values(table, "long").values())
    assert min(map(shares.count, set(shares))) >= 15


def test_background_job(make_table):
    table = make_table(200, 50)

    @geneva.udf(batch_size=5)
    def slow(id: int) -> int:
        time.sleep(0.01)
        return id

    table.add_columns({"a": slow, "b": slow})
    job = table.backfill_async("a")
    assert not job.done()
    with pytest.raises(TimeoutError, match="goes on"):
        job.result(timeout=0.01)
    assert job.result(timeout=60).columns["a"].rows_processed == 200
    assert job.done()
    assert job.status().finished
    assert (job.table_name, job.column_names) == ("docs", ["a"])

    cancelled = table.backfill_async("b")
    wait_until(lambda: cancelled.status().rows_done > 0)
    cancelled.cancel()
    with pytest.raises(errors.JobCancelledError, match="kept"):
        cancelled.result(timeout=30)
    assert 0 < table.plan_backfill("b").total_rows_pending < 200
    with pytest.raises(TypeError, match="batchsize"):
        table.backfill_async("a", batchsize=3)
    with pytest.raises(errors.ColumnNotFoundError):
        table.backfill_async("c")


def test_two_jobs_at_once_share_the_session(make_table):
    table, other = make_table(), make_table(name="other")
    for one in (table, other):
        one.add_columns({"out": geneva.udf(lambda id: id, data_type=_int64())})
    jobs = [one.backfill_async("out") for one in (table, other)]
    for job in jobs:
        job.result(timeout=60)
    assert values(table, "out") == values(other, "out") == {i: i for i in range(100)}


@pytest.fixture
def _short_grace(monkeypatch):
    monkeypatch.setenv("GENEVA_STOP_GRACE_S", "0.5")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ("data/*.lance", r"worker \d+ has been reading rows \(fragment 0\) for"),
        ("_udfs/*", r"worker \d+ has been loading the function for"),
    ],
)
@pytest.mark.usefixtures("_short_grace")
def test_a_job_whose_storage_never_answers_fails_and_says_so(make_table, files, words):
    table = make_table(40, 40)
    table.add_columns({"out": geneva.udf(lambda id: id, data_type=_int64())})
    found = list(Path(table.uri).glob(files))
    for path in found:
        path.unlink()
        os.mkfifo(path)  # Whoever opens it waits until somebody writes.
    assert found
    began = time.monotonic()
    with pytest.raises(errors.StalledError, match=words) as caught:
        table.backfill("out", stall_timeout=1, progress=False)
    assert time.monotonic() - began < 30
    assert "docs.out" in str(caught.value)


@pytest.mark.parametrize(
    "sleep",
    [pytest.param("time.sleep", marks=pytest.mark.long), "ctypes.PyDLL(None).sleep"],
)
def test_a_row_may_take_longer_than_the_stall_timeout(make_table, sleep):
    table = make_table(2, 2)
    table.add_columns({"out": geneva.udf(_sleeping(sleep), batch_size=1)})
    table.backfill("out", stall_timeout=0.5, where="id = 1", progress=False)
    assert values(table, "out") == {0: None, 1: 1}


def _sleeping(sleep: str):
    def slow(id: int) -> int:
        import ctypes  # noqa: F401
        import time  # noqa: F401

        eval(sleep)(12)  # The worker tells what it is at after 5 to 10 seconds.
        return id

    return slow
