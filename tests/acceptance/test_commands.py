"""The commands for tables, columns, backfills and jobs, as a user runs them."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer.main
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner, Result

import geneva
from geneva.checkup.function import load_function
from geneva.cli.main import app
from geneva.jobs.exposition import metric_names
from geneva.progress.metrics_server import MetricsServer
from tests.acceptance.terminal import TerminalProgram
from tests.conftest import values
from tests.docs.pages import ROOT, code_spans, table_rows

FUNCTIONS = """
import time
from typing import NamedTuple

import geneva


@geneva.udf
def double(id: int) -> int:
    return FACTOR * id


@geneva.udf(on_error=geneva.skip_on_error())
def picky(id: int) -> int:
    print("row", id)
    if id < LEAST:
        raise LookupError("too small")
    return id


@geneva.udf
def strict(id: int) -> int:
    if id == 7:
        raise LookupError("no seven")
    return id


class Size(NamedTuple):
    width: int
    height: int


@geneva.udf
def size(id: int) -> geneva.Columns[Size]:
    return Size(id, -id)


@geneva.udf(batch_size=2)
def slow(id: int) -> int:
    time.sleep(0.02)
    print("row", id)
    return id


@geneva.udf(batch_size=2)
def calm(id: int) -> int:
    time.sleep(0.02)
    return id


NUMBER = 1
"""
HERE = ("--runner", "inline", "--quiet")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def answer(*arguments: str, code: int = 0) -> object:
    """Run a command and return what it prints as JSON, and nothing else."""
    done = run(*arguments, "--json")
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


@pytest.fixture
def functions(tmp_path, monkeypatch) -> Iterator[Callable[..., str]]:
    """Write the user's module into the current folder; each call writes a new version of it."""
    monkeypatch.chdir(tmp_path)

    def write(factor: int = 2, least: int = 3) -> str:
        text = FUNCTIONS.replace("FACTOR", str(factor)).replace("LEAST", str(least))
        (tmp_path / "users_functions.py").write_text(text)
        # Another process would import it anew.
        sys.modules.pop("users_functions", None)
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        return "users_functions"

    yield write
    sys.modules.pop("users_functions", None)


@pytest.fixture
def uri(make_table) -> str:
    table = make_table(20, 10)
    return str(table.uri).rpartition("/")[0]


def state(uri: str, column: str) -> dict:
    (found,) = [one for one in answer("columns", uri, "docs") if one["column"] == column]
    return found


def test_a_column_from_nothing_to_fresh_and_through_a_change(uri, db, functions):
    assert answer("tables", uri) == [
        {"table": "docs", "rows": 20, "version": 2, "fragments": 2, "columns": 2}
        | {"computed_columns": [], "error": ""}
    ]
    module = functions()
    done = answer("backfill", uri, "docs", "out", "--udf", f"{module}:double", *HERE)
    assert (done["status"], done["columns"]["out"]["rows_processed"]) == ("DONE", 20)
    assert values(db.open_table("docs"), "out")[4] == 8
    found = state(uri, "out")
    assert (found["state"], found["fresh"], found["udf_name"]) == ("fresh", 20, "double")
    assert state(uri, "text") == state(uri, "text") | {"state": "data", "rows": None}
    assert answer("tables", uri)[0]["computed_columns"] == ["out"]
    # The same again does nothing; another body is the column's new function.
    version = db.open_table("docs").version
    again = answer("backfill", uri, "docs", "out", "--udf", f"{module}:double", *HERE)
    assert (again["columns"]["out"]["rows_processed"], again["version"]) == (0, version)
    functions(factor=3)
    some = ("--where", "id < 5", *HERE)
    changed = run("backfill", uri, "docs", "out", "--udf", f"{module}:double", *some)
    assert (changed.exit_code, changed.stdout.count("5 rows by double")) == (0, 1)
    assert "FACTOR" not in changed.stderr
    assert "changed" in changed.stderr or "→" in changed.stderr
    found = state(uri, "out")
    assert (found["state"], found["fresh"], sum(found["why"].values())) == ("stale", 5, 15)
    assert answer("backfill", uri, "docs", *HERE)["columns"]["out"]["rows_processed"] == 15
    assert values(db.open_table("docs"), "out")[4] == 12
    text = run("columns", uri, "docs").stdout
    assert "docs.out   int64   fresh     20" in text
    assert "docs.text" in run("columns", uri).stdout
    assert "docs     20" in run("tables", uri).stdout


