"""Read one page of a table's rows, of whatever size its values are, and single values.

Columns are read one by one and in small batches, each of which is made smaller before the next is
read. So a page takes the memory of a few values, and a column that cannot be read does not hide the
others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa

from geneva.errors import ColumnNotFoundError
from geneva.storage.dataset import Dataset
from geneva.storage.reader import is_blob

_BATCH_ROWS = 2
_OFFSET_BITS = 0xFFFFFFFF
# A blob that another program keeps anywhere, named by a URI: this process may read more than those
# who look at the page.
_EXTERNAL = 3

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Run:
    """Live rows of one fragment that follow each other.

    Attributes
    ----------
    fragment_id : int
        The fragment.
    start, rows : int
        The first of them, deleted rows not counted, and how many.
    """

    fragment_id: int
    start: int
    rows: int


@dataclass(frozen=True, slots=True)
class Page:
    """Where the rows of a page are.

    Attributes
    ----------
    total : int
        Rows of the table.
    runs : tuple of Run
        The rows of the page.
    addresses, row_ids : tuple of int
        ``_rowaddr`` and ``_rowid`` of each; a single row is asked for by its address only.
    """

    total: int
    runs: tuple[Run, ...]
    addresses: tuple[int, ...]
    row_ids: tuple[int, ...]

    @property
    def fragments(self) -> list[int]:
        """Ids of the fragments that rows of the page lie in."""
        return [run.fragment_id for run in self.runs]


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a binary value.

    Attributes
    ----------
    size_bytes : int
        Size of the whole value.
    data : bytes
        Its first bytes.
    elsewhere : str
        URI of a blob that is kept outside of the table and that is not read; else empty.
    """

    size_bytes: int
    data: bytes
    elsewhere: str = ""


def runs_of(live_rows: Iterable[tuple[int, int]], offset: int, limit: int) -> tuple[Run, ...]:
    """Return in which fragments the rows of a page lie.

    Parameters
    ----------
    live_rows
        Id and live rows of each fragment, in the order of the table.
    offset, limit
        First row of the page, and how many.

    Examples
    --------
    >>> runs_of([(0, 10), (3, 0), (4, 10)], 8, 5)
    (Run(fragment_id=0, start=8, rows=2), Run(fragment_id=4, start=0, rows=3))
    """
    found, before = [], 0
    for fragment_id, rows in live_rows:
        start = max(0, offset - before)
        stop = min(rows, offset + limit - before)
        if start < stop:
            found.append(Run(fragment_id, start, stop - start))
        before += rows
    return tuple(found)


def read_page(dataset: Dataset, offset: int, limit: int) -> Page:
    """Find the rows of a page, deleted ones not counted."""
    counts = [(int(f.fragment_id), int(f.count_rows())) for f in dataset.get_fragments()]
    runs = runs_of(counts, offset, limit)
    places = [
        _scanner(dataset, run, [], with_row_address=True, with_row_id=True).to_table()
        for run in runs
    ]
    return Page(
        total=sum(rows for _, rows in counts),
        runs=runs,
        addresses=tuple(a for table in places for a in table["_rowaddr"].to_pylist()),
        row_ids=tuple(i for table in places for i in table["_rowid"].to_pylist()),
    )


def read_values(
    dataset: Dataset, page: Page, column: str, shortened: Callable[[pa.Array], list[T]]
) -> list[T]:
    """Return what is made of the values of a column, a few at a time.

    Parameters
    ----------
    dataset, page, column
        Where the values are. Not of a blob column: see :func:`read_heads`.
    shortened
        Called with a few values; what it returns must not hold on to them.
    """
    found: list[T] = []
    for run in page.runs:
        scanner = _scanner(dataset, run, [column], batch_size=_BATCH_ROWS, batch_readahead=1)
        for batch in scanner.to_batches():
            found += shortened(batch.column(0))
    return found


def read_heads(dataset: Dataset, page: Page, column: str, most: int) -> list[Head | None]:
    """Return the first bytes of a column of blobs; None for NULL. No more is read."""
    external = _external(dataset, page, column)
    inside = [address for address in page.addresses if address not in external]
    blobs = dataset.take_blobs(column, addresses=inside) if inside else []
    heads = dict(zip(inside, (_head(blob, most) for blob in blobs), strict=True))
    return [external.get(address, heads.get(address)) for address in page.addresses]


def read_row(dataset: Dataset, address: int) -> Page | None:
    """Return the page that is one row; None if it was deleted, or was never there."""
    fragment = dataset.get_fragment(address >> 32)
    start = address & _OFFSET_BITS
    if fragment is None or start >= fragment.physical_rows:
        return None
    if fragment.num_deletions:
        # How many live rows there are up to it says its place among them.
        within = fragment.scanner(
            columns=[], filter=f"_rowaddr <= {address}", with_row_address=True
        ).to_table()["_rowaddr"]
        if not len(within) or within[-1].as_py() != address:
            return None
        start = len(within) - 1
    return Page(1, (Run(address >> 32, start, 1),), (address,), ())


def read_blob(dataset: Dataset, page: Page, column: str, most: int) -> tuple[int, bytes] | None:
    """Return the size of the only row's blob, and the blob if it is not larger than a bound.

    Returns
    -------
    (int, bytes) or None
        None for NULL, and for a blob that is kept outside of the table.
    """
    if _external(dataset, page, column):
        return None
    (blob,) = dataset.take_blobs(column, addresses=list(page.addresses))
    if blob is None:
        return None
    size = int(blob.size())
    return size, (bytes(blob.read(size)) if 0 < size <= most else b"")


def check_is_there(dataset: Dataset, table: str, columns: Sequence[str]) -> None:
    """Refuse columns that a table does not have.

    Raises
    ------
    ColumnNotFoundError
        The first of them.
    """
    names = dataset.schema.names
    gone = next((name for name in columns if name not in names), None)
    if gone is not None:
        raise ColumnNotFoundError(
            f"Column {gone!r} is not defined in table {table!r}. Its columns: {', '.join(names)}."
        )


def holds_blobs(dataset: Dataset, column: str) -> bool:
    """Say whether a column is stored as blobs."""
    return is_blob(dataset, column)


def _external(dataset: Dataset, page: Page, column: str) -> dict[int, Head]:
    """Return the blobs of a page that are kept outside of the table, by address."""
    found: dict[int, Head] = {}
    addresses = iter(page.addresses)
    for run in page.runs:
        places = _scanner(dataset, run, [column]).to_table()[column].to_pylist()
        for address, place in zip(addresses, places, strict=False):
            if place is not None and place.get("kind") == _EXTERNAL:
                found[address] = Head(int(place["size"]), b"", str(place["blob_uri"]))
    return found


def _head(blob: Any, most: int) -> Head | None:
    if blob is None:
        return None
    size = int(blob.size())
    return Head(size, bytes(blob.read(min(size, most))) if size else b"")


def _scanner(dataset: Dataset, run: Run, columns: list[str], **options: Any) -> Any:
    fragment = dataset.get_fragment(run.fragment_id)
    if not columns:
        options["with_row_address"] = True
    return fragment.scanner(columns=columns, offset=run.start, limit=run.rows, **options)
