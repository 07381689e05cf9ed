"""Values of a table as cells: small, plain data of which JSON and a page can be made.

A cell never holds a whole value that may be large: texts, lists and vectors are cut, and of binary
values only the first bytes are known here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from geneva.console.media import HEAD_BYTES, Media, media_of
from geneva.console.nested import as_short_json
from geneva.console.vectors import VectorSummary, summary_of

Kind = Literal[
    "null",
    "missing",
    "failed",
    "unreadable",
    "text",
    "number",
    "boolean",
    "time",
    "nested",
    "vector",
    "image",
    "audio",
    "video",
    "document",
    "binary",
]

MOST_CHARACTERS = 500
# Numbers beyond this are not exact in JSON as most programs read it; their text is.
_LARGEST_EXACT = 1 << 53


@dataclass(frozen=True, slots=True)
class Cell:
    """A value in short.

    Attributes
    ----------
    kind : str
        What it is. "null" is a NULL that was stored or computed, "missing" one that is not computed
        yet, "failed" one for which the function failed, "unreadable" one whose file is damaged.
    text : str
        The value in words, shortened.
    length : int or None
        Of a text its characters, of a list its items, of a binary value its bytes, in full.
    cut : bool
        Whether ``text`` is not all of it.
    value : bool, int, float or None
        The value of a boolean, and of a number that JSON can hold exactly.
    state : str or None
        "fresh", "stale", "missing" or "failed" in a computed column.
    why : str
        Why it is not fresh: the reason, or the error of a row that failed.
    vector : VectorSummary or None
        What is known of a vector.
    media : Media or None
        What is known of a binary value.
    """

    kind: Kind
    text: str = ""
    length: int | None = None
    cut: bool = False
    value: bool | int | float | None = None
    state: str | None = None
    why: str = ""
    vector: VectorSummary | None = None
    media: Media | None = None


NULL = Cell("null")
_NO_FRACTION = re.compile(r"\.0+(?=Z?$)")


def cells_of(values: pa.Array) -> list[Cell]:
    """Return cells of some values.

    Examples
    --------
    >>> cells_of(pa.array([1.5, float("nan"), None]))[1]
    Cell(kind='number', text='nan', ...value=None, ...)
    >>> cells_of(pa.array([[3.0, 4.0]]))[0].vector.norm
    5.0
    """
    plain = _plain(values)
    one = _maker(plain.type)
    return [one(scalar) if scalar.is_valid else NULL for scalar in plain]


def binary_cell(head: bytes, size_bytes: int) -> Cell:
    """Return the cell of a binary value of which the first bytes are known."""
    media = media_of(head, size_bytes)
    return Cell(media.kind, media.head_hex, size_bytes, cut=size_bytes > 0, media=media)


def with_state(cell: Cell, state: str, why: str) -> Cell:
    """Return the cell of a computed column's row.

    Examples
    --------
    >>> with_state(NULL, "failed", "ValueError: odd").kind
    'failed'
    """
    kind: Kind = cell.kind
    if kind == "null" and state == "missing":
        kind = "missing"
    if kind == "null" and state == "failed":
        kind = "failed"
    return replace(cell, kind=kind, state=state, why=why)


def unreadable(why: str) -> Cell:
    """Return the cell of a value that cannot be read."""
    return Cell("unreadable", why=why)


def _plain(values: pa.Array) -> pa.Array:
    """Return values without what only says how they are stored."""
    if isinstance(values.type, pa.ExtensionType) or isinstance(values, pa.ExtensionArray):
        return _plain(values.storage)
    if pt.is_dictionary(values.type):
        return _plain(values.dictionary_decode())
    if pt.is_string_view(values.type):
        return values.cast(pa.large_string())
    if pt.is_binary_view(values.type):
        return values.cast(pa.large_binary())
    return values


def _maker(kind: pa.DataType) -> Callable[[pa.Scalar], Cell]:
    for holds, maker in _MAKERS:
        if holds(kind):
            return maker
    return _other


def _text(scalar: pa.Scalar) -> Cell:
    # Cut before it is decoded: a text may be larger than all the rest of the page.
    stored = scalar.as_buffer()
    head = bytes(memoryview(stored)[: 4 * MOST_CHARACTERS]).decode("utf-8", "replace")
    length = len(head) if stored.size <= 4 * MOST_CHARACTERS else _characters(stored)
    return Cell("text", head[:MOST_CHARACTERS], length, cut=length > MOST_CHARACTERS)


def _characters(stored: pa.Buffer) -> int:
    data = np.frombuffer(stored, np.uint8)
    return int(np.count_nonzero(data & 0xC0 != 0x80))


def _boolean(scalar: pa.Scalar) -> Cell:
    value = bool(scalar.as_py())
    return Cell("boolean", str(value).lower(), value=value)


def _integer(scalar: pa.Scalar) -> Cell:
    value = int(scalar.as_py())
    exact = abs(value) <= _LARGEST_EXACT
    return Cell("number", str(value), value=value if exact else None)


def _float(scalar: pa.Scalar) -> Cell:
    value = float(scalar.as_py())
    # In the precision in which it is stored: 0.1 and not 0.10000000149011612.
    text = str(np.dtype(scalar.type.to_pandas_dtype()).type(value))
    return Cell("number", text, value=value if math.isfinite(value) else None)


def _decimal(scalar: pa.Scalar) -> Cell:
    return Cell("number", str(scalar.as_py()))


def _time(scalar: pa.Scalar) -> Cell:
    # Not by way of Python's own classes: they know neither nanoseconds nor the year 10,000.
    try:
        text = str(scalar.cast(pa.string()).as_py())
        return Cell("time", _NO_FRACTION.sub("", text))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return Cell("time", _in_words(scalar))


def _duration(scalar: pa.Scalar) -> Cell:
    return Cell("time", f"{scalar.value:,} {scalar.type.unit}")


def _binary(scalar: pa.Scalar) -> Cell:
    stored = scalar.as_buffer()
    return binary_cell(bytes(memoryview(stored)[:HEAD_BYTES]), stored.size)


def _vector(scalar: pa.Scalar) -> Cell:
    summary = summary_of(scalar.values)
    text = ", ".join("NULL" if v is None else f"{v:.4g}" for v in summary.first)
    cut = summary.dimension > len(summary.first)
    return Cell("vector", text, summary.dimension, cut=cut, vector=summary)


def _nested(scalar: pa.Scalar) -> Cell:
    shown, whole = as_short_json(scalar)
    text = json.dumps(shown, ensure_ascii=False, allow_nan=False)
    length = None if pt.is_struct(scalar.type) else len(scalar.values)
    cut = not whole or len(text) > MOST_CHARACTERS
    return Cell("nested", text[:MOST_CHARACTERS], length, cut=cut)


def _other(scalar: pa.Scalar) -> Cell:
    text = _in_words(scalar)
    return Cell("text", text[:MOST_CHARACTERS], len(text), cut=len(text) > MOST_CHARACTERS)


def _in_words(scalar: pa.Scalar) -> str:
    try:
        return str(scalar.as_py())
    except (ValueError, OverflowError, pa.ArrowException):
        return str(getattr(scalar, "value", scalar.type))


def _is_vector(kind: pa.DataType) -> bool:
    if pt.is_fixed_size_list(kind):
        return bool(pt.is_floating(kind.value_type) or pt.is_integer(kind.value_type))
    return bool((pt.is_list(kind) or pt.is_large_list(kind)) and pt.is_floating(kind.value_type))


def _is_any(*tests: Callable[[pa.DataType], bool]) -> Callable[[pa.DataType], bool]:
    return lambda kind: any(test(kind) for test in tests)


_MAKERS: Sequence[tuple[Callable[[pa.DataType], Any], Callable[[pa.Scalar], Cell]]] = (
    (_is_any(pt.is_string, pt.is_large_string), _text),
    (pt.is_boolean, _boolean),
    (pt.is_integer, _integer),
    (pt.is_floating, _float),
    (pt.is_decimal, _decimal),
    (pt.is_duration, _duration),
    (_is_any(pt.is_timestamp, pt.is_date, pt.is_time), _time),
    (_is_any(pt.is_binary, pt.is_large_binary, pt.is_fixed_size_binary), _binary),
    (_is_vector, _vector),
    (
        _is_any(pt.is_struct, pt.is_list, pt.is_large_list, pt.is_fixed_size_list, pt.is_map),
        _nested,
    ),
)
