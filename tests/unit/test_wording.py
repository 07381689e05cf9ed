"""Short texts of values."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from geneva.transformer.wording import shortened


class Point(NamedTuple):
    x: int
    y: str | None = None


class Hostile:
    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, "1"),
        (b"abc", "b'abc'"),
        (b"a" * 1234, "<1,234 bytes: b'aaaaaaaaaaaaaaaa'...>"),
        ([memoryview(bytes(20))], None),
        (np.zeros((2, 3), np.int8), "<ndarray of int8, shape (2, 3)>"),
        ({"a": np.zeros(1000)}, "{'a': <ndarray of float64, shape (1000,)>}"),
        ("x" * 10_000, None),
        (list(range(10_000)), "[0, 1, 2, 3, 4, 5, ...]"),
        (10**5000, "<int whose repr fails>"),
        (Hostile(), None),
        (Point(1, "x" * 500), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_shortened(value, expected):
    text = shortened(value)
    assert len(text) <= 120
    assert expected is None or text == expected
    assert len(shortened(value, 10)) <= 10
