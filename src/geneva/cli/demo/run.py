"""The walk of `geneva demo`, from photographs to a search result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geneva
from geneva.cli.demo import functions, report
from geneva.cli.demo.columns import fill, prepared_table
from geneva.cli.demo.contact_sheet import draw_contact_sheet
from geneva.cli.demo.paragraphs import text_table
from geneva.cli.demo.photos import image_table
from geneva.cli.demo.search import most_similar, query_name

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

SHEET = "most_similar.png"


def run_demo(
    directory: Path, query: str, *, fresh: bool, concurrency: int, console: Console
) -> Path:
    """Make the tables, fill their columns, search them, and say so on the way.

    Parameters
    ----------
    directory
        The database; created if it is not there.
    query
        The photo, or the crop of one, to search for.
    fresh
        Start over, instead of going on where an earlier run ended.
    concurrency
        The most workers that compute at the same time.
    console
        Where to print.

    Returns
    -------
    Path
        The contact sheet.

    Raises
    ------
    geneva.errors.GenevaError
        The query is unknown, or a table in the directory is not the demo's.
    """
    images_data, texts_data = image_table(), text_table()
    wanted = query_name(query, images_data["name"].to_pylist())

    report.heading(console, f"Tables in {directory}")
    report.sources(console, images_data, texts_data)
    database = geneva.connect(directory)
    images = prepared_table(database, "images", images_data, fresh=fresh)
    texts = prepared_table(database, "texts", texts_data, fresh=fresh)

    report.heading(console, f"Computed columns, at most {concurrency} workers")
    report.columns_header(console)
    for table, columns in (
        (images, functions.IMAGE_COLUMNS),
        (texts, functions.TEXT_COLUMNS),
    ):
        for done in fill(table, columns, concurrency):
            report.filled(console, done)

    found, matches = most_similar(images, wanted)
    report.heading(console, f"Images most like {wanted}, by vector search in images.histogram")
    report.similar(console, found, matches)
    image = images.search().where(f"name = '{wanted}'").select(["image"]).to_list()[0]["image"]
    sheet = directory / SHEET
    draw_contact_sheet(image, found, matches, sheet)
    console.print(f"  Contact sheet: {sheet}", markup=False, highlight=False, soft_wrap=True)

    report.heading(console, "Longest paragraphs, by texts.word_count")
    report.longest_texts(console, texts)

    report.heading(console, "Go on from here, in Python")
    report.going_on(console, directory, str(functions.__file__))
    return sheet