def test_rows_that_fail_are_listed_and_tried_again(uri, functions):
    module = functions(least=3)
    arguments = ("backfill", uri, "docs", "out", "--udf", f"{module}:picky", *HERE)
    skipped = run(*arguments, "--max-errors", "1")
    assert skipped.exit_code == 1
    assert "SkipThreshold" not in skipped.stderr
    assert skipped.stderr.splitlines()[0].startswith("Error: ") or "Error: " in skipped.stderr
    done = answer(*arguments, "--max-errors", "50%")
    assert done["columns"]["out"]["rows_skipped"] >= 2
    found = state(uri, "out")
    assert (found["state"], found["failed"], found["fresh"]) == ("failed", 3, 17)
    assert len(answer("errors", uri, "docs", code=1)) == 3
    again = answer("backfill", uri, "docs", "out", "--only", "errors", *HERE)
    assert again["columns"]["out"]["rows_skipped"] == 3


def test_a_function_that_fills_several_columns_names_them(uri, db, functions):
    size = f"{functions()}:size"
    done = answer("backfill", uri, "docs", "--udf", size, *HERE)
    assert set(done["columns"]) == {"width", "height"}
    assert values(db.open_table("docs"), "height")[4] == -4
    assert answer("backfill", uri, "docs", "width", "--udf", size, "--force", *HERE)
    wrong = run("backfill", uri, "docs", "depth", "--udf", size)
    assert "Error: size fills width, height, and not depth." in wrong.stderr
    db.open_table("docs").drop_columns(["width", "height"])
    named = ("--input", "id", *HERE)
    assert answer("backfill", uri, "docs", "--udf", size, *named)["columns"]["width"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("docs", "out"), "out"),
        (("others",), "Its tables: docs."),
        (("docs", "--udf", "M:double"), "name the one it is to fill"),
        (("docs", "text", "--udf", "M:double"), "'text' is an ordinary column"),
        (("docs", "out", "--udf", "M:nothing"), "has no 'nothing'"),
        (("docs", "out", "--udf", "M:NUMBER"), "is of type int"),
        (("docs", "out", "--udf", "no_such_module_1:f"), "ModuleNotFoundError"),
        (("docs", "out", "--udf", "broken_module_1:f"), "SyntaxError"),
        (("docs", "out", "--udf", "double"), "expected 'module:name'"),
        (("docs", "out", "--input", "id"), "--udf"),
        (("docs", "--max-errors", "few"), "--max-errors few"),
        (("docs", "--only", "some"), "only='some'"),
        (("docs", "--background"), "needs a cluster"),
        (("docs", "out", "--udf", "M:strict"), "LookupError: no seven"),
        (("docs", "out", "--udf", "M:double", "--where", "nope > 1"), "nope"),
    ],
)
def test_what_goes_wrong_is_said_on_stderr_with_code_1(uri, functions, tmp_path, arguments, words):
    module = functions()
    (tmp_path / "broken_module_1.py").write_text("def f(:\n")
    given = [one.replace("M:", f"{module}:") for one in arguments]
    done = run("backfill", uri, *given, *HERE, "--json")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.count("Error: ") >= 1
    assert words in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("backfill",),
        ("backfill", "db"),
        ("jobs", "show", "db"),
        ("jobs", "list", "db", "--limit", "0"),
        ("backfill", "db", "docs", "--metrics-port", "0"),
        ("backfill", "db", "docs", "--metrics-port", "9400", "--background"),
        ("jobs", "fly", "db"),
        ("tables", "db", "--nothing"),
    ],
)
def test_wrong_usage_ends_with_code_2(arguments):
    assert run(*arguments).exit_code == 2


def leaves(group: typer.main.TyperGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, type(group)):
            yield from leaves(command, (*path, name))
        else:
            assert command.help, name
            assert any("--json" in one.opts for one in command.params), f"{path} {name}: no --json"
            yield (*path, name)


def test_every_command_prints_json_if_asked():
    found = set(leaves(typer.main.get_command(app)))
    listed = "tables columns plan preview backfill errors verify gc doctor demo version"
    assert {(name,) for name in listed.split()} <= found
    jobs = {rest[0] for first, *rest in found if first == "jobs"}
    assert " ".join(sorted(jobs)) == (
        "cancel concurrency explain list logs pause resume show watch"
    )


def test_the_guide_lists_every_command_and_metric():
    page = ROOT / "docs" / "guide" / "cli.md"
    commands = [code_spans(name)[0].split()[1:] for name, _ in table_rows(page, "Command")]
    assert {tuple(one) for one in commands} == set(leaves(typer.main.get_command(app)))
    page = page.with_name("observability.md")
    metrics = [span for name, _ in table_rows(page, "Metric") for span in code_spans(name)]
    assert sorted(metrics) == sorted(metric_names())


def test_versions_and_an_empty_database(tmp_path):
    assert answer("version")["opengeneva"] == geneva.version
    for command in ("tables", "columns"):
        assert answer(command, str(tmp_path / "none")) == []
        assert "no tables" in run(command, str(tmp_path / "none")).stdout
    assert answer("jobs", "list", str(tmp_path / "none")) == []
    assert "no such jobs" in run("jobs", "list", str(tmp_path / "none")).stdout


