"""Bad input is refused at once, and a failing function loses nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import lance
import pyarrow as pa
import pytest

import geneva
from geneva import errors
from tests.conftest import values


class Refusal(Exception):
    """An exception class of the user's own."""


@geneva.udf
def double(id: int) -> int:
    return 2 * id


def files_of(table) -> set[str]:
    return {str(p) for p in Path(table.uri).rglob("*") if p.is_file()}


@pytest.mark.same_on_ray
def test_nothing_is_written_for_bad_arguments(make_table, runner):
    table = make_table()
    table.add_columns({"out": double})
    before = files_of(table)
    bad = [
        ({"columns": "outt"}, errors.ColumnNotFoundError, "Did you mean 'out'"),
        ({"columns": "text"}, errors.NotComputedError, "ordinary column"),
        ({"columns": []}, errors.InvalidArgumentError, "names no column"),
        ({"columns": ["out", "b"]}, errors.ColumnNotFoundError, "'b' is not defined"),
        ({"concurrency": 0}, errors.InvalidArgumentError, "concurrency=0"),
        ({"concurrency": 1.5}, errors.InvalidArgumentError, "whole number"),
        ({"batch_size": -1}, errors.InvalidArgumentError, "batch_size=-1"),
        ({"checkpoint_size": 0}, errors.InvalidArgumentError, "checkpoint_size=0"),
        ({"checkpoint_size": 9, "max_checkpoint_size": 8}, errors.InvalidArgumentError, "at most"),
        (
            {"checkpoint_size": 8, "min_checkpoint_size": 9},
            errors.InvalidArgumentError,
            r"min_checkpoint_size=9; expected at most checkpoint_size \(8\)",
        ),
        ({"checkpoint_interval_seconds": 0}, errors.InvalidArgumentError, "interval_seconds=0"),
        ({"checkpoint_interval_seconds": "9"}, errors.InvalidArgumentError, "number of seconds"),
        ({"task_size": -5}, errors.InvalidArgumentError, "task_size=-5"),
        ({"num_frags": 0}, errors.InvalidArgumentError, "num_frags=0"),
        ({"skip_frags": -1}, errors.InvalidArgumentError, "skip_frags=-1"),
        ({"commit_granularity": 0}, errors.InvalidArgumentError, "commit_granularity=0"),
        ({"intra_applier_concurrency": 0}, errors.InvalidArgumentError, "intra_applier"),
        ({"timeout": -1}, errors.InvalidArgumentError, "timeout=-1"),
        ({"num_cpus": -1}, errors.InvalidArgumentError, "num_cpus=-1"),
        ({"memory": 0}, errors.InvalidArgumentError, "memory=0"),
        ({"where": "id ="}, errors.FilterError, "id ="),
        ({"where": "nope > 1"}, errors.FilterError, "nope"),
        ({"where": ""}, errors.InvalidArgumentError, "where"),
        ({"num_cpus": 1000}, errors.ResourcesUnavailableError, "1,000 CPUs"),
        ({"num_gpus": 99}, errors.ResourcesUnavailableError, "Lower num_gpus"),
        ({"memory": 1 << 50}, errors.ResourcesUnavailableError, "memory"),
    ]
    for arguments, kind, words in bad:
        column = arguments.pop("columns", "out")
        with pytest.raises(kind, match=words):
            table.backfill(column, runner=runner, progress=False, **arguments)
    with pytest.raises(errors.InvalidArgumentError, match="runner="):
        table.backfill("out", runner="cloud", progress=False)
    assert files_of(table) == before


def test_bad_columns_are_refused_before_anything_is_written(make_table):
    table = make_table()
    before = files_of(table)
    lock = threading.Lock()

    @geneva.udf
    def holds_a_lock(id: int) -> int:
        with lock:
            return id

    def plain(id: int) -> int:
        return id

    needs_text = geneva.udf(lambda txt: txt, data_type=pa.string())
    itself = (double, ["id"])
    wrong_type = geneva.udf(_takes_text, input_columns=["id"])
    bad = [
        ({"x": needs_text}, errors.ColumnNotFoundError, "Did you mean 'text'"),
        ({"x": (double, ["no.such"])}, errors.ColumnNotFoundError, "no.such"),
        ({"id": itself}, errors.InvalidArgumentError, "itself"),
        ({"text": double}, errors.InvalidArgumentError, "exists"),
        ({"x": holds_a_lock}, errors.UnpicklableFunctionError, "'lock'"),
        ({"x": plain}, errors.InvalidArgumentError, "@geneva.udf"),
        ({"x": wrong_type}, errors.InputTypeError, "int64"),
    ]
    for transforms, kind, words in bad:
        with pytest.raises(kind, match=words):
            table.add_columns({"fine": double, **transforms})
    assert files_of(table) == before


def _as_text(id: int) -> str:
    return str(id)


