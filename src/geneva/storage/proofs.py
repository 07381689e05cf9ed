"""What was found out about fragments that somebody else wrote, kept so that history may go.

A proof says which rows of a data file hold what a function computes from certain input files. None
of these ever change, so a proof never becomes wrong; at worst nobody asks for it any more. It is a
small file beside the table's data, and losing it costs nothing but reading the history again.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np

from geneva.storage.files import PROOFS_FOLDER, TableFiles
from geneva.storage.held import Held
from geneva.storage.model import ComputedColumn, Origin, pack_rows, unpack_rows
from geneva.storage.row_states import FRESH, UNTRACED, Reasons, RowStates

_Key = tuple[str, str]


class Proofs:
    """The proofs of one computed column. They are read when the first is asked for.

    Parameters
    ----------
    files
        Files of the table.
    column
        The column.
    """

    def __init__(self, files: TableFiles, column: ComputedColumn) -> None:
        self._files = files
        self._folder = f"{PROOFS_FOLDER}/{column.field_id}"
        # What came with values counts as computed only as long as the function is the first one.
        self._kind = "repointed" if column.repointed else "first"
        self._read: dict[_Key, dict[str, Any]] | None = None
        self._paths: list[str] = []

    def find(self, held: Held, rows: int, reasons: Reasons) -> RowStates | None:
        """Return the states of a fragment's rows if they were found out before."""
        entry = self._entries().get(self._key(held))
        if entry is None or entry["rows"] != rows:
            return None
        codes = np.full(rows, FRESH, np.int32)
        for kind, words, packed in entry["not_fresh"]:
            mask = unpack_rows(bytes.fromhex(packed), rows)
            codes[mask] = reasons.code((Origin(kind), words))
        for row, fragment_id, offset in entry.get("failed", ()):
            codes[row] = reasons.failed(fragment_id, offset)
        return RowStates(codes, frozenset(entry["files"]))

    def keep(self, found: Sequence[tuple[Held, RowStates]], reasons: Reasons) -> None:
        """Keep what was found out, and forget what is not asked for any more."""
        entries = {}
        for held, states in found:
            entry = _entry(states, reasons)
            if entry is not None:
                entries[self._key(held)] = entry
        known = self._entries()
        if all(known.get(key) == entry for key, entry in entries.items()):
            return
        data = json.dumps([[*key, entry] for key, entry in entries.items()])
        self._files.write(f"{self._folder}/{uuid.uuid4().hex}.json", data.encode())
        for path in self._paths:
            self._files.delete(path)

    def _key(self, held: Held) -> _Key:
        return (str(held.path), f"{held.fingerprint}-{self._kind}")

    def _entries(self) -> dict[_Key, dict[str, Any]]:
        if self._read is None:
            self._read = {}
            for path in self._files.list(self._folder):
                try:
                    data = self._files.read(path)
                except FileNotFoundError:
                    continue  # Another job wrote a newer one and removed this.
                self._paths.append(path)
                for file, fingerprint, entry in json.loads(bytes(data)):
                    self._read[file, fingerprint] = entry
        return self._read


def _entry(states: RowStates, reasons: Reasons) -> dict[str, Any] | None:
    """Return a proof as it is stored; None if nothing could be proven."""
    codes = states.codes
    present = [code for code in np.unique(codes).tolist() if code != FRESH]
    if any(reasons.of(code) == UNTRACED for code in present):
        return None
    failures = reasons.failures(codes)
    return {
        "rows": len(codes),
        "not_fresh": [
            [*_stored(reasons.of(code)), pack_rows(codes == code).hex()]
            for code in present
            if reasons.of(code)[0] is not Origin.FAILED
        ],
        "failed": [[row, *place] for row, place in failures.items()],
        "files": sorted(states.files),
    }


def _stored(reason: tuple[Origin, str]) -> tuple[str, str]:
    kind, words = reason
    return kind.value, words
