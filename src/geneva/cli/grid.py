"""Lines of cells, aligned."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def aligned(rows: Sequence[Sequence[str]], numbers: Collection[int] = ()) -> str:
    """Align cells under each other.

    Parameters
    ----------
    rows
        The cells; the first row is the head.
    numbers
        Columns that are aligned at their right end.

    Examples
    --------
    >>> print(aligned([("table", "rows"), ("docs", "1,200")], numbers=[1]))
    table   rows
    docs   1,200
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if at in numbers else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def one_line(text: str, most: int = 60) -> str:
    r"""Return a text as one line, cut if it is long.

    Examples
    --------
    >>> one_line("a long\n  story", 8)
    'a long …'
    """
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
