"""Async functions and functions that yield: the same wherever they run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import attrs
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import geneva
from geneva.errors import UDFError, WrongReturnTypeError
from tests.conftest import values

SEEN = pa.struct([("most", pa.int64()), ("at", pa.float64())])


@geneva.udf
class Fetch:
    """Uses what setup() opened in the loop in which the calls run."""

    async def setup(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.gate = asyncio.Semaphore(4)

    async def __call__(self, id: int) -> int:
        async with self.gate:
            await asyncio.sleep(0.001 * (id % 5))
        assert asyncio.get_running_loop() is self.loop
        return 2 * id


@geneva.udf(data_type=pa.int64(), input_columns=["id"])
def in_halves(batch: pa.RecordBatch) -> Iterator[pa.Array]:
    half = batch.num_rows // 2
    yield pc.multiply(batch["id"].slice(0, half), 2)
    yield pc.multiply(batch["id"].slice(half), 2).cast(pa.int32())


@geneva.udf(data_type=pa.int64(), input_columns=["id", "text"])
def whole_stream(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Array]:
    two = pa.scalar(2)
    for batch in batches:
        for start in range(0, batch.num_rows, 10):
            yield pc.multiply(batch["id"].slice(start, 10), two)


@geneva.udf(data_type=pa.int64())
def one_batch_each(id: Iterator[pa.Array]) -> Iterator[pa.Array]:
    yield pc.multiply(next(id), 2)


@geneva.udf(data_type=pa.int64())
async def array_async(id: pa.Array) -> pa.Array:
    await asyncio.sleep(0)
    return pc.multiply(id, 2)


FORMS = [in_halves, whole_stream, one_batch_each, array_async]


@pytest.mark.parametrize("function", FORMS, ids=lambda function: function.name)
@pytest.mark.parametrize("threads", [1, 3])
def test_more_forms_compute_every_row(make_table, runner, function, threads):
    table = make_table(100, 60)
    table.add_columns({"out": function})
    table.backfill(
        "out", runner=runner, progress=False, num_cpus=0.1, intra_applier_concurrency=threads
    )
    assert values(table, "out") == {i: 2 * i for i in range(100)}


@pytest.mark.parametrize(
    "sizes", [{}, {"batch_size": 7}, {"checkpoint_size": 11}, {"where": "id % 3 > 0"}]
)
def test_async_calls_give_every_row_its_value(make_table, runner, sizes):
    table = make_table(200, 120)
    table.add_columns({"out": Fetch()})
    table.delete("id % 10 = 4")
    table.backfill("out", runner=runner, progress=False, **sizes)
    expected = {i: 2 * i for i in range(200) if i % 10 != 4}
    if "where" in sizes:
        expected = {i: v if i % 3 else None for i, v in expected.items()}
    assert values(table, "out") == expected


def test_async_calls_are_in_flight_together(make_table, runner):
    """The goal is 80 % of ten times ``max_in_flight`` per second; half of it on a busy machine."""

    @geneva.udf(max_in_flight=50)
    class Slow:
        def setup(self) -> None:
            self.most = self.now = 0

        async def __call__(self, id: int) -> dict[str, float]:
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0.1)
            self.now -= 1
            return {"most": self.most, "at": time.monotonic()}

    table = make_table(600, 600)
    table.add_columns({"out": (attrs.evolve(Slow(), data_type=SEEN), ["id"])})
    table.backfill("out", runner=runner, concurrency=1, progress=False)
    seen = list(values(table, "out").values())
    assert max(row["most"] for row in seen) == 50
    seconds = max(row["at"] for row in seen) - min(row["at"] for row in seen) + 0.1
    assert 600 / seconds > 0.5 * 50 * 10


def test_one_slow_call_holds_up_no_other(make_table, runner):
    """While row 0 waits, the rows of many later batches are called for."""

    @geneva.udf(max_in_flight=4, batch_size=4)
    class FirstIsLast:
        def setup(self) -> None:
            self.ended = 0
            self.enough = asyncio.Event()

        async def __call__(self, id: int) -> int:
            if id == 0:
                await self.enough.wait()
            self.ended += 1
            if self.ended == 50:
                self.enough.set()
            return self.ended

    table = make_table(100, 100)
    table.add_columns({"out": FirstIsLast()})
    table.backfill("out", runner=runner, concurrency=1, progress=False)
    assert values(table, "out")[0] > 50


@pytest.mark.parametrize("cause", ["raises", "cancels itself", "wrong type"])
def test_an_async_call_that_fails_is_named(make_table, runner, cause):
    @geneva.udf(max_in_flight=8)
    async def picky(id: int) -> int:
        await asyncio.sleep(0.001)
        if id == 33 and cause == "raises":
            raise KeyError("thirty-three")
        if id == 33 and cause == "cancels itself":
            raise asyncio.CancelledError("thirty-three")
        return "thirty-three" if id == 33 else id  # type: ignore[return-value]

    table = make_table(100, 100)
    table.add_columns({"out": picky})
    kind = WrongReturnTypeError if cause == "wrong type" else UDFError
    with pytest.raises(kind, match="thirty-three") as caught:
        table.backfill("out", runner=runner, progress=False)
    assert caught.value.row_offset == 33
    assert "id=33" in str(caught.value)
    assert table.plan_backfill("out").total_rows_pending == 67


@geneva.udf(data_type=pa.int64(), batch_size=10)
def too_few(id: pa.Array) -> Iterator[pa.Array]:
    yield id.slice(0, 4)
    yield id.slice(0, 3)


@geneva.udf(data_type=pa.int64(), batch_size=10)
def too_many(id: pa.Array) -> Iterator[pa.Array]:
    while True:
        yield id.slice(0, 4)


@geneva.udf(data_type=pa.int64(), batch_size=10)
def asks_too_early(id: Iterator[pa.Array]) -> Iterator[pa.Array]:
    for batch in id:
        yield batch.slice(2)


@geneva.udf(data_type=pa.int64(), batch_size=10)
def yields_twice(id: Iterator[pa.Array]) -> Iterator[pa.Array]:
    for batch in id:
        yield batch
        yield batch.slice(0, 3)


PIECES = [
    (too_few, "expected 10 values, one per row of the batch, got 7 in 2 pieces"),
    (too_many, "expected 10 values, one per row of the batch, got 12 in 3 pieces"),
    (asks_too_early, "got 8 in 1 piece, before it asked for the next batch"),
    (yields_twice, "got 3 more values after those of the batch before"),
]


@pytest.mark.parametrize(("function", "words"), PIECES, ids=[f.name for f, _ in PIECES])
def test_pieces_that_do_not_fit_the_batch(make_table, runner, function, words):
    table = make_table(20, 20)
    table.add_columns({"out": function})
    with pytest.raises(WrongReturnTypeError, match=words):
        table.backfill("out", runner=runner, progress=False)
