"""How often and how much is made durable, as the caller says it."""

from __future__ import annotations

import time
from pathlib import Path

import pyarrow as pa
import pytest

import geneva
from geneva import errors
from tests.conftest import values

pytestmark = pytest.mark.local_files


def failing_at(row: int, mended: Path, **options):
    @geneva.udf(data_type=pa.int64(), **options)
    def out(id: int) -> int:
        if id == row and not mended.exists():
            raise ValueError("not yet")
        time.sleep(0.0005)
        return id + 1

    return out


def parts_of(table) -> list[int]:
    """Return the sizes of the parts that a job left, in rows."""
    found = []
    for path in Path(table.uri, "_geneva", "parts").rglob("*.arrow"):
        with pa.memory_map(str(path)) as file:
            found.append(pa.ipc.open_file(file).read_all().num_rows)
    return found


@pytest.mark.parametrize("kind", ["inline", "process"])
@pytest.mark.parametrize("batch_size", [1, 9, 64, None])
@pytest.mark.parametrize(
    ("sizes", "most"),
    [
        ({"checkpoint_size": 20}, 20),
        ({"max_checkpoint_size": 7, "checkpoint_interval_seconds": 0.001}, 7),
        ({"checkpoint_size": 8, "max_checkpoint_size": 16}, 8),
    ],
)
def test_no_part_is_larger_than_its_bound(make_table, tmp_path, kind, batch_size, sizes, most):
    mended = tmp_path / "mended"
    table = make_table(100, 100)
    table.delete("id = 5")
    table.add_columns({"out": failing_at(90, mended, batch_size=batch_size)})
    call = {"runner": kind, "concurrency": 1, "progress": False, **sizes}
    with pytest.raises(errors.UDFError, match="not yet"):
        table.backfill("out", where="id != 11", **call)
    sizes_found = parts_of(table)
    assert max(sizes_found) <= most
    assert sum(sizes_found) == 90 - 2
    mended.touch()
    assert table.backfill("out", **call).columns["out"].rows_processed == 11
    assert values(table, "out") == {i: i + 1 for i in range(100) if i != 5}
    assert parts_of(table) == []


def test_an_interval_of_the_call_decides_how_much_is_at_risk(make_table, tmp_path):
    table = make_table(100, 100)
    table.add_columns({"out": failing_at(99, tmp_path / "mended", batch_size=10)})
    call = {"runner": "inline", "progress": False}
    with pytest.raises(errors.UDFError):
        table.backfill("out", where="id >= 50", **call)
    assert parts_of(table) == [49]
    with pytest.raises(errors.UDFError):
        table.backfill("out", checkpoint_interval_seconds=0.001, **call)
    assert sorted(parts_of(table)) == [10, 10, 10, 10, 10, 49]


def test_a_part_that_is_written_because_of_time_has_a_fewest_size(make_table, tmp_path):
    table = make_table(100, 100)
    table.add_columns({"out": failing_at(99, tmp_path / "mended", batch_size=10)})
    with pytest.raises(errors.UDFError):
        table.backfill(
            "out",
            min_checkpoint_size=25,
            max_checkpoint_size=35,
            checkpoint_interval_seconds=0.001,
            runner="inline",
            progress=False,
        )
    assert sorted(parts_of(table)) == [9, 30, 30, 30]


def test_sizes_that_contradict_the_function_are_refused_at_once(make_table):
    table = make_table(10, 10)
    table.add_columns({"out": geneva.udf(lambda id: id, data_type=pa.int64(), checkpoint_size=5)})
    for begin in (table.backfill, table.backfill_async):
        with pytest.raises(errors.InvalidArgumentError, match="the 5 rows that"):
            begin("out", min_checkpoint_size=6)
    for sizes in (
        {"checkpoint_size": 5, "max_checkpoint_size": 4},
        {"checkpoint_size": 5, "min_checkpoint_size": 6},
    ):
        with pytest.raises(errors.InvalidArgumentError, match="expected at most"):
            geneva.udf(lambda id: id, data_type=pa.int64(), **sizes)
