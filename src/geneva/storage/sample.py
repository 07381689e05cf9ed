"""Read a few rows from all over a table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import pyarrow as pa

from geneva.errors import FilterError, InvalidArgumentError
from geneva.storage.dataset import Dataset, in_words
from geneva.storage.reader import is_blob

# A look at each costs a request in an object store.
_MOST_PLACES = 32
_OFFSET_BITS = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class RowPlace:
    """Where a row is.

    Attributes
    ----------
    row_id : int
        Its ``_rowid``.
    fragment_id, offset : int
        Its fragment and physical offset in it.
    """

    row_id: int
    fragment_id: int
    offset: int


Sample = tuple[tuple[RowPlace, ...], pa.RecordBatch]
"""Places of rows, and the columns asked for."""


def read_sample(
    dataset: Dataset,
    columns: list[str],
    limit: int,
    where: str | None = None,
    *,
    fragments: Collection[int] | None = None,
    scattered: bool = False,
) -> Sample:
    """Read live rows from several places of several fragments, in the order of the table.

    Parameters
    ----------
    dataset
        The table at the version to read.
    columns
        Columns to read, dotted names for struct fields.
    limit
        Most rows.
    where
        SQL filter: only rows that match, the first of each fragment.
    fragments
        Ids of the fragments to read. Default: all.
    scattered
        Take rows from random places in each fragment, the same ones each time, and not from its
        beginning: neighbours are often alike. Not with a filter.

    Raises
    ------
    FilterError
        The filter does not parse or names columns that do not exist.
    """
    scan = _Scan(dataset, columns, where)
    candidates = [
        fragment
        for fragment in dataset.get_fragments()
        if (fragments is None or fragment.fragment_id in fragments) and fragment.count_rows()
    ]
    chosen = evenly(candidates, min(limit, _MOST_PLACES))
    most = max(1, _MOST_PLACES // max(1, len(chosen))) if scattered else 1
    random = Random(limit)  # noqa: S311 - it spreads rows
    found: list[pa.Table] = []
    for number, fragment in enumerate(chosen):
        quota = limit * (number + 1) // len(chosen) - limit * number // len(chosen)
        if where is not None:
            found.append(scan.of(fragment, limit=quota))
            continue
        for start, rows in places(fragment.count_rows(), quota, most, random):
            found.append(scan.of(fragment, offset=start, limit=rows))
    taken = sum(table.num_rows for table in found)
    if taken < limit and candidates:
        # Some fragments have fewer rows than their share; others make up for them.
        found.append(scan.of(dataset, limit=limit + taken, fragments=candidates))
    return _sample(found, columns, limit, scan)


def evenly(items: list[Any], most: int) -> list[Any]:
    """Return at most so many items, evenly spaced, the first among them.

    Examples
    --------
    >>> evenly(list(range(10)), 3)
    [0, 3, 6]
    """
    return [items[i * len(items) // most] for i in range(most)] if len(items) > most else items


def places(rows: int, wanted: int, most: int, random: Random) -> list[tuple[int, int]]:
    """Return where to read how many rows of a fragment: one run for each of equal stretches.

    A single run begins with the first row.

    Examples
    --------
    >>> places(1000, 10, 1, Random(0))
    [(0, 10)]
    >>> places(1000, 10, 4, Random(0))
    [(210, 2), (437, 3), (604, 2), (814, 3)]
    """
    runs = min(wanted, most)
    if runs <= 1 or wanted >= rows:
        return [(0, min(rows, wanted))] if wanted else []
    found = []
    for i in range(runs):
        start, stop = rows * i // runs, rows * (i + 1) // runs
        length = wanted * (i + 1) // runs - wanted * i // runs
        found.append((start + int(random.random() * (stop - start - length + 1)), length))
    return found


def read_row(dataset: Dataset, columns: list[str], row_id: int) -> tuple[RowPlace, pa.RecordBatch]:
    """Read one row by its row id.

    Raises
    ------
    InvalidArgumentError
        There is no such row at this version.
    """
    if type(row_id) is not int or not 0 <= row_id < 1 << 63:
        raise InvalidArgumentError(f"row_id={row_id!r}; expected a whole number, a row's _rowid.")
    scan = _Scan(dataset, columns, f"_rowid = {row_id}")
    found, batch = _sample([scan.of(dataset, limit=1)], columns, 1, scan)
    if not found:
        raise InvalidArgumentError(
            f"There is no row {row_id} at version {dataset.version} of the table: it was deleted, "
            "or never there. Row ids are what errors name and "
            "table.search().with_row_id(True) shows."
        )
    return found[0], batch


def with_addresses(
    batch: pa.RecordBatch, places: Sequence[RowPlace], columns: Collection[str]
) -> pa.RecordBatch:
    """Return rows with their addresses in place of the values of some columns."""
    addresses = pa.array([(p.fragment_id << 32) + p.offset for p in places], pa.uint64())
    arrays = [addresses if name in columns else batch[name] for name in batch.schema.names]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


class _Scan:
    """Scans of one table for the same columns and filter."""

    def __init__(self, dataset: Dataset, columns: list[str], where: str | None) -> None:
        self._columns = list(dict.fromkeys(columns))
        self._where = where
        self._dataset = dataset
        self._blobs = any(is_blob(dataset, column) for column in columns)

    def of(self, source: Any, **options: Any) -> pa.Table:
        """Scan a fragment, or several of the dataset."""
        if self._blobs:
            options["blob_handling"] = "all_binary"
        if self._where is not None:
            options["filter"] = self._where
        try:
            return source.scanner(
                columns=self._columns, with_row_id=True, with_row_address=True, **options
            ).to_table()
        except (ValueError, OSError) as error:
            if self._where is None or isinstance(error, FileNotFoundError):
                raise
            raise FilterError(
                f"where={self._where!r} cannot be used as a filter: {in_words(error)}. It is SQL "
                f"over the columns {', '.join(self._dataset.schema.names)}."
            ) from None

    def nothing(self) -> pa.Table:
        """Return no rows, of the right types."""
        return self.of(self._dataset, limit=0)


def _sample(found: list[pa.Table], columns: list[str], limit: int, scan: _Scan) -> Sample:
    """Join what several scans found: each row once, in order."""
    table = pa.concat_tables(found) if found else scan.nothing()
    by_address = {address: i for i, address in enumerate(table["_rowaddr"].to_pylist())}
    addresses = list(dict.fromkeys(table["_rowaddr"].to_pylist()))[:limit]
    addresses.sort()
    table = table.take(pa.array([by_address[a] for a in addresses], pa.int64())).combine_chunks()
    rows = tuple(
        RowPlace(row_id, address >> 32, address & _OFFSET_BITS)
        for row_id, address in zip(table["_rowid"].to_pylist(), addresses, strict=True)
    )
    batches = table.select(columns).to_batches()
    if batches:
        return rows, batches[0]
    empty = [pa.array([], field.type) for field in table.select(columns).schema]
    return rows, pa.RecordBatch.from_arrays(empty, schema=table.select(columns).schema)
