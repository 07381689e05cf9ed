"""Short texts of a user's values, for messages."""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np


def shortened(value: Any, limit: int = 120) -> str:
    """Return a repr of a value that is not longer than ``limit``.

    Examples
    --------
    >>> shortened(b"0" * 1234)
    "<1,234 bytes: b'0000000000000000'...>"
    >>> shortened(np.zeros((2, 3)))
    '<ndarray of float64, shape (2, 3)>'
    """
    short = _ShortRepr()
    short.maxstring = short.maxother = short.maxlong = limit
    try:
        text = short.repr(value)
    except Exception:  # noqa: BLE001 - a user's __repr__ must not hide the message it is for
        text = f"<{type(value).__name__} whose repr fails>"
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


class _ShortRepr(reprlib.Repr):
    """A repr of bounded length that does not print binary data or arrays."""

    def repr_bytes(self, value: Any, _: int) -> str:
        start = bytes(value[:16])
        return f"<{len(value):,} bytes: {start!r}...>" if len(value) > 16 else repr(start)

    repr_bytearray = repr_memoryview = repr_bytes

    def repr_ndarray(self, value: np.ndarray[Any, Any], _: int) -> str:
        return f"<ndarray of {value.dtype}, shape {value.shape}>"
