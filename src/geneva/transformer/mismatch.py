"""What does not fit the type of a column: of a value also its place: row, field, item.

A part of a nested value is converted on its own, and its mismatch counts the rows of that part.
``among_rows``, ``in_field`` and ``in_items`` say what the place is in the whole.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from geneva.transformer.wording import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class RowMismatch(Exception):  # noqa: N818 - says what is wrong with a row; callers raise the error
    """A value does not fit the type of its column.

    Attributes
    ----------
    row : int
        Index of the first row that does not fit.
    expected : pa.DataType
        Type at the place of the value: a part of the column's type when ``path`` is not empty.
    value : Any
        The value that does not fit.
    path : str
        Where in the row it is, such as ``.box[3]``.
    why : str
        What is wrong with it where that is not clear from its class.

    Examples
    --------
    >>> str(RowMismatch(3, pa.int64(), "abc", ".age"))
    "row 3: expected int64, got str 'abc' (at .age)"
    """

    def __init__(
        self, row: int, expected: pa.DataType, value: Any, path: str = "", why: str = ""
    ) -> None:
        super().__init__(row, expected, value, path, why)
        self.row, self.expected, self.value, self.path, self.why = row, expected, value, path, why

    def __str__(self) -> str:
        return f"row {self.row}: {self.what}"

    @property
    def what(self) -> str:
        """The mismatch without its row, for those who know a better name of the row."""
        kind = "" if self.value is None else f"{type(self.value).__name__} "
        place = f" (at {self.path})" if self.path else ""
        why = f": {self.why}" if self.why else ""
        got = f"{kind}{shortened(self.value)}"
        return f"expected {self.expected}, got {got}{place}{why}"

    def inside(self, row: int, step: str = "") -> RowMismatch:
        """Return the same mismatch as seen from the value that holds this one."""
        return RowMismatch(row, self.expected, self.value, step + self.path, self.why)


class ReturnMismatch(Exception):  # noqa: N818
    """What a function returned does not fit the column's type."""


@contextlib.contextmanager
def among_rows(nulls: np.ndarray[Any, Any] | None) -> Iterator[None]:
    """Count the row of a mismatch among all rows instead of those that are not null."""
    try:
        yield
    except RowMismatch as mismatch:
        if nulls is None:
            raise
        raise mismatch.inside(int(np.flatnonzero(~nulls)[mismatch.row])) from None


@contextlib.contextmanager
def in_field(name: str) -> Iterator[None]:
    """Name the field of a struct that holds a mismatch."""
    try:
        yield
    except RowMismatch as mismatch:
        raise mismatch.inside(mismatch.row, f".{name}") from None


@contextlib.contextmanager
def in_items(lengths: np.ndarray[Any, Any], step: Callable[[int, int], str]) -> Iterator[None]:
    """Name the list or map that holds a mismatched item.

    ``step`` makes the path to the item from its place among the items of the batch and of the row.
    """
    try:
        yield
    except RowMismatch as mismatch:
        place = mismatch.row
        ends = np.cumsum(lengths)
        row = int(np.searchsorted(ends, place, side="right"))
        raise mismatch.inside(row, step(place, place - int(ends[row] - lengths[row]))) from None
