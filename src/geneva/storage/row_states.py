"""Which rows of a fragment are fresh, and why the others are not: one small number per row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from geneva.storage.model import Origin, Pending

FRESH = 0
"""The code of a row that this version of the function computed from its current inputs."""

NEVER = (Origin.MISSING, "were never computed")
NOT_YET = (Origin.MISSING, "were not computed in earlier calls")
FAILED_WORDS = "failed in earlier calls"
OTHER = (
    Origin.STALE,
    "were computed by another version of the function or from other inputs",
)
UNTRACED = (
    Origin.STALE,
    "cannot be traced to where they were computed, because older versions were cleaned up",
)


@dataclass(frozen=True, slots=True)
class RowStates:
    """The state of each physical row of one fragment.

    Attributes
    ----------
    codes : np.ndarray
        :data:`FRESH`, or the code of a reason from a :class:`Reasons`. What stands there for
        deleted rows means nothing.
    files : frozenset of str
        Column files, relative to ``data``, whose values fresh rows have.
    """

    codes: np.ndarray
    files: frozenset[str] = frozenset()

    @property
    def fresh(self) -> np.ndarray:
        """Mask of the rows that are fresh."""
        found: np.ndarray = self.codes == FRESH
        return found


class Reasons:
    """Numbers the reasons why rows are not fresh."""

    def __init__(self) -> None:
        self._codes: dict[tuple[Origin, str], int] = {}
        self._reasons: list[tuple[Origin, str]] = []

    def code(self, reason: tuple[Origin, str]) -> int:
        """Return the code of a reason: whether rows are missing or stale, and the words."""
        if reason not in self._codes:
            self._reasons.append(reason)
            self._codes[reason] = len(self._reasons)
        return self._codes[reason]

    def failed(self, fragment_id: int, offset: int) -> int:
        """Return the code of one row that failed where it was first: no other row has it.

        So what is stored of its failure is found again after the row was moved.
        """
        return self.code((Origin.FAILED, f"{fragment_id}:{offset}"))

    def failures(self, codes: np.ndarray) -> dict[int, tuple[int, int]]:
        """Return the rows that failed, with the fragment and offset where they did."""
        wanted = [
            code
            for code in np.unique(codes[codes != FRESH]).tolist()
            if self.of(code)[0] is Origin.FAILED
        ]
        found = {}
        for row in np.flatnonzero(np.isin(codes, wanted)).tolist():
            fragment_id, _, offset = self.of(int(codes[row]))[1].partition(":")
            found[row] = (int(fragment_id), int(offset))
        return found

    def of(self, code: int) -> tuple[Origin, str]:
        """Return the reason of a code."""
        return self._reasons[code - 1]

    def everywhere(self, rows: int, reason: tuple[Origin, str]) -> RowStates:
        """Return the states of a fragment whose rows all have the same reason."""
        return _everywhere(rows, self.code(reason), ())

    def count(self, codes: np.ndarray) -> tuple[Pending, ...]:
        """Count rows by reason; fresh ones are left out."""
        found, rows = np.unique(codes[codes != FRESH], return_counts=True)
        counted: dict[tuple[Origin, str], int] = {}
        for code, count in zip(found.tolist(), rows.tolist(), strict=True):
            kind, words = self.of(code)
            reason = (kind, FAILED_WORDS if kind is Origin.FAILED else words)
            counted[reason] = counted.get(reason, 0) + count
        return tuple(Pending(*reason, rows=count) for reason, count in counted.items())


def all_fresh(rows: int, files: Iterable[str]) -> RowStates:
    """Return the states of a fragment that is fresh."""
    return _everywhere(rows, FRESH, files)


def changed(states: RowStates, rows: np.ndarray, codes: np.ndarray | int) -> RowStates:
    """Return states in which some rows, by mask or offset, have other codes."""
    after = states.codes.copy()
    after[rows] = codes
    return replace(states, codes=after)


def _everywhere(rows: int, code: int, files: Iterable[str]) -> RowStates:
    # Takes no memory per row: most fragments that a walk comes by are all the same.
    return RowStates(np.broadcast_to(np.int32(code), (rows,)), frozenset(files))