def test_jobs_are_listed_and_shown(uri, functions):
    module = functions()
    for column, name in (("out", "double"), ("odd", "strict")):
        arguments = ("--udf", f"{module}:{name}", "--job-id", f"nightly-{column}")
        run("backfill", uri, "docs", column, *arguments, *HERE)
    listed = answer("jobs", "list", uri)
    assert [one["job_id"] for one in listed] == ["nightly-odd", "nightly-out"]
    assert listed[1] == listed[1] | {"status": "DONE", "rows_done": 20, "columns": ["out"]}
    assert [one["job_id"] for one in answer("jobs", "list", uri, "--status", "failed")] == [
        "nightly-odd"
    ]
    assert answer("jobs", "list", uri, "--table", "others") == []
    text = run("jobs", "list", uri, "--limit", "1").stdout
    assert "nightly-odd  docs.odd  FAILED" in text
    assert "and 1 more" in text
    assert "expected one of PENDING" in run("jobs", "list", uri, "--status", "x").stderr

    failed = answer("jobs", "show", uri, "nightly-od")
    assert failed["error"]["kind"] == "UDFError"
    assert failed["config"]["concurrency"] == 8
    assert {one["name"] for one in failed["metrics"]} >= {"rows_checkpointed", "workers"}
    text = run("jobs", "show", uri, "nightly-odd").stdout
    for words in (
        "is FAILED",
        "function  strict",
        "runner inline",
        "concurrency=8",
        "Job failed: UDFError",
    ):
        assert words in text
    assert "  | LookupError: no seven" in text
    assert "rows_committed" in run("jobs", "show", uri, "nightly-out").stdout
    assert "2 jobs begin with 'night'" in run("jobs", "show", uri, "night").stderr
    assert "'weekly' is not recorded" in run("jobs", "show", uri, "weekly").stderr

    watched = run("jobs", "watch", uri, "nightly-odd")
    assert watched.exit_code == 1
    assert "nightly-odd FAILED docs.odd stopped after" in watched.stdout
    assert answer("jobs", "watch", uri, "nightly-out")["status"] == "DONE"
    assert run("jobs", "watch", uri).stdout == ""
    late = run("jobs", "cancel", uri, "nightly-out")
    assert (late.exit_code, "has ended already" in late.stderr) == (1, True)
    assert answer("jobs", "logs", uri, "nightly-out") == []


def test_a_job_is_steered(uri, make_table, functions):
    slow = load_function(f"{functions()}:calm")
    table = make_table(300, 50, name="large")
    table.add_columns({"out": slow})
    job = table.backfill_async("out", runner="process", concurrency=1, job_id="nightly")
    while not job.status().rows_done:
        time.sleep(0.05)
    said = answer("jobs", "concurrency", uri, "nightly", "2")
    assert said["job_id"] == "nightly"
    assert run("jobs", "explain", uri, "nightly").exit_code == 0
    assert answer("jobs", "pause", uri, "nightly")["job_id"] == "nightly"
    assert job.pause(timeout=20)
    assert answer("jobs", "list", uri, "--status", "PAUSED")[0]["job_id"] == "nightly"
    assert "resume" in run("jobs", "explain", uri, "nightly").output
    done = answer("jobs", "resume", uri, "nightly", "--concurrency", "2")
    assert (done["status"], done["job_id"]) == ("DONE", "nightly")
    assert job.result(timeout=20).status == "DONE"
    assert None not in values(table, "out").values()


def test_a_job_is_cancelled(uri, make_table, functions):
    table = make_table(400, 200, name="many")
    table.add_columns({"out": load_function(f"{functions()}:calm")})
    job = table.backfill_async("out", concurrency=1, job_id="nightly", num_cpus=0.5)
    deadline = time.monotonic() + 30
    while not job.status().rows_done:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    done = answer("jobs", "cancel", uri, "nightly", "--wait")
    assert (done["job_id"], done["status"]) == ("nightly", "CANCELLED")
    assert job.record().status == "CANCELLED"
    assert "nightly CANCELLED many.out stopped" in run("jobs", "watch", uri, "nightly").stdout
    # What runs is followed line by line, where there is no terminal, until nothing does.
    again = {"where": "id >= 340", "concurrency": 1, "num_cpus": 0.5}
    table.backfill_async("out", job_id="weekly", **again)
    followed = run("jobs", "watch", uri, "--interval", "0.2", "--json")
    assert followed.exit_code == 0
    told = [json.loads(line) for line in followed.stdout.splitlines()]
    assert {one["job_id"] for one in told} == {"weekly"}
    assert [told[0]["status"], told[-1]["status"]] == ["RUNNING", "DONE"]
    assert (told[-1]["rows_done"], len(told) >= 3) == (60, True)


