"""Jobs that take long enough to be interfered with."""

from __future__ import annotations

import time

import geneva
from tests.faults.test_processes import wait_until


@geneva.udf(batch_size=5)
def slow(id: int) -> int:
    time.sleep(0.01)
    return id + 1


@geneva.udf(batch_size=5)
def other(id: int) -> int:
    time.sleep(0.01)
    return id + 2


def begun(table, **arguments):
    """Begin a job in the background, with one worker, that has computed some rows."""
    job = table.backfill_async("out", job_id="j", concurrency=1, **arguments)
    wait_until(lambda: job.status().rows_done)
    return job
