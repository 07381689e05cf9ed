"""Follow rows back to where they were computed, through updates and compactions.

A column file that Geneva wrote says in its name what computed it. A fragment that an append, an
update or a compaction made has a file that says nothing. For these, the transactions of the table
say where the rows came from, and what is known of them there holds here, as long as the values of
the inputs and of the column are proven to be the same. What cannot be proven is not fresh.

Every step goes to an older version, so it ends: at a file of Geneva's, at an append, or where the
history of the table was cleaned up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from geneva.storage.column_file import file_tag, read_coverage
from geneva.storage.dataset import Dataset
from geneva.storage.held import ColumnFields, Held
from geneva.storage.history import Arrival, Birth, History
from geneva.storage.model import ComputedColumn, Origin, TableLocation
from geneva.storage.moved_rows import (
    LostRows,
    Moves,
    live_offsets,
    row_ids,
    unchanged,
    values_there,
)
from geneva.storage.proofs import Proofs
from geneva.storage.row_states import (
    FRESH,
    NEVER,
    NOT_YET,
    OTHER,
    UNTRACED,
    Reasons,
    RowStates,
    all_fresh,
    changed,
)

_Place = tuple[int, int]
"""A fragment at a version: (version, fragment id)."""


@dataclass(frozen=True, slots=True)
class _Step:
    """What the states of a fragment's rows are made of."""

    sources: tuple[_Place, ...]
    combine: Callable[[], RowStates]


