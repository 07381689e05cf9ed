"""Lists, structs and maps as short JSON."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

_MOST_ITEMS = 12
_MOST_CHARACTERS = 80
_DEEPEST = 6


def as_short_json(scalar: pa.Scalar) -> tuple[Any, bool]:
    """Return a value as what JSON can hold, shortened, and whether it is all of it.

    Long lists end with a text that says how many items are left out; binary values are texts that
    say their size; numbers that JSON does not know are texts.

    Examples
    --------
    >>> as_short_json(pa.scalar({"a": [1, 2], "b": float("nan")}))
    ({'a': [1, 2], 'b': 'nan'}, True)
    >>> as_short_json(pa.scalar(list(range(14))))[0][-2:]
    [11, '… 2 more']
    """
    made = _Shortener()
    return made.short(scalar, 0), made.whole


class _Shortener:
    """Remembers whether anything was left out."""

    def __init__(self) -> None:
        self.whole = True

    def short(self, scalar: pa.Scalar, depth: int) -> Any:
        if not scalar.is_valid:
            return None
        if isinstance(scalar, pa.ExtensionScalar):
            return self.short(scalar.value, depth)
        kind = scalar.type
        if pt.is_dictionary(kind):
            return self.short(scalar.value, depth)
        if depth > _DEEPEST:
            self.whole = False
            return "…"
        if pt.is_struct(kind):
            return self._struct(scalar, depth)
        if pt.is_map(kind) or pt.is_nested(kind):
            return self._items(scalar.values, depth)
        return self._leaf(scalar)

    def _struct(self, scalar: pa.Scalar, depth: int) -> dict[str, Any]:
        names = [field.name for field in scalar.type]
        shown = {name: self.short(scalar[at], depth + 1) for at, name in enumerate(names[:50])}
        self.whole = self.whole and len(names) <= len(shown)
        return shown

    def _items(self, values: pa.Array, depth: int) -> list[Any]:
        shown = [self.short(one, depth + 1) for one in values[:_MOST_ITEMS]]
        left = len(values) - len(shown)
        if left:
            self.whole = False
            shown.append(f"… {left:,} more")
        return shown

    def _leaf(self, scalar: pa.Scalar) -> Any:
        kind = scalar.type
        if pt.is_boolean(kind) or pt.is_integer(kind):
            return scalar.as_py()
        if pt.is_floating(kind):
            value = float(scalar.as_py())
            return value if math.isfinite(value) else str(value)
        if pt.is_string(kind) or pt.is_large_string(kind):
            return self._text(scalar.as_buffer())
        if pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_fixed_size_binary(kind):
            self.whole = False
            return f"<{scalar.as_buffer().size:,} bytes>"
        try:
            return str(scalar.as_py())
        except (ValueError, OverflowError, pa.ArrowException):
            return str(getattr(scalar, "value", kind))

    def _text(self, stored: pa.Buffer) -> str:
        text = bytes(memoryview(stored)[: 4 * _MOST_CHARACTERS]).decode("utf-8", "replace")
        if len(text) <= _MOST_CHARACTERS and stored.size <= 4 * _MOST_CHARACTERS:
            return text
        self.whole = False
        return f"{text[:_MOST_CHARACTERS]}…"
