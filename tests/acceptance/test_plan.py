"""`geneva plan` at a terminal."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import geneva


@geneva.udf
def double(id: int) -> int:
    return 2 * id


@pytest.fixture
def uri(make_table, tmp_path) -> str:
    table = make_table()
    table.add_columns({"out": double})
    return str(table.uri).rpartition("/")[0]


def plan(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "geneva.cli.main", "plan", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_plan_with_what_it_asks_for_and_where_that_goes(uri):
    done = plan(uri, "docs", "out", "--concurrency", "1")
    assert done.returncode == 0, done.stderr
    for words in (
        "rows to compute   100 of 100",
        "Asks for, at most (this machine)",
        "this machine      1 applier\n",
        "Verdict: fits now: 1 of 1 now, 1 at most.",
    ):
        assert words in done.stdout


def test_what_can_never_run_is_said_with_the_fix(uri):
    done = plan(uri, "docs", "out", "--num-cpus", "10000", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["rows_to_compute"] == 100
    assert found["footprint"]["total"]["num_cpus"] == 80_000
    assert (found["placement"], found["admission"]["verdict"]) == ([], "NEVER")
    assert found["admission"]["fixes"][0].startswith("Lower num_cpus to ")


def test_a_column_that_is_not_there_is_an_error_without_a_traceback(uri):
    done = plan(uri, "docs", "nothing")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr


def test_a_cluster_that_is_only_defined(uri, tmp_path):
    group = """
    - groupName: gpu
      minReplicas: 0
      maxReplicas: 3
      rayStartParams: {resources: "'{\\"scanner\\": 2}'", labels: "pool=gpu"}
      template: {spec: {containers: [{resources: {limits:
        {cpu: 3500m, memory: 16Gi, nvidia.com/gpu: "1"}}}]}}"""
    definition = tmp_path / "cluster.yaml"
    definition.write_text(
        f"""
kind: RayCluster
spec:
  enableInTreeAutoscaling: true
  headGroupSpec:
    rayStartParams: {{num-cpus: "1"}}
    template: {{spec: {{containers: [{{resources: {{limits: {{cpu: "2", memory: 4Gi}}}}}}]}}}}
  workerGroupSpecs:{group}
"""
    )
    arguments = (uri, "docs", "out", "--on", str(definition), "--json")
    grows = json.loads(plan(*arguments, "--num-gpus", "1", "--num-cpus", "3").stdout)["admission"]
    assert (grows["verdict"], grows["now"], grows["ever"]) == ("GROWS", 0, 3)
    never = plan(*arguments, "--num-gpus", "2")
    assert never.returncode == 1
    fixes = json.loads(never.stdout)["admission"]["fixes"]
    assert fixes[0].startswith("Lower num_gpus to 1, ")
    definition.write_text("kind: [")
    bad = plan(*arguments)
    assert bad.returncode == 1
    assert "is neither JSON nor YAML" in bad.stderr
    definition.write_text('{"kind": "Pod"}')
    assert "expected the definition of a RayCluster" in plan(*arguments).stderr
