"""Look at a table: what each fragment holds of a computed column, at one pinned version."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np

from geneva.errors import DamagedFileError, FilterError
from geneva.storage.column_file import file_tag, read_coverage
from geneva.storage.dataset import Dataset, file_positions, in_words, lance_field, leaf_ids
from geneva.storage.files import TableFiles
from geneva.storage.model import (
    ComputedColumn,
    FragmentState,
    Origin,
    Part,
    TableLocation,
    TableSnapshot,
    is_of,
    pack_rows,
    selection,
    unpack_rows,
)
from geneva.storage.parts import list_parts, part_is_of, read_part_offsets


def take_snapshot(
    dataset: Dataset,
    location: TableLocation,
    column: ComputedColumn,
    *,
    where: str | None = None,
    redo_except: str | None = None,
) -> TableSnapshot:
    """Look at every fragment of a table.

    Parameters
    ----------
    dataset
        The table at the version to look at.
    location, column
        The table and the computed column.
    where
        Filter that selects rows.
    redo_except
        Count every selected row as pending, computed or not, except by the call of this id.

    Raises
    ------
    FilterError
        The filter does not parse, or names columns that do not exist.
    """
    files = TableFiles(location)
    inputs = input_field_ids(dataset, column)
    read = map(partial(lance_field, dataset), column.input_columns)
    ordered = [field.id() for field in read if field is not None]
    outputs = output_field_ids(dataset, column)
    parts = list_parts(files, column.field_id)
    states = []
    for fragment in dataset.get_fragments():
        positions = file_positions(fragment, inputs)
        names = {path for path, _, _ in positions}
        fingerprint = fragment_fingerprint(column, ordered, positions)
        state = FragmentState(
            fragment_id=fragment.fragment_id,
            physical_rows=fragment.physical_rows,
            live_rows=fragment.physical_rows - fragment.num_deletions,
            fingerprint=fingerprint,
            origin=Origin.STALE,
            pending_rows=0,
            input_bytes=sum(
                f.file_size_bytes or 0 for f in fragment.data_files() if f.path in names
            ),
        )
        held = file_positions(fragment, outputs)
        path = held[0][0] if held else None
        redo = redo_except is not None and not _wrote(redo_except, path)
        state = _classified(state, location, path, repointed=column.repointed, redo=redo)
        mine = [p for p in parts.get(fingerprint, ()) if p.fragment_id == state.fragment_id]
        if redo_except is not None and redo:
            state = replace(state, redo=True)
            mine = [part for part in mine if part_is_of(part, redo_except)]
        states.append(_with_parts(state, files, mine))
    return TableSnapshot(
        location=location,
        version=dataset.version,
        column=column,
        where=where,
        fragments=tuple(_counted(dataset, column.name, states, where)),
    )


def input_field_ids(dataset: Dataset, column: ComputedColumn) -> set[int]:
    """Return the ids of the leaf fields that a column's function reads."""
    fields = [lance_field(dataset, name) for name in column.input_columns]
    return {i for field in fields if field is not None for i in leaf_ids(field)}


def output_field_ids(dataset: Dataset, column: ComputedColumn) -> set[int]:
    """Return the ids of the leaf fields that hold a column's values."""
    return set(leaf_ids(lance_field(dataset, column.name)))


def fragment_fingerprint(
    column: ComputedColumn, inputs: list[int], positions: list[tuple[str, int, int]]
) -> str:
    """Identify a function's version together with the files that it reads in one fragment.

    Two files are never the same: their names are unique. So an equal fingerprint means that the
    same function saw the same values, whatever happened to the table in between. Columns count by
    field id, so that renaming one makes nothing stale.
    """
    identity = repr((column.udf_name, column.udf_version, inputs, positions))
    return hashlib.blake2b(identity.encode(), digest_size=12).hexdigest()


