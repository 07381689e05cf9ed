"""Traces of a whole program: they arrive after Ctrl-C too, and never hold the program up."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time

import pytest

from tests.trace_receiver import Receiver, attributes, roots

PROGRAM = """
    import sys, time
    import geneva

    @geneva.udf(batch_size=1)
    def slow(id: int) -> int:
        if id == 1:
            print("begun")
        time.sleep(SECONDS)
        return id

    table = geneva.connect(sys.argv[1]).open_table("docs")
    table.add_columns({"slow": slow})
    job = table.backfill("slow", progress=False, job_id="mine", num_cpus=0.5, runner=RUNNER)
    print(time.time())
"""


@pytest.fixture
def start(make_table, tmp_path):
    """Start a program that computes a column of a table of 40 rows."""
    make_table(40, 20)
    path = tmp_path / "program.py"

    def begin(seconds: float, runner: str = "inline", **environment: str) -> subprocess.Popen:
        path.write_text(
            textwrap.dedent(PROGRAM)
            .replace("SECONDS", str(seconds))
            .replace("RUNNER", repr(runner))
        )
        return subprocess.Popen(
            [sys.executable, str(path), str(tmp_path / "db")],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return begin


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_collector_that_is_not_there_holds_nothing_up(start):
    program = start(0, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}")
    out, err = program.communicate(timeout=30)
    assert program.returncode == 0
    assert time.time() - float(out.split()[-1]) < 3
    assert err == ""


def test_a_collector_that_does_not_answer_holds_nothing_up(start):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        program = start(0, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")
        out, err = program.communicate(timeout=30)
    assert (program.returncode, err) == (0, "")
    assert time.time() - float(out.split()[-1]) < 3


def test_an_exporter_that_is_not_installed_is_named_once(start):
    program = start(0, OTEL_TRACES_EXPORTER="zipkin", GENEVA_LOG="json")
    _, err = program.communicate(timeout=30)
    assert program.returncode == 0
    said = [line for line in err.splitlines() if "traces_lost" in line]
    (line,) = said
    assert "zipkin: no such exporter is installed" in line
    assert '"job_id": "mine"' in line


def test_a_job_that_ctrl_c_stops_is_traced(start):
    receiver = Receiver()
    program = start(
        0.2, "process", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, OTEL_SERVICE_NAME="nightly"
    )
    try:
        assert program.stdout.readline() == "begun\n"
        program.send_signal(signal.SIGINT)
        asked_s = time.monotonic()
        _, err = program.communicate(timeout=30)
        assert time.monotonic() - asked_s < 2
        assert err.count("Traceback") == 1
        (root,) = roots(receiver.of_job("mine", roots))
    finally:
        program.kill()
        receiver.close()
    assert attributes(root)["geneva.job.status"] == "CANCELLED"
    assert root.status.code == root.status.STATUS_CODE_UNSET
    assert receiver.services == {"nightly"}
