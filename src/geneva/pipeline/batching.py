"""Decide how many rows the next batch has."""

from __future__ import annotations

# The guide's default. It is where an adaptive size starts.
FIRST_BATCH_ROWS = 32
_FAST_S = 0.02
_SLOW_S = 0.25
_MOST_BYTES = 8 << 20
_MOST_ROWS = 65_536
_GROWTH = 4


class BatchSizer:
    """Adapts the rows per batch to the function, unless the user fixed them.

    The size starts at 32 and grows while a batch takes less than 20 ms and its output less than
    8 MB; it shrinks when a batch takes more than 250 ms, so that progress is seen and work can be
    shared.

    Parameters
    ----------
    fixed : int or None
        The user's ``batch_size``; None adapts it.
    most : int or None
        Most rows of a batch; None for no bound but those above.

    Examples
    --------
    >>> sizer = BatchSizer(None)
    >>> sizer.rows
    32
    >>> sizer.record(rows=32, seconds=0.001, output_bytes=256)
    >>> sizer.rows
    128
    >>> sizer.record(rows=128, seconds=2.56, output_bytes=1024)
    >>> sizer.rows
    12
    """

    def __init__(self, fixed: int | None, most: int | None = None) -> None:
        self.fixed = fixed
        self._most = min(most or _MOST_ROWS, _MOST_ROWS)
        self.rows = fixed or min(FIRST_BATCH_ROWS, self._most)
        self._adapts = fixed is None

    def hold(self, rows: int) -> None:
        """Make batches of so many rows, and adapt no more; not where the user fixed them."""
        if self._adapts:
            self.rows = min(rows, self._most)
            self._adapts = False

    def record(self, rows: int, seconds: float, output_bytes: int) -> None:
        """Take in what one batch took.

        Parameters
        ----------
        rows
            Rows of the batch.
        seconds
            Time that the function took for it.
        output_bytes
            Size of what it returned.
        """
        if not self._adapts or rows == 0:
            return
        if seconds > _SLOW_S:
            self.rows = max(1, int(rows * _SLOW_S / seconds))
        elif rows >= self.rows and seconds < _FAST_S and output_bytes < _MOST_BYTES:
            self.rows = min(self._most, self.rows * _GROWTH)
