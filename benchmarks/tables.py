"""Which tables the cases read, as data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PROGRAMS = Path(__file__).with_name("programs")


@dataclass(frozen=True)
class TableSpec:
    """What a table holds.

    Attributes
    ----------
    content
        ``docs`` has ``id: int64`` and ``text: string`` (15 words, 90 characters on average),
        ``numbers`` only ``id``, ``images`` only ``image: binary`` (JPEG files).
    rows, fragments
        Size at first; every fragment has the same number of rows.
    first_id
        The ``id`` of the first row; the following ones count up.
    appended
        Rows appended as one more fragment.
    filled_by
        A measured program that fills a column before the rows are appended.
    """

    content: Literal["docs", "numbers", "images"]
    rows: int
    fragments: int
    first_id: int = 0
    appended: int = 0
    filled_by: str | None = None

    @property
    def name(self) -> str:
        """A folder name that no other table has."""
        filled = "-filled" if self.filled_by else ""
        return (
            f"{self.content}-{self.rows}x{self.fragments}-from{self.first_id}"
            f"{filled}-plus{self.appended}"
        )

    @property
    def total_rows(self) -> int:
        """Rows with the appended ones."""
        return self.rows + self.appended
