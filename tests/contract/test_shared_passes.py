"""Columns of one call that read the same rows: each row is read once for all of them."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import NamedTuple

import lance
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import geneva
from geneva import errors
from geneva.storage.reader import RowReader
from tests.conftest import values
from tests.storage.test_conflicts import meanwhile  # noqa: F401 - a fixture


@geneva.udf
def x(id: int) -> int:
    return 2 * id


@geneva.udf
def y(text: str, id: int) -> str | None:
    return None if id % 3 == 0 else f"{text}{id}"


@geneva.udf
def z(id: pa.Array) -> int:
    return pc.add(id, 1)


class Pair(NamedTuple):
    one: int
    two: list[int]


@geneva.udf
def pair(id: int) -> geneva.Columns[Pair] | None:
    return None if id % 5 == 0 else Pair(id, [id] * (id % 3))


COLUMNS = ["x", "y", "z", "two"]


@pytest.fixture
def table(make_table):
    found = make_table()
    found.add_columns({"x": x, "y": y, "z": z})
    found.add_columns(pair)
    return found


def backfill(table, runner="inline", columns=COLUMNS, **kwargs):
    return table.backfill(columns, runner=runner, progress=False, **kwargs)


def check(table, rows: int = 100) -> None:
    assert values(table, "x") == {i: 2 * i for i in range(rows)}
    texts = values(table, "text")
    assert values(table, "y") == {i: f"{texts[i]}{i}" if i % 3 else None for i in range(rows)}
    assert values(table, "z") == {i: i + 1 for i in range(rows)}
    assert values(table, "one") == {i: i if i % 5 else None for i in range(rows)}
    assert values(table, "two") == {i: [i] * (i % 3) if i % 5 else None for i in range(rows)}
    for name in COLUMNS:
        assert table.column_status(name).fresh == rows
        assert not table.plan_backfill(name).has_work
    assert table.verify(deep=True).ok


@pytest.fixture
def reads(monkeypatch):
    """Note the fragments that are read, and which columns of them."""
    noted = []
    read = RowReader.read

    def noting(self, fragment_id, rows, where):
        noted.append((fragment_id, self._columns))
        return read(self, fragment_id, rows, where)

    monkeypatch.setattr(RowReader, "read", noting)
    return noted


@pytest.mark.same_on_ray
@pytest.mark.parametrize("sizes", [{}, {"checkpoint_size": 7}, {"task_size": 13}])
def test_columns_share_a_pass(table, runner, sizes):
    result = backfill(table, runner, **sizes)
    check(table)
    assert {name: done.rows_processed for name, done in result.columns.items()} == dict.fromkeys(
        ["x", "y", "z", "one", "two"], 100
    )
    again = backfill(table, runner)
    assert {done.rows_processed for done in again.columns.values()} == {0}
    assert list(again.columns) == ["x", "y", "z", "one", "two"]


def test_each_row_is_read_once(table, reads):
    backfill(table)
    assert sorted(reads) == [(i, ["id", "text"]) for i in range(3)]
    reads.clear()
    backfill(table, force=True)
    assert sorted(reads) == [(i, ["id", "text"]) for i in range(3)]
    check(table)


def test_only_what_all_need_is_shared(table, reads):
    backfill(table, columns=["y"], where="id < 40")
    reads.clear()
    result = backfill(table, columns=["x", "y", "z"])
    shared = [i for i, columns in reads if columns == ["id", "text"]]
    assert shared == [1, 2]
    assert sorted((i, columns) for i, columns in reads if i == 0) == [(0, ["id"]), (0, ["id"])]
    assert [done.rows_processed for done in result.columns.values()] == [100, 60, 100]


@pytest.mark.same_on_ray
def test_rows_of_a_filter_and_deleted_ones(table, runner):
    table.delete("id % 10 = 9")
    backfill(table, runner, where="id < 50")
    assert {values(table, "x")[i] for i in range(50, 99) if i % 10 != 9} == {None}
    assert values(table, "z")[48] == 49
    backfill(table, runner)
    assert values(table, "x") == {i: 2 * i for i in range(100) if i % 10 != 9}
    assert table.verify(deep=True).ok


def failing(calls: Path, kind: str):
    """Return a function that fails once at row 30, or kills its process there."""
    once = f"{calls}.once"
    Path(once).touch()

    @geneva.udf(data_type=pa.int64(), version="1")
    def w(id: int) -> int:
        if id == 30 and os.path.exists(once):  # noqa: PTH110
            os.remove(once)  # noqa: PTH107
            os.kill(os.getpid(), signal.SIGKILL) if kind == "kill" else 1 / 0
        return -id

    return w


@pytest.mark.local_files
@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("kind", ["fail", "kill"])
def test_each_column_goes_on_by_itself(make_table, tmp_path, kind, place):
    table = make_table(60, 60)
    functions = {"x": x, "w": failing(tmp_path / "calls", kind)}
    if place == "first":
        functions = dict(reversed(functions.items()))
    table.add_columns(functions)
    call = {"progress": False, "concurrency": 1, "checkpoint_size": 8, "batch_size": 8}
    columns = list(functions)
    if kind == "kill":
        table.backfill(columns, runner="process", **call)
    else:
        with pytest.raises(errors.UDFError, match=r"docs\.w.*division by zero|w failed"):
            table.backfill(columns, runner="inline", **call)
        parts = [p.parent.parent.name for p in Path(table.uri, "_geneva").rglob("parts/**/*.arrow")]
        assert len(parts) >= 6
        assert parts.count(parts[0]) == len(parts) / 2
        assert not table.cleanup_checkpoints().found
        # Alone, as if nobody had shared anything.
        done = table.backfill("w", runner="inline", **call)
        assert done.columns["w"].rows_processed == 60 - (30 if place == "last" else 24)
        table.backfill("x", runner="inline", **call)
    assert values(table, "w") == {i: -i for i in range(60)}
    assert values(table, "x") == {i: 2 * i for i in range(60)}
    assert not list(Path(table.uri, "_geneva", "parts").rglob("*.arrow"))
    assert table.verify(deep=True).ok


def test_fragments_that_others_moved_are_computed_again(table, meanwhile, runner):  # noqa: F811
    def change() -> None:
        lance.dataset(table.uri).update({"text": "'new'"}, "id < 5")
        lance.dataset(table.uri).optimize.compact_files()

    assert meanwhile(change) == []
    backfill(table, runner)
    check(table)


def test_a_column_that_is_lost_ends_the_job(table, meanwhile):  # noqa: F811
    meanwhile(lambda: lance.dataset(table.uri).drop_columns(["y"]))
    with pytest.raises(errors.TableChangedError, match="'y' of 'docs' was dropped"):
        backfill(table)


def test_every_column_of_a_pass_is_reserved(table, meanwhile):  # noqa: F811
    refused = []

    def compute_another() -> None:
        for name in ("x", "z"):
            with pytest.raises(errors.ColumnBusyError, match=f"'{name}' of 'docs' is being"):
                backfill(table, columns=[name])
            refused.append(name)

    meanwhile(compute_another)
    backfill(table)
    assert refused == ["x", "z"]


def test_a_plan_says_who_shares_a_pass(table):
    words = str(table.plan_backfill(["x", "y", "z"]))
    assert words.count("in one pass with") == 3
    assert "  in one pass with  x, z" in words
    assert "in one pass" not in str(table.plan_backfill(["x", "y"], num_frags=1))


def test_columns_that_ask_for_something_else_go_alone(table, reads):
    table.alter_columns({"path": "x", "udf": geneva.udf(x.func, num_cpus=0.5)})
    table.alter_columns({"path": "z", "udf": geneva.udf(z.func, memory=1 << 20, num_cpus=1)})
    backfill(table)
    assert len(reads) == 9
    check(table)
