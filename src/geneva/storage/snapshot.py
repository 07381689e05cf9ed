"""Look at a table: what each fragment holds of a computed column, at one pinned version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from geneva.errors import DamagedFileError, FilterError
from geneva.storage.column_file import file_tag
from geneva.storage.dataset import Dataset, in_words
from geneva.storage.definitions import distinct_columns
from geneva.storage.files import TableFiles
from geneva.storage.held import ColumnFields, Held
from geneva.storage.lineage import Lineage
from geneva.storage.model import (
    ComputedColumn,
    FragmentState,
    Origin,
    Part,
    Pending,
    TableLocation,
    TableSnapshot,
    pack_rows,
    unpack_rows,
)
from geneva.storage.names import is_of
from geneva.storage.parts import list_parts, part_is_of, read_part_offsets
from geneva.storage.proofs import Proofs
from geneva.storage.row_states import RowStates


def take_snapshot(
    dataset: Dataset,
    location: TableLocation,
    column: ComputedColumn,
    *,
    where: str | None = None,
    redo_except: str | None = None,
    with_parts: bool = True,
    keep_proofs: bool = False,
    only: Mapping[int, np.ndarray] | None = None,
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
    with_parts
        Whether rows that an unfinished job left in parts need not be computed.
    keep_proofs
        Store what was found out about fragments that somebody else wrote.
    only
        Physical offsets of the rows that may be computed, by fragment; None for all.

    Raises
    ------
    FilterError
        The filter does not parse, or names columns that do not exist.
    """
    files = TableFiles(location)
    fields = ColumnFields(dataset, column)
    lineage = Lineage(dataset, location, column, fields, Proofs(files, column))
    parts = list_parts(files, column.field_id) if with_parts else {}
    looks = []
    for fragment in dataset.get_fragments():
        held = fields.held_by(fragment)
        redo = redo_except is not None and not _wrote(redo_except, held.path)
        look = _look(fragment, held, lineage, redo=redo)
        state = look.state
        mine = [p for p in parts.get(state.fingerprint, ()) if p.fragment_id == state.fragment_id]
        if redo_except is not None and redo:
            state = replace(state, redo=True)
            mine = [part for part in mine if part_is_of(part, redo_except)]
        state = _with_parts(state, files, mine)
        looks.append(replace(look, state=state if only is None else _restricted(state, only)))
    states = _counted(dataset, looks, lineage, where)
    if keep_proofs:
        _keep_proofs(lineage, looks, states)
    return TableSnapshot(
        location=location,
        version=dataset.version,
        column=column,
        where=where,
        fragments=tuple(states),
    )


@dataclass(frozen=True, slots=True)
class _Look:
    """A fragment's state, and that of each of its rows where they differ."""

    state: FragmentState
    held: Held
    rows: RowStates | None


def _look(fragment: Any, held: Held, lineage: Lineage, *, redo: bool) -> _Look:
    tag = None if held.path is None else file_tag(held.path)
    origin, rows = Origin.STALE, None
    if held.path is None:
        origin = Origin.MISSING
    elif tag is not None and tag.fingerprint == held.fingerprint and tag.complete:
        origin = Origin.FRESH
    elif tag is None or tag.fingerprint == held.fingerprint:
        # The name does not say it of all rows at once.
        try:
            rows = lineage.states_of(fragment.fragment_id)
        except (DamagedFileError, OSError, ValueError):
            # Rows that are computed again need not know what was: a damaged file can be replaced.
            if not redo:
                raise
        else:
            origin = Origin.PARTIAL if rows.fresh.any() else Origin.STALE
    state = FragmentState(
        fragment_id=fragment.fragment_id,
        physical_rows=fragment.physical_rows,
        live_rows=fragment.physical_rows - fragment.num_deletions,
        fingerprint=held.fingerprint,
        origin=origin,
        pending_rows=0,
        input_bytes=held.input_bytes,
        covered=pack_rows(rows.fresh) if rows and origin is Origin.PARTIAL else None,
        files=rows.files if rows else frozenset([held.path] if held.path else []),
        failed=_failed(rows, lineage),
    )
    return _Look(state, held, rows)


def _failed(rows: RowStates | None, lineage: Lineage) -> bytes | None:
    failures = {} if rows is None else lineage.reasons.failures(rows.codes)
    if rows is None or not failures:
        return None
    mask = np.zeros(len(rows.codes), bool)
    mask[list(failures)] = True
    return pack_rows(mask)


