"""List what jobs left with a table, and what is still needed of it.

The order of looks matters, because jobs begin and end meanwhile: first what is there, then who is
alive, then what versions hold. A file that was there at the first look is of a job that is alive at
the second, or of one that has ended and whose commit is seen at the third.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from geneva.errors import TableNotFoundError
from geneva.storage.claims import Life
from geneva.storage.column_file import file_tag
from geneva.storage.dataset import Dataset, open_dataset
from geneva.storage.definitions import computed_columns, distinct_columns
from geneva.storage.files import (
    ERRORS_FOLDER,
    FUNCTIONS_FOLDER,
    LEASES_FOLDER,
    OVERRIDES_FOLDER,
    PARTS_FOLDER,
    PEAKS_FOLDER,
    PROOFS_FOLDER,
    StoredFile,
    TableFiles,
)
from geneva.storage.leases import life_of, list_claims
from geneva.storage.model import ComputedColumn, Origin, TableLocation
from geneva.storage.names import call_tag
from geneva.storage.overrides import list_overrides
from geneva.storage.snapshot import take_snapshot
from geneva.storage.tags import JobTag, list_tags

DATA_FOLDER = "data"
_FOLDERS = (
    PARTS_FOLDER,
    DATA_FOLDER,
    FUNCTIONS_FOLDER,
    LEASES_FOLDER,
    OVERRIDES_FOLDER,
    PROOFS_FOLDER,
    PEAKS_FOLDER,
    ERRORS_FOLDER,
)


@dataclass(frozen=True, slots=True)
class SeenClaim:
    """A claim as somebody found it at one look.

    Attributes
    ----------
    path : str
        Its file.
    job_id, call_tag : str
        The job, and the beginning of its call's id; empty if the file cannot be read.
    field_id : int
        The column's field.
    life : Life
        Whether its holder is alive.
    silent_s : float
        Seconds since it was renewed, as far as two clocks agree.
    """

    path: str
    job_id: str
    call_tag: str
    field_id: int
    life: Life
    silent_s: float


@dataclass(frozen=True, slots=True)
class Inventory:
    """All that jobs left with a table.

    Attributes
    ----------
    files : tuple of StoredFile
        Parts, column files, packed functions, leases, notes, what is known of columns, and
        unfinished files.
    tags : tuple of JobTag
        Tags of jobs.
    claims : tuple of SeenClaim
        Who says that it computes a column.
    columns : frozenset of int
        Fields of the computed columns.
    fragments : frozenset of int
        Fragments of the latest version.
    resumable : frozenset of str
        Parts that the next backfill would use.
    committed : frozenset of (int, int, str)
        Field, fragment and fingerprint of what is complete in the table.
    needed : frozenset of str
        Column files and functions that a version names.
    notes_in_use : frozenset of str
        Notes of functions whose parts the next such backfill would use.
    functions_noted : frozenset of (str, str)
        Note, and the function that it names.
    branched : bool
        Whether there may be versions that were not looked at.
    """

    files: tuple[StoredFile, ...] = ()
    tags: tuple[JobTag, ...] = ()
    claims: tuple[SeenClaim, ...] = ()
    columns: frozenset[int] = frozenset()
    fragments: frozenset[int] = frozenset()
    resumable: frozenset[str] = frozenset()
    committed: frozenset[tuple[int, int, str]] = frozenset()
    needed: frozenset[str] = frozenset()
    notes_in_use: frozenset[str] = frozenset()
    functions_noted: frozenset[tuple[str, str]] = frozenset()
    branched: bool = False


def take_inventory(location: TableLocation) -> Inventory:
    """List what jobs left with a table.

    Raises
    ------
    TableNotFoundError
        There is no such table.
    """
    files = TableFiles(location)
    dataset = open_dataset(location)
    stored = [
        file
        for folder in _FOLDERS
        for file in files.survey(folder)
        if folder != DATA_FOLDER or _is_ours(file.path)
    ]
    tags = list_tags(dataset)
    claims = _seen_claims(files)
    overrides = list_overrides(files)
    dataset = open_dataset(location)
    with_parts = {_field_of(f.path) for f in stored if f.path.startswith(PARTS_FOLDER)}
    columns = distinct_columns(dataset)
    resumable: set[str] = set()
    committed: set[tuple[int, int, str]] = set()
    notes: set[str] = set()
    for column in columns:
        if column.field_id not in with_parts:
            continue
        seen: list[tuple[str, ComputedColumn]] = [("", column)]
        seen += [(o.path, o.of(column)) for o in overrides if o.field_id == column.field_id]
        for note, definition in seen:
            for state in take_snapshot(dataset, location, definition).fragments:
                if state.origin is Origin.FRESH:
                    committed.add((column.field_id, state.fragment_id, state.fingerprint))
                elif state.parts:
                    resumable |= {part.path for part in state.parts}
                    notes.add(note)
    return Inventory(
        files=tuple(stored),
        tags=tuple(tags),
        claims=tuple(claims),
        columns=frozenset(_computed_ids(dataset)),
        fragments=frozenset(f.fragment_id for f in dataset.get_fragments()),
        resumable=frozenset(resumable),
        committed=frozenset(committed),
        needed=frozenset(_needed(location, dataset, [f.path for f in stored])),
        notes_in_use=frozenset(notes),
        functions_noted=frozenset((o.path, o.payload) for o in overrides),
        branched=bool(dataset.branches.list()),
    )


def column_file_of(path: str) -> str:
    """Return the column file that a file in the data folder is, or belongs to.

    Examples
    --------
    >>> column_file_of("data/gv-0f-c-4f1c.lance"), column_file_of("data/gv-0f-c-4f1c/1.blob")
    ('gv-0f-c-4f1c.lance', 'gv-0f-c-4f1c.lance')
    """
    name = path.removeprefix(f"{DATA_FOLDER}/").partition("/")[0]
    return f"{name.removesuffix('.lance')}.lance"


def is_unfinished(path: str) -> bool:
    """Say whether a name is one under which a file is written, before it gets its own."""
    name = path.rpartition("/")[2]
    return name.startswith(".tmp") or (name.startswith(".") and name.endswith(".tmp"))


def _is_ours(path: str) -> bool:
    return is_unfinished(path) or file_tag(column_file_of(path)) is not None


def _field_of(path: str) -> int:
    piece = path.removeprefix(f"{PARTS_FOLDER}/").partition("/")[0]
    return int(piece) if piece.isdigit() else -1


def _seen_claims(files: TableFiles) -> list[SeenClaim]:
    found, now_s = [], time.time()
    for path, claim in list_claims(files).items():
        field = path.removeprefix(f"{LEASES_FOLDER}/").partition("/")[0]
        field_id = int(field) if field.isdigit() else -1
        if claim is None:
            found.append(SeenClaim(path, "", "", field_id, Life.DEAD, 0.0))
            continue
        silent_s = now_s - claim.renewed_s
        tag = call_tag(claim.call_id)
        found.append(SeenClaim(path, claim.job_id, tag, field_id, life_of(claim), silent_s))
    return found


def _computed_ids(dataset: Dataset) -> Iterable[int]:
    names = set(computed_columns(dataset))
    return (field.id() for field in dataset.lance_schema.fields() if field.name() in names)


def _needed(location: TableLocation, latest: Dataset, paths: list[str]) -> set[str]:
    """Return which column files and functions a version of the table names, from the latest on."""
    sought = {p for p in paths if p.startswith(FUNCTIONS_FOLDER)}
    sought |= {column_file_of(p) for p in paths if p.startswith(f"{DATA_FOLDER}/")}
    found: set[str] = set()
    for version in sorted((v["version"] for v in latest.versions()), reverse=True):
        if not sought:
            break
        try:
            dataset = open_dataset(location, version)
        except TableNotFoundError:
            continue  # Cleaned up since.
        files = {file.path for f in dataset.get_fragments() for file in f.data_files()}
        said = [v for field in dataset.schema for v in (field.metadata or {}).values()]
        said += (dataset.schema.metadata or {}).values()
        words = b"\n".join(said).decode("utf-8", "replace")
        here = {s for s in sought if s in files or s.removeprefix(f"{FUNCTIONS_FOLDER}/") in words}
        found |= here
        sought -= here
    return found
