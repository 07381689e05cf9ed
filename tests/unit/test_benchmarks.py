"""The benchmarks' own measuring: a figure that is wrong is worse than none."""

import os
import subprocess
import sys
import time
from pathlib import Path

import lance
import psutil
import pyarrow as pa
import pytest

# The benchmarks are not installed; they stand beside the package.
sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.cases import define_cases
from benchmarks.checks import check_column
from benchmarks.errors import MeasurementError, WrongResultError
from benchmarks.goals import Goal, judge
from benchmarks.measure import measure
from benchmarks.runs import CaseResult, RunSettings, Summary, figures_of, run_case
from benchmarks.tables import PROGRAMS

BURN = "import time\nwhile time.process_time() < {cpu}: pass\n"
HOLD = "memory = b'x' * {size}\n"

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux only")


@pytest.fixture
def run(tmp_path):
    """Measure a Python script."""

    def run_script(script, **options):
        (tmp_path / "script.py").write_text(script)
        command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path)]
        return measure(command, log=tmp_path / "log", **options)

    return run_script


def test_child_and_grandchild_are_both_counted(run):
    grandchild = HOLD.format(size=100_000_000) + BURN.format(cpu=0.5) + "time.sleep(0.3)\n"
    child = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {grandchild!r}])"
    script = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])"
    measured = run(script)
    assert 0.5 <= measured.cpu < 1.5
    assert 0.8 <= measured.wall < 10
    assert 100 <= measured.rss_mb < 200
    assert measured.processes == 3
    if measured.pss_mb is not None:
        assert 95 <= measured.pss_mb <= measured.rss_mb
    assert measured.sampler_cpu < 0.5 * measured.wall


@linux_only
def test_orphan_is_counted_after_its_parent_has_gone(run):
    orphan = BURN.format(cpu=0.4)
    script = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {orphan!r}])"
    measured = run(script)
    assert measured.cpu >= 0.4
    assert measured.after_exit >= 0.2


@linux_only
def test_killed_child_that_nobody_waits_for_is_counted(run):
    child = BURN.format(cpu=0.4) + "print(1, flush=True)\ntime.sleep(60)\n"
    script = (
        "import os, signal, subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "child.kill()\n"
        "os._exit(0)\n"
    )
    measured = run(script)
    assert measured.cpu >= 0.4
    assert measured.after_exit < 5


def test_failure_shows_what_the_command_printed(run):
    with pytest.raises(MeasurementError, match=r"exited with 3\nboom"):
        run("print('boom'); raise SystemExit(3)")


def test_timeout_kills_the_whole_tree(run, tmp_path):
    script = (
        "import subprocess, sys, time\n"
        "from pathlib import Path\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "Path(sys.argv[1], 'pid').write_text(str(child.pid))\n"
        "time.sleep(60)\n"
    )
    with pytest.raises(MeasurementError, match="took longer than 2 s"):
        run(script, timeout_s=2)
    child = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_harness_does_not_load_the_measured_libraries():
    script = (
        "import sys, benchmarks.__main__, benchmarks.curve\n"
        "print(*sorted({'lance', 'pyarrow', 'numpy', 'PIL', 'geneva'} & set(sys.modules)))\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(PROGRAMS.parents[1])},
    )
    assert printed.stdout.strip() == ""


@pytest.mark.parametrize(
    ("limit", "figures", "held", "shown"),
    [
        (2.5, {"wall_ratio": 2.5}, True, "hold: wall <= 2.5x (2.5x)"),
        (0.9, {"wall_ratio": 1.234}, False, "MISS: wall <= 0.9x (1.23x)"),
        (1.5, {"cpu_ratio": 1.0}, None, "not measured: wall <= 1.5x"),
    ],
)
def test_goals(limit, figures, held, shown):
    verdict = judge(Goal("wall_ratio", limit), figures)
    assert verdict.held is held
    assert str(verdict) == shown


def test_verdicts_take_ratios_of_medians_and_our_own_figures():
    def side(wall, cpu, rss_mb):
        figures = {"wall": wall, "cpu": cpu, "rss_mb": rss_mb}
        return {name: Summary(value, value, value, (value,)) for name, value in figures.items()}

    case = next(case for case in define_cases() if case.name == "W2")
    result = CaseResult(case, 1, floor=side(2.0, 2.0, 200), ours=side(1.6, 4.0, 500), beside=None)
    assert [(verdict.what, verdict.measured, verdict.held) for verdict in result.verdicts()] == [
        ("wall_ratio", 0.8, True),
        ("cpu_ratio", 2.0, False),
        ("rss_mb", 500, True),
    ]


def test_every_program_of_a_case_exists():
    cases = define_cases()
    sides = [side for case in cases for side in (case.ours, case.floor, case.beside) if side]
    assert all((PROGRAMS / side.program).is_file() for side in sides)
    on_ray = {"R1", "R1w", "R2w", "R6w", "idle", "kills"}
    assert {case.name for case in cases} == {*(f"W{n}" for n in range(1, 9)), "warm", *on_ray}


def test_first_batch_needs_both_marks():
    assert figures_of("called 5.0\napplied 5.5\napplied 5.25\n") == {"first_batch": 0.25}
    with pytest.raises(WrongResultError, match="called"):
        figures_of("called 5.0\n")


@pytest.mark.parametrize(
    ("values", "rows", "nulls", "message"),
    [
        ([0, 2, 4], 4, 0, "expected 4 rows, found 3"),
        ([0, None, 4], 3, 0, "expected 0 nulls, found 1"),
        ([0, 2, 5], 3, 0, "row 2: expected 4, found 5"),
    ],
)
def test_wrong_results_are_found(tmp_path, values, rows, nulls, message):
    table = pa.table({"id": [0, 1, 2], "double": pa.array(values, pa.int64())})
    lance.write_dataset(table, tmp_path / "docs.lance")
    with pytest.raises(WrongResultError, match=message):
        check_column(
            tmp_path / "docs.lance",
            "double",
            ["id"],
            rows=rows,
            nulls=nulls,
            expected=lambda row: row["id"] * 2,
        )


def test_a_floor_runs_through_the_whole_harness(tmp_path):
    said = []
    settings = RunSettings(1, 0, tmp_path, only_floor=True, say=said.append)
    result = run_case(define_cases(scale=0.001)[0], settings)
    assert result.floor is not None
    assert result.ours is None
    assert result.floor["wall"].median > 0
    assert len(said) == 1
    assert not [path for path in (tmp_path / "runs").iterdir() if path.is_dir()]
