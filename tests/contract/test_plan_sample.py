"""A plan says how long a job will take, if it may run the function on a sample."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

import geneva
from geneva import errors


@geneva.udf
def slow(id: int) -> str:
    time.sleep(0.004 if id % 3 else 0.002)
    return "x" * (id % 20)


def test_a_plan_runs_no_function_unless_asked(make_table, tmp_path):
    marker = tmp_path / "ran"

    @geneva.udf
    def marks(id: int) -> int:
        Path(marker).touch()
        return id

    table = make_table()
    table.add_columns({"out": marks})
    assert table.plan_backfill("out").estimate is None
    assert not marker.exists()
    table.plan_backfill("out", sample=2)
    assert marker.exists()


def test_the_estimate_holds_for_the_job(make_table):
    table = make_table(600, 200)
    table.add_columns({"out": slow})
    plan = table.plan_backfill("out", sample=48, concurrency=1)
    assert plan.estimate.sampled == 48
    assert plan.estimate.appliers == 1
    result = table.backfill("out", concurrency=1, progress=False)
    # The function's own time; what the machine does beside it is not the estimate's.
    computed_s = result.metrics["udf_processing_time"] / 1000
    bounds = plan.estimate.duration_s
    assert 0.6 * bounds.low < computed_s < 1.8 * bounds.high
    written = sum(14 - 10 + (i % 20) for i in range(600))
    assert plan.estimate.output_bytes.low < written < plan.estimate.output_bytes.high
    assert plan.estimate.peak_memory_bytes.value > 50 << 20
    shown = str(plan).splitlines()
    assert "  estimate          from 48 rows; " in "\n".join(shown)
    assert shown[-3].startswith("    duration        ")
    # Now it is known what a job took.
    again = table.plan_backfill("out", sample=4, force=True)
    assert again.estimate.peak_memory_bytes.value == again.known_peak_bytes > 0


def test_only_rows_of_the_plan_are_sampled(make_table):
    @geneva.udf
    def only_last(id: int) -> int:
        if id < 80:
            raise ValueError("not one of the plan's")
        return id

    table = make_table(100, 40)
    table.add_columns({"out": only_last})
    assert table.plan_backfill("out", where="id >= 80", sample=8).estimate.failed == 0
    assert table.plan_backfill("out", skip_frags=2, sample=8).estimate.failed == 0
    estimate = table.plan_backfill("out", sample=8).estimate
    assert estimate.failed > 0
    assert "ValueError: not one of the plan's" in "\n".join(estimate.lines())


def test_a_sample_that_crashes_is_said_and_estimates_the_rest(make_table):
    @geneva.udf
    def crashes(id: int) -> int:
        if id == 50:
            os.kill(os.getpid(), signal.SIGSEGV)
        return id

    table = make_table()
    table.add_columns({"out": crashes})
    estimate = table.plan_backfill("out", where="id >= 48 and id < 53", sample=5).estimate
    assert (estimate.sampled, estimate.failed) == (4, 1)
    assert estimate.duration_s is not None
    assert "SIGSEGV" in "\n".join(estimate.lines())


def test_a_slow_function_is_not_run_more_often_than_asked(make_table, tmp_path):
    counted = tmp_path / "calls"

    @geneva.udf
    def counts(id: int) -> int:
        with Path(counted).open("a") as file:
            file.write(".")
        time.sleep(0.002)
        return id

    table = make_table()
    table.add_columns({"out": counts})
    table.plan_backfill("out", sample=5)
    assert counted.read_text() == "....."


def test_a_plan_without_work_samples_nothing(make_table):
    table = make_table(10, 10)
    table.add_columns({"out": slow})
    table.backfill("out", progress=False, runner="inline")
    assert table.plan_backfill("out", sample=4).estimate is None


def test_arguments_that_cannot_be_used(make_table):
    table = make_table()
    table.add_columns({"out": slow})
    with pytest.raises(errors.InvalidArgumentError, match="sample=0"):
        table.plan_backfill("out", sample=0)
    with pytest.raises(errors.InvalidArgumentError, match="timeout=-1"):
        table.plan_backfill("out", sample=1, sample_timeout=-1)