@pytest.fixture
def nightly(uri, make_table, functions, tmp_path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a backfill of more than a minute in another process, with metrics and a log as JSON."""
    make_table(4_000, 2_000, name="many")
    probe = MetricsServer(0)
    probe.close()
    arguments = ["many", "out", "--udf", f"{functions()}:slow", "--job-id", "nightly", "--json"]
    arguments += ["--concurrency", "1", "--metrics-port", str(probe.port)]
    program = subprocess.Popen(
        [sys.executable, "-m", "geneva.cli.main", "backfill", uri, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "GENEVA_LOG": "json", "GENEVA_PROGRESS_INTERVAL_S": "0.2"},
    )
    try:
        yield program, probe.port
    finally:
        program.kill()
        program.wait()
        for stream in (program.stdout, program.stderr):
            stream.close()


def test_a_running_job_on_the_full_screen_in_metrics_and_stopped_by_ctrl_c(uri, nightly):
    program, port = nightly
    deadline = time.monotonic() + 60
    while not any(one["rows_done"] for one in answer("jobs", "list", uri, "--status", "running")):
        assert time.monotonic() < deadline
        assert program.poll() is None, program.stderr.read()
        time.sleep(0.1)
    watch = ["-m", "geneva.cli.main", "jobs", "watch", uri]
    with TerminalProgram([*watch, "nightly"]) as one, TerminalProgram(watch) as every:
        one.wait_for(lambda text: "of 4,000 rows" in text and "q ends this view" in text)
        for words in (
            "Job nightly  many.out  RUNNING",
            "1 at work",
            "the function",
            "Job planning",
        ):
            assert words in one.picture.text
        assert not one.picture.cursor_is_visible
        every.wait_for(lambda text: "Running jobs: 1" in text and "many.out" in text)
        assert "q ends this view" in every.picture.text
        one.press(b"q")
        every.press(b"\x03")
        assert (one.wait(), every.wait()) == (0, 130)
        for shown in (one, every):
            assert shown.picture.cursor_is_visible
            assert shown.picture.behind is None
    assert one.picture.text.startswith("nightly RUNNING many.out ")
    assert every.picture.text == ""

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as scraped:
        families = list(text_string_to_metric_families(scraped.read().decode()))
    (rows,) = [f.samples[0] for f in families if f.name == "geneva_job_rows_checkpointed"]
    assert rows.labels == {"job_id": "nightly", "table": "many", "column": "out"}
    assert rows.value > 0

    program.send_signal(signal.SIGINT)
    out, log = program.communicate(timeout=30)
    assert (program.returncode, out) == (130, "")
    said = [json.loads(line) for line in log.splitlines() if not line.startswith("row ")]
    assert all((one["job_id"], one["table"]) == ("nightly", "many") for one in said)
    assert (said[0]["event"], said[-1]["event"]) == ("job_began", "job_cancelled")
    assert any(one["event"] == "progress" and one["rows_done"] for one in said)
    assert answer("jobs", "show", uri, "nightly")["status"] == "CANCELLED"
    assert any("row 0" in line for line in answer("jobs", "logs", uri, "nightly"))
    assert "row 0" in run("jobs", "logs", uri, "nightly").stdout


def test_a_thousand_jobs_are_listed_at_once(uri, db, functions):
    table = db.open_table("docs")
    run("backfill", uri, "docs", "out", "--udf", f"{functions()}:double", *HERE)
    (folder,) = Path(uri, "_geneva", "jobs").iterdir()
    text = (folder / "ended.json").read_text()
    for number in range(999):
        other = folder.with_name(f"job-{number:03}")
        other.mkdir()
        (other / "ended.json").write_text(text.replace(folder.name, other.name))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "geneva.cli.main", "jobs", "list", uri, "--limit", "1000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert len(done.stdout.splitlines()) == 1001
    # What it takes of a CPU: other programs of this machine cannot make that more.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.5
    assert table.name == "docs"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("tab", {"tables"}),
        ("columns DB d", {"docs"}),
        ("plan DB docs ", {"out"}),
        ("jobs show DB nig", {"nightly"}),
        ("jobs list DB --status RU", {"RUNNING"}),
        ("columns s3://bucket/db d", set()),
    ],
)
def test_the_shell_completes_names(uri, functions, words, expected):
    arguments = ("--udf", f"{functions()}:double", "--job-id", "nightly")
    if "docs " in words or "nig" in words:
        run("backfill", uri, "docs", "out", *arguments, *HERE)
    line = f"geneva {words.replace('DB', uri)}"
    asked = {"_GENEVA_COMPLETE": "complete_bash", "COMP_WORDS": line}
    cword = {"COMP_CWORD": str(len(line.split(" ")) - 1)}
    done = CliRunner().invoke(app, [], env=asked | cword, prog_name="geneva")
    assert set(done.stdout.split()) == expected
