"""Programs that start and stop real Ray clusters of their own, and what all of them begin with."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
import time
import uuid
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
HEAD = """
    import warnings
    warnings.filterwarnings("ignore", message=".*fork")  # Clusters start their programs by forks.
    import ctypes, os, sys, threading, time
    import geneva
    import pyarrow as pa
    from geneva import errors

    db = geneva.connect(sys.argv[1])
    table = db.create_table("docs", pa.table({"id": list(range(100))}))
    for start in (100, 200, 300):
        table.add(pa.table({"id": list(range(start, start + 100))}))

    def right(column, function):
        table.checkout_latest()  # A handle does not follow jobs in the background.
        found = table.to_arrow()
        ids = found["id"].to_pylist()
        assert found[column].to_pylist() == [function(i) for i in ids], "wrong values"
"""
CLUSTER = """
    import ray
    from ray.cluster_utils import Cluster

    lean = dict(include_log_monitor=False, object_store_memory=80_000_000)
    quiet = {"enable_worker_prestart": False, "prestart_worker_first_driver": False}
    cluster = Cluster(initialize_head=True, head_node_args=dict(
        num_cpus=1, memory=3 * 10**9, include_dashboard=False, _system_config=quiet, **lean))
    nodes = [cluster.add_node(num_cpus=2, memory=4 * 10**9, labels={"pool": pool}, **lean)
             for pool in ("a", "b")]
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
"""
ACTORS = """
    import os, signal, time
    import ray
    from ray._private.state import state
    from ray.core.generated import gcs_pb2

    def actors():
        rows = map(gcs_pb2.ActorTableData.FromString,
                   state._global_state_accessor.get_actor_table(None, None))
        alive = gcs_pb2.ActorTableData.ALIVE
        return {row.name.split(":")[-1]: row for row in rows if row.state == alive}

    def actor(role, timeout_s=30):
        deadline = time.monotonic() + timeout_s
        while True:
            found = [row for name, row in actors().items() if name.startswith(role)]
            if found:
                return found[0]
            assert time.monotonic() < deadline, (role, list(actors()))
            time.sleep(0.1)
"""


def run(folder: Path, *texts: str) -> str:
    """Run a program to its end and see that nothing of it is left, whoever adopted it."""
    path = folder / "program.py"
    path.write_text("\n".join(textwrap.dedent(text) for text in texts))
    mark = uuid.uuid4().hex
    done = subprocess.run(
        [sys.executable, str(path), str(folder / "db")],
        capture_output=True,
        text=True,
        timeout=110,
        env={**os.environ, "GENEVA_TEST_MARK": mark, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    deadline = time.monotonic() + 10
    while left := marked_processes(mark):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)
    return done.stdout


def marked_processes(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("GENEVA_TEST_MARK") == mark:
                found.append(process)
    return found
