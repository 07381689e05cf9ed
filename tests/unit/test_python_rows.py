"""Arrow columns to Python rows."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from geneva.transformer.python_rows import python_rows

F32 = pa.list_(pa.float32())
PAIR = pa.list_(pa.float32(), 2)
POINT = pa.struct([("x", pa.int64()), ("y", pa.string())])
MAP = pa.map_(pa.string(), pa.int64())
NOON = dt.datetime(2024, 5, 1, 12, 30, 15, 250_000)
LISTS = [[1, 2], None, [], [3, None]]


class Point(NamedTuple):
    x: int
    y: str | None = None


@dataclasses.dataclass
class Spot:
    x: int
    y: str = "default"
    twice: int = dataclasses.field(init=False, default=0)

    def __post_init__(self):
        self.twice = 2 * self.x


@dataclasses.dataclass
class Half:
    x: int


class Path(TypedDict):
    points: list[Point]
    vector: npt.NDArray[np.float32]


def _same(left: Any, right: Any) -> None:
    """Compare rows of arrays with their types."""
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert type(a) is type(b)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
        else:
            assert a == b


@pytest.mark.parametrize("hint", [np.ndarray, np.ndarray | None, npt.NDArray[np.int16]])
@pytest.mark.parametrize("list_type", [pa.list_, pa.large_list])
def test_lists_as_arrays(hint, list_type):
    array = pa.array([[0], *LISTS], list_type(pa.int16()))[1:]
    plain, changed = np.array([1, 2], np.int16), np.array([3, np.nan])
    _same(python_rows(array, hint), [plain, None, np.array([], np.int16), changed])


@pytest.mark.parametrize("start", [0, 1])
def test_fixed_size_lists_as_arrays(start):
    array = pa.array([[1, 2], None, [3, 4]], PAIR)[start:]
    expected = [np.array([1, 2], np.float32), None, np.array([3, 4], np.float32)][start:]
    _same(python_rows(array, np.ndarray), expected)


def test_arrays_are_views_of_the_column():
    array = pa.array([[1, 2], [3, 4]], PAIR)
    (row,) = python_rows(array[1:], np.ndarray)
    assert np.shares_memory(row, array.values.to_numpy())
    assert not row.flags.writeable


@pytest.mark.parametrize(
    ("rows", "data_type", "expected"),
    [
        ([[[1, 2], [3, 4]], None], pa.list_(PAIR), [np.array([[1, 2], [3, 4]], np.float32), None]),
        ([["a", None]], pa.list_(pa.string()), [np.array(["a", None], object)]),
        ([[True, None], [True]], pa.list_(pa.bool_()),
         [np.array([True, None], object), np.array([True])]),
        ([[NOON, None]], pa.list_(pa.timestamp("us")), [np.array([NOON, "NaT"], "M8[us]")]),
        ([1, None], pa.int64(), [1, None]),
    ],
)  # fmt: skip
def test_other_items_as_arrays(rows, data_type, expected):
    _same(python_rows(pa.array(rows, data_type), np.ndarray), expected)


def test_ragged_lists_are_arrays_of_arrays():
    (row,) = python_rows(pa.array([[[1], None, [2, 3]]], pa.list_(pa.list_(pa.int8()))), np.ndarray)
    assert row.dtype == object
    _same(list(row), [np.array([1], np.int8), None, np.array([2, 3], np.int8)])


def test_records():
    points = [{"x": 1, "y": "a"}, None, {"x": 2, "y": None}]
    column = pa.array([None, *points], POINT)[1:]
    assert python_rows(column) == points
    assert python_rows(column, Point | None) == [Point(1, "a"), None, Point(2, None)]
    assert python_rows(column, Half) == [Half(1), None, Half(2)]
    only_x = pa.array([{"x": 3}], pa.struct([("x", pa.int64())]))
    assert [(spot.y, spot.twice) for spot in python_rows(only_x, Spot)] == [("default", 6)]
    nested = pa.array([points[:1], None, []], pa.list_(POINT))
    assert python_rows(nested, list[Point]) == [[Point(1, "a")], None, []]


def test_hints_inside_typed_dicts_and_maps():
    path = pa.struct([("points", pa.list_(POINT)), ("vector", F32), ("other", pa.int8())])
    rows = [{"points": [{"x": 1, "y": "a"}], "vector": [1.0], "other": 3}, None]
    first, second = python_rows(pa.array(rows, path), Path)
    assert second is None
    assert (first["points"], first["other"]) == ([Point(1, "a")], 3)
    _same([first["vector"]], [np.array([1], np.float32)])
    maps = pa.array([{"z": 0}, {"a": 1}, None, {}], MAP)[1:]
    assert python_rows(maps) == [[("a", 1)], None, []]
    assert python_rows(maps, dict[str, int]) == [{"a": 1}, None, {}]
    assert python_rows(maps, dict) == [{"a": 1}, None, {}]
