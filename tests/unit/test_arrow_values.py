"""Python rows to Arrow columns."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import pickle
import uuid
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from lance.blob import blob_field

from geneva.transformer.arrow_values import arrow_values, storage_type
from geneva.transformer.mismatch import RowMismatch

F32 = pa.list_(pa.float32())
PAIR = pa.list_(pa.float32(), 2)
POINT = pa.struct([("x", pa.int64()), ("y", pa.string())])
MAP = pa.map_(pa.string(), pa.int64())
UTC = dt.timezone.utc
DAY = dt.date(2024, 1, 1)
NOON = dt.datetime(2024, 5, 1, 12, 30, 15, 250_000)
REQUIRED = pa.struct([pa.field("q", pa.int64(), nullable=False)])


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


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


class Tensor:
    """As those of torch: no array, but gives one."""

    def __array__(self, dtype=None, copy=None):
        return np.array([1.0, 2.0], np.float32)


def test_storage_type_of_blobs():
    blob = blob_field("b").type
    assert storage_type(blob) == pa.large_binary()
    assert storage_type(pa.int8()) == pa.int8()
    assert storage_type(pa.uuid()) == pa.uuid()
    array = arrow_values([b"x", None], blob)
    assert (array.type, array.to_pylist()) == (pa.large_binary(), [b"x", None])
    with pytest.raises(RowMismatch, match="expected large_binary, got str"):
        arrow_values(["x"], blob)


@pytest.mark.parametrize(
    ("rows", "data_type", "expected"),
    [
        ([], PAIR, None),
        ([None, None], POINT, None),
        ([None, None], PAIR, None),
        ([None], pa.null(), None),
        ([1, None, -5], pa.int64(), None),
        ([np.int8(1), 2, np.uint64(3)], pa.int16(), [1, 2, 3]),
        ([Level.LOW], pa.int8(), [1]),
        ([2**64 - 1], pa.uint64(), None),
        ([1, 2.5, np.float32(0.5), np.int64(3), None], pa.float64(), [1.0, 2.5, 0.5, 3.0, None]),
        ([0.1, 1e300], pa.float32(), [float(np.float32(0.1)), float("inf")]),
        ([2**53 + 1], pa.float64(), [float(2**53)]),
        ([1.5, None], pa.float16(), [1.5, None]),
        ([1.5, 1e6], pa.float16(), [1.5, float("inf")]),
        ([True, np.False_, None], pa.bool_(), [True, False, None]),
        (["a", np.str_("b"), None, Colour.RED], pa.string(), ["a", "b", None, "red"]),
        (["a"], pa.large_string(), None),
        (["a"], pa.string_view(), None),
        (["a", "b", None, "a"], pa.dictionary(pa.int8(), pa.string()), None),
        ([b"a", bytearray(b"b"), memoryview(b"c")], pa.binary(), [b"a", b"b", b"c"]),
        ([b"ab"], pa.binary(2), None),
        ([decimal.Decimal("1.25"), 3, np.int8(4)], pa.decimal128(38, 18),
         [decimal.Decimal("1.25"), 3, 4]),
        ([DAY, np.datetime64(DAY)], pa.date32(), [DAY, DAY]),
        ([NOON, np.datetime64(NOON), None], pa.timestamp("us"), [NOON, NOON, None]),
        ([np.datetime64("NaT", "s")], pa.timestamp("us"), [None]),
        ([np.datetime64("2024-01-01", "ns")], pa.timestamp("s"), [dt.datetime(2024, 1, 1)]),
        ([NOON], pa.timestamp("ms"), None),
        ([NOON.replace(tzinfo=UTC)], pa.timestamp("us", "UTC"), None),
        ([NOON], pa.timestamp("us", "UTC"), [NOON.replace(tzinfo=UTC)]),
        ([dt.time(1, 2, 3)], pa.time64("us"), None),
        ([dt.timedelta(1), np.timedelta64(5, "s")], pa.duration("us"),
         [dt.timedelta(1), dt.timedelta(seconds=5)]),
        ([[1.0, None], None, [], (2,)], F32, [[1.0, None], None, [], [2.0]]),
        ([[1.0, 2.0], [3.0, 4.0]], PAIR, None),
        ([[1.0, 2.0], None, (3, np.float32(4))], PAIR, [[1.0, 2.0], None, [3.0, 4.0]]),
        ([np.ones(2), None, np.zeros(2)], PAIR, [[1.0, 1.0], None, [0.0, 0.0]]),
        ([np.ones(2, np.int8), np.ones(0)], F32, [[1.0, 1.0], []]),
        ([np.ones(1, ">f4"), [2.0]], F32, [[1.0], [2.0]]),
        ([Tensor(), None], PAIR, [[1.0, 2.0], None]),
        ([range(2), collections.deque([5])], pa.large_list(pa.int8()), [[0, 1], [5]]),
        ([np.array([1, 255])], pa.list_(pa.uint8()), [[1, 255]]),
        ([np.array([True])], pa.list_(pa.bool_()), [[True]]),
        ([np.array(["a", "bc"])], pa.list_(pa.string()), [["a", "bc"]]),
        ([np.array(["2024-01-01"], "M8[ns]")], pa.list_(pa.date32()), [[DAY]]),
        ([np.ma.array([1.0, 2.0], mask=[False, True])], F32, [[1.0, None]]),
        ([np.eye(2), None], pa.list_(F32), [[[1.0, 0.0], [0.0, 1.0]], None]),
        ([np.ones((1, 2)), np.ones((0, 2))], pa.list_(PAIR), [[[1.0, 1.0]], []]),
        ([np.arange(4).reshape(2, 2)], pa.list_(pa.list_(pa.int8(), 2), 2), [[[0, 1], [2, 3]]]),
        ([[np.ones(1), [2]], []], pa.list_(F32), [[[1.0], [2.0]], []]),
        ([{"x": 1, "y": "a"}, {"x": 2}, None, {}], POINT,
         [{"x": 1, "y": "a"}, {"x": 2, "y": None}, None, {"x": None, "y": None}]),
        ([Point(1, "a"), Half(2), (3, "c"), collections.OrderedDict(x=4)], POINT,
         [{"x": 1, "y": "a"}, {"x": 2, "y": None}, {"x": 3, "y": "c"}, {"x": 4, "y": None}]),
        ([[Point(1)], None, [None, Half(2)]], pa.list_(POINT),
         [[{"x": 1, "y": None}], None, [None, {"x": 2, "y": None}]]),
        ([{"a": 1}, [("b", None)], None, ()], MAP, [[("a", 1)], [("b", None)], None, []]),
        ([None, {"q": 1}], REQUIRED, None),
        ([b"0" * 16, None], pa.uuid(), [uuid.UUID(bytes=b"0" * 16), None]),
    ],
)  # fmt: skip
def test_accepted(rows, data_type, expected):
    array = arrow_values(rows, data_type)
    array.validate(full=True)
    assert array.type == data_type
    if expected is None:  # Arrow's own conversion is right for these.
        expected = pa.array(rows, data_type).to_pylist()
    assert array.to_pylist() == expected


@pytest.mark.parametrize(
    ("rows", "data_type", "message"),
    [
        ([1, 1.0], pa.int64(), "row 1: expected int64, got float 1.0"),
        ([True], pa.int64(), "got bool True"),
        ([np.timedelta64(1, "s")], pa.int64(), "got timedelta64"),
        ([300], pa.int8(), "row 0: expected int8, got int 300: .*too large"),
        ([None, np.int64(300)], pa.int8(), "row 1: .*int64.*300"),
        ([2**70], pa.int64(), "got int 1180591620717411303424: .*too large"),
        ([-1], pa.uint8(), "row 0: expected uint8, got int -1"),
        ([1], pa.bool_(), "expected bool, got int 1"),
        ([True], pa.float64(), "expected double, got bool True"),
        ([2**2000], pa.float64(), "expected double, got int"),
        (["1.5"], pa.float32(), "expected float, got str '1.5'"),
        ([None, "a", b"x"], pa.string(), "row 2: expected string, got bytes b'x'"),
        (["x"], pa.binary(), "expected binary, got str 'x'"),
        (["x"] * 200 + [b"x"], pa.string_view(), "row 200: expected string_view"),
        ([b"abc"], pa.binary(2), "fixed_size_binary.*got bytes b'abc'"),
        (["\ud800"], pa.string(), "surrogates"),
        ([1], pa.dictionary(pa.int8(), pa.string()), "expected dictionary.*got int 1"),
        ([1.5], pa.decimal128(38, 18), "expected decimal128.*got float 1.5"),
        ([decimal.Decimal("1.234")], pa.decimal128(10, 2), "data loss"),
        ([1], pa.null(), "expected null, got int 1"),
        (["2024-01-01"], pa.date32(), "expected date32.*got str '2024-01-01'"),
        ([NOON], pa.date32(), "expected date32.*got datetime"),
        ([np.datetime64(NOON)], pa.date32(), "finer than the type"),
        ([DAY], pa.timestamp("us"), "got date"),
        ([5], pa.timestamp("us"), "got int 5"),
        ([NOON.replace(tzinfo=UTC)], pa.timestamp("us"), "time zone"),
        ([NOON, NOON], pa.timestamp("s"), "row 0: .*finer"),
        ([np.datetime64(1, "ns")], pa.timestamp("us"), "finer"),
        ([np.datetime64("9999-01-01")], pa.timestamp("ns"), "range|Overflow"),
        ([dt.timedelta(microseconds=1)], pa.duration("ms"), "finer"),
        ([dt.time(1, tzinfo=UTC)], pa.time64("us"), "time zone"),
        ([[1.0], [1.0, "a"]], F32, r"row 1: expected float, got str 'a' \(at \[1\]\)"),
        ([None, [], [[1.0], None, ["a"]]], pa.list_(F32), r"row 2: .*'a' \(at \[2\]\[0\]\)"),
        (["ab"], pa.list_(pa.string()), "expected list<item: string>, got str 'ab'"),
        ([{1}], pa.list_(pa.int64()), "got set {1}"),
        ([{"a": 1}], pa.list_(pa.string()), "got dict"),
        ([Point(1)], F32, "got Point"),
        ([1.0], F32, "expected list<item: float>, got float 1.0"),
        ([np.array(1.0)], F32, "got ndarray"),
        ([np.ones((1, 1))], F32, r"row 0: expected float, got list \[1.0\]"),
        ([np.ones(1)], pa.list_(pa.int64()), r"expected int64, got float 1.0 \(at \[0\]\)"),
        ([np.ones(1, bool)], pa.list_(pa.int8()), "expected int8, got bool True"),
        ([np.array([1, 300])], pa.list_(pa.int8()), r"got int 300 \(at \[1\]\)"),
        ([[1.0, 2.0], None, [1.0]], PAIR, "row 2: .*has 1 items, not 2"),
        ([np.ones(3)], PAIR, "row 0: .*float64, shape .*has 3 items, not 2"),
        ([np.ones((2, 3))], pa.list_(PAIR), r"row 0: .*has 3 items, not 2"),
        ([{"x": 1}, {"z": 1}], POINT, "row 1: .*no field is called 'z'"),
        ([{"x": 1}, {"x": "a"}], POINT, r"row 1: expected int64, got str 'a' \(at \.x\)"),
        ([{"y": 5}, {"x": "a"}], POINT, r"row 0: expected string, got int 5 \(at \.y\)"),
        ([(1,)], POINT, "row 0: .*it has 1 items for 2 fields"),
        ([[1, "a"]], POINT, "got list"),
        ([Spot(1)], POINT, "no field is called 'twice'"),
        ([Spot], POINT, "got type"),
        ([None, {"q": None}], REQUIRED, r"row 1: expected int64, got None \(at \.q\)"),
        ([{"a": 1}, {"b": "c"}], MAP, r"row 1: expected int64, got str 'c' \(at \['b'\]\)"),
        ([{1: 1}], MAP, r"expected string, got int 1 \(at \[key 1\]\)"),
        ([{None: 1}], MAP, "nulls are not allowed"),
        ([["ab"]], MAP, "not all pairs"),
        (["ab"], MAP, "got str"),
    ],
)  # fmt: skip
def test_refused(rows, data_type, message):
    with pytest.raises(RowMismatch, match=message) as caught:
        arrow_values(rows, data_type)
    # What comes before the first row that does not fit does fit.
    assert len(arrow_values(rows[: caught.value.row], data_type)) == caught.value.row
    assert str(pickle.loads(pickle.dumps(RowMismatch(*caught.value.args)))) == str(caught.value)


def test_a_reused_array_is_copied():
    buffer = np.zeros(2, np.float32)
    array = arrow_values([buffer], PAIR)
    buffer[:] = 9
    assert array.to_pylist() == [[0.0, 0.0]]
