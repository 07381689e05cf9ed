"""A real notebook kernel: what its cells show, and what happens when one is stopped."""

from __future__ import annotations

import textwrap
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
from jupyter_client.manager import KernelManager

import geneva

STOPPED_S = 2.0
BEGINNING = """
    import os, pathlib, time
    import geneva

    folder = pathlib.Path({folder!r})
    table = geneva.connect({uri!r}).open_table("docs")
"""
STEADY = """
    @geneva.udf(batch_size=1)
    def steady(id: int) -> int:
        time.sleep(0.03)
        return id

    table.add_columns({"steady": steady})
"""
STUCK = """
    @geneva.udf(batch_size=1)
    def stuck(id: int) -> int:
        (folder / f"{os.getpid()}.pid").touch()
        if not (folder / "go on").exists():
            time.sleep(60)
        return id

    table.add_columns({"stuck": stuck})
"""


@dataclass
class Output:
    """What a cell said until the kernel was idle again."""

    ended_s: float = 0.0
    messages: list[tuple[str, dict]] = field(default_factory=list)

    def of(self, *kinds: str) -> list[dict]:
        return [content for kind, content in self.messages if kind in kinds]


class Kernel:
    """A kernel, and the notebook that talks to it."""

    def __init__(self, folder: Path) -> None:
        # What came for cells that had ended.
        self.late: defaultdict[str, list[str]] = defaultdict(list)
        self._manager = KernelManager(
            kernel_name="python3", transport="ipc", connection_file=str(folder / "kernel.json")
        )
        self._manager.start_kernel(cwd=str(folder))
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()

    def begin(self, code: str) -> str:
        return self._client.execute(textwrap.dedent(code))

    def stop(self) -> None:
        """Press the button that stops a cell."""
        self._manager.interrupt_kernel()

    def end(self, cell: str) -> Output:
        found = Output()
        while True:
            message = self._client.get_iopub_msg(timeout=60)
            parent = message["parent_header"].get("msg_id")
            if parent != cell:
                self.late[parent].append(message["msg_type"])
                continue
            found.messages.append((message["msg_type"], message["content"]))
            if message["content"].get("execution_state") == "idle":
                found.ended_s = time.monotonic()
                return found

    def run(self, code: str) -> Output:
        output = self.end(self.begin(code))
        assert output.of("error") == []
        return output


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("notebook")
    with geneva.connect(str(folder / "db")) as db:
        db.create_table("docs", pa.table({"id": list(range(80))}))
    return str(folder / "db")


@pytest.fixture(scope="module")
def kernel(uri: str) -> Iterator[Kernel]:
    folder = Path(uri).parent
    found = Kernel(folder)
    try:
        found.run(BEGINNING.format(folder=str(folder), uri=uri))
        yield found
    finally:
        found.close()


def test_progress_is_one_output_that_is_updated_a_few_times_per_second(kernel):
    kernel.run(STEADY)
    began_s = time.monotonic()
    output = kernel.run("result = table.backfill('steady', concurrency=2, num_cpus=0.5)")
    seconds = output.ended_s - began_s
    assert seconds > 1
    (first,) = output.of("display_data")
    updates = output.of("update_display_data")
    assert 3 <= len(updates) <= 4 * seconds + 2
    shown = [first, *updates]
    assert len({one["transient"]["display_id"] for one in shown}) == 1
    assert max(len(one["data"]["text/html"]) for one in shown) < 1_000
    assert "of 80 rows" in updates[0]["data"]["text/html"]
    assert "docs.steady done, 80 rows in 1 fragment" in updates[-1]["data"]["text/html"]
    # Nothing else is told.
    assert output.of("stream", "execute_result") == []


def test_what_stands_alone_in_a_cell_is_shown(kernel):
    for code, words in {
        "table": "computed by",
        "table.plan_backfill('steady')": "rows to compute",
        "result": "DONE",
        "geneva.connect(table.uri.rpartition('/')[0]).get_job(result.job_id)": "80 of 80 rows",
    }.items():
        (shown,) = kernel.run(code).of("execute_result")
        assert words in shown["data"]["text/html"]


def test_a_stopped_cell_cancels_its_job(kernel, uri):
    folder = Path(uri).parent
    kernel.run(STUCK)
    cell = kernel.begin("table.backfill('stuck', job_id='stopped', concurrency=2, num_cpus=0.5)")
    deadline_s = time.monotonic() + 30
    while not (found := list(folder.glob("*.pid"))):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    workers = [psutil.Process(int(path.stem)) for path in found]
    kernel.stop()
    stopped_s = time.monotonic()
    output = kernel.end(cell)
    assert output.ended_s - stopped_s < STOPPED_S
    assert [error["ename"] for error in output.of("error")] == ["KeyboardInterrupt"]
    # They were in the middle of a row.
    _, alive = psutil.wait_procs(workers, timeout=1)
    assert alive == []
    with geneva.connect(uri) as db:
        assert db.get_job("stopped").record().status.value == "CANCELLED"
    shown = output.of("display_data", "update_display_data")
    assert "docs.stuck stopped after" in shown[-1]["data"]["text/html"]
    # The kernel goes on, and so does the next backfill.
    (folder / "go on").touch()
    kernel.run("result = table.backfill('stuck'); assert result.status == 'DONE'")
    kernel.run("assert table.column_status('stuck').fresh == 80")


def test_a_job_in_the_background_outlives_the_cell_that_waits_for_it(kernel, uri):
    first = kernel.begin(
        "job = table.backfill_async('steady', force=True, job_id='behind', progress=True)"
    )
    kernel.end(first)
    cell = kernel.begin("job.result()")
    time.sleep(0.6)
    kernel.stop()
    stopped_s = time.monotonic()
    output = kernel.end(cell)
    assert output.ended_s - stopped_s < STOPPED_S
    kernel.run(
        "assert job.status().stage not in ('stopped', 'stopping'); job.cancel(); job.wait(9)"
    )
    with geneva.connect(uri) as db:
        assert db.get_job("behind").record().status.value == "CANCELLED"
    # Its progress is where it was begun.
    assert kernel.late[first].count("display_data") == 1
    assert "update_display_data" in kernel.late[first]
    assert output.of("display_data", "update_display_data") == []
