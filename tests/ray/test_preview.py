"""A preview runs on the cluster that the process is connected to, in an actor of its own."""

from __future__ import annotations

import ctypes
import time

import geneva


@geneva.udf(num_cpus=0.5)
def harmful(id: int) -> int:
    if id == 40:
        ctypes.string_at(0)
    if id == 43:
        time.sleep(60)
    if id == 42:
        raise ValueError("forty-two")
    return 2 * id


def test_what_crashes_and_what_hangs_is_said_of_its_row(make_table, local_ray):
    table = make_table()
    seen = table.preview(harmful, where="id >= 39 and id < 45", timeout=3, progress=False)
    statuses = [row.status for row in seen.rows]
    assert statuses == ["computed", "crashed", "computed", "failed", "timed out", "not tried"], seen
    assert seen.place == "an actor of the Ray cluster"
    assert str(seen.rows[1].error) == "SIGSEGV: the process crashed"
    assert str(seen.rows[3].error) == "ValueError: forty-two"
    assert [seen.rows[i].output for i in (0, 2)] == [78, 82]
    assert seen.peak_memory_bytes > 10 << 20
    table.add_columns({"out": harmful})
    estimate = table.plan_backfill("out", where="id > 50", sample=8).estimate
    assert (estimate.sampled, estimate.failed) == (8, 0)
