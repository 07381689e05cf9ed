"""`geneva preview`, and `geneva plan --sample`, at a terminal."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner, Result

import geneva
from geneva.cli.main import app


@geneva.udf
def picky(id: int) -> int:
    return 100 // (id - 40)


@pytest.fixture
def uri(make_table) -> str:
    table = make_table()
    table.add_columns({"out": picky})
    return str(table.uri).rpartition("/")[0]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def test_a_table_at_a_terminal(uri):
    command = [sys.executable, "-m", "geneva.cli.main", "preview", uri, "docs", "out"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, "a row failed"
    assert "failed: ZeroDivisionError" in done.stdout
    assert "8 rows: 7 computed, 1 failed." in done.stdout
    assert done.stderr == ""


def test_json_and_a_filter(uri):
    done = run("preview", uri, "docs", "out", "--where", "id > 40", "--limit", "3", "--json")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert found["ok"]
    first = found["rows"][0]
    assert (first["inputs"], first["output"]) == ({"id": "41"}, "100")
    assert found["seconds_per_row"] > 0
    assert found["peak_memory_bytes"] > 10 << 20


def test_a_function_that_no_column_has(uri, tmp_path, monkeypatch):
    (tmp_path / "my_functions_1.py").write_text(
        "import geneva\n\n\n@geneva.udf\ndef negative(id: int) -> int:\n    return -id\n"
    )
    monkeypatch.chdir(tmp_path)
    done = run("preview", uri, "docs", "--udf", "my_functions_1:negative", "--where", "id = 7")
    assert done.exit_code == 0, done.output
    assert "id=7    -7" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("docs",), "Name a computed column"),
        (("docs", "out", "--udf", "a:b"), "Name a computed column"),
        (("docs", "nothing"), "nothing"),
        (("docs", "out", "--where", "nope = 1"), "nope"),
    ],
)
def test_what_cannot_be_used_is_an_error_without_a_traceback(uri, arguments, words):
    done = run("preview", uri, *arguments)
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: ")
    assert words in done.stderr


def test_a_plan_with_an_estimate(uri):
    arguments = ("plan", uri, "docs", "out", "--where", "id > 40", "--sample", "16")
    text = run(*arguments)
    assert text.exit_code == 0
    assert "  estimate          from 16 rows" in text.stdout
    found = json.loads(run(*arguments, "--json").stdout)["estimate"]
    assert found["sampled"] == 16
    assert found["level"] == 0.9
    duration = found["duration_s"]
    assert 0 <= duration["low"] <= duration["value"] <= duration["high"]
    assert found["output_bytes"] == {"value": 59 * 8, "low": 59 * 8, "high": 59 * 8}
    assert json.loads(run(*arguments[:-2], "--json").stdout)["estimate"] is None


def test_the_estimate_counts_on_the_appliers_of_the_cluster_that_is_planned_on(uri, tmp_path):
    limits = {"limits": {"cpu": "40", "memory": "64Gi"}}
    pod = {"template": {"spec": {"containers": [{"resources": limits}]}}}
    workers = {"groupName": "w", "replicas": 2, "rayStartParams": {}, **pod}
    definition = tmp_path / "cluster.json"
    spec = {"headGroupSpec": {"rayStartParams": {}, **pod}, "workerGroupSpecs": [workers]}
    definition.write_text(json.dumps({"kind": "RayCluster", "spec": spec}))
    arguments = ("plan", uri, "docs", "out", "--where", "id > 40", "--sample", "4", "--json")
    done = run(*arguments, "--on", str(definition), "--concurrency", "12")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["estimate"]["appliers"] == 12