def note_lineage(dataset: Dataset, location: TableLocation) -> None:
    """Store what can be found out about fragments that somebody else wrote, before it cannot."""
    for column in distinct_columns(dataset):
        fields = ColumnFields(dataset, column)
        lineage = Lineage(dataset, location, column, fields, Proofs(TableFiles(location), column))
        found = []
        for fragment in dataset.get_fragments():
            held = fields.held_by(fragment)
            if _of_others(held):
                found.append((held, lineage.states_of(fragment.fragment_id)))
        lineage.proofs.keep(found, lineage.reasons)


def _keep_proofs(lineage: Lineage, looks: list[_Look], states: list[FragmentState]) -> None:
    """Store proofs, unless this job writes all those fragments: its files say it themselves."""
    others = [
        (look.held, look.rows, state.pending_rows)
        for look, state in zip(looks, states, strict=True)
        if look.rows is not None and _of_others(look.held)
    ]
    if not all(pending for _, _, pending in others):
        lineage.proofs.keep([(held, rows) for held, rows, _ in others], lineage.reasons)


def _of_others(held: Held) -> bool:
    return held.path is not None and not held.beside and file_tag(held.path) is None


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


def _restricted(state: FragmentState, only: Mapping[int, np.ndarray]) -> FragmentState:
    """Let no row be computed but the given ones."""
    done = np.ones(state.physical_rows, bool)
    done[only.get(state.fragment_id, np.empty(0, np.int64))] = False
    done |= unpack_rows(state.done, state.physical_rows)
    return replace(state, done=pack_rows(done))


def _counted(
    dataset: Dataset, looks: list[_Look], lineage: Lineage, where: str | None
) -> list[FragmentState]:
    """Count the rows that are selected and not computed."""
    pending: dict[int, np.ndarray] = {}
    counts: dict[int, int] = {}
    to_scan = []
    for look in looks:
        state = look.state
        some = state.done is not None or bool(state.parts)
        if state.origin is Origin.FRESH and not state.redo:
            counts[state.fragment_id] = 0
        elif where is None and not some and (look.rows is None or state.redo):
            counts[state.fragment_id] = state.live_rows
        elif where is None and state.live_rows == state.physical_rows:
            pending[state.fragment_id] = _pending_mask(state)
        else:
            to_scan.append(state)
    if where is not None and not to_scan and looks:
        # Nothing is left to compute, but a filter that does not parse is still refused.
        _matching(dataset, where, [looks[0].state])
    if to_scan:
        matching = _matching(dataset, where, to_scan)
        for state in to_scan:
            pending[state.fragment_id] = _pending_mask(state) & matching[state.fragment_id]
    states = []
    for look in looks:
        mask = pending.get(look.state.fragment_id)
        rows = counts[look.state.fragment_id] if mask is None else int(mask.sum())
        why: tuple[Pending, ...] = ()
        if look.rows is not None and mask is not None and not look.state.redo:
            why = lineage.reasons.count(look.rows.codes[mask])
        states.append(replace(look.state, pending_rows=rows, why=why))
    return states


def _pending_mask(state: FragmentState) -> np.ndarray:
    pending = ~unpack_rows(state.done, state.physical_rows)
    for part in state.parts:
        if part.dense:
            pending[part.rows.start : part.rows.stop] = False
    return pending


def _matching(
    dataset: Dataset, where: str | None, states: list[FragmentState]
) -> dict[int, np.ndarray]:
    """Return the live rows of fragments that a filter selects, as masks."""
    masks = {state.fragment_id: np.zeros(state.physical_rows, bool) for state in states}
    fragments = [dataset.get_fragment(state.fragment_id) for state in states]
    try:
        scanner = dataset.scanner(
            columns=[], filter=where, with_row_address=True, fragments=fragments
        )
        for batch in scanner.to_batches():
            addresses = batch["_rowaddr"].to_numpy()
            _, starts = np.unique(addresses >> np.uint64(32), return_index=True)
            bounds = [*sorted(starts.tolist()), len(addresses)]
            for start, stop in pairwise(bounds):
                fragment_id = int(addresses[start] >> np.uint64(32))
                masks[fragment_id][addresses[start:stop] & np.uint64(0xFFFFFFFF)] = True
    except ValueError as error:
        raise FilterError(
            f"where={where!r} cannot be used as a filter: {in_words(error)}. It is SQL over "
            f'the columns {", ".join(dataset.schema.names)}, for example "id % 10 = 0".'
        ) from None
    return masks
