"""Type hints to Arrow types, and hints against columns."""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime as dt
import decimal
import enum
import typing
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, TypedDict, Union

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from lance.blob import blob_field

from geneva.errors import TypeHintError
from geneva.transformer.types import arrow_type, hint_accepts, required_fields


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Mixed(enum.Enum):
    A = "a"
    B = 2


class Box(NamedTuple):
    x: float
    label: str | None = None


class Row(TypedDict, total=False):
    name: str
    boxes: list[Box]


@dataclasses.dataclass
class Page:
    number: int
    row: Row
    score: Annotated[float, pa.float32()] = 0.0
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Node:
    children: list[Node]


class Untyped(collections.namedtuple("Untyped", "a")):
    pass


@dataclasses.dataclass
class Lost:
    value: Missing  # noqa: F821


BOX = pa.struct([("x", pa.float64()), ("label", pa.string())])
ROW = pa.struct([("name", pa.string()), ("boxes", pa.list_(BOX))])
LIST = pa.list_(pa.float32())
UserId = NewType("UserId", int)


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (int, pa.int64()),
        (float, pa.float64()),
        (bool, pa.bool_()),
        (str, pa.string()),
        (bytes, pa.binary()),
        (np.float16, pa.float16()),
        (np.uint8, pa.uint8()),
        (np.bool_, pa.bool_()),
        (np.str_, pa.string()),
        (np.datetime64, pa.timestamp("us")),
        (np.longlong, pa.int64()),
        (dt.datetime, pa.timestamp("us")),
        (dt.date, pa.date32()),
        (dt.time, pa.time64("us")),
        (dt.timedelta, pa.duration("us")),
        (decimal.Decimal, pa.decimal128(38, 18)),
        (Optional[int], pa.int64()),  # noqa: UP045
        (str | None, pa.string()),
        (Annotated[list[float], LIST], LIST),
        (Annotated[list[float], LIST] | None, LIST),
        (Annotated[int, "metres"], pa.int64()),
        (pa.large_string(), pa.large_string()),
        (list[pa.int8()], pa.list_(pa.int8())),
        (UserId, pa.int64()),
        (list[int | None], pa.list_(pa.int64())),
        (typing.List[str], pa.list_(pa.string())),  # noqa: UP006
        (collections.abc.Sequence[float], pa.list_(pa.float64())),
        (tuple[int, ...], pa.list_(pa.int64())),
        (dict[str, list[int]], pa.map_(pa.string(), pa.list_(pa.int64()))),
        (npt.NDArray[np.float32], LIST),
        (np.ndarray[Any, np.dtype[np.float32]], LIST),
        (np.ndarray[tuple[int, int], np.dtype[np.float32]], pa.list_(LIST)),
        (Colour, pa.string()),
        (Level, pa.int64()),
        (Literal["a", "b", None], pa.string()),
        (Literal[1, 2], pa.int64()),
        (Box, BOX),
        (Row, ROW),
        (
            Page,
            pa.struct(
                [
                    ("number", pa.int64()),
                    ("row", ROW),
                    ("score", pa.float32()),
                    ("tags", pa.list_(pa.string())),
                ]
            ),
        ),
    ],
)
def test_arrow_type(hint, expected):
    assert arrow_type(hint) == expected


@pytest.mark.parametrize(
    ("hint", "part", "why"),
    [
        (Any, "`Any`", "can be anything"),
        (None, "`None`", "never a value"),
        (list, "`list`", "does not say what its items are"),
        (typing.List, "`List`", "does not say what its items are"),  # noqa: UP006
        (dict, "`dict`", "does not say what its items are"),
        (np.ndarray, "`ndarray`", "does not say what its items are"),
        (npt.NDArray[Any], "NDArray", "npt.NDArray[np.float32]"),
        (np.ndarray[tuple[int, int]], "ndarray", "npt.NDArray[np.float32]"),
        (dict[str, Any], "`dict[str, Any]`", "`Any` can be anything"),
        (set[int], "`set[int]`", "sorted list"),
        (Union[int, str], "`Union[int, str]`", "several types"),  # noqa: UP007
        (tuple[int, str], "`tuple[int, str]`", "NamedTuple"),
        (complex, "`complex`", "can be stored"),
        (object(), "`<object", "can be stored"),
        (np.floating, "`floating`", "can be stored"),
        ("int", "`'int'`", "not resolved"),
        (Literal[1, "a"], "Literal", "neither all str"),
        (Mixed, "`Mixed`", "neither all str"),
        (Node, "`Node`", "recursive"),
        (Untyped, "`Untyped`", "has no type hint for 'a'"),
        ([int], "int", "can be stored"),
    ],
)
def test_refused_hints_say_which_why_and_what_to_do(hint, part, why):
    with pytest.raises(TypeHintError) as caught:
        arrow_type(hint)
    message = str(caught.value)
    assert part in message
    assert why in message
    assert "list[T]" in message
    assert "data_type=" in message


