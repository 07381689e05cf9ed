"""Calls of async functions: in flight together, settled row by row, let go of."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

import geneva
from geneva.pipeline.ahead import begun_ahead
from geneva.pipeline.batching import BatchSizer
from geneva.pipeline.control import TaskControl
from geneva.storage.model import RowRange
from geneva.transformer.binding import BoundFunction, bind
from geneva.transformer.call_failure import CallFailed
from geneva.transformer.event_loop import EventLoop, Failed
from geneva.transformer.mismatch import RowMismatch


def _bound(func, **options) -> BoundFunction:
    return bind(geneva.udf(func, data_type=pa.int64(), **options), ["x"])


@pytest.fixture
def loop() -> Iterator[EventLoop]:
    loop = EventLoop(most=3)
    yield loop
    loop.close()


def test_what_was_computed_after_a_failing_row_is_kept():
    async def picky(x):
        await asyncio.sleep(0.001 * (5 - x % 5))
        if x in (2, 5):
            raise KeyError(x)
        return "six" if x == 6 else 10 * x

    bound = _bound(picky)
    with pytest.raises(CallFailed) as caught:
        bound.compute(pa.record_batch({"x": range(9)}))
    failed = caught.value
    assert (failed.row, failed.inputs, failed.computed.to_pylist()) == (2, "x=2", [0, 10])
    assert isinstance(failed.cause, KeyError)
    values, others = failed.rest
    assert values.to_pylist() == [30, 40, None, None, 70, 80]
    assert [(row, type(cause), inputs) for row, cause, inputs in others] == [
        (5, KeyError, "x=5"),
        (6, RowMismatch, "x=6"),
    ]
    bound.tear_down()


def test_other_functions_compute_nothing_after_a_failing_row():
    with pytest.raises(CallFailed) as caught:
        _bound(lambda x: 1 // (x - 1)).compute(pa.record_batch({"x": range(3)}))
    assert caught.value.rest is None


def test_whatever_a_call_raises_ends_no_loop(loop):
    async def ends(x):
        raise x

    causes = [
        SystemExit(3),
        asyncio.CancelledError(),
        KeyboardInterrupt(),
        StopIteration(),
        ValueError(),
    ]
    calls = loop.start(ends, [causes])
    loop.wait(calls)
    assert all(isinstance(outcome, Failed) for outcome in calls.outcomes)
    with pytest.raises(SystemExit):
        loop.call(lambda: ends(SystemExit()))
    assert loop.call(lambda: 7) == 7


def test_never_more_calls_than_allowed_and_never_fewer_while_there_are_rows(loop):
    running, seen = 0, []

    async def count(x):
        nonlocal running
        running += 1
        seen.append(running)
        await asyncio.sleep(0.002 * (x % 3))
        running -= 1

    for calls in [loop.start(count, [list(range(start, start + 5))]) for start in (0, 5, 10)]:
        loop.wait(calls)
    assert seen[:3] == [1, 2, 3]
    # Also if always all three end at once, as they may on a busy machine.
    assert max(seen) == 3
    assert seen.count(3) >= len(seen) // 3


def test_a_call_in_the_loop_has_a_deadline(loop):
    with pytest.raises(TimeoutError, match=r"within 0.01 seconds"):
        loop.call(lambda: asyncio.sleep(3600), 0.01)


def test_cancelled_calls_are_told(loop):
    told = []

    async def waits(x):
        try:
            await asyncio.sleep(3600)
        finally:
            told.append(x)

    calls = loop.start(waits, [list(range(5))])
    loop.call(lambda: None)
    loop.cancel(calls)
    loop.call(lambda: asyncio.sleep(0.01))
    assert sorted(told) == [0, 1, 2]


def test_it_works_where_a_loop_runs_already():
    async def double(x):
        return 2 * x

    async def notebook():
        return geneva.udf(double, data_type=pa.int64())(pa.array([1, None][:1]))

    assert asyncio.run(notebook()).to_pylist() == [2]


def test_called_with_plain_values_it_is_awaited():
    @geneva.udf
    class Add:
        async def setup(self):
            self.by = 5

        async def __call__(self, x: int) -> int:
            return x + self.by

    add = Add()

    async def twice():
        return await add(1), await add(2)

    assert asyncio.run(twice()) == (6, 7)


class _Waiting:
    def __init__(self, _rows):
        pass

    def __enter__(self):
        pass

    def __exit__(self, *_):
        pass


def test_a_stopped_task_keeps_the_rows_before_the_first_that_waits():
    async def some_wait(x):
        if x >= 7:
            await asyncio.sleep(3600)
        return x

    bound = _bound(some_wait, max_in_flight=4)
    control = TaskControl(RowRange(0, 100))
    batches = [
        (
            np.arange(start, start + 4, dtype=np.uint32),
            pa.record_batch({"x": range(start, start + 4)}),
        )
        for start in range(0, 100, 4)
    ]
    unclaimed = map(control.claimed, batches)
    claimed = iter(lambda: next(unclaimed), None)
    threading.Timer(0.05, control.stop).start()
    began = time.monotonic()
    done = []
    for offsets, batch in begun_ahead(claimed, bound, control, _Waiting):
        done += zip(offsets.tolist(), bound.compute(batch).to_pylist(), strict=True)
    assert done == [(x, x) for x in range(7)]
    assert control.end() == 7
    assert time.monotonic() - began < 5
    bound.tear_down()


def test_batches_of_async_functions_have_a_size_that_stays():
    sizer = BatchSizer(None)
    sizer.hold(64)
    sizer.record(rows=64, seconds=60, output_bytes=8)
    assert sizer.rows == 64
    fixed = BatchSizer(5)
    fixed.hold(64)
    assert fixed.rows == 5
    bounded = BatchSizer(None, most=10)
    bounded.hold(64)
    assert bounded.rows == 10


def test_the_loop_of_batches_ends_when_the_function_is_let_go_of():
    seen = []

    def each(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        seen.append("begun")
        for batch in batches:
            yield batch.slice(0)
        seen.append("ended")

    bound = _bound(each, input_columns=["x"])
    for _ in range(3):
        assert bound.compute(pa.record_batch({"x": [1, 2]})).to_pylist() == [1, 2]
    bound.tear_down()
    assert seen == ["begun", "ended"]
