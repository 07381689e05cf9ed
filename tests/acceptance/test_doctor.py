"""`geneva doctor`, as a user runs it."""

import json
import os
import subprocess
import sys

import pytest

from geneva.report import Check

FUNCTIONS = """
    import threading
    import geneva

    @geneva.udf
    def good(text: str) -> int:
        return len(text)

    @geneva.udf(num_gpus=64)
    def greedy(text: str) -> int:
        return len(text)

    lock = threading.Lock()

    @geneva.udf
    def locked(text: str) -> int:
        with lock:
            return len(text)
"""


def doctor(*arguments, cwd, **environment):
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "GENEVA_"))}
    return subprocess.run(
        [sys.executable, "-m", "geneva.cli.main", "doctor", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=cwd,
        env={**inherited, **environment},
    )


def checks(done):
    assert "Traceback" not in done.stdout + done.stderr
    found = json.loads(done.stdout)
    by_name = {check["name"]: Check(**check) for check in found["checks"]}
    assert found["ok"] == (done.returncode == 0)
    assert found["ok"] == all(check.status != "failed" for check in by_name.values())
    for check in by_name.values():
        assert check.fix or check.status not in ("failed", "warning"), check
    return by_name


@pytest.fixture
def folder(tmp_path):
    lines = [line.removeprefix("    ") for line in FUNCTIONS.splitlines()]
    (tmp_path / "functions.py").write_text("\n".join(lines))
    return tmp_path


def test_all_is_well_and_nothing_stays(folder):
    place = folder / "new" / "db"
    done = doctor(place, "--udf", "functions:good", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["check", "status", "found"]
    column = lines[0].index("found")
    assert all(line[column - 2 : column] == "  " for line in lines[1:-1]), done.stdout
    for row in ("storage", "conditional put", "udf resources", "tiny job"):
        assert any(line.startswith(row) and " ok " in line for line in lines), row
    assert "20 rows computed by worker processes of this machine" in done.stdout
    assert lines[-1].endswith("checks: 1 skipped.")
    assert not place.parent.exists()
    assert done.stderr == ""


def test_a_place_that_cannot_be_written_is_a_line_with_its_fix(folder):
    (folder / "file").write_text("no folder")
    done = doctor(folder / "file" / "db", "--udf", "functions:greedy", "--json", cwd=folder)
    found = checks(done)
    assert done.returncode == 1
    assert found["storage"].status == "failed"
    assert found["storage"].found.startswith("NotADirectoryError: ")
    assert "Give this user the right to write" in found["storage"].fix
    assert found["conditional put"].status == found["tiny job"].status == "skipped"
    assert "storage" in found["tiny job"].found
    assert found["python"].status == "ok"
    # No GPU is a failure where a function asks for one.
    assert found["gpus"].status == "ok"
    assert found["udf resources"].status == "failed"
    assert found["udf resources"].found.startswith("an applier needs 64 GPUs; this machine has")
    assert "Lower num_gpus to" in found["udf resources"].fix


def test_a_function_that_cannot_be_sent_is_a_line_with_its_fix(folder):
    (folder / "file").write_text("no folder: there is no job after the function")
    place = folder / "file" / "db"
    found = checks(doctor(place, "--udf", "functions:locked", "--json", cwd=folder))
    assert found["udf pickles"].status == "failed"
    assert "global 'lock' of type _thread.lock" in found["udf pickles"].found


def test_a_cluster_that_does_not_answer_is_a_line_with_its_fix(folder):
    done = doctor("--udf", "functions:good", "--json", cwd=folder, RAY_ADDRESS="127.0.0.1:9")
    found = checks(done)
    assert done.returncode == 1
    assert found["cluster"].found.startswith("Nobody answers at 127.0.0.1:9")
    assert "RAY_ADDRESS" in found["cluster"].fix
    assert found["udf resources"].status == found["tiny job"].status == "skipped"