def _takes_text(text: str) -> int:
    return len(text)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda id: "x", "no return annotation"),
        (datetime.now, "signature|parameter|annotation"),
    ],
)
def test_functions_without_a_type_are_refused(function, words):
    with pytest.raises(errors.GenevaError, match=words):
        geneva.udf(function)


async def _async(id: int) -> int:
    return id


def test_bad_decorations_are_refused():
    def no_type(id: int) -> set:
        return {id}

    async def waits(id: int) -> int:
        yield id

    def yields(id: int) -> int:
        yield id

    async def both(id: Iterator[pa.Array]) -> int:
        return id

    def two(id: Iterator[pa.Array], text: Iterator[pa.Array]) -> int:
        yield id

    def anything(*ids: int) -> int:
        return len(ids)

    def mixed(a: pa.Array, b: int) -> int:
        return b

    with pytest.raises(errors.TypeHintError, match="set"):
        geneva.udf(no_type)
    refused = [
        (waits, "async generator"),
        (yields, "once per row for one value: return the value"),
        (both, "let it take one batch"),
        (two, "so no other parameter"),
        (anything, r"\*args"),
        (mixed, "mixes"),
    ]
    for function, words in refused:
        with pytest.raises(errors.InvalidArgumentError, match=words):
            geneva.udf(function)
    with pytest.raises(errors.InvalidArgumentError, match="the function is not async"):
        geneva.udf(max_in_flight=2)(double.func)
    with pytest.raises(errors.InvalidArgumentError, match="max_in_flight=0"):
        geneva.udf(max_in_flight=0)(_async)
    with pytest.raises(TypeError, match="num_cpu"):
        geneva.udf(num_cpu=2)
    with pytest.raises(errors.InvalidArgumentError, match="num_cpus=-1"):
        geneva.udf(num_cpus=-1)(double.func)
    with pytest.raises(errors.InvalidArgumentError, match="names 2"):
        geneva.udf(double.func, input_columns=["a", "b"])


def test_a_failing_row_is_named_and_everything_before_it_is_kept(make_table, runner, tmp_path):
    table = make_table(200, 50)
    mended = tmp_path / "mended"

    @geneva.udf(input_columns=["id", "text"], batch_size=10)
    def fragile(number: int, text: str) -> int:
        if number == 133 and not mended.exists():
            raise Refusal(f"no {number}")
        with Path(tmp_path, "calls").open("a") as calls:
            calls.write(f"{number}\n")
        return number

    table.add_columns({"out": fragile})
    with pytest.raises(errors.UDFError) as caught:
        table.backfill("out", runner=runner, concurrency=1, progress=False)
    error = caught.value
    assert "fragile failed on row" in str(error)
    assert "Refusal: no 133" in str(error)
    assert "id=133, text=" in str(error)
    assert "raise Refusal" in error.user_traceback
    assert "geneva" not in error.user_traceback.replace("test_a_failing", "").split("raise")[0]
    assert isinstance(error.__cause__, Refusal)
    assert error.__cause__.args == ("no 133",)
    found = lance.dataset(table.uri).to_table(columns=["id"], filter=f"_rowid = {error.row_id}")
    assert found["id"].to_pylist() == [133]

    before = len((tmp_path / "calls").read_text().split())
    assert before >= 133  # Everything in front of it was computed, and
    mended.touch()
    table.backfill("out", runner=runner, progress=False)
    calls = (tmp_path / "calls").read_text().split()
    assert sorted(map(int, calls)) == list(range(200))  # nothing was computed twice.
    assert values(table, "out") == {i: i for i in range(200)}


@pytest.mark.same_on_ray
@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ("'x'", "expected int64, got str 'x'"),
        ("1.5", "expected int64, got float 1.5"),
        ("True", "expected int64, got bool"),
        ("[1]", "expected int64, got list"),
        ("2**70", "int64"),
    ],
)
def test_a_wrong_return_type_names_row_types_and_value(make_table, runner, returned, words):
    table = make_table()
    code = f"lambda id: {returned} if id == 57 else id"
    table.add_columns({"out": geneva.udf(eval(code), data_type=pa.int64())})
    with pytest.raises(errors.WrongReturnTypeError, match=words) as caught:
        table.backfill("out", runner=runner, progress=False)
    assert "offset 17" in str(caught.value)
    assert "inputs: id=57" in str(caught.value)
    assert isinstance(caught.value, TypeError)


@pytest.mark.same_on_ray
@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (lambda a: a.slice(1), "one per row"),
        (lambda a: a.cast(pa.string()), "got one of string"),
        (lambda a: 7, "got int 7"),
        (lambda a: pa.array([2**40] * len(a)), "without loss"),
    ],
)
def test_wrong_arrays(make_table, runner, returned, words):
    table = make_table()

    @geneva.udf(data_type=pa.int32())
    def wrong(id: pa.Array) -> pa.Array:
        return returned(id)

    table.add_columns({"out": wrong})
    with pytest.raises(errors.WrongReturnTypeError, match=words):
        table.backfill("out", runner=runner, progress=False)


