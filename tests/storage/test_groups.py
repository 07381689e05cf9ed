"""Columns that one function fills, while others change the table, and after failures."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import NamedTuple

import lance
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import geneva
from geneva import errors
from tests.conftest import values
from tests.storage.test_conflicts import CHANGES, meanwhile  # noqa: F401 - a fixture


class Pair(NamedTuple):
    out: int
    name: str | None


@geneva.udf
def pair(id: int) -> geneva.Columns[Pair]:
    return None if id % 5 == 4 else Pair(2 * id, f"n{id}" if id % 3 else None)


def expected(ids) -> dict:
    return {i: tuple(pair(i) or (None, None)) for i in ids}


def stored(table) -> dict:
    out, name = values(table, "out"), values(table, "name")
    return {key: (out[key], name[key]) for key in out}


def noting(calls: Path, version: str = "1"):
    """Return the function with a note of every call; ``failing`` beside the notes makes it fail."""
    path = str(calls)

    @geneva.udf(data_type=pair.data_type, version=version)
    def noted(id: int) -> dict | None:
        with open(path, "a") as file:  # noqa: PTH123 - the function is pickled
            file.write(f"{id}\n")
        if id == 30 and os.path.exists(f"{path}.failing"):  # noqa: PTH110
            os.remove(f"{path}.failing")  # noqa: PTH107
            os.kill(os.getpid(), signal.SIGKILL) if "kill" in path else 1 / 0
        return None if id % 5 == 4 else {"out": 2 * id, "name": f"n{id}" if id % 3 else None}

    return geneva.UnpackedUDF(noted)


def computed(calls: Path, table, column: str = "name", **arguments) -> list[int]:
    """Return the inputs that a backfill calls the function with."""
    calls.write_text("")
    plan = table.plan_backfill(column, **arguments)
    table.backfill(column, runner="inline", progress=False, **arguments)
    found = sorted(map(int, calls.read_text().split()))
    assert len(found) == plan.total_rows_pending
    return found


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_every_row_ends_with_its_values(make_table, meanwhile, runner, change):  # noqa: F811
    table = make_table(100, 20)
    table.add_columns(pair)
    happened = meanwhile(lambda: change(table))
    table.backfill("name", runner=runner, progress=False)
    assert happened
    table.backfill("out", runner=runner, progress=False)
    found = stored(table)
    assert found == expected(found)
    assert not table.plan_backfill("name").has_work
    lance.dataset(table.uri).validate()
    assert table.verify(deep=True).ok


def test_a_sibling_is_not_computed_at_the_same_time(make_table, meanwhile):  # noqa: F811
    table = make_table(40, 20)
    table.add_columns(pair)

    def compute_the_other() -> None:
        with pytest.raises(errors.ColumnBusyError, match="'out' of 'docs' is being computed"):
            table.backfill("out", runner="inline", progress=False)

    happened = meanwhile(compute_the_other)
    table.backfill("name", runner="inline", progress=False)
    assert happened


def test_losing_a_sibling_ends_the_job(make_table, meanwhile):  # noqa: F811
    table = make_table(40, 20)
    table.add_columns(pair)
    meanwhile(lambda: lance.dataset(table.uri).drop_columns(["name"]))
    with pytest.raises(errors.TableChangedError, match="'name' of 'docs' was dropped"):
        table.backfill("out", runner="inline", progress=False)


@pytest.mark.parametrize("stable", [True, False])
def test_rows_that_others_moved(db, tmp_path, stable):
    calls = tmp_path / "calls"
    options = {"new_table_enable_stable_row_ids": str(stable).lower()}
    rows = pa.table({"id": range(10), "text": ["a"] * 10})
    table = db.create_table("docs", rows, storage_options=options)
    table.add(pa.table({"id": range(10, 20), "text": ["a"] * 10}))
    table.add_columns(noting(calls))
    assert computed(calls, table) == list(range(20))
    dataset = lance.dataset(table.uri)
    dataset.optimize.compact_files()
    assert computed(calls, table) == []
    dataset.checkout_version(dataset.latest_version).update({"text": "'b'"}, "id < 4")
    assert computed(calls, table) == ([] if stable else [0, 1, 2, 3])
    dataset.checkout_version(dataset.latest_version).update({"name": "'wrong'"}, "id IN (1, 7)")
    assert list(table.column_status("out").why) == [
        f"were overwritten by an update at version {table.column_status('out').version}"
        if stable
        else next(iter(table.column_status("out").why))
    ]
    assert computed(calls, table, "out") == [1, 7]
    assert stored(table) == expected(range(20))
    assert table.verify(deep=True).ok


def replace_column(table, column: str, ids: list[int], new: list) -> None:
    """Give a column of the first fragment a file of its own, as other programs do."""
    fragment = lance.dataset(table.uri).get_fragments()[0]
    rows = pa.table({"id": ids, column: pa.array(new, table.schema.field(column).type)})
    changed, fields = fragment.update_columns(rows, left_on="id", right_on="id")[:2]
    operation = lance.LanceOperation.Update(
        updated_fragments=[changed], fields_modified=fields, update_mode="rewrite_columns"
    )
    lance.LanceDataset.commit(table.uri, operation, read_version=lance.dataset(table.uri).version)


@pytest.mark.parametrize("order", [("out", "name"), ("name", "out")])
def test_siblings_that_were_replaced_one_after_the_other(make_table, tmp_path, order):
    calls = tmp_path / "calls"
    table = make_table(20, 20)
    table.add_columns(noting(calls))
    computed(calls, table)
    new = {"out": [-1, -1], "name": ["wrong", "wrong"]}
    replace_column(table, order[0], [3, 5], new[order[0]])
    replace_column(table, order[1], [5, 8], new[order[1]])
    assert table.column_status("out").stale == 3
    assert computed(calls, table, "out", where="id < 6") == [3, 5]
    assert computed(calls, table, "out") == [8]
    assert stored(table) == expected(range(20))


@pytest.mark.local_files
@pytest.mark.parametrize("end", ["fail", "kill"])
def test_parts_of_a_group_are_taken_over(make_table, tmp_path, end):
    calls = tmp_path / f"{end}-calls"
    Path(f"{calls}.failing").touch()
    table = make_table(60, 60)
    table.add_columns(noting(calls))
    call = {"checkpoint_size": 8, "batch_size": 8, "progress": False, "concurrency": 1}
    if end == "fail":
        with pytest.raises(errors.UDFError, match="division by zero"):
            table.backfill("out", runner="inline", **call)
        fields = {f.name(): f.id() for f in lance.dataset(table.uri).lance_schema.fields()}
        parts = list(Path(table.uri, "_geneva", "parts").rglob("*.arrow"))
        assert {path.parent.parent.name for path in parts} == {str(fields["out"])}
        assert not table.cleanup_checkpoints().found
        assert table.verify().ok
    # A worker that is killed is replaced, and what it wrote is not computed again.
    table.backfill("name", runner="inline" if end == "fail" else "process", **call)
    called = list(map(int, calls.read_text().split()))
    again = {i for i in called if called.count(i) > 1}
    assert again <= set(range(24, 32))
    assert set(called) == set(range(60))
    assert stored(table) == expected(range(60))
    assert not list(Path(table.uri, "_geneva", "parts").rglob("*.arrow"))
    assert table.verify(deep=True).ok


@pytest.mark.local_files
def test_parts_of_a_group_that_is_gone_are_removed(make_table, tmp_path):
    calls = tmp_path / "calls"
    Path(f"{calls}.failing").touch()
    table = make_table(60, 60)
    table.add_columns(noting(calls))
    with pytest.raises(errors.UDFError):
        table.backfill("out", runner="inline", progress=False, checkpoint_size=8)
    table.drop_columns(["out", "name"])
    table.cleanup_checkpoints()
    assert not list(Path(table.uri, "_geneva", "parts").rglob("*.arrow"))


LEAVES = {
    pa.int32(): st.integers(-5, 5),
    pa.string(): st.text("ab", max_size=3),
    pa.bool_(): st.booleans(),
    pa.float64(): st.floats(allow_nan=False),
}


def _nested(inner: st.SearchStrategy) -> st.SearchStrategy:
    return st.one_of(
        inner.map(pa.list_),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda found: pa.struct([(f"f{i}", one) for i, one in enumerate(found)])
        ),
        st.sampled_from([pa.int32(), pa.float64()]).map(lambda one: pa.list_(one, 2)),
    )


types = st.recursive(st.sampled_from(list(LEAVES)), _nested, max_leaves=5)


def values_of(kind: pa.DataType) -> st.SearchStrategy:
    if kind in LEAVES:
        found = LEAVES[kind]
    elif pa.types.is_struct(kind):
        found = st.fixed_dictionaries({field.name: values_of(field.type) for field in kind})
    elif pa.types.is_fixed_size_list(kind):
        # Lance keeps no NULL inside of a vector.
        found = st.lists(LEAVES[kind.value_type], min_size=2, max_size=2)
    else:
        found = st.lists(values_of(kind.value_type), max_size=3)
    return st.none() | found


@st.composite
def groups(draw: st.DrawFn) -> tuple[pa.DataType, list]:
    kinds = draw(st.lists(types, min_size=1, max_size=4))
    struct = pa.struct([(f"c{i}", kind) for i, kind in enumerate(kinds)])
    return struct, draw(st.lists(values_of(struct), min_size=7, max_size=7))


def leaves(field) -> list[int]:
    """Return the ids that a data file lists for a field: those that hold bytes."""
    below = [i for child in field.children() for i in leaves(child)]
    return below or [field.id()]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(groups())
def test_a_group_of_any_types_is_one_file(tmp_path_factory, group):
    struct, rows = group
    table = geneva.connect(tmp_path_factory.mktemp("db")).create_table(
        "t", pa.table({"id": range(len(rows))})
    )
    given = geneva.udf(lambda id: rows[id], data_type=struct, version="1")
    table.add_columns(geneva.UnpackedUDF(given))
    table.backfill("c0", runner="inline", progress=False, where="id < 3")
    # What is kept of the old file goes through memory as a struct again.
    table.backfill("c0", runner="inline", progress=False)
    dataset = lance.dataset(table.uri)
    names = [field.name for field in struct]
    found = dataset.to_table(columns=names).to_pylist()
    assert found == [dict.fromkeys(names) if row is None else row for row in rows]
    file = dataset.get_fragments()[0].data_files()[-1]
    stored = [field for field in dataset.lance_schema.fields() if field.name() in names]
    assert list(file.fields) == [i for field in stored for i in leaves(field)]
    assert list(file.column_indices) == list(range(len(file.fields)))
    assert table.column_status("c0").fresh == len(rows)
    assert table.verify(deep=True).ok
