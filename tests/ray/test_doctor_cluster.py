"""What `geneva doctor` says of a Ray cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import geneva
from geneva.storage.files import TableFiles
from geneva.storage.model import TableLocation


@pytest.mark.long
def test_the_cluster_is_checked_and_used(db, local_ray):
    import ray

    @geneva.udf(resources={"scanner": 1})
    def scanned(id: int) -> int:
        return id

    report = geneva.doctor(db.uri, udf=scanned)
    found = {check.name: check for check in report.checks}
    failed = {name for name, check in found.items() if check.status == "failed"}
    assert failed == {"udf resources"}, report
    assert "scanner" in found["udf resources"].found
    assert found["cluster"].found.startswith("1 node at ")
    (node,) = (check for name, check in found.items() if name.startswith("node "))
    assert f"ray {ray.__version__}" in node.found
    assert "GiB of memory" in node.found
    assert found["storage on nodes"].found == "1 node reads and writes the caller's files"
    assert found["tiny job"].found.startswith("20 rows computed by the Ray cluster, ")
    assert ray.is_initialized(), "it is not for the doctor to disconnect what it did not connect"
    assert db.table_names() == []


@pytest.mark.long
def test_the_command_uses_the_cluster_of_the_environment(tmp_path, local_ray):
    import ray

    address = ray.get_runtime_context().gcs_address
    done = subprocess.run(
        [sys.executable, "-m", "geneva.cli.main", "doctor", "--json"],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
        env={**os.environ, "RAY_ADDRESS": address},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert found["cluster"]["found"] == f"1 node at {address}"
    assert "the Ray cluster" in found["tiny job"]["found"]
    assert done.stderr == ""


def test_a_node_says_why_it_cannot_work_for_the_caller(tmp_path):
    from geneva.runners.ray.census import SHARED_FILE, answer_here

    place = TableLocation(str(tmp_path))
    old = (("python", "2.7.18"),)
    answer = answer_here("10.0.0.7", old, place)
    assert answer.mismatch.startswith("node 10.0.0.7 runs Python 3.")
    # Such a folder is on that node, and it is not the caller's.
    assert answer.storage_error is not None
    assert answer.storage_error.startswith("FileNotFoundError")
    TableFiles(place).write(SHARED_FILE, b"of the caller")
    answer = answer_here("10.0.0.7", (), place)
    assert (answer.mismatch, answer.storage_error) == ("", None)
