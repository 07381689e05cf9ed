"""Any value of any type survives the way to Arrow and back."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geneva.transformer.arrow_values import arrow_values
from geneva.transformer.mismatch import RowMismatch
from geneva.transformer.python_rows import python_rows

LEAVES = {
    pa.int8(): st.integers(-128, 127),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float32(): st.floats(width=32, allow_nan=False),
    pa.float64(): st.floats(allow_nan=False),
    pa.bool_(): st.booleans(),
    pa.string(): st.text("a\0é😀", max_size=5),
    pa.large_string(): st.text("aé", max_size=3),
    pa.binary(): st.binary(max_size=5),
    pa.date32(): st.dates(),
    pa.timestamp("us"): st.datetimes(),
    pa.duration("us"): st.timedeltas(dt.timedelta(-1000), dt.timedelta(1000)),
    pa.dictionary(pa.int32(), pa.string()): st.sampled_from(["a", "b"]),
}
NUMBERS = {pa.int16(): np.int16, pa.float32(): np.float32, pa.float64(): np.float64}


def _lists(item: pa.DataType) -> st.SearchStrategy[pa.DataType]:
    return st.one_of(
        st.sampled_from([pa.list_(item), pa.large_list(item)]),
        st.integers(1, 3).map(lambda size: pa.list_(item, size)),
    )


def _structs(fields: st.SearchStrategy[pa.DataType]) -> st.SearchStrategy[pa.DataType]:
    return st.lists(fields, min_size=1, max_size=3).map(
        lambda types: pa.struct([(f"f{i}", data_type) for i, data_type in enumerate(types)])
    )


TYPES = st.recursive(
    st.sampled_from(list(LEAVES)),
    lambda inner: st.one_of(
        inner.flatmap(_lists),
        _structs(inner),
        inner.map(lambda item: pa.map_(pa.string(), item)),
    ),
    max_leaves=5,
)


def _values(data_type: pa.DataType) -> st.SearchStrategy[Any]:
    """Make values as ``to_pylist`` gives them."""
    if data_type in LEAVES:
        values = LEAVES[data_type]
    elif pa.types.is_map(data_type):
        pair = st.tuples(st.text("abc", max_size=2), _values(data_type.item_type))
        values = st.lists(pair, max_size=3)
    elif pa.types.is_struct(data_type):
        values = st.fixed_dictionaries({field.name: _values(field.type) for field in data_type})
    else:
        fixed = pa.types.is_fixed_size_list(data_type)
        low, high = (data_type.list_size,) * 2 if fixed else (0, 3)
        values = st.lists(_values(data_type.value_type), min_size=low, max_size=high)
    return st.none() | values


COLUMNS = TYPES.flatmap(
    lambda data_type: st.tuples(st.just(data_type), st.lists(_values(data_type), max_size=6))
)


def _written_otherwise(value: Any, data_type: pa.DataType) -> Any:
    """Write a value in another of the ways that mean the same."""
    if value is None:
        return None
    if pa.types.is_map(data_type):
        pairs = [(key, _written_otherwise(item, data_type.item_type)) for key, item in value]
        return dict(pairs) if len(dict(pairs)) == len(pairs) else tuple(pairs)
    if pa.types.is_struct(data_type):
        items = {f.name: _written_otherwise(value[f.name], f.type) for f in data_type}
        if None in items.values():
            return {name: item for name, item in items.items() if item is not None}
        return tuple(items.values())
    if isinstance(value, list):
        return tuple(_written_otherwise(item, data_type.value_type) for item in value)
    if isinstance(value, str):
        return np.str_(value)
    if isinstance(value, (bool, int, float)) and data_type != pa.uint64():
        return np.array(value)[()]
    return value


@given(COLUMNS)
def test_round_trip(column):
    data_type, rows = column
    array = arrow_values(rows, data_type)
    array.validate(full=True)
    assert array.type == data_type
    assert array.to_pylist() == python_rows(array) == rows
    assert python_rows(array[1:]) == rows[1:]


@given(COLUMNS)
def test_the_same_value_may_be_written_in_several_ways(column):
    data_type, rows = column
    otherwise = [_written_otherwise(row, data_type) for row in rows]
    assert arrow_values(otherwise, data_type).to_pylist() == rows


@given(COLUMNS, st.data())
def test_the_first_row_that_does_not_fit_is_named(column, data):
    data_type, rows = column
    place = data.draw(st.integers(0, len(rows)))
    with pytest.raises(RowMismatch) as caught:
        arrow_values([*rows[:place], object(), *rows[place:]], data_type)
    assert caught.value.row == place
    assert "got object" in str(caught.value)


@given(
    st.sampled_from(list(NUMBERS)),
    st.lists(st.none() | st.lists(st.integers(-100, 100), max_size=4), max_size=6),
    st.integers(0, 3),
)
def test_arrays_round_trip(item, lists, start):
    rows = [None if row is None else np.array(row, NUMBERS[item]) for row in lists]
    array = arrow_values(rows, pa.list_(item))
    assert array.to_pylist() == lists
    back = python_rows(array[start:], np.ndarray)
    for given_, got in zip(rows[start:], back, strict=True):
        assert (given_ is None) == (got is None)
        if got is not None:
            assert got.dtype == given_.dtype
            np.testing.assert_array_equal(got, given_)


@given(
    st.sampled_from(list(NUMBERS)),
    st.tuples(st.integers(0, 5), st.integers(1, 3), st.integers(1, 3)),
    st.data(),
)
def test_images_round_trip(item, shape, data):
    nulls = data.draw(st.lists(st.booleans(), min_size=shape[0], max_size=shape[0]))
    block = np.arange(np.prod(shape)).reshape(shape).astype(NUMBERS[item])
    rows = [None if null else image for null, image in zip(nulls, block, strict=True)]
    expected = [None if row is None else row.tolist() for row in rows]
    for inner in (pa.list_(item), pa.list_(item, shape[2])):
        for data_type in (pa.list_(inner), pa.list_(inner, shape[1])):
            array = arrow_values(rows, data_type)
            array.validate(full=True)
            assert array.to_pylist() == expected
            for row, back in zip(rows, python_rows(array, np.ndarray), strict=True):
                np.testing.assert_array_equal(row, back)
