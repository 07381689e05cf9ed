"""How functions are let go of: teardown(), and async calls that are not waited for."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

import geneva
from geneva.errors import BackfillTimeoutError
from geneva.runners import processes


def test_a_teardown_that_does_not_end_is_ended(make_table, capfd, monkeypatch):
    monkeypatch.setattr(processes, "TEARDOWN_S", 0.1)
    monkeypatch.setattr(processes, "_LATE_S", 0.1)

    @geneva.udf
    class Stuck:
        def __call__(self, id: int) -> int:
            return os.getpid()

        def teardown(self) -> None:
            time.sleep(3600)

    table = make_table(10, 10)
    table.add_columns({"out": Stuck()})
    began = time.monotonic()
    assert table.backfill("out", progress=False).status == "DONE"
    assert time.monotonic() - began < 10
    assert "Does its teardown() wait?" in capfd.readouterr().err
    with pytest.raises(ProcessLookupError):
        os.kill(table.to_arrow()["out"][0].as_py(), 0)


def test_a_cancelled_job_does_not_wait_for_all_calls(make_table):
    @geneva.udf(max_in_flight=8)
    async def endless(id: int) -> int:
        if id >= 20:
            await asyncio.sleep(3600)
        return id

    table = make_table(100, 100)
    table.add_columns({"out": endless})
    began = time.monotonic()
    with pytest.raises(BackfillTimeoutError):
        table.backfill("out", progress=False, timeout=1.5)
    # The 0.5 s that calls in flight get; a worker that does not answer is killed after 5 s.
    assert time.monotonic() - began < 5
    assert table.plan_backfill("out").total_rows_pending == 80
