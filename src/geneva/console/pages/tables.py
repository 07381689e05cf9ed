"""The page that lists the tables of a database."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from nicegui import ui

from geneva.console.pages.table_html import tables_html
from geneva.console.pages.waiting import FAILURES, again_and_again, in_thread
from geneva.html import Html, tag
from geneva.overview import ColumnLine, TableLine, columns_of, tables_of
from geneva.storage.dataset import in_words

STYLE = Path(__file__).with_name("tables.css")


def tables_content(uri: str) -> None:
    """Show the tables of a database, and keep them up to date.

    The tables come first, the states of their computed columns one table after the other: they
    take longer.

    Parameters
    ----------
    uri
        The database.
    """
    ui.add_css(STYLE)
    with ui.column().classes("gv-tables"):
        ui.html(tag("h1", "Tables"), tag="div")
        shown = ui.html(tag("p", "Looking …", class_="gv-quiet"))
    # By the line: a table that changed is looked at again, one that did not is not.
    known: dict[TableLine, list[ColumnLine]] = {}

    async def show(tables: list[TableLine]) -> None:
        for line in set(known) - set(tables):
            del known[line]
        shown.content = tables_html(tables, known)
        for line in tables:
            if shown.is_deleted:
                return
            if line.computed_columns and line not in known:
                known[line] = await in_thread(_columns, uri, line.table)
                shown.content = tables_html(tables, known)

    def failed(error: Exception) -> None:
        shown.content = error_html(error)

    again_and_again(partial(tables_of, uri), show, failed)


def _columns(uri: str, table: str) -> list[ColumnLine]:
    try:
        return columns_of(uri, table)
    except FAILURES as error:
        return [ColumnLine(table, "", "", "unreadable", error=in_words(error))]


def error_html(error: Exception) -> Html:
    """Return an error in words."""
    return tag("p", in_words(error), class_="gv-error", role="alert")