def test_setup_that_fails_says_so(make_table, runner):
    table = make_table()

    @geneva.udf
    class Broken:
        def setup(self) -> None:
            raise OSError("no model here")

        def __call__(self, id: int) -> int:
            return id

    table.add_columns({"out": Broken()})
    with pytest.raises(errors.UDFError, match=r"setup\(\) of Broken failed.*no model here"):
        table.backfill("out", runner=runner, progress=False)


@pytest.mark.same_on_ray
@pytest.mark.parametrize("raised", ["StopIteration()", "SystemExit(3)"])
def test_exceptions_that_python_treats_specially(make_table, runner, raised):
    table = make_table()
    code = f"def special(id: int) -> int:\n    if id == 5:\n        raise {raised}\n    return id\n"
    namespace: dict = {}
    exec(code, namespace)
    table.add_columns({"out": geneva.udf(namespace["special"])})
    with pytest.raises(errors.UDFError, match="failed on row 5"):
        table.backfill("out", runner=runner, progress=False)


@pytest.mark.same_on_ray
def test_dropped_table(db, make_table, runner):
    table = make_table()
    table.add_columns({"out": double})
    db.drop_table("docs")
    with pytest.raises(errors.TableNotFoundError, match="docs"):
        table.backfill("out", runner=runner, progress=False)
    with pytest.raises(errors.TableNotFoundError, match="Its tables: none"):
        db.open_table("docs")
    with pytest.raises(errors.TableNotFoundError):
        db.drop_table("docs")


@pytest.mark.same_on_ray
def test_schema_changes_that_would_break_a_computed_column(make_table, runner):
    table = make_table()
    table.add_columns({"out": double})
    with pytest.raises(errors.InvalidArgumentError, match="read by the computed column 'out'"):
        table.drop_columns(["id"])
    with pytest.raises(errors.ColumnNotFoundError, match="Did you mean 'out'"):
        table.drop_columns(["outt"])
    with pytest.raises(errors.InvalidArgumentError, match="is computed"):
        table.alter_columns({"path": "out", "data_type": pa.float64()})
    with pytest.raises(errors.InvalidArgumentError, match="returns string"):
        table.alter_columns({"path": "out", "udf": geneva.udf(_as_text)})
    table.backfill("out", runner=runner, progress=False)
    table.alter_columns({"path": "id", "rename": "number"})
    assert not table.plan_backfill("out").has_work  # The column follows its input.
    table.alter_columns({"path": "out", "rename": "twice"})
    table.add([{"number": 500, "text": ""}])
    table.backfill("twice", runner=runner, progress=False)
    assert values(table, "twice", "number")[500] == 1000
    table.drop_columns(["number", "twice"])


def test_timeout_keeps_what_is_computed(make_table, runner):
    table = make_table(60, 60)

    @geneva.udf(batch_size=2)
    def slow(id: int) -> int:
        import time

        time.sleep(0.02)
        return id

    table.add_columns({"out": slow})
    with pytest.raises(errors.BackfillTimeoutError, match="reached its timeout") as caught:
        table.backfill("out", runner=runner, timeout=0.9, concurrency=1, progress=False)
    assert isinstance(caught.value, TimeoutError)
    left = table.plan_backfill("out").total_rows_pending
    if runner == "process":  # Inline, the driver has its turn only between tasks.
        assert 0 < left < 60
    table.backfill("out", runner=runner, progress=False)
    assert values(table, "out") == {i: i for i in range(60)}


def test_ctrl_c_inline_keeps_what_is_computed(make_table):
    table = make_table(60, 60)

    @geneva.udf(batch_size=10)
    def interrupted(id: int) -> int:
        if id == 35:
            raise KeyboardInterrupt
        return id

    table.add_columns({"out": interrupted})
    with pytest.raises(KeyboardInterrupt):
        table.backfill("out", runner="inline", progress=False)
    assert table.plan_backfill("out").total_rows_pending == 30


@pytest.mark.same_on_ray
@pytest.mark.local_files
def test_a_full_disk_is_what_the_user_reads(make_table, runner, tmp_path):
    table = make_table(60, 60)
    # A file where the folder of parts should be: nothing can be written there.
    Path(table.uri, "_geneva").mkdir()
    Path(table.uri, "_geneva", "parts").write_text("")

    @geneva.udf(batch_size=10)
    def fails(id: int) -> int:
        if id == 35:
            raise ValueError("no 35")
        return id

    table.add_columns({"out": fails})
    with pytest.raises(OSError, match="_geneva") as caught:
        table.backfill("out", runner=runner, progress=False)
    assert "no 35" in str(caught.value.__cause__)
