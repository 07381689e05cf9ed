"""A page of a table's rows as cells, and single values in full."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from geneva.console.cells import NULL, Cell, binary_cell, cells_of, unreadable, with_state
from geneva.console.media import HEAD_BYTES
from geneva.errors import GenevaError
from geneva.overview import location_of
from geneva.storage.dataset import Dataset, in_words, open_dataset
from geneva.storage.model import TableLocation
from geneva.storage.page import (
    Head,
    Page,
    check_is_there,
    holds_blobs,
    read_heads,
    read_page,
    read_values,
)
from geneva.storage.page_states import RowState, runnable_column, states_of_page

MOST_ROWS = 50
"""Rows of the largest page."""

_AT_ONCE = 8
_UNREADABLE = (GenevaError, OSError, ValueError, RuntimeError, LookupError, pa.ArrowException)


@dataclass(frozen=True, slots=True)
class RowLine:
    """A row of a page.

    Attributes
    ----------
    address, row_id : int
        Its ``_rowaddr``, by which its values in full are asked for, and its ``_rowid``.
    cells : dict of str to Cell
        Its values by column.
    """

    address: int
    row_id: int
    cells: dict[str, Cell]


@dataclass(frozen=True, slots=True)
class RowsPage:
    """Rows of a table, as they follow each other.

    Attributes
    ----------
    table : str
        The table.
    version : int
        Version of it that was read.
    total : int
        Rows of the table.
    offset, limit : int
        Which rows were asked for.
    columns : tuple of str
        Columns that were read.
    rows : tuple of RowLine
        The rows.
    """

    table: str
    version: int
    total: int
    offset: int
    limit: int
    columns: tuple[str, ...]
    rows: tuple[RowLine, ...]


def read_rows(
    uri: str,
    table: str,
    *,
    offset: int = 0,
    limit: int = MOST_ROWS,
    columns: Sequence[str] | None = None,
    version: int | None = None,
) -> RowsPage:
    """Read a page of rows. No function is unpickled, and nothing is written.

    Parameters
    ----------
    uri, table
        The database, and its table.
    offset, limit
        First row of the page, and how many; at most :data:`MOST_ROWS`.
    columns
        Columns to read. Default: all.
    version
        Version of the table. Default: the latest.

    Raises
    ------
    TableNotFoundError
        There is no such table, or not at that version.
    ColumnNotFoundError
        There is no such column.

    Examples
    --------
    >>> import geneva, tempfile
    >>> uri = tempfile.mkdtemp()
    >>> table = geneva.connect(uri).create_table("docs", [{"text": "to be"}, {"text": None}])
    >>> page = read_rows(uri, "docs")
    >>> [(row.cells["text"].kind, row.cells["text"].text) for row in page.rows]
    [('text', 'to be'), ('null', '')]
    """
    location = location_of(uri, table)
    dataset = open_dataset(location, version)
    wanted = list(dict.fromkeys(dataset.schema.names if columns is None else columns))
    check_is_there(dataset, table, wanted)
    page = read_page(dataset, offset, min(limit, MOST_ROWS))
    # Each thread has a dataset of its own: Lance refuses some calls while another one runs.
    shares = [wanted[i::_AT_ONCE] for i in range(min(_AT_ONCE, len(wanted)))]
    cells: dict[str, list[Cell]] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for some in pool.map(partial(_cells_of_some, location, dataset.version, page), shares):
            cells |= some
    rows = tuple(
        RowLine(address, row_id, {name: cells[name][at] for name in wanted})
        for at, (address, row_id) in enumerate(zip(page.addresses, page.row_ids, strict=True))
    )
    return RowsPage(table, dataset.version, page.total, offset, limit, tuple(wanted), rows)


def _cells_of_some(
    location: TableLocation, version: int, page: Page, names: Sequence[str]
) -> dict[str, list[Cell]]:
    if not page.addresses:
        return {}
    dataset = open_dataset(location, version)
    return {name: _column_cells(dataset, location, page, name) for name in names}


def _column_cells(dataset: Dataset, location: TableLocation, page: Page, name: str) -> list[Cell]:
    """Return the cells of a column; those of one that cannot be read say why."""
    try:
        if holds_blobs(dataset, name):
            cells = [_blob_cell(head) for head in read_heads(dataset, page, name, HEAD_BYTES)]
        else:
            cells = read_values(dataset, page, name, cells_of)
    except _UNREADABLE as error:
        return [unreadable(in_words(error))] * len(page.addresses)
    column = runnable_column(dataset, name)
    if column is None:
        return cells
    try:
        states = states_of_page(dataset, location, column, page)
    except _UNREADABLE as error:
        return [with_state(cell, "unknown", in_words(error)) for cell in cells]
    return [_in_state(cell, state) for cell, state in zip(cells, states, strict=True)]


def _in_state(cell: Cell, state: RowState) -> Cell:
    return with_state(cell, state.origin.value, state.why)


def _blob_cell(head: Head | None) -> Cell:
    if head is None:
        return NULL
    if head.elsewhere:
        return Cell("binary", f"kept outside of the table: {head.elsewhere}", head.size_bytes)
    return binary_cell(head.data, head.size_bytes)