class Lineage:
    """The states of the rows of fragments whose files do not say who computed them.

    Parameters
    ----------
    dataset
        The table at the version to look at.
    location, column, fields
        The table, the column, and its fields.
    proofs
        What was found out before.
    """

    def __init__(
        self,
        dataset: Dataset,
        location: TableLocation,
        column: ComputedColumn,
        fields: ColumnFields,
        proofs: Proofs,
    ) -> None:
        self.reasons = Reasons()
        self._version = dataset.version
        self._location = location
        self._column = column
        self._fields = fields
        self.proofs = proofs
        self._history = History(dataset)
        self._stable_row_ids = bool(dataset.has_stable_row_ids)
        self._known: dict[_Place, RowStates] = {}
        self._partial: dict[str, RowStates] = {}
        self._lost: dict[int, LostRows] = {}

    def states_of(self, fragment_id: int) -> RowStates:
        """Return the states of a fragment's rows."""
        # Not recursive: a row may have been moved more often than Python can nest calls.
        wanted = (self._version, fragment_id)
        steps: dict[_Place, _Step] = {}
        stack = [wanted]
        while stack:
            place = stack[-1]
            if place in self._known:
                stack.pop()
                continue
            if place not in steps:
                steps[place] = self._step(*place)
            missing = [source for source in steps[place].sources if source not in self._known]
            if missing:
                stack.extend(missing)
            else:
                self._known[place] = steps.pop(place).combine()
        return self._known[wanted]

    def _step(self, version: int, fragment_id: int) -> _Step:
        dataset = self._history.at(version)
        fragment = None if dataset is None else dataset.get_fragment(fragment_id)
        if fragment is None:
            raise RuntimeError(f"version {version} has no fragment {fragment_id}")
        rows = int(fragment.physical_rows)
        held = self._fields.held_by(fragment)
        if held.path is None:
            return self._same_for_all(rows, NEVER)
        tag = file_tag(held.path)
        if tag is not None and tag.fingerprint != held.fingerprint:
            return self._same_for_all(rows, OTHER)
        if tag is not None:
            path, complete = held.path, tag.complete
            return _Step((), lambda: self._computed_here(path, rows, complete=complete))
        proven = None if held.beside else self.proofs.find(held, rows, self.reasons)
        if proven is not None:
            return _Step((), lambda: proven)
        arrival = self._newest_arrival(held, fragment_id, version)
        before = None if arrival is None else self._history.at(arrival.version - 1)
        needs_before = arrival is not None and arrival.birth is not Birth.APPENDED
        if arrival is None or (needs_before and before is None):
            return self._same_for_all(rows, UNTRACED)
        places = [(arrival.version - 1, source) for source in arrival.sources]
        if not all(self._exists(place) for place in [(arrival.version, fragment_id), *places]):
            return self._same_for_all(rows, UNTRACED)
        if arrival.version < version:
            return self._since(held, arrival.version, fragment_id)
        if arrival.birth is Birth.APPENDED:
            return _Step((), lambda: self._given(version, fragment_id, f"at version {version}"))
        if arrival.birth is Birth.COMPACTED:
            return self._compacted(arrival, fragment_id, rows)
        if arrival.birth is Birth.MOVED:
            return self._moved(version, fragment_id, rows)
        return self._replaced(arrival, fragment_id, rows)

    def _newest_arrival(self, held: Held, fragment_id: int, version: int) -> Arrival | None:
        """Find the last commit that brought one of a column's files into a fragment."""
        others = [p for p in (held.path, *held.beside) if p is not None and file_tag(p) is None]
        found = [self._history.arrival(path, fragment_id, version) for path in others]
        known = [arrival for arrival in found if arrival is not None]
        if len(known) < len(found):
            return None
        return max(known, key=lambda arrival: arrival.version)

    def _exists(self, place: _Place) -> bool:
        dataset = self._history.at(place[0])
        return dataset is not None and dataset.get_fragment(place[1]) is not None

    def _same_for_all(self, rows: int, reason: tuple[Origin, str]) -> _Step:
        return _Step((), lambda: self.reasons.everywhere(rows, reason))

    def _computed_here(self, path: str, rows: int, *, complete: bool) -> RowStates:
        states = all_fresh(rows, [path])
        if complete:
            return states
        if path not in self._partial:
            said = read_coverage(self._location, path, rows)
            states = changed(states, ~said.computed, self.reasons.code(NOT_YET))
            codes = [self.reasons.failed(said.fragment_id, int(row)) for row in said.failed]
            self._partial[path] = changed(states, said.failed, np.array(codes, np.int32))
        return self._partial[path]

    def _since(self, held: Held, version: int, fragment_id: int) -> _Step:
        """Carry states to a later version of the same fragment with the same file."""
        place = (version, fragment_id)

        def combine() -> RowStates:
            states = self._known[place]
            then = self._history.at(version)
            assert then is not None  # noqa: S101 - the step of that place has opened it
            if self._fields.held_by(then.get_fragment(fragment_id)).fingerprint == held.fingerprint:
                return states
            words = f"were computed from inputs that were replaced after version {version}"
            return changed(states, states.fresh, self.reasons.code((Origin.STALE, words)))

        return _Step((place,), combine)

    def _given(self, version: int, fragment_id: int, when: str) -> RowStates:
        """Return the states of rows that came with values: what is not NULL counts as computed."""
        dataset = self._history.at(version)
        assert dataset is not None  # noqa: S101 - the step has opened it
        given = np.logical_and.reduce(
            [values_there(dataset, fragment_id, i) for i in self._fields.stored]
        )
        missing = (Origin.MISSING, f"were added {when} and never computed")
        states = changed(all_fresh(len(given), ()), ~given, self.reasons.code(missing))
        if not self._column.repointed:
            return states
        # The values may be those of the function that the column had then.
        other = f"were added {when} with values that may be of another function"
        return changed(states, given, self.reasons.code((Origin.STALE, other)))

    def _compacted(self, arrival: Arrival, fragment_id: int, rows: int) -> _Step:
        version = arrival.version
        sources = tuple((version - 1, source) for source in arrival.sources)

        def combine() -> RowStates:
            before, after = self._history.at(version - 1), self._history.at(version)
            codes = [np.empty(0, np.int32)]
            ids = [np.empty(0, np.uint64)]
            files: set[str] = set()
            for place in sources:
                live = live_offsets(before, place[1])
                codes.append(self._known[place].codes[live])
                files |= self._known[place].files
                if self._stable_row_ids:
                    ids.append(row_ids(before, place[1])[0])
            here = slice(arrival.before, arrival.before + rows)
            in_order = sum(map(len, codes)) == arrival.group_rows
            if in_order and self._stable_row_ids:
                in_order = np.array_equal(np.concatenate(ids)[here], row_ids(after, fragment_id)[0])
            if not in_order:
                return self.reasons.everywhere(rows, UNTRACED)
            return RowStates(np.concatenate(codes)[here], frozenset(files))

        return _Step(sources, combine)

    def _moved(self, version: int, fragment_id: int, rows: int) -> _Step:
        if not self._stable_row_ids:
            words = f"were moved by an update at version {version}; which inputs it changed cannot "
            words += "be told without stable row ids"
            return self._same_for_all(rows, (Origin.STALE, words))
        before, after = self._history.at(version - 1), self._history.at(version)
        if version not in self._lost:
            self._lost = {version: LostRows(before, after)}
        moves = self._lost[version].moved_to(after, fragment_id)
        return self._carried(version, fragment_id, rows, moves, "by an update")

    def _replaced(self, arrival: Arrival, fragment_id: int, rows: int) -> _Step:
        version = arrival.version
        before, after = self._history.at(version - 1), self._history.at(version)
        assert before is not None  # noqa: S101 - the step has opened both
        fragment = before.get_fragment(fragment_id)
        if fragment is None:
            return self._same_for_all(rows, UNTRACED)
        if arrival.birth is Birth.ADDED and self._fields.held_by(fragment).path is None:
            when = f"with the column at version {version}"
            return _Step((), lambda: self._given(version, fragment_id, when))
        live = live_offsets(after, fragment_id)
        moves = Moves(live, np.full(len(live), fragment_id, np.int64), live)
        return self._carried(version, fragment_id, rows, moves, "by another program")

    def _carried(self, version: int, fragment_id: int, rows: int, moves: Moves, by: str) -> _Step:
        """Carry the states of rows whose values a commit wrote again, if it changed nothing."""
        places = tuple((version - 1, int(source)) for source in np.unique(moves.fragments))

        def combine() -> RowStates:
            before, after = self._history.at(version - 1), self._history.at(version)
            assert before is not None  # noqa: S101 - the step has opened it
            inserted = (Origin.MISSING, f"were inserted {by} at version {version}")
            codes = np.full(rows, self.reasons.code(inserted), np.int32)
            for place in places:
                mine = moves.fragments == place[1]
                codes[moves.offsets[mine]] = self._known[place].codes[moves.olds[mine]]
            fresh = codes[moves.offsets] == FRESH
            kept = Moves(moves.offsets[fresh], moves.fragments[fresh], moves.olds[fresh])
            columns = (
                (self._fields.ordered, "had their inputs changed"),
                (self._fields.stored, "were overwritten"),
            )
            for field_ids, happened in columns:
                same = unchanged(before, after, fragment_id, kept, field_ids)
                reason = (Origin.STALE, f"{happened} {by} at version {version}")
                codes[kept.offsets[~same]] = self.reasons.code(reason)
                kept = Moves(kept.offsets[same], kept.fragments[same], kept.olds[same])
            files = {file for place in places for file in self._known[place].files}
            return RowStates(codes, frozenset(files if len(kept.offsets) else ()))

        return _Step(places, combine)
