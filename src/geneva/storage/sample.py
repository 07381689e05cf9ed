"""Take a few rows that hold a value of a computed column, with the inputs that belong to them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from geneva.errors import FilterError
from geneva.storage.dataset import Dataset, in_words
from geneva.storage.model import ComputedColumn, quoted
from geneva.storage.reader import is_blob

ROW_ID = "_rowid"
_ADDRESS = "_rowaddr"
# A sample of a huge table needs not look at all of it.
_MOST_FRAGMENTS = 16


def sample_rows(
    dataset: Dataset, column: ComputedColumn, inputs: list[str], limit: int, where: str | None
) -> pa.Table:
    """Read rows whose value in a column is not NULL, spread evenly over the table.

    Parameters
    ----------
    dataset, column
        The table at some version, and the column.
    inputs
        Columns to read besides, dotted names for struct fields.
    limit
        Most rows.
    where
        Filter that selects rows.

    Returns
    -------
    pa.Table
        ``_rowid``, the column and the inputs.

    Raises
    ------
    FilterError
        The filter does not parse, or names columns that do not exist.
    """
    there = f"{quoted(column.name)} IS NOT NULL"
    addresses = _addresses(dataset, there if where is None else f"({where}) AND {there}", limit)
    at = np.unique(np.linspace(0, max(0, len(addresses) - 1), limit).astype(np.int64))
    chosen = addresses[at] if len(addresses) else addresses
    names = list(dict.fromkeys([column.name, *inputs]))
    options = {"blob_handling": "all_binary"} if any(is_blob(dataset, n) for n in names) else {}
    tables = []
    for fragment_id in np.unique(chosen >> np.uint64(32)).tolist():
        mine = chosen[chosen >> np.uint64(32) == fragment_id].tolist()
        rows = f"{_ADDRESS} IN ({', '.join(map(str, mine))})"
        scanner = dataset.get_fragment(fragment_id).scanner(
            columns=names, filter=rows, with_row_id=True, with_row_address=True, **options
        )
        tables.append(scanner.to_table().sort_by(_ADDRESS))
    if not tables:
        tables = [dataset.scanner(columns=names, limit=0, with_row_id=True).to_table()]
    return pa.concat_tables(table.select([ROW_ID, *names]) for table in tables)


def _addresses(dataset: Dataset, where: str, limit: int) -> np.ndarray:
    """Return the addresses of matching rows in some fragments, in more if these hold too few."""
    fragments = dataset.get_fragments()
    first = np.unique(np.linspace(0, max(0, len(fragments) - 1), _MOST_FRAGMENTS).astype(int))
    chosen = [fragments[i] for i in first.tolist()] if fragments else []
    rest = [fragment for i, fragment in enumerate(fragments) if i not in set(first.tolist())]
    found = [np.empty(0, np.uint64)]
    for number, fragment in enumerate([*chosen, *rest]):
        if number >= len(chosen) and sum(map(len, found)) >= limit:
            break
        try:
            scanner = fragment.scanner(columns=[], filter=where, with_row_address=True)
            found.append(scanner.to_table()[_ADDRESS].to_numpy())
        except ValueError as error:
            raise FilterError(
                f"where={where!r} cannot be used as a filter: {in_words(error)}."
            ) from None
    return np.sort(np.concatenate(found))
