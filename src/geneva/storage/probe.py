"""Whether a place can hold tables: real files, and real commits that meet."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import lance
import pyarrow as pa
from lance.commit import CommitConflictError
from lance.fragment import write_fragments

from geneva.storage.files import TableFiles
from geneva.storage.model import TableLocation

_WRITERS = 6
_MOST_ROUNDS = 5


def try_files(location: TableLocation) -> None:
    """Write, replace, read, list and delete a file.

    Raises
    ------
    OSError
        What could not be done, or was done and cannot be seen.

    Examples
    --------
    >>> import tempfile
    >>> try_files(TableLocation(tempfile.mkdtemp()))
    """
    files, path = TableFiles(location), "files/probe"
    for data in (b"first", b"second"):
        files.write(path, data)
        found = files.read(path).to_pybytes()
        if found != data:
            raise OSError(f"wrote {data!r} and read {found!r}")
    if path not in files.list("files"):
        raise OSError("a file that was written is not listed")
    files.delete(path)
    if files.exists(path):
        raise OSError("a file that was deleted is still there")


@dataclass(frozen=True, slots=True)
class Race:
    """What became of commits that were made at the same time.

    Attributes
    ----------
    commits : int
        How many there were.
    refused : int
        How many were told that somebody else was first.
    lost : int
        How many were told that they succeeded and are not in the table.
    """

    commits: int
    refused: int
    lost: int


def race_commits(location: TableLocation) -> Race:
    """Let writers commit to a table at the same time, until one of them is refused.

    A version of a table is one object, put only if it is absent. Where the store does not refuse a
    second one, it replaces the first, and that commit's rows are gone without an error. Lance looks
    at the latest version right before, so writers have to meet in between; that a few rounds are
    made is for those that do not.

    Examples
    --------
    >>> import tempfile
    >>> race = race_commits(TableLocation(tempfile.mkdtemp() + "/race.lance"))
    >>> race.commits > 0, race.lost
    (True, 0)
    """
    rows = pa.table({"writer": pa.array([0], pa.int64())})
    options = location.options
    lance.write_dataset(rows.slice(0, 0), location.uri, storage_options=options)
    commits = refused = done = 0
    for _ in range(_MOST_ROUNDS):
        start = lance.dataset(location.uri, storage_options=options)
        barrier = threading.Barrier(_WRITERS)
        with ThreadPoolExecutor(_WRITERS) as pool:
            writers = [
                pool.submit(_commit_one, location, start.version, barrier) for _ in range(_WRITERS)
            ]
            done += sum(writer.result() for writer in writers)
        commits += _WRITERS
        refused = commits - done
        there = lance.dataset(location.uri, storage_options=options).count_rows()
        if refused or there != done:
            return Race(commits, refused, max(0, done - there))
    return Race(commits, refused, 0)


def _commit_one(location: TableLocation, version: int, barrier: threading.Barrier) -> bool:
    """Append a row in one attempt; return whether this commit was accepted."""
    options = location.options
    row = pa.table({"writer": pa.array([1], pa.int64())})
    fragments = write_fragments(row, location.uri, mode="append", storage_options=options)
    operation = lance.LanceOperation.Append(fragments)
    barrier.wait(timeout=30)
    try:
        lance.LanceDataset.commit(
            location.uri,
            operation,
            read_version=version,
            max_retries=0,
            storage_options=options,
        )
    except (CommitConflictError, OSError) as error:
        if "conflict" not in str(error).lower() and "concurrent" not in str(error).lower():
            raise
        return False
    return True
