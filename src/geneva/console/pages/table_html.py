"""Tables, columns and rows as HTML tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from geneva.console.pages.cell_html import cell_html
from geneva.console.pages.links import content_link, jobs_link, table_link
from geneva.console.pages.states import chip, counts_of, counts_words, state_cell
from geneva.console.rows import RowsPage
from geneva.html import Html, joined, tag
from geneva.overview import ColumnLine, TableLine


def tables_html(
    tables: Sequence[TableLine], columns: Mapping[TableLine, Sequence[ColumnLine]]
) -> Html:
    """Return the tables of a database.

    Parameters
    ----------
    tables
        The tables.
    columns
        Their columns, as far as they are looked at already.
    """
    if not tables:
        return tag("p", "There are no tables.", class_="gv-quiet")
    head = ("Table", "Rows", "Version", "Columns", "Computed columns")
    rows = (_table_row(line, columns.get(line), head) for line in tables)
    return _stacking(head, rows, "Tables")


def _table_row(line: TableLine, columns: Sequence[ColumnLine] | None, head: Sequence[str]) -> Html:
    name = tag("a", line.table, href=table_link(line.table), class_="gv-name")
    if line.error:
        said = joined(chip("unreadable"), tag("div", line.error, class_="gv-error"))
        return _row(head, [tag("span", line.table, class_="gv-name"), "", "", "", said])
    numbers = [f"{number:,}" for number in (line.rows, line.version, line.columns)]
    return _row(head, [name, *numbers, _computed(line, columns)])


def _computed(line: TableLine, columns: Sequence[ColumnLine] | None) -> Html:
    if not line.computed_columns:
        return tag("span", "none", class_="gv-quiet")
    known = {one.column: one for one in columns or ()}
    return tag("ul", *(_computed_line(name, known.get(name)) for name in line.computed_columns))


def _computed_line(name: str, line: ColumnLine | None) -> Html:
    if line is None:
        return tag("li", name, " ", tag("span", "…", class_="gv-quiet", title="is looked at"))
    counts = {state: rows for state, rows in counts_of(line).items() if rows != line.rows}
    words = counts_words(counts)
    return tag("li", f"{name} ", chip(line.state), " ", tag("span", words, class_="gv-counts"))


def columns_html(columns: Sequence[ColumnLine]) -> Html:
    """Return the columns of a table with the state of each."""
    if not columns:
        return tag("p", "This table has no columns.", class_="gv-quiet")
    head = ("Column", "Type", "Function", "State", "Jobs")
    return _stacking(head, (_column_row(line, head) for line in columns), "Columns")


def _column_row(line: ColumnLine, head: Sequence[str]) -> Html:
    kind = tag("code", _shortened(line.type, 60), title=line.type)
    function: str = ""
    if line.udf_name:
        called = f"{line.udf_name}({', '.join(line.input_columns)})"
        version = tag("div", f"version {line.udf_version[:8]}", class_="gv-note")
        function = joined(tag("code", called), version)
    link = jobs_link(line.table, line.column)
    jobs = tag("a", "jobs", href=link, aria_label=f"jobs of {line.column}")
    name = tag("span", line.column, class_="gv-name")
    return _row(head, [name, kind, function, state_cell(line), jobs if function else ""])


def rows_html(page: RowsPage) -> Html:
    """Return a page of rows. The table is wide: it scrolls by itself, and the page does not."""
    if not page.columns:
        return tag("p", "No columns are shown.", class_="gv-quiet")
    if not page.rows:
        return tag("p", "There are no rows here.", class_="gv-quiet")
    head = tag(
        "tr",
        tag("th", "row", scope="col"),
        *(tag("th", name, scope="col") for name in page.columns),
    )
    body = []
    for at, row in enumerate(page.rows):
        where = f"_rowid {row.row_id}, _rowaddr {row.address}"
        cells = (
            tag("td", cell_html(cell, content_link(page.table, row.address, name, page.version)))
            for name, cell in row.cells.items()
        )
        number = tag("th", f"{page.offset + at:,}", scope="row", title=where)
        body.append(tag("tr", number, *cells))
    table = tag("table", tag("thead", head), tag("tbody", *body), class_="gv-grid")
    words = f"Rows of {page.table}; scrolls in both directions"
    return tag("div", table, class_="gv-scroll", tabindex=0, role="region", aria_label=words)


def _stacking(head: Sequence[str], rows: Iterable[Html], words: str) -> Html:
    """Return a table whose rows become blocks where the screen is narrow."""
    names = tag(
        "tr", *(tag("th", name, scope="col", role="columnheader") for name in head), role="row"
    )
    return tag(
        "table",
        tag("caption", words, class_="gv-unseen"),
        tag("thead", names, role="rowgroup"),
        tag("tbody", *rows, role="rowgroup"),
        class_="gv-stack",
        # A table that is laid out as blocks is no table for screen readers unless this says so.
        role="table",
    )


def _row(head: Sequence[str], cells: Sequence[str]) -> Html:
    first = tag("th", cells[0], scope="row", role="rowheader")
    rest = (
        tag("td", cell, role="cell", data_label=name, class_=None if cell else "gv-empty")
        for name, cell in zip(head[1:], cells[1:], strict=True)
    )
    return tag("tr", first, *rest, role="row")


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
