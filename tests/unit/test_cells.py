"""Values as cells: small, and always valid JSON."""

from __future__ import annotations

import decimal
import json
from dataclasses import asdict
from datetime import datetime, timezone

import numpy as np
import pyarrow as pa
import pytest

from geneva.console.cells import MOST_CHARACTERS, cells_of, with_state
from geneva.console.vectors import summary_of

NAN, INF = float("nan"), float("inf")
UTC = timezone.utc


def cell(value, kind=None):
    (found,) = cells_of(pa.array([value], kind))
    json.dumps(asdict(found), allow_nan=False)
    return found


@pytest.mark.parametrize(
    ("value", "kind", "expected", "text"),
    [
        (7, pa.int8(), "number", "7"),
        (2**64 - 1, pa.uint64(), "number", "18446744073709551615"),
        (0.1, pa.float32(), "number", "0.1"),
        (np.float16(0.5), pa.float16(), "number", "0.5"),
        (NAN, pa.float64(), "number", "nan"),
        (-INF, pa.float32(), "number", "-inf"),
        (decimal.Decimal("12.50"), pa.decimal128(10, 2), "number", "12.50"),
        (True, pa.bool_(), "boolean", "true"),
        ("to be", pa.large_string(), "text", "to be"),
        ("<b>&amp;</b>", pa.string(), "text", "<b>&amp;</b>"),
        ("café", pa.dictionary(pa.int8(), pa.string()), "text", "café"),
        (datetime(2026, 1, 2, 3, tzinfo=UTC), pa.timestamp("us", "UTC"), "time", None),
        (400_000_000_000_000, pa.timestamp("ms"), "time", None),
        (1_000_000_001, pa.timestamp("ns"), "time", "1970-01-01 00:00:01.000000001"),
        (3661, pa.time32("s"), "time", "01:01:01"),
        (1500, pa.duration("ms"), "time", "1,500 ms"),
        ([1, 2], pa.list_(pa.int64()), "nested", "[1, 2]"),
        ([], pa.list_(pa.int64()), "nested", "[]"),
        ({"a": [NAN, 1.5], "b": None}, None, "nested", '{"a": ["nan", 1.5], "b": null}'),
        ([("k", 1)], pa.map_(pa.string(), pa.int64()), "nested", '[{"key": "k", "value": 1}]'),
        ({"raw": b"abc"}, None, "nested", '{"raw": "<3 bytes>"}'),
        (b"\x00\x01", pa.binary(2), "binary", "00 01"),
        (None, pa.null(), "null", ""),
        (None, pa.list_(pa.float32(), 4), "null", ""),
    ],
)
def test_kinds_of_values(value, kind, expected, text):
    found = cell(value, kind)
    assert found.kind == expected
    assert text is None or found.text == text


def test_numbers_are_values_only_if_json_holds_them_exactly():
    assert cell(2**53).value == 2**53
    assert cell(2**53 + 1).value is None
    assert cell(NAN).value is None
    assert cell(True).value is True


@pytest.mark.parametrize("letter", ["x", "é", "語", "🙂"])
def test_long_texts_are_cut_and_say_how_long_they_are(letter):
    found = cell(letter * 100_000)
    assert found.text == letter * MOST_CHARACTERS
    assert (found.length, found.cut) == (100_000, True)
    whole = cell(letter * MOST_CHARACTERS)
    assert (len(whole.text), whole.length, whole.cut) == (MOST_CHARACTERS, MOST_CHARACTERS, False)


def test_texts_that_are_no_unicode_are_shown():
    raw = pa.array([b"ok \xff\xfe"]).view(pa.string())
    assert cells_of(raw)[0].text == "ok \ufffd\ufffd"


def test_large_nested_values_are_cut_in_all_directions():
    deep: object = 1
    for _ in range(30):
        deep = [deep]
    wide = {f"field {i}": i for i in range(200)}
    for value in (deep, wide, list(range(100_000)), {"text": "x" * 10**6}, [["y" * 999] * 99] * 99):
        found = cell(value)
        assert found.cut
        assert len(found.text) <= MOST_CHARACTERS
    assert cell(list(range(100_000))).length == 100_000


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float32(), 3),
        pa.list_(pa.float64()),
        pa.large_list(pa.float16()),
        pa.list_(pa.uint8(), 3),
    ],
)
def test_vectors_are_summarised(kind):
    found = cell(
        [np.float16(2), np.float16(3), np.float16(6)] if "half" in str(kind) else [2, 3, 6], kind
    )
    assert found.kind == "vector"
    assert (found.length, found.text) == (3, "2, 3, 6")
    assert (found.vector.norm, found.vector.minimum, found.vector.maximum) == (7, 2, 6)


@pytest.mark.parametrize(
    "numbers",
    [[], [NAN], [INF, -INF], [None, 1.0], [1e308] * 9, [NAN] * 500, [5.0] * 3 + [NAN] * 200],
)
def test_vectors_of_odd_numbers_are_valid_json(numbers):
    found = cell(numbers, pa.list_(pa.float64()))
    odd = sum(1 for n in numbers if n is None or not np.isfinite(n))
    assert (found.vector.dimension, found.vector.not_finite) == (len(numbers), odd)


def test_the_line_of_a_long_vector_keeps_its_peaks():
    numbers = np.zeros(5000)
    numbers[1234], numbers[4321] = 9, -7
    points = summary_of(pa.array(numbers)).points
    assert len(points) == 64
    assert (max(points), min(points)) == (9, -7)


def test_null_and_not_computed_and_failed_are_different():
    null = cells_of(pa.array([None], pa.int64()))[0]
    states = ("fresh", "stale", "missing", "failed")
    kinds = [with_state(null, state, "why").kind for state in states]
    assert kinds == ["null", "null", "missing", "failed"]
    assert with_state(cell(5), "failed", "why").kind == "number"
