"""What the demo prints."""

from __future__ import annotations

import shlex
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa
    from rich.console import Console

    from geneva.cli.demo.columns import Filled
    from geneva.cli.demo.search import Match


def heading(console: Console, text: str) -> None:
    """Print the title of a step."""
    # Not as markup: a directory may have brackets in its name.
    console.print(f"\n{text}", style="bold", markup=False, highlight=False, soft_wrap=True)


def sources(console: Console, images: pa.Table, texts: pa.Table) -> None:
    """Say what the tables are made of."""
    for table, unit, whole, whole_column in (
        (images, "crops", "photographs", "photo"),
        (texts, "paragraphs", "data set descriptions", "source"),
    ):
        count = pc.count_distinct(table[whole_column]).as_py()
        shipped = sorted(set(table["source"].to_pylist())) if table is images else ["scikit-learn"]
        console.print(
            f"  {table.num_rows} {unit} of {count} {whole}, shipped with {' and '.join(shipped)}",
            highlight=False,
        )


def columns_header(console: Console) -> None:
    """Print the header above the lines of `filled`."""
    console.print(f"  {'column':<18}{'rows':>7}{'seconds':>9}{'rows/s':>9}   function", style="dim")


def filled(console: Console, done: Filled) -> None:
    """Print one line about a column that is complete."""
    name = f"{done.table}.{done.column}"
    if done.rows:
        numbers = f"{done.rows:>7}{done.seconds:>9.2f}{done.rows_per_second:>9,.0f}"
    else:
        numbers = f"{0:>7}{done.seconds:>9.2f}{'-':>9}"
    note = done.function if done.rows else f"{done.function}, was complete"
    console.print(f"  {name:<18}{numbers}   {note}", highlight=False)


def similar(console: Console, query: Match, matches: Sequence[Match]) -> None:
    """Print the nearest neighbours of the query as a table."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title, justify in (
        ("  rank", "right"),
        ("photo", "left"),
        ("crop", "left"),
        ("size", "right"),
        ("distance", "right"),
        ("hash bits", "right"),
    ):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]
    for rank, match in enumerate((query, *matches)):
        left, top, right, bottom = match.box
        table.add_row(
            f"{rank}" if rank else "query",
            match.photo,
            f"{left},{top} to {right},{bottom}",
            f"{match.size[0]} x {match.size[1]}",
            f"{match.distance:.3f}",
            f"{match.bits}",
        )
    console.print(table)


def longest_texts(console: Console, texts: Any, limit: int = 5) -> None:
    """Print the sources with the longest paragraphs.

    Parameters
    ----------
    console
        Where to print.
    texts : geneva.Table
        The table with `word_count` filled.
    limit
        How many sources.
    """
    rows = texts.search().select(["source", "text", "word_count"]).to_list()
    by_source: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: -row["word_count"]):
        by_source.setdefault(row["source"], []).append(row)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("  source")
    table.add_column("paragraphs", justify="right")
    table.add_column("longest", justify="right")
    table.add_column("it begins")
    for source, ordered in list(by_source.items())[:limit]:
        longest = ordered[0]
        table.add_row(
            f"  {source}",
            str(len(ordered)),
            f"{longest['word_count']} words",
            Text(shorten(longest["text"], 34, placeholder=" ...")),
        )
    console.print(table)


def lines_to_go_on(directory: Path) -> list[str]:
    """Give the Python with which the reader opens the table."""
    return [
        "import geneva",
        f"images = geneva.connect({str(directory)!r}).open_table('images')",
        "print(images.search().where('size.width > 600').select(['name', 'size']).to_list())",
    ]


def going_on(console: Console, directory: Path, functions: str) -> None:
    """Print how the reader goes on, ready to be copied.

    Parameters
    ----------
    console
        Where to print.
    directory
        The database.
    functions
        The file with the functions that computed the columns.
    """
    for line in (
        f"  # In a browser: geneva console {shlex.quote(str(directory))}",
        f"  # Functions to copy: {functions}",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for line in lines_to_go_on(directory):
        # Neither wrapped nor marked up: the lines are meant to be pasted.
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
