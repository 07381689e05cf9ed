"""Find where an update took its rows from, and which values changed on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from geneva.storage.dataset import Dataset, field_path
from geneva.storage.names import quoted
from geneva.storage.reader import is_blob
from geneva.storage.same_values import same_rows

_WINDOW_ROWS = 4096
_BLOB_WINDOW_ROWS = 64
_OFFSET_BITS = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Moves:
    """Rows of one fragment, and where each of them was at an earlier version.

    Attributes
    ----------
    offsets : np.ndarray
        Physical offsets in the fragment, ascending.
    fragments, olds : np.ndarray
        The fragment and physical offset of each row at the earlier version.
    """

    offsets: np.ndarray
    fragments: np.ndarray
    olds: np.ndarray


class LostRows:
    """The rows that a commit took out of the fragments that held them, by stable row id.

    Parameters
    ----------
    before, after
        The table before and after the commit.
    """

    def __init__(self, before: Dataset, after: Dataset) -> None:
        ids, fragments, offsets = [], [], []
        for fragment in before.get_fragments():
            fragment_id = fragment.fragment_id
            now = after.get_fragment(fragment_id)
            if now is not None and now.num_deletions == fragment.num_deletions:
                continue
            held, at = row_ids(before, fragment_id)
            gone = np.ones(len(at), bool)
            if now is not None:
                gone = ~np.isin(at, live_offsets(after, fragment_id), assume_unique=True)
            ids.append(held[gone])
            offsets.append(at[gone])
            fragments.append(np.full(int(gone.sum()), fragment_id, np.int64))
        empty = [np.empty(0, np.int64)]
        found = np.concatenate([*ids, np.empty(0, np.uint64)])
        order = np.argsort(found)
        self._ids = found[order]
        self._fragments = np.concatenate(fragments or empty)[order]
        self._offsets = np.concatenate(offsets or empty)[order]

    def moved_to(self, after: Dataset, fragment_id: int) -> Moves:
        """Return the rows of a new fragment that were in another one before."""
        ids, offsets = row_ids(after, fragment_id)
        at = np.searchsorted(self._ids, ids)
        at[at == len(self._ids)] = 0
        known = self._ids[at] == ids if len(self._ids) else np.zeros(len(ids), bool)
        return Moves(offsets[known], self._fragments[at[known]], self._offsets[at[known]])


def row_ids(dataset: Dataset, fragment_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the row ids and physical offsets of a fragment's live rows."""
    fragment = dataset.get_fragment(fragment_id)
    found = fragment.scanner(columns=[], with_row_id=True, with_row_address=True).to_table()
    return found["_rowid"].to_numpy(), _offsets(found["_rowaddr"].to_numpy())


def live_offsets(dataset: Dataset, fragment_id: int) -> np.ndarray:
    """Return the physical offsets of a fragment's live rows, ascending."""
    fragment = dataset.get_fragment(fragment_id)
    if not fragment.num_deletions:
        return np.arange(fragment.physical_rows, dtype=np.int64)
    found = fragment.scanner(columns=[], with_row_address=True).to_table()
    return _offsets(found["_rowaddr"].to_numpy())


def unchanged(
    before: Dataset, after: Dataset, fragment_id: int, moves: Moves, field_ids: list[int]
) -> np.ndarray:
    """Say for each of some rows whether it has the same values as it had where it was before.

    Parameters
    ----------
    before, after
        The table at both versions.
    fragment_id
        The fragment that holds the rows now.
    moves
        The rows.
    field_ids
        Fields to compare; one that does not exist at both versions has changed.
    """
    same = np.zeros(len(moves.offsets), bool)
    names = [(field_path(before, i), field_path(after, i)) for i in field_ids]
    earlier = [old for old, new in names if old is not None and new is not None]
    now = [new for old, new in names if old is not None and new is not None]
    if len(now) < len(field_ids):
        return same
    rows = _BLOB_WINDOW_ROWS if any(is_blob(after, name) for name in now) else _WINDOW_ROWS
    for piece in _pieces(moves, rows):
        old_fragment = int(moves.fragments[piece[0]])
        olds = _values(before, old_fragment, earlier, moves.olds[piece])
        news = _values(after, fragment_id, now, moves.offsets[piece])
        equal = np.ones(len(piece), bool)
        for old, new in zip(earlier, now, strict=True):
            equal &= same_rows(_array(olds[old]), _array(news[new]))
        same[piece] = equal
    return same


def values_there(dataset: Dataset, fragment_id: int, field_id: int) -> np.ndarray:
    """Return the mask of a fragment's physical rows that hold a value which is not NULL."""
    fragment = dataset.get_fragment(fragment_id)
    mask = np.zeros(fragment.physical_rows, bool)
    name = field_path(dataset, field_id)
    if name is None:
        return mask
    found = fragment.scanner(
        columns=[], filter=f"{quoted(name)} IS NOT NULL", with_row_address=True
    ).to_table()
    mask[_offsets(found["_rowaddr"].to_numpy())] = True
    return mask


def _pieces(moves: Moves, rows: int) -> Iterator[np.ndarray]:
    """Yield indices of rows that were in one fragment, in order of where they were there."""
    order = np.lexsort((moves.olds, moves.fragments))
    _, starts = np.unique(moves.fragments[order], return_index=True)
    for start, stop in pairwise([*starts.tolist(), len(order)]):
        for first in range(start, stop, rows):
            yield order[first : min(first + rows, stop)]


def _values(dataset: Dataset, fragment_id: int, names: list[str], offsets: np.ndarray) -> pa.Table:
    """Read some columns of some rows of a fragment, in the order of the offsets given."""
    fragment = dataset.get_fragment(fragment_id)
    base = fragment_id << 32
    low, high = int(offsets.min()), int(offsets.max())
    if high - low < 4 * len(offsets):
        where = f"_rowaddr >= {base + low} AND _rowaddr <= {base + high}"
    else:
        where = f"_rowaddr IN ({', '.join(str(base + int(i)) for i in offsets)})"
    options = {"blob_handling": "all_binary"} if any(is_blob(dataset, n) for n in names) else {}
    found = fragment.scanner(
        columns=list(dict.fromkeys(names)), filter=where, with_row_address=True, **options
    ).to_table()
    at = _offsets(found["_rowaddr"].to_numpy())
    order = np.argsort(at)
    return found.take(pa.array(order[np.searchsorted(at, offsets, sorter=order)]))


def _array(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks != 1 else column.chunk(0)


def _offsets(addresses: np.ndarray) -> np.ndarray:
    offsets: np.ndarray = (addresses & _OFFSET_BITS).astype(np.int64)
    return offsets
