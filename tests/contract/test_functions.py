"""Async functions and functions that yield: the same wherever they run."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Iterator
from typing import NamedTuple, TypedDict

import attrs
import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from lance.blob import BlobFile

import geneva
from geneva.errors import InputTypeError, UDFError, WrongReturnTypeError
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


SAME = pytest.mark.same_on_ray
FORMS = [
    pytest.param(in_halves, marks=SAME),
    whole_stream,
    pytest.param(one_batch_each, marks=SAME),
    array_async,
]


@pytest.mark.same_on_ray
@pytest.mark.parametrize("function", FORMS, ids=lambda function: function.name)
@pytest.mark.parametrize("threads", [pytest.param(1, marks=SAME), 3])
def test_more_forms_compute_every_row(make_table, runner, function, threads):
    table = make_table(100, 60)
    table.add_columns({"out": function})
    table.backfill(
        "out", runner=runner, progress=False, num_cpus=0.1, intra_applier_concurrency=threads
    )
    assert values(table, "out") == {i: 2 * i for i in range(100)}


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        pytest.param({"batch_size": 7}, marks=SAME),
        pytest.param({"checkpoint_size": 11}, marks=SAME),
        pytest.param({"where": "id % 3 > 0"}, marks=SAME),
    ],
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


@SAME
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


@pytest.mark.parametrize(
    "cause", ["raises", *(pytest.param(c, marks=SAME) for c in ("cancels itself", "wrong type"))]
)
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
        table.backfill("out", runner=runner, concurrency=1, progress=False)
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


@SAME
@pytest.mark.parametrize(("function", "words"), PIECES, ids=[f.name for f, _ in PIECES])
def test_pieces_that_do_not_fit_the_batch(make_table, runner, function, words):
    table = make_table(20, 20)
    table.add_columns({"out": function})
    with pytest.raises(WrongReturnTypeError, match=words):
        table.backfill("out", runner=runner, progress=False)


BLOB = {"lance-encoding:blob": "true"}
VERSIONS = [*(pytest.param(version, marks=SAME) for version in ("2.0", "2.1")), "2.2"]


def _table_of_blobs(db, version: str):
    """A table with blobs as older and newer programs write them, in two fragments."""
    blobs = [b"a" * 10, None, b"", b"x" * 200_000]
    field = pa.field("b", pa.large_binary(), metadata=BLOB)
    schema = pa.schema([pa.field("id", pa.int64()), field])
    for start in (0, 4):
        data = pa.table([range(start, start + 4), blobs], schema=schema)
        lance.write_dataset(data, f"{db.uri}/t.lance", mode="append", data_storage_version=version)
    return db.open_table("t")


@geneva.udf
def size_of(b: bytes | None) -> int:
    return -1 if b is None else len(b)


@geneva.udf
def beginning(id: int, b: BlobFile | None) -> str:
    if b is None:
        return "none"
    b.seek(max(0, b.size() - 2))
    return f"{b.size()} {b.read().decode()}"


@geneva.udf
async def lazy_size(b: BlobFile | None) -> int:
    await asyncio.sleep(0)
    return -1 if b is None else b.size()


@pytest.mark.same_on_ray
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.local_files
def test_blobs_as_bytes_and_as_files(db, runner, version):
    table = _table_of_blobs(db, version)
    table.delete("id = 4")
    table.add_columns({"size": size_of, "beginning": beginning, "lazy": lazy_size})
    for column in ("size", "beginning", "lazy"):
        table.backfill(column, runner=runner, progress=False, num_cpus=0.1)
    sizes = [10, -1, 0, 200_000, -1, 0, 200_000]
    assert list(values(table, "size").values()) == sizes
    assert list(values(table, "lazy").values()) == sizes
    assert values(table, "beginning")[0] == "10 aa"
    assert values(table, "beginning")[5] == "none"
    with pytest.raises(InputTypeError, match="BlobFile"):
        table.add_columns({"wrong": (lazy_size, ["id"])})


@SAME
@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
@pytest.mark.local_files
def test_blobs_are_written_in_every_format(db, runner, version):
    data = pa.table({"id": range(6)})
    lance.write_dataset(data, f"{db.uri}/t.lance", data_storage_version=version)
    table = db.open_table("t")

    @geneva.udf(data_type=pa.large_binary(), field_metadata=BLOB)
    def picture(id: int) -> bytes | None:
        return None if id == 2 else bytes([id]) * (id * 30_000)

    table.add_columns({"b": picture})
    table.backfill("b", where="id < 3", runner=runner, progress=False)
    table.alter_columns({"path": "b", "udf": picture})
    table.backfill("b", runner=runner, progress=False)
    files = lance.dataset(table.uri).take_blobs("b", indices=range(6))
    assert [f and (f.size(), f.read(1)) for f in files] == [
        None if i == 2 else (i * 30_000, bytes([i])[: i * 30_000]) for i in range(6)
    ]
    table.add_columns({"again": size_of})
    table.backfill("again", runner=runner, progress=False)
    assert values(table, "again")[5] == 150_000
    assert table.verify().ok


@dataclasses.dataclass
class Box:
    left: float
    label: str | None = None


class Image(NamedTuple):
    boxes: list[Box]
    size: tuple[int, ...]


class Summary(TypedDict):
    first: Box | None
    count: np.int16


@SAME
def test_records_in_and_out(db, runner):
    @geneva.udf
    def make(id: int) -> Image | None:
        return (
            Image([Box(float(i), None if i % 2 else "b") for i in range(id)], (id, 2))
            if id
            else None
        )

    @geneva.udf
    def read(image: Image | None) -> Summary | None:
        if image is None:
            return None
        assert isinstance(image, Image)
        assert all(isinstance(box, Box) for box in image.boxes)
        return {"first": image.boxes[-1], "count": np.int16(len(image.boxes))}

    table = db.create_table("t", [{"id": i} for i in range(3)])
    table.add_columns({"image": make})
    table.add_columns({"summary": read})
    for column in ("image", "summary"):
        table.backfill(column, runner=runner, progress=False)
    assert values(table, "summary") == {
        0: None,
        1: {"first": {"left": 0.0, "label": "b"}, "count": 1},
        2: {"first": {"left": 1.0, "label": None}, "count": 2},
    }
    assert table.schema.field("summary").type.field("count").type == pa.int16()


@geneva.udf(data_type=pa.float32(), input_columns=["id"])
def one_dimension(id: pa.Array) -> np.ndarray:
    return id.to_numpy() * 2.0


@geneva.udf(data_type=pa.list_(pa.float32(), 2), input_columns=["id"])
def two_dimensions(id: pa.Array) -> np.ndarray:
    return np.stack([id.to_numpy()] * 2, axis=1)


@geneva.udf(data_type=pa.int64(), input_columns=["id"])
def masked(id: pa.Array) -> np.ndarray:
    return np.ma.masked_array(id.to_numpy(), id.to_numpy() == 1)


@geneva.udf(input_columns=["id"])
def a_day(id: int) -> np.datetime64:
    return np.datetime64("2024-05-01") + id


@geneva.udf(input_columns=["a_day"])
def numpy_day(day: np.datetime64) -> bool:
    return isinstance(day, np.datetime64) and day >= np.datetime64("2024-05-01")


@SAME
def test_numpy_in_and_out(db, runner):
    table = db.create_table("t", [{"id": i} for i in range(3)])
    functions = [one_dimension, two_dimensions, masked, a_day]
    table.add_columns({f.name: f for f in functions})
    table.add_columns({"numpy_day": numpy_day})
    for name in (*(f.name for f in functions), "numpy_day"):
        table.backfill(name, runner=runner, progress=False)
    assert list(values(table, "one_dimension").values()) == [0.0, 2.0, 4.0]
    assert values(table, "two_dimensions")[2] == [2.0, 2.0]
    assert list(values(table, "masked").values()) == [0, None, 2]
    assert values(table, "a_day")[1].day == 2
    assert values(table, "numpy_day") == dict.fromkeys(range(3), True)