def test_classes_in_functions_are_resolved():
    class Inner(TypedDict):
        size: int

    class Outer(NamedTuple):
        inner: Inner

    assert arrow_type(Outer) == pa.struct([("inner", pa.struct([("size", pa.int64())]))])


def test_a_name_that_is_nowhere():
    with pytest.raises(TypeHintError, match=r"`Lost`.*'Missing'.*without quotes"):
        arrow_type(Lost)


def test_required_fields():
    assert required_fields(Page) == {"number", "row"}
    assert required_fields(Box) == {"x"}
    assert required_fields(Row) == set()


TIMESTAMP = pa.timestamp("ns", "UTC")
MAP = pa.map_(pa.string(), pa.int64())


@pytest.mark.parametrize(
    ("hint", "column", "expected"),
    [
        (str, pa.int64(), False),
        (int, pa.string(), False),
        (bytes, pa.int8(), False),
        (bytes, pa.string(), False),
        (list, pa.int64(), False),
        (list[str], LIST, False),
        (list[float], pa.list_(pa.int64(), 3), True),
        (tuple[float, ...], LIST, True),
        (tuple[str, ...], LIST, False),
        (tuple[str, float], LIST, True),
        (np.ndarray, pa.float32(), False),
        (np.ndarray, LIST, True),
        (npt.NDArray[np.int8], pa.list_(LIST), True),
        (npt.NDArray[np.str_], LIST, False),
        (float, pa.int8(), True),
        (int, pa.null(), True),
        (int, pa.decimal128(5, 2), True),
        (np.float32, pa.int8(), True),
        (np.float32, pa.string(), False),
        (str | None, pa.large_string(), True),
        (str, pa.string_view(), True),
        (str, pa.dictionary(pa.int8(), pa.string()), True),
        (int, pa.dictionary(pa.int8(), pa.string()), False),
        (int | str, pa.string(), True),
        (int | str, pa.binary(), False),
        (Annotated[Any, pa.int8()], pa.string(), True),
        (Any, pa.int64(), True),
        (None, pa.int64(), True),
        ("int", pa.string(), True),
        (Untyped, pa.int64(), False),
        (pa.DataType, pa.int64(), True),
        (pa.int8(), pa.int64(), True),
        (pa.int8(), pa.string(), False),
        (dt.datetime, TIMESTAMP, True),
        (dt.date, TIMESTAMP, True),
        (dt.datetime, pa.date32(), False),
        (dt.time, TIMESTAMP, False),
        (dict[str, int], MAP, True),
        (dict[str, str], MAP, False),
        (dict, BOX, True),
        (dict, LIST, False),
        (Colour, pa.string(), True),
        (Colour, pa.int8(), False),
        (Mixed, pa.int8(), True),
        (Box, BOX, True),
        (Box, pa.struct([("x", pa.int8())]), True),
        (Box, pa.struct([("label", pa.string())]), False),
        (Box, pa.struct([("x", pa.string())]), False),
        (list[Box], pa.list_(BOX), True),
        (bytes, pa.uuid(), True),
    ],
)
def test_hint_accepts(hint, column, expected):
    assert hint_accepts(hint, column) is expected


@pytest.mark.parametrize(("hint", "expected"), [(bytes, True), (Any, True), (str, False)])
def test_blobs_are_bytes(hint, expected):
    assert hint_accepts(hint, blob_field("b").type) is expected
