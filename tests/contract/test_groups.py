"""Functions that fill several columns at once, the same on every runner."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import lance
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import geneva
from geneva import errors
from geneva.transformer.unpacked import UnpackedUDFField
from tests.conftest import values


class Size(NamedTuple):
    width: int
    half: float | None
    words: list[str]


@geneva.udf
def size(id: int) -> geneva.Columns[Size]:
    return None if id % 5 == 4 else Size(2 * id, None if id % 3 else id / 2, [str(id)] * (id % 3))


class Labelled(NamedTuple):
    name: Annotated[str, "in English"]
    score: float | None = None


@geneva.udf
def other(key: int) -> geneva.Columns[Size]:
    return Size(key, 1.0, [])


@geneva.udf(field_metadata={"made by": "test"})
def labels(id: int) -> geneva.Columns[Labelled] | None:
    return Labelled("x")


INNER = pa.struct({"a": pa.int32(), "b": pa.list_(pa.string())})
NESTED = pa.struct(
    [
        pa.field("plain", pa.int64(), nullable=False),
        ("inner", INNER),
        ("list", pa.list_(INNER)),
        ("vector", pa.list_(pa.float32(), 2)),
    ]
)


@geneva.udf(data_type=NESTED)
def nested(id: int) -> dict:
    inner = None if id % 4 == 1 else {"a": id, "b": ["x"] * (id % 3)}
    listed = None if id % 7 == 2 else [inner, None][: id % 3]
    return {"plain": id, "inner": inner, "list": listed, "vector": [id, -id]}


@geneva.udf(data_type=pa.struct({"double": pa.int64(), "triple": pa.int64()}))
def both(batch: pa.RecordBatch) -> pa.Array:
    columns = [pc.multiply(batch["id"], by) for by in (2, 3)]
    return pa.StructArray.from_arrays(columns, ["double", "triple"])


def sizes(ids) -> list[tuple]:
    found = [size(i) for i in ids]
    return [(None, None, None) if one is None else tuple(one) for one in found]


def stored(table, names=("width", "half", "words")) -> dict:
    columns = [values(table, name) for name in names]
    return {key: tuple(column[key] for column in columns) for key in columns[0]}


def backfill(table, column, runner, **kwargs):
    return table.backfill(column, runner=runner, progress=False, **kwargs)


def test_one_call_fills_every_column(make_table, runner):
    table = make_table()
    table.add_columns(size)
    assert stored(table)[0] == (None, None, None)
    result = backfill(table, "half", runner)
    assert stored(table) == dict(enumerate(sizes(range(100))))
    assert {name: done.rows_processed for name, done in result.columns.items()} == {
        "width": 100,
        "half": 100,
        "words": 100,
    }
    fragments = lance.dataset(table.uri).get_fragments()
    assert [len(fragment.data_files()) for fragment in fragments] == [2, 2, 2]
    for name in ("width", "half", "words"):
        assert backfill(table, name, runner).columns[name].rows_processed == 0
        assert table.plan_backfill(name).total_rows_pending == 0
        assert table.column_status(name).fresh == 100
        assert table.verify(name, deep=True).ok


@pytest.mark.same_on_ray
def test_a_prefix_and_nested_types(make_table, runner):
    table = make_table()
    table.add_columns(geneva.UnpackedUDF(nested, prefix="p_"))
    # Every row at a checkpoint of its own, so that the columns are made out of parts.
    backfill(table, "p_list", runner, checkpoint_size=7)
    names = [f"p_{field.name}" for field in NESTED]
    assert table.schema.names == ["id", "text", *names]
    assert [table.schema.field(name).type for name in names] == [f.type for f in NESTED]
    expected = {i: tuple(nested(i).values()) for i in range(100)}
    assert stored(table, names) == expected
    assert table.verify(deep=True).ok
    table.update(where="id < 30", values={"text": "new"})
    # Old values and new ones are put together in one file.
    backfill(table, "p_inner", runner, where="id < 10", force=True)
    backfill(table, "p_inner", runner)
    assert stored(table, names) == expected
    assert table.column_status("p_vector").fresh == 100
    assert table.verify(deep=True).ok


@pytest.mark.same_on_ray
def test_a_function_of_batches_and_its_columns(make_table, runner):
    table = make_table()
    table.add_columns(geneva.UnpackedUDF(both))
    backfill(table, "triple", runner)
    assert stored(table, ("double", "triple")) == {i: (2 * i, 3 * i) for i in range(100)}


@pytest.mark.same_on_ray
def test_only_what_is_missing_of_a_group_is_computed(make_table, runner):
    table = make_table()
    table.add_columns(size)
    backfill(table, "width", runner)
    # LanceDB writes files that hold one of the columns, all of them, and none.
    table.add([{"id": 1000, "text": "x", "width": 7}])
    table.add(
        pa.table({"id": [1001], "text": ["x"], "width": [1], "half": [2.0], "words": [["w"]]})
    )
    table.add([{"id": 1002, "text": "x"}])
    assert table.plan_backfill("words").total_rows_pending == 2
    assert backfill(table, "words", runner).columns["half"].rows_processed == 2
    found = stored(table)
    assert [found[1000], found[1002]] == sizes([1000, 1002])
    assert found[1001] == (1, 2.0, ["w"])
    assert table.plan_backfill("width").total_rows_pending == 0
    assert table.verify(deep=True).ok


@pytest.mark.same_on_ray
def test_a_sibling_that_was_overwritten_is_stale_for_the_group(make_table, runner):
    table = make_table()
    table.add_columns(size)
    backfill(table, "width", runner)
    # As a program does that replaces one column of some rows: it gets a file of its own.
    fragment = lance.dataset(table.uri).get_fragment(1)
    new = pa.table({"id": pa.array([41, 43], pa.int64()), "half": pa.array([-1.0, -2.0])})
    changed, fields = fragment.update_columns(new, left_on="id", right_on="id")[:2]
    operation = lance.LanceOperation.Update(
        updated_fragments=[changed], fields_modified=fields, update_mode="rewrite_columns"
    )
    lance.LanceDataset.commit(table.uri, operation, read_version=lance.dataset(table.uri).version)
    assert stored(table)[41][1] == -1.0
    status = table.column_status("words")
    assert (status.fresh, status.stale) == (98, 2)
    assert list(status.why) == [f"were overwritten by another program at version {status.version}"]
    assert table.verify().ok
    assert backfill(table, "width", runner).columns["width"].rows_processed == 2
    assert stored(table) == dict(enumerate(sizes(range(100))))
    assert table.verify(deep=True).ok


@pytest.mark.same_on_ray
def test_another_function_for_the_group(make_table, runner):
    table = make_table()
    table.add_columns(size)
    backfill(table, "width", runner)
    table.alter_columns({"path": "half", "rename": "part"})
    names = ("width", "part", "words")
    assert table.column_status("part").fresh == 100
    table.alter_columns({"path": "part", "udf": other, "input_columns": ["id"]})
    assert stored(table, names)[3] == sizes([3])[0]
    for name in names:
        assert table.column_status(name).stale == 100
    backfill(table, "words", runner, where="id < 50")
    backfill(table, "part", runner)
    assert stored(table, names) == {i: (i, 1.0, []) for i in range(100)}
    # For one job only, and as any struct function can be given.
    unpacked = geneva.UnpackedUDF(size, prefix="ignored_")
    backfill(table, "width", runner, udf=unpacked, where="id < 2")
    assert [stored(table, names)[i] for i in (0, 1, 2)] == [*sizes([0, 1]), (2, 1.0, [])]


@pytest.mark.same_on_ray
def test_a_computed_column_of_a_group(make_table, runner):
    @geneva.udf
    def wider(breadth: int | None) -> int:
        return (breadth or 0) + 1

    table = make_table()
    table.add_columns(size)
    table.alter_columns({"path": "width", "rename": "breadth"})
    table.add_columns({"wider": wider})
    backfill(table, "words", runner)
    backfill(table, "wider", runner)
    assert values(table, "wider") == {
        i: (w or 0) + 1 for i, (w, *_) in enumerate(sizes(range(100)))
    }
    with pytest.raises(errors.InvalidArgumentError, match="read by the computed column 'wider'"):
        table.drop_columns(["breadth", "half", "words"])


def test_columns_of_a_group_go_together(make_table):
    table = make_table(10, 10)
    table.add_columns(size)
    with pytest.raises(ValueError, match=r"'width' .* together with 'half', 'words'\. Drop all"):
        table.drop_columns(["width"])
    lance.dataset(table.uri).drop_columns(["half"])
    with pytest.raises(errors.NotComputedError, match=r"fields 'half' .* not there any more"):
        table.plan_backfill("words")
    found = table.verify()
    assert [(one.column, one.expected) for one in found.findings] == [
        ("width", "columns for 'half' beside it")
    ]
    table.checkout_latest()
    table.drop_columns(["words", "width"])
    table.add_columns(size)
    backfill(table, "words", "inline")
    assert stored(table) == dict(enumerate(sizes(range(10))))


def test_what_cannot_be_several_columns_is_refused(make_table):
    table = make_table(10, 10)
    plain = geneva.udf(lambda id: id, data_type=pa.int64())
    refused = {
        r"width, half, words.*add_columns\(size\)": lambda: table.add_columns({"s": size}),
        r"p_width, p_half": lambda: table.add_columns({"s": geneva.UnpackedUDF(size, prefix="p_")}),
        "say its name": lambda: table.add_columns(plain),
        "only a struct": lambda: geneva.UnpackedUDF(plain),
        "not a function": lambda: geneva.UnpackedUDF("size"),
        "'a.b', which cannot": lambda: geneva.UnpackedUDF(
            geneva.udf(lambda id: (id,), data_type=pa.struct({"a.b": pa.int64()}))
        ),
        "blobs, which cannot": lambda: geneva.UnpackedUDF(
            geneva.udf(
                lambda id: (b"",),
                data_type=pa.struct([pa.field("b", pa.large_binary(), metadata=BLOB)]),
            )
        ),
        "expected a struct": lambda: geneva.udf(size.func, data_type=pa.int64()),
        "no typing.NamedTuple": lambda: geneva.Columns[int],
    }
    for match, call in refused.items():
        with pytest.raises(ValueError, match=match):
            call()
    table.add_columns(size)
    with pytest.raises(errors.InvalidArgumentError, match="'width' exists"):
        table.add_columns(size)
    with pytest.raises(errors.InvalidArgumentError, match="computed as struct"):
        table.alter_columns({"path": "half", "udf": plain})
    with pytest.raises(errors.InvalidArgumentError, match="returns int64, but column 'half'"):
        table.backfill("half", udf=plain)
    with pytest.raises(errors.InvalidArgumentError, match="its function decides the type"):
        table.alter_columns({"path": "half", "data_type": pa.float32()})


BLOB = {"lance-encoding:blob": "true"}


def test_what_the_fields_say(make_table):
    unpacked = geneva.transformer.UnpackedUDF(labels, prefix="l_")
    assert unpacked.fields == [
        UnpackedUDFField("name", "l_name", pa.field("l_name", pa.string())),
        UnpackedUDFField("score", "l_score", pa.field("l_score", pa.float64())),
    ]
    table = make_table(10, 10)
    table.add_columns(unpacked)
    said = [table.schema.field(name).metadata for name in ("l_name", "l_score")]
    keys = ("unpack", "unpack_field", "unpack_fields", "udf_name")
    assert [[one[f"virtual_column.{key}".encode()] for key in keys] for one in said] == [
        [b"true", b"name", b'["name", "score"]', b"labels"],
        [b"true", b"score", b'["name", "score"]', b"labels"],
    ]
    assert len({one[b"virtual_column.unpack_group"] for one in said}) == 1
    assert [one[b"made by"] for one in said] == [b"test", b"test"]
