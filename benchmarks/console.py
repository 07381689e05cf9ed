"""How quick the console is with 1,000 jobs in the history, and what watching a job costs.

``python -m benchmarks.console`` takes a minute; with ``--watch 60`` it then watches a job for 60
minutes. It needs a browser, see ``make browser``.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psutil
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

import geneva
from benchmarks.errors import BenchmarkError
from benchmarks.report import write_json
from benchmarks.session import RESULTS
from geneva.storage.job_files import JobFiles
from geneva.storage.model import TableLocation

_JOBS, _LOADS, _UPDATES = 1_000, 7, 5
_PAGE_GOAL_S, _UPDATE_GOAL_S, _LIST_GOAL_S = 1.0, 2.0, 1.5
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_MIB = 1 << 20
# What is allocated once is there by then.
_SETTLED = 10


@geneva.udf(batch_size=5)
def _slow(number: int) -> int:
    time.sleep(0.4)
    return number


@geneva.udf
def _quick(number: int) -> int:
    return number


def main() -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser("python -m benchmarks.console", description=__doc__)
    parser.add_argument("--watch", type=float, default=0, help="minutes to watch a job (0)")
    minutes = parser.parse_args().watch
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        raise BenchmarkError("There is no browser; make browser installs one.")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        uri = f"{folder}/db"
        table = _database(uri, minutes)
        chromium = playwright.chromium.launch(
            executable_path=browser, args=["--no-sandbox", "--enable-precise-memory-info"]
        )
        with _console(uri) as (address, process):
            found: dict[str, Any] = {
                "jobs_in_history": _JOBS,
                "page_s": {"goal": _PAGE_GOAL_S, **_pages(chromium, address)},
                "update_s": {"goal": _UPDATE_GOAL_S, **_updates(chromium, address, table)},
                "jobs_list_s": {"goal": _LIST_GOAL_S, **_lists(uri)},
            }
            if minutes:
                found["watched"] = _watched(chromium, address, process, table, minutes)
        chromium.close()
    print(found)
    path = RESULTS / "console.json"
    write_json(path, found)
    print(f"Written to {path}")
    return 0


def _database(uri: str, minutes: float) -> geneva.table.Table:
    """Make a database with a history of jobs, and a column that takes long enough."""
    rows = max(200, int(minutes * 60 / 0.4 * 1.2))
    table = geneva.connect(uri).create_table("docs", [{"number": n} for n in range(rows)])
    table.add_columns({"quick": _quick, "slow": _slow})
    done = table.backfill("quick", runner="inline", progress=False)
    database = TableLocation(uri)
    record = geneva.connect(uri).get_job(done.job_id).record()
    for n in range(_JOBS - 1):
        ago = timedelta(minutes=n + 1)
        other = replace(record, job_id=f"job-{n}", launched_at=record.launched_at - ago)
        JobFiles(database, other.job_id).write_record(other.to_json(), ended=True)
    return table


@contextmanager
def _console(uri: str) -> Iterator[tuple[str, psutil.Process]]:
    command = [sys.executable, "-m", "geneva.cli.main", "console", uri, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        found = re.search(r"http://\S+", process.stdout.readline())
        if found is None:
            raise BenchmarkError("The console did not start.")
        yield found[0], psutil.Process(process.pid)
        process.send_signal(signal.SIGINT)


def _pages(browser: Browser, address: str) -> dict[str, Any]:
    """Load the first page with nothing in the browser's cache, until its jobs are drawn."""
    times = []
    for _ in range(_LOADS):
        context = browser.new_context()
        page = context.new_page()
        began = time.perf_counter()
        page.goto(address)
        page.get_by_role("row").nth(25).wait_for()
        times.append(time.perf_counter() - began)
        context.close()
    return _told(times)


def _updates(browser: Browser, address: str, table: geneva.table.Table) -> dict[str, Any]:
    """Measure from the end of a job until the page says so."""
    page = browser.new_page()
    page.goto(address)
    times = []
    for _ in range(_UPDATES):
        job = table.backfill_async("slow", concurrency=1)
        name = job.job_id[:12]
        page.get_by_role("row").filter(has_text=name).filter(has_text="RUNNING").wait_for()
        job.cancel()
        while not job.done(0.01):
            pass
        began = time.perf_counter()
        page.get_by_role("row").filter(has_text=name).filter(has_text="CANCELLED").wait_for()
        times.append(time.perf_counter() - began)
    page.close()
    return _told(times)


def _lists(uri: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "geneva.cli.main", "jobs", "list", uri]
    times = []
    for _ in range(_LOADS):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return _told(times)


def _watched(
    browser: Browser,
    address: str,
    process: psutil.Process,
    table: geneva.table.Table,
    minutes: float,
) -> dict[str, Any]:
    """Watch a job and the list of jobs, and look at memory every minute."""
    job = table.backfill_async("slow", concurrency=1)
    pages = [browser.new_page() for _ in range(2)]
    pages[0].goto(f"{address}jobs/{job.job_id}")
    pages[1].goto(address)
    sessions = [page.context.new_cdp_session(page) for page in pages]
    looks = []
    for _ in range(int(minutes)):
        pages[0].wait_for_timeout(60_000)
        look = {"server_mib": process.memory_info().rss / _MIB, "rows": job.status().rows_done}
        looks.append(look | _heap(pages, sessions))
        print(look, flush=True)
    job.cancel()
    job.wait()
    settled, end = looks[_SETTLED : 2 * _SETTLED], looks[-_SETTLED:]
    growth = {
        name: statistics.median(x[name] for x in end) - statistics.median(x[name] for x in settled)
        for name in looks[0]
        if name != "rows"
    }
    return {"minutes": minutes, "growth": growth, "looks": looks}


def _heap(pages: list[Page], sessions: list[CDPSession]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, page, session in zip(("job", "list"), pages, sessions, strict=True):
        session.send("HeapProfiler.collectGarbage")
        used = page.evaluate("performance.memory.usedJSHeapSize")
        nodes = page.evaluate("document.querySelectorAll('*').length")
        found |= {f"{name}_page_mib": used / _MIB, f"{name}_page_elements": nodes}
    return found


def _told(times: list[float]) -> dict[str, Any]:
    return {"median": statistics.median(times), "runs": times}


if __name__ == "__main__":
    sys.exit(main())
