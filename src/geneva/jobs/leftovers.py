"""Decide what of that which jobs left with a table nobody needs any more. Pure."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from geneva.storage.claims import Life
from geneva.storage.column_file import file_tag
from geneva.storage.files import (
    ERRORS_FOLDER,
    FUNCTIONS_FOLDER,
    OVERRIDES_FOLDER,
    PARTS_FOLDER,
    PEAKS_FOLDER,
    PROOFS_FOLDER,
    StoredFile,
)
from geneva.storage.inventory import (
    DATA_FOLDER,
    Inventory,
    SeenClaim,
    column_file_of,
    is_unfinished,
)
from geneva.storage.names import call_tag

# Somebody may be about to name what is younger.
# What is known of a column, by its field.
_KNOWN = (PROOFS_FOLDER, PEAKS_FOLDER, ERRORS_FOLDER)
_YOUNG_S = 3600.0
# Lance writes large files for long; whoever writes one touches it all the time.
_UNFINISHED_DATA_S = 24 * 3600.0


class Kind(enum.Enum):
    """What a leftover is; in the order in which they are removed."""

    LEASE = "lease"
    TAG = "tag"
    PART = "part"
    COLUMN_FILE = "column file"
    NOTE = "note of a function"
    FUNCTION = "function"
    KNOWN = "column note"
    UNFINISHED = "unfinished file"


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that nobody needs.

    Attributes
    ----------
    path : str
        File, relative to the table, or name of a tag.
    kind : Kind
        What it is.
    size_bytes : int or None
        Its size, where the store says so.
    why : str
        Why nobody needs it.
    """

    path: str
    kind: Kind
    size_bytes: int | None
    why: str


def leftovers(inventory: Inventory, *, resumable: bool = False) -> tuple[Leftover, ...]:
    """Return what can be removed, in the order in which to remove it.

    Parameters
    ----------
    inventory
        What there is.
    resumable
        Whether also what an unfinished job left and the next backfill would use. What a running job
        uses always stays.

    Examples
    --------
    >>> left = StoredFile("_geneva/parts/9/0f3a/0-0-10-dense-4f1c22ab0c9d.arrow", 512)
    >>> [(found.kind.value, found.why) for found in leftovers(Inventory(files=(left,)))]
    [('part', 'its column is gone')]
    """
    alive = [claim for claim in inventory.claims if not _is_dead(claim)]
    decide = _Decision(inventory, alive, resumable=resumable)
    found = [
        Leftover(claim.path, Kind.LEASE, None, f"job {claim.job_id or '?'} is dead")
        for claim in inventory.claims
        if _is_dead(claim)
    ]
    found += [
        Leftover(tag.name, Kind.TAG, None, f"the job that read version {tag.version} is dead")
        for tag in inventory.tags
        if tag.field_id not in decide.busy
    ]
    for file in inventory.files:
        judged = decide.file(file)
        if judged is not None:
            found.append(Leftover(file.path, judged[0], file.size_bytes, judged[1]))
    order = list(Kind)
    return tuple(sorted(found, key=lambda left: (order.index(left.kind), left.path)))


def _is_dead(claim: SeenClaim) -> bool:
    # Clocks of two machines hardly ever differ by that much; one that comes back looks first.
    return claim.life is Life.DEAD or (claim.life is Life.UNSURE and claim.silent_s > _YOUNG_S)


class _Decision:
    """Judges files, one by one."""

    def __init__(self, inventory: Inventory, alive: list[SeenClaim], *, resumable: bool) -> None:
        self._there = inventory
        self._all = resumable
        self._noted: set[str] = set()
        self._calls = {claim.call_tag for claim in alive}
        self.busy = {claim.field_id for claim in alive}
        kept = {file.path for file in inventory.files if not self.file(file)}
        self._noted |= {payload for note, payload in inventory.functions_noted if note in kept}

    def file(self, file: StoredFile) -> tuple[Kind, str] | None:
        """Return what a file is and why nobody needs it; None if it stays."""
        path = file.path
        if is_unfinished(path):
            in_data = path.startswith(f"{DATA_FOLDER}/")
            old = (file.age_s or 0) > (_UNFINISHED_DATA_S if in_data else _YOUNG_S)
            return (Kind.UNFINISHED, "whoever wrote it did not end") if old else None
        if path.startswith(PARTS_FOLDER):
            kind, why = Kind.PART, self._part(path)
        elif path.startswith(f"{DATA_FOLDER}/"):
            kind, why = Kind.COLUMN_FILE, self._column_file(file)
        elif path.startswith(FUNCTIONS_FOLDER):
            kind, why = Kind.FUNCTION, self._function(file)
        elif path.startswith(OVERRIDES_FOLDER):
            kind, why = Kind.NOTE, self._note(file)
        elif path.startswith(_KNOWN):
            kind, why = Kind.KNOWN, self._known(path)
        else:
            return None  # A lease, which was judged as a claim.
        return None if why is None else (kind, why)

    def _part(self, path: str) -> str | None:
        try:
            field, fingerprint, name = path.removeprefix(f"{PARTS_FOLDER}/").split("/")
            field_id, fragment_id = int(field), int(name.partition("-")[0])
        except ValueError:
            return None  # Not ours.
        if field_id in self.busy:
            return None
        if field_id not in self._there.columns:
            return "its column is gone"
        if fragment_id not in self._there.fragments:
            return "its fragment is gone"
        if path in self._there.resumable:
            return "an unfinished job left it" if self._all else None
        if (field_id, fragment_id, fingerprint) in self._there.committed:
            return "its rows are committed"
        return "its function or its inputs were replaced"

    def _column_file(self, file: StoredFile) -> str | None:
        name = column_file_of(file.path)
        tag = file_tag(name)
        if tag is None or name in self._there.needed or self._there.branched:
            return None
        # Where ages are not known, it is the order of looks that keeps what a job may still commit.
        young = file.age_s is not None and file.age_s < _YOUNG_S
        if young or call_tag(tag.name) in self._calls:
            return None
        return "no version holds it and its job has ended"

    def _function(self, file: StoredFile) -> str | None:
        path = file.path
        if path in self._there.needed or path in self._noted or self._there.branched:
            return None
        return "no version names it" if self._is_old(file) else None

    def _note(self, file: StoredFile) -> str | None:
        field = file.path.removeprefix(f"{OVERRIDES_FOLDER}/").partition("/")[0]
        in_use = file.path in self._there.notes_in_use and not self._all
        if in_use or not self._is_old(file) or (field.isdigit() and int(field) in self.busy):
            return None
        return "nothing is left of its job"

    def _known(self, path: str) -> str | None:
        folder = next(folder for folder in _KNOWN if path.startswith(folder))
        field = path.removeprefix(folder).strip("/")
        found = re.match(r"\d+", field)
        if found is None or int(found[0]) in self._there.columns | self.busy:
            return None
        return "its column is gone"

    def _is_old(self, file: StoredFile) -> bool:
        return self._all if file.age_s is None else file.age_s > _YOUNG_S