def _classified(
    state: FragmentState, location: TableLocation, path: str | None, *, repointed: bool, redo: bool
) -> FragmentState:
    if path is None:
        return replace(state, origin=Origin.MISSING)
    tag = file_tag(path)
    if tag is None:
        return state if repointed else replace(state, origin=Origin.UNKNOWN)
    if tag.fingerprint != state.fingerprint:
        return state
    if tag.complete:
        return replace(state, origin=Origin.FRESH)
    try:
        covered = pack_rows(read_coverage(location, path, state.physical_rows))
    except DamagedFileError:
        if not redo:
            raise
        # Rows that are computed again need not know what was; so a damaged file can be replaced.
        return state
    return replace(state, origin=Origin.PARTIAL, covered=covered)


def _wrote(call_id: str, path: str | None) -> bool:
    tag = None if path is None else file_tag(path)
    return tag is not None and is_of(tag.name, call_id)


def _with_parts(state: FragmentState, files: TableFiles, parts: list[Part]) -> FragmentState:
    """Add the parts that an unfinished job left; the rows of sparse ones count as done."""
    if state.redo:
        done = None
    elif state.origin is Origin.FRESH:
        return state
    else:
        done = state.covered
    sparse = [part for part in parts if not part.dense]
    if sparse:
        mask = unpack_rows(done, state.physical_rows)
        for part in sparse:
            mask[read_part_offsets(files, part)] = True
        done = pack_rows(mask)
    return replace(state, parts=tuple(parts), done=done)


def _counted(
    dataset: Dataset,
    column: str,
    states: list[FragmentState],
    where: str | None,
) -> list[FragmentState]:
    """Count the rows that are selected and not computed."""
    pending: dict[int, int] = {}
    filtered: dict[str | None, list[FragmentState]] = {}
    for state in states:
        condition = selection(column, state.origin, where, redo=state.redo)
        done = state.done is not None or bool(state.parts)
        if state.origin is Origin.FRESH and not state.redo:
            pending[state.fragment_id] = 0
        elif condition is None and not done:
            pending[state.fragment_id] = state.live_rows
        elif condition is None and state.live_rows == state.physical_rows:
            pending[state.fragment_id] = int(_pending_mask(state).sum())
        else:
            filtered.setdefault(condition, []).append(state)
    if where is not None and not filtered and states:
        # Nothing is left to compute, but a filter that does not parse is still refused.
        _count_matching(dataset, where, states[:1])
    for condition, group in filtered.items():
        pending |= _count_matching(dataset, condition, group)
    return [replace(state, pending_rows=pending[state.fragment_id]) for state in states]


def _pending_mask(state: FragmentState) -> np.ndarray:
    pending = ~unpack_rows(state.done, state.physical_rows)
    for part in state.parts:
        if part.dense:
            pending[part.rows.start : part.rows.stop] = False
    return pending


def _count_matching(
    dataset: Dataset, condition: str | None, states: list[FragmentState]
) -> dict[int, int]:
    counts = {state.fragment_id: 0 for state in states}
    masks = {state.fragment_id: _pending_mask(state) for state in states}
    fragments = [dataset.get_fragment(state.fragment_id) for state in states]
    try:
        scanner = dataset.scanner(
            columns=[], filter=condition, with_row_address=True, fragments=fragments
        )
        for batch in scanner.to_batches():
            addresses = batch["_rowaddr"].to_numpy()
            _, starts = np.unique(addresses >> np.uint64(32), return_index=True)
            bounds = [*sorted(starts.tolist()), len(addresses)]
            for start, stop in pairwise(bounds):
                fragment_id = int(addresses[start] >> np.uint64(32))
                offsets = addresses[start:stop] & np.uint64(0xFFFFFFFF)
                counts[fragment_id] += int(masks[fragment_id][offsets].sum())
    except ValueError as error:
        raise FilterError(
            f"where={condition!r} cannot be used as a filter: {in_words(error)}. It is SQL over "
            f'the columns {", ".join(dataset.schema.names)}, for example "id % 10 = 0".'
        ) from None
    return counts
